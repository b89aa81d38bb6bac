//! The local socket and its clients, including careless and hostile ones: none of them disturbs an output.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR, Said, copy_program, eventually, say};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;
use twind::engine::{Input, Replay};

pub(crate) fn connect(rig: &Rig) -> UnixStream {
    connect_to(rig, "twind.sock")
}

pub(crate) fn connect_to(rig: &Rig, name: &str) -> UnixStream {
    let stream = UnixStream::connect(rig.path(name)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

pub(crate) fn call(stream: &mut UnixStream, method: &str, parameters: Value) -> io::Result<Value> {
    let message = json!({"method": method, "parameters": parameters}).to_string() + "\0";
    stream.write_all(message.as_bytes())?;
    answer(stream)
}

pub(crate) fn answer(stream: &mut UnixStream) -> io::Result<Value> {
    let (mut message, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        if byte[0] == 0 {
            return Ok(serde_json::from_slice(&message).unwrap());
        }
        message.push(byte[0]);
    }
}

/// Reads to the end. True if the daemon closed the connection.
fn is_hung_up_on(stream: &mut UnixStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Asserts that the daemon still follows its sensor.
pub(crate) fn follows(rig: &Rig) {
    for (degrees, drive) in [("25.0", 625), ("22.0", 250)] {
        rig.set_temperature(degrees);
        rig.wait_drive("fan", |now| now == drive);
    }
}

#[test]
fn the_service_tells_of_itself_and_each_method_answers() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    let mode = fs::metadata(rig.path("twind.sock")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o660);
    let client = &mut connect(&rig);
    let info = call(client, "org.varlink.service.GetInfo", json!({})).unwrap();
    assert_eq!(
        info["parameters"]["interfaces"],
        json!(["org.varlink.service", "io.systemd.service", "io.twind.Daemon"])
    );
    let parameters = json!({"interface": "io.twind.Daemon"});
    let told = call(client, "org.varlink.service.GetInterfaceDescription", parameters).unwrap();
    assert!(told["parameters"]["description"].as_str().unwrap().contains("method SetOverride("));
    let status = call(client, "io.twind.Daemon.GetStatus", json!({})).unwrap();
    assert_eq!(status["parameters"]["status"]["outputs"]["fan"]["cause"], "climate");
    let twin = call(client, "io.twind.Daemon.GetTwin", json!({"section": "desired"})).unwrap();
    assert_eq!(twin["parameters"]["twin"]["$version"], 1);
    let trend = call(client, "io.twind.Daemon.GetTrend", json!({})).unwrap();
    let trend = &trend["parameters"]["trend"];
    assert_eq!((&trend["everySeconds"], &trend["climates"]["climate"]["max"][0]), (&json!(10), &json!(28)));
    assert!(trend["outputs"]["fan"]["permille"].is_array(), "{trend}");
    let told = call(client, "io.twind.Daemon.GetJournal", json!({})).unwrap();
    let journal = BASE64_STANDARD.decode(told["parameters"]["journal"].as_str().unwrap()).unwrap();
    assert!(plays(&journal) > 5);
    let order = json!({"output": "fan", "percent": 90, "seconds": 600});
    assert_eq!(call(client, "io.twind.Daemon.SetOverride", order).unwrap(), json!({"parameters": {}}));
    rig.wait_drive("fan", |now| now == 900);
    let unknown = call(client, "io.twind.Daemon.ClearOverride", json!({"output": "x"})).unwrap();
    assert_eq!(
        unknown,
        json!({"error": "io.twind.Daemon.UnknownOutput", "parameters": {"output": "x", "known": ["fan", "climate"]}})
    );
    call(client, "io.twind.Daemon.ClearOverride", json!({"output": "fan"})).unwrap();
    rig.wait_drive("fan", |now| now == 250);
    let nonsense = call(client, "io.twind.Daemon.Nonsense", json!({})).unwrap();
    assert_eq!(nonsense["error"], "org.varlink.service.MethodNotFound");
}

/// Replays a journal to its end. Returns the number of inputs, each of which has the same effects as it had.
pub(crate) fn plays(journal: &[u8]) -> usize {
    let (inputs, differ) = played(journal);
    assert_eq!(differ, 0);
    inputs.len()
}

/// Replays a journal to its end. Returns the inputs, and how many of them have other effects than they had.
pub(crate) fn played(journal: &[u8]) -> (Vec<Input>, usize) {
    let mut replay = Replay::read(journal).unwrap();
    let (mut inputs, mut differ) = (Vec::new(), 0);
    while let Some(step) = replay.step().unwrap() {
        differ += usize::from(!step.is_same);
        inputs.push(step.input);
    }
    (inputs, differ)
}

#[test]
fn garbage_and_messages_without_an_end_are_hung_up_on() {
    let rig = Rig::new();
    let daemon = rig.start();
    let mut client = connect(&rig);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n\0").unwrap();
    assert!(is_hung_up_on(&mut client));
    let mut client = connect(&rig);
    let megabyte = vec![b'{'; 1024 * 1024];
    // The daemon may close the connection before all of it is sent.
    let _ = client.write_all(&megabyte);
    assert!(is_hung_up_on(&mut client));
    let mut client = connect(&rig);
    client.write_all(&"[".repeat(60_000).into_bytes()).unwrap();
    client.write_all(b"\0").unwrap();
    assert!(is_hung_up_on(&mut client));
    follows(&rig);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_client_that_never_reads_is_dropped_and_holds_up_nothing() {
    let rig = Rig::new();
    let daemon = rig.start();
    let mut client = connect(&rig);
    client.set_nonblocking(true).unwrap();
    let ask = b"{\"method\":\"io.twind.Daemon.GetStatus\"}\0".repeat(50);
    // Fill both directions. Then the daemon's timeout begins.
    while client.write(&ask).is_ok() {}
    follows(&rig);
    assert_eq!(say(&mut rig.command(&["status"])).code, 0);
    daemon.wait_log("a client is dropped");
    follows(&rig);
}

#[test]
fn a_hundred_connections_are_a_few_clients_and_the_rest_is_told_so() {
    let rig = Rig::new();
    let daemon = rig.start();
    let mut clients: Vec<UnixStream> = (0..100).map(|_| connect(&rig)).collect();
    let mut served = 0;
    for client in &mut clients {
        match call(client, "io.twind.Daemon.GetStatus", json!({})).or_else(|_| answer(client)) {
            Ok(answer) if answer.get("error").is_none() => served += 1,
            Ok(answer) => assert_eq!(answer["error"], "io.twind.Daemon.TooManyClients"),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(served, 8);
    let said = say(&mut rig.command(&["status"]));
    assert_eq!(said.code, 69, "{}", said.err);
    assert!(said.err.contains("try again"), "{}", said.err);
    follows(&rig);
    drop(clients);
    let calm = || Some(say(&mut rig.command(&["status"]))).filter(|said| said.code == 0);
    eventually("room for a client", calm, || daemon.log());
}

#[test]
fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
    let rig = Rig::new();
    let first = rig.start();
    first.kill();
    assert!(rig.path("twind.sock").exists(), "killed, it leaves its socket");
    assert_eq!(say(&mut rig.command(&["status"])).code, 69);
    let _second = rig.start();
    assert_eq!(say(&mut rig.command(&["status"])).code, 0);
    // Another daemon that is configured with the same socket still controls, but without a socket.
    let other = Rig::new();
    let socket = format!("\n[local]\nsocket = \"{}\"\n", rig.path("twind.sock").display());
    other.configure(&socket);
    let third = other.start();
    third.wait_log("another process listens on it");
    follows(&other);
    assert!(third.stop().success());
    assert_eq!(say(&mut rig.command(&["status"])).code, 0, "its end took nothing with it");
}

#[test]
fn the_socket_moves_with_the_configuration_and_is_gone_at_the_end() {
    let rig = Rig::new();
    let daemon = rig.start();
    let elsewhere = "\n[local]\nsocket = \"DIR/run/other.sock\"\nlook-socket = \"DIR/run/look.sock\"\n";
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}{elsewhere}", rig.base()));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    let said = say(&mut rig.command(&["status"]));
    assert_eq!(said.code, 0, "{}", said.err);
    eventually("the old one is gone", || (!rig.path("twind.sock").exists()).then_some(()), || daemon.log());
    for name in ["run/other.sock", "run/look.sock"] {
        assert!(fs::metadata(rig.path(name)).unwrap().file_type().is_socket());
    }
    assert!(daemon.stop().success());
    assert_eq!(fs::read_dir(rig.path("run")).unwrap().count(), 0);
}

#[test]
fn whoever_may_not_speak_to_the_daemon_nor_read_its_files_is_told_so_with_77() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = Rig::new();
    let _daemon = rig.start();
    // Any user may run the program, find the socket and the state, and read the configuration; but all belong to root.
    fs::set_permissions(rig.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = rig.path("twind");
    copy_program(&program);
    const NOBODY: u32 = 65_534;
    let refused = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(rig.command(words).get_args()).env("RUNTIME_DIRECTORY", rig.dir.path());
        let said = say(command.uid(NOBODY).gid(NOBODY));
        assert_eq!((said.code, said.out.as_str()), (77, ""), "{words:?}: {}", said.err);
        assert!(said.err.contains("as root"), "{words:?}: {}", said.err);
    };
    let asking = [&["status"][..], &["watch"], &["override", "fan", "on", "--for", "5m"], &["twin"]];
    asking.into_iter().for_each(refused);
    // As the package installs it, other users cannot read the configuration either.
    fs::set_permissions(rig.path("twind.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    asking.into_iter().chain([&["check"][..], &["safe"]]).for_each(refused);
    assert_eq!(rig.status()["outputs"]["fan"]["override"], Value::Null);
}

#[test]
fn a_daemon_of_another_file_says_so_before_it_answers() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let own = rig.path("twind.toml").display().to_string();
    let status = rig.status();
    assert_eq!(
        (status["configuration"].as_str(), status["pid"].as_u64()),
        (Some(own.as_str()), Some(daemon.id().into()))
    );
    let said = say(&mut rig.command(&["status"]));
    assert_eq!(said.err, "");
    assert!(said.out.contains(&format!("pid {}, configuration {own}", daemon.id())), "{}", said.out);

    let other = rig.path("other.toml");
    fs::copy(rig.path("twind.toml"), &other).unwrap();
    let told = format!(
        "twind: the daemon that answers (pid {}) uses the configuration {own}, not {}\n",
        daemon.id(),
        other.display()
    );
    for words in
        [&["status"][..], &["status", "--json"], &["twin"], &["override", "fan", "on", "--for", "9s"]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twind"));
        command.args(words).arg("--config").arg(&other).env("RUNTIME_DIRECTORY", rig.dir.path());
        let said = say(&mut command);
        assert_eq!((said.code, said.err.as_str()), (0, told.as_str()), "{words:?}");
    }
}

const NOBODY: &str = "65534";
/// A group without members on this machine; only its number matters.
const GROUP: u32 = 4242;

/// Runs a command as an unprivileged user who is also in these groups. `None` where the system does not allow that.
#[expect(clippy::print_stderr, reason = "what was not tried is said")]
fn as_nobody(rig: &Rig, groups: &[u32], words: &[&str]) -> Option<Said> {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", NOBODY, "--regid", NOBODY]);
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    match groups.as_slice() {
        [] => setpriv.arg("--clear-groups"),
        groups => setpriv.args(["--groups", &groups.join(",")]),
    };
    if !Command::new("setpriv")
        .args(setpriv.get_args())
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: setpriv may not be run here");
        return None;
    }
    // Any user may run the program and find the sockets.
    fs::set_permissions(rig.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = rig.path("twind");
    if !program.exists() {
        copy_program(&program);
    }
    setpriv.arg(&program).args(rig.command(words).get_args()).env("RUNTIME_DIRECTORY", rig.dir.path());
    Some(say(&mut setpriv))
}

#[test]
fn at_the_socket_to_look_at_all_is_shown_and_nothing_changed() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    let mode = |name: &str| fs::metadata(rig.path(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("twind.sock"), mode("look.sock")), (0o660, 0o666));
    let client = &mut connect_to(&rig, "look.sock");
    let status = call(client, "io.twind.Daemon.GetStatus", json!({})).unwrap();
    assert_eq!(status["parameters"]["status"]["outputs"]["fan"]["cause"], "climate");
    let twin = call(client, "io.twind.Daemon.GetTwin", json!({"section": "desired"})).unwrap();
    assert_eq!(twin["parameters"]["twin"]["$version"], 1);
    assert_eq!(call(client, "io.systemd.service.Ping", json!({})).unwrap(), json!({"parameters": {}}));
    for (method, order) in [
        ("io.twind.Daemon.SetOverride", json!({"output": "fan", "percent": 90, "seconds": 600})),
        (
            "io.twind.Daemon.SetRangeOverride",
            json!({"climate": "climate", "min": 1, "max": 2, "seconds": 600}),
        ),
        ("io.twind.Daemon.ClearOverride", json!({"output": "fan"})),
        ("io.systemd.service.Reload", json!({})),
        ("io.twind.Daemon.GetJournal", json!({})),
    ] {
        // Nobody may, not even the user who runs the daemon.
        let answer = call(client, method, order).unwrap();
        assert_eq!(answer, json!({"error": "org.varlink.service.PermissionDenied", "parameters": {}}));
    }
    assert_eq!(rig.status()["outputs"]["fan"]["override"], Value::Null);
}

#[test]
fn a_client_that_left_makes_room_at_once_and_one_that_sent_its_calls_ahead_has_them_answered() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let _daemon = rig.start();
    // There is room for two more.
    let crowd: Vec<UnixStream> = (0..6).map(|_| connect_to(&rig, "look.sock")).collect();
    for count in 0..30 {
        let answer = call(&mut connect_to(&rig, "look.sock"), "io.systemd.service.Ping", json!({})).unwrap();
        assert_eq!(answer, json!({"parameters": {}}), "call {count}");
    }
    drop(crowd);
    let mut client = connect_to(&rig, "look.sock");
    client.write_all(&b"{\"method\":\"io.systemd.service.Ping\"}\0".repeat(3)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(answer(&mut client).unwrap(), json!({"parameters": {}}));
    }
    assert!(is_hung_up_on(&mut client));
}

#[test]
fn those_who_only_look_keep_nobody_out_who_may_order() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let _daemon = rig.start();
    let _crowd: Vec<UnixStream> = (0..20).map(|_| connect_to(&rig, "look.sock")).collect();
    let said = say(&mut rig.command(&["override", "fan", "90%", "--for", "1h"]));
    assert_eq!(said.code, 0, "{}", said.err);
    rig.wait_drive("fan", |now| now == 900);
}

#[test]
fn any_user_may_look_where_that_is_named_and_order_nowhere() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let daemon = rig.start_synced();
    let Some(said) = as_nobody(&rig, &[], &["status"]) else { return };
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("output   fan: "), "{}", said.out);
    // As the package installs it, not every user may read the configuration, but the socket is still found.
    fs::set_permissions(rig.path("twind.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    for words in [&["status", "--json"][..], &["twin", "desired"]] {
        let said = as_nobody(&rig, &[], words).unwrap();
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        let _: Value = serde_json::from_str(&said.out).unwrap();
    }
    let order = ["override", "fan", "on", "--for", "1h"];
    let refused = |said: Said| {
        assert_eq!((said.code, said.out.as_str()), (77, ""), "{}", said.err);
        assert!(said.err.contains("group"), "{}", said.err);
    };
    refused(as_nobody(&rig, &[], &order).unwrap());
    fs::set_permissions(rig.path("twind.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(as_nobody(&rig, &[], &order).unwrap());
    assert_eq!(rig.status()["outputs"]["fan"]["override"], Value::Null);
    // Without a daemon nothing answers, whatever files there are.
    assert!(daemon.stop().success());
    assert!(!rig.path("look.sock").exists());
    assert_eq!(as_nobody(&rig, &[], &["status"]).unwrap().code, 69);
}

#[test]
fn a_member_of_the_group_by_adduser_may_order() {
    let rig = Rig::new();
    let _daemon = rig.start();
    let Some(said) = as_nobody(&rig, &[GROUP], &["override", "fan", "90%", "--for", "1h"]) else { return };
    assert_eq!(said.code, 77, "the socket is another group's: {}", said.err);
    std::os::unix::fs::chown(rig.path("twind.sock"), None, Some(GROUP)).unwrap();
    // The same holds where somebody opened the socket to all, which `check` warns about.
    for (mode, share) in [(0o660, "90%"), (0o666, "80%")] {
        fs::set_permissions(rig.path("twind.sock"), fs::Permissions::from_mode(mode)).unwrap();
        let said = as_nobody(&rig, &[GROUP], &["override", "fan", share, "--for", "1h"]).unwrap();
        assert_eq!(said.code, 0, "{}", said.err);
        let checked = say(&mut rig.command(&["check"]));
        let warns = (checked.out + &checked.err).contains("every user of this machine may override outputs");
        assert_eq!((checked.code, warns), (0, mode == 0o666));
    }
    rig.wait_drive("fan", |now| now == 800);
}

#[test]
fn what_is_in_a_sockets_place_is_told_by_the_daemon_and_by_check() {
    let rig = Rig::new();
    fs::create_dir(rig.path("twind.sock")).unwrap();
    fs::write(rig.path("look.sock"), "important").unwrap();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let daemon = rig.start();
    follows(&rig);
    for what in ["a directory has this name", "a file has this name"] {
        daemon.wait_log(what);
        let checked = say(&mut rig.command(&["check"]));
        assert!((checked.out + &checked.err).contains(what));
    }
    assert_eq!(fs::read_to_string(rig.path("look.sock")).unwrap(), "important");
}

#[test]
fn words_of_strangers_neither_speak_to_the_terminal_nor_make_a_line() {
    const WORDS: &str = "x\ntwind: all is well\u{1b}[2J\u{9b}2J\u{202e}\u{2028}";
    let unseen =
        |text: &str| text.chars().any(|c| c.is_control() && c != '\n' || "\u{202e}\u{2028}".contains(c));
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let said = say(&mut rig.command(&["override", WORDS, "on", "--for", "1h"]));
    assert_eq!((said.code, said.err.lines().count()), (64, 1), "{}", said.err);
    assert!(!unseen(&said.err), "{}", said.err);
    let version = rig.desire(json!({"note": WORDS, "components": {"climate": {"minTemperature": WORDS}}}));
    rig.wait_status("the change", |status| status["hub"]["desiredVersion"] == version);
    let twin = say(&mut rig.command(&["twin", "desired"])).out;
    assert!(!unseen(&twin), "{twin}");
    let twin: Value = serde_json::from_str(&twin).unwrap();
    assert_eq!(twin["note"], WORDS, "it is the same JSON");
    daemon.wait_log("is not applied");
    let log = daemon.log();
    assert!(!unseen(&log) && !log.lines().any(|line| line.starts_with("twind: all is well")), "{log}");
}
