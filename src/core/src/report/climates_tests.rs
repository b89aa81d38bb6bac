//! Several climates, as they are reported and shown.

use super::*;
use crate::control::quantity::Quantity;

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
