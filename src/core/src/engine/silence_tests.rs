//! What ends a silence of the hub, when the hub is probed, and what a start knows about its silence.

use super::*;
use crate::twin::Machine;
use crate::units::BootId;

const BOOT: Machine = Machine { boot: Some(BootId(1)), wall: None };
const NEXT_BOOT: Machine = Machine { boot: Some(BootId(2)), wall: None };
const ROW: u64 = 3600;

impl Rig {
    /// A process that starts on this machine with this record.
    fn next_life(mut self, machine: Machine, now: BootTime) -> Self {
        self.now = now;
        let stored = self.written.last().map(|record| TwinRecord::decode(&record.encode()).unwrap());
        self.engine = Core::new(now, silent_spec(), stored, at_start_on(machine));
        self.drives.clear();
        self.tick();
        self
    }

    /// In the first boot, connected, and the hub was heard a moment ago.
    fn heard() -> Self {
        let mut rig = Self::from(silent_spec(), None).next_life(BOOT, at(100));
        rig.hub(HubEvent::Up);
        rig
    }

    fn fetches(&self) -> usize {
        self.requests - self.reports
    }

    fn is_by_its_row(&self) -> bool {
        self.drives.last().map(|a| a.cause) == Some(Cause::HubSilent)
    }

    /// When the row will be in force, if the hub stays silent.
    fn row_at(&self) -> u64 {
        self.engine.silence().reaches(secs(ROW)).since_boot().as_secs()
    }
}

#[test]
fn a_silent_hub_brings_its_row_which_ends_when_the_hub_is_heard() {
    let mut rig = Rig::from(silent_spec(), None);
    rig.pass(secs(3599), |_| 24.0);
    assert_eq!(rig.drive(), Some(0));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::HubSilent)));
    rig.hub(HubEvent::Up);
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.at)), Some((Permille::ZERO, rig.now)));
    rig.hub(HubEvent::Down);
    let down_at = rig.now;
    rig.pass(secs(4000), |_| 24.0);
    assert_eq!(rig.drives.last().map(|a| a.at), Some(down_at + secs(3600)));
    // This time nothing new in the twin causes a step.
    rig.hub(HubEvent::Up);
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.at)), Some((Permille::ZERO, rig.now)));
}

#[test]
fn a_hub_that_accepts_and_says_nothing_is_silent() {
    let mut rig = Rig::heard();
    rig.mute = true;
    let last_word = rig.now;
    while !rig.is_by_its_row() {
        rig.pass(secs(10), |_| 24.0);
        assert!(rig.now <= last_word + secs(ROW + 10));
        // It is there again at once, and takes every request.
        rig.hub(HubEvent::Up);
    }
    assert_eq!(rig.drives.last().map(|a| a.at), Some(last_word + secs(ROW)));
    rig.mute = false;
    rig.hub(HubEvent::Down);
    rig.hub(HubEvent::Up);
    assert!(!rig.is_by_its_row());
}

#[test]
fn a_hub_that_accepts_and_cuts_is_silent() {
    let mut rig = Rig::heard();
    rig.mute = true;
    for _ in 0..=ROW {
        rig.hub(HubEvent::Down);
        rig.hub(HubEvent::Up);
        rig.pass(secs(1), |_| 24.0);
    }
    assert!(rig.is_by_its_row());
}

#[test]
fn an_answer_and_a_notification_end_a_silence_and_a_temporary_refusal_does_not() {
    let refusal = |status| HubEvent::Rejected { rid: 999, status, message: String::new(), retry_after: None };
    let garbled = HubEvent::Garbled { reason: "?".into() };
    let delta = HubEvent::DesiredDelta { version: Version(1), patch: patch(json!({"a": 1})) };
    let method = HubEvent::Method { rid: "1".into(), name: "none".into(), argument: json!(null) };
    for (event, is_word) in [
        (refusal(429), false),
        (refusal(500), false),
        (refusal(503), false),
        (method, false),
        (HubEvent::Down, false),
        (HubEvent::Up, false),
        (refusal(400), true),
        (refusal(404), true),
        (garbled, true),
        (delta, true),
        (HubEvent::ReportedAck { rid: 999 }, true),
    ] {
        let mut rig = Rig::heard();
        rig.mute = true;
        rig.now = rig.now + secs(60);
        rig.hub(event.clone());
        assert_eq!(rig.row_at(), 100 + ROW + if is_word { 60 } else { 0 }, "{event:?}");
    }
}

#[test]
fn after_a_quarter_of_silence_the_hub_is_probed_once_and_its_answer_counts() {
    let mut rig = Rig::heard();
    // Nothing else is due for longer than that.
    let mut quiet = silent_spec();
    quiet.report.heartbeat = secs(24 * 3600);
    rig.reload(quiet);
    rig.pass(secs(30), |_| 24.0);
    let (asked_before, last_word) = (rig.fetches(), rig.row_at() - ROW);
    rig.pass(at(last_word + ROW / 4 - 1).since(rig.now), |_| 24.0);
    assert_eq!(rig.fetches(), asked_before);
    rig.pass(secs(1), |_| 24.0);
    assert_eq!(rig.fetches(), asked_before + 1);
    assert_eq!(rig.row_at(), last_word + ROW / 4 + ROW);
    rig.pass(secs(4 * ROW), |_| 24.0);
    assert!(
        (15..=16).contains(&(rig.fetches() - asked_before - 1)),
        "the answer to a report ends a silence, too"
    );
    assert!(!rig.is_by_its_row());
}

#[test]
fn a_site_without_such_a_row_neither_probes_nor_records() {
    let mut rig = Rig::online();
    rig.pass(secs(60), |_| 24.0);
    assert!(rig.written.iter().all(|record| record.silence.is_none()));
    rig.hub(HubEvent::Down);
    let before = rig.written.len();
    rig.pass(secs(24 * 3600), |_| 24.0);
    assert!(rig.written.len() <= before + 1, "what the reports changed");
}

#[test]
fn a_gateway_that_restarts_more_often_than_that_reaches_its_row() {
    for orderly in [false, true] {
        let mut rig = Rig::heard();
        rig.hub(HubEvent::Down);
        let last_word = rig.now;
        let mut lives = 0;
        while !rig.is_by_its_row() {
            if orderly {
                rig.engine.handle_stop(rig.now);
                rig.drain();
            }
            let start = rig.now + secs(1);
            rig = rig.next_life(BOOT, start);
            rig.pass(secs(600), |_| 24.0);
            lives += 1;
            assert!(lives < 9, "{:?}", rig.engine.silence());
        }
        let fires_at = rig.drives.iter().find(|a| a.cause == Cause::HubSilent).unwrap().at;
        // After a kill it counts from the first start that did not hear the hub, after an orderly end from the last contact.
        let latest = last_word + secs(ROW + if orderly { 5 } else { 6 });
        assert!(last_word + secs(ROW) <= fires_at && fires_at <= latest, "{fires_at} {last_word}");
    }
}

#[test]
fn a_row_of_an_earlier_silence_ends_when_the_hub_is_heard_and_does_not_come_back_with_a_start() {
    let mut rig = Rig::heard();
    rig.hub(HubEvent::Down);
    rig.pass(secs(2 * ROW), |_| 24.0);
    let start = rig.now + secs(5);
    rig = rig.next_life(BOOT, start);
    assert!(rig.is_by_its_row(), "from the first step on");
    rig.hub(HubEvent::Up);
    assert!(!rig.is_by_its_row());
    // Killed a moment later, before anything else is stored.
    rig.now = rig.now + secs(1);
    let start = rig.now + secs(1);
    rig = rig.next_life(BOOT, start);
    assert!(!rig.is_by_its_row());
    assert!(rig.row_at() >= start.since_boot().as_secs() + ROW - 10);
}

#[test]
fn a_silence_is_never_counted_too_long_wherever_the_process_is_killed() {
    let mut rig = Rig::heard();
    for _ in 0..6 {
        rig.pass(secs(700), |second| 20.0 + (second % 7) as f64);
        assert!(rig.engine.sync().is_synced());
        let start = rig.now + secs(2);
        rig = rig.next_life(BOOT, start);
        // The hub was heard within the last minutes.
        assert!(rig.row_at() + 301 >= rig.now.since_boot().as_secs() + ROW, "{}", rig.row_at());
        rig.hub(HubEvent::Up);
    }
}

#[test]
fn after_another_boot_a_believed_clock_counts_and_else_the_time_since_that_boot() {
    let wall = |wall: u64, read| Some((UnixSeconds(wall), at(read)));
    let mut rig = Rig::heard();
    rig.engine.handle_dated((UnixSeconds(1_800_000_000), rig.now));
    rig.hub(HubEvent::Down);
    rig.pass(secs(ROW / 2 + 10), |_| 24.0);
    let stored = rig.written.last().unwrap().clone();
    assert!(stored.silence.is_some_and(|silence| !silence.open));
    let started = |machine| Core::new(at(20), silent_spec(), Some(stored.clone()), at_start_on(machine));
    let lasts = |engine: &Core| engine.silence().lasts(at(20)).as_secs();
    let known = stored.silence.unwrap().lasts.as_secs();
    assert_eq!(lasts(&started(NEXT_BOOT)), known + 20);
    let then = stored.moment.wall.unwrap().0;
    let hour_later = Machine { wall: wall(then + 3600, 20), ..NEXT_BOOT };
    assert_eq!(lasts(&started(hour_later)), known + 3600);
}

#[test]
fn a_record_of_another_device_does_not_count_for_the_silence() {
    let mut rig = Rig::heard();
    rig.hub(HubEvent::Down);
    rig.pass(secs(2 * ROW), |_| 24.0);
    let other = TwinRecord { identity: "hub/other".into(), ..rig.written.last().unwrap().clone() };
    let engine = Core::new(rig.now, silent_spec(), Some(other), at_start_on(BOOT));
    assert_eq!(engine.silence().lasts(rig.now), Duration::ZERO);
}

#[test]
fn on_a_day_on_which_the_hub_is_heard_the_silence_costs_few_writes() {
    let mut spec = silent_spec();
    spec.outputs[0].when.hub_silent = Some((secs(24 * 3600), ON));
    let mut rig = Rig::from(spec, None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.pass(secs(3600), |_| 24.0);
    let before = rig.written.len();
    rig.pass(secs(24 * 3600), |_| 24.0);
    assert!(rig.written.len() - before <= 5, "{}", rig.written.len() - before);
}

#[test]
fn the_known_time_is_that_of_the_accepted_token_whatever_the_clock_says_later() {
    let mut rig = Rig::heard();
    rig.engine.handle_dated((UnixSeconds(1_900_000_000), rig.now));
    rig.now = rig.now + secs(100);
    rig.hub(HubEvent::ReportedAck { rid: 999 });
    assert_eq!(rig.engine.known_time(), UnixSeconds(1_900_000_100));
    let before = rig.written.len();
    // A year back: the next start must not wait for what was never true.
    rig.engine.handle_dated((UnixSeconds(1_870_000_000), rig.now));
    rig.hub(HubEvent::ReportedAck { rid: 999 });
    assert_eq!(rig.engine.known_time(), UnixSeconds(1_870_000_000));
    assert_eq!(
        rig.written[before..].last().map(|record| record.known_time),
        Some(UnixSeconds(1_870_000_000))
    );
}

#[test]
fn an_override_outlives_a_clock_that_went_back_ten_years_and_a_power_cut() {
    let mut rig = Rig::heard();
    let right = 1_800_000_000;
    rig.engine.handle_dated((UnixSeconds(right), rig.now));
    rig.hub(HubEvent::ReportedAck { rid: 999 });
    // Whatever the wall clock says now, nothing of it comes here.
    rig.order("fan", Some((Setting::Drive(Permille::FULL), secs(3600))), Author::Hub).unwrap();
    rig.drain();
    let machine = Machine { wall: Some((UnixSeconds(right + 300), at(20))), ..NEXT_BOOT };
    let next = rig.next_life(machine, at(20));
    assert_eq!(next.drives.last().map(|a| a.cause), Some(Cause::Override));
}

#[test]
fn a_clock_that_was_years_ahead_at_one_start_does_not_count_at_the_next_with_a_right_one() {
    let mut rig = Rig::heard();
    let right = 1_800_000_000;
    rig.engine.handle_dated((UnixSeconds(right), rig.now));
    rig.hub(HubEvent::ReportedAck { rid: 999 });
    rig.hub(HubEvent::Down);
    rig.pass(secs(1000), |_| 24.0);
    let machine = |boot, wall| Machine { boot: Some(BootId(boot)), wall: Some((UnixSeconds(wall), at(20))) };
    let ahead = rig.next_life(machine(20, right + 7 * 365 * 86_400), at(20));
    assert_eq!(ahead.row_at(), 20, "it may have been switched off for so long");
    let next = ahead.next_life(machine(21, right + 3000), at(20));
    assert_eq!(next.row_at(), 20 + ROW - 3000);
}

#[test]
fn the_silence_of_a_late_record_counts_unless_the_hub_was_heard_meanwhile() {
    for speaks in [false, true] {
        let before = Rig::heard();
        let stored = before.written.last().cloned().unwrap();
        let mut rig = Rig::from(silent_spec(), None);
        rig.now = at(3000);
        rig.engine = Core::new(rig.now, silent_spec(), None, at_start_on(BOOT));
        rig.tick();
        if speaks {
            rig.hub(HubEvent::Up);
        }
        rig.engine.handle_stored(rig.now, stored);
        rig.drain();
        assert_eq!(rig.engine.silence().lasts(rig.now) >= secs(600), !speaks, "speaks: {speaks}");
    }
}
