//! Whatever happens to the queue, in any order.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

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
    acknowledged: BTreeSet<String>,
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
            queue.open(at(self.now), String::new(), 1 << 20);
        }
        loop {
            if let Some(request) = queue.poll_ring() {
                self.serve_ring(queue, request, disk_works);
                wait(queue, at(self.now));
            } else if let Some(request) = queue.poll_hub(at(self.now), Some(BOOT), None) {
                match request {
                    HubRequest::SendMessage { number, message } => self.send(number, message),
                    _ => self.lose_connection(queue),
                }
            } else {
                return;
            }
        }
    }

    fn send(&mut self, number: u64, message: DeviceMessage) {
        assert!(self.under_way.iter().all(|(_, other)| other.id != message.id), "it is under way");
        assert!(!self.acknowledged.contains(&message.id), "it is acknowledged");
        self.under_way.push((number, message));
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
            RingRequest::Open { .. } => {
                // As if somebody had replaced the disk by a copy.
                let messages = core::mem::take(&mut self.ring).into_values();
                self.ring = (self.last + 1..).zip(messages).collect();
                self.last += self.ring.len() as u64;
                RingEvent::Opened { holds: holds(self.ring.len() as u64), boots: Vec::new(), lost: 0 }
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
                        *world.arrived.entry(message.id.clone()).or_default() += 1;
                        world.acknowledged.insert(message.id);
                        queue.handle_stored(at(world.now), number);
                    }
                }
                // A reload.
                6 => queue.open(at(world.now), String::new(), 1 << 20),
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
        prop_assert_eq!(queue.waiting(), crate::telemetry::Waiting::default());
    }
}
