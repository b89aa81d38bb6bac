//! The desired schedule of a climate: named entries, each refused alone. Where one is refused, the last good one of its name
//! stays in force.

use super::{Fields, OWN_UNIT, Reader, place, range};
use crate::control::schedule::{Days, Schedule, TimeOfDay, Window};
use crate::control::{ClimateId, ClimateRange, ClimateSpec};
use crate::twin::PropertyPath;
use crate::twin::json::tidy;
use crate::units::TemperatureUnit;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use serde_json::{Map, Value, json};

/// The property of a climate that holds its schedule.
pub const SCHEDULE: &str = "schedule";
/// What an entry says besides a range.
pub const ENTRY_KEYS: [&str; 3] = ["days", "from", "to"];
/// More entries than anybody writes; each costs time in a control step.
const ENTRIES_MAX: usize = 64;

/// An end that is taken from the climate is recorded to ten decimals.
const TAKEN_SCALE: f64 = 1e10;

type Entry = (Window, ClimateRange);

impl Reader<'_> {
    /// The schedule of a climate. An end of a range that an entry leaves out is that of `base`.
    pub(super) fn read_schedule(
        &mut self,
        id: ClimateId,
        climate: &ClimateSpec,
        base: ClimateRange,
    ) -> Schedule<ClimateRange> {
        let path = climate.property.child(SCHEDULE);
        let Some(raw) = self.desired.get(&path) else { return Schedule::default() };
        let earlier =
            self.before.intent.climate(id).map(|before| before.schedule.clone()).unwrap_or_default();
        let Value::Object(named) = raw else {
            self.refuse(&path, raw, "not an object of named entries".to_owned());
            self.keep(&path);
            return earlier;
        };
        if named.len() > ENTRIES_MAX {
            self.refuse(&path, &Value::Null, format!("more than {ENTRIES_MAX} entries"));
            self.keep(&path);
            return earlier;
        }
        let mut entries = BTreeMap::new();
        for (name, raw) in named {
            let entry = self.read_entry(&path.child(name), raw, (climate, base));
            let entry = entry.or_else(|| earlier.get(name).copied());
            entries.extend(entry.map(|entry| (name.clone(), entry)));
        }
        Schedule::new(entries)
    }

    /// `None` if it is refused.
    fn read_entry(
        &mut self,
        path: &PropertyPath,
        raw: &Value,
        (climate, base): (&ClimateSpec, ClimateRange),
    ) -> Option<Entry> {
        let read = match raw {
            Value::Object(fields) => self.entry_unit(climate, fields).and_then(|unit| {
                let entry = entry(climate, unit, base, fields)?;
                Ok((entry, unit, fields))
            }),
            _ => Err("not an object with from, to and a range".to_owned()),
        };
        match read {
            Ok((entry, unit, fields)) => {
                let own =
                    ENTRY_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), fields.get(*key)?.clone())));
                let mut kept: Map<String, Value> =
                    own.chain(self.ends(climate, unit, entry.1, fields)).collect();
                if climate.quantity.unit().is_some() {
                    kept.insert(OWN_UNIT.to_owned(), json!(unit.name()));
                }
                place(&mut self.accepted, path, Value::Object(kept));
                Some(entry)
            }
            Err(reason) => {
                self.refuse(path, raw, reason);
                self.keep(path);
                None
            }
        }
    }

    /// Both ends of the range of an entry. One that is not desired is recorded as it was taken, since the own range of the climate
    /// may be another one when the record is read: in the JSON type in which it was desired, else in that of the other end.
    fn ends(
        &self,
        climate: &ClimateSpec,
        unit: TemperatureUnit,
        range: ClimateRange,
        fields: &Fields,
    ) -> impl Iterator<Item = (String, Value)> {
        let [low, high] = climate.quantity.ends();
        let is_text = [&low, &high].into_iter().any(|end| fields.get(end).is_some_and(Value::is_string));
        let taken = |end: &str, base: f64| {
            // Without the digits that a conversion leaves.
            let number = (climate.quantity.from_base(unit, base) * TAKEN_SCALE).round() / TAKEN_SCALE;
            let own = self.desired.get(&climate.property.child(end));
            if own.map_or(is_text, Value::is_string) { json!(number.to_string()) } else { tidy(number) }
        };
        let ends = [(low, range.min()), (high, range.max())];
        ends.map(|(end, base)| {
            let value = fields.get(&end).cloned().unwrap_or_else(|| taken(&end, base));
            (end, value)
        })
        .into_iter()
    }

    /// The unit of an entry; a recorded one has its own.
    fn entry_unit(&self, climate: &ClimateSpec, fields: &Fields) -> Result<TemperatureUnit, String> {
        let own = fields.get(OWN_UNIT).filter(|_| self.recalls).and_then(super::parse_unit);
        own.map_or_else(|| self.unit_of(climate), Ok)
    }
}

fn entry(
    climate: &ClimateSpec,
    unit: TemperatureUnit,
    base: ClimateRange,
    fields: &Fields,
) -> Result<Entry, String> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let time = |key: &str| {
        let time = text(key).and_then(TimeOfDay::parse);
        time.ok_or_else(|| format!("{key} is not a time such as \"22:00\""))
    };
    let (from, to) = (time("from")?, time("to")?);
    if !from.may_begin() {
        return Err("from is not a time before 24:00".to_owned());
    }
    let days = match fields.get("days") {
        None => Days::ALL,
        Some(_) => text("days")
            .and_then(Days::parse)
            .ok_or("days are not days of the week such as \"mon-fri\" or \"sat,sun\"")?,
    };
    let [low, high] = climate.quantity.ends();
    let (min, max) = (fields.get(&low), fields.get(&high));
    if min.is_none() && max.is_none() {
        return Err(format!("it sets neither {low} nor {high}"));
    }
    Ok((Window { days, from, to }, range(climate, unit, base, min, max)?))
}
