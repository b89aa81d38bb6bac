//! Connects to the hub: name, address, TCP or proxy, TLS, WebSocket, each with a time-out and a fault of its own. The addresses of a
//! name are tried in parallel, see `happy_eyeballs`.

use super::der::Certificate;
use super::fault::WireFault;
use super::happy_eyeballs;
use super::peer::{Peer, Stage};
use super::proxy::{self, Proxy};
use super::setup::SetupFault;
use super::websocket;
use crate::units::UnixSeconds;
use core::time::Duration;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const DNS_TIMEOUT: Duration = Duration::from_secs(15);
const TLS_TIMEOUT: Duration = Duration::from_secs(30);
const WEBSOCKET_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection ends if sent bytes are not acknowledged for this long. By default the kernel retries for a quarter of an hour, in
/// which a dead link looks alive.
const UNACKNOWLEDGED_MAX_MS: u32 = 30_000;

/// A connection that carries MQTT.
pub(in crate::hub) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// What carries MQTT over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP, as a rule on port 8883.
    #[default]
    Mqtt,
    /// WebSocket, as a rule on port 443, where 8883 is closed.
    WebSocket,
}

impl Transport {
    /// The port that IoT Hub and the provisioning service listen on ("Use MQTT to communicate with IoT Hub").
    pub fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 8883,
            Self::WebSocket => 443,
        }
    }
}

/// What to connect to, and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Route<'a> {
    pub(in crate::hub) peer: &'a Peer,
    pub(in crate::hub) transport: Transport,
    pub(in crate::hub) proxy: Option<&'a Proxy>,
    /// The path of the peer's WebSocket.
    pub(in crate::hub) websocket_path: &'a str,
}

/// A step that was passed. With a proxy, name and address are the proxy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Passed {
    /// The name has these addresses.
    Found(Vec<IpAddr>),
    /// This one took the connection.
    Reached(IpAddr),
    /// The proxy connected to the peer.
    Proxied,
    /// The peer's certificate is trusted.
    Secured {
        /// As the library names it, such as `TLSv1_3`.
        version: Option<ProtocolVersion>,
        /// The certificate is valid until then.
        not_after: Option<UnixSeconds>,
    },
    /// The WebSocket is open.
    Opened,
}

/// Connects to a peer, and calls `passed` after each step.
pub(in crate::hub) async fn connect(
    route: Route<'_>,
    config: ClientConfig,
    passed: &mut (dyn FnMut(Passed) + Send),
) -> Result<Box<dyn Carrier>, WireFault> {
    let Route { peer, transport, proxy, websocket_path } = route;
    let name = ServerName::try_from(peer.name.clone())
        .map_err(|_| WireFault::Setup(SetupFault::ServerName(peer.name.clone())))?;
    let tcp = match proxy {
        None => reach(peer, passed).await?,
        Some(proxy) => through(proxy, peer, passed).await?,
    };
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    let tls = match timeout(TLS_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(WireFault::of_io(&error, "it closed the connection during the TLS handshake"));
        }
        Err(_) => return Err(WireFault::Timeout(Stage::Tls)),
    };
    let (_, secured) = tls.get_ref();
    let own = secured.peer_certificates().and_then(|chain| Certificate::read(chain.first()?));
    passed(Passed::Secured {
        version: secured.protocol_version(),
        not_after: own.map(|certificate| certificate.not_after),
    });
    if transport == Transport::Mqtt {
        return Ok(Box::new(tls));
    }
    match timeout(WEBSOCKET_TIMEOUT, websocket::open(tls, peer, websocket_path)).await {
        Ok(Ok(socket)) => {
            passed(Passed::Opened);
            Ok(Box::new(socket))
        }
        Ok(Err(error)) => {
            Err(WireFault::of_io(&error, "it closed the connection instead of opening a WebSocket"))
        }
        Err(_) => Err(WireFault::Timeout(Stage::WebSocket)),
    }
}

/// A direct TCP connection.
async fn reach(peer: &Peer, passed: &mut (dyn FnMut(Passed) + Send)) -> Result<TcpStream, WireFault> {
    let addresses = resolve(peer).await?;
    passed(Passed::Found(addresses.iter().map(SocketAddr::ip).collect()));
    let tcp = happy_eyeballs::connect(&happy_eyeballs::in_turn(&addresses), TcpStream::connect).await?;
    tune(&tcp);
    if let Ok(address) = tcp.peer_addr() {
        passed(Passed::Reached(address.ip()));
    }
    Ok(tcp)
}

/// A TCP connection through a proxy.
async fn through(
    proxy: &Proxy,
    peer: &Peer,
    passed: &mut (dyn FnMut(Passed) + Send),
) -> Result<TcpStream, WireFault> {
    let at = proxy.peer();
    let reached = reach(&at, passed).await.map_err(WireFault::of_proxy);
    let connected = match reached {
        Ok(mut tcp) => proxy::connect(&mut tcp, proxy, peer).await.map(|()| tcp),
        Err(fault) => Err(fault),
    };
    let tcp = connected.map_err(|fault| WireFault::Proxy { proxy: at, fault })?;
    passed(Passed::Proxied);
    Ok(tcp)
}

async fn resolve(peer: &Peer) -> Result<Vec<SocketAddr>, WireFault> {
    let found = timeout(DNS_TIMEOUT, lookup_host((peer.name.as_str(), peer.port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(WireFault::Dns(error.to_string())),
        Err(_) => return Err(WireFault::Timeout(Stage::Dns)),
    };
    if addresses.is_empty() { Err(WireFault::Dns("it has no address".to_owned())) } else { Ok(addresses) }
}

/// Sets socket options. The connection works without them, so a refusal is only logged.
fn tune(tcp: &TcpStream) {
    let tuned = tcp.set_nodelay(true).and_then(|()| {
        rustix::net::sockopt::set_tcp_user_timeout(tcp, UNACKNOWLEDGED_MAX_MS).map_err(io::Error::from)
    });
    if let Err(error) = tuned {
        tracing::debug!(%error, "socket options not set");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::TlsFault;
    use super::super::tls::tests::trusting_nobody;
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    fn peer(name: &str, port: u16) -> Peer {
        Peer { name: name.into(), port }
    }

    async fn refusal(peer: &Peer) -> WireFault {
        let route = Route { peer, transport: Transport::Mqtt, proxy: None, websocket_path: "/" };
        connect(route, trusting_nobody(), &mut |_| {}).await.map(|_| ()).unwrap_err()
    }

    #[tokio::test]
    async fn a_closed_port_fails_as_tcp_and_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let cause = refusal(&peer("127.0.0.1", port)).await;
        assert!(matches!(&cause, WireFault::Tcp(reason) if reason.contains("127.0.0.1")), "{cause:?}");
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_fails_as_dns() {
        // RFC 6761: nothing below `invalid` ever resolves.
        let cause = refusal(&peer("nowhere.invalid", 8883)).await;
        assert!(matches!(cause, WireFault::Dns(_) | WireFault::Timeout(Stage::Dns)), "{cause:?}");
    }

    #[tokio::test]
    async fn what_is_no_name_fails_before_anything_is_sent() {
        let cause = refusal(&peer("not a name", 8883)).await;
        assert!(matches!(cause, WireFault::Setup(SetupFault::ServerName(_))), "{cause:?}");
    }

    #[tokio::test]
    async fn a_peer_in_clear_text_is_named_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let peer = peer("127.0.0.1", port);
        let (cause, _stream) = tokio::join!(refusal(&peer), server);
        assert_eq!(cause, WireFault::Tls(TlsFault::NotTls));
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_on_the_handshake_is_a_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async { drop(listener.accept().await.unwrap()) };
        let peer = peer("127.0.0.1", port);
        let (cause, ()) = tokio::join!(refusal(&peer), server);
        assert!(matches!(cause, WireFault::Closed(_)), "{cause:?}");
    }
}
