//! Sensors: values from files.
use crate::control::SensorId;
use core::time::Duration;
use std::path::PathBuf;

/// Where a sensor's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A number in any file.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A hwmon input: `path` names the attribute, or `id` is `DEVICE/ATTRIBUTE` or `DEVICE/LABEL` with the
    /// device's stable name (`/sys/class/hwmon/hwmon*/name`). Raw values are thousandths.
    Hwmon {
        /// Stable name, or the attribute's path.
        at: Locator,
    },
    /// A thermal zone: by its `type` (`cpu-thermal`), or the path of its `temp`. Raw values are thousandths.
    ThermalZone {
        /// The zone's type, or the path.
        at: Locator,
    },
}

/// How a sysfs attribute is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// By a stable name.
    Id(String),
    /// By its path.
    Path(PathBuf),
}

/// Which values are believed. In the sensor's unit, after `scale` and `offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plausibility {
    /// Lowest and highest that it can measure.
    pub valid: (f64, f64),
    /// A larger jump from one sample to the next must repeat to be believed.
    pub max_step: Option<f64>,
    /// Power-on values that are no reading.
    pub reject: Vec<f64>,
}

/// One sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorSettings {
    /// Which.
    pub id: SensorId,
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
    /// The raw number is multiplied by this (after the kind's own thousandths) …
    pub scale: f64,
    /// … and this is added.
    pub offset: f64,
    /// Between two samples.
    pub period: Duration,
    /// Which values are believed.
    pub plausible: Plausibility,
}
