//! Overrides by a technician, from the command line.

use crate::rig::{CLIMATE, Rig, SENSOR, eventually, say};
use serde_json::{Value, json};

/// The board writes the drive first and its cause a moment later.
fn wait_cause(rig: &Rig, cause: &str) {
    let last = || rig.trace().last().map(|line| line["cause"].clone());
    eventually(cause, || last().filter(|last| last == cause), || format!("{:?}", last()));
}

#[test]
fn an_override_turns_the_output_and_ends_by_itself() {
    let rig = Rig::new();
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    let said = say(&mut rig.command(&["override", "fan", "70%", "--for", "2s"]));
    assert_eq!((said.code, said.out.trim()), (0, "fan: 70 % for 2 s"), "{}", said.err);
    rig.wait_drive("fan", |now| now == 700);
    wait_cause(&rig, "override");
    rig.wait_drive("fan", |now| now == 250);
    wait_cause(&rig, "climate");
    let trace = rig.trace();
    let at = |permille: u64| {
        let change = trace.iter().rfind(|change| change["permille"] == permille).unwrap();
        change["boottime_ns"].as_u64().unwrap()
    };
    assert!(at(250) - at(700) >= 2_000_000_000, "{trace:?}");
    daemon.wait_log("overridden by uid");
    daemon.wait_log("the override of output fan has ended");
    // Who did it is in the log, in a field of its own, and in the history.
    let fields = r#"output="fan" permille=700 cause="override" by=uid "#;
    daemon.wait_log(fields);
    let changes = rig.status()["changes"].clone();
    assert_eq!((&changes[0]["cause"], &changes[1]["cause"]), (&json!("climate"), &json!("override")));
    assert!(changes[1]["by"].as_str().unwrap().starts_with("uid "), "{changes}");
}

#[test]
fn an_override_survives_the_daemons_death_and_keeps_its_end() {
    let rig = Rig::new();
    let daemon = rig.start();
    assert_eq!(say(&mut rig.command(&["override", "fan", "off", "--for", "1h"])).code, 0);
    rig.wait_drive("fan", |now| now == 0);
    // It is in force at once, and saved a moment later.
    let files = || {
        let kept = crate::rig::state_files(&rig.path("state"));
        let all: Vec<String> = kept
            .iter()
            .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned())
            .collect();
        all.join("\n")
    };
    eventually("the record", || files().contains("\"overrides\"").then_some(()), files);
    daemon.kill();
    let changes = rig.trace().len();
    let _daemon = rig.start();
    let over = rig.status()["outputs"]["fan"]["override"].clone();
    assert_eq!(over["percent"], 0);
    assert!((3000..=3600).contains(&over["secondsLeft"].as_u64().unwrap()), "{over}");
    let since: Vec<Value> = rig.trace()[changes..].iter().map(|change| change["permille"].clone()).collect();
    assert!(since.iter().all(|permille| permille == 0), "the fan ran meanwhile: {since:?}");
    assert_eq!(say(&mut rig.command(&["override", "fan", "clear"])).code, 0);
    rig.wait_drive("fan", |now| now == 250);
}

#[test]
fn an_override_of_the_climate_holds_its_range_survives_a_restart_and_is_cleared() {
    let rig = Rig::new();
    rig.configure("limits = { min = 5.0, max = 45.0 }\n");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    let said = say(&mut rig.command(&["override", "climate", "18..23", "--for", "1h"]));
    assert_eq!((said.code, said.out.trim()), (0, "climate: 18 to 23 °C for 1 h"), "{}", said.err);
    rig.wait_drive("fan", |now| now == 800);
    daemon.wait_log("climate overridden by uid ");
    rig.wait_reported("the override", |r| {
        let climate = &r["components"]["climate"];
        climate["override"] == json!({"minTemperature": 18, "maxTemperature": 23})
            && r["minTemperature"] == 18
    });
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains("climate  22 °C, in-range, target 18 to 23 °C\n"), "{page}");
    assert!(page.contains("\n         overridden to 18 to 23 °C by uid "), "{page}");
    assert!(page.contains("fan set to 80 % by climate, overridden by uid "), "{page}");
    rig.desire(json!({"components": {"climate": {"minTemperature": 30, "maxTemperature": 40}}}));
    rig.wait_reported("the desired range", |r| r["desiredVersion"] == 2);
    assert_eq!(rig.status()["climate"]["max"], 23);
    assert!(daemon.stop().success());
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 800);
    let over = rig.status()["climates"]["climate"]["override"].clone();
    assert_eq!((&over["min"], &over["max"]), (&json!(18), &json!(23)));
    assert!((3000..=3600).contains(&over["secondsLeft"].as_u64().unwrap()), "{over}");
    for (words, says) in [
        (
            &["override", "climate", "1..20", "--for", "5m"][..],
            "climate: outside this site's limits, 5 to 45 °C",
        ),
        (&["override", "climate", "-30..20", "--for", "5m"], "limits, 5 to 45 °C"),
        (&["override", "climate", "50%", "--for", "5m"], "takes a range"),
        (&["override", "fan", "18..21", "--for", "5m"], "takes on, off or a percentage"),
        (&["override", "office", "18..21", "--for", "5m"], "there are: fan, climate"),
        (&["override", "climate", "21..18", "--for", "5m"], "lower end"),
        (&["override", "climate", "18..21"], "--for"),
    ] {
        let said = say(&mut rig.command(words));
        assert_eq!(said.code, 64, "{words:?}: {}", said.err);
        assert!(said.err.contains(says), "{words:?}: {}", said.err);
    }
    assert_eq!(say(&mut rig.command(&["override", "climate", "clear"])).out, "climate: no override\n");
    rig.wait_drive("fan", |now| now == 0);
    daemon.wait_log("the override of climate was cleared by uid ");
}

#[test]
fn critical_heat_stands_above_an_override() {
    let rig = Rig::new();
    rig.configure("critical = 60.0\n");
    let _daemon = rig.start();
    assert_eq!(say(&mut rig.command(&["override", "fan", "off", "--for", "1h"])).code, 0);
    rig.wait_drive("fan", |now| now == 0);
    rig.set_temperature("75.0");
    rig.wait_drive("fan", |now| now == 1000);
    wait_cause(&rig, "fail-safe overheat");
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains("output   fan: 100 % by fail-safe overheat"), "{page}");
    assert!(page.contains("overridden to 0 % by uid"), "{page}");
    rig.set_temperature("40.0");
    rig.wait_drive("fan", |now| now == 0);
}

#[test]
fn a_relay_does_not_chatter_when_the_daemon_is_killed_and_comes_back() {
    let rig = Rig::new();
    // Without a `start` row of its own the output would first be off for its hour.
    let relay = "\n[outputs.fan]\npin = 17\nmin-off = \"1h\"\nwhen = { start = \"on\" }\n";
    rig.write_config(&format!("{}{relay}{SENSOR}{CLIMATE}", rig.base()));
    rig.set_temperature("40.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 1000);
    daemon.kill();
    // As the service manager does it.
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "signal"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(rig.drive("fan"), Some(0));
    let changes = rig.trace().len();
    let daemon = rig.start_synced();
    rig.wait_status("it follows", |status| status["outputs"]["fan"]["cause"] == "climate");
    assert!(daemon.stop().success());
    let since: Vec<Value> = rig.trace()[changes..].iter().map(|change| change["permille"].clone()).collect();
    assert!(since.iter().all(|permille| permille == 0), "{since:?}");
}

#[test]
fn what_cannot_be_done_has_its_exit_status_and_says_what_can() {
    let rig = Rig::new();
    for words in [&["status"][..], &["override", "fan", "on", "--for", "5m"]] {
        let said = say(&mut rig.command(words));
        assert_eq!((said.code, said.out.as_str()), (69, ""));
        assert!(said.err.contains("no daemon") && said.err.contains("systemctl start"), "{}", said.err);
    }
    let relay = "\n[outputs.lamp]\npin = 22\n";
    rig.configure(relay);
    let _daemon = rig.start();
    for (words, says) in [
        (&["override", "fna", "on", "--for", "5m"][..], "there are: fan, lamp"),
        (&["override", "fna", "clear"], "there are: fan, lamp"),
        (&["override", "lamp", "40%", "--for", "5m"], "on or off"),
        (&["override", "fan", "40", "--for", "5m"], "40%"),
        (&["override", "fan", "on"], "--for"),
        (&["override", "fan", "on", "--for", "8d"], "7 d"),
        (&["override", "fan"], "SETTING"),
    ] {
        let said = say(&mut rig.command(words));
        assert_eq!(said.code, 64, "{words:?}: {}", said.err);
        assert!(said.err.contains(says), "{words:?}: {}", said.err);
    }
    assert_eq!(rig.status()["outputs"]["fan"]["override"], Value::Null);
}

#[test]
fn status_is_a_page_and_an_object_and_the_twin_comes_from_the_daemon() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let version = rig.desire(json!({"zebra": 1}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    rig.wait_status("what is not mapped", |status| status["hub"]["notMapped"] == json!(["zebra"]));
    let page = say(&mut rig.command(&["status"])).out;
    for part in [
        "desired, but without a meaning here: zebra\n",
        "MyTwinDevice, connected for ",
        "token is renewed in ",
        &format!("desired version {version}, same as at the hub"),
        "climate  24 °C, in-range, target 20 to 28 °C",
        "sensor   cabinet: 24 °C, ",
        "output   fan: 50 % by climate",
        "change   ",
    ] {
        assert!(page.contains(part), "{part:?} is missing in:\n{page}");
    }
    let object = rig.status();
    assert_eq!((&object["link"]["state"], &object["hub"]["synced"]), (&json!("connected"), &json!(true)));
    assert_eq!(object["pid"], daemon.id());
    let changes = |words: &[&str]| {
        let said = say(&mut rig.command(words));
        let object: Value = serde_json::from_str(&said.out).unwrap();
        object["changes"].as_array().map(Vec::len)
    };
    assert_eq!(changes(&["status", "--json", "--changes", "1"]), Some(1));
    // The answer cannot come from the disk.
    let state = rig.path("state");
    std::fs::rename(&state, rig.path("elsewhere")).unwrap();
    let desired: Value = serde_json::from_str(&say(&mut rig.command(&["twin", "desired"])).out).unwrap();
    assert_eq!(desired, json!({"zebra": 1, "$version": version}));
    std::fs::rename(rig.path("elsewhere"), &state).unwrap();
}

#[test]
fn status_tells_of_a_hub_that_is_gone_the_age_of_the_copy_and_the_report_that_waits() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    let in_contact = rig.wait_status("contact", |status| status["hub"]["reportPending"] == false);
    assert_eq!(in_contact["hub"]["synced"], true);
    rig.hub.block_on(rig.hub.stop_listening());
    rig.set_temperature("24.0");
    rig.wait_status("a copy that ages", |status| {
        let hub = &status["hub"];
        hub["reportPending"] == true && hub["copyAgeSeconds"].as_u64() >= Some(2)
    });
    let between_attempts = || {
        let page = say(&mut rig.command(&["status"])).out;
        page.contains("MyTwinDevice, not connected for ").then_some(page)
    };
    let page = eventually("a page", between_attempts, || say(&mut rig.command(&["status"])).out);
    for part in ["next attempt in ", "desired version 1, ", "s old", "a report waits"] {
        assert!(page.contains(part), "{part:?} is missing in:\n{page}");
    }
}

#[test]
fn an_override_says_on_off_or_a_share() {
    let rig = Rig::new();
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    for (setting, permille) in [("on", 1000), ("off", 0), ("62.5%", 625)] {
        let said = say(&mut rig.command(&["override", "fan", setting, "--for", "1h"]));
        assert_eq!(said.code, 0, "{}", said.err);
        rig.wait_drive("fan", |now| now == permille);
    }
    assert_eq!(say(&mut rig.command(&["override", "fan", "clear"])).code, 0);
    rig.wait_drive("fan", |now| now == 250);
}

#[test]
fn what_decides_is_told_though_the_output_stays_and_rows_stay_as_they_were() {
    let rig = Rig::new();
    rig.configure("critical = 60.0\n");
    rig.set_temperature("40.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 1000);
    let rows = || {
        let changes = rig.status()["changes"].clone();
        let row = |row: &Value| (row["permille"].clone(), row["cause"].as_str().unwrap().to_owned());
        changes.as_array().unwrap().iter().rev().map(row).collect::<Vec<_>>()
    };
    let begun = rows();
    let wait = |cause: &str| {
        rig.wait_status(cause, |status| status["outputs"]["fan"]["cause"] == cause);
        daemon.wait_log(&format!("output fan stays at 100 %, now decided by {cause}"));
    };
    let version = rig.desire(json!({"fanOn": true}));
    wait(&format!("desired version {version}"));
    assert_eq!(say(&mut rig.command(&["override", "fan", "on", "--for", "1h"])).code, 0);
    wait("override");
    rig.set_temperature("nothing");
    wait("fail-safe sensor-fault");
    rig.set_temperature("40.0");
    rig.wait_status("override again", |status| status["outputs"]["fan"]["cause"] == "override");
    rig.set_temperature("70.0");
    wait("fail-safe overheat");
    let causes = [
        &format!("desired version {version}"),
        "override",
        "fail-safe sensor-fault",
        "override",
        "fail-safe overheat",
    ];
    let expected: Vec<_> = causes.map(|cause| (json!(1000), cause.to_owned())).into_iter().collect();
    assert_eq!(rows(), [begun, expected].concat());
    let fields = r#"output="fan" permille=1000 cause="fail-safe overheat""#;
    let is_told =
        || daemon.log().lines().any(|line| line.contains(" INFO ") && line.contains(fields)).then_some(());
    eventually("the last change in the log", is_told, || daemon.log());
    assert!(rig.trace().iter().filter(|line| line["permille"] == 1000).count() == 1, "the pin never moved");
}

#[test]
fn an_override_that_is_held_back_says_at_once_by_what_and_for_how_long() {
    let rig = Rig::new();
    let heater = "\n[outputs.heater]\npin = 22\nmin-off = \"1h\"\n";
    rig.configure(heater);
    let _daemon = rig.start();
    rig.wait_drive("heater", |now| now == 0);
    let said = say(&mut rig.command(&["override", "heater", "on", "--for", "2h"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "heater: 100 % for 2 h");
    assert!(lines[1].starts_with("heater: override wants 100 %, held off for "), "{}", said.out);
    assert!(lines[1].ends_with(" by min-off"), "{}", said.out);
    let held = rig.status()["outputs"]["heater"]["held"].clone();
    assert_eq!((&held["by"], &held["wants"]), (&json!("min-off"), &json!(100)));
    assert!((3500..=3600).contains(&held["seconds"].as_u64().unwrap()), "{held}");
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains("output   heater: 0 % by override (uid "), "{page}");
    assert!(page.contains("\n         override wants 100 %, held off for "), "{page}");
    let said = say(&mut rig.command(&["override", "fan", "10%", "--for", "2h"]));
    assert_eq!(said.out, "fan: 10 % for 2 h\nfan: override wants 10 %, raised to min-duty\n");
}
