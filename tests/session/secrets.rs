//! No secret is ever logged, at any level, with success or failure; nor is one printed.
//!
//! The log of these tests is unfiltered, so TRACE and DEBUG are in it.

use crate::log::logged;
use crate::site::{DEVICE, LIMIT, Site, failure_after, hub_event, within};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twind::hub::azure::{Provisioning, Source};
use twind::hub::link::HubSettings;
use twind::hub::wire::{Proxy, Transport};
use twind::hub::{Identity, Secret};
use twind::twin::{HubEvent, HubRequest};
use twinhub::{Event, RegistrationAnswer, Times};

/// Each secret in every form in which it might be disclosed.
fn forms(secret: &[u8]) -> Vec<String> {
    let bytes = format!("{secret:?}");
    let mut forms = vec![STANDARD.encode(secret), bytes.trim_matches(['[', ']']).to_owned()];
    forms.extend(String::from_utf8(secret.to_vec()));
    forms
}

fn check(settings: &HubSettings, secrets: &[&[u8]]) {
    let logged = logged().join("\n");
    for text in [&logged, &format!("{settings:?}")] {
        let forms = secrets.iter().flat_map(|secret| forms(secret));
        for form in forms.chain(["SharedAccessSignature".to_owned(), "sig=".to_owned()]) {
            assert!(!text.contains(&form), "{form} in: {text}");
        }
    }
    // The log was not empty, and at its loudest and its quietest.
    assert!(logged.contains("connected") && logged.contains("ERROR") && logged.contains("DEBUG"), "{logged}");
}

/// Connects, exchanges messages, is disconnected, is refused twice, connects again, and closes.
async fn through_thick_and_thin(site: &Site, settings: &HubSettings, device: &str) {
    let mut link = site.link_with(settings.clone());
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { .. }));
    site.hub.faults().refuse_connects(5, Times::Next(2));
    site.hub.kick(device);
    failure_after(&mut link, &[HubEvent::Down]).await;
    failure_after(&mut link, &[]).await;
    within(link.close(LIMIT)).await;
    let mut link = site.link_with(settings.clone());
    failure_after(&mut link, &[]).await;
    link.push(HubRequest::GetTwin { rid: 2 });
    within(link.close(LIMIT)).await;
}

#[tokio::test]
async fn a_device_key_and_its_tokens_stay_secret() {
    let site = Site::start().await;
    let settings = site.settings();
    through_thick_and_thin(&site, &settings, DEVICE).await;
    check(&settings, &[&site.key()]);
}

#[tokio::test]
async fn a_group_key_and_what_is_derived_from_it_stay_secret() {
    let site = Site::start().await;
    let group = STANDARD.decode(site.hub.enrol_group().primary).unwrap();
    let derived = twind::hub::azure::derive_key(&Secret::new(group.clone()), "r");
    let by = |key: Secret, registration: &str| HubSettings {
        source: Source::Provisioned(Provisioning {
            endpoint: "localhost".into(),
            id_scope: site.hub.id_scope().into(),
            registration_id: registration.into(),
            identity: Identity::Key(key),
            assignment_file: Some(site.folder.path().join("assignment")),
        }),
        ..site.settings()
    };
    // Refused by the service, which a group's own key is.
    failure_after(&mut site.link_with(by(Secret::new(group.clone()), "s")), &[]).await;
    site.hub.script_registrations([RegistrationAnswer::Status(401, None)]);
    let settings = by(derived.clone(), "r");
    failure_after(&mut site.link_with(settings.clone()), &[]).await;
    through_thick_and_thin(&site, &settings, "r").await;
    check(&settings, &[&group, derived.expose()]);
}

#[tokio::test]
async fn a_private_key_stays_secret() {
    let site = Site::start().await;
    let client = twinhub::pki::self_signed_client("device").unwrap();
    site.hub.delete_device(DEVICE).unwrap();
    site.hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
    let [certificate_file, private_key_file] =
        ["device.pem", "device-key.pem"].map(|f| site.folder.path().join(f));
    std::fs::write(&certificate_file, &client.certificate_pem).unwrap();
    std::fs::write(&private_key_file, &client.key_pem).unwrap();
    let identity = Identity::Certificate { certificate_file, private_key_file: private_key_file.clone() };
    let settings = site.settings_as(identity);
    through_thick_and_thin(&site, &settings, DEVICE).await;
    // Damaged, it is refused before it is used.
    let second_line = client.key_pem.lines().nth(1).unwrap();
    std::fs::write(&private_key_file, client.key_pem.replace(second_line, &second_line[..40])).unwrap();
    failure_after(&mut site.link_with(settings.clone()), &[]).await;
    check(&settings, &[second_line.as_bytes(), &second_line.as_bytes()[..40]]);
}

#[tokio::test]
async fn the_password_of_a_proxy_stays_secret() {
    let site = Site::start().await;
    let address = crate::round::proxy(Some("me:hunter2")).await;
    let by = |credentials: &str| HubSettings {
        transport: Transport::WebSocket,
        port: site.hub.https_port(),
        proxy: Some(Proxy {
            host: address.ip().to_string(),
            port: address.port(),
            credentials: Some(Secret::new(credentials.into())),
        }),
        ..site.settings()
    };
    failure_after(&mut site.link_with(by("me:hunter3")), &[]).await;
    let settings = by("me:hunter2");
    through_thick_and_thin(&site, &settings, DEVICE).await;
    check(&settings, &[b"me:hunter2", b"hunter2", b"hunter3", &site.key()]);
    assert!(site.saw(|event| matches!(event, Event::Connected { .. })) > 0);
}
