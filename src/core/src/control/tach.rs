//! A fan whose speed is measured, and what is done when it does not turn.
//!
//! ```text
//!   trusted ──no turn──► doubted ──► kicked (full, for the kick) ──► doubted again ──► full ──► full, and alarm: stalled
//!      ▲                    │              │                              │              │               │
//!      └────────────────────┴──────────────┴─────────────── it turns ─────┴──────────────┴───────────────┘
//! ```
//!
//! A stall never ends control: a fan that does not turn stays driven at full, and an alarm is raised. A fan that is
//! switched off is trusted again, but the alarm stands until it turns. Pulses are counted by the board. `min-duty` is not
//! adapted: that is for a person to decide.

use crate::units::{BootTime, Permille};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How long a driven fan may stand still before anything is done, and after each attempt.
const PATIENCE: Duration = Duration::from_secs(5);
/// The kick of an output that sets none.
const KICK: Duration = Duration::from_secs(1);

/// The speed of one output, if it is measured. See the module.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tach {
    rpm: Option<f64>,
    stage: Stage,
    until: BootTime,
    stalled: bool,
    /// While it is assisted: the drive that it would have otherwise.
    otherwise: Option<Permille>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    Trusted,
    Doubted,
    Kicked,
    DoubtedAgain,
    Full,
}

impl Tach {
    /// Not measured yet.
    pub(super) const UNKNOWN: Self =
        Self { rpm: None, stage: Stage::Trusted, until: BootTime::ZERO, stalled: false, otherwise: None };

    /// Turns per minute; `None` if not known.
    pub fn rpm(&self) -> Option<f64> {
        self.rpm
    }

    /// It did not turn at full drive, and has not turned since.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// While it is assisted: the drive that it would have otherwise.
    pub(super) fn otherwise(&self) -> Option<Permille> {
        self.otherwise
    }

    /// Is it driven at full until it turns, since a kick did not start it?
    pub fn is_full(&self) -> bool {
        self.stage == Stage::Full
    }

    /// Takes a speed. Returns whether the fan began to turn or stopped turning.
    pub(super) fn measure(&mut self, rpm: Option<f64>) -> bool {
        let before = (self.stands_still(), self.stalled);
        self.rpm = rpm;
        self.stalled &= rpm.is_none_or(|rpm| rpm <= 0.0);
        (self.stands_still(), self.stalled) != before
    }

    /// Ends the assistance.
    pub(super) fn trust(&mut self) {
        (self.stage, self.otherwise) = (Stage::Trusted, None);
    }

    /// Its speed is no longer measured.
    pub fn forget(&mut self) {
        (self.rpm, self.stalled) = (None, false);
    }

    fn stands_still(&self) -> bool {
        self.rpm.is_some_and(|rpm| rpm <= 0.0)
    }

    /// The drive in place of `drive`, and when it may change.
    pub(super) fn assist(
        &mut self,
        now: BootTime,
        drive: Permille,
        kick: Option<Duration>,
    ) -> (Permille, Option<BootTime>) {
        if drive.is_zero() || !self.stands_still() {
            self.trust();
            return (drive, None);
        }
        self.otherwise = None;
        self.go_on(now, kick.unwrap_or(KICK));
        let next = (!self.stalled || self.stage != Stage::Full).then_some(self.until);
        match self.stage {
            Stage::Kicked | Stage::Full => {
                self.otherwise = Some(drive);
                (Permille::FULL, next)
            }
            Stage::Trusted | Stage::Doubted | Stage::DoubtedAgain => (drive, next),
        }
    }

    fn go_on(&mut self, now: BootTime, kick: Duration) {
        let (stage, span) = match self.stage {
            // It may just have been switched on, and be in its first kick.
            Stage::Trusted => (Stage::Doubted, kick + PATIENCE),
            _ if self.until > now => return,
            Stage::Doubted => (Stage::Kicked, kick),
            Stage::Kicked => (Stage::DoubtedAgain, PATIENCE),
            Stage::DoubtedAgain => (Stage::Full, PATIENCE),
            Stage::Full => {
                self.stalled = true;
                return;
            }
        };
        (self.stage, self.until) = (stage, now + span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Permille = Permille::saturating_const(300);

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    /// The drive in each of these seconds, while the fan does not turn.
    fn drives(tach: &mut Tach, seconds: core::ops::Range<u64>) -> Vec<u16> {
        seconds.map(|second| tach.assist(at(second), SHARE, Some(Duration::from_secs(2))).0.get()).collect()
    }

    fn still() -> Tach {
        let mut tach = Tach::UNKNOWN;
        tach.measure(Some(0.0));
        tach
    }

    #[test]
    fn a_fan_that_turns_or_is_not_measured_is_left_alone() {
        for rpm in [None, Some(900.0)] {
            let mut tach = Tach::UNKNOWN;
            tach.measure(rpm);
            assert_eq!(drives(&mut tach, 0..60), [300; 60]);
            assert_eq!(tach.assist(at(60), SHARE, None).1, None, "and no wake-up is scheduled");
            assert!(!tach.is_stalled());
        }
    }

    #[test]
    fn a_fan_that_stands_still_is_kicked_then_driven_at_full_then_called_stalled() {
        let mut tach = still();
        assert_eq!(drives(&mut tach, 0..7), [300; 7], "its first kick and then a few seconds");
        assert_eq!(drives(&mut tach, 7..9), [1000; 2], "kicked again");
        assert_eq!(drives(&mut tach, 9..14), [300; 5]);
        assert_eq!(drives(&mut tach, 14..19), [1000; 5]);
        assert!(!tach.is_stalled());
        assert_eq!(tach.otherwise(), Some(SHARE));
        assert_eq!(drives(&mut tach, 19..100), [1000; 81], "control does not end");
        assert!(tach.is_stalled());
        assert_eq!(tach.assist(at(100), SHARE, None).1, None, "and no wake-up is scheduled");
    }

    #[test]
    fn every_stage_ends_with_a_deadline() {
        let mut tach = still();
        let mut now = at(0);
        for end in [7, 9, 14, 19] {
            let (_, next) = tach.assist(now, SHARE, Some(Duration::from_secs(2)));
            assert_eq!(next, Some(at(end)));
            now = at(end);
        }
    }

    #[test]
    fn a_fan_that_turns_again_is_trusted_at_any_stage() {
        for second in [3, 8, 12, 16, 50] {
            let mut tach = still();
            drives(&mut tach, 0..second);
            assert!(tach.measure(Some(1200.0)), "that is news");
            assert_eq!(drives(&mut tach, second..second + 9), [300; 9]);
            assert!(!tach.is_stalled());
            assert_eq!(tach.otherwise(), None);
            assert!(!tach.measure(Some(1300.0)), "and another speed is none");
        }
    }

    #[test]
    fn a_fan_at_rest_need_not_turn_but_its_stall_stands() {
        let mut tach = still();
        drives(&mut tach, 0..30);
        let rest = |tach: &mut Tach, second| tach.assist(at(second), Permille::ZERO, None);
        assert_eq!(rest(&mut tach, 30), (Permille::ZERO, None));
        assert!(tach.is_stalled());
        assert_eq!(drives(&mut tach, 60..67), [300; 7], "driven again it is trusted first");
    }

    #[test]
    fn a_tachometer_that_fails_ends_the_assistance_and_does_not_clear_the_stall() {
        let mut tach = still();
        drives(&mut tach, 0..30);
        tach.measure(None);
        assert_eq!(drives(&mut tach, 30..40), [300; 10]);
        assert!(tach.is_stalled());
    }
}
