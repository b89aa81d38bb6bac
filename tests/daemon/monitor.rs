//! The stream of changes at the local socket: each change is sent as it happens, and a client that does not read is no
//! trouble to the daemon.

use crate::local::{answer, call, connect, connect_to, follows};
use crate::memory::{CEILING_KIB, memory_kib, rest};
use crate::rig::{DEVICE, Rig, eventually, say};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use twinhub::Times;

/// More answers than any test waits for. Each reading, every few seconds, may cause one.
const ANSWERS_MAX: usize = 200;

/// Asks for a stream; the status of its first answer.
fn monitor(stream: &mut UnixStream, changes: usize) -> Value {
    let call = json!({"method": "io.twind.Daemon.Monitor", "parameters": {"changes": changes}, "more": true});
    stream.write_all((call.to_string() + "\0").as_bytes()).unwrap();
    next(stream)
}

/// The status of the next answer of a stream.
fn next(stream: &mut UnixStream) -> Value {
    let mut answer = answer(stream).unwrap();
    assert_eq!(answer["continues"], true, "{answer}");
    answer["parameters"]["status"].take()
}

/// Reads answers until one is `good`, and no other call is made.
fn wait(stream: &mut UnixStream, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..ANSWERS_MAX {
        last = next(stream);
        if good(&last) {
            return last;
        }
    }
    panic!("{what} was never told; the last state: {last:#}");
}

#[test]
fn whoever_monitors_is_told_each_change_of_output_climate_link_and_twin_as_it_happens() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 250);
    let (orders, looks) = (&mut connect(&rig), &mut connect_to(&rig, "look.sock"));
    for client in [&mut *orders, &mut *looks] {
        let first = monitor(client, 1);
        assert_eq!(first["outputs"]["fan"]["permille"], 250, "the state comes first: {first:#}");
        assert_eq!(first["changes"].as_array().unwrap().len(), 1);
    }
    rig.set_temperature("25.0");
    for client in [&mut *orders, &mut *looks] {
        let now = wait(client, "the drive", |status| status["outputs"]["fan"]["permille"] == 625);
        assert_eq!(now["climate"]["temperature"], 25);
    }
    let version = rig.desire(json!({"components": {"climate": {"maxTemperature": "30.0"}}}));
    let changed =
        |status: &Value| status["hub"]["desiredVersion"] == version && status["climate"]["max"] == 30;
    wait(orders, "the desired change", changed);
    let said = say(&mut rig.command(&["override", "fan", "90%", "--for", "1h"]));
    assert_eq!(said.code, 0, "{}", said.err);
    wait(looks, "the override", |status| status["outputs"]["fan"]["override"]["percent"] == 90);
    rig.hub.hub().faults().refuse_connects(3, Times::UntilCleared);
    rig.hub.hub().kick(DEVICE);
    wait(orders, "the link", |status| status["link"]["state"] == "waiting");
    assert!(daemon.stop().success());
    assert!(std::iter::repeat_with(|| answer(orders)).take(ANSWERS_MAX).any(|answer| answer.is_err()));
}

#[test]
fn what_comes_faster_than_it_is_told_is_counted_and_its_last_state_is_told() {
    const CHANGES: u64 = 50;
    let rig = Rig::new();
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    let (watching, orders) = (&mut connect(&rig), &mut connect(&rig));
    monitor(watching, 0);
    for share in 31..=30 + CHANGES {
        let order = json!({"output": "fan", "percent": share, "seconds": 600});
        assert_eq!(call(orders, "io.twind.Daemon.SetOverride", order).unwrap(), json!({"parameters": {}}));
    }
    let mut counted = 0;
    for _ in 0..ANSWERS_MAX {
        let answer = answer(watching).unwrap();
        counted += 1 + answer["parameters"]["skipped"].as_u64().unwrap();
        if answer["parameters"]["status"]["outputs"]["fan"]["override"]["percent"] == 30 + CHANGES {
            assert!(counted >= CHANGES, "{counted}");
            return;
        }
    }
    panic!("the last state was never told");
}

#[test]
fn without_more_a_stream_is_refused_and_the_connection_goes_on() {
    let rig = Rig::new();
    let _daemon = rig.start();
    let client = &mut connect(&rig);
    let refused = call(client, "io.twind.Daemon.Monitor", json!({})).unwrap();
    assert_eq!(refused, json!({"error": "org.varlink.service.ExpectedMore", "parameters": {}}));
    let more = json!({"method": "io.systemd.service.Ping", "more": true});
    client.write_all((more.to_string() + "\0").as_bytes()).unwrap();
    assert_eq!(
        answer(client).unwrap(),
        json!({"parameters": {}}),
        "what answers once says no more than that"
    );
}

#[test]
fn a_stream_ends_when_the_socket_that_it_came_by_is_taken_away() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let _daemon = rig.start();
    let (looks, orders) = (&mut connect_to(&rig, "look.sock"), &mut connect(&rig));
    monitor(looks, 0);
    monitor(orders, 0);
    rig.configure("\n");
    let reload = call(&mut connect(&rig), "io.systemd.service.Reload", json!({})).unwrap();
    assert_eq!(reload, json!({"parameters": {}}));
    let end = std::iter::repeat_with(|| answer(looks)).take(ANSWERS_MAX).find_map(Result::err).unwrap();
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "{end}");
    let order = json!({"output": "fan", "percent": 90, "seconds": 600});
    call(&mut connect(&rig), "io.twind.Daemon.SetOverride", order).unwrap();
    wait(orders, "the override", |status| status["outputs"]["fan"]["override"]["percent"] == 90);
}

#[test]
fn those_who_monitor_and_leave_give_up_their_places_though_nothing_changes() {
    let rig = Rig::new();
    let daemon = rig.start();
    // A client for which there is no room is told so, perhaps before it has asked.
    let enter = || {
        let mut client = connect(&rig);
        let call = json!({"method": "io.twind.Daemon.Monitor", "more": true});
        client.write_all((call.to_string() + "\0").as_bytes()).ok()?;
        answer(&mut client).ok().filter(|answer| answer["continues"] == true).map(|_| client)
    };
    for _ in 0..3 {
        // All connections stay open, because otherwise they would never all be open at once.
        let mut crowd = Vec::new();
        let fill = || {
            crowd.extend(enter());
            (crowd.len() == 8).then_some(())
        };
        eventually("eight places", fill, || daemon.log());
        assert_eq!(say(&mut rig.command(&["status"])).code, 69, "all places are taken");
        drop(crowd);
    }
}

#[test]
fn those_who_monitor_and_do_not_read_are_dropped_and_hold_up_and_fill_nothing() {
    let rig = Rig::new();
    rig.configure("\n[local]\nlook-socket = \"DIR/look.sock\"\n");
    let daemon = rig.start();
    let mut crowd: Vec<UnixStream> = (0..8).map(|_| connect_to(&rig, "look.sock")).collect();
    crowd.iter_mut().for_each(|client| drop(monitor(client, 1000)));
    let resting = rest(&daemon);
    let orders = &mut connect(&rig);
    let mut share = 0;
    let dropped = || daemon.log().matches("a client is dropped").count() >= crowd.len();
    let change = || {
        for _ in 0..20 {
            share = (share + 1) % 100;
            let order = json!({"output": "fan", "percent": share, "seconds": 600});
            let taken = call(orders, "io.twind.Daemon.SetOverride", order).unwrap();
            assert!(taken.get("error").is_none(), "{taken}");
        }
        dropped().then_some(())
    };
    eventually("the end of those who do not read", change, || daemon.log());
    let peak = memory_kib(&daemon, "VmHWM");
    assert!(peak < resting + CEILING_KIB, "{resting} KiB at rest, {peak} at most");
    call(orders, "io.twind.Daemon.ClearOverride", json!({"output": "fan"})).unwrap();
    follows(&rig);
}
