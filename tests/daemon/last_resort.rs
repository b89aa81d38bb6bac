//! `twind safe` drives the outputs that were last driven, whatever the configuration now says, and never while a daemon
//! runs.

use crate::freezer::{Freezer, Hanging};
use crate::rig::{CLIMATE, Daemon, FAN, Rig, SENSOR, Said, copy_program, eventually, say};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

const ROWS: &str = "[outputs.fan.when]\ncrash = \"on\"\n";
const LAMP: &str =
    "[outputs.lamp]\npin = 22\nproperty = \"lamp\"\nwhen = { crash = \"off\", stop = \"on\" }\n";
const NOBODY: u32 = 65_534;

fn site(rig: &Rig) -> String {
    format!("{}{FAN}{ROWS}{LAMP}{SENSOR}{CLIMATE}", rig.base())
}

/// A fan at half and a lamp that is on.
fn running() -> (Rig, Daemon) {
    let rig = Rig::new();
    rig.write_config(&site(&rig));
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    rig.desire(json!({"lamp": true}));
    rig.wait_drive("lamp", |now| now == 1000);
    rig.wait_drive("fan", |now| now == 500);
    (rig, daemon)
}

fn safe(rig: &Rig, result: &str) -> Said {
    say(rig.command(&["safe"]).env("SERVICE_RESULT", result))
}

fn drives(rig: &Rig) -> (Option<u16>, Option<u16>) {
    (rig.drive("fan"), rig.drive("lamp"))
}

/// The copies of what is driven in the runtime directory.
fn copies(rig: &Rig) -> usize {
    let names = fs::read_dir(rig.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(".outputs.")).count()
}

#[test]
fn whatever_the_file_now_says_every_output_goes_to_its_row() {
    let (rig, daemon) = running();
    let good = fs::read_to_string(rig.path("twind.toml")).unwrap();
    daemon.kill();
    let wrong = [
        "",
        "[outputs\n",
        "[board]\ndriver = \"gpiochip\"\n",
        &good.replace("[outputs.", "[output."),
        &good.replace("[outputs.lamp]", "[outputs.lantern]"),
        &good.replace("crash = \"off\"", "crash = \"on\""),
        &good.replace("DIR/board", "DIR/elsewhere"),
    ];
    for text in wrong {
        rig.write_config(text);
        for output in ["fan", "lamp"] {
            fs::write(rig.path("board").join(output), "333\n").unwrap();
        }
        let said = safe(&rig, "signal");
        assert_eq!((said.code, drives(&rig)), (0, (Some(1000), Some(0))), "{text}\n{}{}", said.out, said.err);
        let said = safe(&rig, "success");
        assert_eq!((said.code, drives(&rig)), (0, (Some(0), Some(1000))), "{text}\n{}{}", said.out, said.err);
    }
    fs::remove_file(rig.path("twind.toml")).unwrap();
    assert_eq!((safe(&rig, "signal").code, drives(&rig)), (0, (Some(1000), Some(0))));
    // Root can read every file, so it is not a file at all.
    fs::create_dir(rig.path("twind.toml")).unwrap();
    assert_eq!((safe(&rig, "success").code, drives(&rig)), (0, (Some(0), Some(1000))));
}

#[test]
fn after_an_orderly_stop_it_goes_by_the_file_and_nothing_is_left_behind() {
    let (rig, daemon) = running();
    assert_eq!(copies(&rig), 1);
    assert!(daemon.stop().success());
    assert_eq!(drives(&rig), (Some(0), Some(1000)));
    assert_eq!(copies(&rig), 0);
    let said = safe(&rig, "signal");
    assert_eq!((said.code, drives(&rig)), (0, (Some(1000), Some(0))), "{}", said.err);
    // A file that names no output gives a line; one that cannot be read is a fault.
    rig.write_config("[outputs]\n");
    let said = safe(&rig, "signal");
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("configures no output"), "{}", said.out);
    rig.write_config("[outputs\n");
    assert_eq!(safe(&rig, "signal").code, 78);
    fs::remove_file(rig.path("twind.toml")).unwrap();
    assert_eq!(safe(&rig, "signal").code, 78);
}

#[test]
fn what_should_have_been_driven_and_could_not_is_named() {
    let (rig, daemon) = running();
    daemon.kill();
    rig.write_config("");
    fs::rename(rig.path("board"), rig.path("old")).unwrap();
    fs::write(rig.path("board"), "").unwrap();
    let said = safe(&rig, "signal");
    assert_eq!(said.code, 70, "{}", said.out);
    for name in ["fan", "lamp"] {
        assert!(said.err.contains(&format!("output {name} cannot be driven")), "{}", said.err);
    }
}

#[test]
fn a_reload_tells_the_last_resort_what_is_driven_from_then_on() {
    let (rig, daemon) = running();
    rig.write_config(&site(&rig).replace("outputs.lamp", "outputs.lantern"));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    rig.wait_drive("lantern", |now| now == 1000);
    assert_eq!(rig.drive("lamp"), Some(1000), "its stop row");
    daemon.kill();
    rig.write_config("");
    let said = safe(&rig, "signal");
    assert_eq!((said.code, rig.drive("fan"), rig.drive("lantern")), (0, Some(1000), Some(0)), "{}", said.err);
    assert!(!said.out.contains("lamp"), "{}", said.out);
}

#[test]
fn what_a_daemon_left_and_the_next_does_not_know_goes_to_its_crash_row_at_the_start() {
    let (rig, daemon) = running();
    daemon.kill();
    rig.write_config(&site(&rig).replace("outputs.lamp", "outputs.lantern"));
    let daemon = rig.start();
    assert_eq!(rig.drive("lamp"), Some(0));
    daemon.wait_log("output lamp");
}

#[test]
fn the_copy_of_another_daemon_is_left_alone() {
    let (rig, _daemon) = running();
    // Another configuration, and so another daemon, in the same runtime directory.
    let other = |text: &str| {
        fs::write(rig.path("other.toml"), text).unwrap();
        let mut command = rig.command(&[]);
        let words = command.get_args().map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(words.len(), 2);
        command = Command::new(command.get_program());
        command
            .args(["safe", "--config"])
            .arg(rig.path("other.toml"))
            .env("RUNTIME_DIRECTORY", rig.dir.path());
        say(command.env("SERVICE_RESULT", "signal"))
    };
    let said = other("[outputs]\n");
    assert_eq!((said.code, drives(&rig)), (0, (Some(500), Some(1000))), "{}{}", said.out, said.err);
    // It names outputs that a running daemon drives.
    let same =
        format!("[board]\ndriver = \"simulated\"\nfolder = \"{}/board\"\n[outputs.fan]\n", rig.dir_text());
    let said = other(&same);
    assert_eq!((said.code, drives(&rig)), (77, (Some(500), Some(1000))), "{}{}", said.out, said.err);
}

#[test]
fn a_second_daemon_on_the_same_outputs_is_refused() {
    let (rig, daemon) = running();
    let text = site(&rig).replace("DIR/state", "DIR/other-state").replace("DIR", &rig.dir_text());
    fs::write(rig.path("other.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twind"));
    command.args(["run", "--config"]).arg(rig.path("other.toml")).env("RUNTIME_DIRECTORY", rig.dir.path());
    let said = say(&mut command);
    assert_eq!(said.code, 70, "{}", said.err);
    for words in ["another twind", &daemon.id().to_string(), "fan"] {
        assert!(said.err.contains(words), "{words} is missing in: {}", said.err);
    }
    assert_eq!(drives(&rig), (Some(500), Some(1000)));
}

/// The command as a user who may drive the pins and nothing else.
fn as_nobody(rig: &Rig, runtime_directory: &Path) -> Said {
    fs::set_permissions(rig.dir.path(), Permissions::from_mode(0o755)).unwrap();
    for place in ["board", "board/fan", "board/lamp", "board/trace.jsonl"] {
        let _ = fs::set_permissions(rig.path(place), Permissions::from_mode(0o777));
    }
    let program = rig.path("twind");
    copy_program(&program);
    let mut command = Command::new(&program);
    command.args(["safe", "--config"]).arg(rig.path("twind.toml"));
    command.env("RUNTIME_DIRECTORY", runtime_directory).env("SERVICE_RESULT", "signal");
    say(command.uid(NOBODY).gid(NOBODY))
}

#[test]
fn who_may_drive_the_pins_but_not_look_at_the_state_drives_nothing_under_a_daemon() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can start twind as somebody else");
        return;
    }
    let (rig, daemon) = running();
    let said = as_nobody(&rig, rig.dir.path());
    assert_eq!((said.code, drives(&rig)), (77, (Some(500), Some(1000))), "{}{}", said.out, said.err);
    // Without access to the state nobody can tell whether a daemon runs.
    let said = as_nobody(&rig, &rig.path("nowhere"));
    assert_eq!((said.code, drives(&rig)), (77, (Some(500), Some(1000))), "{}{}", said.out, said.err);
    daemon.kill();
    let said = as_nobody(&rig, rig.dir.path());
    assert_eq!((said.code, drives(&rig)), (0, (Some(1000), Some(0))), "{}{}", said.out, said.err);
}

#[test]
fn a_dead_daemon_whose_disk_hangs_is_no_daemon_and_the_next_one_starts() {
    let rig = Rig::new();
    rig.write_config(&site(&rig).replace("DIR/state", "DIR/disk/state"));
    let Some(disk) = Freezer::new(&rig, "disk") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    rig.set_temperature("24.0");
    let mut hanging = Hanging { disk, daemons: vec![rig.start_synced()] };
    rig.wait_drive("fan", |now| now == 500);
    if !hanging.disk.freeze() {
        eprintln!("skipped: no file system can be frozen here");
        return;
    }
    // The store's thread is stuck in the kernel from here on.
    rig.desire(json!({"lamp": true}));
    rig.wait_drive("lamp", |now| now == 1000);
    let daemon = &hanging.daemons[0];
    let pid = daemon.id();
    let stuck = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let stats = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("stat")).ok());
        stats.into_iter().any(|stat| stat.contains(") D ")).then_some(())
    };
    eventually("a thread that is stuck", stuck, || daemon.log());
    daemon.signal("KILL");
    let is_zombie = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") Z ").then_some(())
    };
    eventually("the main thread's end", is_zombie, || daemon.log());

    let said = safe(&rig, "signal");
    assert_eq!((said.code, drives(&rig)), (0, (Some(1000), Some(0))), "{}{}", said.out, said.err);

    // The next one meets a disk that still hangs, and a lock that a dead process still holds.
    hanging.daemons.push(rig.start());
    rig.wait_drive("fan", |now| now == 500);
    let next = &hanging.daemons[1];
    next.wait_log("the local copy of the twin cannot be stored");
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    rig.wait_status("the alarm", |status| status["storeFault"].is_string());
    hanging.disk.thaw();
    next.wait_log("the local copy of the twin can be stored again");
    assert!(hanging.daemons.pop().unwrap().stop().success());
}
