//! What twind is doing now: the answer to the direct method `status`, and the core's part of what the local socket, the
//! page of `twind status` and its `--json` show.
//!
//! It is one type, written and read as JSON in camel case; what is not known is null. Temperatures are in degrees Celsius,
//! whatever the twin's unit, and ages in whole seconds. Unlike a report it has no dead-bands and no samples: everything is
//! as it is at this moment.

mod climates;
mod hub;
mod telemetry;

pub use climates::{ClimateStatus, RangeChangeStatus, RangeOverrideStatus, ScheduleStatus};
pub use hub::{HubStatus, PutOffStatus, RefusedStatus, SetAsideStatus};
pub use telemetry::TelemetryStatus;

use super::Facts;
use super::alarms::AlarmKind;
use super::write::round_to;
use crate::control::climates::Climates;
use crate::control::constraint::Unmet;
use crate::control::outputs::OutputState;
use crate::control::{Fault, OutputId, OutputSpec, SensorId, SensorSpec};
use crate::text::Span;
use crate::twin::{Section, Version};
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The status. Its size is bounded by what the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The twin and what is under way to the hub.
    pub hub: HubStatus,
    /// The climate without a name, if the site has one.
    pub climate: Option<ClimateStatus>,
    /// Each climate by its name; that without one is `climate`.
    pub climates: Named<ClimateStatus>,
    /// Each sensor by its name.
    pub sensors: Named<SensorStatus>,
    /// Each output by its name.
    pub outputs: Named<OutputStatus>,
    /// Why the record cannot be stored.
    pub store_fault: Option<String>,
    /// How long ago the record was last stored; `None` if it was not since the machine started.
    pub stored_seconds_ago: Option<u64>,
    /// What of the telemetry the hub does not have, if any is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryStatus>,
    /// Each alarm by its name.
    pub alarms: Named<AlarmStatus>,
    /// The last changes of outputs, the latest first, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<ChangeStatus>>,
    /// The last changes of the ranges that climates hold, the latest first, if changes were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_changes: Option<Vec<RangeChangeStatus>>,
}

/// One sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SensorStatus {
    /// What it measures.
    pub measures: String,
    /// Its value, if it has a valid one; a temperature in degrees Celsius.
    pub value: Option<Tidy>,
    /// `ok`, or the name of its fault.
    pub state: String,
    /// The same for its last sample alone.
    pub last_sample: String,
    /// What was found instead of a value; foreign text.
    pub found: Option<String>,
    /// Where it is read.
    pub source: String,
    /// How old the last valid value is.
    pub age_seconds: Option<u64>,
}

/// One output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputStatus {
    /// Its drive; null while it is not known.
    pub permille: Option<u16>,
    /// It is at full for a moment, to start.
    pub kicked: bool,
    /// What decides it.
    pub cause: String,
    /// What is wanted of it and why it does not have it.
    pub held: Option<HeldStatus>,
    /// The override on it.
    #[serde(rename = "override")]
    pub overridden: Option<OverrideStatus>,
    /// Turns per minute.
    pub rpm: Option<Tidy>,
    /// Why it cannot be driven.
    pub fault: Option<String>,
    /// What is wrong with its speed.
    pub speed_fault: Option<String>,
}

/// What is wanted of an output and why it does not have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeldStatus {
    /// What prevents it.
    pub by: String,
    /// What wants it.
    pub cause: String,
    /// What is wanted, in per cent.
    pub wants: Tidy,
    /// For how long, if that is known.
    pub seconds: Option<u64>,
    /// All of this as a phrase.
    pub text: String,
}

/// An override.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideStatus {
    /// What was asked for.
    pub percent: Tidy,
    /// When it ends.
    pub seconds_left: u64,
    /// Who ordered it.
    pub by: String,
}

/// An alarm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlarmStatus {
    /// Wall-clock time, if it can be believed.
    pub since: Option<String>,
    /// The same by boot time.
    pub seconds_ago: u64,
    /// What happened, to which thing, and what now.
    pub text: String,
    /// What a person can do.
    pub remedy: String,
}

/// A change of an output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangeStatus {
    /// When.
    pub seconds_ago: u64,
    /// The output.
    pub output: String,
    /// The drive that was decided.
    pub permille: u16,
    /// What decided.
    pub cause: String,
    /// Who ordered it, if it was an override, or a climate that was overridden.
    pub by: Option<String>,
}

/// Which way a number of seconds changes with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seconds {
    /// Seconds since something: they grow.
    Since,
    /// Seconds until something: they shrink.
    Until,
}

/// Maps a number of seconds that changes with time to another value.
pub type Retime<'r> = &'r mut dyn FnMut(Seconds, u64) -> u64;

fn retime_each<'n>(of: Seconds, retime: Retime<'_>, numbers: impl IntoIterator<Item = &'n mut u64>) {
    numbers.into_iter().for_each(|number| *number = retime(of, *number));
}

impl Status {
    /// Maps each number of seconds in it. Everything else changes only when something happens.
    pub fn retime(&mut self, retime: Retime<'_>) {
        self.hub.retime(retime);
        let values = self.sensors.0.iter_mut();
        retime_each(Seconds::Since, retime, values.filter_map(|(_, sensor)| sensor.age_seconds.as_mut()));
        let climates = self.climate.iter_mut().chain(self.climates.0.iter_mut().map(|(_, one)| one));
        let overrides = climates.filter_map(|climate| climate.overridden.as_mut());
        retime_each(Seconds::Until, retime, overrides.map(|one| &mut one.seconds_left));
        for (_, output) in &mut self.outputs.0 {
            retime_each(
                Seconds::Until,
                retime,
                output.overridden.iter_mut().map(|overridden| &mut overridden.seconds_left),
            );
            output.held.iter_mut().for_each(|held| held.retime(retime));
        }
        retime_each(Seconds::Since, retime, self.stored_seconds_ago.as_mut());
        let alarms = self.alarms.0.iter_mut();
        retime_each(Seconds::Since, retime, alarms.map(|(_, alarm)| &mut alarm.seconds_ago));
        let changes = self.changes.iter_mut().flatten();
        retime_each(Seconds::Since, retime, changes.map(|change| &mut change.seconds_ago));
        let ranges = self.range_changes.iter_mut().flatten();
        retime_each(Seconds::Since, retime, ranges.map(|change| &mut change.seconds_ago));
    }
}

impl HeldStatus {
    fn retime(&mut self, retime: Retime<'_>) {
        let Some(before) = self.seconds else { return };
        let after = retime(Seconds::Until, before);
        // The phrase contains the same time.
        self.text = self.text.replacen(&format!(" {}", Span(before)), &format!(" {}", Span(after)), 1);
        self.seconds = Some(after);
    }
}

/// A number that is written without a fraction if it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Tidy(pub f64);

impl Serialize for Tidy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::write::tidy(self.0).serialize(serializer)
    }
}

impl fmt::Display for Tidy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::write::tidy(self.0).fmt(f)
    }
}

/// Named entries in their order; an object in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, entry)| (name, entry)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Named(entries))
    }
}

impl Status {
    /// The status now, without changes and telemetry.
    pub fn of(now: BootTime, hub: HubStatus, facts: Facts<'_>) -> Self {
        let climate = |(id, one)| climates::climate(now, one, facts.range_overrides.get(&id));
        Self {
            hub,
            climate: facts.climates.iter().find(|(_, one)| one.spec().name.is_none()).map(climate),
            climates: Named(
                facts
                    .climates
                    .iter()
                    .map(|(id, one)| (one.spec().label().to_owned(), climate((id, one))))
                    .collect(),
            ),
            sensors: Named(facts.sensors.iter().map(|(id, spec, _)| sensor(now, facts, id, spec)).collect()),
            outputs: Named(facts.outputs.iter().map(|one| output(now, facts, one)).collect()),
            store_fault: facts.store_fault.map(ToOwned::to_owned),
            stored_seconds_ago: facts.stored_at.map(|at| now.since(at).as_secs()),
            telemetry: None,
            alarms: alarms(now, facts),
            changes: None,
            range_changes: None,
        }
    }
}

/// The local copy of the twin, as `twind twin` shows it. Both sections are absent if no twin was ever fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TwinCopy {
    /// The desired section, with its `$version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Map<String, Value>>,
    /// The reported section as the hub acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Map<String, Value>>,
}

impl TwinCopy {
    /// The copy of these sections.
    pub fn of(desired: &Section, version: Version, reported: &Section) -> Self {
        if version == Version(0) && reported.as_object().is_empty() {
            return Self::default();
        }
        let mut versioned = desired.as_object().clone();
        versioned.insert("$version".into(), version.0.into());
        Self { desired: Some(versioned), reported: Some(reported.as_object().clone()) }
    }
}

/// The status of an unmet demand.
pub fn held_status(now: BootTime, unmet: Unmet, climates: &Climates) -> HeldStatus {
    HeldStatus {
        by: unmet.by.by_name(climates).to_string(),
        cause: unmet.cause.by_name(climates).to_string(),
        wants: Tidy(unmet.wants.percent()),
        seconds: unmet.seconds(now),
        text: unmet.describe(now, climates).to_string(),
    }
}

pub(crate) fn rounded(value: f64, digits: u8) -> Tidy {
    Tidy(round_to(value, digits))
}

fn alarms(now: BootTime, facts: Facts<'_>) -> Named<AlarmStatus> {
    let one = |(name, alarm): (&str, &super::alarms::Alarm)| {
        let entry = AlarmStatus {
            since: alarm.since.map(UnixSeconds::rfc3339),
            seconds_ago: now.since(alarm.at).as_secs(),
            text: alarm.text.clone(),
            remedy: remedy(now, facts, name).to_owned(),
        };
        (name.to_owned(), entry)
    };
    Named(facts.alarms.iter().map(one).collect())
}

/// What a person can do about the alarm of this name. A sensor whose fault tells what is wrong has a remedy of its own.
fn remedy(now: BootTime, facts: Facts<'_>, alarm: &str) -> &'static str {
    let sensor = AlarmKind::Sensor.thing_of(alarm);
    let found = sensor.and_then(|name| facts.sensors.iter().find(|(_, spec, _)| spec.name == name));
    match found.and_then(|(id, ..)| facts.sensors.fault(now, id)) {
        None | Some(Fault::Missing | Fault::Jump | Fault::Frozen | Fault::Stale) => {
            AlarmKind::of(alarm).map(AlarmKind::remedy).unwrap_or_default()
        }
        Some(fault) => fault.advice(),
    }
}

fn sensor(now: BootTime, facts: Facts<'_>, id: SensorId, spec: &SensorSpec) -> (String, SensorStatus) {
    let value = facts.sensors.value(now, id);
    let entry = SensorStatus {
        measures: spec.measures.clone(),
        value: value.ok().map(|value| rounded(value, 3)),
        state: value.err().map_or("ok", Fault::name).to_owned(),
        last_sample: facts.sensors.last_fault(now, id).map_or("ok", Fault::name).to_owned(),
        found: facts.sensors.found(now, id).map(Cow::into_owned),
        source: spec.source.clone(),
        age_seconds: facts.sensors.last_good_at(id).map(|at| now.since(at).as_secs()),
    };
    (spec.name.clone(), entry)
}

fn output(
    now: BootTime,
    facts: Facts<'_>,
    (id, spec, state): (OutputId, &OutputSpec, &OutputState),
) -> (String, OutputStatus) {
    let entry = OutputStatus {
        permille: state.steady().map(|drive| drive.get()),
        kicked: state.is_kicked(),
        cause: state.cause.by_name(facts.climates).to_string(),
        held: state.unmet.map(|unmet| held_status(now, unmet, facts.climates)),
        overridden: facts.overrides.get(&id).map(|one| OverrideStatus {
            percent: Tidy(one.value.percent()),
            seconds_left: one.until.since(now).as_secs(),
            by: one.by.to_string(),
        }),
        rpm: state.tach.rpm().map(|rpm| rounded(rpm, 0)),
        fault: facts.pin_faults.get(&id).cloned(),
        speed_fault: facts.outputs.fault(id),
    };
    (spec.name.clone(), entry)
}
