//! Sensors: numbers that the system shows in files, judged and handed over one sample at a time.
//!
//! Terms: a *sample* is one attempt to read, a *fault* is why it gave no value, a *reading* is what came of it and
//! when. A sensor that is not there is in a state like any other: it is looked for again at each sample. A kind of
//! sensor is a file here (`hwmon`, `thermal_zone`, …), an entry in [`Source`] and a line in `attribute`. Deliberately
//! absent: clocks (the time is given to the poller), and the age of a value, which the core judges.

pub mod sysfs;
pub mod w1;

mod file;
mod hwmon;
mod iio;
mod named;
mod plausible;
mod poller;
#[cfg(test)]
mod tests;
mod thermal_zone;

pub use iio::Channel;
pub use plausible::Plausible;
pub use poller::{Delivery, Pollers, Urgency};

use crate::control::{Fault, SensorId};
use core::time::Duration;
use std::path::{Path, PathBuf};
use sysfs::{Attribute, Kind};

/// Where the system shows its devices.
const SYSFS: &str = "/sys";

/// Whatever can be sampled.
pub trait Sensor {
    /// Reads the value now, in the sensor's unit. May take as long as the device takes.
    ///
    /// # Errors
    /// Why there is no value. It may be there the next time.
    fn sample(&mut self) -> Result<f64, Fault>;
}

/// Makes ready to sample a sensor. Nothing is read, and the sensor need not be there yet.
pub fn open(settings: &SensorSettings) -> Box<dyn Sensor + Send> {
    Box::new(attribute(Path::new(SYSFS), settings))
}

/// Samples a sensor once and judges the value alone: for somebody who checks an installation. The second part says
/// where the value was looked for.
pub fn sample_once(settings: &SensorSettings) -> (Result<f64, Fault>, String) {
    sample_once_under(Path::new(SYSFS), settings)
}

fn sample_once_under(root: &Path, settings: &SensorSettings) -> (Result<f64, Fault>, String) {
    let mut sensor = attribute(root, settings);
    let sample = sensor.sample();
    (Plausible::new(settings.plausible.clone()).judge(sample), sensor.whereabouts())
}

fn attribute(root: &Path, settings: &SensorSettings) -> Attribute {
    let kind: Box<dyn Kind> = match &settings.source {
        Source::File { path } => Box::new(file::File::new(path)),
        Source::Hwmon { at } => Box::new(hwmon::Hwmon::new(root, at)),
        Source::ThermalZone { at } => Box::new(thermal_zone::ThermalZone::new(root, at)),
        Source::W1 { at } => Box::new(w1::W1::new(root, at)),
        Source::Iio { at, channel } => Box::new(iio::Iio::new(root, at, *channel)),
    };
    Attribute::new(kind, settings.scale, settings.offset)
}

/// Where a sensor's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A number in any file.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A hwmon input: `path` names the attribute, or `id` is `DEVICE/ATTRIBUTE`, `DEVICE/CHANNEL` or `DEVICE/LABEL`
    /// with the device's stable name (`/sys/class/hwmon/hwmon*/name`), or `NAME@PLACE` where several bear it;
    /// `DEVICE` alone is its first temperature. Raw values
    /// are the kernel's: thousandths of degrees, per cent, volts and amperes, millionths of
    /// watts and joules, and plain turns per minute.
    Hwmon {
        /// Stable name, or the attribute's path.
        at: Locator,
    },
    /// A thermal zone: by its `type` (`cpu-thermal`, or `TYPE@PLACE` where several bear it), or the path of its `temp`.
    /// Raw values are thousandths.
    ThermalZone {
        /// The zone's type, or the path.
        at: Locator,
    },
    /// A thermometer on the 1-Wire bus: by its number (`28-0316a2797c1f`), or the path of its `temperature` or
    /// `w1_slave`. Raw values are thousandths.
    W1 {
        /// The number, or the path.
        at: Locator,
    },
    /// An Industrial I/O attribute: `path` names it, or `id` is `DEVICE:ATTRIBUTE` or `DEVICE:CHANNEL` with
    /// the device's stable name (`/sys/bus/iio/devices/iio:device*/name`), or `NAME@PLACE` where several bear it;
    /// `DEVICE` alone is its `channel`. Raw values are the kernel's:
    /// thousandths of degrees and of per cent, kilopascals, millivolts; what the attribute's own `…_offset` and
    /// `…_scale` say is applied to a `…_raw`.
    Iio {
        /// Stable name, or the attribute's path.
        at: Locator,
        /// What a device's name alone stands for.
        channel: Option<Channel>,
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
    /// After so many repetitions of the very same number it is none either.
    pub frozen_repeats: Option<u32>,
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
    /// Less than this from the last news need not be told within the second; 0 if every change must.
    pub small_change: f64,
    /// Which values are believed.
    pub plausible: Plausibility,
}
