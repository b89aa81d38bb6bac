//! `[hub.provisioning]`, and alternatives to a closed port.

use super::{KEY, SMALL, Site, replaced};
use twind::cli::check::Outcome;
use twind::config::Settings;
use twind::hub::azure::{Provisioning, Source};
use twind::hub::wire::Transport;
use twind::hub::{Identity, Secret};

const NAMED: &str = "connection-string-file = \"cs\"";
/// The group key of the service's documentation, a registration id, and the device key that follows from them.
const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const GROUP_ID: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
const GROUP_DEVICE_KEY: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";

fn provisioned(lines: &str) -> String {
    replaced(
        SMALL,
        NAMED,
        &format!("[hub.provisioning]\nid-scope = \"0ne1\"\nregistration-id = \"r\"\n{lines}"),
    )
}

fn by(settings: &Settings) -> &Provisioning {
    let Source::Provisioned(by) = &settings.hub.source else { panic!("{:?}", settings.hub) };
    by
}

fn key(base64: &str) -> Identity {
    use base64::Engine as _;
    Identity::Key(Secret::new(base64::engine::general_purpose::STANDARD.decode(base64).unwrap()))
}

#[test]
fn a_small_table_is_enough_and_the_twin_is_known_by_scope_and_registration() {
    let site = Site::new();
    let settings = site.right(&provisioned("key-file = \"key\""));
    assert_eq!(settings.engine.identity, "0ne1/r");
    let by = by(&settings);
    assert_eq!(by.endpoint, "global.azure-devices-provisioning.net");
    assert_eq!((by.id_scope.as_str(), by.registration_id.as_str()), ("0ne1", "r"));
    assert!(by.identity == key(KEY));
    assert_eq!(by.assignment_file, Some(settings.state_dir.join("assignment")));
}

#[test]
fn a_group_key_becomes_the_device_key_of_the_documentation() {
    let site = Site::new();
    site.write("group", GROUP_KEY, 0o600);
    let text = provisioned("group-key-file = \"group\"").replace("\"r\"", &format!("\"{GROUP_ID}\""));
    assert!(by(&site.right(&text)).identity == key(GROUP_DEVICE_KEY));
}

#[test]
fn a_certificate_registers_too() {
    let site = Site::new();
    let files = "certificate-file = \"cert.pem\"\nprivate-key-file = \"cert.key\"";
    let (certificate_file, private_key_file) = (site.path("cert.pem"), site.path("cert.key"));
    let settings = site.right(&provisioned(files));
    assert_eq!(by(&settings).identity, Identity::Certificate { certificate_file, private_key_file });
}

#[test]
fn each_fault_of_the_table_is_told() {
    let site = Site::new();
    let files = "certificate-file = \"cert.pem\"\nprivate-key-file = \"cert.key\"";
    for (text, told) in [
        (provisioned(""), "`key-file` is missing in [hub.provisioning]"),
        (
            provisioned("key-file = \"key\"\ngroup-key-file = \"key\""),
            "cannot be combined with `group-key-file`",
        ),
        (provisioned(&format!("key-file = \"key\"\n{files}")), "cannot be combined with a certificate"),
        (
            provisioned("certificate-file = \"cert.pem\""),
            "`private-key-file` is missing in [hub.provisioning]",
        ),
        (provisioned("key-file = \"gone\""), "gone, which cannot be read"),
        (provisioned("key-file = \"key\"\nendpoint = \"https://x\""), "`endpoint` must be a host's name"),
        (
            provisioned("key-file = \"key\"").replace("\"0ne1\"", "\"0 1\""),
            "`id-scope` must be letters and digits",
        ),
        (provisioned("key-file = \"key\"").replace("\"r\"", "\"r.\""), "`registration-id` must be 1 to 128"),
        (provisioned("key-file = \"key\"").replace("id-scope = \"0ne1\"", ""), "`id-scope` is missing"),
        (
            provisioned("key-file = \"key\"\nkey = \"x\""),
            "`key` does not exist: a secret does not belong in the configuration",
        ),
        (
            replaced(&provisioned("key-file = \"key\""), "[hub]", &format!("[hub]\n{NAMED}")),
            "`connection-string-file` cannot be combined with [hub.provisioning]",
        ),
    ] {
        let fault = site.fault(&text);
        assert!(fault.contains(told), "wanted {told}: {fault}");
    }
}

#[test]
fn the_websocket_has_its_own_port_and_may_go_through_a_proxy() {
    let site = Site::new();
    let text = |lines: &str| replaced(SMALL, NAMED, &format!("{NAMED}\n{lines}"));
    let hub = site.right(&text("transport = \"websocket\"")).hub;
    assert_eq!((hub.transport, hub.port, hub.proxy), (Transport::WebSocket, 443, None));
    let through = "transport = \"websocket\"\nport = 8443\nproxy = \"http://me:hunter2@proxy.local:3128\"";
    let settings = site.right(&text(through));
    let proxy = settings.hub.proxy.as_ref().unwrap();
    assert_eq!((settings.hub.port, proxy.host.as_str(), proxy.port), (8443, "proxy.local", 3128));
    assert_eq!(proxy.credentials.as_ref().unwrap().expose(), b"me:hunter2");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn check_sums_up_service_transport_and_proxy_without_the_password() {
    let site = Site::new();
    let text = provisioned("key-file = \"key\"")
        .replace("[hub]", "[hub]\ntransport = \"websocket\"\nproxy = \"http://me:hunter2@proxy.local:3128\"");
    let (outcome, out) = site.check(&text);
    assert_eq!(outcome, Outcome::Right, "{out}");
    for told in [
        "assigned by global.azure-devices-provisioning.net, port 443 by WebSocket",
        "through the proxy http://…@proxy.local:3128",
        "registered as r in scope 0ne1, with a device key",
    ] {
        assert!(out.contains(told), "wanted {told} in\n{out}");
    }
    assert!(!out.contains("hunter2"), "{out}");
}
