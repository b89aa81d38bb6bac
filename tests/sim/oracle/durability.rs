//! Checks of how records are written: writes are rate-limited, a disk fault raises an alarm even at the start, and the
//! alarm ends with the fault.
//!
//! Deliberately absent: what a record holds (`copies`), when it must be acknowledged, and that reports go on without a
//! disk (`traffic`).

use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use twind::report::Notice;

/// The rate limit: this many records at once, and then one a second.
const BURST: u32 = 300;
const EVERY: Duration = secs(1);
/// A record that could not be saved is offered again within this.
const RETRY: Duration = secs(32);

#[derive(Default)]
pub(crate) struct Durability {
    /// How much of the burst is used up, as the time until all of it is available again.
    used: Duration,
    used_at: Duration,
    /// Since when the alarm says that nothing can be saved.
    alarm_since: Option<Duration>,
    /// The disk has not been writable since the process started.
    closed_at_start: bool,
}

impl Durability {
    /// A process that starts has written nothing.
    pub(crate) fn restart(&mut self, now: Duration, disk: &Disk) {
        *self = Self { used_at: now, closed_at_start: disk.full, ..Self::default() };
    }

    pub(crate) fn handle_notice(&mut self, now: Duration, notice: &Notice) {
        match notice {
            Notice::StoreFault { .. } => self.alarm_since = Some(now),
            Notice::StoreMended => self.alarm_since = None,
            _ => {}
        }
    }

    /// The disk begins to write a record.
    pub(crate) fn handle_write(&mut self, now: Duration) -> Result<(), String> {
        self.used = self.used.saturating_sub(now - self.used_at) + EVERY;
        self.used_at = now;
        if self.used > EVERY * BURST {
            return Err(format!("more records than {BURST} at once and one in each {EVERY:?} after it"));
        }
        Ok(())
    }

    /// How long the rate limit may delay a record now.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let used = self.used.saturating_sub(now - self.used_at);
        if used + EVERY * 3 > EVERY * BURST { EVERY } else { Duration::ZERO }
    }

    /// Since when the alarm says that nothing can be saved, so that reports must go on.
    pub(crate) fn alarm_since(&self) -> Option<Duration> {
        self.alarm_since
    }

    pub(crate) fn look(&mut self, now: Duration, disk: &Disk) -> Result<(), String> {
        self.closed_at_start &= disk.full;
        if self.closed_at_start && self.alarm_since.is_none() {
            return Err("the disk has not been writable since the start, and there is no alarm".into());
        }
        let tried = disk.failed_at.unwrap_or_default() + RETRY + disk.patience() * 2 + self.wait(now);
        if self.alarm_since.is_some() && now > tried {
            let state =
                if disk.full { "is not tried again" } else { "can be written, and the alarm has not ended" };
            return Err(format!("the disk that failed at {:?} {state}", disk.failed_at));
        }
        Ok(())
    }
}
