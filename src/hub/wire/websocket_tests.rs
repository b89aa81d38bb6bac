//! The adapter against a server of the same library, over a connection in memory, and against scripted bytes.

#![expect(clippy::result_large_err, reason = "the library's callbacks are of this type")]

use super::*;
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::Role;

const LIMIT: Duration = Duration::from_secs(60);

fn peer() -> Peer {
    Peer { name: "hub.example".into(), port: 443 }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it hangs")
}

/// Both ends of an open WebSocket, and the request that opened it.
async fn pair(path: &str) -> (WebSocket<DuplexStream>, WebSocketStream<DuplexStream>, String) {
    let (near, far) = duplex(4 * 1024 * 1024);
    let mut asked = String::new();
    let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        asked = format!("{} {} {}", request.uri(), header("host"), header("sec-websocket-protocol"));
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
        Ok(response)
    };
    let peer = peer();
    let (near, far) =
        within(async { tokio::join!(open(near, &peer, path), accept_hdr_async(far, agree)) }).await;
    (near.unwrap(), far.unwrap(), asked)
}

/// What comes of an answer to the request that is just these bytes.
async fn refusal(answer: &str) -> io::Error {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(answer.as_bytes()).await.unwrap();
    far.shutdown().await.unwrap();
    within(open(near, &peer(), "/mqtt")).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn the_request_is_for_the_path_that_is_given_and_names_the_hub() {
    for path in ["/$iothub/websocket", "/$iothub/websocket?iothub-no-client-cert=true"] {
        let (_, _, asked) = pair(path).await;
        assert_eq!(asked, format!("{path} hub.example mqtt"));
    }
}

#[tokio::test]
async fn bytes_cross_both_ways_however_they_are_framed() {
    let (mut near, mut far, _) = pair("/mqtt").await;
    near.write_all(b"ping").await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(within(far.next()).await.unwrap().unwrap(), Message::binary(&b"ping"[..]));
    let large = vec![7; PAYLOAD_BYTES_MAX];
    for part in [&b"po"[..], b"", b"ng", &large] {
        far.send(Message::binary(part.to_vec())).await.unwrap();
    }
    let mut seen = vec![0; 4 + large.len()];
    within(near.read_exact(&mut seen)).await.unwrap();
    assert_eq!((&seen[..4], &seen[4..]), (&b"pong"[..], large.as_slice()));
}

#[tokio::test]
async fn a_ping_is_answered_while_we_only_read() {
    let (mut near, mut far, _) = pair("/mqtt").await;
    far.send(Message::Ping(Bytes::from_static(b"x"))).await.unwrap();
    let reading = tokio::spawn(async move { near.read_u8().await });
    assert_eq!(within(far.next()).await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"x")));
    far.send(Message::binary(vec![9])).await.unwrap();
    assert_eq!(within(reading).await.unwrap().unwrap(), 9);
}

#[tokio::test]
async fn a_close_is_an_end_and_so_is_ours() {
    let (mut near, mut far, _) = pair("/mqtt").await;
    far.send(Message::binary(vec![9])).await.unwrap();
    far.close(None).await.unwrap();
    let mut rest = Vec::new();
    within(near.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, [9]);

    let (mut near, mut far, _) = pair("/mqtt").await;
    near.shutdown().await.unwrap();
    assert!(matches!(within(far.next()).await.unwrap().unwrap(), Message::Close(_)));
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_an_end_without_a_reason() {
    let (mut near, far, _) = pair("/mqtt").await;
    drop(far);
    let error = within(near.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(WebSocketFault::in_io(&error), None);
}

#[tokio::test]
async fn text_and_endless_messages_are_faults_of_the_protocol() {
    for (message, fault) in [
        (Message::text("CONNACK"), WebSocketFault::Text),
        (Message::binary(vec![0; MESSAGE_BYTES_MAX + 1]), WebSocketFault::Oversized),
    ] {
        let (mut near, mut far, _) = pair("/mqtt").await;
        let sending = tokio::spawn(async move { far.send(message).await.map(|()| far) });
        let error = within(near.read_u8()).await.unwrap_err();
        assert_eq!(WebSocketFault::in_io(&error), Some(&fault));
        drop(near);
        let _ = within(sending).await;
    }
    let (mut near, far, _) = pair("/mqtt").await;
    let mut raw = far.into_inner();
    // A frame with reserved bits.
    raw.write_all(&[0xf2, 1, 0]).await.unwrap();
    let error = within(near.read_u8()).await.unwrap_err();
    assert!(matches!(WebSocketFault::in_io(&error), Some(WebSocketFault::Broken(_))), "{error:?}");
}

#[tokio::test]
async fn each_refusal_of_the_request_has_its_name() {
    for (status, words) in [
        ("404 Not Found", "check that the name is an IoT Hub's"),
        ("403 Forbidden", "may not allow it"),
        ("302 Found", "sign-in page"),
        ("503 Busy", "HTTP status 503"),
    ] {
        let error = refusal(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
        let fault = WebSocketFault::in_io(&error).unwrap();
        assert!(matches!(fault, WebSocketFault::Status(_, Duration::ZERO)), "{fault:?}");
        assert!(fault.to_string().contains(words), "{fault}");
    }
    let error = refusal("220 mail.example ESMTP\r\n\r\n").await;
    assert!(matches!(WebSocketFault::in_io(&error), Some(WebSocketFault::Handshake(_))), "{error:?}");
    let error = refusal("").await;
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_socket_without_the_subprotocol_is_refused() {
    let (near, far) = duplex(64 * 1024);
    let silent = |_: &Request, response: Response| -> Result<Response, ErrorResponse> { Ok(response) };
    let peer = peer();
    let (near, _) =
        within(async { tokio::join!(open(near, &peer, "/mqtt"), accept_hdr_async(far, silent)) }).await;
    let error = near.map(drop).unwrap_err();
    assert_eq!(WebSocketFault::in_io(&error), Some(&WebSocketFault::Subprotocol));
}

#[tokio::test]
async fn a_refusal_says_for_how_long() {
    for (head, status, seconds) in [
        ("503 Busy\r\nRetry-After: 120", 503, 120),
        ("429 Slow\r\nRetry-After: 86400", 429, 3600),
        (
            "503 Busy\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2026 07:38:00 GMT",
            503,
            600,
        ),
    ] {
        let error = refusal(&format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n")).await;
        let wait = Duration::from_secs(seconds);
        assert_eq!(WebSocketFault::in_io(&error), Some(&WebSocketFault::Status(status, wait)), "{head}");
    }
}

/// A stream whose other end says whatever is asked for and takes nothing.
struct Deaf<S> {
    said: S,
    /// What may still be written.
    room: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Deaf<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.said).poll_read(cx, buffer)
    }
}

impl<S: Unpin> AsyncWrite for Deaf<S> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_peer_that_pings_and_does_not_read_fills_no_memory_and_is_still_heard() {
    // Ten thousand pings of 125 bytes, and then a byte of MQTT.
    let mut said = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(10_000);
    said.extend([0x82, 1, 9]);
    let stream = Deaf { said: io::Cursor::new(said), room: 0 };
    let config = config();
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
    let mut near = WebSocket { socket, received: Bytes::new(), ended: false };
    assert_eq!(within(near.read_u8()).await.unwrap(), 9);
    // What was kept is found by letting it go.
    near.socket.get_mut().room = usize::MAX;
    within(near.flush()).await.unwrap();
    let kept = usize::MAX - near.socket.get_ref().room;
    assert!(kept <= UNSENT_BYTES_MAX + 131, "{kept} bytes");
    assert!(kept >= 131, "not even the latest was answered");
}

#[tokio::test]
async fn what_is_written_while_pings_wait_goes_out_after_them_and_is_no_error() {
    let mut said = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(1000);
    said.extend([0x82, 1, 9]);
    let stream = Deaf { said: io::Cursor::new(said), room: 0 };
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config())).await;
    let mut near = WebSocket { socket, received: Bytes::new(), ended: false };
    within(near.read_u8()).await.unwrap();
    let early = timeout(Duration::from_millis(20), near.write_all(b"packet")).await;
    assert!(early.is_err(), "there was no room: {early:?}");
    near.socket.get_mut().room = usize::MAX;
    within(near.write_all(&[7; 20_000])).await.unwrap();
}
