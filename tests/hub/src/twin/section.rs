//! One section of a twin: its values in the order in which they were written, its version and its time stamps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const LAST_UPDATED: &str = "$lastUpdated";
const LAST_UPDATED_VERSION: &str = "$lastUpdatedVersion";

/// When, and with which version, something was last written.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// UTC, as text.
    pub time: &'a str,
    /// Kept for desired properties only.
    pub version: Option<u64>,
}

impl Stamp<'_> {
    fn write(&self, metadata: &mut Map<String, Value>) {
        metadata.insert(LAST_UPDATED.to_owned(), self.time.into());
        if let Some(version) = self.version {
            metadata.insert(LAST_UPDATED_VERSION.to_owned(), version.into());
        }
    }

    fn node(&self) -> Map<String, Value> {
        let mut node = Map::new();
        self.write(&mut node);
        node
    }
}

/// Desired or reported properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    values: Map<String, Value>,
    metadata: Map<String, Value>,
    version: u64,
}

impl Section {
    /// An empty section at version 1.
    pub fn new(never: &str) -> Self {
        let metadata = Stamp { time: never, version: None }.node();
        Self { values: Map::new(), metadata, version: 1 }
    }

    /// The properties alone.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The section's `$version`.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a device sees: properties and `$version`.
    pub fn device_view(&self) -> Value {
        let mut view = self.values.clone();
        view.insert("$version".to_owned(), self.version.into());
        Value::Object(view)
    }

    /// What the back end sees: properties, `$metadata` and `$version`.
    pub fn service_view(&self) -> Value {
        let mut view = self.values.clone();
        view.insert("$metadata".to_owned(), json!(self.metadata));
        view.insert("$version".to_owned(), self.version.into());
        Value::Object(view)
    }

    /// Applies a JSON merge patch as the next version.
    pub(super) fn merge(&mut self, patch: &Map<String, Value>, time: &str, stamp_version: bool) {
        let stamp = self.next(time, stamp_version);
        merge_values(&mut self.values, patch);
        merge_metadata(&mut self.metadata, patch, stamp);
    }

    /// Replaces all values with `values`, as the next version.
    pub(super) fn replace(&mut self, values: &Map<String, Value>, time: &str, stamp_version: bool) {
        let stamp = self.next(time, stamp_version);
        self.values = Map::new();
        self.metadata = Map::new();
        merge_values(&mut self.values, values);
        merge_metadata(&mut self.metadata, values, stamp);
    }

    fn next<'a>(&mut self, time: &'a str, stamp_version: bool) -> Stamp<'a> {
        self.version += 1;
        Stamp { time, version: stamp_version.then_some(self.version) }
    }
}

/// JSON merge patch: `null` deletes, objects merge, everything else replaces. A key keeps its place.
pub(super) fn merge_values(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) => {
                if let Some(object) = object_at(target, key) {
                    merge_values(object, inner);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

fn merge_metadata(target: &mut Map<String, Value>, patch: &Map<String, Value>, stamp: Stamp<'_>) {
    stamp.write(target);
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) => {
                if let Some(object) = object_at(target, key) {
                    merge_metadata(object, inner, stamp);
                }
            }
            _ => {
                target.insert(key.clone(), Value::Object(stamp.node()));
            }
        }
    }
}

/// The object at `key`, made (instead of any other value) if there is none.
fn object_at<'a>(target: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    if !target.get(key).is_some_and(Value::is_object) {
        target.insert(key.to_owned(), Value::Object(Map::new()));
    }
    target.get_mut(key).and_then(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: Value, patch: Value) -> Value {
        let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else {
            panic!("objects only")
        };
        merge_values(&mut target, &patch);
        Value::Object(target)
    }

    #[test]
    fn merging_follows_the_rules_of_json_merge_patch() {
        for (target, patch, result) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": [1, 2, 3] }), json!({ "a": [9] }), json!({ "a": [9] })),
            (
                json!({ "a": { "b": "c" } }),
                json!({ "a": { "b": "d", "c": null } }),
                json!({ "a": { "b": "d" } }),
            ),
            (json!({ "a": { "b": "c" } }), json!({ "a": [1] }), json!({ "a": [1] })),
            (
                json!({ "a": [1] }),
                json!({ "a": { "b": { "c": null, "d": 1 } } }),
                json!({ "a": { "b": { "d": 1 } } }),
            ),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
            (
                json!({ "a": { "x": 1, "y": 2 } }),
                json!({ "a": { "z": null } }),
                json!({ "a": { "x": 1, "y": 2 } }),
            ),
        ] {
            assert_eq!(merged(target.clone(), patch.clone()), result, "{target} merged with {patch}");
        }
    }

    #[test]
    fn keys_keep_their_order_through_overwriting_and_deleting() {
        let text = merged(json!({ "z": 1, "a": 2, "m": 3, "b": 4 }), json!({ "a": null, "q": 5, "z": 6 }))
            .to_string();
        assert_eq!(text, r#"{"z":6,"m":3,"b":4,"q":5}"#);
    }

    #[test]
    fn metadata_follows_the_values_level_by_level() {
        let mut section = Section::new("never");
        section.merge(json!({ "a": { "b": 1, "c": [1] }, "d": 2 }).as_object().unwrap(), "t2", true);
        section.merge(json!({ "a": { "b": null, "c": 3 } }).as_object().unwrap(), "t3", true);
        let at = |time: &str, version: u64| json!({ "$lastUpdated": time, "$lastUpdatedVersion": version });
        assert_eq!(
            section.service_view(),
            json!({
                "a": { "c": 3 }, "d": 2, "$version": 3,
                "$metadata": {
                    "$lastUpdated": "t3", "$lastUpdatedVersion": 3, "d": at("t2", 2),
                    "a": { "$lastUpdated": "t3", "$lastUpdatedVersion": 3, "c": at("t3", 3) },
                },
            })
        );
        assert_eq!(section.device_view(), json!({ "a": { "c": 3 }, "d": 2, "$version": 3 }));
    }
}
