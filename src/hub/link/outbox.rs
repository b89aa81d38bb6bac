//! What waits until the session takes it, in order, and how many direct methods are under way.
//!
//! A *call* of a direct method is under way from its arrival until its answer is given to the session. [`CALLS_MAX`] may be; each
//! further one is refused with 429, because a caller without an answer waits for half a minute and learns nothing. *Telemetry*
//! waits behind all else, because people and the twin's state machine wait for answers, and nobody waits for it. Everything here is
//! bounded, whatever the hub sends and however slowly it reads.

use crate::hub::Message;
use crate::hub::azure;
use crate::hub::wire::Delivery;
use crate::twin::HubEvent;
use std::collections::VecDeque;

/// Calls under way at most.
pub(super) const CALLS_MAX: usize = 64;
/// The most requests about the twin that wait. Beyond that the oldest is dropped: the core misses its answer and asks again.
const REQUESTS_MAX: usize = 8;
/// The most telemetry that waits, which is more than the core has under way. Beyond that the oldest is dropped: the core misses its
/// acknowledgement, asks for a reconnect, and sends it again.
const TELEMETRY_MAX: usize = 8;
/// The most refusals that wait, each of less than half a kibibyte.
const REFUSALS_MAX: usize = 1024;

/// What a message is that goes out before all telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request about the twin.
    Request,
    /// The answer to a call.
    Answer,
    /// The refusal of a call.
    Refusal,
}

/// The messages of one session that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Kind, Message)>,
    /// Each with its number.
    telemetry: VecDeque<(u64, Message)>,
    calls: usize,
    /// It was logged that calls are lost.
    told: bool,
}

impl Outbox {
    /// Passes an event on, unless it is a call too many, which is refused here.
    pub(super) fn admit(&mut self, event: HubEvent) -> Option<HubEvent> {
        let HubEvent::Method { rid, .. } = &event else { return Some(event) };
        if self.calls < CALLS_MAX {
            self.calls += 1;
            return Some(event);
        }
        let payload = format!(r#"{{"error":"{CALLS_MAX} calls are under way already: try again later"}}"#);
        let refusal = azure::answer_call(rid, 429, payload.into_bytes());
        self.push(Kind::Refusal, refusal);
        None
    }

    /// Takes a message.
    pub(super) fn push(&mut self, kind: Kind, message: Message) {
        let waiting = self.waiting.iter().filter(|(other, _)| *other == kind).count();
        match kind {
            Kind::Request if waiting == REQUESTS_MAX => {
                let oldest = self.waiting.iter().position(|(other, _)| *other == Kind::Request);
                oldest.and_then(|oldest| self.waiting.remove(oldest));
                tracing::debug!("a request was dropped before it could be sent");
            }
            Kind::Refusal if waiting == REFUSALS_MAX => {
                if !core::mem::replace(&mut self.told, true) {
                    tracing::warn!(
                        "more direct methods are called at once than can be refused: some get no answer"
                    );
                }
                return;
            }
            _ => {}
        }
        self.waiting.push_back((kind, message));
    }

    /// Takes telemetry, with its number.
    pub(super) fn push_telemetry(&mut self, number: u64, message: Message) {
        if self.telemetry.len() == TELEMETRY_MAX {
            self.telemetry.pop_front();
            tracing::debug!("telemetry was dropped before it could be sent");
        }
        self.telemetry.push_back((number, message));
    }

    /// Passes messages to `take` in order, telemetry last, until it refuses one.
    pub(super) fn flush(&mut self, mut take: impl FnMut(&Message, Delivery) -> bool) {
        while let Some((kind, message)) = self.waiting.front() {
            if !take(message, Delivery::Once) {
                return;
            }
            if *kind == Kind::Answer {
                self.calls = self.calls.saturating_sub(1);
            }
            self.waiting.pop_front();
        }
        while let Some((number, message)) = self.telemetry.front() {
            if !take(message, Delivery::Acknowledged(*number)) {
                return;
            }
            self.telemetry.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn call(number: usize) -> HubEvent {
        HubEvent::Method { rid: number.to_string(), name: "status".into(), argument: Value::Null }
    }

    fn message(topic: &str) -> Message {
        Message { topic: topic.into(), payload: Vec::new() }
    }

    fn flushed(outbox: &mut Outbox) -> Vec<String> {
        let mut topics = Vec::new();
        outbox.flush(|message, _| {
            topics.push(message.topic.clone());
            true
        });
        topics
    }

    #[test]
    fn telemetry_waits_behind_all_else_and_keeps_its_order_and_its_numbers() {
        let mut outbox = Outbox::default();
        outbox.push_telemetry(7, message("t7"));
        outbox.push(Kind::Refusal, message("refusal"));
        outbox.push_telemetry(5, message("t5"));
        outbox.push(Kind::Request, message("request"));
        let mut passed = Vec::new();
        outbox.flush(|message, delivery| {
            passed.push((message.topic.clone(), delivery));
            passed.len() < 4
        });
        // The fourth was refused, so it waits.
        outbox.push(Kind::Answer, message("answer"));
        outbox.flush(|message, delivery| {
            passed.push((message.topic.clone(), delivery));
            true
        });
        let expected = [
            ("refusal", Delivery::Once),
            ("request", Delivery::Once),
            ("t7", Delivery::Acknowledged(7)),
            ("t5", Delivery::Acknowledged(5)),
            ("answer", Delivery::Once),
            ("t5", Delivery::Acknowledged(5)),
        ];
        assert_eq!(passed, expected.map(|(topic, delivery)| (topic.to_owned(), delivery)));
    }

    #[test]
    fn telemetry_too_much_takes_the_place_of_the_oldest_and_of_nothing_else() {
        let mut outbox = Outbox::default();
        (0..REQUESTS_MAX).for_each(|_| outbox.push(Kind::Request, message("request")));
        (0..TELEMETRY_MAX as u64 + 2)
            .for_each(|number| outbox.push_telemetry(number, message(&number.to_string())));
        let topics = flushed(&mut outbox);
        assert_eq!(topics.len(), REQUESTS_MAX + TELEMETRY_MAX);
        assert_eq!(&topics[REQUESTS_MAX..], ["2", "3", "4", "5", "6", "7", "8", "9"]);
    }

    #[test]
    fn sixty_four_calls_are_under_way_and_each_further_one_is_refused_by_its_id() {
        let mut outbox = Outbox::default();
        let passed: Vec<_> = (0..100).filter_map(|number| outbox.admit(call(number))).collect();
        assert_eq!(passed, (0..64).map(call).collect::<Vec<_>>());
        let refused: Vec<_> = (64..100).map(|n| format!("$iothub/methods/res/429/?$rid={n}")).collect();
        assert_eq!(flushed(&mut outbox), refused);
    }

    #[test]
    fn a_call_is_over_once_its_answer_was_handed_on_and_not_before() {
        let mut outbox = Outbox::default();
        (0..CALLS_MAX).for_each(|number| assert!(outbox.admit(call(number)).is_some()));
        outbox.push(Kind::Answer, message("answer"));
        outbox.flush(|_, _| false);
        assert_eq!(outbox.admit(call(100)), None);
        assert_eq!(flushed(&mut outbox).len(), 2);
        assert!(outbox.admit(call(101)).is_some());
        assert_eq!(outbox.admit(call(102)), None);
    }

    #[test]
    fn a_request_too_many_takes_the_place_of_the_oldest_and_of_no_answer() {
        let mut outbox = Outbox::default();
        (0..CALLS_MAX).for_each(|_| outbox.push(Kind::Answer, message("answer")));
        (0..=REQUESTS_MAX).for_each(|number| outbox.push(Kind::Request, message(&number.to_string())));
        let topics = flushed(&mut outbox);
        assert_eq!(topics.len(), CALLS_MAX + REQUESTS_MAX);
        assert_eq!(&topics[CALLS_MAX..], ["1", "2", "3", "4", "5", "6", "7", "8"]);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_whatever_is_called() {
        let mut outbox = Outbox::default();
        // Longer ids are no calls, see `topic`.
        let rid = "r".repeat(azure::topic::METHOD_BYTES_MAX);
        for _ in 0..100_000 {
            outbox.admit(HubEvent::Method { rid: rid.clone(), name: "x".into(), argument: Value::Null });
        }
        let bytes = |(_, message): &(Kind, Message)| message.topic.len() + message.payload.len();
        assert!(outbox.waiting.iter().map(bytes).sum::<usize>() < 512 * 1024);
    }
}
