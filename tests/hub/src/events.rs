//! The log of events at the hub, for tests to inspect and wait on, and for the program to print.
//!
//! The log is bounded: the oldest entries are dropped. Entries are numbered without gaps, so a reader notices a loss.

use serde_json::Value;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How many entries are kept.
pub const CAPACITY: usize = 10_000;

/// Why a CONNECT was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// The user name cannot be read, or names another host.
    BadUsername,
    /// No api-version in the user name.
    NoApiVersion,
    /// The client id is not the device id of the user name.
    BadClientId,
    /// No such device.
    UnknownDevice,
    /// The device is disabled.
    Disabled,
    /// The token or the certificate is not accepted, for this reason.
    BadCredentials(String),
    /// Not MQTT 3.1.1.
    BadProtocol,
    /// The will is not for the device's telemetry topic.
    BadWill,
    /// A test asked for it.
    Fault,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The device sent DISCONNECT.
    Disconnect,
    /// The device closed the connection, or it broke.
    ConnectionLost,
    /// Nothing was heard for one and a half keep-alives.
    KeepAliveLapsed,
    /// The same device connected again.
    TakenOver,
    /// The token ran out, grace included.
    TokenExpired,
    /// The device was deleted.
    Deleted,
    /// The device was disabled.
    Disabled,
    /// The device broke this rule of the protocol or of the hub.
    Violation(String),
    /// The device does not read what it is sent.
    TooSlow,
    /// A test asked for it.
    Kicked,
    /// The hub stops listening.
    HubStopped,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A TLS handshake failed; clients that do not trust the certificate show here.
    TlsFailed {
        /// What the TLS library says.
        error: String,
    },
    /// A device connected.
    Connected {
        /// CleanSession, as the device asked.
        clean_session: bool,
        /// Session present, as the device was told.
        session_present: bool,
    },
    /// A CONNECT was refused.
    Refused {
        /// The CONNACK return code.
        code: u8,
        /// Why.
        reason: RefuseReason,
    },
    /// A connection ended.
    Disconnected {
        /// Why.
        reason: CloseReason,
    },
    /// A device subscribed.
    Subscribed {
        /// To these.
        filters: Vec<String>,
    },
    /// A device unsubscribed.
    Unsubscribed {
        /// From these.
        filters: Vec<String>,
    },
    /// A device asked for its twin.
    TwinGet {
        /// Its request id.
        rid: String,
        /// The status it was answered with, if it was.
        status: Option<u16>,
    },
    /// A device patched its reported properties.
    Reported {
        /// The patch; `null` if it was not JSON.
        patch: Value,
        /// The status it was answered with, if it was.
        status: Option<u16>,
        /// The new reported version, if it was applied.
        version: Option<u64>,
    },
    /// The back end changed desired properties or tags.
    TwinChanged {
        /// The desired version after it.
        desired_version: u64,
        /// The body of its request.
        body: Value,
    },
    /// A desired notification was written to the device's connection.
    DesiredSent {
        /// Its version.
        version: u64,
    },
    /// A desired notification was not sent: the device was not connected or not subscribed, or a fault dropped it.
    DesiredNotSent {
        /// Its version.
        version: u64,
    },
    /// The back end called a method and the device was sent the call.
    MethodCalled {
        /// The method.
        name: String,
        /// The request id.
        rid: String,
    },
    /// The device answered a method.
    MethodAnswered {
        /// The request id.
        rid: String,
        /// As the device sees it.
        status: i32,
    },
    /// Telemetry came and was stored.
    Telemetry {
        /// The number of its [`Message`](crate::Message).
        sequence: u64,
        /// The text of its properties.
        bag: String,
        /// Its payload, of which the log keeps the first 4 KiB.
        payload: Vec<u8>,
        /// Whether it is the will of a device that left without DISCONNECT.
        will: bool,
    },
    /// A packet from a connected device came while the hub was muted, and was discarded.
    Unheard,
    /// A registration asked the provisioning service.
    Registration {
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// The state of the registration.
        state: String,
    },
    /// A device was registered.
    DeviceCreated,
    /// A device was deleted from the registry.
    DeviceDeleted,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Counts up from 1 without gaps.
    pub sequence: u64,
    /// Milliseconds since the hub was made.
    pub at_ms: u64,
    /// The device concerned; empty where none is known.
    pub device: String,
    /// What happened.
    pub event: Event,
}

/// No event that fits happened in time.
#[derive(Clone, Debug)]
pub struct WaitError {
    /// The length of the wait.
    pub waited: Duration,
    /// The last entries of the log, to see what happened instead.
    pub last: Vec<Entry>,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "nothing of the kind within {:?}; the last events were:", self.waited)?;
        self.last.iter().try_for_each(|e| writeln!(f, "  {:>6} ms {} {:?}", e.at_ms, e.device, e.event))
    }
}

impl std::error::Error for WaitError {}

/// The log.
pub(crate) struct EventLog {
    started: Instant,
    entries: Mutex<(u64, VecDeque<Entry>)>,
    last: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), entries: Mutex::default(), last: watch::Sender::new(0) }
    }

    pub(crate) fn push(&self, device: &str, event: Event) {
        tracing::debug!(device, ?event);
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut log = self.lock();
        let sequence = log.0 + 1;
        log.0 = sequence;
        if log.1.len() == CAPACITY {
            log.1.pop_front();
        }
        log.1.push_back(Entry { sequence, at_ms, device: device.to_owned(), event });
        drop(log);
        self.last.send_replace(sequence);
    }

    /// Entries with a higher sequence than this.
    pub(crate) fn after(&self, sequence: u64) -> Vec<Entry> {
        self.lock().1.iter().filter(|entry| entry.sequence > sequence).cloned().collect()
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.lock().0
    }

    /// The newest entries, as many as an error shows.
    pub(crate) fn newest(&self) -> Vec<Entry> {
        self.after(self.last_sequence().saturating_sub(20))
    }

    /// The first entry after `sequence` that fits, waiting for it if need be.
    pub(crate) async fn wait_after(
        &self,
        sequence: u64,
        mut fits: impl FnMut(&Entry) -> bool,
        timeout: Duration,
    ) -> Result<Entry, WaitError> {
        let mut changes = self.last.subscribe();
        let search = async {
            let mut seen = sequence;
            loop {
                changes.borrow_and_update();
                for entry in self.after(seen) {
                    seen = entry.sequence;
                    if fits(&entry) {
                        return entry;
                    }
                }
                // The sender lives in self, so this only returns on a change.
                let _ = changes.changed().await;
            }
        };
        match tokio::time::timeout(timeout, search).await {
            Ok(entry) => Ok(entry),
            Err(_) => Err(WaitError { waited: timeout, last: self.newest() }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Entry>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_numbered_without_gaps() {
        let log = EventLog::new();
        for _ in 0..CAPACITY + 5 {
            log.push("d", Event::DeviceCreated);
        }
        let entries = log.after(0);
        assert_eq!((entries.len(), entries[0].sequence), (CAPACITY, 6));
        assert!(entries.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
    }

    #[tokio::test]
    async fn waiting_finds_what_is_there_and_what_comes_later_and_reports_the_rest() {
        let log = std::sync::Arc::new(EventLog::new());
        log.push("a", Event::DeviceCreated);
        let long = Duration::from_secs(60);
        assert_eq!(log.wait_after(0, |e| e.device == "a", long).await.unwrap().sequence, 1);
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.wait_after(1, |e| e.event == Event::DeviceCreated, long).await.unwrap().device }
        });
        log.push("b", Event::DeviceDeleted);
        log.push("c", Event::DeviceCreated);
        assert_eq!(waiting.await.unwrap(), "c");
        let error = log.wait_after(0, |_| false, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.last.len(), 3);
    }
}
