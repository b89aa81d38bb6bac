//! Telemetry: what was measured and decided, as messages that the hub gets, late if need be.
//!
//! A *sample* of every sensor, climate and output is taken in each interval, and a *record* is made of each; a change of an
//! output's decision or of a climate's regime makes one more. Records wait in a [`batch`] and go out in one message. The end
//! and the beginning of an alarm are messages of their own, at once.
//!
//! A message stays in memory until the hub has stored it. One that the hub has not stored in time goes to the *ring* on the
//! disk and is read from there later ([`queue`]). So a site with a link writes nothing.
//!
//! Deliberately absent: how the ring is written (`store`), and how the hub is reached (`hub`).

mod batch;
mod message;
mod queue;
mod records;
#[cfg(test)]
mod tests;

pub use message::{Message, Unreadable};
pub use queue::Waiting;

use crate::units::{BootId, UnixSeconds};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What is sent, and how much is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelemetrySpec {
    /// Between two samples.
    pub interval: Duration,
    /// A record waits at most this long to be sent.
    pub send_every: Duration,
    /// The bytes of messages that are kept on the disk at most.
    pub keep_bytes: u64,
    /// The begin and the end of each alarm are messages.
    pub alarms: bool,
}

/// A request to the ring of messages on the disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum RingRequest {
    /// Open it. What another identity left there is removed. The outcome is [`RingEvent::Opened`] or [`RingEvent::Failed`].
    Open {
        /// Whose messages these are.
        identity: String,
        /// Its greatest size in bytes.
        keep_bytes: u64,
    },
    /// Make these messages durable, in this order. The outcome is [`RingEvent::Kept`] or [`RingEvent::Failed`].
    Keep(Vec<Message>),
    /// Read the first messages after this number that the hub does not have. The outcome is [`RingEvent::Read`] or
    /// [`RingEvent::Failed`].
    Read {
        /// The number of a message; 0 is before all.
        after: u64,
    },
    /// The hub has this message: it may go. There is no outcome.
    Forget {
        /// Its number.
        number: u64,
    },
}

/// What became of a request to the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RingEvent {
    /// It is open.
    Opened {
        /// What it holds.
        holds: Holds,
        /// When the boots of these messages began, as far as that is known.
        boots: Vec<(BootId, UnixSeconds)>,
        /// The records that were lost: damaged, or of another identity.
        lost: u64,
    },
    /// The messages of a [`RingRequest::Keep`] are durable.
    Kept {
        /// The number of the first one; the others follow without a gap. Numbers start at 1 and never fall.
        first: u64,
        /// What the ring holds now.
        holds: Holds,
        /// The records that gave way.
        dropped: u64,
    },
    /// Messages, each with its number, in the order of their numbers. None: there is none after the number asked for.
    Read {
        /// A few of them.
        messages: Vec<(u64, Message)>,
        /// The records that cannot be read.
        lost: u64,
    },
    /// A request failed. After a failed `Keep` none of its messages is in the ring.
    Failed {
        /// Which one. A `Keep` is tried again by the core, and opens the ring if need be, which [`RingEvent::Opened`] then says first.
        request: RingFailed,
        /// The operation, the file and the system's reason.
        reason: String,
    },
}

/// A kind of request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RingFailed {
    /// [`RingRequest::Open`].
    Open,
    /// [`RingRequest::Keep`].
    Keep,
    /// [`RingRequest::Read`].
    Read,
}

/// What a ring holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Messages.
    pub messages: u64,
    /// Bytes of the disk.
    pub bytes: u64,
}
