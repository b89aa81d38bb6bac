//! Several climates: each by its own range, an output that two of them share and one that is not shared, through every row of
//! the fail-safe table.

use crate::rig::{Rig, eventually, say};
use serde_json::{Value, json};
use std::fs;

/// The boiler heats both rooms, the vent cools the office alone. Each row has a share of its own.
pub(crate) const SITE: &str = r#"
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

pub(crate) fn site(silent: &str) -> Rig {
    site_of(&SITE.replace("SILENT", silent))
}

/// Both rooms are in range.
pub(crate) fn site_of(text: &str) -> Rig {
    let rig = Rig::new();
    rig.write_config(&format!("{}{text}", rig.base()));
    warm(&rig, "office", "22.0");
    warm(&rig, "lab", "20.0");
    rig
}

/// Sets the temperature of a room. Replaced whole, so that a reader never sees half a number.
pub(crate) fn warm(rig: &Rig, room: &str, text: &str) {
    fs::write(rig.path("room.new"), text).unwrap();
    fs::rename(rig.path("room.new"), rig.path(room)).unwrap();
}

/// Waits until an output is at this drive, and this decided it.
pub(crate) fn wait(rig: &Rig, output: &str, permille: u64, cause: &str) {
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

/// Both outputs keep their drive in every row but that of the start.
fn keeping(silent: &str) -> String {
    let rows = [("stop", 20), ("crash", 90), ("sensor-fault", 40), ("overheat", 5)];
    let vents = rows.map(|(row, share)| (row, if row == "overheat" { 61 } else { share + 1 }));
    let text = SITE.replace("SILENT", silent).replace("\"auto\"", "\"keep\"");
    let text = rows.into_iter().chain(vents).fold(text, |text, (row, share)| {
        text.replace(&format!("{row} = \"{share}%\""), &format!("{row} = \"keep\""))
    });
    assert_eq!(text.matches("keep").count(), 10, "{text}");
    text
}

#[test]
fn a_shared_output_that_the_rows_keep_stays_as_it_is_until_more_is_wanted_or_the_case_is_over() {
    let rig = site_of(&keeping("24h"));
    let daemon = rig.start_synced();
    warm(&rig, "lab", "16.0");
    wait(&rig, "boiler", 500, "climate lab");
    wait(&rig, "vent", 500, "climate office");

    warm(&rig, "lab", "60.5");
    wait(&rig, "boiler", 500, "fail-safe overheat");
    wait(&rig, "vent", 500, "climate office");
    warm(&rig, "office", "60.5");
    wait(&rig, "vent", 500, "fail-safe overheat");
    warm(&rig, "office", "22.0");
    wait(&rig, "vent", 500, "climate office");
    warm(&rig, "lab", "16.0");
    wait(&rig, "boiler", 500, "climate lab");

    // What the lab had is kept for it. The office wants a quarter, and then three.
    fs::remove_file(rig.path("lab")).unwrap();
    wait(&rig, "boiler", 500, "fail-safe sensor-fault");
    warm(&rig, "office", "19.0");
    wait(&rig, "vent", 0, "climate office");
    wait(&rig, "boiler", 500, "fail-safe sensor-fault");
    warm(&rig, "office", "17.0");
    wait(&rig, "boiler", 750, "climate office");
    fs::remove_file(rig.path("office")).unwrap();
    wait(&rig, "vent", 0, "fail-safe sensor-fault");
    wait(&rig, "boiler", 750, "fail-safe sensor-fault");
    rig.wait_reported("what is kept", |r| {
        let boiler = &r["components"]["boiler"];
        boiler["dutyPercent"] == 75 && boiler["cause"] == "fail-safe sensor-fault"
    });
    warm(&rig, "office", "22.0");
    warm(&rig, "lab", "16.0");
    wait(&rig, "boiler", 500, "climate lab");
    wait(&rig, "vent", 500, "climate office");

    assert!(daemon.stop().success());
    let both = || (rig.drive("boiler"), rig.drive("vent"));
    assert_eq!(both(), (Some(500), Some(500)));
    let daemon = rig.start();
    wait(&rig, "boiler", 500, "climate lab");
    wait(&rig, "vent", 500, "climate office");
    daemon.kill();
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "signal"));
    assert_eq!((said.code, said.out.as_str()), (0, "boiler: stays as it is\nvent: stays as it is\n"));
    assert_eq!(both(), (Some(500), Some(500)));
}

#[test]
fn while_the_hub_is_silent_a_shared_output_that_is_kept_ignores_its_climates() {
    let rig = site_of(&keeping("1s"));
    let _daemon = rig.start_synced();
    warm(&rig, "lab", "16.0");
    wait(&rig, "boiler", 500, "climate lab");
    wait(&rig, "vent", 500, "climate office");
    rig.hub.block_on(rig.hub.stop_listening());
    wait(&rig, "boiler", 500, "fail-safe hub-silent");
    wait(&rig, "vent", 500, "fail-safe hub-silent");
    warm(&rig, "lab", "14.0");
    warm(&rig, "office", "23.0");
    rig.wait_status("the readings", |status| {
        status["climates"]["lab"]["temperature"] == 14 && status["climates"]["office"]["temperature"] == 23
    });
    wait(&rig, "boiler", 500, "fail-safe hub-silent");
    wait(&rig, "vent", 500, "fail-safe hub-silent");
    rig.hub.resume_listening().unwrap();
    wait(&rig, "boiler", 1000, "climate lab");
    wait(&rig, "vent", 750, "climate office");
}
