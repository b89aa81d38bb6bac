//! Whatever arrives, memory has a ceiling: 16 MiB over what the daemon holds at rest.

use crate::rig::{DEVICE, Daemon, Rig, eventually};
use serde_json::json;
use std::fs;
use twind::hub::PAYLOAD_BYTES_MAX;
use twinhub::{Answer, Event, Times};

pub(crate) const CEILING_KIB: usize = 16 * 1024;
/// What may stay of a flood that is over: the allocator returns whole pages, and other data lies among what was freed.
const KEPT_KIB: usize = 4 * 1024;
const NOTIFICATION_BYTES: usize = 250_000;
/// Of 64 such notifications, or fewer larger ones.
const FLOOD_BYTES: usize = 64 * NOTIFICATION_BYTES;

/// A figure of `/proc/PID/status`, in KiB.
pub(crate) fn memory_kib(daemon: &Daemon, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Forgets the peak of the start, and returns what is held at rest.
pub(crate) fn rest(daemon: &Daemon) -> usize {
    fs::write(format!("/proc/{}/clear_refs", daemon.id()), "5").unwrap();
    memory_kib(daemon, "VmRSS")
}

/// A payload of so many bytes: `entry` again and again, with a number in it for `#`, between `begin` and `end`.
fn payload(begin: &str, entry: &str, end: &str) -> String {
    let mut text = begin.to_owned();
    let mut number = 0;
    while text.len() + end.len() < NOTIFICATION_BYTES {
        text.push_str(&entry.replace('#', &number.to_string()));
        number += 1;
    }
    text.truncate(text.trim_end_matches(',').len());
    text + end
}

/// The hub does not answer a fetch, and meanwhile notifies of large changes, one after the other.
fn flood(rig: &Rig, payload: &str) {
    let hub = rig.hub.hub();
    let after = hub.last_sequence();
    hub.faults().answer_twin_get(Answer::Ignored, Times::Next(1));
    assert!(hub.publish_raw(DEVICE, "$iothub/methods/POST/resync/?$rid=flood", "null"));
    let asked = rig.wait_event(after, |event| matches!(event, Event::TwinGet { .. }));
    let Event::TwinGet { rid, .. } = asked.event else { unreachable!() };
    for version in 1000..1000 + FLOOD_BYTES / payload.len() {
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        assert!(hub.publish_raw(DEVICE, &topic, payload));
    }
    // Then comes the answer, which holds nothing of the flood.
    let twin = json!({ "desired": hub.desired(DEVICE).unwrap(), "reported": hub.reported(DEVICE).unwrap() });
    let after = hub.last_sequence();
    assert!(hub.publish_raw(DEVICE, &format!("$iothub/twin/res/200/?$rid={rid}"), twin.to_string()));
    rig.wait_event(after, |event| matches!(event, Event::TwinGet { status: Some(200), .. }));
}

#[test]
fn a_flood_of_large_notifications_during_a_fetch_stays_below_the_ceiling() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let resting = rest(&daemon);
    for payload in [
        payload("{", "\"k#\":{},", "}"),
        payload("{\"a\":[", "[],", "]}"),
        payload("{", "\"k#\":\"a text of some length, as people write it, and a little more\",", "}"),
        payload("{\"a\":[", "#,", "]}"),
        format!("{{\"a\":\"{}\"}}", "x".repeat(NOTIFICATION_BYTES)),
        // As large as anything that is read.
        format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX - 8)),
        format!("{{\"a\":\"{}\"}}", "\\u00e9".repeat(PAYLOAD_BYTES_MAX / 6 - 2)),
        "\"not an object\"".repeat(NOTIFICATION_BYTES / 15),
    ] {
        flood(&rig, &payload);
        let version = rig.desire(json!({ "patchId": payload.len() }));
        rig.wait_reported("the next change", |told| told["desiredVersion"] == version);
        let peak = memory_kib(&daemon, "VmHWM");
        let begins: String = payload.chars().take(30).collect();
        println!("{begins}: {resting} KiB at rest, {peak} at most, {} now", memory_kib(&daemon, "VmRSS"));
        assert!(peak < resting + CEILING_KIB, "{begins}: {resting} KiB at rest, {peak} at most");
    }
}

/// The service's environment, as its unit sets it.
fn unit_environment() -> Vec<(&'static str, &'static str)> {
    let unit = include_str!("../../systemd/twind.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    lines.flat_map(|line| line.split(' ')).map(|set| set.split_once('=').unwrap()).collect()
}

#[test]
fn what_a_flood_took_is_given_back_with_the_units_environment() {
    let environment = unit_environment();
    assert!(environment.iter().any(|(name, _)| name.starts_with("MALLOC_")), "{environment:?}");
    let rig = Rig::new();
    rig.configure("");
    let mut command = rig.command(&["run"]);
    command.envs(environment);
    let mut daemon = rig.spawn_as(command);
    daemon.wait_notified("READY=1");
    rig.wait_synced();
    let resting = rest(&daemon);
    for payload in [
        payload("{", "\"k#\":{},", "}"),
        payload("{\"a\":[", "#,", "]}"),
        format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX - 8)),
        format!("{{\"a\":\"{}\"}}", "\\u00e9".repeat(PAYLOAD_BYTES_MAX / 6 - 2)),
    ] {
        flood(&rig, &payload);
        let version = rig.desire(json!({ "patchId": payload.len() }));
        rig.wait_reported("the next change", |told| told["desiredVersion"] == version);
        let begins: String = payload.chars().take(30).collect();
        let (peak, now) = (memory_kib(&daemon, "VmHWM"), memory_kib(&daemon, "VmRSS"));
        println!("{begins}: {resting} KiB at rest, {peak} at most, {now} now");
        eventually(
            "memory that is given back",
            || (memory_kib(&daemon, "VmRSS") < resting + KEPT_KIB).then_some(()),
            || format!("{begins}: {resting} KiB at rest, {} now", memory_kib(&daemon, "VmRSS")),
        );
    }
}

#[test]
fn a_refusal_of_any_length_stays_below_the_ceiling() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let hub = rig.hub.hub();
    let resting = rest(&daemon);
    let zeros =
        format!("{{\"a\":[0{}],\"errorCode\":400004,\"message\":\"no, not so\"}}", ",0".repeat(700_000));
    assert!(zeros.len() < PAYLOAD_BYTES_MAX);
    for (body, words) in
        [(zeros, "400004: no, not so"), ("no JSON ".repeat(PAYLOAD_BYTES_MAX / 8), "no JSON no JSON")]
    {
        let after = hub.last_sequence();
        hub.faults().answer_twin_get(Answer::Ignored, Times::Next(1));
        assert!(hub.publish_raw(DEVICE, "$iothub/methods/POST/resync/?$rid=refused", "null"));
        let asked = rig.wait_event(after, |event| matches!(event, Event::TwinGet { .. }));
        let Event::TwinGet { rid, .. } = asked.event else { unreachable!() };
        assert!(hub.publish_raw(DEVICE, &format!("$iothub/twin/res/400/?$rid={rid}"), body.as_str()));
        daemon.wait_log(words);
        let peak = memory_kib(&daemon, "VmHWM");
        println!("{}: {resting} KiB at rest, {peak} at most", &body[..20]);
        assert!(peak < resting + CEILING_KIB, "{resting} KiB at rest, {peak} at most");
    }
}

#[test]
fn calls_with_large_arguments_and_topics_stay_below_the_ceiling() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let resting = rest(&daemon);
    let argument = format!("{{\"a\":\"{}\"}}", "x".repeat(128 * 1024));
    let name = "n".repeat(60_000);
    for call in 0..200 {
        let topic = format!("$iothub/methods/POST/status/?$rid=c{call}");
        assert!(rig.hub.hub().publish_raw(DEVICE, &topic, argument.as_str()));
        let topic = format!("$iothub/methods/POST/{name}/?$rid=n{call}");
        assert!(rig.hub.hub().publish_raw(DEVICE, &topic, "{}"));
    }
    let last = rig.desire(json!({ "patchId": "after it all" }));
    rig.wait_reported("what came after it all", |told| told["desiredVersion"] == last);
    let peak = memory_kib(&daemon, "VmHWM");
    assert!(peak < resting + CEILING_KIB, "{resting} KiB at rest, {peak} at most");
}

#[test]
fn clients_of_the_local_socket_that_do_not_end_their_messages_stay_below_the_ceiling() {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let resting = rest(&daemon);
    let mut clients: Vec<_> =
        (0..64).filter_map(|_| UnixStream::connect(rig.path("twind.sock")).ok()).collect();
    let chunk = vec![b'x'; 32 * 1024];
    for client in &mut clients {
        client.set_nonblocking(true).unwrap();
        while client.write(&chunk).is_ok_and(|written| written > 0) {}
    }
    drop(clients);
    wait_for_a_place(&rig, &daemon);
    let peak = memory_kib(&daemon, "VmHWM");
    assert!(peak < resting + CEILING_KIB, "{resting} KiB at rest, {peak} at most");
}

#[test]
fn clients_of_the_local_socket_that_send_along_what_takes_much_room_stay_below_the_ceiling() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    let rig = Rig::new();
    rig.configure("[local]\nlook-socket = \"DIR/look.sock\"\n");
    let daemon = rig.start_synced();
    let resting = rest(&daemon);
    let zeros = format!("[0{}]", ",0".repeat(32_000));
    let call = format!("{{\"method\":\"io.twind.Daemon.GetStatus\",\"parameters\":{{\"a\":{zeros}}}}}\0");
    let sockets = ["twind.sock", "look.sock"].into_iter().flat_map(|socket| [socket; 8]);
    let mut clients: Vec<_> = sockets.map(|socket| UnixStream::connect(rig.path(socket)).unwrap()).collect();
    let (all, end) = call.split_at(call.len() - 1);
    clients.iter_mut().for_each(|client| client.write_all(all.as_bytes()).unwrap());
    // All of them at once.
    clients.iter_mut().for_each(|client| client.write_all(end.as_bytes()).unwrap());
    clients.iter_mut().for_each(|client| client.read_exact(&mut [0; 16]).unwrap());
    let peak = memory_kib(&daemon, "VmHWM");
    println!("{resting} KiB at rest, {peak} at most");
    assert!(peak < resting + CEILING_KIB, "{resting} KiB at rest, {peak} at most");
}

/// Waits until there is room for another client of the local socket.
fn wait_for_a_place(rig: &Rig, daemon: &Daemon) {
    eventually(
        "a place for another client",
        || Some(rig.command(&["status"]).output().unwrap()).filter(|said| said.status.success()).map(drop),
        || daemon.log(),
    );
}

#[test]
fn another_file_in_place_of_the_configuration_stays_below_the_ceiling_and_is_told_in_few_lines() {
    const BYTES: usize = 1024 * 1024;
    const LINES_MAX: usize = 80;
    let rig = Rig::new();
    let daemon = rig.start_synced();
    let good = fs::read_to_string(rig.path("twind.toml")).unwrap();
    let resting = rest(&daemon);
    let records = "2026-11-29T12:00:00Z,21.5,\"ok\"\n";
    for (text, told_last) in [
        (records.repeat(BYTES / records.len()), "fix these first"),
        // As if another program's output had been appended to it.
        (good.clone() + &records.repeat((BYTES - good.len()) / records.len()), "fix these first"),
        (format!("{{{}}}", "\"a\": [1, {\"b\": 2.5}], ".repeat(BYTES / 23)), "not valid TOML"),
        ("[\n".repeat(BYTES / 2), "fix these first"),
        ("a=1\n".repeat(BYTES / 4), "fix these first"),
    ] {
        let before = daemon.log().lines().count();
        rig.write_config(&text);
        daemon.signal("HUP");
        let told = || daemon.log().lines().skip(before).any(|line| line.contains(told_last)).then_some(());
        eventually("a refusal", told, || daemon.log());
        let lines = daemon.log().lines().count() - before;
        let peak = memory_kib(&daemon, "VmHWM");
        let begins: String = text.chars().take(30).collect();
        println!("{begins:?}: {resting} KiB at rest, {peak} at most, {lines} lines");
        assert!(peak < resting + CEILING_KIB, "{begins:?}: {resting} KiB at rest, {peak} at most");
        assert!(lines < LINES_MAX, "{begins:?}: {lines} lines: {}", daemon.log());
    }
}
