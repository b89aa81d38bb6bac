//! Outages, crashes and restarts: what was acknowledged is never lost, and both ends become equal again.

use crate::rig::{DEVICE, Rig, say, state_files};
use serde_json::{Value, json};
use std::fs;
use twinhub::Event;

#[test]
fn c20_started_with_no_hub_the_pin_follows_the_stored_twin_and_the_climate_runs() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());
    assert_eq!(rig.drive("fan"), Some(0), "the stop row is off");

    rig.hub.block_on(rig.hub.stop_listening());
    let before = rig.trace().len();
    let daemon = rig.start();
    let first = &rig.trace()[before];
    assert_eq!(
        (&first["output"], &first["permille"]),
        (&json!("fan"), &json!(200)),
        "READY came before the pin"
    );
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);

    let after = rig.hub.hub().last_sequence();
    rig.desire(json!({"fanOn": false}));
    rig.hub.resume_listening().unwrap();
    rig.wait_drive("fan", |now| now == 0);
    rig.wait_reported("the change made during the outage", |r| r["fanOn"] == false);
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::TwinGet { .. })), 1);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn c23_what_was_acknowledged_survives_kill_9() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    for round in 0..6 {
        let daemon = rig.start_synced();
        let on = round % 2 == 0;
        let version = rig.desire(json!({"fanOn": on, "patchId": format!("round {round}")}));
        rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
        daemon.kill();

        rig.hub.block_on(rig.hub.stop_listening());
        let before = rig.trace().len();
        let daemon = rig.start();
        let drive = if on { 200 } else { 0 };
        assert_eq!(rig.trace()[before]["permille"], drive, "round {round}");
        daemon.kill();
        rig.hub.resume_listening().unwrap();
    }
}

#[test]
fn c24_a_kill_at_any_time_leaves_a_twin_that_was_true_once_and_heals() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let mut killed = rig.start_synced();
    let mut true_once = vec![json!({"$version": 1})];
    for round in 0..8 {
        // The kill falls anywhere between the notification, the disk and the acknowledgement.
        let on = round % 2 == 0;
        let version = rig.desire(json!({"fanOn": on, "patchId": format!("{round}")}));
        true_once.push(json!({"fanOn": on, "patchId": format!("{round}"), "$version": version}));
        std::thread::sleep(std::time::Duration::from_millis(round * 3));
        killed.kill();
        let kept: Value = serde_json::from_str(&say(&mut rig.command(&["twin", "desired"])).out).unwrap();
        assert!(true_once.contains(&kept), "round {round}: {kept}");
        killed = rig.start();
        rig.wait_reported("both ends equal", |r| r["desiredVersion"] == version);
        rig.wait_drive("fan", |now| now == if on { 200 } else { 0 });
        assert!(!killed.log().contains("ERROR"), "{}", killed.log());
    }
}

#[test]
fn a_cut_connection_is_made_again_and_brings_what_was_missed() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.hub.hub().faults().drop_desired(twinhub::Times::Next(1));
    rig.desire(json!({"fanOn": true}));
    let after = rig.hub.hub().last_sequence();
    assert!(rig.hub.hub().kick(DEVICE));
    rig.wait_event(after, |event| matches!(event, Event::Connected { .. }));
    rig.wait_reported("what was missed", |r| r["fanOn"] == true);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_lost_notification_is_noticed_by_the_next_one() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.hub.hub().faults().drop_desired(twinhub::Times::Next(1));
    rig.desire(json!({"fanOn": true}));
    let version = rig.desire(json!({"patchId": "second"}));
    let told = rig.wait_reported("both changes", |r| r["desiredVersion"] == version);
    assert_eq!(told["fanOn"], true);
    daemon.wait_log("a notification was lost");
}

#[test]
fn c24_a_state_file_cut_short_falls_back_to_the_other_and_two_are_fetched_again() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    for on in [false, true] {
        let version = rig.desire(json!({"fanOn": on}));
        rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    }
    daemon.kill();
    let files = state_files(&rig.path("state"));
    assert_eq!(files.len(), 2, "two generations");
    let newest = files.iter().max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap();
    cut(newest);
    rig.hub.block_on(rig.hub.stop_listening());
    let daemon = rig.start();
    daemon.wait_log("started from the stored twin");
    daemon.wait_log(&format!("WARN the stored twin {}", newest.display()));
    rig.hub.resume_listening().unwrap();
    let version = rig.desire(json!({"patchId": "equal again"}));
    rig.wait_reported("both ends equal", |r| r["desiredVersion"] == version);
    daemon.kill();

    state_files(&rig.path("state")).iter().for_each(|path| cut(path));
    rig.hub.block_on(rig.hub.stop_listening());
    let before = rig.trace().len();
    let daemon = rig.start();
    daemon.wait_log("started without a stored twin");
    assert_eq!(rig.trace()[before]["cause"], "fail-safe start");
    rig.hub.resume_listening().unwrap();
    rig.wait_drive("fan", |now| now == 200);
}

fn cut(path: &std::path::Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn c22_a_device_made_anew_with_a_lower_version_is_taken_over() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    for round in 0..3 {
        rig.desire(json!({"patchId": format!("{round}"), "fanOn": true}));
    }
    rig.wait_reported("the last patch", |r| r["lastPatchReceivedId"] == "2");
    let hub = rig.hub.hub();
    let keys = hub.device_keys(DEVICE).unwrap().unwrap();
    hub.delete_device(DEVICE).unwrap();
    hub.create_device_with_keys(DEVICE, keys).unwrap();
    let told = rig.wait_reported("the new identity", |r| r["desiredVersion"] == 1);
    assert_eq!(told.get("fanOn"), None);
    daemon.wait_log("created again at the hub");
}
