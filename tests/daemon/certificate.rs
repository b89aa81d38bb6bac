//! A device that authenticates with a certificate, on each way to the hub.

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, say};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::process::Command;
use twinhub::Event;
use twinhub::pki::{Certified, self_signed_client};

/// Makes the rig's device anew with a certificate, and has the daemon use it.
fn with_certificate(rig: &Rig, client: &Certified, transport: &str, port: u16) {
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
        with_certificate(&rig, &self_signed_client("device").unwrap(), transport, port);
        let daemon = rig.start_synced();
        rig.desire(json!({"fanOn": false}));
        rig.wait_drive("fan", |drive| drive == 0);
        rig.wait_reported("the fan", |reported| reported["fanOn"] == false);
        let refused = rig.count_events(0, |event| matches!(event, Event::Refused { .. }));
        assert_eq!(refused, 0, "{transport}: {}", daemon.log());
        assert!(daemon.stop().success());
    }
}

/// A certificate of version 1, as the hub's own guide makes it. `None` where openssl is not installed.
fn version_1(rig: &Rig) -> Option<Certified> {
    let run = |words: &str| {
        let done = Command::new("openssl").args(words.split(' ')).current_dir(rig.dir.path()).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !run("version") {
        let _ = writeln!(std::io::stderr(), "openssl is not installed: no certificate of version 1 is tried");
        return None;
    }
    assert!(run("genrsa -out v1.key 2048") && run("req -new -key v1.key -subj /CN=device -out v1.csr"));
    assert!(run("x509 -req -in v1.csr -signkey v1.key -days 30 -out v1.pem"));
    let read = |name: &str| fs::read_to_string(rig.path(name)).unwrap();
    Some(Certified { certificate_pem: read("v1.pem"), key_pem: read("v1.key") })
}

#[test]
fn a_certificate_of_version_1_connects_as_check_says() {
    let rig = Rig::new();
    let Some(client) = version_1(&rig) else { return };
    with_certificate(&rig, &client, "mqtt", rig.hub.mqtt_port());
    let said = say(&mut rig.command(&["check"]));
    assert!(said.code == 0 && !said.out.contains("warning"), "{}{}", said.out, said.err);
    let daemon = rig.start_synced();
    rig.desire(json!({"fanOn": false}));
    rig.wait_reported("the fan", |reported| reported["fanOn"] == false);
    assert!(daemon.stop().success());
}

#[test]
fn a_pair_that_does_not_fit_is_told_by_check_and_stops_no_control() {
    let rig = Rig::new();
    let (one, other) = (self_signed_client("one").unwrap(), self_signed_client("other").unwrap());
    let mixed = Certified { key_pem: other.key_pem, ..one };
    with_certificate(&rig, &mixed, "mqtt", rig.hub.mqtt_port());
    let said = say(&mut rig.command(&["check"]));
    assert_eq!(said.code, 78, "{}", said.out);
    let words = "it does not belong to the private key in";
    assert!(said.err.contains(words) && said.err.ends_with("is wrong: 1 fault\n"), "{}", said.err);
    rig.set_temperature("26.0");
    let daemon = rig.start();
    rig.wait_drive("fan", |drive| drive == 750);
    let told = daemon.wait_error();
    assert!(told.contains(words) && told.contains("device.pem"), "{told}");
}
