//! Writing a section: values at paths, tidy numbers, and without what the hub would refuse.

pub(super) use crate::twin::json::tidy;

use crate::twin::json::is_raw;
use crate::twin::{PropertyPath, Section, excess, value_size};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

/// An entry of more than this is shortened rather than left out.
const ENTRY_SIZE_MAX: usize = 1024;

/// A section that is being written.
#[derive(Debug, Default)]
pub(super) struct Draft(Map<String, Value>);

impl Draft {
    /// Puts a value at a path and creates the objects above it. Anything else in their place is replaced.
    pub(super) fn put(&mut self, path: &PropertyPath, value: Value) {
        self.put_at(path.keys().iter().map(String::as_str), value);
    }

    /// As [`Self::put`], with the keys of the path.
    pub(super) fn put_at<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>, value: Value) {
        let mut keys = keys.into_iter().peekable();
        let mut object = &mut self.0;
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                object.insert(key.to_owned(), value);
                return;
            }
            let inner = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            match inner {
                Value::Object(inner) => object = inner,
                _ => return,
            }
        }
    }

    /// The finished section, and the first thing that was left out because the hub would refuse it.
    pub(super) fn into_section(self) -> (Section, Option<String>) {
        let (mut root, mut left_out) = (self.0, None);
        loop {
            match Section::within_limits(root.clone()) {
                Ok(section) => return (section, left_out),
                Err(fault) if remove(&mut root, &fault.property) => {
                    left_out.get_or_insert(fault.to_string());
                }
                // If the section as a whole is too large, no property is named.
                Err(fault) => {
                    let Some(cut) = shorten(&mut root) else { return (Section::default(), left_out) };
                    left_out.get_or_insert_with(|| format!("{fault}: a part of {cut}"));
                }
            }
        }
    }
}

/// Removes the last entries of the largest property until it is no larger than the next one, or the section fits. Which entries
/// that are does not change with their values, so a report does not flap. Returns the property; `None` if there is nothing left.
fn shorten(root: &mut Map<String, Value>) -> Option<String> {
    let mut sizes: Vec<(usize, &String)> = root.iter().map(|(key, value)| (value_size(value), key)).collect();
    sizes.sort_unstable();
    let (size, key) = sizes.pop().map(|(size, key)| (size, key.clone()))?;
    let next = sizes.last().map_or(0, |(size, _)| *size);
    let excess = excess(root);
    // Of two that are as large as each other, neither gives way alone.
    let mut to_go = excess.min((size - next).max(excess / 4)).max(1);
    let value = root.get_mut(&key)?;
    while to_go > 0 && remove_last(value, &mut to_go) {}
    if to_go > 0 || value.as_object().is_none_or(Map::is_empty) {
        root.shift_remove(&key);
    }
    Some(key)
}

/// Removes the last entry of an object, or of the last of the large objects within. Returns whether there was one.
fn remove_last(value: &mut Value, to_go: &mut usize) -> bool {
    let Some((key, last)) = value.as_object_mut().and_then(|object| object.iter_mut().next_back()) else {
        return false;
    };
    let (key, size) = (key.clone(), value_size(last));
    if size > ENTRY_SIZE_MAX && remove_last(last, to_go) {
        return true;
    }
    *to_go = to_go.saturating_sub(size + key.len());
    value.as_object_mut().is_some_and(|object| object.shift_remove(&key).is_some())
}

/// Removes the named property, or the nearest one above it.
fn remove(object: &mut Map<String, Value>, property: &str) -> bool {
    let (key, rest) = property.split_once('.').unwrap_or((property, ""));
    let removed = object.get_mut(key).and_then(Value::as_object_mut).is_some_and(|inner| remove(inner, rest));
    removed || object.shift_remove(key).is_some()
}

/// Is it neither an object, nor an array, nor raw text?
pub(super) fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array() && !is_raw(value)
}

/// Rounds to this many decimals, three at most.
pub(super) fn round_to(value: f64, digits: u8) -> f64 {
    // Not `powi`: it alone would make the program load the mathematics library.
    let scale = match digits {
        0 => 1.0,
        1 => 10.0,
        2 => 100.0,
        _ => 1000.0,
    };
    (value * scale).round() / scale
}
