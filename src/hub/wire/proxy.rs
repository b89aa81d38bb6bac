//! Connects through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), after which the proxy only copies bytes.
//!
//! The proxy resolves the hub's name, so this works at sites whose name server knows no outside names. Credentials are sent as
//! Basic (RFC 7617) in clear text, as `http://` implies. An answer is read byte by byte up to its end and no further, because what
//! follows is the hub's. Interim answers (1xx) are skipped. HTTPS and SOCKS proxies are not supported.

use super::peer::{Peer, Stage};
use crate::hub::foreign::shorten;
use crate::hub::{Secret, retry_after};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::time::Duration;
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// In this time the proxy must resolve the name and connect.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// Longer than any sensible answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// More than any of them has.
const HEADERS_MAX: usize = 64;
/// After so many bytes it is clear whether this is an HTTP answer.
const BEGIN_BYTES: usize = 16;

/// An HTTP proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, if it wants them.
    pub credentials: Option<Secret>,
}

impl Proxy {
    /// Where to connect to it.
    pub(in crate::hub) fn peer(&self) -> Peer {
        Peer { name: self.host.clone(), port: self.port }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.credentials.is_some() { "…@" } else { "" };
        write!(f, "http://{secret}{}", self.peer())
    }
}

/// How a proxy failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// Its name has no address.
    Dns(String),
    /// It accepts no connection.
    Tcp(String),
    /// This machine has no route to it.
    Unreachable {
        /// In the system's words, with the addresses.
        reason: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// It did not answer in time.
    Timeout(Stage),
    /// It wants a user and a password (407), and there are none.
    WantsCredentials,
    /// It wants others than those it was given (407).
    WrongCredentials,
    /// It wants to be signed in to (407) in none but these ways.
    WantsScheme(String),
    /// It refused with this HTTP status, and wants to be left alone for so long.
    Status(u16, Duration),
    /// It closed the connection instead of answering.
    Closed,
    /// What answers is no HTTP proxy.
    Garbled(String),
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(reason) => write!(f, "it cannot be found: {reason}; check the name in `proxy`"),
            Self::Tcp(reason) => {
                write!(f, "it accepts no connection: {reason}; check `proxy` and the network")
            }
            Self::Unreachable { reason, .. } => {
                write!(f, "this machine has no route to it: {reason}; check the network and `proxy`")
            }
            Self::Timeout(Stage::Proxy) => f.write_str("it did not answer CONNECT in time"),
            Self::Timeout(stage) => stage.fmt(f),
            Self::WantsCredentials => f.write_str(
                "it wants a user and a password: write them into `proxy`, http://USER:PASSWORD@HOST:PORT",
            ),
            Self::WrongCredentials => {
                f.write_str("it does not accept the user and password: check them in `proxy`")
            }
            Self::WantsScheme(offered) => write!(
                f,
                "it requires authentication by {offered}, and twind supports only Basic: ask those who run it to allow \
                 Basic, or this machine without signing in"
            ),
            Self::Status(status @ (403 | 405), _) => write!(
                f,
                "it forbids the connection (HTTP status {status}): ask those who run it to allow CONNECT to there"
            ),
            Self::Status(429, _) => f.write_str("it is asked too often (HTTP status 429)"),
            Self::Status(status @ (502..=504), _) => {
                write!(f, "it cannot reach the hub itself (HTTP status {status})")
            }
            Self::Status(status, _) => write!(f, "it refused the connection with HTTP status {status}"),
            Self::Closed => f.write_str("it closed the connection instead of answering CONNECT"),
            Self::Garbled(reason) => {
                write!(f, "what answers there is no HTTP proxy: {reason}; check host and port in `proxy`")
            }
        }
    }
}

impl ProxyFault {
    /// Must a person act?
    pub(in crate::hub) fn is_lasting(&self) -> bool {
        match self {
            Self::Status(status, _) => (400..500).contains(status) && *status != 429,
            Self::WantsCredentials | Self::WrongCredentials | Self::WantsScheme(_) | Self::Garbled(_) => true,
            Self::Dns(_) | Self::Tcp(_) | Self::Unreachable { .. } | Self::Timeout(_) | Self::Closed => false,
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
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(request(proxy, peer).as_bytes()).await?;
        stream.flush().await?;
        read_answer(stream, &mut answer).await
    };
    match timeout(limit, exchange).await {
        Ok(Ok(())) => {}
        // The beginning of the answer shows that this is no HTTP proxy.
        Err(_) | Ok(Err(_)) if !answer.is_empty() && parse(&answer).is_err() => {}
        Ok(Err(error)) => return Err(of_io(&error)),
        Err(_) => return Err(ProxyFault::Timeout(Stage::Proxy)),
    }
    judge(&answer, proxy.credentials.is_some())
}

fn of_io(error: &io::Error) -> ProxyFault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ProxyFault::Closed
        }
        _ => ProxyFault::Tcp(error.to_string()),
    }
}

/// Reads up to the end of the final answer, or to where it is clear that there is none.
async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S, answer: &mut Vec<u8>) -> io::Result<()> {
    for count in 1..=ANSWER_BYTES_MAX {
        let byte = stream.read_u8().await?;
        answer.push(byte);
        if byte != b'\n' && count != BEGIN_BYTES {
            continue;
        }
        match parse(answer) {
            Ok(None) => {}
            Ok(Some(Head { status: 100..=199, .. })) => answer.clear(),
            Ok(Some(_)) | Err(NoHttp) => return Ok(()),
        }
    }
    Ok(())
}

/// What an answer to CONNECT means; `signed` if there were credentials in the question.
///
/// # Errors
/// Why there is no connection.
pub fn judge(answer: &[u8], signed: bool) -> Result<(), ProxyFault> {
    match parse(answer) {
        Ok(Some(Head { status: 200..=299, .. })) => Ok(()),
        Ok(Some(Head { status: 407, schemes, .. })) => Err(match schemes {
            Some(schemes) => ProxyFault::WantsScheme(schemes),
            None if signed => ProxyFault::WrongCredentials,
            None => ProxyFault::WantsCredentials,
        }),
        Ok(Some(Head { status, wait, .. })) => Err(ProxyFault::Status(status, wait)),
        Ok(None) => Err(ProxyFault::Garbled("its answer has no end".to_owned())),
        Err(NoHttp) => {
            let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let line = shorten(&String::from_utf8_lossy(line));
            Err(ProxyFault::Garbled(format!("it says {line:?}")))
        }
    }
}

/// What is read of an answer's head.
struct Head {
    status: u16,
    /// `Retry-After`.
    wait: Duration,
    /// The ways of signing in that are offered, if Basic is not among them.
    schemes: Option<String>,
}

/// It is no answer by HTTP.
struct NoHttp;

/// Reads a head; `None` as long as it has no end.
fn parse(answer: &[u8]) -> Result<Option<Head>, NoHttp> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    if response.parse(answer).map_err(|_| NoHttp)?.is_partial() {
        return Ok(None);
    }
    let named = |name: &'static str| {
        let is_it = move |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        response.headers.iter().filter(is_it).map(|header| header.value)
    };
    let status = response.code.filter(|code| *code >= 100).ok_or(NoHttp)?;
    let wait = retry_after::read(named("retry-after").next(), named("date").next());
    Ok(Some(Head { status, wait, schemes: other_schemes(named("proxy-authenticate")) }))
}

/// The first word of each challenge, unless one of them is Basic.
fn other_schemes<'a>(challenges: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let text: Vec<_> = challenges.map(String::from_utf8_lossy).collect();
    let schemes: Vec<_> = text.iter().filter_map(|text| text.split_whitespace().next()).collect();
    // Several challenges may stand in one header, so Basic is looked for everywhere.
    let has_basic =
        text.iter().any(|text| text.split([' ', ',', '\t']).any(|word| word.eq_ignore_ascii_case("basic")));
    (!schemes.is_empty() && !has_basic).then(|| shorten(&schemes.join(", ")))
}

fn request(proxy: &Proxy, peer: &Peer) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!("CONNECT {peer} HTTP/1.1\r\nHost: {peer}\r\n"));
    if let Some(credentials) = &proxy.credentials {
        let encoded = Zeroizing::new(STANDARD.encode(credentials.expose()));
        // Reserved at once, since growing would leave a copy of the secret that is not wiped.
        request.reserve(encoded.len() + 64);
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(of(&plain, "HTTP/1.1 403 No\r\n\r\n").await, ProxyFault::Status(403, Duration::ZERO));
        assert_eq!(of(&plain, "HTTP/1.1 502\r\n\r\n").await, ProxyFault::Status(502, Duration::ZERO));
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

    #[tokio::test]
    async fn interim_answers_and_bare_line_feeds_are_read_as_http_has_them() {
        for answer in [
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nX",
            "HTTP/1.1 102 Wait\r\nA: b\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nX",
            "HTTP/1.1 200 OK\nVia: box\n\nX",
            "HTTP/1.1 100 Continue\n\nHTTP/1.0 200 Connection established\n\nX",
        ] {
            let (outcome, rest) = answered(&proxy(None), answer.as_bytes()).await;
            assert_eq!((outcome, rest.as_slice()), (Ok(()), &b"X"[..]), "{answer:?}");
        }
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        let (outcome, _) = answered(&proxy(None), endless.as_bytes()).await;
        assert!(matches!(outcome, Err(ProxyFault::Garbled(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn whoever_says_something_else_and_waits_is_named_by_what_it_says() {
        for said in ["SSH-2.0-OpenSSH_9.2\r\n", "220 mail.example ESMTP\r\n", "\u{15}\u{3}\u{3}"] {
            let (mut near, mut far) = duplex(64 * 1024);
            far.write_all(said.as_bytes()).await.unwrap();
            let limit = Duration::from_millis(50);
            let outcome = connect_within(limit, &mut near, &proxy(None), &hub()).await;
            let Err(ProxyFault::Garbled(reason)) = outcome else { panic!("{said:?}: {outcome:?}") };
            assert!(reason.contains("it says"), "{reason}");
        }
    }

    #[test]
    fn a_proxy_that_is_busy_says_for_how_long_and_need_not_be_mended() {
        for (answer, wait) in [
            ("HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\n\r\n", 3600),
            ("HTTP/1.1 429 Slow\r\nretry-after: 99999\r\n\r\n", 3600),
            ("HTTP/1.1 429 Slow\r\n\r\n", 0),
        ] {
            let fault = judge(answer.as_bytes(), false).unwrap_err();
            assert!(matches!(fault, ProxyFault::Status(_, named) if named.as_secs() == wait), "{fault:?}");
            assert!(!fault.is_lasting(), "{fault:?}");
        }
    }

    #[test]
    fn ways_of_signing_in_that_are_not_ours_are_named() {
        let of =
            |headers: &str| judge(format!("HTTP/1.1 407 No\r\n{headers}\r\n").as_bytes(), true).unwrap_err();
        let fault = of("Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n");
        assert!(fault.is_lasting() && fault.to_string().contains("by Negotiate, NTLM"), "{fault}");
        assert_eq!(
            of("Proxy-Authenticate: NTLM\r\nproxy-authenticate: basic realm=\"x\"\r\n"),
            ProxyFault::WrongCredentials
        );
        assert_eq!(
            of("Proxy-Authenticate: Digest realm=\"a\", Basic realm=\"b\"\r\n"),
            ProxyFault::WrongCredentials
        );
    }

    #[test]
    fn a_proxy_is_shown_without_its_credentials() {
        let credentials = Some(Secret::new(b"me:hunter2".to_vec()));
        let proxy = Proxy { host: "proxy.local".into(), port: 3128, credentials };
        for shown in [proxy.to_string(), format!("{proxy:?}")] {
            assert_eq!(shown, "http://…@proxy.local:3128");
        }
        let open = Proxy { host: "::1".into(), credentials: None, ..proxy };
        assert_eq!(open.to_string(), "http://[::1]:3128");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(answer: Vec<u8>, signed: bool) {
            let _ = judge(&answer, signed);
            let _ = judge(&[b"HTTP/1.1 ", answer.as_slice(), b"\r\n\r\n"].concat(), signed);
        }
    }
}
