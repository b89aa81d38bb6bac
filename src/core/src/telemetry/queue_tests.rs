//! The queue by itself, between a hub and a ring.

use super::queue::{Queue, WINDOW};
use super::tests::{BOOT, BOOTED, alarm, named};
use super::{Holds, Message, RingEvent, RingFailed, RingRequest, Waiting};
use crate::control::fixtures::at;
use crate::twin::{DeviceMessage, HubRequest};
use crate::units::BootTime;
use core::time::Duration;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

#[path = "backlog_tests.rs"]
mod backlog;

const SEND_EVERY: Duration = Duration::from_secs(300);

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
    assert_eq!(queue.waiting(), Waiting::default());
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
    assert_eq!(queue.waiting(), Waiting { in_memory: 0, ring: holds(2) });
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
    assert_eq!(queue.waiting(), Waiting::default());
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

/// The hub and the ring, as the queue sees them.
#[derive(Default)]
struct World {
    up: bool,
    now: u64,
    made: u64,
    under_way: Vec<(u64, DeviceMessage)>,
    ring: BTreeMap<u64, Message>,
    /// What became of requests to the ring, before the queue hears of it.
    outcomes: VecDeque<RingEvent>,
    last: u64,
    arrived: BTreeMap<String, u32>,
}

impl World {
    fn lose_connection(&mut self, queue: &mut Queue) {
        self.up = false;
        // Some had arrived.
        let half = self.under_way.len() / 2;
        for (_, message) in self.under_way.drain(..).take(half) {
            *self.arrived.entry(message.id).or_default() += 1;
        }
        queue.handle_down(at(self.now));
        wait(queue, at(self.now));
    }

    fn serve(&mut self, queue: &mut Queue, disk_works: bool) {
        wait(queue, at(self.now));
        if queue.has_to_open(at(self.now)) {
            queue.open(at(self.now), "x".into(), 1);
        }
        loop {
            if let Some(request) = queue.poll_ring() {
                self.serve_ring(request, disk_works);
            } else if let Some(request) = queue.poll_hub(at(self.now), Some(BOOT), None) {
                match request {
                    HubRequest::SendMessage { number, message } => self.under_way.push((number, message)),
                    _ => self.lose_connection(queue),
                }
            } else {
                return;
            }
        }
    }

    /// The disk takes a while.
    fn tell_outcomes(&mut self, queue: &mut Queue) {
        while let Some(event) = self.outcomes.pop_front() {
            queue.handle_ring(at(self.now), event);
            wait(queue, at(self.now));
        }
    }

    fn serve_ring(&mut self, request: RingRequest, disk_works: bool) {
        let event = match request {
            RingRequest::Forget { number } => return drop(self.ring.remove(&number)),
            RingRequest::Keep(_) if !disk_works => {
                RingEvent::Failed { request: RingFailed::Keep, reason: "full".into() }
            }
            RingRequest::Keep(messages) => {
                let first = self.last + 1;
                for message in messages {
                    self.last += 1;
                    self.ring.insert(self.last, message);
                }
                RingEvent::Kept { first, holds: holds(self.ring.len() as u64), dropped: 0 }
            }
            RingRequest::Read { after } => {
                let next = self.ring.range(after + 1..).take(2);
                let messages = next.map(|(number, message)| (*number, message.clone())).collect();
                RingEvent::Read { messages, lost: 0 }
            }
            RingRequest::Open { .. } if !disk_works => {
                RingEvent::Failed { request: RingFailed::Open, reason: "full".into() }
            }
            RingRequest::Open { .. } => {
                RingEvent::Opened { holds: holds(self.ring.len() as u64), boots: vec![], lost: 0 }
            }
        };
        self.outcomes.push_back(event);
    }
}

proptest! {
    #[test]
    fn whatever_happens_each_message_arrives_in_the_end_and_no_deadline_is_missed(
        steps in proptest::collection::vec((0_u8..8, 0_u64..200), 1..150),
    ) {
        let (mut queue, mut world) = (Queue::default(), World::default());
        let calm = (0..600).map(|_| (9, 10));
        for (what, seconds) in steps.into_iter().chain(calm) {
            match what {
                0 | 1 => {
                    world.made += 1;
                    let id = format!("{}", world.made);
                    queue.push(at(world.now), if what == 0 { alarm(&id) } else { named(&id) });
                }
                2 | 9 if !world.up => {
                    world.up = true;
                    queue.handle_up();
                }
                3 if world.up => world.lose_connection(&mut queue),
                4 | 9 => {
                    for (number, message) in core::mem::take(&mut world.under_way) {
                        *world.arrived.entry(message.id).or_default() += 1;
                        queue.handle_stored(at(world.now), number);
                    }
                }
                5 => world.tell_outcomes(&mut queue),
                _ => {}
            }
            if what == 9 {
                world.tell_outcomes(&mut queue);
            }
            world.serve(&mut queue, what != 7);
            let due = queue.poll_timeout(SEND_EVERY);
            prop_assert!(due.is_none_or(|due| due > at(world.now)), "{due:?} is not after {}", world.now);
            prop_assert!(world.under_way.len() <= WINDOW);
            world.now += seconds;
        }
        prop_assert_eq!(world.arrived.len() as u64, world.made);
        prop_assert!(world.ring.is_empty());
        prop_assert_eq!(queue.waiting(), Waiting::default());
    }
}
