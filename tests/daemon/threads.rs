//! How many threads the largest site has while nothing answers.

use crate::rig::{Rig, eventually};
use rustix::fs::{Mode, OFlags, open};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const ROOMS: usize = 64;
/// Every kind of sensor that is read from files. Each has threads of its own.
const KINDS: [&str; 5] = ["file", "hwmon", "iio", "thermal-zone", "w1"];
/// The most threads of each kind, as the unit's comment has it.
const OF_A_KIND: usize = 8;

/// A file system in user space of which the program never answers, so that whatever is looked for in it hangs. Dropping the
/// descriptor would end that, so it is dropped last.
struct Hanging {
    place: PathBuf,
    _program: File,
}

impl Hanging {
    /// `None` where nothing can be mounted.
    fn new(rig: &Rig, name: &str) -> Option<Self> {
        let place = rig.path(name);
        fs::create_dir(&place).unwrap();
        let program = File::from(open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?);
        let mount = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "hanging"])
            .arg(&place)
            .stdin(Stdio::from(program.try_clone().unwrap()))
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self { place, _program: program })
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Lazily: a thread may still wait in it.
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

/// A room with two sensors of different kinds, and a fan that runs when both are lost.
fn room(number: usize) -> String {
    let sensor = |place: usize| {
        let kind = KINDS[(2 * number + place) % KINDS.len()];
        format!(
            "[sensors.s{place}-{number}]\ndriver = \"{kind}\"\npath = \"DIR/hanging/s{place}-{number}\"\n\
             measures = \"temperature\"\nperiod = \"200ms\"\nstale-after = \"1s\"\n"
        )
    };
    format!(
        "[outputs.fan-{number}]\npwm = {{ channel = {number} }}\n{}{}[climates.room-{number}]\n\
         sensors = [\"s0-{number}\", \"s1-{number}\"]\ncooling = \"fan-{number}\"\ntime-zone = \"UTC\"\n",
        sensor(0),
        sensor(1)
    )
}

/// How many tasks the unit allows.
fn tasks_max() -> usize {
    let unit = include_str!("../../systemd/twind.service");
    unit.lines().find_map(|line| line.strip_prefix("TasksMax=")).unwrap().parse().unwrap()
}

/// The names of a process's threads.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).collect()
}

#[test]
fn the_largest_site_of_which_every_sensor_hangs_has_far_fewer_threads_than_its_unit_allows() {
    let rig = Rig::new();
    let Some(_hanging) = Hanging::new(&rig, "hanging") else {
        eprintln!("skipped: nothing can be mounted here (the superuser and FUSE are needed)");
        return;
    };
    rig.write_config(&(rig.base() + &(0..ROOMS).map(room).collect::<String>()));
    let daemon = rig.start();
    rig.wait_synced();
    let of_sensors = || threads(daemon.id()).iter().filter(|name| name.starts_with("sensors-")).count();
    let all_hang = || (of_sensors() >= KINDS.len() * OF_A_KIND).then_some(());
    eventually("as many reads that hang as there may be", all_hang, || format!("{:?}", threads(daemon.id())));
    // And there they stay, while the outputs follow their rows and the hub is answered.
    for room in [0, ROOMS - 1] {
        rig.wait_drive(&format!("fan-{room}"), |drive| drive == 1000);
    }
    let version = rig.desire(json!({"patchId": "still here"}));
    rig.wait_reported("an answer", |r| r["desiredVersion"] == version);
    let status = rig.status();
    let sensors = status["sensors"].as_object().unwrap();
    let is_lost = |sensor: &Value| sensor["state"].is_string() && sensor["state"] != "ok";
    assert!(sensors.len() == 2 * ROOMS && sensors.values().all(is_lost), "{status:#}");
    let (all, max) = (threads(daemon.id()), tasks_max());
    assert!(all.len() * 2 <= max, "{} threads of the {max} that the unit allows: {all:?}", all.len());
    assert!(daemon.stop().success());
}
