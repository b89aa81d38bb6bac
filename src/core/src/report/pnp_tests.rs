use super::*;
use crate::twin::Author;
use crate::units::Permille;
use alloc::collections::BTreeSet;

/// A site as the shipped model describes it.
fn gateway() -> Rig {
    let climate = ClimateSpec { property: path("climate"), ..climate_spec() };
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], vec![thermometer("cabinet")], [climate]);
    rig.properties = PropertyMap { units: path("climate.units"), ..rig.properties.clone() };
    rig.restyle(ReportStyle::PlugAndPlay);
    rig
}

#[test]
fn a_value_in_force_is_acknowledged_where_it_was_desired() {
    let mut rig = gateway();
    rig.desire(json!({"fanOn": true, "climate": {"__t": "c", "minTemperature": 68, "units": "fahrenheit"}}));
    let reported = rig.compose(at(1)).section;
    assert_eq!(reported.get(&path("fanOn")), Some(&json!({"value": true, "ac": 200, "av": 1})));
    assert_eq!(
        reported.get(&path("climate.minTemperature")),
        Some(&json!({"value": 68, "ac": 200, "av": 1}))
    );
    let own = json!({"value": 82.4, "ac": 203, "av": 0, "ad": "the site's own"});
    assert_eq!(reported.get(&path("climate.maxTemperature")), Some(&own));
    assert_eq!(
        reported.get(&path("climate.units")),
        Some(&json!({"value": "fahrenheit", "ac": 200, "av": 1}))
    );
    assert_eq!(reported.get(&path("rejected")), None);
}

#[test]
fn a_refusal_says_why_and_what_is_in_force_instead() {
    let mut rig = gateway();
    rig.desire(json!({"climate": {"minTemperature": 20, "maxTemperature": 30}}));
    rig.desire(json!({"fanOn": "maybe", "climate": {"minTemperature": 40, "maxTemperature": 30}}));
    let reported = rig.compose(at(1)).section;
    let min = reported.get(&path("climate.minTemperature")).unwrap();
    assert_eq!((&min["value"], &min["ac"], &min["av"]), (&json!(20), &json!(400), &json!(2)));
    assert!(min["ad"].as_str().unwrap().contains("below"), "{min}");
    let fan = reported.get(&path("fanOn")).unwrap();
    assert_eq!((&fan["value"], &fan["ac"]), (&json!("maybe"), &json!(400)), "nothing was in force before");
    rig.desire(json!({"climate": {"minTemperature": 25, "maxTemperature": 30}}));
    let reported = rig.compose(at(2)).section;
    assert_eq!(
        reported.get(&path("climate.minTemperature")),
        Some(&json!({"value": 25, "ac": 200, "av": 3}))
    );
    assert_eq!(reported.get(&path("fanOn")), None);
}

#[test]
fn components_carry_their_marker_and_are_beside_the_climate() {
    let reported = gateway().compose(at(0)).section;
    for component in ["climate", "fan"] {
        assert_eq!(reported.get(&path(component).child("__t")), Some(&json!("c")), "{component}");
    }
    let mut rig = Rig::new();
    rig.restyle(ReportStyle::PlugAndPlay);
    let reported = rig.compose(at(0)).section;
    assert_eq!(reported.get(&path("components.fan.__t")), Some(&json!("c")));
}

#[test]
fn the_heartbeat_sends_the_temperature_again() {
    let mut rig = gateway();
    rig.sample(at(0), 0, Ok(22.0));
    rig.compose(at(0));
    rig.sample(at(300), 0, Ok(22.0));
    assert_eq!(rig.compose(at(300)).again, [path("climate.temperature")]);
}

/// The model's entry of a property or component.
fn content<'a>(model: &'a Value, interface: &str, name: &str) -> &'a Value {
    let interfaces = model.as_array().unwrap();
    let interface = interfaces.iter().find(|i| i["@id"] == interface).unwrap();
    let mut contents = interface["contents"].as_array().unwrap().iter();
    contents.find(|content| content["name"] == name).unwrap_or_else(|| panic!("the model has no {name}"))
}

pub(super) fn check_schema(schema: &Value, value: &Value, name: &str) {
    let fits = match schema.as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("double") => value.is_number(),
        Some("long") => value.is_i64() || value.is_u64(),
        Some("dateTime") => value.as_str().is_some_and(|text| text.ends_with('Z')),
        None if schema["@type"] == "Map" => {
            let entries = value.as_object().unwrap().values();
            return entries.for_each(|entry| check_schema(&schema["mapValue"]["schema"], entry, name));
        }
        None if schema["@type"] == "Object" => {
            let fields = schema["fields"].as_array().unwrap();
            let field = |key: &str| fields.iter().find(|field| field["name"] == key);
            return value.as_object().unwrap().iter().for_each(|(key, value)| {
                let field = field(key).unwrap_or_else(|| panic!("the model has no {name}.{key}"));
                check_schema(&field["schema"], value, key);
            });
        }
        None => schema["enumValues"].as_array().unwrap().iter().any(|one| one["enumValue"] == *value),
        Some(other) => panic!("no such schema: {other}"),
    };
    assert!(fits, "{name} = {value} does not fit {schema}");
}

/// Compares what is reported with an interface of the model. Adds what it found there: interface and name.
fn check_interface(model: &Value, interface: &str, reported: &Map<String, Value>, found: &mut Found) {
    for (name, value) in reported.iter().filter(|(name, _)| *name != "__t") {
        let content = content(model, interface, name);
        found.insert((interface.into(), name.clone()));
        if content["@type"] == "Component" {
            assert_eq!(value["__t"], "c", "{name}");
            let (inner, value) = (content["schema"].as_str().unwrap(), value.as_object().unwrap());
            check_interface(model, inner, value, found);
        } else if content["writable"] == true {
            check_schema(&content["schema"], &value["value"], name);
            assert!(value["ac"].is_u64() && value["av"].is_u64(), "{name} = {value}");
        } else {
            check_schema(&content["schema"], value, name);
        }
    }
}

type Found = BTreeSet<(String, String)>;

/// Everything that the model describes.
fn described(model: &Value) -> Found {
    let interfaces = model.as_array().unwrap().iter();
    let of = |interface: &Value| {
        let id = interface["@id"].as_str().unwrap().to_owned();
        let names = interface["contents"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        names.map(|name| (id.clone(), name.to_owned())).collect::<Vec<_>>()
    };
    interfaces.flat_map(of).collect()
}

#[test]
fn what_is_reported_is_what_the_shipped_model_describes() {
    let model: Value = serde_json::from_str(include_str!("../../../../config/twind.dtdl.json")).unwrap();
    let mut rig = gateway();
    let desired =
        json!({"patchId": "1", "fanOn": false, "climate": {"minTemperature": 20, "units": "celsius"}});
    rig.desire(desired);
    rig.pin_faults.insert(OutputId(0), "gone".into());
    rig.outputs.measure(OutputId(0), Ok(900.0));
    rig.store_fault = Some("full".into());
    rig.wall = Some(UnixSeconds(1_795_788_000));
    let overridden = Override { value: Permille::FULL, until: at(1000), by: Author::Hub };
    rig.overrides.insert(OutputId(0), overridden);
    let mut found = Found::new();
    for (second, reading) in [(0, Ok(22.0)), (60, Err(Fault::Missing)), (120, Ok(35.0)), (180, Ok(5.0))] {
        rig.sample(at(second), 0, reading);
        let section = rig.compose(at(second)).section;
        check_interface(&model, "dtmi:twind:Gateway;1", section.as_object(), &mut found);
    }
    assert_eq!(found, described(&model));
}

#[test]
fn a_number_with_more_digits_than_a_double_is_reported_as_the_one_in_force() {
    let mut rig = gateway();
    let text = br#"{"climate":{"minTemperature":20.10000000000000000001,"maxTemperature":28}}"#;
    rig.desire(Value::Object(json::read(text, 0).unwrap()));
    rig.sample(at(0), 0, Ok(22.0));
    let reported = rig.compose(at(60));
    let end = reported
        .section
        .get(&path("climate.minTemperature"))
        .or_else(|| reported.section.get(&path("minTemperature")));
    assert_eq!(end.map(|end| &end["value"]), Some(&json!(20.1)), "{:?}", reported.section);
    assert_eq!(reported.left_out, None);
}
