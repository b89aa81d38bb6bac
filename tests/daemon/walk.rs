//! `twind check --hub`: the way to the twin, step by step.

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, say};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use twinhub::{Answer, CloseReason, Event, Times};

/// What the check tells programs.
pub(crate) fn walked(rig: &Rig) -> Value {
    let said = say(&mut rig.command(&["check", "--hub", "--json"]));
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["exitStatus"], said.code, "{told:#}");
    told
}

/// Each step.
pub(crate) fn steps(told: &Value) -> Vec<&str> {
    told["hub"].as_array().unwrap().iter().map(|row| row["thing"].as_str().unwrap()).collect()
}

/// What was found at a step.
pub(crate) fn found<'t>(told: &'t Value, step: &str) -> &'t str {
    let row = told["hub"].as_array().unwrap().iter().find(|row| row["thing"] == step);
    row.unwrap_or_else(|| panic!("no {step} in {told:#}"))["message"].as_str().unwrap()
}

/// The steps, if the last of them alone is a fault, and what it says.
fn ends(told: &Value) -> (Vec<&str>, &str) {
    let rows = told["hub"].as_array().unwrap();
    let faults: Vec<usize> = (0..rows.len()).filter(|row| rows[*row]["code"] == "hub").collect();
    assert_eq!(faults, [rows.len() - 1], "{told:#}");
    assert_eq!((&told["verdict"], &told["exitStatus"]), (&json!("hub"), &json!(78)));
    (steps(told), rows.last().unwrap()["message"].as_str().unwrap())
}

#[test]
fn where_all_is_well_each_step_says_what_it_found_and_nothing_is_driven_or_reported() {
    let rig = Rig::new();
    let version = rig.desire(json!({"fanOn": true}));
    let said = say(&mut rig.command(&["check", "--hub"]));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let (_, page) = said.out.split_once("the way to the hub\n").unwrap();
    let rows: Vec<&str> = page.lines().collect();
    let port = rig.hub.mqtt_port();
    let begins = [
        format!("  way        localhost:{port}: the hub; as {DEVICE}, by MQTT over TLS"),
        "  dns        localhost: ".to_owned(),
        format!("  tcp        localhost:{port}: "),
        format!("  tls        localhost:{port}: TLS 1.2, its certificate is trusted and valid until 20"),
        format!("  mqtt       localhost:{port}: it speaks MQTT 3.1.1, and grants the subscriptions, in "),
        format!("  identity   {DEVICE}: accepted, with a token by the device key from 20"),
        format!("  twin       {DEVICE}: desired version {version} with 9 bytes, reported 0 bytes, "),
        format!("{} is right", rig.path("twind.toml").display()),
    ];
    assert_eq!(rows.len(), begins.len(), "{page}");
    for (row, begins) in rows.iter().zip(&begins) {
        assert!(row.starts_with(begins), "{row} does not begin with {begins}");
    }
    rig.wait_event(0, |event| matches!(event, Event::Disconnected { reason: CloseReason::Disconnect }));
    assert_eq!(rig.count_events(0, |event| matches!(event, Event::Connected { .. })), 1);
    assert_eq!(rig.count_events(0, |event| matches!(event, Event::Reported { .. })), 0);
    assert_eq!((rig.trace().len(), rig.path("state").exists()), (0, false));

    rig.hub.offer_tls13(true).unwrap();
    let told = walked(&rig);
    assert_eq!((&told["verdict"], &told["hardware"]), (&json!("right"), &Value::Null));
    assert!(found(&told, "tls").starts_with("TLS 1.3, "), "{told:#}");
    assert_eq!(steps(&told), ["way", "dns", "tcp", "tls", "mqtt", "identity", "twin"]);
    assert_eq!(say(&mut rig.command(&["check"])).out.lines().count() + 8, said.out.lines().count());
}

#[test]
fn a_wrong_key_is_told_after_all_that_was_well() {
    let rig = Rig::new();
    let right = rig.hub.hub().device_connection_string(DEVICE).unwrap();
    let (head, _) = right.split_once("SharedAccessKey=").unwrap();
    rig.write_secret("connection-string", &format!("{head}SharedAccessKey=d3Jvbmc="));
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["way", "dns", "tcp", "tls", "mqtt", "identity"]);
    assert!(last.contains("refused the credentials: wrong key"), "{last}");
    let page = say(&mut rig.command(&["check", "--hub"]));
    assert_eq!(page.code, 78);
    assert!(page.out.contains(&format!("\n! identity   {DEVICE}: ")), "{}", page.out);
    let verdict = format!(
        "the way to the hub has a fault, marked with ! above; {} itself is right\n",
        rig.path("twind.toml").display()
    );
    assert!(page.out.ends_with(&verdict), "{}", page.out);
}

#[test]
fn a_port_that_nobody_listens_on_is_told_at_tcp() {
    let rig = Rig::new();
    rig.hub.block_on(rig.hub.stop_listening());
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["way", "dns", "tcp"]);
    assert!(last.contains("Connection refused") && last.contains("check network and firewall"), "{last}");
}

#[test]
fn a_hub_of_an_authority_that_is_not_known_is_told_at_tls() {
    let (rig, other) = (Rig::new(), Rig::new());
    std::fs::write(rig.path("ca.pem"), other.hub.ca_pem()).unwrap();
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["way", "dns", "tcp", "tls"]);
    assert!(last.contains("name the issuer's present certificate with ca-file"), "{last}");
}

#[test]
fn a_proxy_that_is_not_there_is_told_by_its_name() {
    let rig = Rig::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let by_proxy = format!("transport = \"websocket\"\nproxy = \"http://{closed}\"\n\n[twin]");
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}", rig.base().replace("\n[twin]", &by_proxy)));
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["way", "dns", "tcp"]);
    assert_eq!(told["hub"][2]["name"], closed.to_string());
    assert!(last.contains(&format!("through the proxy {closed}: it accepts no connection")), "{last}");
}

#[test]
fn a_twin_that_is_refused_is_told_with_the_hubs_words() {
    let rig = Rig::new();
    rig.hub.hub().faults().answer_twin_get(Answer::Status(429), Times::UntilCleared);
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps.last(), Some(&"twin"));
    assert!(last.starts_with("the hub does not give the twin (status 429"), "{last}");
}

#[test]
fn while_the_daemon_runs_nothing_is_dialled_and_its_link_is_told() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let after = rig.hub.hub().last_sequence();
    let told = walked(&rig);
    assert_eq!((steps(&told), &told["verdict"]), (vec!["daemon"], &json!("right")));
    let row = found(&told, "daemon");
    assert!(row.contains(&format!("(pid {})", daemon.id())) && row.contains(" is connected for "), "{row}");
    assert!(row.contains("`systemctl stop twind`"), "{row}");

    rig.hub.block_on(rig.hub.stop_listening());
    rig.wait_status("the loss", |status| status["link"]["state"] == "waiting");
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["daemon"]);
    // It may be trying again at this moment.
    let is_said = [" is not connected for ", " is connecting, without a connection for "];
    assert!(is_said.iter().any(|said| last.contains(said)), "{last}");
    assert!(
        last.contains("the connection to localhost:") || last.contains("cannot connect to localhost:"),
        "{last}"
    );
    assert!(last.contains("nothing was dialled"), "{last}");
    assert_eq!(rig.count_events(after, |event| matches!(event, Event::Connected { .. })), 0);
}

/// A site whose hub takes connections and says nothing.
fn mute() -> (Rig, TcpListener) {
    let rig = Rig::new();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("port = {}", mute.local_addr().unwrap().port());
    let base = rig.base().replace(&format!("port = {}", rig.hub.mqtt_port()), &port);
    rig.write_config(&format!("{base}{FAN}{SENSOR}{CLIMATE}"));
    (rig, mute)
}

#[test]
fn ctrl_c_ends_the_walk_and_what_was_found_until_then_is_printed() {
    let (rig, _mute) = mute();
    let like = rig.command(&["check", "--hub"]);
    // A job in the background of a script ignores the signal, and what it starts does too.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(like.get_program()).args(like.get_args());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap).skip_while(|line| !line.starts_with("  tcp  "));
    assert!(lines.next().is_some());
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert_eq!(lines.next(), None);
}

#[test]
fn a_hub_that_never_answers_the_handshake_is_given_up_on() {
    let (rig, _mute) = mute();
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps, ["way", "dns", "tcp", "tls"]);
    assert!(last.contains("but not the TLS handshake in time"), "{last}");
}

#[test]
fn a_hub_that_never_gives_the_twin_is_given_up_on() {
    let rig = Rig::new();
    rig.hub.hub().faults().answer_twin_get(Answer::Ignored, Times::UntilCleared);
    let told = walked(&rig);
    let (steps, last) = ends(&told);
    assert_eq!(steps.last(), Some(&"twin"));
    assert!(last.contains("did not answer the request for the twin in time"), "{last}");
}
