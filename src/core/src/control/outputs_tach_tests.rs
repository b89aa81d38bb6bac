//! Outputs whose speed is measured, and outputs that were found running.

use super::*;

fn turning(rig: &mut Rig, rpm: f64) -> bool {
    rig.outputs.measure(FAN, Ok(rpm))
}

/// The drive at each of these seconds.
fn drives(rig: &mut Rig, seconds: &[u64]) -> Vec<u16> {
    seconds.iter().map(|second| rig.driven(at(*second))).collect()
}

#[test]
fn a_fan_that_does_not_turn_is_kicked_driven_at_full_and_announced_and_control_goes_on() {
    let mut rig = Rig::new(OutputSpec { kick: Some(secs(2)), ..pwm() });
    turning(&mut rig, 0.0);
    rig.wants(400);
    assert_eq!(drives(&mut rig, &[0, 1, 2, 6]), [1000, 1000, 400, 400]);
    assert_eq!(drives(&mut rig, &[7, 8, 9, 13]), [1000, 1000, 400, 400], "kicked again");
    assert_eq!(drives(&mut rig, &[14, 18]), [1000, 1000]);
    assert_eq!(rig.outputs.fault(FAN), None);
    assert_eq!(drives(&mut rig, &[19, 500]), [1000, 1000]);
    assert_eq!(rig.outputs.fault(FAN).as_deref(), Some("stalled"));
    assert_eq!(rig.cause(), Cause::Desired(Version(7)));
    let unmet =
        rig.outputs.state(FAN).and_then(|state| state.unmet).map(|unmet| (unmet.by, unmet.wants.get()));
    assert_eq!(unmet, Some((Constraint::Stall, 400)));

    rig.wants(0);
    assert_eq!(rig.driven(at(501)), 0, "off is off");
    rig.wants(400);
    assert_eq!(rig.driven(at(510)), 1000, "its kick");
    assert!(turning(&mut rig, 800.0));
    assert_eq!(rig.driven(at(512)), 400);
    assert_eq!(rig.outputs.fault(FAN), None);
    assert!(rig.outputs.state(FAN).is_some_and(|state| state.unmet.is_none()));
}

#[test]
fn the_end_of_a_stage_is_a_deadline() {
    let mut rig = Rig::new(pwm());
    turning(&mut rig, 0.0);
    rig.wants(400);
    rig.step(at(0));
    assert_eq!(rig.wakes(at(0)), Some(at(6)));
    turning(&mut rig, 1.0);
    rig.step(at(1));
    assert_eq!(rig.wakes(at(1)), None);
}

#[test]
fn a_row_that_keeps_the_drive_of_an_assisted_fan_keeps_what_was_wanted() {
    let when = When { hub_silent: Some((secs(8), RowDrive::Keep)), ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, ..pwm() });
    rig.silent_since = Some(at(0));
    turning(&mut rig, 0.0);
    rig.wants(400);
    assert_eq!(drives(&mut rig, &[0, 6, 7]), [400, 1000, 400]);
    assert_eq!(drives(&mut rig, &[8, 12, 16]), [400, 1000, 1000]);
    turning(&mut rig, 900.0);
    assert_eq!(rig.driven(at(17)), 400);
    assert_eq!(rig.cause(), Cause::HubSilent);
}

#[test]
fn the_last_drive_is_not_assisted() {
    let when = When { stop: RowDrive::Fixed(permille(300)), ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, ..pwm() });
    turning(&mut rig, 0.0);
    rig.wants(400);
    drives(&mut rig, &[0, 6, 7, 12, 17]);
    assert_eq!(rig.drive(), 1000);
    rig.outputs.stop();
    assert_eq!(rig.driven(at(18)), 300);
}

#[test]
fn an_unknown_speed_is_a_fault_of_its_own_and_changes_no_drive() {
    let mut rig = Rig::new(pwm());
    rig.wants(400);
    rig.step(at(0));
    let fault = || Err(PinFault { reason: "no such line".into() });
    assert!(rig.outputs.measure(FAN, fault()));
    assert!(!rig.outputs.measure(FAN, fault()), "said once");
    assert_eq!(drives(&mut rig, &[1, 100]), [400, 400]);
    assert_eq!(rig.outputs.fault(FAN).as_deref(), Some("its speed is not known: no such line"));
    assert!(turning(&mut rig, 700.0));
    assert_eq!(rig.outputs.fault(FAN), None);
    assert!(!rig.outputs.measure(OutputId(7), Ok(1.0)), "there is no such output");
}

#[test]
fn an_output_that_was_found_running_is_not_driven_before_something_decides_and_then_without_a_kick() {
    let when = When { start: RowDrive::Keep, ..When::default() };
    let spec = OutputSpec { when, kick: Some(secs(2)), slew_permille_per_s: Some(100.0), ..pwm() };
    let mut rig = Rig::new(spec);
    rig.outputs.set_found(OutputId(0), permille(600));
    assert!(rig.step(at(0)).is_empty());
    assert_eq!(rig.drive(), 600);
    rig.wants(800);
    assert_eq!(drives(&mut rig, &[1, 2, 3, 4]), [600, 700, 800, 800]);
}

#[test]
fn an_output_that_cannot_be_driven_is_not_called_stalled_and_starts_afresh_once_it_can() {
    let mut rig = Rig::new(pwm());
    turning(&mut rig, 0.0);
    rig.wants(400);
    for second in 0..60 {
        assert_eq!(rig.driven(at(second)), 400, "second {second}");
        rig.outputs.forget(FAN);
    }
    assert_eq!(rig.outputs.fault(FAN), None);
    assert_eq!(drives(&mut rig, &[60, 65, 66, 67]), [400, 400, 1000, 400]);
}
