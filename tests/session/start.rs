//! How a session begins, and each reason why it does not.

use crate::site::{DEVICE, LIMIT, Site, TestClock, failure_after, hub_event, within};
use twind::hub::azure::Source;
use twind::hub::link::{LinkEvent, LinkState};
use twind::hub::{Clock, Identity, Secret};
use twind::twin::HubEvent;
use twinhub::{Certificate, Event, Options, Times};

#[tokio::test]
async fn tls_of_either_version_will_do() {
    let site = Site::start().await;
    for tls13 in [false, true] {
        site.hub.offer_tls13(tls13).unwrap();
        let link = site.link_up().await;
        within(link.close(LIMIT)).await;
    }
}

#[tokio::test]
async fn a_gateway_is_dialled_but_the_hub_is_named() {
    let host = "contoso.azure-devices.net".to_owned();
    let site = Site::start_with(Options { host, ..Options::default() }).await;
    let mut settings = site.settings();
    let Source::Assigned(account) = &mut settings.source else { panic!("not assigned") };
    account.gateway = Some("localhost".into());
    let mut link = site.link_with(settings);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_certificate_signs_in_without_a_password() {
    let site = Site::start().await;
    let mut link = site.link_with(site.settings_as(site.register_certificate()));
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_wrong_key_is_named_and_so_is_the_clock() {
    let site = Site::start().await;
    let identity = Identity::Key(Secret::new(b"some other key".to_vec()));
    let mut link = site.link_with(site.settings_as(identity));
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("wrong key") && failure.contains("this machine says"), "{failure}");
}

#[tokio::test]
async fn a_disabled_device_and_an_unheard_of_code_are_told_apart() {
    let site = Site::start().await;
    site.hub.set_enabled(DEVICE, false).unwrap();
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("disabled"), "{failure}");

    site.hub.faults().refuse_connects(77, Times::Next(1));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("unknown code 77"), "{failure}");
}

#[tokio::test]
async fn each_fault_of_the_hubs_certificate_is_named() {
    let site = Site::start().await;
    for (certificate, words) in [
        (Certificate::ForName("other.example".into()), ["localhost", "other.example"]),
        (Certificate::UnknownAuthority, ["issuer", "ca-file"]),
        (Certificate::Expired, ["expired", "clock"]),
    ] {
        site.hub.present(&certificate).unwrap();
        let failure = failure_after(&mut site.link(), &[]).await;
        assert!(words.iter().all(|word| failure.contains(word)), "{certificate:?}: {failure}");
    }
    assert_eq!(site.saw(|event| matches!(event, Event::Connected { .. })), 0);
}

#[tokio::test]
async fn certificates_are_judged_by_the_clock_that_was_handed_in() {
    let site = Site::start().await;
    // In 2200 no certificate made today is valid.
    site.clock.set_unix(Some(7_258_118_400));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("expired"), "{failure}");
}

#[tokio::test]
async fn c25_nothing_is_dialled_by_an_impossible_clock_until_it_is_set() {
    let site = Site::start().await;
    site.clock.set_unix(Some(12));
    let mut link = site.link();
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("1970-01-01T00:00:12Z"), "{failure}");
    assert!(site.hub.events().iter().all(|entry| entry.event == Event::DeviceCreated));
    site.clock.set_unix(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_refused_subscription_is_named_and_no_session() {
    let site = Site::start().await;
    site.hub.faults().refuse_subscriptions(Times::Next(1));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("subscription"), "{failure}");
}

#[tokio::test]
async fn c25_a_clock_that_is_set_is_worth_an_attempt_before_its_time() {
    let mut site = Site::start().await;
    site.clock = TestClock::leaping(900_000);
    // 2025-06-01: plausible, but every token has long expired.
    site.clock.set_unix(Some(1_748_736_000));
    let mut link = site.link();
    // Until the next attempt is minutes away. With this seed it always comes to that.
    for _ in 0..6 {
        failure_after(&mut link, &[]).await;
    }
    site.clock.stop_leaping();
    let now = site.clock.boot();
    loop {
        if let LinkEvent::State(LinkState::Waiting { retry_at, .. }) = within(link.next()).await
            && retry_at.since(now) > LIMIT
        {
            break;
        }
    }
    site.clock.set_unix(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}
