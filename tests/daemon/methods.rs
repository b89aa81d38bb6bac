//! Direct methods, as a back end calls them.

use crate::rig::{DEVICE, Rig};
use serde_json::{Value, json};
use std::time::Duration;
use twinhub::{Event, MethodReply, ServiceError};

fn call(rig: &Rig, name: &str, payload: Value) -> MethodReply {
    let hub = rig.hub.hub();
    rig.hub.block_on(hub.call_method(DEVICE, name, &payload, Duration::from_secs(30))).unwrap()
}

#[test]
fn status_tells_what_the_daemon_does_now() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let reply = call(&rig, "status", Value::Null);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.payload["hub"]["synced"], true);
    assert_eq!(reply.payload["outputs"]["fan"]["permille"], 500);
    assert_eq!(reply.payload["sensors"]["cabinet"]["value"], 24);
    assert_eq!(reply.payload["climate"]["regime"], "in-range");
}

#[test]
fn resync_fetches_the_twin_at_once() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    rig.hub.hub().faults().drop_desired(twinhub::Times::Next(1));
    let version = rig.desire(json!({"fanOn": true}));
    let after = rig.hub.hub().last_sequence();
    assert_eq!(call(&rig, "resync", json!({})).status, 200);
    rig.wait_event(after, |event| matches!(event, Event::TwinGet { status: Some(200), .. }));
    rig.wait_reported("what was missed", |r| r["desiredVersion"] == version);
}

#[test]
fn another_method_or_a_large_payload_is_answered_and_harms_nothing() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let reply = call(&rig, "reboot", json!("x".repeat(100_000)));
    assert_eq!((reply.status, &reply.payload["methods"]), (404, &json!(["override", "resync", "status"])));
    for _ in 0..20 {
        assert_eq!(call(&rig, "status", Value::Null).status, 200);
    }
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
}

#[test]
fn an_override_by_the_back_end_drives_and_is_told() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    let reply = call(&rig, "override", json!({"output": "fan", "percent": 70, "seconds": 600}));
    assert_eq!((reply.status, &reply.payload), (200, &json!({"output": "fan"})));
    rig.wait_drive("fan", |now| now == 700);
    rig.wait_reported("the override", |r| r["components"]["fan"]["override"] == 70);
    let range = json!({"climate": "climate", "min": 18, "max": 21, "seconds": 600});
    assert_eq!(call(&rig, "override", range).payload, json!({"climate": "climate", "unit": "celsius"}));
    assert_eq!(rig.status()["climate"]["override"]["by"], "hub");
    assert_eq!(call(&rig, "override", json!({"climate": "climate", "clear": true})).status, 200);
    assert_eq!(call(&rig, "override", json!({"output": "lamp", "clear": true})).status, 404);
    assert_eq!(call(&rig, "override", json!({"output": "fan", "percent": 70})).status, 400);
    assert_eq!(call(&rig, "override", json!({"output": "fan", "clear": true})).status, 200);
    rig.wait_drive("fan", |now| now == 250);
    rig.wait_reported("its end", |r| r["components"]["fan"].get("override").is_none());
}

/// Makes this many calls at once. Returns how many were answered with 200 and with 429.
fn burst(rig: &Rig, count: usize) -> [usize; 2] {
    let hub = rig.hub.hub().clone();
    let replies = rig.hub.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..count {
            let hub = hub.clone();
            calls.spawn(async move {
                hub.call_method(DEVICE, "status", &Value::Null, Duration::from_secs(30)).await
            });
        }
        calls.join_all().await
    });
    let status = |reply: Result<MethodReply, ServiceError>| match reply {
        Ok(reply) => reply.status,
        Err(fault) => panic!("a call was lost: {fault}"),
    };
    let statuses: Vec<_> = replies.into_iter().map(status).collect();
    [200, 429].map(|status| statuses.iter().filter(|other| **other == status).count())
}

#[test]
fn a_burst_of_calls_is_answered_and_what_is_too_much_is_told_so() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    for _ in 0..3 {
        assert_eq!(burst(&rig, 20), [20, 0]);
        assert_eq!(burst(&rig, 64), [64, 0]);
        for count in [100, 400] {
            let [done, refused] = burst(&rig, count);
            // Calls that were answered before the last one came have made room for others.
            assert!(done >= 64 && done + refused == count, "{done} and {refused} of {count}");
        }
    }
    assert_eq!(call(&rig, "status", Value::Null).status, 200);
}
