//! A daemon that is assigned to its hub by the provisioning service.

use crate::freezer::{Freezer, Hanging};
use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually, state_files};
use crate::walk::{found, steps, walked};
use serde_json::json;
use twinhub::{Event, RegistrationAnswer};

/// The usual site, enrolled in a group, by WebSocket, with its state in this folder.
fn provisioned(state_dir: &str) -> Rig {
    let rig = Rig::new();
    let hub = rig.hub.hub();
    rig.write_secret("group-key", &hub.enrol_group().primary);
    let table = format!(
        "transport = \"websocket\"\n[hub.provisioning]\nendpoint = \"localhost\"\nid-scope = \"{}\"\n\
         registration-id = \"{DEVICE}\"\ngroup-key-file = \"group-key\"\n",
        hub.id_scope()
    );
    let base = rig
        .base()
        .replace("connection-string-file = \"connection-string\"\n", "")
        .replace(&format!("port = {}", rig.hub.mqtt_port()), &format!("port = {}", rig.hub.https_port()))
        .replace("DIR/state", state_dir)
        .replace("ca-file = \"ca.pem\"\n", &format!("ca-file = \"ca.pem\"\n{table}"));
    rig.write_config(&format!("{base}{FAN}{SENSOR}{CLIMATE}"));
    rig
}

#[test]
fn its_stored_twin_drives_the_pin_before_any_network_and_its_assignment_needs_no_service() {
    let rig = provisioned("DIR/state");
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());
    assert_eq!((state_files(&rig.path("state")).len(), rig.path("state/assignment").exists()), (2, true));

    rig.hub.block_on(rig.hub.stop_listening());
    let before = rig.trace().len();
    let daemon = rig.start();
    assert_eq!(rig.trace()[before]["permille"], 200, "READY came before the pin");

    // The service is out of order; the hub is back.
    let hub = rig.hub.hub();
    hub.script_registrations(vec![RegistrationAnswer::Status(500, None); 20]);
    let after = hub.last_sequence();
    let version = rig.desire(json!({"fanOn": false}));
    rig.hub.resume_listening().unwrap();
    rig.wait_drive("fan", |now| now == 0);
    rig.wait_reported("the change made during the outage", |r| r["desiredVersion"] == version);
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Registration { .. })), 0);
    let key = std::fs::read_to_string(rig.path("group-key")).unwrap();
    assert!(!daemon.log().contains("ERROR") && !daemon.log().contains(&key), "{}", daemon.log());
}

#[test]
fn a_state_disk_that_hangs_keeps_nobody_from_the_hub() {
    let rig = provisioned("DIR/disk/state");
    let Some(disk) = Freezer::new(&rig, "disk") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    std::fs::create_dir(rig.path("disk/state")).unwrap();
    let mut hanging = Hanging { disk, daemons: Vec::new() };
    if !hanging.disk.freeze() {
        eprintln!("skipped: no file system can be frozen here");
        return;
    }
    hanging.daemons.push(rig.start());
    let daemon = &hanging.daemons[0];
    daemon.wait_log("assigned by the provisioning service");
    let version = rig.desire(json!({"fanOn": true}));
    let cause = format!("desired version {version}");
    rig.wait_reported("the change", |r| r["components"]["fan"]["cause"] == *cause);
    daemon.wait_log("the assignment cannot be stored yet");
    assert!(!rig.path("disk/state/assignment").exists());
    hanging.disk.thaw();
    let kept = || rig.path("disk/state/assignment").exists().then_some(());
    eventually("the assignment", kept, || hanging.daemons[0].log());
    assert!(hanging.daemons.pop().unwrap().stop().success());
}

#[test]
fn the_walk_to_the_hub_asks_the_service_if_nothing_is_stored_and_stores_nothing() {
    let rig = provisioned("DIR/state");
    let told = walked(&rig);
    let wire = ["dns", "tcp", "tls", "websocket"];
    let to_hub = [&["assignment", "way"][..], &wire, &["mqtt", "identity", "twin"]].concat();
    assert_eq!(steps(&told), [&["way"][..], &wire, &to_hub].concat());
    let assignment = found(&told, "assignment");
    assert!(assignment.starts_with(&format!("hub localhost, device {DEVICE}, in ")), "{assignment}");
    assert!(!rig.path("state").exists());

    let daemon = rig.start_synced();
    let kept = || rig.path("state/assignment").exists().then_some(());
    eventually("the assignment", kept, || daemon.log());
    assert!(daemon.stop().success());
    let after = rig.hub.hub().last_sequence();
    let told = walked(&rig);
    assert_eq!(steps(&told), to_hub);
    assert!(found(&told, "assignment").contains("as stored in "), "{told:#}");
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Registration { .. })), 0);
}
