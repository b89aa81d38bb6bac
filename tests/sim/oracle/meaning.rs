//! An independent reading of the desired section: written from the handbook's chapter on the twin
//! (`packaging/doc/twin.md`), without looking at the core's `control/intent.rs`.
//!
//! The values *in force* are those that the device reports as such: every valid value, and in place of an invalid one the
//! last valid one. Deliberately absent: the texts of refusals, and versions.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use twind::engine::CoreSpec;
use twind::twin::PropertyPath;

const ABSOLUTE_ZERO: f64 = -273.15;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meaning {
    pub(crate) fan: Option<bool>,
    /// Degrees Celsius, from and to.
    pub(crate) range: Option<(f64, f64)>,
    /// Permille, by output.
    pub(crate) drives: BTreeMap<usize, u16>,
    /// The raw values by `fanOn`, `min`, `max` and `units`.
    pub(crate) in_force: BTreeMap<&'static str, Value>,
}

/// The outputs that `fanOn` drives.
pub(crate) fn fans(spec: &CoreSpec) -> Vec<usize> {
    let bound =
        |output: &twind::control::OutputSpec| output.property.as_ref() == Some(&spec.properties.fan_on);
    let own: Vec<usize> = (0..spec.outputs.len()).filter(|i| bound(&spec.outputs[*i])).collect();
    if own.is_empty() {
        spec.climates.iter().flat_map(|climate| climate.lowering.iter().map(|id| id.0)).collect()
    } else {
        own
    }
}

impl Meaning {
    pub(crate) fn read(spec: &CoreSpec, desired: &Map<String, Value>, before: &Self) -> Self {
        let mut meaning = Self::default();
        meaning.read_fan(spec, desired, before);
        meaning.read_range(spec, desired, before);
        for (output, of) in spec.outputs.iter().enumerate() {
            let Some(path) = of.property.as_ref().filter(|path| **path != spec.properties.fan_on) else {
                continue;
            };
            let Some(raw) = at(desired, path) else { continue };
            if let Some(permille) = share(raw).or(before.drives.get(&output).copied()) {
                meaning.drives.insert(output, permille);
            }
        }
        meaning
    }

    fn read_fan(&mut self, spec: &CoreSpec, desired: &Map<String, Value>, before: &Self) {
        let Some(raw) = at(desired, &spec.properties.fan_on) else { return };
        self.fan = flag(raw);
        if self.fan.is_some() {
            self.in_force.insert("fanOn", raw.clone());
        } else {
            self.fan = before.fan;
            self.stay("fanOn", before);
        }
    }

    fn stay(&mut self, name: &'static str, before: &Self) {
        if let Some(raw) = before.in_force.get(name) {
            self.in_force.insert(name, raw.clone());
        }
    }

    fn read_range(&mut self, spec: &CoreSpec, desired: &Map<String, Value>, before: &Self) {
        let Some(climate) = spec.climates.first() else { return };
        let units = at(desired, &spec.properties.units);
        let unit = match units {
            None => Some(Unit::Celsius),
            Some(raw) => unit(raw),
        };
        let present = at(desired, &climate.property);
        let (min, max) = match present {
            Some(Value::Object(fields)) => (fields.get("minTemperature"), fields.get("maxTemperature")),
            _ => (None, None),
        };
        if !present.is_some_and(|present| !present.is_object() || min.or(max).is_some()) {
            // The range is not set; the unit counts by itself.
            match (units, unit) {
                (Some(raw), Some(_)) => drop(self.in_force.insert("units", raw.clone())),
                (Some(_), None) => self.stay("units", before),
                (None, _) => {}
            }
            return;
        }
        let end = |raw: Option<&Value>, site: f64| match raw {
            None => Some(site),
            Some(raw) => unit?.celsius(number(raw)?),
        };
        let found = if present.is_some_and(Value::is_object) && unit.is_some() {
            end(min, climate.range.min()).zip(end(max, climate.range.max()))
        } else {
            None
        };
        let limits = climate.limits.map(|limits| (limits.min(), limits.max()));
        // A range up to the very limits is valid in every unit, so rounding between units must not matter.
        let good = found.filter(|(min, max)| {
            min < max && limits.is_none_or(|(low, high)| low - 1e-9 <= *min && *max <= high + 1e-9)
        });
        if let Some(range) = good {
            self.range = Some(range);
            for (name, raw) in [("min", min), ("max", max), ("units", units)] {
                self.in_force.extend(raw.map(|raw| (name, raw.clone())));
            }
        } else {
            self.range = before.range;
            for name in ["min", "max", "units"] {
                self.stay(name, before);
            }
        }
    }

    /// Does the hub have what is in force by this meaning?
    pub(crate) fn is_told_by(&self, reported: &Map<String, Value>) -> Result<(), String> {
        for (name, key) in [("fanOn", "fanOn"), ("min", "minTemperature"), ("max", "maxTemperature")] {
            let (told, meant) = (reported.get(key), self.in_force.get(name));
            let supplied = meant.is_none() && key != "fanOn";
            if told != meant && !supplied || supplied && told.is_none() {
                return Err(format!("{key} in force is {meant:?}, reported is {told:?}"));
            }
        }
        Ok(())
    }
}

fn at<'a>(section: &'a Map<String, Value>, path: &PropertyPath) -> Option<&'a Value> {
    let mut keys = path.keys().iter();
    let first = section.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key.as_str()).filter(|_| value.is_object()))
}

#[derive(Clone, Copy)]
enum Unit {
    Celsius,
    Fahrenheit,
    Kelvin,
}

impl Unit {
    fn celsius(self, number: f64) -> Option<f64> {
        let celsius = match self {
            Self::Celsius => number,
            Self::Fahrenheit => (number - 32.0) * 5.0 / 9.0,
            Self::Kelvin => number + ABSOLUTE_ZERO,
        };
        (celsius >= ABSOLUTE_ZERO).then_some(celsius)
    }
}

fn unit(raw: &Value) -> Option<Unit> {
    match raw.as_str()?.trim().to_lowercase().as_str() {
        "celsius" | "c" => Some(Unit::Celsius),
        "fahrenheit" | "farenheit" | "f" => Some(Unit::Fahrenheit),
        "kelvin" | "k" => Some(Unit::Kelvin),
        _ => None,
    }
}

fn flag(raw: &Value) -> Option<bool> {
    let text = match raw {
        Value::Bool(flag) => return Some(*flag),
        Value::String(text) => text.trim().to_lowercase(),
        _ => return None,
    };
    ["false", "true"].iter().position(|word| *word == text).map(|place| place == 1)
}

fn number(raw: &Value) -> Option<f64> {
    let number = raw.as_f64().or_else(|| raw.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

fn share(raw: &Value) -> Option<u16> {
    if let Some(on) = flag(raw) {
        return Some(if on { 1000 } else { 0 });
    }
    let percent = match raw {
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok()?,
        other => number(other)?,
    };
    (0.0..=100.0).contains(&percent).then(|| (percent * 10.0_f64).round() as u16)
}
