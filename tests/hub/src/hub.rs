//! The handle of a hub, by which a test or a program acts on it directly, without TLS, tokens or HTTP.

use crate::{
    behaviour::Behaviour,
    events::{CloseReason, Entry, WaitError},
    faults::Faults,
    identity::{Authentication, Keys},
    messages::{Message, Metered},
    service_side::{Precondition, ServiceError, Write},
    state::{Frame, MethodReply, Outgoing, Session, Shared},
    views::twin_view,
};
use bytes::Bytes;
use rumqttc::{Packet, Publish, QoS};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// A handle of a hub. Clones refer to the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
}

impl Hub {
    /// The host name in connection strings and tokens.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    // Registry.

    /// Registers a device with fresh keys.
    pub fn create_device(&self, id: &str) -> Result<Keys, ServiceError> {
        self.create_device_with_keys(id, Keys::random())
    }

    /// Registers a device with these keys.
    pub fn create_device_with_keys(&self, id: &str, keys: Keys) -> Result<Keys, ServiceError> {
        let symmetric = json!({ "primaryKey": keys.primary, "secondaryKey": keys.secondary });
        let body = json!({ "deviceId": id, "authentication": { "type": "sas", "symmetricKey": symmetric } });
        self.shared.put_device(id, &body, &Precondition::None)?;
        Ok(keys)
    }

    /// Registers a device that authenticates with a certificate of this thumbprint.
    pub fn create_x509_device(&self, id: &str, thumbprint: &str) -> Result<(), ServiceError> {
        let x509 = json!({ "primaryThumbprint": thumbprint });
        let body =
            json!({ "deviceId": id, "authentication": { "type": "selfSigned", "x509Thumbprint": x509 } });
        self.shared.put_device(id, &body, &Precondition::None).map(drop)
    }

    /// Gives a device fresh keys. A connection made with the old ones stays open.
    pub fn renew_keys(&self, id: &str) -> Result<Keys, ServiceError> {
        let keys = Keys::random();
        self.set_device_keys(id, &keys)?;
        Ok(keys)
    }

    pub(crate) fn set_device_keys(&self, id: &str, keys: &Keys) -> Result<(), ServiceError> {
        let symmetric = json!({ "primaryKey": keys.primary, "secondaryKey": keys.secondary });
        let body = json!({ "authentication": { "type": "sas", "symmetricKey": symmetric } });
        self.shared.put_device(id, &body, &Precondition::Any).map(drop)
    }

    /// Deletes a device and closes its connection.
    pub fn delete_device(&self, id: &str) -> Result<(), ServiceError> {
        self.shared.remove_device(id, &Precondition::Any)
    }

    /// Enables or disables a device. Disabling it closes its connection.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<(), ServiceError> {
        let status = if enabled { "enabled" } else { "disabled" };
        self.shared.put_device(id, &json!({ "status": status }), &Precondition::Any).map(drop)
    }

    /// The ids of all devices.
    pub fn devices(&self) -> Vec<String> {
        self.shared.state().devices.keys().cloned().collect()
    }

    /// The keys of a device; `None` for one with a certificate.
    pub fn device_keys(&self, id: &str) -> Result<Option<Keys>, ServiceError> {
        self.shared.with_device(id, |device| {
            Ok(match &device.identity.authentication {
                Authentication::Sas(keys) => Some(keys.clone()),
                Authentication::SelfSigned { .. } => None,
            })
        })
    }

    /// The connection string of a device: `HostName=..;DeviceId=..;SharedAccessKey=..`.
    pub fn device_connection_string(&self, id: &str) -> Result<String, ServiceError> {
        let host = self.host();
        Ok(match self.device_keys(id)? {
            Some(keys) => format!("HostName={host};DeviceId={id};SharedAccessKey={}", keys.primary),
            None => format!("HostName={host};DeviceId={id};x509=true"),
        })
    }

    /// The connection string of a back end with the named policy: `HostName=..;SharedAccessKeyName=..;SharedAccessKey=..`.
    /// `host` is the REST side's address, with the port unless that is 443.
    pub fn policy_connection_string(&self, policy: &str, host: &str) -> Option<String> {
        let state = self.shared.state();
        let policy = state.policies.iter().find(|p| p.name == policy)?;
        Some(format!(
            "HostName={host};SharedAccessKeyName={};SharedAccessKey={}",
            policy.name, policy.keys.primary
        ))
    }

    // Twins.

    /// The twin as back ends read it.
    pub fn twin(&self, id: &str) -> Result<Value, ServiceError> {
        self.shared.with_device(id, |device| Ok(twin_view(device)))
    }

    /// Desired properties with `$version`.
    pub fn desired(&self, id: &str) -> Result<Value, ServiceError> {
        self.shared.with_device(id, |device| Ok(device.twin.desired().device_view()))
    }

    /// Reported properties with `$version`.
    pub fn reported(&self, id: &str) -> Result<Value, ServiceError> {
        self.shared.with_device(id, |device| Ok(device.twin.reported().device_view()))
    }

    /// Patches the reported properties, as earlier firmware of this device may have done. Returns the new version.
    pub fn update_reported(&self, id: &str, patch: &Value) -> Result<u64, ServiceError> {
        let rules = self.behaviour().twin;
        self.shared.with_device(id, |device| Ok(device.twin.report(patch, None, rules, "before")?))
    }

    /// Patches the twin as a back end would: `{"properties":{"desired":{..}},"tags":{..}}`. Returns the whole twin.
    pub fn update_twin(&self, id: &str, body: &Value) -> Result<Value, ServiceError> {
        self.shared.write_twin(id, body, Write::Patch, &Precondition::Any)
    }

    /// Replaces tags and desired properties. Returns the whole twin.
    pub fn replace_twin(&self, id: &str, body: &Value) -> Result<Value, ServiceError> {
        self.shared.write_twin(id, body, Write::Replace, &Precondition::Any)
    }

    /// Patches desired properties alone. Returns the new desired version.
    pub fn update_desired(&self, id: &str, patch: &Value) -> Result<u64, ServiceError> {
        let twin = self.update_twin(id, &json!({ "properties": { "desired": patch } }))?;
        Ok(twin["properties"]["desired"]["$version"].as_u64().unwrap_or_default())
    }

    /// Calls a method and waits for the answer. The device must be connected and subscribed.
    pub async fn call_method(
        &self,
        id: &str,
        name: &str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<MethodReply, ServiceError> {
        self.shared.method(id, name, Some(payload), Duration::ZERO, timeout).await
    }

    // Messages of devices.

    /// The messages of a device that are held, oldest first.
    pub fn messages(&self, device: &str) -> Vec<Arc<Message>> {
        let mut messages = self.messages_after(0);
        messages.retain(|message| message.device == device);
        messages
    }

    /// The messages of all devices after this number that are held, oldest first. The first one's number tells whether
    /// some are no longer held.
    pub fn messages_after(&self, sequence: u64) -> Vec<Arc<Message>> {
        self.shared.messages.after(sequence)
    }

    /// The number of the newest message; 0 if there was none.
    pub fn last_message_sequence(&self) -> u64 {
        self.shared.messages.last_sequence()
    }

    /// The first held message after `sequence` that fits, waiting for it if there is none yet.
    pub async fn wait_for_message(
        &self,
        sequence: u64,
        fits: impl FnMut(&Message) -> bool,
        timeout: Duration,
    ) -> Result<Arc<Message>, WaitError> {
        let found = self.shared.messages.wait_after(sequence, fits, timeout).await;
        found.ok_or_else(|| WaitError { waited: timeout, last: self.shared.log.newest() })
    }

    /// What a device's messages were metered as since the hub was made.
    pub fn metered(&self, device: &str) -> Metered {
        self.shared.messages.metered(device)
    }

    // Connections.

    /// Whether the device is connected.
    pub fn is_connected(&self, id: &str) -> bool {
        self.shared.state().devices.get(id).is_some_and(|device| device.link.is_some())
    }

    /// The device's subscriptions, whether it is connected or not.
    pub fn subscriptions(&self, id: &str) -> Vec<String> {
        let state = self.shared.state();
        let session = state.devices.get(id).and_then(|device| device.session.as_ref());
        session.map(|session| session.filters.clone()).unwrap_or_default()
    }

    /// Forgets the subscriptions of a device, as a hub that lost its session store does.
    pub fn forget_session(&self, id: &str) {
        if let Some(session) =
            self.shared.state().devices.get_mut(id).and_then(|device| device.session.as_mut())
        {
            // A clean session leaves nothing for the next connection.
            *session = Session { clean: true, ..Session::default() };
        }
        self.shared.touch();
    }

    /// Closes a device's connection without notice; the log shows when it is done. False if there is none.
    pub fn kick(&self, id: &str) -> bool {
        self.shared.state().devices.get_mut(id).is_some_and(|device| device.close(CloseReason::Kicked))
    }

    /// Publishes anything to a connected device at QoS 0, whether it subscribed or not. False if it is not connected.
    pub fn publish_raw(&self, id: &str, topic: &str, payload: impl Into<Vec<u8>>) -> bool {
        self.send(id, Packet::Publish(Publish::new(topic, QoS::AtMostOnce, payload)).into())
    }

    /// Writes any bytes to a device's connection, MQTT or not. False if it is not connected.
    pub fn send_bytes(&self, id: &str, bytes: impl Into<Bytes>) -> bool {
        self.send(id, Outgoing { frame: Frame::Raw(bytes.into()), delay: Duration::ZERO, event: None })
    }

    fn send(&self, id: &str, out: Outgoing) -> bool {
        let mut state = self.shared.state();
        state.devices.get_mut(id).and_then(|device| device.link.as_mut()).is_some_and(|link| link.send(out))
    }

    // Behaviour, faults and the log.

    /// The faults a test can arm.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The present settings of the hub's behaviour.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour()
    }

    /// Changes these settings from now on. The closure must not call the hub.
    pub fn set_behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour_mut());
    }

    /// The log, oldest first. When a new connection takes over a device, it is logged before the end of the old one.
    pub fn events(&self) -> Vec<Entry> {
        self.shared.log.after(0)
    }

    /// The entries after this sequence number.
    pub fn events_after(&self, sequence: u64) -> Vec<Entry> {
        self.shared.log.after(sequence)
    }

    /// The number of the newest entry; 0 for an empty log.
    pub fn last_sequence(&self) -> u64 {
        self.shared.log.last_sequence()
    }

    /// The first entry of the whole log that fits, waiting for it if there is none yet.
    pub async fn wait_for(
        &self,
        fits: impl FnMut(&Entry) -> bool,
        timeout: Duration,
    ) -> Result<Entry, WaitError> {
        self.wait_for_after(0, fits, timeout).await
    }

    /// The first entry after `sequence` that fits, waiting for it if there is none yet.
    pub async fn wait_for_after(
        &self,
        sequence: u64,
        fits: impl FnMut(&Entry) -> bool,
        timeout: Duration,
    ) -> Result<Entry, WaitError> {
        self.shared.log.wait_after(sequence, fits, timeout).await
    }

    /// Registers a device unless it is there already.
    pub(crate) fn ensure_device(&self, id: &str) -> Result<(), ServiceError> {
        match self.create_device(id) {
            Err(ServiceError::DeviceExists(_)) => Ok(()),
            created => created.map(drop),
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("host", &self.host()).finish_non_exhaustive()
    }
}
