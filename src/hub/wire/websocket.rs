//! MQTT through a WebSocket (RFC 6455), for sites where port 8883 is closed.
//!
//! The subprotocol is `mqtt`. MQTT's packets and the frames need not align (MQTT 3.1.1, section 6). `connect` makes the connection
//! and TLS; the library frames, masks and answers pings. Redirections are not followed.

use super::peer::Peer;
use crate::hub::foreign::shorten;
use crate::hub::{PAYLOAD_BYTES_MAX, retry_after};
use bytes::Bytes;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use futures_util::{Sink, Stream};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

const SUBPROTOCOL: &str = "mqtt";
/// More than the largest packet that we read, which may come in one message.
const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// Twins are small, and this is held for as long as the session lasts.
const BUFFER_BYTES: usize = 8 * 1024;
/// The most bytes that wait for a peer that does not read: what is being written, and answers to pings. If these have no room only
/// the latest is kept, as RFC 6455 (5.5.3) allows.
const UNSENT_BYTES_MAX: usize = 32 * 1024;

/// How a WebSocket failed, other than by the connection below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketFault {
    /// The request was answered with this HTTP status, and the request not to try again for so long.
    Status(u16, Duration),
    /// It opened without agreeing on `mqtt`.
    Subprotocol,
    /// What answers does not speak WebSocket.
    Handshake(String),
    /// A text message, where only bytes can be meant.
    Text,
    /// A message or frame larger than we read.
    Oversized,
    /// Another breach of RFC 6455.
    Broken(String),
}

impl fmt::Display for WebSocketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status @ 300..=399, _) => write!(
                f,
                "it answered the WebSocket request with HTTP status {status}, a redirection: is a sign-in page of the \
                 network in the way?"
            ),
            Self::Status(404, _) => f.write_str(
                "it has no WebSocket at /$iothub/websocket (HTTP status 404): check that the name is an IoT Hub's",
            ),
            Self::Status(status @ (401 | 403 | 407), _) => write!(
                f,
                "it forbade the WebSocket (HTTP status {status}): something between here and there may not allow it"
            ),
            Self::Status(status @ (429 | 503), _) => {
                write!(f, "it is too busy to open a WebSocket (HTTP status {status})")
            }
            Self::Status(status, _) => write!(f, "it answered the WebSocket request with HTTP status {status}"),
            Self::Subprotocol => f.write_str(
                "it opened a WebSocket but did not agree to the subprotocol mqtt: check host and port",
            ),
            Self::Handshake(reason) => {
                write!(f, "what answers there does not speak WebSocket: {reason}; check host and port")
            }
            Self::Text => f.write_str("it sent a text message through the WebSocket, which MQTT never is"),
            Self::Oversized => {
                write!(f, "it sent a WebSocket message of more than {MESSAGE_BYTES_MAX} bytes")
            }
            Self::Broken(reason) => write!(f, "it does not keep to the WebSocket protocol: {reason}"),
        }
    }
}

impl std::error::Error for WebSocketFault {}

impl WebSocketFault {
    /// Finds the fault in what a WebSocket returned.
    pub(super) fn in_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }
}

/// Asks for the WebSocket at this path over an established connection.
pub(super) async fn open<S>(stream: S, peer: &Peer, path: &str) -> io::Result<WebSocket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // HTTP leaves its own port out of the name, and front ends compare.
    let host = if peer.port == 443 { peer.bare() } else { peer.to_string() };
    let odd = |_| WebSocketFault::Handshake(format!("{host:?} cannot stand in a request")).into_io();
    let mut request = format!("wss://{host}{path}").into_client_request().map_err(odd)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    match client_async_with_config(request, stream, Some(config())).await {
        Ok((socket, _)) => Ok(WebSocket { socket, received: Bytes::new(), ended: false }),
        Err(error) => Err(of_handshake(error)),
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

fn of_handshake(error: Error) -> io::Error {
    let fault = match error {
        Error::Io(error) => return error,
        Error::Http(response) => {
            let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
            let wait = retry_after::read(header("retry-after"), header("date"));
            WebSocketFault::Status(response.status().as_u16(), wait)
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        )) => WebSocketFault::Subprotocol,
        Error::Protocol(ProtocolError::HandshakeIncomplete) => return io::ErrorKind::UnexpectedEof.into(),
        other => WebSocketFault::Handshake(shorten(&other.to_string())),
    };
    fault.into_io()
}

fn of_stream(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        // The connection below ended, which the caller explains.
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
            io::ErrorKind::UnexpectedEof.into()
        }
        Error::Capacity(CapacityError::MessageTooLong { .. }) => WebSocketFault::Oversized.into_io(),
        other => WebSocketFault::Broken(shorten(&other.to_string())).into_io(),
    }
}

/// A WebSocket as a stream of bytes.
pub(super) struct WebSocket<S> {
    socket: WebSocketStream<S>,
    /// What of the last message is not read yet.
    received: Bytes,
    /// The other end said that it closes.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.received.is_empty() {
                let count = self.received.len().min(buffer.remaining());
                buffer.put_slice(&self.received.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.received = bytes,
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(WebSocketFault::Text.into_io())),
                Some(Ok(Message::Close(_))) | None => self.ended = true,
                // The library has queued the answer to a ping, and sends it at the next look.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Poll::Ready(Err(of_stream(error))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Flushed first: waiting answers to pings could leave no room, which the library treats as an error.
        ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(of_stream)?;
        let (part, _) = bytes.split_at(bytes.len().min(BUFFER_BYTES));
        let message = Message::Binary(Bytes::copy_from_slice(part));
        Pin::new(&mut self.socket).start_send(message).map_err(of_stream)?;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(of_stream)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An end without a closing handshake is an end, too.
        let _ = ready!(Pin::new(&mut self.socket).poll_close(cx));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
