//! The other end, and the steps to an MQTT session with it.

use core::fmt;

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Host name or address: the gateway's where there is one, else the hub's.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl Peer {
    /// The name as it is written before a port.
    pub(super) fn bare(&self) -> String {
        if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bare(), self.port)
    }
}

/// A step towards a session that has a time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the address.
    Dns,
    /// The TLS handshake.
    Tls,
    /// A proxy's answer.
    Proxy,
    /// The opening of a WebSocket.
    WebSocket,
    /// The answer to CONNECT.
    Connect,
    /// The answer to SUBSCRIBE.
    Subscribe,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the name server did not answer in time",
            Self::Tls => "it accepted the connection, but not the TLS handshake in time",
            Self::Proxy => "its proxy did not answer in time",
            Self::WebSocket => "it accepted TLS, but did not open a WebSocket in time",
            Self::Connect => "it did not answer the MQTT CONNECT in time",
            Self::Subscribe => "it did not answer the MQTT SUBSCRIBE in time",
        })
    }
}
