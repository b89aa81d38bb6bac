//! How a session ends, and what follows.

use crate::site::{DEVICE, LIMIT, Site, failure_after, hub_event, is_disconnect, within};
use std::time::Duration;
use twind::hub::link::{HubSettings, LinkEvent, LinkState};
use twind::twin::{HubEvent, HubRequest};

#[tokio::test]
async fn a_cut_is_one_down_and_then_dialled_again() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    assert!(site.hub.kick(DEVICE));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("closed it without a reason"), "{failure}");
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_hub_that_stops_listening_is_found_again() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.hub.stop_listening().await;
    failure_after(&mut link, &[HubEvent::Down]).await;
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("cannot connect to localhost"), "{failure}");
    site.hub.resume_listening().unwrap();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_packet_beyond_all_measure_is_named_with_its_size() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    // A PUBLISH with a remaining length of two mebibytes.
    assert!(site.hub.send_bytes(DEVICE, vec![0x30, 0x80, 0x80, 0x80, 0x01]));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("2097152 bytes"), "{failure}");
}

#[tokio::test]
async fn bytes_that_are_no_mqtt_are_named_as_such() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    assert!(site.hub.send_bytes(DEVICE, vec![0xf0, 0x02, 0, 0]));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("violates MQTT"), "{failure}");
}

#[tokio::test]
async fn a_hub_gone_mute_is_noticed_by_its_missing_pings() {
    let site = Site::start().await;
    let mut link = site.link_with(HubSettings { keep_alive: Duration::from_secs(1), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.hub.faults().mute(true);
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("stopped answering"), "{failure}");
}

#[tokio::test]
async fn c27_a_token_is_renewed_by_a_polite_new_session_without_a_wait() {
    let site = Site::start().await;
    let mut link = site.link_with(HubSettings { token_lifetime: Duration::from_secs(2), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let mut seen = Vec::new();
    while seen.last() != Some(&LinkEvent::Hub(HubEvent::Up)) {
        seen.push(within(link.next()).await);
    }
    seen.retain(|event| !matches!(event, LinkEvent::Dated(_)));
    let state = |state| LinkEvent::State(state);
    assert_eq!(
        seen,
        [
            LinkEvent::Hub(HubEvent::Down),
            state(LinkState::Connecting),
            state(LinkState::Connected),
            LinkEvent::Hub(HubEvent::Up)
        ]
    );
    site.see(is_disconnect).await;
}

#[tokio::test]
async fn whoever_asks_for_a_new_session_gets_one() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    link.push(HubRequest::Reconnect { reason: "no answer in 30 s" });
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("no answer in 30 s"), "{failure}");
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.see(is_disconnect).await;
}

#[tokio::test]
async fn closing_says_disconnect() {
    let site = Site::start().await;
    let link = site.link_up().await;
    within(link.close(LIMIT)).await;
    site.see(is_disconnect).await;
    assert!(!site.hub.is_connected(DEVICE));
}

#[tokio::test]
async fn closing_while_there_is_no_session_is_quick() {
    let site = Site::start().await;
    site.hub.stop_listening().await;
    let mut link = site.link();
    failure_after(&mut link, &[]).await;
    within(link.close(LIMIT)).await;
}
