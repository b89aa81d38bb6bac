//! The style of IoT Plug and Play: each writable property is acknowledged where it was desired, as
//! `{value, ac, av, ad}`, and each component carries `"__t": "c"` (Microsoft's Plug and Play conventions).
//!
//! `ac` is 200 for a value in force, 400 for a refused one (`ad` says why, `value` is what is in force instead), and 203 with
//! `av` 0 for a configured value. `av` is the desired version to which the acknowledgement refers. Outputs and sensors are
//! components beside the climate's. The range of an override stands beside the acknowledgements, which speak of the
//! desired range, and so do that of an entry of the schedule and the reasons of entries that are refused. Desired properties without a
//! meaning here are not reported, since the model has none of them.

use super::number_in_force;
use super::plain::write_versions;
use super::state::{self, Places, SCHEDULE_REFUSED};
use super::write::Draft;
use super::{COMPONENTS, View, Written};
use crate::control::ClimateSpec;
use crate::control::intent::{FAN_ON, SCHEDULE};
use crate::twin::{PropertyPath, is_writable_key};
use alloc::borrow::ToOwned;
use alloc::vec;
use alloc::vec::Vec;
use serde_json::{Map, Value, json};

/// The desired value is in force.
const IN_FORCE: u16 = 200;
/// A value of the device's own is in force.
const OWN: u16 = 203;

/// Writes the whole section.
pub(super) fn write(view: &View<'_>) -> Written {
    let mut draft = Draft::default();
    write_versions(&mut draft, view);
    let components = folder(view.climates().map(|(_, climate)| climate));
    let places = Places { as_desired: true, components: components.clone(), marked: true };
    let numbers = state::write(&mut draft, view, &places);
    // Last, so that an acknowledgement replaces an entry of an output at the same path.
    for property in writable(view) {
        if let Some(answer) = answer(view, &property) {
            let component = property.parent().filter(|parent| Some(parent) != components.as_ref());
            component.into_iter().for_each(|parent| draft.put(&parent.child("__t"), json!("c")));
            draft.put(&property, answer);
        }
    }
    write_refused_entries(&mut draft, view);
    Written { draft, numbers, all_named: true }
}

/// Writes why entries of schedules are refused: there is no single value that could be acknowledged.
fn write_refused_entries(draft: &mut Draft, view: &View<'_>) {
    for refusal in &view.acknowledgement.understanding.refusals {
        let schedule = view.climates().map(|(_, climate)| climate.property.child(SCHEDULE));
        let Some(schedule) = schedule.into_iter().find(|path| refusal.property.starts_with(path)) else {
            continue;
        };
        let name = refusal.property.keys().last().filter(|name| is_writable_key(name));
        if let (Some(name), Some(climate)) = (name, schedule.parent()) {
            draft.put(&climate.child(SCHEDULE_REFUSED).child(name), json!(refusal.reason));
        }
    }
}

/// What holds the components of outputs and sensors, so that they stand beside those of the climates; `None` is the section itself.
pub(super) fn folder<'c>(climates: impl IntoIterator<Item = &'c ClimateSpec>) -> Option<PropertyPath> {
    let mut folders = climates.into_iter().map(|climate| climate.property.parent());
    match folders.next() {
        Some(first) if folders.all(|other| other == first) => first,
        _ => PropertyPath::parse(COMPONENTS),
    }
}

/// The paths of single values that have a meaning here.
fn writable(view: &View<'_>) -> Vec<PropertyPath> {
    let leaves = |path: &PropertyPath| match view.climates().find(|(_, climate)| climate.property == *path) {
        Some((_, climate)) => {
            let named = climate.name.iter().map(|_| path.child(FAN_ON));
            climate.quantity.ends().iter().map(|end| path.child(end)).chain(named).collect()
        }
        None => vec![path.clone()],
    };
    let values = view.mapped.iter().filter(|path| **path != view.properties.patch_id);
    values.flat_map(leaves).collect()
}

/// The configured end of a range, if the property is one.
fn own(view: &View<'_>, property: &PropertyPath) -> Option<Value> {
    let (parent, end) = (property.parent()?, property.keys().last()?);
    let (id, climate) = view.climates().find(|(_, climate)| climate.property == parent)?;
    view.range_ends(id, climate).into_iter().find(|(name, _)| name == end).map(|(_, value)| value)
}

fn answer(view: &View<'_>, property: &PropertyPath) -> Option<Value> {
    let refusal = view.acknowledgement.understanding.refusals.iter().find(|refusal| {
        // A range is refused as a whole, but only its desired ends are answered with the refusal.
        property.starts_with(&refusal.property) && view.acknowledgement.desired.get(property).is_some()
    });
    let own = own(view, property);
    let in_force = view.accepted(property).map(number_in_force);
    let mut answer = Map::new();
    let mut say = |value: Value, ac: u16, av: u64, ad: Option<&str>| {
        answer.insert("value".into(), value);
        answer.insert("ac".into(), json!(ac));
        answer.insert("av".into(), json!(av));
        answer.extend(ad.map(|ad| ("ad".to_owned(), json!(ad))));
    };
    let version = view.acknowledgement.version.0;
    match (refusal, in_force) {
        (Some(refusal), in_force) => {
            let value = in_force.or(own).or_else(|| refusal.value.clone())?;
            say(value, refusal.code, version, Some(&refusal.reason));
        }
        (None, Some(value)) => say(value, IN_FORCE, version, None),
        (None, None) => say(own?, OWN, 0, Some("the site's own")),
    }
    Some(Value::Object(answer))
}
