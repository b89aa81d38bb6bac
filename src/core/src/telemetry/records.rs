//! What the records say: one thing at one moment, without the time.
//!
//! A temperature is in degrees Celsius, whatever unit its range was desired in, so that a series does not change its unit.

use crate::control::climate::Climate;
use crate::control::{OutputSpec, SensorId, SensorSpec};
use crate::report::Facts;
use crate::twin::json::tidy;
use crate::units::{BootTime, Permille};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::{Map, Value, json};

/// What a record has besides its time.
pub(super) type Rest = Map<String, Value>;

/// One of every sensor, climate and output.
pub(super) fn sample(now: BootTime, facts: Facts<'_>) -> Vec<Rest> {
    let sensors = facts.sensors.iter().map(|(id, spec, _)| sensor(now, facts, id, spec));
    let climates = facts.climates.iter().map(|(_, one)| climate(one));
    let outputs = facts.outputs.iter().map(|(id, spec, state)| {
        let cause = state.cause.by_name(facts.climates);
        match state.steady() {
            Some(_) if facts.pin_faults.contains_key(&id) => faulty(spec),
            Some(drive) => output(spec, drive, &cause, state.tach.rpm()),
            None => faulty(spec),
        }
    });
    sensors.chain(climates).chain(outputs).collect()
}

fn sensor(now: BootTime, facts: Facts<'_>, id: SensorId, spec: &SensorSpec) -> Rest {
    let mut rest = named("sensor", &spec.name);
    match facts.sensors.in_own_base_unit(now, id) {
        Ok(value) => put(&mut rest, &spec.measures, number(value, 1000.0)),
        Err(fault) => put(&mut rest, "fault", json!(fault.name())),
    }
    rest
}

/// A climate: its value if it has one, its range, and its regime.
pub(super) fn climate(climate: &Climate) -> Rest {
    let (spec, range) = (climate.spec(), climate.range());
    let quantity = &spec.quantity;
    let mut rest = named("climate", spec.label());
    if let Some(value) = climate.value() {
        put(&mut rest, quantity.measures(), number(value, 1000.0));
    }
    let [min, max] = quantity.ends();
    put(&mut rest, &min, number(range.min(), 1000.0));
    put(&mut rest, &max, number(range.max(), 1000.0));
    put(&mut rest, "regime", json!(climate.regime().name(quantity)));
    rest
}

/// An output: the drive that it comes to, and what decided it.
pub(super) fn output(
    spec: &OutputSpec,
    drive: Permille,
    cause: &dyn core::fmt::Display,
    rpm: Option<f64>,
) -> Rest {
    let mut rest = named("output", &spec.name);
    put(&mut rest, "dutyPercent", tidy(drive.percent()));
    put(&mut rest, "cause", json!(cause.to_string()));
    if let Some(rpm) = rpm {
        put(&mut rest, "rpm", number(rpm, 1.0));
    }
    rest
}

fn faulty(spec: &OutputSpec) -> Rest {
    let mut rest = named("output", &spec.name);
    put(&mut rest, "fault", json!("cannot be driven"));
    rest
}

/// The begin or the end of an alarm.
pub(super) fn alarm(name: &str, text: Option<&str>) -> Rest {
    let mut rest = named("alarm", name);
    put(&mut rest, "raised", json!(text.is_some()));
    if let Some(text) = text {
        put(&mut rest, "text", json!(text));
    }
    rest
}

/// That so many records were lost.
pub(super) fn dropped(count: u64) -> Rest {
    Map::from_iter([("dropped".to_owned(), json!(count))])
}

fn named(kind: &str, name: &str) -> Rest {
    Map::from_iter([(kind.to_owned(), json!(name))])
}

/// What a sensor measures may have any name, but never takes the place of what a record is about.
fn put(rest: &mut Rest, key: &str, value: Value) {
    rest.entry(key).or_insert(value);
}

fn number(value: f64, scale: f64) -> Value {
    tidy((value * scale).round() / scale)
}
