//! Messages that the hub stores.

use crate::site::{DEVICE, LIMIT, Site, hub_event, patch, within};
use serde_json::json;
use twind::hub::link::{Link, LinkEvent, LinkState};
use twind::twin::{DeviceMessage, HubEvent, HubRequest, Version};
use twind::units::UnixSeconds;
use twinhub::{Event, Times};

fn message(number: u64) -> HubRequest {
    let message = DeviceMessage {
        id: format!("0a1b-7-{number}"),
        created: Some(UnixSeconds(1_795_788_000 + number)),
        alarm: Some("overheat-öfen & more".into()),
        body: json!([{"sensor": "roof", "temperature": number}]).to_string(),
    };
    HubRequest::SendMessage { number, message }
}

fn is_message(event: &Event) -> bool {
    matches!(event, Event::Telemetry { .. })
}

/// The properties and the bodies of all messages that the hub got, in order.
fn messages(site: &Site) -> Vec<(String, String)> {
    let one = |event: Event| match event {
        Event::Telemetry { bag, payload, .. } => Some((bag, String::from_utf8(payload).unwrap())),
        _ => None,
    };
    site.hub.events().into_iter().filter_map(|entry| one(entry.event)).collect()
}

async fn stored(link: &mut Link) -> u64 {
    match hub_event(link).await {
        HubEvent::MessageStored { number } => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_arrive_in_order_with_their_properties_and_each_is_stored_by_its_number() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    for first in (1..=40).step_by(4) {
        (first..first + 4).for_each(|number| link.push(message(number)));
        for number in first..first + 4 {
            assert_eq!(stored(&mut link).await, number);
        }
    }
    let got = messages(&site);
    assert_eq!(got.len(), 40);
    for (number, (bag, body)) in (1..).zip(got) {
        let second = number % 60;
        let expected = format!(
            "%24.mid=0a1b-7-{number}&%24.ct=application%2Fjson&%24.ce=utf-8\
             &%24.ctime=2026-11-27T14%3A00%3A{second:02}Z&alarm=overheat-%C3%B6fen%20%26%20more"
        );
        assert_eq!(bag, expected);
        assert_eq!(body, format!(r#"[{{"sensor":"roof","temperature":{number}}}]"#));
    }
}

#[tokio::test]
async fn without_acknowledgements_the_twin_goes_on_and_the_messages_are_sent_again_when_the_core_says_so() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.hub.faults().drop_pubacks(Times::UntilCleared);
    (1..=4).for_each(|number| link.push(message(number)));
    site.see(|event| matches!(event, Event::Telemetry { bag, .. } if bag.contains("-7-4&"))).await;

    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
    link.push(HubRequest::PatchReported { rid: 2, patch: patch(&json!({"n": 1})) });
    assert_eq!(hub_event(&mut link).await, HubEvent::ReportedAck { rid: 2 });
    let version = site.hub.update_desired(DEVICE, &json!({"a": 1})).unwrap();
    let delta = HubEvent::DesiredDelta { version: Version(version), patch: patch(&json!({"a": 1})) };
    assert_eq!(hub_event(&mut link).await, delta);

    site.hub.faults().clear();
    link.push(HubRequest::Reconnect { reason: "a message is not acknowledged" });
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let first_time = messages(&site);
    assert_eq!(first_time.len(), 4, "nothing is sent again by itself");
    for number in 1..=4 {
        link.push(message(number));
        assert_eq!(stored(&mut link).await, number);
    }
    assert_eq!(messages(&site), [first_time.clone(), first_time].concat());
}

#[tokio::test]
async fn what_is_not_acknowledged_when_the_connection_is_lost_is_not_stored() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.hub.faults().drop_pubacks(Times::UntilCleared);
    (1..=3).for_each(|number| link.push(message(number)));
    site.see(|event| matches!(event, Event::Telemetry { bag, .. } if bag.contains("-7-3&"))).await;
    site.hub.faults().clear();
    site.hub.kick(DEVICE);
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    // Numbers begin anew with each connection, so this one is not taken for another.
    link.push(message(3));
    assert_eq!(stored(&mut link).await, 3);
    assert_eq!(site.saw(is_message), 4);
}

#[tokio::test]
async fn a_message_for_a_session_that_is_gone_does_not_reach_the_next() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let before = site.hub.last_sequence();
    site.hub.kick(DEVICE);
    let subscribed = |entry: &twinhub::Entry| matches!(entry.event, Event::Subscribed { .. });
    site.hub.wait_for_after(before, subscribed, LIMIT).await.unwrap();
    // The holder has not read any event yet, so it takes this for the first session.
    link.push(message(1));
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(message(2));
    assert_eq!(stored(&mut link).await, 2);
    assert_eq!(site.saw(is_message), 1);
}

#[tokio::test]
async fn a_session_in_which_a_message_was_stored_was_served() {
    let site = Site::start().await;
    let mut link = site.link();
    let mut last = String::new();
    for number in 1..=3 {
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link.push(message(number));
        assert_eq!(stored(&mut link).await, number);
        site.hub.kick(DEVICE);
        last = loop {
            if let LinkEvent::State(LinkState::Waiting { failure, .. }) = within(link.next()).await {
                break failure;
            }
        };
    }
    // Not: "the hub ends each connection without a reason soon after it is made".
    assert!(last.starts_with("each connection works and ends without a reason"), "{last}");
}
