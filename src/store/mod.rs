//! The store: what must survive a power cut.
//!
//! Terms: the *state directory* holds two *generations* of the record, `twin.a` and `twin.b`. Each write replaces
//! the older one, so the newer one is whole at every moment, whenever the power goes. A *fault* is a write that did
//! not become durable; the store reports it and leaves it to the engine to offer again. Deliberately absent:
//! retries, clocks, and any knowledge of what a record holds.

pub mod format;

mod directory;
mod file;
mod lock;
#[cfg(test)]
mod tests;
mod write;

pub use directory::{LoadNote, Loaded, read};
pub use file::{FileStore, OpenFault};
pub use format::Damage;
pub use lock::is_locked;

use crate::twin::TwinRecord;
use core::fmt;
use std::io;
use std::path::Path;

/// Keeps the latest record.
pub trait Store {
    /// Hands over a record to be kept; a newer one replaces one that is still waiting. Returns at once.
    fn offer(&mut self, record: TwinRecord);
    /// The outcome of a write that ended since the last call: the sequence number that is now durable.
    fn poll_saved(&mut self) -> Option<Result<u64, StoreFault>>;
}

/// A record could not be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// The operation, the file and the system's reason.
    pub reason: String,
}

impl StoreFault {
    fn new(operation: &str, file: &Path, reason: &io::Error) -> Self {
        Self { reason: format!("cannot {operation} {}: {reason}", file.display()) }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for StoreFault {}
