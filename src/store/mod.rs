//! The store: what must survive a power cut.
use crate::twin::TwinRecord;
use core::fmt;

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

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for StoreFault {}
