//! MQTT over WebSocket: the same device over the other port.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use support::{DEVICE, PATIENCE, dial, dial_as, far_expiry, saw, start, token};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use twinhub::{CloseReason, Event, Running};

/// A frame as clients send them: masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// CONNECT with a remaining length of two bytes.
fn connect(hub: &Running) -> Vec<u8> {
    packet(0xc0, &string(&token(hub, DEVICE, far_expiry())))
}

fn packet(flags: u8, password: &[u8]) -> Vec<u8> {
    // The name is padded so that the length takes two bytes even without a password.
    let name = format!("localhost/{DEVICE}/?api-version=2021-04-12&DeviceClientType={}", "x".repeat(60));
    let payload = [string(DEVICE), string(&name), password.to_vec()].concat();
    let rest = [b"\x00\x04MQTT\x04".to_vec(), vec![flags, 0, 60], payload].concat();
    let (low, high) = (rest.len() % 128, rest.len() / 128);
    let head = vec![0x10, u8::try_from(low).unwrap() | 0x80, u8::try_from(high).unwrap()];
    [head, rest].concat()
}

async fn ask(hub: &Running, headers: &str) -> (String, TlsStream<TcpStream>) {
    ask_on(dial(hub, hub.https_port()).await.unwrap(), "", headers).await
}

async fn ask_on(
    mut stream: TlsStream<TcpStream>,
    query: &str,
    headers: &str,
) -> (String, TlsStream<TcpStream>) {
    let request = format!("GET /$iothub/websocket{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    (head, stream)
}

const GOOD: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n";

async fn expect(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, bytes);
}

async fn open(hub: &Running) -> TlsStream<TcpStream> {
    let (head, mut stream) = ask(hub, GOOD).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(&masked(0x82, &connect(hub))).await.unwrap();
    expect(&mut stream, &[0x82, 0x04, 0x20, 0x02, 0x00, 0x00]).await;
    stream
}

#[tokio::test]
async fn a_device_connects_pings_and_is_ended_over_a_websocket() {
    let hub = start().await;
    let (head, mut stream) = ask(&hub, GOOD).await;
    let head = head.to_ascii_lowercase();
    for line in [
        "http/1.1 101",
        "upgrade: websocket",
        "sec-websocket-protocol: mqtt",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
    ] {
        assert!(head.contains(line), "{head} lacks {line}");
    }
    // CONNECT in two fragments with a WebSocket ping between them.
    let bytes = connect(&hub);
    let (front, back) = bytes.split_at(7);
    stream.write_all(&masked(0x02, front)).await.unwrap();
    stream.write_all(&masked(0x89, b"hi")).await.unwrap();
    expect(&mut stream, &[0x8a, 0x02, b'h', b'i']).await;
    stream.write_all(&masked(0x80, back)).await.unwrap();
    expect(&mut stream, &[0x82, 0x04, 0x20, 0x02, 0x00, 0x00]).await;
    stream.write_all(&masked(0x82, &[0xc0, 0x00])).await.unwrap();
    expect(&mut stream, &[0x82, 0x02, 0xd0, 0x00]).await;
    assert!(hub.kick(DEVICE));
    expect(&mut stream, &[0x88, 0x02, 0x03, 0xe8]).await;
}

#[tokio::test]
async fn a_certificate_signs_in_over_a_websocket_unless_the_query_declines_to_show_one() {
    let hub = start().await;
    let client = twinhub::pki::self_signed_client("device").unwrap();
    hub.delete_device(DEVICE).unwrap();
    hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
    for (identity, query, code) in [
        (Some(&client), "", 0),
        (Some(&client), "?iothub-no-client-cert=true", 5),
        (None, "", 5),
        (Some(&twinhub::pki::self_signed_client("device").unwrap()), "", 5),
    ] {
        let stream = dial_as(&hub, hub.https_port(), identity).await.unwrap();
        let (head, mut stream) = ask_on(stream, query, GOOD).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream.write_all(&masked(0x82, &packet(0x80, &[]))).await.unwrap();
        expect(&mut stream, &[0x82, 0x04, 0x20, 0x02, 0x00, code]).await;
    }
}

#[tokio::test]
async fn a_websocket_that_is_closed_takes_its_device_along() {
    let hub = start().await;
    let mut stream = open(&hub).await;
    stream.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    expect(&mut stream, &[0x88, 0x02, 0x03, 0xe8]).await;
    saw(&hub, |event| *event == Event::Disconnected { reason: CloseReason::ConnectionLost }).await;
}

#[tokio::test]
async fn a_hub_that_stops_listening_ends_devices_behind_websockets_too() {
    let hub = start().await;
    let mut stream = open(&hub).await;
    hub.stop_listening().await;
    assert!(!hub.is_connected(DEVICE));
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xe8]);
}

#[tokio::test]
async fn requests_that_are_no_proper_websocket_are_turned_down() {
    let hub = start().await;
    for missing in [
        "Upgrade: WebSocket\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: mqtt\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        let (head, _) = ask(&hub, &GOOD.replace(missing, "")).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head} without {missing}");
    }
}
