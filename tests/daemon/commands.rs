//! The commands that need no hub.

use crate::rig::{Rig, eventually, say};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn twind(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twind"));
    command.args(words).env_remove("JOURNAL_STREAM");
    command
}

#[test]
fn wrong_usage_ends_with_64_and_a_suggestion() {
    let said = say(&mut twind(&["chekc"]));
    assert_eq!(said.code, 64);
    assert!(said.err.contains("check"), "{}", said.err);
    assert_eq!(say(&mut twind(&[])).code, 64);
    assert_eq!(say(&mut twind(&["run", "--confg", "x"])).code, 64);
}

#[test]
fn the_configuration_may_be_named_before_the_command_or_after_it() {
    let rig = Rig::new();
    let file = rig.path("twind.toml");
    let file = file.to_str().unwrap();
    let after = say(&mut twind(&["check", "--config", file]));
    let before = say(&mut twind(&["--config", file, "check"]));
    assert_eq!((after.code, before.code), (0, 0), "{}", before.err);
    assert_eq!(before.out, after.out);
}

#[test]
fn help_and_version_end_with_0() {
    let said = say(&mut twind(&["--version"]));
    assert_eq!((said.code, said.out.trim()), (0, concat!("twind ", env!("CARGO_PKG_VERSION"))));
    let said = say(&mut twind(&["--help"]));
    assert_eq!(said.code, 0);
    for command in
        ["run", "init", "check", "status", "watch", "override", "reload", "report", "twin", "model", "safe"]
    {
        let is_listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(said.out.lines().any(is_listed), "{command} is missing in:\n{}", said.out);
        assert_eq!(say(&mut twind(&["help", command])).code, 0);
    }
}

#[test]
fn check_says_what_the_daemon_would_do() {
    let rig = Rig::new();
    let said = say(&mut rig.command(&["check"]));
    assert_eq!(said.code, 0, "{}", said.err);
    for words in ["MyTwinDevice", "output   fan, PWM, cools", "sensor   cabinet, ", "climate  20 to 28 °C"] {
        assert!(said.out.contains(words), "{words} is missing in:\n{}", said.out);
    }
}

#[test]
fn the_shipped_configuration_names_in_one_message_what_is_to_be_filled_in() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/twind.toml");
    for command in ["check", "run"] {
        let said = say(twind(&[command, "--config"]).arg(&shipped));
        assert_eq!(said.code, 78, "{}", said.err);
        let all = said.out + &said.err;
        for word in ["[hub]", "connection-string-file", "[outputs."] {
            assert!(all.contains(word), "{word} is missing in:\n{all}");
        }
    }
}

#[test]
fn safe_says_so_where_there_is_nothing_to_drive() {
    // As after the installation of the package, whose configuration still has to be filled in.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/twind.toml");
    let nowhere = tempfile::tempdir().unwrap();
    let mut safe = twind(&["safe", "--config"]);
    safe.arg(&shipped).env("RUNTIME_DIRECTORY", nowhere.path()).env("SERVICE_RESULT", "exit-code");
    let said = say(&mut safe);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("configures no output"), "{}", said.out);
}

#[test]
fn status_asks_once_and_tells_whose_daemon_answers() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let rig = Rig::new();
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            count.fetch_add(1, Ordering::SeqCst);
            BufReader::new(&client).read_until(0, &mut Vec::new()).unwrap();
            let answer = b"{\"parameters\":{\"status\":{\"pid\":7,\"configuration\":\"/etc/other.toml\"}}}\0";
            client.write_all(answer).unwrap();
        }
    });
    let said = say(&mut rig.command(&["status"]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("the daemon that answers (pid 7) uses the configuration /etc/other.toml"),
        "{}",
        said.err
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn status_as_json_is_what_the_daemon_sent_even_where_the_page_cannot_be_made_of_it() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    let rig = Rig::new();
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            BufReader::new(&client).read_until(0, &mut Vec::new()).unwrap();
            client.write_all(b"{\"parameters\":{\"status\":{\"pid\":\"seven\",\"hub\":[1]}}}\0").unwrap();
        }
    });
    let json = say(&mut rig.command(&["status", "--json"]));
    assert_eq!(json.code, 0, "{}", json.err);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), json!({"pid": "seven", "hub": [1]}));
    let page = say(&mut rig.command(&["status"]));
    assert_eq!(page.code, 69, "{}", page.out);
    assert!(page.err.contains("another version"), "{}", page.err);
}

#[test]
fn twin_shows_the_copy_of_a_daemon_that_is_gone() {
    let rig = Rig::new();
    let said = say(&mut rig.command(&["twin"]));
    assert_eq!((said.code, said.out.trim()), (0, "{}"), "{}", said.err);
    let daemon = rig.start_synced();
    let version = rig.desire(json!({"fanOn": false, "zebra": 1, "apple": 2}));
    // The hub has the report before the daemon has the acknowledgement.
    let is_known =
        || say(&mut rig.command(&["twin", "reported"])).out.contains("\"fanOn\": false").then_some(());
    eventually("the acknowledgement", is_known, || daemon.log());
    assert!(daemon.stop().success());
    let said = say(&mut rig.command(&["twin", "desired"]));
    let desired: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(desired, json!({"fanOn": false, "zebra": 1, "apple": 2, "$version": version}));
    assert!(said.out.find("zebra") < said.out.find("apple"), "key order is kept: {}", said.out);
    let both: Value = serde_json::from_str(&say(&mut rig.command(&["twin"])).out).unwrap();
    assert_eq!(both["desired"], desired);
    let reported: Value = serde_json::from_str(&say(&mut rig.command(&["twin", "reported"])).out).unwrap();
    assert_eq!(reported, both["reported"]);
    assert_eq!(reported["fanOn"], false);
}
