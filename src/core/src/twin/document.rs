//! Twin documents as values: a [`Section`] is a document without nulls, a [`Patch`] changes one, and a `null` in it removes.
//! The invariant that everything relies on: `a.apply(&a.diff_to(&b))` makes `a` equal to `b`.
//!
//! What the back end wrote is carried unchanged ([`Section::from_object`], [`Patch::from_object`]). The hub enforces its own
//! rules, which differ between its kinds, and refusing a value that the hub holds would block every later change. Only
//! memory has a ceiling. What twind itself writes stays within the hub's limits ([`Section::within_limits`]), so that the
//! hub accepts it. Key order is preserved. `$version` and `$metadata` are removed by the codec.

use super::json;
use super::limits::{self, LimitFault};
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A property path is shown up to this many characters: enough to find it.
const SHOWN_CHARS_MAX: usize = 120;

/// The version of a section, which the hub counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PropertyPath(Vec<String>);

impl PropertyPath {
    /// Parses `components.climate`; `None` if a key is empty or one that twind could not write.
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
        keys.iter().all(|key| !key.is_empty() && limits::is_writable_key(key)).then_some(Self(keys))
    }

    /// A property at the top of a section, whatever its name.
    pub fn top(key: &str) -> Self {
        Self(vec![key.to_owned()])
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

    /// For a log: foreign keys are cut, and invisible characters are escaped.
    pub fn shown(&self) -> String {
        let cut: String = self.to_string().chars().take(SHOWN_CHARS_MAX).collect();
        text::escape(&cut).into_owned()
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

/// A section of a twin. It holds no null outside arrays, and an array is one value.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Section(#[serde(with = "json::as_text")] Map<String, Value>);

impl Section {
    /// Takes an object as a section, whoever wrote it. A property that is null counts as absent.
    ///
    /// # Errors
    /// It is larger than twind's own ceiling.
    pub fn from_object(mut object: Map<String, Value>) -> Result<Self, LimitFault> {
        drop_nulls(&mut object);
        let section = Self(object);
        section.check_ceiling()?;
        Ok(section)
    }

    /// Takes an object as a section that twind writes.
    ///
    /// # Errors
    /// The first property that breaks a limit of the hub; a null does.
    pub fn within_limits(object: Map<String, Value>) -> Result<Self, LimitFault> {
        limits::check_written(&object)?;
        Ok(Self(object))
    }

    /// Checks twind's own ceiling: changes may have made the section larger than it was when it was read.
    ///
    /// # Errors
    /// It is larger.
    pub fn check_ceiling(&self) -> Result<(), LimitFault> {
        limits::check_ceiling(&self.0)
    }

    /// Can this patch be applied? Not if it would have to be merged into raw text.
    pub fn takes(&self, patch: &Patch) -> bool {
        takes(&self.0, &patch.0)
    }

    /// The document.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Has it no property?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at a path.
    pub fn get(&self, path: &PropertyPath) -> Option<&Value> {
        let (first, rest) = path.keys().split_first()?;
        rest.iter().try_fold(self.0.get(first)?, |value, key| value.as_object()?.get(key))
    }

    /// Its size as the hub measures it: keys and strings count their characters except control characters, numbers 8,
    /// booleans 4, objects and arrays what they hold.
    pub fn size(&self) -> usize {
        limits::size(&self.0)
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

/// A change of a section: a null removes.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Patch(#[serde(with = "json::as_text")] Map<String, Value>);

impl Patch {
    /// Takes an object as a patch, whoever wrote it.
    pub fn from_object(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Changes nothing?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The change as JSON.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Its leaves: each value or removal with its path. An empty object is a leaf, too.
    pub fn leaves(&self) -> Vec<(PropertyPath, Value)> {
        let mut leaves = Vec::new();
        collect_leaves(&self.0, &mut Vec::new(), &mut leaves);
        leaves
    }

    /// A patch of such leaves.
    #[must_use]
    pub fn from_leaves(leaves: impl IntoIterator<Item = (PropertyPath, Value)>) -> Self {
        let mut patch = Map::new();
        for (path, value) in leaves {
            insert_absent(&mut patch, path.keys(), &value);
        }
        Self(patch)
    }

    /// Adds the present value of each of `paths` that `section` has, so that it is sent again though it did not change. What
    /// the patch already has stays.
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
    // In one pass: removing keys one by one, with the order of the others preserved, is quadratic.
    if patch.iter().any(|(key, change)| change.is_null() && target.contains_key(key)) {
        target.retain(|key, _| !patch.get(key).is_some_and(Value::is_null));
    }
    for (key, change) in patch {
        match change {
            Value::Null => {}
            Value::Object(inner) => match target.get_mut(key) {
                Some(Value::Object(existing)) => merge(existing, inner),
                _ => {
                    // Grown by itself it would keep up to twice the room.
                    let mut fresh = Map::with_capacity(inner.len());
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

fn takes(target: &Map<String, Value>, patch: &Map<String, Value>) -> bool {
    patch.iter().all(|(key, change)| match (change, target.get(key)) {
        (Value::Object(inner), Some(Value::Object(existing))) => takes(existing, inner),
        (Value::Object(inner), present) => {
            !present.is_some_and(json::is_raw_object) && takes(&Map::new(), inner)
        }
        (other, _) => !json::is_raw_object(other),
    })
}

fn drop_nulls(object: &mut Map<String, Value>) {
    object.retain(|_, value| !value.is_null());
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            drop_nulls(inner);
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
