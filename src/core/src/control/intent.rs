//! The desired section as typed set-points. Each value that cannot be applied becomes a refusal, and the last good value
//! stays in force.
//!
//! Terms: *accepted* values are the desired values in force. They form a section, in the places where they were desired, so
//! that they survive a restart and are reported in the JSON type in which they were desired. A value may be of a JSON type
//! or a string of it (the tutorial's back end writes strings); both mean the same.

use super::{ClimateRange, ClimateSpec, OutputId, OutputSpec, PropertyMap};
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

/// The lower end of the desired range, a property of the climate.
pub const MIN_TEMPERATURE: &str = "minTemperature";
/// The upper end.
pub const MAX_TEMPERATURE: &str = "maxTemperature";
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
    /// The range to hold; `None` leaves the configured one.
    pub range: Option<Setpoint<ClimateRange>>,
    /// The drives of outputs that have a property of their own.
    pub drives: BTreeMap<OutputId, Setpoint<Permille>>,
}

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
    /// The climate, if the site has one.
    pub climate: Option<&'a ClimateSpec>,
}

impl Meaning<'_> {
    /// The outputs that `fanOn` drives: the one bound to it, else the climate's cooling outputs.
    pub fn fans(&self) -> Vec<OutputId> {
        let bound: Vec<OutputId> = (0..self.outputs.len())
            .map(OutputId)
            .filter(|id| self.outputs[id.0].property.as_ref() == Some(&self.properties.fan_on))
            .collect();
        match self.climate {
            Some(climate) if bound.is_empty() => climate.cooling.clone(),
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
        if self.climate.is_some() {
            mapped.push(self.properties.climate.clone());
            mapped.push(self.properties.units.clone());
        }
        mapped.extend(self.bound().map(|(_, path)| path.clone()));
        mapped
    }

    /// Reads a desired section. `before` is the outcome of the version before it, whose values stay in force where this one
    /// has none that can be applied.
    pub fn read(&self, desired: &Section, version: Version, before: &Understanding) -> Understanding {
        let mut reader = Reader {
            meaning: *self,
            desired,
            version,
            before,
            accepted: Section::default(),
            refusals: Vec::new(),
        };
        let intent = Intent {
            fan_on: reader.read_fan_on(),
            range: self.climate.and_then(|climate| reader.read_range(climate)),
            drives: reader.read_drives(),
        };
        Understanding { intent, accepted: reader.accepted, refusals: reader.refusals }
    }

    /// The outcome of a recorded `accepted` section, after a restart.
    pub fn recall(&self, accepted: &Section, version: Version) -> Understanding {
        self.read(accepted, version, &Understanding::default())
    }
}

struct Reader<'a> {
    meaning: Meaning<'a>,
    desired: &'a Section,
    version: Version,
    before: &'a Understanding,
    accepted: Section,
    refusals: Vec<Refusal>,
}

impl<'a> Reader<'a> {
    fn read_fan_on(&mut self) -> Option<Setpoint<bool>> {
        if self.meaning.fans().is_empty() {
            return None;
        }
        let path = &self.meaning.properties.fan_on;
        let earlier = self.before.intent.fan_on;
        self.read_value(path, earlier, boolean, "neither true nor false")
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

    fn read_range(&mut self, climate: &ClimateSpec) -> Option<Setpoint<ClimateRange>> {
        let (path, units) = (&self.meaning.properties.climate, &self.meaning.properties.units);
        let earlier = self.before.intent.range;
        let unit = self.desired.get(units);
        let unknown_unit = || format!("unknown unit in {units}; {KNOWN_UNITS}");
        let outcome = match self.desired.get(path) {
            None => return self.read_lone_unit(units, unit),
            Some(Value::Object(fields)) => {
                let (min, max) = (fields.get(MIN_TEMPERATURE), fields.get(MAX_TEMPERATURE));
                if min.is_none() && max.is_none() {
                    return self.read_lone_unit(units, unit);
                }
                let parsed = unit.map_or(Some(climate.unit), parse_unit);
                parsed.ok_or_else(unknown_unit).and_then(|unit| range(climate, unit, min, max))
            }
            Some(_) => Err("not an object with minTemperature and maxTemperature".to_owned()),
        };
        match outcome {
            Ok(range) => {
                for end in [MIN_TEMPERATURE, MAX_TEMPERATURE].map(|end| path.child(end)) {
                    if let Some(raw) = self.desired.get(&end) {
                        place(&mut self.accepted, &end, raw.clone());
                    }
                }
                if let Some(raw) = unit {
                    place(&mut self.accepted, units, raw.clone());
                }
                Some(self.setpoint(range, earlier))
            }
            Err(reason) => {
                let mut asked = self.desired.get(path).cloned().unwrap_or(Value::Null);
                if let Value::Object(fields) = &mut asked {
                    fields.retain(|key, _| key == MIN_TEMPERATURE || key == MAX_TEMPERATURE);
                }
                self.refuse(path, &asked, reason);
                self.keep(path);
                self.keep(units);
                earlier
            }
        }
    }

    /// A unit without a range has no effect, but an unknown one is refused.
    fn read_lone_unit(
        &mut self,
        path: &PropertyPath,
        unit: Option<&Value>,
    ) -> Option<Setpoint<ClimateRange>> {
        if let Some(raw) = unit {
            match parse_unit(raw) {
                Some(_) => place(&mut self.accepted, path, raw.clone()),
                None => {
                    self.refuse(path, raw, format!("unknown unit; {KNOWN_UNITS}"));
                    self.keep(path);
                }
            }
        }
        None
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

/// Degrees: the rounding error of two decimals.
const HALF_A_HUNDREDTH: f64 = 0.005;
const KNOWN_UNITS: &str = "\"celsius\", \"fahrenheit\" and \"kelvin\" are known";

/// The whole range, or why it is refused.
fn range(
    climate: &ClimateSpec,
    unit: TemperatureUnit,
    min: Option<&Value>,
    max: Option<&Value>,
) -> Result<ClimateRange, String> {
    let end = |name: &str, raw: Option<&Value>, otherwise| match raw {
        None => Ok(otherwise),
        Some(raw) => number(raw)
            .and_then(|value| unit.to_celsius(value))
            .ok_or_else(|| format!("{name} is not a temperature")),
    };
    let min = end(MIN_TEMPERATURE, min, climate.range.min())?;
    let max = end(MAX_TEMPERATURE, max, climate.range.max())?;
    let range = ClimateRange::new(min, max)
        .ok_or_else(|| format!("{MIN_TEMPERATURE} is not below {MAX_TEMPERATURE}"))?;
    // In another unit, an end of the limits may be rounded, as our own message rounds it.
    let rounded = if unit == climate.unit { 0.0 } else { unit.difference_to_kelvin(HALF_A_HUNDREDTH) };
    match climate.limits {
        Some(limits) => limits.admit(range, rounded).ok_or_else(|| {
            let in_unit = |end| (unit.from_celsius(end) * 100.0).round() / 100.0;
            let (low, high) = (in_unit(limits.min()), in_unit(limits.max()));
            format!("outside this site's limits, {low} to {high} {}", unit.name())
        }),
        None => Ok(range),
    }
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
