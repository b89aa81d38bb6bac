//! The status for Prometheus: `twind status --openmetrics`, and the file that the daemon writes.
//!
//! `metrics.sh` has independent parsers read both.

use crate::freezer::{Freezer, Hanging};
use crate::rig::{Daemon, Rig, eventually, say};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const FILE: &str = "[local]\nmetrics-file = \"DIR/twind.prom\"\n";

/// Waits until the file has this line.
fn wait_line(rig: &Rig, line: &str) -> String {
    let read = || fs::read_to_string(rig.path("twind.prom")).unwrap_or_default();
    let find = || Some(read()).filter(|text| text.lines().any(|told| told == line));
    eventually(line, find, read)
}

fn is_there(rig: &Rig) -> bool {
    fs::symlink_metadata(rig.path("twind.prom")).is_ok()
}

fn reload(rig: &Rig, more: &str) {
    rig.configure(more);
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!(said.code, 0, "{}", said.err);
}

/// The output follows the temperature.
fn controls(rig: &Rig) {
    for (degrees, drive) in [("24.0", 500), ("26.0", 750)] {
        rig.set_temperature(degrees);
        rig.wait_drive("fan", |now| now == drive);
    }
}

#[test]
fn the_command_prints_openmetrics_and_ends_with_0_even_with_an_alarm() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    let told = |line: &str| {
        let said = say(&mut rig.command(&["status", "--openmetrics"]));
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert!(said.out.starts_with("# TYPE twind_") && said.out.ends_with("\n# EOF\n"), "{}", said.out);
        said.out.lines().any(|told| told == line).then_some(()).ok_or(said.out)
    };
    let version = format!("twind_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for line in [
        version.as_str(),
        "twind_hub_connected 1",
        "twind_alarms 0",
        "twind_temperature_celsius{climate=\"climate\"} 22",
        "twind_temperature_max_celsius{climate=\"climate\"} 28",
        "twind_sensor_temperature_celsius{sensor=\"cabinet\"} 22",
        "twind_sensor_ok{sensor=\"cabinet\"} 1",
        "twind_output_drive_ratio{output=\"fan\"} 0.25",
    ] {
        assert_eq!(told(line), Ok(()), "{line}");
    }
    fs::remove_file(rig.path("temperature")).unwrap();
    rig.wait_status("the alarm", |status| status["alarms"]["sensor-cabinet"].is_object());
    assert_eq!(told("twind_alarm{alarm=\"sensor-cabinet\",kind=\"sensor\"} 1"), Ok(()));
    assert!(told("twind_sensor_temperature_celsius{sensor=\"cabinet\"} 22").is_err(), "it has no value");
    assert_eq!(say(&mut rig.command(&["status"])).code, 1, "the page says so by its exit status");
}

#[test]
fn the_command_takes_no_other_form_beside_it_and_needs_a_daemon() {
    let rig = Rig::new();
    for other in [&["--json"][..], &["--changes", "3"]] {
        let said = say(rig.command(&["status", "--openmetrics"]).args(other));
        assert_eq!(said.code, 64, "{}", said.err);
    }
    let said = say(&mut rig.command(&["status", "--openmetrics"]));
    assert_eq!((said.code, said.out.as_str()), (69, ""), "{}", said.err);
    assert!(said.err.contains("no daemon listens"), "{}", said.err);
}

#[test]
fn the_file_shows_what_is_new_and_is_gone_after_an_orderly_stop() {
    let rig = Rig::new();
    rig.configure(FILE);
    // As the service does.
    let run = rig.command(&["run"]);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077 && exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    command.env("RUNTIME_DIRECTORY", rig.dir.path()).env("RUST_LOG", "debug").env_remove("JOURNAL_STREAM");
    let daemon = rig.spawn_as(command);
    wait_line(&rig, "# EOF");
    let mode = fs::metadata(rig.path("twind.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "others may read it");
    rig.set_temperature("26.0");
    let text = wait_line(&rig, "twind_output_drive_ratio{output=\"fan\"} 0.75");
    assert!(text.contains("\ntwind_temperature_celsius{climate=\"climate\"} 26\n"), "{text}");
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
    };
    let printed = say(&mut rig.command(&["status", "--openmetrics"])).out;
    assert!(names(&text).len() > 20 && names(&text).iter().all(|name| names(&printed).contains(name)));
    assert!(daemon.stop().success());
    assert!(!is_there(&rig) && !rig.path("twind.prom.tmp").exists());
}

#[test]
fn a_reload_begins_moves_and_ends_the_file() {
    let rig = Rig::new();
    let daemon = rig.start();
    reload(&rig, FILE);
    wait_line(&rig, "# EOF");
    reload(&rig, &FILE.replace("twind.prom", "other.prom"));
    let is_moved = || (rig.path("other.prom").exists() && !is_there(&rig)).then_some(());
    eventually("the other file", is_moved, || daemon.log());
    reload(&rig, "");
    let is_gone = || (!rig.path("other.prom").exists()).then_some(());
    eventually("the end of the file", is_gone, || daemon.log());
    assert!(!is_there(&rig));
}

fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.log().matches(words).count()
}

#[test]
fn a_pipe_in_the_files_place_holds_up_nothing_and_is_told_once_and_so_is_its_end() {
    let rig = Rig::new();
    rig.configure(FILE);
    mknodat(CWD, rig.path("twind.prom"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let daemon = rig.start();
    daemon.wait_log(
        "cannot be written: it is no regular file but a named pipe: remove it, or name another path",
    );
    let line = daemon.log().lines().find(|line| line.contains("named pipe")).map(str::to_owned).unwrap();
    assert!(line.contains("WARN") && line.contains("twind.prom"), "{line}");
    controls(&rig);
    assert!(!fs::metadata(rig.path("twind.prom")).unwrap().is_file(), "it is left alone");
    fs::remove_file(rig.path("twind.prom")).unwrap();
    wait_line(&rig, "# EOF");
    daemon.wait_log("is written again");
    assert_eq!((count(&daemon, "cannot be written"), count(&daemon, "is written again")), (1, 1));
    assert!(daemon.stop().success());
    assert!(!is_there(&rig));
}

#[test]
fn a_disk_that_hangs_holds_up_nothing_and_is_told_once_and_so_is_its_end() {
    let rig = Rig::new();
    let Some(disk) = Freezer::new(&rig, "disk") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    rig.configure(&FILE.replace("DIR/", "DIR/disk/"));
    let mut hanging = Hanging { disk, daemons: Vec::new() };
    assert!(hanging.disk.freeze());
    hanging.daemons.push(rig.start_synced());
    hanging.daemons[0].wait_log("has not been written within 15 s: its disk does not answer");
    controls(&rig);
    reload(&rig, &FILE.replace("DIR/", "DIR/disk/"));
    controls(&rig);
    hanging.disk.thaw();
    let daemon = &hanging.daemons[0];
    let is_there = || rig.path("disk/twind.prom").exists().then_some(());
    eventually("the file", is_there, || daemon.log());
    daemon.wait_log("is written again");
    assert_eq!((count(daemon, "does not answer"), count(daemon, "is written again")), (1, 1));
    assert!(hanging.daemons.remove(0).stop().success());
    assert!(!rig.path("disk/twind.prom").exists());
}

#[test]
fn a_directory_that_is_missing_is_told_with_what_to_do_and_nothing_else_changes() {
    let rig = Rig::new();
    rig.configure(&FILE.replace("DIR/", "DIR/absent/"));
    let daemon = rig.start_synced();
    daemon
        .wait_log("(make its directory, or name another path with [local] metrics-file); control continues");
    controls(&rig);
    fs::create_dir(rig.path("absent")).unwrap();
    let is_there = || rig.path("absent/twind.prom").exists().then_some(());
    eventually("the file", is_there, || daemon.log());
    daemon.wait_log("is written again");
    assert!(daemon.stop().success());
}
