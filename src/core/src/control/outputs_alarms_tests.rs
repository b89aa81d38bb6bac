//! An output that follows alarms.

use super::*;
use crate::control::alarm_kind::AlarmKind;

/// A switch that follows overheating and lost sensors, in another order than theirs.
fn siren() -> OutputSpec {
    OutputSpec { alarms: vec![AlarmKind::Sensor, AlarmKind::Overheat], ..switch() }
}

const NONE: Cause = Cause::Alarm(None);

impl Rig {
    /// The drive and its cause while these alarms stand.
    fn with_alarms(&mut self, kinds: &[AlarmKind]) -> (u16, Cause) {
        self.alarms = Standing { kinds: kinds.iter().copied().collect(), are_known: true };
        (self.driven(at(10)), self.cause())
    }
}

fn by(kind: AlarmKind) -> (u16, Cause) {
    (1000, Cause::Alarm(Some(kind)))
}

#[test]
fn an_output_follows_alarms_of_its_kinds_and_no_others() {
    let mut rig = Rig::new(siren());
    assert_eq!(rig.with_alarms(&[]), (0, NONE));
    assert_eq!(rig.with_alarms(&[AlarmKind::Disk, AlarmKind::Stall, AlarmKind::Output]), (0, NONE));
    assert_eq!(rig.with_alarms(&[AlarmKind::Sensor, AlarmKind::Disk]), by(AlarmKind::Sensor));
    assert_eq!(rig.with_alarms(&[]), (0, NONE));
    let mut lamp = Rig::new(switch());
    lamp.fan_on(false);
    assert_eq!(lamp.with_alarms(&AlarmKind::ALL), (0, Cause::Desired(Version(7))));
}

#[test]
fn of_several_alarms_the_one_that_needs_a_person_soonest_is_the_cause() {
    let mut rig = Rig::new(siren());
    assert_eq!(rig.with_alarms(&[AlarmKind::Overheat, AlarmKind::Sensor]), by(AlarmKind::Overheat));
    assert_eq!(rig.with_alarms(&AlarmKind::ALL), by(AlarmKind::Overheat));
    assert_eq!(rig.with_alarms(&[AlarmKind::Sensor]), by(AlarmKind::Sensor));
}

#[test]
fn neither_climates_nor_the_start_row_decide_an_output_that_follows_alarms() {
    let when = When { start: ON, ..When::default() };
    let mut rig = Rig::with_climate(OutputSpec { when, ..siren() });
    assert_eq!((rig.driven(at(0)), rig.cause()), (0, NONE));
    rig.sample(at(10), Ok(40.0));
    assert_eq!(rig.with_alarms(&[]), (0, NONE));
    assert_eq!(rig.with_alarms(&[AlarmKind::Sensor]), by(AlarmKind::Sensor));
}

#[test]
fn an_override_silences_it_and_its_fail_safe_rows_outrank_both() {
    let when = When { hub_silent: Some((secs(5), OFF)), ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, ..siren() });
    rig.override_to(0);
    assert_eq!(rig.with_alarms(&AlarmKind::ALL), (0, Cause::Override));
    rig.overrides.clear();
    assert_eq!(rig.with_alarms(&AlarmKind::ALL), by(AlarmKind::Overheat));
    rig.silent_since = Some(at(0));
    assert_eq!(rig.with_alarms(&AlarmKind::ALL), (0, Cause::HubSilent));
    let unmet = rig.outputs.states[0].unmet.unwrap();
    assert_eq!((unmet.cause, unmet.wants), (Cause::Alarm(Some(AlarmKind::Overheat)), Permille::FULL));
    assert_eq!(rig.with_alarms(&[]), (0, Cause::HubSilent));
    assert_eq!(rig.outputs.states[0].unmet, None);
}

#[test]
fn it_is_driven_within_its_constraints() {
    let slow = OutputSpec { slew_permille_per_s: Some(100.0), alarms: vec![AlarmKind::Disk], ..pwm() };
    let mut rig = Rig::new(slow);
    assert_eq!(rig.with_alarms(&[AlarmKind::Disk]).0, 0);
    assert_eq!(rig.driven(at(15)), 500);
    assert_eq!(rig.driven(at(20)), 1000);
    let mut relay = Rig::new(OutputSpec { min_on: Some(secs(60)), ..siren() });
    assert_eq!(relay.with_alarms(&[AlarmKind::Sensor]), by(AlarmKind::Sensor));
    assert_eq!(relay.with_alarms(&[]), (1000, NONE));
    assert_eq!(relay.driven(at(70)), 0);
}

#[test]
fn what_was_handed_over_lasts_until_an_alarm_can_be_known_and_never_comes_back() {
    let mut rig = Rig::new(siren());
    rig.outputs.hand_over(at(0), FAN, Permille::FULL);
    assert_eq!((rig.driven(at(1)), rig.cause()), (1000, Cause::Start));
    assert_eq!(rig.with_alarms(&[]), (0, NONE));
    rig.alarms.are_known = false;
    assert_eq!((rig.driven(at(20)), rig.cause()), (0, NONE));
    let mut silent = Rig::new(siren());
    silent.outputs.hand_over(at(0), FAN, Permille::ZERO);
    assert_eq!((silent.driven(at(1)), silent.cause()), (0, NONE));
}
