//! `[climate]`: which temperature is held, by what, and within which bounds.
//!
//! Every temperature of the table is in its `unit`. With one sensor and one output in the file, the table need not
//! name them. The climate also decides what an output does in the rows `sensor-fault` and `overheat` that its own
//! table leaves out.

use super::faults::LINE;
use super::outputs::Output;
use super::reader::Reader;
use super::sensors::{Sensor, TEMPERATURE};
use super::spans::At;
use super::values;
use super::words;
use super::words::nearest;
use crate::control::{ClimateRange, ClimateSpec, Combine, OutputId, ROUNDING, RowDrive, SensorId};
use crate::units::{Celsius, Permille, TemperatureUnit};

const RANGE_CELSIUS: (f64, f64) = (20.0, 28.0);
const HYSTERESIS_KELVIN: f64 = 0.5;

/// Reads the table, if it is there, and fills in the outputs' rows that follow from it.
pub(super) fn read(table: Reader<'_>, sensors: &[Sensor], outputs: &mut [Output]) -> Option<ClimateSpec> {
    let present = table.present();
    let climate = climate(table, sensors, outputs)?;
    if !present {
        return None;
    }
    for (ids, drive) in [(&climate.cooling, Permille::FULL), (&climate.heating, Permille::ZERO)] {
        for id in ids {
            let Some(output) = outputs.get_mut(id.0) else {
                continue;
            };
            let when = &mut output.spec.when;
            when.sensor_fault.get_or_insert(RowDrive::Fixed(drive));
            when.overheat.get_or_insert(RowDrive::Fixed(drive));
        }
    }
    Some(climate)
}

fn climate(mut table: Reader<'_>, sensors: &[Sensor], outputs: &[Output]) -> Option<ClimateSpec> {
    let are_several = table.answer_tables(&["range", "limits"], |name| {
        format!(
            "there is no [climate.{name}]: this twind holds one climate, whose keys stand in [climate] itself"
        )
    });
    if are_several {
        return None;
    }
    let unit = table.read("unit", values::unit).map(|at| at.value).unwrap_or_default();
    let sensors = measured_by(&mut table, sensors);
    let words = [("max", Combine::Max), ("mean", Combine::Mean), ("first-good", Combine::FirstGood)];
    let combine = table.word("combine", &words).map(|at| at.value).unwrap_or_default();
    let (cooling, heating) = driven(&mut table, outputs);
    let written = range(&mut table, "range", unit);
    let range = if table.has("range") { written } else { default_range() };
    let limits = range_within(&mut table, range, unit);
    let critical = table.temperature("critical", unit);
    if let (Some(critical), Some(range)) = (&critical, range)
        && critical.value.degrees() <= range.max().degrees() + ROUNDING
    {
        let max = values::degrees_in(unit, range.max());
        table.findings().wrong(critical.at, format!("`critical` must lie above the range's max, {max}"));
    }
    let hysteresis = table.number_if("hysteresis", "0 or more", |number| number >= 0.0);
    let hysteresis_kelvin =
        hysteresis.as_ref().map_or(HYSTERESIS_KELVIN, |at| unit.difference_to_kelvin(at.value));
    if let (Some(hysteresis), Some(range)) = (&hysteresis, range)
        && hysteresis_kelvin >= range.span_kelvin()
    {
        table.findings().wrong(hysteresis.at, "`hysteresis` must be less than the range's max minus its min");
    }
    table.finish();
    Some(ClimateSpec {
        sensors,
        combine,
        cooling,
        heating,
        range: range?,
        unit,
        limits,
        critical: critical.map(|at| at.value),
        hysteresis_kelvin,
    })
}

fn default_range() -> Option<ClimateRange> {
    ClimateRange::new(Celsius::new(RANGE_CELSIUS.0)?, Celsius::new(RANGE_CELSIUS.1)?)
}

/// `{ min = …, max = … }`.
fn range(table: &mut Reader<'_>, key: &'static str, unit: TemperatureUnit) -> Option<ClimateRange> {
    let mut inner = table.table(key);
    let min = inner.temperature("min", unit);
    let max = inner.temperature("max", unit);
    inner.require("min", "the lower end, such as 20.0");
    inner.require("max", "the upper end, such as 28.0");
    inner.finish();
    let (min, max) = (min?, max?);
    let range = ClimateRange::new(min.value, max.value);
    if range.is_none() {
        table.findings().wrong(min.at, format!("`min` must be below `max` in [climate.{key}]"));
    }
    range
}

fn range_within(
    table: &mut Reader<'_>,
    inner: Option<ClimateRange>,
    unit: TemperatureUnit,
) -> Option<ClimateRange> {
    let limits = range(table, "limits", unit)?;
    if let Some(inner) = inner
        && !limits.contains(inner)
    {
        let (min, max) = (values::degrees_in(unit, inner.min()), values::degrees_in(unit, inner.max()));
        table.wrong("limits", format!("must contain the range, which is {min} to {max}"));
    }
    Some(limits)
}

/// The sensors, by name; the only one there is if none is named.
fn measured_by(table: &mut Reader<'_>, sensors: &[Sensor]) -> Vec<SensorId> {
    let one = table.string("sensor");
    let many = table.strings("sensors");
    if table.has("sensor") && table.has("sensors") {
        table.wrong("sensors", "cannot stand beside `sensor`: remove one");
    }
    let thermometers: Vec<usize> = (0..sensors.len())
        .filter(|id| sensors.get(*id).is_some_and(|s| s.spec.measures == TEMPERATURE))
        .collect();
    if !table.has("sensor") && !table.has("sensors") {
        match thermometers.as_slice() {
            [only] => return vec![SensorId(*only)],
            [] => table.require("sensor", "the climate needs a [sensors.NAME] that measures temperature"),
            _ => table.require("sensor", &format!("which of {}", names(sensors, &thermometers))),
        }
        return Vec::new();
    }
    let wanted = one.map_or_else(|| many.map(|at| at.value).unwrap_or_default(), |one| vec![one]);
    let known: Vec<&str> = sensors.iter().map(|sensor| sensor.spec.name.as_str()).collect();
    let ids = by_name(table, &wanted, &known, "sensors");
    for (id, name) in &ids {
        let measures = sensors.get(*id).map_or(TEMPERATURE, |sensor| &sensor.spec.measures);
        if measures != TEMPERATURE {
            let say =
                format!("[sensors.{}] measures {measures}; the climate needs a temperature", name.value);
            table.findings().wrong(name.at, say);
        }
    }
    ids.into_iter().map(|(id, _)| SensorId(id)).collect()
}

fn names(sensors: &[Sensor], ids: &[usize]) -> String {
    let names: Vec<String> = ids
        .iter()
        .filter_map(|id| sensors.get(*id))
        .map(|sensor| format!("\"{}\"", sensor.spec.name))
        .collect();
    names.join(", ")
}

/// The outputs that cool and those that heat; the only one there is cools if none is named.
fn driven(table: &mut Reader<'_>, outputs: &[Output]) -> (Vec<OutputId>, Vec<OutputId>) {
    let cooling = table.strings("cooling").map(|at| at.value).unwrap_or_default();
    let heating = table.strings("heating").map(|at| at.value).unwrap_or_default();
    if !table.has("cooling") && !table.has("heating") {
        if outputs.len() == 1 {
            return (vec![OutputId(0)], Vec::new());
        }
        // A file without any output has a gap, which is reported.
        if !outputs.is_empty() {
            let names: Vec<String> =
                outputs.iter().map(|output| format!("\"{}\"", output.spec.name)).collect();
            table.require(
                "cooling",
                &format!("which of {} cools (or `heating`: which heats)", names.join(", ")),
            );
        }
        return (Vec::new(), Vec::new());
    }
    let known: Vec<&str> = outputs.iter().map(|output| output.spec.name.as_str()).collect();
    let cooling = by_name(table, &cooling, &known, "outputs");
    let heating = by_name(table, &heating, &known, "outputs");
    for (id, name) in &heating {
        if let Some((_, first)) = cooling.iter().find(|(other, _)| other == id) {
            let say = format!("[outputs.{}] cannot both cool and heat: it cools by line {LINE}", name.value);
            table.findings().clash(name.at, first.at, say);
        }
    }
    let ids = |named: Vec<(usize, &At<String>)>| named.into_iter().map(|(id, _)| OutputId(id)).collect();
    (ids(cooling), ids(heating))
}

/// The positions of the names in a list; an unknown name, or one that is given twice, is a fault.
fn by_name<'n>(
    table: &Reader<'_>,
    wanted: &'n [At<String>],
    known: &[&str],
    kind: &str,
) -> Vec<(usize, &'n At<String>)> {
    let mut ids: Vec<(usize, &At<String>)> = Vec::new();
    for name in wanted {
        match known.iter().position(|known| *known == name.value) {
            Some(id) if ids.iter().any(|(other, _)| *other == id) => {
                let first = ids.iter().find(|(other, _)| *other == id).map_or(name.at, |(_, first)| first.at);
                let say = format!("\"{}\" is named twice, first in line {LINE}: remove one", name.value);
                table.findings().clash(name.at, first, say);
            }
            Some(id) => ids.push((id, name)),
            None => {
                let shown = words::shorten(&name.value);
                let hint = match nearest(&name.value, known.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None if known.is_empty() => format!("there are no [{kind}.NAME] at all"),
                    None => format!("there are \"{}\"", known.join("\", \"")),
                };
                table.findings().wrong(name.at, format!("there is no [{kind}.{shown}]; {hint}"));
            }
        }
    }
    ids
}
