use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read_one(text: &str) -> Map<String, Value> {
    read(text.as_bytes(), 0).unwrap_or_else(|fault| panic!("{text:.200}: {fault}"))
}

#[track_caller]
fn comes_back(text: &str) -> Map<String, Value> {
    let tree = read_one(text);
    assert_eq!(write(&tree), text);
    assert_eq!(read_one(&write(&tree)), tree);
    tree
}

#[test]
fn a_number_beyond_machine_types_is_written_as_it_was_read() {
    for number in [
        "1180591620717411303424",
        "18446744073709551616",
        "-9223372036854775809",
        "1e400",
        "-1E+400",
        "1e-400",
        "1e99999999999999999999",
        "0.1000000000000000000001",
        "9007199254740993.0",
    ] {
        let tree = comes_back(&format!(r#"{{"n":{number},"after":[{number},1]}}"#));
        assert!(is_raw(&tree["n"]), "{number}");
    }
}

#[test]
fn a_number_within_machine_types_is_a_number_however_it_is_written() {
    let numbers = [
        ("1.0", json!(1.0)),
        ("1.00", json!(1.0)),
        ("1e0", json!(1.0)),
        ("0.1", json!(0.1)),
        ("-0.0", json!(-0.0)),
        ("0e99999999999", json!(0.0)),
        ("18446744073709551615", json!(u64::MAX)),
        ("1152921504606846976", json!(1_u64 << 60)),
        ("10000000000000000000000", json!(1e22)),
        ("1.7976931348623157e308", json!(f64::MAX)),
        ("5e-324", json!(5e-324)),
        ("0.30000000000000004", json!(0.30000000000000004)),
    ];
    for (text, number) in numbers {
        assert_eq!(read_one(&format!(r#"{{"n": {text} }}"#))["n"], number, "{text}");
    }
}

/// 2107797725160003.25 is midway between the two; the tree writes one of them.
#[test]
fn of_two_decimals_of_one_double_each_is_written_as_it_was_read() {
    let trees =
        ["-2107797725160003.2", "-2107797725160003.3"].map(|text| comes_back(&format!(r#"{{"n":{text}}}"#)));
    assert_eq!(trees.iter().filter(|tree| is_raw(&tree["n"])).count(), 1, "{trees:?}");
}

#[test]
fn a_raw_number_still_has_its_value_for_whoever_asks() {
    assert_eq!(number(&read_one(r#"{"n":20.00000000000000000001}"#)["n"]), Some(20.0));
    assert_eq!(number(&read_one(r#"{"n":1e400}"#)["n"]), None);
    assert_eq!(number(&json!("20")), None, "a text is no number");
    assert_eq!(number(&json!(7)), Some(7.0));
}

#[test]
fn no_document_can_forge_raw_text() {
    for forged in [r#""\u0000r1e400""#, r#""\u0000s""#, r#""\u0000""#, r#""\u0000r[""#, r#""\u0000\u0000r7""#]
    {
        let tree = comes_back(&format!(r#"{{"a":{forged},"b":[{forged}],{forged}:1}}"#));
        assert!(!is_raw(&tree["a"]), "{forged}");
    }
    // A string of our own that looks like raw text does not break what is written either.
    assert_eq!(write(&json!({"a": "\0r["})), r#"{"a":"\u0000r["}"#);
}

#[test]
fn a_lone_surrogate_survives_as_a_value_and_as_a_key() {
    comes_back(r#"{"a":"x\ud83d","b\udc00":["\udc00\ud83d"]}"#);
    assert_eq!(read_one(r#"{"a":"\ud83d\ude00\\ud83d"}"#)["a"], json!("😀\\ud83d"));
}

#[test]
fn nesting_of_any_depth_is_preserved_and_never_recursed_into() {
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        for levels in [11, 63, 64, 65, 127, 128, 100_000] {
            comes_back(&format!("{{\"a\":{}7{},\"b\":1}}", open.repeat(levels), close.repeat(levels)));
        }
    }
}

#[test]
fn a_long_array_of_small_values_is_held_as_raw_text() {
    let row = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    assert!(comes_back(&format!("{{\"a\":{}}}", row(1000)))["a"].is_array());
    assert!(is_raw(&comes_back(&format!("{{\"a\":{}}}", row(2000)))["a"]));
    let spaced = row(2000).replace(',', " ,\n\t");
    assert_eq!(read_one(&format!("{{\"a\":{spaced}}}")), read_one(&format!("{{\"a\":{}}}", row(2000))));
}

#[test]
fn an_object_beyond_the_ceiling_is_held_as_raw_text_and_its_neighbours_as_they_are() {
    let many = |count: usize| {
        let fields: Vec<String> = (0..count).map(|n| format!("\"k{n}\":0")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let tree = comes_back(&format!("{{\"big\":{},\"fanOn\":false,\"small\":{{\"a\":1}}}}", many(25_000)));
    assert!(is_raw_object(&tree["big"]));
    assert_eq!((&tree["fanOn"], &tree["small"]), (&json!(false), &json!({"a": 1})));
    assert_eq!(read(many(50_000).as_bytes(), 0), Err(ReadFault::TooMany));
}

#[test]
fn what_surrounds_the_sections_is_no_part_of_them_and_is_bounded_too() {
    let rows =
        format!("{{\"changes\":[{}],\"desired\":{{\"a\":1}}}}", vec!["{\"a\":1,\"b\":2}"; 1000].join(","));
    let tree = read(rows.as_bytes(), 2).unwrap();
    assert_eq!(tree["changes"].as_array().map(Vec::len), Some(1000));
    let keys: Vec<String> = (0..40_000).map(|n| format!("\"k{n}\":0")).collect();
    let beside = format!("{{{},\"desired\":{{}}}}", keys.join(","));
    assert_eq!(read(beside.as_bytes(), 1), Err(ReadFault::TooMany));
    let sections: Vec<String> =
        (0..100).map(|n| format!("\"s{n}\":{{{}}}", keys[..1000].join(","))).collect();
    assert_eq!(read(format!("{{{}}}", sections.join(",")).as_bytes(), 1), Err(ReadFault::TooMany));
}

#[test]
fn the_largest_section_that_the_hub_accepts_is_read_completely() {
    let keys: Vec<String> = (0..10_900).map(|n| format!("\"{n}\":\"\"")).collect();
    assert_eq!(read_one(&format!("{{{}}}", keys.join(","))).len(), 10_900);
}

#[test]
fn a_section_is_read_the_same_wherever_it_is() {
    let deep = format!("{{\"a\":{}7{}}}", "{\"k\":".repeat(70), "}".repeat(70));
    let alone = read_one(&deep);
    let inside = read(format!("{{\"desired\":{deep}}}").as_bytes(), 1).unwrap();
    assert_eq!(inside["desired"], Value::Object(alone));
}

#[test]
fn invalid_json_is_refused_even_if_the_invalid_part_would_be_raw_text() {
    for text in [
        r#"{"a":1e400"#,
        r#"{"a":1e400}x"#,
        r#"{1e400:1}"#,
        r#"{"a":1e400 1e400}"#,
        r#"{"a":01e400}"#,
        r#"{"a":1e}"#,
        r#"{"a":-}"#,
        r#"{"a":"\ud800}"#,
        r#"{"a":"\ud800" "b"}"#,
        r#"[1e400]"#,
        "{\"a\":\"\u{1}\\ud800\"}",
    ] {
        assert!(matches!(read(text.as_bytes(), 0), Err(ReadFault::Json(_))), "{text}");
    }
    let unclosed = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(matches!(read(unclosed.as_bytes(), 0), Err(ReadFault::Json(_))));
    assert!(read(b"{\"a\":1e400,\"b\":\"\xff\"}", 0).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_comes_back(bytes in "[\\[\\]{}\",:0-9eE.+-ud8\\\\ ]{0,60}") {
        let whole = format!("{{\"a\":{bytes}}}");
        let strict = serde_json::from_str::<IgnoredAny>(&whole).is_ok();
        match read(whole.as_bytes(), 0) {
            Ok(tree) => {
                prop_assert!(strict, "{}", whole);
                prop_assert_eq!(read(write(&tree).as_bytes(), 0), Ok(tree));
            }
            Err(_) => prop_assert!(!strict, "{}", whole),
        }
    }

    #[test]
    fn a_double_is_always_a_number(number in any::<f64>().prop_filter("JSON has no other", |n| n.is_finite())) {
        let text = format!("{{\"n\":{}}}", json!(number));
        prop_assert_eq!(&read_one(&text)["n"], &json!(number));
    }
}
