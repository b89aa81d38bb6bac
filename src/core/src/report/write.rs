//! How a section is written: values put at places, numbers as a person would write them, and what the hub would
//! refuse left out.

use crate::twin::json::is_raw;
use crate::twin::{PropertyPath, Section};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use serde_json::{Map, Value, json};

/// A section in the making.
#[derive(Debug, Default)]
pub(super) struct Draft(Map<String, Value>);

impl Draft {
    /// Puts a value at a place, making the objects above it; what is no object there gives way.
    pub(super) fn put(&mut self, path: &PropertyPath, value: Value) {
        self.put_at(path.keys().iter().map(String::as_str), value);
    }

    /// As [`Self::put`], for keys in a row.
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

    /// Makes the section, and tells what was left out: the least without which the hub takes the rest.
    pub(super) fn into_section(self) -> (Section, Option<String>) {
        let (mut root, mut left_out) = (self.0, None);
        loop {
            match Section::within_limits(root.clone()) {
                Ok(section) => return (section, left_out),
                Err(fault) => {
                    // A section that is too large as a whole names no property.
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

/// Removes the deepest object's property on the way to the one named.
fn remove(object: &mut Map<String, Value>, property: &str) -> bool {
    let (key, rest) = property.split_once('.').unwrap_or((property, ""));
    let removed = object.get_mut(key).and_then(Value::as_object_mut).is_some_and(|inner| remove(inner, rest));
    removed || object.shift_remove(key).is_some()
}

fn largest(root: &Map<String, Value>) -> Option<String> {
    root.iter().max_by_key(|(_, value)| value.to_string().len()).map(|(key, _)| key.clone())
}

/// Neither an object nor an array, nor kept as its text?
pub(super) fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array() && !is_raw(value)
}

/// Rounded to so many digits behind the point, three at most.
pub(super) fn round_to(value: f64, digits: u8) -> f64 {
    // Not `powi`, for whose sake alone the program would load a library of mathematics.
    let scale = match digits {
        0 => 1.0,
        1 => 10.0,
        2 => 100.0,
        _ => 1000.0,
    };
    (value * scale).round() / scale
}

/// A whole number is written without a fraction, as a person would.
pub(super) fn tidy(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e9 { json!(number as i64) } else { json!(number) }
}
