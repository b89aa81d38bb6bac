//! How the hub takes a device's message: its checks, what it adds and stamps, and when it acknowledges. A message is
//! stored first and acknowledged then, so that one that is not acknowledged may still have been stored.

use crate::{
    bag::{Bag, BagError},
    behaviour::Behaviour,
    device_side::{Outcome, violation},
    events::{CloseReason, Event},
    messages::{Incoming, Limits, Sender},
    state::{Device, Shared},
    topic,
};
use bytes::Bytes;
use rumqttc::{LastWill, Publish, QoS};

/// `iothub-connection-auth-method` of a device whose token is signed with its own key.
pub(crate) const BY_DEVICE_KEY: &str = r#"{"scope":"device","type":"sas","issuer":"iothub"}"#;
/// The same for a token that is signed with the key of a policy.
pub(crate) const BY_POLICY: &str = r#"{"scope":"hub","type":"sas","issuer":"iothub"}"#;
/// The same for a device with a certificate.
pub(crate) const BY_CERTIFICATE: &str = r#"{"scope":"device","type":"x509","issuer":"iothub"}"#;

/// The part of a payload that the log keeps.
const LOGGED_BYTES: usize = 4096;

impl Shared {
    /// Takes a message, stores it and acknowledges it.
    pub(crate) fn on_telemetry(
        &self,
        device: &mut Device,
        publish: &Publish,
        bag: &str,
        behaviour: &Behaviour,
    ) -> Outcome {
        let read = read(bag, publish.payload.clone(), publish.qos, publish.retain);
        let message =
            read.map_err(|error| violation(format!("a message that the hub does not take: {error}")))?;
        if self.faults.take_close_on_telemetry() {
            return Err(CloseReason::Kicked);
        }
        let throttle = self.faults.throttle();
        let Some(link) = &mut device.link else { return Err(CloseReason::ConnectionLost) };
        if throttle.is_some_and(|throttle| link.messages >= throttle.admitted) {
            return Err(CloseReason::Kicked);
        }
        link.messages = link.messages.saturating_add(1);
        let message = Incoming { dup: publish.dup, ..message };
        self.keep(&device.identity.device_id, &link.sender, bag, message, behaviour, false);
        if self.faults.take_close_after_telemetry() {
            return Err(CloseReason::Kicked);
        }
        let delay =
            self.faults.puback_delay().max(throttle.map(|throttle| throttle.delay).unwrap_or_default());
        self.acknowledge(device, publish, delay)
    }

    /// Stores the will of a device that has left without a farewell.
    pub(crate) fn take_will(&self, device_id: &str, sender: &Sender, will: &LastWill) {
        // An admitted will can be read.
        if let Some((bag, message)) = read_will(will, device_id) {
            self.keep(device_id, sender, bag, message, &self.behaviour(), true);
        }
    }

    fn keep(
        &self,
        device_id: &str,
        sender: &Sender,
        bag: &str,
        message: Incoming,
        behaviour: &Behaviour,
        will: bool,
    ) {
        let limits = Limits { count: behaviour.held_messages, bytes: behaviour.held_message_bytes };
        let logged = message.body.len().min(LOGGED_BYTES);
        let payload = message.body.slice(..logged).to_vec();
        let sequence = self.messages.push(device_id, sender, message, limits);
        self.log.push(device_id, Event::Telemetry { sequence, bag: bag.to_owned(), payload, will });
    }
}

/// Reads a device's will; `None` if the hub does not take it.
pub(crate) fn read_will<'a>(will: &'a LastWill, device_id: &str) -> Option<(&'a str, Incoming)> {
    let bag = topic::telemetry_bag(&will.topic, device_id)?;
    let mut message = read(bag, will.message.clone(), will.qos, will.retain).ok()?;
    message.bag.application.insert("iothub-MessageType".to_owned(), "Will".to_owned());
    Some((bag, message))
}

/// Checks a message and adds what the hub adds. The size is the device's alone.
fn read(bag: &str, body: Bytes, qos: QoS, retain: bool) -> Result<Incoming, BagError> {
    let mut bag = Bag::parse(bag)?;
    let size = bag.checked_size(body.len())?;
    if retain {
        // Nothing is retained: consumers are told that the device asked for it.
        bag.application.insert("mqtt-retain".to_owned(), "true".to_owned());
    }
    Ok(Incoming { bag, body, size, qos: qos as u8, dup: false })
}
