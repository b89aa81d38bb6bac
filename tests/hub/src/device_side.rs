//! How the hub handles each packet of a connected device. Its answers go through the link's outbox while the state is
//! locked, so that answers and notifications leave in the order in which the twin changed.

use crate::{
    behaviour::{Behaviour, TwinAnswers},
    clock,
    errors::device_error_body,
    events::{CloseReason, Event},
    faults::{Answer, NoticeFault},
    state::{Device, Link, MethodReply, Outgoing, Shared},
    topic::{self, Request},
    twin::{Notification, TwinError},
};
use rumqttc::{Packet, PubAck, Publish, QoS, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe};
use serde_json::Value;
use std::time::Duration;

/// Largest response to a method, in bytes.
const MAX_METHOD_BYTES: usize = 128 * 1024;

pub(crate) type Outcome = Result<(), CloseReason>;

pub(crate) fn violation(text: impl Into<String>) -> CloseReason {
    CloseReason::Violation(text.into())
}

impl Shared {
    /// Handles one packet; an error ends the connection, unless it is already ending for another reason.
    pub(crate) fn on_packet(&self, device_id: &str, link_id: u64, packet: Packet) -> Outcome {
        let behaviour = self.behaviour();
        let mut state = self.state();
        let device = state
            .devices
            .get_mut(device_id)
            .filter(|device| device.link.as_ref().is_some_and(|link| link.id == link_id))
            .ok_or(CloseReason::ConnectionLost)?;
        match packet {
            Packet::PingReq => send(device, Packet::PingResp),
            Packet::Disconnect => Err(CloseReason::Disconnect),
            Packet::Subscribe(subscribe) => self.on_subscribe(device, &subscribe, &behaviour),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(device, unsubscribe),
            Packet::Publish(publish) => self.on_publish(device, &publish, &behaviour),
            // Devices acknowledge only cloud-to-device messages, and a test may have sent one.
            Packet::PubAck(_) => Ok(()),
            Packet::Connect(_) => Err(violation("a second CONNECT")),
            other => Err(violation(format!("a packet no device sends: {other:?}"))),
        }
    }

    fn on_subscribe(&self, device: &mut Device, subscribe: &Subscribe, behaviour: &Behaviour) -> Outcome {
        let device_id = device.identity.device_id.clone();
        let refused = self.faults.take_refuse_filters();
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut filters = device.session.as_ref().map(|session| session.filters.clone()).unwrap_or_default();
        for wanted in &subscribe.filters {
            if !topic::is_filter(&wanted.path, &device_id) && !behaviour.extra_filters.contains(&wanted.path)
            {
                return Err(violation(format!(
                    "SUBSCRIBE to {}, which is no filter of the hub",
                    wanted.path
                )));
            }
            if refused {
                codes.push(SubscribeReasonCode::Failure);
                continue;
            }
            if !filters.contains(&wanted.path) {
                filters.push(wanted.path.clone());
            }
            let granted = if wanted.qos == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            codes.push(SubscribeReasonCode::Success(granted));
        }
        if filters.len() > behaviour.max_subscriptions {
            return Err(violation(format!("more than {} subscriptions", behaviour.max_subscriptions)));
        }
        if let Some(session) = &mut device.session {
            session.filters = filters;
        }
        send(device, Packet::SubAck(SubAck::new(subscribe.pkid, codes)))?;
        if !refused {
            let filters = subscribe.filters.iter().map(|filter| filter.path.clone()).collect();
            self.log.push(&device_id, Event::Subscribed { filters });
        }
        if device.is_subscribed(topic::TWIN_ANSWERS) {
            let held: Vec<Outgoing> =
                device.link.as_mut().map(|link| link.held.drain(..).collect()).unwrap_or_default();
            held.into_iter().try_for_each(|answer| send(device, answer))?;
        }
        self.touch();
        Ok(())
    }

    fn on_unsubscribe(&self, device: &mut Device, unsubscribe: Unsubscribe) -> Outcome {
        if let Some(session) = &mut device.session {
            session.filters.retain(|filter| !unsubscribe.topics.contains(filter));
        }
        send(device, Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)))?;
        self.log.push(&device.identity.device_id, Event::Unsubscribed { filters: unsubscribe.topics });
        self.touch();
        Ok(())
    }

    fn on_publish(&self, device: &mut Device, publish: &Publish, behaviour: &Behaviour) -> Outcome {
        if publish.qos == QoS::ExactlyOnce {
            return Err(violation("a PUBLISH with QoS 2"));
        }
        let Some(request) = topic::parse(&publish.topic, &device.identity.device_id) else {
            return Err(violation(format!("PUBLISH to {}, which is no topic of the hub", publish.topic)));
        };
        // A message is acknowledged once it is stored; the others have answers of their own.
        if !matches!(request, Request::Telemetry { .. }) {
            self.acknowledge(device, publish, Duration::ZERO)?;
        }
        match request {
            Request::TwinGet { rid } => self.on_twin_get(device, &rid, behaviour),
            Request::Reported { rid, base } => {
                self.on_reported(device, &publish.payload, rid, base, behaviour)
            }
            Request::MethodAnswer { rid, status } => {
                self.on_method_answer(device, &rid, status, &publish.payload)
            }
            Request::Telemetry { bag } => self.on_telemetry(device, publish, &bag, behaviour),
        }
    }

    /// Acknowledges a publish with QoS 1, unless a fault withholds that.
    pub(crate) fn acknowledge(&self, device: &mut Device, publish: &Publish, delay: Duration) -> Outcome {
        if publish.qos != QoS::AtLeastOnce || self.faults.take_drop_puback() {
            return Ok(());
        }
        send(device, Outgoing { delay, ..Packet::PubAck(PubAck::new(publish.pkid)).into() })
    }

    fn on_twin_get(&self, device: &mut Device, rid: &str, behaviour: &Behaviour) -> Outcome {
        let id = device.identity.device_id.clone();
        let fault = self.faults.take_twin_get();
        let (status, body) = match &fault {
            Some(Answer::Status(status) | Answer::RetryAfter(status, _)) => (*status, refusal(*status)),
            Some(Answer::Raw(status, body)) => (*status, body.clone()),
            _ => (200, text_for_device(device.twin.device_view(), behaviour).into_bytes()),
        };
        let lost = match fault {
            Some(Answer::Close) => return Err(CloseReason::Kicked),
            Some(Answer::Ignored | Answer::Flooded(..) | Answer::Lost | Answer::ServeThenClose) => true,
            _ => false,
        };
        self.log.push(&id, Event::TwinGet { rid: rid.to_owned(), status: (!lost).then_some(status) });
        if fault == Some(Answer::ServeThenClose) {
            return Err(CloseReason::Kicked);
        }
        if let Some(Answer::Flooded(count, bytes)) = fault {
            return flood(device, count, bytes);
        }
        if lost {
            return Ok(());
        }
        let wait = retry_after(fault.as_ref());
        self.answer(device, &format!("{status}/?$rid={rid}{wait}"), body, behaviour)
    }

    fn on_reported(
        &self,
        device: &mut Device,
        payload: &[u8],
        rid: Option<String>,
        base: Option<u64>,
        behaviour: &Behaviour,
    ) -> Outcome {
        let id = device.identity.device_id.clone();
        let patch = serde_json::from_slice::<Value>(payload).unwrap_or(Value::Null);
        let fault = self.faults.take_reported();
        let (status, body, version) = match &fault {
            Some(Answer::Close) => return Err(CloseReason::Kicked),
            Some(Answer::Ignored | Answer::Flooded(..)) => {
                self.log.push(&id, Event::Reported { patch, status: None, version: None });
                return Ok(());
            }
            Some(Answer::Status(status) | Answer::RetryAfter(status, _)) => (*status, refusal(*status), None),
            Some(Answer::Raw(status, body)) => (*status, body.clone(), None),
            None | Some(Answer::Lost | Answer::ServeThenClose) => {
                match device.twin.report(&patch, base, behaviour.twin, &clock::now_utc()) {
                    Ok(version) => (204, Vec::new(), Some(version)),
                    Err(error) => {
                        let (status, code) = device_status(&error, behaviour);
                        (status, device_error_body(code, &error.to_string()), None)
                    }
                }
            }
        };
        let lost = matches!(fault, Some(Answer::Lost | Answer::ServeThenClose));
        self.log.push(&id, Event::Reported { patch, status: (!lost).then_some(status), version });
        if version.is_some() {
            self.touch();
        }
        if fault == Some(Answer::ServeThenClose) {
            return Err(CloseReason::Kicked);
        }
        match rid {
            Some(rid) if !lost => {
                let version = version.map_or_else(String::new, |version| format!("&$version={version}"));
                let wait = retry_after(fault.as_ref());
                self.answer(device, &format!("{status}/?$rid={rid}{version}{wait}"), body, behaviour)
            }
            _ => Ok(()),
        }
    }

    fn on_method_answer(&self, device: &mut Device, rid: &str, status: i32, payload: &[u8]) -> Outcome {
        if payload.len() > MAX_METHOD_BYTES {
            return Err(violation("a method answer of more than 128 KiB"));
        }
        self.log.push(&device.identity.device_id, Event::MethodAnswered { rid: rid.to_owned(), status });
        let reply = if payload.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(payload) };
        if let Some(call) = device.link.as_mut().and_then(|link| link.calls.remove(rid)) {
            // The caller may have given up.
            let _ = call.send(reply.ok().map(|payload| MethodReply { status, payload }));
        }
        Ok(())
    }

    /// Answers a twin request, now, later or never.
    fn answer(&self, device: &mut Device, tail: &str, body: Vec<u8>, behaviour: &Behaviour) -> Outcome {
        let publish = Publish::new(format!("$iothub/twin/res/{tail}"), QoS::AtMostOnce, body);
        let answer =
            Outgoing { delay: self.faults.answer_delay(), ..Outgoing::from(Packet::Publish(publish)) };
        if device.is_subscribed(topic::TWIN_ANSWERS) || behaviour.twin_answers == TwinAnswers::AlwaysDelivered
        {
            return send(device, answer);
        }
        if let Some(link) =
            device.link.as_mut().filter(|_| behaviour.twin_answers == TwinAnswers::HeldUntilSubscribed)
        {
            link.hold(answer);
        }
        Ok(())
    }

    /// Notifies a device of a desired change, if it is connected and subscribed.
    pub(crate) fn notify(&self, device: &mut Device, notification: &Notification) {
        let id = device.identity.device_id.clone();
        let version = notification.version;
        let body = text_for_device(notification.body.clone(), &self.behaviour());
        let fault = self.faults.take_notice();
        let subscribed = device.is_subscribed(topic::DESIRED);
        let link = device.link.as_mut().filter(|_| subscribed && fault != Some(NoticeFault::Dropped));
        let Some(link) = link else {
            self.log.push(&id, Event::DesiredNotSent { version });
            return;
        };
        for _ in 0..if fault == Some(NoticeFault::Duplicated) { 2 } else { 1 } {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let publish = Publish::new(topic, QoS::AtMostOnce, body.as_str());
            let event = Some(Event::DesiredSent { version });
            link.send(Outgoing { event, delay: Duration::ZERO, ..Packet::Publish(publish).into() });
        }
    }
}

/// Sends notifications that no back end caused, each with its own version.
fn flood(device: &mut Device, count: u32, bytes: usize) -> Outcome {
    let mut body = String::from("{");
    for number in 0.. {
        let entry = format!("\"k{number}\":{{}}");
        if body.len() + entry.len() + 2 > bytes {
            break;
        }
        body.push_str(if number == 0 { "" } else { "," });
        body.push_str(&entry);
    }
    body.push('}');
    let version = device.twin.desired().version();
    (1..=u64::from(count)).try_for_each(|number| {
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={}", version + number);
        send(device, Packet::Publish(Publish::new(topic, QoS::AtMostOnce, body.as_str())))
    })
}

/// A document as text for devices.
fn text_for_device(mut document: Value, behaviour: &Behaviour) -> String {
    if behaviour.sorted_keys {
        document.sort_all_objects();
    }
    document.to_string()
}

fn send(device: &mut Device, out: impl Into<Outgoing>) -> Outcome {
    let sent = device.link.as_mut().is_some_and(|link: &mut Link| link.send(out));
    if sent { Ok(()) } else { Err(CloseReason::TooSlow) }
}

fn device_status(error: &TwinError, behaviour: &Behaviour) -> (u16, u32) {
    match error {
        TwinError::SectionTooLarge { .. } if behaviour.oversize_is_413 => (413, 413_001),
        TwinError::VersionMismatch { .. } => (behaviour.version_mismatch_status, 412_001),
        _ => (400, 400_004),
    }
}

/// The end of a topic that asks the device to wait, in the provisioning service's form.
fn retry_after(fault: Option<&Answer>) -> String {
    match fault {
        Some(Answer::RetryAfter(_, seconds)) => format!("&retry-after={seconds}"),
        _ => String::new(),
    }
}

fn refusal(status: u16) -> Vec<u8> {
    let (code, text) = match status {
        400 => (400_004, "refused for a test".to_owned()),
        412 => (412_001, "precondition failed, for a test".to_owned()),
        _ => (u32::from(status) * 1000 + 1, format!("status {status}, for a test")),
    };
    device_error_body(code, &text)
}
