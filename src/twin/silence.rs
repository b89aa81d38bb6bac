//! For how long the hub has said nothing of the twin: in this life of the process, and as far as the record knows in the
//! lives before it.
//!
//! A *word* is an answer or a notification on a twin topic; a refusal for now (429, 5xx) is none, and neither is a
//! connection. What is kept says whether more may have been said after the record was made (*open*): then the last word
//! is taken to be as late as it can have been, so that a silence is never counted too long.
//! Deliberately absent: what is done about it, and when a record is made (both the engine's).

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::kept::{Machine, Moment};
use crate::units::BootTime;
use core::time::Duration;
use serde_json::{Value, json};

/// A silence that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    since: BootTime,
    /// What of it lay before that.
    before: Duration,
}

/// A silence as the record has it, at the record's moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSilence {
    /// How long it had lasted.
    pub lasts: Duration,
    /// The hub may have spoken since.
    pub open: bool,
}

impl Silence {
    /// One that begins now.
    pub fn begun(now: BootTime) -> Self {
        Self { since: now, before: Duration::ZERO }
    }

    /// How long it has lasted.
    pub fn lasts(self, now: BootTime) -> Duration {
        now.since(self.since).saturating_add(self.before)
    }

    /// When it has lasted for so long.
    pub fn reaches(self, length: Duration) -> BootTime {
        self.since + length.saturating_sub(self.before)
    }

    /// The silence at a start, by what is surely known. With words coming, a record is at most `renewed` old.
    pub fn resume(
        now: BootTime,
        kept: Option<KeptSilence>,
        moment: &Moment,
        machine: &Machine,
        renewed: Duration,
    ) -> Self {
        let passed = machine.passed_since(moment, now);
        let before = match kept {
            None => Duration::ZERO,
            Some(KeptSilence { open: true, .. }) => passed.saturating_sub(renewed),
            Some(KeptSilence { lasts, open: false }) => lasts.saturating_add(passed),
        };
        Self { since: now, before }
    }
}

impl KeptSilence {
    pub(super) fn encode(self) -> Value {
        json!({ "lastsNs": u64::try_from(self.lasts.as_nanos()).unwrap_or(u64::MAX), "open": self.open })
    }

    /// `None` of what cannot be read: then nothing is known.
    pub(super) fn decode(value: &Value) -> Option<Self> {
        let lasts = Duration::from_nanos(value["lastsNs"].as_u64()?);
        Some(Self { lasts, open: value["open"].as_bool()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BootId, UnixSeconds};

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(secs(seconds))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn machine(boot: u128, wall: Option<(u64, u64)>) -> Machine {
        Machine { boot: Some(BootId(boot)), wall: wall.map(|(wall, read)| (UnixSeconds(wall), at(read))) }
    }

    /// How long a silence has lasted at a start, of which the record of boot 1, made at 1000 s, knows 600 s.
    fn resumed(start: &Machine, now: u64, wall_then: Option<u64>, open: bool) -> u64 {
        let moment = Moment { boot: Some(BootId(1)), at: at(1000), wall: wall_then.map(UnixSeconds) };
        let kept = KeptSilence { lasts: secs(600), open };
        Silence::resume(at(now), Some(kept), &moment, start, secs(900)).lasts(at(now)).as_secs()
    }

    #[test]
    fn a_silence_lasts_and_is_reached_by_all_of_it() {
        let kept = KeptSilence { lasts: secs(600), open: false };
        let moment = Moment { boot: Some(BootId(1)), at: at(1000), wall: None };
        let silence = Silence::resume(at(1300), Some(kept), &moment, &machine(1, None), secs(900));
        assert_eq!(silence.lasts(at(1400)), secs(1000));
        assert_eq!(silence.reaches(secs(2000)), at(2400));
        assert_eq!(silence.reaches(secs(10)), at(1300), "it is over already");
        assert_eq!(Silence::begun(at(5)).reaches(secs(10)), at(15));
    }

    #[test]
    fn in_the_same_boot_boot_time_counts_whatever_the_wall_clock_says() {
        assert_eq!(resumed(&machine(1, Some((9_000_000, 1500))), 1500, Some(1), false), 1100);
    }

    #[test]
    fn after_another_boot_a_believed_clock_counts_and_else_the_time_since_that_boot() {
        assert_eq!(resumed(&machine(2, Some((7000, 30))), 30, Some(5000), false), 2600);
        assert_eq!(resumed(&machine(2, None), 30, Some(5000), false), 630);
        assert_eq!(resumed(&machine(2, Some((7000, 30))), 30, None, false), 630);
    }

    #[test]
    fn where_the_hub_may_have_spoken_since_only_what_is_beyond_the_next_record_counts() {
        assert_eq!(resumed(&machine(1, None), 1500, None, true), 0);
        assert_eq!(resumed(&machine(1, None), 3000, None, true), 1100);
        let unknown = Silence::resume(at(30), None, &Moment::default(), &machine(2, None), secs(900));
        assert_eq!(unknown, Silence::begun(at(30)));
    }

    #[test]
    fn what_is_kept_comes_back_and_what_cannot_be_read_is_not_known() {
        for kept in
            [KeptSilence { lasts: secs(7), open: true }, KeptSilence { lasts: Duration::ZERO, open: false }]
        {
            assert_eq!(KeptSilence::decode(&kept.encode()), Some(kept));
        }
        for odd in [json!(null), json!({"lastsNs": -1, "open": true}), json!({"lastsNs": 1})] {
            assert_eq!(KeptSilence::decode(&odd), None, "{odd}");
        }
    }
}
