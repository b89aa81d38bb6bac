//! JSON merge patch (RFC 7396), written independently of the product's.

use serde_json::{Map, Value};

/// Applies a patch to a document.
pub fn merged(document: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut result = document.clone();
    for (key, change) in patch {
        match change {
            Value::Null => {
                result.shift_remove(key);
            }
            Value::Object(change) => {
                let before = document.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
                result.insert(key.clone(), Value::Object(merged(&before, change)));
            }
            change => {
                result.insert(key.clone(), change.clone());
            }
        }
    }
    result
}
