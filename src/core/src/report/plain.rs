//! The plain style, whose output the tutorial's back end prints correctly as it is.

use super::state::{self, Places};
use super::write::{Draft, is_scalar};
use super::{COMPONENTS, View, Written};
use crate::control::intent::{ENTRY_KEYS, FAN_ON, SCHEDULE};
use crate::control::{ClimateId, ClimateSpec};
use crate::twin::{PropertyPath, Version, is_writable_key};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::{Map, Value, json};

pub(super) const DESIRED_VERSION: &str = "desiredVersion";
/// Bytes for the names of components and of properties without a meaning here. Their number and length are foreign, and
/// they must not make the section so large that the rest cannot be reported.
const FOREIGN_BYTES_MAX: usize = 8 * 1024;
/// The maximum of what the entry of a name takes besides the name.
const ENTRY_BYTES: usize = 16;
/// The part of them for the list of names, which is one value: the hub accepts 4 KiB.
const LIST_BYTES_MAX: usize = 4096;
/// A foreign name that is merely listed is cut to this many characters.
const NAME_CHARS_MAX: usize = 128;

/// Writes the whole section.
pub(super) fn write(view: &View<'_>) -> Written {
    let mut draft = Draft::default();
    write_versions(&mut draft, view);
    if let Some(raw) = view.accepted(&view.properties.fan_on) {
        draft.put_at(["fanOn"], raw.clone());
    }
    for (id, climate) in view.climates() {
        write_range(&mut draft, view, id, climate);
    }
    let all_named = write_unmapped(&mut draft, view);
    for refusal in &view.acknowledgement.understanding.refusals {
        let mut entry = Map::new();
        entry.extend(refusal.value.as_ref().map(|value| ("value".to_owned(), value.clone())));
        entry.insert("code".into(), json!(refusal.code));
        entry.insert("reason".into(), json!(refusal.reason));
        entry.insert("version".into(), json!(refusal.version.0));
        let keys = refusal.property.keys().iter().map(String::as_str);
        draft.put_at(["rejected"].into_iter().chain(keys), Value::Object(entry));
    }
    let numbers = match PropertyPath::parse(COMPONENTS) {
        Some(components) => {
            let places = Places { as_desired: false, components: Some(components), marked: false };
            state::write(&mut draft, view, &places)
        }
        None => Vec::new(),
    };
    Written { draft, numbers, all_named }
}

/// Writes what is in force of a climate: at the top for the only one of a site, else in its entry.
fn write_range(draft: &mut Draft, view: &View<'_>, id: ClimateId, climate: &ClimateSpec) {
    let entry: &[&str] = match &climate.name {
        Some(name) => &[COMPONENTS, name],
        None => &[],
    };
    let mut put = |key: &str, value| draft.put_at(entry.iter().copied().chain([key]), value);
    for (end, value) in view.ends_in_force(id, climate) {
        put(&end, value);
    }
    let fan_on = climate.name.as_ref().and_then(|_| view.accepted(&climate.property.child(FAN_ON)));
    if let Some(raw) = fan_on {
        put(FAN_ON, raw.clone());
    }
}

/// Writes what both styles begin with.
pub(super) fn write_versions(draft: &mut Draft, view: &View<'_>) {
    draft.put_at(["firmwareVersion"], json!(view.spec.firmware_version));
    if view.acknowledgement.version > Version(0) {
        if let Some(id) =
            view.acknowledgement.desired.get(&view.properties.patch_id).filter(|id| is_scalar(id))
        {
            draft.put_at(["lastPatchReceivedId"], id.clone());
        }
        draft.put_at([DESIRED_VERSION], json!(view.acknowledgement.version.0));
    }
}

/// Writes the status of each desired component, in an entry of its own, and lists the other properties that have no meaning
/// here. Returns whether there was room for all.
fn write_unmapped(draft: &mut Draft, view: &View<'_>) -> bool {
    let mut room = Some(FOREIGN_BYTES_MAX);
    let mut take = |name: &str| {
        room = room.and_then(|room| room.checked_sub(name.len() + ENTRY_BYTES));
        room.is_some()
    };
    let (mut others, mut listed) = (BTreeSet::new(), Some(LIST_BYTES_MAX));
    let mut list = |name: String| {
        let name = shown(&name);
        listed = listed.and_then(|room| room.checked_sub(name.len()));
        if listed.is_some() {
            others.insert(name);
        }
    };
    for (key, value) in view.acknowledgement.desired.as_object() {
        let path = PropertyPath::top(key);
        match value {
            Value::Object(components) if key == COMPONENTS => {
                // `__t` is the marker of Plug and Play, not a component.
                let named = components.iter().filter(|(name, _)| !name.starts_with("__"));
                for (name, component) in named {
                    let path = path.child(name);
                    let Some(status) = status(view, &path, component) else {
                        strays(view, &path, component, &mut list);
                        continue;
                    };
                    if !is_writable_key(name) {
                        list(format!("{COMPONENTS}.{name}"));
                    } else if take(name) {
                        draft.put_at([COMPONENTS, name, "status"], json!(status));
                    }
                }
            }
            _ if !view.is_mapped(&path, value) => {
                list(key.clone());
            }
            _ => strays(view, &path, value, &mut list),
        }
    }
    if !others.is_empty() {
        draft.put_at(["notMapped"], json!(others));
    }
    room.is_some() && listed.is_some()
}

/// Lists what has no meaning below a property that has one, or holds one: in a climate and its schedule, and beside what is mapped.
fn strays(view: &View<'_>, path: &PropertyPath, value: &Value, list: &mut dyn FnMut(String)) {
    let Some(inner) = value.as_object() else { return };
    if let Some((_, climate)) = view.climates().find(|(_, climate)| climate.property == *path) {
        let ends = climate.quantity.ends();
        let has_fan = climate.name.is_some() && !climate.lowering.is_empty();
        let unknown = |key: &str| !(ends.iter().any(|end| end == key) || key == FAN_ON && has_fan);
        // The unit may stand there, or what drives an output.
        let holds = |key: &str| view.mapped.iter().any(|mapped| mapped.starts_with(&path.child(key)));
        for (key, value) in inner.iter().filter(|(key, _)| unknown(key) && !holds(key)) {
            match value.as_object().filter(|_| key == SCHEDULE) {
                Some(entries) => entries.iter().for_each(|(name, entry)| {
                    let known = |key: &str| ENTRY_KEYS.contains(&key) || ends.iter().any(|end| end == key);
                    let keys = entry.as_object().into_iter().flat_map(|entry| entry.keys());
                    let keys = keys.filter(|key| !known(key));
                    keys.for_each(|key| list(format!("{path}.{SCHEDULE}.{name}.{key}")));
                }),
                None if key == SCHEDULE => {}
                None => list(format!("{path}.{key}")),
            }
        }
    } else if !view.mapped.contains(path) {
        for (key, value) in inner {
            let path = path.child(key);
            if view.is_mapped(&path, value) {
                strays(view, &path, value, list);
            } else {
                list(path.to_string());
            }
        }
    }
}

/// A foreign name as it is listed: cut if it is long, without control characters.
fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(NAME_CHARS_MAX).filter(|c| !c.is_control()).collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The status of a desired component; `None` for a climate, which has an entry that says more.
fn status(view: &View<'_>, path: &PropertyPath, component: &Value) -> Option<&'static str> {
    let mapped = view.is_mapped(path, component);
    let refused = || view.acknowledgement.understanding.refusals.iter().any(|r| r.property.starts_with(path));
    match (mapped, view.climates().any(|(_, climate)| climate.property == *path)) {
        (true, true) => None,
        (true, false) if refused() => Some("rejected"),
        (true, false) => Some("applied"),
        (false, _) => Some("not mapped"),
    }
}
