//! The session against a scripted hub, over a connection in memory.

use super::super::fixtures::Stopped;
use super::{Clock, HubSettings, TwinSession as Session};
use crate::hub::azure::{Account, Source, mint};
use crate::hub::wire::{Transport, WireFault};
use crate::hub::{Identity, Secret};
use crate::twin::{HubEvent, HubRequest, Version};
use crate::units::UnixSeconds;
use core::time::Duration;
use proptest::prelude::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

#[path = "session_telemetry_tests.rs"]
mod telemetry;

const CONNACK: &[u8] = &[0x20, 2, 0, 0];
const SUBACK: &[u8] = &[0x90, 5, 0, 1, 0, 0, 0];
const LIMIT: Duration = Duration::from_secs(60);

fn account() -> Account {
    let identity = Identity::Key(Secret::new(b"k".to_vec()));
    Account { host: "h".into(), device_id: "d".into(), gateway: None, identity }
}

fn settings() -> HubSettings {
    HubSettings {
        source: Source::Assigned(account()),
        port: 8883,
        transport: Transport::Mqtt,
        proxy: None,
        ca_file: None,
        keep_alive: Duration::from_secs(240),
        token_lifetime: Duration::from_secs(3600),
        model_id: None,
    }
}

/// Opens a session with a hub that sends just this, whatever it receives, and then closes its half.
async fn open(said: &[u8]) -> Result<Session, WireFault> {
    let (wire, mut hub) = duplex(4096);
    let said = said.to_vec();
    tokio::spawn(async move {
        // The session may have ended before all is said or heard.
        let _ = hub.write_all(&said).await;
        let _ = hub.shutdown().await;
        let _ = hub.read_to_end(&mut Vec::new()).await;
    });
    open_over(wire).await
}

async fn open_over(wire: DuplexStream) -> Result<Session, WireFault> {
    open_as(wire, &account(), &settings()).await
}

async fn open_as(
    wire: DuplexStream,
    account: &Account,
    settings: &HubSettings,
) -> Result<Session, WireFault> {
    let token = mint("h", "d", &Secret::new(b"k".to_vec()), UnixSeconds(1_800_003_600));
    timeout(LIMIT, Session::open(settings, account, Some(&token), wire, Arc::new(Stopped)))
        .await
        .expect("it hangs")
}

/// All events from what the hub sends.
async fn outcome(said: &[u8]) -> (Vec<HubEvent>, WireFault) {
    outcome_of(said, &[]).await
}

/// The same, if this is sent as soon as the session is up.
async fn outcome_of(said: &[u8], requests: &[HubRequest]) -> (Vec<HubEvent>, WireFault) {
    let mut session = match open(said).await {
        Ok(session) => session,
        Err(cause) => return (Vec::new(), cause),
    };
    requests.iter().for_each(|request| assert_eq!(session.send(request), None));
    let mut events = Vec::new();
    loop {
        match timeout(LIMIT, session.next()).await.expect("it hangs") {
            Ok(event) => events.push(event),
            Err(cause) => return (events, cause),
        }
    }
}

/// A PUBLISH of QoS 0.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(2 + topic.len() + payload.len()).unwrap();
    assert!(length < 128);
    [&[0x30, length, 0, u8::try_from(topic.len()).unwrap()], topic.as_bytes(), payload].concat()
}

fn change(version: u64) -> Vec<u8> {
    publish(&format!("$iothub/twin/PATCH/properties/desired/?$version={version}"), b"{}")
}

#[tokio::test]
async fn changes_count_from_the_moment_the_subscriptions_are_granted() {
    let (events, cause) = outcome(&[CONNACK, &change(3), SUBACK, &change(4)].concat()).await;
    let versions: Vec<_> = events
        .iter()
        .map(|event| match event {
            HubEvent::DesiredDelta { version, .. } => *version,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(versions, [Version(4)]);
    assert!(matches!(cause, WireFault::Closed(_)), "{cause:?}");
}

fn call(rid: usize) -> Vec<u8> {
    publish(&format!("$iothub/methods/POST/status/?$rid={rid}"), b"{}")
}

/// The call's id.
fn rid(event: Result<HubEvent, WireFault>) -> usize {
    match event {
        Ok(HubEvent::Method { rid, .. }) => rid.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Lets the session go on until the hub has heard these words so often; it must hear nothing itself.
async fn until_said(
    session: &mut Session,
    hub: &mut DuplexStream,
    said: &mut Vec<u8>,
    words: &str,
    count: usize,
) {
    let wait = async {
        while said.windows(words.len()).filter(|part| *part == words.as_bytes()).count() < count {
            tokio::select! {
                event = session.next() => panic!("{event:?}"),
                read = hub.read_buf(said) => assert_ne!(read.unwrap(), 0),
            }
        }
    };
    timeout(LIMIT, wait).await.expect("it hangs");
}

#[tokio::test]
async fn of_a_hundred_calls_at_once_sixty_four_are_heard_and_each_other_is_refused() {
    let (wire, mut hub) = duplex(1024 * 1024);
    let calls: Vec<u8> = (0..100).flat_map(call).collect();
    hub.write_all(&[CONNACK, SUBACK, &calls].concat()).await.unwrap();
    let mut session = open_over(wire).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..64 {
        heard.push(rid(timeout(LIMIT, session.next()).await.expect("it hangs")));
    }
    assert_eq!(heard, (0..64).collect::<Vec<_>>());
    let mut said = Vec::new();
    until_said(&mut session, &mut hub, &mut said, "$iothub/methods/res/429/?$rid=", 36).await;
    for rid in heard {
        let answer =
            HubRequest::AnswerMethod { rid: rid.to_string(), status: 200, payload: serde_json::json!({}) };
        assert_eq!(session.send(&answer), None);
    }
    until_said(&mut session, &mut hub, &mut said, "$iothub/methods/res/200/?$rid=", 64).await;
    // All are answered, so there is room again.
    hub.write_all(&call(100)).await.unwrap();
    assert_eq!(rid(timeout(LIMIT, session.next()).await.expect("it hangs")), 100);
}

#[tokio::test]
async fn a_call_that_waited_for_the_device_is_heard_though_it_comes_before_the_subscriptions_are_granted() {
    let (wire, mut hub) = duplex(4096);
    hub.write_all(&[CONNACK, &call(1), SUBACK, &call(2)].concat()).await.unwrap();
    let mut session = open_over(wire).await.unwrap();
    for expected in [1, 2] {
        assert_eq!(rid(timeout(LIMIT, session.next()).await.expect("it hangs")), expected);
    }
}

#[tokio::test]
async fn an_answer_that_no_hub_would_take_is_refused_and_the_session_goes_on() {
    let (wire, mut hub) = duplex(1024 * 1024);
    hub.write_all(&[CONNACK, SUBACK, &call(1)].concat()).await.unwrap();
    let mut session = open_over(wire).await.unwrap();
    assert_eq!(rid(timeout(LIMIT, session.next()).await.expect("it hangs")), 1);
    let payload = serde_json::json!("x".repeat(200 * 1024));
    session.send(&HubRequest::AnswerMethod { rid: "1".into(), status: 200, payload });
    until_said(&mut session, &mut hub, &mut Vec::new(), "$iothub/methods/res/413/?$rid=1", 1).await;
}

#[tokio::test]
async fn what_was_said_before_the_end_is_heard_before_it() {
    let many: Vec<u8> = (1..=25).flat_map(change).collect();
    let (events, _) = outcome(&[CONNACK, SUBACK, &many].concat()).await;
    assert_eq!(events.len(), 25);
}

#[tokio::test]
async fn a_refused_subscription_is_named_even_if_the_end_follows_at_once() {
    let (_, cause) = outcome(&[CONNACK, &[0x90, 5, 0, 1, 0, 0x80, 0]].concat()).await;
    assert_eq!(cause, WireFault::Subscription("$iothub/twin/PATCH/properties/desired/#"));
}

#[tokio::test]
async fn an_answer_to_half_of_the_subscriptions_is_none() {
    let (_, cause) = outcome(&[CONNACK, &[0x90, 3, 0, 1, 0]].concat()).await;
    assert!(matches!(&cause, WireFault::Protocol(reason) if reason.contains("1 of 3")), "{cause:?}");
}

#[tokio::test]
async fn each_wrong_answer_to_connect_is_named() {
    let (_, cause) = outcome(&[0x20, 2, 0, 5]).await;
    assert_eq!(cause, WireFault::Refused { code: 5, at: Stopped.unix() });
    let (_, cause) = outcome(&[0x20, 2, 0, 99]).await;
    assert_eq!(cause, WireFault::Refused { code: 99, at: Stopped.unix() });
    let (_, cause) = outcome(&[0xd0, 0]).await;
    assert!(matches!(&cause, WireFault::Protocol(_)), "{cause:?}");
    let (_, cause) = outcome(&[]).await;
    assert!(
        matches!(&cause, WireFault::Closed(reason) if reason.contains("instead of answering CONNECT")),
        "{cause:?}"
    );
}

#[tokio::test]
async fn an_acknowledgement_of_nothing_ends_the_session_by_name() {
    for packet in [0x40, 0x50, 0x62, 0x70] {
        let (_, cause) = outcome(&[CONNACK, SUBACK, &[packet, 2, 0, 7]].concat()).await;
        assert!(matches!(cause, WireFault::Protocol(_)), "{packet:#x}: {cause:?}");
    }
}

fn packets() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..40);
    // Half of them have a length that fits, so that the parsers behind it are reached.
    let framed = (any::<u8>(), body.clone())
        .prop_map(|(kind, body)| [&[kind, u8::try_from(body.len()).unwrap()], body.as_slice()].concat());
    prop::collection::vec(prop_oneof![framed, body], 0..4).prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_cause(said in packets(), start in 0usize..3) {
        let hello = [&[][..], CONNACK, &[CONNACK, SUBACK].concat()][start].to_vec();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let messages = [1, 2, 3].map(telemetry::message);
        let (events, _) = runtime.block_on(outcome_of(&[hello, said].concat(), &messages));
        for number in [1, 2, 3] {
            let stored = HubEvent::MessageStored { number };
            prop_assert!(events.iter().filter(|event| **event == stored).count() <= 1, "{events:?}");
        }
    }
}
