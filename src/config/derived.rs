//! Sensors that are derived from others: `driver = "dew-point"` and `"difference"`.

use super::codes::Code;
use super::faults::Findings;
use super::reader::Reader;
use super::sensor::{Sensor, measures, unit};
use super::spans::{At, Span};
use super::words::{self, nearest};
use crate::control::derived::Derived;
use crate::control::quantity::TEMPERATURE;
use crate::control::{SensorId, SensorSpec};
use crate::sensors::HUMIDITY;
use core::time::Duration;
use std::collections::BTreeSet;

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
                Code::Misplaced.because(format!(
                    "is for a sensor that is derived from others, not for driver = \"{driver}\": remove it"
                )),
            );
        }
    }

    fn get(&self, key: &str) -> Option<&At<String>> {
        KEYS.iter().zip(&self.0).find(|(known, _)| **known == key)?.1.as_ref()
    }
}

/// A sensor's table, with its name.
type Named<'t> = (At<String>, Reader<'t>);

/// The sensors from which one may follow.
#[derive(Clone, Copy)]
pub(super) struct Others<'s> {
    /// Those that are read already.
    pub(super) before: &'s [Sensor],
    /// The names of all. One that is not read yet follows from the one that names it, which has a message.
    pub(super) names: &'s [String],
}

/// The tables of all sensors in file order, but each after those from which it follows. Sensors that follow from each other are a
/// fault, and come last.
pub(super) fn after_their_parts<'t>(tables: Vec<Named<'t>>, findings: &Findings) -> Vec<Named<'t>> {
    let (mut sorted, mut waiting): (Vec<Named<'t>>, Vec<Named<'t>>) = (Vec::new(), tables);
    loop {
        let count = waiting.len();
        let mut names: BTreeSet<String> = waiting.iter().map(|(name, _)| name.value.clone()).collect();
        for (name, table) in core::mem::take(&mut waiting) {
            if parts_of(&table).any(|part| names.contains(part)) {
                waiting.push((name, table));
            } else {
                names.remove(&name.value);
                sorted.push((name, table));
            }
        }
        if waiting.len() == count {
            break;
        }
    }
    tell_circles(&waiting, findings);
    sorted.extend(waiting);
    sorted
}

/// The names of the sensors from which one follows, before its table is read.
fn parts_of<'t>(table: &Reader<'t>) -> impl Iterator<Item = &'t str> {
    let is_derived = FORMULAS.iter().any(|(driver, _)| table.peek("driver") == Some(*driver));
    let keys = if is_derived { KEYS.as_slice() } else { &[] };
    keys.iter().filter_map(|key| table.peek(key)).collect::<Vec<_>>().into_iter()
}

/// Each of these sensors follows from another of them, so there is at least one circle.
fn tell_circles(waiting: &[Named<'_>], findings: &Findings) {
    let next = |from: usize| {
        let mut parts = waiting.get(from).into_iter().flat_map(|(_, table)| parts_of(table));
        parts.find_map(|part| waiting.iter().position(|(name, _)| name.value == part))
    };
    let mut seen = BTreeSet::new();
    for start in 0..waiting.len() {
        let (mut path, mut at) = (Vec::new(), Some(start));
        while let Some(index) = at.filter(|index| seen.insert(*index)) {
            path.push(index);
            at = next(index);
        }
        // A path that ends at one before it leads to a circle that has a message.
        let Some(first) = path.iter().position(|index| Some(*index) == at) else { continue };
        let members: Vec<&At<String>> =
            path.iter().skip(first).filter_map(|index| Some(&waiting.get(*index)?.0)).collect();
        let titles: Vec<String> = members.iter().map(|name| format!("[sensors.{}]", name.value)).collect();
        let say = match titles.as_slice() {
            [one] => format!("{one} follows from itself"),
            [most @ .., last] => format!("{} and {last} follow from each other", most.join(", ")),
            [] => continue,
        };
        let at = members.iter().map(|name| name.at).min().unwrap_or(Span::FILE);
        findings.wrong(
            at,
            Code::Inconsistent.because(format!("{say}, which gives no value: name sensors that are read")),
        );
    }
}

/// Reads the rest of its table.
pub(super) fn read(
    name: &At<String>,
    mut table: Reader<'_>,
    formula: Formula,
    parts: &Parts,
    others: Others<'_>,
) -> Sensor {
    let before = others.before;
    let (keys, foreign) = match formula {
        Formula::DewPoint => {
            ([("temperature", "a temperature"), ("humidity", "a humidity")], ["of", "minus"])
        }
        Formula::Difference => {
            ([("of", "the greater"), ("minus", "what is subtracted")], ["temperature", "humidity"])
        }
    };
    for key in foreign.into_iter().filter(|key| table.has(key)) {
        table.wrong(
            key,
            Code::Misplaced.because(format!(
                "is not for this driver, which needs `{}` and `{}`: remove it",
                keys[0].0, keys[1].0
            )),
        );
    }
    let found = keys.map(|(key, what)| part(&table, key, what, parts, others));
    if let [Some(of), Some(minus)] = found
        && of == minus
        && matches!(formula, Formula::Difference)
    {
        table.wrong(
            "minus",
            Code::Inconsistent
                .because("names the same sensor as `of`, and their difference is always 0: name another"),
        );
    }
    let measures = match formula {
        Formula::DewPoint => TEMPERATURE.to_owned(),
        Formula::Difference => {
            table.read("measures", measures).map_or_else(|| DIFFERENCE.to_owned(), |at| at.value)
        }
    };
    if matches!(formula, Formula::Difference) && measures == TEMPERATURE {
        let say = "cannot be \"temperature\": a difference of 3 degrees is not a temperature of 3 degrees; leave it out";
        table.wrong("measures", Code::WrongForm.because(say));
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
    let at = name.at;
    let is_right = derived.is_some();
    Sensor { spec, is_right, settings: None, name_at: at, line_at: at, valid_at: at, path_at: at }
}

fn names(ids: [Option<SensorId>; 2], before: &[Sensor], between: &str) -> String {
    let names = ids.into_iter().flatten().filter_map(|id| before.get(id.0));
    let names: Vec<&str> = names.map(|sensor| sensor.spec.name.as_str()).collect();
    names.join(between)
}

/// The sensor that a key names.
fn part(
    table: &Reader<'_>,
    key: &str,
    what: &str,
    parts: &Parts,
    Others { before, names }: Others<'_>,
) -> Option<SensorId> {
    let Some(At { value: name, at }) = parts.get(key) else {
        table.require(key, &format!("the sensor that measures {what}"));
        return None;
    };
    if !names.contains(name) {
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are \"{}\"", names.join("\", \"")),
        };
        table.findings().wrong(
            *at,
            Code::UnknownName.because(format!("there is no [sensors.{}]; {hint}", words::shorten(name))),
        );
    }
    before.iter().position(|known| known.spec.name == *name).map(SensorId)
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
        table.findings().wrong(table.header(), Code::TooMany.because(say));
        return None;
    }
    let measured = ids.map(|id| before.get(id.0).map_or("", |sensor| sensor.spec.measures.as_str()));
    let wrong = |key: &str, found: &str, wanted: &str| {
        table.wrong(
            key,
            Code::Inconsistent.because(format!(
                "must name a sensor that measures {wanted}, found one that measures {found}"
            )),
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
