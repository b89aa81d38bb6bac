//! When something is reported: not too often, and not too late.

use super::*;

#[test]
fn a_number_without_a_reading_is_removed_within_the_interval() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(24.0));
    rig.compose(at(0));
    rig.sample(at(29), 0, Ok(25.0));
    rig.compose(at(29));
    rig.sample(at(30), 0, Err(Fault::Missing));
    assert_eq!(rig.says(at(58), "components.climate.temperature"), Some(json!(25)));
    assert_eq!(rig.says(at(59), "components.climate.temperature"), None);
    assert_eq!(rig.says(at(59), "components.climate.sensor"), Some(json!("missing")));
}

#[test]
fn values_are_reported_when_they_leave_their_dead_band_and_not_too_often() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(24.0));
    rig.compose(at(0));
    let mut temperature = |now: u64, degrees: f64| {
        rig.sample(at(now), 0, Ok(degrees));
        rig.says(at(now), "components.climate.temperature").unwrap()
    };
    assert_eq!(temperature(5, 24.6), json!(24));
    assert_eq!(temperature(10, 24.6), json!(24.6));
    assert_eq!(temperature(30, 24.2), json!(24.6));
    assert_eq!(temperature(31, 24.1), json!(24.1));
}

#[test]
fn what_waits_for_the_interval_has_a_deadline() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(24.0));
    rig.compose(at(0));
    assert_eq!(rig.reporter.poll_timeout(), at(300));
    rig.sample(at(3), 0, Ok(25.0));
    rig.compose(at(3));
    assert_eq!(rig.reporter.poll_timeout(), at(10));
    rig.sample(at(4), 0, Ok(24.1));
    rig.compose(at(4));
    assert_eq!(rig.reporter.poll_timeout(), at(300));
    // An output that was switched waits likewise.
    rig.sample(at(5), 0, Ok(29.0));
    rig.compose(at(5));
    assert_eq!(rig.says(at(9), "components.fan.on"), Some(json!(false)));
    assert_eq!(rig.reporter.poll_timeout(), at(10));
    assert_eq!(rig.says(at(10), "components.fan.on"), Some(json!(true)));
    assert_eq!(rig.reporter.poll_timeout(), at(310));
}

#[test]
fn the_heartbeat_sends_the_numbers_again() {
    let probe = SensorSpec { measures: "humidity".into(), ..thermometer("cellar") };
    let sensors = vec![thermometer("cabinet"), probe];
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], sensors, Some(climate_spec()));
    rig.sample(at(0), 0, Ok(SHARE));
    rig.sample(at(0), 1, Ok(40.0));
    assert_eq!(rig.compose(at(0)).again, []);
    for (now, beats) in [(299, false), (300, true), (301, false), (599, false), (600, true)] {
        rig.sample(at(now), 0, Ok(SHARE));
        rig.sample(at(now), 1, Ok(40.0));
        let again = rig.compose(at(now)).again;
        let numbers = [path("components.climate.temperature"), path("components.cellar.humidity")];
        assert_eq!(again, if beats { numbers.to_vec() } else { Vec::new() }, "{now}");
    }
}

#[test]
fn a_change_postpones_the_heartbeat() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(24.0));
    rig.compose(at(0));
    rig.sample(at(200), 0, Ok(25.0));
    rig.compose(at(200));
    rig.sample(at(480), 0, Ok(25.0));
    assert_eq!(rig.compose(at(499)).again, []);
    assert_eq!(rig.reporter.poll_timeout(), at(500));
    assert_eq!(rig.compose(at(500)).again.len(), 1);
}

#[test]
fn a_temperature_is_never_reported_in_another_unit_than_it_names() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(20.0));
    rig.compose(at(0));
    rig.desire(json!({"components": {"system": {"units": "fahrenheit"}}}));
    let sent = rig.compose(at_ms(100)).section;
    let climate = sent.get(&path("components.climate")).unwrap();
    assert_eq!((&climate["temperature"], &climate["unit"]), (&json!(68), &json!("fahrenheit")));
}

#[test]
fn a_small_change_of_a_duty_causes_no_report() {
    let mut rig = Rig::with(vec![fan(OutputKind::Pwm)], vec![thermometer("cabinet")], Some(climate_spec()));
    rig.sample(at(0), 0, Ok(24.0));
    assert_eq!(rig.says(at(0), "components.fan.dutyPercent"), Some(json!(50)));
    rig.sample(at(20), 0, Ok(24.3));
    assert_eq!(rig.says(at(20), "components.fan.dutyPercent"), Some(json!(50)));
    rig.sample(at(21), 0, Ok(24.4));
    assert_eq!(rig.says(at(21), "components.fan.dutyPercent"), Some(json!(55)));
}

#[test]
fn an_acknowledgement_is_reported_at_once_together_with_the_state() {
    let mut rig = Rig::new();
    rig.compose(at(0));
    rig.desire(json!({"fanOn": true}));
    let sent = rig.compose(at(1)).section;
    assert_eq!(sent.get(&path("components.fan.on")), Some(&json!(true)));
    assert_eq!(sent.get(&path("desiredVersion")), Some(&json!(1)));
}

#[test]
fn an_output_that_is_switched_again_and_again_causes_one_report_in_an_interval() {
    let mut rig = Rig::new();
    let mut changes = 0;
    let mut before = None;
    for n in 0..600 {
        rig.sample(at(n), 0, Ok(if n % 2 == 0 { 30.0 } else { 20.0 }));
        let now = rig.compose(at(n)).section;
        changes += u32::from(before.as_ref() != Some(&now));
        before = Some(now);
    }
    assert!((1..=60).contains(&changes), "{changes}");
}
