//! `[climate]`, and `[climates.NAME]` for several: what is held in range, by what, and within which bounds.
//!
//! Every temperature of a table is in its `unit`. With one sensor and one output in the file, the table need not name them; what
//! follows alarms does not count, since no climate drives it. A
//! climate also decides what an output does in the rows `sensor-fault` and `overheat` that its own table leaves out.

use super::codes::Code;
use super::faults::LINE;
use super::outputs::{ConfiguredOutput, check_name};
use super::reader::Reader;
use super::sensor::Sensor;
use super::spans::{At, Span};
use super::values;
use super::words;
use super::words::nearest;
use super::zones::Zones;
use crate::control::quantity::{Quantity, ROUNDING, TEMPERATURE};
use crate::control::{ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, RowDrive, SensorId, ZoneId};
use crate::twin::PropertyPath;
use crate::units::{Celsius, Permille, TemperatureUnit};
use std::collections::BTreeMap;

/// No gateway has more, and each costs time in every control step.
pub(super) const CLIMATES_MAX: usize = 64;
const RANGE_CELSIUS: (f64, f64) = (20.0, 28.0);
const HYSTERESIS_KELVIN: f64 = 0.5;
/// Of anything but a temperature, as a share of the range.
const HYSTERESIS_SHARE: f64 = 0.02;

/// One climate, with the places that later checks point at.
pub(super) struct Climate {
    pub(super) spec: ClimateSpec,
    /// Its table, as messages name it.
    pub(super) table: String,
    pub(super) at: Span,
    pub(super) property_at: Span,
    pub(super) critical_at: Span,
}

impl Climate {
    /// A number of the climate as its table writes it.
    pub(super) fn shown(&self, base: f64) -> f64 {
        shown(&self.spec.quantity, base)
    }
}

/// What climates are read with.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) sensors: &'a [Sensor],
    pub(super) outputs: &'a [ConfiguredOutput],
    /// Where the desired range of the only climate stands.
    pub(super) property: Option<&'a PropertyPath>,
}

/// Reads the climates of the file, in file order; `None` if one of them is wrong.
pub(super) fn read(file: &mut Reader<'_>, site: Site<'_>, zones: &mut Zones) -> Option<Vec<Climate>> {
    let only = file.table("climate");
    let named = file.tables("climates");
    if let (true, Some((first, _))) = (only.present(), named.first()) {
        let say = format!(
            "[climate], line {LINE}, is the only climate of a site: beside [climates.{}] give it a name, such as \
             [climates.office]",
            words::shorten(&first.value)
        );
        file.findings().clash(first.at, only.header(), Code::Conflict.because(say));
        return None;
    }
    if let Some((name, _)) = named.get(CLIMATES_MAX) {
        file.findings()
            .wrong(name.at, Code::TooMany.because(format!("there are more than {CLIMATES_MAX} climates")));
        return None;
    }
    let has_one = only.present();
    let only = climate(None, only, site, zones);
    if has_one {
        return only.map(|one| vec![one]);
    }
    let read = named.into_iter().map(|(name, table)| climate(Some(&name), table, site, zones));
    // All of them are read, so that every fault is found.
    let read: Vec<Option<Climate>> = read.collect();
    read.into_iter().collect()
}

/// The rows that outputs leave out, as their climates decide: on for what lowers, off for what raises.
pub(super) fn fill_rows(climates: &[Climate], outputs: &mut [ConfiguredOutput]) {
    for climate in climates {
        let spec = &climate.spec;
        for (ids, drive) in [(&spec.lowering, Permille::FULL), (&spec.raising, Permille::ZERO)] {
            for output in ids {
                let Some(output) = outputs.get_mut(output.0) else { continue };
                let when = &mut output.spec.when;
                when.sensor_fault.get_or_insert(RowDrive::Fixed(drive));
                when.overheat.get_or_insert(RowDrive::Fixed(drive));
            }
        }
    }
}

/// The deadband of a quantity that the file does not name: what its climates take for one, of several the smallest.
pub(super) fn fill_deadbands(climates: &[ClimateSpec], deadbands: &mut BTreeMap<String, f64>) {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for climate in climates {
        let least = found.entry(climate.quantity.measures().to_owned()).or_insert(climate.hysteresis);
        *least = least.min(climate.hysteresis);
    }
    for (measures, deadband) in found {
        deadbands.entry(measures).or_insert(deadband);
    }
}

fn climate(
    name: Option<&At<String>>,
    mut table: Reader<'_>,
    site: Site<'_>,
    zones: &mut Zones,
) -> Option<Climate> {
    let is_named_well = name.is_none_or(|name| check(name, &table));
    if name.is_none()
        && table.answer_tables(&["range", "limits"], |name| {
            format!("there is no [climate.{name}]: with several climates each has a table [climates.NAME]")
        })
    {
        return None;
    }
    let measured = measured_by(&mut table, site.sensors);
    let unit = table.read("unit", values::unit);
    let quantity = match &measured.measures {
        measures if measures == TEMPERATURE => {
            Quantity::Temperature(unit.as_ref().map(|at| at.value).unwrap_or_default())
        }
        measures => Quantity::Other(measures.clone()),
    };
    if unit.is_some() && quantity.unit().is_none() {
        table.wrong(
            "unit",
            Code::Misplaced.because(format!(
                "is for temperatures, and this climate holds {}: remove it",
                measured.measures
            )),
        );
    }
    let words = [("max", Combine::Max), ("mean", Combine::Mean), ("first-good", Combine::FirstGood)];
    let combine = table.word("combine", &words).map(|at| at.value).unwrap_or_default();
    let (lowering, raising) = driven(&mut table, site.outputs, &quantity);
    let written = range(&mut table, "range", &quantity);
    let range = if table.has("range") { written } else { default_range(&table, &quantity) };
    let limits = range_within(&mut table, range, &quantity);
    let critical = critical(&mut table, range, &quantity);
    let hysteresis = hysteresis(&mut table, range, &quantity);
    let has_pwm = |ids: &[OutputId]| ids.iter().any(|id| is_pwm(site.outputs, *id));
    let lowering_from = share(&mut table, "lowering-from", -100.0..=95.0);
    warn_without_pwm(&table, "lowering-from", "lowers", lowering_from == 0.0 || has_pwm(&lowering));
    let raising_from = share(&mut table, "raising-from", -100.0..=100.0);
    warn_without_pwm(&table, "raising-from", "raises", raising_from == 0.0 || has_pwm(&raising));
    let zone = table.read("time-zone", |value| zones.named(values::text(value)?)).map(|at| at.value);
    // What is not there needs none.
    let zone = zone.unwrap_or_else(|| if table.present() { zones.of_system() } else { ZoneId::default() });
    let property = match name {
        None => site.property.cloned(),
        Some(name) => {
            let written = table.read("property", values::property);
            let is_wrong = written.is_none() && table.has("property");
            let default =
                || PropertyPath::parse("components").map(|components| components.child(&name.value));
            written.map(|at| at.value).or_else(|| default().filter(|_| !is_wrong))
        }
    };
    let (at, title) = (table.header(), table.name());
    let [property_at, critical_at] = ["property", "critical"].map(|key| table.place(key));
    table.finish();
    let spec = ClimateSpec {
        name: name.map(|name| name.value.clone()),
        quantity,
        property: property?,
        sensors: measured.sensors,
        combine,
        lowering,
        raising,
        lowering_from,
        raising_from,
        range: range?,
        limits,
        critical,
        hysteresis,
        zone,
    };
    let at = name.map_or(at, |name| name.at);
    is_named_well.then_some(Climate { spec, table: title, at, property_at, critical_at })
}

/// Can a climate have this name?
fn check(name: &At<String>, table: &Reader<'_>) -> bool {
    let fault = match check_name(&name.value, "a climate") {
        Err(reason) => reason,
        Ok(()) if name.value == "system" => Code::WrongName.because(
            "a climate cannot be named \"system\": the unit of temperature is reported under that name",
        ),
        Ok(()) => return true,
    };
    table.findings().wrong(name.at, fault);
    false
}

/// A number of the climate in the base unit.
fn number(table: &mut Reader<'_>, key: &'static str, quantity: &Quantity) -> Option<At<f64>> {
    match quantity.unit() {
        Some(unit) => table.temperature(key, unit).map(|At { value, at }| At { value: value.degrees(), at }),
        None => table.number(key),
    }
}

/// A number of the climate as the file writes it.
fn shown(quantity: &Quantity, base: f64) -> f64 {
    match (quantity.unit(), Celsius::new(base)) {
        (Some(unit), Some(celsius)) => values::degrees_in(unit, celsius),
        _ => base,
    }
}

fn default_range(table: &Reader<'_>, quantity: &Quantity) -> Option<ClimateRange> {
    if quantity.unit().is_some() {
        return ClimateRange::new(RANGE_CELSIUS.0, RANGE_CELSIUS.1);
    }
    table.require(
        "range",
        &format!("what {} to hold, such as {{ min = 40.0, max = 60.0 }}", quantity.measures()),
    );
    None
}

/// `{ min = …, max = … }`.
fn range(table: &mut Reader<'_>, key: &'static str, quantity: &Quantity) -> Option<ClimateRange> {
    let mut inner = table.table(key);
    let min = number(&mut inner, "min", quantity);
    let max = number(&mut inner, "max", quantity);
    inner.require("min", "the lower end, such as 20.0");
    inner.require("max", "the upper end, such as 28.0");
    let title = inner.name();
    inner.finish();
    let (min, max) = (min?, max?);
    let range = ClimateRange::new(min.value, max.value);
    if range.is_none() {
        table
            .findings()
            .wrong(min.at, Code::Inconsistent.because(format!("`min` must be below `max` in {title}")));
    }
    range
}

fn range_within(
    table: &mut Reader<'_>,
    inner: Option<ClimateRange>,
    quantity: &Quantity,
) -> Option<ClimateRange> {
    let limits = range(table, "limits", quantity)?;
    if let Some(inner) = inner
        && !limits.contains(inner)
    {
        let (min, max) = (shown(quantity, inner.min()), shown(quantity, inner.max()));
        table.wrong(
            "limits",
            Code::Inconsistent.because(format!("must contain the range, which is {min} to {max}")),
        );
    }
    Some(limits)
}

fn critical(table: &mut Reader<'_>, range: Option<ClimateRange>, quantity: &Quantity) -> Option<f64> {
    let critical = number(table, "critical", quantity)?;
    if let Some(range) = range
        && critical.value <= range.max() + ROUNDING
    {
        let max = shown(quantity, range.max());
        table.findings().wrong(
            critical.at,
            Code::Inconsistent.because(format!("`critical` must lie above the range's max, {max}")),
        );
    }
    Some(critical.value)
}

fn hysteresis(table: &mut Reader<'_>, range: Option<ClimateRange>, quantity: &Quantity) -> f64 {
    let written = table.number_if("hysteresis", "0 or more", |number| number >= 0.0);
    let default = match quantity.unit() {
        Some(_) => HYSTERESIS_KELVIN,
        None => HYSTERESIS_SHARE * range.map_or(0.0, ClimateRange::span),
    };
    let unit = quantity.unit().unwrap_or(TemperatureUnit::Celsius);
    let hysteresis = written.as_ref().map_or(default, |at| unit.difference_to_kelvin(at.value));
    if let (Some(written), Some(range)) = (&written, range)
        && hysteresis >= range.span()
    {
        table.findings().wrong(
            written.at,
            Code::Inconsistent.because("`hysteresis` must be less than the range's max minus its min"),
        );
    }
    hysteresis
}

/// A percentage of the range, as a share.
fn share(table: &mut Reader<'_>, key: &'static str, allowed: core::ops::RangeInclusive<f64>) -> f64 {
    let read = table.read(key, |value| values::percentage(value, &allowed));
    read.map_or(0.0, |at| at.value / 100.0)
}

fn is_pwm(outputs: &[ConfiguredOutput], id: OutputId) -> bool {
    outputs.get(id.0).is_some_and(|output| output.spec.kind == OutputKind::Pwm)
}

/// What is on or off alone goes by the range and its hysteresis. The default has no effect on it either, and needs no warning.
fn warn_without_pwm(table: &Reader<'_>, key: &str, does: &str, is_fine: bool) {
    if table.has(key) && !is_fine {
        table.warn(
            key,
            Code::NoEffect.because(format!("has no effect: nothing with `pwm` {does} {}", table.name())),
        );
    }
}

/// What measures the climate.
struct Measured {
    sensors: Vec<SensorId>,
    measures: String,
}

/// The sensors, by name; the only one that measures it if none is named. What is held is what they measure.
fn measured_by(table: &mut Reader<'_>, sensors: &[Sensor]) -> Measured {
    let holds = table.read("holds", super::sensor::measures);
    let one = table.string("sensor");
    let many = table.strings("sensors");
    if table.has("sensor") && table.has("sensors") {
        table.wrong("sensors", Code::Conflict.because("cannot be combined with `sensor`: remove one"));
    }
    let wanted = one.map_or_else(|| many.map(|at| at.value).unwrap_or_default(), |one| vec![one]);
    let measures_of = |id: usize| sensors.get(id).map(|sensor| sensor.spec.measures.clone());
    if !table.has("sensor") && !table.has("sensors") {
        let measures = holds.map_or_else(|| TEMPERATURE.to_owned(), |at| at.value);
        return Measured { sensors: only_sensor(table, sensors, &measures), measures };
    }
    let known: Vec<&str> = sensors.iter().map(|sensor| sensor.spec.name.as_str()).collect();
    let ids = by_name(table, &wanted, &known, "sensors");
    let first = ids.first().and_then(|(id, _)| measures_of(*id));
    let measures =
        holds.as_ref().map(|at| at.value.clone()).or(first).unwrap_or_else(|| TEMPERATURE.to_owned());
    for (id, name) in &ids {
        if let Some(other) = measures_of(*id).filter(|other| *other != measures) {
            let what = match holds {
                Some(_) => format!("`holds` says {measures}"),
                None => {
                    format!("[sensors.{}] {measures}: a climate holds only one quantity", wanted[0].value)
                }
            };
            let say = format!("[sensors.{}] measures {other}, and {what}", name.value);
            table.findings().wrong(name.at, Code::Inconsistent.because(say));
        }
    }
    Measured { sensors: ids.into_iter().map(|(id, _)| SensorId(id)).collect(), measures }
}

fn only_sensor(table: &Reader<'_>, sensors: &[Sensor], measures: &str) -> Vec<SensorId> {
    let fitting: Vec<usize> = (0..sensors.len())
        .filter(|id| sensors.get(*id).is_some_and(|sensor| sensor.spec.measures == measures))
        .collect();
    match fitting.as_slice() {
        [only] => return vec![SensorId(*only)],
        [] => {
            table.require("sensor", &format!("the climate needs a [sensors.NAME] that measures {measures}"));
        }
        _ => table.require("sensor", &format!("which of {}", names(sensors, &fitting))),
    }
    Vec::new()
}

fn names(sensors: &[Sensor], ids: &[usize]) -> String {
    let names: Vec<String> = ids
        .iter()
        .filter_map(|id| sensors.get(*id))
        .map(|sensor| format!("\"{}\"", sensor.spec.name))
        .collect();
    names.join(", ")
}

/// The outputs that lower and those that raise; the only one that follows no alarms lowers if none is named. For a temperature they
/// may be called `cooling` and `heating`.
fn driven(
    table: &mut Reader<'_>,
    outputs: &[ConfiguredOutput],
    quantity: &Quantity,
) -> (Vec<OutputId>, Vec<OutputId>) {
    let lowering = directed(table, "lowering", "cooling", quantity);
    let raising = directed(table, "raising", "heating", quantity);
    if !["lowering", "cooling", "raising", "heating"].iter().any(|key| table.has(key)) {
        let free = outputs.iter().enumerate().filter(|(_, output)| output.alarms_at.is_none());
        let free: Vec<(usize, &ConfiguredOutput)> = free.collect();
        if let [(only, _)] = free.as_slice() {
            return (vec![OutputId(*only)], Vec::new());
        }
        // A file without any output has a gap, which is reported. One with sirens alone watches.
        if !free.is_empty() {
            let names: Vec<String> =
                free.iter().map(|(_, output)| format!("\"{}\"", output.spec.name)).collect();
            let names = names.join(", ");
            let (key, why) = match quantity.unit() {
                Some(_) => ("cooling", format!("which of {names} cools (or `heating`: which heats)")),
                None => ("lowering", format!("which of {names} lowers it (or `raising`: which raises it)")),
            };
            table.require(key, &why);
        }
        return (Vec::new(), Vec::new());
    }
    let known: Vec<&str> = outputs.iter().map(|output| output.spec.name.as_str()).collect();
    let lowering = by_name(table, &lowering, &known, "outputs");
    let raising = by_name(table, &raising, &known, "outputs");
    let (both, does) = match quantity.unit() {
        Some(_) => ("both cool and heat", "cools"),
        None => ("both lower and raise", "lowers"),
    };
    for (id, name) in &raising {
        if let Some((_, first)) = lowering.iter().find(|(other, _)| other == id) {
            let say = format!("[outputs.{}] cannot {both}: it {does} by line {LINE}", name.value);
            table.findings().clash(name.at, first.at, Code::Conflict.because(say));
        }
    }
    for (id, name) in lowering.iter().chain(&raising) {
        if let Some(at) = outputs.get(*id).and_then(|output| output.alarms_at) {
            let say = format!(
                "[outputs.{}] follows alarms, by line {LINE}, so no climate drives it: remove it here, or its `alarms`",
                name.value
            );
            table.findings().clash(name.at, at, Code::Conflict.because(say));
        }
    }
    let ids = |named: Vec<(usize, &At<String>)>| named.into_iter().map(|(id, _)| OutputId(id)).collect();
    (ids(lowering), ids(raising))
}

/// The outputs of one direction, by either of its names.
fn directed(
    table: &mut Reader<'_>,
    key: &'static str,
    of_temperature: &'static str,
    quantity: &Quantity,
) -> Vec<At<String>> {
    let general = table.strings(key);
    let special = table.strings(of_temperature);
    if special.is_some() && quantity.unit().is_none() {
        table.wrong(
            of_temperature,
            Code::Misplaced
                .because(format!("is for a temperature; for {} write `{key}`", quantity.measures())),
        );
    } else if general.is_some() && special.is_some() {
        table.wrong(
            of_temperature,
            Code::Conflict.because(format!("and `{key}` are two names for the same thing: remove one")),
        );
    }
    general.or(special).map(|at| at.value).unwrap_or_default()
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
                table.findings().clash(name.at, first, Code::Duplicate.because(say));
            }
            Some(id) => ids.push((id, name)),
            None => {
                let shown = words::shorten(&name.value);
                let hint = match nearest(&name.value, known.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None if known.is_empty() => format!("there are no [{kind}.NAME] at all"),
                    None => format!("there are \"{}\"", known.join("\", \"")),
                };
                table.findings().wrong(
                    name.at,
                    Code::UnknownName.because(format!("there is no [{kind}.{shown}]; {hint}")),
                );
            }
        }
    }
    ids
}
