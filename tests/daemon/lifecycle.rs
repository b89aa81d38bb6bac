//! Start, reload and stop, as a service manager and an operator see them.

use crate::freezer::{Freezer, Hanging};
use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually, line_of, say};
use serde_json::json;
use std::fs;
use std::time::Duration;
use twinhub::{CloseReason, Event};

#[test]
fn sigterm_drives_the_stop_rows_says_farewell_and_ends_with_0() {
    let rig = Rig::new();
    rig.configure("[outputs.lamp]\npin = 22\nproperty = \"lamp\"\nwhen = { stop = \"keep\" }\n");
    rig.set_temperature("30.0");
    let mut daemon = rig.start_synced();
    rig.desire(json!({"lamp": true}));
    rig.wait_drive("lamp", |now| now == 1000);
    rig.wait_drive("fan", |now| now == 1000);
    let after = rig.hub.hub().last_sequence();
    daemon.signal("TERM");
    daemon.wait_notified("STOPPING=1");
    assert_eq!(daemon.wait_end().code(), Some(0));
    assert_eq!((rig.drive("fan"), rig.drive("lamp")), (Some(0), Some(1000)));
    assert_eq!(rig.trace().last().unwrap()["cause"], "fail-safe stop");
    rig.wait_event(after, |event| matches!(event, Event::Disconnected { reason: CloseReason::Disconnect }));
}

#[test]
fn the_daemon_holds_no_huge_pages_whatever_the_kernel_gives_others() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    // Kernels before 5.10 do not show it.
    assert!(enabled.is_none_or(|enabled| enabled.trim() == "0"), "{status}");
}

#[test]
fn sigint_ends_in_order_too() {
    let rig = Rig::new();
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    daemon.signal("INT");
    assert_eq!(daemon.wait_end().code(), Some(0));
    assert_eq!(rig.drive("fan"), Some(0));
    assert_eq!(rig.trace().last().unwrap()["cause"], "fail-safe stop");
}

#[test]
fn a_wrong_configuration_is_refused_on_sighup_and_the_running_one_stays() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let changes = rig.trace().len();
    let wrong = format!("{}{FAN}{SENSOR}{CLIMATE}hysteresys = 1.0\n", rig.base());
    rig.write_config(&wrong);
    daemon.signal("HUP");
    daemon.wait_log("the running one stays");
    let place = format!("twind.toml:{}:1:", line_of(&wrong, "hysteresys"));
    for words in [place.as_str(), "did you mean `hysteresis`"] {
        daemon.wait_log(words);
    }
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    assert_eq!(rig.trace().len(), changes + 1, "the refused reload moved a pin: {:?}", rig.trace());
}

#[test]
fn a_new_configuration_is_taken_over_on_sighup_and_the_outputs_stay_steady() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let changes = rig.trace().len();
    let after = rig.hub.hub().last_sequence();
    // Another range with the same drive: nothing may move, and the connection stays.
    let wider = CLIMATE.replace("20.0", "16.0").replace("28.0", "32.0");
    rig.write_config(&format!("{}{FAN}{SENSOR}{wider}", rig.base()));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    rig.wait_reported("the new range", |r| r["maxTemperature"] == 32);
    rig.wait_event(after, |event| matches!(event, Event::TwinGet { .. }));
    assert_eq!(rig.trace().len(), changes, "{:?}", rig.trace());
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Disconnected { .. })), 0);
    let version = rig.desire(json!({"fanOn": false}));
    rig.wait_drive("fan", |now| now == 0);
    rig.wait_reported("still in contact", |r| r["desiredVersion"] == version);
}

#[test]
fn an_output_that_the_new_configuration_drops_goes_to_its_stop_row() {
    let rig = Rig::new();
    rig.configure("[outputs.lamp]\npin = 22\nproperty = \"lamp\"\n");
    let daemon = rig.start_synced();
    rig.desire(json!({"lamp": true}));
    rig.wait_drive("lamp", |now| now == 1000);
    rig.configure("");
    daemon.signal("HUP");
    rig.wait_drive("lamp", |now| now == 0);
    assert_eq!(rig.trace().last().unwrap()["cause"], "fail-safe stop");
    rig.wait_reported("the lamp means nothing now", |r| r["notMapped"] == json!(["lamp"]));
}

#[test]
fn the_service_manager_is_told_readiness_and_state() {
    let rig = Rig::new();
    let mut daemon = rig.start();
    daemon.wait_notified("STATUS=hub: connected;");
    rig.set_temperature("warm");
    daemon.wait_notified("climate: sensor-fault");
}

#[test]
fn a_service_manager_that_does_not_listen_holds_up_nothing() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let mut daemon = rig.start_synced();
    // Each is a new status, and the socket holds a dozen of them.
    let mut version = 0;
    for round in 0..60 {
        version = rig.desire(json!({"fanOn": round % 2 == 0}));
        rig.wait_drive("fan", |now| now == if round % 2 == 0 { 200 } else { 0 });
        rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    }
    // When the service manager reads again, it gets the latest.
    daemon.wait_notified(&format!("desired version {version};"));
}

#[test]
fn the_watchdog_is_fed_by_control_steps_and_starves_when_they_end() {
    let rig = Rig::new();
    let mut command = rig.command(&["run"]);
    command.env("WATCHDOG_USEC", "600000");
    let Some(disk) = Freezer::new(&rig, "board") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let mut hanging = Hanging { disk, daemons: vec![rig.spawn_as(command)] };
    for _ in 0..5 {
        hanging.daemons[0].wait_notified("WATCHDOG=1");
    }
    rig.wait_drive("fan", |now| now == 250);
    // The board hangs in the kernel, so that the control step never ends.
    assert!(hanging.disk.freeze());
    rig.set_temperature("26.0");
    let starves = || (!hanging.daemons[0].is_notified_within(Duration::from_secs(2))).then_some(());
    eventually("silence", starves, || "it is fed though no step ends".to_owned());
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let rig = Rig::new();
    let daemon = rig.start();
    let said = say(&mut rig.command(&["run"]));
    assert_eq!(said.code, 70);
    assert!(
        said.err.contains("another twind") && said.err.contains(&daemon.id().to_string()),
        "{}",
        said.err
    );
}

#[test]
fn safe_is_refused_while_the_daemon_runs_and_drives_the_crash_rows_after_a_kill() {
    let rig = Rig::new();
    let rows = "[outputs.fan.when]\nstop = \"off\"\ncrash = \"on\"\n";
    rig.write_config(&format!("{}{FAN}{rows}{SENSOR}{CLIMATE}", rig.base()));
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    let said = say(&mut rig.command(&["safe"]));
    assert_eq!((said.code, rig.drive("fan")), (77, Some(500)), "{}", said.err);
    daemon.kill();
    assert_eq!(rig.drive("fan"), Some(500), "nobody is left to change it");
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "signal"));
    assert_eq!((said.code, rig.drive("fan")), (0, Some(1000)), "{}{}", said.out, said.err);
    assert_eq!(rig.trace().last().unwrap()["cause"], "fail-safe crash");
    let said = say(rig.command(&["safe"]).env("SERVICE_RESULT", "success"));
    assert_eq!((said.code, rig.drive("fan")), (0, Some(0)), "{}{}", said.out, said.err);
}

#[test]
fn no_log_line_and_no_answer_holds_the_key() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.hub.hub().kick(DEVICE);
    let connections = || daemon.log().matches("INFO connected ").count();
    eventually("another connection", || (connections() == 2).then_some(()), || daemon.log());
    let keys = rig.hub.hub().device_keys(DEVICE).unwrap().unwrap();
    let mut texts = vec![daemon.log()];
    for words in [&["check"][..], &["check", "--hardware"], &["status"], &["status", "--json"], &["twin"]] {
        let said = say(&mut rig.command(words));
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        texts.extend([said.out, said.err]);
    }
    for text in texts {
        assert!(!text.contains(&keys.primary) && !text.contains("SharedAccessSignature"), "{text}");
    }
}
