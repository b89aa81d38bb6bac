//! The provisioning service, packet by packet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use rumqttc::{Connect, ConnectReturnCode, Login, Packet, QoS};
use serde_json::json;
use support::{Device, dial_as, far_expiry, start};
use twinhub::{RegistrationAnswer, Running, provisioning, sas};

const FILTER: &str = "$dps/registrations/res/#";

fn connect(scope: &str, id: &str, key: Option<&str>) -> Connect {
    let resource = format!("{scope}/registrations/{id}");
    let password = key.map_or_else(String::new, |key| {
        sas::sign(&resource, key, Some("registration"), far_expiry()).unwrap()
    });
    let mut connect = Connect::new(id);
    connect.login = Some(Login::new(format!("{resource}/api-version=2019-03-31"), password));
    connect
}

async fn registrant(hub: &Running, id: &str, key: &str) -> Device {
    let mut device = Device::dial(hub).await;
    let (code, _) = device.try_connect(connect(hub.id_scope(), id, Some(key))).await;
    assert_eq!(code, ConnectReturnCode::Success);
    device.subscribe(&[FILTER]).await;
    device
}

async fn register(device: &mut Device, id: &str) -> (String, serde_json::Value) {
    let body = json!({ "registrationId": id }).to_string();
    let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    let packet_id = device.publish_at(QoS::AtLeastOnce, topic, body).await;
    match device.next().await {
        Some(Packet::PubAck(ack)) => assert_eq!(ack.pkid, packet_id),
        other => panic!("expected PUBACK, got {other:?}"),
    }
    device.next_message().await
}

async fn state(device: &mut Device, operation: &str) -> (String, serde_json::Value) {
    let topic = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}");
    device.publish(&topic, " ").await;
    device.next_message().await
}

#[tokio::test]
async fn a_registration_is_under_way_and_then_assigned_to_a_device_of_this_hub() {
    let hub = start().await;
    let keys = hub.enrol("r", "d");
    let mut device = registrant(&hub, "r", &keys.primary).await;
    let (topic, body) = register(&mut device, "r").await;
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=1");
    assert_eq!(body["status"], "assigning");
    assert!(!hub.devices().contains(&"d".to_owned()), "not before it is done");

    let (topic, body) = state(&mut device, body["operationId"].as_str().unwrap()).await;
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=2");
    let state = &body["registrationState"];
    assert_eq!((&state["assignedHub"], &state["deviceId"]), (&json!("localhost"), &json!("d")));
    assert_eq!(hub.device_keys("d").unwrap().unwrap(), keys);
}

#[tokio::test]
async fn each_device_of_a_group_gets_a_device_named_as_it_registers() {
    let hub = start().await;
    let group = hub.enrol_group();
    for id in ["a", "b"] {
        let key = provisioning::derive_key(&group.primary, id).unwrap();
        let mut device = registrant(&hub, id, &key).await;
        let (_, body) = register(&mut device, id).await;
        state(&mut device, body["operationId"].as_str().unwrap()).await;
        assert_eq!(hub.device_keys(id).unwrap().unwrap().primary, key);
    }
}

#[tokio::test]
async fn a_certificate_counts_by_its_thumbprint() {
    let hub = start().await;
    let [right, wrong] = ["right", "wrong"].map(|name| twinhub::pki::self_signed_client(name).unwrap());
    hub.enrol_x509("r", "d", &right.thumbprint().unwrap());
    for (shown, code) in [
        (Some(&right), ConnectReturnCode::Success),
        (Some(&wrong), ConnectReturnCode::NotAuthorized),
        (None, ConnectReturnCode::NotAuthorized),
    ] {
        let stream = dial_as(&hub, hub.mqtt_port(), shown).await.unwrap();
        assert_eq!(Device::over(stream).try_connect(connect(hub.id_scope(), "r", None)).await.0, code);
    }
}

#[tokio::test]
async fn who_is_not_enrolled_is_refused_at_connect_or_in_an_answer() {
    let hub = start().await;
    let keys = hub.enrol("r", "d");
    let other = hub.enrol("s", "e");
    for (scope, id, key) in [
        (hub.id_scope(), "r", &other.primary),
        ("0neother", "r", &keys.primary),
        (hub.id_scope(), "t", &keys.primary),
    ] {
        let (code, _) = Device::dial(&hub).await.try_connect(connect(scope, id, Some(key))).await;
        assert_eq!(code, ConnectReturnCode::NotAuthorized, "{scope} {id}");
    }
    hub.refuse_registrations_in_answers(true);
    let (topic, _) = register(&mut registrant(&hub, "r", &other.primary).await, "r").await;
    assert_eq!(topic, "$dps/registrations/res/401/?$rid=1");
    let (topic, _) = register(&mut registrant(&hub, "t", &keys.primary).await, "t").await;
    assert_eq!(topic, "$dps/registrations/res/404/?$rid=1");
}

#[tokio::test]
async fn scripted_answers_are_given_in_turn_and_then_the_proper_one() {
    let hub = start().await;
    let keys = hub.enrol("r", "d");
    let failed = RegistrationAnswer::Failed { code: 400_209, message: "no".into() };
    hub.script_registrations([RegistrationAnswer::Status(429, Some(7)), failed]);
    let mut device = registrant(&hub, "r", &keys.primary).await;
    assert_eq!(register(&mut device, "r").await.0, "$dps/registrations/res/429/?$rid=1&retry-after=7");
    assert_eq!(register(&mut device, "r").await.1["registrationState"]["errorCode"], 400_209);
    assert_eq!(register(&mut device, "r").await.1["status"], "assigning");
    hub.set_enrolment_enabled("r", false);
    assert_eq!(register(&mut device, "r").await.1["status"], "disabled");
}

#[tokio::test]
async fn what_is_no_business_of_the_service_ends_the_connection() {
    let hub = start().await;
    let keys = hub.enrol("r", "d");
    let mut device = registrant(&hub, "r", &keys.primary).await;
    device.publish("$iothub/twin/GET/?$rid=1", " ").await;
    device.expect_end().await;
    let mut device = registrant(&hub, "r", &keys.primary).await;
    device.send_subscribe(&["$iothub/twin/res/#"], QoS::AtMostOnce).await;
    device.expect_end().await;
}
