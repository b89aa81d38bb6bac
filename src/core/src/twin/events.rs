//! What goes in and out of the twin's state machine: facts from the hub's session, requests to it, and what an
//! operator is told of it.

use super::{Patch, Section, Version, json};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the hub's session tells: facts only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HubEvent {
    /// Connected, authenticated, and every subscription granted.
    Up,
    /// The connection is gone; requests that were under way will not be answered.
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
    /// The hub took the reported patch of this request.
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
        /// The hub's own words, shortened; may be empty.
        message: String,
        /// How long the hub wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The back end calls a direct method.
    Method {
        /// The call's id, as the hub wrote it.
        rid: String,
        /// Which method.
        name: String,
        /// What was sent along; null if it is nothing, no JSON, or too long for any method of ours.
        #[serde(with = "json::as_text")]
        argument: Value,
    },
    /// A notification or answer that could not be read. What it said is unknown, so the twin must be fetched.
    Garbled {
        /// What was wrong, for the log.
        reason: String,
    },
}

/// What the session is asked to do.
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
        /// As the caller understands it; like an HTTP status.
        status: u16,
        /// What to answer.
        #[serde(with = "json::as_text")]
        payload: Value,
    },
    /// Answers do not come: close the connection and dial again.
    Reconnect {
        /// What was waited for.
        reason: &'static str,
    },
}

/// The desired section is another now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesiredChange {
    /// The version before.
    pub from: Version,
    /// The version now.
    pub to: Version,
    /// The hub's version is lower than ours was, or ours with another document: the identity was deleted and made
    /// again.
    pub recreated: bool,
}

/// Something an operator may want to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncNotice {
    /// The first twin on this connection is here.
    Synced {
        /// The desired version.
        version: Version,
    },
    /// A notification was lost.
    Gap {
        /// The version we are at.
        at: Version,
        /// The version that came.
        came: Version,
    },
    /// What the hub sent could not be read; the twin is fetched again.
    Garbled(String),
    /// The hub refused to hand out the twin for now.
    FetchRefused {
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
        /// It will be asked again after this …
        retry_after: Duration,
        /// … because the hub named this time.
        by_the_hub: bool,
    },
    /// The hub put a report off.
    ReportDeferred {
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
        /// It will be sent again after this …
        retry_after: Duration,
        /// … because the hub named this time.
        by_the_hub: bool,
    },
    /// The hub refuses this value and takes others; it is set aside for a while.
    ReportRefused {
        /// The reported property.
        property: String,
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
        /// It will be tried again after this.
        retry_after: Duration,
    },
    /// The hub takes a value that it refused before.
    ReportTaken {
        /// The reported property.
        property: String,
    },
    /// The hub refuses each part of a report alone, as if it would take nothing at all.
    ReportDoubted {
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
        /// A part will be sent again after this.
        retry_after: Duration,
    },
    /// A request was not answered in time.
    Unanswered(&'static str),
}

/// A refusal's status, and the hub's words if it had any.
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
                write!(f, "the hub sent what cannot be read: {reason}; the twin is fetched again")
            }
            Self::FetchRefused { status, message, retry_after, by_the_hub } => {
                let who = if *by_the_hub { ", as the hub wants" } else { "" };
                let said = said(*status, message);
                write!(f, "the hub did not hand out the twin: {said}; asked again in {retry_after:?}{who}")
            }
            Self::ReportDeferred { status, message, retry_after, by_the_hub } => {
                let who = if *by_the_hub { ", as the hub wants" } else { "" };
                let said = said(*status, message);
                write!(f, "the hub put the report off: {said}; sent again in {retry_after:?}{who}")
            }
            Self::ReportRefused { property, status, message, retry_after } => {
                let said = said(*status, message);
                write!(
                    f,
                    "the hub refuses reported {property}: {said}; its value is set aside and tried again in {retry_after:?} or when it changes, everything else gets through"
                )
            }
            Self::ReportTaken { property } => write!(f, "the hub takes reported {property} again"),
            Self::ReportDoubted { status, message, retry_after } => {
                let said = said(*status, message);
                write!(
                    f,
                    "the hub took no part of the report: {said}; a part of it is sent again in {retry_after:?}"
                )
            }
            Self::Unanswered(what) => {
                write!(f, "no answer while waiting for {what}; the connection is made anew")
            }
        }
    }
}
