//! What is worth telling the hub: the wanted reported section, made anew from the facts, and which of its values to
//! send again.
//!
//! Terms: *acknowledgements* answer the back end (versions, values in force, refusals) and go out as soon as they
//! are durable. *State* (outputs, regimes, faults) and *values* (numbers of sensors) are sampled: values when they
//! left their dead-band, at most once in `min-interval` and at least once in `heartbeat`; state when something
//! turned, at most once in `min-interval`, and along with whatever else goes out. Between two samples the last one
//! stands, so the section does not change. Deliberately absent: sending (that is `twin::Sync`'s).

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::control::climate::{Climate, Sensors};
use crate::control::intent::{MAX_TEMPERATURE, MIN_TEMPERATURE, Understanding, parse_unit};
use crate::control::outputs::{OutputState, Outputs};
use crate::control::{Fault, PropertyMap};
use crate::twin::{PropertyPath, Section, Version};
use crate::units::{BootTime, Celsius, TemperatureUnit};
use core::time::Duration;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The key under which desired and reported components stand.
const COMPONENTS: &str = "components";
/// The climate's own entry among the reported components.
const CLIMATE: &str = "climate";
/// Room for the names of components and of properties that mean nothing here. Their number and length are foreign,
/// and a section that is too large would keep the rest from being told.
const FOREIGN_BYTES_MAX: usize = 8 * 1024;
/// What the entry of a name takes besides the name, at most.
const ENTRY_BYTES: usize = 16;
/// A duty that moved less than this many per cent is not worth a message of its own.
const DUTY_DEADBAND_PERCENT: f64 = 5.0;

/// How the reported section looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReportStyle {
    /// Plain values.
    #[default]
    Plain,
}

/// What to report, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportSpec {
    /// Sensor values at least this often.
    pub heartbeat: Duration,
    /// Sensor values never more often.
    pub min_interval: Duration,
    /// By what a sensor measures: a change smaller than this is not told before the heartbeat.
    pub deadband: BTreeMap<String, f64>,
    /// How the section looks.
    pub style: ReportStyle,
    /// Told as `firmwareVersion`.
    pub firmware_version: String,
}

/// What the back end may be told of its desired section: all of it is durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acknowledgement {
    /// The desired version; 0 before the first fetch ever.
    pub version: Version,
    /// The desired section at that version.
    pub desired: Section,
    /// What was made of it.
    pub understanding: Understanding,
}

/// The live facts that a report may draw on.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// All sensors.
    pub sensors: &'a Sensors,
    /// All outputs.
    pub outputs: &'a Outputs,
    /// Why an output could not be driven, by its place.
    pub pin_faults: &'a BTreeMap<usize, String>,
    /// The climate, if the site has one.
    pub climate: Option<&'a Climate>,
    /// The state directory's trouble, if it has one.
    pub store_fault: Option<&'a str>,
}

/// What to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The whole reported section.
    pub section: Section,
    /// Values due by the heartbeat: send them though they did not change.
    pub again: Vec<PropertyPath>,
    /// A property that had to be left out because the hub would refuse it.
    pub left_out: Option<String>,
}

/// One sample of the state: what stands in the section until the next.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    outputs: Vec<OutputSample>,
    regime: Option<&'static str>,
    sensors: Vec<Result<(), Fault>>,
    climate_fault: Option<Fault>,
    store_fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct OutputSample {
    on: bool,
    duty_percent: f64,
    cause: String,
    fault: Option<String>,
}

/// One sample of the numbers. `None` where there is no valid reading.
#[derive(Clone, Debug, Default, PartialEq)]
struct Values {
    temperature: Option<Celsius>,
    sensors: Vec<Option<f64>>,
}

/// Makes the wanted section. See the module.
#[derive(Debug)]
pub struct Reporter {
    spec: ReportSpec,
    properties: PropertyMap,
    mapped: Vec<PropertyPath>,
    told: Acknowledgement,
    state: Option<(Sample, BootTime)>,
    values: Option<(Values, BootTime)>,
    values_due: BootTime,
    state_due: Option<BootTime>,
}

impl Reporter {
    /// Nothing told yet. `mapped` are the desired properties that mean something here.
    pub fn new(spec: ReportSpec, properties: PropertyMap, mapped: Vec<PropertyPath>) -> Self {
        Self {
            spec,
            properties,
            mapped,
            told: Acknowledgement::default(),
            state: None,
            values: None,
            values_due: BootTime::ZERO,
            state_due: None,
        }
    }

    /// When the next report may be due though nothing happens.
    pub fn poll_timeout(&self) -> BootTime {
        self.state_due.map_or(self.values_due, |due| due.min(self.values_due))
    }

    /// The section that should be reported now.
    pub fn compose(&mut self, now: BootTime, told: &Acknowledgement, facts: Facts<'_>) -> Wanted {
        let acknowledges = self.told != *told;
        if acknowledges {
            self.told = told.clone();
        }
        let unit = self.unit(facts.climate);
        let due = self.sample_values(now, facts);
        self.sample_state(now, acknowledges || due.is_some(), facts);
        let mut root = Map::new();
        let all_named = self.write_acknowledgement(&mut root, unit, facts.climate);
        let again = self.write_state(&mut root, unit, facts);
        let (section, refused) = into_section(root);
        let left_out =
            refused.or_else(|| (!all_named).then(|| "some names of desired properties".to_owned()));
        Wanted { section, again: if due == Some(Due::Heartbeat) { again } else { Vec::new() }, left_out }
    }

    /// Temperatures are told in the unit in which the range was desired, else in the site's own.
    fn unit(&self, climate: Option<&Climate>) -> TemperatureUnit {
        let desired = self.told.understanding.accepted.get(&self.properties.units).and_then(parse_unit);
        desired.unwrap_or_else(|| climate.map_or(TemperatureUnit::Celsius, |climate| climate.spec().unit))
    }

    fn sample_values(&mut self, now: BootTime, facts: Facts<'_>) -> Option<Due> {
        let count = facts.sensors.iter().count();
        let fresh = Values {
            temperature: facts.climate.and_then(Climate::temperature),
            sensors: (0..count).map(|i| facts.sensors.value(now, i).ok().map(|v| round_to(v, 3))).collect(),
        };
        let due = match &self.values {
            None => Some(Due::Change),
            Some((_, at)) if now >= *at + self.spec.heartbeat => Some(Due::Heartbeat),
            // A number without a valid reading must not stand, whatever the interval.
            Some((held, _)) if lost(held, &fresh) => Some(Due::Change),
            Some((held, at)) if self.moved(held, &fresh, facts) => {
                self.values_due = *at + self.spec.min_interval;
                (now >= self.values_due).then_some(Due::Change)
            }
            Some((_, at)) => {
                self.values_due = *at + self.spec.heartbeat;
                None
            }
        };
        if due.is_some() {
            self.values = Some((fresh, now));
            self.values_due = now + self.spec.heartbeat;
        }
        due
    }

    fn moved(&self, held: &Values, fresh: &Values, facts: Facts<'_>) -> bool {
        let differs = |a: Option<f64>, b: Option<f64>, measures: &str| match (a, b) {
            (Some(a), Some(b)) => {
                a != b && (a - b).abs() >= self.spec.deadband.get(measures).map_or(0.0, |d| *d)
            }
            (a, b) => a.is_some() != b.is_some(),
        };
        let degrees = |values: &Values| values.temperature.map(Celsius::degrees);
        let climate = facts.climate.map(|climate| &climate.spec().sensors);
        differs(degrees(held), degrees(fresh), "temperature")
            || facts.sensors.iter().enumerate().any(|(index, (spec, _))| {
                let of_climate = climate.is_some_and(|sensors| sensors.iter().any(|id| id.0 == index));
                let value = |values: &Values| values.sensors.get(index).copied().flatten();
                !of_climate && differs(value(held), value(fresh), &spec.measures)
            })
    }

    fn sample_state(&mut self, now: BootTime, along: bool, facts: Facts<'_>) {
        let fresh = sample(now, facts);
        self.state_due = match &self.state {
            Some((held, at)) if !along => turned(held, &fresh).then(|| *at + self.spec.min_interval),
            _ => Some(now),
        };
        if self.state_due.is_some_and(|due| due <= now) {
            self.state = Some((fresh, now));
            self.state_due = None;
        }
    }

    /// Returns whether there was room for each foreign name.
    fn write_acknowledgement(
        &self,
        root: &mut Map<String, Value>,
        unit: TemperatureUnit,
        climate: Option<&Climate>,
    ) -> bool {
        let Understanding { accepted, refusals, .. } = &self.told.understanding;
        root.insert("firmwareVersion".into(), json!(self.spec.firmware_version));
        if self.told.version > Version(0) {
            if let Some(id) = self.told.desired.get(&self.properties.patch_id).filter(|id| is_scalar(id)) {
                root.insert("lastPatchReceivedId".into(), id.clone());
            }
            root.insert("desiredVersion".into(), json!(self.told.version.0));
        }
        if let Some(raw) = accepted.get(&self.properties.fan_on) {
            root.insert("fanOn".into(), raw.clone());
        }
        if let Some(climate) = climate {
            self.write_range(root, unit, climate);
        }
        let all_named = self.write_unmapped(root);
        for refusal in refusals {
            let mut entry = Map::new();
            if let Some(value) = &refusal.value {
                entry.insert("value".into(), value.clone());
            }
            entry.insert("code".into(), json!(refusal.code));
            entry.insert("reason".into(), json!(refusal.reason));
            entry.insert("version".into(), json!(refusal.version.0));
            let keys = refusal.property.keys().iter().map(String::as_str);
            place(root, ["rejected"].into_iter().chain(keys), Value::Object(entry));
        }
        all_named
    }

    /// The range in force. An end that was desired goes back as it came; one that the site supplies takes the JSON
    /// type of the other.
    fn write_range(&self, root: &mut Map<String, Value>, unit: TemperatureUnit, climate: &Climate) {
        let accepted = &self.told.understanding.accepted;
        let raw = |end: &str| accepted.get(&self.properties.climate.child(end));
        let (min, max) = (raw(MIN_TEMPERATURE), raw(MAX_TEMPERATURE));
        let as_text = min.or(max).is_some_and(Value::is_string);
        let supplied = |end| {
            let number = round_to(unit.from_celsius(end), 2);
            if as_text { json!(number.to_string()) } else { tidy(number) }
        };
        let site = climate.spec().range;
        root.insert(MIN_TEMPERATURE.into(), min.cloned().unwrap_or_else(|| supplied(site.min())));
        root.insert(MAX_TEMPERATURE.into(), max.cloned().unwrap_or_else(|| supplied(site.max())));
    }

    /// Says what becomes of each desired component, by an entry of its own, and which other properties mean nothing
    /// here, by name. Returns whether there was room for all.
    fn write_unmapped(&self, root: &mut Map<String, Value>) -> bool {
        let mut room = Some(FOREIGN_BYTES_MAX);
        let mut take = |name: &str| {
            room = room.and_then(|room| room.checked_sub(name.len() + ENTRY_BYTES));
            room.is_some()
        };
        let mut others = BTreeSet::new();
        for (key, value) in self.told.desired.as_object() {
            let Some(path) = PropertyPath::parse(key) else { continue };
            match value {
                Value::Object(components) if key == COMPONENTS => {
                    // `__t` is the marker of Plug and Play, not a component.
                    let named = components.iter().filter(|(name, _)| !name.starts_with("__"));
                    for (name, component) in named {
                        let status = self.status(&path.child(name), component);
                        if let Some(status) = status.filter(|_| take(name)) {
                            place(root, [COMPONENTS, name, "status"].into_iter(), json!(status));
                        }
                    }
                }
                _ if !self.is_mapped(&path, value) && take(key) => {
                    others.insert(key.as_str());
                }
                _ => {}
            }
        }
        if !others.is_empty() {
            root.insert("notMapped".into(), json!(others));
        }
        room.is_some()
    }

    /// What became of a desired component; `None` if it is the climate, which has an entry that says more.
    fn status(&self, path: &PropertyPath, component: &Value) -> Option<&'static str> {
        let mapped = self.is_mapped(path, component);
        let refused = || self.told.understanding.refusals.iter().any(|r| r.property.starts_with(path));
        match (mapped, *path == self.properties.climate) {
            (true, true) => None,
            (true, false) if refused() => Some("rejected"),
            (true, false) => Some("applied"),
            (false, _) => Some("not mapped"),
        }
    }

    /// Does something at or below this property mean something here?
    fn is_mapped(&self, path: &PropertyPath, value: &Value) -> bool {
        let holds = |mapped: &PropertyPath| value.is_object() && mapped.starts_with(path);
        self.mapped.iter().any(|mapped| path.starts_with(mapped) || holds(mapped))
    }

    /// Writes the last samples; returns the places of the numbers, for the heartbeat.
    fn write_state(
        &self,
        root: &mut Map<String, Value>,
        unit: TemperatureUnit,
        facts: Facts<'_>,
    ) -> Vec<PropertyPath> {
        let mut numbers = Vec::new();
        let (Some((state, _)), Some((values, _))) = (&self.state, &self.values) else { return numbers };
        let mut put = |keys: &[&str], value: Value| place(root, keys.iter().copied(), value);
        let path = |keys: &[&str]| {
            let (first, rest) = keys.split_first()?;
            Some(rest.iter().fold(PropertyPath::parse(first)?, |path, key| path.child(key)))
        };
        if facts.climate.is_some() {
            if let Some(temperature) = values.temperature {
                let temperature = round_to(unit.from_celsius(temperature), 2);
                put(&[COMPONENTS, CLIMATE, "temperature"], tidy(temperature));
                numbers.extend(path(&[COMPONENTS, CLIMATE, "temperature"]));
            }
            put(&[COMPONENTS, CLIMATE, "unit"], json!(unit.name()));
            put(&[COMPONENTS, CLIMATE, "regime"], json!(state.regime));
            put(&[COMPONENTS, CLIMATE, "sensor"], json!(state.climate_fault.map_or("ok", Fault::name)));
        }
        for ((spec, _), output) in facts.outputs.iter().zip(&state.outputs) {
            let name = spec.name.as_str();
            put(&[COMPONENTS, name, "on"], json!(output.on));
            put(&[COMPONENTS, name, "dutyPercent"], tidy(output.duty_percent));
            put(&[COMPONENTS, name, "cause"], json!(output.cause));
            if let Some(fault) = &output.fault {
                put(&[COMPONENTS, name, "fault"], json!(fault));
            }
        }
        let of_climate =
            |index| facts.climate.is_some_and(|c| c.spec().sensors.iter().any(|id| id.0 == index));
        for (index, (spec, _)) in facts.sensors.iter().enumerate().filter(|(index, _)| !of_climate(*index)) {
            let name = spec.name.as_str();
            if let Some(value) = values.sensors.get(index).copied().flatten() {
                put(&[COMPONENTS, name, &spec.measures], tidy(value));
                numbers.extend(path(&[COMPONENTS, name, &spec.measures]));
            }
            let fault = state.sensors.get(index).and_then(|health| health.err());
            put(&[COMPONENTS, name, "sensor"], json!(fault.map_or("ok", Fault::name)));
        }
        if let Some(fault) = &state.store_fault {
            root.insert("storeFault".into(), json!(fault));
        }
        numbers
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Due {
    Change,
    Heartbeat,
}

fn sample(now: BootTime, facts: Facts<'_>) -> Sample {
    let output = |(index, state): (usize, &OutputState)| {
        let drive = state.drive.unwrap_or_default();
        OutputSample {
            on: !drive.is_zero(),
            duty_percent: drive.percent(),
            cause: state.cause.to_string(),
            fault: facts.pin_faults.get(&index).map(|fault| fault.chars().take(200).collect()),
        }
    };
    let count = facts.sensors.iter().count();
    Sample {
        outputs: facts.outputs.iter().map(|(_, state)| state).enumerate().map(output).collect(),
        regime: facts.climate.map(|climate| climate.regime().name()),
        sensors: (0..count).map(|index| facts.sensors.value(now, index).map(|_| ())).collect(),
        climate_fault: facts.climate.and_then(|climate| climate.fault(now, facts.sensors)),
        store_fault: facts.store_fault.map(|fault| fault.chars().take(200).collect()),
    }
}

/// Is the fresh sample worth a message of its own?
fn turned(held: &Sample, fresh: &Sample) -> bool {
    let same_output = |(a, b): (&OutputSample, &OutputSample)| {
        let same_duty = (a.duty_percent - b.duty_percent).abs() < DUTY_DEADBAND_PERCENT;
        (a.on, &a.cause, &a.fault) == (b.on, &b.cause, &b.fault) && same_duty
    };
    held.outputs.len() != fresh.outputs.len()
        || !held.outputs.iter().zip(&fresh.outputs).all(same_output)
        || (held.regime, held.climate_fault, &held.store_fault, &held.sensors)
            != (fresh.regime, fresh.climate_fault, &fresh.store_fault, &fresh.sensors)
}

fn lost(held: &Values, fresh: &Values) -> bool {
    held.temperature.is_some() && fresh.temperature.is_none()
        || held.sensors.iter().zip(&fresh.sensors).any(|(held, fresh)| held.is_some() && fresh.is_none())
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn round_to(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// A whole number is written without a fraction, as a person would.
fn tidy(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e9 { json!(number as i64) } else { json!(number) }
}

/// Puts a value at a place, making the objects above it; what is no object there gives way.
fn place<'a>(root: &mut Map<String, Value>, keys: impl Iterator<Item = &'a str>, value: Value) {
    let mut keys = keys.peekable();
    let mut object = root;
    while let Some(key) = keys.next() {
        if keys.peek().is_none() {
            object.insert(key.to_owned(), value);
            return;
        }
        let inner = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        match inner {
            Value::Object(inner) => object = inner,
            _ => return,
        }
    }
}

/// Makes a section; what the hub would refuse is left out, the least that mends it.
fn into_section(mut root: Map<String, Value>) -> (Section, Option<String>) {
    let mut left_out = None;
    loop {
        match Section::from_object(root.clone()) {
            Ok(section) => return (section, left_out),
            Err(fault) => {
                // A section that is too large as a whole names no property.
                if !remove(&mut root, &fault.property) {
                    let Some(victim) = largest(&root) else { return (Section::default(), left_out) };
                    root.shift_remove(&victim);
                }
                left_out.get_or_insert(fault.to_string());
            }
        }
    }
}

/// Removes the deepest object's property on the way to the one named.
fn remove(object: &mut Map<String, Value>, property: &str) -> bool {
    let (key, rest) = property.split_once('.').unwrap_or((property, ""));
    let removed = object.get_mut(key).and_then(Value::as_object_mut).is_some_and(|inner| remove(inner, rest));
    removed || object.shift_remove(key).is_some()
}

fn largest(root: &Map<String, Value>) -> Option<String> {
    root.iter().max_by_key(|(_, value)| value.to_string().len()).map(|(key, _)| key.clone())
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
