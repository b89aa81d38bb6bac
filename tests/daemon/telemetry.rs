//! Telemetry of the real binary: what the hub gets, when, how often, and what the disk has of it.

mod backlog;
mod disk;
mod hub;
mod memory;
mod records;

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually_within, say};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use twinhub::Message;

/// Some of what is waited for has waits of its own: a link that is tried again, a disk, a hub that acknowledges nothing.
const PATIENCE: Duration = Duration::from_secs(400);
/// Each sample is sent within two seconds.
const BRISK: &str = "\n[telemetry]\ninterval = \"1s\"\nsend-every = \"2s\"\n";
/// One sample, and no other.
const CALM: &str = "\n[telemetry]\ninterval = \"24h\"\nsend-every = \"1s\"\n";
/// What a sample has a record of, in this order.
const THINGS: [(&str, &str); 5] = [
    ("sensor", "cabinet"),
    ("sensor", "roof"),
    ("climate", "climate"),
    ("output", "fan"),
    ("output", "lamp"),
];

const LAMP: &str = r#"
[outputs.lamp]
pwm = { channel = 1 }
"#;
const ROOF: &str = r#"
[sensors.roof]
driver = "file"
path = "DIR/roof"
measures = "humidity"
period = "100ms"
stale-after = "5s"
"#;

/// The usual rig with two sensors and two outputs, of which only an override drives the lamp, and with this table.
fn site(telemetry: &str) -> Rig {
    let rig = Rig::new();
    fs::write(rig.path("roof"), "40.5\n").unwrap();
    configure(&rig, telemetry);
    rig
}

fn configure(rig: &Rig, telemetry: &str) {
    // No sensor is stale because the machine is busy.
    let cabinet = SENSOR.replace("stale-after = \"1s\"", "stale-after = \"5s\"");
    rig.write_config(&format!("{}{FAN}{LAMP}{cabinet}{ROOF}{CLIMATE}{telemetry}", rig.base()));
}

/// Has the running daemon follow this table.
fn reload(rig: &Rig, telemetry: &str) {
    configure(rig, telemetry);
    let said = say(&mut rig.command(&["reload"]));
    assert_eq!(said.code, 0, "{}", said.err);
}

/// The hub is gone: it listens no more, and all connections are closed.
fn lose_hub(rig: &Rig) {
    rig.hub.block_on(rig.hub.stop_listening());
}

/// What the hub got so far.
fn got(rig: &Rig) -> Vec<Arc<Message>> {
    rig.hub.hub().messages(DEVICE)
}

/// Waits until what the hub got is `good`.
fn wait_got(rig: &Rig, what: &str, good: impl Fn(&[Arc<Message>]) -> bool) -> Vec<Arc<Message>> {
    let otherwise = || format!("{:#?}; {:#}", got(rig), rig.status()["telemetry"]);
    eventually_within(PATIENCE, what, || Some(got(rig)).filter(|messages| good(messages)), otherwise)
}

/// What the daemon says of its telemetry; nothing if it is too busy to answer.
fn waiting(rig: &Rig) -> Value {
    // Each question is a process.
    sleep(Duration::from_millis(100));
    let said = say(&mut rig.command(&["status", "--json"]));
    let status: Value = serde_json::from_str(&said.out).unwrap_or_default();
    status["telemetry"].clone()
}

/// Waits until the daemon's count of this kind of messages is `good`, and returns it.
fn wait_count(rig: &Rig, kind: &str, good: impl Fn(u64) -> bool) -> u64 {
    let count = || waiting(rig)[kind].as_u64().filter(|count| good(*count));
    eventually_within(PATIENCE, kind, count, || format!("{:#}", rig.status()))
}

/// Waits until nothing waits to be sent. A batch that is still open does not count.
fn wait_sent(rig: &Rig) {
    let is_sent = |telemetry: &Value| telemetry["waitingMessages"] == 0 && telemetry["keptMessages"] == 0;
    let find = || is_sent(&waiting(rig)).then_some(());
    eventually_within(PATIENCE, "a hub that has all", find, || format!("{:#}", rig.status()));
}

/// Has one more record made: that the lamp is overridden to this percentage.
fn mark(rig: &Rig, percent: u32) {
    let said = say(&mut rig.command(&["override", "lamp", &format!("{percent}%"), "--for", "5h"]));
    assert_eq!(said.code, 0, "{}", said.err);
}

fn is_mark(record: &Value, percent: u32) -> bool {
    record["output"] == "lamp" && record["dutyPercent"] == percent && record["cause"] == "override"
}

/// Waits until the hub has that record.
fn wait_mark(rig: &Rig, percent: u32) {
    wait_got(rig, "the mark", |messages| {
        messages.iter().any(|message| records(message).iter().any(|record| is_mark(record, percent)))
    });
}

/// The ids of the messages on the disk, the oldest first, whether the hub has them or not.
fn ids_on_disk(rig: &Rig) -> Vec<String> {
    let mut names: Vec<_> = ring_files(rig).into_iter().filter(|name| name != "messages.head").collect();
    names.sort();
    let texts = names.iter().map(|name| fs::read(rig.path("state").join(name)).unwrap_or_default());
    let ids = |bytes: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split("{\"id\":\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    texts.flat_map(ids).collect()
}

/// The names of the files of the ring.
fn ring_files(rig: &Rig) -> Vec<String> {
    let Ok(entries) = fs::read_dir(rig.path("state")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("messages.")).collect()
}

/// The records of a message.
fn records(message: &Message) -> Vec<Value> {
    let body = message.json().unwrap_or_else(|| panic!("no JSON: {message:?}"));
    body.as_array().unwrap_or_else(|| panic!("no array: {body}")).clone()
}

/// What the hub got of one process, each message as it came first.
struct Life {
    /// What all its ids begin with.
    prefix: String,
    /// By the number at the end of the id.
    messages: BTreeMap<u64, Arc<Message>>,
}

/// What the hub got, by the processes that made it, in the order in which they started. An id never stands for two messages.
fn lives(messages: &[Arc<Message>]) -> Vec<Life> {
    let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
    for message in messages {
        let id = message.id().unwrap();
        let (prefix, number) = id.rsplit_once('-').unwrap();
        let started = u64::from_str_radix(prefix.rsplit_once('-').unwrap().1, 16).unwrap();
        let new = || Life { prefix: prefix.to_owned(), messages: BTreeMap::new() };
        let life = lives.entry(started).or_insert_with(new);
        assert_eq!(life.prefix, prefix, "of the same boot");
        let first = life.messages.entry(number.parse().unwrap()).or_insert_with(|| message.clone());
        let content =
            |message: &Message| (message.body.clone(), message.system.clone(), message.application.clone());
        assert_eq!(content(first), content(message), "{id} stands for two messages");
    }
    lives.into_values().collect()
}

/// How many messages came again.
fn duplicates(messages: &[Arc<Message>]) -> usize {
    messages.len() - lives(messages).iter().map(|life| life.messages.len()).sum::<usize>()
}

impl Life {
    /// None is missing of those that were made before the last one.
    fn assert_whole(&self) {
        let numbers: Vec<u64> = self.messages.keys().copied().collect();
        let all: Vec<u64> = (1..=self.messages.len() as u64).collect();
        assert_eq!(numbers, all, "of {}", self.prefix);
    }

    /// The records in the order in which they were made, without those of alarms, which precede.
    fn records(&self) -> Vec<Value> {
        let messages = self.messages.values().filter(|message| message.property("alarm").is_none());
        messages.flat_map(|message| records(message)).collect()
    }

    /// The samples, each with a record of every thing, at one time, and no time before an earlier one. Records of changes may lie
    /// between two samples.
    fn samples(&self, things: &[(&str, &str)]) -> Vec<Vec<Value>> {
        let records = self.records();
        let times: Vec<_> = records.iter().map(|record| record["time"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        let (kind, name) = things[0];
        let begins = records.iter().enumerate().filter(|(_, record)| record[kind] == name);
        let samples = begins.map(|(index, first)| {
            let sample = records.get(index..index + things.len());
            let sample = sample.unwrap_or_else(|| panic!("not whole: {:?}", &records[index..])).to_vec();
            for (record, (kind, name)) in sample.iter().zip(things) {
                assert!(record[kind] == *name && record["time"] == first["time"], "{sample:?}");
            }
            sample
        });
        samples.collect()
    }
}
