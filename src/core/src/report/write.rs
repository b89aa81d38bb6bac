//! Writing a section: values at paths, tidy numbers, and without what the hub would refuse.

pub(super) use crate::twin::json::tidy;

use crate::twin::json::is_raw;
use crate::twin::{PropertyPath, Section};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use serde_json::{Map, Value};

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
                Err(fault) => {
                    // If the section as a whole is too large, no property is named.
                    if !remove(&mut root, &fault.property) {
                        let Some(victim) = largest(&root) else { return (Section::default(), left_out) };
                        root.shift_remove(&victim);
                    }
                    left_out.get_or_insert(fault.to_string());
                }
            }
        }
    }
}

/// Removes the named property, or the nearest one above it.
fn remove(object: &mut Map<String, Value>, property: &str) -> bool {
    let (key, rest) = property.split_once('.').unwrap_or((property, ""));
    let removed = object.get_mut(key).and_then(Value::as_object_mut).is_some_and(|inner| remove(inner, rest));
    removed || object.shift_remove(key).is_some()
}

fn largest(root: &Map<String, Value>) -> Option<String> {
    root.iter().max_by_key(|(_, value)| value.to_string().len()).map(|(key, _)| key.clone())
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
