//! Answers of the service as in its documentation, and malformed ones.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn answer(status: u16) -> Answer {
    Answer { status, rid: 1, retry: Duration::from_secs(3) }
}

fn read_json(status: u16, body: &Value) -> Result<Progress, ProvisioningFault> {
    read(answer(status), body.to_string().as_bytes())
}

#[test]
fn a_registration_is_asked_for_by_its_id_and_with_its_model() {
    let bare = register(1, "cabinet-7", None);
    assert_eq!(bare.topic, "$dps/registrations/PUT/iotdps-register/?$rid=1");
    assert_eq!(bare.payload, br#"{"registrationId":"cabinet-7"}"#);
    let model = register(1, "r", Some("dtmi:x;1"));
    assert_eq!(model.payload, br#"{"registrationId":"r","payload":{"modelId":"dtmi:x;1"}}"#);
    assert_eq!(
        ask_state(2, "4.d0").topic,
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.d0"
    );
}

#[test]
fn a_topic_carries_status_request_id_and_when_to_ask_again() {
    let of = |topic| parse(topic).map(|Answer { status, rid, retry }| (status, rid, retry.as_secs()));
    assert_eq!(of("$dps/registrations/res/202/?$rid=7&retry-after=3"), Some((202, 7, 3)));
    assert_eq!(of("$dps/registrations/res/200/?$rid=7"), Some((200, 7, 2)));
    assert_eq!(of("$dps/registrations/res/429/?$rid=7&retry-after=0"), Some((429, 7, 1)));
    assert_eq!(of("$dps/registrations/res/429/?$rid=7&retry-after=999999"), Some((429, 7, 3600)));
    assert_eq!(of("$dps/registrations/res/202/?$rid=7&retry-after=900"), Some((202, 7, 900)));
    assert_eq!(of("$dps/registrations/res/429/?$rid=7&retry-after=soon"), Some((429, 7, 2)));
    for other in
        ["$iothub/twin/res/200/?$rid=7", "$dps/registrations/res/x/?$rid=7", "$dps/registrations/res/200/"]
    {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn an_operation_under_way_is_to_be_asked_for() {
    let body = json!({ "operationId": "4.d0a6-7b_c", "status": "assigning" });
    let wanted = Progress::Assigning { operation: "4.d0a6-7b_c".into(), retry: Duration::from_secs(3) };
    assert_eq!(read_json(202, &body), Ok(wanted));
    for odd in ["a/b", "a&b=c", "", "#", "a b", "\u{0}"] {
        let fault = read_json(202, &json!({ "operationId": odd, "status": "assigning" })).unwrap_err();
        assert!(matches!(fault, ProvisioningFault::Garbled(_)), "{odd:?}");
    }
}

#[test]
fn an_assignment_names_hub_and_device() {
    let state = |host: &str, device: &str| {
        json!({ "operationId": "4", "status": "assigned", "registrationState": {
            "registrationId": "r", "assignedHub": host, "deviceId": device, "status": "assigned",
            "substatus": "initialAssignment" } })
    };
    let assigned = read_json(200, &state("contoso.azure-devices.net", "cabinet-7"));
    let host = "contoso.azure-devices.net".to_owned();
    assert_eq!(assigned, Ok(Progress::Assigned(Assignment { host, device_id: "cabinet-7".into() })));
    let long = "x".repeat(64);
    for (host, device) in [
        ("", "d"),
        ("h", ""),
        ("h/x", "d"),
        ("h", "a/b"),
        ("h:1", "d"),
        ("h\n", "d"),
        ("h", "d\n"),
        ("::1", "d"),
        ("a..b", "d"),
        (".h", "d"),
        ("localhost-", "d"),
        ("h.-x", "d"),
        (long.as_str(), "d"),
    ] {
        let fault = read_json(200, &state(host, device)).unwrap_err();
        assert!(matches!(fault, ProvisioningFault::Garbled(_)), "{host:?} {device:?}");
    }
    let fault = read_json(200, &state("a..b", "d")).unwrap_err();
    assert!(fault.to_string().contains("\"a..b\""), "{fault}");
}

#[test]
fn a_failed_registration_without_a_reason_is_told_without_one() {
    let state = |state: Value| json!({ "status": "failed", "registrationState": state });
    let told = |body: &Value| read_json(200, body).unwrap_err().to_string();
    let bare = "the registration failed; look at the enrolment";
    assert_eq!(told(&state(json!({ "status": "failed" }))), bare);
    assert_eq!(told(&state(Value::Null)), bare);
    let words = told(&state(json!({ "status": "failed", "errorMessage": "no" })));
    assert_eq!(words, "the registration failed: no; look at the enrolment");
}

#[test]
fn each_refusal_has_its_name_and_its_advice() {
    let failed = json!({ "status": "failed", "registrationState": {
        "status": "failed", "errorCode": 400_209, "errorMessage": "Custom allocation failed" } });
    let disabled = json!({ "status": "disabled", "registrationState": { "status": "disabled" } });
    let unassigned = json!({ "registrationState": { "status": "unassigned" } });
    for (status, body, words) in [
        (200, &failed, "400209 Custom allocation failed"),
        (200, &disabled, "disabled"),
        (200, &unassigned, "link a hub"),
        (200, &json!({ "status": "dancing" }), "dancing"),
        (401, &Value::Null, "group-key-file"),
        (404, &Value::Null, "id-scope"),
        (409, &json!({ "errorCode": 409_000, "message": "already" }), "409: already"),
        (429, &Value::Null, "429"),
        (500, &Value::Null, "fault of its own"),
    ] {
        let fault = read_json(status, body).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
        assert_eq!(fault.is_lasting(), status < 429, "{fault}");
    }
    assert_eq!(read_json(429, &Value::Null).unwrap_err().asks_to_wait(), Duration::from_secs(3));
}

proptest! {
    #[test]
    fn any_answer_is_read_without_panic(topic: String, status: u16, payload: Vec<u8>, fields in prop::collection::vec(".{0,12}", 4)) {
        let _ = parse(&topic);
        let _ = parse(&format!("$dps/registrations/res/{topic}"));
        let _ = read(answer(status), &payload);
        let [state, host, device, operation] = [0, 1, 2, 3].map(|i| fields[i].clone());
        let body = json!({ "status": state, "operationId": operation,
            "registrationState": { "status": "assigned", "assignedHub": host, "deviceId": device } });
        if let Ok(Progress::Assigned(assignment)) = read_json(200, &body) {
            prop_assert!(assignment.host.is_ascii() && assignment.device_id.chars().all(|c| c.is_ascii_graphic()));
        }
    }
}
