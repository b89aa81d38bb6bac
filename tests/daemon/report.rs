//! `twind report`: what the archive holds, that no secret is in it, and that nothing keeps it from being written.

use crate::local::{played, plays};
use crate::rig::{DEVICE, Rig, Said, eventually, say};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use twind::engine::Input;

/// The name and content of each file.
type Unpacked = BTreeMap<String, Vec<u8>>;

impl Rig {
    /// Runs the command in a folder of its own, with a `journalctl` that is this script.
    fn report(&self, more: &[&str], journalctl: &str) -> Said {
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::create_dir_all(self.path("out")).unwrap();
        let script = self.path("bin/journalctl");
        fs::write(&script, format!("#!/bin/sh\n{journalctl}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        say(self.command(&[&["report"], more].concat()).current_dir(self.path("out")).env("PATH", path))
    }

    /// The only archive there is.
    fn archive(&self) -> PathBuf {
        let mut found: Vec<_> =
            fs::read_dir(self.path("out")).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn unpack(&self) -> Unpacked {
        let into = tempfile::tempdir().unwrap();
        let tar =
            Command::new("tar").arg("-C").arg(into.path()).arg("-xzf").arg(self.archive()).output().unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
        let folder = fs::read_dir(into.path()).unwrap().next().unwrap().unwrap().path();
        assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("twind-report-"));
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
        files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
    }

    fn key(&self) -> String {
        let string = self.hub.hub().device_connection_string(DEVICE).unwrap();
        string.split_once("SharedAccessKey=").unwrap().1.split(';').next().unwrap().to_owned()
    }
}

fn text(files: &Unpacked, name: &str) -> String {
    String::from_utf8(
        files.get(name).unwrap_or_else(|| panic!("{name} is missing in {:?}", files.keys())).clone(),
    )
    .unwrap()
}

/// No part of the key is in any file: not of its text, of its bytes, or of them in hexadecimal.
fn assert_without(files: &Unpacked, key: &str, others: &[&str]) {
    let bytes = BASE64_STANDARD.decode(key).unwrap();
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut parts: Vec<&[u8]> = key.as_bytes().windows(8).chain(bytes.windows(6)).collect();
    parts.extend(hexadecimal.as_bytes().windows(12));
    parts.extend(others.iter().map(|other| other.as_bytes()));
    for (name, content) in files {
        for part in &parts {
            let is_in = content.windows(part.len()).any(|window| window == *part);
            assert!(!is_in, "{} is in {name}", String::from_utf8_lossy(part));
        }
    }
}

#[test]
fn the_archive_has_all_that_support_asks_for_and_no_part_of_a_secret() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.desire(json!({"fanOn": true, "zebra": 1}));
    rig.wait_drive("fan", |drive| drive > 0);
    let key = rig.key();
    let string = rig.hub.hub().device_connection_string(DEVICE).unwrap();
    // What somebody tried since the start.
    let file = fs::read_to_string(rig.path("twind.toml")).unwrap();
    let tried = format!(
        "# was hunter2\nconnection-string = \"{string}\"\nproxy = \"http://me:hunter2@proxy.local:3128\" # or hunter2\n\
         password = hunter2\nkey-file = \"{key}\"\n"
    );
    rig.write_config(&file.replacen("[hub]\n", &format!("[hub]\n{tried}"), 1));
    let said = rig.report(&[], &format!("echo \"$@\"; echo 'a line'; echo '{string}'; echo 'key {key}' >&2"));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(!said.out.contains("missing"), "{}", said.out);
    assert!(said.out.contains("No key, password or connection string is in it."), "{}", said.out);
    let archive = rig.archive();
    assert!(said.out.starts_with(archive.file_name().unwrap().to_str().unwrap()), "{}", said.out);
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);

    let files = rig.unpack();
    assert_without(&files, &key, &["hunter2"]);
    assert!(!said.out.contains(&key[..8]));
    for name in files.keys() {
        assert!(
            said.out.contains(&format!("\n  {name} ")) && text(&files, "about.txt").contains(name)
                || name == "about.txt"
        );
    }
    let status: Value = serde_json::from_str(&text(&files, "status.json")).unwrap();
    assert_eq!(status["pid"], daemon.id());
    assert!(text(&files, "status.txt").contains("fan"));
    let twin: Value = serde_json::from_str(&text(&files, "twin.json")).unwrap();
    assert_eq!(twin["desired"]["zebra"], 1);
    let configuration = text(&files, "twind.toml");
    assert!(
        configuration.contains("[outputs.fan]\npwm = { channel = 0 }\nmin-duty = 20\n"),
        "{configuration}"
    );
    assert_eq!(
        configuration.lines().count(),
        fs::read_to_string(rig.path("twind.toml")).unwrap().lines().count()
    );
    let check = text(&files, "check.txt");
    assert!(check.contains("is wrong: ") && check.ends_with("\nexit status 78\n"), "{check}");
    let check: Value = serde_json::from_str(&text(&files, "check.json")).unwrap();
    assert_eq!(check["verdict"], "wrong");
    assert!(text(&files, "hardware.txt").ends_with("\nexit status 78\n"));
    let journal = text(&files, "journal.txt");
    assert!(journal.contains("--unit twind --lines 5000") && journal.contains("a line\n"), "{journal}");
    assert!(plays(&files["inputs.journal"]) > 5);
    assert!(text(&files, "about.txt").contains(concat!("twind           ", env!("CARGO_PKG_VERSION"))));
}

/// A journal with its digest made anew, as if the daemon had written it.
fn sealed(mut journal: Vec<u8>) -> Vec<u8> {
    let body = journal.len() - 4;
    let digest = journal[..body].iter().fold(0x811c_9dc5_u32, |hash, byte| {
        // FNV-1a.
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    journal[body..].copy_from_slice(&digest.to_le_bytes());
    journal
}

#[test]
fn the_inputs_in_the_archive_replay_as_they_went_and_a_changed_one_is_noticed() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.desire(json!({"fanOn": true}));
    assert_eq!(say(&mut rig.command(&["override", "fan", "90%", "--for", "1h"])).code, 0);
    rig.wait_drive("fan", |drive| drive == 900);
    assert_eq!(say(&mut rig.command(&["override", "fan", "clear"])).code, 0);
    // A drive that fails for a while.
    let obstacle = rig.path("board/.fan.tmp");
    fs::create_dir(&obstacle).unwrap();
    rig.set_temperature("25.25");
    rig.wait_status("a fault", |status| status["outputs"]["fan"]["fault"].is_string());
    fs::remove_dir(&obstacle).unwrap();
    rig.wait_drive("fan", |drive| drive == 656);
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    let said = rig.report(&[], "");
    assert_eq!(said.code, 0, "{}", said.err);

    let journal = rig.unpack().remove("inputs.journal").unwrap();
    assert_eq!(sealed(journal.clone()), journal);
    let (inputs, differ) = played(&journal);
    assert_eq!(differ, 0);
    let is_there = |is_it: fn(&Input) -> bool| inputs.iter().any(is_it);
    assert!(is_there(|input| matches!(input, Input::Hub(_))), "{inputs:?}");
    assert!(is_there(|input| matches!(input, Input::Override(_))), "{inputs:?}");
    assert!(is_there(|input| matches!(input, Input::Reload(_))), "{inputs:?}");

    // Another reading would have driven the fan otherwise.
    let (before, after) = (25.25_f64.to_le_bytes(), 23.25_f64.to_le_bytes());
    let mut another = journal.clone();
    let at: Vec<usize> = (0..another.len() - 8).filter(|at| another[*at..].starts_with(&before)).collect();
    at.iter().for_each(|at| another[*at..*at + 8].copy_from_slice(&after));
    assert!(!at.is_empty() && played(&sealed(another)).1 > 0);
    // The last thing before the digest of all is that of the last input's effects.
    let mut another = journal;
    let end = another.len() - 5;
    another[end] ^= 1;
    assert_eq!(played(&sealed(another)).1, 1);
}

#[test]
fn without_a_daemon_and_a_journal_the_archive_says_so_and_has_the_rest() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.desire(json!({"zebra": 1}));
    let is_known = || say(&mut rig.command(&["twin"])).out.contains("zebra").then_some(());
    eventually("the change", is_known, || daemon.log());
    assert!(daemon.stop().success());
    let said = rig.report(&[], "echo 'no access' >&2; exit 1");
    assert_eq!(said.code, 0, "{}", said.err);
    for name in ["status.json", "status.txt", "inputs.journal"] {
        let line = said.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert!(line.contains("missing: no daemon listens on "), "{line}");
    }
    let files = rig.unpack();
    assert!(text(&files, "about.txt").contains("missing: no daemon listens on "));
    assert!(text(&files, "twin.json").contains("\"zebra\": 1"));
    assert!(
        text(&files, "check.txt").ends_with("is right\n\nexit status 0\n"),
        "{}",
        text(&files, "check.txt")
    );
    assert!(text(&files, "hardware.txt").contains("sensor     cabinet: reads 22 "));
    assert_eq!(text(&files, "journal.txt"), "journalctl: it failed: exit status: 1\nno access\n");
    assert_without(&files, &rig.key(), &[]);
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let rig = Rig::new();
    fs::create_dir(rig.path("out")).unwrap();
    let there = rig.path("out/there");
    fs::write(&there, "mine").unwrap();
    let said = rig.report(&["--output", "there"], "");
    assert_eq!((said.code, said.out.as_str()), (64, ""));
    assert!(said.err.contains("there is there already, and nothing is overwritten"), "{}", said.err);
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    fs::remove_file(&there).unwrap();
    std::os::unix::fs::symlink("nowhere", &there).unwrap();
    assert_eq!(rig.report(&["--output", "there"], "").code, 64);
    fs::remove_file(&there).unwrap();
    let said = rig.report(&["--output", "nowhere/there"], "");
    assert_eq!(said.code, 70);
    assert!(said.err.contains("cannot be written to nowhere/there: No such file"), "{}", said.err);
    assert_eq!(rig.report(&["--output", "there"], "").code, 0);
    assert!(rig.unpack().contains_key("about.txt"));
}

#[test]
fn a_pipe_as_the_configuration_and_a_daemon_that_never_answers_keep_nothing_up() {
    let rig = Rig::new();
    let _listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    fs::remove_file(rig.path("twind.toml")).unwrap();
    mknodat(CWD, rig.path("twind.toml"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let said = rig.report(&[], "exec true");
    assert_eq!(said.code, 0, "{}", said.err);
    for (name, why) in [
        ("status.json", "does not answer: timed out"),
        ("inputs.journal", "does not answer: timed out"),
        ("twind.toml", "it is not a file but a named pipe"),
    ] {
        let line = said.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert!(line.contains("missing: ") && line.contains(why), "{line}");
    }
    let files = rig.unpack();
    assert!(text(&files, "check.txt").contains("it is not a file but a named pipe"));
}

#[test]
fn a_twin_that_holds_a_secret_is_masked_and_the_inputs_are_left_out() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let key = rig.key();
    rig.desire(json!({"note": key, "wifi": {"password": "hunter2"}, "zebra": 1}));
    let is_known = || say(&mut rig.command(&["twin"])).out.contains("zebra").then_some(());
    eventually("the change", is_known, || daemon.log());
    let said = rig.report(&[], "");
    assert_eq!(said.code, 0, "{}", said.err);
    let line = said.out.lines().find(|line| line.trim_start().starts_with("inputs.journal")).unwrap();
    assert!(line.contains("missing: something in the twin looks like a secret"), "{line}");
    let files = rig.unpack();
    assert_without(&files, &key, &["hunter2"]);
    assert!(text(&files, "twin.json").contains("\"password\": \"…\""), "{}", text(&files, "twin.json"));
}
