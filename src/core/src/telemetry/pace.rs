//! What the queue knows of the ring, and when it may send.

use super::Holds;
use crate::units::{BootId, BootTime, UnixSeconds};
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The pause between two messages of the backlog at least.
const BACKLOG_EVERY: Duration = Duration::from_secs(1);
/// The wait after a connection that ended with messages under way. It doubles with each further one …
const HOLD: Duration = Duration::from_secs(10);
/// … up to this.
const HOLD_MAX: Duration = Duration::from_secs(900);

/// The ring, as it is read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ring {
    pub(super) holds: Holds,
    pub(super) boots: Vec<(BootId, UnixSeconds)>,
    /// A `Read` is under way.
    pub(super) reads: bool,
    /// What it reads is of no use any more: reading begins anew.
    pub(super) is_stale: bool,
    /// What was forgotten meanwhile: it may still be among what is read.
    pub(super) forgotten: Vec<u64>,
    /// The number of the last message read.
    pub(super) read_to: u64,
    /// There is nothing after it.
    pub(super) is_exhausted: bool,
    /// Something gave way that may have been under way, so that it holds more than the messages that are counted.
    pub(super) is_unsure: bool,
}

/// From when on messages are sent, and those of the backlog.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    pub(super) backlog_from: BootTime,
    /// Connections in a row that ended with messages under way.
    pub(super) lost: u32,
    pub(super) send_from: BootTime,
}

impl Pace {
    pub(super) fn handle_stored(&mut self, now: BootTime, sent: BootTime) {
        self.lost = 0;
        self.backlog_from = self.backlog_from.max(now + now.since(sent).max(BACKLOG_EVERY));
    }

    pub(super) fn handle_lost(&mut self, now: BootTime) {
        // One connection that ends means nothing: links do.
        let hold = if self.lost == 0 {
            Duration::ZERO
        } else {
            HOLD * 2_u32.saturating_pow((self.lost - 1).min(16))
        };
        self.send_from = now + hold.min(HOLD_MAX);
        self.lost = self.lost.saturating_add(1);
    }
}

impl Ring {
    /// A `Read` has ended.
    pub(super) fn handle_read(&mut self) {
        (self.reads, self.is_stale) = (false, false);
        self.forgotten.clear();
    }

    pub(super) fn booted(&self, boot: Option<BootId>) -> Option<UnixSeconds> {
        let boot = boot?;
        self.boots.iter().find(|(other, _)| *other == boot).map(|(_, booted)| *booted)
    }
}
