//! The local socket, as strangers and careless clients use it: nothing that they do moves a pin or holds one up.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR, eventually, say};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

fn connect(rig: &Rig) -> UnixStream {
    let stream = UnixStream::connect(rig.path("twind.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

fn call(stream: &mut UnixStream, method: &str, parameters: Value) -> io::Result<Value> {
    let message = json!({"method": method, "parameters": parameters}).to_string() + "\0";
    stream.write_all(message.as_bytes())?;
    answer(stream)
}

fn answer(stream: &mut UnixStream) -> io::Result<Value> {
    let (mut message, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        if byte[0] == 0 {
            return Ok(serde_json::from_slice(&message).unwrap());
        }
        message.push(byte[0]);
    }
}

/// Reads until the daemon hangs up.
fn is_hung_up_on(stream: &mut UnixStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// The daemon still follows its sensor.
fn follows(rig: &Rig) {
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
    assert_eq!(info["parameters"]["interfaces"], json!(["org.varlink.service", "io.twind.Daemon"]));
    let parameters = json!({"interface": "io.twind.Daemon"});
    let told = call(client, "org.varlink.service.GetInterfaceDescription", parameters).unwrap();
    assert!(told["parameters"]["description"].as_str().unwrap().contains("method SetOverride("));
    let status = call(client, "io.twind.Daemon.GetStatus", json!({})).unwrap();
    assert_eq!(status["parameters"]["status"]["outputs"]["fan"]["cause"], "climate");
    let twin = call(client, "io.twind.Daemon.GetTwin", json!({"section": "desired"})).unwrap();
    assert_eq!(twin["parameters"]["twin"]["$version"], 1);
    let order = json!({"output": "fan", "percent": 90, "seconds": 600});
    assert_eq!(call(client, "io.twind.Daemon.SetOverride", order).unwrap(), json!({"parameters": {}}));
    rig.wait_drive("fan", |now| now == 900);
    let unknown = call(client, "io.twind.Daemon.ClearOverride", json!({"output": "x"})).unwrap();
    assert_eq!(
        unknown,
        json!({"error": "io.twind.Daemon.UnknownOutput", "parameters": {"output": "x", "known": ["fan"]}})
    );
    call(client, "io.twind.Daemon.ClearOverride", json!({"output": "fan"})).unwrap();
    rig.wait_drive("fan", |now| now == 250);
    let nonsense = call(client, "io.twind.Daemon.Nonsense", json!({})).unwrap();
    assert_eq!(nonsense["error"], "org.varlink.service.MethodNotFound");
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
    // It may hang up before it was all sent.
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
    // Until both directions are full; then the daemon's patience begins to run.
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
    // Another daemon that is told to use the same socket controls all the same, without one.
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
    let elsewhere = "\n[local]\nsocket = \"DIR/run/other.sock\"\n";
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}{elsewhere}", rig.base()));
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    let said = say(&mut rig.command(&["status"]));
    assert_eq!(said.code, 0, "{}", said.err);
    eventually("the old one is gone", || (!rig.path("twind.sock").exists()).then_some(()), || daemon.log());
    assert!(fs::metadata(rig.path("run/other.sock")).unwrap().file_type().is_socket());
    assert!(daemon.stop().success());
    assert!(!rig.path("run/other.sock").exists());
}

#[test]
fn whoever_may_not_speak_to_the_daemon_nor_read_its_files_is_told_so_with_77() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = Rig::new();
    let _daemon = rig.start();
    // Anybody may run the program, find socket and state, and read the configuration; but they are root's.
    fs::set_permissions(rig.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = rig.path("twind");
    fs::copy(env!("CARGO_BIN_EXE_twind"), &program).unwrap();
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
    // As the package installs it: not even the configuration.
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
    assert!(said.out.contains(&format!("pid {}, by {own}", daemon.id())), "{}", said.out);

    let other = rig.path("other.toml");
    fs::copy(rig.path("twind.toml"), &other).unwrap();
    let told = format!(
        "twind: the daemon that answers (pid {}) runs by {own}, not by {}\n",
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
