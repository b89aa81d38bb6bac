//! The service's protocol: the connection of a registration, which its user name tells from a device's.
//!
//! `{idScope}/registrations/{registrationId}/api-version=…`, without a `?`. Topics: `$dps/registrations/…`.

use super::{Denied, Enrolment, ID_SCOPE, RegistrationAnswer, assigned_body};
use crate::{
    events::{CloseReason, Event, RefuseReason},
    hub::Hub,
    mqtt::{connack, farewell, refuse, write_raw},
    state::Shared,
};
use futures_util::{SinkExt, StreamExt};
use rumqttc::{Codec, Connect, Packet, PubAck, Publish, QoS, SubAck, SubscribeReasonCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{codec::Framed, sync::CancellationToken};

const ANSWERS: &str = "$dps/registrations/res/#";
/// How long a device is asked to wait for its assignment, in seconds.
const RETRY_AFTER: u32 = 1;

/// A client that wants to register.
pub(crate) struct Registrant {
    scope: String,
    id: String,
    client_id: String,
    password: String,
    clean: bool,
}

impl Registrant {
    /// Reads a CONNECT; `None` if it is a device's.
    pub(crate) fn of(connect: &Connect) -> Option<Self> {
        let login = connect.login.as_ref()?;
        let mut segments = login.username.split('/');
        let (scope, word, id, query) =
            (segments.next()?, segments.next()?, segments.next()?, segments.next()?);
        let fits = word == "registrations" && query.starts_with("api-version=") && segments.next().is_none();
        fits.then(|| Self {
            scope: scope.to_owned(),
            id: id.to_owned(),
            client_id: connect.client_id.clone(),
            password: login.password.clone(),
            clean: connect.clean_session,
        })
    }
}

/// Serves one registration to the end of its connection.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    io: &mut Framed<S, Codec>,
    who: Registrant,
    certificate: Option<&[u8]>,
    done: &CancellationToken,
) {
    let (known, in_answers) = {
        let registry = shared.registry();
        let known = if who.scope == ID_SCOPE && who.client_id == who.id {
            registry.admit(&who.id, &who.password, certificate)
        } else {
            Err(Denied::Unknown)
        };
        (known, registry.polite)
    };
    if known.is_err() && !in_answers {
        let reason =
            RefuseReason::BadCredentials("no such enrolment, or not by these credentials".to_owned());
        shared.log.push(&who.id, Event::Refused { code: 5, reason });
        return refuse(io, 5).await;
    }
    if write_raw(io, &connack(0, false)).await.is_err() {
        return;
    }
    shared.log.push(&who.id, Event::Connected { clean_session: who.clean, session_present: false });
    let mut registration = Registration { shared: &shared, id: &who.id, known };
    let reason = loop {
        let Some(next) = done.run_until_cancelled(io.next()).await else { break CloseReason::HubStopped };
        match next {
            None | Some(Err(rumqttc::mqttbytes::Error::Io(_))) => break CloseReason::ConnectionLost,
            Some(Err(error)) => break CloseReason::Violation(error.to_string()),
            Some(Ok(packet)) => match registration.on_packet(packet) {
                Ok(answers) => {
                    for answer in answers {
                        if io.send(answer).await.is_err() {
                            break;
                        }
                    }
                }
                Err(reason) => break reason,
            },
        }
    };
    shared.log.push(&who.id, Event::Disconnected { reason });
    farewell(io).await;
}

struct Registration<'a> {
    shared: &'a Arc<Shared>,
    id: &'a str,
    known: Result<Enrolment, Denied>,
}

impl Registration<'_> {
    fn on_packet(&mut self, packet: Packet) -> Result<Vec<Packet>, CloseReason> {
        let violation = |text: String| Err(CloseReason::Violation(text));
        match packet {
            Packet::PingReq => Ok(vec![Packet::PingResp]),
            Packet::PubAck(_) => Ok(Vec::new()),
            Packet::Disconnect => Err(CloseReason::Disconnect),
            Packet::Subscribe(subscribe) => {
                if let Some(other) = subscribe.filters.iter().find(|filter| filter.path != ANSWERS) {
                    return violation(format!(
                        "SUBSCRIBE to {}, which is no filter of the service",
                        other.path
                    ));
                }
                let filters = vec![ANSWERS.to_owned(); subscribe.filters.len()];
                let codes = vec![SubscribeReasonCode::Success(QoS::AtMostOnce); filters.len()];
                self.shared.log.push(self.id, Event::Subscribed { filters });
                Ok(vec![Packet::SubAck(SubAck::new(subscribe.pkid, codes))])
            }
            Packet::Publish(publish) if publish.qos != QoS::ExactlyOnce => {
                let Some((request, rid)) = request(&publish.topic) else {
                    return violation(format!(
                        "PUBLISH to {}, which is no topic of the service",
                        publish.topic
                    ));
                };
                let mut packets = Vec::new();
                if publish.qos == QoS::AtLeastOnce {
                    packets.push(Packet::PubAck(PubAck::new(publish.pkid)));
                }
                if let Some((tail, body)) = self.answer(&request, &publish.payload) {
                    let (status, rest) = tail;
                    let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{rest}");
                    packets.push(Packet::Publish(Publish::new(topic, QoS::AtMostOnce, body)));
                }
                Ok(packets)
            }
            other => violation(format!("a packet no registration sends: {other:?}")),
        }
    }

    /// The status with the topic's text after the request id, and the body.
    fn answer(&self, request: &Request, payload: &[u8]) -> Option<((u16, String), Vec<u8>)> {
        let scripted = self.shared.registry().script.pop_front();
        let operation = format!("4.{}.{}", ID_SCOPE.len(), self.id.len());
        let retry = |seconds: u32| format!("&retry-after={seconds}");
        let assigning = json!({ "operationId": operation, "status": "assigning" });
        let ended = |status: &str, rest: Value| {
            let mut state = json!({ "registrationId": self.id, "status": status });
            for (key, value) in rest.as_object().into_iter().flatten() {
                state[key] = value.clone();
            }
            // Failed, disabled and unassigned registrations are answered without an operation id.
            json!({ "status": status, "registrationState": state })
        };
        let (status, rest, body) = match scripted {
            Some(RegistrationAnswer::Ignored) => {
                self.told(None, "ignored");
                return None;
            }
            Some(RegistrationAnswer::Assigning(seconds)) => (202, retry(seconds), assigning),
            Some(RegistrationAnswer::Failed { code, message }) => {
                (200, String::new(), ended("failed", json!({ "errorCode": code, "errorMessage": message })))
            }
            Some(RegistrationAnswer::Disabled) => (200, String::new(), ended("disabled", Value::Null)),
            Some(RegistrationAnswer::Unassigned) => (200, String::new(), ended("unassigned", Value::Null)),
            Some(RegistrationAnswer::Status(status, after)) => {
                (status, after.map(retry).unwrap_or_default(), refusal(status))
            }
            Some(RegistrationAnswer::Raw(body)) => {
                self.told(Some(200), "as scripted");
                return Some(((200, String::new()), body));
            }
            None => self.proper(request, payload, &operation, assigning),
        };
        self.told(Some(status), body["status"].as_str().unwrap_or_default());
        Some(((status, rest), body.to_string().into_bytes()))
    }

    fn proper(
        &self,
        request: &Request,
        payload: &[u8],
        operation: &str,
        assigning: Value,
    ) -> (u16, String, Value) {
        let refused = |status| (status, String::new(), refusal(status));
        let enrolment = match &self.known {
            Ok(enrolment) => enrolment,
            Err(Denied::Unknown) => return refused(404),
            Err(Denied::Credentials) => return refused(401),
        };
        match request {
            Request::Register => {
                let body: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
                if body["registrationId"].as_str() != Some(self.id) {
                    return refused(400);
                }
                if self.shared.registry().is_disabled(self.id) {
                    let state = json!({ "registrationId": self.id, "status": "disabled" });
                    let body = json!({ "status": "disabled", "registrationState": state });
                    return (200, String::new(), body);
                }
                (202, format!("&retry-after={RETRY_AFTER}"), assigning)
            }
            Request::State(asked) if asked == operation => {
                let hub = Hub { shared: self.shared.clone() };
                let elsewhere = self.shared.registry().assigned_host.clone();
                if elsewhere.is_none() && hub.assign(enrolment).is_err() {
                    return refused(400);
                }
                let host = elsewhere.as_deref().unwrap_or(&self.shared.host);
                (200, String::new(), assigned_body(operation, self.id, host, &enrolment.device_id))
            }
            Request::State(_) => refused(404),
        }
    }

    fn told(&self, status: Option<u16>, state: &str) {
        self.shared.log.push(self.id, Event::Registration { status, state: state.to_owned() });
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Register,
    State(String),
}

/// A request and its id.
fn request(topic: &str) -> Option<(Request, String)> {
    let (path, query) = topic.strip_prefix("$dps/registrations/")?.split_once("/?")?;
    let parameter = |name: &str| {
        query.split('&').filter_map(|p| p.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    let rid = parameter("$rid").filter(|rid| !rid.is_empty())?.to_owned();
    match path {
        "PUT/iotdps-register" => Some((Request::Register, rid)),
        "GET/iotdps-get-operationstatus" => Some((Request::State(parameter("operationId")?.to_owned()), rid)),
        _ => None,
    }
}

fn refusal(status: u16) -> Value {
    json!({ "errorCode": u32::from(status) * 1000, "trackingId": "", "message": format!("status {status}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_requests_are_read_and_no_other() {
        let register = "$dps/registrations/PUT/iotdps-register/?$rid=a-1";
        assert_eq!(request(register), Some((Request::Register, "a-1".to_owned())));
        let state = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.x";
        assert_eq!(request(state), Some((Request::State("4.x".to_owned()), "2".to_owned())));
        for other in [
            "$dps/registrations/PUT/iotdps-register/",
            "$dps/registrations/PUT/iotdps-register/?$rid=",
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2",
            "$dps/registrations/POST/x/?$rid=2",
            "$iothub/twin/GET/?$rid=2",
        ] {
            assert_eq!(request(other), None, "{other}");
        }
    }

    #[test]
    fn a_registration_is_told_from_a_device_by_its_user_name() {
        let connect = |name: &str| {
            let mut connect = Connect::new("r");
            connect.set_login(name, "secret");
            Registrant::of(&connect).map(|who| (who.scope, who.id))
        };
        let wanted = Some(("0ne1".to_owned(), "r".to_owned()));
        assert_eq!(connect("0ne1/registrations/r/api-version=2019-03-31&ClientVersion=x%2F1"), wanted);
        for device in
            ["h/d/?api-version=2021-04-12", "0ne1/registrations/r/?api-version=1", "0ne1/registrations/r"]
        {
            assert_eq!(connect(device), None, "{device}");
        }
    }
}
