use super::*;
use crate::twin::{Limit, TwinRecord};
use proptest::prelude::*;
use serde_json::json;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

fn section(value: Value) -> Section {
    Section::from_object(object(value)).unwrap()
}

fn patch(value: Value) -> Patch {
    Patch::from_object(object(value))
}

/// What twind may not write.
fn refusal(value: Value) -> (String, Limit) {
    let fault = Section::within_limits(object(value)).unwrap_err();
    (fault.property, fault.limit)
}

#[test]
fn a_patch_merges_objects_removes_by_null_and_replaces_the_rest() {
    let mut twin =
        section(json!({"fanOn": true, "components": {"wifi": {"channel": 6}, "climate": {"max": 1}}}));
    twin.apply(&patch(json!({"fanOn": null, "components": {"wifi": null, "climate": {"min": [1, 2]}}})));
    assert_eq!(twin, section(json!({"components": {"climate": {"max": 1, "min": [1, 2]}}})));
}

#[test]
fn removing_keeps_the_order_of_the_other_keys() {
    let mut twin = section(json!({"a": 1, "b": 2, "c": 3, "d": 4}));
    twin.apply(&patch(json!({"b": null})));
    assert_eq!(twin.as_object().keys().collect::<Vec<_>>(), ["a", "c", "d"]);
}

#[test]
fn a_null_below_a_new_object_leaves_no_trace() {
    let mut twin = Section::default();
    twin.apply(&patch(json!({"a": {"b": null}})));
    assert_eq!(twin, section(json!({"a": {}})));
}

#[test]
fn a_value_is_found_by_its_path() {
    let twin = section(json!({"components": {"climate": {"minTemperature": "68"}}}));
    let path = PropertyPath::parse("components.climate").unwrap();
    assert_eq!(twin.get(&path.child("minTemperature")), Some(&json!("68")));
    assert_eq!(twin.get(&path.child("other")), None);
    assert_eq!(twin.get(&PropertyPath::parse("components.climate.minTemperature.deeper").unwrap()), None);
    assert_eq!(PropertyPath::parse("a..b"), None);
    assert_eq!(PropertyPath::parse("a b"), None);
}

#[test]
fn each_limit_of_the_hub_is_refused_with_the_property_named() {
    let at = |name: &str, limit| (name.to_owned(), limit);
    assert_eq!(refusal(json!({"a": {"b.c": 1}})), at("a.b.c", Limit::KeyCharacter));
    for key in ["a b", "a$", "a#", "a\u{7}", "a\u{85}"] {
        assert_eq!(refusal(json!({ key: 1 })), at(key, Limit::KeyCharacter));
    }
    assert_eq!(refusal(json!({ "k".repeat(1025): 1 })).1, Limit::KeyLength);
    assert_eq!(refusal(json!({"a": "x".repeat(4097)})), at("a", Limit::StringLength));
    assert_eq!(refusal(json!({"a": 4_503_599_627_370_496_i64})), at("a", Limit::IntegerRange));
    assert_eq!(refusal(json!({"a": -4_503_599_627_370_497_i64})), at("a", Limit::IntegerRange));
    assert_eq!(refusal(json!({"a": [1, null]})), at("a", Limit::NullInArray));
    assert_eq!(refusal(json!({"a": [{"b": null}]})), at("a.[].b", Limit::Null));
    assert_eq!(refusal(json!({"a": null})), at("a", Limit::Null));
}

fn written(value: Value) -> Section {
    Section::within_limits(object(value)).unwrap()
}

#[test]
fn what_exceeds_the_limits_is_carried_if_another_wrote_it() {
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "k": inner }));
    let odd = json!({
        "build#": 1, "a.b": {"$c d": "x".repeat(5000)}, "k".repeat(2000): 1, "n": 1_u64 << 60, "list": [null, {"n": null}],
        "deep": deep,
    });
    let twin = section(odd.clone());
    assert_eq!(Value::Object(twin.as_object().clone()), odd);
    let mut copy = Section::default();
    copy.apply(&Section::default().diff_to(&twin));
    assert_eq!(copy, twin);
    let removal = twin.diff_to(&Section::default());
    copy.apply(&removal);
    assert!(copy.is_empty() && removal.as_object().values().all(Value::is_null));
    assert_eq!(Patch::from_leaves(removal.leaves()), removal, "each can be asked for alone");
}

#[test]
fn a_null_in_a_section_is_an_absent_property() {
    let twin = section(json!({"a": null, "b": {"c": null, "d": 1}}));
    assert_eq!(Value::Object(twin.as_object().clone()), json!({"b": {"d": 1}}));
}

#[test]
fn nothing_is_merged_into_raw_text() {
    let deep = |leaf: &str| format!("{{\"a\":{}{leaf}{}}}", "{\"k\":".repeat(70), "}".repeat(70));
    let read = |text: String| json::read(text.as_bytes(), 0).unwrap();
    let twin = Section::from_object(read(deep("1"))).unwrap();
    assert!(!twin.takes(&Patch::from_object(read(deep("2")))));
    assert!(!Section::default().takes(&Patch::from_object(read(deep("null")))));
    assert!(twin.takes(&patch(json!({"a": null, "b": {"c": 1}}))));
}

#[test]
fn what_is_just_within_the_limits_is_accepted() {
    written(
        json!({"k".repeat(1024): "x".repeat(4096), "n": 4_503_599_627_370_495_i64, "m": -4_503_599_627_370_496_i64}),
    );
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "k": inner }));
    // The outermost object is the section itself; ten more may follow.
    written(nested(11));
    assert_eq!(refusal(nested(12)).1, Limit::Depth);
    written(json!({ "": (0..20).fold(json!(1), |inner, _| json!([inner])) }));
    assert_eq!(
        refusal(json!({ "a": [{ "b": nested(10) }] })),
        ("a.[].b.k.k.k.k.k.k.k.k.k".to_owned(), Limit::Depth)
    );
}

#[test]
fn a_section_holds_at_most_32_kib_by_the_hubs_measure() {
    let fields = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("k{n:03}"), json!("x".repeat(1020)))).collect()
    };
    assert_eq!(Section::within_limits(fields(32)).unwrap().size(), 32 * 1024);
    assert_eq!(Section::within_limits(fields(33)).unwrap_err().limit, Limit::SectionSize);
    let of_two_bytes: Map<_, _> = (0..32).map(|n| (format!("k{n:03}"), json!("é".repeat(1020)))).collect();
    assert_eq!(Section::within_limits(of_two_bytes).unwrap().size(), 32 * 1024);
    assert_eq!(section(json!({"ab": {"c": true, "d": [1.5, "\u{1}xy"]}})).size(), 2 + 1 + 4 + 1 + 8 + 2);
}

#[test]
fn touching_sends_a_value_again_and_leaves_what_the_patch_says() {
    let twin = section(json!({"components": {"climate": {"temperature": 21.0, "unit": "celsius"}}}));
    let path = PropertyPath::parse("components.climate.temperature").unwrap();
    let mut change = patch(json!({"components": {"fan": {"on": true}}}));
    change.touch(&twin, [&path]);
    assert_eq!(change, patch(json!({"components": {"fan": {"on": true}, "climate": {"temperature": 21.0}}})));
    let mut change = patch(json!({"components": {"climate": {"temperature": 5}}}));
    change.touch(&twin, [&path]);
    assert_eq!(change, patch(json!({"components": {"climate": {"temperature": 5}}})));
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        prop::collection::vec(0..3i64, 0..3).prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Map<String, Value>> {
    let value = leaf().prop_recursive(4, 24, 4, |inner| {
        prop::collection::vec(("[a-d]", inner), 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    });
    prop::collection::vec(("[a-d]", value), 0..4).prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #[test]
    fn the_difference_leads_from_any_section_to_any_other(a in tree(), b in tree()) {
        let (mut a, b) = (Section(a), Section(b));
        let patch = a.diff_to(&b);
        prop_assert_eq!(patch.is_empty(), a == b);
        a.apply(&patch);
        prop_assert_eq!(a, b);
    }

    #[test]
    fn a_section_made_through_the_limits_stays_free_of_null(a in tree(), b in tree()) {
        let mut a = Section(a);
        a.apply(&Section::default().diff_to(&Section(b)));
        prop_assert!(Section::from_object(a.0).is_ok());
    }
}

#[test]
fn a_written_section_has_a_bound_in_bytes_however_little_the_hub_counts() {
    // Only the key counts.
    let empties = |count: usize| json!({ "a": vec![json!([]); count] }).as_object().unwrap().clone();
    assert_eq!(Section::within_limits(empties(80_000)).unwrap().size(), 1);
    let refused = Section::within_limits(empties(90_000)).err().map(|fault| fault.limit);
    assert_eq!(refused, Some(Limit::WrittenBytes));
}

#[test]
fn a_section_has_a_ceiling_so_that_a_record_of_three_can_be_stored() {
    let texts = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("k{n:04}"), json!("x".repeat(1000)))).collect()
    };
    let full = Section::from_object(texts(1030)).unwrap();
    assert_eq!(Section::from_object(texts(1100)).unwrap_err().limit, Limit::Ceiling);
    let many: Map<String, Value> = (0..51_000).map(|n| (n.to_string(), json!(0))).collect();
    assert_eq!(Section::from_object(many).unwrap_err().limit, Limit::Ceiling);
    let record =
        TwinRecord { desired: full.clone(), accepted: full.clone(), reported: full, ..TwinRecord::default() };
    assert!(record.encode().len() < 4 * 1024 * 1024, "more than can be kept");
}
