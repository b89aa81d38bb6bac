//! A second opinion on the wall clock: a time that was never shown is not known, and a clock that was wrong once is
//! forgotten: the right one is doubted for a quarter of an hour at most, and not again once the hub took a token that it
//! dated and the record had the time to tell the next start.
//!
//! Deliberately absent: the rule itself (twind's `ClockSanity`, which the world drives).

use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use twind::twin::{BUILT, Dated};
use twind::units::{BootTime, UnixSeconds};

/// A clock that nobody sets is taken at its word after this, and a look.
const PATIENCE: Duration = secs(15 * 60 + 10);
/// What failed is kept after this.
const SAVE_RETRY: Duration = secs(31);

#[derive(Default)]
pub(crate) struct Clocks {
    /// A start of this record must not doubt the right clock.
    trusted: bool,
    /// Was the last token that was taken in this life dated by the right clock? And when did the hub speak first after
    /// it?
    taken: Option<(bool, Option<Duration>)>,
    /// The right clock is doubted.
    doubted_since: Option<Duration>,
    /// What the device goes by, and the latest time by it at a word.
    dated: Option<Dated>,
    latest: UnixSeconds,
}

impl Clocks {
    pub(crate) fn start(&mut self, known: UnixSeconds, believed: Option<Dated>) -> Result<(), String> {
        (self.taken, self.doubted_since, self.dated) = (None, None, believed);
        if known > self.latest { Err("started with a time that it never was".into()) } else { Ok(()) }
    }

    pub(crate) fn end(&mut self, at: Duration, disk: &Disk) {
        let Some((is_right, heard_at)) = self.taken else { return };
        let failed = disk.failed_at.map_or(Duration::ZERO, |at| at + SAVE_RETRY);
        let durable = |heard: Duration| heard.max(failed) + disk.patience() * 2 + secs(1) < at && !disk.full;
        self.trusted = is_right && heard_at.is_some_and(durable);
    }

    pub(crate) fn doubt(&mut self, at: Duration, is_right: bool) -> Result<(), String> {
        if !is_right {
            return Ok(());
        }
        if self.taken.map_or(self.trusted, |(is_right, _)| is_right) {
            return Err("doubts the right clock, though the hub took a token that it dated".into());
        }
        let since = *self.doubted_since.get_or_insert(at);
        if at > since + PATIENCE { Err(format!("doubts the right clock since {since:?}")) } else { Ok(()) }
    }

    pub(crate) fn token(wall: UnixSeconds) -> Result<(), String> {
        if wall < BUILT { Err(format!("dates a token {}, which cannot be", wall.0)) } else { Ok(()) }
    }

    pub(crate) fn take(&mut self, is_right: bool) {
        self.taken = Some((is_right, None));
        self.doubted_since = None;
    }

    pub(crate) fn date(&mut self, dated: Dated) {
        self.dated = Some(dated);
    }

    pub(crate) fn hear(&mut self, at: Duration, now: BootTime) {
        if let Some((_, heard_at)) = &mut self.taken {
            heard_at.get_or_insert(at);
        }
        let told = self.dated.map(|(wall, read)| UnixSeconds(wall.0 + now.since(read).as_secs()));
        self.latest = self.latest.max(told.unwrap_or_default());
    }
}
