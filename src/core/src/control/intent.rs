//! The desired section as typed set-points. Each value that cannot be applied becomes a refusal, and the last good value
//! stays in force.
//!
//! Terms: *accepted* values are the desired values in force. They form a section, in the places where they were desired, so
//! that they survive a restart and are reported in the JSON type in which they were desired. A value may be of a JSON type
//! or a string of it (the tutorial's back end writes strings); both mean the same.

mod entries;

pub use entries::{ENTRY_KEYS, SCHEDULE};

use super::quantity::Quantity;
use super::schedule::Schedule;
use super::{ClimateId, ClimateRange, ClimateSpec, OutputId, OutputSpec, PropertyMap};
use crate::twin::json::{self, is_raw};
use crate::twin::{Patch, PropertyPath, Section, Version, is_writable};
use crate::units::{Permille, TemperatureUnit};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The switch of what lowers a climate, a property of a named one.
pub const FAN_ON: &str = "fanOn";
/// In the accepted section, the unit of a climate's range where it is not that of the others.
pub const OWN_UNIT: &str = "units";
/// The code of a refusal: the value cannot be applied.
const REFUSED: u16 = 400;
/// A refused value that is longer is not reported back.
const ECHO_BYTES_MAX: usize = 256;

/// A value, and the desired version that last changed it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setpoint<T> {
    /// What is wanted.
    pub value: T,
    /// The version that last changed it.
    pub version: Version,
}

/// The set-points of a desired section.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Intent {
    /// The fan: on, off, or `None` for automatic.
    pub fan_on: Option<Setpoint<bool>>,
    /// What is wanted of each climate.
    pub climates: BTreeMap<ClimateId, ClimateIntent>,
    /// The drives of outputs that have a property of their own.
    pub drives: BTreeMap<OutputId, Setpoint<Permille>>,
}

impl Intent {
    /// What is wanted of a climate, if anything is.
    pub fn climate(&self, id: ClimateId) -> Option<&ClimateIntent> {
        self.climates.get(&id)
    }

    /// The desired range of a climate; `None` leaves the configured one.
    pub fn range(&self, id: ClimateId) -> Option<Setpoint<ClimateRange>> {
        self.climate(id)?.range
    }
}

/// What is wanted of one climate.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct ClimateIntent {
    /// What lowers it: on, off, or `None` for automatic.
    pub fan_on: Option<Setpoint<bool>>,
    /// The range to hold; `None` leaves the configured one.
    pub range: Option<Setpoint<ClimateRange>>,
    /// The ranges to hold in its place at times.
    pub schedule: Schedule<ClimateRange>,
}

/// The fields of a JSON object.
type Fields = serde_json::Map<String, Value>;

/// A desired value that was not applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The property.
    pub property: PropertyPath,
    /// What was desired; absent if it is too long to report back, or twind may not write it.
    #[serde(with = "json::as_text")]
    pub value: Option<Value>,
    /// Like an HTTP status.
    pub code: u16,
    /// Why, for a person.
    pub reason: String,
    /// The desired version that first had it.
    pub version: Version,
}

/// The outcome of reading a desired section.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Understanding {
    /// The set-points.
    pub intent: Intent,
    /// The desired values in force.
    pub accepted: Section,
    /// The desired values that are not applied.
    pub refusals: Vec<Refusal>,
}

/// What gives desired properties a meaning.
#[derive(Clone, Copy)]
pub struct Meaning<'a> {
    /// Which property means what.
    pub properties: &'a PropertyMap,
    /// The outputs.
    pub outputs: &'a [OutputSpec],
    /// The climates.
    pub climates: &'a [ClimateSpec],
}

impl Meaning<'_> {
    /// The outputs that the `fanOn` of the site drives: those bound to it, else the lowering outputs of the only climate.
    pub fn fans(&self) -> Vec<OutputId> {
        let bound: Vec<OutputId> = (0..self.outputs.len())
            .map(OutputId)
            .filter(|id| self.outputs[id.0].property.as_ref() == Some(&self.properties.fan_on))
            .collect();
        match self.climates {
            [only] if bound.is_empty() => only.lowering.clone(),
            _ => bound,
        }
    }

    /// The outputs bound to a property other than the fan's.
    fn bound(&self) -> impl Iterator<Item = (OutputId, &PropertyPath)> {
        self.outputs.iter().enumerate().filter_map(|(index, output)| {
            let property = output.property.as_ref().filter(|path| **path != self.properties.fan_on)?;
            Some((OutputId(index), property))
        })
    }

    /// The properties that have a meaning here.
    pub fn mapped(&self) -> Vec<PropertyPath> {
        let mut mapped = vec![self.properties.patch_id.clone()];
        if !self.fans().is_empty() {
            mapped.push(self.properties.fan_on.clone());
        }
        mapped.extend(self.climates.iter().map(|climate| climate.property.clone()));
        if self.climates.iter().any(|climate| climate.quantity.unit().is_some()) {
            mapped.push(self.properties.units.clone());
        }
        mapped.extend(self.bound().map(|(_, path)| path.clone()));
        mapped
    }

    /// Reads a desired section. `before` is the outcome of the version before it, whose values stay in force where this one
    /// has none that can be applied.
    pub fn read(&self, desired: &Section, version: Version, before: &Understanding) -> Understanding {
        self.reader(desired, version, before).read()
    }

    /// The outcome of a recorded `accepted` section, after a restart.
    pub fn recall(&self, accepted: &Section, version: Version) -> Understanding {
        let nothing = Understanding::default();
        Reader { recalls: true, ..self.reader(accepted, version, &nothing) }.read()
    }

    fn reader<'a>(&'a self, desired: &'a Section, version: Version, before: &'a Understanding) -> Reader<'a> {
        let (accepted, refusals) = (Section::default(), Vec::new());
        Reader { meaning: *self, desired, version, before, recalls: false, accepted, refusals }
    }
}

struct Reader<'a> {
    meaning: Meaning<'a>,
    desired: &'a Section,
    version: Version,
    before: &'a Understanding,
    /// What is read is an accepted section.
    recalls: bool,
    accepted: Section,
    refusals: Vec<Refusal>,
}

/// What became of the desired range of a climate.
enum RangeRead {
    /// There is none.
    Absent,
    /// It is in force.
    Accepted(Setpoint<ClimateRange>),
    /// The earlier one stays in force, if there is one.
    Refused(Option<Setpoint<ClimateRange>>),
}

impl Reader<'_> {
    fn read(mut self) -> Understanding {
        let (fan_on, climates, drives) = (self.read_fan_on(), self.read_climates(), self.read_drives());
        let intent = Intent { fan_on, climates, drives };
        Understanding { intent, accepted: self.accepted, refusals: self.refusals }
    }

    fn read_fan_on(&mut self) -> Option<Setpoint<bool>> {
        if self.meaning.fans().is_empty() {
            return None;
        }
        let path = &self.meaning.properties.fan_on;
        let earlier = self.before.intent.fan_on;
        self.read_value(path, earlier, boolean, NOT_BOOLEAN)
    }

    fn read_drives(&mut self) -> BTreeMap<OutputId, Setpoint<Permille>> {
        let meaning = self.meaning;
        let mut drives = BTreeMap::new();
        for (output, path) in meaning.bound() {
            let earlier = self.before.intent.drives.get(&output).copied();
            let read =
                self.read_value(path, earlier, share, "neither true, false nor a percentage from 0 to 100");
            drives.extend(read.map(|drive| (output, drive)));
        }
        drives
    }

    /// A single value: absent, accepted, or refused, in which case the earlier one stays.
    fn read_value<T: PartialEq + Copy>(
        &mut self,
        path: &PropertyPath,
        earlier: Option<Setpoint<T>>,
        parse: fn(&Value) -> Option<T>,
        wrong: &str,
    ) -> Option<Setpoint<T>> {
        let raw = self.desired.get(path)?;
        match parse(raw) {
            Some(value) => {
                place(&mut self.accepted, path, raw.clone());
                Some(self.setpoint(value, earlier))
            }
            None => {
                self.refuse(path, raw, wrong.to_owned());
                self.keep(path);
                earlier
            }
        }
    }

    fn read_climates(&mut self) -> BTreeMap<ClimateId, ClimateIntent> {
        let mut intents = BTreeMap::new();
        let (mut accepted, mut refused) = (false, Vec::new());
        for (index, climate) in self.meaning.climates.iter().enumerate() {
            let id = ClimateId(index);
            let is_temperature = climate.quantity.unit().is_some();
            if let Some(raw) = self.desired.get(&climate.property).filter(|raw| !raw.is_object()) {
                let [min, max] = climate.quantity.ends();
                self.refuse(&climate.property, raw, format!("not an object with {min} and {max}"));
                self.keep(&climate.property);
                refused.extend(is_temperature.then_some(climate));
                // Nothing of it was deleted, so all of it stays in force.
                intents.extend(self.before.intent.climate(id).map(|before| (id, before.clone())));
                continue;
            }
            let fan_on = self.read_fan_on_of(id, climate);
            let range = match self.read_range(id, climate) {
                RangeRead::Absent => None,
                RangeRead::Accepted(range) => {
                    accepted |= is_temperature;
                    Some(range)
                }
                RangeRead::Refused(earlier) => {
                    refused.extend(is_temperature.then_some(climate));
                    earlier
                }
            };
            let base = range.map_or(climate.range, |range| range.value);
            let schedule = self.read_schedule(id, climate, base);
            let intent = ClimateIntent { fan_on, range, schedule };
            if intent != ClimateIntent::default() {
                intents.insert(id, intent);
            }
        }
        self.read_units(accepted, &refused);
        intents
    }

    /// The switch of a named climate. That of the only one of a site is the site's own.
    fn read_fan_on_of(&mut self, id: ClimateId, climate: &ClimateSpec) -> Option<Setpoint<bool>> {
        if climate.name.is_none() || climate.lowering.is_empty() {
            return None;
        }
        let earlier = self.before.intent.climate(id).and_then(|before| before.fan_on);
        self.read_value(&climate.property.child(FAN_ON), earlier, boolean, NOT_BOOLEAN)
    }

    fn read_range(&mut self, id: ClimateId, climate: &ClimateSpec) -> RangeRead {
        let path = &climate.property;
        let ends = climate.quantity.ends();
        let Some(raw) = self.desired.get(path) else { return RangeRead::Absent };
        let Some(fields) = raw.as_object() else { return RangeRead::Absent };
        let [min, max] = [&ends[0], &ends[1]].map(|end| fields.get(end));
        if min.is_none() && max.is_none() {
            return RangeRead::Absent;
        }
        let read = self.unit_of(climate);
        let outcome = read.and_then(|unit| range(climate, unit, climate.range, min, max));
        let earlier = self.before.intent.range(id);
        match outcome {
            Ok(range) => {
                for end in [&ends[0], &ends[1]].map(|end| path.child(end)) {
                    if let Some(raw) = self.desired.get(&end) {
                        place(&mut self.accepted, &end, raw.clone());
                    }
                }
                if let Some(unit) = self.own_unit(climate).cloned() {
                    place(&mut self.accepted, &path.child(OWN_UNIT), unit);
                }
                RangeRead::Accepted(self.setpoint(range, earlier))
            }
            Err(reason) => {
                let mut asked = fields.clone();
                asked.retain(|key, _| ends.contains(key));
                self.refuse(path, &Value::Object(asked), reason);
                ends.iter().for_each(|end| self.keep(&path.child(end)));
                RangeRead::Refused(earlier)
            }
        }
    }

    /// The unit of a climate's accepted range, where it is not that of the others.
    fn own_unit(&self, climate: &ClimateSpec) -> Option<&Value> {
        self.desired.get(&climate.property.child(OWN_UNIT)).filter(|_| self.recalls)
    }

    /// The unit of a climate's desired range, or why there is none.
    fn unit_of(&self, climate: &ClimateSpec) -> Result<TemperatureUnit, String> {
        let Quantity::Temperature(configured) = climate.quantity else {
            return Ok(TemperatureUnit::default());
        };
        let units = &self.meaning.properties.units;
        let unit = self.own_unit(climate).or_else(|| self.desired.get(units));
        let parsed = unit.map_or(Some(configured), parse_unit);
        parsed.ok_or_else(|| format!("unknown unit in {units}; {KNOWN_UNITS}"))
    }

    /// The unit of the ranges: in force where one of them is accepted, else as before where one is refused. Alone it has no effect,
    /// but an unknown one is refused.
    fn read_units(&mut self, accepted: bool, refused: &[&ClimateSpec]) {
        let path = &self.meaning.properties.units;
        let Some(raw) = self.desired.get(path) else {
            if accepted {
                self.keep_units(refused);
            } else if !refused.is_empty() {
                self.keep(path);
            }
            return;
        };
        let has_meaning = self.meaning.climates.iter().any(|climate| climate.quantity.unit().is_some());
        if !accepted && !refused.is_empty() {
            self.keep(path);
        } else if has_meaning && parse_unit(raw).is_some() {
            place(&mut self.accepted, path, raw.clone());
            self.keep_units(refused);
        } else if has_meaning {
            self.refuse(path, raw, format!("unknown unit; {KNOWN_UNITS}"));
            self.keep(path);
        }
    }

    /// Each refused climate's earlier range stays in the unit in which it was desired.
    fn keep_units(&mut self, refused: &[&ClimateSpec]) {
        let units = &self.meaning.properties.units;
        for climate in refused {
            let own = climate.property.child(OWN_UNIT);
            let before = self.before.accepted.get(&own).or_else(|| self.before.accepted.get(units));
            let configured = || climate.quantity.unit().map(|unit| json!(unit.name()));
            let unit =
                before.cloned().or_else(configured).filter(|unit| Some(unit) != self.desired.get(units));
            let has_range = self.before.accepted.get(&climate.property).is_some();
            if let Some(unit) = unit.filter(|_| has_range) {
                place(&mut self.accepted, &own, unit);
            }
        }
    }

    fn setpoint<T: PartialEq>(&self, value: T, earlier: Option<Setpoint<T>>) -> Setpoint<T> {
        match earlier {
            Some(earlier) if earlier.value == value && self.has_seen(earlier.version) => earlier,
            _ => Setpoint { value, version: self.version },
        }
    }

    /// A version above ours belongs to an identity that was deleted and created again, so it is meaningless.
    fn has_seen(&self, version: Version) -> bool {
        version <= self.version
    }

    fn keep(&mut self, path: &PropertyPath) {
        if let Some(raw) = self.before.accepted.get(path) {
            place(&mut self.accepted, path, raw.clone());
        }
    }

    fn refuse(&mut self, property: &PropertyPath, raw: &Value, reason: String) {
        let value =
            Some(raw.clone()).filter(|raw| raw.to_string().len() <= ECHO_BYTES_MAX && is_writable(raw));
        let earlier = self.before.refusals.iter().find(|refusal| {
            refusal.property == *property && refusal.value == value && refusal.reason == reason
        });
        let earlier = earlier.map(|earlier| earlier.version).filter(|version| self.has_seen(*version));
        let version = earlier.unwrap_or(self.version);
        self.refusals.push(Refusal { property: property.clone(), value, code: REFUSED, reason, version });
    }
}

const NOT_BOOLEAN: &str = "neither true nor false";
const KNOWN_UNITS: &str = "\"celsius\", \"fahrenheit\" and \"kelvin\" are known";

/// The whole range, or why it is refused. An end that is not desired is that of `base`.
fn range(
    climate: &ClimateSpec,
    unit: TemperatureUnit,
    base: ClimateRange,
    min: Option<&Value>,
    max: Option<&Value>,
) -> Result<ClimateRange, String> {
    let quantity = &climate.quantity;
    let kind = if quantity.unit().is_some() { "a temperature" } else { "a number" };
    let end = |name: String, raw: Option<&Value>, otherwise| match raw {
        None => Ok(otherwise),
        Some(raw) => number(raw)
            .and_then(|value| quantity.to_base(unit, value))
            .ok_or_else(|| format!("{name} is not {kind}")),
    };
    let min = end(quantity.min_property(), min, base.min())?;
    let max = end(quantity.max_property(), max, base.max())?;
    climate.admit(unit, min, max)
}

/// Parses a unit's name.
pub fn parse_unit(raw: &Value) -> Option<TemperatureUnit> {
    TemperatureUnit::parse(raw.as_str()?)
}

fn boolean(raw: &Value) -> Option<bool> {
    match raw {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn number(raw: &Value) -> Option<f64> {
    match raw {
        Value::String(text) if !is_raw(raw) => text.trim().parse().ok(),
        other => json::number(other),
    }
    .filter(|number: &f64| number.is_finite())
}

fn share(raw: &Value) -> Option<Permille> {
    if let Some(on) = boolean(raw) {
        return Some(if on { Permille::FULL } else { Permille::ZERO });
    }
    let percent = match raw {
        Value::String(text) => {
            let text = text.trim();
            number(&json!(text.strip_suffix('%').unwrap_or(text)))
        }
        other => number(other),
    };
    Permille::from_percent(percent?)
}

/// Puts a value at a path, and creates the objects above it.
fn place(section: &mut Section, path: &PropertyPath, value: Value) {
    let nested = path.keys().iter().rev().fold(value, |inner, key| json!({ key: inner }));
    if let Value::Object(nested) = nested {
        section.apply(&Patch::from_object(nested));
    }
}

#[cfg(test)]
#[path = "intent_tests.rs"]
mod tests;
