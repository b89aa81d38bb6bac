//! The fail-safe table, row by row and value by value, of an output that two climates share beside one of a single climate.

use super::*;
use crate::control::OutputSpec;
use crate::control::fixtures::{OFF, output, permille, range};
use crate::control::outputs::last_row;

const OFFICE: ClimateId = ClimateId(0);
const LAB: ClimateId = ClimateId(1);
/// Shared by both rooms.
const BOILER: OutputId = OutputId(0);
/// Of the office alone.
const HEATER: OutputId = OutputId(1);

const ROWS: [Cause; 6] =
    [Cause::Start, Cause::Stop, Cause::Crash, Cause::SensorFault, Cause::Overheat, Cause::HubSilent];
const SHARE: RowDrive = RowDrive::Fixed(Permille::saturating_const(55));
/// Before a case occurs the office is at 16 degrees and the lab at 12, which wants more.
const BEFORE: [(u16, Cause); 2] = [(800, Cause::Climate(LAB)), (400, Cause::Climate(OFFICE))];

/// After so many seconds without a value the last one is no longer valid.
const LOST: u64 = 31;

/// What each value means where the case concerns both rooms: of the boiler and of the heater.
const VALUES: [(RowDrive, [u16; 2]); 4] =
    [(SHARE, [55, 55]), (ON, [1000, 1000]), (OFF, [0, 0]), (RowDrive::Keep, [800, 400])];

/// Both outputs have this value in the row, and in every other one that would show.
fn site(row: Cause, does: RowDrive) -> CoreSpec {
    let of = |cause| if cause == row { does } else { RowDrive::Fixed(permille(990)) };
    let when = When {
        start: of(Cause::Start),
        stop: of(Cause::Stop),
        crash: of(Cause::Crash),
        sensor_fault: Some(of(Cause::SensorFault)),
        overheat: Some(of(Cause::Overheat)),
        hub_silent: Some((secs(60), of(Cause::HubSilent))),
    };
    let room = |name: &str, sensor, raising| ClimateSpec {
        name: Some(name.into()),
        property: path("components").child(name),
        sensors: vec![SensorId(sensor)],
        lowering: Vec::new(),
        raising,
        range: range(20.0, 30.0),
        critical: Some(60.0),
        ..climate_spec()
    };
    let heats = |name| OutputSpec { when, ..output(name, OutputKind::Pwm) };
    CoreSpec {
        outputs: vec![heats("boiler"), heats("heater")],
        sensors: vec![thermometer("office"), thermometer("lab")],
        climates: vec![room("office", 0, vec![BOILER, HEATER]), room("lab", 1, vec![BOILER])],
        ..spec()
    }
}

impl Rig {
    /// Both outputs were found at what they are driven at before a case occurs.
    fn found(site: CoreSpec) -> Self {
        let found =
            [BOILER, HEATER].into_iter().zip(BEFORE).map(|(output, (drive, _))| (output, permille(drive)));
        let carry = Carry { found: found.collect(), ..Carry::default() };
        let mut rig = Self::from(site.clone(), None);
        rig.engine = Core::new(rig.now, site, None, carry);
        rig.tick();
        rig
    }

    /// Connected, and both rooms have been read.
    fn before(row: Cause, does: RowDrive) -> Self {
        let mut rig = Self::from(site(row, does), None);
        rig.tick();
        rig.hub(HubEvent::Up);
        rig.rooms(Some(16.0), Some(12.0));
        assert_eq!(rig.both(), BEFORE);
        rig
    }

    fn room(&mut self, climate: ClimateId, degrees: Option<f64>) {
        let value = degrees.ok_or(Fault::Missing);
        let reading = Reading { sensor: SensorId(climate.0), at: self.now, value };
        self.engine.handle_reading(self.now, reading, None);
        self.drain();
    }

    /// Reads both rooms.
    fn rooms(&mut self, office: Option<f64>, lab: Option<f64>) {
        self.room(OFFICE, office);
        self.room(LAB, lab);
    }

    /// Reads both rooms every second for so long.
    fn rooms_for(&mut self, seconds: u64, office: Option<f64>, lab: Option<f64>) {
        for _ in 0..seconds {
            self.now = self.now + secs(1);
            self.tick();
            self.rooms(office, lab);
        }
    }

    /// The case occurs to both rooms.
    fn occurs(&mut self, row: Cause) {
        match row {
            Cause::SensorFault => self.rooms_for(LOST, None, None),
            Cause::Overheat => self.rooms(Some(61.0), Some(61.0)),
            Cause::HubSilent => {
                self.hub(HubEvent::Down);
                self.rooms_for(60, Some(16.0), Some(12.0));
            }
            Cause::Stop => {
                self.engine.handle_stop(self.now);
                self.drain();
            }
            other => panic!("{other:?} is no case of a running core"),
        }
    }

    /// The drives of the boiler and the heater, and what decided them.
    fn both(&self) -> [(u16, Cause); 2] {
        [BOILER, HEATER].map(|output| {
            let state = self.engine.outputs.state(output).unwrap();
            (state.drive.unwrap().get(), state.cause)
        })
    }
}

/// The outputs in the case.
fn in_case(row: Cause, does: RowDrive) -> [(u16, Cause); 2] {
    if row == Cause::Start {
        return Rig::found(site(row, does)).both();
    }
    let mut rig = Rig::before(row, does);
    if row != Cause::Crash {
        rig.occurs(row);
        return rig.both();
    }
    // After a crash there is no core: `twind safe` uses the same table, or leaves the output as it is.
    let left = rig.both();
    [BOILER, HEATER].map(|output| {
        let last = last_row(&rig.engine.spec.outputs[output.0], true);
        last.map_or((left[output.0].0, row), |(drive, cause)| (drive.get(), cause))
    })
}

#[test]
fn each_row_with_each_of_its_values_decides_an_output_of_two_climates_as_one_of_a_single_climate() {
    for row in ROWS {
        for (does, [boiler, heater]) in VALUES {
            assert_eq!(in_case(row, does), [(boiler, row), (heater, row)], "{row:?} {does:?}");
        }
    }
}

#[test]
fn a_start_that_follows_the_climates_leaves_both_as_they_are_until_one_of_them_has_a_reading() {
    let mut rig = Rig::found(site(Cause::Start, RowDrive::Auto));
    assert_eq!(rig.both(), [(800, Cause::Start), (400, Cause::Start)]);
    rig.room(LAB, Some(15.0));
    assert_eq!(rig.both(), [(500, Cause::Climate(LAB)), (400, Cause::Start)]);
    rig.room(OFFICE, Some(14.0));
    assert_eq!(rig.both(), [(600, Cause::Climate(OFFICE)), (600, Cause::Climate(OFFICE))]);
}

#[test]
fn a_silent_hub_may_leave_both_to_their_climates_of_which_the_greatest_decides_what_they_share() {
    let mut rig = Rig::before(Cause::HubSilent, RowDrive::Auto);
    rig.desire(json!({"components": {"lab": {"minTemperature": 17, "maxTemperature": 27}}}));
    assert_eq!(rig.both(), [(500, Cause::Climate(LAB)), (400, Cause::Climate(OFFICE))]);
    rig.hub(HubEvent::Down);
    rig.rooms_for(60, Some(16.0), Some(12.0));
    assert_eq!(rig.both(), [(500, Cause::HubSilent), (400, Cause::HubSilent)]);
    rig.rooms(Some(13.0), Some(14.0));
    assert_eq!(rig.both(), [(700, Cause::HubSilent), (700, Cause::HubSilent)]);
}

#[test]
fn a_climate_that_lost_its_sensor_wants_the_row_of_what_it_shares_and_the_row_alone_decides_its_own() {
    let (row, lab) = (Cause::SensorFault, Cause::Climate(LAB));
    // While the lab is at 12 degrees, which wants 800, and once it is warm.
    for (does, at_12, warm, heater) in [
        (SHARE, (800, lab), (55, row), 55),
        (RowDrive::Fixed(permille(900)), (900, row), (900, row), 900),
        (ON, (1000, row), (1000, row), 1000),
        (OFF, (800, lab), (0, lab), 0),
        (RowDrive::Keep, (800, lab), (800, row), 400),
    ] {
        let mut rig = Rig::before(row, does);
        rig.rooms_for(LOST, None, Some(12.0));
        assert_eq!(rig.both(), [at_12, (heater, row)], "{does:?}");
        rig.rooms(None, Some(25.0));
        assert_eq!(rig.both(), [warm, (heater, row)], "{does:?}, the lab is warm");
    }
}

#[test]
fn the_heat_of_a_climate_brings_the_row_to_what_it_shares_and_not_to_what_is_of_another() {
    for (does, [boiler, _]) in VALUES {
        let mut rig = Rig::before(Cause::Overheat, does);
        rig.rooms(Some(16.0), Some(61.0));
        assert_eq!(rig.both(), [(boiler, Cause::Overheat), BEFORE[1]], "{does:?}");
    }
}

#[test]
fn when_a_case_ends_the_climates_decide_both_again() {
    for row in [Cause::SensorFault, Cause::Overheat, Cause::HubSilent] {
        for (does, _) in VALUES {
            let mut rig = Rig::before(row, does);
            rig.occurs(row);
            assert_eq!(rig.both().map(|(_, cause)| cause), [row, row]);
            rig.hub(HubEvent::Up);
            rig.rooms(Some(16.0), Some(12.0));
            assert_eq!(rig.both(), BEFORE, "{row:?} {does:?}");
        }
    }
}
