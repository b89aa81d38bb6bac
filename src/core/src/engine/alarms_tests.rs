//! Lost sensors and other alarms.

use super::*;

fn two_sensors() -> CoreSpec {
    let mut spec = spec();
    spec.sensors = vec![thermometer("roof"), thermometer("door")];
    let climate = &mut spec.climates[0];
    (climate.sensors, climate.combine) = (vec![SensorId(0), SensorId(1)], crate::control::Combine::Mean);
    spec
}

impl Rig {
    /// One sample of one of several sensors.
    fn reading(&mut self, sensor: usize, value: Result<f64, Fault>) {
        let found = (value == Err(Fault::NotANumber)).then(|| "\"warm\"".to_owned());
        self.engine.handle_reading(
            self.now,
            Reading { sensor: SensorId(sensor), at: self.now, value },
            found,
        );
        self.drain();
    }

    /// Advances, with a sample of each sensor every five seconds.
    fn pass_with(&mut self, seconds: u64, values: &[Result<f64, Fault>]) {
        for _ in 0..seconds / 5 {
            self.now = self.now + secs(5);
            self.tick();
            values.iter().enumerate().for_each(|(sensor, value)| self.reading(sensor, *value));
        }
    }

    fn notices_of_sensors(&self) -> Vec<String> {
        let of_sensors = |notice: &&Notice| {
            matches!(notice, Notice::SensorLost { .. } | Notice::SensorBack { .. } | Notice::Regime { .. })
        };
        self.notices.iter().filter(of_sensors).map(ToString::to_string).collect()
    }
}

#[test]
fn one_of_two_sensors_that_is_lost_is_announced_once_with_its_fault_and_its_path_and_once_when_it_is_back() {
    let mut rig = Rig::from(two_sensors(), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.pass_with(60, &[Ok(24.0), Ok(24.0)]);
    rig.notices.clear();
    rig.pass_with(300, &[Ok(24.0), Err(Fault::Missing)]);
    let lost = "sensor door has no valid reading: missing, read from /run/door; the climate continues with its other sensors";
    assert_eq!(rig.notices_of_sensors(), [lost]);
    assert_eq!(rig.reported_value("alarms.sensor-door.text"), Some(&json!(lost)));
    assert_eq!(rig.reported_value("components.climate.sensor"), Some(&json!("ok")));
    assert_eq!(rig.status(0)["alarms"]["sensor-door"]["text"], lost);
    rig.pass_with(30, &[Ok(24.0), Ok(24.0)]);
    let text = "sensor door has a valid reading again; the alarm ends once it has been read without a fault for 30 s";
    assert_eq!(rig.status(0)["alarms"]["sensor-door"]["text"], text);
    assert_eq!(rig.notices_of_sensors().len(), 1, "it is not announced before it lasts");
    rig.pass_with(20, &[Ok(24.0), Ok(24.0)]);
    assert_eq!(rig.notices_of_sensors()[1..], ["sensor door has valid readings again: its alarm has ended"]);
    assert_eq!(rig.reported_value("alarms"), None);
    assert_eq!(rig.status(0)["alarms"], json!({}));
}

#[test]
fn a_sensor_that_fails_now_and_then_raises_no_alarm() {
    let mut rig = Rig::from(two_sensors(), None);
    rig.pass_with(60, &[Ok(24.0), Ok(24.0)]);
    rig.notices.clear();
    for _ in 0..20 {
        rig.pass_with(10, &[Ok(24.0), Err(Fault::Jump)]);
        rig.pass_with(5, &[Ok(24.0), Ok(24.0)]);
    }
    assert_eq!(rig.notices_of_sensors(), [""; 0]);
}

#[test]
fn a_sensor_that_is_lost_again_and_again_is_one_alarm_until_it_has_been_read_well_for_as_long_as_it_took_to_raise_it()
 {
    let mut rig = Rig::from(two_sensors(), None);
    rig.pass_with(60, &[Ok(24.0), Ok(24.0)]);
    rig.notices.clear();
    // Each time it is lost for long, then read well for a little less than its half minute.
    for _ in 0..5 {
        rig.pass_with(40, &[Ok(24.0), Err(Fault::Missing)]);
        rig.pass_with(25, &[Ok(24.0), Ok(24.0)]);
    }
    // One bad sample begins the time anew, though the value before it is still valid.
    rig.pass_with(5, &[Ok(24.0), Err(Fault::Jump)]);
    let flaky = "sensor door has a valid reading now and then; the last sample was jump; the alarm ends once it has been read without a fault for 30 s";
    assert_eq!(rig.status(0)["alarms"]["sensor-door"]["text"], flaky);
    assert_eq!(rig.regime(), Some(Regime::InRange), "it counts while its readings are valid");
    assert_eq!(rig.notices_of_sensors().len(), 1, "{:?}", rig.notices_of_sensors());
    rig.pass_with(5, &[Ok(24.0), Ok(24.0)]);
    let end = rig.now + secs(30);
    rig.pass_with(25, &[Ok(24.0), Ok(24.0)]);
    assert_eq!(rig.engine.alarms().poll_timeout(), Some(end));
    // Nothing else is due then, and it needs no input of its own.
    rig.now = rig.engine.deadline().at;
    while rig.now < end {
        rig.tick();
        rig.now = rig.engine.deadline().at;
    }
    assert_eq!(rig.now, end);
    rig.tick();
    assert_eq!(rig.engine.alarms().iter().count(), 0);
    assert_eq!(rig.notices_of_sensors().len(), 2);
    assert!(rig.engine.deadline().at > rig.now);
}

#[test]
fn a_sensor_whose_readings_come_so_late_that_each_is_stale_before_the_next_keeps_its_alarm() {
    let mut rig = Rig::from(two_sensors(), None);
    rig.pass_with(60, &[Ok(24.0), Err(Fault::Missing)]);
    for _ in 0..5 {
        rig.now = rig.now + secs(31);
        rig.tick();
        rig.reading(1, Ok(24.0));
        assert!(rig.engine.alarms().get("sensor-door").is_some());
    }
}

#[test]
fn a_sensor_that_follows_from_another_keeps_its_alarm_until_that_has_been_read_well() {
    let mut spec = two_sensors();
    let derived = crate::control::derived::Derived::Difference { of: SensorId(0), minus: SensorId(1) };
    spec.sensors.push(SensorSpec {
        measures: "difference".into(),
        derived: Some(derived),
        ..thermometer("draught")
    });
    let mut rig = Rig::from(spec, None);
    let names = |rig: &Rig| rig.engine.alarms().iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    rig.pass_with(60, &[Ok(24.0), Err(Fault::Missing)]);
    assert_eq!(names(&rig), ["sensor-door", "sensor-draught"]);
    rig.pass_with(30, &[Ok(24.0), Ok(24.0)]);
    assert_eq!(names(&rig), ["sensor-door", "sensor-draught"]);
    rig.pass_with(5, &[Ok(24.0), Ok(24.0)]);
    assert_eq!(names(&rig), [""; 0]);
}

#[test]
fn when_the_last_sensor_is_lost_each_is_named_with_its_fault_its_path_and_its_remedy() {
    let mut rig = Rig::from(two_sensors(), None);
    rig.pass_with(60, &[Ok(24.0), Ok(24.0)]);
    rig.notices.clear();
    rig.pass_with(60, &[Err(Fault::Missing), Err(Fault::NotANumber)]);
    let effect = "no sensor of the climate has a valid reading: outputs follow their sensor-fault rows";
    let announced = [
        "climate: sensor-fault: none of its sensors has a valid reading; outputs follow their sensor-fault rows until one has".to_owned(),
        format!("sensor door has no valid reading: not-a-number, found \"warm\", read from /run/door; {effect}"),
        format!("sensor roof has no valid reading: missing, read from /run/roof; {effect}"),
    ];
    assert_eq!(rig.notices_of_sensors(), announced);
    let remedy = |sensor: &str| rig.status(0)["alarms"][sensor]["remedy"].as_str().unwrap().to_owned();
    assert!(remedy("sensor-door").starts_with("it holds no number"), "{}", remedy("sensor-door"));
    assert!(remedy("sensor-roof").contains("connected and powered"), "{}", remedy("sensor-roof"));
    assert_eq!(
        rig.engine.alarms().iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["sensor-door", "sensor-roof"]
    );
}

#[test]
fn a_disk_that_fails_from_the_start_delays_no_report_and_raises_an_alarm() {
    let mut rig = Rig::new();
    rig.disk = Disk::Full;
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(json!({"fanOn": true, "patchId": "one"}));
    rig.pass(secs(40), |_| 24.0);
    assert!(rig.reported_value("alarms.disk.text").unwrap().as_str().unwrap().contains("no space left"));
    assert_eq!(rig.reported_value("components.climate.temperature"), Some(&json!(24)));
    rig.disk = Disk::Quick;
    rig.pass(secs(30), |_| 24.0);
    let text = "the disk can be written again; the alarm ends once that has lasted for 30 s";
    assert_eq!(rig.status(0)["alarms"]["disk"]["text"], text);
    rig.pass(secs(80), |_| 24.0);
    assert_eq!(
        (rig.reported_value("alarms"), rig.reported_value("lastPatchReceivedId")),
        (None, Some(&json!("one")))
    );
}

#[test]
fn an_output_that_cannot_be_driven_is_an_alarm() {
    let mut rig = Rig::online();
    rig.board_fails = true;
    rig.desire(json!({"fanOn": true}));
    rig.pass(secs(20), |_| 24.0);
    assert!(rig.reported_value("alarms.output-fan.text").unwrap().as_str().unwrap().contains("no such line"));
    let since = rig.engine.alarms().get("output-fan").map(|alarm| alarm.at);
    // Every other retry works.
    for _ in 0..5 {
        rig.board_fails = false;
        rig.pass(secs(20), |_| 24.0);
        rig.board_fails = true;
        rig.desire(json!({"fanOn": false}));
        rig.pass(secs(20), |_| 24.0);
        rig.desire(json!({"fanOn": true}));
    }
    rig.board_fails = false;
    rig.pass(secs(20), |_| 24.0);
    let alarm = rig.engine.alarms().get("output-fan").unwrap();
    let text = "output fan can be driven again; the alarm ends once that has lasted for 30 s";
    assert_eq!((Some(alarm.at), alarm.text.as_str()), (since, text));
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.reported_value("alarms"), None);
}

#[test]
fn an_alarm_outlives_a_reload_and_ends_with_its_sensor() {
    let mut rig = Rig::from(two_sensors(), None);
    rig.pass_with(60, &[Ok(24.0), Err(Fault::Missing)]);
    let since = rig.engine.alarms().get("sensor-door").map(|alarm| alarm.at);
    assert!(since.is_some());
    rig.notices.clear();
    rig.reload(two_sensors());
    assert_eq!(rig.engine.alarms().get("sensor-door").map(|alarm| alarm.at), since);
    let mut alone = two_sensors();
    alone.sensors.truncate(1);
    alone.climates[0].sensors.truncate(1);
    rig.reload(alone);
    assert_eq!(rig.engine.alarms().iter().count(), 0);
    assert_eq!(rig.notices_of_sensors(), [""; 0], "nothing was mended");
}

#[test]
fn a_lost_sensor_with_another_source_has_not_recovered_before_a_reading_and_is_announced_again_without_one() {
    let mut rig = Rig::online();
    rig.pass_with(60, &[Err(Fault::Missing)]);
    assert_eq!(rig.regime(), Some(Regime::SensorFault));
    rig.notices.clear();
    let mut moved = spec();
    moved.sensors[0].source = "/run/another".into();
    rig.reload(moved);
    rig.pass_with(60, &[Err(Fault::Missing)]);
    let announced = rig.notices_of_sensors();
    assert!(!announced.iter().any(|line| line.contains("again")), "{announced:?}");
    assert!(announced.iter().any(|line| line.contains("/run/another")), "{announced:?}");
}

#[test]
fn an_output_that_cannot_be_driven_is_announced_once_even_over_a_reload() {
    let mut rig = Rig::online();
    rig.board_fails = true;
    rig.desire(json!({"fanOn": true}));
    rig.pass(secs(20), |_| 24.0);
    let since = rig.engine.alarms().get("output-fan").map(|alarm| alarm.at);
    rig.notices.clear();
    rig.reload(spec());
    rig.pass(secs(20), |_| 24.0);
    assert_eq!(rig.engine.alarms().get("output-fan").map(|alarm| alarm.at), since);
    assert!(!rig.notices.iter().any(|notice| matches!(notice, Notice::PinFault { .. })), "{:?}", rig.notices);
}

#[test]
fn readings_that_arrive_together_are_one_step_and_the_older_ones_of_the_others_decide_nothing() {
    let mut rig = Rig::from(two_sensors(), None);
    let read = |rig: &mut Rig| {
        let reading = |sensor| Reading { sensor: SensorId(sensor), at: rig.now, value: Ok(22.0) };
        rig.engine.handle_readings(rig.now, [0, 1].map(|sensor| (reading(sensor), None)));
        rig.drain();
    };
    read(&mut rig);
    // Both older readings are stale at the moment at which both new ones arrive.
    for _ in 0..3 {
        rig.now = rig.now + secs(30);
        let steps = rig.engine.steps();
        read(&mut rig);
        assert_eq!(rig.engine.steps(), steps + 1);
    }
    let lost = |notice: &&Notice| matches!(notice, Notice::SensorLost { .. } | Notice::SensorBack { .. });
    assert_eq!(rig.notices.iter().find(lost), None);
    assert_eq!(rig.regime(), Some(Regime::InRange));
}
