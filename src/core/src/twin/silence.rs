//! For how long the hub has said nothing of the twin: in this life of the process, and as far as the record knows in the
//! lives before it.
//!
//! A *word* is an answer or a notification on a twin topic; a refusal for now (429, 5xx) is none, and neither is a
//! connection. What is kept says whether more may have been said after the record was made (*open*): then the last word
//! is taken to be as late as it can have been, so that a silence is never counted too long. For the same reason what a
//! clock counted that was ahead once is taken back by a believed one that shows less; what boot time counted stays.
//! Deliberately absent: what is done about it, and when a record is made (both the engine's).

use super::persisted::Machine;
use super::record::TwinRecord;
use crate::units::BootTime;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A silence that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    since: BootTime,
    /// What of it lay before that.
    before: Duration,
    /// What of that boot time alone counted, so that no clock can be wrong about it.
    sure: Duration,
}

/// A silence as the record has it, at the record's moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedSilence {
    /// How long it had lasted.
    pub lasts: Duration,
    /// How much of that boot time alone counted.
    pub sure: Duration,
    /// The hub may have spoken since.
    pub open: bool,
}

impl Silence {
    /// One that begins now.
    pub fn begun(now: BootTime) -> Self {
        Self { since: now, before: Duration::ZERO, sure: Duration::ZERO }
    }

    /// How long it has lasted.
    pub fn lasts(self, now: BootTime) -> Duration {
        now.since(self.since).saturating_add(self.before)
    }

    /// What a record of this moment says of it.
    pub fn persisted(self, now: BootTime, open: bool) -> PersistedSilence {
        let sure = now.since(self.since).saturating_add(self.sure);
        PersistedSilence { lasts: self.lasts(now), sure, open }
    }

    /// When it has lasted for so long.
    pub fn reaches(self, length: Duration) -> BootTime {
        self.since + length.saturating_sub(self.before)
    }

    /// The silence at a start, by what is surely known. With words coming, a record is at most `renewed` old.
    pub fn resume(now: BootTime, record: &TwinRecord, machine: &Machine, renewed: Duration) -> Self {
        let Some(kept) = record.silence else { return Self::begun(now) };
        let passed = machine.passed_since(&record.moment, now);
        let ran = machine.ran_since(&record.moment, now);
        let (before, sure) = match kept {
            PersistedSilence { open: true, .. } => {
                (passed.saturating_sub(renewed), ran.saturating_sub(renewed))
            }
            PersistedSilence { lasts, sure, open: false } => {
                (lasts.saturating_add(passed), sure.saturating_add(ran))
            }
        };
        let most = shown(now, record, kept, machine).map_or(before, |shown| shown.max(sure));
        Self { since: now, before: before.min(most), sure }
    }
}

/// What a believed clock shows of it, counted from the time at the last word. Where none was known then, the record
/// tells how long ago it was.
fn shown(now: BootTime, record: &TwinRecord, kept: PersistedSilence, machine: &Machine) -> Option<Duration> {
    let by_record = || Some(record.moment.wall?.0.saturating_sub(kept.lasts.as_secs()));
    let said = Some(record.known_time.0).filter(|known| *known != 0).or_else(by_record)?;
    Some(Duration::from_secs(machine.moment(now).wall?.0.saturating_sub(said)))
}

impl PersistedSilence {
    pub(super) fn encode(self) -> Value {
        let [lasts, sure] =
            [self.lasts, self.sure].map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        json!({ "lastsNs": lasts, "sureNs": sure, "open": self.open })
    }

    /// `None` of what cannot be read: then nothing is known. Records were made without `sureNs`.
    pub(super) fn decode(value: &Value) -> Option<Self> {
        let lasts = value["lastsNs"].as_u64()?;
        let sure = value["sureNs"].as_u64().unwrap_or(lasts);
        let [lasts, sure] = [lasts, sure].map(Duration::from_nanos);
        Some(Self { lasts, sure, open: value["open"].as_bool()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::persisted::Moment;
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

    /// A record of boot 1, made at 1000 s, 600 s after the last word.
    fn record(wall_then: Option<u64>, open: bool) -> TwinRecord {
        TwinRecord {
            known_time: UnixSeconds(wall_then.map_or(0, |wall| wall.saturating_sub(600))),
            silence: Some(PersistedSilence { lasts: secs(600), sure: secs(600), open }),
            moment: Moment { boot: Some(BootId(1)), at: at(1000), wall: wall_then.map(UnixSeconds) },
            ..TwinRecord::default()
        }
    }

    /// How long a silence has lasted at a start, of which that record knows.
    fn resumed(start: &Machine, now: u64, wall_then: Option<u64>, open: bool) -> u64 {
        Silence::resume(at(now), &record(wall_then, open), start, secs(900)).lasts(at(now)).as_secs()
    }

    /// The record that a start makes of this one, of the boot with this number.
    fn kept_at_start(boot: u128, now: u64, wall: u64, record: &TwinRecord) -> TwinRecord {
        let machine = machine(boot, Some((wall, now)));
        let silence = Silence::resume(at(now), record, &machine, secs(900)).persisted(at(now), false);
        TwinRecord { silence: Some(silence), moment: machine.moment(at(now)), ..record.clone() }
    }

    #[test]
    fn a_silence_lasts_and_is_reached_by_all_of_it() {
        let silence = Silence::resume(at(1300), &record(None, false), &machine(1, None), secs(900));
        assert_eq!(silence.lasts(at(1400)), secs(1000));
        assert_eq!(silence.reaches(secs(2000)), at(2400));
        assert_eq!(silence.reaches(secs(10)), at(1300), "it is over already");
        assert_eq!(Silence::begun(at(5)).reaches(secs(10)), at(15));
    }

    #[test]
    fn what_a_clock_counted_that_was_ahead_is_taken_back_when_a_believed_one_shows_less() {
        const YEARS: u64 = 7 * 365 * 86_400;
        for known in [UnixSeconds(4400), UnixSeconds(0)] {
            let record = TwinRecord { known_time: known, ..record(Some(5000), false) };
            let ahead = kept_at_start(2, 30, YEARS, &record);
            assert!(ahead.silence.is_some_and(|kept| kept.lasts >= secs(YEARS - 5000)), "it may be true");
            let lasts = |boot, wall| {
                let machine = machine(boot, wall);
                Silence::resume(at(90), &ahead, &machine, secs(900)).lasts(at(90)).as_secs()
            };
            assert_eq!(lasts(3, Some((5200, 90))), 800, "{known:?}");
            assert_eq!(lasts(2, Some((5200, 90))), 800, "in the same boot, too");
            assert_eq!(lasts(3, Some((5010, 90))), 600 + 30 + 90, "what boot time counted is sure");
            assert!(lasts(3, None) > YEARS - 5000, "no clock says otherwise");
        }
    }

    #[test]
    fn a_clock_that_was_set_right_before_the_record_was_made_takes_back_what_it_had_counted() {
        let ahead = kept_at_start(2, 30, 900_000_000, &record(Some(5000), false));
        let moment = machine(2, Some((5060, 60))).moment(at(60));
        let set_right = TwinRecord { moment, ..ahead };
        let silence = Silence::resume(at(20), &set_right, &machine(3, Some((5200, 20))), secs(900));
        assert_eq!(silence.lasts(at(20)), secs(800));
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
        let unknown = Silence::resume(at(30), &TwinRecord::default(), &machine(2, None), secs(900));
        assert_eq!(unknown, Silence::begun(at(30)));
    }

    #[test]
    fn what_is_kept_comes_back_and_what_cannot_be_read_is_not_known() {
        for kept in [
            PersistedSilence { lasts: secs(7), sure: secs(5), open: true },
            Silence::begun(at(5)).persisted(at(5), false),
        ] {
            assert_eq!(PersistedSilence::decode(&kept.encode()), Some(kept));
        }
        for odd in [json!(null), json!({"lastsNs": -1, "open": true}), json!({"lastsNs": 1})] {
            assert_eq!(PersistedSilence::decode(&odd), None, "{odd}");
        }
        let earlier = PersistedSilence::decode(&json!({"lastsNs": 7, "open": false}));
        assert_eq!(earlier.map(|kept| kept.sure), Some(Duration::from_nanos(7)));
    }
}
