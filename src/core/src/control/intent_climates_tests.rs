//! Sites with several climates, each at a property of its own.

use super::*;

const OFFICE: ClimateId = ClimateId(0);
const GREENHOUSE: ClimateId = ClimateId(1);
const STORE: ClimateId = ClimateId(2);

fn named(name: &str, quantity: Quantity, range: (f64, f64)) -> ClimateSpec {
    let (range, property) = (range_of(range.0, range.1), path("components").child(name));
    ClimateSpec { name: Some(name.into()), quantity, property, range, ..climate_spec() }
}

/// An office and a store, which hold temperatures, and a greenhouse, which holds a humidity.
fn site() -> Site {
    let temperature = Quantity::Temperature(TemperatureUnit::Celsius);
    let humidity = Quantity::Other("humidity".into());
    let climates = [
        named("office", temperature.clone(), (20.0, 28.0)),
        named("greenhouse", humidity, (40.0, 60.0)),
        named("store", temperature, (5.0, 12.0)),
    ];
    Site::with(vec![fan(OutputKind::OnOff)], climates)
}

fn held(read: &Understanding, id: ClimateId) -> Option<(f64, f64)> {
    let tidy = |end: f64| (end * 1e6).round() / 1e6;
    read.intent.range(id).map(|set| (tidy(set.value.min()), tidy(set.value.max())))
}

#[test]
fn each_climate_has_its_range_by_the_names_of_its_quantity() {
    let mut site = site();
    let read = site.patch(json!({"components": {
        "office": {"minTemperature": 18, "maxTemperature": "24"},
        "greenhouse": {"minHumidity": 50, "maxTemperature": 7},
    }}));
    assert_eq!(held(read, OFFICE), Some((18.0, 24.0)));
    assert_eq!(held(read, GREENHOUSE), Some((50.0, 60.0)));
    assert_eq!((held(read, STORE), read.refusals.as_slice()), (None, [].as_slice()));
    assert_eq!(
        read.accepted,
        section(json!({"components": {
            "office": {"minTemperature": 18, "maxTemperature": "24"}, "greenhouse": {"minHumidity": 50},
        }}))
    );
}

#[test]
fn a_range_that_is_refused_leaves_the_other_climates_alone() {
    let mut site = site();
    site.patch(json!({"components": {"office": {"maxTemperature": 25}, "greenhouse": {"maxHumidity": 70}}}));
    let read = site.patch(json!({"components": {
        "office": {"maxTemperature": 24}, "greenhouse": {"minHumidity": 90}, "store": "cold",
    }}));
    assert_eq!(held(read, OFFICE), Some((20.0, 24.0)));
    assert_eq!(held(read, GREENHOUSE), Some((40.0, 70.0)), "the last good one");
    let refused: Vec<String> = read.refusals.iter().map(|refusal| refusal.property.to_string()).collect();
    assert_eq!(refused, ["components.greenhouse", "components.store"]);
    assert_eq!(read.refusals[0].reason, "minHumidity is not below maxHumidity");
    assert_eq!(read.refusals[1].reason, "not an object with minTemperature and maxTemperature");
}

#[test]
fn the_unit_is_that_of_all_temperatures_and_of_nothing_else() {
    let mut site = site();
    let read = site.patch(json!({"components": {
        "system": {"units": "fahrenheit"},
        "office": {"minTemperature": 68, "maxTemperature": 77}, "greenhouse": {"maxHumidity": 77},
    }}));
    assert_eq!((held(read, OFFICE), held(read, GREENHOUSE)), (Some((20.0, 25.0)), Some((40.0, 77.0))));
}

#[test]
fn a_range_that_stays_in_force_keeps_its_unit_while_the_others_change_theirs() {
    let mut site = site();
    site.patch(json!({"components": {
        "office": {"minTemperature": 20, "maxTemperature": 25}, "store": {"minTemperature": 5, "maxTemperature": 8},
    }}));
    let read = site.patch(json!({"components": {
        "system": {"units": "fahrenheit"},
        "office": {"minTemperature": 68, "maxTemperature": 77}, "store": {"minTemperature": 90, "maxTemperature": 50},
    }}));
    let wanted = (Some((20.0, 25.0)), Some((5.0, 8.0)));
    assert_eq!((held(read, OFFICE), held(read, STORE)), wanted);
    assert_eq!(read.refusals.len(), 1);
    for _ in 0..2 {
        let read = site.restart();
        assert_eq!((held(read, OFFICE), held(read, STORE)), wanted, "{:?}", read.accepted);
        assert_eq!(read.refusals.len(), 1);
    }
    let read = site.patch(json!({"components": {"store": {"minTemperature": 41, "maxTemperature": 50}}}));
    assert_eq!((held(read, STORE), read.refusals.len()), (Some((5.0, 10.0)), 0));
    assert_eq!(read.accepted.get(&path("components.store.units")), None);
}

#[test]
fn an_unknown_unit_refuses_each_range_of_a_temperature_and_alone_itself() {
    let mut site = site();
    let read = site.patch(json!({"components": {
        "system": {"units": "rankine"}, "office": {"maxTemperature": 25}, "greenhouse": {"maxHumidity": 70},
    }}));
    refused_with(read, "components.office", "unknown unit in components.system.units");
    assert_eq!(held(read, GREENHOUSE), Some((40.0, 70.0)));
    let read = site.patch(json!({"components": {"office": null}}));
    refused_with(read, "components.system.units", "unknown unit");
}

#[test]
fn the_switch_of_a_climate_stands_beside_its_range() {
    let mut site = site();
    let read = site.patch(json!({"components": {"office": {"fanOn": "true"}, "store": {"fanOn": false}}}));
    let switch = |read: &Understanding, id| read.intent.climate(id)?.fan_on.map(|set| set.value);
    assert_eq!(
        (switch(read, OFFICE), switch(read, STORE), switch(read, GREENHOUSE)),
        (Some(true), Some(false), None)
    );
    let read = site.patch(json!({"components": {"office": {"fanOn": "perhaps"}}}));
    assert_eq!(switch(read, OFFICE), Some(true));
    refused_with(read, "components.office.fanOn", "neither true nor false");
    let read = site.restart();
    assert_eq!(switch(read, OFFICE), Some(true));
}

#[test]
fn the_switch_of_the_site_has_a_meaning_only_where_it_is_clear_what_it_switches() {
    let mut several = site();
    let read = several.patch(json!({"fanOn": true}));
    assert_eq!((fan_in(read), several.meaning().fans()), (None, vec![]));
    assert!(!several.meaning().mapped().contains(&path("fanOn")));
    let bound = OutputSpec { property: Some(path("fanOn")), ..output("fan", OutputKind::OnOff) };
    let mut several = Site { outputs: vec![bound], ..site() };
    assert_eq!(fan_in(several.patch(json!({"fanOn": true}))), Some(true));
    let office = named("office", Quantity::Temperature(TemperatureUnit::Celsius), (20.0, 28.0));
    let mut only = Site::with(vec![fan(OutputKind::OnOff)], [office]);
    assert_eq!(fan_in(only.patch(json!({"fanOn": true}))), Some(true));
    assert_eq!(only.meaning().fans(), [OutputId(0)]);
}

#[test]
fn the_only_climate_without_a_name_has_no_switch_of_its_own() {
    let mut site = Site::new();
    let read = site.patch(json!({"components": {"climate": {"fanOn": true, "maxTemperature": 30}}}));
    assert_eq!(read.intent.climate(CLIMATE).and_then(|of| of.fan_on), None);
    assert_eq!(read.accepted.get(&path("components.climate.fanOn")), None);
}

#[test]
fn a_climate_whose_whole_entry_is_refused_stays_as_it_was_with_its_switch_and_its_schedule() {
    let mut site = site();
    let office = json!({
        "minTemperature": 19, "fanOn": true,
        "schedule": {"n": {"from": "00:00", "to": "00:00", "minTemperature": 11, "maxTemperature": 13}},
    });
    let good = site.patch(json!({"components": {"office": office}})).clone();
    assert!(good.refusals.is_empty() && good.intent.climates.len() == 1, "{good:?}");
    let read = site.patch(json!({"components": {"office": "off"}})).clone();
    assert_eq!((read.intent.clone(), read.accepted.clone()), (good.intent, good.accepted));
    assert_eq!(read.refusals.len(), 1);
    assert_eq!(read.refusals[0].reason, "not an object with minTemperature and maxTemperature");
    // Deleted, it is gone.
    let read = site.patch(json!({"components": {"office": null}})).clone();
    assert_eq!((read.intent, read.accepted), (Intent::default(), Section::default()));
}
