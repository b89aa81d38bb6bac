//! What outlives a reload.

use super::*;
use crate::control::fixtures::{output, range};

#[test]
fn a_reload_keeps_the_outputs_steady() {
    let mut rig = Rig::online();
    // On since 28, and not yet down at 27.5.
    rig.sample(Ok(28.0));
    rig.sample(Ok(27.8));
    assert_eq!(rig.drive(), Some(1000));
    rig.reload(spec());
    rig.sample(Ok(27.8));
    assert_eq!(rig.drives, []);
    rig.sample(Ok(27.5));
    assert_eq!(rig.drive(), Some(0));
}

#[test]
fn what_is_still_to_be_announced_at_a_reload_is_announced_then() {
    let mut rig = Rig::online();
    rig.sample(Ok(24.0));
    let hot = Reading { sensor: SensorId(0), at: rig.now, value: Ok(33.0) };
    rig.engine.handle_reading(rig.now, hot, None);
    rig.reload(spec());
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::Regime { .. })), "{:?}", rig.notices);
}

#[test]
fn a_number_is_not_carried_into_another_unit() {
    let mut rig = Rig::online();
    rig.sample(Ok(25.0));
    let mut fahrenheit = spec();
    fahrenheit.sensors[0].unit = TemperatureUnit::Fahrenheit;
    rig.reload(fahrenheit);
    assert_eq!(rig.temperature(), None);
    rig.sample(Ok(77.0));
    assert_eq!(rig.temperature(), Some(25.0));
    rig.reload(rig.engine.spec.clone());
    assert_eq!(rig.temperature(), Some(25.0));
}

#[test]
fn a_reload_does_not_end_an_overheat_early() {
    let mut spec = spec();
    spec.climates[0].critical = Some(60.0);
    spec.climates[0].hysteresis = 2.0;
    let mut rig = Rig::from(spec.clone(), Some(record(json!({"fanOn": false}), 7)));
    rig.sample(Ok(61.0));
    rig.sample(Ok(59.0));
    assert_eq!((rig.drive(), rig.regime()), (Some(1000), Some(Regime::Overheat)));
    rig.reload(spec);
    assert_eq!(rig.drives, []);
    assert_eq!(rig.regime(), Some(Regime::Overheat));
}

#[test]
fn a_reload_does_not_acknowledge_what_is_not_durable() {
    let mut rig = Rig::online();
    rig.desire(json!({"patchId": "zero"}));
    rig.disk = Disk::Slow;
    rig.desire(json!({"patchId": "one"}));
    rig.reload(spec());
    rig.now = rig.now + secs(20);
    rig.tick();
    assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&json!("zero")));
    let sequence = rig.written.last().unwrap().sequence;
    rig.engine.handle_saved(rig.now, Ok(sequence));
    rig.drain();
    assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&json!("one")));
}

#[test]
fn a_reload_with_a_full_disk_takes_back_no_acknowledgement() {
    let mut rig = Rig::online();
    rig.desire(json!({"patchId": "zero"}));
    rig.disk = Disk::Full;
    rig.desire(json!({"patchId": "one"}));
    rig.reload(spec());
    rig.pass(secs(12), |_| 24.0);
    assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&json!("zero")));
    assert_eq!(rig.reported_value("storeFault"), Some(&json!("no space left")));
}

#[test]
fn a_reload_does_not_end_the_hubs_silence() {
    let mut rig = Rig::from(silent_spec(), None);
    rig.pass(secs(3000), |_| 24.0);
    rig.reload(silent_spec());
    rig.pass(secs(600), |_| 24.0);
    assert_eq!(rig.drive(), Some(1000));
    rig.reload(silent_spec());
    assert_eq!(rig.drives, []);
}

/// A site that drives its fan at an overheat and leaves it off before anything is known.
fn critical() -> CoreSpec {
    let mut spec = spec();
    spec.climates[0].critical = Some(60.0);
    spec
}

fn regime(rig: &Rig) -> Option<Regime> {
    rig.regime()
}

#[test]
fn a_renamed_sensor_is_the_same_sensor() {
    let mut rig = Rig::from(critical(), None);
    rig.sample(Ok(61.0));
    assert_eq!((rig.drive(), regime(&rig)), (Some(1000), Some(Regime::Overheat)));
    let mut renamed = critical();
    renamed.sensors[0].name = "roof".into();
    rig.reload(renamed);
    assert_eq!((rig.drives.len(), regime(&rig)), (0, Some(Regime::Overheat)));
    assert_eq!(rig.temperature(), Some(61.0));
}

#[test]
fn an_overheat_lasts_until_the_new_sensor_has_a_reading_or_is_overdue() {
    let mut elsewhere = critical();
    elsewhere.sensors[0].source = "/run/other".into();
    let mut rig = Rig::from(critical(), None);
    rig.sample(Ok(61.0));
    rig.reload(elsewhere.clone());
    assert_eq!((rig.drives.len(), regime(&rig)), (0, Some(Regime::Overheat)));
    assert_eq!(rig.temperature(), None, "the old number is of another place");
    rig.sample(Ok(24.0));
    assert_eq!((rig.drive(), regime(&rig)), (Some(0), Some(Regime::InRange)));
    rig.sample(Ok(61.0));
    rig.reload(critical());
    rig.now = rig.now + secs(31);
    rig.tick();
    assert_eq!(regime(&rig), Some(Regime::SensorFault));
}

#[test]
fn a_cool_sensor_does_not_end_the_overheat_of_one_whose_source_changed() {
    let mut both = critical();
    both.sensors.push(thermometer("door"));
    both.climates[0].sensors.push(SensorId(1));
    let mut rig = Rig::from(both.clone(), None);
    rig.sample(Ok(61.0));
    let cool = |rig: &mut Rig| {
        rig.engine.handle_reading(
            rig.now,
            Reading { sensor: SensorId(1), at: rig.now, value: Ok(24.0) },
            None,
        );
        rig.drain();
    };
    cool(&mut rig);
    both.sensors[0].source = "/run/other".into();
    rig.reload(both);
    cool(&mut rig);
    assert_eq!((rig.drives.len(), regime(&rig)), (0, Some(Regime::Overheat)));
    rig.sample(Ok(25.0));
    assert_eq!(regime(&rig), Some(Regime::InRange));
}

#[test]
fn without_critical_there_is_no_overheat_to_carry_over() {
    let mut rig = Rig::from(critical(), None);
    rig.sample(Ok(61.0));
    let mut other = spec();
    other.sensors[0].source = "/run/other".into();
    rig.reload(other);
    assert_eq!(regime(&rig), Some(Regime::Starting));
}

#[test]
fn a_new_sensor_does_not_bring_back_the_start_row() {
    let mut rig = Rig::online();
    rig.sample(Ok(29.0));
    assert_eq!(rig.drive(), Some(1000));
    let mut other = spec();
    other.sensors[0].source = "/run/other".into();
    rig.reload(other);
    assert_eq!(rig.drives, []);
    rig.sample(Ok(24.0));
    assert_eq!(rig.drive(), Some(0));
}

#[test]
fn a_number_is_not_carried_to_another_scale() {
    let mut rig = Rig::online();
    rig.sample(Ok(25.0));
    let mut scaled = spec();
    scaled.sensors[0].scale_offset = (0.1, 0.0);
    rig.reload(scaled);
    assert_eq!(rig.temperature(), None);
}

/// Two climates, each with a fan of its own.
fn two_rooms() -> CoreSpec {
    let room = |name: &str, output: usize| ClimateSpec {
        name: Some(name.into()),
        property: path(&format!("components.{name}")),
        lowering: vec![OutputId(output)],
        ..climate_spec()
    };
    let outputs = vec![output("a", OutputKind::Pwm), output("b", OutputKind::Pwm)];
    CoreSpec { climates: vec![room("one", 0), room("two", 1)], outputs, ..spec() }
}

#[test]
fn entries_of_the_history_keep_the_name_of_the_climate_that_decided_whatever_is_renamed_or_reordered() {
    let mut rig = Rig::from(two_rooms(), None);
    rig.sample(Ok(24.0));
    let rows = |rig: &Rig| {
        let rows = rig.status(9)["changes"].as_array().unwrap().clone();
        let text = |row: &Value| {
            format!("{} by {}", row["output"].as_str().unwrap(), row["cause"].as_str().unwrap())
        };
        rows.iter().map(text).filter(|row| row.contains("climate")).collect::<Vec<_>>()
    };
    assert_eq!(rows(&rig), ["b by climate two", "a by climate one"]);
    let mut turned = two_rooms();
    turned.climates.reverse();
    rig.reload(turned.clone());
    assert_eq!(rows(&rig), ["b by climate two", "a by climate one"], "nobody else decides");
    turned.climates[0].name = Some("den".into());
    rig.reload(turned);
    assert_eq!(rows(&rig), ["b by climate den", "b by climate two", "a by climate one"]);
}

#[test]
fn what_a_reload_makes_of_a_range_is_a_row_and_a_value_that_it_refuses_is_announced() {
    let mut rig = Rig::from(two_rooms(), None);
    rig.hub(HubEvent::Up);
    rig.desire(json!({"components": {"one": {"minTemperature": 30, "maxTemperature": 35}}}));
    rig.sample(Ok(24.0));
    let rows = |rig: &Rig| {
        let rows = rig.status(9)["rangeChanges"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| format!("{} {} {}", row["climate"], row["min"], row["cause"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&rig), [r#""one" 30 "desired version 2""#]);
    let mut limited = two_rooms();
    limited.climates[0].limits = Some(range(5.0, 33.0));
    rig.notices.clear();
    rig.reload(limited.clone());
    assert_eq!(rows(&rig), [r#""one" 20 "configuration""#, r#""one" 30 "desired version 2""#]);
    let refused = |rig: &Rig| {
        let is_it = |notice: &&Notice| matches!(notice, Notice::Refused { .. });
        rig.notices.iter().filter(is_it).map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = refused(&rig);
    assert!(told.len() == 1 && told[0].contains("components.one"), "{told:?}");
    rig.notices.clear();
    rig.reload(limited.clone());
    assert_eq!((refused(&rig).len(), rows(&rig).len()), (0, 2), "it is announced once");
}
