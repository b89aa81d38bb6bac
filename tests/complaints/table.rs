//! The list in `main.rs` and the numbered tests must agree: each test is in the list, and each one in the list exists.

use std::collections::BTreeSet;

const LIST: &str = include_str!("main.rs");
/// The numbers of the complaints in the list.
const NUMBERS: core::ops::RangeInclusive<usize> = 1..=29;
/// The sources of the tests, by the names that the list uses.
const SOURCES: &[(&str, &str)] = &[
    ("desired", include_str!("desired.rs")),
    ("reports", include_str!("reports.rs")),
    ("offline", include_str!("offline.rs")),
    ("daemon/outage", include_str!("../daemon/outage.rs")),
    ("session/clock", include_str!("../session/clock.rs")),
    ("session/complaints", include_str!("../session/complaints.rs")),
    ("session/end", include_str!("../session/end.rs")),
    ("session/exchange", include_str!("../session/exchange.rs")),
    ("session/start", include_str!("../session/start.rs")),
];

/// One complaint: its number, its text in the list, and the tests that answer it.
struct Row<'a> {
    number: usize,
    words: String,
    tests: Vec<&'a str>,
}

fn rows() -> Vec<Row<'static>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for line in LIST.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim) {
        let numbered = line.split_once(". ").and_then(|(number, words)| Some((number.parse().ok()?, words)));
        let test = line.strip_prefix("- `").and_then(|line| line.strip_suffix('`'));
        match (numbered, test, rows.last_mut()) {
            (Some((number, words)), _, _) => {
                rows.push(Row { number, words: words.into(), tests: Vec::new() });
            }
            (_, Some(test), Some(row)) => row.tests.push(test),
            _ => {}
        }
    }
    rows
}

/// The tests of a source that are named after a complaint, by the list's names.
fn numbered_tests(place: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let name = |pair: &[&str]| {
        let is_test = matches!(pair[0], "#[test]" | "#[tokio::test]");
        let function = pair[1].trim_start_matches("async ").strip_prefix("fn ")?;
        let name = function.split('(').next()?;
        let is_numbered = name.starts_with('c') && name[1..].starts_with(|c: char| c.is_ascii_digit());
        (is_test && is_numbered).then(|| format!("{place}::{name}"))
    };
    lines.windows(2).filter_map(name).collect()
}

#[test]
fn each_complaint_has_its_row_with_its_sources_and_a_test() {
    let rows = rows();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), NUMBERS.collect::<Vec<_>>());
    for Row { number, words, tests } in &rows {
        let source = words.split(':').next().unwrap();
        assert!(source.contains('/') && source.contains('#'), "{number} does not say where it was reported");
        assert!(!tests.is_empty(), "nothing answers {number}");
        let prefix = format!("::c{number:02}_");
        assert!(tests.iter().all(|test| test.contains(&prefix)), "{number}: {tests:?}");
    }
}

#[test]
fn each_test_of_the_list_exists_and_each_numbered_test_is_in_it() {
    let named: Vec<String> =
        rows().iter().flat_map(|row| &row.tests).map(|test| (*test).to_owned()).collect();
    let there: Vec<String> = SOURCES.iter().flat_map(|(place, text)| numbered_tests(place, text)).collect();
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&named).len(), named.len(), "a test is named twice");
    assert_eq!(set(&named), set(&there));
    assert!(there.len() >= 40, "the sources could not be read: {there:?}");
}
