//! The hub's room: one MQTT session to one hub, kept up for as long as the [`Link`] lives.
//!
//! A *session* is one connection from dial to loss. A *request id* (`$rid`) pairs an answer with its question within
//! one session. The room turns bytes into [`HubEvent`](crate::twin::HubEvent)s and
//! [`HubRequest`](crate::twin::HubRequest)s into bytes, and names every way in which that can fail.
//!
//! ```text
//!   topic, codec ◄── exchange   token   dial   failure    pure: no I/O, no clock
//!                        ▲        ▲      ▲
//!   tls, wire, hop       │        │      │                what carries the bytes
//!         ▲              │        │      │
//!         └────────── session     │      │                one session; alone names the MQTT library
//!                        ▲        │      │
//!                        └────── link ───┘                one session after another, until closed
//! ```
//!
//! Deliberately absent: what a twin means, when to ask for it again (both `twin::Sync`'s), and reading a clock: time
//! comes in through [`Clock`].

use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;
use std::path::PathBuf;
use zeroize::Zeroizing;

pub mod codec;
pub mod dial;
pub mod token;
pub mod topic;

mod exchange;
mod failure;
mod hop;
mod link;
mod session;
#[cfg(test)]
mod session_tests;
mod tls;
mod wire;

pub use failure::{Cause, Failure, Peer, Stage};
pub use link::{Link, LinkEvent, LinkState};
pub use tls::{SetupFault, TlsFault};

/// Where the link's time comes from; `service::clock` reads the real one.
pub trait Clock: Send + Sync {
    /// The time since boot, for every deadline.
    fn boot(&self) -> BootTime;
    /// The wall clock, for the expiry of tokens and certificates.
    fn unix(&self) -> UnixSeconds;
}

/// A secret: never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A device key, already decoded from base64.
    Key(Secret),
    /// A certificate chain and its private key, PEM files.
    Certificate {
        /// PEM, leaf first.
        certificate_file: PathBuf,
        /// PEM.
        private_key_file: PathBuf,
    },
}

/// Where the twin lives and how to get there.
#[derive(Clone, Debug, PartialEq)]
pub struct HubSettings {
    /// The hub's own name, which tokens and the user name carry.
    pub host: String,
    /// The device's id.
    pub device_id: String,
    /// Connect to this name instead.
    pub gateway: Option<String>,
    /// The TCP port.
    pub port: u16,
    /// Who we are.
    pub identity: Identity,
    /// Trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// MQTT keep-alive, 1 s to 1177 s.
    pub keep_alive: Duration,
    /// How long a token lives, at least 10 s.
    pub token_lifetime: Duration,
    /// Announced at connect.
    pub model_id: Option<String>,
}
