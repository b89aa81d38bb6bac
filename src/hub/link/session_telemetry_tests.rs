//! Telemetry in a session, against a hub that acknowledges when the test says so.

use super::*;
use crate::twin::DeviceMessage;

/// A request to send the message of this number.
pub(super) fn message(number: u64) -> HubRequest {
    let message =
        DeviceMessage { id: format!("m{number}"), body: format!("[{number}]"), ..DeviceMessage::default() };
    HubRequest::SendMessage { number, message }
}

/// A packet that the hub received.
#[derive(Debug, PartialEq)]
enum Packet {
    Publish {
        header: u8,
        topic: String,
        packet_id: Option<u16>,
        payload: Vec<u8>,
    },
    Ping,
    Disconnect,
    /// CONNECT and SUBSCRIBE.
    Other,
}

struct Hub {
    wire: DuplexStream,
    heard: Vec<u8>,
}

impl Hub {
    /// The first whole packet that was heard and not looked at yet.
    fn take(&mut self) -> Option<Packet> {
        let length_bytes = 1 + self.heard.get(1..)?.iter().position(|byte| *byte < 128)?;
        let length = (1..=length_bytes).rev().fold(0, |sum, at| sum << 7 | usize::from(self.heard[at] & 127));
        let end = 1 + length_bytes + length;
        let packet: Vec<u8> = (self.heard.len() >= end).then(|| self.heard.drain(..end).collect())?;
        let body = &packet[1 + length_bytes..];
        Some(match packet[0] >> 4 {
            3 => {
                let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
                let with_id = packet[0] & 0b110 != 0;
                Packet::Publish {
                    header: packet[0],
                    topic: String::from_utf8(topic.to_vec()).unwrap(),
                    packet_id: with_id.then(|| u16::from_be_bytes([rest[0], rest[1]])),
                    payload: rest[if with_id { 2 } else { 0 }..].to_vec(),
                }
            }
            12 => Packet::Ping,
            14 => Packet::Disconnect,
            _ => Packet::Other,
        })
    }

    async fn next(&mut self) -> Packet {
        loop {
            match self.take() {
                Some(Packet::Other) => {}
                Some(packet) => return packet,
                None => assert_ne!(self.wire.read_buf(&mut self.heard).await.unwrap(), 0),
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).await.unwrap();
    }

    async fn acknowledge(&mut self, packet_id: u16) {
        self.say(&[&[0x40, 2][..], &packet_id.to_be_bytes()].concat()).await;
    }
}

async fn up() -> (Session, Hub) {
    up_as("d", &settings()).await
}

async fn up_as(device_id: &str, settings: &HubSettings) -> (Session, Hub) {
    let (wire, mut far) = duplex(64 * 1024);
    far.write_all(&[CONNACK, SUBACK].concat()).await.unwrap();
    let account = Account { device_id: device_id.to_owned(), ..account() };
    (open_as(wire, &account, settings).await.unwrap(), Hub { wire: far, heard: Vec::new() })
}

/// What the hub receives next; the session must hear nothing meanwhile.
async fn received(session: &mut Session, hub: &mut Hub) -> Packet {
    let wait = async {
        tokio::select! {
            event = session.next() => panic!("{event:?}"),
            packet = hub.next() => packet,
        }
    };
    timeout(LIMIT, wait).await.expect("it hangs")
}

/// The topic and the packet id of the publish that the hub receives next.
async fn published(session: &mut Session, hub: &mut Hub) -> (String, Option<u16>) {
    match received(session, hub).await {
        Packet::Publish { topic, packet_id, .. } => (topic, packet_id),
        other => panic!("{other:?}"),
    }
}

/// The packet id of the telemetry that the hub receives next, which must be of this number.
async fn telemetry(session: &mut Session, hub: &mut Hub, number: u64) -> u16 {
    let (topic, packet_id) = published(session, hub).await;
    assert!(topic.contains(&format!("%24.mid=m{number}&")), "{topic}");
    packet_id.expect("a packet id")
}

async fn heard(session: &mut Session) -> Result<HubEvent, WireFault> {
    timeout(LIMIT, session.next()).await.expect("it hangs")
}

async fn stored(session: &mut Session) -> u64 {
    match heard(session).await {
        Ok(HubEvent::MessageStored { number }) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_goes_out_at_qos_1_with_its_properties_and_is_stored_once_it_is_acknowledged() {
    let (mut session, mut hub) = up().await;
    let body = r#"[{"time":"2026-11-27T14:00:00Z","sensor":"roof","temperature":21.5}]"#;
    let message = DeviceMessage {
        id: "0a-1-7".into(),
        created: Some(UnixSeconds(1_795_788_000)),
        alarm: Some("sensor-roof".into()),
        body: body.into(),
    };
    assert_eq!(session.send(&HubRequest::SendMessage { number: 41, message }), None);
    let Packet::Publish { header, topic, packet_id, payload } = received(&mut session, &mut hub).await else {
        panic!("no publish")
    };
    // QoS 1, neither retained nor a duplicate.
    assert_eq!(header, 0b0011_0010);
    assert_eq!(
        topic,
        "devices/d/messages/events/%24.mid=0a-1-7&%24.ct=application%2Fjson&%24.ce=utf-8\
         &%24.ctime=2026-11-27T14%3A00%3A00Z&alarm=sensor-roof"
    );
    assert_eq!(payload, body.as_bytes());
    hub.acknowledge(packet_id.unwrap()).await;
    assert_eq!(heard(&mut session).await, Ok(HubEvent::MessageStored { number: 41 }));
}

#[tokio::test]
async fn the_messages_leave_in_order_and_each_acknowledgement_names_its_own_whatever_its_order() {
    let (mut session, mut hub) = up().await;
    // Packet ids are used again many times over.
    for round in 0..50_u64 {
        let numbers = [0, 1, 2, 3].map(|nth| 7 * round + nth);
        numbers.iter().for_each(|number| assert_eq!(session.send(&message(*number)), None));
        let mut under_way = Vec::new();
        for number in numbers {
            under_way.push((number, telemetry(&mut session, &mut hub, number).await));
        }
        under_way.rotate_left((round % 4) as usize);
        if round % 3 == 0 {
            under_way.reverse();
        }
        for (number, packet_id) in under_way {
            hub.acknowledge(packet_id).await;
            assert_eq!(stored(&mut session).await, number);
        }
    }
}

#[tokio::test]
async fn requests_about_the_twin_and_answers_overtake_the_messages_that_wait() {
    let (mut session, mut hub) = up().await;
    // The runtime has one thread, so that nothing leaves meanwhile but for the library's queue of two.
    (1..=5).for_each(|number| assert_eq!(session.send(&message(number)), None));
    session.send(&HubRequest::GetTwin { rid: 6 });
    session.send(&HubRequest::AnswerMethod { rid: "7".into(), status: 200, payload: serde_json::json!({}) });
    for number in [1, 2] {
        telemetry(&mut session, &mut hub, number).await;
    }
    assert_eq!(published(&mut session, &mut hub).await, ("$iothub/twin/GET/?$rid=6".to_owned(), None));
    assert_eq!(published(&mut session, &mut hub).await, ("$iothub/methods/res/200/?$rid=7".to_owned(), None));
    for number in [3, 4, 5] {
        telemetry(&mut session, &mut hub, number).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_acknowledges_nothing_holds_up_neither_the_twin_nor_methods_nor_the_keep_alive() {
    let settings = HubSettings { keep_alive: Duration::from_secs(1), ..settings() };
    let (mut session, mut hub) = up_as("d", &settings).await;
    (1..=8).for_each(|number| assert_eq!(session.send(&message(number)), None));
    let mut under_way = Vec::new();
    let mut pings = 0;
    // The eighth would need all packet ids that there are.
    while pings < 5 || under_way.len() < 7 {
        match received(&mut session, &mut hub).await {
            Packet::Publish { packet_id, .. } => under_way.push(packet_id.unwrap()),
            Packet::Ping => {
                pings += 1;
                hub.say(&[0xd0, 0]).await;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(under_way.len(), 7);

    session.send(&HubRequest::GetTwin { rid: 1 });
    hub.say(&call(5)).await;
    assert_eq!(rid(heard(&mut session).await), 5);
    session.send(&HubRequest::AnswerMethod { rid: "5".into(), status: 200, payload: serde_json::json!({}) });
    let mut topics = Vec::new();
    while topics.len() < 2 {
        match received(&mut session, &mut hub).await {
            Packet::Publish { topic, .. } => topics.push(topic),
            Packet::Ping => hub.say(&[0xd0, 0]).await,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(topics, ["$iothub/twin/GET/?$rid=1", "$iothub/methods/res/200/?$rid=5"]);

    // All but the oldest: there is no room yet. Then the oldest: there is.
    for (packet_id, number) in under_way[1..].iter().zip(2..) {
        hub.acknowledge(*packet_id).await;
        assert_eq!(stored(&mut session).await, number);
    }
    assert_eq!(received(&mut session, &mut hub).await, Packet::Ping);
    hub.say(&[0xd0, 0]).await;
    hub.acknowledge(under_way[0]).await;
    assert_eq!(stored(&mut session).await, 1);
    telemetry(&mut session, &mut hub, 8).await;
}

#[tokio::test]
async fn a_session_that_ends_says_what_was_stored_and_leaves_the_rest_to_the_next() {
    let (mut session, mut hub) = up().await;
    (1..=4).for_each(|number| assert_eq!(session.send(&message(number)), None));
    let mut under_way = Vec::new();
    for number in 1..=4 {
        under_way.push(telemetry(&mut session, &mut hub, number).await);
    }
    hub.acknowledge(under_way[2]).await;
    drop(hub);
    assert_eq!(stored(&mut session).await, 3);
    let end = heard(&mut session).await;
    assert!(matches!(end, Err(WireFault::Closed(_) | WireFault::Cut(_))), "{end:?}");

    // Only what is sent anew goes out, and as before.
    let (mut session, mut hub) = up().await;
    session.send(&message(2));
    let packet_id = telemetry(&mut session, &mut hub, 2).await;
    hub.acknowledge(packet_id).await;
    assert_eq!(stored(&mut session).await, 2);
    session.send(&HubRequest::GetTwin { rid: 1 });
    assert_eq!(published(&mut session, &mut hub).await.0, "$iothub/twin/GET/?$rid=1");
}

#[tokio::test]
async fn what_waits_when_the_session_is_closed_is_not_sent_after_the_disconnect() {
    let (mut session, mut hub) = up().await;
    session.send(&message(1));
    telemetry(&mut session, &mut hub, 1).await;
    let close = session.close(Duration::from_secs(5));
    let ((), packet) = tokio::join!(close, async {
        let packet = hub.next().await;
        hub.wire.shutdown().await.unwrap();
        packet
    });
    assert_eq!(packet, Packet::Disconnect);
}

#[tokio::test]
async fn an_acknowledgement_that_comes_twice_ends_the_session_by_name_and_stores_nothing_more() {
    let (mut session, mut hub) = up().await;
    (1..=2).for_each(|number| assert_eq!(session.send(&message(number)), None));
    let first = telemetry(&mut session, &mut hub, 1).await;
    telemetry(&mut session, &mut hub, 2).await;
    hub.acknowledge(first).await;
    hub.acknowledge(first).await;
    assert_eq!(stored(&mut session).await, 1);
    let end = heard(&mut session).await;
    assert!(matches!(end, Err(WireFault::Protocol(_))), "{end:?}");
}

#[tokio::test]
async fn whatever_the_id_of_the_device_its_messages_go_out() {
    for (device_id, start) in [
        ("a?b$c%d'(1)=@", "devices/a?b$c%d'(1)=@/messages/events/%24.mid=m1&"),
        ("a+b#c", "devices/a%2Bb%23c/messages/events/%24.mid=m1&"),
    ] {
        let (mut session, mut hub) = up_as(device_id, &settings()).await;
        session.send(&message(1));
        let (topic, _) = published(&mut session, &mut hub).await;
        assert!(topic.starts_with(start), "{topic}");
    }
}
