//! The way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), after which the proxy only carries bytes.
//!
//! The proxy finds the hub's address, so a site whose name server knows no outside names is served too. Credentials go
//! as Basic (RFC 7617), in clear text: that is what `http://` means. An answer is read byte by byte up to its end and
//! no further, because what follows is the hub's.
//! Deliberately absent: proxies by HTTPS or SOCKS, and other ways of signing in.

use super::failure::{Cause, Peer, Stage};
use super::settings::Proxy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::time::Duration;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// The proxy looks up the name and connects in this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// Longer than any answer that means well.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// How a proxy failed us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// Its name has no address.
    Dns(String),
    /// It takes no connection.
    Tcp(String),
    /// It did not answer in time.
    Timeout(Stage),
    /// It wants a user and a password (407), and there are none.
    WantsCredentials,
    /// It wants others than those it was given (407).
    WrongCredentials,
    /// It refused with this HTTP status.
    Status(u16),
    /// It closed the connection instead of answering.
    Closed,
    /// What answers is no HTTP proxy.
    Garbled(String),
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(reason) => write!(f, "it cannot be found: {reason}; check the name in `proxy`"),
            Self::Tcp(reason) => write!(f, "it takes no connection: {reason}; check `proxy` and the network"),
            Self::Timeout(Stage::Proxy) => f.write_str("it did not answer CONNECT in time"),
            Self::Timeout(stage) => stage.fmt(f),
            Self::WantsCredentials => f.write_str(
                "it wants a user and a password: write them into `proxy`, http://USER:PASSWORD@HOST:PORT",
            ),
            Self::WrongCredentials => {
                f.write_str("it does not accept the user and password: check them in `proxy`")
            }
            Self::Status(status @ (403 | 405)) => write!(
                f,
                "it forbids the connection (HTTP status {status}): ask those who run it to allow CONNECT to there"
            ),
            Self::Status(status @ (502..=504)) => {
                write!(f, "it cannot reach the hub itself (HTTP status {status})")
            }
            Self::Status(status) => write!(f, "it refused the connection with HTTP status {status}"),
            Self::Closed => f.write_str("it closed the connection instead of answering CONNECT"),
            Self::Garbled(reason) => write!(f, "what answers there is no HTTP proxy: {reason}"),
        }
    }
}

impl ProxyFault {
    /// Must a person act?
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::WantsCredentials | Self::WrongCredentials | Self::Status(400..=499) | Self::Garbled(_)
        )
    }

    /// A proxy that cannot be reached is as offline as a hub that cannot be reached.
    pub(super) fn of_the_way(cause: Cause) -> Self {
        match cause {
            Cause::Dns(reason) => Self::Dns(reason),
            Cause::Timeout(stage) => Self::Timeout(stage),
            Cause::Tcp(reason) | Cause::Cut(reason) | Cause::Closed(reason) => Self::Tcp(reason),
            other => Self::Garbled(format!("{other:?}")),
        }
    }
}

/// Asks the proxy at the other end of `stream` for a connection to `peer`.
pub(super) async fn connect<S>(stream: &mut S, proxy: &Proxy, peer: &Peer) -> Result<(), ProxyFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    connect_within(ANSWER_TIMEOUT, stream, proxy, peer).await
}

async fn connect_within<S>(
    limit: Duration,
    stream: &mut S,
    proxy: &Proxy,
    peer: &Peer,
) -> Result<(), ProxyFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                ProxyFault::Closed
            }
            _ => ProxyFault::Tcp(error.to_string()),
        };
        stream.write_all(request(proxy, peer).as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == ANSWER_BYTES_MAX {
                return Err(ProxyFault::Garbled("its answer has no end".to_owned()));
            }
            answer.push(stream.read_u8().await.map_err(broken)?);
        }
        Ok(answer)
    };
    let answer = timeout(limit, exchange).await.unwrap_or(Err(ProxyFault::Timeout(Stage::Proxy)))?;
    judge(&answer, proxy.credentials.is_some())
}

/// What an answer to CONNECT means; `signed` if there were credentials in the question.
///
/// # Errors
/// Why there is no connection.
pub fn judge(answer: &[u8], signed: bool) -> Result<(), ProxyFault> {
    match status(answer) {
        Some(200..=299) => Ok(()),
        Some(407) if signed => Err(ProxyFault::WrongCredentials),
        Some(407) => Err(ProxyFault::WantsCredentials),
        Some(status) => Err(ProxyFault::Status(status)),
        None => {
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let line = super::codec::shorten(&String::from_utf8_lossy(line));
            Err(ProxyFault::Garbled(format!("it says {line:?}")))
        }
    }
}

fn request(proxy: &Proxy, peer: &Peer) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!("CONNECT {peer} HTTP/1.1\r\nHost: {peer}\r\n"));
    if let Some(credentials) = &proxy.credentials {
        let encoded = Zeroizing::new(STANDARD.encode(credentials.expose()));
        // Room for all of it at once: growing would leave a copy behind that nobody wipes.
        request.reserve(encoded.len() + 64);
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// The status of `HTTP/1.1 200 …`.
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    match rest {
        [b'0' | b'1', b' ', a, b, c, b' ' | b'\r', ..] => {
            let digits = [*a, *b, *c];
            core::str::from_utf8(&digits).ok()?.parse().ok().filter(|status| *status >= 100)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Secret;
    use proptest::prelude::*;
    use tokio::io::duplex;

    fn proxy(credentials: Option<&str>) -> Proxy {
        let credentials = credentials.map(|text| Secret::new(text.as_bytes().to_vec()));
        Proxy { host: "proxy.local".into(), port: 3128, credentials }
    }

    fn hub() -> Peer {
        Peer { name: "hub.example".into(), port: 443 }
    }

    /// What becomes of an answer, and what was left for the hub to say.
    async fn answered(proxy: &Proxy, answer: &[u8]) -> (Result<(), ProxyFault>, Vec<u8>) {
        let (mut near, mut far) = duplex(64 * 1024);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let outcome = connect(&mut near, proxy, &hub()).await;
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        (outcome, rest)
    }

    #[tokio::test]
    async fn what_follows_the_answer_is_the_hubs() {
        let (outcome, rest) =
            answered(&proxy(None), b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n\x16\x03").await;
        assert_eq!((outcome, rest.as_slice()), (Ok(()), &b"\x16\x03"[..]));
    }

    #[tokio::test]
    async fn each_refusal_has_its_name() {
        let plain = proxy(None);
        let signed = proxy(Some("me:hunter2"));
        let of = async |proxy: &Proxy, answer: &str| answered(proxy, answer.as_bytes()).await.0.unwrap_err();
        let wanted = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
        assert_eq!(of(&plain, wanted).await, ProxyFault::WantsCredentials);
        assert!(of(&plain, wanted).await.to_string().contains("wants a user and a password"));
        assert_eq!(of(&signed, wanted).await, ProxyFault::WrongCredentials);
        assert_eq!(of(&plain, "HTTP/1.1 403 No\r\n\r\n").await, ProxyFault::Status(403));
        assert_eq!(of(&plain, "HTTP/1.1 502\r\n\r\n").await, ProxyFault::Status(502));
        assert_eq!(of(&plain, "").await, ProxyFault::Closed);
        assert_eq!(of(&plain, "HTTP/1.1 200 OK\r\n").await, ProxyFault::Closed);
        for garbled in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n"] {
            assert!(matches!(of(&plain, garbled).await, ProxyFault::Garbled(_)), "{garbled}");
        }
        let endless = "x".repeat(2 * ANSWER_BYTES_MAX);
        assert!(matches!(of(&plain, &endless).await, ProxyFault::Garbled(_)));
    }

    #[tokio::test]
    async fn a_proxy_that_says_nothing_is_given_up_on() {
        let (mut near, _far) = duplex(1024);
        let outcome = connect_within(Duration::from_millis(1), &mut near, &proxy(None), &hub()).await;
        assert_eq!(outcome, Err(ProxyFault::Timeout(Stage::Proxy)));
        assert!(ProxyFault::Timeout(Stage::Proxy).to_string().contains("did not answer CONNECT in time"));
    }

    #[test]
    fn the_request_names_the_hub_and_signs_in_if_it_can() {
        assert_eq!(
            request(&proxy(None), &hub()).as_str(),
            "CONNECT hub.example:443 HTTP/1.1\r\nHost: hub.example:443\r\n\r\n"
        );
        // The example of RFC 7617.
        let signed = request(&proxy(Some("Aladdin:open sesame")), &hub());
        assert!(signed.contains("Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(answer: Vec<u8>) {
            let read = status(&answer);
            prop_assert!(read.is_none_or(|status| (100..=999).contains(&status)));
        }
    }
}
