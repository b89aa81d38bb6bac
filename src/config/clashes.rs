//! What is used twice: at the hub a name is one entry, and a property is one value; on the board a wire does one thing. TOML itself
//! refuses the same name twice within one kind.

use super::board::Board;
use super::climate::Climate;
use super::codes::Code;
use super::faults::{Findings, LINE};
use super::outputs::{ConfiguredOutput, reserved};
use super::sensor::Sensor;
use super::spans::{Span, in_file_order};
use crate::control::intent::{FAN_ON, OWN_UNIT, SCHEDULE};
use crate::control::{PropertyMap, SensorId};
use crate::report::{TOP_PROPERTIES, plug_and_play_name};
use crate::twin::PropertyPath;
use std::collections::BTreeMap;

/// Outputs, climates, sensors outside every climate and `system` share one space.
pub(super) fn names(
    outputs: &[ConfiguredOutput],
    sensors: &[Sensor],
    climates: &[Climate],
    findings: &Findings,
) {
    for sensor in outside(sensors, climates) {
        let name = sensor.spec.name.as_str();
        if let Some(why) = reserved(name) {
            let say = format!("a sensor outside the climate cannot be named \"{name}\": {why}");
            findings.wrong(sensor.name_at, Code::WrongName.because(say));
        }
    }
    let outputs = outputs.iter().map(|output| ("outputs", output.spec.name.as_str(), output.name_at));
    let sensors =
        outside(sensors, climates).map(|sensor| ("sensors", sensor.spec.name.as_str(), sensor.name_at));
    let climates = climates.iter().filter_map(|one| Some(("climates", one.spec.name.as_deref()?, one.at)));
    let mut named: BTreeMap<&str, Vec<(&str, Span)>> = BTreeMap::new();
    for (kind, name, at) in sensors.chain(outputs).chain(climates) {
        named.entry(name).or_default().push((kind, at));
    }
    for (name, things) in named {
        let [(kind, at), (other, other_at), ..] = things[..] else { continue };
        let say = format!(
            "[{kind}.{name}] and [{other}.{name}] have one name, the first in line {LINE}, and at the hub a name \
             stands for one thing: rename one"
        );
        findings.clash(at.max(other_at), at.min(other_at), Code::Clash.because(say));
    }
}

/// One wire is one output, or one tachometer, or one sensor. The later one in the file is at fault.
pub(super) fn wires(outputs: &[ConfiguredOutput], sensors: &[Sensor], board: &Board, findings: &Findings) {
    let mut driven = Vec::new();
    for output in outputs {
        let name = output.spec.name.as_str();
        if let Some(line) = &output.pin.line {
            driven.push((output.line_at, line.wire(), format!("drives [outputs.{name}]")));
        }
        if let Some(tach) = output.pin.tach.as_ref().filter(|_| board.needs_lines()) {
            driven.push((output.tach_at, tach.wire(), format!("is the tach of [outputs.{name}]")));
        }
    }
    let read = sensors.iter().filter_map(|sensor| {
        let line = sensor.contact()?;
        let wire = crate::board::wire("pin", line.pin, board.chip_beside_header(line));
        Some((sensor.line_at, wire, format!("is read by [sensors.{}]", sensor.spec.name)))
    });
    if board.needs_lines() {
        driven.extend(read);
    } else {
        // Nothing is wired to a simulated board, but a sensor is read where it is.
        once(read.collect(), findings);
    }
    once(driven, findings);
}

fn once(wires: Vec<(Span, String, String)>, findings: &Findings) {
    let wires = in_file_order(wires, |(at, ..)| *at);
    let mut taken: BTreeMap<&str, (Span, &str)> = BTreeMap::new();
    for (at, wire, does) in &wires {
        if let Some((first, other)) = taken.get(wire.as_str()) {
            let say =
                format!("{wire} {other} already, in line {LINE}; here it {does}: it can only do one of them");
            findings.clash(*at, *first, Code::Clash.because(say));
        } else {
            taken.insert(wire, (*at, does));
        }
    }
}

/// Names that Plug and Play does not take as they are become others, which must not be those of other things either.
pub(super) fn plug_and_play(
    outputs: &[ConfiguredOutput],
    sensors: &[Sensor],
    climates: &[Climate],
    findings: &Findings,
) {
    for output in outputs {
        if let Some(key) = output.spec.property.as_ref().and_then(top_property) {
            let say = format!("`property` of [outputs.{}] cannot {}", output.spec.name, be_at_the_top(key));
            findings.wrong(output.property_at, Code::Clash.because(say));
        }
    }
    let outputs = outputs.iter().map(|output| ("outputs", output.spec.name.as_str(), output.name_at));
    let outside = outside(sensors, climates);
    let sensors = outside.map(|sensor| ("sensors", sensor.spec.name.as_str(), sensor.name_at));
    let mut known: BTreeMap<String, (&str, &str, Span)> = BTreeMap::new();
    for climate in climates {
        if let Some(key) = top_property(&climate.spec.property) {
            let say = format!("{} cannot {}", climate.table, be_at_the_top(key));
            findings.wrong(climate.property_at, Code::Clash.because(say));
        }
        let key = climate.spec.property.keys().last().cloned().unwrap_or_default();
        known.insert(key, ("climates", climate.spec.label(), climate.at));
    }
    for (kind, name, at) in outputs.chain(sensors) {
        let key = plug_and_play_name(name);
        if TOP_PROPERTIES.contains(&&*key) {
            findings.wrong(
                at,
                Code::WrongName.because(format!("[{kind}.{name}] cannot {}", be_at_the_top(&key))),
            );
        }
        if let Some((other_kind, other, other_at)) = known.insert(key.to_string(), (kind, name, at))
            && other != name
        {
            let say = format!(
                "[{kind}.{name}] and [{other_kind}.{other}], line {LINE}, are both \"{key}\" with style = \"pnp\": rename one"
            );
            findings.clash(at.max(other_at), at.min(other_at), Code::Clash.because(say));
        }
    }
}

/// The property of the device that another one would be, if it is one: `alarms` as well as `components.alarms`, since Plug and Play has
/// components at the top.
fn top_property(property: &PropertyPath) -> Option<&str> {
    let key = match property.keys() {
        [folder, key] if folder == "components" => key,
        keys => keys.first()?,
    };
    TOP_PROPERTIES.contains(&key.as_str()).then_some(key)
}

fn be_at_the_top(key: &str) -> String {
    format!("be \"{key}\" with style = \"pnp\", where that is a property of the device")
}

/// The sensors outside every climate, which are reported by their own names.
fn outside<'s>(sensors: &'s [Sensor], climates: &[Climate]) -> impl Iterator<Item = &'s Sensor> {
    let is_inside =
        |index: usize| climates.iter().any(|climate| climate.spec.sensors.contains(&SensorId(index)));
    sensors.iter().enumerate().filter(move |(index, _)| !is_inside(*index)).map(|(_, sensor)| sensor)
}

/// The single values that `[twin]` reads: each must be a value, and nothing else's.
pub(super) fn leaves(map: &PropertyMap) -> [(&'static str, PropertyPath); 3] {
    [("fan-on", map.fan_on.clone()), ("units", map.units.clone()), ("patch-id", map.patch_id.clone())]
}

/// What a climate reads below its property.
fn leaves_of(climate: &Climate) -> Vec<PropertyPath> {
    let (property, quantity) = (&climate.spec.property, &climate.spec.quantity);
    let mut leaves: Vec<PropertyPath> = quantity.ends().iter().map(|end| property.child(end)).collect();
    leaves.push(property.child(SCHEDULE));
    leaves.extend(climate.spec.name.iter().map(|_| property.child(FAN_ON)));
    leaves
}

/// Does one lie in the other, or are they one?
pub(super) fn overlap(a: &PropertyPath, b: &PropertyPath) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Each output's own property against those of `[twin]`, of the climates and of the other outputs. Several may follow one, and
/// the one of the fan may be named by outputs, too.
pub(super) fn properties(
    outputs: &[ConfiguredOutput],
    climates: &[Climate],
    map: &PropertyMap,
    findings: &Findings,
) {
    let of_twin = leaves(map).into_iter().map(|(key, leaf)| (format!("`{key}` of [twin]"), leaf));
    let of_climates = climates.iter().flat_map(|climate| {
        let by = match climate.spec.name {
            Some(_) => climate.table.clone(),
            None => "`climate` of [twin]".to_owned(),
        };
        // Where the unit of its range is recorded.
        let unit = climate.spec.quantity.unit().map(|_| climate.spec.property.child(OWN_UNIT));
        leaves_of(climate).into_iter().chain(unit).map(move |leaf| (by.clone(), leaf))
    });
    let read: Vec<(String, PropertyPath)> = of_climates.chain(of_twin).collect();
    climates_apart(climates, map, findings);
    let mut before: Vec<(&ConfiguredOutput, &PropertyPath)> = Vec::new();
    for output in outputs {
        let Some(property) = &output.spec.property else { continue };
        let taken = read
            .iter()
            .find(|(_, leaf)| overlap(property, leaf) && !(*leaf == map.fan_on && leaf == property));
        if let Some((by, leaf)) = taken {
            let say = format!(
                "`property` \"{property}\" and \"{leaf}\", which {by} reads, overlap: the output needs a property of its \
                 own, such as \"components.{}.on\"",
                output.spec.name
            );
            findings.wrong(output.property_at, Code::Clash.because(say));
        }
        let nested =
            |(_, other): &&(&ConfiguredOutput, &PropertyPath)| overlap(property, other) && *other != property;
        if let Some((other, path)) = before.iter().find(nested) {
            let say = format!(
                "`property` \"{property}\" and \"{path}\" of [outputs.{}], line {LINE}: one contains the other, and a property \
                 is a value or holds others, not both",
                other.spec.name
            );
            findings.clash(output.property_at, other.property_at, Code::Clash.because(say));
        }
        before.push((output, property));
    }
}

/// Each named climate's property against those of `[twin]` and of the climates before it.
fn climates_apart(climates: &[Climate], map: &PropertyMap, findings: &Findings) {
    for (index, climate) in climates.iter().enumerate().filter(|(_, climate)| climate.spec.name.is_some()) {
        let property = &climate.spec.property;
        let own = leaves_of(climate);
        let is_hit =
            |leaf: &PropertyPath| property.starts_with(leaf) || own.iter().any(|own| overlap(own, leaf));
        if let Some((key, leaf)) = leaves(map).iter().find(|(_, leaf)| is_hit(leaf)) {
            let say =
                format!("`property` \"{property}\" and \"{leaf}\", which `{key}` of [twin] reads, overlap");
            findings.wrong(climate.property_at, Code::Clash.because(say));
        }
        if let Some(other) = climates[..index].iter().find(|other| overlap(&other.spec.property, property)) {
            let say = format!(
                "{} and {}, line {LINE}, read one property, \"{property}\": each needs one of its own",
                climate.table, other.table
            );
            findings.clash(climate.property_at, other.property_at, Code::Clash.because(say));
        }
    }
}
