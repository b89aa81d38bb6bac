//! What the link tells whoever holds it: events in their order, and how it has fared.

use crate::twin::{Dated, HubEvent};
use crate::units::{BootTime, UnixSeconds};
use tokio::sync::OwnedSemaphorePermit;

/// What the link tells its holder.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A fact about the twin or the session.
    Hub(HubEvent),
    /// The clock said this when it dated what the hub took: the known time, see [`crate::twin::ClockSanity`].
    Dated(Dated),
    /// A fact for people.
    State(LinkState),
}

/// Where the link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Dialling.
    Connecting,
    /// A session is up.
    Connected,
    /// There is no session.
    Waiting {
        /// Why, for an operator.
        failure: String,
        /// When the next attempt is due.
        retry_at: BootTime,
    },
}

/// How the link has fared, for whoever asks. It may be a step ahead of the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStatus {
    /// Since when a session is up; `None` while there is none.
    pub connected_since: Option<BootTime>,
    /// The token of that session; `None` with a certificate.
    pub token: Option<TokenTimes>,
    /// The last failure, kept until the link ends.
    pub last_failure: Option<PastFailure>,
    /// When the next attempt is due, while there is no session.
    pub next_attempt: Option<BootTime>,
}

/// The life of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// What stands in it.
    pub expires: UnixSeconds,
    /// When it will be replaced by a new session.
    pub renews: BootTime,
    /// What the clock said when it was made, and when that was.
    pub dated: Dated,
}

/// A failure, and when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastFailure {
    /// For an operator.
    pub text: String,
    /// When.
    pub at: BootTime,
}

/// The room that what the hub said takes while it is read and handled; there is but one. Other events take none.
pub(super) type Room = Option<OwnedSemaphorePermit>;
/// An event, and the room that it takes.
pub(super) type Told = (LinkEvent, Room);
