//! The limits of a section: keys, values, depth and size.
//!
//! The range of floating-point numbers is not checked, because parsing loses whether a literal such as `1e20` counts as an
//! integer.

use super::{Problem, TwinError};
use serde_json::{Map, Value};

/// Longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// Largest single value: a string in bytes of UTF-8, an array by its counted size.
pub const MAX_STRING_BYTES: usize = 4096;
/// Nested objects below the section, without the value itself.
pub const MAX_DEPTH: usize = 10;
/// Smallest integer, -2^52.
pub const MIN_INTEGER: i64 = -4_503_599_627_370_496;
/// Largest integer, 2^52 - 1.
pub const MAX_INTEGER: i64 = 4_503_599_627_370_495;
/// Counted size of all tags.
pub const MAX_TAGS_SIZE: usize = 8 * 1024;
/// Counted size of the desired, and of the reported, properties.
pub const MAX_PROPERTIES_SIZE: usize = 32 * 1024;

/// How much of an overlong key an error message repeats.
const SHOWN_KEY_CHARS: usize = 32;

/// Checks keys, values and depth of what is to be merged into `section`, or to replace it.
pub(super) fn check_values(section: &str, values: &Map<String, Value>) -> Result<(), TwinError> {
    check_object(section, values, 0, false)
}

/// Checks the size that a section would have.
pub(super) fn check_size(
    section: &'static str,
    values: &Map<String, Value>,
    limit: usize,
) -> Result<(), TwinError> {
    let size = section_size(values);
    if size > limit { Err(TwinError::SectionTooLarge { section, size, limit }) } else { Ok(()) }
}

fn check_object(
    path: &str,
    object: &Map<String, Value>,
    depth: usize,
    in_array: bool,
) -> Result<(), TwinError> {
    for (key, value) in object {
        let here = format!("{path}.{}", shown(key));
        check_key(key).map_err(|problem| TwinError::Property { path: here.clone(), problem })?;
        check_value(&here, value, depth, in_array)?;
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Problem> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Problem::KeyTooLong(key.len()));
    }
    // The service's storage uses '#' in place of '$'.
    let illegal = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '.' | '$' | '#');
    key.chars().find(illegal).map_or(Ok(()), |c| Err(Problem::KeyCharacter(c)))
}

fn check_value(path: &str, value: &Value, depth: usize, in_array: bool) -> Result<(), TwinError> {
    let broken = |problem| Err(TwinError::Property { path: path.to_owned(), problem });
    match value {
        Value::Null if in_array => broken(Problem::NullInArray),
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(n) => {
            let in_range = n.is_f64() || n.as_i64().is_some_and(|i| (MIN_INTEGER..=MAX_INTEGER).contains(&i));
            if in_range { Ok(()) } else { broken(Problem::IntegerRange) }
        }
        Value::String(s) if s.len() > MAX_STRING_BYTES => broken(Problem::ValueTooLarge(s.len())),
        Value::String(_) => Ok(()),
        Value::Object(_) if depth == MAX_DEPTH => broken(Problem::TooDeep),
        Value::Object(object) => check_object(path, object, depth + 1, in_array),
        Value::Array(items) => {
            let size = value_size(value);
            if size > MAX_STRING_BYTES {
                return broken(Problem::ValueTooLarge(size));
            }
            items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| check_value(&format!("{path}[{index}]"), item, depth, true))
        }
    }
}

/// The counted size of a section: keys plus values, without `$version` and `$metadata`.
pub fn section_size(values: &Map<String, Value>) -> usize {
    values.iter().map(|(key, value)| key.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(s) => s.chars().filter(|c| !c.is_control()).count(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(object) => section_size(object),
    }
}

fn shown(key: &str) -> String {
    if key.len() <= MAX_KEY_BYTES {
        return key.to_owned();
    }
    key.chars().take(SHOWN_KEY_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "json! values read better unborrowed")]

    use super::*;
    use serde_json::json;

    fn check(values: Value) -> Result<(), TwinError> {
        check_values("reported", values.as_object().unwrap())
    }

    fn refused(values: Value) -> (String, Problem) {
        match check(values) {
            Err(TwinError::Property { path, problem }) => (path, problem),
            other => panic!("expected a refused property, got {other:?}"),
        }
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!("leaf"), |inner, _| json!({ "o": inner }))
    }

    #[test]
    fn ten_nested_objects_and_a_value_pass_and_eleven_are_refused_by_path() {
        assert_eq!(check(json!({ "top": nested(10) })), Ok(()));
        let (path, problem) = refused(json!({ "top": nested(11) }));
        assert_eq!(path, format!("reported.top{}", ".o".repeat(10)));
        assert_eq!(problem, Problem::TooDeep);
    }

    #[test]
    fn keys_with_forbidden_characters_are_refused_by_name() {
        for c in ['.', '$', '#', ' ', '\t', '\u{0}', '\u{85}', '\u{2003}'] {
            let key = format!("a{c}b");
            let (path, problem) = refused(json!({ "outer": { key.as_str(): 1 } }));
            assert_eq!((path, problem), (format!("reported.outer.{key}"), Problem::KeyCharacter(c)));
        }
        assert_eq!(check(json!({ "Ünïcode-_:/": 1 })), Ok(()));
    }

    #[test]
    fn a_key_may_have_1024_bytes_and_not_one_more() {
        assert_eq!(check(json!({ "k".repeat(1024): 1 })), Ok(()));
        let (path, problem) = refused(json!({ "k".repeat(1025): 1 }));
        assert!(path.starts_with("reported.kkk") && path.len() < 60, "{path}");
        assert_eq!(problem, Problem::KeyTooLong(1025));
    }

    #[test]
    fn a_string_may_have_4096_bytes_and_not_one_more() {
        assert_eq!(check(json!({ "s": "é".repeat(2048) })), Ok(()));
        let (path, problem) = refused(json!({ "s": format!("{}x", "é".repeat(2048)) }));
        assert_eq!((path.as_str(), problem), ("reported.s", Problem::ValueTooLarge(4097)));
    }

    #[test]
    fn an_array_counts_as_one_value() {
        assert_eq!(check(json!({ "a": vec![1; 512] })), Ok(()));
        assert_eq!(refused(json!({ "a": vec![1; 513] })).1, Problem::ValueTooLarge(4104));
    }

    #[test]
    fn integers_are_bounded_by_two_to_the_52() {
        assert_eq!(check(json!({ "a": MAX_INTEGER, "b": MIN_INTEGER, "c": 1.5e300 })), Ok(()));
        for value in [json!(MAX_INTEGER + 1), json!(MIN_INTEGER - 1), json!(u64::MAX)] {
            assert_eq!(refused(json!({ "n": value })), ("reported.n".to_owned(), Problem::IntegerRange));
        }
    }

    #[test]
    fn null_inside_an_array_is_refused_even_below_an_object() {
        assert_eq!(check(json!({ "a": null, "b": { "c": null } })), Ok(()));
        assert_eq!(refused(json!({ "a": [1, null] })), ("reported.a[1]".to_owned(), Problem::NullInArray));
        assert_eq!(
            refused(json!({ "a": [{ "b": null }] })),
            ("reported.a[0].b".to_owned(), Problem::NullInArray)
        );
    }

    #[test]
    fn size_counts_keys_and_values_as_documented() {
        let values = json!({ "ab": "x\u{1}yz", "n": 1, "t": true, "o": { "k": [1, 2] } });
        // ab+3, n+8, t+4, o+(k+16)
        assert_eq!(section_size(values.as_object().unwrap()), 5 + 9 + 5 + 1 + 17);
    }
}
