//! A hub that the provisioning service names.

use crate::log::logged;
use crate::site::{Site, TestClock, failure_after, hub_event, within};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use twind::hub::azure::{Provisioning, Source};
use twind::hub::link::{HubSettings, Link, LinkEvent, LinkState};
use twind::hub::wire::Transport;
use twind::hub::{Clock, Identity, Secret};
use twind::twin::{HubEvent, HubRequest};
use twinhub::{Event, RegistrationAnswer as Answer};

const REGISTRATION: &str = "cabinet-7";

fn key(base64: &str) -> Identity {
    Identity::Key(Secret::new(STANDARD.decode(base64).unwrap()))
}

fn settings(site: &Site, identity: Identity) -> HubSettings {
    let source = Source::Provisioned(Provisioning {
        endpoint: "localhost".into(),
        id_scope: site.hub.id_scope().into(),
        registration_id: REGISTRATION.into(),
        identity,
        assignment_file: Some(site.folder.path().join("assignment")),
    });
    HubSettings { source, ..site.settings() }
}

/// A site where the registration is enrolled as the device "dev-7", and the link's settings for it.
async fn enrolled() -> (Site, HubSettings) {
    let site = Site::start().await;
    let keys = site.hub.enrol(REGISTRATION, "dev-7");
    let settings = settings(&site, key(&keys.primary));
    (site, settings)
}

fn asked(site: &Site) -> usize {
    site.saw(|event| matches!(event, Event::Registration { .. }))
}

async fn up_and_served(link: &mut Link) {
    assert_eq!(hub_event(link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(link).await, HubEvent::Twin { rid: 1, .. }));
}

#[tokio::test]
async fn an_enrolment_of_ones_own_leads_to_hub_and_device() {
    let (site, settings) = enrolled().await;
    assert_eq!(settings.identity(), format!("{}/{REGISTRATION}", site.hub.id_scope()));
    let mut link = site.link_with(settings);
    up_and_served(&mut link).await;
    assert!(site.hub.is_connected("dev-7"));
    assert_eq!(asked(&site), 2, "one registration, one question about it");
}

#[tokio::test]
async fn a_key_derived_from_a_groups_leads_there_too() {
    let site = Site::start().await;
    let group = site.hub.enrol_group();
    let group = Secret::new(STANDARD.decode(group.primary).unwrap());
    let identity = Identity::Key(twind::hub::azure::derive_key(&group, REGISTRATION));
    let mut link = site.link_with(settings(&site, identity));
    up_and_served(&mut link).await;
    assert!(site.hub.is_connected(REGISTRATION));
}

#[tokio::test]
async fn a_certificate_leads_there_too() {
    let site = Site::start().await;
    let client = twinhub::pki::self_signed_client("device").unwrap();
    site.hub.enrol_x509(REGISTRATION, "dev-7", &client.thumbprint().unwrap());
    let [certificate_file, private_key_file] =
        ["device.pem", "device-key.pem"].map(|f| site.folder.path().join(f));
    std::fs::write(&certificate_file, &client.certificate_pem).unwrap();
    std::fs::write(&private_key_file, &client.key_pem).unwrap();
    let mut link =
        site.link_with(settings(&site, Identity::Certificate { certificate_file, private_key_file }));
    up_and_served(&mut link).await;
    assert!(site.hub.is_connected("dev-7") && link.status().token.is_none());
}

#[tokio::test]
async fn the_service_is_reached_by_websocket_as_well() {
    let (site, settings) = enrolled().await;
    let port = site.hub.https_port();
    let mut link = site.link_with(HubSettings { transport: Transport::WebSocket, port, ..settings });
    up_and_served(&mut link).await;
}

#[tokio::test]
async fn a_service_that_takes_its_time_is_asked_until_it_is_done() {
    let (site, settings) = enrolled().await;
    // Throttling during the registration is only one more wait.
    let (busy, later) = (Answer::Status(429, Some(1)), Answer::Assigning(1));
    site.hub.script_registrations([Answer::Assigning(1), later, busy]);
    let mut link = site.link_with(settings);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    assert_eq!(asked(&site), 4);
}

#[tokio::test]
async fn a_kept_assignment_needs_no_service() {
    let (site, settings) = enrolled().await;
    let mut link = site.link_with(settings.clone());
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    within(link.close(crate::site::LIMIT)).await;

    // The service is out of order from now on.
    site.hub.script_registrations(vec![Answer::Status(500, None); 50]);
    let before = asked(&site);
    let mut link = site.link_with(settings);
    up_and_served(&mut link).await;
    assert_eq!(asked(&site), before);
}

#[tokio::test]
async fn a_hub_that_refuses_the_credentials_is_a_reason_to_ask_again() {
    let (mut site, settings) = enrolled().await;
    let mut link = site.link_with(settings.clone());
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    within(link.close(crate::site::LIMIT)).await;

    // As if it had been deleted and made anew by hand. Another registration puts it right.
    site.hub.renew_keys("dev-7").unwrap();
    let before = asked(&site);
    site.clock = TestClock::leaping(900_000);
    let mut link = site.link_with(settings);
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("refused the credentials"), "{failure}");
    loop {
        match within(link.next()).await {
            LinkEvent::State(LinkState::Waiting { failure, .. }) => panic!("not asked again: {failure}"),
            LinkEvent::Hub(event) => break assert_eq!(event, HubEvent::Up),
            LinkEvent::State(_) | LinkEvent::Dated(_) => {}
        }
    }
    assert_eq!(asked(&site), before + 2);
}

#[tokio::test]
async fn a_service_that_fails_when_asked_again_leaves_the_old_assignment_in_force() {
    let (mut site, settings) = enrolled().await;
    site.clock = TestClock::leaping(900_000);
    let mut link = site.link_with(settings);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.hub.script_registrations([Answer::Status(500, None)]);
    site.hub.faults().refuse_connects(5, twinhub::Times::Next(1));
    site.hub.kick("dev-7");
    let mut failures = Vec::new();
    loop {
        match within(link.next()).await {
            LinkEvent::State(LinkState::Waiting { failure, .. }) => {
                failures.push(failure);
                assert!(failures.len() < 10, "{failures:#?}");
            }
            LinkEvent::Hub(HubEvent::Up) => break,
            _ => {}
        }
    }
    let told = |words: &str| failures.iter().any(|failure| failure.contains(words));
    assert!(told("refused the credentials") && told("has a fault of its own"), "{failures:#?}");
}

#[tokio::test]
async fn ten_failures_in_a_row_are_a_reason_to_ask_again() {
    let (mut site, settings) = enrolled().await;
    site.clock = TestClock::leaping(900_000);
    // Nothing listens there.
    site.hub.assign_elsewhere(Some("127.0.0.9"));
    let mut link = site.link_with(settings);
    failure_after(&mut link, &[]).await;
    site.hub.assign_elsewhere(None);
    let mut failures = 1;
    loop {
        match within(link.next()).await {
            LinkEvent::State(LinkState::Waiting { failure, .. }) => {
                assert!(failure.contains("127.0.0.9"), "{failure}");
                failures += 1;
                assert!(failures <= 10, "the service is not asked again");
            }
            LinkEvent::Hub(HubEvent::Up) => break,
            _ => {}
        }
    }
    assert_eq!((failures, asked(&site)), (10, 4));
}

#[tokio::test]
async fn a_hub_that_cannot_be_one_is_not_taken_and_asked_for_again() {
    let (mut site, settings) = enrolled().await;
    site.clock = TestClock::leaping(900_000);
    site.hub.assign_elsewhere(Some("a..b"));
    let mut link = site.link_with(settings);
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("\"a..b\"") && failure.contains("cannot be understood"), "{failure}");
    site.hub.assign_elsewhere(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_hub_that_cannot_be_one_and_was_kept_is_asked_for_anew() {
    let (site, settings) = enrolled().await;
    let scope = site.hub.id_scope();
    let kept = format!(
        r#"{{"endpoint":"localhost","idScope":"{scope}","registrationId":"{REGISTRATION}","assignedHub":"localhost-","deviceId":"dev-7"}}"#
    );
    std::fs::write(site.folder.path().join("assignment"), kept).unwrap();
    up_and_served(&mut site.link_with(settings)).await;
}

#[tokio::test]
async fn a_pipe_in_the_place_of_the_kept_assignment_is_said_and_holds_nobody_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let (site, settings) = enrolled().await;
    let path = site.folder.path().join("assignment");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    up_and_served(&mut site.link_with(settings)).await;
    let said = |line: &&String| line.contains("WARN") && line.contains("it is no regular file");
    assert_eq!(logged().iter().filter(said).count(), 1, "{:#?}", logged());
    assert!(path.is_file());
}

#[tokio::test]
async fn each_refusal_of_the_service_is_named_and_only_lasting_ones_are_errors() {
    let (site, settings) = enrolled().await;
    let failed = Answer::Failed { code: 400_209, message: "the webhook said no".into() };
    for (answer, words) in [
        (failed, "400209 the webhook said no"),
        (Answer::Disabled, "the enrolment is disabled"),
        (Answer::Unassigned, "link a hub"),
        (Answer::Status(401, None), "refused the credentials (401)"),
        (Answer::Status(404, None), "check id-scope and registration-id"),
        (Answer::Status(429, Some(30)), "too many devices ask at once"),
        (Answer::Status(503, None), "has a fault of its own"),
        (Answer::Raw(b"nonsense".to_vec()), "cannot be understood"),
    ] {
        site.hub.script_registrations([answer.clone()]);
        let mut link = site.link_with(settings.clone());
        let now = site.clock.boot();
        let (failure, retry_at) = loop {
            if let LinkEvent::State(LinkState::Waiting { failure, retry_at }) = within(link.next()).await {
                break (failure, retry_at);
            }
        };
        assert!(failure.contains("localhost") && failure.contains(words), "{answer:?}: {failure}");
        if answer == Answer::Status(429, Some(30)) {
            assert!(retry_at.since(now) >= Duration::from_secs(30));
        }
    }
    let errors = logged().iter().filter(|line| line.contains("ERROR")).count();
    assert_eq!(errors, 6, "{:#?}", logged());
}

#[tokio::test]
async fn a_disabled_enrolment_and_wrong_credentials_are_named_whichever_way_the_service_says_it() {
    let (site, settings) = enrolled().await;
    site.hub.set_enrolment_enabled(REGISTRATION, false);
    let failure = failure_after(&mut site.link_with(settings.clone()), &[]).await;
    assert!(failure.contains("the enrolment is disabled"), "{failure}");

    let wrong = self::settings(&site, Identity::Key(Secret::new(b"some other key".to_vec())));
    let failure = failure_after(&mut site.link_with(wrong.clone()), &[]).await;
    assert!(failure.contains("refused the connection (code 5)"), "{failure}");
    site.hub.refuse_registrations_in_answers(true);
    let failure = failure_after(&mut site.link_with(wrong), &[]).await;
    assert!(failure.contains("group-key-file"), "{failure}");
}
