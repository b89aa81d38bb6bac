//! The error bodies of the device side and of the service side.

use crate::{clock, identity::random_hex};
use serde_json::json;

/// The body of a refused twin request over MQTT. Clients read its `errorCode` rather than the status.
pub(crate) fn device_error_body(code: u32, message: &str) -> Vec<u8> {
    let now = clock::now_utc();
    let tracking_id = format!("{}-G:0-TimeStamp:{now}", random_hex(16));
    let body =
        json!({ "errorCode": code, "trackingId": tracking_id, "message": message, "timestampUtc": now });
    body.to_string().into_bytes()
}

/// The body of a refused REST request.
pub(crate) fn service_error_body(name: &str, message: &str) -> String {
    let tracking_id = format!("{}-G2:-TimeStamp:{}", random_hex(16), clock::now_utc());
    json!({
        "Message": format!("ErrorCode:{name};{message}"),
        "ExceptionMessage": format!("Tracking ID:{tracking_id}"),
    })
    .to_string()
}

/// The body of a refused REST request whose message carries a numeric code, as those about methods do.
pub(crate) fn service_code_body(code: u32, message: &str) -> String {
    let now = clock::now_utc();
    let tracking_id = format!("{}-G:0-TimeStamp:{now}", random_hex(16));
    let inner = json!({
        "errorCode": code, "trackingId": tracking_id, "message": message, "info": {}, "timestampUtc": now,
    });
    json!({ "Message": inner.to_string(), "ExceptionMessage": "" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_device_error_names_its_code_tracking_id_message_and_time() {
        let body: Value = serde_json::from_slice(&device_error_body(400_004, "no \"x\"")).unwrap();
        assert_eq!((&body["errorCode"], &body["message"]), (&json!(400_004), &json!("no \"x\"")));
        assert!(body["trackingId"].as_str().unwrap().contains("-TimeStamp:"));
        assert!(body["timestampUtc"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_service_error_has_its_name_before_the_first_semicolon() {
        let body: Value =
            serde_json::from_str(&service_error_body("DeviceNotFound", "no device; d")).unwrap();
        assert_eq!(body["Message"], "ErrorCode:DeviceNotFound;no device; d");
        assert!(body["ExceptionMessage"].as_str().unwrap().starts_with("Tracking ID:"));
    }

    #[test]
    fn an_error_of_a_method_carries_its_code_inside_the_message() {
        let body: Value = serde_json::from_str(&service_code_body(404_103, "gone")).unwrap();
        let inner: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["errorCode"], 404_103);
    }
}
