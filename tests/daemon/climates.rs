//! Several climates: each by its own range, an output that two of them share and one that is not shared, through every row of
//! the fail-safe table, and schedules by the clock of this machine.

use crate::rig::{Daemon, Rig, eventually, say};
use crate::watch::Watch;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The boiler heats both rooms, the vent cools the office alone. Each row has a share of its own.
const SITE: &str = r#"
[outputs.boiler]
pwm = { channel = 0 }
when = { start = "10%", stop = "20%", crash = "90%", sensor-fault = "40%", overheat = "5%", hub-silent = { after = "SILENT", drive = "auto" } }

[outputs.vent]
pwm = { channel = 1 }
when = { start = "11%", stop = "21%", crash = "91%", sensor-fault = "41%", overheat = "61%", hub-silent = { after = "SILENT", drive = "auto" } }

[sensors.office]
driver = "file"
path = "DIR/office"
period = "100ms"
stale-after = "1s"

[sensors.lab]
driver = "file"
path = "DIR/lab"
period = "100ms"
stale-after = "1s"

[climates.office]
sensor = "office"
cooling = "vent"
heating = "boiler"
range = { min = 20.0, max = 24.0 }
critical = 60.0
time-zone = "UTC"

[climates.lab]
sensor = "lab"
heating = "boiler"
range = { min = 18.0, max = 22.0 }
critical = 60.0
"#;

fn site(silent: &str) -> Rig {
    let rig = Rig::new();
    rig.write_config(&format!("{}{}", rig.base(), SITE.replace("SILENT", silent)));
    warm(&rig, "office", "22.0");
    warm(&rig, "lab", "20.0");
    rig
}

/// Sets the temperature of a room. Replaced whole, so that a reader never sees half a number.
fn warm(rig: &Rig, room: &str, text: &str) {
    fs::write(rig.path("room.new"), text).unwrap();
    fs::rename(rig.path("room.new"), rig.path(room)).unwrap();
}

/// Waits until an output is at this drive, and this decided it.
fn wait(rig: &Rig, output: &str, permille: u64, cause: &str) {
    let now = || {
        let status = rig.status();
        let output = &status["outputs"][output];
        (output["permille"].clone(), output["cause"].clone())
    };
    let wanted = (json!(permille), json!(cause));
    let show = || format!("{:?}\n{:#?}", now(), rig.trace());
    eventually(&format!("{output}: {wanted:?}"), || (now() == wanted).then_some(()), show);
    rig.wait_drive(output, |drive| u64::from(drive) == permille);
}

#[test]
fn each_climate_follows_its_own_desired_range_and_reports_in_its_own_component() {
    let rig = site("24h");
    let daemon = rig.start_synced();
    wait(&rig, "vent", 500, "climate office");
    wait(&rig, "boiler", 0, "climate office");
    rig.desire(json!({"components": {
        "office": {"minTemperature": 18, "maxTemperature": 26},
        "lab": {"minTemperature": "21", "maxTemperature": "25"},
    }}));
    // Of the office it is the same middle; the lab is one of four degrees below its minimum.
    wait(&rig, "boiler", 250, "climate lab");
    wait(&rig, "vent", 500, "climate office");
    // Values and states are sampled each at its time.
    let reported = rig.wait_reported("both ranges", |r| {
        let of = |entry: &str, key: &str| r["components"][entry][key].clone();
        of("lab", "regime") == "too-cold"
            && of("boiler", "cause") == "climate lab"
            && of("office", "temperature") == 22
            && of("lab", "temperature") == 20
    });
    let entry = |room: &str, key: &str| reported["components"][room][key].clone();
    let office = ["minTemperature", "maxTemperature", "temperature", "unit", "regime", "sensor"];
    assert_eq!(
        office.map(|key| entry("office", key)),
        [json!(18), json!(26), json!(22), json!("celsius"), json!("in-range"), json!("ok")]
    );
    assert_eq!(
        ["minTemperature", "maxTemperature", "temperature"].map(|key| entry("lab", key)),
        [json!("21"), json!("25"), json!(20)]
    );
    assert_eq!(
        (&reported["minTemperature"], &reported["components"]["climate"]),
        (&Value::Null, &Value::Null)
    );
    // A wrong range of one is refused there, and the other goes on.
    rig.desire(json!({"components": {
        "office": {"minTemperature": 20, "maxTemperature": 24},
        "lab": {"minTemperature": 30},
    }}));
    rig.wait_reported("the refusal", |r| r["rejected"]["components"]["lab"]["code"] == 400);
    wait(&rig, "boiler", 250, "climate lab");
    let status = rig.status();
    assert_eq!(
        (&status["climates"]["office"]["min"], &status["climates"]["lab"]["min"]),
        (&json!(20), &json!(21))
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_shared_output_gets_the_greatest_demand_and_its_cause_names_the_climate() {
    let rig = site("24h");
    let _daemon = rig.start_synced();
    warm(&rig, "office", "19.0");
    wait(&rig, "boiler", 250, "climate office");
    warm(&rig, "lab", "16.0");
    wait(&rig, "boiler", 500, "climate lab");
    rig.wait_reported("the cause", |r| {
        let boiler = &r["components"]["boiler"];
        boiler["cause"] == "climate lab" && boiler["dutyPercent"] == 50
    });
    warm(&rig, "lab", "17.6");
    wait(&rig, "boiler", 250, "climate office");
    rig.wait_reported("the other cause", |r| r["components"]["boiler"]["cause"] == "climate office");
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains("output   boiler: 25 % by climate office"), "{page}");
}

/// What decided the first or the last change of an output on the board.
fn traced(
    rig: &Rig,
    output: &str,
    at: impl Fn(&mut dyn DoubleEndedIterator<Item = Value>) -> Option<Value>,
) -> (u64, String) {
    let changes = rig.trace().into_iter().filter(|line| line["output"] == output).collect::<Vec<_>>();
    let line = at(&mut changes.into_iter()).unwrap();
    (line["permille"].as_u64().unwrap(), line["cause"].as_str().unwrap().to_owned())
}

#[test]
fn the_rows_of_start_stop_and_crash_hold_for_a_shared_output_and_for_one_that_is_not() {
    let rig = site("24h");
    let daemon = rig.start_synced();
    wait(&rig, "vent", 500, "climate office");
    let first = |output| traced(&rig, output, |all| all.next());
    assert_eq!(first("boiler"), (100, "fail-safe start".into()));
    assert_eq!(first("vent"), (110, "fail-safe start".into()));
    assert!(daemon.stop().success());
    let last = |output| traced(&rig, output, |all| all.next_back());
    assert_eq!(last("boiler"), (200, "fail-safe stop".into()));
    assert_eq!(last("vent"), (210, "fail-safe stop".into()));
    let daemon = rig.start();
    wait(&rig, "vent", 500, "climate office");
    daemon.kill();
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "signal"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out, "boiler: 90 %, fail-safe crash\nvent: 91 %, fail-safe crash\n");
    assert_eq!((rig.drive("boiler"), rig.drive("vent")), (Some(900), Some(910)));
}

#[test]
fn a_climate_without_a_reading_wants_the_row_of_a_shared_output_and_the_others_may_want_more() {
    let rig = site("24h");
    let daemon = rig.start_synced();
    warm(&rig, "office", "19.0");
    wait(&rig, "boiler", 250, "climate office");
    fs::remove_file(rig.path("lab")).unwrap();
    wait(&rig, "boiler", 400, "fail-safe sensor-fault");
    rig.wait_reported("the fault of one", |r| {
        r["components"]["lab"]["sensor"] == "missing"
            && r["components"]["office"]["sensor"] == "ok"
            && r["alarms"]["sensor-lab"] != Value::Null
    });
    daemon.wait_log("climate lab: sensor-fault");
    warm(&rig, "office", "18.0");
    wait(&rig, "boiler", 500, "climate office");
    // Now that none is left, the row decides alone. The vent is of the office only.
    warm(&rig, "office", "lukewarm");
    wait(&rig, "boiler", 400, "fail-safe sensor-fault");
    wait(&rig, "vent", 410, "fail-safe sensor-fault");
    warm(&rig, "lab", "20.0");
    wait(&rig, "boiler", 400, "fail-safe sensor-fault");
    warm(&rig, "office", "22.0");
    wait(&rig, "boiler", 0, "climate office");
    wait(&rig, "vent", 500, "climate office");
    rig.wait_reported("no alarm is left", |r| r["alarms"] == Value::Null);
}

#[test]
fn the_heat_of_one_climate_drives_its_outputs_to_their_row_and_no_other() {
    let rig = site("24h");
    let _daemon = rig.start_synced();
    wait(&rig, "vent", 500, "climate office");
    warm(&rig, "lab", "60.5");
    wait(&rig, "boiler", 50, "fail-safe overheat");
    wait(&rig, "vent", 500, "climate office");
    rig.wait_reported("the heat of one", |r| {
        r["components"]["lab"]["regime"] == "overheat"
            && r["components"]["office"]["regime"] == "in-range"
            && r["alarms"]["overheat-lab"] != Value::Null
            && r["alarms"]["overheat-office"] == Value::Null
    });
    warm(&rig, "lab", "20.0");
    wait(&rig, "boiler", 0, "climate office");
    warm(&rig, "office", "60.5");
    wait(&rig, "vent", 610, "fail-safe overheat");
    wait(&rig, "boiler", 50, "fail-safe overheat");
}

#[test]
fn while_the_hub_is_silent_the_ranges_alone_decide_both() {
    let rig = site("1s");
    let daemon = rig.start_synced();
    rig.desire(json!({"components": {
        "office": {"minTemperature": 18, "maxTemperature": 26, "fanOn": false},
        "lab": {"minTemperature": 21, "maxTemperature": 25},
    }}));
    wait(&rig, "vent", 0, "desired version 2");
    wait(&rig, "boiler", 250, "climate lab");
    rig.hub.block_on(rig.hub.stop_listening());
    // The desired ranges, without what `fanOn` wants.
    wait(&rig, "vent", 500, "fail-safe hub-silent");
    wait(&rig, "boiler", 250, "fail-safe hub-silent");
    warm(&rig, "lab", "19.0");
    wait(&rig, "boiler", 500, "fail-safe hub-silent");
    rig.hub.resume_listening().unwrap();
    wait(&rig, "vent", 0, "desired version 2");
    wait(&rig, "boiler", 500, "climate lab");
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds since 1970, on the minute.
fn minute_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    now - now % MINUTE
}

/// A moment as an entry has it in UTC.
fn clock(at: u64) -> String {
    format!("{:02}:{:02}", at / HOUR % 24, at / MINUTE % 60)
}

fn rfc3339(at: u64) -> String {
    twind::units::UnixSeconds(at).rfc3339()
}

/// An entry of the office that holds from one moment until another, less than a day later.
fn entry(from: u64, to: u64, min: u64, max: u64) -> Value {
    json!({"from": clock(from), "to": clock(to), "minTemperature": min, "maxTemperature": max})
}

fn desire_schedule(rig: &Rig, entries: Value) {
    rig.desire(json!({"components": {"office": {"schedule": entries}}}));
}

/// Commands that run from a folder without time zones: UTC needs none.
fn without_zones(rig: &Rig, words: &[&str]) -> Command {
    let mut command = rig.command(words);
    command.env("TZDIR", rig.path("nowhere"));
    command
}

fn start(rig: &Rig) -> Daemon {
    let mut daemon = rig.spawn_as(without_zones(rig, &["run"]));
    daemon.wait_notified("READY=1");
    daemon
}

#[test]
fn the_entry_of_a_schedule_is_followed_and_told_and_goes_on_after_a_restart_without_the_hub() {
    let rig = site("24h");
    let daemon = start(&rig);
    wait(&rig, "vent", 500, "climate office");
    let (now, office) = (minute_now(), |r: &Value| r["components"]["office"].clone());
    let until = rfc3339(now + 2 * HOUR);
    desire_schedule(&rig, json!({"now": entry(now - HOUR, now + 2 * HOUR, 16, 32)}));
    wait(&rig, "vent", 375, "climate office");
    rig.wait_reported("the entry", |r| {
        let office = office(r);
        office["schedule"] == "now"
            && office["scheduleUntil"] == until
            && office["minTemperature"] == 16
            && office["maxTemperature"] == 32
    });
    assert!(daemon.stop().success());

    rig.hub.block_on(rig.hub.stop_listening());
    let daemon = start(&rig);
    wait(&rig, "vent", 375, "climate office");
    daemon.wait_log(&format!("climate office: schedule entry now applies until {until}"));
    let status = rig.status();
    assert_eq!(status["hub"]["online"], false);
    let told = &status["climates"]["office"];
    assert_eq!((&told["min"], &told["max"]), (&json!(16), &json!(32)));
    assert_eq!(told["schedule"], json!({"waiting": false, "entry": "now", "until": until}));
    assert_eq!(status["climates"]["lab"]["schedule"], Value::Null);
    // How the end is told depends on the zone of the machine, but it is never that of the JSON.
    let lines = "climate  office: 22 °C, in-range, target 16 to 32 °C\n         by its schedule's entry now ";
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains(lines) && !page.contains(&until), "{page}");
    let mut watch = Watch::of(&mut rig.command(&["watch"]));
    watch.wait(lines);
    assert_eq!(watch.end(), Some(0));
    rig.hub.resume_listening().unwrap();
    rig.wait_status("the hub", |status| status["hub"]["synced"] == true);

    // The first by name, for as long as it holds; then an end of one of them; then none.
    desire_schedule(&rig, json!({"before": entry(now - HOUR, now + HOUR, 20, 22)}));
    wait(&rig, "vent", 1000, "climate office");
    let until = rfc3339(now + HOUR);
    rig.wait_reported("the first by name", |r| {
        office(r)["schedule"] == "before" && office(r)["scheduleUntil"] == until
    });
    let later = entry(now + HOUR, now + 2 * HOUR, 20, 22);
    desire_schedule(&rig, json!({"now": null, "before": later}));
    wait(&rig, "vent", 500, "climate office");
    rig.wait_reported("the beginning of the next", |r| {
        let office = office(r);
        (office["schedule"] == "no entry applies" && office["scheduleUntil"] == until)
            && (office["minTemperature"] == 20 && office["maxTemperature"] == 24)
    });
    rig.desire(json!({"components": {"office": {"schedule": null}}}));
    rig.wait_reported("no schedule", |r| office(r)["schedule"] == Value::Null);
    daemon.wait_log("climate office: it no longer has a schedule");
}
