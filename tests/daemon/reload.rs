//! A reload by the local socket, and by the command that calls it: it does what SIGHUP does, and the answer is its outcome.

use crate::local::{call, connect};
use crate::rig::{CLIMATE, FAN, Rig, SENSOR, say};
use serde_json::{Value, json};

fn reload(rig: &Rig) -> Value {
    call(&mut connect(rig), "io.systemd.service.Reload", json!({})).unwrap()
}

#[test]
fn a_reload_is_answered_when_the_new_configuration_is_in_force() {
    let rig = Rig::new();
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    let climate = CLIMATE.replace("max = 28.0", "max = 24.0");
    assert_ne!(climate, CLIMATE);
    rig.write_config(&format!("{}{FAN}{SENSOR}{climate}", rig.base()));
    assert_eq!(reload(&rig), json!({"parameters": {}}));
    assert_eq!(rig.status()["climate"]["max"], 24, "it is in force by then");
}

#[test]
fn a_reload_that_is_refused_tells_each_fault_and_the_running_configuration_stays() {
    let rig = Rig::new();
    let daemon = rig.start();
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}\nnonsense = 1\nrubbish = 2\n", rig.base()));
    let refused = reload(&rig);
    assert_eq!(refused["error"], "io.twind.Daemon.ReloadRefused");
    let faults = refused["parameters"]["faults"].to_string();
    for part in ["the running one stays", "nonsense", "rubbish", "twind.toml:"] {
        assert!(faults.contains(part), "{faults}");
    }
    daemon.wait_log("the new configuration is wrong; the running one stays");
    let state_dir = rig.base().replace("DIR/state", "DIR/elsewhere");
    assert_ne!(state_dir, rig.base());
    rig.write_config(&format!("{state_dir}{FAN}{SENSOR}{CLIMATE}"));
    let refused = reload(&rig);
    assert!(refused["parameters"]["faults"][0].as_str().unwrap().contains("state directory"), "{refused}");
    // Once mended, it is accepted on the same connection.
    rig.configure("");
    let client = &mut connect(&rig);
    for _ in 0..2 {
        assert_eq!(
            call(client, "io.systemd.service.Reload", json!({})).unwrap(),
            json!({"parameters": {}}),
            "{}",
            daemon.log()
        );
    }
}

#[test]
fn a_refused_configuration_is_in_the_verdict_the_status_and_the_metrics_until_a_reload_is_accepted() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    let metric = |value: u8| {
        let metrics = say(&mut rig.command(&["status", "--openmetrics"])).out;
        assert!(metrics.contains(&format!("\ntwind_configuration_refused {value}\n")), "{metrics}");
    };
    assert_eq!(rig.status()["configurationRefused"], Value::Null);
    metric(0);
    let with = |lines: &str| format!("{}{FAN}{SENSOR}{CLIMATE}{lines}", rig.base());
    // The commands find the socket in the same file.
    rig.write_config(&with("nonsense = 1\nrubbish = 2\n"));
    assert_eq!(reload(&rig)["error"], "io.twind.Daemon.ReloadRefused");
    let refused = rig.status()["configurationRefused"].clone();
    assert!(refused["fault"].as_str().unwrap().contains("nonsense"), "{refused}");
    assert_eq!((&refused["faultCount"], &refused["startWouldFail"]), (&json!(2), &json!(true)));
    metric(1);
    let page = say(&mut rig.command(&["status"]));
    for part in [
        "1 thing needs a person",
        "ACT      the configuration file was refused ",
        "nonsense",
        "→ twind check ",
    ] {
        assert!(page.out.contains(part), "{part}: {}", page.out);
    }
    assert_eq!(page.code, 0, "it is no alarm: {}", page.out);
    // Nothing is wrong with this one, but it needs a restart.
    rig.write_config(&with("").replace("DIR/state", "DIR/elsewhere"));
    reload(&rig);
    let refused = rig.status()["configurationRefused"].clone();
    assert!(refused["fault"].as_str().unwrap().contains("restart it"), "{refused}");
    assert_eq!(refused["startWouldFail"], false);
    rig.configure("");
    assert_eq!(reload(&rig), json!({"parameters": {}}));
    assert_eq!(rig.status()["configurationRefused"], Value::Null);
    metric(0);
    assert!(say(&mut rig.command(&["status"])).out.starts_with("twind    all is well\n"));
}

#[test]
fn the_command_ends_with_0_when_the_new_configuration_is_in_force_and_with_78_and_each_fault_if_it_is_refused()
 {
    let rig = Rig::new();
    let _daemon = rig.start();
    rig.write_config(&format!("{}{FAN}{SENSOR}{}", rig.base(), CLIMATE.replace("max = 28.0", "max = 24.0")));
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "the configuration is in force\n", ""));
    assert_eq!(rig.status()["climate"]["max"], 24, "it is in force by then");
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}\nnonsense = 1\nrubbish = 2\n", rig.base()));
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!((said.code, said.out.as_str()), (78, ""), "{}", said.err);
    for part in ["the running one stays", "nonsense", "rubbish", "twind.toml:"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    assert_eq!(rig.status()["climate"]["max"], 24, "the running one stays");
    // A file of which not even the socket can be read is refused, too.
    rig.write_config("[twin\n");
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!(said.code, 78, "{}", said.err);
}

#[test]
fn the_command_finds_the_daemon_also_if_the_new_file_moves_its_socket() {
    let rig = Rig::new();
    let _daemon = rig.start();
    rig.configure("\n[local]\nsocket = \"DIR/elsewhere.sock\"\n");
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!((said.code, said.out.as_str()), (0, "the configuration is in force\n"), "{}", said.err);
    assert!(rig.path("elsewhere.sock").exists() && !rig.path("twind.sock").exists());
    // And back.
    rig.configure("");
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!(said.code, 69, "the file says nothing of where it was: {}", said.err);
    assert!(said.err.contains("twind.sock"), "{}", said.err);
}

#[test]
fn with_no_daemon_the_command_says_so() {
    let rig = Rig::new();
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!(said.code, 69, "{}", said.err);
    assert!(said.err.contains("no daemon listens"), "{}", said.err);
}
