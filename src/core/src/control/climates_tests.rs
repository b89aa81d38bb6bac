use super::*;
use crate::control::alarm_kind::Standing;
use crate::control::demand::Situation;
use crate::control::fixtures::{
    OFF, ON, at, climate_spec, fan, output, path, permille, range, secs, thermometer,
};
use crate::control::intent::{ClimateIntent, Intent, Setpoint};
use crate::control::outputs::Outputs;
use crate::control::quantity::Quantity;
use crate::control::{Cause, Fault, OutputKind, Reading, RowDrive, SensorId, When};
use crate::twin::{Author, Override, Silence, Version};

const OFFICE: ClimateId = ClimateId(0);
const LAB: ClimateId = ClimateId(1);
/// Shared by both rooms.
const BOILER: OutputId = OutputId(0);
/// Of the office alone.
const FAN: OutputId = OutputId(1);
/// Driven by no climate.
const LAMP: OutputId = OutputId(2);

/// Two rooms with one boiler, which is a PWM output: at 20 degrees and above it rests, one span below it is full.
struct Site {
    climates: Climates,
    outputs: Outputs,
    sensors: Sensors,
    intent: Intent,
    overrides: BTreeMap<OutputId, Override>,
    silent_since: Option<u64>,
}

impl Site {
    fn new(boiler: When, lamp: When) -> Self {
        let room = |name: &str, sensor, lowering| ClimateSpec {
            name: Some(name.into()),
            property: path("components").child(name),
            sensors: vec![SensorId(sensor)],
            lowering,
            raising: vec![BOILER],
            range: range(20.0, 30.0),
            critical: Some(60.0),
            ..climate_spec()
        };
        let rooms = [room("office", 0, vec![FAN]), room("lab", 1, Vec::new())];
        let boiler = OutputSpec { when: boiler, ..output("boiler", OutputKind::Pwm) };
        let lamp = OutputSpec { when: lamp, ..output("lamp", OutputKind::OnOff) };
        Self {
            climates: Climates::new(rooms),
            outputs: Outputs::new(vec![boiler, fan(OutputKind::Pwm), lamp]),
            sensors: Sensors::new(at(0), vec![thermometer("office"), thermometer("lab")]),
            intent: Intent::default(),
            overrides: BTreeMap::new(),
            silent_since: None,
        }
    }

    fn with_row(sensor_fault: RowDrive) -> Self {
        Self::new(When { sensor_fault: Some(sensor_fault), ..When::default() }, When::default())
    }

    /// Samples both rooms, at the same moment, and makes a step.
    fn rooms(&mut self, now: u64, office: Result<f64, Fault>, lab: Result<f64, Fault>) {
        for (sensor, value) in [(0, office), (1, lab)] {
            self.sensors.observe(Reading { sensor: SensorId(sensor), at: at(now), value });
        }
        self.step(now);
    }

    fn step(&mut self, now: u64) {
        let (sensors, outputs, intent) = (&self.sensors, self.outputs.specs(), &self.intent);
        let overrides = &BTreeMap::new();
        let conditions = Conditions { sensors, outputs, intent, overrides, zones: &[], wall: None };
        self.climates.step(at(now), conditions);
        let situation = Situation {
            intent: &self.intent,
            fans: &[],
            climates: &self.climates,
            silence: Silence::begun(at(self.silent_since.unwrap_or(now))),
            alarms: &Standing::default(),
            overrides: &self.overrides,
        };
        self.outputs.step(at(now), situation);
    }

    fn of(&self, output: OutputId) -> (u16, Cause) {
        let state = self.outputs.state(output).unwrap();
        (state.drive.unwrap().get(), state.cause)
    }

    fn fan_on(&mut self, room: ClimateId, value: bool) {
        let fan_on = Some(Setpoint { value, version: Version(7) });
        self.intent.climates.insert(room, ClimateIntent { fan_on, ..ClimateIntent::default() });
    }
}

#[test]
fn a_shared_output_gets_the_greatest_demand_and_its_cause_names_that_climate() {
    let mut site = Site::with_row(OFF);
    for (now, office, lab, wanted) in [
        (1, 17.0, 15.0, (500, LAB)),
        (2, 12.0, 15.0, (800, OFFICE)),
        (3, 25.0, 19.0, (100, LAB)),
        (4, 16.0, 16.0, (400, OFFICE)),
        (5, 25.0, 25.0, (0, OFFICE)),
    ] {
        site.rooms(now, Ok(office), Ok(lab));
        assert_eq!(site.of(BOILER), (wanted.0, Cause::Climate(wanted.1)), "{office} and {lab}");
    }
    assert_eq!(Cause::Climate(LAB).by_name(&site.climates).to_string(), "climate lab");
}

#[test]
fn a_climate_without_a_reading_wants_what_the_row_says_of_a_shared_output() {
    // (the row, the lab's temperature, the drive, decided by the row)
    for (row, lab, drive, by_row) in [
        (ON, 15.0, 1000, true),
        (OFF, 15.0, 500, false),
        (OFF, 25.0, 0, false),
        (RowDrive::Fixed(permille(300)), 15.0, 500, false),
        (RowDrive::Fixed(permille(300)), 19.0, 300, true),
    ] {
        let mut site = Site::with_row(row);
        site.rooms(1, Err(Fault::Missing), Ok(lab));
        let cause = if by_row { Cause::SensorFault } else { Cause::Climate(LAB) };
        assert_eq!(site.of(BOILER), (drive, cause), "{row:?}, the lab at {lab}");
    }
}

#[test]
fn a_row_that_keeps_keeps_what_the_lost_climate_had_and_no_more() {
    let mut site = Site::with_row(RowDrive::Keep);
    site.rooms(1, Ok(16.0), Ok(25.0));
    assert_eq!(site.of(BOILER), (400, Cause::Climate(OFFICE)));
    site.rooms(40, Err(Fault::Missing), Ok(25.0));
    assert_eq!(site.of(BOILER), (400, Cause::SensorFault));
    site.rooms(41, Err(Fault::Missing), Ok(12.0));
    assert_eq!(site.of(BOILER), (800, Cause::Climate(LAB)), "the other wants more");
    site.rooms(42, Err(Fault::Missing), Ok(25.0));
    assert_eq!(site.of(BOILER), (400, Cause::SensorFault), "and no more than that is kept");
    site.rooms(43, Ok(25.0), Ok(25.0));
    assert_eq!(site.of(BOILER), (0, Cause::Climate(OFFICE)));
}

#[test]
fn with_all_climates_lost_the_row_decides_alone() {
    for (row, drive) in [(ON, 1000), (OFF, 0), (RowDrive::Fixed(permille(300)), 300)] {
        let mut site = Site::with_row(row);
        site.fan_on(OFFICE, true);
        site.rooms(1, Err(Fault::Missing), Err(Fault::Unreadable));
        assert_eq!(site.of(BOILER), (drive, Cause::SensorFault));
    }
}

#[test]
fn without_the_row_a_lost_climate_wants_nothing() {
    let mut site = Site::new(When::default(), When::default());
    site.rooms(1, Err(Fault::Missing), Ok(15.0));
    assert_eq!(site.of(BOILER), (500, Cause::Climate(LAB)));
    site.rooms(40, Err(Fault::Missing), Err(Fault::Missing));
    assert_eq!(site.of(BOILER), (0, Cause::Start));
}

#[test]
fn a_shared_output_overheats_when_any_of_its_climates_does_and_others_do_not() {
    let row = RowDrive::Fixed(permille(200));
    let mut site = Site::new(When { overheat: Some(row), ..When::default() }, When::default());
    site.rooms(1, Ok(12.0), Ok(61.0));
    assert_eq!(site.of(BOILER), (200, Cause::Overheat));
    assert_eq!(site.of(FAN), (0, Cause::Climate(OFFICE)), "the lab is none of its climates");
    site.rooms(2, Err(Fault::Missing), Ok(61.0));
    assert_eq!(site.of(BOILER), (200, Cause::Overheat), "which ranks above a fault");
    site.rooms(3, Ok(12.0), Ok(25.0));
    assert_eq!(site.of(BOILER), (800, Cause::Climate(OFFICE)));
}

#[test]
fn an_output_that_no_climate_drives_has_rows_for_all_of_them() {
    let lamp = When { sensor_fault: Some(ON), overheat: Some(ON), ..When::default() };
    let mut site = Site::new(When::default(), lamp);
    site.rooms(1, Ok(25.0), Ok(25.0));
    assert_eq!(site.of(LAMP), (0, Cause::Start));
    site.rooms(2, Ok(25.0), Ok(61.0));
    assert_eq!(site.of(LAMP), (1000, Cause::Overheat));
    site.rooms(40, Err(Fault::Missing), Ok(25.0));
    assert_eq!(site.of(LAMP), (1000, Cause::SensorFault));
}

#[test]
fn the_ranks_above_the_climates_are_the_same_for_a_shared_output() {
    let hub_silent = Some((secs(60), RowDrive::Auto));
    let when = When { sensor_fault: Some(RowDrive::Fixed(permille(300))), hub_silent, ..When::default() };
    let mut site = Site::new(when, When::default());
    site.rooms(1, Err(Fault::Missing), Ok(15.0));
    site.overrides.insert(BOILER, Override { value: permille(50), until: at(900), by: Author::User(1) });
    site.step(2);
    assert_eq!(site.of(BOILER), (50, Cause::Override), "the row is below what the lab wants");
    site.rooms(3, Err(Fault::Missing), Ok(19.0));
    assert_eq!(site.of(BOILER), (300, Cause::SensorFault), "the row is above it, and above the override");
    site.rooms(100, Ok(25.0), Ok(15.0));
    site.silent_since = Some(40);
    site.step(100);
    assert_eq!(site.of(BOILER), (500, Cause::HubSilent), "auto is the greatest demand");
}

#[test]
fn the_switch_of_a_climate_acts_on_what_it_wants_and_the_greatest_still_wins() {
    let mut site = Site::new(When::default(), When::default());
    site.fan_on(OFFICE, false);
    site.rooms(1, Ok(29.0), Ok(25.0));
    assert_eq!(site.of(FAN), (0, Cause::Desired(Version(7))));
    site.fan_on(OFFICE, true);
    site.rooms(2, Ok(21.0), Ok(25.0));
    assert_eq!(site.of(FAN), (300, Cause::Desired(Version(7))));
    site.rooms(3, Ok(29.0), Ok(25.0));
    assert_eq!(site.of(FAN), (900, Cause::Desired(Version(7))));
    assert_eq!(site.of(BOILER), (0, Cause::Climate(OFFICE)), "it is not for what raises");
}

#[test]
fn a_shared_output_with_the_switches_of_two_climates_follows_the_greater() {
    let room = |name: &str, sensor| ClimateSpec {
        name: Some(name.into()),
        sensors: vec![SensorId(sensor)],
        lowering: vec![FAN],
        ..climate_spec()
    };
    let mut site = Site { climates: Climates::new([room("a", 0), room("b", 1)]), ..Site::with_row(OFF) };
    site.fan_on(OFFICE, false);
    site.rooms(1, Ok(27.0), Ok(24.0));
    assert_eq!(site.of(FAN), (500, Cause::Climate(LAB)), "off is what one of them wants");
    site.fan_on(LAB, false);
    site.step(2);
    assert_eq!(site.of(FAN), (0, Cause::Desired(Version(7))));
}

#[test]
fn a_quantity_of_any_kind_is_held_in_its_own_unit() {
    let humid = ClimateSpec {
        name: Some("greenhouse".into()),
        quantity: Quantity::Other("humidity".into()),
        sensors: vec![SensorId(0)],
        lowering: vec![FAN],
        raising: vec![BOILER],
        range: range(40.0, 60.0),
        hysteresis: 0.4,
        critical: None,
        ..climate_spec()
    };
    let mut site = Site { climates: Climates::new([humid]), ..Site::with_row(OFF) };
    for (now, humidity, fan, mister) in [(1, 50.0, 500, 0), (2, 65.0, 1000, 0), (3, 30.0, 0, 500)] {
        site.rooms(now, Ok(humidity), Ok(20.0));
        assert_eq!((site.of(FAN).0, site.of(BOILER).0), (fan, mister), "{humidity}");
    }
    assert_eq!(
        site.climates.get(ClimateId(0)).unwrap().regime().name(&Quantity::Other("x".into())),
        "too-low"
    );
}

#[test]
fn where_a_pwm_output_begins_is_a_share_of_the_range() {
    let spec = ClimateSpec {
        lowering: vec![FAN],
        raising: vec![BOILER],
        lowering_from: 0.5,
        raising_from: 0.25,
        range: range(20.0, 28.0),
        ..climate_spec()
    };
    let mut site = Site { climates: Climates::new([spec]), ..Site::with_row(OFF) };
    for (now, degrees, fan, heater) in [
        (1, 24.0, 0, 0),
        (2, 26.0, 500, 0),
        (3, 28.0, 1000, 0),
        (4, 22.0, 0, 0),
        (5, 20.0, 0, 250),
        (6, 14.0, 0, 1000),
    ] {
        site.rooms(now, Ok(degrees), Ok(20.0));
        assert_eq!((site.of(FAN).0, site.of(BOILER).0), (fan, heater), "{degrees}");
    }
}
