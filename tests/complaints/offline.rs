//! Complaints 19 to 24: what a device does without its hub, for how long, and what survives a restart.

use crate::process::{self, CLIMATE, FAN, SENSOR};
use crate::rig::{Rig, days, secs};
use serde_json::{Value, json};
use twind::units::BootTime;
use twinhub::Event;
use twinhub::twin::Twin;

#[test]
fn c19_offline_the_site_sets_its_own_range_and_the_hub_has_the_last_word_when_it_is_back() {
    let rig = process::Rig::new();
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    rig.hub.block_on(rig.hub.stop_listening());
    daemon.wait_log("cannot connect");

    let narrower = CLIMATE.replace("28.0", "25.0");
    rig.write_config(&format!("{}{FAN}{SENSOR}{narrower}", rig.base()));
    daemon.signal("HUP");
    rig.wait_drive("fan", |now| now == 800);

    rig.desire(json!({ "components": { "climate": { "maxTemperature": 36 } } }));
    rig.hub.resume_listening().unwrap();
    rig.wait_drive("fan", |now| now == 250);
    let told = rig.wait_reported("both ends of the range", |r| r["maxTemperature"] == 36);
    assert_eq!(told["minTemperature"], 20, "what the hub does not say is still the site's");
}

#[test]
fn c20_the_first_start_of_all_may_be_without_a_hub() {
    let rig = process::Rig::new();
    rig.hub.block_on(rig.hub.stop_listening());
    rig.set_temperature("24.0");
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 500);
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    let version = rig.desire(json!({ "fanOn": false }));
    rig.hub.resume_listening().unwrap();
    rig.wait_drive("fan", |now| now == 0);
    rig.wait_reported("the first report of all", |r| r["desiredVersion"] == version);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn c20_started_offline_the_twin_is_not_empty() {
    let rig = process::Rig::new();
    let daemon = rig.start_synced();
    let version = rig.desire(json!({ "components": { "wifi": { "channel": 13 } } }));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    daemon.kill();
    rig.hub.block_on(rig.hub.stop_listening());
    let daemon = rig.start();
    daemon.wait_log(&format!("started from the stored twin, desired version {version}"));
    daemon.wait_log("cannot connect");
    let said = process::say(&mut rig.command(&["twin", "desired"]));
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown, json!({ "components": { "wifi": { "channel": 13 } }, "$version": version }));
}

#[test]
fn c21_the_copy_outlives_sixty_days_offline_and_power_cuts_on_the_way() {
    let mut rig = Rig::online();
    rig.desire(json!({ "fanOn": true, "components": { "wifi": { "ssid": "net" } } }));
    rig.assert_equal();
    let whole = rig.copy();
    rig.cut();
    for day in 1..=60 {
        rig.pass_in_strides(days(1));
        if day % 20 == 0 {
            rig.power_cut();
        }
        let kept = rig.kept().unwrap();
        assert_eq!(
            (rig.copy(), Value::Object(kept.desired.as_object().clone())),
            (whole.clone(), whole.clone())
        );
        assert_eq!(rig.drive(), Some(200), "day {day}");
    }
    rig.come_back();
    rig.assert_equal();
}

#[test]
fn c22_each_of_a_hundred_outages_costs_one_fetch_and_syncing_goes_on_after_it() {
    let mut rig = Rig::online();
    for round in 0..100_u64 {
        let before = rig.fetches;
        rig.cut();
        rig.pass_in_strides(secs(1 + round * round));
        rig.come_back();
        // The change arrives by notification, not by another fetch.
        let version = rig.desire(json!({ "fanOn": round % 2 == 0 }));
        assert_eq!(rig.drive(), Some(if round % 2 == 0 { 200 } else { 0 }));
        assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
        assert_eq!(rig.fetches - before, 1);
    }
    rig.assert_equal();
}

#[test]
fn c22_a_quiet_day_costs_a_few_fetches_and_no_more_reports_than_heartbeats() {
    let mut rig = Rig::online();
    let (fetches, reports) = (rig.fetches, rig.reports.len());
    rig.pass(days(1));
    assert!((1..=3).contains(&(rig.fetches - fetches)), "{}", rig.fetches - fetches);
    assert!((280..=290).contains(&(rig.reports.len() - reports)), "{}", rig.reports.len() - reports);
}

#[test]
fn c22_an_identity_made_again_during_the_outage_is_taken_over_and_filled_with_what_is_so() {
    // The new identity's versions may be lower than ours, equal, or higher.
    for writes in [0, 2, 9] {
        let mut rig = Rig::online();
        rig.desire(json!({ "fanOn": true, "old": 1 }));
        rig.desire(json!({ "patchId": "old" }));
        rig.cut();
        rig.twin = Twin::new("2024-01-01T00:00:00Z");
        for n in 0..writes {
            rig.desire(json!({ "new": n }));
        }
        rig.pass(secs(600));
        rig.come_back();
        rig.pass(secs(60));
        rig.assert_equal();
        let desired = if writes == 0 { json!({}) } else { json!({ "new": writes - 1 }) };
        assert_eq!(
            Value::Object(rig.twin.desired().values().clone()),
            desired,
            "the device deletes nothing there"
        );
        assert_eq!((rig.copy(), rig.drive()), (desired, Some(0)));
        assert_eq!(rig.reported("firmwareVersion"), Some(&json!("1.2.1")));
        assert_eq!((rig.reported("fanOn"), rig.reported("lastPatchReceivedId")), (None, None));
    }
}

#[test]
fn c23_a_new_configuration_loses_no_desired_change() {
    let rig = process::Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({ "fanOn": true }));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    rig.hub.block_on(rig.hub.stop_listening());
    daemon.wait_log("cannot connect");
    rig.configure("[outputs.lamp]\npin = 22\nproperty = \"lamp\"\n");
    daemon.signal("HUP");
    rig.wait_drive("lamp", |now| now == 0);
    assert_eq!(rig.drive("fan"), Some(200));
    daemon.kill();
    let before = rig.trace().len();
    let _daemon = rig.start();
    let fan = rig.trace()[before..].iter().find(|change| change["output"] == "fan").cloned().unwrap();
    assert_eq!(fan["permille"], 200);
}

#[test]
fn c24_a_month_offline_keeps_no_backlog_and_one_report_tells_what_is_so_now() {
    let mut rig = Rig::online();
    rig.degrees = |second| 20.0 + (second / 600 % 81) as f64 / 10.0;
    rig.cut();
    rig.pass_in_strides(days(1));
    let size = |rig: &Rig| (format!("{:?}", rig.core).len(), rig.core.record().encode().len());
    let (after_a_day, writes) = (size(&rig), rig.disk_writes());
    rig.notices.clear();
    rig.pass_in_strides(days(29));
    let (core, record) = size(&rig);
    // Time stamps have grown by a few digits.
    assert!(
        core <= after_a_day.0 + 64 && record <= after_a_day.1 + 4,
        "{core}, {record} after {after_a_day:?}"
    );
    assert_eq!(rig.disk_writes(), writes, "nothing happened that is worth the flash");
    let reports = rig.reports.len();
    rig.pass(secs(60));
    rig.come_back();
    assert_eq!(rig.reports.len(), reports + 1);
    rig.assert_equal();
    let now = (rig.degrees)(rig.now.since_boot().as_secs());
    assert_eq!(rig.reported("components.climate.temperature").and_then(Value::as_f64), Some(now));
}

#[test]
fn c24_a_power_cut_offline_leaves_what_was_known_and_the_report_is_made_good() {
    let mut rig = Rig::online();
    for round in 0..20 {
        let on = round % 2 == 0;
        rig.desire(json!({ "fanOn": on, "patchId": round }));
        rig.cut();
        rig.pass(secs(120));
        rig.power_cut();
        assert!(rig.now < BootTime::from_boot(secs(60)), "the machine's clock begins anew");
        assert_eq!(
            (rig.drive(), rig.copy()["patchId"].clone()),
            (Some(if on { 200 } else { 0 }), json!(round))
        );
        rig.pass(secs(120));
        rig.come_back();
        rig.assert_equal();
    }
}

#[test]
fn c24_what_was_reported_offline_reaches_the_hub_after_a_restart_of_the_daemon() {
    let rig = process::Rig::new();
    rig.set_temperature("21.0");
    let daemon = rig.start_synced();
    rig.hub.block_on(rig.hub.stop_listening());
    daemon.wait_log("cannot connect");
    rig.set_temperature("27.0");
    rig.wait_drive("fan", |now| now == 875);
    daemon.kill();
    let _daemon = rig.start();
    let after = rig.hub.hub().last_sequence();
    rig.hub.resume_listening().unwrap();
    rig.wait_reported("what is so now", |r| r["components"]["climate"]["temperature"] == 27);
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::TwinGet { .. })), 1);
}
