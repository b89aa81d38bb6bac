//! Silence of the hub: only its messages end it, not the connections that it accepts.

use crate::rig::{CLIMATE, DEVICE, Rig, SENSOR};
use serde_json::json;
use twinhub::{Answer, Event, Times};

impl Rig {
    /// A fan that goes to 60 % after this many seconds of silence.
    fn configure_silence(&self, after_s: u64) {
        let fan = format!(
            "[outputs.fan]\npwm = {{ channel = 0 }}\n\
             when = {{ hub-silent = {{ after = \"{after_s}s\", drive = \"60%\" }} }}\n"
        );
        self.write_config(&format!("{}{fan}{SENSOR}{CLIMATE}", self.base()));
    }

    /// From now on the hub accepts everything, acknowledges keep-alives and subscriptions, and sends nothing about the twin.
    fn mute(&self) {
        let hub = self.hub.hub();
        hub.faults().answer_twin_get(Answer::Ignored, Times::UntilCleared);
        hub.faults().answer_reported(Answer::Ignored, Times::UntilCleared);
        hub.faults().drop_desired(Times::UntilCleared);
    }

    fn wait_silence_row(&self) {
        self.wait_status("the row", |status| {
            let fan = &status["outputs"]["fan"];
            fan["cause"] == "fail-safe hub-silent" && fan["permille"] == 600
        });
    }
}

#[test]
fn a_hub_that_accepts_and_is_mute_is_silent_until_its_first_word() {
    let rig = Rig::new();
    rig.configure_silence(4);
    let daemon = rig.start_synced();
    rig.mute();
    rig.wait_silence_row();
    assert!(rig.hub.hub().is_connected(DEVICE));
    rig.hub.hub().faults().clear();
    rig.desire(json!({ "patchId": "a word" }));
    rig.wait_drive("fan", |now| now != 600);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_hub_that_accepts_and_cuts_is_silent() {
    let rig = Rig::new();
    rig.configure_silence(4);
    let _daemon = rig.start_synced();
    let after = rig.hub.hub().last_sequence();
    rig.hub.hub().faults().answer_twin_get(Answer::Close, Times::UntilCleared);
    assert!(rig.hub.hub().kick(DEVICE));
    rig.wait_silence_row();
    assert!(rig.count_events(after, |event| matches!(event, Event::Connected { .. })) >= 1);
}

#[test]
fn a_hub_with_nothing_to_say_is_asked_and_is_not_silent() {
    let rig = Rig::new();
    rig.configure_silence(2);
    let _daemon = rig.start_synced();
    let mut after = rig.hub.hub().last_sequence();
    for _ in 0..6 {
        after = rig.wait_event(after, |event| matches!(event, Event::TwinGet { .. })).sequence;
    }
    assert!(rig.trace().iter().all(|change| change["cause"] != "fail-safe hub-silent"), "{:?}", rig.trace());
}

#[test]
fn a_restart_does_not_break_the_silence() {
    let rig = Rig::new();
    rig.configure_silence(3600);
    let daemon = rig.start_synced();
    let silent = |least: u64| {
        rig.wait_status("silence", |status| status["hub"]["silentSeconds"].as_u64() >= Some(least))["hub"]
            ["silentSeconds"]
            .as_u64()
            .unwrap()
    };
    rig.hub.block_on(rig.hub.stop_listening());
    silent(2);
    assert!(daemon.stop().success());
    let daemon = rig.start();
    assert!(silent(0) >= 2, "an orderly end keeps it as it is");
    let killed_at = silent(4);
    daemon.kill();
    let _daemon = rig.start();
    assert!(silent(0) >= killed_at, "and so does any end of a process that heard nothing");
}
