//! A hub that writes faster than a card can bear, and a disk that cannot be used from the start.

use super::*;

/// A change every twenty milliseconds for eighteen seconds, on a disk that is done at once.
fn storm(rig: &mut Rig) {
    for _ in 0..900 {
        rig.now = rig.now + Duration::from_millis(20);
        rig.tick();
        let version = rig.hub_version + 1;
        rig.desire(json!({ "patchId": format!("storm {version}") }));
    }
}

#[test]
fn a_storm_of_changes_makes_a_burst_of_records_and_then_one_a_second() {
    let mut rig = Rig::online();
    rig.pass(secs(600), |_| 24.0);
    let before = rig.written.len();
    storm(&mut rig);
    let written = rig.written.len() - before;
    assert!((300..=318).contains(&written), "{written} records");
    // The outputs and the hub have the last word all the same, and nobody wakes for nothing meanwhile.
    let last = json!(format!("storm {}", rig.hub_version));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!(rig.said("lastPatchReceivedId"), Some(&last));
    assert_eq!(rig.written.last().unwrap().desired_version, Version(rig.hub_version));
    assert!(rig.written.len() - before <= written + 1);
}

#[test]
fn an_output_follows_each_change_of_a_storm_at_once() {
    let mut rig = Rig::online();
    storm(&mut rig);
    for on in [true, false, true] {
        rig.desire(json!({ "fanOn": on }));
        assert_eq!(rig.drive(), Some(if on { 1000 } else { 0 }));
    }
}

#[test]
fn reading_the_configuration_again_is_no_way_round_the_ration() {
    let mut rig = Rig::online();
    storm(&mut rig);
    let before = rig.written.len();
    for _ in 0..20 {
        rig.reload(spec());
        rig.desire(json!({ "patchId": rig.hub_version }));
    }
    assert!(rig.written.len() - before <= 1, "{} records", rig.written.len() - before);
}

#[test]
fn the_end_of_the_process_keeps_what_waits_for_its_ration() {
    let mut rig = Rig::online();
    storm(&mut rig);
    rig.desire(json!({ "fanOn": false }));
    rig.desire(json!({ "fanOn": true }));
    let before = rig.written.len();
    rig.engine.handle_stop(rig.now);
    rig.drain();
    assert_eq!(rig.written.len(), before + 1);
    assert_eq!(rig.written.last().unwrap().desired_version, Version(rig.hub_version));
}

#[test]
fn a_disk_that_cannot_be_used_from_the_start_is_told_tried_again_and_holds_no_report_up() {
    let mut rig = Rig::new();
    rig.tick();
    rig.disk = Disk::Full;
    rig.engine.handle_saved(rig.now, Err("read-only".into()));
    rig.hub(HubEvent::Up);
    assert!(rig.notices.contains(&Notice::StoreFault { reason: "read-only".into() }));
    rig.desire(json!({ "fanOn": true, "patchId": "one" }));
    let (reports, offered) = (rig.reports, rig.written.len());
    rig.pass(secs(700), |_| 24.0);
    assert!(rig.reports >= reports + 2, "heartbeats go on");
    assert_eq!(rig.said("lastPatchReceivedId"), None);
    let offered = rig.written.len() - offered;
    assert!((20..=25).contains(&offered), "tried {offered} times in 700 s");
    rig.disk = Disk::Quick;
    rig.pass(secs(45), |_| 24.0);
    assert_eq!((rig.said("storeFault"), rig.said("lastPatchReceivedId")), (None, Some(&json!("one"))));
    assert_eq!(rig.notices.iter().filter(|notice| **notice == Notice::StoreMended).count(), 1);
}

#[test]
fn a_disk_that_cannot_be_used_is_tried_again_though_there_is_nothing_to_keep() {
    let mut rig = Rig::new();
    rig.tick();
    rig.engine.handle_saved(rig.now, Err("read-only".into()));
    rig.pass(secs(31), |_| 24.0);
    assert!(rig.notices.contains(&Notice::StoreMended), "{:?}", rig.notices);
}
