//! The messages of one session that wait for the other end's acknowledgement.
//!
//! The MQTT library does not say which packet id a message gets. But it sends in the order of its queue, and says the id of each
//! message as it leaves.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// How many packet ids there are. They are used in turn.
    packet_ids: usize,
    /// In the library's queue, in order.
    queued: VecDeque<u64>,
    /// Sent, in order, with the packet id; `None` once acknowledged. The first one is not.
    sent: VecDeque<(u16, Option<u64>)>,
}

impl UnderWay {
    pub(super) fn new(packet_ids: u16) -> Self {
        Self { packet_ids: packet_ids.into(), queued: VecDeque::new(), sent: VecDeque::new() }
    }

    /// Whether there is room for one more. What counts is how many there are since the oldest one that is not acknowledged, itself
    /// included: so no packet id comes into use twice and one is always free, whatever the other end acknowledges first or not at all.
    pub(super) fn has_room(&self) -> bool {
        self.queued.len() + self.sent.len() + 1 < self.packet_ids
    }

    /// A message was put into the library's queue.
    pub(super) fn handle_queued(&mut self, number: u64) {
        self.queued.push_back(number);
    }

    /// The first one in the queue was sent.
    pub(super) fn handle_sent(&mut self, packet_id: u16) {
        let number = self.queued.pop_front();
        self.sent.extend(number.map(|number| (packet_id, Some(number))));
    }

    /// Returns the number of the message that is acknowledged, unless none is.
    pub(super) fn handle_acknowledged(&mut self, packet_id: u16) -> Option<u64> {
        let (_, number) = self.sent.iter_mut().find(|(id, number)| *id == packet_id && number.is_some())?;
        let number = number.take();
        while self.sent.front().is_some_and(|(_, number)| number.is_none()) {
            self.sent.pop_front();
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDS: u16 = 8;

    /// Sends messages for as long as there is room; the library's next packet id is `next`.
    fn fill(under_way: &mut UnderWay, next: &mut u16, number: &mut u64) {
        while under_way.has_room() {
            under_way.handle_queued(*number);
            under_way.handle_sent(*next);
            (*number, *next) = (*number + 1, *next % IDS + 1);
        }
    }

    #[test]
    fn one_that_is_never_acknowledged_leaves_room_for_six_more_and_keeps_one_packet_id_free() {
        let (mut under_way, mut next, mut number) = (UnderWay::new(IDS), 2, 0);
        fill(&mut under_way, &mut next, &mut number);
        assert_eq!((number, next), (7, 1));
        let acknowledged: Vec<_> = (3..=8).filter_map(|id| under_way.handle_acknowledged(id)).collect();
        assert_eq!(acknowledged, [1, 2, 3, 4, 5, 6]);
        assert!(!under_way.has_room());
        assert_eq!(under_way.handle_acknowledged(2), Some(0));
        fill(&mut under_way, &mut next, &mut number);
        assert_eq!(number, 14);
    }

    #[test]
    fn an_acknowledgement_counts_once() {
        let mut under_way = UnderWay::new(IDS);
        under_way.handle_queued(5);
        assert_eq!(under_way.handle_acknowledged(1), None, "it is not sent yet");
        under_way.handle_sent(1);
        assert_eq!(under_way.handle_acknowledged(2), None);
        assert_eq!(under_way.handle_acknowledged(1), Some(5));
        assert_eq!(under_way.handle_acknowledged(1), None);
    }

    proptest! {
        #[test]
        fn in_whatever_order_they_are_acknowledged_each_is_known_and_no_packet_id_is_in_use_twice(
            choices in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let (mut under_way, mut next, mut number) = (UnderWay::new(IDS), 1, 0);
            let mut in_use: Vec<(u16, u64)> = Vec::new();
            for choice in choices {
                while under_way.has_room() {
                    prop_assert!(in_use.iter().all(|(id, _)| *id != next), "{next} of {in_use:?}");
                    in_use.push((next, number));
                    under_way.handle_queued(number);
                    under_way.handle_sent(next);
                    (number, next) = (number + 1, next % IDS + 1);
                }
                prop_assert!(in_use.len() < IDS.into());
                let (id, expected) = in_use.remove(choice.index(in_use.len()));
                prop_assert_eq!(under_way.handle_acknowledged(id), Some(expected));
            }
        }
    }
}
