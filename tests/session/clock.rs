//! What depends on the wall clock, and the times in the link's status.

use crate::site::{DEVICE, Site, failure_after, hub_event, is_disconnect, within};
use std::time::Duration;
use twind::hub::Clock;
use twind::hub::link::{HubSettings, Link, LinkEvent, LinkState};
use twind::twin::HubEvent;
use twind::units::UnixSeconds;

#[tokio::test]
async fn c25_a_clock_behind_the_last_known_time_dates_no_token() {
    let site = Site::start().await;
    // The known time is right, and the clock has not been set yet.
    site.clock.set_not_before(site.clock.unix().0);
    site.clock.set_unix(Some(site.clock.unix().0 - 86_400));
    let mut link = site.link();
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("not connecting") && failure.contains("waiting for it to be set"), "{failure}");
    site.clock.set_unix(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_known_time_in_the_future_is_waited_for_once_and_then_replaced_by_what_the_hub_took() {
    let site = Site::start().await;
    site.clock.set_not_before(site.clock.unix().0 + 365 * 86_400);
    let mut link = site.link();
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("not connecting"), "{failure}");
    // Nobody sets it for a quarter of an hour.
    site.clock.jump(900);
    assert!(known_time(&mut link).await <= site.clock.unix());
    // The next connection does not wait.
    assert!(site.hub.kick(DEVICE));
    let failure = failure_after(&mut link, &[HubEvent::Up, HubEvent::Down]).await;
    assert!(!failure.contains("not connecting"), "{failure}");
    assert!(known_time(&mut link).await <= site.clock.unix());
}

/// What the clock showed when the hub accepted a token, according to the link.
async fn known_time(link: &mut Link) -> UnixSeconds {
    loop {
        match within(link.next()).await {
            LinkEvent::Dated((wall, _)) => return wall,
            LinkEvent::State(LinkState::Waiting { failure, .. }) => {
                assert!(!failure.contains("not connecting to"), "{failure}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_clock_that_jumps_to_what_cannot_be_true_does_not_end_a_session_that_has_a_token() {
    let site = Site::start().await;
    site.hub.set_behaviour(|behaviour| behaviour.token_grace = Duration::ZERO);
    let mut link = site.link_with(HubSettings { token_lifetime: Duration::from_secs(10), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.clock.set_unix(Some(0));
    // The link would renew the token after eight seconds, which fails. The hub ends the session two seconds later.
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("closed it without a reason"), "{failure}");
    assert_eq!(site.saw(is_disconnect), 0);
    site.clock.set_unix(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_clock_that_is_set_while_connected_renews_the_token() {
    let site = Site::start().await;
    // The clock is two minutes behind, which the hub tolerates; so the token ends two minutes early.
    site.clock.set_unix(Some(site.clock.unix().0 - 120));
    let mut link = site.link_up().await;
    let early = link.status().token.unwrap().expires;
    site.clock.set_unix(None);
    let mut seen = Vec::new();
    while seen.last() != Some(&LinkEvent::Hub(HubEvent::Up)) {
        seen.push(within(link.next()).await);
    }
    let failed = seen.iter().any(|event| matches!(event, LinkEvent::State(LinkState::Waiting { .. })));
    assert!(!failed && seen[0] == LinkEvent::Hub(HubEvent::Down), "{seen:?}");
    assert!(link.status().token.unwrap().expires.0 >= early.0 + 120);
    site.see(is_disconnect).await;
}

#[tokio::test]
async fn the_status_tells_since_when_and_until_when_and_what_went_wrong_last() {
    let site = Site::start().await;
    let (before, unix) = (site.clock.boot(), site.clock.unix());
    let mut link = site.link_up().await;
    let status = link.status();
    assert!(status.connected_since.unwrap() >= before && status.next_attempt.is_none());
    let token = status.token.unwrap();
    assert!(token.expires.0 >= unix.0 + 3600);
    assert!(token.renews.since(before) >= Duration::from_secs(2880));
    assert_eq!(status.last_failure, None);

    site.hub.stop_listening().await;
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    let status = link.status();
    assert_eq!((status.connected_since, status.token), (None, None));
    let last = status.last_failure.unwrap();
    assert!(last.text == failure || last.text.contains("cannot connect"), "{last:?}");
    assert!(status.next_attempt.unwrap() >= last.at && last.at >= before);
    assert!(!site.hub.is_connected(DEVICE));
}
