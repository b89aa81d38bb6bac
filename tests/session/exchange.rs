//! Messages in an open session.

use crate::site::{DEVICE, LIMIT, Site, hub_event, is_get, patch};
use serde_json::json;
use std::time::Duration;
use twind::twin::{HubEvent, HubRequest, Version};
use twinhub::{Answer, Event, Times};

#[tokio::test]
async fn c29_a_session_is_subscribed_when_it_is_up_and_then_fetches_and_reports() {
    let site = Site::start().await;
    site.hub.update_desired(DEVICE, &json!({"fanOn": "true"})).unwrap();
    let mut link = site.link_up().await;
    let mut filters = site.hub.subscriptions(DEVICE);
    filters.sort();
    assert_eq!(
        filters,
        ["$iothub/methods/POST/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/twin/res/#"]
    );

    link.push(HubRequest::GetTwin { rid: 1 });
    let HubEvent::Twin { rid: 1, desired, desired_version, reported } = hub_event(&mut link).await else {
        panic!("no twin")
    };
    assert_eq!(desired.as_object().get("fanOn"), Some(&json!("true")));
    assert_eq!(desired_version, Version(2));
    assert!(reported.is_empty());

    link.push(HubRequest::PatchReported { rid: 2, patch: patch(&json!({"fan": {"on": true}})) });
    assert_eq!(hub_event(&mut link).await, HubEvent::ReportedAck { rid: 2 });
    assert_eq!(site.hub.reported(DEVICE).unwrap()["fan"], json!({"on": true}));
}

#[tokio::test]
async fn a_change_by_the_back_end_arrives_with_its_version() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let version = site.hub.update_desired(DEVICE, &json!({"a": {"b": 1}, "c": null})).unwrap();
    let expected = HubEvent::DesiredDelta {
        version: Version(version),
        patch: patch(&json!({"a": {"b": 1}, "c": null})),
    };
    assert_eq!(hub_event(&mut link).await, expected);
}

#[tokio::test]
async fn nothing_is_lost_or_reordered_when_the_holder_is_slow() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let versions: Vec<_> =
        (0..300).map(|n| Version(site.hub.update_desired(DEVICE, &json!({"n": n})).unwrap())).collect();
    let last = versions.last().unwrap().0;
    site.see(|event| *event == Event::DesiredSent { version: last }).await;
    for expected in versions {
        let HubEvent::DesiredDelta { version, .. } = hub_event(&mut link).await else { panic!("no change") };
        assert_eq!(version, expected);
    }
}

#[tokio::test]
async fn a_refused_request_comes_back_with_status_words_and_the_time_that_the_hub_named() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    for (answer, named) in [(Answer::Status(429), None), (Answer::RetryAfter(429, 17), Some(17))] {
        site.hub.faults().answer_twin_get(answer.clone(), Times::Next(1));
        site.hub.faults().answer_reported(answer, Times::Next(1));
        let patch = patch(&json!({"n": 1}));
        for request in [HubRequest::GetTwin { rid: 1 }, HubRequest::PatchReported { rid: 1, patch }] {
            link.push(request);
            match hub_event(&mut link).await {
                HubEvent::Rejected { rid: 1, status: 429, message, retry_after } => {
                    assert!(message.starts_with("429"), "{message}");
                    assert_eq!(retry_after, named.map(Duration::from_secs));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_garbled_and_the_session_goes_on() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let desired = "$iothub/twin/PATCH/properties/desired/?$version=7";
    for (topic, payload) in [(desired, &b"\xff{"[..]), ("$iothub/twin/res/200/?$rid=x", b"{}")] {
        assert!(site.hub.publish_raw(DEVICE, topic, payload));
        let event = hub_event(&mut link).await;
        assert!(matches!(event, HubEvent::Garbled { .. }), "{event:?}");
    }
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
}

#[tokio::test]
async fn a_request_without_a_session_goes_nowhere() {
    let site = Site::start().await;
    let mut link = site.link();
    link.push(HubRequest::GetTwin { rid: 1 });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 2 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 2, .. }));
    assert_eq!(site.saw(is_get), 1);
}

#[tokio::test]
async fn a_request_for_a_session_that_is_gone_does_not_reach_the_next() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let before = site.hub.last_sequence();
    site.hub.kick(DEVICE);
    let subscribed = |entry: &twinhub::Entry| matches!(entry.event, Event::Subscribed { .. });
    site.hub.wait_for_after(before, subscribed, LIMIT).await.unwrap();
    // The holder has not read any event yet, so it takes this for the first session.
    link.push(HubRequest::GetTwin { rid: 1 });
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 2 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 2, .. }));
    assert_eq!(site.saw(is_get), 1);
}
