//! The file that is installed: `#key = value` stands for a default, `#? key = value` for an example.

use super::{SHIPPED, Site};
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};
use twind::config;

#[test]
fn the_installed_file_is_refused_once_with_all_that_must_be_filled_in() {
    let site = Site::new();
    for text in [SHIPPED, "", "# nothing\n"] {
        let faults = site.parse(text).unwrap_err();
        assert_eq!(faults.faults.len(), 1, "{faults}");
        let told = &faults.faults[0].message;
        let wanted = ["connection-string-file", "one [outputs.NAME]", "[sensors.NAME] and [climate]"];
        assert!(wanted.iter().all(|wanted| told.contains(wanted)), "{told}");
    }
}

#[test]
fn the_installed_file_has_nothing_uncommented() {
    for line in SHIPPED.lines() {
        assert!(line.is_empty() || line.starts_with('#'), "{line}");
    }
}

/// A line of the installed file: `#key = value` is a default, `#? key = value` an example.
enum Shipped<'t> {
    Default(&'t str),
    Example(&'t str),
}

fn shipped_lines() -> impl Iterator<Item = Shipped<'static>> {
    SHIPPED.lines().filter_map(|line| {
        if let Some(example) = line.strip_prefix("#? ") {
            return Some(Shipped::Example(example));
        }
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).map(Shipped::Default)
    })
}

fn header(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.split_once(']').map(|(name, _)| name)
}

#[test]
fn uncommenting_the_defaults_of_the_installed_file_changes_nothing() {
    let site = Site::new();
    // Keys that have to be filled in, below their header; and the driver, whose default depends on the board.
    let essentials = |header: &str| match header {
        "hub" => "connection-string-file = \"cs\"",
        "board" => "driver = \"simulated\"",
        "outputs.fan" => "pwm = { channel = 0 }",
        "sensors.cabinet" => "driver = \"file\"\npath = \"/run/t\"",
        _ => "",
    };
    let (mut bare, mut full, mut uncommented) = (String::new(), String::new(), 0);
    let mut table = "";
    for line in shipped_lines() {
        let (Shipped::Default(text) | Shipped::Example(text)) = line;
        table = header(text).unwrap_or(table);
        // `[climate]` is the only climate of a site, so the tables of several cannot be combined with it.
        if table.starts_with("climates.") {
            continue;
        }
        match (header(text), &line) {
            (Some("hub.provisioning"), _) => {}
            (Some(name), _) => {
                let lines = format!("[{name}]\n{}\n", essentials(name));
                bare += &lines;
                full += &lines;
            }
            (None, Shipped::Default(text)) if !text.starts_with("driver = \"rppal\"") => {
                full += &format!("{text}\n");
                uncommented += 1;
            }
            _ => {}
        }
    }
    assert!(uncommented > 25, "only {uncommented} defaults were found");
    assert_eq!(site.right(&full), site.right(&bare));
    // Whether this user could make the service's folders is no matter of the file, and `critical` is an example in it.
    let elsewhere = ["[twin] state-dir: ", "[local] ", "[climate] sets no `critical`"];
    let (_, said) = site.check(&full);
    let mut warnings = said.lines().filter(|line| line.starts_with("warning: "));
    assert!(warnings.all(|told| elsewhere.iter().any(|part| told.contains(part))), "{said}");
}

/// The keys in a TOML value, as paths.
fn paths(prefix: &str, table: &DeTable<'_>, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{prefix}.{}", key.get_ref());
        match value.get_ref() {
            // Its keys are chosen by whoever writes the file.
            DeValue::Table(_) if path == "report.deadband" => {}
            DeValue::Table(inner) => paths(&path, inner, into),
            _ => {}
        }
        into.insert(path);
    }
}

#[test]
fn the_installed_file_shows_every_key_and_no_other() {
    let mut shown = BTreeSet::new();
    let mut table = String::new();
    for line in shipped_lines() {
        let (Shipped::Default(text) | Shipped::Example(text)) = line;
        if let Some(name) = header(text) {
            let stars = [
                ("outputs.fan", "outputs.*"),
                ("sensors.cabinet", "sensors.*"),
                ("climates.office", "climates.*"),
            ];
            table = stars.iter().fold(name.to_owned(), |name, (one, any)| name.replace(one, any));
            let parts: Vec<&str> = table.split('.').collect();
            shown.extend(
                (1..=parts.len()).map(|count| parts[..count].join(".")).filter(|path| !path.ends_with('*')),
            );
        } else {
            let parsed = DeTable::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            paths(&table, parsed.get_ref(), &mut shown);
        }
    }
    // A climate with a name has the keys of the only one.
    let of_the_only_one = |path: &String| Some(format!("climates.*.{}", path.strip_prefix("climate.")?));
    let of_each: Vec<String> = shown.iter().filter_map(of_the_only_one).collect();
    shown.extend(of_each);
    let known = config::known_keys();
    let difference: Vec<_> = shown.symmetric_difference(&known).collect();
    assert!(difference.is_empty(), "only in one of the file and the code: {difference:?}");
    assert!(known.contains("outputs.*.when.hub-silent.after") && known.len() > 80, "{known:?}");
}

#[test]
fn the_examples_of_the_installed_file_have_the_right_type() {
    let site = Site::new();
    let mut table = String::new();
    for line in shipped_lines() {
        let (Shipped::Default(text) | Shipped::Example(text)) = line;
        match header(text) {
            Some(name) => name.clone_into(&mut table),
            None => {
                let faults = site.parse(&format!("[{table}]\n{text}\n")).unwrap_err();
                // Other keys and files that it needs are missing, which is a fault, but not one of this line.
                for fault in &faults.faults {
                    let by_itself = ["must be", "unknown key", "TOML"];
                    let told = by_itself.iter().any(|told| fault.message.contains(told));
                    assert!(fault.line != 2 || !told, "{text}: {fault}");
                }
            }
        }
    }
}
