//! The link: one session after another with the hub, for as long as somebody holds the [`Link`].
//!
//! It knows both other rooms and puts them together: it finds out which device of which hub this is, has `wire` connect,
//! speaks over the connection what `azure` writes and reads, and decides when to try again.
//!
//! ```text
//!   handle ─► driver ─► connect ◄─ walk     one attempt; the same step by step, for `twind check --hub`
//!     │         │         ├─► provisioning        which hub does the device belong to?
//!     │         │         └─► session ─► outbox   one session that speaks of the twin; what waits for room in it
//!     ▼         ├─────► backoff ─► churn    when to connect next; what a row of short sessions means
//!   events ◄────┤          ▼
//!               ├─────► failure ─► remedy   why there is no session, in words, and how loudly; what a person must do
//!               └─────► moments             waiting for a moment, and for the clock to be set
//! ```
//!
//! Bytes belong to `wire`, topics and bodies to `azure`, and the meaning of an event to the core.

pub mod backoff;
mod churn;
mod connect;
mod driver;
mod events;
mod failure;
mod handle;
mod moments;
mod outbox;
mod provisioning;
mod remedy;
mod session;
mod settings;
mod walk;

pub use churn::{Advice, Pattern, SHORT};
pub use events::{LinkEvent, LinkState, LinkStatus, PastFailure, TokenTimes};
pub use failure::{Cause, Failure};
pub use handle::Link;
pub use settings::HubSettings;
pub use walk::{Walked, walk};

#[cfg(test)]
mod fixtures;
