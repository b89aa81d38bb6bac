//! The tutorial and the meaning of the twin, at the pin and at the back end.

use crate::rig::{DEVICE, Rig};
use serde_json::{Value, json};

/// The tutorial's patches, the reset first.
pub(crate) fn tutorial() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"patchId": "Init", "fanOn": "false", "components": {
            "system": {"id": "17", "units": "farenheit", "firmwareVersion": "9.75"},
            "climate": {"minTemperature": "68", "maxTemperature": "76"}}}),
        json!({"patchId": "Switch fan on", "fanOn": "false"}),
        json!({"patchId": "Set maximum temperature", "components": {"climate": {"maxTemperature": "92"}}}),
        json!({"patchId": "Add WiFi component", "components": {"wifi": {"channel": "6", "ssid": "my_network"}}}),
        json!({"patchId": "Update WiFi component", "components": {"wifi": {"channel": "13", "ssid": "my_other_network"}}}),
        json!({"patchId": "Delete WiFi component", "components": {"wifi": null}}),
    ]
}

#[test]
fn the_tutorials_patches_end_in_the_right_reported_state() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    for patch in tutorial() {
        rig.hub.hub().update_twin(DEVICE, &json!({"properties": {"desired": patch}})).unwrap();
        if let Some(id) = patch.get("patchId") {
            let told = rig.wait_reported("the patch's id", |r| r["lastPatchReceivedId"] == *id);
            if id == "Update WiFi component" {
                assert_eq!(told["components"]["wifi"]["status"], "not mapped");
            }
        }
    }
    let end = rig.reported();
    assert_eq!(end["lastPatchReceivedId"], "Delete WiFi component");
    assert_eq!(end["fanOn"], "false");
    assert_eq!(end["minTemperature"], "68");
    assert_eq!(end["maxTemperature"], "92");
    assert_eq!(end["components"]["climate"]["unit"], "fahrenheit");
    assert_eq!(end["components"].get("wifi"), None, "{end:#}");
    assert_eq!(end["components"]["fan"]["on"], false);
    assert_eq!(rig.drive("fan"), Some(0));
}

#[test]
fn the_fan_follows_fan_on_as_a_boolean_and_as_a_string() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let _daemon = rig.start_synced();
    for (value, drive) in [(json!(true), 200), (json!(false), 0), (json!("true"), 200), (json!("false"), 0)] {
        let version = rig.desire(json!({"fanOn": value}));
        rig.wait_drive("fan", |now| now == drive);
        let told = rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
        assert_eq!(told["fanOn"], value);
    }
    let trace = rig.trace();
    assert_eq!(trace.last().unwrap()["output"], "fan");
    let cause = trace.last().unwrap()["cause"].as_str().unwrap();
    assert!(cause.contains("desired") && cause.contains("version"), "{cause}");
    rig.desire(json!({"fanOn": null}));
    let told = rig.wait_reported("automatic", |r| r.get("fanOn").is_none());
    assert_eq!(told["components"]["fan"]["cause"], "climate");
    // True means at least the minimum; the range may demand more.
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    rig.desire(json!({"fanOn": true}));
    rig.wait_reported("still by the range", |r| r["fanOn"] == true);
    assert_eq!(rig.drive("fan"), Some(750));
    rig.set_temperature("15.0");
    rig.wait_drive("fan", |now| now == 200);
}

#[test]
fn fan_on_false_yields_to_the_fail_safe_rows_and_to_nothing_else() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    rig.desire(json!({"fanOn": false}));
    rig.wait_drive("fan", |now| now == 0);
    rig.set_temperature("40.0");
    rig.wait_reported("the heat", |r| r["components"]["climate"]["regime"] == "too-warm");
    assert_eq!(rig.drive("fan"), Some(0));
    rig.set_temperature("warm");
    rig.wait_drive("fan", |now| now == 1000);
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 0);
}

#[test]
fn fan_on_drives_the_output_that_names_it_instead_of_what_cools() {
    let rig = Rig::new();
    rig.configure("[outputs.vent]\npin = 22\nproperty = \"fanOn\"\n");
    let _daemon = rig.start_synced();
    for (on, permille) in [(true, 1000), (false, 0)] {
        rig.desire(json!({ "fanOn": on }));
        rig.wait_drive("vent", |now| now == permille);
        rig.wait_reported("the vent", |r| r["fanOn"] == on && r["components"]["vent"]["on"] == on);
        assert_eq!(rig.drive("fan"), Some(250), "it follows the range alone");
    }
}

#[test]
fn a_range_is_in_the_unit_that_is_desired_with_it() {
    let rig = Rig::new();
    rig.set_temperature("25.0");
    let _daemon = rig.start_synced();
    // 25 °C is half way, a quarter, three quarters and all of the way.
    for (units, min, max, permille, shown) in [
        ("fahrenheit", 68.0, 86.0, 500, 77.0),
        ("celsius", 20.0, 40.0, 250, 25.0),
        ("kelvin", 295.15, 299.15, 750, 298.15),
        ("farenheit", 59.0, 77.0, 1000, 77.0),
    ] {
        let climate = json!({"minTemperature": min, "maxTemperature": max});
        rig.desire(json!({"components": {"system": {"units": units}, "climate": climate}}));
        rig.wait_drive("fan", |now| now == permille);
        rig.wait_reported(units, |r| {
            r["components"]["climate"]["temperature"].as_f64() == Some(shown) && r["maxTemperature"] == max
        });
    }
}

#[test]
fn the_range_drives_the_fan_in_proportion_and_a_lone_maximum_uses_the_stored_minimum() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    // 68 °F is 20 °C, 86 °F is 30 °C: 25 °C lies half way.
    rig.set_temperature("25.0");
    rig.desire(json!({"components": {"system": {"units": "farenheit"}, "climate": {"minTemperature": "68", "maxTemperature": "86"}}}));
    rig.wait_drive("fan", |now| now == 500);
    // 104 °F is 40 °C: 25 °C is a quarter of the way from the stored 20.
    rig.desire(json!({"components": {"climate": {"maxTemperature": "104"}}}));
    rig.wait_drive("fan", |now| now == 250);
    let told = rig.wait_reported("the new maximum", |r| r["maxTemperature"] == "104");
    assert_eq!(told["minTemperature"], "68");
    rig.wait_reported("the temperature in the desired unit", |r| {
        r["components"]["climate"]["temperature"] == 77
    });
}

#[test]
fn a_range_that_cannot_be_applied_is_refused_whole_and_told() {
    let rig = Rig::new();
    rig.configure("limits = { min = 5.0, max = 45.0 }\n");
    let _daemon = rig.start_synced();
    rig.set_temperature("24.0");
    let good =
        json!({"system": {"units": "celsius"}, "climate": {"minTemperature": 20, "maxTemperature": 28}});
    for (wrong, value) in [
        (json!({"climate": {"minTemperature": 40}}), json!({"minTemperature": 40, "maxTemperature": 28})),
        (json!({"climate": {"maxTemperature": 20}}), json!({"minTemperature": 20, "maxTemperature": 20})),
        (json!({"climate": {"maxTemperature": 46}}), json!({"minTemperature": 20, "maxTemperature": 46})),
        (
            json!({"climate": {"minTemperature": "4.9"}}),
            json!({"minTemperature": "4.9", "maxTemperature": 28}),
        ),
        (
            json!({"climate": {"maxTemperature": "warm"}}),
            json!({"minTemperature": 20, "maxTemperature": "warm"}),
        ),
        (json!({"climate": {"maxTemperature": true}}), json!({"minTemperature": 20, "maxTemperature": true})),
        (json!({"system": {"units": "réaumur"}}), json!({"minTemperature": 20, "maxTemperature": 28})),
    ] {
        rig.desire(json!({ "components": good }));
        rig.wait_reported("nothing refused", |r| r["maxTemperature"] == 28 && r.get("rejected").is_none());
        rig.wait_drive("fan", |now| now == 500);
        let version = rig.desire(json!({ "components": wrong }));
        let told = rig.wait_reported("the refusal", |r| r["desiredVersion"] == version);
        let refusal = &told["rejected"]["components"]["climate"];
        assert_eq!(
            (&refusal["code"], &refusal["version"]),
            (&json!(400), &json!(version)),
            "{wrong}: {told:#}"
        );
        assert_eq!(refusal["value"], value, "{wrong}");
        assert!(refusal["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{wrong}: {refusal}");
        assert_eq!((&told["minTemperature"], &told["maxTemperature"]), (&json!(20), &json!(28)), "{wrong}");
        assert_eq!(rig.drive("fan"), Some(500), "{wrong}");
    }
    rig.desire(json!({"components": {"system": {"units": "celsius"}, "climate": {"minTemperature": 21}}}));
    let told = rig.wait_reported("mended", |r| r.get("rejected").is_none());
    assert_eq!((&told["minTemperature"], &told["maxTemperature"]), (&json!(21), &json!(28)));
}

#[test]
fn nulls_delete_a_component_all_components_and_everything() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    rig.set_temperature("30.0");
    rig.desire(json!({"fanOn": false, "components": {"wifi": {"channel": 6}, "door": {"open": true},
        "climate": {"minTemperature": 30, "maxTemperature": 40}}}));
    rig.wait_reported("both components", |r| r["components"]["door"]["status"] == "not mapped");
    rig.desire(json!({"components": {"wifi": null}}));
    let told = rig.wait_reported("one component less", |r| r["components"].get("wifi").is_none());
    assert_eq!(told["components"]["door"]["status"], "not mapped");
    rig.desire(json!({"components": null}));
    let told = rig.wait_reported("the site's own range", |r| r["maxTemperature"] == 28);
    assert_eq!(told["components"].get("door"), None);
    assert_eq!(told["fanOn"], false);
    let version = rig.hub.hub().update_twin(DEVICE, &json!({"properties": {"desired": null}})).unwrap();
    let version = &version["properties"]["desired"]["$version"];
    rig.wait_reported("nothing desired", |r| r["desiredVersion"] == *version && r.get("fanOn").is_none());
    // 30 °C is above the site's range, and `fanOn` is not false.
    rig.wait_drive("fan", |now| now == 1000);
}

#[test]
fn an_output_of_its_own_property_follows_it() {
    let rig = Rig::new();
    rig.configure("[outputs.lamp]\npin = 22\nproperty = \"components.lamp.on\"\n");
    let _daemon = rig.start_synced();
    assert_eq!(rig.drive("lamp"), Some(0));
    rig.desire(json!({"components": {"lamp": {"on": "true"}}}));
    rig.wait_drive("lamp", |now| now == 1000);
    let told = rig.wait_reported("the lamp", |r| r["components"]["lamp"]["on"] == true);
    assert_eq!(told["components"]["lamp"]["status"], "applied");
    rig.desire(json!({"components": {"lamp": {"on": "maybe"}}}));
    rig.wait_reported("the refusal", |r| r["rejected"]["components"]["lamp"]["on"]["code"] == 400);
    assert_eq!(rig.drive("lamp"), Some(1000));
}

#[test]
fn an_output_of_its_own_property_follows_percentages_too() {
    let rig = Rig::new();
    rig.configure("[outputs.dimmer]\npwm = { channel = 1 }\nproperty = \"light\"\n");
    let _daemon = rig.start_synced();
    for (light, permille) in [(json!(40), 400), (json!("12.5%"), 125), (json!(true), 1000), (json!("0"), 0)] {
        rig.desire(json!({ "light": light }));
        rig.wait_drive("dimmer", |now| now == permille);
    }
    rig.desire(json!({"light": 101}));
    rig.wait_reported("the refusal", |r| r["rejected"]["light"]["code"] == 400);
    assert_eq!(rig.drive("dimmer"), Some(0));
}
