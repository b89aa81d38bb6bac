//! Alarms as they are reported.

use super::*;
use crate::control::derived::Derived;
use crate::twin::{Author, Override};
use crate::units::Permille;

const WALL: UnixSeconds = UnixSeconds(1_795_788_000);

fn two_sensors() -> Rig {
    let climate =
        ClimateSpec { sensors: vec![SensorId(0), SensorId(1)], critical: Some(60.0), ..climate_spec() };
    Rig::with(vec![fan(OutputKind::Pwm)], vec![thermometer("roof"), thermometer("door")], Some(climate))
}

fn text<'a>(section: &'a Section, name: &str) -> &'a str {
    section.get(&path("alarms").child(name)).map_or("", |alarm| alarm["text"].as_str().unwrap())
}

#[test]
fn one_of_two_sensors_that_is_lost_is_an_alarm_while_it_lasts_and_the_climate_says_ok() {
    let mut rig = two_sensors();
    rig.wall = Some(WALL);
    rig.sample(at(0), 0, Ok(22.0));
    rig.sample(at(0), 1, Ok(22.0));
    assert_eq!(rig.says(at(0), "alarms"), None);
    rig.sample(at(20), 0, Ok(22.0));
    rig.sample(at(20), 1, Err(Fault::Missing));
    assert_eq!(rig.says(at(20), "alarms"), None, "its last value is still valid");
    rig.sample(at(35), 0, Ok(22.0));
    let reported = rig.compose(at(35)).section;
    assert_eq!(reported.get(&path("alarms.sensor-door.since")), Some(&json!("2026-11-27T14:00:00Z")));
    let wanted = "sensor door has no valid reading: missing, read from /run/door; the climate continues with its other sensors";
    assert_eq!(text(&reported, "sensor-door"), wanted);
    assert_eq!(reported.get(&path("components.climate.sensor")), Some(&json!("ok")));
    rig.sample(at(50), 0, Ok(22.0));
    rig.sample(at(50), 1, Ok(22.0));
    let again = "sensor door has a valid reading again; the alarm ends once it has been read without a fault for 30 s";
    assert_eq!(text(&rig.compose(at(50)).section, "sensor-door"), again);
    rig.sample(at(75), 0, Ok(22.0));
    rig.sample(at(75), 1, Ok(22.0));
    assert!(rig.says(at(79), "alarms").is_some());
    assert_eq!(rig.says(at(90), "alarms"), None);
}

#[test]
fn each_kind_of_alarm_names_its_thing() {
    let mut rig = two_sensors();
    rig.sample(at(0), 0, Ok(61.0));
    rig.sample(at(0), 1, Err(Fault::Unreadable));
    rig.pin_faults.insert(OutputId(0), "no such line".into());
    rig.store_fault = Some("read-only\nfile system".into());
    let reported = rig.compose(at(0)).section;
    let names = ["disk", "output-fan", "overheat-climate", "sensor-door"];
    assert_eq!(reported.get(&path("alarms")).unwrap().as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert!(text(&reported, "disk").contains("read-only\\nfile system;"), "{}", text(&reported, "disk"));
    assert!(text(&reported, "output-fan").starts_with("output fan cannot be driven: no such line; "));
    assert!(text(&reported, "overheat-climate").contains("60 °C"));
}

#[test]
fn a_sensor_outside_every_climate_reports_its_value_or_its_fault_and_has_its_alarm() {
    let probe = SensorSpec { measures: "humidity".into(), ..thermometer("cellar") };
    let mut rig =
        Rig::with(vec![fan(OutputKind::OnOff)], vec![thermometer("roof"), probe], Some(climate_spec()));
    rig.sample(at(0), 0, Ok(22.0));
    rig.sample(at(0), 1, Ok(55.0));
    assert_eq!(rig.says(at(0), "components.cellar"), Some(json!({"humidity": 55, "sensor": "ok"})));
    rig.sample(at(40), 0, Ok(22.0));
    rig.sample(at(40), 1, Err(Fault::OutOfRange));
    assert_eq!(rig.says(at(40), "components.cellar"), Some(json!({"sensor": "out-of-range"})));
    let reported = rig.compose(at(40)).section;
    assert!(text(&reported, "sensor-cellar").contains("no climate uses it"), "{reported:?}");
}

#[test]
fn the_alarm_of_a_sensor_names_the_climate_that_needs_what_follows_from_it() {
    let derived = |name: &str, measures: &str, derived| SensorSpec {
        measures: measures.into(),
        derived: Some(derived),
        ..thermometer(name)
    };
    let (air, moist, wall, dew) = (SensorId(0), SensorId(1), SensorId(2), SensorId(3));
    let sensors = vec![
        thermometer("air"),
        SensorSpec { measures: "humidity".into(), ..thermometer("moist") },
        thermometer("wall"),
        derived("dew", "temperature", Derived::DewPoint { temperature: air, humidity: moist }),
        derived("margin", "difference", Derived::Difference { of: wall, minus: dew }),
        derived("draught", "difference", Derived::Difference { of: air, minus: dew }),
    ];
    let climate = ClimateSpec { sensors: vec![SensorId(4)], ..climate_spec() };
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], sensors, Some(climate));
    rig.sample(at(0), 1, Err(Fault::Missing));
    rig.sample(at(40), 0, Ok(20.0));
    rig.sample(at(40), 2, Ok(20.0));
    let reported = rig.compose(at(40)).section;
    for name in ["moist", "dew", "margin"] {
        let text = text(&reported, &format!("sensor-{name}"));
        assert!(
            text.ends_with(
                "; no sensor of the climate has a valid reading: outputs follow their sensor-fault rows"
            ),
            "{text}"
        );
    }
    let draught = text(&reported, "sensor-draught");
    assert!(
        draught.ends_with("; no climate uses it; it recovers with the sensors that it is derived from"),
        "{draught}"
    );
    rig.sample(at(41), 1, Ok(0.0));
    let reported = rig.compose(at(60)).section;
    let dew = text(&reported, "sensor-dew");
    assert!(
        dew.contains("dew has no valid reading: out-of-range, found air 20, moist 0, read from"),
        "{dew}"
    );
}

#[test]
fn what_was_read_instead_of_a_number_is_shown_and_cannot_control_a_terminal() {
    let mut rig = Rig::new();
    rig.sensors
        .set_found(SensorId(0), Some("\"23,5\"; a number has a decimal point here\u{1b}[2J\u{202e}".into()));
    rig.sample(at(0), 0, Err(Fault::NotANumber));
    let reported = rig.compose(at(0)).section;
    let wanted =
        "not-a-number, found \"23,5\"; a number has a decimal point here\\u{1b}[2J\\u{202e}, read from";
    assert!(text(&reported, "sensor-cabinet").contains(wanted), "{}", text(&reported, "sensor-cabinet"));
}

#[test]
fn without_a_clock_an_alarm_has_no_time_until_there_is_one_and_a_wrong_one_is_corrected() {
    let mut rig = Rig::new();
    let since = |rig: &mut Rig, now, wall| {
        rig.wall = wall;
        // The heartbeat reports everything as it is.
        rig.says(at(now), "alarms.sensor-cabinet.since")
    };
    assert_eq!(since(&mut rig, 30, None), None);
    let reported = Some(json!("2026-11-27T13:55:00Z"));
    assert_eq!(since(&mut rig, 330, Some(WALL)), reported);
    assert_eq!(since(&mut rig, 631, Some(UnixSeconds(WALL.0 + 304))), reported, "a clock is a little off");
    let wrong = Some(UnixSeconds(WALL.0 + 86_400 + 602));
    assert_eq!(since(&mut rig, 932, wrong), Some(json!("2026-11-28T13:55:00Z")));
}

#[test]
fn an_alarm_that_comes_and_goes_causes_no_more_reports_than_min_interval_allows() {
    let mut rig = two_sensors();
    let (mut reports, mut last) = (0, None);
    for second in 0..600 {
        rig.sample(at(second), 0, Ok(22.0));
        // Valid for a second and again stale: the worst case.
        let stale = second % 2 == 0;
        rig.store_fault = stale.then(|| format!("fault {second}"));
        let section = rig.compose(at(second)).section;
        reports += usize::from(last.as_ref() != Some(&section));
        last = Some(section);
    }
    assert!((30..=62).contains(&reports), "{reports}");
}

#[test]
fn however_many_alarms_there_are_the_report_has_room_for_the_rest() {
    let sensors: Vec<_> = (0..100).map(|n| thermometer(&format!("sensor-{n}-{}", "x".repeat(40)))).collect();
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], sensors, None);
    for sensor in 0..100 {
        rig.sensors.set_found(SensorId(sensor), Some("?".repeat(5000)));
        rig.sample(at(0), sensor, Err(Fault::NotANumber));
    }
    let wanted = rig.compose(at(0));
    assert_eq!(wanted.left_out, None);
    let alarms = wanted.section.get(&path("alarms")).unwrap().as_object().unwrap();
    assert_eq!(alarms.len(), 100);
    let told = |alarm: &Value| alarm["text"].as_str().unwrap().starts_with("sensor sensor-");
    assert!(alarms.values().all(told), "each has a text: {alarms:?}");
}

#[test]
fn the_alarm_of_a_stalled_fan_that_is_off_does_not_call_it_driven_and_stays_until_it_turns() {
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], Vec::new(), None);
    let mut reported = |begin, drive, rpm, seconds| {
        rig.outputs.measure(OutputId(0), Ok(rpm));
        rig.overrides.insert(OutputId(0), Override { value: drive, until: at(9999), by: Author::Hub });
        let sections = (begin..begin + seconds).map(|second| rig.compose(at(second)).section);
        text(&sections.last().unwrap(), "stall-fan").to_owned()
    };
    let blocked = reported(0, Permille::FULL, 0.0, 60);
    assert!(blocked.starts_with("output fan is driven at full and does not turn; "), "{blocked}");
    let resting = reported(60, Permille::ZERO, 0.0, 60);
    let wanted = "output fan did not turn at full and has not turned since; it will be ";
    assert!(resting.starts_with(wanted), "{resting}");
    assert_ne!(reported(120, Permille::FULL, 0.0, 60), "", "driven again, it does not turn either");
    assert_ne!(reported(180, Permille::ZERO, 0.0, 60), "");
    let turned = "output fan is no longer stalled; the alarm ends once that has lasted for 30 s";
    assert_eq!(reported(240, Permille::FULL, 900.0, 30), turned);
    assert_ne!(reported(270, Permille::FULL, 0.0, 30), turned, "it stood still again within that time");
    assert_eq!(reported(300, Permille::FULL, 900.0, 30), turned);
    assert_eq!(reported(330, Permille::FULL, 900.0, 30), "");
}
