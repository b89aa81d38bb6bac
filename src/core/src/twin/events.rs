//! The inputs and outputs of the twin's state machine: events from the hub's session, requests to it, and notices.

use super::{Patch, Section, Version, json};
use crate::text::Span;
use crate::units::UnixSeconds;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event from the hub's session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HubEvent {
    /// Connected and authenticated, with every subscription granted.
    Up,
    /// The connection is lost. Requests in flight will not be answered.
    Down,
    /// The answer to [`HubRequest::GetTwin`].
    Twin {
        /// The request's id.
        rid: u64,
        /// The whole desired section.
        desired: Section,
        /// Its version.
        desired_version: Version,
        /// The whole reported section as the hub has it.
        reported: Section,
    },
    /// The back end changed the desired section.
    DesiredDelta {
        /// The version after the change.
        version: Version,
        /// The change.
        patch: Patch,
    },
    /// The hub accepted the reported patch of this request.
    ReportedAck {
        /// The request's id.
        rid: u64,
    },
    /// The hub refused the request.
    Rejected {
        /// The request's id.
        rid: u64,
        /// An HTTP-like status: 400 and above.
        status: u16,
        /// The hub's message, shortened; may be empty.
        message: String,
        /// How long the hub asks to wait, if it does.
        retry_after: Option<Duration>,
    },
    /// The back end calls a direct method.
    Method {
        /// The call's id, as the hub wrote it.
        rid: String,
        /// Which method.
        name: String,
        /// The payload; null if it is absent, no JSON, or too long for any method of twind.
        #[serde(with = "json::as_text")]
        argument: Value,
    },
    /// The hub has stored the message of this number.
    MessageStored {
        /// The number of [`HubRequest::SendMessage`].
        number: u64,
    },
    /// A notification or answer that cannot be read. Its content is unknown, so the twin must be fetched.
    Garbled {
        /// What was wrong, for the log.
        reason: String,
    },
}

/// A request to the session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum HubRequest {
    /// Fetch the whole twin.
    GetTwin {
        /// The request's id.
        rid: u64,
    },
    /// Change the reported section.
    PatchReported {
        /// The request's id.
        rid: u64,
        /// The change.
        patch: Patch,
    },
    /// Answer a direct method.
    AnswerMethod {
        /// The call's id.
        rid: String,
        /// Like an HTTP status.
        status: u16,
        /// The answer.
        #[serde(with = "json::as_text")]
        payload: Value,
    },
    /// Send a message that is not about the twin, after all that is. The hub stores it at least once.
    SendMessage {
        /// Which one it is, for [`HubEvent::MessageStored`].
        number: u64,
        /// The message.
        message: DeviceMessage,
    },
    /// An answer did not come: close the connection and connect again.
    Reconnect {
        /// What was waited for.
        reason: &'static str,
    },
}

/// A message from the device to the hub, as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMessage {
    /// Its id, which is the same whenever it is sent again. At most 128 characters.
    pub id: String,
    /// When it was made, if that is known.
    pub created: Option<UnixSeconds>,
    /// The name of the alarm that it is about, for the hub's routes.
    pub alarm: Option<String>,
    /// JSON. The journal of inputs does without it.
    #[serde(skip)]
    pub body: String,
}

/// The desired section changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesiredChange {
    /// The version before.
    pub from: Version,
    /// The version now.
    pub to: Version,
    /// The hub's version is lower than ours was, or the same with another document: the identity was deleted and created
    /// again.
    pub recreated: bool,
}

/// A notice about the twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncNotice {
    /// The first twin on this connection was received.
    Synced {
        /// The desired version.
        version: Version,
    },
    /// A notification was lost.
    Gap {
        /// The version before it.
        at: Version,
        /// The version that was received.
        came: Version,
    },
    /// A message of the hub cannot be read; the twin is fetched again.
    Garbled(String),
    /// The hub refused the twin for now.
    FetchRefused {
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
        /// It is asked again after this.
        retry_after: Duration,
        /// The hub asked for that time.
        by_the_hub: bool,
    },
    /// The hub refused a report for now.
    ReportDeferred {
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
        /// The report is sent again after this.
        retry_after: Duration,
        /// The hub asked for that time.
        by_the_hub: bool,
    },
    /// The hub refuses this value and accepts others; it is set aside for a while.
    ReportRefused {
        /// The reported property.
        property: String,
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
        /// It is tried again after this.
        retry_after: Duration,
    },
    /// The hub accepts a value that it refused before.
    ReportTaken {
        /// The reported property.
        property: String,
    },
    /// The hub refuses each part of a report on its own, as if it would accept none.
    ReportDoubted {
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
        /// A part is sent again after this.
        retry_after: Duration,
    },
    /// A request was not answered in time.
    Unanswered(&'static str),
}

/// A refusal's status, and the hub's message if there is one.
fn said(status: u16, message: &str) -> String {
    if message.is_empty() { format!("status {status}") } else { format!("status {status} {message}") }
}

impl fmt::Display for SyncNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synced { version } => write!(f, "twin fetched, desired version {version}"),
            Self::Gap { at, came } => {
                write!(
                    f,
                    "a notification was lost (at version {at}, version {came} came); the twin is fetched again"
                )
            }
            Self::Garbled(reason) => {
                write!(f, "the hub sent something that cannot be read: {reason}; the twin is fetched again")
            }
            Self::FetchRefused { status, message, retry_after, by_the_hub } => {
                let who = if *by_the_hub { ", as the hub asked" } else { "" };
                let (said, wait) = (said(*status, message), Span::from(*retry_after));
                write!(f, "the hub refused to send the twin: {said}; requested again in {wait}{who}")
            }
            Self::ReportDeferred { status, message, retry_after, by_the_hub } => {
                let who = if *by_the_hub { ", as the hub asked" } else { "" };
                let (said, wait) = (said(*status, message), Span::from(*retry_after));
                write!(f, "the hub did not accept the report for now: {said}; sent again in {wait}{who}")
            }
            Self::ReportRefused { property, status, message, retry_after } => {
                let (said, wait) = (said(*status, message), Span::from(*retry_after));
                write!(
                    f,
                    "the hub refuses reported {property}: {said}; its value is set aside and tried again in {wait} or when it changes; all other properties are reported"
                )
            }
            Self::ReportTaken { property } => write!(f, "the hub accepts reported {property} again"),
            Self::ReportDoubted { status, message, retry_after } => {
                let (said, wait) = (said(*status, message), Span::from(*retry_after));
                write!(
                    f,
                    "the hub rejected every part of the report: {said}; a part of it is sent again in {wait}"
                )
            }
            Self::Unanswered(what) => write!(f, "no answer while waiting for {what}; reconnecting"),
        }
    }
}
