//! Names and properties that are used twice: at the hub a name is one entry, and a property is one value. TOML itself refuses the
//! same name twice within one kind.

use super::faults::{Findings, LINE};
use super::outputs::{Output, reserved};
use super::sensors::Sensor;
use crate::control::intent::{MAX_TEMPERATURE, MIN_TEMPERATURE};
use crate::control::{ClimateSpec, PropertyMap, SensorId};
use crate::twin::PropertyPath;

/// Outputs, the climate, sensors outside it and `system` share one space.
pub(super) fn names(
    outputs: &[Output],
    sensors: &[Sensor],
    climate: Option<&ClimateSpec>,
    findings: &Findings,
) {
    let is_inside = |index: usize| climate.is_some_and(|climate| climate.sensors.contains(&SensorId(index)));
    for (_, sensor) in sensors.iter().enumerate().filter(|(index, _)| !is_inside(*index)) {
        let name = sensor.spec.name.as_str();
        if let Some(why) = reserved(name) {
            let say = format!("a sensor outside the climate cannot be named \"{name}\": {why}");
            findings.wrong(sensor.name_at, say);
        }
        if let Some(output) = outputs.iter().find(|output| output.spec.name == name) {
            let (later, first) = (sensor.name_at.max(output.name_at), sensor.name_at.min(output.name_at));
            let say = format!(
                "[sensors.{name}] and [outputs.{name}] have one name, the first in line {LINE}, and at the hub a name \
                 stands for one thing: rename one"
            );
            findings.clash(later, first, say);
        }
    }
}

/// The single values that `[twin]` reads: each must be a value, and nothing else's.
pub(super) fn leaves(map: &PropertyMap) -> [(&'static str, PropertyPath); 5] {
    [
        ("fan-on", map.fan_on.clone()),
        ("climate", map.climate.child(MIN_TEMPERATURE)),
        ("climate", map.climate.child(MAX_TEMPERATURE)),
        ("units", map.units.clone()),
        ("patch-id", map.patch_id.clone()),
    ]
}

/// Does one lie in the other, or are they one?
pub(super) fn overlap(a: &PropertyPath, b: &PropertyPath) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Each output's own property against those of `[twin]` and of the other outputs. Several may follow one, and the one of
/// the fan may be named by outputs, too.
pub(super) fn properties(outputs: &[Output], map: &PropertyMap, findings: &Findings) {
    let mut before: Vec<(&Output, &PropertyPath)> = Vec::new();
    for output in outputs {
        let Some(property) = &output.spec.property else { continue };
        let taken = leaves(map)
            .into_iter()
            .find(|(key, leaf)| overlap(property, leaf) && !(*key == "fan-on" && leaf == property));
        if let Some((key, leaf)) = taken {
            let say = format!(
                "`property` \"{property}\" and \"{leaf}\", which `{key}` of [twin] reads, are not two properties: the \
                 output needs one of its own, such as \"components.{}.on\"",
                output.spec.name
            );
            findings.wrong(output.property_at, say);
        }
        let nested = |(_, other): &&(&Output, &PropertyPath)| overlap(property, other) && *other != property;
        if let Some((other, path)) = before.iter().find(nested) {
            let say = format!(
                "`property` \"{property}\" and \"{path}\" of [outputs.{}], line {LINE}, lie in one another: a property \
                 is a value or holds others, not both",
                other.spec.name
            );
            findings.clash(output.property_at, other.property_at, say);
        }
        before.push((output, property));
    }
}
