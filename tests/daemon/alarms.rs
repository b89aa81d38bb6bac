//! Alarms, as a person, a program and the back end see them.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR, say};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, SystemTime};

/// Two sensors, of which the climate uses the mean.
fn two_sensors(rig: &Rig) -> String {
    let door = SENSOR.replace("cabinet", "door").replace("DIR/temperature", "DIR/door");
    let climate =
        CLIMATE.replace("sensor = \"cabinet\"", "sensors = [\"cabinet\", \"door\"]\ncombine = \"mean\"");
    format!("{}{FAN}{SENSOR}{door}{climate}", rig.base())
}

#[test]
fn one_of_two_sensors_that_is_deleted_is_loud_until_it_is_back() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    fs::write(rig.path("door"), "24.0\n").unwrap();
    rig.write_config(&two_sensors(&rig));
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let well = say(&mut rig.command(&["status"]));
    assert_eq!(well.code, 0, "{}", well.out);
    fs::remove_file(rig.path("door")).unwrap();
    let told = rig.wait_reported("the alarm", |r| r["alarms"]["sensor-door"]["text"].is_string());
    let (alarm, climate) = (&told["alarms"]["sensor-door"], &told["components"]["climate"]);
    let door = rig.path("door").display().to_string();
    assert!(alarm["text"].as_str().unwrap().contains(&format!("missing, read from {door}")), "{alarm}");
    assert!(humantime::parse_rfc3339(alarm["since"].as_str().unwrap()).is_ok(), "{alarm}");
    assert_eq!(climate["sensor"], "ok");
    daemon.wait_log("sensor door has no valid reading");
    let lines = daemon.log();
    let warned: Vec<_> =
        lines.lines().filter(|line| line.contains("sensor door has no valid reading")).collect();
    assert!(warned.len() == 1 && warned[0].contains("WARN") && warned[0].contains(&door), "{lines}");
    let page = say(&mut rig.command(&["status"]));
    assert!(page.code == 1 && page.out.contains("ALARM    sensor-door for "), "{}: {}", page.code, page.out);
    assert_eq!(rig.status()["alarms"]["sensor-door"]["text"], alarm["text"]);
    fs::write(rig.path("door"), "24.0\n").unwrap();
    rig.wait_reported("no alarm", |r| r.get("alarms").is_none());
    daemon.wait_log("sensor door has valid readings again: its alarm has ended");
    assert_eq!(say(&mut rig.command(&["status"])).code, 0);
}

#[test]
fn when_the_last_sensor_goes_the_log_names_it_with_its_fault_and_its_path() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    rig.configure("");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    rig.set_temperature("23,5");
    rig.wait_drive("fan", |now| now == 1000);
    let path = rig.path("temperature").display().to_string();
    daemon.wait_log("WARN climate: sensor-fault: none of its sensors has a valid reading");
    daemon.wait_log("sensor cabinet has no valid reading: not-a-number");
    daemon.wait_log(&format!("found \"23,5\"; a number has a decimal point here, read from {path}"));
}

#[test]
fn a_file_that_nobody_has_written_for_two_days_is_stale_until_it_is_written() {
    let rig = Rig::new();
    rig.set_temperature("25.0");
    let file = fs::File::options().write(true).open(rig.path("temperature")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)).unwrap();
    rig.configure("");
    let hardware = say(&mut rig.command(&["check", "--hardware"]));
    assert!(hardware.code == 78 && hardware.out.contains("cabinet: stale: "), "{}", hardware.out);
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 1000);
    let status = rig.status();
    assert_eq!(status["sensors"]["cabinet"]["state"], "stale");
    assert_eq!(status["sensors"]["cabinet"]["value"], Value::Null);
    rig.wait_reported("the fault", |r| r["components"]["climate"]["sensor"] == "stale");
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);
    let file = fs::File::options().write(true).open(rig.path("temperature")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)).unwrap();
    rig.wait_drive("fan", |now| now == 1000);
}

#[test]
fn who_checks_the_hardware_is_shown_what_was_found_and_what_is_meant() {
    let rig = Rig::new();
    rig.configure("");
    for (text, told) in [
        (
            "23500",
            "found 23500, outside -55 to 125; if it counts thousandths, `scale = 0.001` makes 23.5 of it",
        ),
        ("23,5", "found \"23,5\"; a number has a decimal point here"),
        ("23.5 C", "found \"23.5 C\"; the number alone is wanted, without its unit"),
        ("", "found nothing: it is empty"),
    ] {
        rig.set_temperature(text);
        let said = say(&mut rig.command(&["check", "--hardware"]));
        assert!(said.code == 78 && said.out.contains(told), "{text:?}: {}", said.out);
    }
}

#[test]
fn a_feeder_that_dies_is_noticed_after_max_age_unless_that_is_off() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let once = SENSOR.replace("cabinet", "once").replace("DIR/temperature", "DIR/once");
    fs::write(rig.path("once"), "20.0\n").unwrap();
    let sensors = format!("{SENSOR}max-age = \"2s\"\n{once}max-age = \"off\"\n");
    rig.write_config(&format!("{}{FAN}{sensors}{CLIMATE}", rig.base()));
    let daemon = rig.start_synced();
    let status =
        rig.wait_status("the dead feeder", |status| status["sensors"]["cabinet"]["state"] == "stale");
    assert_eq!(status["sensors"]["once"]["state"], "ok");
    daemon.wait_log("found a file that nobody has written for longer than max-age, 2s");
    rig.wait_drive("fan", |now| now == 1000);
}

#[test]
fn a_sensor_that_is_renamed_at_an_overheat_does_not_bring_back_the_start_row() {
    let rig = Rig::new();
    rig.set_temperature("90.0");
    rig.configure("critical = 80.0\n");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 1000);
    rig.wait_status("the overheat", |status| status["climate"]["regime"] == "overheat");
    let before = rig.trace().len();
    let renamed = format!("{}{FAN}{SENSOR}{CLIMATE}critical = 80.0\n", rig.base()).replace("cabinet", "roof");
    rig.write_config(&renamed);
    daemon.signal("HUP");
    rig.wait_status("the new name", |status| status["sensors"]["roof"]["value"] == 90);
    assert_eq!(rig.trace().len(), before, "{:?}", rig.trace());
    assert_eq!(rig.status()["climate"]["regime"], "overheat");
}

const SIREN: &str = "critical = 80.0\n[outputs.siren]\npin = 24\nalarms = [\"sensor\", \"overheat\"]\n";

/// The last change of an output: its drive, its cause, and when it was decided.
fn last_change(rig: &Rig, output: &str) -> (Value, Value, Value) {
    let change = rig.trace().into_iter().rfind(|change| change["output"] == output).unwrap();
    (change["permille"].clone(), change["cause"].clone(), change["boottime_ns"].clone())
}

#[test]
fn a_siren_follows_its_alarms_without_a_network_and_an_override_silences_it() {
    let rig = Rig::new();
    rig.hub.block_on(rig.hub.stop_listening());
    rig.configure(SIREN);
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    let heard = |drive: u16, cause: &str| {
        rig.wait_drive("siren", |now| now == drive);
        let (permille, told, _) = last_change(&rig, "siren");
        assert_eq!((permille, told), (json!(drive), json!(cause)));
    };
    heard(0, "no alarm");
    rig.set_temperature("90.0");
    heard(1000, "alarm overheat");
    rig.wait_drive("fan", |now| now == 1000);
    assert_eq!(last_change(&rig, "siren").2, last_change(&rig, "fan").2, "not at a later step");
    let page = say(&mut rig.command(&["status"]));
    assert!(page.out.contains("siren: 100 % by alarm overheat"), "{}", page.out);
    daemon.wait_log("output=\"siren\" permille=1000 cause=\"alarm overheat\"");
    let silenced = say(&mut rig.command(&["override", "siren", "off", "--for", "1h"]));
    assert_eq!(silenced.code, 0, "{}", silenced.err);
    heard(0, "override");
    assert_eq!(say(&mut rig.command(&["override", "siren", "clear"])).code, 0);
    heard(1000, "alarm overheat");
    rig.set_temperature("22.0");
    heard(0, "no alarm");
    fs::remove_file(rig.path("temperature")).unwrap();
    heard(1000, "alarm sensor");
    let changes = rig.trace().len();
    rig.configure(SIREN);
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    rig.set_temperature("22.0");
    heard(0, "no alarm");
    let of_siren = rig.trace().iter().skip(changes).filter(|change| change["output"] == "siren").count();
    assert_eq!(of_siren, 1, "the reload changed it: {:?}", rig.trace());
}

#[test]
fn an_upgrade_does_not_interrupt_a_siren() {
    let rig = Rig::new();
    rig.configure(SIREN);
    rig.set_temperature("90.0");
    let daemon = rig.start_synced();
    rig.wait_drive("siren", |now| now == 1000);
    fs::create_dir(rig.path("handover")).unwrap();
    let changes = rig.trace().len();
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(say(rig.command(&["safe"]).env("SERVICE_RESULT", "success")).code, 0);
    let daemon = rig.start_synced();
    daemon.wait_log("taken over from the previous daemon");
    rig.wait_status("the alarm", |status| status["outputs"]["siren"]["cause"] == "alarm overheat");
    assert_eq!(rig.trace().len(), changes, "{:?}", rig.trace());
    rig.set_temperature("22.0");
    rig.wait_drive("siren", |now| now == 0);
}
