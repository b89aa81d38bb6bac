//! The store: what must survive a power cut.
//!
//! Terms: the *state directory* holds two *generations* of the record, `twin.a` and `twin.b`. Each write replaces the older one, so
//! the newer one is whole at every moment, whenever the power goes. A *fault* is a write that did not become durable; the store
//! reports it, and the engine offers its record again. A *lock* shows which process owns a directory; the service uses it, too.

pub mod format;

mod directory;
mod file;
mod lock;
mod process;
#[cfg(test)]
mod tests;
mod write;

pub use directory::{LoadNote, Loaded, read};
pub use file::{FileStore, OpenFault, Opening};
pub use format::Damage;
pub use lock::{Claim, Holder, Lock, claim, look};
pub use process::{Liveness, Process};

use core::fmt;
use std::io;
use std::path::Path;

/// Who owns this state directory now?
pub fn holder(dir: &Path) -> Holder {
    look(&lock::path(dir))
}

/// A record could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// The operation, the file and the system's reason.
    pub reason: String,
}

impl StoreFault {
    fn new(operation: &str, file: &Path, reason: &io::Error) -> Self {
        let mends = mends(reason.kind());
        Self { reason: format!("cannot {operation} {}: {reason}{mends}", file.display()) }
    }
}

/// What to do about it, where that is known.
fn mends(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ReadOnlyFilesystem => {
            " (remount it writable; a card that is worn out turns read-only by itself)"
        }
        Kind::StorageFull | Kind::QuotaExceeded => " (make room: df -h shows bytes, df -i inodes)",
        Kind::PermissionDenied => " (it must belong to the daemon's user: chown it)",
        Kind::AlreadyExists | Kind::NotADirectory => {
            " (something that is no directory is in its place: remove it, or set another state-dir)"
        }
        _ => "",
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for StoreFault {}
