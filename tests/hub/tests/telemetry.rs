//! Messages from devices: what the hub takes, what it adds, when it acknowledges, and how they are read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use bytes::Bytes;
use rumqttc::{ConnectReturnCode as Code, LastWill, Login, Packet, Publish, QoS};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use support::{DEVICE, Device, PATIENCE, dial_as, far_expiry, good_connect, saw, start};
use twinhub::{
    CloseReason, Entry, Event, Message, Metered, RefuseReason, Running, Throttle, Times, pki, sas,
};

const TOPIC: &str = "devices/MyTwinDevice/messages/events/";

fn topic(bag: &str) -> String {
    format!("{TOPIC}{bag}")
}

async fn acknowledged(device: &mut Device, bag: &str, body: impl Into<Vec<u8>>) {
    let pkid = device.publish_at(QoS::AtLeastOnce, &topic(bag), body).await;
    match device.next().await {
        Some(Packet::PubAck(ack)) if ack.pkid == pkid => {}
        other => panic!("expected PUBACK, got {other:?}"),
    }
}

async fn message(hub: &Running, after: u64) -> Arc<Message> {
    hub.wait_for_message(after, |_| true, PATIENCE).await.unwrap()
}

async fn end_of_connection(hub: &Running, after: u64) -> CloseReason {
    let end = |entry: &Entry| matches!(entry.event, Event::Disconnected { .. });
    match hub.wait_for_after(after, end, PATIENCE).await.unwrap().event {
        Event::Disconnected { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_is_kept_with_its_properties_and_the_stamps_of_the_hub() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    let bag = "%24.mid=MyTwinDevice-1&%24.ct=application%2Fjson&%24.ce=utf-8&%24.ctime=2026-11-27T14%3A00%3A00Z\
               &alarm=overheat-office";
    acknowledged(&mut device, bag, r#"[{"time":"2026-11-27T14:00:00Z","sensor":"room","temperature":21.5}]"#)
        .await;
    // What is acknowledged is stored, so nothing is waited for.
    let held = hub.messages(DEVICE);
    let [message] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!((message.sequence, message.offset, message.qos, message.dup), (1, 0, 1, false));
    assert_eq!(
        (message.id(), message.creation_time()),
        (Some("MyTwinDevice-1"), Some("2026-11-27T14:00:00Z"))
    );
    assert_eq!(message.property("alarm"), Some("overheat-office"));
    assert_eq!((message.application.len(), message.system.len()), (1, 4));
    assert_eq!(message.json().unwrap()[0]["temperature"], 21.5);
    let stamped: Vec<(&str, &str)> = message
        .annotations
        .iter()
        .filter(|(name, _)| name.as_str() != "iothub-connection-auth-generation-id")
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        stamped,
        [
            ("iothub-connection-auth-method", r#"{"scope":"device","type":"sas","issuer":"iothub"}"#),
            ("iothub-connection-device-id", DEVICE),
            ("iothub-enqueuedtime", message.enqueued_time.as_str()),
            ("iothub-message-source", "Telemetry"),
        ]
    );
    assert_eq!(message.annotations["iothub-connection-auth-generation-id"].len(), 16);
}

#[tokio::test]
async fn the_stamp_of_a_connection_tells_how_it_signed_in() {
    let hub = start().await;
    let method = |message: &Message| {
        let text = &message.annotations["iothub-connection-auth-method"];
        let value: Value = serde_json::from_str(text).unwrap();
        format!("{} {}", value["scope"].as_str().unwrap(), value["type"].as_str().unwrap())
    };
    let owner = hub.policy_connection_string("iothubowner", hub.host()).unwrap();
    let key = owner.split("SharedAccessKey=").nth(1).unwrap();
    let mut connect = good_connect(&hub, DEVICE);
    let token = sas::sign(hub.host(), key, Some("iothubowner"), far_expiry()).unwrap();
    connect.login = Some(Login::new(format!("localhost/{DEVICE}/?api-version=2021-04-12"), token));
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect).await.0, Code::Success);
    acknowledged(&mut device, "", "1").await;
    assert_eq!(method(&*message(&hub, 0).await), "hub sas");

    let identity = pki::self_signed_client("right").unwrap();
    hub.create_x509_device("cert", &identity.thumbprint().unwrap()).unwrap();
    let mut connect = rumqttc::Connect::new("cert");
    connect.login = Some(Login::new("localhost/cert/?api-version=2021-04-12", ""));
    let mut device = Device::over(dial_as(&hub, hub.mqtt_port(), Some(&identity)).await.unwrap());
    assert_eq!(device.try_connect(connect).await.0, Code::Success);
    device.publish("devices/cert/messages/events/", "1").await;
    assert_eq!(method(&*message(&hub, 1).await), "device x509");
}

#[tokio::test]
async fn a_device_that_is_registered_anew_has_another_generation() {
    let hub = start().await;
    let mut generations = Vec::new();
    for after in 0..2 {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        acknowledged(&mut device, "", "1").await;
        let message = message(&hub, after).await;
        generations.push(message.annotations["iothub-connection-auth-generation-id"].clone());
        hub.delete_device(DEVICE).unwrap();
        hub.create_device(DEVICE).unwrap();
    }
    assert_ne!(generations[0], generations[1]);
}

#[tokio::test]
async fn what_is_sent_twice_is_kept_twice_and_metered_twice() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    let mut publish = Publish::new(topic("$.mid=a-1"), QoS::AtLeastOnce, "x".repeat(5000));
    publish.pkid = 7;
    for dup in [false, true] {
        publish.dup = dup;
        device.send(Packet::Publish(publish.clone())).await;
        assert!(matches!(device.next().await, Some(Packet::PubAck(ack)) if ack.pkid == 7));
    }
    let held = hub.messages(DEVICE);
    assert_eq!(
        held.iter().map(|message| (message.sequence, message.dup)).collect::<Vec<_>>(),
        [(1, false), (2, true)]
    );
    assert!(held.iter().all(|message| message.id() == Some("a-1")));
    assert_eq!(hub.metered(DEVICE), Metered { messages: 2, bytes: 10_006, pieces: 4 });
    assert_eq!(hub.metered("nobody"), Metered::default());
}

#[tokio::test]
async fn retain_becomes_a_property_and_a_will_says_that_it_is_one() {
    let hub = start().await;
    let mut connect = good_connect(&hub, DEVICE);
    connect.last_will = Some(LastWill::new(topic("w=1"), "gone", QoS::AtLeastOnce, true));
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect).await.0, Code::Success);
    let mut publish = Publish::new(topic("k=v"), QoS::AtMostOnce, "1");
    publish.retain = true;
    device.send(Packet::Publish(publish)).await;
    device.publish(TOPIC, "2").await;
    device.expect_nothing_before_ping().await;
    drop(device);
    let will = hub.wait_for_message(0, Message::is_will, PATIENCE).await.unwrap();
    let properties = |message: &Message| json!(message.application);
    assert_eq!(properties(&will), json!({ "iothub-MessageType": "Will", "mqtt-retain": "true", "w": "1" }));
    assert_eq!(
        (&will.body, will.annotations["iothub-connection-device-id"].as_str()),
        (&Bytes::from("gone"), DEVICE)
    );
    let held = hub.messages(DEVICE);
    assert_eq!(held.len(), 3);
    assert_eq!(properties(&held[0]), json!({ "k": "v", "mqtt-retain": "true" }));
    assert_eq!(properties(&held[1]), json!({}));
    // What the hub adds is not metered: k and v, w and 1, and the bodies.
    assert_eq!(hub.metered(DEVICE).bytes, 3 + 1 + 6);
}

#[tokio::test]
async fn a_will_that_is_no_message_is_refused_with_the_connect() {
    let hub = start().await;
    for topic in [topic("w"), topic("$.mid=a%20b"), "devices/other/messages/events/".to_owned()] {
        let mut connect = good_connect(&hub, DEVICE);
        connect.last_will = Some(LastWill::new(topic, "gone", QoS::AtMostOnce, false));
        let before = hub.last_sequence();
        assert_eq!(Device::dial(&hub).await.try_connect(connect).await.0, Code::NotAuthorized);
        let refused =
            hub.wait_for_after(before, |entry| matches!(entry.event, Event::Refused { .. }), PATIENCE);
        assert_eq!(refused.await.unwrap().event, Event::Refused { code: 5, reason: RefuseReason::BadWill });
    }
}

#[tokio::test]
async fn what_is_no_message_closes_the_connection_unstored_and_unacknowledged() {
    let hub = start().await;
    let full = |bag: &str, spare: usize| (topic(bag), vec![b'x'; 256 * 1024 - spare], QoS::AtLeastOnce);
    let small = |topic: String| (topic, vec![b'x'], QoS::AtLeastOnce);
    for ((topic, body, qos), word) in [
        (small(topic("alarm")), "\"alarm\" in its property bag"),
        (small(topic("a=%zz")), "cannot be decoded"),
        (small(topic("a=1&a=2")), "comes twice"),
        (small(topic("$.mid=a%20b")), "message id"),
        (small(topic("$.now=1")), "no system property"),
        (small("devices/other/messages/events/".to_owned()), "no topic"),
        (full("abc=de", 4), "262145 bytes"),
        (full("$.mid=abc", 2), "262145 bytes"),
        ((TOPIC.to_owned(), Vec::new(), QoS::ExactlyOnce), "QoS 2"),
    ] {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        let before = hub.last_sequence();
        device.publish_at(qos, &topic, body).await;
        device.expect_end().await;
        let CloseReason::Violation(why) = end_of_connection(&hub, before).await else { panic!("{topic}") };
        assert!(why.contains(word), "{why} for {topic}");
    }
    assert_eq!((hub.last_message_sequence(), hub.metered(DEVICE).messages), (0, 0));
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    for (bag, spare) in [("abc=de", 5), ("$.mid=abc", 3)] {
        let (_, body, _) = full(bag, spare);
        acknowledged(&mut device, bag, body).await;
    }
    assert_eq!(hub.metered(DEVICE), Metered { messages: 2, bytes: 2 * 256 * 1024, pieces: 128 });
}

#[tokio::test]
async fn the_hub_holds_as_many_messages_as_it_is_told_and_numbers_show_what_went() {
    let hub = start().await;
    hub.set_behaviour(|behaviour| behaviour.held_messages = 2);
    hub.create_device("other").unwrap();
    let (mut other, _) = Device::connect(&hub, "other").await;
    other.publish("devices/other/messages/events/", "0").await;
    other.expect_nothing_before_ping().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    for body in ["1", "2"] {
        acknowledged(&mut device, "", body).await;
    }
    let numbers = |held: Vec<Arc<Message>>| held.iter().map(|message| message.sequence).collect::<Vec<_>>();
    assert_eq!(numbers(hub.messages_after(0)), [2, 3]);
    assert_eq!((numbers(hub.messages(DEVICE)), numbers(hub.messages("other"))), (vec![2, 3], vec![]));
    assert_eq!((hub.last_message_sequence(), hub.metered("other").messages), (3, 1));
}

#[tokio::test]
async fn acknowledgements_can_be_withheld_and_the_message_is_stored_all_the_same() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    hub.faults().drop_pubacks(Times::Next(1));
    device.publish_at(QoS::AtLeastOnce, TOPIC, "1").await;
    device.expect_nothing_before_ping().await;
    assert_eq!(hub.messages(DEVICE).len(), 1);
    acknowledged(&mut device, "", "2").await;
}

#[tokio::test]
async fn acknowledgements_can_be_late_and_keep_their_order() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    let delay = Duration::from_millis(300);
    hub.faults().delay_pubacks(delay);
    let sent = std::time::Instant::now();
    for body in ["1", "2"] {
        device.publish_at(QoS::AtLeastOnce, TOPIC, body).await;
    }
    // The rest of the connection is not slowed.
    device.expect_nothing_before_ping().await;
    assert_eq!(hub.messages(DEVICE).len(), 2);
    for pkid in [1, 2] {
        assert!(matches!(device.next().await, Some(Packet::PubAck(ack)) if ack.pkid == pkid));
    }
    assert!(sent.elapsed() >= delay);
    hub.faults().delay_pubacks(Duration::ZERO);
    acknowledged(&mut device, "", "3").await;
}

#[tokio::test]
async fn a_connection_can_be_cut_between_the_store_and_the_acknowledgement_or_before_both() {
    let hub = start().await;
    for (stored, arm) in [
        (1, (|hub| hub.faults().close_after_telemetry(Times::Next(1))) as fn(&Running)),
        (1, |hub| hub.faults().close_on_telemetry(Times::Next(1))),
    ] {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        let before = hub.last_sequence();
        arm(&hub);
        device.publish_at(QoS::AtLeastOnce, &topic("$.mid=a-1"), "1").await;
        device.expect_end().await;
        assert_eq!(end_of_connection(&hub, before).await, CloseReason::Kicked);
        assert_eq!(hub.messages(DEVICE).len(), stored);
    }
    // The device sends it again, and makes the duplicate.
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    acknowledged(&mut device, "$.mid=a-1", "1").await;
    let held = hub.messages(DEVICE);
    assert_eq!(held.iter().map(|message| message.id()).collect::<Vec<_>>(), [Some("a-1"), Some("a-1")]);
}

#[tokio::test]
async fn a_throttled_connection_is_acknowledged_late_and_closed_at_its_limit() {
    let hub = start().await;
    let delay = Duration::from_millis(200);
    hub.faults().throttle_telemetry(Some(Throttle { delay, admitted: 2 }));
    for round in 1..=2 {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        for body in ["1", "2"] {
            let sent = std::time::Instant::now();
            acknowledged(&mut device, "", body).await;
            assert!(sent.elapsed() >= delay);
        }
        device.publish_at(QoS::AtLeastOnce, TOPIC, "3").await;
        device.expect_end().await;
        assert_eq!(hub.last_message_sequence(), 2 * round);
    }
    hub.faults().throttle_telemetry(None);
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    for _ in 0..4 {
        acknowledged(&mut device, "", "1").await;
    }
}

#[tokio::test]
async fn the_log_names_the_message_and_keeps_the_beginning_of_a_long_one() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    acknowledged(&mut device, "k=v", vec![b'x'; 10_000]).await;
    let event = saw(&hub, |event| matches!(event, Event::Telemetry { .. })).await;
    let logged =
        Event::Telemetry { sequence: 1, bag: "k=v".to_owned(), payload: vec![b'x'; 4096], will: false };
    assert_eq!(event, logged);
    assert_eq!(message(&hub, 0).await.body.len(), 10_000);
}

#[tokio::test]
async fn a_wait_that_ends_without_a_message_shows_what_happened_instead() {
    let hub = start().await;
    let error = hub.wait_for_message(0, |_| true, Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("DeviceCreated"), "{error}");
}
