//! The program: `serve` on free ports, and the back-end commands against it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test that is how to fail")]

/// The commands that the project's pages tell a reader to type.
#[path = "../../package/shell.rs"]
mod shell;
mod support;

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};
use support::DEVICE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_twinhub");

/// A running `serve`, ended when the test ends.
struct Serve {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    device: String,
    back_end: String,
    mqtt_port: u16,
}

impl Serve {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--mqtt-port", "0", "--https-port", "0", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |wanted: &str| loop {
            let line = lines.next().expect("serve ended early").unwrap();
            if line.contains(wanted) {
                return line;
            }
        };
        let mqtt_port = next("devices connect to").rsplit_once(':').unwrap().1.parse().unwrap();
        let device = next("SharedAccessKey=").trim().to_owned();
        let back_end = next("SharedAccessKeyName=iothubowner").trim().to_owned();
        Self { child, lines, device, back_end, mqtt_port }
    }

    fn line_with(&mut self, wanted: &str) -> String {
        loop {
            let line = self.lines.next().expect("serve ended early").unwrap();
            if line.contains(wanted) {
                return line;
            }
        }
    }

    fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(back_end: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .arg("--ca")
        .arg(folder.join("ca.pem"))
        .env("TWINHUB_CONNECTION_STRING", back_end)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn failure(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn a_back_end_manages_devices_and_twins_of_a_served_hub_which_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut serve = Serve::start(folder);
    let back_end = serve.back_end.clone();
    let run = |arguments: &[&str]| command(&back_end, folder, arguments);

    assert_eq!(text(&run(&["connection-string", DEVICE])), serve.device);
    let made = text(&run(&["device", "create", "odd+id%1"]));
    assert!(made.starts_with("HostName=localhost;DeviceId=odd+id%1;SharedAccessKey="), "{made}");
    assert_eq!(text(&run(&["connection-string", "odd+id%1"])), made);
    let list = text(&run(&["device", "list"]));
    assert_eq!(list, "MyTwinDevice\tenabled\tDisconnected\nodd+id%1\tenabled\tDisconnected");
    assert_eq!(text(&run(&["device", "delete", "odd+id%1"])), "deleted odd+id%1");

    let file = folder.join("desired.json");
    std::fs::write(&file, r#"{ "fanOn": "true", "components": { "wifi": { "channel": "6" } } }"#).unwrap();
    let given = format!("@{}", file.display());
    let twin: Value =
        serde_json::from_str(&text(&run(&["twin", "update", DEVICE, "--desired", &given]))).unwrap();
    assert_eq!(twin["properties"]["desired"]["fanOn"], "true");
    let line = serve.line_with("back end wrote");
    assert!(line.contains(DEVICE) && line.ends_with("desired version 2"), "{line}");
    let twin: Value = serde_json::from_str(&text(&run(&[
        "twin",
        "replace",
        DEVICE,
        "--desired",
        "{\"a\":1}",
        "--tags",
        "{\"t\":2}",
    ])))
    .unwrap();
    assert_eq!((&twin["tags"], twin["properties"]["desired"].get("fanOn")), (&json!({ "t": 2 }), None));
    serve.stop();

    let serve = Serve::start(folder);
    assert_eq!(text(&command(&serve.back_end, folder, &["connection-string", DEVICE])), serve.device);
    let shown = text(&command(&serve.back_end, folder, &["twin", "show", DEVICE]));
    assert!(!shown.contains("$metadata"), "{shown}");
    let whole = text(&command(&serve.back_end, folder, &["twin", "show", DEVICE, "--metadata"]));
    assert!(whole.matches("$metadata").count() == 2 && whole.contains("$lastUpdated"), "{whole}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["etag"], &shown["properties"]["desired"]["a"]), (&twin["etag"], &json!(1)));
}

#[test]
fn each_failure_has_its_exit_code_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let serve = Serve::start(folder);
    let run = |arguments: &[&str]| command(&serve.back_end, folder, arguments);
    let wrong_key = serve.back_end.replace("SharedAccessKey=", "SharedAccessKey=AAAA");
    for (output, code, words) in [
        (run(&["twin", "shwo", DEVICE]), 64, "'show'"),
        (run(&["twin", "update", DEVICE]), 64, "--desired"),
        (run(&["twin", "update", DEVICE, "--desired", "{"]), 64, "--desired is no JSON: it ends too early"),
        (run(&["twin", "update", DEVICE, "--desired", "{\"a.b\":1}"]), 64, "desired.a.b"),
        (run(&["twin", "show", "nobody"]), 1, "nobody is not registered"),
        (run(&["device", "create", DEVICE]), 1, "registered already"),
        (run(&["method", DEVICE, "reboot"]), 69, "not connected"),
        (run(&["method", DEVICE, "reboot", "--timeout", "4"]), 64, "5..=300"),
        (command(&wrong_key, folder, &["device", "list"]), 77, "check the policy"),
        (command(&serve.device, folder, &["device", "list"]), 64, "string of a device"),
        (
            command(
                "HostName=localhost:1;SharedAccessKeyName=a;SharedAccessKey=YQ==",
                folder,
                &["device", "list"],
            ),
            69,
            "is the hub running there?",
        ),
    ] {
        let (found, message) = failure(&output);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message} lacks {words}");
    }
    let untrusting =
        Command::new(PROGRAM).args(["device", "list", "--login", &serve.back_end]).output().unwrap();
    let (code, message) = failure(&untrusting);
    assert!(code == 69 && message.contains("pass --ca FILE"), "{message}");
    let unnamed =
        Command::new(PROGRAM).args(["device", "list"]).env_remove("TWINHUB_CONNECTION_STRING").output();
    let (code, message) = failure(&unnamed.unwrap());
    assert!(code == 64 && message.contains("--login"), "{message}");
    let port = serve.mqtt_port.to_string();
    let taken =
        Command::new(PROGRAM).args(["serve", "--mqtt-port", &port, "--folder"]).arg(folder).output().unwrap();
    let (code, message) = failure(&taken);
    assert!(code == 69 && message.contains("another port"), "{message}");
}

#[test]
fn watching_prints_what_a_device_reports() {
    let folder = tempfile::tempdir().unwrap();
    let options = twinhub::Options { devices: vec![DEVICE.to_owned()], ..twinhub::Options::default() };
    let hub = twinhub::Running::start_blocking(options).unwrap();
    std::fs::write(folder.path().join("ca.pem"), hub.ca_pem()).unwrap();
    let mut watch = Command::new(PROGRAM)
        .args(["twin", "show", DEVICE, "--watch", "--ca"])
        .arg(folder.path().join("ca.pem"))
        .env("TWINHUB_CONNECTION_STRING", hub.service_connection_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    // The twin has been printed, so what comes next is a change.
    assert!(lines.any(|line| line.unwrap() == "}"));
    hub.block_on(async {
        let mut device = support::Device::ready(&hub, DEVICE).await;
        device.report("1", &json!({ "fanOn": "true" })).await;
    });
    assert_eq!(lines.next().unwrap().unwrap(), r#"reported version 2: {"fanOn":"true"}"#);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_method_is_called_and_its_answer_printed() {
    let folder = tempfile::tempdir().unwrap();
    let options = twinhub::Options { devices: vec![DEVICE.to_owned()], ..twinhub::Options::default() };
    let hub = twinhub::Running::start_blocking(options).unwrap();
    std::fs::write(folder.path().join("ca.pem"), hub.ca_pem()).unwrap();
    let mut device = hub.block_on(async {
        let (mut device, _) = support::Device::connect(&hub, DEVICE).await;
        device.subscribe(&["$iothub/methods/POST/#"]).await;
        device
    });
    let back_end = hub.service_connection_string();
    let call = ["method", DEVICE, "set speed", "--payload", "{\"percent\":40}", "--timeout", "60"];
    let output = std::thread::scope(|scope| {
        let calling = scope.spawn(|| command(&back_end, folder.path(), &call));
        hub.block_on(async {
            let (topic, body) = device.next_message().await;
            assert_eq!(body, json!({ "percent": 40 }));
            let rid = topic.strip_prefix("$iothub/methods/POST/set speed/?$rid=").unwrap().to_owned();
            device.publish(&format!("$iothub/methods/res/202/?$rid={rid}"), "\"soon\"").await;
        });
        calling.join().unwrap()
    });
    let answer: Value = serde_json::from_str(&text(&output)).unwrap();
    assert_eq!(answer, json!({ "status": 202, "payload": "soon" }));
}

/// A hub in this process with a folder that holds its CA certificate.
fn hub_with_ca() -> (twinhub::Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = twinhub::Options { devices: vec![DEVICE.to_owned()], ..twinhub::Options::default() };
    let hub = twinhub::Running::start_blocking(options).unwrap();
    std::fs::write(folder.path().join("ca.pem"), hub.ca_pem()).unwrap();
    (hub, folder)
}

/// Sends messages with these bags and bodies.
fn send(hub: &twinhub::Running, device: &str, messages: &[(&str, &str)]) {
    hub.block_on(async {
        let (mut connected, _) = support::Device::connect(hub, device).await;
        for (bag, body) in messages {
            connected.publish(&format!("devices/{device}/messages/events/{bag}"), *body).await;
        }
        connected.expect_nothing_before_ping().await;
    });
}

fn json_lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_messages_that_are_held_are_printed_one_a_line() {
    let (hub, folder) = hub_with_ca();
    hub.create_device("odd+id%1").unwrap();
    let back_end = hub.service_connection_string();
    let run = |arguments: &[&str]| command(&back_end, folder.path(), arguments);
    assert_eq!(text(&run(&["events"])), "");

    let json_bag = "%24.mid=a-1&%24.ct=application%2Fjson&%24.ce=utf-8&alarm=overheat-office";
    send(&hub, DEVICE, &[(json_bag, "[{\"temperature\":21.5}]"), ("", "hello\n")]);
    send(&hub, "odd+id%1", &[("", "")]);
    let lines = json_lines(&run(&["events"]));
    let [first, second, third] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&first["sequence"], &first["device"]), (&json!(1), &json!(DEVICE)));
    assert_eq!(first["body"], json!([{ "temperature": 21.5 }]));
    assert_eq!(first["application"], json!({ "alarm": "overheat-office" }));
    assert_eq!(first["system"]["message-id"], "a-1");
    assert_eq!(first["annotations"]["iothub-connection-device-id"], DEVICE);
    assert_eq!((&second["bodyBase64"], second.get("body")), (&json!("aGVsbG8K"), None));
    assert_eq!((&third["device"], &third["pieces"]), (&json!("odd+id%1"), &json!(1)));

    let numbers = |arguments: &[&str]| -> Vec<Value> {
        json_lines(&run(arguments)).iter().map(|line| line["sequence"].clone()).collect()
    };
    assert_eq!(numbers(&["events", "--device", "odd+id%1"]), [3]);
    assert_eq!(numbers(&["events", "--from", "2"]), [2, 3]);
    assert_eq!(numbers(&["events", "--from", "4"]), [0; 0]);
    assert_eq!(numbers(&["events", "--from", "now"]), [0; 0]);
    let (code, message) = failure(&run(&["events", "--from", "5"]));
    assert!(code == 64 && message.contains("there is no message 5 yet; the next one will be 4"), "{message}");
    let (code, message) = failure(&run(&["events", "--from", "first"]));
    assert!(code == 64 && message.contains("\"held\""), "{message}");
}

#[test]
fn a_reader_that_comes_too_late_is_told_how_many_messages_it_lost() {
    let (hub, folder) = hub_with_ca();
    hub.set_behaviour(|behaviour| behaviour.held_messages = 2);
    send(&hub, DEVICE, &[("", "1"), ("", "2"), ("", "3"), ("", "4"), ("", "5")]);
    let back_end = hub.service_connection_string();
    let shown = |arguments: &[&str]| -> Vec<String> {
        let lines = json_lines(&command(&back_end, folder.path(), arguments));
        let number = |line: &Value, name: &str| line.get(name).map(|value| format!("{name} {value}"));
        lines.iter().filter_map(|line| number(line, "lost").or_else(|| number(line, "sequence"))).collect()
    };
    assert_eq!(shown(&["events", "--from", "2"]), ["lost 2", "sequence 4", "sequence 5"]);
    assert_eq!(shown(&["events", "--from", "1", "--device", "nobody"]), ["lost 3"]);
    assert_eq!(shown(&["events"]), ["sequence 4", "sequence 5"]);
}

#[test]
fn following_prints_what_comes_until_it_is_interrupted() {
    let (hub, folder) = hub_with_ca();
    send(&hub, DEVICE, &[("", "before")]);
    let follow = |arguments: &[&str]| {
        let mut child = Command::new("env")
            .args(["--default-signal=INT", PROGRAM, "events", "--follow", "--ca"])
            .arg(folder.path().join("ca.pem"))
            .args(arguments)
            .env("TWINHUB_CONNECTION_STRING", hub.service_connection_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It has asked by now, so that nothing sent from here on is before its time.
        assert_eq!(said.next().unwrap().unwrap(), "twinhub: following from message 2 on");
        (child, lines)
    };
    let (mut from_now, mut news) = follow(&[]);
    let (mut from_held, mut all) = follow(&["--from", "held", "--device", DEVICE]);
    let next = |lines: &mut Lines<BufReader<ChildStdout>>| -> Value {
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(next(&mut all)["sequence"], 1);
    for number in 2..4 {
        send(&hub, DEVICE, &[("k=v", "after")]);
        for lines in [&mut news, &mut all] {
            let message = next(lines);
            assert_eq!(
                (&message["sequence"], &message["application"]),
                (&json!(number), &json!({ "k": "v" }))
            );
        }
    }
    for (child, lines) in [(&mut from_now, &mut news), (&mut from_held, &mut all)] {
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(lines.next().is_none());
    }
}

#[test]
fn following_ends_with_the_hub_and_with_its_reader() {
    let (hub, folder) = hub_with_ca();
    let follow = || {
        let mut child = Command::new(PROGRAM)
            .args(["events", "--follow", "--from", "1", "--ca"])
            .arg(folder.path().join("ca.pem"))
            .env("TWINHUB_CONNECTION_STRING", hub.service_connection_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "twinhub: following from message 1 on");
        (child, said)
    };
    let (mut unread, _said) = follow();
    drop(unread.stdout.take());
    let (mut orphan, mut said) = follow();
    send(&hub, DEVICE, &[("", "1")]);
    assert_eq!(unread.wait().unwrap().code(), Some(0));
    hub.block_on(hub.stop_listening());
    assert_eq!(orphan.wait().unwrap().code(), Some(69));
    assert!(said.next().unwrap().unwrap().contains("localhost:"));
}

/// The arguments of a twinhub command, if it is one.
fn of_twinhub(words: &[String]) -> Option<&[String]> {
    let by_cargo = ["cargo", "run", "-p", "twinhub", "--"];
    match words.split_first()? {
        (name, words) if name == "twinhub" => Some(words),
        _ if words.len() > by_cargo.len() && words.iter().zip(by_cargo).all(|(word, own)| word == own) => {
            words.get(by_cargo.len()..)
        }
        _ => None,
    }
}

/// The part of a command that does not exist: the command itself, or an option.
fn missing(words: &[String]) -> Option<String> {
    let is_name =
        |word: &&String| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    // At most two words name a command; later words are its arguments, which the program itself checks.
    let names: Vec<&String> = words.iter().take(2).take_while(is_name).collect();
    let has_own = words.first().is_some_and(|word| ["device", "twin"].contains(&word.as_str()));
    let names = names.get(..names.len().min(if has_own { 2 } else { 1 })).unwrap_or_default();
    let output = Command::new(PROGRAM).args(names).arg("--help").output().unwrap();
    if !output.status.success() {
        return Some(words.join(" "));
    }
    let help = String::from_utf8(output.stdout).unwrap();
    let known = |option: &&String| help.split([' ', '\n', ',']).any(|word| word == option.as_str());
    let mut options = words.iter().filter(|word| word.starts_with("--"));
    options.find(|option| !known(option)).cloned()
}

#[test]
fn each_command_of_the_pages_is_one_with_its_options() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for shell::Typed { page, words } in shell::commands(&project) {
        if let Some(words) = of_twinhub(&words) {
            assert_eq!(missing(words), None, "{page}: twinhub {}", words.join(" "));
            count += 1;
        }
    }
    assert!(count > 4, "only {count} were found");
    for wrong in ["serv", "twin sho MyTwinDevice", "serve --foldr /tmp/hub"] {
        let words: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
        assert!(missing(&words).is_some(), "{wrong}");
    }
}
