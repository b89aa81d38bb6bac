//! Requests out, events in: matches the hub's answers to its requests, for one session.
//!
//! An answer is read by its request, because the hub answers a report and a fetch on the same kind of topic. An answer without a
//! request is ignored: the request was given up. Time-outs are the core's.

use super::codec::{self, Twin};
use super::topic::{self, Incoming};
use crate::hub::Message;
use crate::hub::foreign::shorten;
use crate::twin::{DeviceMessage, HubEvent, HubRequest, json};
use core::time::Duration;

/// The most requests whose answers are awaited; older ones are given up.
const ASKED_MAX: usize = 8;

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub(in crate::hub) enum Asked {
    /// This is to be sent.
    Send(Message),
    /// The hub need not be asked.
    Answered(HubEvent),
    /// It is not for the hub.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Question {
    Twin,
    Report,
}

/// The questions of one session that are not answered yet.
#[derive(Debug, Default)]
pub(in crate::hub) struct Exchange {
    device_id: String,
    asked: Vec<(u64, Question)>,
}

impl Exchange {
    /// A session of this device begins.
    pub(in crate::hub) fn of(device_id: &str) -> Self {
        Self { device_id: device_id.to_owned(), asked: Vec::new() }
    }

    /// Notes a request and returns what to send.
    pub(in crate::hub) fn ask(&mut self, request: &HubRequest) -> Asked {
        let (rid, question, message) = match request {
            HubRequest::GetTwin { rid } => {
                (*rid, Question::Twin, Message { topic: topic::get_twin(*rid), payload: Vec::new() })
            }
            HubRequest::PatchReported { rid, patch } => match codec::write_patch(patch) {
                Ok(payload) => {
                    (*rid, Question::Report, Message { topic: topic::patch_reported(*rid), payload })
                }
                Err(fault) => {
                    return Asked::Answered(HubEvent::Rejected {
                        rid: *rid,
                        status: 413,
                        message: fault.to_string(),
                        retry_after: None,
                    });
                }
            },
            HubRequest::AnswerMethod { rid, status, payload } => {
                let answer = json::write(payload).into_bytes();
                // A hub ends the session of a device that sends more.
                let (status, payload) = match answer.len() {
                    ..=codec::ANSWER_BYTES_MAX => (*status, answer),
                    _ => (413, br#"{"error":"the answer is larger than the hub takes"}"#.to_vec()),
                };
                return Asked::Send(answer_call(rid, status, payload));
            }
            HubRequest::SendMessage { message, .. } => return Asked::Send(self.send(message)),
            HubRequest::Reconnect { .. } => return Asked::Nothing,
        };
        if self.asked.len() == ASKED_MAX {
            self.asked.remove(0);
        }
        self.asked.push((rid, question));
        Asked::Send(message)
    }

    /// A message as it is sent. The hub answers it by MQTT's acknowledgement alone, and a message that it does not take by the end
    /// of the session; so one that is too large for it would come back for ever. It goes out without its records instead.
    fn send(&self, message: &DeviceMessage) -> Message {
        let payload = match message.body.len() {
            ..=codec::BODY_BYTES_MAX => message.body.as_bytes().to_vec(),
            bytes => {
                tracing::warn!(
                    "telemetry message {} has {bytes} bytes, more than the hub takes: it is sent without its records, which are lost",
                    shorten(&message.id)
                );
                b"[]".to_vec()
            }
        };
        Message { topic: topic::send_message(&self.device_id, message), payload }
    }

    /// Reads a call of a direct method; `None` for anything else.
    pub(in crate::hub) fn read_call(topic: &str, payload: &[u8]) -> Option<HubEvent> {
        match topic::parse(topic) {
            Incoming::Method { name, rid } => Some(call(name, rid, payload)),
            _ => None,
        }
    }

    /// Reads what the hub published; `None` if it is not about the twin or nobody waits for it.
    pub(in crate::hub) fn read(&mut self, topic: &str, payload: &[u8]) -> Option<HubEvent> {
        match topic::parse(topic) {
            Incoming::Response { status, rid, retry_after, .. } => {
                let Some(position) = self.asked.iter().position(|(asked, _)| *asked == rid) else {
                    tracing::debug!(rid, status, "an answer that nobody waits for");
                    return None;
                };
                let (_, question) = self.asked.remove(position);
                Some(answer(rid, question, status, retry_after, payload))
            }
            Incoming::Desired { version } => Some(match codec::read_desired(payload, version) {
                Ok((version, patch)) => HubEvent::DesiredDelta { version, patch },
                Err(fault) => garbled(format!("the hub's notification: {fault}")),
            }),
            Incoming::Method { name, rid } => Some(call(name, rid, payload)),
            Incoming::Unreadable => Some(garbled(format!("the hub's topic {}", shorten(topic)))),
            Incoming::Foreign => {
                tracing::debug!(topic = shorten(topic), "a message that is not about the twin");
                None
            }
        }
    }
}

/// The answer to a call of a direct method.
pub(in crate::hub) fn answer_call(rid: &str, status: u16, payload: Vec<u8>) -> Message {
    Message { topic: topic::answer_method(rid, status), payload }
}

fn call(name: &str, rid: &str, payload: &[u8]) -> HubEvent {
    let (rid, name) = (rid.to_owned(), name.to_owned());
    HubEvent::Method { rid, name, argument: codec::read_argument(payload) }
}

/// Any status below 300 is success, as the stock clients take it; a report's is 204, and was 200 once.
fn answer(
    rid: u64,
    question: Question,
    status: u16,
    retry_after: Option<Duration>,
    payload: &[u8],
) -> HubEvent {
    match (status, question) {
        (200..=299, Question::Report) => HubEvent::ReportedAck { rid },
        (200..=299, Question::Twin) => match codec::read_twin(payload) {
            Ok(Twin { desired, desired_version, reported }) => {
                HubEvent::Twin { rid, desired, desired_version, reported }
            }
            Err(fault) => garbled(format!("the hub's answer: {fault}")),
        },
        (400.., _) => HubEvent::Rejected { rid, status, message: codec::read_refusal(payload), retry_after },
        _ => garbled(format!("the hub's answer has the status {status}, which means nothing here")),
    }
}

fn garbled(reason: String) -> HubEvent {
    HubEvent::Garbled { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{Patch, Version};
    use serde_json::json;

    fn patch(value: &serde_json::Value) -> Patch {
        Patch::from_object(value.as_object().unwrap().clone())
    }

    fn asking(requests: &[HubRequest]) -> Exchange {
        let mut exchange = Exchange::default();
        for request in requests {
            exchange.ask(request);
        }
        exchange
    }

    fn is_garbled(event: Option<&HubEvent>) -> bool {
        matches!(event, Some(HubEvent::Garbled { .. }))
    }

    #[test]
    fn a_report_goes_out_as_its_patch() {
        let request = HubRequest::PatchReported { rid: 4, patch: patch(&json!({"a": null})) };
        let Asked::Send(message) = Exchange::default().ask(&request) else { panic!("not sent") };
        assert_eq!(message.topic, "$iothub/twin/PATCH/properties/reported/?$rid=4");
        assert_eq!(message.payload, br#"{"a":null}"#);
    }

    #[test]
    fn a_message_goes_out_as_its_body_and_waits_for_no_answer_here() {
        let message =
            DeviceMessage {
                id: "m1".into(), body: r#"[{"sensor":"ä"}]"#.into(), ..DeviceMessage::default()
            };
        let mut exchange = Exchange::of("MyTwinDevice");
        let Asked::Send(sent) = exchange.ask(&HubRequest::SendMessage { number: 7, message }) else {
            panic!("not sent")
        };
        assert!(sent.topic.starts_with("devices/MyTwinDevice/messages/events/%24.mid=m1&"), "{}", sent.topic);
        assert_eq!(sent.payload, r#"[{"sensor":"ä"}]"#.as_bytes());
        assert!(exchange.asked.is_empty());
    }

    #[test]
    fn a_message_that_no_hub_would_take_goes_out_without_its_records() {
        let body = |bytes: usize| DeviceMessage { body: "x".repeat(bytes), ..DeviceMessage::default() };
        for (bytes, sent) in [(codec::BODY_BYTES_MAX, codec::BODY_BYTES_MAX), (codec::BODY_BYTES_MAX + 1, 2)]
        {
            let request = HubRequest::SendMessage { number: 1, message: body(bytes) };
            let Asked::Send(message) = Exchange::of("d").ask(&request) else { panic!("not sent") };
            assert_eq!(message.payload.len(), sent);
        }
    }

    #[test]
    fn the_same_status_answers_each_question_in_its_own_way() {
        let report = HubRequest::PatchReported { rid: 2, patch: patch(&json!({"a": 1})) };
        let mut exchange = asking(&[HubRequest::GetTwin { rid: 1 }, report]);
        let acknowledged = exchange.read("$iothub/twin/res/200/?$rid=2", b"");
        assert_eq!(acknowledged, Some(HubEvent::ReportedAck { rid: 2 }));
        let twin = exchange.read("$iothub/twin/res/200/?$rid=1", br#"{"desired":{"$version":3}}"#);
        assert!(matches!(twin, Some(HubEvent::Twin { rid: 1, desired_version: Version(3), .. })), "{twin:?}");
    }

    #[test]
    fn an_answer_counts_once_and_only_if_it_was_asked_for() {
        let mut exchange = asking(&[HubRequest::GetTwin { rid: 1 }]);
        assert_eq!(exchange.read("$iothub/twin/res/204/?$rid=9", b""), None);
        assert!(exchange.read("$iothub/twin/res/429/?$rid=1", b"").is_some());
        assert_eq!(exchange.read("$iothub/twin/res/429/?$rid=1", b""), None);
    }

    #[test]
    fn a_refusal_carries_status_words_and_the_time_that_it_names() {
        let body = br#"{"errorCode":429001,"message":"slow"}"#;
        for (tail, retry_after) in [("", None), ("&retry-after=7", Some(Duration::from_secs(7)))] {
            let mut exchange = asking(&[HubRequest::GetTwin { rid: 1 }]);
            let refused = exchange.read(&format!("$iothub/twin/res/429/?$rid=1{tail}"), body);
            let message = "429001: slow".to_owned();
            assert_eq!(refused, Some(HubEvent::Rejected { rid: 1, status: 429, message, retry_after }));
        }
    }

    #[test]
    fn what_cannot_be_read_is_garbled() {
        let mut exchange = asking(&[HubRequest::GetTwin { rid: 1 }, HubRequest::GetTwin { rid: 2 }]);
        assert!(is_garbled(exchange.read("$iothub/twin/res/200/?$rid=1", b"nonsense").as_ref()));
        assert!(is_garbled(exchange.read("$iothub/twin/res/302/?$rid=2", b"").as_ref()));
        assert!(is_garbled(exchange.read("$iothub/twin/res/200/?$rid=other", b"").as_ref()));
        assert!(is_garbled(
            exchange.read("$iothub/twin/PATCH/properties/desired/?$version=2", b"[1]").as_ref()
        ));
    }

    #[test]
    fn what_is_not_about_the_twin_is_passed_over() {
        assert_eq!(Exchange::default().read("devices/d/messages/devicebound/x=y", b"words"), None);
    }

    #[test]
    fn questions_without_answers_do_not_pile_up() {
        let many: Vec<_> = (0..100).map(|rid| HubRequest::GetTwin { rid }).collect();
        let mut exchange = asking(&many);
        assert_eq!(exchange.asked.len(), ASKED_MAX);
        assert!(exchange.read("$iothub/twin/res/500/?$rid=99", b"").is_some());
    }

    #[test]
    fn a_report_that_no_hub_would_take_is_refused_here() {
        // Control characters do not count towards a section's size, but take six bytes each on the wire.
        let text = "\u{1}".repeat(4096);
        let many: serde_json::Map<_, _> = (0..16).map(|i| (format!("k{i}"), json!(text))).collect();
        let request = HubRequest::PatchReported { rid: 5, patch: Patch::from_object(many) };
        let refused = Exchange::default().ask(&request);
        assert!(
            matches!(refused, Asked::Answered(HubEvent::Rejected { rid: 5, status: 413, .. })),
            "{refused:?}"
        );
    }
}
