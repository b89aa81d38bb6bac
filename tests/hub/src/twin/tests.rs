#![expect(clippy::needless_pass_by_value, reason = "json! values read better unborrowed")]

use super::*;
use serde_json::{Value, json};

fn desired(patch: Value) -> Value {
    json!({ "properties": { "desired": patch } })
}

fn with_desired(patch: Value) -> Twin {
    let mut twin = Twin::new("never");
    twin.update(&desired(patch), Rules::default(), "t").unwrap();
    twin
}

fn told(change: Change) -> Option<String> {
    change.notification.map(|notification| notification.body.to_string())
}

#[test]
fn a_fresh_twin_has_the_documented_versions() {
    let twin = Twin::new("0001-01-01T00:00:00Z");
    assert_eq!((twin.etag(), twin.version()), (1, 2));
    let view = json!({ "desired": { "$version": 1 }, "reported": { "$version": 1 } });
    assert_eq!(twin.device_view(), view);
    let metadata = json!({ "$metadata": { "$lastUpdated": "0001-01-01T00:00:00Z" }, "$version": 1 });
    assert_eq!(twin.desired().service_view(), metadata);
}

#[test]
fn a_patch_is_told_exactly_as_it_was_sent_with_the_version_last() {
    let mut twin = with_desired(json!({ "components": { "wifi": { "channel": "6" } } }));
    let patch = json!({ "patchId": "Init", "fanOn": "false", "components": { "wifi": null }, "gone": null });
    let change = twin.update(&desired(patch), Rules::default(), "t").unwrap();
    let text = r#"{"patchId":"Init","fanOn":"false","components":{"wifi":null},"gone":null,"$version":3}"#;
    assert_eq!(told(change).unwrap(), text);
    let values = r#"{"components":{},"patchId":"Init","fanOn":"false","$version":3}"#;
    assert_eq!(twin.desired().device_view().to_string(), values);
}

#[test]
fn writing_an_equal_value_still_moves_the_version_and_is_told() {
    let mut twin = with_desired(json!({ "a": 1 }));
    let change = twin.update(&desired(json!({ "a": 1 })), Rules::default(), "t").unwrap();
    assert_eq!((change.desired_version, told(change).unwrap()), (3, r#"{"a":1,"$version":3}"#.to_owned()));
}

#[test]
fn a_replacement_is_told_in_full_with_nulls_for_what_is_gone_at_every_level() {
    let mut twin = with_desired(json!({ "a": 1, "b": { "x": 1, "y": 2 }, "c": [1] }));
    let new = json!({ "properties": { "desired": { "b": { "y": 3, "z": 4 }, "d": true } } });
    let change = twin.replace(&new, Rules::default(), "t").unwrap();
    let body = change.notification.unwrap().body;
    let expected =
        json!({ "b": { "y": 3, "z": 4, "x": null }, "d": true, "a": null, "c": null, "$version": 3 });
    assert_eq!(body, expected);
    let values = json!({ "b": { "y": 3, "z": 4 }, "d": true, "$version": 3 });
    assert_eq!(twin.desired().device_view(), values);
}

#[test]
fn a_replacement_without_tags_or_desired_empties_them() {
    let mut twin = with_desired(json!({ "a": 1 }));
    twin.update(&json!({ "tags": { "site": "x" } }), Rules::default(), "t").unwrap();
    twin.replace(&json!({}), Rules::default(), "t").unwrap();
    assert!(twin.tags().is_empty() && twin.desired().values().is_empty());
}

#[test]
fn a_reset_is_told_in_the_shape_that_is_switched_on() {
    for (notice, fresh, populated) in [
        (ResetNotice::NullsForKeys, Some(r#"{"$version":2}"#), Some(r#"{"b":null,"a":null,"$version":3}"#)),
        (ResetNotice::VersionOnly, Some(r#"{"$version":2}"#), Some(r#"{"$version":3}"#)),
        (ResetNotice::Silent, None, None),
    ] {
        let rules = Rules { reset_notice: notice, ..Rules::default() };
        let change = Twin::new("never").update(&desired(Value::Null), rules, "t").unwrap();
        assert_eq!(told(change).as_deref(), fresh, "{notice:?}");
        let mut twin = with_desired(json!({ "b": { "x": 1 }, "a": 1 }));
        let change = twin.update(&desired(Value::Null), rules, "t").unwrap();
        assert_eq!(told(change).as_deref(), populated, "{notice:?}");
        assert_eq!(twin.desired().device_view(), json!({ "$version": 3 }));
    }
}

#[test]
fn tags_and_desired_move_the_etag_and_reports_do_not_unless_switched_on() {
    let mut twin = Twin::new("never");
    twin.update(&json!({ "tags": { "a": 1 } }), Rules::default(), "t").unwrap();
    assert_eq!((twin.etag(), twin.version(), twin.desired().version()), (2, 3, 1));
    twin.update(&desired(json!({ "a": 1 })), Rules::default(), "t").unwrap();
    assert_eq!((twin.etag(), twin.version(), twin.desired().version()), (3, 4, 2));
    twin.report(&json!({ "a": 1 }), None, Rules::default(), "t").unwrap();
    assert_eq!((twin.etag(), twin.version(), twin.reported().version()), (3, 4, 2));
    let moving = Rules { reported_moves_etag: true, ..Rules::default() };
    twin.report(&json!({ "a": 1 }), None, moving, "t").unwrap();
    assert_eq!((twin.etag(), twin.version(), twin.reported().version()), (4, 5, 3));
}

#[test]
fn tags_alone_are_told_only_if_switched_on() {
    let body = json!({ "tags": { "a": 1 } });
    let mut twin = Twin::new("never");
    assert_eq!(told(twin.update(&body, Rules::default(), "t").unwrap()), None);
    let telling = Rules { tags_notify: true, ..Rules::default() };
    assert_eq!(told(twin.update(&body, telling, "t").unwrap()).as_deref(), Some(r#"{"$version":2}"#));
    assert_eq!(twin.desired().version(), 2);
}

#[test]
fn a_whole_twin_sent_back_is_taken_without_what_the_hub_had_added() {
    let mut twin = with_desired(json!({ "a": 1 }));
    let mut whole = twin.desired().service_view();
    whole["b"] = json!(2);
    twin.update(&desired(whole.clone()), Rules::default(), "t").unwrap();
    assert_eq!(twin.desired().device_view(), json!({ "a": 1, "b": 2, "$version": 3 }));
    let checking = Rules { check_desired_version: true, ..Rules::default() };
    let error = twin.update(&desired(whole), checking, "t").unwrap_err();
    assert_eq!(error, TwinError::VersionMismatch { given: 2, current: 3 });
}

#[test]
fn a_report_with_a_stale_base_version_is_refused_and_changes_nothing() {
    let mut twin = Twin::new("never");
    assert_eq!(twin.report(&json!({ "a": 1 }), Some(1), Rules::default(), "t"), Ok(2));
    let error = twin.report(&json!({ "a": 2 }), Some(1), Rules::default(), "t").unwrap_err();
    assert_eq!(error, TwinError::VersionMismatch { given: 1, current: 2 });
    assert_eq!(twin.reported().device_view(), json!({ "a": 1, "$version": 2 }));
}

#[test]
fn a_report_may_not_carry_a_version_in_its_body() {
    let error =
        Twin::new("never").report(&json!({ "$version": 1 }), None, Rules::default(), "t").unwrap_err();
    assert_eq!(error.to_string(), "property reported.$version: a key may not hold '$'");
    for body in [json!([]), json!(null), json!("text")] {
        let error = Twin::new("never").report(&body, None, Rules::default(), "t").unwrap_err();
        assert_eq!(error, TwinError::NotAnObject { what: "reported".to_owned() });
    }
}

/// A section with a counted size of exactly `size` bytes.
fn sized(size: usize) -> Value {
    let mut values = serde_json::Map::new();
    let (chunks, rest) = (size / 1024, size % 1024);
    for chunk in 0..chunks {
        values.insert(format!("{chunk:04}"), json!("x".repeat(1020)));
    }
    if rest > 0 {
        values.insert("rest".to_owned(), json!("x".repeat(rest - 4)));
    }
    Value::Object(values)
}

#[test]
fn sections_take_their_full_size_and_not_a_byte_more() {
    let mut twin = Twin::new("never");
    twin.report(&sized(32 * 1024), None, Rules::default(), "t").unwrap();
    twin.update(&desired(sized(32 * 1024)), Rules::default(), "t").unwrap();
    twin.update(&json!({ "tags": sized(8 * 1024) }), Rules::default(), "t").unwrap();
    let before = twin.clone();
    let more = json!({ "m": "" });
    for (error, section, limit) in [
        (twin.report(&more, None, Rules::default(), "t").unwrap_err(), "reported", 32_768),
        (twin.update(&desired(more.clone()), Rules::default(), "t").unwrap_err(), "desired", 32_768),
        (twin.update(&json!({ "tags": more }), Rules::default(), "t").unwrap_err(), "tags", 8_192),
    ] {
        assert_eq!(error, TwinError::SectionTooLarge { section, size: limit + 1, limit });
    }
    assert_eq!(twin, before);
}

#[test]
fn raised_limits_let_in_what_the_documented_ones_refuse() {
    let odd = json!({ "build#": 1, "n": 1_u64 << 60, "list": [null], "note": "x".repeat(50_000) });
    let raised = Rules { raised_limits: true, ..Rules::default() };
    let mut twin = Twin::new("never");
    assert!(twin.update(&desired(odd.clone()), Rules::default(), "t").is_err());
    assert!(twin.report(&odd, None, Rules::default(), "t").is_err());
    twin.update(&desired(odd.clone()), raised, "t").unwrap();
    twin.report(&odd, None, raised, "t").unwrap();
    assert_eq!(Value::Object(twin.reported().values().clone()), odd);
}

#[test]
fn a_refused_half_of_an_update_leaves_the_other_half_undone() {
    let mut twin = with_desired(json!({ "a": 1 }));
    let before = twin.clone();
    let body = json!({ "tags": { "ok": 1 }, "properties": { "desired": { "bad key": 1 } } });
    let error = twin.update(&body, Rules::default(), "t").unwrap_err();
    assert_eq!(error.to_string(), "property desired.bad key: a key may not hold ' '");
    assert_eq!(twin, before);
}

#[test]
fn a_twin_survives_being_kept_as_json() {
    let mut twin = with_desired(json!({ "z": 1, "a": { "k": [1, { "x": 2 }] } }));
    twin.report(&json!({ "r": 1.5 }), None, Rules::default(), "t").unwrap();
    let text = serde_json::to_string(&twin).unwrap();
    assert_eq!(serde_json::from_str::<Twin>(&text).unwrap(), twin);
}
