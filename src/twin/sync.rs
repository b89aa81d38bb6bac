//! The state machine that keeps both ends equal.
use super::{Patch, Section, Version};
use core::time::Duration;

/// What the hub's session tells: facts only.
#[derive(Clone, Debug, PartialEq)]
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
    },
    /// A notification or answer that could not be read. What it said is unknown, so the twin must be fetched.
    Garbled {
        /// What was wrong, for the log.
        reason: String,
    },
}

/// What the session is asked to do.
#[derive(Clone, Debug, PartialEq)]
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
    /// Answers do not come: close the connection and dial again.
    Reconnect {
        /// What was waited for.
        reason: &'static str,
    },
}

/// How patient [`Sync`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SyncPolicy {
    /// A request not answered within this is asked again.
    pub request_timeout: Duration,
    /// The whole twin is fetched at least this often.
    pub refresh_interval: Duration,
}
/// placeholder
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredChange {}
/// placeholder
pub struct Sync {}
