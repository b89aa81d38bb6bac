//! An output that follows alarms, in the engine that raises them.

use super::*;
use crate::control::OutputSpec;
use crate::control::alarm_kind::AlarmKind;
use crate::control::fixtures::output;

const SIREN: OutputId = OutputId(1);
const PERSON: Author = Author::User(1000);

/// A cabinet with a fan, and a siren that follows these alarms.
fn with_siren(alarms: &[AlarmKind]) -> CoreSpec {
    let mut spec = spec();
    spec.climates[0].critical = Some(60.0);
    spec.outputs.push(OutputSpec { alarms: alarms.to_vec(), ..output("siren", OutputKind::OnOff) });
    spec
}

const KINDS: [AlarmKind; 2] = [AlarmKind::Overheat, AlarmKind::Sensor];

impl Rig {
    fn guarded() -> Self {
        let mut rig = Self::from(with_siren(&KINDS), None);
        rig.tick();
        rig.hub(HubEvent::Up);
        rig.pass(secs(60), |_| 24.0);
        rig.drives.clear();
        rig
    }

    /// What the siren was driven to since it was last looked at, and by what.
    fn sounded(&mut self) -> Vec<(u16, String)> {
        let of_siren = self.drives.drain(..).filter(|one| one.output == SIREN);
        of_siren.map(|one| (one.drive.get(), one.cause.by_name(self.engine.climates()).to_string())).collect()
    }

    /// As `sounded`, of one sample.
    fn sounded_at(&mut self, value: Result<f64, Fault>) -> Vec<(u16, String)> {
        self.sample(value);
        self.sounded()
    }
}

fn one(drive: u16, cause: &str) -> Vec<(u16, String)> {
    vec![(drive, cause.to_owned())]
}

#[test]
fn a_siren_is_on_in_the_very_input_that_raises_its_alarm_and_off_in_the_one_that_clears_it() {
    let mut rig = Rig::guarded();
    assert_eq!(rig.sounded_at(Ok(70.0)), one(1000, "alarm overheat"));
    assert_eq!(rig.sounded_at(Ok(71.0)), []);
    assert_eq!(rig.sounded_at(Ok(24.0)), one(0, "no alarm"));
    // A sensor becomes stale with no input of its own.
    let mut silent = rig.now;
    while rig.engine.alarms().get("sensor-cabinet").is_none() {
        rig.now = rig.engine.deadline().at;
        silent = rig.now;
        rig.tick();
    }
    assert_eq!(rig.drives.iter().find(|one| one.output == SIREN).map(|one| one.at), Some(silent));
    assert_eq!(rig.sounded(), one(1000, "alarm sensor"));
    assert_eq!(rig.sounded_at(Ok(24.0)), []);
    // Nor has its end one.
    let end = rig.now + secs(30);
    rig.now = rig.now + secs(20);
    assert_eq!(rig.sounded_at(Ok(24.0)), []);
    while rig.engine.alarms().get("sensor-cabinet").is_some() {
        rig.now = rig.engine.deadline().at;
        rig.tick();
    }
    assert_eq!(rig.now, end);
    assert_eq!(rig.sounded(), one(0, "no alarm"));
}

#[test]
fn one_alarm_in_place_of_another_changes_the_cause_and_not_the_drive() {
    let mut rig = Rig::guarded();
    rig.pass(secs(20), |_| 70.0);
    assert_eq!(rig.sounded(), one(1000, "alarm overheat"));
    for _ in 0..8 {
        rig.now = rig.now + secs(5);
        rig.tick();
        rig.sample(Err(Fault::Missing));
    }
    assert_eq!(rig.sounded(), []);
    let names: Vec<_> = rig.engine.alarms().iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["sensor-cabinet"]);
    let cause = |rig: &Rig| rig.status(0)["outputs"]["siren"]["cause"].clone();
    assert_eq!(cause(&rig), "alarm sensor");
    assert_eq!(rig.sounded_at(Ok(70.0)), []);
    assert_eq!(cause(&rig), "alarm overheat");
    assert_eq!(rig.reported_value("components.siren.on"), Some(&json!(true)));
}

#[test]
fn of_two_sensors_that_are_lost_the_first_to_return_does_not_silence_it() {
    let mut spec = with_siren(&[AlarmKind::Sensor]);
    spec.sensors.push(thermometer("door"));
    let mut rig = Rig::from(spec, None);
    rig.tick();
    rig.drives.clear();
    let mut read = |sensor, value, seconds_later| {
        rig.now = rig.now + secs(seconds_later);
        let reading = Reading { sensor: SensorId(sensor), at: rig.now, value };
        rig.engine.handle_reading(rig.now, reading, None);
        rig.drain();
        rig.sounded()
    };
    assert_eq!(read(0, Err(Fault::Missing), 0), one(1000, "alarm sensor"));
    assert_eq!(read(1, Err(Fault::Missing), 0), []);
    assert_eq!(read(0, Ok(24.0), 0), []);
    assert_eq!(read(0, Ok(24.0), 29), []);
    assert_eq!(read(0, Ok(24.0), 5), []);
    assert_eq!(read(1, Ok(24.0), 0), []);
    assert_eq!(read(0, Ok(24.0), 20), []);
    assert_eq!(read(1, Ok(24.0), 9), []);
    assert_eq!(read(1, Ok(24.0), 1), one(0, "no alarm"));
}

#[test]
fn an_override_silences_it_for_a_time_and_an_alarm_that_still_stands_is_heard_again() {
    let mut rig = Rig::guarded();
    rig.pass(secs(20), |_| 70.0);
    assert_eq!(rig.sounded(), one(1000, "alarm overheat"));
    rig.order("siren", Some((Setting::Drive(Permille::ZERO), secs(600))), PERSON).unwrap();
    rig.drain();
    assert_eq!(rig.sounded(), one(0, "override"));
    rig.pass(secs(599), |_| 70.0);
    assert_eq!(rig.sounded(), []);
    rig.pass(secs(1), |_| 70.0);
    assert_eq!(rig.sounded(), one(1000, "alarm overheat"));
}

#[test]
fn a_full_disk_is_heard_and_a_disk_that_has_room_again_is_not() {
    let mut rig = Rig::from(with_siren(&[AlarmKind::Disk]), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.drives.clear();
    rig.disk = Disk::Full;
    rig.desire(json!({"patchId": "one"}));
    assert_eq!(rig.sounded(), one(1000, "alarm disk"));
    rig.disk = Disk::Quick;
    rig.pass(secs(30), |_| 24.0);
    assert_eq!(rig.sounded(), []);
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.sounded(), one(0, "no alarm"));
}

#[test]
fn after_a_reload_a_siren_goes_on_and_what_follows_alarms_now_does_so_at_once() {
    let mut rig = Rig::guarded();
    rig.pass(secs(20), |_| 70.0);
    rig.reload(with_siren(&KINDS));
    assert_eq!(rig.sounded(), []);
    rig.reload(with_siren(&[AlarmKind::Disk]));
    assert_eq!(rig.sounded(), one(0, "no alarm"));
    rig.reload(with_siren(&[AlarmKind::Overheat]));
    assert_eq!(rig.sounded(), one(1000, "alarm overheat"));
    // Without `critical` there is no overheat, so the reload itself clears the alarm.
    let mut cool = with_siren(&KINDS);
    cool.climates[0].critical = None;
    rig.reload(cool);
    assert_eq!(rig.sounded(), one(0, "no alarm"));
}

#[test]
fn a_siren_that_cannot_be_driven_raises_its_own_alarm_and_falls_silent_once_it_can() {
    let mut rig = Rig::from(with_siren(&[AlarmKind::Output]), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.pass(secs(60), |_| 24.0);
    rig.board_fails = true;
    rig.order("siren", Some((Setting::Drive(Permille::FULL), secs(20))), PERSON).unwrap();
    rig.drain();
    let steps = rig.engine.steps();
    rig.pass(secs(60), |_| 24.0);
    assert!(rig.engine.alarms().get("output-siren").is_some());
    assert_eq!(rig.status(0)["outputs"]["siren"]["cause"], "alarm output");
    assert!(rig.engine.steps() - steps < 40, "{} steps in a minute", rig.engine.steps() - steps);
    rig.sounded();
    rig.board_fails = false;
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.sounded(), [one(1000, "alarm output"), one(0, "no alarm")].concat());
    assert_eq!(rig.engine.alarms().iter().count(), 0);
}

#[test]
fn a_siren_that_cannot_be_driven_holds_up_nothing_else() {
    let mut rig = Rig::guarded();
    rig.board_fails = true;
    rig.sample(Ok(70.0));
    assert_eq!(rig.sounded(), one(1000, "alarm overheat"));
    rig.pass(secs(30), |_| 70.0);
    rig.board_fails = false;
    rig.drives.clear();
    rig.pass(secs(10), |_| 70.0);
    let driven: Vec<_> = rig.drives.iter().map(|one| (one.output, one.drive.get())).collect();
    assert_eq!(driven, [(OutputId(0), 1000), (SIREN, 1000)]);
}

#[test]
fn an_upgrade_does_not_interrupt_a_siren_and_one_that_has_no_cause_ends_with_the_first_reading() {
    let spec = with_siren(&KINDS);
    let taken_over = |value| {
        let mut rig = Rig::from(spec.clone(), None);
        let found = vec![(OutputId(0), Permille::FULL), (SIREN, Permille::FULL)];
        rig.engine = Core::new(
            rig.now,
            spec.clone(),
            None,
            Carry { handed_over: true, found, ..at_start_on(Machine::default()) },
        );
        rig.tick();
        assert_eq!(rig.sounded(), []);
        rig.sounded_at(value)
    };
    assert_eq!(taken_over(Ok(70.0)), []);
    assert_eq!(taken_over(Err(Fault::Missing)), []);
    assert_eq!(taken_over(Ok(24.0)), one(0, "no alarm"));
}
