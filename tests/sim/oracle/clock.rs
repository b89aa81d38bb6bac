//! Independent checks of how the device judges its wall clock.
//!
//! A record holds no time that the clock never showed. A clock that was wrong has no lasting effect: once it is right, it
//! is rejected for a quarter of an hour at most, and never again after the hub accepted a token that was signed by it and
//! the record had the time to be saved.
//!
//! Deliberately absent: the rule itself (twind's `ClockSanity`, which the world runs).

use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use twind::twin::{BUILT, Dated};
use twind::units::{BootTime, UnixSeconds};

/// A clock that nobody corrects is believed after this, which includes the time to the next attempt to connect.
const PATIENCE: Duration = secs(15 * 60 + 10);
/// A record that could not be saved is saved after this.
const SAVE_RETRY: Duration = secs(31);

#[derive(Default)]
pub(crate) struct Clocks {
    /// A process that starts from the present record must believe a clock that is right.
    trusted: bool,
    /// Was the last token that the hub accepted from this process signed by a clock that was right? And when did the hub
    /// first send anything after that?
    taken: Option<(bool, Option<Duration>)>,
    /// Since when a clock that is right is not believed.
    doubted_since: Option<Duration>,
    /// What the device takes for the time, and the latest time by it at a message from the hub.
    dated: Option<Dated>,
    latest: UnixSeconds,
}

impl Clocks {
    pub(crate) fn start(&mut self, known: UnixSeconds, believed: Option<Dated>) -> Result<(), String> {
        (self.taken, self.doubted_since, self.dated) = (None, None, believed);
        if known > self.latest {
            Err("started with a known time that lies in the future".into())
        } else {
            Ok(())
        }
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
            return Err(
                "the right clock is not believed, though the hub accepted a token that was signed by it"
                    .into(),
            );
        }
        let since = *self.doubted_since.get_or_insert(at);
        if at > since + PATIENCE {
            Err(format!("the right clock has not been believed since {since:?}"))
        } else {
            Ok(())
        }
    }

    pub(crate) fn token(wall: UnixSeconds) -> Result<(), String> {
        if wall < BUILT {
            Err(format!("a token is signed at {}, which is before twind was built", wall.0))
        } else {
            Ok(())
        }
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
