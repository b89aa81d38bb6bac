//! MQTT over WebSocket, for networks that block port 8883: `wss://{host}/$iothub/websocket`, subprotocol `mqtt`.
//!
//! The server half of RFC 6455 as far as devices need it: binary messages both ways, in any fragments, ping and close.
//! Deliberately absent: text messages and extensions.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, BufMut, BytesMut};
use ring::digest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// The GUID that RFC 6455 appends to the client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The subprotocol that devices offer.
pub(crate) const SUBPROTOCOL: &str = "mqtt";
/// Largest frame accepted; a packet may span several.
const MAX_FRAME_BYTES: u64 = 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;

/// The value of `Sec-WebSocket-Accept` for this `Sec-WebSocket-Key`.
pub(crate) fn accept_key(key: &str) -> String {
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

/// One frame from a client, unmasked.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    opcode: u8,
    payload: BytesMut,
}

/// The client broke RFC 6455.
#[derive(Debug, PartialEq, Eq)]
struct Broken;

/// Takes the next frame off the front of `buffer`, if it is complete.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, Broken> {
    let [first, second, ..] = buffer[..] else { return Ok(None) };
    let (opcode, masked) = (first & 0x0f, second & 0x80 != 0);
    // Clients must mask, and no extension gives the reserved bits a meaning.
    if !masked || first & 0x70 != 0 {
        return Err(Broken);
    }
    let (length, head) = match second & 0x7f {
        126 => match buffer.get(2..4) {
            Some(bytes) => ((&bytes[..]).get_u16().into(), 4),
            None => return Ok(None),
        },
        127 => match buffer.get(2..10) {
            Some(bytes) => ((&bytes[..]).get_u64(), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > MAX_FRAME_BYTES {
        return Err(Broken);
    }
    let length = usize::try_from(length).map_err(|_| Broken)?;
    if buffer.len() < head + 4 + length {
        return Ok(None);
    }
    buffer.advance(head);
    let mask = buffer.split_to(4);
    let mut payload = buffer.split_to(length);
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok(Some(Frame { opcode, payload }))
}

/// A frame with a whole message from the server.
fn frame(opcode: u8, payload: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(payload.len() + 10);
    bytes.put_u8(FINAL | opcode);
    match payload.len() {
        short @ 0..=125 => bytes.put_u8(u8::try_from(short).unwrap_or_default()),
        medium => match u16::try_from(medium) {
            Ok(medium) => {
                bytes.put_u8(126);
                bytes.put_u16(medium);
            }
            Err(_) => {
                bytes.put_u8(127);
                bytes.put_u64(medium as u64);
            }
        },
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// Carries bytes between a WebSocket and `inner` until either ends.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, mut inner: DuplexStream) {
    let mut received = BytesMut::new();
    let mut outgoing = vec![0; CHUNK_BYTES];
    loop {
        tokio::select! {
            read = socket.read_buf(&mut received) => {
                if !matches!(read, Ok(1..)) || !take_all(&mut received, &mut socket, &mut inner).await {
                    return;
                }
            }
            read = inner.read(&mut outgoing) => match read {
                Ok(count @ 1..) => {
                    if socket.write_all(&frame(BINARY, &outgoing[..count])).await.is_err() {
                        return;
                    }
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
                _ => {
                    // The hub has ended the connection; the peer may be gone already.
                    let _ = socket.write_all(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
                    let _ = socket.shutdown().await;
                    return;
                }
            }
        }
    }
}

/// Handles all complete frames received; false at the end of the connection.
async fn take_all<S: AsyncWrite + Unpin>(
    received: &mut BytesMut,
    socket: &mut S,
    inner: &mut DuplexStream,
) -> bool {
    loop {
        let done = match take_frame(received) {
            Ok(None) => return true,
            Ok(Some(Frame { opcode: BINARY | CONTINUATION, payload })) => inner.write_all(&payload).await,
            Ok(Some(Frame { opcode: PING, payload })) => socket.write_all(&frame(PONG, &payload)).await,
            Ok(Some(Frame { opcode: PONG, .. })) => Ok(()),
            Ok(Some(Frame { opcode: CLOSE, payload })) => {
                let _ = socket.write_all(&frame(CLOSE, &payload)).await;
                return false;
            }
            Ok(Some(_)) | Err(Broken) => return false,
        };
        if done.is_err() || socket.flush().await.is_err() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_gets_the_answer_of_the_rfc() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_masked_hello_of_the_rfc_is_read_however_it_is_cut() {
        let whole = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(take_frame(&mut buffer), Ok(None), "{cut}");
            buffer.extend_from_slice(&whole[cut..]);
            buffer.extend_from_slice(&[0x89]);
            let frame = take_frame(&mut buffer).unwrap().unwrap();
            assert_eq!((frame.opcode, &frame.payload[..]), (BINARY, &b"Hello"[..]));
            assert_eq!(&buffer[..], [0x89]);
        }
    }

    #[test]
    fn unmasked_reserved_and_huge_frames_are_broken() {
        for bytes in [
            vec![0x82, 0x05, b'H', b'e', b'l', b'l', b'o'],
            vec![0xc2, 0x80, 0, 0, 0, 0],
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0],
        ] {
            assert_eq!(take_frame(&mut BytesMut::from(&bytes[..])), Err(Broken), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_written_in_one_three_or_nine_bytes() {
        assert_eq!(frame(BINARY, &[7; 125])[..3], [0x82, 125, 7]);
        assert_eq!(frame(BINARY, &[7; 126])[..5], [0x82, 126, 0, 126, 7]);
        assert_eq!(frame(BINARY, &[7; 65_536])[..11], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0, 7]);
    }
}
