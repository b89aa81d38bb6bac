//! A back end that writes faster than an SD card tolerates, and a disk that fails from the start.

use super::*;

/// A change every twenty milliseconds for eighteen seconds, with a disk that writes at once.
fn storm(rig: &mut Rig) {
    for _ in 0..900 {
        rig.now = rig.now + Duration::from_millis(20);
        rig.tick();
        let version = rig.hub_version + 1;
        rig.desire(json!({ "patchId": format!("storm {version}") }));
    }
}

#[test]
fn rapid_changes_make_a_burst_of_records_and_then_one_a_second() {
    let mut rig = Rig::online();
    rig.pass(secs(600), |_| 24.0);
    let before = rig.written.len();
    storm(&mut rig);
    let written = rig.written.len() - before;
    assert!((300..=318).contains(&written), "{written} records");
    // The outputs and the hub end with the last change all the same, and no wake-up is wasted meanwhile.
    let last = json!(format!("storm {}", rig.hub_version));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&last));
    assert_eq!(rig.written.last().unwrap().desired_version, Version(rig.hub_version));
    assert!(rig.written.len() - before <= written + 1);
}

#[test]
fn an_output_follows_each_of_many_rapid_changes_at_once() {
    let mut rig = Rig::online();
    storm(&mut rig);
    for on in [true, false, true] {
        rig.desire(json!({ "fanOn": on }));
        assert_eq!(rig.drive(), Some(if on { 1000 } else { 0 }));
    }
}

#[test]
fn a_reload_does_not_reset_the_rate_limit() {
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
fn the_end_of_the_process_records_what_waits_for_the_rate_limit() {
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
fn a_disk_that_fails_from_the_start_is_announced_and_retried_and_delays_no_report() {
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
    assert_eq!(rig.reported_value("lastPatchReceivedId"), None);
    let offered = rig.written.len() - offered;
    assert!((20..=25).contains(&offered), "tried {offered} times in 700 s");
    rig.disk = Disk::Quick;
    rig.pass(secs(45), |_| 24.0);
    assert_eq!(
        (rig.reported_value("storeFault"), rig.reported_value("lastPatchReceivedId")),
        (None, Some(&json!("one")))
    );
    assert_eq!(rig.notices.iter().filter(|notice| **notice == Notice::StoreMended).count(), 1);
}

#[test]
fn the_status_tells_when_the_record_was_last_stored_also_while_it_cannot_be() {
    let mut rig = Rig::online();
    let told = |rig: &Rig| rig.status(0)["storedSecondsAgo"].clone();
    rig.desire(json!({ "patchId": "one" }));
    assert_eq!(told(&rig), json!(0));
    rig.disk = Disk::Full;
    rig.pass(secs(40), |_| 24.0);
    rig.desire(json!({ "patchId": "two" }));
    assert_eq!(told(&rig), json!(40));
    rig.reload(spec());
    assert_eq!(told(&rig), json!(40));
    rig.disk = Disk::Quick;
    rig.pass(secs(31), |_| 24.0);
    assert!(told(&rig).as_u64() < Some(31), "{}", told(&rig));
}

#[test]
fn a_failed_disk_is_retried_even_if_nothing_new_is_to_be_recorded() {
    let mut rig = Rig::new();
    rig.tick();
    rig.engine.handle_saved(rig.now, Err("read-only".into()));
    rig.pass(secs(31), |_| 24.0);
    assert!(rig.notices.contains(&Notice::StoreMended), "{:?}", rig.notices);
}
