//! A disk that cannot be written while the hub is away: messages wait in memory, and control and reports go on.

use super::{
    BRISK, PATIENCE, THINGS, duplicates, got, ids_on_disk, lives, lose_hub, mark, records, ring_files, say,
    site, wait_count, wait_got, wait_mark, wait_sent,
};
use crate::disk::{in_namespace_of, spawn_mounted};
use crate::rig::{CLIMATE, Daemon, FAN, Rig, SENSOR, eventually_within};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

const FAULT: &str = "telemetry cannot be kept on the disk: ";
const MENDED: &str = "telemetry can be kept on the disk again";
/// How many sensors and outputs fill the memory in less than a minute.
const MANY: usize = 50;

/// From now on the daemon finds its state directory read-only. Files that it has open are not in the way of that: the directory is
/// mounted once more, over itself.
fn forbid_writes(rig: &Rig, daemon: &Daemon) {
    let state = rig.path("state").display().to_string();
    in_namespace_of(daemon, &["mount", "--bind", &state, &state]);
    in_namespace_of(daemon, &["mount", "-o", "remount,ro,bind", &state]);
}

fn allow_writes(rig: &Rig, daemon: &Daemon) {
    in_namespace_of(daemon, &["umount", rig.path("state").to_str().unwrap()]);
}

/// The daemon in a mount namespace of its own; `None` where that is not possible.
fn start(rig: &Rig) -> Option<Daemon> {
    fs::create_dir(rig.path("state")).unwrap();
    let mut daemon = spawn_mounted(rig, "true")?;
    daemon.wait_notified("READY=1");
    rig.wait_synced();
    Some(daemon)
}

fn wait_log(daemon: &Daemon, words: &str) {
    eventually_within(PATIENCE, words, || daemon.log().contains(words).then_some(()), || daemon.log());
}

/// It controls, and says what is wrong.
fn controls_without_a_ring(rig: &Rig, daemon: &Daemon) {
    daemon.wait_log(FAULT);
    let status = rig.wait_status("the alarm", |status| status["alarms"]["disk"].is_object());
    assert!(status["telemetry"]["fault"].is_string(), "{status:#}");
    let page = say(&mut rig.command(&["status"]));
    assert!(page.code == 1 && page.out.contains("telemetry cannot be kept on the disk"), "{}", page.out);
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);
    rig.set_temperature("22.0");
    rig.wait_drive("fan", |now| now == 250);
}

#[test]
fn a_hub_that_returns_before_the_disk_does_gets_all_from_memory() {
    let rig = site(BRISK);
    let Some(daemon) = start(&rig) else { return };
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    forbid_writes(&rig, &daemon);
    // With a link nothing is to be written.
    let before = got(&rig).len();
    wait_got(&rig, "more", |messages| messages.len() > before + 1);
    lose_hub(&rig);
    controls_without_a_ring(&rig, &daemon);
    wait_count(&rig, "waitingMessages", |waiting| waiting > 2);
    rig.hub.resume_listening().unwrap();
    rig.wait_reported("the alarm", |told| told["alarms"]["disk"].is_object());
    mark(&rig, 35);
    wait_mark(&rig, 35);
    let messages = wait_got(&rig, "the alarm", |messages| {
        messages.iter().any(|message| message.property("alarm") == Some("disk"))
    });
    let lives = lives(&messages);
    assert_eq!(lives.len(), 1);
    let status = rig.status();
    assert_eq!(status["telemetry"]["lostRecords"], 0);
    assert_eq!(ids_on_disk(&rig), [""; 0], "{:?}", ring_files(&rig));
    allow_writes(&rig, &daemon);
    // That is noticed when there is something to keep, or after five minutes.
    lose_hub(&rig);
    wait_log(&daemon, MENDED);
    rig.hub.resume_listening().unwrap();
    rig.wait_status("no fault", |status| status["telemetry"]["fault"] == Value::Null);
    let end = |message: &twinhub::Message| {
        message.property("alarm") == Some("disk") && records(message)[0]["raised"] == json!(false)
    };
    wait_got(&rig, "the alarm's end", |messages| messages.iter().any(|message| end(message)));
    wait_sent(&rig);
    let lives = super::lives(&got(&rig));
    lives[0].assert_whole();
    assert!(lives[0].samples(&THINGS).len() > 5);
    // Only what was under way when a connection ended may have come twice.
    assert!(duplicates(&got(&rig)) <= 2);
}

/// Sensors and outputs of which a sample has twelve kilobytes.
fn many() -> String {
    let mut text = String::new();
    for number in 0..MANY {
        let sensor = SENSOR.replace("cabinet", &format!("sensor-{number:02}")).replace("100ms", "1s");
        let sensor = sensor.replace("stale-after = \"1s\"", "stale-after = \"30s\"");
        write!(text, "{sensor}\n[outputs.output-{number:02}]\npwm = {{ channel = {} }}\n", number + 2)
            .unwrap();
    }
    text
}

#[test]
fn what_memory_has_no_room_for_is_lost_counted_and_told_and_what_waited_is_kept_once_the_disk_is_back() {
    let table = "\n[telemetry]\ninterval = \"1s\"\nsend-every = \"1s\"\n";
    let rig = Rig::new();
    let config =
        |table: &str| format!("{}{FAN}{}{SENSOR}{}{CLIMATE}{table}", rig.base(), super::LAMP, many());
    rig.write_config(&config(table));
    let Some(daemon) = start(&rig) else { return };
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    wait_sent(&rig);
    lose_hub(&rig);
    forbid_writes(&rig, &daemon);
    controls_without_a_ring(&rig, &daemon);
    wait_count(&rig, "lostRecords", |lost| lost > 100);
    daemon.wait_log("telemetry records are lost");
    allow_writes(&rig, &daemon);
    wait_log(&daemon, MENDED);
    // What waited is kept, and so is what tells of the loss.
    let lost = || super::waiting(&rig)["lostRecords"].as_u64().unwrap_or(u64::MAX);
    let told = || -> u64 {
        let names = ring_files(&rig);
        let texts = names.iter().map(|name| fs::read_to_string(rig.path("state").join(name)).unwrap());
        let texts: Vec<_> = texts.collect();
        let counts = texts.iter().flat_map(|text| text.split("\"dropped\":").skip(1));
        counts.map(|rest| rest.split('}').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let find = || (told() >= lost()).then_some(());
    eventually_within(PATIENCE, "what tells of the loss", find, || format!("{} told of {}", told(), lost()));
    assert!(daemon.stop().success());
    let told = told();
    let kept: BTreeSet<String> = ids_on_disk(&rig).into_iter().collect();
    let messages = got(&rig);
    let lives = lives(&messages);
    let here: BTreeSet<u64> = kept
        .iter()
        .map(|id| id.rsplit_once('-').unwrap().1.parse().unwrap())
        .chain(lives[0].messages.keys().copied())
        .collect();
    let missing: Vec<u64> = (1..=*here.last().unwrap()).filter(|number| !here.contains(number)).collect();
    println!("{told} records are lost, {} messages, {} are kept", missing.len(), kept.len());
    assert!(kept.len() > 50, "{}", kept.len());
    // A message holds 30 records or more, unless a sample ended with it, or it was an alarm's.
    assert!((missing.len() as u64..=missing.len() as u64 * 60).contains(&told), "{told} for {missing:?}");
    assert!(
        missing.is_sorted() && missing.last().unwrap() - missing[0] < missing.len() as u64 + 8,
        "the oldest: {missing:?}"
    );

    rig.write_config(&config(super::CALM));
    rig.hub.resume_listening().unwrap();
    let _daemon = rig.start_synced();
    let tells = |record: &Value| {
        record["dropped"].as_u64().is_some_and(|count| count > 0) && record["time"].is_string()
    };
    wait_got(&rig, "what tells of the loss", |messages| {
        messages.iter().any(|message| records(message).first().is_some_and(tells))
    });
}
