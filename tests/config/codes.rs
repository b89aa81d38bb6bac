//! `twind check --json`: the same verdict as the page, and for each fault and warning a code that stays the same.

use super::{KEY, SITE, SMALL, Site, replaced, with, with_dirs};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use twind::cli::check::{Outcome, Scope, check_json};
use twind::config::Examination;

impl Site {
    fn json(&self, text: &str, hardware: bool) -> (Outcome, Value) {
        self.write("twind.toml", text, 0o640);
        self.json_as_it_is(hardware)
    }

    fn json_as_it_is(&self, hardware: bool) -> (Outcome, Value) {
        let path = self.path("twind.toml");
        let (outcome, text) = check_json(&path, &self.environment, scope_of(hardware));
        (outcome, serde_json::from_str(&text).unwrap())
    }
}

fn scope_of(hardware: bool) -> Scope {
    Scope { examination: Examination { now: None }, hardware, hub: false, excerpts: true }
}

/// The codes of these rows, and of no row without one.
fn codes(rows: &Value) -> Vec<&str> {
    rows.as_array().into_iter().flatten().filter_map(|row| row["code"].as_str()).collect()
}

/// Text that has one fault, and its code.
fn faults() -> Vec<(&'static str, String)> {
    let hub = |line: &str| with(SITE, "hub", line);
    let fan = |line: &str| with(SITE, "outputs.fan", line);
    let climate = |line: &str| with(SITE, "climate", line);
    let proxy = "transport = \"websocket\"\nproxy = \"http://proxy.local:3128\"";
    let outputs: String = (0..70).map(|number| format!("[outputs.o{number}]\n")).collect();
    vec![
        ("syntax", hub("port = x")),
        ("duplicate", hub("port = 1\nport = 2")),
        ("unfinished", replaced(SITE, "connection-string-file = \"cs\"\n", "")),
        ("unknown-key", hub("prt = 8883")),
        ("missing-key", replaced(SITE, "driver = \"file\"\n", "")),
        ("wrong-type", hub("port = \"8883\"")),
        ("out-of-range", hub("port = 70000")),
        ("unknown-word", hub("transport = \"mqtts\"")),
        ("wrong-form", hub("model-id = \"x\"")),
        (
            "wrong-name",
            replaced(SITE, "[outputs.heater]", "[outputs.system]").replace("\"heater\"", "\"system\""),
        ),
        ("unknown-name", replaced(SITE, "\"heater\"", "\"haeter\"")),
        ("misplaced", replaced(&hub(proxy), "transport = \"websocket\"\n", "")),
        ("conflict", fan("pin = 4")),
        ("inconsistent", climate("range = { min = 28.0, max = 20.0 }")),
        ("clash", fan("property = \"patchId\"")),
        ("too-many", format!("{SITE}{outputs}")),
        ("secret-inside", hub("password = \"hunter2\"")),
        ("secret-exposed", replaced(SITE, "\"cs\"", "\"open\"")),
        ("file", replaced(SITE, "\"cs\"", "\"nowhere\"")),
        ("credentials", replaced(SITE, "\"cs\"", "\"key\"")),
    ]
}

/// Text that has one warning, and its code.
fn warnings(site: &Site) -> Vec<(&'static str, String)> {
    let fan = |line: &str| with(SITE, "outputs.fan", line);
    let on_pins = replaced(SITE, "\"simulated\"", "\"rppal\"");
    let dirs = [
        ("no-effect", fan("when.overheat = \"on\"")),
        ("wiring", replaced(&on_pins, "pin = 17", "pin = 99")),
        ("unlikely", replaced(SITE, "path = \"temperature\"", "path = \"temperature\"\nvalid = [0.0, 25.0]")),
    ];
    let mut texts: Vec<_> = dirs.map(|(code, text)| (code, with_dirs(site, &text))).into();
    let nowhere = format!("{SITE}[twin]\nstate-dir = \"cs\"\n[local]\nsocket = \"socket\"\n");
    texts.push(("place", nowhere));
    let open = format!("{SITE}[twin]\nstate-dir = \"state\"\n[local]\nsocket = \"open-socket\"\n");
    texts.push(("open-socket", open));
    texts
}

#[test]
fn every_code_has_a_fault_or_a_warning_that_has_it() {
    let site = Site::new();
    site.write("open", "HostName=h;DeviceId=d;SharedAccessKey=c2Vj", 0o644);
    let _listener = UnixListener::bind(site.path("open-socket")).unwrap();
    fs::set_permissions(site.path("open-socket"), fs::Permissions::from_mode(0o666)).unwrap();
    // `denied` needs a user who is not root.
    let mut seen: BTreeSet<String> = ["denied".to_owned()].into();
    for (code, text) in faults() {
        let (outcome, told) = site.json(&text, false);
        assert_eq!((outcome, codes(&told["faults"])), (Outcome::Wrong, vec![code]), "{told:#}");
        assert_eq!((&told["verdict"], &told["exitStatus"]), (&json!("wrong"), &json!(78)), "{code}");
        seen.insert(code.to_owned());
    }
    for (code, text) in warnings(&site) {
        let (outcome, told) = site.json(&text, false);
        assert_eq!((outcome, codes(&told["warnings"])), (Outcome::Right, vec![code]), "{told:#}");
        assert_eq!((&told["verdict"], &told["exitStatus"]), (&json!("right"), &json!(0)), "{code}");
        seen.insert(code.to_owned());
    }
    fs::remove_file(site.path("twind.toml")).unwrap();
    let (outcome, told) = site.json_as_it_is(false);
    assert_eq!((outcome, codes(&told["faults"])), (Outcome::Wrong, vec!["unreadable"]));
    seen.insert("unreadable".to_owned());
    let on_lines = replaced(SITE, "\"simulated\"", "\"gpiochip\"")
        .replace("{ channel", "{ chip = \"gpiochip9\", channel");
    let on_lines = replaced(&on_lines, "pin = 17", "pin = 17\nchip = \"gpiochip9\"");
    for (code, driver) in [
        ("board", replaced(SITE, "\"simulated\"", "\"rppal\"")),
        ("output", on_lines),
        ("sensor", SITE.to_owned()),
    ] {
        let (outcome, told) = site.json(&driver, true);
        assert_eq!((outcome, &told["faults"]), (Outcome::Wrong, &json!([])), "{told:#}");
        assert!(codes(&told["hardware"]).contains(&code), "{told:#}");
        assert_eq!((&told["verdict"], &told["exitStatus"]), (&json!("hardware"), &json!(78)), "{code}");
        seen.insert(code.to_owned());
    }
    // Somebody who may be the daemon, and says nothing.
    let listener = UnixListener::bind(site.path("s")).unwrap();
    let told = std::thread::scope(|scope| {
        scope.spawn(|| drop(listener.accept()));
        let scope = Scope { hub: true, ..scope_of(false) };
        site.write("twind.toml", &with_dirs(&site, SITE), 0o640);
        let (outcome, text) = check_json(&site.path("twind.toml"), &site.environment, scope);
        assert_eq!(outcome, Outcome::Wrong, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    });
    assert_eq!((codes(&told["hub"]), &told["verdict"]), (vec!["hub"], &json!("hub")), "{told:#}");
    seen.insert("hub".to_owned());
    let source = include_str!("../../src/config/codes.rs");
    let (_, all) = source.split_once("pub enum Code {\n").unwrap();
    let (all, _) = all.split_once("\n}\n").unwrap();
    let all =
        all.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|line| !line.starts_with('/'));
    let kebab = |name: &str| {
        let parts = name.chars().map(|c| match c.is_uppercase() {
            true => format!("-{}", c.to_lowercase()),
            false => c.to_string(),
        });
        parts.collect::<String>().trim_start_matches('-').to_owned()
    };
    assert_eq!(seen, all.map(kebab).collect());
}

#[test]
fn a_fault_has_its_place_what_was_found_and_what_is_allowed() {
    let site = Site::new();
    let path = site.path("twind.toml");
    let (_, told) = site.json(&with(SITE, "hub", "port = 70000\ntransport = \"mqtts\"\nprt = 1"), false);
    let wanted = json!({
        "file": path, "verdict": "wrong", "exitStatus": 78, "moreFaults": 0, "warnings": [], "telemetry": null, "hardware": null, "hub": null,
        "faults": [
            {
                "code": "out-of-range", "file": path, "line": 3, "column": 8,
                "found": "70000", "allowed": "a whole number from 1 to 65535",
                "message": "`port` must be a whole number from 1 to 65535, found the number 70000",
            },
            {
                "code": "unknown-word", "file": path, "line": 4, "column": 13,
                "found": "\"mqtts\"", "allowed": "one of \"mqtt\", \"websocket\"",
                "message": "`transport` must be one of \"mqtt\", \"websocket\", found \"mqtts\"; did you mean \"mqtt\"?",
            },
            {
                "code": "unknown-key", "file": path, "line": 5, "column": 1, "found": "prt",
                "allowed": told["faults"][2]["allowed"],
                "message": "unknown key `prt` in [hub]; did you mean `port`?",
            },
        ],
    });
    assert_eq!(told, wanted);
    assert!(told["faults"][2]["allowed"].as_str().unwrap().contains("`connection-string-file`, `host`"));
}

#[test]
fn what_is_not_told_is_counted_and_a_warning_without_a_line_has_none() {
    let site = Site::new();
    let many: String = (0..30).map(|number| format!("k{number} = 1\n")).collect();
    let (_, told) = site.json(&with(SITE, "hub", &many), false);
    assert_eq!((codes(&told["faults"]).len(), &told["moreFaults"]), (20, &json!(10)));
    let _listener = UnixListener::bind(site.path("s")).unwrap();
    fs::set_permissions(site.path("s"), fs::Permissions::from_mode(0o666)).unwrap();
    let (_, told) = site.json(&with_dirs(&site, SITE), false);
    let warning = &told["warnings"][0];
    assert_eq!((&warning["line"], &warning["column"]), (&Value::Null, &Value::Null), "{told:#}");
    assert!(warning["message"].as_str().unwrap().starts_with("[local] socket: "), "{warning}");
}

#[test]
fn the_hardware_is_told_thing_by_thing() {
    let site = Site::new();
    site.write("temperature", "21.5\n", 0o644);
    let (outcome, told) = site.json(&with_dirs(&site, SITE), true);
    assert_eq!(outcome, Outcome::Wrong, "{told:#}");
    let rows = told["hardware"].as_array().unwrap();
    let row = |thing: &str, name: &str| {
        rows.iter()
            .find(|row| row["thing"] == thing && row["name"] == name)
            .unwrap_or_else(|| panic!("{told:#}"))
    };
    assert_eq!(row("board", "simulated")["code"], Value::Null);
    assert_eq!(row("output", "fan")["code"], Value::Null);
    assert_eq!(
        (&row("sensor", "cabinet")["code"], &row("sensor", "cabinet")["fault"]),
        (&Value::Null, &Value::Null)
    );
    assert!(row("sensor", "cabinet")["message"].as_str().unwrap().starts_with("reads 21.5 (temperature)"));
    assert_eq!(
        (&row("sensor", "door")["code"], &row("sensor", "door")["fault"]),
        (&json!("sensor"), &json!("missing"))
    );
}

#[test]
fn no_secret_is_in_the_object_either() {
    let site = Site::new();
    let string = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    for line in [
        "port = \"hunter2\"".to_owned(),
        "transport = \"hunter2\"".to_owned(),
        "host = \"hunter2@x\"".to_owned(),
        "proxy = \"http://me:hunter2@proxy.local\"".to_owned(),
        "password = \"hunter2\"".to_owned(),
        "password = hunter2".to_owned(),
        "port = hunter2".to_owned(),
        "hunter2".to_owned(),
        format!("key-file = \"{KEY}\""),
        format!("{KEY} = 1"),
        format!("connection-string = \"{string}\""),
    ] {
        let text = with(&replaced(SMALL, "connection-string-file = \"cs\"\n", ""), "hub", &line);
        let (_, told) = site.json(&text, true);
        let told = told.to_string();
        assert!(!told.contains("hunter2") && !told.contains(KEY.trim_end_matches('=')), "{line}: {told}");
    }
}
