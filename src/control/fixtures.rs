//! Samples that the core's tests share: a site with one fan and one thermometer, and short ways to write values.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::{
    ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PropertyMap, RowDrive, SensorId,
    SensorSpec, When,
};
use crate::twin::{Patch, PropertyPath, Section};
use crate::units::{BootTime, Celsius, Permille, TemperatureUnit};
use core::time::Duration;
use serde_json::{Map, Value};

pub(crate) const ON: RowDrive = RowDrive::Fixed(Permille::FULL);
pub(crate) const OFF: RowDrive = RowDrive::Fixed(Permille::ZERO);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds after boot.
pub(crate) fn at_ms(millis: u64) -> BootTime {
    BootTime::from_boot(ms(millis))
}

/// So many seconds after boot.
pub(crate) fn at(seconds: u64) -> BootTime {
    BootTime::from_boot(secs(seconds))
}

pub(crate) fn celsius(degrees: f64) -> Celsius {
    Celsius::new(degrees).unwrap()
}

pub(crate) fn range(min: f64, max: f64) -> ClimateRange {
    ClimateRange::new(celsius(min), celsius(max)).unwrap()
}

pub(crate) fn permille(permille: u16) -> Permille {
    Permille::new(permille).unwrap()
}

pub(crate) fn path(text: &str) -> PropertyPath {
    PropertyPath::parse(text).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn section(value: Value) -> Section {
    Section::from_object(object(value)).unwrap()
}

pub(crate) fn patch(value: Value) -> Patch {
    Patch::from_object(object(value)).unwrap()
}

/// An output that bears everything and has no table.
pub(crate) fn output(name: &str, kind: OutputKind) -> OutputSpec {
    OutputSpec {
        name: name.into(),
        kind,
        min_duty: None,
        kick: None,
        slew_permille_per_s: None,
        min_on: None,
        min_off: None,
        property: None,
        when: When::default(),
    }
}

/// A cooling fan with the table that configuration gives one.
pub(crate) fn fan(kind: OutputKind) -> OutputSpec {
    let when = When { sensor_fault: Some(ON), overheat: Some(ON), ..When::default() };
    OutputSpec { when, ..output("fan", kind) }
}

pub(crate) fn thermometer(name: &str) -> SensorSpec {
    SensorSpec {
        name: name.into(),
        measures: "temperature".into(),
        unit: TemperatureUnit::Celsius,
        stale_after: secs(30),
    }
}

/// 20 to 28 degrees by the first sensor, cooled by the first output.
pub(crate) fn climate_spec() -> ClimateSpec {
    ClimateSpec {
        sensors: vec![SensorId(0)],
        combine: Combine::Max,
        cooling: vec![OutputId(0)],
        heating: Vec::new(),
        range: range(20.0, 28.0),
        unit: TemperatureUnit::Celsius,
        limits: None,
        critical: None,
        hysteresis_kelvin: 0.5,
    }
}

pub(crate) fn properties() -> PropertyMap {
    PropertyMap {
        fan_on: path("fanOn"),
        climate: path("components.climate"),
        units: path("components.system.units"),
        patch_id: path("patchId"),
    }
}
