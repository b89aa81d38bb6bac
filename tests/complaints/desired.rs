//! Complaints 1 to 12: desired changes that an outage loses, delays, doubles or reverts.

use crate::process;
use crate::rig::{Answer, Rig, days, secs};
use serde_json::{Value, json};
use std::time::Duration;
use twind::twin::{HubEvent, HubRequest};
use twinhub::twin::ResetNotice;
use twinhub::{CloseReason, Event};

/// A back end's changes while a device is away: values, a range, a component added, one changed and one deleted.
fn changes() -> [Value; 5] {
    [
        json!({ "patchId": "1", "fanOn": true }),
        json!({ "components": { "wifi": { "channel": 13 }, "door": null } }),
        json!({ "components": { "climate": { "minTemperature": 18, "maxTemperature": 24 } } }),
        json!({ "components": { "camera": { "on": true, "zones": [1, { "a": 2 }] } } }),
        json!({ "patchId": "5" }),
    ]
}

/// A gateway that is online, with a fan that is off and two components for changes to touch.
fn before_the_outage() -> Rig {
    let mut rig = Rig::online();
    rig.desire(json!({
        "fanOn": false, "components": { "wifi": { "channel": 6, "ssid": "net" }, "door": { "open": false } },
    }));
    rig.assert_equal();
    assert_eq!(rig.drive(), Some(0));
    rig
}

#[test]
fn c01_desired_changes_made_during_an_outage_are_applied_after_it() {
    for outage in [secs(1), secs(3600), days(3)] {
        let mut rig = before_the_outage();
        rig.cut();
        for change in changes() {
            rig.desire(change);
            rig.pass_in_strides(outage / 5);
        }
        assert_eq!(rig.drive(), Some(0), "nobody could tell the device");
        rig.come_back();
        rig.assert_equal();
        assert_eq!(rig.drive(), Some(200), "15 degrees: the fan runs at its least");
        assert_eq!(rig.copy()["components"]["wifi"], json!({ "channel": 13, "ssid": "net" }));
        assert_eq!(rig.copy()["components"].get("door"), None);
        assert_eq!(rig.reported("lastPatchReceivedId"), Some(&json!("5")));
        assert_eq!(rig.reported("maxTemperature"), Some(&json!(24)));
    }
}

#[test]
fn c02_changes_made_after_a_network_drop_arrive_though_the_hub_forgot_who_had_subscribed() {
    let rig = process::Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let hub = rig.hub.hub();
    // The hub forgets the session and says so, then forgets it and claims the opposite.
    for (round, claim) in [None, Some(true)].into_iter().enumerate() {
        hub.faults().force_session_present(claim);
        let after = hub.last_sequence();
        assert!(hub.kick(process::DEVICE));
        hub.forget_session(process::DEVICE);
        rig.wait_event(after, |event| matches!(event, Event::Reported { .. } | Event::TwinGet { .. }));
        let on = round == 0;
        let version = rig.desire(json!({ "fanOn": on }));
        rig.wait_drive("fan", |now| now == if on { 200 } else { 0 });
        rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
        rig.wait_event(after, |event| *event == Event::DesiredSent { version });
    }
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn c03_coming_back_tells_what_changed_once_and_without_another_write() {
    let mut rig = before_the_outage();
    let (told, from) = (rig.notices.len(), rig.twin.desired().version());
    rig.cut();
    rig.desire(json!({ "fanOn": true }));
    rig.desire(json!({ "patchId": "while away" }));
    rig.pass(secs(120));
    assert_eq!(rig.changes_after(told), []);
    rig.connect();
    let answer = rig.serve_next().unwrap();
    rig.hear(answer);
    assert_eq!(rig.drive(), Some(200), "the pin moves with the answer, and before any report");
    rig.settle();
    assert_eq!(rig.changes_after(told), [(from, from + 2)]);
    // The second return brings nothing new.
    rig.cut();
    rig.come_back();
    assert_eq!(rig.changes_after(told).len(), 1);
    rig.assert_equal();
}

#[test]
fn c04_changes_made_while_the_device_was_off_are_applied_when_it_is_on_again() {
    let mut rig = before_the_outage();
    for (round, change) in changes().into_iter().enumerate() {
        rig.desire(json!({ "fanOn": round % 2 == 0 }));
        rig.cut();
        rig.desire(json!({ "fanOn": round % 2 == 1 }));
        rig.power_cut();
        assert_eq!(rig.drive(), Some(if round % 2 == 0 { 200 } else { 0 }), "what was known is in force");
        rig.desire(change);
        rig.pass(secs(600));
        rig.desire(json!({ "fanOn": round % 2 == 1 }));
        rig.come_back();
        rig.assert_equal();
        assert_eq!(rig.drive(), Some(if round % 2 == 1 { 200 } else { 0 }));
    }
}

/// The moment of a short disconnect at which a change is made.
#[derive(Clone, Copy, Debug)]
enum Moment {
    JustBeforeTheEnd,
    WhileAway,
    BeforeTheFetchIsServed,
    AfterTheFetchBeforeItsAnswer,
    AfterTheAnswer,
}

#[test]
fn c05_a_change_is_heard_at_whatever_moment_of_a_short_disconnect_it_falls() {
    use Moment as M;
    let mut rig = before_the_outage();
    let moments = [
        M::JustBeforeTheEnd,
        M::WhileAway,
        M::BeforeTheFetchIsServed,
        M::AfterTheFetchBeforeItsAnswer,
        M::AfterTheAnswer,
    ];
    for round in 0..40 {
        let moment = moments[round % moments.len()];
        let on = round % 2 == 0;
        let change = json!({ "fanOn": on, "patchId": round });
        if matches!(moment, M::JustBeforeTheEnd) {
            // The notification was sent, and lost with the connection.
            rig.write(&change);
        }
        rig.cut();
        rig.pass(Duration::from_millis(300));
        if matches!(moment, M::WhileAway) {
            rig.desire(change.clone());
        }
        rig.connect();
        if matches!(moment, M::BeforeTheFetchIsServed) {
            let notification = rig.write(&change).unwrap();
            rig.hear(notification);
        }
        let answer = rig.serve_next().unwrap();
        if matches!(moment, M::AfterTheFetchBeforeItsAnswer) {
            let notification = rig.write(&change).unwrap();
            rig.hear(notification);
        }
        rig.deliver(answer);
        if matches!(moment, M::AfterTheAnswer) {
            rig.desire(change.clone());
        }
        rig.assert_equal();
        assert_eq!(rig.drive(), Some(if on { 200 } else { 0 }), "{moment:?}");
        assert_eq!(rig.reported("lastPatchReceivedId"), Some(&json!(round)), "{moment:?}");
    }
}

#[test]
fn c06_a_fetch_that_fails_or_is_never_answered_on_reconnect_is_made_again_until_it_succeeds() {
    let failures = [Answer::Lost, Answer::Unheard, Answer::Garbled]
        .into_iter()
        .chain([400, 404, 429, 500, 503].map(Answer::Refuse));
    for failure in failures {
        let mut rig = before_the_outage();
        rig.cut();
        rig.desire(json!({ "fanOn": true }));
        let mut left = 6;
        rig.hub_does(move |request| {
            if matches!(request, HubRequest::GetTwin { .. }) && left > 0 {
                left -= 1;
                return failure;
            }
            Answer::Serve
        });
        let before = rig.fetches;
        rig.come_back();
        rig.pass(secs(600));
        rig.assert_equal();
        assert_eq!(rig.drive(), Some(200), "{failure:?}");
        assert_eq!(rig.fetches - before, 7, "{failure:?}");
    }
}

#[test]
fn c07_to_catch_up_takes_one_fetch_and_one_report_after_an_outage_of_any_length() {
    for outage in [secs(1), secs(3600), days(7)] {
        let mut rig = before_the_outage();
        rig.degrees = |second| 15.0 + (second % 600) as f64 / 100.0;
        rig.cut();
        for round in 0..300 {
            rig.desire(json!({ "patchId": round, "fanOn": round % 2 == 1, "n": { (format!("k{}", round % 7)): round } }));
        }
        rig.pass(secs(1));
        rig.pass_in_strides(outage);
        let (fetches, reports) = (rig.fetches, rig.reports.len());
        rig.come_back();
        assert_eq!((rig.fetches - fetches, rig.reports.len() - reports), (1, 1), "{outage:?}");
        rig.assert_equal();
        assert_eq!(rig.reports.last().unwrap()["lastPatchReceivedId"], 299);
    }
}

#[test]
fn c08_unchanged_values_sent_again_change_nothing_and_a_put_with_nulls_is_followed() {
    let mut rig = before_the_outage();
    let (told, drives) = (rig.notices.len(), rig.drives().len());
    // A fetch without news: no change is logged, no pin moves, nothing is reported.
    let reports = rig.reports.len();
    for _ in 0..5 {
        rig.cut();
        rig.come_back();
    }
    assert_eq!(rig.changes_after(told), []);
    assert_eq!((rig.drives().len(), rig.reports.len()), (drives, reports));
    // Writing the present value makes a new version and nothing else.
    let version = rig.desire(json!({ "fanOn": false }));
    assert_eq!((rig.drives().len(), rig.reports.len()), (drives, reports + 1));
    assert_eq!(rig.reports.last().unwrap()["desiredVersion"], version);

    for reset_notice in [ResetNotice::NullsForKeys, ResetNotice::VersionOnly, ResetNotice::Silent] {
        let mut rig = before_the_outage();
        rig.rules.reset_notice = reset_notice;
        let put = rig.put(&json!({ "fanOn": true, "components": { "door": { "open": true } } })).unwrap();
        rig.deliver(put);
        rig.assert_equal();
        assert_eq!((rig.drive(), rig.copy()["components"].get("wifi")), (Some(200), None));
        if let Some(reset) = rig.write(&Value::Null) {
            rig.deliver(reset);
        } else {
            // The next refresh brings this change.
            rig.pass(secs(13 * 3600));
        }
        rig.assert_equal();
        assert_eq!((rig.copy(), rig.drive()), (json!({}), Some(0)), "{reset_notice:?}");
    }
}

#[test]
fn c09_what_an_outage_delivers_late_reverts_nothing() {
    let mut rig = before_the_outage();
    // A queue on the way keeps old notifications and delivers them again after each reconnect.
    let mut queued: Vec<HubEvent> = Vec::new();
    for round in 0..6 {
        let notification = rig.write(&json!({ "fanOn": round % 2 == 0, "patchId": round })).unwrap();
        queued.push(notification.clone());
        rig.deliver(notification);
    }
    rig.cut();
    rig.desire(json!({ "fanOn": true, "patchId": "newest" }));
    for early in [true, false] {
        rig.connect();
        if early {
            queued.iter().for_each(|old| rig.hear(old.clone()));
        }
        let answer = rig.serve_next().unwrap();
        rig.deliver(answer);
        let (drives, reports) = (rig.drives().len(), rig.reports.len());
        if !early {
            queued.iter().for_each(|old| rig.deliver(old.clone()));
        }
        rig.assert_equal();
        assert_eq!((rig.drives().len(), rig.reports.len()), (drives, reports), "nothing moved");
        assert_eq!((rig.drive(), rig.reported("fanOn")), (Some(200), Some(&json!(true))));
        rig.cut();
    }
}

#[test]
fn c10_version_tells_what_a_fetch_and_its_notifications_say_together_and_a_second_fetch_is_enough() {
    // Three changes: `answered` are in the answer, `early` are notified before it, and the rest after it.
    for (answered, early) in (0..=3).flat_map(|answered| (0..=3).map(move |early| (answered, early))) {
        let mut rig = before_the_outage();
        rig.cut();
        rig.pass(secs(30));
        let before = rig.fetches;
        rig.connect();
        let mut notifications = Vec::new();
        let mut answer = None;
        for n in 0..=3 {
            if n == answered {
                answer = rig.serve_next();
            }
            if n < 3 {
                notifications.extend(rig.write(&json!({ "fanOn": n == 2, "patchId": n })));
            }
        }
        let late = notifications.split_off(early);
        notifications.into_iter().for_each(|event| rig.hear(event));
        rig.deliver(answer.unwrap());
        late.into_iter().for_each(|event| rig.deliver(event));
        rig.assert_equal();
        // A notification before the answer is dropped, except its version. One newer than the answer costs a second fetch.
        let fetches = if early > answered { 2 } else { 1 };
        assert_eq!(rig.fetches - before, fetches, "{answered} in the answer, {early} before it");
        assert_eq!(rig.drive(), Some(200));
    }
}

#[test]
fn c10_a_missing_or_doubled_version_costs_at_most_one_more_fetch() {
    let mut rig = before_the_outage();
    let lost = rig.write(&json!({ "fanOn": true })).unwrap();
    let before = rig.fetches;
    let next = rig.write(&json!({ "patchId": "next" })).unwrap();
    rig.deliver(next.clone());
    assert_eq!((rig.fetches - before, rig.drive()), (1, Some(200)));
    [next, lost].into_iter().for_each(|event| rig.deliver(event));
    rig.assert_equal();
    assert_eq!(rig.fetches - before, 1);
}

#[test]
fn c11_each_connection_does_what_the_documentation_describes_subscribe_then_fetch_then_report() {
    let rig = process::Rig::new();
    let hub = rig.hub.hub();
    let daemon = rig.start_synced();
    let after = hub.last_sequence();
    assert!(hub.kick(process::DEVICE));
    rig.wait_event(after, |event| matches!(event, Event::TwinGet { .. }));
    let version = rig.desire(json!({ "patchId": "after" }));
    rig.wait_reported("still in contact", |r| r["desiredVersion"] == version);
    drop(daemon);
    let mut connections: Vec<Vec<&str>> = Vec::new();
    let events = hub.events();
    for entry in &events {
        let word = match &entry.event {
            Event::Connected { .. } => {
                connections.push(Vec::new());
                continue;
            }
            Event::Subscribed { filters } => {
                assert!(filters.iter().any(|filter| filter.contains("properties/desired")), "{filters:?}");
                "subscribe"
            }
            Event::TwinGet { .. } => "fetch",
            Event::Reported { .. } => "report",
            _ => continue,
        };
        connections.last_mut().unwrap().push(word);
    }
    assert_eq!(connections.len(), 2);
    for words in connections {
        assert_eq!(words[..2], ["subscribe", "fetch"], "{words:?}");
        assert_eq!(words.iter().filter(|word| **word == "fetch").count(), 1, "{words:?}");
    }
    let kicked = |entry: &&twinhub::Entry| entry.event == Event::Disconnected { reason: CloseReason::Kicked };
    assert_eq!(events.iter().filter(kicked).count(), 1);
}

#[test]
fn c12_the_copy_is_whole_at_every_step_of_a_reconnect() {
    let mut rig = before_the_outage();
    let whole = rig.copy();
    let see = |rig: &Rig, when: &str| {
        assert_eq!(rig.copy(), whole, "{when}");
        assert_eq!(Value::Object(rig.kept().unwrap().desired.as_object().clone()), whole, "{when}");
        assert_eq!(rig.drive(), Some(0), "{when}");
    };
    rig.cut();
    see(&rig, "cut");
    rig.pass(secs(3600));
    see(&rig, "away");
    rig.hub_does(|_| Answer::Lost);
    rig.connect();
    see(&rig, "connected");
    rig.pass(secs(31));
    see(&rig, "not answered");
    rig.hub_does(|_| Answer::Refuse(503));
    rig.pass(secs(60));
    see(&rig, "refused");
    rig.hub_does(|_| Answer::Garbled);
    rig.pass(secs(600));
    see(&rig, "garbled");
    rig.power_cut();
    see(&rig, "started anew");
    rig.come_back();
    see(&rig, "garbled after the start");
    rig.hub_does(|_| Answer::Serve);
    rig.pass(secs(600));
    see(&rig, "back");
    rig.assert_equal();
}

#[test]
fn c12_the_copy_can_be_read_while_there_is_no_hub() {
    let rig = process::Rig::new();
    let daemon = rig.start_synced();
    let version = rig.desire(json!({ "fanOn": true, "components": { "wifi": { "channel": 13 } } }));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    rig.hub.block_on(rig.hub.stop_listening());
    daemon.wait_log("cannot connect");
    let said = process::say(&mut rig.command(&["twin", "desired"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let printed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(printed["components"]["wifi"]["channel"], 13, "{}", said.out);
}
