//! The messages that devices sent, as consumers read them, and the store that holds them.
//!
//! The store is bounded by count and by bytes: the oldest messages are dropped. Messages are numbered without gaps, so a
//! reader notices a loss. Nothing is de-duplicated: a message that a device sends twice is here twice. The store does not
//! survive the hub.

use crate::{bag::Bag, bag::pieces, clock};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// What a message costs in memory beside what it counts: its stamps, its places in maps and queues.
const OVERHEAD_BYTES: usize = 1024;

/// A message that a device sent and the hub stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Counts up from 1 without gaps, over all devices.
    pub sequence: u64,
    /// The number of bytes that the hub took before this message.
    pub offset: u64,
    /// When the hub took it: UTC with seven fractional digits.
    pub enqueued_time: String,
    /// The device that sent it.
    pub device: String,
    /// System properties by the name that consumers know: `message-id`, `content-type`…
    pub system: BTreeMap<String, String>,
    /// Application properties, and what the hub adds to them: `mqtt-retain` and `iothub-MessageType`.
    pub application: BTreeMap<String, String>,
    /// What the hub stamps, each name beginning with `iothub-`.
    pub annotations: BTreeMap<String, String>,
    /// The payload.
    pub body: Bytes,
    /// The size as the hub counts it.
    pub size: usize,
    /// The quality of service with which it was sent. Consumers do not see this.
    pub qos: u8,
    /// Whether the device said that it sends this again. Consumers do not see this.
    pub dup: bool,
}

impl Message {
    /// The id that the device gave it.
    pub fn id(&self) -> Option<&str> {
        self.system("message-id")
    }

    /// When the device says that it made it.
    pub fn creation_time(&self) -> Option<&str> {
        self.system("iothub-creation-time-utc")
    }

    /// A system property by the name that consumers know.
    pub fn system(&self, name: &str) -> Option<&str> {
        self.system.get(name).map(String::as_str)
    }

    /// An application property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.application.get(name).map(String::as_str)
    }

    /// Whether it is the will of a device that left without DISCONNECT.
    pub fn is_will(&self) -> bool {
        self.property("iothub-MessageType") == Some("Will")
    }

    /// The 4 KiB pieces that it counts as.
    pub fn pieces(&self) -> u64 {
        pieces(self.size)
    }

    /// The body as JSON, if its content type and encoding say that it is JSON in UTF-8, and it is.
    pub fn json(&self) -> Option<Value> {
        let kind = self.system("content-type")?.split(';').next()?.trim();
        let encoding = self.system("content-encoding")?.trim();
        let said = kind.eq_ignore_ascii_case("application/json") && encoding.eq_ignore_ascii_case("utf-8");
        if said { serde_json::from_slice(&self.body).ok() } else { None }
    }

    /// The message as `twinhub events` prints it. The body is `body` where [`Message::json`] can read it, and otherwise
    /// `bodyBase64`.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "sequence": self.sequence,
            "offset": self.offset.to_string(),
            "enqueuedTime": self.enqueued_time,
            "device": self.device,
            "system": self.system,
            "application": self.application,
            "annotations": self.annotations,
            "size": self.size,
            "pieces": self.pieces(),
        });
        let (name, body) = match self.json() {
            Some(body) => ("body", body),
            None => ("bodyBase64", Value::String(STANDARD.encode(&self.body))),
        };
        shown[name] = body;
        shown
    }

    /// What it costs to hold.
    fn weight(&self) -> usize {
        self.size + OVERHEAD_BYTES
    }
}

/// What a device's messages were metered as, since the hub was made. Messages that the hub did not take do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// The messages.
    pub messages: u64,
    /// Their bytes as the hub counts them.
    pub bytes: u64,
    /// Their 4 KiB pieces, of which a day's quota consists.
    pub pieces: u64,
}

/// Who sends, as the hub stamps it.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) generation_id: String,
    /// JSON text.
    pub(crate) auth_method: &'static str,
}

/// A message on its way into the store.
pub(crate) struct Incoming {
    pub(crate) bag: Bag,
    pub(crate) body: Bytes,
    pub(crate) size: usize,
    pub(crate) qos: u8,
    pub(crate) dup: bool,
}

/// How much a store holds.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct Held {
    last: u64,
    offset: u64,
    weight: usize,
    messages: VecDeque<Arc<Message>>,
    metered: BTreeMap<String, Metered>,
}

impl Held {
    /// The number of the oldest message; that of the next one if there is none.
    fn first(&self) -> u64 {
        self.messages.front().map_or(self.last + 1, |message| message.sequence)
    }

    fn after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Message>> {
        let skipped = (sequence + 1).saturating_sub(self.first());
        self.messages.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX))
    }
}

/// The messages that can be read at once.
pub(crate) struct Page {
    pub(crate) messages: Vec<Arc<Message>>,
    /// How many were dropped before they were read.
    pub(crate) lost: u64,
    /// The number from which to read on.
    pub(crate) next: u64,
}

/// The store.
pub(crate) struct Messages {
    held: Mutex<Held>,
    last: watch::Sender<u64>,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self { held: Mutex::default(), last: watch::Sender::new(0) }
    }

    /// Stores a message, and drops the oldest that there is no room for. Returns its number.
    pub(crate) fn push(&self, device: &str, sender: &Sender, incoming: Incoming, limits: Limits) -> u64 {
        let Incoming { bag: Bag { system, application }, body, size, qos, dup } = incoming;
        let mut held = self.lock();
        let enqueued_time = clock::now_utc();
        let annotations = [
            ("iothub-connection-device-id", device),
            ("iothub-connection-auth-method", sender.auth_method),
            ("iothub-connection-auth-generation-id", &sender.generation_id),
            ("iothub-enqueuedtime", &enqueued_time),
            ("iothub-message-source", "Telemetry"),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sequence = held.last + 1;
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        let message = Message {
            sequence,
            offset: held.offset,
            enqueued_time,
            device: device.to_owned(),
            system,
            application,
            annotations,
            body,
            size,
            qos,
            dup,
        };
        let metered = held.metered.entry(device.to_owned()).or_default();
        metered.messages += 1;
        metered.bytes += bytes;
        metered.pieces += message.pieces();
        held.last = sequence;
        held.offset += bytes;
        held.weight += message.weight();
        held.messages.push_back(Arc::new(message));
        while held.messages.len() > limits.count || held.weight > limits.bytes {
            let Some(dropped) = held.messages.pop_front() else { break };
            held.weight -= dropped.weight();
        }
        drop(held);
        self.last.send_replace(sequence);
        sequence
    }

    /// Messages with a higher number than this, oldest first.
    pub(crate) fn after(&self, sequence: u64) -> Vec<Arc<Message>> {
        self.lock().after(sequence).cloned().collect()
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.lock().last
    }

    /// The number of the oldest message; that of the next one if there is none.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.lock().first()
    }

    pub(crate) fn metered(&self, device: &str) -> Metered {
        self.lock().metered.get(device).copied().unwrap_or_default()
    }

    /// What there is from this number on, of one device or of all: so many messages at most, and no more after the one
    /// that reaches so many bytes.
    pub(crate) fn page(&self, from: u64, device: Option<&str>, count: usize, bytes: usize) -> Page {
        let held = self.lock();
        let from = from.max(1);
        let mut page = Page { messages: Vec::new(), lost: held.first().saturating_sub(from), next: from };
        page.next += page.lost;
        let mut weight = 0;
        for message in held.after(page.next - 1) {
            if page.messages.len() == count || weight >= bytes {
                break;
            }
            page.next = message.sequence + 1;
            if device.is_none_or(|device| device == message.device) {
                weight += message.weight();
                page.messages.push(message.clone());
            }
        }
        page
    }

    /// Waits for a number above `sequence`.
    pub(crate) async fn pushed_after(&self, sequence: u64) {
        // The sender lives in self, so this only returns on a change.
        let _ = self.last.subscribe().wait_for(|last| *last > sequence).await;
    }

    /// The first message after `sequence` that fits, waiting for it if need be; `None` if none comes in time.
    pub(crate) async fn wait_after(
        &self,
        sequence: u64,
        mut fits: impl FnMut(&Message) -> bool,
        timeout: Duration,
    ) -> Option<Arc<Message>> {
        let search = async {
            let mut seen = sequence;
            loop {
                for message in self.after(seen) {
                    seen = message.sequence;
                    if fits(&message) {
                        return message;
                    }
                }
                self.pushed_after(seen).await;
            }
        };
        tokio::time::timeout(timeout, search).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
