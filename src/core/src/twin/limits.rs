//! The hub's limits for twin documents, which apply to what twind writes, and twind's own ceiling, which applies to all.
//!
//! Where the documentation of a limit is ambiguous, the narrower reading is taken here, because a refused value would be
//! tried again and again. The hub's limits are not applied to what the back end wrote.

use super::json;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde_json::{Map, Value};

/// A section's maximum size, as the hub measures it (IoT Hub developer guide, device twins).
const SECTION_SIZE_MAX: usize = 32 * 1024;
/// The maximum of a written section's bytes as JSON: the largest message that the hub accepts. The hub's measure counts no
/// punctuation, no empty value and no control character.
const WRITTEN_BYTES_MAX: usize = 256 * 1024;
/// The maximum of any section's bytes as JSON, so that a record of three sections can always be stored.
const SECTION_BYTES_MAX: usize = 1024 * 1024;
/// The maximum of any section's values. It is more than `json` reads of one, since changes add to it.
const SECTION_VALUES_MAX: usize = 16_000;
/// The maximum of a string's UTF-8 bytes.
const STRING_BYTES_MAX: usize = 4096;
/// The maximum of a key's UTF-8 bytes.
const KEY_BYTES_MAX: usize = 1024;
/// The maximum of objects nested below the section; the deepest may hold a leaf. Arrays do not count.
const DEPTH_MAX: usize = 10;
/// Integers lie between −2^52 and 2^52 − 1.
const INTEGER_MIN: i64 = -(1 << 52);
const INTEGER_MAX: i64 = (1 << 52) - 1;

/// May twind write this key?
pub fn is_writable_key(key: &str) -> bool {
    check_key(key).is_ok()
}

/// May twind write this value?
pub fn is_writable(value: &Value) -> bool {
    check_value(value, &mut Vec::new(), 0).is_ok()
}

/// A document that the hub would refuse, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFault {
    /// The property, keys joined by dots; empty for the section itself.
    pub property: String,
    /// What is wrong with it.
    pub limit: Limit,
}

/// A limit of the hub's twin documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A key is longer than 1024 bytes.
    KeyLength,
    /// A key holds white space, a control character, `.`, `$` or `#`.
    KeyCharacter,
    /// Nested deeper than ten objects.
    Depth,
    /// A string of more than 4096 bytes.
    StringLength,
    /// An integer outside ±2^52.
    IntegerRange,
    /// A null inside an array.
    NullInArray,
    /// A null where a value must be (a section holds none).
    Null,
    /// A value that is held as raw text, such as a number beyond 64 bits and a double.
    Raw,
    /// The section as a whole is larger than 32 KiB.
    SectionSize,
    /// The section takes more than 256 KiB as JSON, whatever size the hub measures.
    WrittenBytes,
    /// The section exceeds twind's own ceiling, which applies to foreign sections, too.
    Ceiling,
}

impl fmt::Display for LimitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.limit {
            Limit::KeyLength => "its key is longer than 1024 bytes",
            Limit::KeyCharacter => "its key holds white space, a control character, '.', '$' or '#'",
            Limit::Depth => "it is nested deeper than ten objects",
            Limit::StringLength => "its text is longer than 4096 bytes",
            Limit::IntegerRange => "its whole number lies outside ±2^52",
            Limit::NullInArray => "an array must not hold null",
            Limit::Null => "a value must not be null",
            Limit::Raw => "it is more than a number of 64 bits or a double can say",
            Limit::SectionSize => "the section is larger than 32 KiB",
            Limit::WrittenBytes => "the section takes more than 256 KiB as JSON",
            Limit::Ceiling => "the section is larger than 1 MiB or 16,000 values, which cannot be kept",
        };
        if self.property.is_empty() {
            f.write_str(what)
        } else {
            // A foreign key may be long. Its start is enough to find it.
            let shown: String = self.property.chars().take(120).collect();
            write!(f, "property {shown:?}: {what}")
        }
    }
}

impl core::error::Error for LimitFault {}

impl LimitFault {
    fn of_section(limit: Limit) -> Self {
        Self { property: String::new(), limit }
    }
}

/// Would the hub accept it?
pub(super) fn check_written(object: &Map<String, Value>) -> Result<(), LimitFault> {
    check_object(object, &mut Vec::new(), 0)?;
    if size(object) > SECTION_SIZE_MAX {
        return Err(LimitFault::of_section(Limit::SectionSize));
    }
    if bytes(object) > WRITTEN_BYTES_MAX {
        return Err(LimitFault::of_section(Limit::WrittenBytes));
    }
    Ok(())
}

/// By how much a section is too large for the hub, as the hub measures it; 0 if it fits.
pub(crate) fn excess(object: &Map<String, Value>) -> usize {
    let by_size = size(object).saturating_sub(SECTION_SIZE_MAX);
    if by_size > 0 { by_size } else { bytes(object).saturating_sub(WRITTEN_BYTES_MAX) }
}

/// Is it within twind's own ceiling?
pub(super) fn check_ceiling(object: &Map<String, Value>) -> Result<(), LimitFault> {
    let fits = values(object) <= SECTION_VALUES_MAX && bytes(object) <= SECTION_BYTES_MAX;
    if fits { Ok(()) } else { Err(LimitFault::of_section(Limit::Ceiling)) }
}

/// `depth` counts the objects around this one, without the section itself.
fn check_object<'a>(
    object: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    depth: usize,
) -> Result<(), LimitFault> {
    for (key, value) in object {
        path.push(key);
        check_key(key).map_err(|limit| fault(path, limit))?;
        check_value(value, path, depth)?;
        path.pop();
    }
    Ok(())
}

fn check_value<'a>(value: &'a Value, path: &mut Vec<&'a str>, depth: usize) -> Result<(), LimitFault> {
    match value {
        Value::Object(_) if depth == DEPTH_MAX => Err(fault(path, Limit::Depth)),
        Value::Object(inner) => check_object(inner, path, depth + 1),
        Value::Array(items) => check_array(items, path, depth),
        leaf => check_leaf(leaf).map_err(|limit| fault(path, limit)),
    }
}

fn check_array<'a>(items: &'a [Value], path: &mut Vec<&'a str>, depth: usize) -> Result<(), LimitFault> {
    for item in items {
        if item.is_null() {
            return Err(fault(path, Limit::NullInArray));
        }
        let holds_more = item.is_object() || item.is_array();
        if holds_more {
            path.push("[]");
        }
        check_value(item, path, depth)?;
        if holds_more {
            path.pop();
        }
    }
    Ok(())
}

fn fault(path: &[&str], limit: Limit) -> LimitFault {
    LimitFault { property: path.join("."), limit }
}

fn check_key(key: &str) -> Result<(), Limit> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Limit::KeyLength);
    }
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '.' | '$' | '#');
    if key.chars().any(forbidden) { Err(Limit::KeyCharacter) } else { Ok(()) }
}

fn check_leaf(value: &Value) -> Result<(), Limit> {
    match value {
        Value::Null => Err(Limit::Null),
        raw if json::is_raw(raw) => Err(Limit::Raw),
        Value::String(text) if text.len() > STRING_BYTES_MAX => Err(Limit::StringLength),
        Value::Number(number) if number.is_u64() || number.is_i64() => {
            let within = number.as_i64().is_some_and(|n| (INTEGER_MIN..=INTEGER_MAX).contains(&n));
            if within { Ok(()) } else { Err(Limit::IntegerRange) }
        }
        _ => Ok(()),
    }
}

pub(super) fn size(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| text_size(key) + value_size(value)).sum()
}

fn bytes(object: &Map<String, Value>) -> usize {
    json::write(object).len()
}

/// All values in it, including nested ones.
fn values(object: &Map<String, Value>) -> usize {
    object.values().map(values_in).sum()
}

fn values_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<usize>(),
        Value::Object(inner) => 1 + values(inner),
        _ => 1,
    }
}

pub(crate) fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text_size(text),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(inner) => size(inner),
    }
}

fn text_size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_control()).count()
}
