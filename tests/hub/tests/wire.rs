//! Bytes on the wire, written from the MQTT 3.1.1 specification. Client and hub share a codec, so a fault of both would not
//! show otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use support::{DEVICE, dial, far_expiry, start, token};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use twinhub::{Event, RefuseReason, Running};

async fn stream(hub: &Running) -> TlsStream<TcpStream> {
    dial(hub, hub.mqtt_port()).await.unwrap()
}

/// An MQTT string: two bytes of length, then UTF-8.
fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&length, text.as_bytes()].concat()
}

/// A packet: its first byte, the remaining length (7 bits a byte, lowest first), the rest.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = rest.len();
    loop {
        let digit = u8::try_from(left % 128).unwrap();
        left /= 128;
        bytes.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    [bytes, rest.to_vec()].concat()
}

/// CONNECT with user name and password, keep-alive 60 s.
fn connect(hub: &Running, level: u8, clean_session: bool) -> Vec<u8> {
    let flags = 0xc0 | if clean_session { 0x02 } else { 0 };
    let name = format!("localhost/{DEVICE}/?api-version=2021-04-12");
    let head = [&[0x00, 0x04], b"MQTT".as_slice(), &[level, flags, 0x00, 60]].concat();
    let payload = [string(DEVICE), string(&name), string(&token(hub, DEVICE, far_expiry()))].concat();
    packet(0x10, &[head, payload].concat())
}

async fn expect(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    tokio::time::timeout(support::PATIENCE, stream.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, bytes);
}

async fn expect_end(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    // However the connection ends, nothing may come before the end.
    let _ = tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn connect_subscribe_ping_publish_and_unsubscribe_are_answered_byte_for_byte() {
    let hub = start().await;
    let mut wire = stream(&hub).await;
    wire.write_all(&connect(&hub, 4, false)).await.unwrap();
    expect(&mut wire, &[0x20, 0x02, 0x00, 0x00]).await;

    // SUBSCRIBE, packet id 10: one filter at QoS 1, one at QoS 2, which the hub grants as 1.
    let answers = [string("$iothub/twin/res/#"), vec![0x01]].concat();
    let desired = [string("$iothub/twin/PATCH/properties/desired/#"), vec![0x02]].concat();
    wire.write_all(&packet(0x82, &[vec![0x00, 0x0a], answers, desired].concat())).await.unwrap();
    expect(&mut wire, &[0x90, 0x04, 0x00, 0x0a, 0x01, 0x01]).await;

    wire.write_all(&[0xc0, 0x00]).await.unwrap();
    expect(&mut wire, &[0xd0, 0x00]).await;

    // PUBLISH at QoS 1, packet id 0x0102.
    let get = packet(0x32, &[string("$iothub/twin/GET/?$rid=0"), vec![0x01, 0x02], b" ".to_vec()].concat());
    wire.write_all(&get).await.unwrap();
    expect(&mut wire, &[0x40, 0x02, 0x01, 0x02]).await;
    let body = br#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
    expect(&mut wire, &packet(0x30, &[string("$iothub/twin/res/200/?$rid=0"), body.to_vec()].concat())).await;

    wire.write_all(&packet(0xa2, &[vec![0x00, 0x0b], string("$iothub/twin/res/#")].concat())).await.unwrap();
    expect(&mut wire, &[0xb0, 0x02, 0x00, 0x0b]).await;
    wire.write_all(&[0xe0, 0x00]).await.unwrap();
    expect_end(&mut wire).await;

    let mut wire = stream(&hub).await;
    wire.write_all(&connect(&hub, 4, false)).await.unwrap();
    expect(&mut wire, &[0x20, 0x02, 0x01, 0x00]).await;
}

#[tokio::test]
async fn a_packet_may_come_one_byte_at_a_time_or_several_at_once() {
    let hub = start().await;
    let mut wire = stream(&hub).await;
    for byte in connect(&hub, 4, true) {
        wire.write_all(&[byte]).await.unwrap();
        wire.flush().await.unwrap();
    }
    expect(&mut wire, &[0x20, 0x02, 0x00, 0x00]).await;
    wire.write_all(&[0xc0, 0x00, 0xc0, 0x00, 0xc0, 0x00]).await.unwrap();
    expect(&mut wire, &[0xd0, 0x00, 0xd0, 0x00, 0xd0, 0x00]).await;
}

#[tokio::test]
async fn other_protocol_levels_are_refused_with_code_1() {
    let hub = start().await;
    let mut wire = stream(&hub).await;
    wire.write_all(&connect(&hub, 3, true)).await.unwrap();
    expect(&mut wire, &[0x20, 0x02, 0x00, 0x01]).await;
    expect_end(&mut wire).await;
    support::saw(&hub, |event| *event == Event::Refused { code: 1, reason: RefuseReason::BadProtocol }).await;
}

#[tokio::test]
async fn return_codes_that_do_not_exist_can_be_sent() {
    let hub = start().await;
    hub.faults().refuse_connects(0x2a, twinhub::Times::Next(1));
    let mut wire = stream(&hub).await;
    wire.write_all(&connect(&hub, 4, true)).await.unwrap();
    expect(&mut wire, &[0x20, 0x02, 0x00, 0x2a]).await;
    expect_end(&mut wire).await;
}

#[tokio::test]
async fn whatever_is_no_mqtt_or_comes_before_connect_ends_the_connection() {
    let hub = start().await;
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0xc0, 0x00],
        packet(0x30, &string("devices/MyTwinDevice/messages/events/")),
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        vec![0xf0, 0x00],
    ] {
        let mut wire = stream(&hub).await;
        wire.write_all(&bytes).await.unwrap();
        expect_end(&mut wire).await;
    }
    let mut wire = stream(&hub).await;
    wire.write_all(&connect(&hub, 4, true)).await.unwrap();
    expect(&mut wire, &[0x20, 0x02, 0x00, 0x00]).await;
    // A length beyond the largest message, without its bytes.
    wire.write_all(&[0x30, 0xff, 0xff, 0xff, 0x7f]).await.unwrap();
    expect_end(&mut wire).await;
}
