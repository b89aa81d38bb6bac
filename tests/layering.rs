//! Who may know whom, read from the sources: the table of the design as a test, and the absences that the map in
//! `src/lib.rs` promises. What clippy can hold (clocks, files, chance) it holds, see `.clippy.toml`; that every core
//! file asks it to is seen to here.

use std::fs;
use std::io;
use std::path::Path;

/// A room and the rooms that it may name, besides itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("text", &[]),
    ("twin", &["units", "text"]),
    ("control", &["units", "text", "twin"]),
    ("report", &["units", "text", "twin", "control"]),
    ("engine", &["units", "text", "twin", "control", "report"]),
    ("hub", &["units", "text", "twin"]),
    ("board", &["units", "text", "control"]),
    ("sensors", &["units", "text", "control"]),
    ("store", &["units", "text", "twin"]),
    ("config", &["units", "text", "twin", "control", "report", "engine", "hub", "board", "sensors", "store"]),
    (
        "service",
        &[
            "units", "text", "twin", "control", "report", "engine", "hub", "board", "sensors", "store",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "units", "text", "twin", "control", "report", "engine", "hub", "board", "sensors", "store",
            "config", "service",
        ],
    ),
];

/// The rooms that are the core.
const CORE: &[&str] = &["units", "text", "twin", "control", "report", "engine"];

/// What stands at the head of every core file.
const DENIED: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";

/// A name that only some files may use.
struct Reserved {
    name: &'static str,
    only: &'static [&'static str],
}

const RESERVED: &[Reserved] = &[
    Reserved { name: "rumqttc", only: &["hub/session.rs"] },
    Reserved { name: "tokio_tungstenite", only: &["hub/websocket.rs"] },
    Reserved { name: "rppal::gpio", only: &["board/rppal.rs"] },
    Reserved { name: "rppal::system", only: &["board/rppal.rs"] },
    Reserved { name: "gpiocdev", only: &["board/gpiochip.rs"] },
    Reserved { name: "clock_gettime", only: &["service/clock.rs"] },
];

/// Files into which JSON does not come.
const WITHOUT_JSON: &[&str] = &["control/climate.rs", "control/outputs.rs"];

/// What is wrong with one source file; `path` is relative to `src`, with `/`.
fn faults(path: &str, text: &str) -> Vec<String> {
    let code = shipped(text);
    let mut faults = Vec::new();
    if let Some(room) = room_of(path) {
        match MAY_IMPORT.iter().find(|(name, _)| *name == room) {
            None => faults.push(format!("{path}: room {room} has no row in the table of imports")),
            Some((_, allowed)) => {
                let foreign = named_rooms(path, &code);
                let foreign =
                    foreign.iter().filter(|name| *name != room && !allowed.contains(&name.as_str()));
                faults.extend(foreign.map(|name| format!("{path}: {room} must not know {name}")));
            }
        }
        let denies = text.lines().any(|line| line == DENIED);
        if CORE.contains(&room) && !is_test_file(path) && !denies {
            faults.push(format!("{path}: a core file without {DENIED}"));
        }
    }
    for Reserved { name, only } in RESERVED {
        if !only.contains(&path) && !is_test_file(path) && has_word(&code, name) {
            faults.push(format!("{path}: names {name}, which is for {} only", only.join(", ")));
        }
    }
    if WITHOUT_JSON.contains(&path) && has_word(&code, "serde_json") {
        faults.push(format!("{path}: names serde_json"));
    }
    faults
}

/// `twin/sync.rs`, `units.rs` and `report_tests.rs` lie in rooms; `main.rs` and `lib.rs` do not.
fn room_of(path: &str) -> Option<&str> {
    let first = path.split('/').next().unwrap_or(path);
    let room = first.strip_suffix(".rs").unwrap_or(first);
    let room = room.strip_suffix("_tests").unwrap_or(room);
    (!matches!(room, "main" | "lib")).then_some(room)
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

/// The rooms that code names: after `crate::`, alone or in a group, and after as many `super::` as lead to the root.
fn named_rooms(path: &str, code: &str) -> Vec<String> {
    let depth = path.trim_end_matches("/mod.rs").split('/').count();
    let mut named = heads_after(code, "crate::");
    named.extend(heads_after(code, &"super::".repeat(depth)));
    named.retain(|name| is_room(name));
    named.sort();
    named.dedup();
    named
}

fn is_room(name: &str) -> bool {
    MAY_IMPORT.iter().any(|(room, _)| *room == name)
}

/// The first names of each path that starts with `prefix`, groups opened.
fn heads_after(code: &str, prefix: &str) -> Vec<String> {
    let mut heads = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = code[at + prefix.len()..].trim_start();
        match rest.strip_prefix('{') {
            None => heads.push(head(rest)),
            Some(group) => heads.extend(members(group).iter().map(|member| head(member.trim_start()))),
        }
    }
    heads
}

/// The members of a group up to its closing brace; a comma inside an inner group parts nothing.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

fn head(path: &str) -> String {
    path.chars().take_while(|c| is_word(*c)).collect()
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Line comments go: what a comment links to is not known by the code. So does the test module, which may need
/// more to make its samples; clippy's `items_after_test_module` sees to it that nothing follows one.
fn shipped(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |at: usize| {
        let mut after = lines[at..].iter().skip_while(|line| line.starts_with("#["));
        lines[at] == "#[cfg(test)]" && after.next().is_some_and(|line| line.starts_with("mod "))
    };
    let end = (0..lines.len()).find(|at| opens_tests(*at)).unwrap_or(lines.len());
    lines[..end].iter().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn sources(folder: &Path, below: &str, found: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            sources(&entry.path(), &format!("{name}/"), found)?;
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

#[test]
fn every_room_knows_only_the_rooms_below_it() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found).unwrap();
    let of_core = found.iter().filter(|(path, _)| room_of(path).is_some_and(|room| CORE.contains(&room)));
    assert!(of_core.count() >= 12, "the sources were not found");
    let faults: Vec<String> = found.iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_import_is_found_however_it_is_written() {
    let head = format!("{DENIED}\n");
    for planted in [
        "use crate::hub::HubSettings;",
        "use crate::{units::BootTime, hub::{HubSettings, Identity}};",
        "use crate::{\n    units::{BootTime, Celsius},\n    hub,\n};",
        "fn f(s: &crate::hub::HubSettings) {}",
        "use super::super::hub::Identity;",
        "mod inner {\n    use crate::hub;\n}",
    ] {
        let text = format!("{head}{planted}\n");
        assert_eq!(faults("twin/sync.rs", &text), ["twin/sync.rs: twin must not know hub"], "{planted}");
    }
    assert_eq!(
        faults("report.rs", &format!("{head}use super::store;")),
        ["report.rs: report must not know store"]
    );
}

#[test]
fn what_the_table_allows_is_no_fault() {
    let text = format!(
        "//! Not [`crate::hub`].\n{DENIED}\nuse crate::{{twin::{{Patch, Section}}, units::BootTime}};\nuse super::Cause;\nuse crate::control::climate::Climate; // not crate::store\nlet x = mycrate::hub::y();\n"
    );
    assert_eq!(faults("control/outputs.rs", &text), Vec::<String>::new());
    assert_eq!(faults("main.rs", "use crate::cli;"), Vec::<String>::new());
    let tested = "use crate::units::Permille;\n#[cfg(test)]\nmod tests {\n    use crate::twin::Version;\n}\n";
    assert_eq!(faults("board/simulated.rs", tested), Vec::<String>::new());
    let helper = "#[cfg(test)]\nfn helper() {}\nuse crate::twin::Version;\n";
    assert_eq!(faults("board/simulated.rs", helper).len(), 1);
}

#[test]
fn a_shell_room_must_not_know_another() {
    assert_eq!(
        faults("board/simulated.rs", "use crate::store::Store;"),
        ["board/simulated.rs: board must not know store"]
    );
    assert_eq!(
        faults("service/mod.rs", "use crate::{cli, hub};"),
        ["service/mod.rs: service must not know cli"]
    );
}

#[test]
fn a_room_without_a_row_is_a_fault() {
    assert_eq!(
        faults("attic/mod.rs", "fn f() {}"),
        ["attic/mod.rs: room attic has no row in the table of imports"]
    );
}

#[test]
fn a_core_file_without_the_deny_line_is_a_fault() {
    assert_eq!(faults("units.rs", "//! Values.\n"), [format!("units.rs: a core file without {DENIED}")]);
    assert_eq!(faults("units.rs", &format!("// {DENIED}\n")).len(), 1);
    assert_eq!(faults("board/mod.rs", "//! Boards.\n"), Vec::<String>::new());
}

#[test]
fn reserved_names_stay_where_they_belong() {
    let mqtt = "use rumqttc::AsyncClient;";
    assert_eq!(faults("hub/dial.rs", mqtt), ["hub/dial.rs: names rumqttc, which is for hub/session.rs only"]);
    assert_eq!(faults("hub/session.rs", mqtt), Vec::<String>::new());
    let clock = "use rustix::time::{ClockId, clock_gettime};";
    assert_eq!(
        faults("sensors/poller.rs", clock),
        ["sensors/poller.rs: names clock_gettime, which is for service/clock.rs only"]
    );
    let json = format!("{DENIED}\nuse serde_json::Value;");
    assert_eq!(faults("control/climate.rs", &json), ["control/climate.rs: names serde_json"]);
    assert_eq!(faults("control/intent.rs", &json), Vec::<String>::new());
}
