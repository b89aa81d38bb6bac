//! A reload by the local socket: it does what SIGHUP does, and the answer is its outcome.

use crate::local::{call, connect};
use crate::rig::{CLIMATE, FAN, Rig, SENSOR};
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
