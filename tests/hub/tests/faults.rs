//! Every fault that a test can inject into the hub, seen from a device.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use bytes::Bytes;
use rumqttc::{ConnectReturnCode as Code, Packet, QoS, SubscribeReasonCode};
use serde_json::{Value, json};
use std::time::Duration;
use support::{DEVICE, Device, PATIENCE, dial, dial_as, good_connect, saw, start};
use twinhub::{
    Answer, Certificate, CloseReason, Event, Options, RefuseReason, Running, Times, TwinAnswers, pki,
    twin::ResetNotice,
};

const ANSWERS: &str = "$iothub/twin/res/#";

#[tokio::test]
async fn connects_are_refused_as_often_as_asked() {
    let hub = start().await;
    hub.faults().refuse_connects(3, Times::Next(2));
    for _ in 0..2 {
        let mut device = Device::dial(&hub).await;
        assert_eq!(device.try_connect(good_connect(&hub, DEVICE)).await, (Code::ServiceUnavailable, false));
        device.expect_end().await;
    }
    saw(&hub, |event| *event == Event::Refused { code: 3, reason: RefuseReason::Fault }).await;
    Device::connect(&hub, DEVICE).await;
}

#[tokio::test]
async fn a_twin_request_can_be_answered_with_any_status_and_body() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.faults().answer_twin_get(Answer::Status(429), Times::Next(1));
    let (topic, body) = device.get("1").await;
    assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/429/?$rid=1", &json!(429_001)));
    hub.faults().answer_twin_get(Answer::RetryAfter(429, 30), Times::Next(1));
    let (topic, body) = device.get("1").await;
    let asks = "$iothub/twin/res/429/?$rid=1&retry-after=30";
    assert_eq!((topic.as_str(), &body["errorCode"]), (asks, &json!(429_001)));
    hub.faults().answer_twin_get(Answer::Raw(500, Vec::new()), Times::Next(1));
    assert_eq!(device.get("2").await, ("$iothub/twin/res/500/?$rid=2".to_owned(), Value::Null));
    hub.faults().answer_twin_get(Answer::Raw(200, b"[]".to_vec()), Times::Next(1));
    assert_eq!(device.get("3").await, ("$iothub/twin/res/200/?$rid=3".to_owned(), json!([])));
    assert_eq!(device.get("4").await.0, "$iothub/twin/res/200/?$rid=4");
}

#[tokio::test]
async fn a_report_can_be_refused_ignored_or_its_answer_lost() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=x";
    hub.faults().answer_reported(Answer::Status(500), Times::Next(1));
    let (topic, body) = device.report("1", &json!({ "a": 1 })).await;
    assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/500/?$rid=1", &json!(500_001)));
    hub.faults().answer_reported(Answer::RetryAfter(429, 5), Times::Next(1));
    assert_eq!(device.report("2", &json!({ "a": 1 })).await.0, "$iothub/twin/res/429/?$rid=2&retry-after=5");
    hub.faults().answer_reported(Answer::Ignored, Times::Next(1));
    device.publish(report, "{\"a\":1}").await;
    device.expect_nothing_before_ping().await;
    assert_eq!(hub.reported(DEVICE).unwrap(), json!({ "$version": 1 }));
    hub.faults().answer_reported(Answer::Lost, Times::Next(1));
    device.publish(report, "{\"a\":2}").await;
    device.expect_nothing_before_ping().await;
    assert_eq!(hub.reported(DEVICE).unwrap(), json!({ "a": 2, "$version": 2 }));
    hub.faults().answer_reported(Answer::ServeThenClose, Times::Next(1));
    device.publish(report, "{\"a\":3}").await;
    device.expect_end().await;
    assert_eq!(hub.reported(DEVICE).unwrap(), json!({ "a": 3, "$version": 3 }));
}

#[tokio::test]
async fn answers_are_delayed_by_as_much_as_asked_and_hold_up_nothing_else() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.faults().delay_answers(Duration::from_secs(86_400));
    device.publish("$iothub/twin/GET/?$rid=tomorrow", "").await;
    device.expect_nothing_before_ping().await;
    let delay = Duration::from_millis(50);
    hub.faults().delay_answers(delay);
    let asked = std::time::Instant::now();
    assert_eq!(device.get("soon").await.0, "$iothub/twin/res/200/?$rid=soon");
    assert!(asked.elapsed() >= delay);
}

#[tokio::test]
async fn desired_notifications_can_be_dropped_and_duplicated() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.faults().drop_desired(Times::Next(1));
    hub.update_desired(DEVICE, &json!({ "n": 2 })).unwrap();
    saw(&hub, |event| *event == Event::DesiredNotSent { version: 2 }).await;
    hub.faults().duplicate_desired(Times::Next(1));
    for n in [3, 4] {
        hub.update_desired(DEVICE, &json!({ "n": n })).unwrap();
    }
    for n in [3, 3, 4] {
        assert_eq!(device.next_message().await.1, json!({ "n": n, "$version": n }));
    }
}

#[tokio::test]
async fn anything_can_be_published_to_a_device_even_what_is_no_mqtt() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=9";
    assert!(hub.publish_raw(DEVICE, topic, "{garbage"));
    assert_eq!(device.next_publish().await.payload, Bytes::from("{garbage"));
    assert!(hub.publish_raw(DEVICE, topic, vec![b' '; 600_000]));
    assert_eq!(device.next_publish().await.payload.len(), 600_000);
    // QoS 3 does not exist.
    assert!(hub.send_bytes(DEVICE, Bytes::from_static(&[0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01])));
    assert_eq!(device.next().await, None);
    assert!(!hub.publish_raw("nobody", topic, ""));
}

#[tokio::test]
async fn session_present_can_be_made_a_lie_either_way() {
    let hub = start().await;
    hub.faults().force_session_present(Some(true));
    let (device, present) = Device::connect(&hub, DEVICE).await;
    assert!(present);
    drop(device);
    hub.faults().force_session_present(Some(false));
    assert!(!Device::connect(&hub, DEVICE).await.1);
    hub.faults().force_session_present(None);
    assert!(Device::connect(&hub, DEVICE).await.1);
    hub.forget_session(DEVICE);
    assert!(!Device::connect(&hub, DEVICE).await.1);
}

#[tokio::test]
async fn a_device_can_be_kicked_and_subscriptions_pubacks_and_telemetry_refused() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    hub.faults().refuse_subscriptions(Times::Next(1));
    assert_eq!(device.subscribe(&[ANSWERS]).await, [SubscribeReasonCode::Failure]);
    assert!(hub.subscriptions(DEVICE).is_empty());
    hub.faults().drop_pubacks(Times::Next(1));
    device.publish_at(QoS::AtLeastOnce, "devices/MyTwinDevice/messages/events/", "1").await;
    device.expect_nothing_before_ping().await;
    hub.faults().close_on_telemetry(Times::Next(1));
    device.publish("devices/MyTwinDevice/messages/events/", "1").await;
    device.expect_end().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    assert!(hub.kick(DEVICE));
    device.expect_end().await;
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::Kicked }).await;
    assert!(!hub.is_connected(DEVICE));
}

#[tokio::test]
async fn a_muted_hub_neither_hears_nor_speaks() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.faults().mute(true);
    device.publish("$iothub/twin/GET/?$rid=lost", "").await;
    saw(&hub, |event| *event == Event::Unheard).await;
    hub.update_desired(DEVICE, &json!({ "lost": 1 })).unwrap();
    saw(&hub, |event| *event == Event::DesiredNotSent { version: 2 }).await;
    hub.faults().mute(false);
    assert_eq!(device.get("heard").await.0, "$iothub/twin/res/200/?$rid=heard");
}

#[tokio::test]
async fn a_muted_hub_waits_out_a_silence_for_which_it_would_hang_up() {
    let hub = start().await;
    let mut connect = good_connect(&hub, DEVICE);
    connect.keep_alive = 1;
    let mut device = Device::dial(&hub).await;
    device.try_connect(connect).await;
    hub.faults().mute(true);
    // More than one and a half keep-alives.
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert!(hub.is_connected(DEVICE));
    hub.faults().mute(false);
    device.expect_end().await;
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::KeepAliveLapsed }).await;
}

#[tokio::test]
async fn keys_reach_the_device_as_written_or_sorted_by_the_switch() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let patch = json!({ "z": 1, "a": { "y": 1, "b": 2 } });
    hub.update_desired(DEVICE, &patch).unwrap();
    assert_eq!(device.next_publish().await.payload, r#"{"z":1,"a":{"y":1,"b":2},"$version":2}"#);
    hub.set_behaviour(|behaviour| behaviour.sorted_keys = true);
    hub.update_desired(DEVICE, &patch).unwrap();
    assert_eq!(device.next_publish().await.payload, r#"{"$version":3,"a":{"b":2,"y":1},"z":1}"#);
    let sorted = r#"{"desired":{"$version":3,"a":{"b":2,"y":1},"z":1},"reported":{"$version":1}}"#;
    assert_eq!(device.get("1").await.1.to_string(), sorted);
}

#[tokio::test]
async fn a_session_lives_as_long_as_the_switch_says() {
    let hub = start().await;
    for (lifetime, kept) in [(Some(Duration::ZERO), false), (Some(PATIENCE), true), (None, true)] {
        hub.set_behaviour(|behaviour| behaviour.session_lifetime = lifetime);
        let before = hub.last_sequence();
        drop(Device::ready(&hub, DEVICE).await);
        let left = |entry: &twinhub::Entry| matches!(entry.event, Event::Disconnected { .. });
        hub.wait_for_after(before, left, PATIENCE).await.unwrap();
        assert_eq!(Device::connect(&hub, DEVICE).await.1, kept, "{lifetime:?}");
    }
}

#[tokio::test]
async fn new_keys_shut_out_the_old_ones() {
    let hub = start().await;
    let old = good_connect(&hub, DEVICE);
    hub.renew_keys(DEVICE).unwrap();
    assert_eq!(Device::dial(&hub).await.try_connect(old).await.0, Code::NotAuthorized);
    Device::connect(&hub, DEVICE).await;
}

#[tokio::test]
async fn answers_to_a_device_that_did_not_subscribe_follow_the_switch() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    hub.set_behaviour(|behaviour| behaviour.twin_answers = TwinAnswers::AlwaysDelivered);
    assert_eq!(device.get("1").await.0, "$iothub/twin/res/200/?$rid=1");
    hub.set_behaviour(|behaviour| behaviour.twin_answers = TwinAnswers::LostUnlessSubscribed);
    device.publish("$iothub/twin/GET/?$rid=2", "").await;
    device.expect_nothing_before_ping().await;
    device.subscribe(&[ANSWERS]).await;
    device.expect_nothing_before_ping().await;
}

#[tokio::test]
async fn the_shape_of_a_reset_follows_the_switch() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    for (notice, told) in [
        (ResetNotice::NullsForKeys, json!({ "a": null, "$version": 3 })),
        (ResetNotice::VersionOnly, json!({ "$version": 5 })),
    ] {
        hub.set_behaviour(|behaviour| behaviour.twin.reset_notice = notice);
        hub.update_desired(DEVICE, &json!({ "a": 1 })).unwrap();
        device.next_message().await;
        hub.update_desired(DEVICE, &Value::Null).unwrap();
        assert_eq!(device.next_message().await.1, told);
    }
}

#[tokio::test]
async fn the_ports_of_a_hub_that_stops_listening_are_given_to_nobody_else() {
    let hub = start().await;
    // No connection was ever made to this port, so no TIME_WAIT holds it.
    let port = hub.https_port();
    hub.stop_listening().await;
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    let error = other.bind(([127, 0, 0, 1], port).into()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    hub.resume_listening().unwrap();
    dial(&hub, port).await.unwrap();
}

#[tokio::test]
async fn a_hub_that_stops_listening_refuses_tcp_and_comes_back_on_the_same_ports() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    hub.stop_listening().await;
    assert!(!hub.is_connected(DEVICE));
    device.expect_end().await;
    for port in [hub.mqtt_port(), hub.https_port()] {
        let error = dial(&hub, port).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    hub.resume_listening().unwrap();
    let (mut device, present) = Device::connect(&hub, DEVICE).await;
    assert!(present);
    assert_eq!(device.get("1").await.0, "$iothub/twin/res/200/?$rid=1");
    dial(&hub, hub.https_port()).await.unwrap();
}

#[tokio::test]
async fn wrong_certificates_are_not_trusted_for_their_own_reasons() {
    let hub = start().await;
    for (certificate, word) in [
        (Certificate::ForName("elsewhere.example".to_owned()), "not valid for name"),
        (Certificate::Expired, "expired"),
        (Certificate::UnknownAuthority, "UnknownIssuer"),
    ] {
        hub.present(&certificate).unwrap();
        for port in [hub.mqtt_port(), hub.https_port()] {
            let error = dial(&hub, port).await.unwrap_err().to_string();
            assert!(error.to_lowercase().contains(&word.to_lowercase()), "{error} for {certificate:?}");
        }
    }
    saw(&hub, |event| matches!(event, Event::TlsFailed { .. })).await;
    hub.present(&Certificate::Own).unwrap();
    Device::connect(&hub, DEVICE).await;
}

#[tokio::test]
async fn tls_1_3_is_offered_only_when_switched_on() {
    let hub = start().await;
    let version = |stream: &tokio_rustls::client::TlsStream<_>| stream.get_ref().1.protocol_version();
    let stream = dial(&hub, hub.mqtt_port()).await.unwrap();
    assert_eq!(version(&stream), Some(rustls::ProtocolVersion::TLSv1_2));
    hub.offer_tls13(true).unwrap();
    let stream = dial(&hub, hub.mqtt_port()).await.unwrap();
    assert_eq!(version(&stream), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn a_device_with_a_registered_certificate_needs_no_password() {
    let hub = start().await;
    let (right, wrong) =
        (pki::self_signed_client("right").unwrap(), pki::self_signed_client("wrong").unwrap());
    hub.create_x509_device("cert", &right.thumbprint().unwrap()).unwrap();
    let mut connect = rumqttc::Connect::new("cert");
    connect.login = Some(rumqttc::Login::new("localhost/cert/?api-version=2021-04-12", ""));
    for (identity, code) in
        [(Some(&right), Code::Success), (Some(&wrong), Code::NotAuthorized), (None, Code::NotAuthorized)]
    {
        let mut device = Device::over(dial_as(&hub, hub.mqtt_port(), identity).await.unwrap());
        assert_eq!(device.try_connect(connect.clone()).await.0, code);
    }
}

#[test]
fn a_plain_thread_can_run_a_hub() {
    let options = Options { devices: vec![DEVICE.to_owned()], ..Options::default() };
    let hub = Running::start_blocking(options).unwrap();
    let after = hub.last_sequence();
    hub.block_on(async {
        let mut device = Device::ready(&hub, DEVICE).await;
        device.send(Packet::Disconnect).await;
    });
    let left = |entry: &twinhub::Entry| matches!(entry.event, Event::Disconnected { .. });
    hub.block_on(hub.wait_for_after(after, left, PATIENCE)).unwrap();
    hub.block_on(hub.stop_listening());
    hub.resume_listening().unwrap();
    hub.block_on(Device::connect(&hub, DEVICE));
}

#[tokio::test]
async fn a_hub_with_a_folder_keeps_keys_twins_subscriptions_and_authority() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        devices: vec![DEVICE.to_owned()],
        folder: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let hub = twinhub::Hub::start(options()).await.unwrap();
    let mut device = Device::ready(&hub, DEVICE).await;
    device.report("1", &json!({ "z": 1, "a": 2 })).await;
    hub.update_desired(DEVICE, &json!({ "d": 1 })).unwrap();
    let kept = (hub.ca_pem().to_owned(), hub.device_connection_string(DEVICE).unwrap());
    let reported = hub.reported(DEVICE).unwrap().to_string();
    let server = std::fs::read(folder.path().join("server.pem")).unwrap();
    drop(hub);
    let hub = twinhub::Hub::start(options()).await.unwrap();
    assert_eq!((hub.ca_pem().to_owned(), hub.device_connection_string(DEVICE).unwrap()), kept);
    assert_eq!(hub.reported(DEVICE).unwrap().to_string(), reported);
    assert_eq!(hub.desired(DEVICE).unwrap(), json!({ "d": 1, "$version": 2 }));
    assert_eq!(std::fs::read(folder.path().join("server.pem")).unwrap(), server);
    assert!(Device::connect(&hub, DEVICE).await.1);
    drop(hub);
    let renamed = Options { host: "hub.example".to_owned(), ..options() };
    let hub = twinhub::Hub::start(renamed).await.unwrap();
    assert_eq!(hub.ca_pem(), kept.0);
    assert_ne!(std::fs::read(folder.path().join("server.pem")).unwrap(), server);
    dial(&hub, hub.mqtt_port()).await.unwrap();
    for (file, mode) in
        [("ca-key.pem", 0o600), ("server-key.pem", 0o600), ("state.json", 0o600), ("ca.pem", 0o644)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file}");
    }
}
