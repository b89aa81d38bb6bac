//! A full ring is read in pieces: what the daemon holds does not grow with it.

use super::{PATIENCE, site, wait_got, wait_sent};
use crate::memory::{memory_kib, rest};
use crate::rig::{DEVICE, Daemon, Rig, eventually_within};
use std::fs;
use std::sync::mpsc;
use std::time::Duration;
use twind::ports::Store as _;
use twind::store::FileStore;
use twind::telemetry::{Message, RingEvent, RingRequest};

const RING_BYTES: u64 = 4 << 20;
/// What may come with a connection, a reading and a report, beside the backlog.
const GROWTH_KIB: usize = 2 * 1024;
/// The table of these tests: the ring's size is the default. No sample but the first is taken.
const TABLE: &str = super::CALM;

/// Fills the ring with messages of this many bytes, and returns how many they are.
fn fill(rig: &Rig, bytes: usize) -> u64 {
    let (wake, woken) = mpsc::channel();
    let store = FileStore::start(&rig.path("state"), Box::new(move || wake.send(()).unwrap_or_default()));
    let mut store = store.unwrap();
    store.wait_opened(Duration::from_secs(40)).unwrap();
    let next = |store: &mut FileStore| loop {
        if let Some(event) = store.poll_ring() {
            return event;
        }
        woken.recv_timeout(Duration::from_secs(40)).unwrap();
    };
    let host = rig.hub.hub().host().to_owned();
    store.ring(RingRequest::Open { identity: format!("{host}/{DEVICE}"), keep_bytes: RING_BYTES });
    assert!(matches!(next(&mut store), RingEvent::Opened { lost: 0, .. }));
    let record = r#"{"time":"2026-11-30T14:00:00Z","sensor":"cabinet","temperature":21.5}"#;
    let body = format!("[{}]", vec![record; bytes / (record.len() + 1)].join(","));
    let records = (bytes / (record.len() + 1)) as u32;
    let length = body.len() as u32;
    for number in 1.. {
        let id = format!("0a1b2c3d4e5f-7-{number}");
        let message = Message { id, records, bytes: length, body: body.clone(), ..Message::default() };
        store.ring(RingRequest::Keep(vec![message]));
        match next(&mut store) {
            RingEvent::Kept { dropped: 0, holds, .. } if holds.bytes + 2 * (bytes as u64) < RING_BYTES => {}
            RingEvent::Kept { dropped: 0, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    let kept = super::ids_on_disk(rig).len() as u64;
    store.close(Duration::from_secs(40)).unwrap();
    kept
}

/// The daemon, connected, with what it holds at rest; then the table comes into force, and the ring is opened and read.
fn start(rig: &Rig) -> (Daemon, usize) {
    let daemon = rig.start_synced();
    // What a reload takes is no part of it.
    super::reload(rig, "# as before\n");
    rig.wait_synced();
    let resting = rest(&daemon);
    super::reload(rig, TABLE);
    (daemon, resting)
}

fn assert_flat(daemon: &Daemon, resting: usize) {
    let (peak, now) = (memory_kib(daemon, "VmHWM"), memory_kib(daemon, "VmRSS"));
    assert!(peak < resting + GROWTH_KIB, "{resting} KiB at rest, {peak} at most, {now} now");
}

#[test]
fn a_full_ring_of_usual_messages_is_opened_and_begun_without_more_memory() {
    let rig = site("");
    let kept = fill(&rig, 3_800);
    assert!(kept > 900, "{kept}");
    let (daemon, resting) = start(&rig);
    wait_got(&rig, "some of it", |messages| messages.len() > 20);
    assert_flat(&daemon, resting);
    let left = rig.status()["telemetry"]["keptMessages"].as_u64().unwrap();
    assert!(left < kept && left > kept / 2, "{left} of {kept}");
}

#[test]
fn a_full_ring_is_sent_whole_without_more_memory_and_leaves_the_disk() {
    let rig = site("");
    // As long as a message can be, so that they are few: one is sent each second.
    let kept = fill(&rig, 60_000);
    assert!(kept > 60, "{kept}");
    let (daemon, resting) = start(&rig);
    let of_it = |messages: &[std::sync::Arc<twinhub::Message>]| {
        messages.iter().filter(|message| message.id().unwrap().starts_with("0a1b2c3d4e5f-7-")).count() as u64
    };
    wait_got(&rig, "all of it", |messages| {
        assert!(memory_kib(&daemon, "VmRSS") < resting + GROWTH_KIB);
        of_it(messages) == kept
    });
    assert_flat(&daemon, resting);
    wait_sent(&rig);
    let numbers: Vec<_> = super::lives(&super::got(&rig)).swap_remove(0).messages.into_keys().collect();
    assert_eq!(numbers, (1..=kept).collect::<Vec<_>>());
    let is_gone = || super::ids_on_disk(&rig).is_empty().then_some(());
    eventually_within(PATIENCE, "an empty disk", is_gone, || {
        format!("{:?}", fs::read_dir(rig.path("state")))
    });
}
