//! The device twin: two JSON sections, their versions, and the state machine that keeps both ends equal.
//!
//! The *desired* section is the back end's to write, the *reported* section is ours; each has one writer, so the two
//! ends reconcile by difference and never merge histories. Deliberately absent: MQTT, files, clocks.

mod document;
mod record;
mod sync;

pub use document::{Limit, LimitFault, Patch, PropertyPath, Section, Version};
pub use record::{RecordFault, TwinRecord};
pub use sync::{DesiredChange, HubEvent, HubRequest, Sync, SyncNotice, SyncPolicy};
