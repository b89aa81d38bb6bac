//! How the backlog is read while other things happen.

use super::{Waiting, alarm, asked, holds, ids, named, sent, wait};
use crate::control::fixtures::at;
use crate::telemetry::queue::Queue;
use crate::telemetry::{Message, RingEvent};

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
