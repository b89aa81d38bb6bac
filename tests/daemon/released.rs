//! "Meaning exactly what it meant": the tutorial's patches, with one sensor, one fan and `[climate]`, are reported as the released
//! 0.1.0 reported them, byte for byte but for what is named here.
//!
//! `released.json` holds what the binary of the published package reported. It is written anew by that binary, which
//! `tests/package/released.sh` makes (`dpkg-deb -x` unpacks it):
//! `TWIND_WRITE_RELEASED=…/usr/bin/twind cargo test --test daemon released`.

use crate::rig::{DEVICE, Rig, eventually};
use crate::twin::tutorial;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Newer than 0.1.0, or another in each version: `alarms` came later, and `firmwareVersion` is the version of the daemon.
const MAY_DIFFER: [&str; 2] = ["alarms", "firmwareVersion"];

/// When nothing came for so long, nothing more comes: several times `min-interval` and the sensor's period.
const QUIET: Duration = Duration::from_secs(5);

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/released.json")
}

/// The device's section without the hub's own keys and without those that may differ. As text, since the order of keys and the
/// way in which numbers are written count.
fn section(rig: &Rig) -> String {
    let mut section = rig.reported();
    let keys = section.as_object_mut().unwrap();
    keys.retain(|key, _| !key.starts_with('$') && !MAY_DIFFER.contains(&key.as_str()));
    format!("{section:#}")
}

/// Plays the tutorial to a daemon that this command runs. `look` gets the place of each patch and its version, and says what was
/// reported after it.
fn play(rig: &Rig, command: Command, look: impl Fn(usize, u64) -> String) -> Vec<(Value, String)> {
    // The hub keeps the order in which keys came, so the first report must not depend on who is quicker, the hub or the sensor.
    fs::remove_file(rig.path("temperature")).unwrap();
    let mut daemon = rig.spawn_as(command);
    daemon.wait_notified("READY=1");
    rig.wait_reported("the first report", |r| r["desiredVersion"] == 1);
    rig.set_temperature("22.0");
    rig.wait_reported("the temperature", |r| r["components"]["climate"]["temperature"] == 22);
    let step = |(place, patch): (usize, Value)| {
        let twin = json!({"properties": {"desired": patch}});
        let twin = rig.hub.hub().update_twin(DEVICE, &twin).unwrap();
        let version = twin["properties"]["desired"]["$version"].as_u64().unwrap();
        (patch, look(place, version))
    };
    tutorial().into_iter().enumerate().map(step).collect()
}

/// Another binary in a command of this rig.
fn with_program(program: &str, like: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(like.get_args()).stdin(Stdio::null());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Lets the released binary write what it reports.
fn write(program: &str) {
    let rig = Rig::new();
    let command = with_program(program, &rig.command(&["run"]));
    let settled = |_, version| {
        rig.wait_reported("the patch", |r| r["desiredVersion"] == version);
        loop {
            let found = section(&rig);
            sleep(QUIET);
            if section(&rig) == found {
                break found;
            }
        }
    };
    let after = play(&rig, command, settled).into_iter().map(|(patch, reported)| {
        let reported: Value = serde_json::from_str(&reported).unwrap();
        json!({"patch": patch, "reported": reported})
    });
    let about = "What twind 0.1.0 reported after each patch of the tutorial, without `alarms` and `firmwareVersion`; written by its \
                 released binary, see released.rs";
    let text = json!({"about": about, "after": after.collect::<Vec<_>>()});
    fs::write(golden(), format!("{text:#}\n")).unwrap();
}

#[test]
fn what_is_reported_of_the_tutorial_is_what_the_released_version_reported() {
    if let Ok(program) = std::env::var("TWIND_WRITE_RELEASED") {
        write(&program);
    }
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden()).unwrap()).unwrap();
    let golden = golden["after"].as_array().unwrap();
    let patches: Vec<_> = golden.iter().map(|after| after["patch"].clone()).collect();
    assert_eq!(patches, tutorial(), "released.json is of other patches");
    let rig = Rig::new();
    let same = |place: usize, _| {
        let wanted = format!("{:#}", golden[place]["reported"]);
        let what = format!("what 0.1.0 reported after {}:\n{wanted}", golden[place]["patch"]);
        eventually(&what, || Some(section(&rig)).filter(|found| *found == wanted), || section(&rig))
    };
    assert_eq!(play(&rig, rig.command(&["run"]), same).len(), 7);
}
