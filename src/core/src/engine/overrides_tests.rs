use super::*;
use crate::control::fixtures::{at_ms, permille};
use crate::twin::{Author, Override};

const PERSON: Author = Author::User(1000);
const HOUR: Duration = Duration::from_secs(3600);

impl Rig {
    fn override_output(&mut self, output: &str, order: Option<(u16, Duration)>) -> Result<(), OverrideFault> {
        let order = order.map(|(share, lasts)| (Setting::Drive(permille(share)), lasts));
        let outcome = self.order(output, order, PERSON);
        self.drain();
        outcome
    }

    fn call(&mut self, argument: Value) -> (u16, Value) {
        let method = HubEvent::Method { rid: "7".into(), name: "override".into(), argument };
        self.engine.handle_hub(self.now, method);
        match self.engine.poll_request() {
            Some(HubRequest::AnswerMethod { status, payload, .. }) => (status, payload),
            other => panic!("{other:?}"),
        }
    }

    /// The override in the status.
    fn overridden(&self) -> Value {
        self.status(0)["outputs"]["fan"]["override"].clone()
    }
}

#[test]
fn an_override_drives_at_once_is_reported_and_ends_by_itself() {
    let mut rig = Rig::online();
    rig.sample(Ok(24.0));
    assert_eq!(rig.drive(), Some(0));
    rig.override_output("fan", Some((1000, secs(600)))).unwrap();
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::Override)));
    assert_eq!(rig.overridden(), json!({"percent": 100, "secondsLeft": 600, "by": "uid 1000"}));
    rig.pass(secs(599), |_| 24.0);
    assert_eq!(rig.reported_value("components.fan.override"), Some(&json!(100)));
    assert_eq!(rig.reported_value("components.fan.cause"), Some(&json!("override")));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!((rig.drive(), rig.overridden()), (Some(0), Value::Null));
    assert!(rig.notices.contains(&Notice::OverrideEnded { output: "fan".into() }));
    rig.pass(secs(20), |_| 24.0);
    assert_eq!(rig.reported_value("components.fan.override"), None);
}

#[test]
fn an_override_ends_by_itself() {
    let mut overrides = super::super::overrides::InForce::default();
    let one = |until| Override { value: Permille::FULL, until, by: PERSON };
    overrides.put(OutputId(0), one(at(60)));
    overrides.put(OutputId(1), one(at(90)));
    assert_eq!(overrides.poll_timeout(at(0)), Some(at(60)));
    assert_eq!(overrides.expire(at_ms(59_999)), []);
    assert_eq!(overrides.expire(at(60)), [OutputId(0)]);
    assert_eq!(overrides.expire(at(90)), [OutputId(1)]);
    overrides.put(OutputId(1), one(at(90)));
    assert_eq!((overrides.poll_timeout(at(60)), overrides.poll_timeout(at(90))), (Some(at(90)), None));
}

#[test]
fn an_override_can_be_replaced_and_cleared() {
    let mut rig = Rig::from(CoreSpec { outputs: vec![fan(OutputKind::Pwm)], ..spec() }, None);
    rig.sample(Ok(22.0));
    rig.override_output("fan", Some((400, HOUR))).unwrap();
    assert_eq!(rig.drive(), Some(400));
    rig.override_output("fan", Some((0, HOUR))).unwrap();
    assert_eq!(rig.drive(), Some(0));
    rig.override_output("fan", None).unwrap();
    assert_eq!((rig.drive(), rig.overridden()), (Some(250), Value::Null));
    rig.override_output("fan", None).unwrap();
}

#[test]
fn an_override_that_is_refused_changes_nothing() {
    let mut rig = Rig::new();
    rig.sample(Ok(24.0));
    let (drives, written) = (rig.drives.len(), rig.written.len());
    let unknown = OverrideFault::Unknown { known: vec!["fan".into(), "climate".into()] };
    assert_eq!(rig.override_output("fna", Some((1000, HOUR))), Err(unknown.clone()));
    assert_eq!(rig.override_output("fna", None), Err(unknown));
    for lasts in [Duration::ZERO, Duration::from_millis(999), OVERRIDE_MAX + secs(1), Duration::MAX] {
        assert_eq!(rig.override_output("fan", Some((1000, lasts))), Err(OverrideFault::Duration));
    }
    assert_eq!(rig.override_output("fan", Some((400, HOUR))), Err(OverrideFault::OnOff));
    assert_eq!((rig.drives.len(), rig.written.len(), rig.overridden()), (drives, written, Value::Null));
    assert_eq!(rig.override_output("fan", Some((1000, OVERRIDE_MAX))), Ok(()));
}

#[test]
fn overheat_outranks_an_override_which_decides_again_below_it() {
    let climate = ClimateSpec { critical: Some(60.0), ..climate_spec() };
    let mut rig = Rig::from(CoreSpec { climates: vec![climate], ..spec() }, None);
    rig.sample(Ok(24.0));
    rig.override_output("fan", Some((0, HOUR))).unwrap();
    rig.sample(Ok(70.0));
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::Overheat)));
    assert_eq!(rig.overridden()["percent"], 0);
    rig.sample(Ok(50.0));
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::ZERO, Cause::Override)));
}

#[test]
fn a_record_is_made_when_an_override_begins_and_ends_and_every_hour_between() {
    let mut rig = Rig::new();
    rig.pass(HOUR, |_| 24.0);
    let before = rig.written.len();
    rig.override_output("fan", Some((1000, 3 * HOUR - secs(60)))).unwrap();
    assert_eq!(rig.written.len(), before + 1);
    rig.pass(4 * HOUR, |_| 24.0);
    let stored: Vec<usize> = rig.written[before..].iter().map(|record| record.overrides.len()).collect();
    assert_eq!(stored, [1, 1, 1, 0]);
}

#[test]
fn an_override_that_could_not_be_stored_is_offered_again() {
    let mut rig = Rig::new();
    rig.tick();
    rig.disk = Disk::Full;
    rig.override_output("fan", Some((1000, HOUR))).unwrap();
    assert_eq!(rig.drive(), Some(1000), "the disk delays nothing");
    rig.disk = Disk::Quick;
    let before = rig.written.len();
    rig.pass(secs(40), |_| 24.0);
    assert_eq!(rig.written[before..].iter().map(|r| r.overrides.len()).collect::<Vec<_>>(), [1]);
}

#[test]
fn an_override_is_carried_over_a_reload_with_its_end() {
    let mut rig = Rig::online();
    rig.sample(Ok(24.0));
    rig.override_output("fan", Some((1000, secs(100)))).unwrap();
    rig.pass(secs(40), |_| 24.0);
    rig.reload(spec());
    assert_eq!((rig.drive(), rig.overridden()["secondsLeft"].clone()), (None, json!(60)));
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.drive(), Some(0));
}

#[test]
fn an_override_by_a_direct_method_is_answered() {
    let mut rig = Rig::new();
    rig.tick();
    let order = |percent: Value| json!({"output": "fan", "percent": percent, "seconds": 60});
    for percent in [json!("on"), json!(100), json!("off"), json!(0)] {
        assert_eq!(rig.call(order(percent)), (200, json!({"output": "fan"})));
    }
    rig.call(order(json!("on")));
    assert_eq!(rig.overridden()["by"], "hub");
    assert_eq!(rig.call(json!({"output": "fan", "clear": true})).0, 200);
    assert_eq!(rig.overridden(), Value::Null);
    let (status, payload) = rig.call(json!({"output": "x", "clear": true}));
    assert_eq!(
        (status, payload["error"].as_str()),
        (404, Some("no such output or climate; there are: fan, climate"))
    );
    let wrong = [
        Value::Null,
        json!([]),
        json!({"output": 7}),
        json!({"output": "fan", "percent": 50}),
        order(json!(50)),
        order(json!(101)),
        order(json!(-1)),
        order(json!("half")),
        json!({"output": "fan", "percent": "on", "seconds": 0.5}),
        json!({"output": "fan", "percent": "on", "seconds": -5}),
        json!({"output": "fan", "percent": "on", "seconds": 1e300}),
    ];
    for argument in wrong {
        let (status, payload) = rig.call(argument.clone());
        assert!(status == 400 && payload["error"].is_string(), "{argument}: {status} {payload}");
    }
    assert_eq!(rig.overridden(), Value::Null);
}

#[test]
fn the_history_says_who_did_what_and_is_shown_on_demand() {
    let mut rig = Rig::new();
    rig.sample(Ok(24.0));
    rig.override_output("fan", Some((1000, secs(60)))).unwrap();
    rig.pass(secs(75), |_| 24.0);
    let status = rig.status(2);
    let change = |at: usize| status["changes"][at].clone();
    assert_eq!(
        (change(0)["permille"].clone(), change(0)["cause"].clone(), change(0)["by"].clone()),
        (json!(0), json!("climate"), Value::Null)
    );
    assert_eq!(
        change(1),
        json!({"secondsAgo": 75, "output": "fan", "permille": 1000, "cause": "override", "by": "uid 1000"})
    );
    assert_eq!(status["changes"].as_array().map(Vec::len), Some(2));
    rig.reload(spec());
    assert_eq!(rig.status(9)["changes"].as_array().map(Vec::len), Some(3));
    assert_eq!(rig.status(0).get("changes"), None);
}
