//! The device twin: two JSON sections, their versions, and the state machine that keeps both ends equal.
//!
//! The back end writes the *desired* section, the device the *reported* one. Each has one writer, so the two ends reconcile
//! by difference and never merge histories.

mod clock_sanity;
mod document;
mod events;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod json;
mod limits;
mod outgoing;
mod persisted;
mod quarantine;
mod record;
mod silence;
mod sync;

pub use clock_sanity::{BUILT, ClockSanity, Dated};
pub use document::{Patch, PropertyPath, Section, Version};
pub use events::{DesiredChange, DeviceMessage, HubEvent, HubRequest, SyncNotice};
pub use limits::{Limit, LimitFault, is_writable, is_writable_key};
pub(crate) use limits::{excess, value_size};
pub use persisted::{Author, Machine, Moment, Override, PersistedRange};
pub use quarantine::{HubReason, SetAside};
pub use record::{RecordFault, TwinRecord};
pub use silence::{PersistedSilence, Silence};
pub use sync::{Deferral, SyncPolicy, TwinSync};
