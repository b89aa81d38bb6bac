//! The hub's room: keeps an MQTT session to one hub for as long as the [`Link`](link::Link) is held.
//!
//! A *session* is one connection from its start to its loss. The room turns bytes into [`HubEvent`](crate::twin::HubEvent)s and
//! [`HubRequest`](crate::twin::HubRequest)s into bytes, and names every way in which that can fail.
//!
//! ```text
//!    wire      carries bytes to any peer ◄──────────────────────┐
//!                                                               ├── link     one session after another: connects,
//!    azure     what is said to IoT Hub, and what it means ◄─────┘            serves, waits, connects again
//! ```
//!
//! [`wire`] and [`azure`] do not know each other, and neither knows [`link`], which puts them together. What two of them
//! need is here: time, secrets, messages, foreign text, `Retry-After`, and files on a disk that may hang. Time comes in through
//! [`Clock`]. What a twin means and when to fetch it is the core's.

use crate::units::{BootTime, UnixSeconds};
use std::path::PathBuf;
use zeroize::Zeroizing;

pub mod azure;
pub mod foreign;
pub mod link;
pub mod wire;

mod disk;
mod retry_after;

/// The bytes of a payload that is read, at most. A section of 32 KiB by the hub's measure, which counts an emoji once and
/// no punctuation, takes 384 KiB when all of it is escaped, and an answer holds two; the rest is room for a service that
/// raises its limits.
pub const PAYLOAD_BYTES_MAX: usize = 1536 * 1024;

/// A message as MQTT carries it.
#[derive(Debug, PartialEq)]
pub(in crate::hub) struct Message {
    pub(in crate::hub) topic: String,
    pub(in crate::hub) payload: Vec<u8>,
}

/// Where the hub's time comes from; `service::clock` reads the real one.
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
