//! What a series of short sessions means, and what the link does about it.

use crate::log::logged;
use crate::site::{DEVICE, Site, hub_event, within};
use std::time::Duration;
use twind::hub::Clock;
use twind::hub::link::{Link, LinkEvent, LinkState, SHORT};
use twind::twin::{HubEvent, HubRequest};
use twinhub::{Answer, Times};

/// The next wait: what failed, and for how long.
async fn waiting(site: &Site, link: &mut Link) -> (String, Duration) {
    loop {
        if let LinkEvent::State(LinkState::Waiting { failure, retry_at }) = within(link.next()).await {
            return (failure, retry_at.since(site.clock.boot()));
        }
    }
}

fn warnings(words: &str) -> usize {
    logged().iter().filter(|line| line.contains("WARN") && line.contains(words)).count()
}

#[tokio::test]
async fn three_short_sessions_are_a_suspicion_that_is_said_once_and_keeps_nobody_away() {
    let site = Site::start().await;
    let mut link = site.link();
    let mut last = None;
    for _ in 0..3 {
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link.push(HubRequest::GetTwin { rid: 1 });
        assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { .. }));
        let rival = site.link_up().await;
        last = Some(waiting(&site, &mut link).await);
        drop(rival);
    }
    let (failure, wait) = last.unwrap();
    assert!(failure.contains(&format!("perhaps another client uses the identity {DEVICE}")), "{failure}");
    assert!(wait < Duration::from_secs(20), "{wait:?}");
    assert_eq!(warnings("perhaps another client uses the identity"), 1, "{:#?}", logged());
}

#[tokio::test]
async fn a_hub_that_drops_us_before_it_serves_us_is_taken_for_a_spent_quota() {
    let site = Site::start().await;
    site.hub.faults().answer_twin_get(Answer::Close, Times::UntilCleared);
    let mut link = site.link();
    let mut last = None;
    for _ in 0..3 {
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link.push(HubRequest::GetTwin { rid: 1 });
        last = Some(waiting(&site, &mut link).await);
    }
    let (failure, wait) = last.unwrap();
    assert!(failure.contains("quota") && failure.contains("second client"), "{failure}");
    assert!(wait > Duration::from_secs(25), "{wait:?}");
    assert_eq!(warnings("quota"), 1, "{:#?}", logged());
}

#[tokio::test]
async fn a_session_that_follows_an_established_one_is_used_a_little_later() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.clock.jump(SHORT.as_secs());
    assert!(site.hub.kick(DEVICE));
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let later = logged().iter().filter(|line| line.contains("connected; in use in")).count();
    assert_eq!(later, 1, "{:#?}", logged());
    // It is an ordinary session.
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
}

#[tokio::test]
async fn a_call_in_a_session_that_is_not_in_use_yet_is_heard_once_it_is() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.clock.jump(SHORT.as_secs());
    let before = site.hub.last_sequence();
    assert!(site.hub.kick(DEVICE));
    let subscribed = |entry: &twinhub::Entry| matches!(entry.event, twinhub::Event::Subscribed { .. });
    site.hub.wait_for_after(before, subscribed, crate::site::LIMIT).await.unwrap();
    let called = site.hub.call_method(DEVICE, "status", &serde_json::Value::Null, crate::site::LIMIT);
    let answered = async {
        assert_eq!(hub_event(&mut link).await, HubEvent::Down);
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        let HubEvent::Method { rid, .. } = hub_event(&mut link).await else { panic!("no call") };
        link.push(HubRequest::AnswerMethod { rid, status: 200, payload: serde_json::Value::Null });
        // The answer is sent while the link is being checked.
        core::future::pending::<()>().await;
    };
    tokio::select! {
        reply = called => assert_eq!(reply.unwrap().status, 200),
        () = answered => {}
    }
}

#[tokio::test]
async fn a_session_that_ends_before_it_was_told_is_not_told_at_all() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    // Two disconnects, the second most likely while the session waits for its time.
    site.clock.jump(SHORT.as_secs());
    site.hub.kick(DEVICE);
    let before = site.hub.last_sequence();
    let subscribed = |entry: &twinhub::Entry| matches!(entry.event, twinhub::Event::Subscribed { .. });
    site.hub.wait_for_after(before, subscribed, crate::site::LIMIT).await.unwrap();
    site.hub.kick(DEVICE);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(hub_event(&mut link).await);
    }
    // Whatever comes first, each Up is followed by its Down.
    assert_eq!(seen, [HubEvent::Down, HubEvent::Up]);
}
