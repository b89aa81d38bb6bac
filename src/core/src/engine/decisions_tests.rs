//! Every decision is in the history and the log, and a drive that is held back says why.

use super::*;
use crate::control::fixtures::{ms, output, permille};
use crate::twin::Author;

const PERSON: Author = Author::User(1000);
const HOUR: Duration = Duration::from_secs(3600);

fn site() -> CoreSpec {
    let climate = ClimateSpec { critical: Some(60.0), ..climate_spec() };
    CoreSpec { outputs: vec![fan(OutputKind::Pwm)], climates: vec![climate], ..spec() }
}

fn site_of(output: OutputSpec) -> CoreSpec {
    CoreSpec { outputs: vec![output], ..site() }
}

impl Rig {
    fn override_fan(&mut self, share: u16) {
        self.order("fan", Some((Setting::Drive(permille(share)), HOUR)), PERSON).unwrap();
        self.drain();
    }

    /// The history of the fan, the oldest first: permille and cause.
    fn history(&self) -> Vec<(u64, String)> {
        let changes = self.status(1000)["changes"].clone();
        let announced =
            |row: &Value| (row["permille"].as_u64().unwrap(), row["cause"].as_str().unwrap().to_owned());
        changes.as_array().unwrap().iter().rev().map(announced).collect()
    }

    /// What was announced of what has an entry: permille, cause, and whether the drive changed.
    fn announced(&self) -> Vec<(u64, String, bool)> {
        let of = |notice: &Notice| match notice {
            Notice::Driven { permille, cause, is_entry: true, moved, .. } => {
                Some((u64::from(*permille), cause.clone(), *moved))
            }
            _ => None,
        };
        self.notices.iter().filter_map(of).collect()
    }

    fn status_of_fan(&self, key: &str) -> Value {
        self.status(0)["outputs"]["fan"][key].clone()
    }
}

#[test]
fn each_cause_is_in_the_history_and_the_log_though_the_fan_stays_at_full() {
    let mut rig = Rig::from(site(), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(json!({"fanOn": true}));
    rig.sample(Ok(40.0));
    let (saved, drives) = (rig.written.len(), rig.drives.len());
    rig.desire(json!({"fanOn": null}));
    assert_eq!(rig.written.len(), saved + 1, "for the desired change");
    rig.override_fan(1000);
    let saved = rig.written.len();
    rig.sample(Ok(70.0));
    rig.sample(Ok(40.0));
    rig.pass(secs(31), |_| 40.0);
    rig.now = rig.now + secs(31);
    rig.tick();
    rig.sample(Ok(40.0));
    let expected = [
        (0, "fail-safe start"),
        (300, "desired version 2"),
        (1000, "desired version 2"),
        (1000, "climate"),
        (1000, "override"),
        (1000, "fail-safe overheat"),
        (1000, "override"),
        (1000, "fail-safe sensor-fault"),
        (1000, "override"),
    ];
    assert_eq!(rig.drives.len(), drives, "the fan never changed");
    assert_eq!(rig.written.len(), saved, "and nothing of it was recorded");
    let expected = expected.map(|(permille, cause)| (permille, cause.to_owned()));
    // Fan on at 30 % and then at full is one decision whose drive changes.
    let without_move: Vec<_> = expected.iter().filter(|row| **row != expected[2]).cloned().collect();
    assert_eq!(rig.history(), without_move);
    let announced: Vec<_> =
        rig.announced().into_iter().map(|(permille, cause, _)| (permille, cause)).collect();
    assert_eq!(announced, without_move);
    assert!(rig.announced()[2..].iter().all(|(.., moved)| !moved));
    let by: Vec<String> =
        rig.notices.iter().map(Notice::to_string).filter(|text| text.contains("stays")).collect();
    assert_eq!(by[1], "output fan stays at 100 %, now decided by override (uid 1000)");
}

#[test]
fn an_entry_of_the_history_never_changes_and_agrees_with_the_log() {
    let mut rig = Rig::from(site(), None);
    rig.sample(Ok(21.7));
    let first = rig.history();
    assert_eq!(first.last(), Some(&(212, "climate".to_owned())));
    for tenth in 0..200 {
        rig.now = rig.now + ms(500);
        rig.sample(Ok(21.7 + f64::from(tenth) / 100.0));
        assert!(rig.history().starts_with(&first));
    }
    let announced: Vec<_> =
        rig.announced().into_iter().map(|(permille, cause, _)| (permille, cause)).collect();
    assert_eq!(announced, rig.history(), "the log has what the history has");
    assert_eq!(rig.history().len(), first.len() + 1, "a drive that merely moves, once a minute");
}

#[test]
fn a_drive_that_has_moved_is_announced_within_a_minute_though_it_rests_by_then() {
    let mut rig = Rig::from(site(), None);
    rig.pass(secs(20), |_| 21.0);
    rig.sample(Ok(27.0));
    let rests = rig.history().len();
    rig.pass(secs(70), |_| 27.0);
    assert_eq!(rig.history().len(), rests + 1);
    assert_eq!(rig.history().last(), Some(&(875, "climate".to_owned())));
    let last = rig.notices.iter().map(Notice::to_string).rfind(|text| text.contains("output fan"));
    assert_eq!(last.as_deref(), Some("output fan set to 87.5 % by climate"));
}

#[test]
fn a_decision_is_not_announced_while_its_pin_cannot_be_driven() {
    let mut rig = Rig::from(site(), None);
    rig.board_fails = true;
    rig.sample(Ok(40.0));
    rig.override_fan(1000);
    assert_eq!((rig.history(), rig.announced()), (vec![], vec![]));
    rig.board_fails = false;
    rig.pass(secs(5), |_| 40.0);
    assert_eq!(rig.history(), [(1000, "override".to_owned())]);
}

#[test]
fn an_output_that_a_minimum_time_holds_back_says_so_and_for_how_long() {
    let mut rig = Rig::from(site_of(OutputSpec { min_off: Some(secs(300)), ..fan(OutputKind::OnOff) }), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.sample(Ok(40.0));
    rig.desire(json!({"fanOn": false}));
    rig.pass(secs(60), |_| 40.0);
    rig.override_fan(1000);
    let held = rig.status_of_fan("held");
    let text = "override wants 100 %, held off for 4 min by min-off";
    assert_eq!(
        held,
        json!({"by": "min-off", "cause": "override", "wants": 100, "seconds": 240, "text": text})
    );
    assert_eq!(rig.drive(), Some(0));
    assert_eq!(rig.engine.unmet_override(rig.now, "fan").map(|held| json!(held)), Some(held));
    assert_eq!(rig.history().last(), Some(&(0, "override".to_owned())));
    let said: Vec<String> = rig.notices.iter().map(Notice::to_string).collect();
    let line = format!("output fan stays at 0 %, now decided by override (uid 1000); {text}");
    assert!(said.contains(&line), "{said:?}");
    rig.pass(secs(240), |_| 40.0);
    assert_eq!((rig.drive(), rig.status_of_fan("held")), (Some(1000), Value::Null));
    assert_eq!(rig.history().last(), Some(&(1000, "override".to_owned())));
}

#[test]
fn what_a_fail_safe_row_outranks_says_that_it_waits() {
    let mut rig = Rig::from(site(), None);
    rig.sample(Ok(70.0));
    rig.override_fan(600);
    let text = |rig: &Rig| rig.status_of_fan("held")["text"].clone();
    assert_eq!(text(&rig), "override wants 60 %, outranked by fail-safe overheat");
    rig.sample(Ok(24.0));
    assert_eq!((rig.drive(), text(&rig)), (Some(600), Value::Null));
    rig.order("fan", None, PERSON).unwrap();
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(json!({"fanOn": false}));
    assert_eq!((rig.drive(), text(&rig)), (Some(0), Value::Null));
    rig.sample(Ok(70.0));
    assert_eq!(text(&rig), "desired version 2 wants 0 %, outranked by fail-safe overheat");
}

#[test]
fn a_kick_is_neither_reported_nor_shown_nor_announced_as_the_drive() {
    let mut rig = Rig::from(site_of(OutputSpec { kick: Some(secs(30)), ..fan(OutputKind::Pwm) }), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.pass(secs(20), |_| 20.0);
    rig.sample(Ok(24.0));
    assert_eq!(rig.drive(), Some(1000), "full, to start");
    assert_eq!((rig.status_of_fan("permille"), rig.status_of_fan("kicked")), (json!(500), json!(true)));
    rig.pass(secs(20), |_| 24.0);
    assert_eq!(rig.reported_value("components.fan.dutyPercent"), Some(&json!(50)));
    assert_eq!(rig.history().last(), Some(&(500, "climate".to_owned())));
    let reports = rig.reports;
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.drive(), Some(500));
    assert_eq!((rig.status_of_fan("permille"), rig.status_of_fan("kicked")), (json!(500), json!(false)));
    assert_eq!(rig.reports, reports, "and causes no second report");
}

#[test]
fn a_slewing_output_is_announced_with_its_goal() {
    let slew = OutputSpec { slew_permille_per_s: Some(100.0), ..fan(OutputKind::Pwm) };
    let mut rig = Rig::from(site_of(slew), None);
    rig.sample(Ok(20.0));
    rig.override_fan(800);
    assert_eq!(rig.history().last(), Some(&(800, "override".to_owned())));
    assert_eq!(
        rig.status_of_fan("held")["text"],
        "override wants 80 %, changing gradually (slew), 8 s to go"
    );
    rig.pass(secs(8), |_| 20.0);
    assert_eq!((rig.drive(), rig.status_of_fan("held")), (Some(800), Value::Null));
    assert_eq!(rig.announced().len(), 2, "climate and override: {:?}", rig.announced());
}

#[test]
fn a_heater_in_the_cold_says_what_holds_it_off_and_on() {
    let heater =
        OutputSpec { min_off: Some(secs(120)), min_on: Some(secs(120)), ..output("fan", OutputKind::OnOff) };
    let climate = ClimateSpec { lowering: vec![], raising: vec![OutputId(0)], ..climate_spec() };
    let mut rig = Rig::from(CoreSpec { climates: vec![climate], ..site_of(heater) }, None);
    let text = |rig: &Rig| rig.status_of_fan("held")["text"].clone();
    rig.sample(Ok(24.0));
    rig.sample(Ok(15.0));
    assert_eq!(text(&rig), "climate wants 100 %, held off for 2 min by min-off");
    rig.pass(secs(120), |_| 15.0);
    assert_eq!((rig.drive(), text(&rig)), (Some(1000), Value::Null));
    rig.sample(Ok(24.0));
    assert_eq!(text(&rig), "climate wants 0 %, held on for 2 min by min-on");
}

#[test]
fn a_drive_below_min_duty_says_that_it_is_raised() {
    let mut rig =
        Rig::from(site_of(OutputSpec { min_duty: permille(200).into(), ..fan(OutputKind::Pwm) }), None);
    rig.sample(Ok(24.0));
    assert_eq!(rig.status_of_fan("held"), Value::Null);
    rig.override_fan(100);
    assert_eq!(rig.status_of_fan("held")["text"], "override wants 10 %, raised to min-duty");
    assert_eq!(rig.history().last(), Some(&(200, "override".to_owned())));
}

#[test]
fn a_drive_that_is_decided_during_a_kick_is_not_announced_as_staying() {
    let kicked = OutputSpec { kick: Some(ms(500)), ..fan(OutputKind::Pwm) };
    let when = When { start: RowDrive::Fixed(permille(300)), ..kicked.when };
    let mut rig = Rig::from(site_of(OutputSpec { when, ..kicked }), None);
    rig.tick();
    rig.sample(Ok(24.0));
    let lines: Vec<String> = rig.notices.iter().map(Notice::to_string).collect();
    assert!(lines.iter().any(|line| line.contains("set to 50 % by climate")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("stays at 50 %")), "{lines:?}");
}
