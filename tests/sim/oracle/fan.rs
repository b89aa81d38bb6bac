//! A second opinion on fans that tell their turns: when one that stands still may be helped, when it must be, and when a
//! person must have been told.
//!
//! The times are bounds and not the product's own: a fan gets five seconds to start before anything is done, is at full
//! for good after at most two kicks and ten seconds, and five seconds later it is stalled. Deliberately absent: what it
//! is driven to without help (`rank`, `shape`).

use core::time::Duration;
use twind::control::{OutputSpec, PinFault};

const TIME_TO_START: Duration = Duration::from_secs(5);
/// A kick where the output sets none.
const KICK: Duration = Duration::from_secs(1);
/// A step of the engine's comes at its time, but the look may be at another event of the same moment.
const SLACK: Duration = Duration::from_secs(1);

/// What is known of one fan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fan {
    kick: Duration,
    /// The last speed that the device heard; nothing yet, or nobody knows.
    heard: Option<f64>,
    /// Its speed cannot be counted.
    pub(crate) is_mute: bool,
    /// Since when it has been driven and stands still, as far as the device knows.
    still_since: Option<Duration>,
    /// The same, but that it could be driven is certain.
    surely_since: Option<Duration>,
    /// It was at full when that could be help, and has not gone back since.
    is_helped: bool,
    /// A person was told that it is stalled, and it has not turned since.
    is_told: bool,
    /// When it last was at rest since then. So long nobody can know whether it would turn.
    rested_at: Option<Duration>,
}

impl Fan {
    pub(crate) fn new(spec: &OutputSpec) -> Self {
        let kick = spec.kick.unwrap_or(KICK);
        Self { kick, ..Self::default() }
    }

    /// A new process has heard nothing.
    pub(crate) fn restart(&mut self) {
        let kick = self.kick;
        *self = Self { kick, ..Self::default() };
    }

    pub(crate) fn hear(&mut self, speed: &Result<f64, PinFault>) {
        self.is_mute = speed.is_err();
        self.heard = speed.as_ref().ok().copied();
        self.is_told &= !self.turns();
    }

    /// After an event: the drive is so now, and whether it is can be relied upon.
    pub(crate) fn watch(&mut self, now: Duration, drive: u16, is_excused: bool) {
        let stands = self.heard.is_some_and(|rpm| rpm <= 0.0) && drive > 0;
        let since = |since: Option<Duration>, holds: bool| holds.then(|| since.unwrap_or(now));
        self.still_since = since(self.still_since, stands);
        self.surely_since = since(self.surely_since, stands && !is_excused);
        self.is_helped |= drive == 1000 && self.may_be_helped(now);
        if self.is_told && drive == 0 {
            self.rested_at = Some(now);
        }
    }

    /// It is driven to this now. Is that help, or its end?
    pub(crate) fn is_help(&mut self, now: Duration, drive: u16) -> bool {
        let was_helped = core::mem::replace(&mut self.is_helped, false);
        self.is_helped = drive == 1000 && (was_helped || self.may_be_helped(now));
        was_helped || self.is_helped
    }

    /// Something is said of it. Is there a cause?
    pub(crate) fn may_be_told(&mut self, now: Duration) -> bool {
        self.is_told |= self.may_be_helped(now);
        self.is_told || self.is_mute
    }

    pub(crate) fn turns(&self) -> bool {
        self.heard.is_some_and(|rpm| rpm > 0.0)
    }

    fn surely_stands_for(&self, now: Duration, least: Duration) -> bool {
        self.surely_since.is_some_and(|since| now >= since + least)
    }

    /// May it be driven to full instead of what is asked?
    pub(crate) fn may_be_helped(&self, now: Duration) -> bool {
        self.still_since.is_some_and(|since| now >= since + TIME_TO_START)
    }

    /// May it be at full, though less is asked?
    pub(crate) fn may_stay_full(&self, now: Duration) -> bool {
        self.is_helped || self.may_be_helped(now)
    }

    /// Must it be at full?
    pub(crate) fn must_be_full(&self, now: Duration) -> bool {
        self.surely_stands_for(now, 2 * (self.kick + TIME_TO_START) + SLACK)
    }

    /// Was it called stalled, and has it been at rest, so that it could not show that it turns again, until `since` or
    /// later?
    pub(crate) fn rests_stalled(&self, since: Duration) -> bool {
        self.rested_at.is_some_and(|at| at >= since)
    }

    /// Must it have been called stalled?
    pub(crate) fn must_be_stalled(&self, now: Duration) -> bool {
        self.surely_stands_for(now, 2 * self.kick + 3 * TIME_TO_START + SLACK)
    }
}
