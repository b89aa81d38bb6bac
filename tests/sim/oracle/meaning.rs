//! An independent reading of the desired section: written from the handbook's chapter on the twin
//! (`packaging/doc/twin.md`), without looking at the core's `control/intent.rs`.
//!
//! The values *in force* are those that the device reports as such: every valid value, and in place of an invalid one the
//! last valid one. Deliberately absent: the texts of refusals, and versions.

use super::calendar::Entry;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use twind::control::ClimateSpec;
use twind::engine::CoreSpec;
use twind::twin::PropertyPath;

const ABSOLUTE_ZERO: f64 = -273.15;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meaning {
    pub(crate) fan: Option<bool>,
    /// Permille, by output.
    pub(crate) drives: BTreeMap<usize, u16>,
    /// By climate.
    pub(crate) climates: Vec<Held>,
    /// The raw value of `fanOn`.
    fan_in_force: Option<Value>,
}

/// What is meant of one climate. Degrees are Celsius.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) fan: Option<bool>,
    pub(crate) entries: BTreeMap<String, Entry>,
    /// The raw values by `fanOn` and the names of the ends.
    in_force: BTreeMap<String, Value>,
}

/// The outputs that the `fanOn` at the top drives.
pub(crate) fn fans(spec: &CoreSpec) -> Vec<usize> {
    let bound =
        |output: &twind::control::OutputSpec| output.property.as_ref() == Some(&spec.properties.fan_on);
    let own: Vec<usize> = (0..spec.outputs.len()).filter(|i| bound(&spec.outputs[*i])).collect();
    match spec.climates.as_slice() {
        [only] if own.is_empty() => only.lowering.iter().map(|id| id.0).collect(),
        _ => own,
    }
}

impl Meaning {
    pub(crate) fn read(spec: &CoreSpec, desired: &Map<String, Value>, before: &Self) -> Self {
        let mut meaning = Self::default();
        if !fans(spec).is_empty() {
            (meaning.fan, meaning.fan_in_force) =
                switch(at(desired, &spec.properties.fan_on), (before.fan, before.fan_in_force.clone()));
        }
        let nothing = Held::default();
        for (index, climate) in spec.climates.iter().enumerate() {
            let before = before.climates.get(index).unwrap_or(&nothing);
            meaning.climates.push(Held::read(spec, climate, desired, before));
        }
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

    /// Does the hub have what is in force by this meaning? `by_hand`: the climates whose range is another one for a time.
    pub(crate) fn is_told_by(
        &self,
        spec: &CoreSpec,
        reported: &Map<String, Value>,
        by_hand: &BTreeSet<usize>,
    ) -> Result<(), String> {
        let told = reported.get("fanOn");
        if told != self.fan_in_force.as_ref() {
            return Err(format!("fanOn in force is {:?}, reported is {told:?}", self.fan_in_force));
        }
        let components = reported.get("components").and_then(Value::as_object);
        for (index, (climate, held)) in spec.climates.iter().zip(&self.climates).enumerate() {
            let place = match &climate.name {
                Some(name) => components.and_then(|all| all.get(name)).and_then(Value::as_object),
                None => Some(reported),
            };
            held.is_told_by(climate, place, by_hand.contains(&index))?;
        }
        Ok(())
    }
}

/// A switch and its raw value: absent, valid, or as before.
fn switch(raw: Option<&Value>, before: (Option<bool>, Option<Value>)) -> (Option<bool>, Option<Value>) {
    match raw.map(|raw| (flag(raw), raw)) {
        None => (None, None),
        Some((Some(on), raw)) => (Some(on), Some(raw.clone())),
        Some((None, _)) => before,
    }
}

impl Held {
    fn read(spec: &CoreSpec, climate: &ClimateSpec, desired: &Map<String, Value>, before: &Self) -> Self {
        let mut held = Self::default();
        let unit = match (is_temperature(climate), at(desired, &spec.properties.units)) {
            (false, _) => Some(Unit::None),
            (true, None) => Some(Unit::Celsius),
            (true, Some(raw)) => unit(raw),
        };
        let present = at(desired, &climate.property);
        held.read_range(climate, unit, present, before);
        let fields = present.and_then(Value::as_object);
        if climate.name.is_some() && !climate.lowering.is_empty() {
            let raw = before.in_force.get("fanOn").cloned();
            let (fan, raw) = switch(fields.and_then(|fields| fields.get("fanOn")), (before.fan, raw));
            held.fan = fan;
            held.in_force.extend(raw.map(|raw| ("fanOn".to_owned(), raw)));
        }
        let base = held.range.unwrap_or((climate.range.min(), climate.range.max()));
        match fields.and_then(|fields| fields.get("schedule")) {
            None => {}
            Some(Value::Object(named)) => {
                for (name, raw) in named {
                    let range = |fields: &Map<String, Value>| range(climate, unit, fields, base);
                    let read = Entry::read(raw, range).or_else(|| before.entries.get(name).cloned());
                    held.entries.extend(read.map(|entry| (name.clone(), entry)));
                }
            }
            Some(_) => held.entries = before.entries.clone(),
        }
        held
    }

    fn read_range(
        &mut self,
        climate: &ClimateSpec,
        unit: Option<Unit>,
        present: Option<&Value>,
        before: &Self,
    ) {
        let ends = climate.quantity.ends();
        let site = (climate.range.min(), climate.range.max());
        let found = match present {
            None => return,
            Some(Value::Object(fields)) if !ends.iter().any(|end| fields.contains_key(end)) => return,
            Some(Value::Object(fields)) => range(climate, unit, fields, site).map(|range| (range, fields)),
            Some(_) => None,
        };
        self.range = found.map(|(range, _)| range).or(before.range);
        for end in ends {
            let raw = match found {
                Some((_, fields)) => fields.get(&end),
                None => before.in_force.get(&end),
            };
            self.in_force.extend(raw.map(|raw| (end, raw.clone())));
        }
    }

    fn is_told_by(
        &self,
        climate: &ClimateSpec,
        place: Option<&Map<String, Value>>,
        by_hand: bool,
    ) -> Result<(), String> {
        let name = climate.label();
        // With a schedule the range of an entry is told in place of its own while it holds.
        let ends = climate.quantity.ends().into_iter().filter(|_| self.entries.is_empty() && !by_hand);
        let own = climate.name.is_some().then(|| "fanOn".to_owned());
        for key in ends.chain(own) {
            let (told, meant) = (place.and_then(|place| place.get(&key)), self.in_force.get(&key));
            let supplied = meant.is_none() && key != "fanOn";
            if told != meant && !supplied || supplied && told.is_none() {
                return Err(format!("{key} of {name} in force is {meant:?}, reported is {told:?}"));
            }
        }
        Ok(())
    }
}

fn is_temperature(climate: &ClimateSpec) -> bool {
    climate.quantity.measures() == "temperature"
}

/// A desired range, if it can be applied. An end that is not desired is that of `base`.
fn range(
    climate: &ClimateSpec,
    unit: Option<Unit>,
    fields: &Map<String, Value>,
    base: (f64, f64),
) -> Option<(f64, f64)> {
    let unit = unit?;
    let ends = climate.quantity.ends();
    let end = |name: &str, otherwise: f64| match fields.get(name) {
        None => Some(otherwise),
        Some(raw) => unit.base(number(raw)?),
    };
    let (min, max) = (end(&ends[0], base.0)?, end(&ends[1], base.1)?);
    let limits = climate.limits.map(|limits| (limits.min(), limits.max()));
    // A range up to the very limits is valid in every unit, so rounding between units must not matter.
    let fits = min < max && limits.is_none_or(|(low, high)| low - 1e-9 <= min && max <= high + 1e-9);
    fits.then_some((min, max))
}

fn at<'a>(section: &'a Map<String, Value>, path: &PropertyPath) -> Option<&'a Value> {
    let mut keys = path.keys().iter();
    let first = section.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key.as_str()).filter(|_| value.is_object()))
}

#[derive(Clone, Copy)]
enum Unit {
    /// Of anything but a temperature.
    None,
    Celsius,
    Fahrenheit,
    Kelvin,
}

impl Unit {
    fn base(self, number: f64) -> Option<f64> {
        let celsius = match self {
            Self::None => return Some(number),
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
