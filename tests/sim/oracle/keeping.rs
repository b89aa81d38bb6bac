//! What the disk is asked for and what is said of it: records are rationed, a fault is told from the start and unsaid when
//! it is mended, and without a disk reports go on.
//!
//! Deliberately absent: what a record holds (`copies`), and when it must be acknowledged by (`traffic`).

use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use twind::report::Notice;

/// So many records at once, and then one in each second.
const BURST: u32 = 300;
const EVERY: Duration = secs(1);
/// A record that could not be kept is tried again after this, and a moment.
const RETRY: Duration = secs(32);

#[derive(Default)]
pub(crate) struct Keeping {
    /// How much of the burst is used up, as time that passes until all of it may be again.
    used: Duration,
    used_at: Duration,
    /// Since when a person knows that nothing can be kept.
    alarm_since: Option<Duration>,
    /// The process started on a disk that could not be written.
    closed_at_start: bool,
}

impl Keeping {
    /// Another process, which has written nothing yet.
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

    /// How long a record may wait for its ration now.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let used = self.used.saturating_sub(now - self.used_at);
        if used + EVERY * 3 > EVERY * BURST { EVERY } else { Duration::ZERO }
    }

    /// Since when reports must go on because a person knows that nothing can be kept.
    pub(crate) fn alarm_since(&self) -> Option<Duration> {
        self.alarm_since
    }

    pub(crate) fn look(&mut self, now: Duration, disk: &Disk) -> Result<(), String> {
        self.closed_at_start &= disk.full;
        if self.closed_at_start && self.alarm_since.is_none() {
            return Err("the disk cannot be written since the start, and nobody is told".into());
        }
        let tried = disk.failed_at.unwrap_or_default() + RETRY + disk.patience() * 2 + self.wait(now);
        if self.alarm_since.is_some() && now > tried {
            let state = if disk.full { "is not tried again" } else { "can be written, and nobody is told" };
            return Err(format!("the disk that failed at {:?} {state}", disk.failed_at));
        }
        Ok(())
    }
}
