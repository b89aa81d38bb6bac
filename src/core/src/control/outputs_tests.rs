use super::*;
use crate::control::alarm_kind::Standing;
use crate::control::climates::{Climates, Conditions};
use crate::control::fixtures::{
    OFF, ON, at, at_ms, climate_spec, ms, output, path, permille, secs, thermometer,
};
use crate::control::intent::{Intent, Setpoint};
use crate::control::sensors::Sensors;
use crate::control::{ClimateId, ClimateSpec, Fault, Reading, SensorId, When};
use crate::twin::{Author, Override, Silence, Version};

#[path = "outputs_alarms_tests.rs"]
mod alarms;
#[path = "outputs_rows_tests.rs"]
mod rows;
#[path = "outputs_shape_tests.rs"]
mod shape;
#[path = "outputs_tach_tests.rs"]
mod tach;

const FAN: OutputId = OutputId(0);

fn pwm() -> OutputSpec {
    output("fan", OutputKind::Pwm)
}

fn switch() -> OutputSpec {
    output("fan", OutputKind::OnOff)
}

/// One output, and everything that may decide it.
struct Rig {
    outputs: Outputs,
    intent: Intent,
    fans: Vec<OutputId>,
    climates: Climates,
    sensors: Sensors,
    silent_since: Option<BootTime>,
    alarms: Standing,
    overrides: BTreeMap<OutputId, Override>,
}

impl Rig {
    fn new(spec: OutputSpec) -> Self {
        Self {
            outputs: Outputs::new(vec![spec]),
            intent: Intent::default(),
            fans: vec![FAN],
            climates: Climates::default(),
            sensors: Sensors::new(at(0), vec![thermometer("s")]),
            silent_since: None,
            alarms: Standing::default(),
            overrides: BTreeMap::new(),
        }
    }

    fn with_climate(spec: OutputSpec) -> Self {
        let climate = ClimateSpec { critical: Some(60.0), ..climate_spec() };
        Self { climates: Climates::new([climate]), ..Self::new(spec) }
    }

    fn sample(&mut self, now: BootTime, value: Result<f64, Fault>) {
        self.sensors.observe(Reading { sensor: SensorId(0), at: now, value });
    }

    fn fan_on(&mut self, value: bool) {
        self.intent.fan_on = Some(Setpoint { value, version: Version(7) });
    }

    /// The output's own property wants this drive.
    fn wants(&mut self, share: u16) {
        let drive = Setpoint { value: permille(share), version: Version(7) };
        self.intent.drives.insert(FAN, drive);
    }

    fn override_to(&mut self, share: u16) {
        let one = Override { value: permille(share), until: at(1000), by: Author::User(1000) };
        self.overrides.insert(FAN, one);
    }

    fn step(&mut self, now: BootTime) -> Vec<Actuation> {
        let (sensors, outputs, intent) = (&self.sensors, self.outputs.specs(), &self.intent);
        let overrides = &BTreeMap::new();
        let conditions = Conditions { sensors, outputs, intent, overrides, zones: &[], wall: None };
        self.climates.step(now, conditions);
        let situation = Situation {
            intent: &self.intent,
            fans: &self.fans,
            climates: &self.climates,
            silence: self.silence(now),
            alarms: &self.alarms,
            overrides: &self.overrides,
        };
        self.outputs.step(now, situation)
    }

    /// The drive after a step.
    fn driven(&mut self, now: BootTime) -> u16 {
        self.step(now);
        self.drive()
    }

    fn drive(&self) -> u16 {
        self.outputs.states[0].drive.unwrap().get()
    }

    fn cause(&self) -> Cause {
        self.outputs.states[0].cause
    }

    fn wakes(&self, now: BootTime) -> Option<BootTime> {
        self.outputs.poll_timeout(now, self.silence(now))
    }

    fn silence(&self, now: BootTime) -> Silence {
        Silence::begun(self.silent_since.unwrap_or(now))
    }
}

/// The ranks, highest first. Each wants a different drive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rank {
    Critical,
    SensorFault,
    HubSilent,
    Override,
    Property,
    FanOn,
    Climate,
    Start,
}

const RANKS: [Rank; 8] = [
    Rank::Critical,
    Rank::SensorFault,
    Rank::HubSilent,
    Rank::Override,
    Rank::Property,
    Rank::FanOn,
    Rank::Climate,
    Rank::Start,
];

/// The drive and cause when these ranks, and no others, apply.
fn decided_by(ranks: &[Rank]) -> (u16, Cause) {
    let has = |rank| ranks.contains(&rank);
    let row = |share| Some(RowDrive::Fixed(permille(share)));
    let when = When {
        start: RowDrive::Fixed(permille(110)),
        overheat: row(910),
        sensor_fault: row(810),
        hub_silent: Some((secs(60), RowDrive::Fixed(permille(710)))),
        ..When::default()
    };
    let spec = OutputSpec { when, ..pwm() };
    let mut rig = Rig::with_climate(spec);
    let now = at(100);
    if has(Rank::Critical) {
        rig.sample(now, Ok(70.0));
    } else if has(Rank::SensorFault) {
        rig.sample(now, Err(Fault::Missing));
    } else if has(Rank::Climate) {
        // Cooling at 400 permille.
        rig.sample(now, Ok(23.2));
    } else {
        rig.climates = Climates::default();
    }
    if has(Rank::HubSilent) {
        rig.silent_since = Some(at(40));
    }
    if has(Rank::Override) {
        rig.override_to(610);
    }
    if has(Rank::Property) {
        rig.wants(510);
    }
    if has(Rank::FanOn) {
        rig.fan_on(false);
    }
    (rig.driven(now), rig.cause())
}

#[test]
fn each_rank_decides_before_every_rank_below_it() {
    let verdict = |rank| match rank {
        Rank::Critical => (910, Cause::Overheat),
        Rank::SensorFault => (810, Cause::SensorFault),
        Rank::HubSilent => (710, Cause::HubSilent),
        Rank::Override => (610, Cause::Override),
        Rank::Property => (510, Cause::Desired(Version(7))),
        Rank::FanOn => (0, Cause::Desired(Version(7))),
        Rank::Climate => (400, Cause::Climate(ClimateId(0))),
        Rank::Start => (110, Cause::Start),
    };
    for (place, high) in RANKS.into_iter().enumerate() {
        assert_eq!(decided_by(&[high]), verdict(high), "{high:?} alone");
        for low in &RANKS[place + 1..] {
            assert_eq!(decided_by(&[high, *low]), verdict(high), "{high:?} over {low:?}");
        }
        assert_eq!(decided_by(&RANKS[place..]), verdict(high), "{high:?} over all below it");
    }
}

#[test]
fn a_row_that_is_not_set_leaves_the_decision_to_the_next_rank() {
    let mut rig = Rig::with_climate(pwm());
    rig.sample(at(0), Ok(70.0));
    rig.silent_since = Some(at(0));
    rig.step(at(0));
    assert_eq!((rig.drive(), rig.cause()), (1000, Cause::Climate(ClimateId(0))));
    rig.sample(at(0), Err(Fault::Missing));
    rig.fan_on(false);
    rig.step(at(1000));
    assert_eq!((rig.drive(), rig.cause()), (0, Cause::Desired(Version(7))));
}

#[test]
fn a_silent_hub_counts_from_exactly_its_time_on() {
    let when = When { hub_silent: Some((secs(60), ON)), ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, ..switch() });
    rig.silent_since = Some(at(10));
    assert_eq!(rig.driven(at_ms(69_999)), 0);
    assert_eq!(rig.wakes(at_ms(69_999)), Some(at(70)));
    assert_eq!(rig.driven(at(70)), 1000);
    assert_eq!(rig.wakes(at(70)), None);
    rig.silent_since = None;
    assert_eq!(rig.driven(at(71)), 0);
}

#[test]
fn an_output_without_its_override_is_left_to_the_ranks_below() {
    let mut rig = Rig::new(switch());
    rig.override_to(1000);
    assert_eq!(rig.driven(at(0)), 1000);
    assert_eq!(rig.driven(at_ms(59_999)), 1000);
    rig.overrides.clear();
    assert_eq!(rig.driven(at(60)), 0);
    assert_eq!((rig.cause(), rig.wakes(at(60))), (Cause::Start, None));
}

#[test]
fn a_row_that_keeps_leaves_the_drive_as_it_is() {
    let when = When { sensor_fault: Some(RowDrive::Keep), ..When::default() };
    let mut rig = Rig::with_climate(OutputSpec { when, ..pwm() });
    rig.sample(at(0), Ok(23.2));
    assert_eq!(rig.driven(at(0)), 400);
    assert!(rig.step(at(30)).is_empty());
    assert_eq!((rig.drive(), rig.cause()), (400, Cause::SensorFault));
    // What was never driven is left alone.
    let when = When { start: RowDrive::Keep, ..When::default() };
    assert!(Rig::new(OutputSpec { when, ..pwm() }).step(at(0)).is_empty());
}

#[test]
fn a_row_that_keeps_does_not_keep_a_kick() {
    let when = When { sensor_fault: Some(RowDrive::Keep), ..When::default() };
    let mut rig = Rig::with_climate(OutputSpec { when, kick: Some(ms(500)), ..pwm() });
    rig.sample(at(0), Ok(23.2));
    assert_eq!(rig.driven(at_ms(29_900)), 1000);
    assert_eq!(rig.driven(at_ms(30_000)), 1000);
    assert_eq!(rig.cause(), Cause::SensorFault);
    assert_eq!(rig.driven(at_ms(30_400)), 400);
}

#[test]
fn a_row_that_says_auto_follows_the_climate_alone() {
    let when = When { hub_silent: Some((secs(60), RowDrive::Auto)), ..When::default() };
    let mut rig = Rig::with_climate(OutputSpec { when, ..pwm() });
    rig.sample(at(0), Ok(23.2));
    rig.fan_on(false);
    rig.silent_since = Some(at(0));
    assert_eq!(rig.driven(at(0)), 0);
    rig.sample(at(60), Ok(23.2));
    assert_eq!((rig.driven(at(60)), rig.cause()), (400, Cause::HubSilent));
    // Without a climate it is off, or stays as it is.
    let when = When { start: RowDrive::Auto, ..When::default() };
    assert_eq!(Rig::new(OutputSpec { when, ..pwm() }).driven(at(0)), 0);
}

#[test]
fn a_row_may_ask_for_a_percentage() {
    let row = RowDrive::Fixed(permille(400));
    let when = When { start: row, ..When::default() };
    assert_eq!(Rig::new(OutputSpec { when, ..pwm() }).driven(at(0)), 400);
    // What can only be on or off is on.
    assert_eq!(Rig::new(OutputSpec { when, ..switch() }).driven(at(0)), 1000);
}

#[test]
fn fan_on_true_runs_a_pwm_fan_at_min_duty_or_at_what_the_climate_demands_beyond_it() {
    for (min_duty, least) in [(None, 300), (Some(permille(200)), 200), (Some(permille(650)), 650)] {
        let mut rig = Rig::with_climate(OutputSpec { min_duty, ..pwm() });
        rig.fan_on(true);
        assert_eq!(rig.driven(at(0)), least, "while no temperature is known");
        rig.sample(at(1), Ok(10.0));
        assert_eq!(rig.driven(at(1)), least, "while it is cold");
        rig.sample(at(2), Ok(26.0));
        assert_eq!(rig.driven(at(2)), 750, "while it is warm");
        assert_eq!(rig.cause(), Cause::Desired(Version(7)));
    }
}

#[test]
fn fan_on_true_turns_an_on_off_fan_on_and_false_turns_any_fan_off() {
    let mut rig = Rig::with_climate(switch());
    rig.sample(at(0), Ok(10.0));
    rig.fan_on(true);
    assert_eq!(rig.driven(at(0)), 1000);
    rig.sample(at(1), Ok(50.0));
    rig.fan_on(false);
    assert_eq!(rig.driven(at(1)), 0);
}

#[test]
fn fan_on_drives_the_fan_only() {
    let mut rig = Rig::with_climate(switch());
    rig.outputs = Outputs::new(vec![switch(), output("lamp", OutputKind::OnOff)]);
    rig.fan_on(true);
    let changes = rig.step(at(0));
    let drives: Vec<u16> = changes.iter().map(|change| change.drive.get()).collect();
    assert_eq!(drives, [1000, 0]);
}

#[test]
fn only_a_change_drives_the_board() {
    let mut rig = Rig::new(switch());
    let first = rig.step(at(0));
    assert_eq!(first, [Actuation { output: FAN, drive: Permille::ZERO, cause: Cause::Start, at: at(0) }]);
    assert!(rig.step(at(1)).is_empty());
    rig.wants(1000);
    let second = rig.step(at(2));
    let on = Actuation { output: FAN, drive: Permille::FULL, cause: Cause::Desired(Version(7)), at: at(2) };
    assert_eq!(second, [on]);
}

#[test]
fn an_output_that_could_not_be_driven_is_driven_again() {
    let mut rig = Rig::new(switch());
    rig.wants(1000);
    assert_eq!(rig.step(at(0)).len(), 1);
    rig.outputs.forget(FAN);
    assert_eq!(rig.step(at(1)).len(), 1);
    assert_eq!(rig.step(at(2)).len(), 0);
    rig.outputs.forget(OutputId(9));
}

#[test]
fn rows_for_overheat_and_sensor_faults_ignore_slew_and_minimum_times() {
    let when = When { sensor_fault: Some(OFF), overheat: Some(ON), ..When::default() };
    let spec = OutputSpec {
        when,
        min_on: Some(secs(100)),
        min_off: Some(secs(100)),
        slew_permille_per_s: Some(1.0),
        ..pwm()
    };
    let mut rig = Rig::with_climate(spec);
    rig.sample(at(0), Ok(70.0));
    assert_eq!(rig.driven(at(0)), 1000);
    rig.sample(at(1), Err(Fault::Missing));
    assert_eq!((rig.driven(at(30)), rig.cause()), (0, Cause::SensorFault));
    rig.sample(at(31), Ok(70.0));
    assert_eq!((rig.driven(at(31)), rig.cause()), (1000, Cause::Overheat));
}

#[test]
fn an_override_respects_minimum_times() {
    let mut rig = Rig::new(OutputSpec { min_off: Some(secs(10)), ..switch() });
    rig.step(at(0));
    rig.override_to(1000);
    assert_eq!(rig.driven(at(3)), 0);
    assert_eq!(rig.driven(at(10)), 1000);
}

#[test]
fn stopping_follows_the_stop_row_at_once_regardless_of_everything() {
    let when = When { stop: RowDrive::Fixed(permille(400)), overheat: Some(ON), ..When::default() };
    let spec = OutputSpec { when, kick: Some(ms(500)), min_off: Some(secs(100)), ..pwm() };
    let mut rig = Rig::with_climate(spec);
    rig.step(at(0));
    rig.sample(at(1), Ok(70.0));
    rig.outputs.stop();
    // Nothing would end a kick.
    assert_eq!((rig.driven(at(1)), rig.cause()), (400, Cause::Stop));
    assert_eq!(rig.wakes(at(1)), None);
}

#[test]
fn stopping_with_a_row_that_keeps_leaves_the_output_as_it_is() {
    let when = When { stop: RowDrive::Keep, ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, ..pwm() });
    rig.wants(700);
    rig.step(at(0));
    rig.outputs.stop();
    rig.wants(0);
    assert!(rig.step(at(1)).is_empty());
}

#[test]
fn stopping_ends_a_kick_even_with_a_row_that_keeps() {
    let when = When { stop: RowDrive::Keep, ..When::default() };
    let mut rig = Rig::new(OutputSpec { when, kick: Some(ms(500)), ..pwm() });
    rig.wants(300);
    assert_eq!(rig.driven(at(0)), 1000);
    rig.outputs.stop();
    assert_eq!(rig.driven(at_ms(100)), 300);
}

#[test]
fn with_no_daemon_the_last_row_is_stop_or_crash() {
    let when = When { stop: OFF, crash: RowDrive::Fixed(permille(400)), ..When::default() };
    let spec = OutputSpec { when, kick: Some(ms(500)), slew_permille_per_s: Some(1.0), ..pwm() };
    assert_eq!(last_row(&spec, false), Some((Permille::ZERO, Cause::Stop)));
    assert_eq!(last_row(&spec, true), Some((permille(400), Cause::Crash)));
    let switched = OutputSpec { when, ..switch() };
    assert_eq!(last_row(&switched, true), Some((Permille::FULL, Cause::Crash)));
    let least = OutputSpec { when, min_duty: Some(permille(600)), ..pwm() };
    assert_eq!(last_row(&least, true), Some((permille(600), Cause::Crash)));
    for row in [RowDrive::Keep, RowDrive::Auto] {
        let when = When { stop: row, ..When::default() };
        assert_eq!(last_row(&OutputSpec { when, ..switch() }, false), None);
    }
}

#[test]
fn a_carried_output_is_not_driven_again_and_keeps_its_minimum_times() {
    let mut rig = Rig::new(OutputSpec { min_on: Some(secs(10)), ..switch() });
    rig.wants(1000);
    rig.step(at(0));
    let kept = rig.outputs.states[0];
    rig.outputs = Outputs::new(rig.outputs.specs.clone());
    rig.outputs.adopt(FAN, kept, None);
    rig.outputs.adopt(OutputId(1), kept, None);
    assert!(rig.step(at(1)).is_empty());
    rig.wants(0);
    assert_eq!(rig.driven(at(2)), 1000);
    assert_eq!(rig.driven(at(10)), 0);
}

#[test]
fn an_output_without_a_property_does_not_disturb_one_that_has_one() {
    let lamp = OutputSpec { property: Some(path("lamp")), ..output("lamp", OutputKind::Pwm) };
    let mut rig = Rig::new(switch());
    rig.outputs = Outputs::new(vec![switch(), lamp]);
    rig.intent.drives.insert(OutputId(1), Setpoint { value: permille(250), version: Version(3) });
    let drives: Vec<u16> = rig.step(at(0)).iter().map(|change| change.drive.get()).collect();
    assert_eq!(drives, [0, 250]);
}
