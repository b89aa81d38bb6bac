//! Speeds of outputs, through the core.

use super::*;

const FAN: OutputId = OutputId(0);

fn rig() -> Rig {
    let mut spec = spec();
    spec.climates.clear();
    spec.outputs = vec![OutputSpec { property: Some(path("fanOn")), ..fan(OutputKind::Pwm) }];
    let mut rig = Rig::from(spec, Some(record(json!({"fanOn": true}), 3)));
    rig.tick();
    rig.hub(HubEvent::Up);
    rig
}

fn speed(rig: &mut Rig, rpm: Result<f64, &str>) {
    let rpm = rpm.map_err(|reason| PinFault { reason: reason.into() });
    rig.engine.handle_speed(rig.now, FAN, rpm);
    rig.drain();
}

/// Advances, with everything done when it is due.
fn pass(rig: &mut Rig, seconds: u64) {
    for _ in 0..seconds {
        rig.now = rig.now + secs(1);
        rig.tick();
    }
}

fn announced(rig: &mut Rig) -> Vec<String> {
    let notices = core::mem::take(&mut rig.notices);
    let of_speed = |notice: &Notice| matches!(notice, Notice::TachFault { .. } | Notice::TachMended { .. });
    notices.iter().filter(|notice| of_speed(notice)).map(Notice::to_string).collect()
}

#[test]
fn a_stall_is_announced_once_reported_and_cleared_when_the_fan_turns_again() {
    let mut rig = rig();
    speed(&mut rig, Ok(0.0));
    pass(&mut rig, 60);
    assert_eq!(announced(&mut rig), ["output fan: stalled; it is driven at full"]);
    assert_eq!(rig.drives.last().unwrap().drive, Permille::FULL);
    assert_eq!(rig.reported.get(&path("components.fan.fault")), Some(&json!("stalled")));
    assert_eq!(rig.reported.get(&path("components.fan.rpm")), Some(&json!(0)));
    speed(&mut rig, Ok(1234.4));
    pass(&mut rig, 60);
    assert_eq!(announced(&mut rig), ["output fan: its speed is normal again"]);
    assert_eq!(rig.reported.get(&path("components.fan.fault")), None);
    assert_eq!(rig.reported.get(&path("components.fan.rpm")), Some(&json!(1234)));
    assert_eq!(rig.engine.outputs().state(OutputId(0)).unwrap().drive, Permille::new(300));
}

#[test]
fn another_speed_costs_no_control_step_and_no_report() {
    let mut rig = rig();
    speed(&mut rig, Ok(1000.0));
    pass(&mut rig, 30);
    let (steps, reports) = (rig.engine.steps(), rig.reports);
    for rpm in [1100.0, 900.0, 2000.0] {
        speed(&mut rig, Ok(rpm));
    }
    assert_eq!((rig.engine.steps(), rig.reports), (steps, reports));
}

#[test]
fn a_speed_that_is_no_longer_measured_is_forgotten_at_a_reload() {
    for (measured, drive) in [(true, Permille::FULL), (false, Permille::new(300).unwrap())] {
        let mut rig = rig();
        speed(&mut rig, Ok(0.0));
        pass(&mut rig, 60);
        let mut reload = unchanged(rig.engine.spec.clone());
        reload.measured.retain(|name| measured && name == "fan");
        rig.engine.handle_reload(rig.now, reload);
        rig.drain();
        pass(&mut rig, 20);
        assert_eq!(rig.engine.outputs().state(OutputId(0)).unwrap().drive, Some(drive));
        let fault = rig.reported.get(&path("components.fan.fault"));
        assert_eq!(fault, measured.then_some(&json!("stalled")));
    }
}

#[test]
fn a_tachometer_that_cannot_be_read_is_announced_once_and_reported() {
    let mut rig = rig();
    for _ in 0..3 {
        speed(&mut rig, Err("no such line"));
    }
    assert_eq!(
        announced(&mut rig),
        ["output fan: its speed is not known: no such line; it is driven all the same"]
    );
    pass(&mut rig, 20);
    let fault = rig.reported.get(&path("components.fan.fault"));
    assert_eq!(fault, Some(&json!("its speed is not known: no such line")));
    assert_eq!(rig.reported.get(&path("components.fan.rpm")), None);
}

#[test]
fn an_output_that_was_found_running_is_reported_as_such_and_left_alone() {
    let mut spec = spec();
    spec.climates.clear();
    spec.outputs[0].when.start = RowDrive::Keep;
    let carry = Carry { found: vec![(OutputId(0), Permille::FULL)], ..Carry::default() };
    let mut rig = Rig::from(spec.clone(), None);
    rig.engine = Core::new(rig.now, spec, None, carry);
    rig.tick();
    rig.hub(HubEvent::Up);
    pass(&mut rig, 20);
    assert_eq!(rig.drives, []);
    assert_eq!(rig.reported.get(&path("components.fan.on")), Some(&json!(true)));
}

#[test]
fn a_tachometer_that_cannot_be_read_is_announced_once_even_over_a_reload() {
    let mut rig = rig();
    speed(&mut rig, Err("no such line"));
    assert_eq!(announced(&mut rig).len(), 1);
    rig.reload(rig.engine.spec.clone());
    speed(&mut rig, Err("no such line"));
    pass(&mut rig, 20);
    assert_eq!(announced(&mut rig), [""; 0]);
    assert!(rig.reported.get(&path("components.fan.fault")).is_some());
}
