//! How soon the next message may be sent, by how the hub took those before.

use crate::units::BootTime;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The pause between two messages of the backlog at least.
const BACKLOG_EVERY: Duration = Duration::from_secs(1);
/// The wait after a connection that ended with messages under way. It doubles with each further one …
const HOLD: Duration = Duration::from_secs(10);
/// … up to this.
const HOLD_MAX: Duration = Duration::from_secs(900);

/// See the module.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    /// No message of the backlog is sent before this.
    pub(super) backlog_from: BootTime,
    /// Connections in a row that ended with messages under way.
    lost: u32,
    /// No message at all is sent before this.
    pub(super) send_from: BootTime,
}

impl Pace {
    /// The hub stored a message that was sent at this time.
    pub(super) fn handle_stored(&mut self, now: BootTime, sent: BootTime) {
        self.lost = 0;
        self.backlog_from = self.backlog_from.max(now + now.since(sent).max(BACKLOG_EVERY));
    }

    /// A connection ended with messages under way.
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
