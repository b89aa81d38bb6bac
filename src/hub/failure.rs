//! Why there is no session, by name: each [`Cause`] says what happened and what to do, [`Failure`] also where.
//!
//! Several faults of a hub's client look alike from afar (a blocked port, a wrong clock and a disabled device have all
//! been reported as "not authorized"), so every stage fails under its own name.
//! Deliberately absent: when to try again, which is `dial`'s.

use super::dps::ProvisioningFault;
use super::proxy::ProxyFault;
use super::tls::{SetupFault, TlsFault};
use super::websocket::WebSocketFault;
use crate::units::UnixSeconds;
use core::fmt;
use core::time::Duration;
use std::net::IpAddr;
use std::time::UNIX_EPOCH;
use tracing::Level;

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Host name or address: the gateway's where there is one, else the hub's.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl Peer {
    /// The name as it stands before a port.
    pub(super) fn bare(&self) -> String {
        if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bare(), self.port)
    }
}

/// A step towards a session that takes its time.
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
    /// The answer of the provisioning service.
    Register,
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
            Self::Register => "it did not answer the registration in time",
        })
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name has no address.
    Dns(String),
    /// No address of the name takes a connection.
    Tcp(String),
    /// This machine, or a router near it, has no way to any address of the name.
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
    /// The proxy does not lead there.
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
    /// The provisioning service does not name a hub.
    Provisioning(ProvisioningFault),
    /// The wall clock is before any date that can be true, so a token would be worthless.
    Clock {
        /// What it says.
        at: UnixSeconds,
        /// What it cannot be before.
        floor: UnixSeconds,
    },
    /// The hub refused the CONNECT.
    Refused {
        /// The CONNACK's return code.
        code: u8,
        /// This machine's wall clock when it did.
        at: UnixSeconds,
    },
    /// The hub refused a subscription.
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
    /// Whoever uses the link asked for a new connection.
    Asked(&'static str),
}

/// How soon to try again; see `dial`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The way there is broken, and may be whole again at any moment.
    Cut,
    /// There is no way there, as far as this machine can see.
    Away,
    /// The hub serves, but not us, and not now.
    Busy,
    /// A person must act, or a quota must be renewed.
    Refused,
    /// Something on this machine is awaited; to look costs nothing.
    Local,
}

impl Cause {
    pub(super) fn pace(&self) -> Pace {
        match self {
            Self::Clock { .. } | Self::Setup(SetupFault::Hangs(_)) => Pace::Local,
            Self::Setup(_) | Self::Tls(_) | Self::Subscription(_) | Self::Oversized { .. } => Pace::Refused,
            Self::WebSocket(WebSocketFault::Status(429 | 500.., _)) => Pace::Busy,
            Self::WebSocket(_) => Pace::Refused,
            Self::Unreachable { .. } | Self::Proxy { fault: ProxyFault::Unreachable { .. }, .. } => {
                Pace::Away
            }
            Self::Proxy { fault: ProxyFault::Status(429 | 503, _), .. } => Pace::Busy,
            Self::Proxy { fault, .. } if fault.is_lasting() => Pace::Refused,
            Self::Provisioning(fault) if fault.is_lasting() => Pace::Refused,
            Self::Provisioning(_) => Pace::Busy,
            // 3 is said to a disabled device, and by a hub that is merely busy.
            Self::Refused { code: 3, .. } => Pace::Busy,
            Self::Refused { .. } => Pace::Refused,
            _ => Pace::Cut,
        }
    }

    /// Did the hub end the connection and not say why? A reset is what is seen of it while something is being sent.
    pub(super) fn without_a_word(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Did the hub end it, or stop being there? Then it probably did so to others as well.
    pub(super) fn by_the_hub(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Silent)
    }

    /// How long the other end asks not to be tried again.
    pub(super) fn asks_to_wait(&self) -> Duration {
        match self {
            Self::Provisioning(fault) => fault.asks_to_wait(),
            Self::WebSocket(WebSocketFault::Status(_, wait))
            | Self::Proxy { fault: ProxyFault::Status(_, wait), .. } => *wait,
            _ => Duration::ZERO,
        }
    }

    /// Might it be that this machine has no network? Then these are the addresses to which a way is missing; none if
    /// they are not known.
    pub(super) fn may_be_the_network(&self) -> Option<&[IpAddr]> {
        match self {
            Self::Unreachable { addresses, .. }
            | Self::Proxy { fault: ProxyFault::Unreachable { addresses, .. }, .. } => Some(addresses),
            _ if self.pace() == Pace::Cut => Some(&[]),
            _ => None,
        }
    }

    /// Might a wrong wall clock be behind it? Then a clock that is set is a reason to try at once.
    pub(super) fn may_be_the_clock(&self) -> bool {
        if let Self::Provisioning(fault) = self {
            return fault.is_denial();
        }
        matches!(
            self,
            Self::Clock { .. }
                | Self::Refused { code: 4 | 5, .. }
                | Self::Tls(TlsFault::Expired | TlsFault::NotValidYet)
        )
    }

    /// How loud to be: an error needs a person, a warning says that something is less than it should be, and being
    /// offline is neither.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Setup(_) | Self::Refused { .. } | Self::Subscription(_) => Level::ERROR,
            Self::Proxy { fault, .. } if fault.is_lasting() => Level::ERROR,
            Self::Provisioning(fault) if fault.is_lasting() => Level::ERROR,
            Self::WebSocket(_) | Self::Provisioning(_) => Level::WARN,
            Self::Tls(TlsFault::Alert(_) | TlsFault::Other(_)) => Level::WARN,
            Self::Tls(_) => Level::ERROR,
            Self::Clock { .. } | Self::Oversized { .. } | Self::Protocol(_) | Self::Asked(_) => Level::WARN,
            Self::Dns(_)
            | Self::Tcp(_)
            | Self::Unreachable { .. }
            | Self::Timeout(_)
            | Self::Proxy { .. }
            | Self::Closed(_)
            | Self::Cut(_)
            | Self::Silent => Level::INFO,
        }
    }

    /// The same trouble again? Times and the operating system's words may differ.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused { code: a, .. }, Self::Refused { code: b, .. }) => a == b,
            (Self::Tls(a), Self::Tls(b)) => a == b,
            (Self::Setup(a), Self::Setup(b)) => a == b,
            (Self::Timeout(a), Self::Timeout(b)) => a == b,
            (
                Self::WebSocket(WebSocketFault::Status(a, _)),
                Self::WebSocket(WebSocketFault::Status(b, _)),
            ) => a == b,
            (Self::WebSocket(a), Self::WebSocket(b)) => a == b,
            (Self::Proxy { fault: a, .. }, Self::Proxy { fault: b, .. }) => {
                core::mem::discriminant(a) == core::mem::discriminant(b)
            }
            (Self::Provisioning(a), Self::Provisioning(b)) => {
                core::mem::discriminant(a) == core::mem::discriminant(b)
            }
            _ => core::mem::discriminant(self) == core::mem::discriminant(other),
        }
    }
}

/// A peer as it is reached.
struct There<'a>(&'a Peer, Option<&'a Peer>);

impl fmt::Display for There<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(peer, None) => peer.fmt(f),
            // Whatever is odd may be the proxy's.
            Self(peer, Some(proxy)) => write!(f, "{peer} through the proxy {proxy}"),
        }
    }
}

/// A cause, and where it struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was dialled.
    pub peer: Peer,
    /// The proxy in between.
    pub via: Option<Peer>,
    /// What went wrong.
    pub cause: Cause,
}

impl Failure {
    /// Says it as loud as it deserves, and a repetition quietly.
    pub(super) fn log(&self, host: &str, device: &str, repeated: bool, wait: Duration) {
        let wait = wait.as_secs_f32();
        match self.cause.level() {
            _ if repeated => tracing::debug!(%host, %device, "still: {self}; next attempt in {wait:.1} s"),
            Level::ERROR => tracing::error!(%host, %device, "{self}; next attempt in {wait:.1} s"),
            Level::WARN => tracing::warn!(%host, %device, "{self}; next attempt in {wait:.1} s"),
            _ => tracing::info!(%host, %device, "{self}; next attempt in {wait:.1} s"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, via, cause } = self;
        let there = There(peer, via.as_ref());
        match cause {
            Cause::Dns(reason) => {
                write!(
                    f,
                    "cannot find {}: {reason}; check the network, the name server and the name",
                    peer.name
                )
            }
            Cause::Tcp(reason) => write!(f, "cannot connect to {peer}: {reason}; check network and firewall"),
            Cause::Unreachable { reason, .. } => {
                write!(f, "cannot connect to {peer}: there is no way to it: {reason}; check the network")
            }
            Cause::Timeout(stage) => write!(f, "cannot connect to {there}: {stage}"),
            Cause::Setup(fault) => write!(f, "cannot connect to {peer}: {fault}"),
            Cause::Proxy { proxy, fault } => {
                write!(f, "cannot connect to {peer} through the proxy {proxy}: {fault}")
            }
            Cause::Tls(fault) => write!(f, "no TLS with {there}: {fault}"),
            Cause::WebSocket(fault) => write!(f, "no WebSocket with {there}: {fault}"),
            Cause::Provisioning(fault) => write!(f, "the provisioning service {peer} names no hub: {fault}"),
            Cause::Clock { at, floor } => write!(
                f,
                "not connecting to {peer} yet: the clock says {}, but it is after {}; waiting for it to be set",
                WallTime(*at),
                WallTime(*floor)
            ),
            Cause::Refused { code, at } => refused(f, peer, *code, *at),
            Cause::Subscription(filter) => write!(
                f,
                "{peer} refused the subscription to {filter}: is it an IoT Hub of a tier with device twins?"
            ),
            Cause::Oversized { bytes } => write!(
                f,
                "{peer} sent a packet of {bytes} bytes, more than any twin can have; a smaller one must replace it"
            ),
            Cause::Protocol(reason) => write!(f, "{there} does not keep to MQTT 3.1.1: {reason}"),
            Cause::Closed(reason) | Cause::Cut(reason) => {
                write!(f, "the connection to {there} ended: {reason}")
            }
            Cause::Silent => write!(f, "{there} stopped answering"),
            Cause::Asked(reason) => write!(f, "left {peer} to connect anew: {reason}"),
        }
    }
}

/// The return codes of MQTT 3.1.1, section 3.2.2.3, with what IoT Hub is known to mean by them: 5 for a wrong key, an
/// expired token and an unknown device, 3 for a disabled device and for its own trouble.
fn refused(f: &mut fmt::Formatter<'_>, peer: &Peer, code: u8, at: UnixSeconds) -> fmt::Result {
    match code {
        1 => write!(f, "{peer} does not speak MQTT 3.1.1: check host and port"),
        2 => write!(f, "{peer} refused the device id"),
        3 => write!(
            f,
            "{peer} does not serve this device: it is disabled, or the hub is busy or over its quota"
        ),
        4 | 5 => write!(
            f,
            "{peer} refused the credentials: wrong key or certificate, unknown device, or a clock that is off by more \
             than 5 minutes (this machine says {})",
            WallTime(at)
        ),
        other => write!(f, "{peer} refused the connection with the unknown code {other}"),
    }
}

/// Wall-clock time as a person reads it.
struct WallTime(UnixSeconds);

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter fails beyond the year 9999, which a broken clock reaches.
        const END: u64 = 253_402_300_800;
        let seconds = self.0.0;
        if seconds < END {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).fmt(f)
        } else {
            write!(f, "{seconds} s after 1970")
        }
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
