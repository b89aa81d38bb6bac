//! What twind is doing now, for a person: the answer to the direct method `status`, and the core's part of what the
//! command `twind status` shows.
//!
//! Temperatures are degrees Celsius and ages whole seconds, whatever the twin's unit: this is not a report.
//! Deliberately absent: dead-bands and samples; everything is as it is at this moment.

use super::Facts;
use super::alarms::Alarm;
use super::write::{round_to, tidy};
use crate::control::held::Held;
use crate::control::{Fault, OutputId};
use crate::twin::{Aside, PropertyPath, Section, Sync, Version};
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use serde_json::{Map, Value, json};

/// Of what the hub refused so many are told; how many there are is told besides.
const SET_ASIDE_MAX: usize = 8;

/// Everything there is to say, as one object. Bounded by what the configuration names. `copy_age` is the time since the
/// hub last spoke of the twin, as far as anybody can know.
pub fn status(now: BootTime, sync: &Sync, copy_age: Option<Duration>, facts: Facts<'_>) -> Value {
    json!({
        "hub": {
            "online": sync.is_online(),
            "synced": sync.is_synced(),
            "desiredVersion": sync.desired_version().0,
            "reportPending": !sync.is_settled(),
            "reportPutOff": sync.deferral().map(|put_off| json!({
                "sinceSeconds": now.since(put_off.since).as_secs(),
                "retryInSeconds": put_off.until.since(now).as_secs(),
                "status": put_off.why.status,
                "reason": put_off.why.message,
            })),
            "setAside": set_aside(now, sync),
            "setAsideCount": sync.set_aside().count(),
            "copyAgeSeconds": copy_age.map(|age| age.as_secs()),
        },
        "climate": facts.climate.map(|climate| json!({
            "regime": climate.regime().name(),
            "temperature": climate.temperature().map(|t| tidy(round_to(t.degrees(), 2))),
            "min": tidy(round_to(climate.range().min().degrees(), 2)),
            "max": tidy(round_to(climate.range().max().degrees(), 2)),
        })),
        "sensors": sensors(now, facts),
        "outputs": outputs(now, facts),
        "storeFault": facts.store_fault,
        "alarms": alarms(now, facts),
    })
}

/// What the hub refused of the report.
fn set_aside(now: BootTime, sync: &Sync) -> Vec<Value> {
    let one = |(property, aside): (&PropertyPath, &Aside)| {
        json!({
            "property": property.shown(),
            "sinceSeconds": now.since(aside.since).as_secs(),
            "retryInSeconds": aside.retry_at.since(now).as_secs(),
            "status": aside.why.status,
            "reason": aside.why.message,
        })
    };
    sync.set_aside().take(SET_ASIDE_MAX).map(one).collect()
}

/// The local copy of the twin, as `twind twin` shows it; an empty object if no twin was ever fetched.
pub fn twin(desired: &Section, version: Version, reported: &Section) -> Value {
    if version == Version(0) && reported.as_object().is_empty() {
        return json!({});
    }
    let mut versioned = desired.as_object().clone();
    versioned.insert("$version".into(), json!(version.0));
    json!({ "desired": versioned, "reported": reported.as_object() })
}

fn alarms(now: BootTime, facts: Facts<'_>) -> Map<String, Value> {
    let one = |(name, alarm): (&str, &Alarm)| {
        let entry = json!({
            "since": alarm.since.map(UnixSeconds::rfc3339),
            "secondsAgo": now.since(alarm.at).as_secs(),
            "text": alarm.text,
        });
        (name.to_owned(), entry)
    };
    facts.alarms.iter().map(one).collect()
}

fn sensors(now: BootTime, facts: Facts<'_>) -> Map<String, Value> {
    let one = |(index, (spec, state)): (usize, (&crate::control::SensorSpec, _))| {
        let state: &crate::control::climate::SensorState = state;
        let value = facts.sensors.value(now, index);
        let entry = json!({
            "measures": spec.measures,
            "value": value.ok().map(|value| tidy(round_to(value, 3))),
            "state": value.err().map_or("ok", Fault::name),
            "lastSample": state.fault.map_or("ok", Fault::name),
            "found": facts.sensors.found(index),
            "source": spec.source,
            "ageSeconds": state.last_good.map(|(_, at)| now.since(at).as_secs()),
        });
        (spec.name.clone(), entry)
    };
    facts.sensors.iter().enumerate().map(one).collect()
}

/// What keeps an output from what is wanted of it.
pub fn held(now: BootTime, held: Held) -> Value {
    json!({
        "by": held.by.to_string(),
        "cause": held.cause.to_string(),
        "wants": tidy(held.wants.percent()),
        "seconds": held.seconds(now),
        "text": held.told(now).to_string(),
    })
}

fn outputs(now: BootTime, facts: Facts<'_>) -> Map<String, Value> {
    let mut outputs = Map::new();
    for (index, (spec, state)) in facts.outputs.iter().enumerate() {
        let entry = json!({
            "permille": state.steady().map(|drive| drive.get()),
            "kicked": state.is_kicked(),
            "cause": state.cause.to_string(),
            "held": state.held.map(|held| self::held(now, held)),
            "override": state.hand.map(|hand| json!({
                "percent": tidy(hand.drive.percent()),
                "secondsLeft": hand.until.since(now).as_secs(),
                "by": hand.by.to_string(),
            })),
            "rpm": state.tach.rpm().map(|rpm| tidy(round_to(rpm, 0))),
            "fault": facts.pin_faults.get(&OutputId(index)),
            "speedFault": facts.outputs.fault(OutputId(index)),
        });
        outputs.insert(spec.name.clone(), entry);
    }
    outputs
}
