//! `twind init` by the real binary: on machines made of files that are mounted in place of `/sys` and `/dev`, and what it does with
//! a file that it is to write.

use crate::machines::Machine;
use crate::rig::{Said, say};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const TWIND: &str = env!("CARGO_BIN_EXE_twind");
const NOBODY: u32 = 65_534;

fn twind(words: &[&str], file: &Path) -> Said {
    let mut command = Command::new(TWIND);
    command.args(words).arg(file).env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null());
    say(&mut command)
}

/// Runs `twind init` on this machine; `None` where nothing may be mounted.
#[expect(clippy::print_stderr, reason = "a test that cannot be made here says so")]
fn init_on(machine: &Machine) -> Option<Said> {
    let script = format!(
        "mount --bind {root}/sys /sys && mount --bind {root}/dev /dev && echo mounted >&2 && exec {TWIND} init",
        root = machine.root().display()
    );
    let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    let mut runs = ways.iter().filter_map(|way| {
        let mut inside = Command::new("unshare");
        inside.args(*way).args(["sh", "-c", &script]).env_remove("TZDIR").stdin(Stdio::null());
        let said = inside.output().is_ok_and(|output| output.stderr.starts_with(b"mounted\n"));
        said.then(|| say(&mut inside))
    });
    let said = runs.next();
    if said.is_none() {
        eprintln!("skipped: unshare, or the right to mount, is missing");
    }
    said
}

#[test]
fn the_file_for_a_machine_is_right_once_the_secret_is_there() {
    let machines = [
        (Machine::raspberry_pi_4(), "driver = \"rppal\"", "sensor = \"w1-7c1f\"\n"),
        (Machine::pc(), "driver = \"simulated\"", "sensor = \"coretemp-temp1\"\n"),
        (Machine::bare(), "driver = \"simulated\"", "# No sensor of this machine has a reading."),
    ];
    for (machine, board, decides) in machines {
        let Some(said) = init_on(&machine) else { return };
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains(board) && said.out.contains(decides), "{}", said.out);
        assert!(said.err.contains("twind: a starting file for "), "{}", said.err);
        let site = tempfile::tempdir().unwrap();
        let file = site.path().join("twind.toml");
        fs::write(&file, &said.out).unwrap();
        let check = twind(&["check", "--config"], &file);
        assert_eq!(check.code, 78, "{}", check.out);
        assert!(check.err.contains("`connection-string-file` names "), "{}", check.err);
        assert!(check.err.ends_with("is wrong: 1 fault\n"), "{}", check.err);
        let secret = site.path().join("twind/connection-string");
        fs::create_dir(secret.parent().unwrap()).unwrap();
        fs::write(&secret, "HostName=hub.example.net;DeviceId=d;SharedAccessKey=c2VjcmV0").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let check = twind(&["check", "--config"], &file);
        assert_eq!(check.code, 0, "{}", check.err);
    }
}

#[test]
fn a_named_file_is_made_once_for_owner_and_group_and_never_replaced() {
    let site = tempfile::tempdir().unwrap();
    let file = site.path().join("twind.toml");
    let first = twind(&["init", "--output"], &file);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    assert!(first.out.contains(&format!("{} is written for ", file.display())), "{}", first.out);
    let made = fs::read_to_string(&file).unwrap();
    assert!(made.starts_with("# The configuration of twind, begun by `twind init`"), "{made}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    fs::write(&file, "mine").unwrap();
    let again = twind(&["init", "--output"], &file);
    assert_eq!((again.code, again.out.as_str()), (64, ""));
    assert!(again.err.contains("is there already, and init overwrites nothing"), "{}", again.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    for (name, told) in [("no/twind.toml", "there is no folder"), ("", "is the name of a folder")] {
        let said = twind(&["init", "--output"], &site.path().join(name));
        assert_eq!(said.code, 64, "{}", said.err);
        assert!(said.err.contains(told), "{}", said.err);
    }
    assert_eq!(fs::read_dir(site.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_configuration_to_read_is_wrong_usage() {
    let said = twind(&["init", "--config"], Path::new("/nowhere/twind.toml"));
    assert_eq!((said.code, said.out.as_str()), (64, ""));
    assert!(said.err.contains("--output names the file to write"), "{}", said.err);
}

#[test]
fn who_may_not_write_there_is_told_so() {
    let site = tempfile::tempdir().unwrap();
    let program = site.path().join("twind");
    // By another process: a file that a child of this one still has open to write cannot be run.
    assert!(Command::new("cp").arg(TWIND).arg(&program).status().unwrap().success());
    let closed = site.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let mut init = Command::new(&program);
    init.args(["init", "--output"]).arg(closed.join("twind.toml")).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        init.uid(NOBODY).gid(NOBODY);
    }
    let said = say(&mut init);
    assert_eq!((said.code, said.out.as_str()), (77, ""), "{}", said.err);
    assert!(said.err.contains("this user may not write in") && said.err.contains("sudo"), "{}", said.err);
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut init = Command::new(TWIND);
    let output = init.arg("init").stdin(Stdio::null()).stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{err}");
    assert!(err.starts_with("twind: the file could not be written to standard output: "), "{err}");
}
