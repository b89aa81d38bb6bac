//! Complaints 13 to 18: reports that are blocked, lost, put off for ever, too large, or leak memory.

use crate::process;
use crate::rig::{Answer, Rig, days, secs};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use twind::hub::azure::codec;
use twind::report::Notice;
use twind::twin::HubRequest;
use twinhub::twin::{MAX_PROPERTIES_SIZE, Rules, Twin, section_size};
use twinhub::{Answer as HubAnswer, Event, Times};

#[test]
fn c13_a_reported_value_that_the_hub_refuses_is_set_aside_and_blocks_no_later_update() {
    let mut rig = Rig::online();
    // The hub refuses the whole patch and names no property, as it does for a null in an array.
    rig.hub_does(|request| match request {
        HubRequest::PatchReported { patch, .. } if patch.as_object().contains_key("lastPatchReceivedId") => {
            Answer::Refuse(400)
        }
        _ => Answer::Serve,
    });
    for round in 0..20 {
        let version = rig.desire(json!({ "patchId": round, "fanOn": round % 2 == 0 }));
        rig.pass(secs(30));
        assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
        assert_eq!(rig.reported("fanOn"), Some(&json!(round % 2 == 0)));
        assert_eq!(rig.reported("components.fan.on"), Some(&json!(round % 2 == 0)));
    }
    let named = |notice: &Notice| notice.to_string().contains("refuses reported lastPatchReceivedId");
    assert!(rig.notices.iter().any(named), "{:?}", rig.notices.last());
    rig.hub_does(|_| Answer::Serve);
    rig.desire(json!({ "patchId": "mended" }));
    assert_eq!(rig.reported("lastPatchReceivedId"), Some(&json!("mended")));
    rig.assert_equal();
}

/// Twelve nested arrays and ten nested objects: the hub counts only objects.
fn deep() -> Value {
    let arrays = (0..12).fold(json!(1), |inner, _| json!([inner]));
    let mixed = (0..9).fold(json!(1), |inner, _| json!([{ "o": inner }]));
    let objects = (0..10).fold(json!(1), |inner, _| json!({ "o": inner }));
    json!({ "arrays": arrays, "mixed": mixed, "objects": objects })
}

/// As large as the hub allows. The hub counts characters, and each of these has two bytes.
fn wide() -> Value {
    let text = "é".repeat(2000);
    (0..16).map(|n| (format!("text{n}"), json!(text))).collect::<Map<_, _>>().into()
}

#[test]
fn c13_whatever_desired_value_the_hub_holds_blocks_no_later_update() {
    for odd in
        [deep(), wide(), json!({ "": 1, "k".repeat(1024): [[], {}, [{}]], "n": -4_503_599_627_370_496_i64 })]
    {
        for by_notification in [true, false] {
            let mut rig = Rig::online();
            if by_notification {
                rig.desire(odd.clone());
            } else {
                rig.cut();
                rig.desire(odd.clone());
                rig.come_back();
            }
            rig.pass(secs(30));
            for on in [true, false, true] {
                let version = rig.desire(json!({ "fanOn": on }));
                rig.pass(secs(30));
                assert_eq!(rig.drive(), Some(if on { 200 } else { 0 }));
                assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
            }
            rig.assert_equal();
            rig.power_cut();
            assert_eq!(rig.drive(), Some(200), "it is kept on the disk, too");
            rig.come_back();
            rig.assert_equal();
        }
    }
}

/// Any JSON value, often near one of the hub's limits.
fn any_value() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof!["[a-zé\u{1}.$# ]{0,6}", (4000..4100_usize).prop_map(|length| "é".repeat(length / 2))];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 52) - 2..=-(1_i64 << 52) + 2).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e20..1e20).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(14, 40, 3, |inner| {
        let object = prop::collection::vec(("[a-cé$]{0,2}", inner.clone()), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The product and the stand-in hub implement the hub's limits independently: the product's must not be stricter.
    #[test]
    fn c13_no_change_that_the_hub_takes_is_refused_by_us(value in any_value(), key in "[a-z.é]{0,3}") {
        let mut twin = Twin::new("2024-01-01T00:00:00Z");
        let body = json!({ "properties": { "desired": { (key): value } } });
        if let Ok(change) = twin.update(&body, Rules::default(), "2024-01-01T00:00:00Z") {
            let told = change.notification.unwrap().body.to_string();
            prop_assert!(codec::read_desired(told.as_bytes(), None).is_ok(), "{told}");
            let whole = twin.device_view().to_string();
            prop_assert!(codec::read_twin(whole.as_bytes()).is_ok(), "{whole}");
        }
    }
}

#[test]
fn c14_after_a_day_of_throttling_reports_go_out_again_by_themselves() {
    let mut rig = Rig::online();
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    rig.hub_does(move |_| {
        count.set(count.get() + 1);
        Answer::Refuse(429)
    });
    rig.desire(json!({ "fanOn": true }));
    rig.pass(days(1));
    let version = rig.desire(json!({ "patchId": "throttled" }));
    // A few requests at first, then one in five minutes, so that a throttling hub is not pressed.
    assert!((200..=310).contains(&asked.get()), "{}", asked.get());
    assert_eq!(rig.reconnects, 0, "a connection made anew would press it more");
    rig.hub_does(|_| Answer::Serve);
    rig.pass(secs(301));
    assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
    rig.assert_equal();
    // The next report is not delayed any more.
    rig.desire(json!({ "patchId": "free" }));
    rig.assert_equal();
}

#[test]
fn c15_offline_a_report_waits_for_nothing_and_nothing_waits_for_it() {
    let mut rig = Rig::online();
    rig.desire(json!({ "fanOn": true }));
    rig.cut();
    for degrees in [24.0, 26.0, 22.0] {
        rig.degrees = match degrees {
            24.0 => |_| 24.0,
            26.0 => |_| 26.0,
            _ => |_| 22.0,
        };
        rig.pass(secs(60));
        assert_eq!(rig.drive(), Some(((degrees - 20.0) * 125.0) as u16));
        assert!(!rig.is_sending(), "nothing is sent without a connection");
    }
    let reports = rig.reports.len();
    rig.come_back();
    assert_eq!(rig.reports.len(), reports + 1, "what is true now, with the first connection");
    assert_eq!(rig.reported("components.climate.temperature"), Some(&json!(22)));
    assert_eq!(rig.reported("components.fan.dutyPercent"), Some(&json!(25)));
    rig.assert_equal();
}

#[test]
fn c15_a_report_that_the_hub_does_not_answer_holds_up_no_pin() {
    let rig = process::Rig::new();
    let daemon = rig.start_synced();
    let after = rig.hub.hub().last_sequence();
    rig.hub.hub().faults().mute(true);
    rig.set_temperature("23.0");
    rig.wait_drive("fan", |now| now == 375);
    // The report is sent, and no answer will ever come.
    rig.wait_event(after, |event| *event == Event::Unheard);
    for (degrees, drive) in [("24.0", 500), ("26.0", 750), ("22.0", 250)] {
        rig.set_temperature(degrees);
        rig.wait_drive("fan", |now| now == drive);
    }
    assert!(!daemon.log().contains("no answer"), "the report was still waited for: {}", daemon.log());
}

/// So many components that reporting each would not fit into a section.
fn crowd() -> Value {
    let component = |n| (format!("component-with-a-long-name-{n:04}"), json!({ "on": n }));
    json!({ "components": (0..790).map(component).collect::<Map<_, _>>() })
}

#[test]
fn c16_a_report_that_would_pass_32_kib_leaves_the_least_out_says_so_and_the_rest_arrives() {
    let mut rig = Rig::online();
    let version = rig.desire(crowd());
    rig.assert_equal();
    assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
    let size = section_size(rig.twin.reported().values());
    assert!(size <= MAX_PROPERTIES_SIZE, "{size}");
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::ReportCut(_))));
    // Everything goes on as usual.
    let version = rig.desire(json!({ "fanOn": true }));
    assert_eq!(rig.reported("desiredVersion"), Some(&json!(version)));
    assert_eq!(rig.reported("fanOn"), Some(&json!(true)));
    rig.assert_equal();
}

#[test]
fn c16_a_reported_section_that_another_program_filled_takes_our_report() {
    let mut rig = Rig::new();
    let text = "x".repeat(4000);
    let filled: Map<_, _> = (0..8).map(|n| (format!("old{n}"), json!(text))).collect();
    assert!(section_size(&filled) > MAX_PROPERTIES_SIZE - 800);
    rig.twin.report(&filled.into(), None, rig.rules, "2024-01-01T00:00:00Z").unwrap();
    rig.sample();
    rig.come_back();
    rig.pass(secs(60));
    rig.assert_equal();
    assert_eq!(rig.reported("firmwareVersion"), Some(&json!("1.2.1")));
    assert_eq!(rig.reported("old3"), None);
}

#[test]
fn c17_ten_thousand_reports_leave_the_engine_as_small_as_a_hundred_did() {
    let mut rig = Rig::online();
    rig.degrees = |second| 20.0 + (second % 80) as f64 / 10.0;
    let size = |rig: &Rig| (format!("{:?}", rig.core).len(), rig.core.record().encode().len());
    let mut after_a_hundred = (0, 0);
    let before = rig.reports.len();
    for round in 0..10_000 {
        let (new, old) = (format!("n{round:05}"), format!("n{:05}", round.max(1) - 1));
        rig.desire(
            json!({ "patchId": format!("{round:05}"), "fanOn": round % 3 == 0, (old): null, (new): 1 }),
        );
        if round % 97 == 0 {
            rig.cut();
            rig.come_back();
        }
        // After a burst one record a second is written, so each round gets one.
        rig.pass(secs(1));
        if round == 98 {
            after_a_hundred = size(&rig);
        }
        rig.notices.clear();
    }
    rig.assert_equal();
    assert!(rig.reports.len() - before >= 10_000, "{}", rig.reports.len());
    let (core, record) = size(&rig);
    // Only numbers have grown, by a few digits.
    assert!(core <= after_a_hundred.0 + 128, "{core} bytes after {after_a_hundred:?}");
    assert!(record <= after_a_hundred.1 + 64, "{record} bytes after {after_a_hundred:?}");
}

/// The daemon's resident memory.
fn resident_kib(daemon: &process::Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn c17_a_daemon_that_reports_and_reports_does_not_grow() {
    let rig = process::Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let report = |rounds: core::ops::Range<u64>| {
        let note = "n".repeat(4000);
        let desire = |round| rig.desire(json!({ "patchId": round, "fanOn": round % 2 == 0, "note": note }));
        for version in rounds.map(desire) {
            rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
        }
    };
    // All 290 records fit into one burst of the record rate limit: each one after it would wait a second.
    report(0..150);
    let before = resident_kib(&daemon);
    report(150..290);
    let grown = resident_kib(&daemon).saturating_sub(before);
    // Leaking one desired section per report would add 560 KiB.
    assert!(grown <= 280, "{grown} KiB more than the {before} KiB before");
}

#[test]
fn c18_a_throttled_report_is_put_off_and_the_connection_kept() {
    let rig = process::Rig::new();
    let daemon = rig.start_synced();
    let hub = rig.hub.hub();
    let after = hub.last_sequence();
    hub.faults().answer_reported(HubAnswer::Status(429), Times::Next(2));
    let version = rig.desire(json!({ "fanOn": true }));
    rig.wait_reported("the report that was put off", |r| r["desiredVersion"] == version);
    assert_eq!(
        rig.count_events(after, |event| matches!(event, Event::Reported { status: Some(429), .. })),
        2
    );
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Disconnected { .. })), 0);
    daemon.wait_log("did not accept the report for now: status 429");
}

#[test]
fn c18_a_hub_that_ends_the_connection_to_throttle_gets_the_report_on_the_next() {
    let rig = process::Rig::new();
    let daemon = rig.start_synced();
    let hub = rig.hub.hub();
    let after = hub.last_sequence();
    hub.faults().answer_reported(HubAnswer::Close, Times::Next(1));
    let version = rig.desire(json!({ "fanOn": true }));
    rig.wait_reported("the report of the next connection", |r| r["desiredVersion"] == version);
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Disconnected { .. })), 1);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}
