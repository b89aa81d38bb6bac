//! What outlives a reading of the configuration again.

use super::*;

#[test]
fn reading_the_configuration_again_keeps_the_outputs_steady() {
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
fn an_order_not_yet_given_when_the_configuration_is_read_again_is_given_then() {
    let mut rig = Rig::online();
    rig.sample(Ok(24.0));
    // What follows from this reading is still in the engine when it is replaced.
    let hot = Reading { sensor: SensorId(0), at: rig.now, value: Ok(29.0) };
    rig.engine.handle_reading(rig.now, hot);
    rig.reload(spec());
    assert_eq!(rig.drive(), Some(1000));
}

#[test]
fn a_number_is_not_carried_into_another_unit() {
    let mut rig = Rig::online();
    rig.sample(Ok(25.0));
    let mut fahrenheit = spec();
    fahrenheit.sensors[0].unit = TemperatureUnit::Fahrenheit;
    rig.reload(fahrenheit);
    assert_eq!(rig.engine.climate().and_then(Climate::temperature), None);
    rig.sample(Ok(77.0));
    assert_eq!(rig.engine.climate().and_then(Climate::temperature), Some(celsius(25.0)));
    rig.reload(rig.engine.spec.clone());
    assert_eq!(rig.engine.climate().and_then(Climate::temperature), Some(celsius(25.0)));
}

#[test]
fn reading_the_configuration_again_does_not_end_an_overheat_early() {
    let mut spec = spec();
    spec.climate.as_mut().unwrap().critical = Some(celsius(60.0));
    spec.climate.as_mut().unwrap().hysteresis_kelvin = 2.0;
    let mut rig = Rig::from(spec.clone(), Some(record(json!({"fanOn": false}), 7)));
    rig.sample(Ok(61.0));
    rig.sample(Ok(59.0));
    assert_eq!(
        (rig.drive(), rig.engine.climate().map(Climate::regime)),
        (Some(1000), Some(Regime::Overheat))
    );
    rig.reload(spec);
    assert_eq!(rig.drives, []);
    assert_eq!(rig.engine.climate().map(Climate::regime), Some(Regime::Overheat));
}

#[test]
fn reading_the_configuration_again_does_not_acknowledge_what_is_not_durable() {
    let mut rig = Rig::online();
    rig.desire(json!({"patchId": "zero"}));
    rig.disk = Disk::Slow;
    rig.desire(json!({"patchId": "one"}));
    rig.reload(spec());
    rig.now = rig.now + secs(20);
    rig.tick();
    assert_eq!(rig.said("lastPatchReceivedId"), Some(&json!("zero")));
    let sequence = rig.written.last().unwrap().sequence;
    rig.engine.handle_saved(rig.now, Ok(sequence));
    rig.drain();
    assert_eq!(rig.said("lastPatchReceivedId"), Some(&json!("one")));
}

#[test]
fn reading_the_configuration_again_with_a_full_disk_unsays_nothing() {
    let mut rig = Rig::online();
    rig.desire(json!({"patchId": "zero"}));
    rig.disk = Disk::Full;
    rig.desire(json!({"patchId": "one"}));
    rig.reload(spec());
    rig.pass(secs(12), |_| 24.0);
    assert_eq!(rig.said("lastPatchReceivedId"), Some(&json!("zero")));
    assert_eq!(rig.said("storeFault"), Some(&json!("no space left")));
}

#[test]
fn reading_the_configuration_again_does_not_break_the_hubs_silence() {
    let mut rig = Rig::from(silent_spec(), None);
    rig.pass(secs(3000), |_| 24.0);
    rig.reload(silent_spec());
    rig.pass(secs(600), |_| 24.0);
    assert_eq!(rig.drive(), Some(1000));
    rig.reload(silent_spec());
    assert_eq!(rig.drives, []);
}
