//! Alarms: conditions that a person should know of for as long as they last, each named by its kind and the thing it is about.
//!
//! | alarm | while | cleared |
//! | --- | --- | --- |
//! | `sensor-NAME` | the sensor has no valid reading, even if it is one of several or belongs to no climate | when it has been read well for `stale-after` |
//! | `overheat-CLIMATE` | the climate is above `critical`; `overheat-climate` of the only one of a site | one hysteresis below |
//! | `stall-OUTPUT` | the output did not turn at full drive, and has not turned since | half a minute later |
//! | `output-OUTPUT` | the output cannot be driven | half a minute later |
//! | `disk` | the record cannot be stored | half a minute later |
//!
//! An alarm is raised by the present facts alone. It is cleared when the facts have been good for a while, so that a fault that
//! comes and goes is one alarm; a reload that removes its thing clears it at once. `since` is wall-clock time, so it is absent
//! while the clock cannot be believed; it is filled in, and corrected, once it can be. A sensor that fails now and then raises no
//! alarm before it has been without a valid reading for `stale-after`. Alarms are reported with the sampled state.

pub use crate::control::alarm_kind::AlarmKind;

use super::Facts;
use super::recovery::{Cause, recovering};
use super::write::round_to;
use crate::control::SensorId;
use crate::control::climate::{Climate, Regime};
use crate::ordered::set_of;
use crate::text::escape;
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The maximum of characters of a path, a reason of the system or a sensor's text.
const FOREIGN_CHARS_MAX: usize = 160;
/// Of alarms beyond this number the text is reported shortened, so that all of them fit into the report.
const TEXTS_MAX: usize = 32;
/// To so many characters.
const SHORT_CHARS: usize = 48;
/// A clock that is corrected by less than this was not wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// One alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// When it was raised.
    pub at: BootTime,
    /// The same as wall-clock time, if the clock can be believed.
    pub since: Option<UnixSeconds>,
    /// What happened, to which thing, and what now.
    pub text: String,
    /// When it will be cleared, if its fault, which is over, does not return.
    pub ends_at: Option<BootTime>,
}

/// The present alarms, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alarms(BTreeMap<String, Alarm>);

/// How the alarms changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlarmChanges {
    /// The alarms that were raised.
    pub raised: Vec<String>,
    /// The alarms that were cleared.
    pub cleared: Vec<String>,
}

impl Alarms {
    /// Replaces the alarms by these; those that go on keep their age. `wall` is the wall-clock time now, if it can be believed.
    pub fn update(
        &mut self,
        now: BootTime,
        wall: Option<UnixSeconds>,
        mut present: BTreeMap<String, Cause>,
    ) -> AlarmChanges {
        let mut changes = AlarmChanges::default();
        self.0.retain(|name, alarm| match present.remove(name) {
            Some(cause) => {
                alarm.since = since_by(wall, now, alarm.at, alarm.since);
                (alarm.text, alarm.ends_at) = (cause.text, cause.ends_at);
                true
            }
            None => {
                changes.cleared.push(name.clone());
                false
            }
        });
        for (name, Cause { text, ends_at }) in present {
            changes.raised.push(name.clone());
            self.0.insert(name, Alarm { at: now, since: since_by(wall, now, now, None), text, ends_at });
        }
        changes
    }

    /// When the next alarm is to be cleared, if no fault returns.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        self.0.values().filter_map(|alarm| alarm.ends_at).min()
    }

    /// Each alarm with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Alarm)> {
        self.0.iter().map(|(name, alarm)| (name.as_str(), alarm))
    }

    /// Their kinds.
    pub fn kinds(&self) -> BTreeSet<AlarmKind> {
        set_of(self.0.keys().filter_map(|name| AlarmKind::of(name)))
    }

    /// The alarm of this name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Alarm> {
        self.0.get(name)
    }

    /// Are there other alarms than in `other`? Text and time make no difference.
    pub(super) fn differ(&self, other: &Self) -> bool {
        !self.0.keys().eq(other.0.keys())
    }

    /// The reported alarms; `None` if there are none.
    pub(super) fn as_reported(&self) -> Option<Value> {
        let one = |(index, (name, alarm)): (usize, (&String, &Alarm))| {
            let mut entry = Map::new();
            entry.extend(alarm.since.map(|since| ("since".to_owned(), json!(since.rfc3339()))));
            let chars = if index < TEXTS_MAX { usize::MAX } else { SHORT_CHARS };
            entry.insert("text".to_owned(), json!(cut(&alarm.text, chars)));
            (name.clone(), Value::Object(entry))
        };
        let alarms: Map<_, _> = self.0.iter().enumerate().map(one).collect();
        (!alarms.is_empty()).then_some(Value::Object(alarms))
    }
}

fn since_by(
    wall: Option<UnixSeconds>,
    now: BootTime,
    at: BootTime,
    since: Option<UnixSeconds>,
) -> Option<UnixSeconds> {
    let Some(wall) = wall else { return since };
    let fresh = UnixSeconds(wall.0.saturating_sub(now.since(at).as_secs()));
    let was_right = |since: &UnixSeconds| since.0.abs_diff(fresh.0) < CLOCK_TOLERANCE.as_secs();
    Some(since.filter(was_right).unwrap_or(fresh))
}

/// The alarms of the present facts, and those that stand although their faults are over.
pub fn present(now: BootTime, facts: Facts<'_>) -> BTreeMap<String, Cause> {
    let mut causes = recovering(now, facts);
    causes.extend(faults(now, facts).into_iter().map(|(name, text)| (name, Cause { text, ends_at: None })));
    causes
}

/// The faults of the present facts, by the names of their alarms.
fn faults(now: BootTime, facts: Facts<'_>) -> BTreeMap<String, String> {
    let mut alarms = BTreeMap::new();
    for (sensor, spec, _) in facts.sensors.iter() {
        if let Some(text) = lost_sensor(now, facts, sensor) {
            alarms.insert(AlarmKind::Sensor.alarm_of(&spec.name), text);
        }
    }
    for (_, climate) in facts.climates.iter().filter(|(_, climate)| climate.regime() == Regime::Overheat) {
        alarms.insert(AlarmKind::Overheat.alarm_of(climate.spec().label()), overheat(climate));
    }
    for (output, spec, state) in facts.outputs.iter() {
        let name = &spec.name;
        if state.tach.is_stalled() {
            // While it is off it cannot show whether it turns again.
            let what = if state.tach.is_full() {
                "is driven at full and does not turn; it is kept at full"
            } else {
                "did not turn at full and has not turned since; it will be checked when it is next driven"
            };
            alarms.insert(AlarmKind::Stall.alarm_of(name), format!("output {name} {what}"));
        }
        if let Some(reason) = facts.pin_faults.get(&output).map(|reason| shown(reason)) {
            let what = format!("cannot be driven: {reason}; retrying at every control step");
            alarms.insert(AlarmKind::Output.alarm_of(name), format!("output {name} {what}"));
        }
    }
    if let Some(reason) = facts.store_fault.map(shown) {
        let what = "control continues, and storing is retried";
        alarms.insert(
            AlarmKind::Disk.name().to_owned(),
            format!("the local copy of the twin cannot be stored: {reason}; {what}"),
        );
    } else if let Some(reason) = facts.ring_fault.map(shown) {
        let what = "what the hub does not have waits in memory, and keeping it is retried";
        alarms.insert(
            AlarmKind::Disk.name().to_owned(),
            format!("telemetry cannot be kept on the disk: {reason}; {what}"),
        );
    }
    alarms
}

fn overheat(climate: &Climate) -> String {
    let spec = climate.spec();
    let critical = spec.critical.map_or_else(String::new, |critical| {
        let unit = spec.quantity.unit().unwrap_or_default();
        let number = round_to(spec.quantity.from_base(unit, critical), 2);
        if spec.quantity.unit().is_some() {
            format!(", {number} {}", unit.symbol())
        } else {
            format!(", {number}")
        }
    });
    let (climate, measures) = (title(climate), spec.quantity.measures());
    format!(
        "a sensor of the {climate} is above the critical {measures}{critical}; outputs follow their overheat rows"
    )
}

/// The text of the alarm of a sensor without a valid reading.
fn lost_sensor(now: BootTime, facts: Facts<'_>, sensor: SensorId) -> Option<String> {
    let what = sensor_fault(now, facts, sensor)?;
    let effect = |climate: &Climate| match climate.regime() {
        Regime::SensorFault => {
            format!(
                "no sensor of the {} has a valid reading: outputs follow their sensor-fault rows",
                title(climate)
            )
        }
        Regime::Starting => format!("the {} waits for its other sensors", title(climate)),
        _ => format!("the {} continues with its other sensors", title(climate)),
    };
    let effects: Vec<String> = needing(facts, sensor).map(effect).collect();
    let is_derived = facts.sensors.spec(sensor).is_some_and(|spec| spec.derived.is_some());
    let now = match (effects.is_empty(), is_derived) {
        (true, false) => "no climate uses it; it continues to be read".to_owned(),
        (true, true) => "no climate uses it; it recovers with the sensors that it is derived from".to_owned(),
        (false, _) => effects.join("; "),
    };
    Some(format!("sensor {what}; {now}"))
}

/// The climates that read a sensor, or one that is derived from it.
fn needing(facts: Facts<'_>, sensor: SensorId) -> impl Iterator<Item = &Climate> {
    let mut without = set_of([sensor]);
    // Each comes after those from which it is derived.
    for (id, spec, _) in facts.sensors.iter() {
        if spec.derived.is_some_and(|derived| derived.parts().iter().any(|part| without.contains(part))) {
            without.insert(id);
        }
    }
    let climates = facts.climates.iter().map(|(_, climate)| climate);
    climates.filter(move |climate| climate.spec().sensors.iter().any(|sensor| without.contains(sensor)))
}

/// The climate, as a message speaks of it.
fn title(climate: &Climate) -> String {
    climate.spec().name.as_ref().map_or_else(|| "climate".to_owned(), |name| format!("climate {name}"))
}

/// Describes a sensor without a valid reading: its name, its fault, what was found instead and where it is read.
fn sensor_fault(now: BootTime, facts: Facts<'_>, sensor: SensorId) -> Option<String> {
    let fault = facts.sensors.fault(now, sensor)?;
    let spec = facts.sensors.spec(sensor)?;
    let found = facts
        .sensors
        .found(now, sensor)
        .map(|found| format!(", found {}", shown(&found)))
        .unwrap_or_default();
    Some(format!(
        "{} has no valid reading: {}{found}, read from {}",
        spec.name,
        fault.name(),
        shown(&spec.source)
    ))
}

/// Foreign text for a message: on one line, escaped and not too long.
fn shown(text: &str) -> String {
    escape(&cut(text, FOREIGN_CHARS_MAX)).into_owned()
}

/// A text of at most so many characters, and an ellipsis in place of the others.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
