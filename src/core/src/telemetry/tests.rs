//! Messages and batches. The queue is in `queue_tests`, and the whole in the simulation.

use super::batch::{BODY_BYTES_MAX, Batch, Moment};
use super::{Message, RingRequest, Telemetry, TelemetrySpec, message, records};
use crate::control::fixtures::{at, secs};
use crate::units::{BootId, BootTime, UnixSeconds};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(super) const BOOT: BootId = BootId(7);
pub(super) const BOOTED: UnixSeconds = UnixSeconds(1_800_000_000);

fn moment(now: BootTime, booted: Option<UnixSeconds>) -> Moment {
    Moment { now, booted, boot: Some(BOOT) }
}

pub(super) fn named(id: &str) -> Message {
    let mut batch = Batch::default();
    batch.add(moment(at(0), Some(BOOTED)), records::dropped(1));
    Message { id: id.to_owned(), ..batch.close(moment(at(0), Some(BOOTED)), None) }
}

pub(super) fn alarm(id: &str) -> Message {
    Message { alarm: Some("disk".to_owned()), ..named(id) }
}

#[test]
fn a_message_is_read_as_it_was_kept_and_bytes_that_are_none_are_not() {
    for message in [named("a-1"), alarm("ä"), Message { boot: None, booted: None, ..named("b") }] {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
    let encoded = named("a-1").encode();
    for bytes in [&b""[..], b"[]", &encoded[1..], &encoded[..5], &[0xff, b'\n']] {
        assert!(Message::decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_later_version_may_add_to_a_message() {
    let text = String::from_utf8(named("a-1").encode()).unwrap().replacen('{', "{\"later\":[1],", 1);
    assert_eq!(Message::decode(text.as_bytes()), Ok(named("a-1")));
}

#[test]
fn a_record_without_a_time_gets_it_when_its_boot_can_be_dated() {
    let mut batch = Batch::default();
    batch.add(moment(at(90), None), records::alarm("disk", Some("full")));
    batch.add(moment(at(95), Some(BOOTED)), records::alarm("disk", None));
    let message = batch.close(moment(at(99), None), None);
    let body = |booted| serde_json::from_str::<Value>(&message.to_send(booted).body).unwrap();
    let boot = "00000000000000000000000000000007";
    let undated =
        json!({"secondsSinceBoot": 90, "boot": boot, "alarm": "disk", "raised": true, "text": "full"});
    assert_eq!(body(None)[0], undated);
    let dated = json!({"time": "2027-01-15T08:01:30Z", "alarm": "disk", "raised": true, "text": "full"});
    assert_eq!(body(Some(BOOTED))[0], dated);
    assert_eq!(body(Some(BOOTED))[1]["time"], "2027-01-15T08:01:35Z");
    assert_eq!(message.to_send(None).created, None);
    assert_eq!(message.to_send(Some(BOOTED)).created, Some(UnixSeconds(BOOTED.0 + 99)));
}

#[test]
fn ids_differ_between_boots_and_between_processes_of_one_boot() {
    let prefixes = [(BOOT, 5), (BOOT, 6), (BootId(8), 5), (BootId(7 << 64), 6)];
    let prefixes = prefixes.map(|(boot, started)| message::id_prefix(Some(boot), at(started)));
    assert!(prefixes.iter().all(|prefix| prefix.len() < 40));
    let different: std::collections::BTreeSet<_> = prefixes[..3].iter().collect();
    assert_eq!(different.len(), 3, "{prefixes:?}");
}

#[test]
fn a_reload_that_turns_telemetry_off_or_names_another_identity_leaves_what_waits_to_the_ring() {
    let spec = TelemetrySpec { interval: secs(60), send_every: secs(300), keep_bytes: 65_536, alarms: true };
    let asked = |mut telemetry: Telemetry| -> Vec<_> {
        let requests = core::iter::from_fn(|| telemetry.poll_ring(at(9)));
        requests
            .map(|request| match request {
                RingRequest::Open { identity, .. } => format!("open {identity}"),
                RingRequest::Keep(messages) => format!("keep {}", messages.len()),
                other => format!("{other:?}"),
            })
            .collect()
    };
    let running = || {
        let mut telemetry = Telemetry::new(at(0), Some(BOOT), "hub/a", Some(spec.clone()));
        telemetry.note_alarm(at(1), "disk", Some("full"));
        telemetry
    };
    assert_eq!(asked(running().succeed(at(9), "hub/a", Some(spec.clone()))), ["open hub/a", "keep 1"]);
    assert_eq!(asked(running().succeed(at(9), "hub/a", None)), ["open hub/a", "keep 1"]);
    let to_another = running().succeed(at(9), "hub/b", Some(spec.clone()));
    assert_eq!(asked(to_another), ["open hub/a", "keep 1", "open hub/b"]);
}

proptest! {
    #[test]
    fn a_body_is_a_json_array_within_its_length_and_holds_every_record(
        texts in proptest::collection::vec(".{0,300}", 1..60),
    ) {
        let (mut batch, mut full) = (Batch::default(), Vec::new());
        for text in &texts {
            full.extend(batch.add(moment(at(1), Some(BOOTED)), records::alarm("x", Some(text))));
        }
        full.push(batch);
        let mut found = Vec::new();
        for batch in full {
            let message = batch.close(moment(at(1), Some(BOOTED)), None);
            let records: Vec<Value> = serde_json::from_str(&message.body).unwrap();
            prop_assert_eq!(records.len() as u32, message.records);
            prop_assert!(message.body.len() <= BODY_BYTES_MAX || records.len() == 1);
            found.extend(records.iter().map(|record| record["text"].as_str().unwrap().to_owned()));
        }
        prop_assert_eq!(found, texts);
    }
}
