//! Upgrades: one daemon ends, the next one takes over, and the outputs stay as they are.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR, say};
use serde_json::json;
use std::fs;

const LAMP: &str = "[outputs.lamp]\npin = 22\nproperty = \"lamp\"\n";

/// A fan that the climate drives and a lamp that the twin drives, both on, and the hand-over requested.
fn about_to_hand_over() -> (Rig, crate::rig::Daemon) {
    let rig = Rig::new();
    rig.configure(LAMP);
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.desire(json!({"lamp": true}));
    rig.wait_drive("lamp", |now| now == 1000);
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("the lamp", |r| r["components"]["lamp"]["on"] == true);
    fs::create_dir(rig.path("handover")).unwrap();
    (rig, daemon)
}

#[test]
fn an_upgrade_does_not_show_on_the_outputs() {
    let (rig, mut daemon) = about_to_hand_over();
    let changes = rig.trace().len();
    daemon.signal("TERM");
    daemon.wait_notified("outputs stay as they are");
    assert_eq!(daemon.wait_end().code(), Some(0));
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "success"));
    assert_eq!(said.code, 0, "{}", said.err);
    let daemon = rig.start_synced();
    daemon.wait_log("taken over from the previous daemon");
    assert!(!rig.path("handover").exists(), "a later stop would leave the outputs on");
    rig.wait_status("a reading of the new daemon", |status| status["sensors"]["cabinet"]["value"] == 24);
    assert_eq!(rig.trace().len(), changes, "{:?}", rig.trace());
    // From here on it works as usual.
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    daemon.stop();
    assert_eq!((rig.drive("fan"), rig.drive("lamp")), (Some(0), Some(0)));
}

#[test]
fn a_new_daemon_that_cannot_start_leaves_the_outputs_to_their_crash_rows() {
    let (rig, daemon) = about_to_hand_over();
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!((rig.drive("fan"), rig.drive("lamp")), (Some(500), Some(1000)));
    rig.write_config(&format!("{}{FAN}{LAMP}{SENSOR}{CLIMATE}nonsense = 1\n", rig.base()));
    assert_eq!(say(&mut rig.command(&["run"])).code, 78);
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "exit-code"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!((rig.drive("fan"), rig.drive("lamp")), (Some(0), Some(0)));
    assert!(!rig.path("handover").exists());
}

#[test]
fn a_daemon_that_dies_instead_of_handing_over_leaves_the_outputs_to_their_crash_rows() {
    let (rig, daemon) = about_to_hand_over();
    daemon.kill();
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "signal"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!((rig.drive("fan"), rig.drive("lamp")), (Some(0), Some(0)));
}
