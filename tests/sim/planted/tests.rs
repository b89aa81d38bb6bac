//! Does a planted bug find its place, whatever else changes in the sources? Played with sources of a few lines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bugs;
mod pattern;
mod planting;
mod sources;

use planting::{Bug, plant};
use sources::Sources;
use std::collections::BTreeSet;
use std::path::Path;

const LIB: &str = "mod fan;\n#[cfg(test)]\nmod tests { fn step() {} }\n";
const FAN: &str = "pub struct Fan { speed: u8, pub name: String }
impl Fan {
    pub fn step(&mut self, wanted: u8) -> bool {
        // Slowly.
        if self.speed < wanted && wanted > 3 {
            self.speed += 1;
        }
        self.speed == wanted
    }
}
";
const STARTS: Bug = Bug {
    name: "never-starts",
    says: "the fan does not start",
    item: "Fan::step",
    find: "self.$speed < $wanted",
    plant: "FOUND && !PLANTED",
};

/// The files with `bugs` planted in them, one after the other.
fn planted(files: &[(&str, &str)], bugs: &[Bug]) -> Result<String, String> {
    let read = |file: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == file);
        found.map(|(_, text)| (*text).to_owned())
    };
    let mut sources = Sources::default();
    sources.add_crate("house", Path::new("src/lib.rs"), &read)?;
    Ok(plant(&sources, bugs.iter())?.into_values().collect())
}

/// In a crate of two files, of which `fan` is one.
fn in_fan(fan: &str, bug: Bug) -> Result<String, String> {
    planted(&[("src/lib.rs", LIB), ("src/fan.rs", fan)], &[bug])
}

/// Without spaces, which say nothing.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

fn assert_starts(outcome: Result<String, String>, expected: &str) {
    let text = dense(&outcome.unwrap());
    assert!(text.contains(&dense(expected)), "{text}");
}

const PLANTED: &str = "if ((self.speed < wanted) && !crate::planted::is(\"never-starts\")) && wanted > 3 {";

#[test]
fn a_bug_is_planted_in_its_expression_and_the_rest_stays() {
    assert_starts(in_fan(FAN, STARTS), PLANTED);
    let planted = in_fan(FAN, STARTS).unwrap();
    assert!(
        planted.contains("        // Slowly.\n        if (")
            && planted.ends_with("self.speed == wanted\n    }\n}\n")
    );
}

#[test]
fn a_private_field_may_be_renamed() {
    assert_starts(in_fan(&FAN.replace("speed", "rpm"), STARTS), &PLANTED.replace("speed", "rpm"));
}

#[test]
fn a_function_may_move_to_another_file() {
    let (lib, rest) = ("mod fan;\nmod steps;\n", "pub struct Fan { speed: u8 }");
    let steps = FAN.lines().skip(1).collect::<Vec<_>>().join("\n");
    let files = [("src/lib.rs", lib), ("src/fan.rs", rest), ("src/steps.rs", &steps)];
    assert_starts(planted(&files, &[STARTS]), PLANTED);
    // A module below the first one, and one whose file has a name of its own.
    let (fan, named) = ("mod steps;\n", "#[path = \"x.rs\"]\nmod steps;\n");
    let below = [("src/lib.rs", "mod fan;"), ("src/fan.rs", fan), ("src/fan/steps.rs", &steps)];
    assert_starts(planted(&below, &[STARTS]), PLANTED);
    let folder = [("src/lib.rs", "mod fan;"), ("src/fan/mod.rs", fan), ("src/fan/steps/mod.rs", &steps)];
    assert_starts(planted(&folder, &[STARTS]), PLANTED);
    assert_starts(planted(&[("src/lib.rs", named), ("src/x.rs", &steps)], &[STARTS]), PLANTED);
}

#[test]
fn comments_formatting_and_trailing_commas_make_no_difference() {
    let fan = FAN.replace("self.speed < wanted", "self\n.speed // rpm\n < wanted");
    assert_starts(in_fan(&fan, STARTS), PLANTED);
    let call = |arguments: &str| format!("impl Fan {{ fn step(&self) {{ go({arguments}) }} }}");
    let bug = |find| Bug { find, plant: "stop()", ..STARTS };
    for find in ["go(a, b)", "go( a, b, )", "go($x, ...)", "go(...)"] {
        for arguments in ["a, b", "\n    a,\n    b,\n"] {
            assert_starts(in_fan(&call(arguments), bug(find)), "fn step(&self) { (stop()) }");
        }
    }
}

#[test]
fn a_name_stands_for_the_same_word_everywhere_and_statements_may_be_found_too() {
    let fan = "impl Fan { fn step(&mut self) { self.a = self.b; let x = 1; self.a = self.a; x } }";
    let bug = Bug { find: "self.$field = self.$field;", plant: "if PLANTED { FOUND }", ..STARTS };
    let expected = "let x = 1; if crate::planted::is(\"never-starts\") { self.a = self.a; } x";
    assert_starts(in_fan(fan, bug), expected);
    let bug = Bug { find: "let $x = 1; ... $x", plant: "let $x = 2; $x", ..STARTS };
    assert_starts(in_fan(fan, bug), "self.a = self.b; let x = 2; x }");
    let bug = Bug { find: "Some(_) => 1", plant: "Some(0) if PLANTED => 2, FOUND", ..STARTS };
    let fan = "impl Fan { fn step(x: Option<u8>) -> u8 { match x { Some(_) => 1, None => 0 } } }";
    let expected = "{ Some(0) if crate::planted::is(\"never-starts\") => 2, Some(_) => 1, None => 0 }";
    assert_starts(in_fan(fan, bug), expected);
}

#[test]
fn a_private_field_has_to_be_written_so_that_it_may_be_renamed() {
    let refused = |find, plant| in_fan(FAN, Bug { find, plant, ..STARTS }).unwrap_err();
    let expected = "never-starts: speed is a private field: write $speed, so that it may be renamed";
    assert_eq!(refused("self.speed < wanted", "FOUND"), expected);
    assert_eq!(refused("wanted > 3", "FOUND && self.speed > 1"), expected);
    let unbound = refused("wanted > 3", "FOUND && self.$speed > 1");
    assert_eq!(unbound, "never-starts: `plant` names $speed, which `find` does not");
}

#[test]
fn a_function_that_is_gone_is_told_with_the_nearest_and_with_what_has_its_text() {
    let refused = in_fan(&FAN.replace("fn step", "fn steps"), STARTS).unwrap_err();
    let expected = "never-starts: no function Fan::step; nearest is house::fan::Fan::steps; what it replaces stands in: \
                    house::fan::Fan::steps";
    assert_eq!(refused, expected);
    let refused = in_fan("fn other() {}", STARTS).unwrap_err();
    assert!(
        refused.ends_with("nearest is house::fan::other; what it replaces stands in: nowhere"),
        "{refused}"
    );
}

#[test]
fn a_place_that_is_gone_is_told_with_the_nearest() {
    let refused = in_fan(&FAN.replace("self.speed < wanted", "self.speed < wanted - 1"), STARTS).unwrap_err();
    let expected = "never-starts: `find` does not stand in house::fan::Fan::step, src/fan.rs; nearest there is: \
                    self.speed < wanted - 1";
    assert_eq!(refused, expected);
}

#[test]
fn what_is_not_certain_is_refused() {
    let twice = FAN.replace("wanted > 3", "self.speed < wanted");
    let refused = in_fan(&twice, STARTS).unwrap_err();
    assert_eq!(refused, "never-starts: `find` stands 2 times in house::fan::Fan::step, src/fan.rs");
    let files = [("src/lib.rs", LIB), ("src/fan.rs", FAN)];
    let other = Bug { name: "other", find: "self.$speed < $wanted && ...", ..STARTS };
    let refused = planted(&files, &[STARTS, other]).unwrap_err();
    assert!(refused.contains(" and ") && refused.ends_with(" change the same place"), "{refused}");
}

#[test]
fn of_functions_with_one_name_that_of_the_named_module_is_meant() {
    let files = [
        ("src/lib.rs", "mod a;\nmod b;\n"),
        ("src/a.rs", "fn go() -> u8 { 1 }"),
        ("src/b.rs", "fn go() { 1 }"),
    ];
    let go = |item| planted(&files, &[Bug { item, find: "1", plant: "2", ..STARTS }]);
    assert_eq!(dense(&go("a::go").unwrap()), "fngo()->u8{(2)}");
    assert_eq!(dense(&go("house::b::go").unwrap()), "fngo(){(2)}");
    assert_eq!(
        go("go").unwrap_err(),
        "never-starts: go may be house::a::go or house::b::go: name one of the modules"
    );
    assert!(go("c::go").unwrap_err().starts_with("never-starts: no function c::go; nearest is house::"));
}

#[test]
fn each_bug_of_the_table_has_a_name_of_its_own_and_says_what_an_owner_would() {
    let names: BTreeSet<_> = bugs::all().map(|bug| bug.name).collect();
    assert_eq!(names.len(), bugs::all().count());
    assert!(bugs::all().all(|bug| !bug.says.is_empty()));
}
