//! What a process knows at its start about the one before it.

use super::*;
use crate::control::fixtures::{OFF, permille};
use crate::twin::{Author, Machine};
use crate::units::BootId;

const BOOT: Machine = Machine { boot: Some(BootId(1)), wall: None };
const NEXT_BOOT: Machine = Machine { boot: Some(BootId(2)), wall: None };

/// A relay with minimum times that `fanOn` drives.
fn relay() -> CoreSpec {
    let fan = OutputSpec { min_on: Some(secs(20)), min_off: Some(secs(20)), ..fan(OutputKind::OnOff) };
    CoreSpec { outputs: vec![fan], ..spec() }
}

impl Rig {
    /// A process that starts on this machine with this record.
    fn started(spec: CoreSpec, machine: Machine, now: BootTime, record: TwinRecord) -> Self {
        let mut rig = Self::from(spec.clone(), Some(record.clone()));
        rig.now = now;
        rig.engine = Core::new(now, spec, Some(record), at_start_on(machine));
        rig.tick();
        rig
    }

    /// In the first boot, with `fanOn` true, running for a minute.
    fn running(spec: CoreSpec) -> Self {
        let mut rig = Self::started(spec, BOOT, at(100), record(json!({"fanOn": true}), 7));
        rig.pass(secs(60), |_| 24.0);
        rig
    }

    fn last_record(&self) -> TwinRecord {
        self.written.last().cloned().unwrap()
    }

    /// Each drive of the process, with its time in seconds.
    fn drives_with_times(&self) -> Vec<(u64, u16)> {
        self.drives.iter().map(|a| (a.at.since_boot().as_secs(), a.drive.get())).collect()
    }
}

#[test]
fn after_an_orderly_end_a_relay_stays_off_for_its_minimum_time() {
    let mut rig = Rig::running(relay());
    rig.engine.handle_stop(rig.now);
    rig.drain();
    assert_eq!(rig.drives_with_times(), [(100, 1000), (160, 0)]);
    let mut next = Rig::started(relay(), BOOT, at(161), rig.last_record());
    next.pass(secs(30), |_| 24.0);
    assert_eq!(next.drives_with_times(), [(161, 0), (181, 1000)]);
}

#[test]
fn after_a_crash_a_relay_stays_off_for_its_minimum_time_however_often_it_crashes() {
    let mut rig = Rig::running(relay());
    for start in [161, 162, 170] {
        let next = Rig::started(relay(), BOOT, at(start), rig.last_record());
        assert_eq!(next.drives_with_times(), [(start, 0)]);
        assert!(next.written.is_empty(), "this boot has its record");
    }
    rig = Rig::started(relay(), BOOT, at(171), rig.last_record());
    rig.pass(secs(30), |_| 24.0);
    assert_eq!(rig.drives_with_times(), [(171, 0), (191, 1000)]);
}

#[test]
fn a_relay_that_keeps_its_state_counts_its_minimum_time_from_the_start() {
    let mut spec = relay();
    spec.outputs[0].when.hub_silent = Some((secs(40), RowDrive::Keep));
    let rig = Rig::running(spec.clone());
    let mut next = Rig::started(spec, BOOT, at(161), rig.last_record());
    (next.hub_version, next.desired) = (rig.hub_version, rig.desired);
    next.pass(secs(2), |_| 24.0);
    assert_eq!(next.drives_with_times(), [], "the silence before the start keeps it");
    next.hub(HubEvent::Up);
    next.pass(secs(30), |_| 24.0);
    assert_eq!(next.drives_with_times(), [(163, 0), (181, 1000)]);
}

#[test]
fn outputs_that_a_row_runs_keep_running_for_the_minimum_time() {
    let when = When { stop: ON, crash: ON, start: OFF, ..When::default() };
    let fan = OutputSpec { when, min_on: Some(secs(20)), ..fan(OutputKind::OnOff) };
    let site = CoreSpec { outputs: vec![fan], climates: Vec::new(), ..spec() };
    let rig = Rig::started(site.clone(), BOOT, at(100), record(json!({}), 7));
    assert_eq!(rig.drives_with_times(), [(100, 0)]);
    let mut next = Rig::started(site, BOOT, at(130), rig.last_record());
    next.pass(secs(30), |_| 24.0);
    assert_eq!(next.drives_with_times(), [(130, 1000), (150, 0)]);
}

#[test]
fn an_output_that_was_left_in_an_unknown_state_is_driven_at_once() {
    for (stop, crash) in [(OFF, ON), (RowDrive::Keep, OFF), (RowDrive::Keep, RowDrive::Keep)] {
        let when = When { stop, crash, ..When::default() };
        let fan = OutputSpec { when, min_off: Some(secs(20)), ..fan(OutputKind::OnOff) };
        let site = CoreSpec { outputs: vec![fan], ..spec() };
        let rig = Rig::running(site.clone());
        assert_eq!(Rig::started(site, BOOT, at(161), rig.last_record()).drives_with_times(), [(161, 1000)]);
    }
}

#[test]
fn after_another_boot_or_an_unknown_one_no_minimum_time_applies() {
    let stored = Rig::running(relay()).last_record();
    for machine in [NEXT_BOOT, Machine::default()] {
        let next = Rig::started(relay(), machine, at(5), stored.clone());
        assert_eq!(next.drives_with_times(), [(5, 1000)]);
    }
}

#[test]
fn overheat_does_not_wait_for_a_minimum_time_after_a_crash() {
    let stored = Rig::running(relay()).last_record();
    let mut next = Rig::started(relay(), BOOT, at(161), stored);
    // No sensor had a reading for as long as `stale-after`.
    next.now = at(192);
    next.tick();
    assert_eq!(next.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::SensorFault)));
}

#[test]
fn a_site_without_minimum_times_and_overrides_records_nothing_at_a_start_and_delays_nothing() {
    let mut rig = Rig::running(spec());
    assert!(rig.written.is_empty());
    rig.engine.handle_stop(rig.now);
    rig.drain();
    assert!(rig.written.is_empty());
}

#[test]
fn an_override_ends_when_it_should_though_the_process_was_killed() {
    let mut rig = Rig::started(spec(), BOOT, at(100), record(json!({}), 7));
    let order = Some((Setting::Drive(Permille::FULL), secs(600)));
    rig.order("fan", order, Author::Hub).unwrap();
    rig.drain();
    let mut next = Rig::started(spec(), BOOT, at(400), rig.last_record());
    assert_eq!(next.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::Override)));
    next.pass(secs(300), |_| 24.0);
    assert_eq!(next.drives_with_times(), [(400, 1000), (700, 0)]);
    let late = Rig::started(spec(), BOOT, at(701), rig.last_record());
    assert_eq!(late.drives_with_times(), [(701, 0)]);
}

#[test]
fn an_override_ends_though_the_power_is_cut_again_and_again() {
    let mut rig = Rig::started(spec(), BOOT, at(0), record(json!({}), 7));
    let order = Some((Setting::Drive(permille(1000)), 3 * Duration::from_secs(3600)));
    rig.order("fan", order, Author::Hub).unwrap();
    rig.drain();
    let (mut stored, mut powered) = (rig.last_record(), 0);
    for boot in 2.. {
        let machine = Machine { boot: Some(BootId(boot)), wall: None };
        let mut next = Rig::started(spec(), machine, at(20), stored.clone());
        if next.engine.record().overrides.is_empty() {
            break;
        }
        next.pass(secs(70 * 60), |_| 24.0);
        (stored, powered) = (next.last_record(), powered + 1);
        assert!(powered < 4, "it does not end");
    }
    assert_eq!(powered, 3);
}

#[test]
fn an_override_belongs_to_the_machine_and_stays_when_the_identity_changes() {
    let mut rig = Rig::started(spec(), BOOT, at(100), record(json!({"fanOn": false}), 7));
    let order = Some((Setting::Drive(Permille::FULL), secs(600)));
    rig.order("fan", order, Author::Hub).unwrap();
    rig.drain();
    let other = CoreSpec { identity: "hub/other".into(), ..spec() };
    let next = Rig::started(other, BOOT, at(110), rig.last_record());
    assert_eq!(next.drive(), Some(1000));
    assert_eq!(next.engine.sync().desired_version(), Version(0));
}

#[test]
fn an_override_is_recorded_every_hour_though_the_process_dies_more_often() {
    let mut rig = Rig::started(spec(), BOOT, at(0), record(json!({}), 7));
    let order = Some((Setting::Drive(Permille::FULL), secs(10 * 3600)));
    rig.order("fan", order, Author::Hub).unwrap();
    rig.drain();
    let mut stored = rig.last_record();
    for life in 1..4 {
        let mut next = Rig::started(spec(), BOOT, at(life * 2400), stored.clone());
        next.pass(secs(2300), |_| 24.0);
        stored = next.written.last().cloned().unwrap_or(stored);
    }
    assert_eq!(stored.moment.at, at(7200));
}

#[test]
fn an_override_that_ended_while_the_process_was_gone_does_not_come_back_after_another_boot() {
    let mut rig = Rig::started(spec(), BOOT, at(100), record(json!({}), 7));
    let order = Some((Setting::Drive(Permille::FULL), secs(60)));
    rig.order("fan", order, Author::Hub).unwrap();
    rig.drain();
    let next = Rig::started(spec(), BOOT, at(170), rig.last_record());
    assert_eq!(next.drives_with_times(), [(170, 0)]);
    let last = Rig::started(spec(), NEXT_BOOT, at(5), next.last_record());
    assert_eq!(last.drives_with_times(), [(5, 0)]);
}

/// The process after a hand-over, with what it finds on the board.
fn successor(before: &Rig, spec: &CoreSpec) -> Rig {
    let record = before.engine.record();
    let mut rig = Rig::from(spec.clone(), Some(record.clone()));
    rig.now = before.now + secs(1);
    let found = vec![(OutputId(0), before.drives.last().unwrap().drive)];
    let carry = Carry { handed_over: true, found, ..at_start_on(BOOT) };
    rig.engine = Core::new(rig.now, spec.clone(), Some(record), carry);
    rig.tick();
    rig
}

fn pwm() -> CoreSpec {
    CoreSpec { outputs: vec![fan(OutputKind::Pwm)], ..spec() }
}

#[test]
fn an_output_that_is_handed_over_keeps_its_drive_until_a_reading_arrives() {
    for desired in [json!({}), json!({"fanOn": true})] {
        let mut rig = Rig::started(pwm(), BOOT, at(100), record(desired, 7));
        rig.pass(secs(60), |_| 26.0);
        let driven = rig.drives.len();
        let now = rig.now;
        rig.engine.record_at_the_end(now);
        rig.drain();
        assert_eq!(rig.drives.len(), driven, "the end changed it");
        let mut next = successor(&rig, &pwm());
        next.pass(secs(60), |_| 26.0);
        assert_eq!(next.drives, [], "the same reading changed it");
        next.pass(secs(60), |_| 27.0);
        assert!(!next.drives.is_empty(), "it is the climate's again");
    }
}

#[test]
fn an_output_that_is_handed_over_follows_its_row_if_no_reading_ever_arrives() {
    let mut spec = pwm();
    spec.outputs[0].when.sensor_fault = Some(RowDrive::Fixed(Permille::FULL));
    let mut rig = Rig::started(spec.clone(), BOOT, at(100), record(json!({}), 7));
    rig.pass(secs(60), |_| 24.0);
    let mut next = successor(&rig, &spec);
    for _ in 0..600 {
        next.now = next.now + secs(1);
        next.tick();
    }
    assert_eq!(next.drives.iter().map(|a| a.drive.get()).collect::<Vec<_>>(), [1000]);
}

#[test]
fn a_relay_that_is_handed_over_keeps_its_minimum_time_from_then_on() {
    let mut rig = Rig::running(relay());
    let now = rig.now;
    rig.engine.record_at_the_end(now);
    rig.drain();
    let mut next = successor(&rig, &relay());
    next.hub(HubEvent::Up);
    next.desire(json!({"fanOn": false}));
    next.pass(secs(40), |_| 24.0);
    assert_eq!(next.drives_with_times(), [(181, 0)]);
}

#[test]
fn what_was_to_be_recorded_later_is_recorded_at_a_hand_over() {
    let mut rig = Rig::online();
    rig.pass(secs(60), |_| 24.0);
    let (written, drives) = (rig.written.len(), rig.drives.len());
    let now = rig.now;
    rig.engine.record_at_the_end(now);
    rig.drain();
    assert_eq!((rig.written.len(), rig.drives.len()), (written + 1, drives));
}

#[test]
fn overrides_of_a_late_record_go_on_whatever_twin_it_holds() {
    for version in [0, 7] {
        let mut before = Rig::running(relay());
        before.order("fan", Some((Setting::Drive(Permille::ZERO), secs(600))), Author::User(1000)).unwrap();
        before.drain();
        let stored = TwinRecord { desired_version: Version(version), ..before.last_record() };
        let mut rig = Rig::from(relay(), None);
        rig.engine = Core::new(at(200), relay(), None, at_start_on(BOOT));
        rig.now = at(200);
        rig.tick();
        rig.engine.handle_stored(rig.now, stored);
        rig.drain();
        let state = rig.engine.outputs().state(OutputId(0)).unwrap();
        assert_eq!((state.cause, state.drive), (Cause::Override, Some(Permille::ZERO)), "version {version}");
        assert_eq!(rig.engine.sync().desired_version(), Version(version));
    }
}
