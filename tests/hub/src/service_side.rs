//! The operations of back ends: the device registry, twins, methods and queries, without HTTP.

use crate::{
    clock,
    events::{CloseReason, Event},
    identity::{Authentication, Identity, Keys, is_device_id},
    state::{Device, MethodReply, Shared},
    topic,
    twin::{Change, Twin, TwinError},
    views::{identity_etag, identity_view, twin_etag, twin_view},
};
use rumqttc::{Packet, Publish, QoS};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// Why the hub refuses a back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceError {
    /// No such device.
    NoDevice(String),
    /// There is such a device already.
    DeviceExists(String),
    /// `If-Match` names another etag than the current one.
    EtagMismatch,
    /// `If-Match` is missing.
    IfMatchMissing,
    /// The twin's rules forbid it.
    Twin(TwinError),
    /// The request makes no sense, for this reason.
    BadRequest(String),
    /// The device is not connected, or has not subscribed to methods.
    NotOnline(String),
    /// The device did not answer in time.
    Timeout,
    /// The device answered a method with something that is not JSON.
    BadReply,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(id) => write!(f, "device {id} is not registered"),
            Self::DeviceExists(id) => write!(f, "device {id} is registered already"),
            Self::EtagMismatch => write!(f, "the etag of If-Match is not the current one"),
            Self::IfMatchMissing => write!(f, "the request must carry If-Match"),
            Self::Twin(error) => error.fmt(f),
            Self::BadRequest(why) => f.write_str(why),
            Self::NotOnline(id) => write!(f, "device {id} is not connected or takes no methods"),
            Self::Timeout => write!(f, "the device did not answer in time"),
            Self::BadReply => write!(f, "the device's answer is no JSON"),
        }
    }
}

impl std::error::Error for ServiceError {}

impl From<TwinError> for ServiceError {
    fn from(error: TwinError) -> Self {
        Self::Twin(error)
    }
}

/// What an `If-Match` header demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precondition {
    #[default]
    None,
    Any,
    Etags(Vec<String>),
}

impl Precondition {
    fn check(&self, current: &str) -> Result<(), ServiceError> {
        match self {
            Self::Etags(etags) if !etags.iter().any(|etag| etag == current) => {
                Err(ServiceError::EtagMismatch)
            }
            _ => Ok(()),
        }
    }
}

/// How a twin is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Patch,
    Replace,
}

impl Shared {
    pub(crate) fn with_device<T>(
        &self,
        id: &str,
        act: impl FnOnce(&mut Device) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut state = self.state();
        act(state.devices.get_mut(id).ok_or_else(|| ServiceError::NoDevice(id.to_owned()))?)
    }

    /// Writes tags and desired properties, and notifies the device. Returns the whole twin.
    pub(crate) fn write_twin(
        &self,
        id: &str,
        body: &Value,
        write: Write,
        precondition: &Precondition,
    ) -> Result<Value, ServiceError> {
        let behaviour = self.behaviour();
        if behaviour.if_match_required && *precondition == Precondition::None {
            return Err(ServiceError::IfMatchMissing);
        }
        let twin = self.with_device(id, |device| {
            precondition.check(&twin_etag(&device.twin))?;
            let now = clock::now_utc();
            let Change { desired_version, notification } = match write {
                Write::Patch => device.twin.update(body, behaviour.twin, &now)?,
                Write::Replace => device.twin.replace(body, behaviour.twin, &now)?,
            };
            self.log.push(id, Event::TwinChanged { desired_version, body: body.clone() });
            if let Some(notification) = notification {
                self.notify(device, &notification);
            }
            Ok(twin_view(device))
        })?;
        self.touch();
        Ok(twin)
    }

    /// Registers a device, or changes one if `precondition` says that it must exist.
    pub(crate) fn put_device(
        &self,
        id: &str,
        body: &Value,
        precondition: &Precondition,
    ) -> Result<Value, ServiceError> {
        if !is_device_id(id) {
            return Err(ServiceError::BadRequest(format!("{id:?} is no device id")));
        }
        if body.get("deviceId").and_then(Value::as_str).is_some_and(|named| named != id) {
            return Err(ServiceError::BadRequest("deviceId differs from the id in the path".to_owned()));
        }
        let mut state = self.state();
        let view = if *precondition == Precondition::None {
            if state.devices.contains_key(id) {
                return Err(ServiceError::DeviceExists(id.to_owned()));
            }
            let authentication = authentication_from(body, None)?;
            let mut device = new_device(id, authentication);
            apply_status(&mut device, body);
            let view = identity_view(&device);
            state.devices.insert(id.to_owned(), device);
            self.log.push(id, Event::DeviceCreated);
            view
        } else {
            let device = state.devices.get_mut(id).ok_or_else(|| ServiceError::NoDevice(id.to_owned()))?;
            precondition.check(&identity_etag(&device.identity))?;
            device.identity.authentication =
                authentication_from(body, Some(&device.identity.authentication))?;
            apply_status(device, body);
            device.identity.etag += 1;
            identity_view(device)
        };
        drop(state);
        self.touch();
        Ok(view)
    }

    pub(crate) fn remove_device(&self, id: &str, precondition: &Precondition) -> Result<(), ServiceError> {
        let mut state = self.state();
        let device = state.devices.get_mut(id).ok_or_else(|| ServiceError::NoDevice(id.to_owned()))?;
        precondition.check(&identity_etag(&device.identity))?;
        device.close(CloseReason::Deleted);
        state.devices.remove(id);
        self.log.push(id, Event::DeviceDeleted);
        drop(state);
        self.touch();
        Ok(())
    }

    /// Calls a method. Waits up to `connect_timeout` for the device to be ready, then for its answer.
    pub(crate) async fn method(
        &self,
        id: &str,
        name: &str,
        payload: Option<&Value>,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Result<MethodReply, ServiceError> {
        let deadline = Instant::now() + connect_timeout;
        let answer = loop {
            let seen = self.log.last_sequence();
            match self.send_call(id, name, payload) {
                Err(ServiceError::NotOnline(_)) if Instant::now() < deadline => {
                    let comes = |entry: &crate::events::Entry| {
                        entry.device == id
                            && matches!(entry.event, Event::Subscribed { .. } | Event::Connected { .. })
                    };
                    // After a timeout the next attempt decides.
                    let _ = self.log.wait_after(seen, comes, deadline - Instant::now()).await;
                }
                sent => break sent?,
            }
        };
        match tokio::time::timeout(response_timeout, answer).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Ok(None)) => Err(ServiceError::BadReply),
            Ok(Err(_)) | Err(_) => Err(ServiceError::Timeout),
        }
    }

    fn send_call(
        &self,
        id: &str,
        name: &str,
        payload: Option<&Value>,
    ) -> Result<oneshot::Receiver<Option<MethodReply>>, ServiceError> {
        let rid = format!("{:x}", self.state().next_number());
        self.with_device(id, |device| {
            let subscribed = device.is_subscribed(topic::METHODS);
            let offline = || ServiceError::NotOnline(id.to_owned());
            let link = device.link.as_mut().filter(|_| subscribed).ok_or_else(offline)?;
            let (sender, answer) = oneshot::channel();
            link.calls.insert(rid.clone(), sender);
            let body = payload.map(Value::to_string).unwrap_or_default();
            let publish =
                Publish::new(format!("$iothub/methods/POST/{name}/?$rid={rid}"), QoS::AtMostOnce, body);
            if !link.send(Packet::Publish(publish)) {
                return Err(offline());
            }
            self.log.push(id, Event::MethodCalled { name: name.to_owned(), rid });
            Ok(answer)
        })
    }
}

pub(crate) fn new_device(id: &str, authentication: Authentication) -> Device {
    Device {
        identity: Identity::new(id, authentication, clock::NEVER),
        twin: Twin::new(clock::NEVER),
        session: None,
        last_activity: clock::NEVER.to_owned(),
        model_id: String::new(),
        link: None,
    }
}

fn apply_status(device: &mut Device, body: &Value) {
    let enabled = match body.get("status").and_then(Value::as_str) {
        Some(status) => status.eq_ignore_ascii_case("enabled"),
        None => device.identity.enabled,
    };
    if let Some(reason) = body.get("statusReason") {
        device.identity.status_reason = reason.as_str().map(str::to_owned);
    }
    if enabled != device.identity.enabled {
        device.identity.enabled = enabled;
        device.identity.status_updated = clock::now_utc();
    }
    if !enabled {
        device.close(CloseReason::Disabled);
    }
}

fn authentication_from(
    body: &Value,
    current: Option<&Authentication>,
) -> Result<Authentication, ServiceError> {
    let wanted = body.get("authentication").filter(|value| !value.is_null());
    let kind = wanted.and_then(|value| value.get("type")).and_then(Value::as_str).unwrap_or("sas");
    match (wanted, current) {
        (None, Some(current)) => Ok(current.clone()),
        _ if kind.eq_ignore_ascii_case("selfSigned") => {
            let thumbprint = |name: &str| {
                let text = wanted?.get("x509Thumbprint")?.get(name)?.as_str()?;
                Some(text.to_owned()).filter(|text| !text.is_empty())
            };
            let (primary, secondary) = (thumbprint("primaryThumbprint"), thumbprint("secondaryThumbprint"));
            let is_thumbprint =
                |text: &String| [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
            if primary.is_none() || ![&primary, &secondary].into_iter().flatten().all(is_thumbprint) {
                return Err(ServiceError::BadRequest(
                    "a thumbprint is 40 or 64 hexadecimal digits".to_owned(),
                ));
            }
            Ok(Authentication::SelfSigned { primary, secondary })
        }
        _ if kind.eq_ignore_ascii_case("sas") => {
            let mut keys = match current {
                Some(Authentication::Sas(keys)) => keys.clone(),
                _ => Keys::random(),
            };
            let given = |name: &str| {
                let text = wanted?.get("symmetricKey")?.get(name)?.as_str()?;
                Some(text.to_owned()).filter(|text| !text.is_empty())
            };
            for (slot, name) in [(&mut keys.primary, "primaryKey"), (&mut keys.secondary, "secondaryKey")] {
                if let Some(key) = given(name) {
                    if !crate::identity::is_key(&key) {
                        return Err(ServiceError::BadRequest(format!(
                            "{name} must be base64 of 16 to 64 bytes"
                        )));
                    }
                    *slot = key;
                }
            }
            Ok(Authentication::Sas(keys))
        }
        _ => Err(ServiceError::BadRequest(format!("authentication type {kind:?} is not supported"))),
    }
}
