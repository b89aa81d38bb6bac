//! The hub's room: one MQTT session to one hub, kept up for as long as the [`Link`] lives.
//!
//! A *session* is one connection from dial to loss. A *request id* (`$rid`) pairs an answer with its question within
//! one session. The room turns bytes into [`HubEvent`](crate::twin::HubEvent)s and
//! [`HubRequest`](crate::twin::HubRequest)s into bytes, and names every way in which that can fail.
//!
//! ```text
//!   topic, codec ◄── exchange    dps    token          dial ─► lives    failure     pure: no I/O, no clock
//!   words           outbox        ▲          ▲          ▲              retry_after
//!   tls, proxy, websocket▲        │          │          │
//!   happy_eyeballs       │        │          │          │                          what carries the bytes
//!      ▲ wire ▲  hop     │        │          │          │  network                 whether there is a way out
//!      │       session   │        │          │          │                          alone names the MQTT library
//!      │          ▲      │        │          │          │
//!      │   twin_session ─┘ provisioning ─► assignment   │                          what is said; what is kept of it
//!      │          ▲               ▲        patience     │                          files on a disk that may hang
//!      └───────── driver ─────► account ────────────────┘                          one session after another
//!                   ▲
//!                  link                                                            the handle to it
//! ```
//!
//! Deliberately absent: what a twin means, when to ask for it again (both `twin::Sync`'s), and reading a clock: time
//! comes in through [`Clock`].

use crate::units::{BootTime, UnixSeconds};
use std::path::PathBuf;
use zeroize::Zeroizing;

pub mod assignment;
pub mod codec;
pub mod dial;
pub mod dps;
pub mod proxy;
pub mod token;
pub mod topic;

mod account;
mod credentials;
mod der;
mod driver;
mod exchange;
mod failure;
mod happy_eyeballs;
mod hop;
mod link;
mod lives;
mod moments;
mod network;
mod outbox;
mod patience;
mod provisioning;
mod retry_after;
mod session;
#[cfg(test)]
mod session_tests;
mod settings;
mod tls;
mod twin_session;
mod websocket;
mod wire;
mod words;

pub use credentials::{Sections, certificates, is_pkcs12, private_key};
pub use dps::{Assignment, ProvisioningFault};
pub use failure::{Cause, Failure, Peer, Stage};
pub use link::{Link, LinkEvent, LinkState, LinkStatus, PastFailure, TokenTimes};
pub use lives::{Advice, Pattern, SHORT};
pub use proxy::ProxyFault;
pub use settings::{Account, HubSettings, Provisioning, Proxy, Source, Transport};
pub use tls::{Rehearsed, SetupFault, TlsFault, rehearse};
pub use token::derive_key;
pub use websocket::WebSocketFault;

/// Where the link's time comes from; `service::clock` reads the real one.
pub trait Clock: Send + Sync {
    /// The time since boot, for every deadline.
    fn boot(&self) -> BootTime;
    /// The wall clock, for the expiry of tokens and certificates.
    fn unix(&self) -> UnixSeconds;
    /// The time that was known at the start, see [`crate::twin::ClockSanity`].
    fn not_before(&self) -> UnixSeconds {
        UnixSeconds(0)
    }
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
