//! Messages, batches and the queue, each by itself. The whole is in the simulation.

use super::batch::{BODY_BYTES_MAX, Batch, Moment};
use super::queue::{Queue, WINDOW};
use super::{Holds, Message, RingEvent, RingFailed, RingRequest, message, records};
use crate::control::fixtures::at;
use crate::twin::{DeviceMessage, HubRequest};
use crate::units::{BootId, BootTime, UnixSeconds};
use core::time::Duration;
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "any_order_tests.rs"]
mod any_order;

const BOOT: BootId = BootId(7);
const SEND_EVERY: Duration = Duration::from_secs(300);
const BOOTED: UnixSeconds = UnixSeconds(1_800_000_000);

fn moment(now: BootTime, booted: Option<UnixSeconds>) -> Moment {
    Moment { now, booted, boot: Some(BOOT) }
}

fn named(id: &str) -> Message {
    let mut batch = Batch::default();
    batch.add(moment(at(0), Some(BOOTED)), records::dropped(1));
    Message { id: id.to_owned(), ..batch.close(moment(at(0), Some(BOOTED)), None) }
}

fn alarm(id: &str) -> Message {
    Message { alarm: Some("disk".to_owned()), ..named(id) }
}

fn holds(messages: u64) -> Holds {
    Holds { messages, bytes: messages * 100 }
}

/// Everything that is sent now.
fn sent(queue: &mut Queue, now: BootTime) -> Vec<(u64, String)> {
    core::iter::from_fn(|| queue.poll_hub(now, Some(BOOT), None))
        .map(|request| match request {
            HubRequest::SendMessage { number, message } => (number, message.id),
            other => (0, format!("{other:?}")),
        })
        .collect()
}

fn ids(sent: &[(u64, String)]) -> Vec<&str> {
    sent.iter().map(|(_, id)| id.as_str()).collect()
}

/// What the ring is asked.
fn asked(queue: &mut Queue) -> Vec<String> {
    core::iter::from_fn(|| queue.poll_ring())
        .map(|request| match request {
            RingRequest::Open { .. } => "open".to_owned(),
            RingRequest::Keep(messages) => {
                let ids: Vec<_> = messages.into_iter().map(|message| message.id).collect();
                format!("keep {}", ids.join(" "))
            }
            RingRequest::Read { after } => format!("read {after}"),
            RingRequest::Forget { number } => format!("forget {number}"),
        })
        .collect()
}

fn wait(queue: &mut Queue, now: BootTime) {
    queue.handle_timeout(now, SEND_EVERY, Some(BOOTED));
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
fn at_most_four_messages_are_under_way_and_an_alarm_precedes_what_waits() {
    let mut queue = Queue::default();
    queue.handle_up();
    for name in ["1", "2", "3", "4", "5", "6"] {
        queue.push(at(0), named(name));
    }
    let first = sent(&mut queue, at(0));
    assert_eq!(ids(&first), ["1", "2", "3", "4"]);
    assert_eq!(first.len(), WINDOW);
    queue.push(at(1), alarm("alarm"));
    assert_eq!(ids(&sent(&mut queue, at(1))), [""; 0]);
    queue.handle_stored(at(2), first[1].0);
    assert_eq!(ids(&sent(&mut queue, at(2))), ["alarm"]);
    queue.handle_stored(at(2), first[0].0);
    assert_eq!(ids(&sent(&mut queue, at(2))), ["5"]);
}

#[test]
fn what_is_acknowledged_in_time_never_touches_the_disk() {
    let mut queue = Queue::default();
    queue.handle_up();
    for minute in 0..1000 {
        let now = at(60 * minute);
        queue.push(now, if minute % 9 == 0 { alarm("a") } else { named("n") });
        wait(&mut queue, now);
        for (number, _) in sent(&mut queue, now) {
            queue.handle_stored(at(60 * minute + 9), number);
        }
        wait(&mut queue, at(60 * minute + 10));
    }
    assert_eq!(asked(&mut queue), [""; 0]);
    assert_eq!(queue.waiting(), super::Waiting::default());
}

#[test]
fn without_a_connection_each_message_is_kept_at_once_and_leaves_the_memory() {
    let mut queue = Queue::default();
    queue.push(at(0), named("1"));
    wait(&mut queue, at(0));
    queue.push(at(1), alarm("2"));
    wait(&mut queue, at(1));
    assert_eq!(asked(&mut queue), ["keep 1"], "one write at a time");
    queue.handle_ring(at(2), RingEvent::Kept { first: 1, holds: holds(1), dropped: 0 });
    wait(&mut queue, at(2));
    assert_eq!(asked(&mut queue), ["keep 2"]);
    queue.handle_ring(at(3), RingEvent::Kept { first: 2, holds: holds(2), dropped: 0 });
    assert_eq!(queue.waiting(), super::Waiting { in_memory: 0, ring: holds(2) });
}

#[test]
fn with_a_connection_a_message_is_kept_when_the_next_is_due_and_an_alarm_after_ten_seconds() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), named("1"));
    queue.push(at(0), alarm("2"));
    sent(&mut queue, at(0));
    assert_eq!(queue.poll_timeout(SEND_EVERY), Some(at(10)));
    wait(&mut queue, at(10));
    assert_eq!(asked(&mut queue), ["keep 2"]);
    queue.handle_ring(at(11), RingEvent::Kept { first: 1, holds: holds(1), dropped: 0 });
    // The connection is given up before that, unless the first is acknowledged.
    queue.handle_down(at(20));
    wait(&mut queue, at(20));
    assert_eq!(asked(&mut queue), ["keep 1"]);
}

#[test]
fn the_backlog_is_sent_oldest_first_one_a_second_beside_what_is_new() {
    let mut queue = Queue::default();
    queue.handle_ring(at(0), RingEvent::Opened { holds: holds(3), boots: vec![], lost: 0 });
    assert_eq!(queue.handle_up(), 3);
    wait(&mut queue, at(0));
    assert_eq!(asked(&mut queue), ["read 0"]);
    let messages = vec![(5, named("old 5")), (6, named("old 6")), (9, named("old 9"))];
    queue.handle_ring(at(0), RingEvent::Read { messages, lost: 0 });
    let mut order = Vec::new();
    for second in 0..5 {
        let now = at(second);
        queue.push(now, named(&format!("new {second}")));
        wait(&mut queue, now);
        for (number, id) in sent(&mut queue, now) {
            order.push(id);
            queue.handle_stored(now, number);
        }
        // Each time it is about to look for more.
        for request in asked(&mut queue) {
            if request == "read 9" {
                queue.handle_ring(now, RingEvent::Read { messages: vec![], lost: 0 });
            }
        }
    }
    let expected = ["new 0", "old 5", "new 1", "old 6", "new 2", "old 9", "new 3", "new 4"];
    assert_eq!(order, expected);
    assert_eq!(queue.waiting().ring, Holds::default());
}

#[test]
fn a_slow_hub_gets_the_backlog_as_slowly_as_it_answers_and_a_quick_one_one_a_second() {
    let mut queue = Queue::default();
    queue.handle_ring(at(0), RingEvent::Opened { holds: holds(1000), boots: vec![], lost: 0 });
    queue.handle_up();
    let (mut now, mut number) = (0_u64, 0);
    let mut next = |queue: &mut Queue, takes: u64| {
        let begun = now;
        loop {
            wait(queue, at(now));
            if asked(queue).iter().any(|request| request.starts_with("read")) {
                number += 1;
                let messages = vec![(number, named("old"))];
                queue.handle_ring(at(now), RingEvent::Read { messages, lost: 0 });
            }
            if let [(number, _)] = sent(queue, at(now))[..] {
                let waited = now - begun;
                now += takes;
                queue.handle_stored(at(now), number);
                return waited;
            }
            now += 1;
        }
    };
    let waits = [5, 5, 30, 0, 0].map(|takes| next(&mut queue, takes));
    assert_eq!(waits, [0, 5, 5, 30, 1]);
}

#[test]
fn a_lost_connection_makes_all_that_was_under_way_be_sent_again_with_the_same_ids() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), named("1"));
    queue.push(at(0), named("2"));
    let first = sent(&mut queue, at(0));
    queue.handle_stored(at(1), first[0].0);
    queue.handle_down(at(2));
    wait(&mut queue, at(2));
    assert_eq!(asked(&mut queue), ["keep 2"]);
    queue.handle_ring(at(2), RingEvent::Kept { first: 1, holds: holds(1), dropped: 0 });
    queue.handle_up();
    wait(&mut queue, at(3));
    assert_eq!(asked(&mut queue), ["read 0"]);
    queue.handle_ring(at(3), RingEvent::Read { messages: vec![(1, named("2"))], lost: 0 });
    let again = sent(&mut queue, at(3));
    assert_eq!(ids(&again), ["2"]);
    queue.handle_stored(at(4), again[0].0);
    assert_eq!(asked(&mut queue), ["forget 1"]);
}

#[test]
fn a_message_that_is_stored_while_it_is_being_kept_is_forgotten_there() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), alarm("1"));
    let first = sent(&mut queue, at(0));
    wait(&mut queue, at(10));
    queue.handle_stored(at(11), first[0].0);
    assert_eq!(asked(&mut queue), ["keep 1"]);
    queue.handle_ring(at(12), RingEvent::Kept { first: 44, holds: holds(1), dropped: 0 });
    assert_eq!(asked(&mut queue), ["forget 44"]);
    assert_eq!(queue.waiting(), super::Waiting::default());
}

#[test]
fn what_is_stored_while_the_ring_is_read_is_not_sent_again() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), alarm("1"));
    let first = sent(&mut queue, at(0));
    wait(&mut queue, at(10));
    queue.handle_ring(at(10), RingEvent::Kept { first: 5, holds: holds(1), dropped: 0 });
    wait(&mut queue, at(10));
    assert_eq!(asked(&mut queue), ["keep 1", "read 0"]);
    queue.handle_stored(at(11), first[0].0);
    queue.handle_ring(at(12), RingEvent::Read { messages: vec![(5, alarm("1"))], lost: 0 });
    assert_eq!(sent(&mut queue, at(20)), []);
    assert_eq!(asked(&mut queue), ["forget 5"]);
}

#[test]
fn what_was_read_is_sent_though_other_messages_are_kept_meanwhile() {
    let mut queue = Queue::default();
    queue.handle_ring(at(0), RingEvent::Opened { holds: holds(2), boots: Vec::new(), lost: 0 });
    queue.handle_up();
    wait(&mut queue, at(0));
    assert_eq!(asked(&mut queue), ["read 0"]);
    let messages = vec![(1, named("1")), (2, named("2"))];
    queue.handle_ring(at(0), RingEvent::Read { messages, lost: 0 });
    let backlog = sent(&mut queue, at(0));
    queue.push(at(0), alarm("3"));
    let live = sent(&mut queue, at(0));
    assert_eq!((ids(&backlog), ids(&live)), (vec!["1"], vec!["3"]));
    wait(&mut queue, at(10));
    assert_eq!(asked(&mut queue), ["keep 3"]);
    queue.handle_ring(at(10), RingEvent::Kept { first: 3, holds: holds(3), dropped: 0 });
    for (number, _) in backlog.into_iter().chain(live) {
        queue.handle_stored(at(10), number);
    }
    wait(&mut queue, at(30));
    assert_eq!(ids(&sent(&mut queue, at(30))), ["2"]);
}

#[test]
fn what_is_under_way_while_the_ring_is_opened_again_is_neither_sent_again_nor_left_there() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), alarm("1"));
    queue.push(at(0), alarm("2"));
    let first = sent(&mut queue, at(0));
    wait(&mut queue, at(10));
    assert_eq!(asked(&mut queue), ["keep 1 2"]);
    queue.handle_ring(at(10), RingEvent::Kept { first: 1, holds: holds(2), dropped: 0 });
    queue.open(at(11), "hub/pi".to_owned(), 1 << 20);
    queue.handle_ring(at(11), RingEvent::Opened { holds: holds(2), boots: Vec::new(), lost: 0 });
    wait(&mut queue, at(11));
    assert_eq!(asked(&mut queue), ["open", "read 0"]);
    // One is acknowledged before it is read, the other one later.
    queue.handle_stored(at(12), first[0].0);
    let messages = vec![(5, alarm("1")), (6, alarm("2"))];
    queue.handle_ring(at(12), RingEvent::Read { messages, lost: 0 });
    assert_eq!(sent(&mut queue, at(12)), []);
    queue.handle_stored(at(13), first[1].0);
    assert_eq!(asked(&mut queue), ["forget 5", "forget 6"]);
    assert_eq!(queue.waiting(), super::Waiting::default());
}

#[test]
fn a_connection_that_acknowledges_nothing_for_a_minute_is_given_up_once() {
    let mut queue = Queue::default();
    queue.handle_up();
    queue.push(at(0), named("1"));
    sent(&mut queue, at(0));
    wait(&mut queue, at(59));
    assert_eq!(sent(&mut queue, at(59)), []);
    assert_eq!(queue.poll_timeout(SEND_EVERY), Some(at(60)));
    wait(&mut queue, at(60));
    let given_up = sent(&mut queue, at(60));
    assert!(given_up[0].1.contains("Reconnect"), "{given_up:?}");
    assert_eq!(given_up.len(), 1);
    wait(&mut queue, at(200));
    assert_eq!(sent(&mut queue, at(200)), []);
}

#[test]
fn connections_that_end_with_messages_under_way_make_messages_wait_longer_each_time() {
    let mut queue = Queue::default();
    let (mut now, mut waits) = (at(0), Vec::new());
    for _ in 0..10 {
        queue.push(now, named("x"));
        queue.handle_up();
        let begun = now;
        while sent(&mut queue, now).is_empty() {
            now = now + Duration::from_secs(1);
        }
        waits.push(now.since(begun).as_secs());
        queue.handle_down(now);
    }
    assert_eq!(waits, [0, 0, 10, 20, 40, 80, 160, 320, 640, 900]);
    // An acknowledgement ends it.
    queue.handle_up();
    now = now + Duration::from_secs(900);
    let last = sent(&mut queue, now);
    queue.handle_stored(now, last[0].0);
    queue.handle_down(now);
    queue.handle_up();
    assert!(!sent(&mut queue, now).is_empty());
}

#[test]
fn what_cannot_be_kept_is_kept_later_and_the_fault_is_told_once() {
    let mut queue = Queue::default();
    let fails = || RingEvent::Failed { request: RingFailed::Keep, reason: "full".into() };
    queue.push(at(0), named("1"));
    wait(&mut queue, at(0));
    asked(&mut queue);
    assert_eq!(queue.handle_ring(at(0), fails()).fault, Some("full".into()));
    queue.push(at(5), named("2"));
    wait(&mut queue, at(5));
    assert_eq!(asked(&mut queue), [""; 0]);
    assert_eq!(queue.poll_timeout(SEND_EVERY), Some(at(30)));
    wait(&mut queue, at(30));
    assert_eq!(asked(&mut queue), ["keep 1 2"]);
    assert_eq!(queue.handle_ring(at(31), fails()).fault, None);
    wait(&mut queue, at(61));
    assert_eq!(asked(&mut queue), ["keep 1 2"]);
    let heard = queue.handle_ring(at(62), RingEvent::Kept { first: 1, holds: holds(2), dropped: 0 });
    assert!(heard.mended);
}

#[test]
fn memory_is_bounded_though_nothing_can_be_kept_and_the_loss_is_counted() {
    let mut queue = Queue::default();
    let long = || Message { bytes: 3_800, records: 30, ..named("x") };
    let mut lost = 0;
    for number in 0..1000 {
        queue.push(at(number), long());
        lost += queue.handle_timeout(at(number), SEND_EVERY, None);
        if !asked(&mut queue).is_empty() {
            let fails = RingEvent::Failed { request: RingFailed::Keep, reason: "full".into() };
            lost += queue.handle_ring(at(number), fails).dropped;
        }
        lost += queue.handle_timeout(at(number), SEND_EVERY, None);
    }
    assert!(queue.waiting().in_memory * 3_800 <= 256 * 1024, "{:?}", queue.waiting());
    assert_eq!(lost + queue.waiting().in_memory * 30, 30_000, "{:?}", queue.waiting());
    assert_eq!(queue.take_untold(), lost);
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
