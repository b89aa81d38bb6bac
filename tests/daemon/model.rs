//! `twind model`, which needs no daemon.

use crate::rig::{CLIMATE, Rig, SENSOR, say};
use serde_json::{Value, json};

/// The names in an interface.
fn names(interface: &Value) -> Vec<&str> {
    interface["contents"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn the_model_is_printed_and_what_to_set_for_it_is_said_beside_it() {
    let rig = Rig::new();
    let said = say(&mut rig.command(&["model"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let model: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&model["@context"], &model["@id"]),
        (&json!("dtmi:dtdl:context;2"), &json!("dtmi:twind:Site;1"))
    );
    let climate = model["contents"].as_array().unwrap().iter().find(|one| one["name"] == "climate").unwrap();
    assert_eq!(
        (&climate["@type"], &climate["schema"]["@id"]),
        (&json!("Component"), &json!("dtmi:twind:Site:climate;1"))
    );
    for name in ["minTemperature", "temperature", "regime", "override", "scheduleUntil"] {
        assert!(names(&climate["schema"]).contains(&name), "{name}");
    }
    for says in [
        "set it in [report]",
        "no `model-id` is set in [hub]",
        "set climate = \"climate\" in [twin], units = \"system.units\" in [twin]",
    ] {
        assert!(said.err.contains(says), "{says}: {}", said.err);
    }
}

#[test]
fn a_site_that_is_set_for_plug_and_play_has_a_model_of_its_own_and_no_remarks() {
    let rig = Rig::new();
    let base = rig.base().replace("[hub]\n", "[hub]\nmodel-id = \"dtmi:com:example:Cabinet;2\"\n");
    let twin = "[twin]\nclimate = \"climate\"\nunits = \"climate.units\"\n";
    assert!(base.contains("[twin]\n") && base.contains("model-id"), "{base}");
    let base = base.replace("[twin]\n", twin).replace("[report]\n", "[report]\nstyle = \"pnp\"\n");
    let fan = "\n[outputs.front-fan]\npin = 17\n";
    let climate = CLIMATE.replace("\"fan\"", "\"front-fan\"");
    rig.write_config(&format!("{base}{fan}{SENSOR}{climate}"));
    let said = say(&mut rig.command(&["model"]));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let model: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(model["@id"], "dtmi:com:example:Cabinet;2");
    assert!(names(&model).ends_with(&["fanOn", "climate", "frontFan"]), "{:?}", names(&model));
    // What is reported has the same names.
    let _daemon = rig.start_synced();
    rig.wait_reported("the components", |r| r["frontFan"]["__t"] == "c" && r["climate"]["__t"] == "c");
}

#[test]
fn a_wrong_file_has_no_model() {
    let rig = Rig::new();
    rig.configure("nonsense = 1\n");
    let said = say(&mut rig.command(&["model"]));
    assert_eq!((said.code, said.out.as_str()), (78, ""));
    assert!(said.err.contains("nonsense"), "{}", said.err);
}
