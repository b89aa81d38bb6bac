//! The hub's silence: how long ago it last answered or notified on a twin topic, over restarts of the process.
//!
//! A temporary refusal (429, 5xx) does not end a silence, and neither does a connection. The record says whether the hub may
//! have spoken after the record was made (*open*). If so, it is assumed to have spoken as late as possible, so that a
//! silence is never counted too long. For the same reason, time that was counted by a clock that was ahead is taken back
//! when a believed clock shows less. Time that was counted by boot time stays.
//! Deliberately absent: what follows from a silence, and when a record is made (both are the engine's).

use super::persisted::Machine;
use super::record::TwinRecord;
use crate::units::BootTime;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A silence that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    since: BootTime,
    /// How long it had lasted before that.
    before: Duration,
    /// The part of `before` that was counted by boot time, so that no wall clock can be wrong about it.
    sure: Duration,
}

/// A silence as the record has it, at the record's moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedSilence {
    /// How long it had lasted.
    pub lasts: Duration,
    /// The part of it that was counted by boot time.
    pub sure: Duration,
    /// The hub may have spoken since.
    pub open: bool,
}

impl Silence {
    /// A silence that begins now.
    pub fn begun(now: BootTime) -> Self {
        Self { since: now, before: Duration::ZERO, sure: Duration::ZERO }
    }

    /// How long it has lasted.
    pub fn lasts(self, now: BootTime) -> Duration {
        now.since(self.since).saturating_add(self.before)
    }

    /// The silence as a record of this moment has it.
    pub fn persisted(self, now: BootTime, open: bool) -> PersistedSilence {
        let sure = now.since(self.since).saturating_add(self.sure);
        PersistedSilence { lasts: self.lasts(now), sure, open }
    }

    /// When it will have lasted for this long.
    pub fn reaches(self, length: Duration) -> BootTime {
        self.since + length.saturating_sub(self.before)
    }

    /// The silence at a start, as far as it is certain. While the hub speaks, a record is at most `renewed` old.
    pub fn resume(now: BootTime, record: &TwinRecord, machine: &Machine, renewed: Duration) -> Self {
        let Some(recorded) = record.silence else { return Self::begun(now) };
        let passed = machine.passed_since(&record.moment, now);
        let ran = machine.ran_since(&record.moment, now);
        let (before, sure) = match recorded {
            PersistedSilence { open: true, .. } => {
                (passed.saturating_sub(renewed), ran.saturating_sub(renewed))
            }
            PersistedSilence { lasts, sure, open: false } => {
                (lasts.saturating_add(passed), sure.saturating_add(ran))
            }
        };
        let most = shown(now, record, recorded, machine).map_or(before, |shown| shown.max(sure));
        Self { since: now, before: before.min(most), sure }
    }
}

/// The silence by a believed clock, counted from the known time. Where no time was known, it is counted from the record.
fn shown(
    now: BootTime,
    record: &TwinRecord,
    recorded: PersistedSilence,
    machine: &Machine,
) -> Option<Duration> {
    let by_record = || Some(record.moment.wall?.0.saturating_sub(recorded.lasts.as_secs()));
    let said = Some(record.known_time.0).filter(|known| *known != 0).or_else(by_record)?;
    Some(Duration::from_secs(machine.moment(now).wall?.0.saturating_sub(said)))
}

impl PersistedSilence {
    pub(super) fn encode(self) -> Value {
        let [lasts, sure] =
            [self.lasts, self.sure].map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        json!({ "lastsNs": lasts, "sureNs": sure, "open": self.open })
    }

    /// `None` if it cannot be read. Earlier records have no `sureNs`.
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

    /// A record of boot 1, made at 1000 s, 600 s after the hub last spoke.
    fn record(wall_then: Option<u64>, open: bool) -> TwinRecord {
        TwinRecord {
            known_time: UnixSeconds(wall_then.map_or(0, |wall| wall.saturating_sub(600))),
            silence: Some(PersistedSilence { lasts: secs(600), sure: secs(600), open }),
            moment: Moment { boot: Some(BootId(1)), at: at(1000), wall: wall_then.map(UnixSeconds) },
            ..TwinRecord::default()
        }
    }

    /// How long the silence of that record has lasted at a start.
    fn resumed(start: &Machine, now: u64, wall_then: Option<u64>, open: bool) -> u64 {
        Silence::resume(at(now), &record(wall_then, open), start, secs(900)).lasts(at(now)).as_secs()
    }

    /// The record that a start makes of this one, in the boot with this number.
    fn recorded_at_start(boot: u128, now: u64, wall: u64, record: &TwinRecord) -> TwinRecord {
        let machine = machine(boot, Some((wall, now)));
        let silence = Silence::resume(at(now), record, &machine, secs(900)).persisted(at(now), false);
        TwinRecord { silence: Some(silence), moment: machine.moment(at(now)), ..record.clone() }
    }

    #[test]
    fn a_silence_includes_what_it_had_lasted_before_the_start() {
        let silence = Silence::resume(at(1300), &record(None, false), &machine(1, None), secs(900));
        assert_eq!(silence.lasts(at(1400)), secs(1000));
        assert_eq!(silence.reaches(secs(2000)), at(2400));
        assert_eq!(silence.reaches(secs(10)), at(1300), "it has passed already");
        assert_eq!(Silence::begun(at(5)).reaches(secs(10)), at(15));
    }

    #[test]
    fn time_counted_by_a_clock_that_was_ahead_is_taken_back_when_a_believed_clock_shows_less() {
        const YEARS: u64 = 7 * 365 * 86_400;
        for known in [UnixSeconds(4400), UnixSeconds(0)] {
            let record = TwinRecord { known_time: known, ..record(Some(5000), false) };
            let ahead = recorded_at_start(2, 30, YEARS, &record);
            assert!(
                ahead.silence.is_some_and(|silence| silence.lasts >= secs(YEARS - 5000)),
                "it may be true"
            );
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
    fn a_clock_that_is_corrected_before_the_record_is_made_takes_back_what_it_had_counted() {
        let ahead = recorded_at_start(2, 30, 900_000_000, &record(Some(5000), false));
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
    fn after_another_boot_a_believed_clock_counts_or_else_the_time_since_that_boot() {
        assert_eq!(resumed(&machine(2, Some((7000, 30))), 30, Some(5000), false), 2600);
        assert_eq!(resumed(&machine(2, None), 30, Some(5000), false), 630);
        assert_eq!(resumed(&machine(2, Some((7000, 30))), 30, None, false), 630);
    }

    #[test]
    fn where_the_hub_may_have_spoken_since_only_the_time_after_the_next_record_counts() {
        assert_eq!(resumed(&machine(1, None), 1500, None, true), 0);
        assert_eq!(resumed(&machine(1, None), 3000, None, true), 1100);
        let unknown = Silence::resume(at(30), &TwinRecord::default(), &machine(2, None), secs(900));
        assert_eq!(unknown, Silence::begun(at(30)));
    }

    #[test]
    fn a_persisted_silence_is_read_back_and_one_that_cannot_be_read_is_unknown() {
        for persisted in [
            PersistedSilence { lasts: secs(7), sure: secs(5), open: true },
            Silence::begun(at(5)).persisted(at(5), false),
        ] {
            assert_eq!(PersistedSilence::decode(&persisted.encode()), Some(persisted));
        }
        for odd in [json!(null), json!({"lastsNs": -1, "open": true}), json!({"lastsNs": 1})] {
            assert_eq!(PersistedSilence::decode(&odd), None, "{odd}");
        }
        let earlier = PersistedSilence::decode(&json!({"lastsNs": 7, "open": false}));
        assert_eq!(earlier.map(|silence| silence.sure), Some(Duration::from_nanos(7)));
    }
}
