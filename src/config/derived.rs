//! Sensors that are derived from others: `driver = "dew-point"` and `"difference"`.

use super::reader::Reader;
use super::sensor::{HUMIDITY, Sensor, measures, unit};
use super::spans::At;
use super::words::{self, nearest};
use crate::control::derived::Derived;
use crate::control::quantity::TEMPERATURE;
use crate::control::{SensorId, SensorSpec};
use core::time::Duration;

/// What a difference measures, if it does not say.
const DIFFERENCE: &str = "difference";

/// How often a sensor may follow from one that follows from others itself. Each time may double what its value costs.
const LEVELS_MAX: u32 = 4;

/// How a sensor follows from others.
#[derive(Clone, Copy)]
pub(super) enum Formula {
    DewPoint,
    Difference,
}

/// As `driver` names them.
pub(super) const FORMULAS: [(&str, Formula); 2] =
    [("dew-point", Formula::DewPoint), ("difference", Formula::Difference)];

/// The keys that name the sensors from which one follows.
pub(super) struct Parts([Option<At<String>>; 4]);

const KEYS: [&str; 4] = ["temperature", "humidity", "of", "minus"];

impl Parts {
    pub(super) fn read(table: &mut Reader<'_>) -> Self {
        Self(KEYS.map(|key| table.string(key)))
    }

    /// Reports each that stands in the table of a sensor that is sampled.
    pub(super) fn refuse(&self, table: &Reader<'_>, driver: &str) {
        for key in KEYS.into_iter().filter(|key| table.has(key)) {
            table.wrong(
                key,
                format!(
                    "is for a sensor that is derived from others, not for driver = \"{driver}\": remove it"
                ),
            );
        }
    }

    fn get(&self, key: &str) -> Option<&At<String>> {
        KEYS.iter().zip(&self.0).find(|(known, _)| **known == key)?.1.as_ref()
    }
}

/// Reads the rest of its table.
pub(super) fn read(
    name: &At<String>,
    mut table: Reader<'_>,
    formula: Formula,
    parts: &Parts,
    before: &[Sensor],
) -> Sensor {
    let (keys, others) = match formula {
        Formula::DewPoint => {
            ([("temperature", "a temperature"), ("humidity", "a humidity")], ["of", "minus"])
        }
        Formula::Difference => {
            ([("of", "the greater"), ("minus", "what is subtracted")], ["temperature", "humidity"])
        }
    };
    for key in others.into_iter().filter(|key| table.has(key)) {
        table.wrong(
            key,
            format!("is not for this driver, which needs `{}` and `{}`: remove it", keys[0].0, keys[1].0),
        );
    }
    let found = keys.map(|(key, what)| part(&table, key, what, parts, before));
    let measures = match formula {
        Formula::DewPoint => TEMPERATURE.to_owned(),
        Formula::Difference => {
            table.read("measures", measures).map_or_else(|| DIFFERENCE.to_owned(), |at| at.value)
        }
    };
    if matches!(formula, Formula::Difference) && measures == TEMPERATURE {
        let say = "cannot be \"temperature\": a difference of 3 degrees is not a temperature of 3 degrees; leave it out";
        table.wrong("measures", say);
    }
    let unit = unit(&mut table, &measures);
    let derived = match found {
        [Some(first), Some(second)] => derive(&table, formula, [first, second], before),
        _ => None,
    };
    let source = match (&derived, formula) {
        (Some(_), Formula::DewPoint) => format!("the dew point of {}", names(found, before, " and ")),
        (Some(_), Formula::Difference) => names(found, before, " less "),
        (None, _) => String::new(),
    };
    let stale_after =
        found.iter().flatten().filter_map(|id| before.get(id.0)).map(|one| one.spec.stale_after).max();
    table.finish();
    let spec = SensorSpec {
        name: name.value.clone(),
        measures,
        unit,
        stale_after: stale_after.unwrap_or(Duration::ZERO),
        source,
        scale_offset: (1.0, 0.0),
        derived,
    };
    Sensor { spec, is_right: derived.is_some(), settings: None, name_at: name.at, line_at: name.at }
}

fn names(ids: [Option<SensorId>; 2], before: &[Sensor], between: &str) -> String {
    let names = ids.into_iter().flatten().filter_map(|id| before.get(id.0));
    let names: Vec<&str> = names.map(|sensor| sensor.spec.name.as_str()).collect();
    names.join(between)
}

/// The sensor that a key names, of those that stand above.
fn part(table: &Reader<'_>, key: &str, what: &str, parts: &Parts, before: &[Sensor]) -> Option<SensorId> {
    let Some(At { value: name, at }) = parts.get(key) else {
        table.require(key, &format!("the sensor that measures {what}"));
        return None;
    };
    let known = || before.iter().map(|sensor| sensor.spec.name.as_str());
    let found = known().position(|known| known == name);
    if found.is_none() {
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "a sensor can only be derived from sensors defined above it".to_owned(),
        };
        let shown = words::shorten(name);
        table.findings().wrong(*at, format!("there is no [sensors.{shown}] above {}; {hint}", table.name()));
    }
    found.map(SensorId)
}

/// 0 for a sensor that is read, and one more than its parts for one that follows from them.
fn level(id: SensorId, before: &[Sensor]) -> u32 {
    let derived = before.get(id.0).and_then(|sensor| sensor.spec.derived);
    derived.map_or(0, |derived| {
        1 + derived.parts().map(|part| level(part, before)).into_iter().max().unwrap_or(0)
    })
}

/// `None` if they do not measure what the formula needs, or follow from others too often.
fn derive(table: &Reader<'_>, formula: Formula, ids: [SensorId; 2], before: &[Sensor]) -> Option<Derived> {
    let [first, second] = ids;
    if ids.iter().any(|id| level(*id, before) >= LEVELS_MAX) {
        let say = format!(
            "{} is derived over more than {LEVELS_MAX} levels: name sensors that are read",
            table.name()
        );
        table.findings().wrong(table.header(), say);
        return None;
    }
    let measured = ids.map(|id| before.get(id.0).map_or("", |sensor| sensor.spec.measures.as_str()));
    let wrong = |key: &str, found: &str, wanted: &str| {
        table.wrong(
            key,
            format!("must name a sensor that measures {wanted}, found one that measures {found}"),
        );
        None
    };
    match (formula, measured) {
        (Formula::DewPoint, [TEMPERATURE, HUMIDITY]) => {
            Some(Derived::DewPoint { temperature: first, humidity: second })
        }
        (Formula::DewPoint, [TEMPERATURE, other]) => wrong("humidity", other, HUMIDITY),
        (Formula::DewPoint, [other, _]) => wrong("temperature", other, TEMPERATURE),
        (Formula::Difference, [one, other]) if one == other => {
            Some(Derived::Difference { of: first, minus: second })
        }
        (Formula::Difference, [one, other]) => wrong("minus", other, one),
    }
}
