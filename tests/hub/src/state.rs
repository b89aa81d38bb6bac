//! The hub's state: devices, policies and live connections, behind one lock that is never held across an await.
//!
//! A *link* is one live connection of a device. A *session* is the state that MQTT keeps for it: its subscriptions.

use crate::{
    behaviour::Behaviour,
    events::{CloseReason, Event, EventLog},
    faults::Faults,
    identity::{Identity, Policy},
    messages::{Messages, Sender},
    provisioning::Registry,
    twin::Twin,
};
use bytes::Bytes;
use rumqttc::Packet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot, watch};

/// The number of packets that may wait on a link before its device counts as not reading.
pub(crate) const OUTBOX: usize = 1024;
/// The number of answers held for a device that has not yet subscribed to them.
const MAX_HELD: usize = 64;

/// What is to be written to a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    pub(crate) delay: Duration,
    /// Logged once it is written.
    pub(crate) event: Option<Event>,
}

#[derive(Debug)]
pub(crate) enum Frame {
    Packet(Packet),
    /// These exact bytes, valid MQTT or not.
    Raw(Bytes),
}

impl From<Packet> for Outgoing {
    fn from(packet: Packet) -> Self {
        Self { frame: Frame::Packet(packet), delay: Duration::ZERO, event: None }
    }
}

/// The answer of a device to a method call.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodReply {
    /// As the device sees it.
    pub status: i32,
    /// Its body; `null` if empty.
    pub payload: Value,
}

pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    pub(crate) close: Option<oneshot::Sender<CloseReason>>,
    pub(crate) held: VecDeque<Outgoing>,
    pub(crate) sender: Sender,
    /// The messages taken from this connection.
    pub(crate) messages: u32,
    /// Calls under way; the reply is `None` when the device's answer is not JSON.
    pub(crate) calls: HashMap<String, oneshot::Sender<Option<MethodReply>>>,
}

impl Link {
    /// Queues something for the device; a device that lets its queue fill up loses its connection.
    pub(crate) fn send(&mut self, out: impl Into<Outgoing>) -> bool {
        let queued = self.outbox.try_send(out.into()).is_ok();
        if !queued {
            self.end(CloseReason::TooSlow);
        }
        queued
    }

    pub(crate) fn end(&mut self, reason: CloseReason) {
        if let Some(close) = self.close.take() {
            // The connection may be gone already.
            let _ = close.send(reason);
        }
    }

    pub(crate) fn hold(&mut self, out: Outgoing) {
        if self.held.len() == MAX_HELD {
            self.held.pop_front();
        }
        self.held.push_back(out);
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) clean: bool,
    pub(crate) filters: Vec<String>,
    /// When the last connection that used it ended.
    #[serde(skip)]
    pub(crate) left: Option<Instant>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) twin: Twin,
    pub(crate) session: Option<Session>,
    pub(crate) last_activity: String,
    pub(crate) model_id: String,
    #[serde(skip)]
    pub(crate) link: Option<Link>,
}

impl Device {
    pub(crate) fn is_subscribed(&self, filter: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.filters.iter().any(|f| f == filter))
    }

    /// Closes the connection, if there is one.
    pub(crate) fn close(&mut self, reason: CloseReason) -> bool {
        self.link.as_mut().map(|link| link.end(reason)).is_some()
    }
}

/// Everything that survives a restart of the program.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) policies: Vec<Policy>,
    pub(crate) devices: BTreeMap<String, Device>,
    /// The last number given to a link or a method call.
    #[serde(skip)]
    pub(crate) counter: u64,
}

impl State {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

pub(crate) struct Shared {
    /// The hub's host name, as in connection strings and tokens.
    pub(crate) host: String,
    pub(crate) faults: Faults,
    pub(crate) log: EventLog,
    pub(crate) messages: Messages,
    /// Changes whenever something that is stored changes.
    pub(crate) changed: watch::Sender<u64>,
    /// Held while the state is written to its file; true once nobody may write it any more.
    pub(crate) saving: Mutex<bool>,
    state: Mutex<State>,
    behaviour: Mutex<Behaviour>,
    registry: Mutex<Registry>,
}

impl Shared {
    pub(crate) fn new(host: String, state: State, behaviour: Behaviour) -> Self {
        Self {
            host,
            faults: Faults::default(),
            log: EventLog::new(),
            messages: Messages::new(),
            changed: watch::Sender::new(0),
            saving: Mutex::default(),
            state: Mutex::new(state),
            behaviour: Mutex::new(behaviour),
            registry: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the registry. Never held together with the state.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour_mut().clone()
    }

    pub(crate) fn behaviour_mut(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that something that is stored has changed.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}
