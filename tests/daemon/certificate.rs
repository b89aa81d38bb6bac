//! A device that signs in by a certificate, on each way to the hub.

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR};
use serde_json::json;
use std::fs;
use twinhub::Event;

/// Makes the rig's device anew, as one with a certificate, and has the daemon show that one.
fn with_certificate(rig: &Rig, transport: &str, port: u16) {
    let client = twinhub::pki::self_signed_client("device").unwrap();
    let hub = rig.hub.hub();
    hub.delete_device(DEVICE).unwrap();
    hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
    fs::write(rig.path("device.pem"), &client.certificate_pem).unwrap();
    rig.write_secret("device-key.pem", &client.key_pem);
    let identity = format!(
        "host = \"localhost\"\ndevice-id = \"{DEVICE}\"\ntransport = \"{transport}\"\nport = {port}\n\
         certificate-file = \"device.pem\"\nprivate-key-file = \"device-key.pem\""
    );
    let base = rig
        .base()
        .replace("connection-string-file = \"connection-string\"", &identity)
        .replace(&format!("\nport = {}\nca-file", rig.hub.mqtt_port()), "\nca-file");
    rig.write_config(&format!("{base}{FAN}{SENSOR}{CLIMATE}"));
}

#[test]
fn it_is_driven_by_mqtt_and_by_websocket() {
    for transport in ["mqtt", "websocket"] {
        let rig = Rig::new();
        let port = if transport == "mqtt" { rig.hub.mqtt_port() } else { rig.hub.https_port() };
        with_certificate(&rig, transport, port);
        let daemon = rig.start_synced();
        rig.desire(json!({"fanOn": false}));
        rig.wait_drive("fan", |drive| drive == 0);
        rig.wait_reported("the fan", |reported| reported["fanOn"] == false);
        let refused = rig.count_events(0, |event| matches!(event, Event::Refused { .. }));
        assert_eq!(refused, 0, "{transport}: {}", daemon.log());
        assert!(daemon.stop().success());
    }
}
