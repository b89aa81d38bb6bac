//! The device side over real TLS: connecting, subscribing, twins, and what ends a connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use rumqttc::{ConnectReturnCode as Code, Login, Packet, QoS, SubscribeReasonCode};
use serde_json::json;
use support::{DEVICE, Device, PATIENCE, far_expiry, good_connect, saw, start, token};
use twinhub::{CloseReason, Event, RefuseReason};

const ANSWERS: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

#[tokio::test]
async fn a_device_gets_its_twin_and_reports_and_hears_of_desired_changes() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let twin = json!({ "desired": { "$version": 1 }, "reported": { "$version": 1 } });
    assert_eq!(device.get("a1").await, ("$iothub/twin/res/200/?$rid=a1".to_owned(), twin));

    let (topic, body) = device.report("7", &json!({ "fan": { "rpm": 900 } })).await;
    assert_eq!((topic.as_str(), body), ("$iothub/twin/res/204/?$rid=7&$version=2", json!(null)));
    assert_eq!(hub.reported(DEVICE).unwrap(), json!({ "fan": { "rpm": 900 }, "$version": 2 }));

    let patch = json!({ "patchId": "Init", "fanOn": "false", "components": { "wifi": null } });
    assert_eq!(hub.update_desired(DEVICE, &patch).unwrap(), 2);
    let publish = device.next_publish().await;
    assert_eq!(publish.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(publish.qos, QoS::AtMostOnce);
    let text = r#"{"patchId":"Init","fanOn":"false","components":{"wifi":null},"$version":2}"#;
    assert_eq!(publish.payload, text);
    saw(&hub, |event| *event == Event::DesiredSent { version: 2 }).await;
}

#[tokio::test]
async fn a_request_before_the_subscription_is_answered_after_it() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    device.publish("$iothub/twin/GET/?$rid=early", "").await;
    device.expect_nothing_before_ping().await;
    assert_eq!(device.subscribe(&[ANSWERS]).await, [SubscribeReasonCode::Success(QoS::AtMostOnce)]);
    assert_eq!(device.next_message().await.0, "$iothub/twin/res/200/?$rid=early");
}

#[tokio::test]
async fn requests_at_qos_1_are_acknowledged_and_answered_at_qos_0() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let id = device.publish_at(QoS::AtLeastOnce, "$iothub/twin/GET/?$rid=1", " ").await;
    assert_eq!(device.next().await, Some(Packet::PubAck(rumqttc::PubAck::new(id))));
    assert_eq!(device.next_message().await.0, "$iothub/twin/res/200/?$rid=1");
}

#[tokio::test]
async fn refused_patches_carry_an_error_code_and_name_the_property() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    for (patch, named) in [
        (json!({ "$version": 2 }), "reported.$version"),
        (json!({ "a": { "b c": 1 } }), "reported.a.b c"),
        (json!({ "list": [1, null] }), "reported.list[1]"),
        (json!([1]), "reported must be"),
    ] {
        let (topic, body) = device.report("r", &patch).await;
        assert_eq!(topic, "$iothub/twin/res/400/?$rid=r");
        assert_eq!(body["errorCode"], 400_004);
        assert!(body["message"].as_str().unwrap().contains(named), "{body}");
    }
    device.publish("$iothub/twin/PATCH/properties/reported/?$rid=j", "{\"a\":").await;
    assert_eq!(device.next_message().await.0, "$iothub/twin/res/400/?$rid=j");
    assert_eq!(hub.reported(DEVICE).unwrap(), json!({ "$version": 1 }));
}

#[tokio::test]
async fn an_oversized_report_is_400_or_413_by_switch() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let big: serde_json::Map<_, _> = (0..9).map(|n| (n.to_string(), json!("x".repeat(4000)))).collect();
    let (topic, body) = device.report("1", &json!(big)).await;
    assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/400/?$rid=1", &json!(400_004)));
    hub.set_behaviour(|behaviour| behaviour.oversize_is_413 = true);
    let (topic, body) = device.report("2", &json!(big)).await;
    assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/413/?$rid=2", &json!(413_001)));
}

#[tokio::test]
async fn a_report_with_a_stale_base_version_is_answered_412() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    device.report("1", &json!({ "a": 1 })).await;
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=2&$version=";
    device.publish(&format!("{topic}1"), "{\"a\":2}").await;
    assert_eq!(device.next_message().await.0, "$iothub/twin/res/412/?$rid=2");
    device.publish(&format!("{topic}2"), "{\"a\":2}").await;
    assert_eq!(device.next_message().await.0, "$iothub/twin/res/204/?$rid=2&$version=3");
}

#[tokio::test]
async fn credentials_and_names_are_judged_with_their_return_codes() {
    let hub = start().await;
    hub.create_device("other").unwrap();
    let good = || good_connect(&hub, DEVICE);
    let login = |username: &str, password: &str| Some(Login::new(username, password));
    let name = format!("localhost/{DEVICE}/?api-version=2021-04-12");
    let expired = token(&hub, DEVICE, twinhub::clock::unix_seconds() - 301);
    let mut cases = vec![];
    for (username, password, code, refused) in [
        (name.clone(), expired, Code::NotAuthorized, "expired"),
        (name.clone(), token(&hub, "other", far_expiry()), Code::NotAuthorized, "another key"),
        (name.clone(), String::new(), Code::NotAuthorized, "malformed"),
        (
            "elsewhere/MyTwinDevice/?api-version=1".to_owned(),
            "x".to_owned(),
            Code::NotAuthorized,
            "BadUsername",
        ),
        (format!("localhost/{DEVICE}/"), "x".to_owned(), Code::NotAuthorized, "NoApiVersion"),
        ("localhost/other/?api-version=1".to_owned(), "x".to_owned(), Code::NotAuthorized, "BadClientId"),
    ] {
        let mut connect = good();
        connect.login = login(&username, &password);
        cases.push((connect, code, refused));
    }
    let mut unknown = good();
    unknown.client_id = "nobody".to_owned();
    unknown.login = login("localhost/nobody/?api-version=1", &token(&hub, DEVICE, far_expiry()));
    cases.push((unknown, Code::NotAuthorized, "UnknownDevice"));
    for (connect, code, refused) in cases {
        let before = hub.last_sequence();
        let mut device = Device::dial(&hub).await;
        assert_eq!(device.try_connect(connect).await, (code, false), "{refused}");
        device.expect_end().await;
        let entry = hub.wait_for_after(before, |_| true, PATIENCE).await.unwrap();
        let Event::Refused { reason, .. } = entry.event else { panic!("{entry:?}") };
        assert!(format!("{reason:?}").contains(refused), "{reason:?} for {refused}");
    }
    hub.set_enabled(DEVICE, false).unwrap();
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(good()).await, (Code::ServiceUnavailable, false));
    saw(&hub, |event| *event == Event::Refused { code: 3, reason: RefuseReason::Disabled }).await;
}

#[tokio::test]
async fn a_port_in_the_host_and_a_policy_token_are_taken() {
    let hub = start().await;
    let mut connect = good_connect(&hub, DEVICE);
    let policy = hub.policy_connection_string("device", "localhost").unwrap();
    let key = policy.split_once("SharedAccessKey=").unwrap().1;
    let token = twinhub::sas::sign("LOCALHOST:8883", key, Some("device"), far_expiry()).unwrap();
    connect.login = Some(Login::new(format!("localhost:8883/{DEVICE}/api-version=2019-10-01"), token));
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect.clone()).await, (Code::Success, false));
    let policy = hub.policy_connection_string("service", "localhost").unwrap();
    let key = policy.split_once("SharedAccessKey=").unwrap().1;
    let token = twinhub::sas::sign("localhost", key, Some("service"), far_expiry()).unwrap();
    connect.login = Some(Login::new(format!("localhost/{DEVICE}/?api-version=1"), token));
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect).await, (Code::NotAuthorized, false));
}

#[tokio::test]
async fn subscriptions_of_a_kept_session_outlive_the_connection() {
    let hub = start().await;
    let device = Device::ready(&hub, DEVICE).await;
    drop(device);
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::ConnectionLost }).await;
    hub.update_desired(DEVICE, &json!({ "missed": 1 })).unwrap();
    let (mut device, present) = Device::connect(&hub, DEVICE).await;
    assert!(present);
    hub.update_desired(DEVICE, &json!({ "heard": 1 })).unwrap();
    assert_eq!(device.next_message().await.1, json!({ "heard": 1, "$version": 3 }));
    assert_eq!(device.get("1").await.0, "$iothub/twin/res/200/?$rid=1");
}

#[tokio::test]
async fn a_clean_session_begins_and_ends_with_nothing() {
    let hub = start().await;
    let device = Device::ready(&hub, DEVICE).await;
    drop(device);
    saw(&hub, |event| matches!(event, Event::Disconnected { .. })).await;
    let mut clean = good_connect(&hub, DEVICE);
    clean.clean_session = true;
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(clean).await, (Code::Success, false));
    hub.update_desired(DEVICE, &json!({ "a": 1 })).unwrap();
    device.expect_nothing_before_ping().await;
    device.subscribe(&[DESIRED]).await;
    let before = hub.last_sequence();
    device.send(Packet::Disconnect).await;
    device.expect_end().await;
    let left = hub.wait_for_after(before, |_| true, PATIENCE).await.unwrap().event;
    assert_eq!(left, Event::Disconnected { reason: CloseReason::Disconnect });
    assert!(!Device::connect(&hub, DEVICE).await.1);
    assert!(hub.subscriptions(DEVICE).is_empty());
}

#[tokio::test]
async fn the_last_connection_of_a_device_wins() {
    let hub = start().await;
    let mut first = Device::ready(&hub, DEVICE).await;
    let (mut second, present) = Device::connect(&hub, DEVICE).await;
    assert!(present);
    first.expect_end().await;
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::TakenOver }).await;
    assert!(hub.is_connected(DEVICE));
    assert_eq!(second.get("1").await.0, "$iothub/twin/res/200/?$rid=1");
}

#[tokio::test]
async fn a_qos_2_subscription_is_granted_qos_1() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    device.send_subscribe(&[ANSWERS, "devices/MyTwinDevice/messages/devicebound/#"], QoS::ExactlyOnce).await;
    let Some(Packet::SubAck(ack)) = device.next().await else { panic!("expected SUBACK") };
    assert_eq!(ack.return_codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce); 2]);
}

#[tokio::test]
async fn whatever_is_not_documented_closes_the_connection() {
    let hub = start().await;
    hub.set_behaviour(|behaviour| behaviour.max_subscriptions = 1);
    type Offence = (&'static str, fn(&mut Device) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>);
    let offences: [Offence; 7] = [
        ("QoS 2", |d| {
            Box::pin(async { _ = d.publish_at(QoS::ExactlyOnce, "$iothub/twin/GET/?$rid=1", "").await })
        }),
        ("no topic", |d| Box::pin(d.publish("sport/tennis", ""))),
        ("no topic", |d| Box::pin(d.publish("$iothub/twin/GET/", ""))),
        ("no topic", |d| Box::pin(d.publish("devices/other/messages/events/", ""))),
        ("no filter", |d| Box::pin(d.send_subscribe(&["#"], QoS::AtMostOnce))),
        ("more than 1", |d| Box::pin(d.send_subscribe(&[ANSWERS, DESIRED], QoS::AtMostOnce))),
        ("second CONNECT", |d| Box::pin(d.send(Packet::Connect(rumqttc::Connect::new("MyTwinDevice"))))),
    ];
    for (word, offend) in offences {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        let before = hub.last_sequence();
        offend(&mut device).await;
        device.expect_end().await;
        let end = |entry: &twinhub::Entry| matches!(entry.event, Event::Disconnected { .. });
        let entry = hub.wait_for_after(before, end, PATIENCE).await.unwrap();
        let Event::Disconnected { reason: CloseReason::Violation(why) } = entry.event else {
            panic!("{entry:?}")
        };
        assert!(why.contains(word), "{why} for {word}");
    }
}

#[tokio::test]
async fn silence_past_the_keep_alive_ends_the_connection() {
    let hub = start().await;
    let mut connect = good_connect(&hub, DEVICE);
    connect.keep_alive = 1;
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect).await, (Code::Success, false));
    device.expect_end().await;
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::KeepAliveLapsed }).await;
}

#[tokio::test]
async fn a_token_that_runs_out_ends_the_connection_after_the_grace() {
    let hub = start().await;
    hub.set_behaviour(|behaviour| behaviour.token_grace = std::time::Duration::ZERO);
    let mut connect = good_connect(&hub, DEVICE);
    let expiry = twinhub::clock::unix_seconds() + 2;
    connect.login = Some(Login::new("localhost/MyTwinDevice/?api-version=1", token(&hub, DEVICE, expiry)));
    let mut device = Device::dial(&hub).await;
    assert_eq!(device.try_connect(connect).await, (Code::Success, false));
    device.expect_end().await;
    assert!(twinhub::clock::unix_seconds() >= expiry);
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::TokenExpired }).await;
}

#[tokio::test]
async fn a_deleted_device_is_cut_off_and_starts_over_when_registered_again() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.update_desired(DEVICE, &json!({ "a": 1 })).unwrap();
    device.next_message().await;
    hub.delete_device(DEVICE).unwrap();
    device.expect_end().await;
    hub.create_device(DEVICE).unwrap();
    assert_eq!(hub.desired(DEVICE).unwrap(), json!({ "$version": 1 }));
    assert!(!Device::connect(&hub, DEVICE).await.1);
}

#[tokio::test]
async fn telemetry_is_recorded_and_a_will_only_without_a_farewell() {
    let hub = start().await;
    for polite in [true, false] {
        let before = hub.last_sequence();
        let mut connect = good_connect(&hub, DEVICE);
        let will = rumqttc::LastWill::new(
            "devices/MyTwinDevice/messages/events/w=1",
            "gone",
            QoS::AtMostOnce,
            false,
        );
        connect.last_will = Some(will);
        let mut device = Device::dial(&hub).await;
        assert_eq!(device.try_connect(connect).await.0, Code::Success);
        device.publish("devices/MyTwinDevice/messages/events/?k=v", "21.5").await;
        device.expect_nothing_before_ping().await;
        if polite {
            device.send(Packet::Disconnect).await;
            device.expect_end().await;
        }
        drop(device);
        let end = |entry: &twinhub::Entry| matches!(entry.event, Event::Disconnected { .. });
        hub.wait_for_after(before, end, PATIENCE).await.unwrap();
        let telemetry = |entry: twinhub::Entry| match entry.event {
            Event::Telemetry { bag, payload, will, .. } => {
                Some((bag, String::from_utf8(payload).unwrap(), will))
            }
            _ => None,
        };
        let seen: Vec<_> = hub.events_after(before).into_iter().filter_map(telemetry).collect();
        let mut expected = vec![("k=v".to_owned(), "21.5".to_owned(), false)];
        if !polite {
            expected.push(("w=1".to_owned(), "gone".to_owned(), true));
        }
        assert_eq!(seen, expected);
    }
}
