//! The trend: when a sample is taken, what it holds, how long it is kept, and what a reload leaves of it.

use super::*;
use crate::control::ClimateRange;

fn trend(rig: &Rig) -> Value {
    serde_json::to_value(rig.engine.trend(rig.now)).unwrap()
}

fn numbers(list: &Value) -> Vec<Option<f64>> {
    list.as_array().unwrap().iter().map(Value::as_f64).collect()
}

#[test]
fn each_ten_seconds_of_the_last_hour_have_a_sample_and_older_ones_go() {
    let mut rig = Rig::online();
    rig.pass(secs(60), |_| 24.25);
    let first = trend(&rig);
    assert_eq!(first["everySeconds"], 10);
    assert_eq!(first["secondsAgo"], json!([60, 50, 40, 30, 20, 10, 0]));
    let climate = &first["climates"]["climate"];
    assert_eq!(
        climate["value"],
        json!([null, null, 24.25, 24.25, 24.25, 24.25, 24.25]),
        "no reading at first"
    );
    assert_eq!((&climate["min"][6], &climate["max"][6]), (&json!(20), &json!(28)));
    rig.desire(json!({"components": {"climate": {"minTemperature": 22, "maxTemperature": 24}}}));
    rig.pass(secs(3600), |_| 24.25);
    let hour = trend(&rig);
    let ages = numbers(&hour["secondsAgo"]);
    assert_eq!((ages.len(), ages[0], ages[359]), (360, Some(3590.0), Some(0.0)));
    let climate = &hour["climates"]["climate"];
    assert_eq!(numbers(&climate["max"])[1..], [Some(24.0)].repeat(359), "the range of each moment");
    let fan = &hour["outputs"]["fan"];
    assert_eq!((&fan["permille"][359], &fan["rpm"][359]), (&json!(1000), &Value::Null));
    for list in [&climate["value"], &climate["min"], &fan["permille"], &fan["rpm"]] {
        assert_eq!(list.as_array().unwrap().len(), 360);
    }
}

#[test]
fn a_step_between_two_samples_and_a_gap_add_none_and_a_long_gap_leaves_none() {
    let mut rig = Rig::online();
    rig.pass(secs(9), |_| 24.0);
    rig.engine.handle_timeout(rig.now);
    assert_eq!(trend(&rig)["secondsAgo"], json!([0]), "in the same ten seconds");
    rig.now = rig.now + secs(100);
    rig.tick();
    assert_eq!(trend(&rig)["secondsAgo"], json!([100, 0]), "the machine slept");
    rig.now = rig.now + secs(7200);
    rig.tick();
    assert_eq!(trend(&rig)["secondsAgo"], json!([0]));
}

#[test]
fn a_reload_keeps_what_has_the_same_name_and_holds_the_same() {
    let mut rig = Rig::online();
    rig.pass(secs(30), |_| 24.0);
    let mut second = fan(OutputKind::OnOff);
    second.name = "lamp".into();
    let outputs = vec![second, fan(OutputKind::OnOff)];
    let mut climate = climate_spec();
    (climate.lowering, climate.raising) = (vec![OutputId(1)], Vec::new());
    climate.range = ClimateRange::new(10.0, 12.0).unwrap();
    rig.reload(CoreSpec { outputs, climates: vec![climate.clone()], ..spec() });
    rig.pass(secs(10), |_| 24.0);
    let after = trend(&rig);
    assert_eq!(numbers(&after["outputs"]["lamp"]["permille"])[..4], [None; 4]);
    assert!(numbers(&after["outputs"]["fan"]["permille"])[1..].iter().all(Option::is_some), "{after}");
    assert_eq!(after["climates"]["climate"]["max"], json!([28, 28, 28, 28, 12]));
    climate.name = Some("office".into());
    rig.reload(CoreSpec { climates: vec![climate], ..spec() });
    assert_eq!(numbers(&trend(&rig)["climates"]["office"]["max"])[..4], [None; 4], "another climate");
}

#[test]
fn an_hour_of_the_largest_site_takes_less_than_400_kib() {
    let many = |name: &str| (0..64).map(|index| format!("{name}{index}")).collect::<Vec<_>>();
    let outputs = many("fan").into_iter().map(|name| OutputSpec { name, ..fan(OutputKind::OnOff) }).collect();
    let climates = many("room").into_iter().map(|name| ClimateSpec { name: Some(name), ..climate_spec() });
    let mut rig = Rig::from(CoreSpec { outputs, climates: climates.collect(), ..spec() }, None);
    rig.pass(secs(100), |_| 24.0);
    let begun = rig.engine.trend.bytes();
    rig.pass(secs(3600), |_| 24.0);
    let full = rig.engine.trend.bytes();
    assert!(begun < 32 * 1024, "{begun}: it is taken as it fills");
    assert!((100 * 1024..400 * 1024).contains(&full), "{full}");
}
