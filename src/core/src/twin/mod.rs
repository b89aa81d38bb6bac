//! The device twin: two JSON sections, their versions, and the state machine that keeps both ends equal.
//!
//! The *desired* section is the back end's to write, the *reported* section is ours; each has one writer, so the two
//! ends reconcile by difference and never merge histories. Deliberately absent: MQTT, files, clocks.

mod document;
mod events;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod json;
mod kept;
mod limits;
mod outgoing;
mod quarantine;
mod record;
mod sanity;
mod silence;
mod sync;

pub use document::{Patch, PropertyPath, Section, Version};
pub use events::{DesiredChange, HubEvent, HubRequest, SyncNotice};
pub use kept::{Author, Machine, Moment, Override};
pub use limits::{Limit, LimitFault, is_writable, is_writable_key};
pub use quarantine::{Aside, Why};
pub use record::{RecordFault, TwinRecord};
pub use sanity::{BUILT, ClockSanity, Dated};
pub use silence::{KeptSilence, Silence};
pub use sync::{Deferral, Sync, SyncPolicy};
