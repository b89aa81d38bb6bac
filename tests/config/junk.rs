//! Other files in place of the configuration: the first faults are shown, the rest is counted, and the work is bounded.

use super::{SITE, Site, with};
use twind::cli::check::Outcome;
use twind::config::ConfigFaults;

const TOLD: usize = 20;
/// The size of each file.
const BYTES: usize = 1024 * 1024;
/// The most that is printed.
const PRINTED_MAX: usize = 12 * 1024;

fn filled(line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() > BYTES {
            break;
        }
        text += &line;
    }
    text
}

fn told(site: &Site, text: &str, what: &str) -> ConfigFaults {
    let faults = site.parse(text).unwrap_err();
    let printed = faults.to_string();
    assert_eq!(faults.faults.len(), TOLD, "{what}: {printed}");
    assert!(printed.len() < PRINTED_MAX, "{what}: {} bytes", printed.len());
    let last = format!("twind.toml: and at least {} more faults; fix these first", faults.more);
    assert!(printed.ends_with(&last), "{what}: {printed}");
    faults
}

#[test]
fn a_mebibyte_of_junk_is_told_in_twenty_faults_and_a_count() {
    let site = Site::new();
    for (what, text) in [
        ("a table", filled(|number| format!("{number},21.5,23.4,ok\n"))),
        ("words", filled(|_| "lorem ipsum dolor\n".to_owned())),
        ("one key again and again", filled(|_| "a=1\n".to_owned())),
        ("one header again and again", filled(|_| "[hub]\nport = 1\n".to_owned())),
        ("values without quotes", filled(|number| format!("k{number} = x [1] {{ y }}\n"))),
        ("brackets that are closed", filled(|number| format!("k{number} = [1] [2]\n"))),
        ("HTML", filled(|number| format!("<p class=\"x\">{number} &amp; “more”</p>\n"))),
    ] {
        let faults = told(&site, &text, what);
        assert!(faults.more > 500, "{what}: {}", faults.more);
    }
    // These break TOML in one place only.
    for (what, text) in [
        ("open brackets", filled(|_| "[[".to_owned())),
        ("a list that is not closed", format!("a = [{}", filled(|number| format!("{number},")))),
        ("signs", filled(|_| "@:".to_owned())),
    ] {
        let faults = site.parse(&text).unwrap_err();
        assert!(faults.faults.len() <= TOLD && faults.to_string().len() < PRINTED_MAX, "{what}");
    }
}

#[test]
fn what_is_wrong_without_being_no_toml_is_counted_too() {
    let site = Site::new();
    let unknown = with(SITE, "hub", &(0..5000).map(|number| format!("k{number} = 1\n")).collect::<String>());
    assert_eq!(told(&site, &unknown, "unknown keys").more, 5000 - TOLD);
    let long = with(SITE, "hub", &format!("key-file = \"{}\"", "x/".repeat(50_000)));
    assert!(site.parse(&long).unwrap_err().to_string().len() < 2 * PRINTED_MAX);
}

#[test]
fn the_first_faults_are_those_of_the_first_lines() {
    let site = Site::new();
    // The last fault that was found is shown first.
    let text = with(
        &format!("zzz = 1\n{SITE}"),
        "hub",
        &(0..40).map(|number| format!("k{number} = 1\n")).collect::<String>(),
    );
    let faults = told(&site, &text, "unknown keys");
    assert_eq!((faults.faults[0].line, faults.more), (1, 41 - TOLD), "{faults}");
    assert_eq!(faults.faults[TOLD - 1].message.split('`').nth(1), Some("k18"), "{faults}");
}

#[test]
fn the_verdict_counts_those_that_are_not_told() {
    let site = Site::new();
    let text = with(SITE, "hub", &(0..30).map(|number| format!("k{number} = 1\n")).collect::<String>());
    let (outcome, said) = site.check(&text);
    assert!(outcome == Outcome::Wrong && said.ends_with("is wrong: at least 30 faults\n"), "{said}");
}

#[test]
fn a_long_file_that_is_right_is_read_whole() {
    let site = Site::new();
    let text = format!("{SITE}{}[report]\nheartbeat = \"7m\"\n", "# a remark\n".repeat(20_000));
    assert_eq!(site.right(&text).engine.report.heartbeat, super::seconds(7 * 60));
    let late = site.fault(&format!("{text}zzz ="));
    assert!(late.contains("a value is missing after the ="), "{late}");
}
