//! What the link reports to its holder: events in order, and its status.

use crate::twin::{Dated, HubEvent};
use crate::units::{BootTime, UnixSeconds};
use tokio::sync::OwnedSemaphorePermit;

/// An event for the link's holder.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A fact about the twin or the session.
    Hub(HubEvent),
    /// The wall clock's time in a token that the hub accepted: the known time, see [`crate::twin::ClockSanity`].
    Dated(Dated),
    /// For the status.
    State(LinkState),
}

/// The link's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// An attempt is under way.
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

/// The link's status. It may be a step ahead of the events.
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

/// A token's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// The expiry that it contains.
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
    /// What a person must do, if twind alone cannot get on.
    pub remedy: Option<&'static str>,
    /// When.
    pub at: BootTime,
}

/// The permit that an event from the hub holds while it is read and handled; there is only one. Other events need none.
pub(super) type Room = Option<OwnedSemaphorePermit>;
/// An event and its permit.
pub(super) type Told = (LinkEvent, Room);
