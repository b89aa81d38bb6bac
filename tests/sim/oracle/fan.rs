//! Independent checks of fans with a tachometer: when a fan that stands still may be driven to full, when it must be, and
//! when it must be called stalled.
//!
//! The times are bounds, not the product's constants: nothing is done in the first five seconds, after two kicks and ten
//! seconds at most the fan stays at full, and five seconds later it is called stalled. *Help* is full drive instead of
//! less. Deliberately absent: what a fan is driven to without help (`rank`, `shape`).

use core::time::Duration;
use twind::control::{OutputSpec, PinFault};

const TIME_TO_START: Duration = Duration::from_secs(5);
/// A kick where the output sets none.
const KICK: Duration = Duration::from_secs(1);
/// A control step comes on time, but the check may follow another event of the same moment.
const SLACK: Duration = Duration::from_secs(1);

/// What is known of one fan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fan {
    kick: Duration,
    /// The last speed that the device was given; `None` if there was none yet, or if it cannot be measured.
    heard: Option<f64>,
    /// Its speed cannot be measured.
    pub(crate) is_mute: bool,
    /// Since when it has been driven and stands still, as far as the device knows.
    still_since: Option<Duration>,
    /// The same, but only while it is certain that its pin works.
    surely_since: Option<Duration>,
    /// It has been at full since a moment at which help was allowed.
    is_helped: bool,
    /// It was called stalled, and has not turned since.
    is_told: bool,
    /// When it last was at rest since then. At rest it cannot show that it turns again.
    rested_at: Option<Duration>,
}

impl Fan {
    pub(crate) fn new(spec: &OutputSpec) -> Self {
        let kick = spec.kick.unwrap_or(KICK);
        Self { kick, ..Self::default() }
    }

    /// A process that starts knows no speed.
    pub(crate) fn restart(&mut self) {
        let kick = self.kick;
        *self = Self { kick, ..Self::default() };
    }

    pub(crate) fn hear(&mut self, speed: &Result<f64, PinFault>) {
        self.is_mute = speed.is_err();
        self.heard = speed.as_ref().ok().copied();
        self.is_told &= !self.turns();
    }

    /// After an event. `is_excused`: the pin may not work.
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

    /// It is driven to this now. Does that begin, continue or end help?
    pub(crate) fn is_help(&mut self, now: Duration, drive: u16) -> bool {
        let was_helped = core::mem::replace(&mut self.is_helped, false);
        self.is_helped = drive == 1000 && (was_helped || self.may_be_helped(now));
        was_helped || self.is_helped
    }

    /// A fault of it is logged. Is there a cause?
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

    /// May it be driven to full although less is wanted?
    pub(crate) fn may_be_helped(&self, now: Duration) -> bool {
        self.still_since.is_some_and(|since| now >= since + TIME_TO_START)
    }

    /// May it still be at full although less is wanted?
    pub(crate) fn may_stay_full(&self, now: Duration) -> bool {
        self.is_helped || self.may_be_helped(now)
    }

    /// Must it be at full?
    pub(crate) fn must_be_full(&self, now: Duration) -> bool {
        self.surely_stands_for(now, 2 * (self.kick + TIME_TO_START) + SLACK)
    }

    /// Was it called stalled, and then at rest until `since` or later?
    pub(crate) fn rests_stalled(&self, since: Duration) -> bool {
        self.rested_at.is_some_and(|at| at >= since)
    }

    /// Must it have been called stalled?
    pub(crate) fn must_be_stalled(&self, now: Duration) -> bool {
        self.surely_stands_for(now, 2 * self.kick + 3 * TIME_TO_START + SLACK)
    }
}
