//! Complaints about clock, certificates and identity that need a real handshake; `tests/complaints` has the table.

use crate::site::{DEVICE, LIMIT, Site, TestClock, failure_after, hub_event, within};
use std::path::Path;
use std::time::Duration;
use twind::hub::link::{HubSettings, LinkEvent, LinkState};
use twind::hub::{Clock, Identity};
use twind::twin::HubEvent;
use twinhub::pki::Certified;
use twinhub::{Hub, Options};

#[tokio::test]
async fn c26_sixty_days_without_a_hub_end_with_a_new_token_and_a_session() {
    let mut site = Site::start().await;
    // The clock moves by an hour at every reading, to beyond the 25 and the 50 days at which 32-bit milliseconds overflow.
    site.clock = TestClock::leaping(3_600_000);
    site.hub.stop_listening().await;
    let lifetime = Duration::from_secs(30 * 86_400);
    let mut link = site.link_with(HubSettings { token_lifetime: lifetime, ..site.settings() });
    let start = site.clock.boot();
    let mut failures = 0;
    while site.clock.boot().since(start) < Duration::from_secs(60 * 86_400) {
        if let LinkEvent::State(LinkState::Waiting { failure, .. }) = within(link.next()).await {
            assert!(failure.contains("cannot connect"), "{failure}");
            failures += 1;
        }
    }
    assert!(failures > 100, "{failures}");
    site.hub.resume_listening().unwrap();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.clock.stop_leaping();
    assert!(link.status().token.unwrap().expires.0 > site.clock.unix().0);
    assert_eq!(site.saw(|event| matches!(event, twinhub::Event::Refused { .. })), 0);
}

#[tokio::test]
async fn c27_the_renewal_is_due_at_four_fifths_of_a_tokens_life() {
    let site = Site::start().await;
    for lifetime in [Duration::from_secs(3600), Duration::from_secs(86_400)] {
        let before = site.clock.boot();
        let unix = site.clock.unix();
        let mut link = site.link_with(HubSettings { token_lifetime: lifetime, ..site.settings() });
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        let passed = site.clock.boot().since(before);
        let token = link.status().token.unwrap();
        let due = token.renews.since(before);
        assert!((lifetime * 4 / 5..=lifetime * 4 / 5 + passed).contains(&due), "{due:?} of {lifetime:?}");
        assert!(token.expires.0 >= unix.0 + lifetime.as_secs());
        within(link.close(LIMIT)).await;
    }
}

/// Replaces the device's certificate at the hub and on the disk.
fn enrol(site: &Site, files: &[std::path::PathBuf; 2]) -> Certified {
    let client = twinhub::pki::self_signed_client("device").unwrap();
    let _ = site.hub.delete_device(DEVICE);
    site.hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
    std::fs::write(&files[0], &client.certificate_pem).unwrap();
    std::fs::write(&files[1], &client.key_pem).unwrap();
    client
}

#[tokio::test]
async fn c27_a_certificate_renewed_on_the_disk_is_shown_by_the_next_connection_without_a_restart() {
    let site = Site::start().await;
    let files = ["device.pem", "device-key.pem"].map(|file| site.folder.path().join(file));
    let first = enrol(&site, &files);
    let [certificate_file, private_key_file] = files.clone();
    let mut link =
        site.link_with(site.settings_as(Identity::Certificate { certificate_file, private_key_file }));
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let second = enrol(&site, &files);
    assert_ne!(first.thumbprint(), second.thumbprint());
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

/// The hub has another certificate authority now; addresses, names, device and key are as before.
async fn with_a_new_authority(site: &mut Site) {
    let keys = site.hub.device_keys(DEVICE).unwrap().unwrap();
    let (mqtt_port, https_port) = (site.hub.mqtt_port(), site.hub.https_port());
    site.hub.stop_listening().await;
    site.hub = Hub::start(Options { mqtt_port, https_port, ..Options::default() }).await.unwrap();
    site.hub.create_device_with_keys(DEVICE, keys).unwrap();
}

fn trust(site: &Site, roots: &[&str]) {
    let replace = |path: &Path| {
        std::fs::write(path.with_extension("new"), roots.concat()).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    };
    replace(&site.folder.path().join("ca.pem"));
}

#[tokio::test]
async fn c28_a_root_that_changed_is_named_and_a_new_file_mends_it_without_a_restart() {
    let mut site = Site::start().await;
    // No wait between attempts is long.
    site.clock = TestClock::leaping(60_000);
    let mut link = site.link();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    with_a_new_authority(&mut site).await;
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    loop {
        let failure = failure_after(&mut link, &[]).await;
        if failure.contains("issuer") && failure.contains("ca-file") {
            break;
        }
    }
    trust(&site, &[site.hub.ca_pem()]);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn c28_a_file_with_the_old_and_the_new_root_bridges_the_change() {
    let mut site = Site::start().await;
    site.clock = TestClock::leaping(60_000);
    let old = site.hub.ca_pem().to_owned();
    // Made before the change, by whoever announces it.
    let new = Hub::start(Options::default()).await.unwrap();
    trust(&site, &[&old, new.ca_pem()]);
    let mut link = site.link();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    drop(link);

    new.create_device_with_keys(DEVICE, site.hub.device_keys(DEVICE).unwrap().unwrap()).unwrap();
    site.hub = new;
    let mut link = site.link();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}
