//! The faults of a connection to a peer and of an MQTT session over it. `link` decides what follows from them and writes the
//! messages.

use super::peer::{Peer, Stage};
use super::proxy::ProxyFault;
use super::setup::SetupFault;
use super::tls::TlsFault;
use super::websocket::WebSocketFault;
use crate::units::UnixSeconds;
use std::io;
use std::net::IpAddr;

/// Why there is no MQTT session with a peer, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// The name has no address.
    Dns(String),
    /// No address of the name takes a connection.
    Tcp(String),
    /// This machine, or a router near it, has no route to any address of the name.
    Unreachable {
        /// In the system's words, with the addresses.
        reason: String,
        /// Those addresses.
        addresses: Vec<IpAddr>,
    },
    /// A step took too long.
    Timeout(Stage),
    /// This machine lacks what a connection needs.
    Setup(SetupFault),
    /// The proxy does not connect there.
    Proxy {
        /// The proxy.
        proxy: Peer,
        /// What went wrong with it.
        fault: ProxyFault,
    },
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The WebSocket did not open, or broke its rules.
    WebSocket(WebSocketFault),
    /// The other end refused the CONNECT.
    Refused {
        /// The CONNACK's return code.
        code: u8,
        /// This machine's wall clock when it did.
        at: UnixSeconds,
    },
    /// The other end refused a subscription.
    Subscription(&'static str),
    /// A packet larger than we read.
    Oversized {
        /// Its size.
        bytes: usize,
    },
    /// The other end broke the rules of MQTT.
    Protocol(String),
    /// The other end closed the connection.
    Closed(String),
    /// The connection broke on its way.
    Cut(String),
    /// A ping was not answered within the keep-alive.
    Silent,
}

impl WireFault {
    /// What an error on an established connection means. `closed` describes an end without a reason.
    pub(super) fn of_io(error: &io::Error, closed: &str) -> Self {
        if let Some(fault) = WebSocketFault::in_io(error) {
            return Self::WebSocket(fault.clone());
        }
        match TlsFault::in_io(error) {
            Some(fault) => Self::Tls(fault),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Closed(closed.to_owned()),
                // What an end looks like while something is being sent.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    Self::Closed(format!("{closed} ({error})"))
                }
                _ => Self::Cut(error.to_string()),
            },
        }
    }

    /// The same for the connection to a proxy.
    pub(super) fn of_proxy(self) -> ProxyFault {
        match self {
            Self::Dns(reason) => ProxyFault::Dns(reason),
            Self::Timeout(stage) => ProxyFault::Timeout(stage),
            Self::Unreachable { reason, addresses } => ProxyFault::Unreachable { reason, addresses },
            Self::Tcp(reason) | Self::Cut(reason) | Self::Closed(reason) => ProxyFault::Tcp(reason),
            _ => ProxyFault::Closed,
        }
    }
}
