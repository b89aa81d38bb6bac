//! Other writers of the twin, and a hub that refuses reports for a while: neither stops anything.

use crate::rig::{DEVICE, Daemon, Rig, say};
use serde_json::{Value, json};
use twinhub::{Answer, Event, Times};

/// What a hub accepts whose limits differ from those that twind keeps to.
fn odd() -> Value {
    let deep = (0..11).fold(json!("leaf"), |inner, _| json!({ "k": inner }));
    json!({
        "build#": "1.2.3", "no\u{a0}break": 1, "wide\u{3000}space": 2, "list": [1, null], "n": 1_u64 << 60,
        "note": "x".repeat(5000), "deep": deep,
    })
}

fn lenient() -> Rig {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    rig.hub.hub().set_behaviour(|behaviour| behaviour.twin.raised_limits = true);
    rig
}

fn kept(rig: &Rig, half: &str) -> String {
    say(&mut rig.command(&["twin", half])).out
}

#[test]
fn odd_desired_properties_are_told_as_not_mapped_and_what_stands_beside_them_is_obeyed() {
    let rig = lenient();
    rig.desire(json!({"fanOn": true}));
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 200);
    let mut desired = odd();
    desired["fanOn"] = json!(false);
    desired["components"] = json!({"gate#2": {"open": true}, "wifi": {"ssid#": "a"}});
    let version = rig.desire(desired);
    rig.wait_drive("fan", |now| now == 0);
    let told = rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert_eq!(told["fanOn"], false);
    let not_mapped = json!([
        "build#",
        "components.gate#2",
        "deep",
        "list",
        "n",
        "note",
        "no\u{a0}break",
        "wide\u{3000}space"
    ]);
    assert_eq!(told["notMapped"], not_mapped);
    assert_eq!(told["components"]["wifi"]["status"], "not mapped");
    assert_eq!(told.get("rejected"), None);
    assert!(!daemon.log().contains("ERROR") && !daemon.log().contains("cannot be read"), "{}", daemon.log());
    rig.set_temperature("16.0");
    rig.wait_reported("reports go on", |r| r["components"]["climate"]["temperature"] == 16);
    daemon.kill();

    rig.hub.block_on(rig.hub.stop_listening());
    let daemon = rig.start();
    assert_eq!(rig.drive("fan"), Some(0));
    daemon.wait_log("started from the stored twin");
    let copy: Value = serde_json::from_str(&kept(&rig, "desired")).unwrap();
    for (key, value) in odd().as_object().unwrap() {
        assert_eq!(copy[key], *value, "{key}");
    }
    rig.hub.resume_listening().unwrap();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_drive("fan", |now| now == 200);
    rig.wait_reported("both ends equal", |r| r["desiredVersion"] == version);
}

#[test]
fn what_other_firmware_left_in_reported_stops_nothing_and_is_removed() {
    let rig = lenient();
    rig.hub.hub().update_reported(DEVICE, &odd()).unwrap();
    rig.desire(json!({"fanOn": true}));
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 200);
    let gone = |r: &Value| odd().as_object().unwrap().keys().all(|key| r.get(key).is_none());
    let told = rig.wait_reported("twind's own", |r| r["fanOn"] == true && gone(r));
    assert!(told["firmwareVersion"].is_string(), "{told:#}");
    assert!(!daemon.log().contains("ERROR") && !daemon.log().contains("cannot be read"), "{}", daemon.log());
}

#[test]
fn removals_that_the_hub_refuses_do_not_keep_the_rest_from_being_told() {
    let rig = lenient();
    rig.hub.hub().update_reported(DEVICE, &json!({"build#": 1, "old": 2})).unwrap();
    rig.hub.hub().set_behaviour(|behaviour| behaviour.twin.raised_limits = false);
    let daemon = rig.start();
    rig.wait_reported("the rest", |r| r["firmwareVersion"].is_string() && r.get("old").is_none());
    daemon.wait_log("the hub refuses reported build#");
    let status = rig.wait_status("what is set aside", |status| status["hub"]["setAsideCount"] == 1);
    assert_eq!(status["hub"]["setAside"][0]["property"], "build#");
    let page = say(&mut rig.command(&["status"])).out;
    assert!(
        page.contains("reported build# has been refused") && !page.contains("same as at the hub\n"),
        "{page}"
    );
}

#[test]
fn numbers_that_no_machine_word_holds_come_back_as_they_were_written_also_after_a_restart() {
    let rig = lenient();
    let daemon = rig.start_synced();
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=2";
    let body = r#"{"fanOn":true,"big":1180591620717411303424,"huge":{"n":[1e400,-1E-400]},"$version":2}"#;
    assert!(rig.hub.hub().publish_raw(DEVICE, topic, body));
    rig.wait_drive("fan", |now| now == 200);
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == 2);
    let shows = |what: &str| {
        let shown: String = kept(&rig, "desired").split_whitespace().collect();
        for part in [r#""big":1180591620717411303424"#, r#""huge":{"n":[1e400,-1E-400]}"#] {
            assert!(shown.contains(part), "{what}: {shown}");
        }
    };
    shows("the daemon's own");
    daemon.kill();
    shows("the disk's");
    rig.hub.block_on(rig.hub.stop_listening());
    let daemon = rig.start();
    shows("after a restart");
    assert_eq!(rig.drive("fan"), Some(200));
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_hub_that_has_no_twin_to_tell_of_is_asked_again_and_the_copy_stays() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    let empty = br#"{"desired":{"$version":0},"reported":{"$version":0}}"#.to_vec();
    rig.hub.hub().faults().answer_twin_get(Answer::Raw(200, empty), Times::Next(1));
    let after = rig.hub.hub().last_sequence();
    assert!(rig.hub.hub().kick(DEVICE));
    daemon.wait_log("a desired section without a $version above 0");
    assert_eq!(rig.drive("fan"), Some(200));
    let asked_again = |event: &Event| matches!(event, Event::TwinGet { .. });
    let first = rig.wait_event(after, asked_again);
    rig.wait_event(first.sequence, asked_again);
    rig.wait_status("the twin", |status| {
        status["hub"]["synced"] == true && status["hub"]["desiredVersion"] == version
    });
    assert_eq!(rig.drive("fan"), Some(200));
    assert!(!daemon.log().contains("created again at the hub"), "{}", daemon.log());
}

/// A daemon whose hub has refused every report, and whose status says so and why.
fn after_a_spell(rig: &Rig, status: u16) -> Daemon {
    rig.hub.hub().faults().answer_reported(Answer::Status(status), Times::UntilCleared);
    let daemon = rig.start();
    let refused = |event: &Event| matches!(event, Event::Reported { .. });
    let first = rig.wait_event(0, refused);
    // Long enough for a search through the whole report.
    rig.wait_status("the refusal", |told| told["hub"]["reportPutOff"]["status"] == status);
    rig.wait_event(first.sequence + 1, refused);
    let page = say(&mut rig.command(&["status"])).out;
    assert!(!page.contains("same as at the hub\n") && page.contains("reports have been refused"), "{page}");
    daemon
}

#[test]
fn after_a_spell_in_which_the_hub_refused_every_report_all_of_it_is_told() {
    for status in [400, 401, 403, 404] {
        let rig = Rig::new();
        let daemon = after_a_spell(&rig, status);
        rig.hub.hub().faults().clear();
        let told = rig.wait_reported("all of it", |r| {
            let components = &r["components"];
            r["firmwareVersion"].is_string()
                && r["minTemperature"] == 20
                && r["maxTemperature"] == 28
                && components["climate"]["unit"] == "celsius"
                && components["climate"]["temperature"] == 22
                && components["fan"]["cause"] == "climate"
        });
        assert_eq!(told["desiredVersion"], 1, "{status}");
        rig.wait_status("nothing is set aside", |told| {
            let hub = &told["hub"];
            hub["setAsideCount"] == 0 && hub["reportPutOff"].is_null() && hub["reportPending"] == false
        });
        let page = say(&mut rig.command(&["status"])).out;
        assert!(page.contains("same as at the hub\n"), "{page}");
        assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
    }
}
