//! How the backlog is read while other things happen.

use super::{BOOT, SEND_EVERY, Waiting, alarm, asked, holds, ids, named, sent, wait};
use crate::control::fixtures::at;
use crate::telemetry::queue::{Queue, WINDOW};
use crate::telemetry::{Message, RingEvent, RingFailed, RingRequest};
use crate::twin::{DeviceMessage, HubRequest};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn read(names: &[u64]) -> RingEvent {
    let messages: Vec<(u64, Message)> =
        names.iter().map(|number| (*number, named(&format!("old {number}")))).collect();
    RingEvent::Read { messages, lost: 0 }
}

/// Connected, with so many messages in the ring, of which the first two were read.
fn with_backlog(messages: u64) -> Queue {
    let mut queue = Queue::default();
    queue.handle_ring(at(0), RingEvent::Opened { holds: holds(messages), boots: vec![], lost: 0 });
    queue.handle_up();
    wait(&mut queue, at(0));
    assert_eq!(asked(&mut queue), ["read 0"]);
    queue.handle_ring(at(0), read(&[1, 2]));
    queue
}

#[test]
fn an_alarm_that_is_kept_meanwhile_does_not_put_off_what_was_read() {
    let mut queue = with_backlog(2);
    let first = sent(&mut queue, at(0));
    assert_eq!(ids(&first), ["old 1"]);
    queue.push(at(0), alarm("alarm"));
    sent(&mut queue, at(0));
    wait(&mut queue, at(10));
    assert_eq!(asked(&mut queue), ["keep alarm"]);
    queue.handle_ring(at(10), RingEvent::Kept { first: 3, holds: holds(3), dropped: 0 });
    queue.handle_stored(at(11), first[0].0);
    assert_eq!(ids(&sent(&mut queue, at(30))), ["old 2"]);
}

#[test]
fn what_was_read_for_an_earlier_connection_is_read_again() {
    let mut queue = Queue::default();
    queue.handle_ring(at(0), RingEvent::Opened { holds: holds(2), boots: vec![], lost: 0 });
    queue.handle_up();
    wait(&mut queue, at(0));
    assert_eq!(asked(&mut queue), ["read 0"]);
    queue.handle_down(at(1));
    queue.push(at(1), named("3"));
    wait(&mut queue, at(1));
    queue.handle_ring(at(2), read(&[1, 2]));
    queue.handle_ring(at(3), RingEvent::Kept { first: 3, holds: holds(3), dropped: 0 });
    queue.handle_up();
    wait(&mut queue, at(4));
    assert_eq!(asked(&mut queue), ["keep 3", "read 0"]);
    queue.handle_ring(at(4), read(&[1, 2]));
    assert_eq!(ids(&sent(&mut queue, at(4))), ["old 1"]);
}

#[test]
fn what_gives_way_while_it_is_under_way_leaves_nothing_behind_unread() {
    let mut queue = with_backlog(2);
    let first = sent(&mut queue, at(0));
    queue.push(at(0), alarm("alarm"));
    let alarm = sent(&mut queue, at(0));
    wait(&mut queue, at(10));
    asked(&mut queue);
    // The ring is full: the first message gives way to the alarm.
    queue.handle_ring(at(10), RingEvent::Kept { first: 3, holds: holds(2), dropped: 7 });
    queue.handle_stored(at(11), first[0].0);
    queue.handle_stored(at(11), alarm[0].0);
    wait(&mut queue, at(30));
    assert_eq!(asked(&mut queue), ["forget 1", "forget 3"]);
    let second = sent(&mut queue, at(30));
    assert_eq!(ids(&second), ["old 2"]);
    queue.handle_stored(at(31), second[0].0);
    wait(&mut queue, at(60));
    assert_eq!(asked(&mut queue), ["forget 2", "read 2"]);
    queue.handle_ring(at(60), read(&[]));
    assert_eq!(queue.waiting(), Waiting::default());
    assert_eq!(asked(&mut queue), [""; 0]);
}

/// The hub and the ring, as the queue sees them.
#[derive(Default)]
struct World {
    up: bool,
    now: u64,
    made: u64,
    under_way: Vec<(u64, DeviceMessage)>,
    ring: BTreeMap<u64, Message>,
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
            queue.open(at(self.now), String::new(), 65_536);
        }
        loop {
            if let Some(request) = queue.poll_ring() {
                self.serve_ring(queue, request, disk_works);
                wait(queue, at(self.now));
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

    fn serve_ring(&mut self, queue: &mut Queue, request: RingRequest, disk_works: bool) {
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
        queue.handle_ring(at(self.now), event);
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
                _ => {}
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
