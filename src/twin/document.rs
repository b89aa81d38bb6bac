//! The two halves of a twin as values: a [`Section`] is a document without nulls, a [`Patch`] changes one and says
//! `null` for what goes. The law that the rest stands on: `a.apply(&a.diff_to(&b))` makes `a` equal to `b`.
//!
//! Both are made through the hub's own limits, so whatever exists can be sent. Where those are not documented to the
//! letter the wider reading counts: a value that the hub holds and we refuse would block every later change. Key order
//! is kept as received.
//! Deliberately absent: `$version` and `$metadata`, which are the codec's to take out.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use core::fmt;
use serde_json::{Map, Value};

/// A section's size at most, by the hub's own measure (IoT Hub developer guide, device twins).
const SECTION_SIZE_MAX: usize = 32 * 1024;
/// A section's bytes as JSON at most. The hub's measure counts no punctuation, no empty value and no control character,
/// so it bounds neither memory nor disk; with this a record of three sections can always be kept. It is also what one
/// message can bring.
const SECTION_BYTES_MAX: usize = 256 * 1024;
/// A string's UTF-8 bytes at most.
const STRING_BYTES_MAX: usize = 4096;
/// A key's UTF-8 bytes at most.
const KEY_BYTES_MAX: usize = 1024;
/// Objects nested below the section at most; the deepest may hold a leaf. Arrays do not count.
const DEPTH_MAX: usize = 10;
/// Integers lie between −2^52 and 2^52 − 1.
const INTEGER_MIN: i64 = -(1 << 52);
const INTEGER_MAX: i64 = (1 << 52) - 1;

/// The version of a section as the hub counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

impl Version {
    /// The next one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a property lies in a section: its keys from the top, written with dots (`components.climate`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyPath(Vec<String>);

impl PropertyPath {
    /// Reads `components.climate`; `None` if a key is empty or could not stand in a twin.
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
        keys.iter().all(|key| !key.is_empty() && check_key(key).is_ok()).then_some(Self(keys))
    }

    /// The keys from the top; never empty.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The path with one more key.
    #[must_use]
    pub fn child(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }

    /// The path without its last key; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        (!above.is_empty()).then(|| Self(above.to_vec()))
    }

    /// Does `self` lie at or below `other`?
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
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
    /// The section as a whole is larger than 32 KiB.
    SectionSize,
    /// The section takes more than 256 KiB as JSON, however little of it the hub counts. twind's own limit.
    SectionBytes,
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
            Limit::SectionSize => "the section is larger than 32 KiB",
            Limit::SectionBytes => "the section takes more than 256 KiB as JSON, which cannot be kept",
        };
        if self.property.is_empty() {
            f.write_str(what)
        } else {
            // A foreign key may be long; the start of it is enough to find it.
            let shown: String = self.property.chars().take(120).collect();
            write!(f, "property {shown:?}: {what}")
        }
    }
}

impl std::error::Error for LimitFault {}

/// One half of a twin. Holds no null anywhere and keeps every limit of the hub.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Section(Map<String, Value>);

impl Section {
    /// Takes an object as a section.
    ///
    /// # Errors
    /// The first property that breaks a limit; a null counts as one.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, LimitFault> {
        check_object(&object, &mut Vec::new(), 0, Nulls::Refused)?;
        let whole = |limit| Err(LimitFault { property: String::new(), limit });
        if size(&object) > SECTION_SIZE_MAX {
            return whole(Limit::SectionSize);
        }
        if bytes(&object) > SECTION_BYTES_MAX {
            return whole(Limit::SectionBytes);
        }
        Ok(Self(object))
    }

    /// The document.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Has it no property at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at a path.
    pub fn get(&self, path: &PropertyPath) -> Option<&Value> {
        let (first, rest) = path.keys().split_first()?;
        rest.iter().try_fold(self.0.get(first)?, |value, key| value.as_object()?.get(key))
    }

    /// Its size by the hub's measure: keys and strings by character without control characters, numbers 8,
    /// booleans 4, objects and arrays by what they hold.
    pub fn size(&self) -> usize {
        size(&self.0)
    }

    /// Applies a patch: objects merge, null removes, anything else replaces.
    pub fn apply(&mut self, patch: &Patch) {
        merge(&mut self.0, &patch.0);
    }

    /// The patch that makes this section equal to `target`.
    #[must_use]
    pub fn diff_to(&self, target: &Self) -> Patch {
        Patch(difference(&self.0, &target.0))
    }
}

/// A change to a section: a null removes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Patch(Map<String, Value>);

impl Patch {
    /// Takes an object as a patch.
    ///
    /// # Errors
    /// The first property that breaks a limit. Nulls are allowed but in arrays.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, LimitFault> {
        check_object(&object, &mut Vec::new(), 0, Nulls::Remove)?;
        Ok(Self(object))
    }

    /// Changes nothing?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The change as JSON.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Its smallest parts: each value or removal with its place. An empty object is a part too.
    pub fn leaves(&self) -> Vec<(PropertyPath, Value)> {
        let mut leaves = Vec::new();
        collect_leaves(&self.0, &mut Vec::new(), &mut leaves);
        leaves
    }

    /// A patch of such parts.
    #[must_use]
    pub fn from_leaves(leaves: impl IntoIterator<Item = (PropertyPath, Value)>) -> Self {
        let mut patch = Map::new();
        for (path, value) in leaves {
            insert_absent(&mut patch, path.keys(), &value);
        }
        Self(patch)
    }

    /// Adds to this patch the present value of each of `paths` that `section` has, so that it is sent again though
    /// it did not change. What the patch says already stays.
    pub fn touch<'a>(&mut self, section: &Section, paths: impl IntoIterator<Item = &'a PropertyPath>) {
        for path in paths {
            if let Some(value) = section.get(path) {
                insert_absent(&mut self.0, path.keys(), value);
            }
        }
    }
}

fn collect_leaves(
    object: &Map<String, Value>,
    keys: &mut Vec<String>,
    leaves: &mut Vec<(PropertyPath, Value)>,
) {
    for (key, value) in object {
        keys.push(key.clone());
        match value {
            Value::Object(inner) if !inner.is_empty() => collect_leaves(inner, keys, leaves),
            leaf => leaves.push((PropertyPath(keys.clone()), leaf.clone())),
        }
        keys.pop();
    }
}

fn insert_absent(object: &mut Map<String, Value>, keys: &[String], value: &Value) {
    match keys {
        [] => {}
        [last] => {
            object.entry(last).or_insert_with(|| value.clone());
        }
        [first, rest @ ..] => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert_absent(inner, rest, value);
            }
        }
    }
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                // Not `remove`, which would reorder what follows.
                target.shift_remove(key);
            }
            Value::Object(inner) => match target.get_mut(key) {
                Some(Value::Object(existing)) => merge(existing, inner),
                _ => {
                    let mut fresh = Map::new();
                    merge(&mut fresh, inner);
                    target.insert(key.clone(), Value::Object(fresh));
                }
            },
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

fn difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, wanted) in to {
        match (from.get(key), wanted) {
            (Some(present), wanted) if present == wanted => {}
            (Some(Value::Object(present)), Value::Object(wanted)) => {
                patch.insert(key.clone(), Value::Object(difference(present, wanted)));
            }
            (_, wanted) => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    patch
}

#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    Refused,
    Remove,
}

/// `depth` counts the objects around this one, the section itself not counted.
fn check_object<'a>(
    object: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    depth: usize,
    nulls: Nulls,
) -> Result<(), LimitFault> {
    for (key, value) in object {
        path.push(key);
        check_key(key).map_err(|limit| fault(path, limit))?;
        check_value(value, path, depth, nulls)?;
        path.pop();
    }
    Ok(())
}

fn check_value<'a>(
    value: &'a Value,
    path: &mut Vec<&'a str>,
    depth: usize,
    nulls: Nulls,
) -> Result<(), LimitFault> {
    match value {
        Value::Object(_) if depth == DEPTH_MAX => Err(fault(path, Limit::Depth)),
        Value::Object(inner) => check_object(inner, path, depth + 1, nulls),
        Value::Array(items) => check_array(items, path, depth),
        leaf => check_leaf(leaf, nulls).map_err(|limit| fault(path, limit)),
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
        check_value(item, path, depth, Nulls::Refused)?;
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

fn check_leaf(value: &Value, nulls: Nulls) -> Result<(), Limit> {
    match value {
        Value::Null if nulls == Nulls::Refused => Err(Limit::Null),
        Value::String(text) if text.len() > STRING_BYTES_MAX => Err(Limit::StringLength),
        Value::Number(number) if number.is_u64() || number.is_i64() => {
            let within = number.as_i64().is_some_and(|n| (INTEGER_MIN..=INTEGER_MAX).contains(&n));
            if within { Ok(()) } else { Err(Limit::IntegerRange) }
        }
        _ => Ok(()),
    }
}

fn size(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| text_size(key) + value_size(value)).sum()
}

fn bytes(object: &Map<String, Value>) -> usize {
    serde_json::to_string(object).map_or(usize::MAX, |text| text.len())
}

fn value_size(value: &Value) -> usize {
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

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
