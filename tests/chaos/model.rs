//! A model of what the pin must be, computed without the daemon's code.
//!
//! A refused value leaves the last good one in force, and which one that is depends on the versions that the daemon saw. It
//! may miss some during an outage, so the model keeps every *candidate* since both ends were last known to be equal. A
//! drive is right if it follows from one of them.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The site's range in degrees Celsius, as configured.
const SITE_RANGE: (f64, f64) = (20.0, 28.0);
/// The fan's `min-duty` in permille.
const LEAST: f64 = 200.0;
/// The climate's `critical`, in degrees Celsius.
pub(crate) const CRITICAL: f64 = 60.0;

/// What the sensor's file says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Warmth {
    Celsius(f64),
    /// No temperature.
    Broken,
}

pub(crate) struct Model {
    /// The desired section at every version since both ends were last equal.
    docs: BTreeMap<u64, Value>,
    /// What may be in force for `fanOn` from earlier versions; `None` is automatic.
    fans: Vec<Option<bool>>,
    ranges: Vec<(f64, f64)>,
}

impl Model {
    pub(crate) fn new(version: u64) -> Self {
        let docs = BTreeMap::from([(version, Value::Object(Map::new()))]);
        Self { docs, fans: vec![None], ranges: vec![SITE_RANGE] }
    }

    /// The back end wrote this patch (`null` empties the section), which the hub says became this version.
    pub(crate) fn patch(&mut self, version: u64, patch: &Value) {
        let mut doc = self.latest().clone();
        if patch.is_null() {
            doc = Value::Object(Map::new());
        } else {
            merge(&mut doc, patch);
        }
        self.docs.insert(version, doc);
    }

    pub(crate) fn latest(&self) -> &Value {
        self.docs.last_key_value().unwrap().1
    }

    pub(crate) fn latest_version(&self) -> u64 {
        *self.docs.last_key_value().unwrap().0
    }

    /// Both ends are known to be equal, so earlier versions no longer matter.
    pub(crate) fn settle(&mut self) {
        let version = self.latest_version();
        (self.fans, self.ranges) = (self.fans_at(version), self.ranges_at(version));
        self.docs = self.docs.split_off(&version);
    }

    fn fans_at(&self, version: u64) -> Vec<Option<bool>> {
        match fan_on(&self.docs[&version]) {
            Some(fan) => vec![fan],
            None => {
                let mut all = self.fans.clone();
                all.extend(self.docs.range(..version).filter_map(|(_, doc)| fan_on(doc)));
                all
            }
        }
    }

    fn ranges_at(&self, version: u64) -> Vec<(f64, f64)> {
        match range(&self.docs[&version]) {
            Some(range) => vec![range],
            None => {
                let mut all = self.ranges.clone();
                all.extend(self.docs.range(..version).filter_map(|(_, doc)| range(doc)));
                all
            }
        }
    }

    /// The drives in permille that are right at one of the versions from `first` on.
    pub(crate) fn drives_since(&self, first: u64, warmth: Warmth) -> Vec<u16> {
        let versions: Vec<u64> = self.docs.keys().copied().filter(|version| *version >= first).collect();
        let mut drives: Vec<u16> = versions.iter().flat_map(|v| self.drives_at(*v, warmth)).collect();
        drives.sort_unstable();
        drives.dedup();
        drives
    }

    /// Are `fanOn` and the range of the latest version both valid?
    pub(crate) fn is_all_good(&self) -> bool {
        let doc = self.latest();
        fan_on(doc).is_some() && range(doc).is_some() && unit(doc).is_some()
    }

    fn drives_at(&self, version: u64, warmth: Warmth) -> Vec<u16> {
        let temperature = match warmth {
            Warmth::Celsius(temperature) if temperature <= CRITICAL => temperature,
            // Both rows of the fail-safe table are "on", and they have the highest rank.
            _ => return vec![1000],
        };
        let mut drives = Vec::new();
        for (min, max) in self.ranges_at(version) {
            let share = (1000.0 * (temperature - min) / (max - min)).clamp(0.0, 1000.0).round();
            // Where the fan would stall it stays as it is: at rest, or at its least duty.
            let shares = if share > 0.0 && share < LEAST { vec![0.0, LEAST] } else { vec![share] };
            for fan in self.fans_at(version) {
                drives.extend(shares.iter().map(|share| match fan {
                    Some(false) => 0,
                    Some(true) => share.max(LEAST) as u16,
                    None => *share as u16,
                }));
            }
        }
        drives
    }
}

/// `None`: it cannot be applied. `Some(None)`: it is not desired.
fn fan_on(doc: &Value) -> Option<Option<bool>> {
    match doc.get("fanOn") {
        None => Some(None),
        Some(Value::Bool(on)) => Some(Some(*on)),
        Some(Value::String(text)) if text == "true" => Some(Some(true)),
        Some(Value::String(text)) if text == "false" => Some(Some(false)),
        Some(_) => None,
    }
}

/// From degrees of the desired unit to degrees Celsius; `None` for an unknown unit.
fn unit(doc: &Value) -> Option<fn(f64) -> f64> {
    match &doc["components"]["system"]["units"] {
        Value::Null => Some(|celsius| celsius),
        Value::String(name) if name == "celsius" => Some(|celsius| celsius),
        Value::String(name) if name == "fahrenheit" || name == "farenheit" => {
            Some(|fahrenheit| (fahrenheit - 32.0) / 1.8)
        }
        _ => None,
    }
}

/// `None`: it cannot be applied.
fn range(doc: &Value) -> Option<(f64, f64)> {
    let climate = &doc["components"]["climate"];
    let (min, max) = (climate.get("minTemperature"), climate.get("maxTemperature"));
    if min.is_none() && max.is_none() {
        return Some(SITE_RANGE);
    }
    let to_celsius = unit(doc)?;
    let end = |value: Option<&Value>, site: f64| match value {
        None => Some(site),
        Some(Value::Number(number)) => number.as_f64().map(to_celsius),
        Some(Value::String(text)) => text.parse().ok().map(to_celsius),
        Some(_) => None,
    };
    let range = (end(min, SITE_RANGE.0)?, end(max, SITE_RANGE.1)?);
    (range.0 < range.1).then_some(range)
}

fn merge(doc: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *doc = patch.clone();
        return;
    };
    if !doc.is_object() {
        *doc = Value::Object(Map::new());
    }
    let Value::Object(fields) = doc else { unreachable!("just made one") };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}
