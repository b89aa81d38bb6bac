//! A reader of the log that hangs, or a pipe in a file's place, delays no output, no signal and no stop.

use crate::journal::Journal;
use crate::rig::{CLIMATE, Daemon, FAN, Rig, SENSOR, eventually, say};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// More lines than the daemon's backlog holds.
const FLOOD: usize = 1500;

/// A cabinet that is too hot above 80.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}critical = 80.0\n", rig.base()));
    rig
}

/// Writes until nothing more goes in.
fn fill(pipe: &mut PipeWriter) {
    let flags = fcntl_getfl(&*pipe).unwrap();
    fcntl_setfl(&*pipe, flags | OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'.'; 4096]).is_ok() {}
    while pipe.write(b".").is_ok() {}
    // The flag belongs to both ends of a fork.
    fcntl_setfl(&*pipe, flags).unwrap();
}

/// A daemon whose standard error is a pipe.
fn start_into(rig: &Rig, stderr: &PipeWriter) -> Daemon {
    rig.spawn_into(rig.command(&["run"]), Stdio::from(stderr.try_clone().unwrap()))
}

/// Both ends of a pipe that is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    fill(&mut writer);
    (reader, writer)
}

/// The output follows the temperature, to its overheat row and back.
fn controls(rig: &Rig) {
    for (degrees, drive) in [("24.0", 500), ("90.0", 1000), ("26.0", 750)] {
        rig.set_temperature(degrees);
        rig.wait_drive("fan", |now| now == drive);
    }
}

fn ends_in_order(rig: &Rig, daemon: Daemon) {
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(rig.drive("fan"), Some(0));
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_the_overheat_row_nor_sigterm() {
    let rig = rig();
    let (_reader, mut writer) = pipe().unwrap();
    let mut daemon = start_into(&rig, &writer);
    daemon.wait_notified("READY=1");
    controls(&rig);
    fill(&mut writer);
    (0..3).for_each(|_| controls(&rig));
    rig.set_temperature("90.0");
    rig.wait_drive("fan", |now| now == 1000);
    ends_in_order(&rig, daemon);
}

#[test]
fn a_log_that_nobody_reads_at_the_start_holds_up_no_output() {
    let rig = rig();
    let (_reader, writer) = full_pipe();
    let daemon = start_into(&rig, &writer);
    rig.wait_drive("fan", |now| now == 250);
    controls(&rig);
    ends_in_order(&rig, daemon);
}

#[test]
fn a_log_whose_reader_has_gone_ends_nothing() {
    let rig = rig();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let daemon = start_into(&rig, &writer);
    rig.wait_drive("fan", |now| now == 250);
    controls(&rig);
    ends_in_order(&rig, daemon);
}

#[test]
fn what_was_dropped_of_the_log_is_counted_and_said_once_somebody_reads_again() {
    let rig = rig();
    let (reader, writer) = full_pipe();
    let mut daemon = start_into(&rig, &writer);
    daemon.wait_notified("READY=1");
    rig.wait_drive("fan", |now| now == 250);
    // Each client that sends garbage causes a line in the log.
    for _ in 0..FLOOD {
        let mut client = UnixStream::connect(rig.path("twind.sock")).unwrap();
        client.write_all(b"garbage\0").unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    }
    controls(&rig);
    drop(writer);
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        let mut reader = reader;
        reader.read_to_string(&mut log).map(|_| log).unwrap()
    });
    ends_in_order(&rig, daemon);
    let log = reading.join().unwrap();
    let told = log.lines().find(|line| line.contains("log lines were dropped because")).expect("it is said");
    assert!(told.contains("WARN"), "{told}");
    let count: usize = told.split(' ').find_map(|word| word.parse().ok()).expect("a count");
    let kept = log.matches("a client is dropped").count();
    assert!(kept < FLOOD && count >= FLOOD - kept, "{count} dropped, {kept} of the {FLOOD} kept");
    assert!(log.contains("started without a stored twin") && log.trim_end().ends_with("stopped"), "{log}");
}

#[test]
fn why_it_cannot_start_is_said_before_it_ends_and_nobody_need_read_it() {
    let rig = Rig::new();
    rig.write_config("nonsense = 1\n");
    let said = say(&mut rig.command(&["run"]));
    assert_eq!(said.code, 78);
    assert!(said.err.contains("ERROR") && said.err.contains("nonsense"), "{}", said.err);
    let (_reader, writer) = full_pipe();
    assert_eq!(start_into(&rig, &writer).wait_end().code(), Some(78));
}

#[test]
fn a_pipe_in_the_configurations_place_is_refused_by_path_and_waited_for_by_nobody() {
    let rig = rig();
    let daemon = rig.start_synced();
    put_a_pipe(&rig.path("twind.toml"));
    daemon.signal("HUP");
    let refused = daemon.wait_error();
    let named = format!("{}:1:1: this configuration file cannot be read", rig.path("twind.toml").display());
    daemon.wait_log(&named);
    assert!(refused.contains("the running one stays"), "{refused}");
    daemon.wait_log("it is not a file but a named pipe; put a regular file in its place");
    controls(&rig);
    let ends_with = |words: &str| {
        let stderr = fs::File::create(rig.path("said")).unwrap();
        let ended = rig.spawn_into(rig.command(&[words]), Stdio::from(stderr)).wait_end();
        (ended.code(), fs::read_to_string(rig.path("said")).unwrap())
    };
    for words in ["check", "run", "status"] {
        let (code, said) = ends_with(words);
        assert_eq!(code, Some(78), "{words}: {said}");
        assert!(said.contains(&named) && said.contains("named pipe"), "{words}: {said}");
    }
    // It uses the daemon's copy of what is driven, whatever is in the file's place.
    let (code, said) = ends_with("safe");
    assert!(code == Some(77) && said.contains("the daemon is running"), "{said}");
    rig.configure("");
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    assert!(daemon.stop().success());
}

#[test]
fn a_pipe_in_the_place_of_what_the_configuration_names_is_refused_on_a_reload() {
    let rig = rig();
    let daemon = rig.start_synced();
    for name in ["ca.pem", "connection-string"] {
        put_a_pipe(&rig.path(name));
        daemon.signal("HUP");
        daemon.wait_log(&format!("{}, which is not a file but a named pipe", rig.path(name).display()));
        controls(&rig);
    }
    assert!(daemon.stop().success());
}

/// Pipes in the places of what the daemon writes itself, of which nobody reads any.
#[test]
fn a_pipe_in_the_place_of_a_file_that_the_daemon_writes_holds_up_neither_the_start_nor_a_reload() {
    let rig = rig();
    // The names of the copy for `twind safe` come from the path of the configuration, so a first daemon shows them.
    let daemon = rig.start_synced();
    let copy = fs::read_dir(rig.path("")).unwrap().map(|entry| entry.unwrap().path());
    let copy = copy.into_iter().find(|path| path.to_str().unwrap().contains("/.outputs.")).unwrap();
    daemon.kill();
    let aside =
        |path: &Path| path.with_file_name(format!("{}.tmp", path.file_name().unwrap().to_str().unwrap()));
    let written = [
        aside(&copy),
        rig.path("board/.fan.tmp"),
        rig.path("state/twin.a.tmp"),
        rig.path("state/twin.b.tmp"),
    ];
    written.iter().for_each(|path| put_a_pipe(path));
    let daemon = rig.start_synced();
    controls(&rig);
    written.iter().for_each(|path| put_a_pipe(path));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    controls(&rig);
    // What is added to is not replaced: the output counts as one that cannot be driven, and is, until there is a file again.
    put_a_pipe(&rig.path("board/trace.jsonl"));
    rig.set_temperature("24.0");
    daemon.wait_log("trace.jsonl: it is no regular file but a named pipe");
    let driven = || rig.drive("fan").filter(|now| *now == 500);
    eventually("the drive", driven, || format!("{:?}", rig.drive("fan")));
    fs::remove_file(rig.path("board/trace.jsonl")).unwrap();
    daemon.wait_log("output fan can be driven again");
    ends_in_order(&rig, daemon);
}

/// Nobody is ever at its other end.
fn put_a_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn a_pipe_in_the_place_of_a_fans_speed_holds_up_neither_a_reload_nor_the_end() {
    let rig = Rig::new();
    fs::create_dir(rig.path("board")).unwrap();
    mknodat(CWD, rig.path("board/fan.rpm"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let config = |tach: &str| format!("{}{FAN}{tach}{SENSOR}{CLIMATE}critical = 80.0\n", rig.base());
    rig.write_config(&config("tach = {}\n"));
    let daemon = rig.start_synced();
    rig.write_config(&config(""));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    controls(&rig);
    rig.write_config(&config("tach = {}\n"));
    daemon.signal("HUP");
    eventually(
        "the second reload",
        || (daemon.log().matches("the new configuration is in force").count() == 2).then_some(()),
        || daemon.log(),
    );
    ends_in_order(&rig, daemon);
}

/// A journal whose socket is full.
fn hung_journal(rig: &Rig) -> Option<(Journal, Command)> {
    let (journal, command) = Journal::of(rig)?;
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"", rig.path("journal/socket")).is_ok() {}
    Some((journal, command))
}

#[test]
fn a_journal_that_hangs_holds_up_nothing_and_has_the_fields_once_it_reads() {
    let rig = rig();
    let Some((journal, command)) = hung_journal(&rig) else { return };
    let mut daemon = rig.spawn_as(command);
    daemon.wait_notified("READY=1");
    rig.wait_drive("fan", |now| now == 250);
    (0..3).for_each(|_| controls(&rig));
    let turned = journal.entry_with("TWIND_OUTPUT", |output| output == "fan");
    for field in ["PRIORITY", "MESSAGE_ID", "TWIND_PERMILLE", "TWIND_CAUSE", "MESSAGE", "SYSLOG_IDENTIFIER"] {
        assert!(turned.contains_key(field), "{field} is missing in {turned:?}");
    }
    ends_in_order(&rig, daemon);
}
