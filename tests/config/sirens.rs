//! Outputs that follow alarms.

use super::{SITE, SMALL, Site, replaced, with, with_dirs};
use std::fs;
use twind::cli::check::{Outcome, Scope, check};
use twind::config::Examination;
use twind::control::alarm_kind::AlarmKind;
use twind::control::{OutputId, OutputSpec};

/// The site with a siren whose table has these lines; its header is line 26.
fn with_siren(lines: &str) -> String {
    format!("{SITE}[outputs.siren]\n{lines}\n")
}

fn siren(text: &str) -> OutputSpec {
    let outputs = Site::new().right(text).engine.outputs;
    outputs.into_iter().find(|output| output.name == "siren").unwrap()
}

#[test]
fn an_output_follows_one_kind_of_alarms_or_several() {
    let alarms = |lines: &str| siren(&with_siren(lines)).alarms;
    assert_eq!(alarms("alarms = [\"overheat\", \"sensor\"]"), [AlarmKind::Overheat, AlarmKind::Sensor]);
    assert_eq!(alarms("alarms = \"disk\""), [AlarmKind::Disk]);
    assert_eq!(alarms(""), []);
    for kind in AlarmKind::ALL {
        assert_eq!(alarms(&format!("alarms = [\"{}\"]", kind.name())), [kind]);
    }
}

#[test]
fn what_is_no_list_of_kinds_is_told_with_its_place_and_the_nearest() {
    let site = Site::new();
    let kinds = "\"overheat\", \"output\", \"stall\", \"sensor\", \"disk\"";
    for (lines, told) in [
        ("alarms = []", ":27:10: `alarms` must name at least one".to_owned()),
        (
            "alarms = true",
            ":27:10: `alarms` must be a name in quotes, or a list of them, found true".to_owned(),
        ),
        (
            "alarms = [\"overheat\", \"sensors\"]",
            format!(":27:23: `alarms` must be one of {kinds}, found \"sensors\"; did you mean \"sensor\"?"),
        ),
        ("alarms = \"sensor-fault\"", "found \"sensor-fault\"; did you mean \"sensor\"?".to_owned()),
        ("alarms = \"overheat-office\"", "did you mean \"overheat\"?".to_owned()),
        ("alarms = \"critical\"", "did you mean \"overheat\"?".to_owned()),
        ("alarms = \"Stalled\"", "did you mean \"stall\"?".to_owned()),
        ("alarms = \"zzz\"", format!("must be one of {kinds}, found \"zzz\"\n")),
        (
            "alarms = [\"disk\",\n\"disk\"]",
            ":28:1: \"disk\" is named twice, first in line 27: remove one".to_owned(),
        ),
        ("alarm = \"disk\"", "unknown key `alarm` in [outputs.siren]; did you mean `alarms`?".to_owned()),
    ] {
        let fault = site.fault(&with_siren(lines)) + "\n";
        assert!(fault.contains(&told), "{lines}: {fault}");
    }
}

#[test]
fn an_output_that_follows_alarms_follows_nothing_else() {
    let site = Site::new();
    let both =
        "`alarms` cannot be combined with `property`: an output follows alarms or the twin, remove one";
    for property in ["components.siren.on", "fanOn"] {
        let fault = site.fault(&with_siren(&format!("property = \"{property}\"\nalarms = \"disk\"")));
        assert!(fault.contains(&format!(":28:1: {both}")), "{fault}");
    }
    let told = |name: &str, line: u32| {
        format!(
            "[outputs.{name}] follows alarms, by line {line}, so no climate drives it: remove it here, or its `alarms`"
        )
    };
    for (output, line, place) in [("fan", 9, ":25:11: "), ("heater", 12, ":26:11: ")] {
        let fault = site.fault(&with(SITE, &format!("outputs.{output}"), "alarms = \"sensor\""));
        assert!(fault.contains(&format!("{place}{}", told(output, line))), "{fault}");
    }
    let second = replaced(&with_siren("alarms = \"sensor\""), "\"fan\"", "[\"fan\", \"siren\"]");
    assert!(site.fault(&second).contains(&told("siren", 27)));
    // A wrong kind makes it no other kind of output.
    let fault = site.fault(&format!("{SMALL}[outputs.siren]\nalarms = \"sirene\"\n"));
    assert!(fault.contains("`alarms` must be one of"), "{fault}");
    let auto = site
        .fault(&with_siren("alarms = \"sensor\"\nwhen.hub-silent = { after = \"1h\", drive = \"auto\" }"));
    assert!(auto.contains("`hub-silent` cannot be \"auto\": the climate does not drive"), "{auto}");
}

#[test]
fn a_siren_is_not_the_output_that_a_climate_means_without_a_name() {
    let siren = "[outputs.siren]\nalarms = \"sensor\"\n";
    let site = Site::new();
    let before = SMALL.replace("[outputs.fan]", &format!("{siren}[outputs.fan]"));
    for (text, fan) in [(format!("{SMALL}{siren}"), 0), (before, 1)] {
        assert_eq!(site.right(&text).engine.climates[0].lowering, [OutputId(fan)]);
    }
    let alone = site.right(&SMALL.replace("[outputs.fan]\n", siren)).engine;
    assert_eq!(alone.climates[0].lowering, [], "it only watches");
    assert_eq!((alone.outputs[0].when.sensor_fault, alone.outputs[0].when.overheat), (None, None));
    let two = site.fault(&format!("{SMALL}[outputs.pump]\n{siren}"));
    assert!(two.contains("`cooling` is missing in [climate]: which of \"fan\", \"pump\" cools"), "{two}");
}

#[test]
fn alarms_that_are_never_raised_are_warned_of() {
    let site = Site::new();
    let check = |text: &str, lines: &str| with_dirs(&site, &format!("{text}[outputs.siren]\n{lines}\n"));
    for (lines, told) in [
        (
            "alarms = [\"sensor\", \"overheat\"]",
            ":27:21: \"overheat\" of `alarms` is never raised: no climate sets `critical`",
        ),
        ("alarms = \"stall\"", ":27:10: \"stall\" of `alarms` is never raised: no output has a `tach`"),
        (
            "alarms = \"sensor\"\nwhen.start = \"on\"",
            ":28:6: `start` never applies: with `alarms` the output is off until one is raised",
        ),
    ] {
        let warning = site.warning(&check(SITE, lines));
        assert!(warning.contains(told), "{lines}: {warning}");
    }
    let bare = "[hub]\nconnection-string-file = \"cs\"\n[board]\ndriver = \"simulated\"\n";
    assert!(site.warning(&check(bare, "alarms = \"overheat\"")).contains("there is no [climate]"));
    assert!(site.warning(&check(bare, "alarms = \"sensor\"")).contains("there is no [sensors.NAME]"));
    let tach = with(&with(SITE, "climate", "critical = 60.0"), "outputs.fan", "tach = {}");
    let (outcome, said) =
        site.check(&check(&tach, "alarms = [\"overheat\", \"output\", \"stall\", \"sensor\", \"disk\"]"));
    assert!(outcome == Outcome::Right && !said.contains("warning"), "{said}");
}

#[test]
fn both_pages_of_the_check_say_when_it_is_on() {
    let site = Site::new();
    let text = with_siren("alarms = [\"sensor\", \"disk\"]\nwhen.crash = \"on\"");
    fs::write(site.path("temperature"), "24.0\n").unwrap();
    site.write("twind.toml", &with_dirs(&site, &text), 0o640);
    let scope = Scope { examination: Examination { now: None }, hardware: true, hub: false, excerpts: true };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let _ = check(&site.path("twind.toml"), &site.environment, scope, &mut out, &mut err);
    let page = String::from_utf8(out).unwrap();
    let summary = "output   siren, on/off, on while the alarm sensor or disk is raised\n         start off, stop off, crash on\n";
    assert!(page.contains(summary), "{page}");
    let (_, table) = page.split_once("  siren\n").unwrap();
    let rows: Vec<(&str, &str)> = table
        .lines()
        .map_while(|line| line.strip_prefix("    "))
        .filter_map(|line| line.split_once("  "))
        .map(|(case, does)| (case, does.trim_start()))
        .collect();
    for row in [
        ("start, until something decides", "never: alarms decide from the start"),
        ("crash of the daemon", "on"),
        ("alarms", "on while the alarm sensor or disk is raised, else off"),
        ("desired", "no desired property drives it"),
        ("climate", "does not drive it"),
    ] {
        assert!(rows.contains(&row), "{row:?} is not in {rows:?}");
    }
}
