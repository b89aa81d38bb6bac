//! Fixtures of the core's tests: a site with one fan and one thermometer, and short constructors of values.

use super::climates::Climates;
use super::quantity::Quantity;
use super::{
    Cause, ClimateId, ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PropertyMap,
    RowDrive, SensorId, SensorSpec, When, ZoneId,
};
pub(crate) use crate::twin::fixtures::{at, at_ms, ms, patch, path, secs, section};
use crate::units::{Permille, TemperatureUnit};
use alloc::vec::Vec;

pub(crate) const ON: RowDrive = RowDrive::Fixed(Permille::FULL);
pub(crate) const OFF: RowDrive = RowDrive::Fixed(Permille::ZERO);

pub(crate) fn range(min: f64, max: f64) -> ClimateRange {
    ClimateRange::new(min, max).unwrap()
}

pub(crate) fn permille(permille: u16) -> Permille {
    Permille::new(permille).unwrap()
}

/// An output without constraints, and with the default table.
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
        alarms: Vec::new(),
        when: When::default(),
    }
}

/// A cooling fan with the table that the configuration gives it.
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
        source: format!("/run/{name}"),
        scale_offset: (1.0, 0.0),
        derived: None,
    }
}

/// 20 to 28 degrees by the first sensor, cooled by the first output.
pub(crate) fn climate_spec() -> ClimateSpec {
    ClimateSpec {
        name: None,
        quantity: Quantity::Temperature(TemperatureUnit::Celsius),
        property: path("components.climate"),
        sensors: vec![SensorId(0)],
        combine: Combine::Max,
        lowering: vec![OutputId(0)],
        raising: Vec::new(),
        lowering_from: 0.0,
        raising_from: 0.0,
        range: range(20.0, 28.0),
        limits: None,
        critical: None,
        hysteresis: 0.5,
        zone: ZoneId(0),
    }
}

/// What the only climate of a site decides.
pub(crate) const BY_CLIMATE: Cause = Cause::Climate(ClimateId(0));

/// That climate, for names.
pub(crate) fn climates() -> Climates {
    Climates::new([climate_spec()])
}

pub(crate) fn properties() -> PropertyMap {
    PropertyMap { fan_on: path("fanOn"), units: path("components.system.units"), patch_id: path("patchId") }
}
