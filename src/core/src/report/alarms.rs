//! Alarms: what a person should know of for as long as it lasts, each by the name of its kind and its thing.
//!
//! | alarm | stands while |
//! | --- | --- |
//! | `sensor-NAME` | the sensor has no valid reading, be it one of several, or of no climate |
//! | `overheat-climate` | the climate is above `critical` |
//! | `stall-OUTPUT` | the output did not turn, though driven at full, and has not since |
//! | `output-OUTPUT` | the output cannot be driven |
//! | `disk` | the twin's copy cannot be kept |
//!
//! What stands follows from the facts alone. `since` is wall-clock time and therefore absent while the clock cannot be
//! believed; it is filled in, and corrected, once it can be. A sensor that fails now and then is no alarm before it was
//! without a valid reading for `stale-after`. Deliberately absent: when an alarm is told, which is sampled as all state is.

use super::Facts;
use super::write::round_to;
use crate::control::climate::{Climate, Regime};
use crate::text::escape;
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The climate's name in its alarm.
const CLIMATE: &str = "climate";
/// What may come of a path, a reason of the system or a sensor's text, in characters.
const FOREIGN_CHARS_MAX: usize = 160;
/// Alarms beyond so many are told without their text: all of them together must leave the report room.
const TEXTS_MAX: usize = 32;
/// A clock that was corrected by less than this was never wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// One alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// When it was raised.
    pub at: BootTime,
    /// The same by the wall clock, if that can be believed.
    pub since: Option<UnixSeconds>,
    /// What happened, to which thing, and what now.
    pub text: String,
}

/// The alarms that stand, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alarms(BTreeMap<String, Alarm>);

/// What became of the alarms at a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlarmChanges {
    /// Those raised now.
    pub raised: Vec<String>,
    /// Those that stand no longer.
    pub cleared: Vec<String>,
}

impl Alarms {
    /// Has exactly these stand, by name and text, of which those that stood before are as old as they were. `wall` is what
    /// the wall clock shows now, if it can be believed.
    pub fn take(
        &mut self,
        now: BootTime,
        wall: Option<UnixSeconds>,
        mut standing: BTreeMap<String, String>,
    ) -> AlarmChanges {
        let mut turned = AlarmChanges::default();
        self.0.retain(|name, alarm| match standing.remove(name) {
            Some(text) => {
                alarm.since = since_by(wall, now, alarm.at, alarm.since);
                alarm.text = text;
                true
            }
            None => {
                turned.cleared.push(name.clone());
                false
            }
        });
        for (name, text) in standing {
            turned.raised.push(name.clone());
            self.0.insert(name, Alarm { at: now, since: since_by(wall, now, now, None), text });
        }
        turned
    }

    /// Each alarm with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Alarm)> {
        self.0.iter().map(|(name, alarm)| (name.as_str(), alarm))
    }

    /// The alarm of that name, if it stands.
    pub fn get(&self, name: &str) -> Option<&Alarm> {
        self.0.get(name)
    }

    /// Do other alarms stand than in `other`? Text and time are no difference.
    pub(super) fn turned(&self, other: &Self) -> bool {
        !self.0.keys().eq(other.0.keys())
    }

    /// As the hub is told; `None` if there is none.
    pub(super) fn told(&self) -> Option<Value> {
        let one = |(index, (name, alarm)): (usize, (&String, &Alarm))| {
            let mut entry = Map::new();
            entry.extend(alarm.since.map(|since| ("since".to_owned(), json!(since.rfc3339()))));
            let text = if index < TEXTS_MAX { alarm.text.as_str() } else { "" };
            entry.insert("text".to_owned(), json!(text));
            (name.clone(), Value::Object(entry))
        };
        let told: Map<_, _> = self.0.iter().enumerate().map(one).collect();
        (!told.is_empty()).then_some(Value::Object(told))
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

/// The alarms that the facts raise, with their texts.
pub fn standing(now: BootTime, facts: Facts<'_>) -> BTreeMap<String, String> {
    let mut alarms = BTreeMap::new();
    for (index, (spec, _)) in facts.sensors.iter().enumerate() {
        if let Some(text) = lost_sensor(now, facts, index) {
            alarms.insert(format!("sensor-{}", spec.name), text);
        }
    }
    if let Some(climate) = facts.climate.filter(|climate| climate.regime() == Regime::Overheat) {
        alarms.insert(format!("overheat-{CLIMATE}"), overheat(climate));
    }
    for (output, spec, state) in facts.outputs.iter() {
        let name = &spec.name;
        if state.tach.is_stalled() {
            // At rest it cannot show that it would turn again.
            let what = if state.tach.is_full() {
                "is driven at full and does not turn; it stays so"
            } else {
                "did not turn at full, and has not been seen to turn since; its next drive will show"
            };
            let now = "look whether it is blocked, and at its plug";
            alarms.insert(format!("stall-{name}"), format!("output {name} {what}: {now}"));
        }
        if let Some(reason) = facts.pin_faults.get(&output).map(|reason| shown(reason)) {
            let what = format!("cannot be driven: {reason}; it is tried again at every control step");
            alarms.insert(format!("output-{name}"), format!("output {name} {what}"));
        }
    }
    if let Some(reason) = facts.store_fault.map(shown) {
        let what = "control goes on, and the disk is tried again";
        alarms.insert("disk".to_owned(), format!("the twin's copy cannot be kept: {reason}; {what}"));
    }
    alarms
}

fn overheat(climate: &Climate) -> String {
    let spec = climate.spec();
    let critical = spec.critical.map_or_else(String::new, |critical| {
        format!(", {} {}", round_to(spec.unit.from_celsius(critical), 2), spec.unit.name())
    });
    format!(
        "a sensor of the climate is above the critical temperature{critical}; outputs follow their overheat rows"
    )
}

/// What is to be said of a sensor without a valid reading.
fn lost_sensor(now: BootTime, facts: Facts<'_>, index: usize) -> Option<String> {
    let what = sensor_fault(now, facts, index)?;
    let climate = facts.climate.filter(|climate| climate.spec().sensors.iter().any(|id| id.0 == index));
    let now = match climate.map(|climate| climate.regime()) {
        None => "no climate needs it, and it is read again at its period",
        Some(Regime::SensorFault) => {
            "no sensor of the climate is left: outputs follow their sensor-fault rows"
        }
        Some(Regime::Starting) => "the climate waits for its other sensors",
        Some(_) => "the climate goes on by its other sensors",
    };
    Some(format!("sensor {what}; {now}"))
}

/// A sensor without a valid reading: its name, its fault, what was found instead and where it is read.
pub fn sensor_fault(now: BootTime, facts: Facts<'_>, index: usize) -> Option<String> {
    let fault = facts.sensors.fault(now, index)?;
    let (spec, _) = facts.sensors.iter().nth(index)?;
    let found =
        facts.sensors.found(index).map(|found| format!(", found {}", shown(found))).unwrap_or_default();
    Some(format!(
        "{} has no valid reading: {}{found}, read from {}",
        spec.name,
        fault.name(),
        shown(&spec.source)
    ))
}

/// Foreign text as it may be shown: of one line, without what moves a cursor or turns the writing, and not too long.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(FOREIGN_CHARS_MAX).collect();
    let more = if text.chars().nth(FOREIGN_CHARS_MAX).is_some() { "…" } else { "" };
    format!("{}{more}", escape(&short))
}
