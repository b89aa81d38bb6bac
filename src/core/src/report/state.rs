//! Outputs, climates and other sensors as they were last sampled: the same entries in both styles, at the paths of the
//! style.

use super::View;
use super::names::plug_and_play_name;
use super::write::{Draft, round_to, tidy};
use crate::control::intent::{FAN_ON, SCHEDULE};
use crate::control::scheduled::Scheduled;
use crate::control::{ClimateRange, ClimateSpec, Fault};
use crate::twin::PropertyPath;
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::{Value, json};

/// What the entry of a climate or a sensor has beside its value and the ends of its range, in either style.
pub const ENTRY_KEYS: [&str; 11] = [
    "sensor",
    "unit",
    "regime",
    "override",
    SCHEDULE,
    "scheduleUntil",
    SCHEDULED_RANGE,
    SCHEDULE_REFUSED,
    FAN_ON,
    "status",
    "__t",
];
/// In Plug and Play, which acknowledges the desired range: the range of the schedule that holds in its place.
pub(super) const SCHEDULED_RANGE: &str = "scheduledRange";
/// In Plug and Play, which has no `rejected`: why entries of the schedule are refused, by their names.
pub(super) const SCHEDULE_REFUSED: &str = "scheduleRefused";

/// Where the entries are.
pub(super) struct Places {
    /// Whether the entry of a climate is where it is desired, or in `components` like the others.
    pub(super) as_desired: bool,
    /// The object that holds the entries of outputs and sensors; `None` is the section itself.
    pub(super) components: Option<PropertyPath>,
    /// The entries are Plug and Play's components: each carries their marker, and has a name that Plug and Play takes.
    pub(super) marked: bool,
}

impl Places {
    fn climate(&self, climate: &ClimateSpec) -> Option<PropertyPath> {
        if self.as_desired { Some(climate.property.clone()) } else { self.component(climate.label()) }
    }

    pub(super) fn component(&self, name: &str) -> Option<PropertyPath> {
        let name = self.key(name);
        match &self.components {
            Some(components) => Some(components.child(&name)),
            None => PropertyPath::parse(&name),
        }
    }

    /// A name as the style writes it.
    fn key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.marked { plug_and_play_name(name) } else { Cow::Borrowed(name) }
    }
}

/// Writes the last samples. Returns the paths of the numbers, for the heartbeat.
pub(super) fn write(draft: &mut Draft, view: &View<'_>, places: &Places) -> Vec<PropertyPath> {
    let mut numbers = Vec::new();
    let (Some(state), Some(values)) = (view.state, view.values) else { return numbers };
    let mark = |draft: &mut Draft, entry: &PropertyPath| {
        if places.marked {
            draft.put(&entry.child("__t"), json!("c"));
        }
    };
    let health = |fault: Option<Fault>| json!(fault.map_or("ok", Fault::name));
    for (((id, climate), sample), value) in view.climates().zip(&state.climates).zip(&values.climates) {
        let (Some(entry), quantity) = (places.climate(climate), &climate.quantity) else { continue };
        mark(draft, &entry);
        if let Some(value) = value {
            let place = entry.child(&places.key(quantity.measures()));
            draft.put(&place, tidy(round_to(quantity.from_base(view.unit(id, climate), *value), 2)));
            numbers.push(place);
        }
        if quantity.unit().is_some() {
            draft.put(&entry.child("unit"), json!(view.unit(id, climate).name()));
        }
        draft.put(&entry.child("regime"), json!(sample.regime.name(quantity)));
        draft.put(&entry.child("sensor"), health(sample.fault));
        let range_by_name = |range: ClimateRange| {
            let end = |base| tidy(round_to(quantity.from_base(view.unit(id, climate), base), 2));
            let [low, high] = quantity.ends();
            json!({ low: end(range.min()), high: end(range.max()) })
        };
        if let Some(range) = sample.overridden {
            draft.put(&entry.child("override"), range_by_name(range));
        }
        let scheduled = sample.scheduled.as_ref().filter(|_| places.marked).and_then(Scheduled::range);
        if let Some(range) = scheduled {
            draft.put(&entry.child(SCHEDULED_RANGE), range_by_name(range));
        }
        if let Some(scheduled) = &sample.scheduled {
            write_schedule(draft, &entry, scheduled);
        }
    }
    for ((_, spec, _), output) in view.facts.outputs.iter().zip(&state.outputs) {
        let Some(entry) = places.component(&spec.name) else { continue };
        mark(draft, &entry);
        draft.put(&entry.child("on"), json!(output.on));
        draft.put(&entry.child("dutyPercent"), tidy(output.duty_percent));
        draft.put(&entry.child("cause"), json!(output.cause.by_name(view.facts.climates).to_string()));
        if let Some(percent) = output.override_percent {
            draft.put(&entry.child("override"), tidy(percent));
        }
        if let Some(rpm) = output.rpm {
            let place = entry.child("rpm");
            draft.put(&place, tidy(round_to(rpm, 0)));
            numbers.push(place);
        }
        if let Some(fault) = &output.fault {
            draft.put(&entry.child("fault"), json!(fault));
        }
    }
    let used = view.facts.climates.sensors();
    for (sensor, spec, _) in view.facts.sensors.iter() {
        if used.contains(&sensor) {
            continue;
        }
        let Some(entry) = places.component(&spec.name) else { continue };
        mark(draft, &entry);
        if let Some(value) = values.sensors.get(sensor.0).copied().flatten() {
            let place = entry.child(&places.key(&spec.measures));
            draft.put(&place, tidy(value));
            numbers.push(place);
        }
        draft
            .put(&entry.child("sensor"), health(state.sensors.get(sensor.0).and_then(|health| health.err())));
    }
    if let Some(alarms) = state.alarms.as_reported() {
        draft.put_at(["alarms"], alarms);
    }
    if let Some(fault) = &state.store_fault {
        draft.put_at(["storeFault"], Value::from(fault.as_str()));
    }
    numbers
}

/// What a schedule says: the entry that applies, and until when.
fn write_schedule(draft: &mut Draft, entry: &PropertyPath, scheduled: &Scheduled) {
    let says = match (scheduled, scheduled.entry()) {
        (Scheduled::Waiting, _) => "waiting for the clock",
        (_, Some(name)) => name,
        (_, None) => "no entry applies",
    };
    draft.put(&entry.child(SCHEDULE), json!(says));
    if let Some(until) = scheduled.until() {
        draft.put(&entry.child("scheduleUntil"), json!(until.rfc3339()));
    }
}
