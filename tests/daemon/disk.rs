//! A disk fault is an alarm, not an exit: whatever is wrong with the state directory, the outputs are driven, and the alarm
//! ends once the disk can be used.

use crate::rig::{Daemon, Rig, copy_program, say, state_files};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const TOLD: &str = "the local copy of the twin cannot be stored";
const MENDED: &str = "the local copy of the twin can be stored again";

/// The daemon controls, says what is wrong, and reports nevertheless.
fn controls_without_a_disk(rig: &Rig, daemon: &Daemon) {
    daemon.wait_log(&format!("ERROR {TOLD}"));
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_status("the alarm", |status| status["storeFault"].is_string());
    rig.wait_reported("a report", |r| r["components"]["climate"]["temperature"] == 24);
    let version = rig.desire(json!({"fanOn": false}));
    rig.wait_drive("fan", |now| now == 0);
    rig.set_temperature("25.0");
    let told = rig.wait_reported("a report", |r| r["components"]["climate"]["temperature"] == 25);
    assert_ne!(told["desiredVersion"], version, "acknowledged before it is durable");
}

/// The disk can be used again: the log says so, the record is saved, and the hub is told.
fn recovers(rig: &Rig, daemon: Daemon) {
    daemon.wait_log(MENDED);
    rig.wait_status("no alarm", |status| status["storeFault"] == Value::Null);
    rig.wait_reported("the acknowledgement", |r| r["fanOn"] == false);
    assert!(!state_files(&rig.path("state")).is_empty());
    assert!(daemon.stop().success());
    let kept: Value = serde_json::from_str(&say(&mut rig.command(&["twin", "desired"])).out).unwrap();
    assert_eq!(kept["fanOn"], false);
}

#[test]
fn a_file_in_the_place_of_the_state_directory() {
    let rig = Rig::new();
    fs::write(rig.path("state"), "").unwrap();
    let daemon = rig.start();
    controls_without_a_disk(&rig, &daemon);
    daemon.wait_log("remove it, or set another state-dir");
    // The daemon itself shows its twin.
    let said = say(&mut rig.command(&["twin", "desired"]));
    assert_eq!((said.code, said.out.contains("fanOn")), (0, true), "{}{}", said.out, said.err);
    fs::remove_file(rig.path("state")).unwrap();
    recovers(&rig, daemon);
}

#[test]
fn a_state_directory_that_cannot_be_made() {
    let rig = Rig::new();
    rig.configure("");
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace("/state\"", "/below/state\""));
    fs::write(rig.path("below"), "").unwrap();
    let daemon = rig.start();
    controls_without_a_disk(&rig, &daemon);
    assert!(daemon.stop().success());
    let said = say(&mut rig.command(&["twin"]));
    assert_eq!(said.code, 70, "{}", said.out);
    assert!(said.err.contains("the local copy cannot be read"), "{}", said.err);
}

#[test]
fn a_state_directory_in_a_file_system_that_takes_no_files() {
    let rig = Rig::new();
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace(&format!("{}/state", rig.dir_text()), "/proc/twind"));
    let daemon = rig.start();
    controls_without_a_disk(&rig, &daemon);
    assert!(daemon.stop().success());
}

const NOBODY: u32 = 65_534;

/// Twind as a user who owns nothing here but the secret; `None` if only root could start it so.
#[expect(clippy::print_stderr, reason = "a test that cannot be made here says so")]
fn as_nobody(rig: &Rig, words: &[&str]) -> Option<Command> {
    use std::os::unix::fs::chown;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can start twind as somebody else");
        return None;
    }
    chown(rig.path("connection-string"), Some(NOBODY), Some(NOBODY)).unwrap();
    let program = rig.path("twind");
    if !program.exists() {
        copy_program(&program);
    }
    let like = rig.command(words);
    let mut command = Command::new(&program);
    command.args(like.get_args());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.uid(NOBODY).gid(NOBODY);
    Some(command)
}

/// The daemon as that user.
fn spawn_as_nobody(rig: &Rig) -> Option<Daemon> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(rig.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let daemon = rig.spawn_as(as_nobody(rig, &["run"])?);
    fs::set_permissions(rig.path("notify.sock"), fs::Permissions::from_mode(0o777)).unwrap();
    Some(daemon)
}

#[test]
fn a_state_directory_that_is_somebody_elses() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let rig = Rig::new();
    fs::create_dir(rig.path("state")).unwrap();
    fs::set_permissions(rig.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let Some(daemon) = spawn_as_nobody(&rig) else { return };
    controls_without_a_disk(&rig, &daemon);
    daemon.wait_log(
        "(`chown -R` the state directory to the daemon's user, or name another with [twin] state-dir)",
    );
    let mut check = as_nobody(&rig, &["check"]).unwrap();
    let said = say(&mut check);
    let state = rig.path("state").display().to_string();
    let told = format!(
        "[twin] state-dir: the state directory {state} belongs to uid 0, and this user (uid {NOBODY})"
    );
    assert!(said.code == 0 && said.out.contains(&told), "{}{}", said.out, said.err);
    chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    let said = say(&mut check);
    assert!(said.code == 0 && !said.out.contains("state-dir"), "{}{}", said.out, said.err);
    recovers(&rig, daemon);
}

#[test]
fn a_state_directory_that_this_user_may_not_make() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new();
    rig.configure("");
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace("/state\"", "/roots/state\""));
    fs::create_dir(rig.path("roots")).unwrap();
    fs::set_permissions(rig.path("roots"), fs::Permissions::from_mode(0o755)).unwrap();
    let Some(daemon) = spawn_as_nobody(&rig) else { return };
    controls_without_a_disk(&rig, &daemon);
    daemon.wait_log(
        "roots/state: Permission denied (os error 13) (name one of this user's own with [twin] state-dir; the installed \
         service has its own)",
    );
    assert!(daemon.stop().success());
}

/// The daemon in a mount namespace of its own, after these commands, to which `$0` is the state directory.
#[expect(clippy::print_stderr, reason = "a test that cannot be made here says so")]
pub(crate) fn spawn_mounted(rig: &Rig, mounts: &str) -> Option<Daemon> {
    let can =
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|output| output.status.success());
    if !can || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: nothing can be mounted here");
        return None;
    }
    let like = rig.command(&["run"]);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &format!("{mounts} && exec \"$@\"")]);
    command.arg(rig.path("state")).arg(like.get_program()).args(like.get_args());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(rig.spawn_as(command))
}

/// The same, where the state directory is read-only.
fn spawn_read_only(rig: &Rig) -> Option<Daemon> {
    spawn_mounted(rig, "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\"")
}

pub(crate) fn in_namespace_of(daemon: &Daemon, words: &[&str]) {
    let entered = Command::new("nsenter").args(["-m", "-t", &daemon.id().to_string()]).args(words).status();
    assert!(entered.unwrap().success());
}

#[test]
fn a_read_only_state_directory_with_nothing_in_it() {
    let rig = Rig::new();
    fs::create_dir(rig.path("state")).unwrap();
    let Some(mut daemon) = spawn_read_only(&rig) else { return };
    daemon.wait_notified("READY=1");
    controls_without_a_disk(&rig, &daemon);
    let check = rig.command(&["check"]);
    let mut there = Command::new("nsenter");
    there.args(["-m", "-t", &daemon.id().to_string()]).arg(check.get_program()).args(check.get_args());
    let said = say(&mut there);
    let state = rig.path("state").display().to_string();
    let told = format!("[twin] state-dir: {state} is on a file system that is mounted read-only");
    assert!(said.code == 0 && said.out.contains(&told), "{}{}", said.out, said.err);
    in_namespace_of(&daemon, &["mount", "-o", "remount,rw,bind", rig.path("state").to_str().unwrap()]);
    recovers(&rig, daemon);
}

#[test]
fn a_read_only_state_directory_that_holds_a_twin_is_started_from() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());
    rig.hub.block_on(rig.hub.stop_listening());
    let before = rig.trace().len();
    let Some(mut daemon) = spawn_read_only(&rig) else { return };
    daemon.wait_notified("READY=1");
    assert_eq!(rig.trace()[before]["permille"], 200, "not from the stored twin");
    daemon.wait_log(&format!("ERROR {TOLD}"));
    rig.hub.resume_listening().unwrap();
    controls_without_a_disk(&rig, &daemon);
    in_namespace_of(&daemon, &["mount", "-o", "remount,rw,bind", rig.path("state").to_str().unwrap()]);
    recovers(&rig, daemon);
}

#[test]
fn a_state_directory_in_a_file_system_without_a_free_inode() {
    let rig = Rig::new();
    fs::create_dir(rig.path("state")).unwrap();
    // The directory itself is one of the two, the lock the other.
    let Some(mut daemon) = spawn_mounted(&rig, "mount -t tmpfs -o nr_inodes=2 tmpfs \"$0\"") else { return };
    daemon.wait_notified("READY=1");
    controls_without_a_disk(&rig, &daemon);
    let told = "No space left on device (os error 28) (make room: df -h shows bytes, df -i inodes)";
    daemon.wait_log(told);
    let names_inodes =
        |alarms: &Value| alarms["disk"]["text"].as_str().is_some_and(|text| text.contains(told));
    rig.wait_status("the alarm", |status| names_inodes(&status["alarms"]));
    rig.wait_reported("the alarm", |reported| names_inodes(&reported["alarms"]));
    in_namespace_of(&daemon, &["mount", "-o", "remount,nr_inodes=100", rig.path("state").to_str().unwrap()]);
    daemon.wait_log(MENDED);
    rig.wait_status("no alarm", |status| !names_inodes(&status["alarms"]));
    rig.wait_reported("the acknowledgement", |r| r["fanOn"] == false && !names_inodes(&r["alarms"]));
    assert!(daemon.stop().success());
}

#[test]
fn what_a_later_twind_kept_is_set_aside_whole() {
    let rig = Rig::new();
    fs::create_dir(rig.path("state")).unwrap();
    let later = "twind-record 99 whatever comes\n{}";
    fs::write(rig.path("state/twin.a"), later).unwrap();
    let daemon = rig.start_synced();
    daemon.wait_log("was written by a later version of twind (format 99)");
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());
    assert_eq!(fs::read_to_string(rig.path("state/twin.a.newer")).unwrap(), later);
}

#[test]
fn a_stored_twin_that_comes_late_is_not_lost_and_followed() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("the acknowledgement", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());
    rig.hub.block_on(rig.hub.stop_listening());
    // As if the disk were mounted after the daemon was started.
    fs::rename(rig.path("state"), rig.path("later")).unwrap();
    fs::write(rig.path("state"), "").unwrap();
    let daemon = rig.start();
    daemon.wait_log(&format!("ERROR {TOLD}"));
    rig.wait_drive("fan", |now| now == 0);
    fs::remove_file(rig.path("state")).unwrap();
    fs::rename(rig.path("later"), rig.path("state")).unwrap();
    rig.wait_drive("fan", |now| now == 200);
    daemon.wait_log(MENDED);
    assert!(daemon.stop().success());
    let kept: Value = serde_json::from_str(&say(&mut rig.command(&["twin", "desired"])).out).unwrap();
    assert_eq!((kept["fanOn"].clone(), kept["$version"].clone()), (json!(true), json!(version)));
}
