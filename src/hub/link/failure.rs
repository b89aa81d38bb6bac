//! Why there is no session: each [`Cause`] says what happened and what to do, and [`Failure`] also where.
//!
//! Different faults are often reported alike (clients have reported a blocked port, a wrong clock and a disabled device all as
//! "not authorized"), so every stage has a fault of its own. `backoff` decides when to try again.

use crate::hub::azure::{Evidence, ProvisioningFault, Refusal};
use crate::hub::wire::{Peer, ProxyFault, SetupFault, TlsFault, WebSocketFault, WireFault as Wire};
use crate::message_ids as ids;
use crate::text::Span;
use crate::units::UnixSeconds;
use core::fmt;
use core::mem::discriminant;
use core::time::Duration;
use std::net::IpAddr;
use std::time::UNIX_EPOCH;
use tracing::Level;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection to the peer, or the session with it.
    Wire(Wire),
    /// The provisioning service does not name a hub.
    Provisioning(ProvisioningFault),
    /// The provisioning service did not answer in time.
    RegistrationTimeout,
    /// The wall clock is before any date that can be true, so a token would be worthless.
    Clock {
        /// What it says.
        at: UnixSeconds,
        /// What it cannot be before.
        floor: UnixSeconds,
    },
    /// The link's holder asked for a new connection.
    Asked(&'static str),
}

impl From<Wire> for Cause {
    fn from(fault: Wire) -> Self {
        Self::Wire(fault)
    }
}

/// How soon to try again; see `backoff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The connection broke, and may work again at any moment.
    Cut,
    /// There is no route, as far as this machine can see.
    Away,
    /// The hub refuses for now.
    Busy,
    /// A person must act, or a quota must be renewed.
    Refused,
    /// Something on this machine is awaited, and looking costs nothing.
    Local,
}

impl Cause {
    pub(super) fn pace(&self) -> Pace {
        match self {
            Self::Wire(fault) => pace_of(fault),
            Self::Clock { .. } => Pace::Local,
            Self::Provisioning(fault) if fault.is_lasting() => Pace::Refused,
            Self::Provisioning(_) => Pace::Busy,
            Self::RegistrationTimeout | Self::Asked(_) => Pace::Cut,
        }
    }

    /// What it says of whether the device still belongs to this hub.
    pub(super) fn evidence(&self) -> Evidence {
        match self {
            Self::Wire(Wire::Refused { code, .. }) if Refusal::of(*code).is_of_the_device() => {
                Evidence::Disproof
            }
            // A name that cannot be connected to is not worth ten attempts.
            Self::Wire(Wire::Setup(SetupFault::ServerName(_))) => Evidence::Disproof,
            Self::Wire(Wire::Setup(_)) | Self::Provisioning(_) | Self::Clock { .. } | Self::Asked(_) => {
                Evidence::None
            }
            Self::Wire(_) | Self::RegistrationTimeout => Evidence::Absence,
        }
    }

    /// Did the hub end the connection without a reason? While something is being sent that appears as a reset.
    pub(super) fn without_a_word(&self) -> bool {
        matches!(self, Self::Wire(Wire::Closed(_)))
    }

    /// Did the hub end the session, or stop answering? Then it probably did so to other devices as well.
    pub(super) fn by_the_hub(&self) -> bool {
        matches!(self, Self::Wire(Wire::Closed(_) | Wire::Silent))
    }

    /// How long the other end asks not to be tried again.
    pub(super) fn asks_to_wait(&self) -> Duration {
        match self {
            Self::Provisioning(fault) => fault.asks_to_wait(),
            Self::Wire(
                Wire::WebSocket(WebSocketFault::Status(_, wait))
                | Wire::Proxy { fault: ProxyFault::Status(_, wait), .. },
            ) => *wait,
            _ => Duration::ZERO,
        }
    }

    /// Might it be that this machine has no network? Then these are the addresses to which a way is missing; none if
    /// they are not known.
    pub(super) fn may_be_the_network(&self) -> Option<&[IpAddr]> {
        match self {
            Self::Wire(
                Wire::Unreachable { addresses, .. }
                | Wire::Proxy { fault: ProxyFault::Unreachable { addresses, .. }, .. },
            ) => Some(addresses),
            _ if self.pace() == Pace::Cut => Some(&[]),
            _ => None,
        }
    }

    /// Might a wrong wall clock be behind it? Then a clock that is set is a reason to try at once.
    pub(super) fn may_be_the_clock(&self) -> bool {
        match self {
            Self::Provisioning(fault) => fault.is_denial(),
            Self::Wire(Wire::Refused { code, .. }) => Refusal::of(*code) == Refusal::Credentials,
            Self::Wire(Wire::Tls(fault)) => matches!(fault, TlsFault::Expired | TlsFault::NotValidYet),
            Self::Clock { .. } => true,
            Self::Wire(_) | Self::RegistrationTimeout | Self::Asked(_) => false,
        }
    }

    /// The log level: an error needs a person, a warning means that something is degraded, and being offline is neither.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Wire(fault) => level_of(fault),
            Self::Provisioning(fault) if fault.is_lasting() => Level::ERROR,
            Self::Provisioning(_) | Self::Clock { .. } | Self::Asked(_) => Level::WARN,
            Self::RegistrationTimeout => Level::INFO,
        }
    }

    /// Is it the same fault again? Times and the operating system's messages may differ.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wire(a), Self::Wire(b)) => are_alike(a, b),
            (Self::Provisioning(a), Self::Provisioning(b)) => discriminant(a) == discriminant(b),
            _ => discriminant(self) == discriminant(other),
        }
    }
}

fn pace_of(fault: &Wire) -> Pace {
    match fault {
        Wire::Setup(SetupFault::Hangs(_)) => Pace::Local,
        Wire::Setup(_) | Wire::Tls(_) | Wire::Subscription(_) | Wire::Oversized { .. } => Pace::Refused,
        Wire::WebSocket(WebSocketFault::Status(429 | 500.., _)) => Pace::Busy,
        Wire::WebSocket(_) => Pace::Refused,
        Wire::Unreachable { .. } | Wire::Proxy { fault: ProxyFault::Unreachable { .. }, .. } => Pace::Away,
        Wire::Proxy { fault: ProxyFault::Status(429 | 503, _), .. } => Pace::Busy,
        Wire::Proxy { fault, .. } if fault.is_lasting() => Pace::Refused,
        Wire::Refused { code, .. } if Refusal::of(*code) == Refusal::Unserved => Pace::Busy,
        Wire::Refused { .. } => Pace::Refused,
        _ => Pace::Cut,
    }
}

fn level_of(fault: &Wire) -> Level {
    match fault {
        Wire::Setup(_) | Wire::Refused { .. } | Wire::Subscription(_) => Level::ERROR,
        Wire::Proxy { fault, .. } if fault.is_lasting() => Level::ERROR,
        Wire::WebSocket(_) | Wire::Tls(TlsFault::Alert(_) | TlsFault::Other(_)) => Level::WARN,
        Wire::Tls(_) => Level::ERROR,
        Wire::Oversized { .. } | Wire::Protocol(_) => Level::WARN,
        Wire::Dns(_)
        | Wire::Tcp(_)
        | Wire::Unreachable { .. }
        | Wire::Timeout(_)
        | Wire::Proxy { .. }
        | Wire::Closed(_)
        | Wire::Cut(_)
        | Wire::Silent => Level::INFO,
    }
}

fn are_alike(one: &Wire, other: &Wire) -> bool {
    match (one, other) {
        (Wire::Refused { code: a, .. }, Wire::Refused { code: b, .. }) => a == b,
        (Wire::Tls(a), Wire::Tls(b)) => a == b,
        (Wire::Setup(a), Wire::Setup(b)) => a == b,
        (Wire::Timeout(a), Wire::Timeout(b)) => a == b,
        (Wire::WebSocket(WebSocketFault::Status(a, _)), Wire::WebSocket(WebSocketFault::Status(b, _))) => {
            a == b
        }
        (Wire::WebSocket(a), Wire::WebSocket(b)) => a == b,
        (Wire::Proxy { fault: a, .. }, Wire::Proxy { fault: b, .. }) => discriminant(a) == discriminant(b),
        _ => discriminant(one) == discriminant(other),
    }
}

/// A peer as it is reached.
struct There<'a>(&'a Peer, Option<&'a Peer>);

impl fmt::Display for There<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(peer, None) => peer.fmt(f),
            // An odd answer may be the proxy's.
            Self(peer, Some(proxy)) => write!(f, "{peer} through the proxy {proxy}"),
        }
    }
}

/// A cause, and where it occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it connected to.
    pub peer: Peer,
    /// The proxy in between.
    pub via: Option<Peer>,
    /// What went wrong.
    pub cause: Cause,
}

impl Failure {
    /// Logs it at its level, and a repetition at DEBUG.
    pub(super) fn log(&self, host: &str, device: &str, repeated: bool, wait: Duration) {
        let wait = Span::from(wait);
        match self.cause.level() {
            _ if repeated => {
                tracing::debug!(message_id = ids::NOT_CONNECTED, %host, %device, "still: {self}; next attempt in {wait}");
            }
            Level::ERROR => {
                tracing::error!(message_id = ids::NOT_CONNECTED, %host, %device, "{self}; next attempt in {wait}");
            }
            Level::WARN => {
                tracing::warn!(message_id = ids::NOT_CONNECTED, %host, %device, "{self}; next attempt in {wait}");
            }
            _ => {
                tracing::info!(message_id = ids::NOT_CONNECTED, %host, %device, "{self}; next attempt in {wait}");
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, via, cause } = self;
        let there = There(peer, via.as_ref());
        match cause {
            Cause::Wire(fault) => say_wire(f, peer, &there, fault),
            Cause::Provisioning(fault) => write!(f, "the provisioning service {peer} names no hub: {fault}"),
            Cause::RegistrationTimeout => {
                write!(f, "cannot connect to {there}: it did not answer the registration in time")
            }
            Cause::Clock { at, floor } => write!(
                f,
                "not connecting to {peer} yet: the clock says {}, but it is after {}; waiting for it to be set",
                WallTime(*at),
                WallTime(*floor)
            ),
            Cause::Asked(reason) => write!(f, "disconnected from {peer} to connect again: {reason}"),
        }
    }
}

fn say_wire(f: &mut fmt::Formatter<'_>, peer: &Peer, there: &There<'_>, fault: &Wire) -> fmt::Result {
    match fault {
        Wire::Dns(reason) => {
            write!(f, "cannot find {}: {reason}; check the network, the name server and the name", peer.name)
        }
        Wire::Tcp(reason) => write!(f, "cannot connect to {peer}: {reason}; check network and firewall"),
        Wire::Unreachable { reason, .. } => {
            write!(f, "cannot connect to {peer}: there is no route to it: {reason}; check the network")
        }
        Wire::Timeout(stage) => write!(f, "cannot connect to {there}: {stage}"),
        Wire::Setup(fault) => write!(f, "cannot connect to {peer}: {fault}"),
        Wire::Proxy { proxy, fault } => {
            write!(f, "cannot connect to {peer} through the proxy {proxy}: {fault}")
        }
        Wire::Tls(fault) => write!(f, "no TLS connection to {there}: {fault}"),
        Wire::WebSocket(fault) => write!(f, "no WebSocket connection to {there}: {fault}"),
        Wire::Refused { code, at } => Refusal::of(*code).say(f, peer, &WallTime(*at)),
        Wire::Subscription(filter) => write!(
            f,
            "{peer} refused the subscription to {filter}: is it an IoT Hub of a tier with device twins?"
        ),
        Wire::Oversized { bytes } => write!(
            f,
            "{peer} sent a packet of {bytes} bytes, more than any twin can have; a smaller one must replace it"
        ),
        Wire::Protocol(reason) => write!(f, "{there} violates MQTT 3.1.1: {reason}"),
        Wire::Closed(reason) | Wire::Cut(reason) => write!(f, "the connection to {there} ended: {reason}"),
        Wire::Silent => write!(f, "{there} stopped answering"),
    }
}

/// Wall-clock time as a person reads it.
pub(super) struct WallTime(pub(super) UnixSeconds);

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
