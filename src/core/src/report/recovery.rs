//! Alarms whose faults are over, and that stand until this has lasted: see the table of `alarms`.

use super::Facts;
use crate::control::alarm_kind::AlarmKind;
use crate::text::Span;
use crate::units::BootTime;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

/// Why an alarm is raised, or still stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    pub(super) text: String,
    pub(super) ends_at: Option<BootTime>,
}

/// What each alarm says when its fault is over, and when it ends. Whether the fault is over is not asked here.
pub(super) fn recovering(now: BootTime, facts: Facts<'_>) -> BTreeMap<String, Cause> {
    let cause = |name: &str, ends_at: Option<BootTime>| {
        let kind = AlarmKind::of(name)?;
        let cause = match kind {
            AlarmKind::Sensor => sensor(now, facts, kind.thing_of(name)?)?,
            AlarmKind::Output | AlarmKind::Stall | AlarmKind::Disk => {
                settling(facts, kind, name, ends_at.unwrap_or(now + kind.settles_after()?))?
            }
            AlarmKind::Overheat => return None,
        };
        cause.ends_at.is_none_or(|at| at > now).then(|| (name.to_owned(), cause))
    };
    facts.alarms.iter().filter_map(|(name, alarm)| cause(name, alarm.ends_at)).collect()
}

/// Nothing is known of a sensor that is read elsewhere since a reload, so that its alarm is over.
fn sensor(now: BootTime, facts: Facts<'_>, name: &str) -> Option<Cause> {
    let (id, spec, _) = facts.sensors.iter().find(|(_, spec, _)| spec.name == name)?;
    if facts.sensors.is_awaited(now, id) {
        return None;
    }
    let ends_at = facts.sensors.well_since(id).map(|since| since + spec.stale_after);
    let what = match (ends_at, facts.sensors.last_fault(now, id)) {
        (None, Some(fault)) => {
            format!("has a valid reading now and then; the last sample was {}", fault.name())
        }
        (None, None) => "has not been read since the reload".to_owned(),
        (Some(_), _) => "has a valid reading again".to_owned(),
    };
    let lasts = Span::from(spec.stale_after);
    let text =
        format!("sensor {name} {what}; the alarm ends once it has been read without a fault for {lasts}");
    Some(Cause { text, ends_at })
}

/// `None` if the thing of the alarm is no longer configured.
fn settling(facts: Facts<'_>, kind: AlarmKind, name: &str, ends_at: BootTime) -> Option<Cause> {
    let what = match kind.thing_of(name) {
        None => "the disk can be written again".to_owned(),
        Some(thing) => {
            facts.outputs.iter().find(|(_, spec, _)| spec.name == thing)?;
            let what = if kind == AlarmKind::Stall { "is no longer stalled" } else { "can be driven again" };
            format!("output {thing} {what}")
        }
    };
    let lasts = Span::from(kind.settles_after()?);
    Some(Cause {
        text: format!("{what}; the alarm ends once that has lasted for {lasts}"),
        ends_at: Some(ends_at),
    })
}
