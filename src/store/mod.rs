//! The store: what must survive a power cut.
//!
//! Terms: the *state directory* holds two *generations* of the record, `twin.a` and `twin.b`. Each write replaces the older one, so
//! the newer one is whole at every moment, whenever the power goes. A *fault* is a write that did not become durable; the store
//! reports it, and the engine offers its record again. The *ring* holds messages that the hub does not have yet, in *segments*
//! (`messages.00000042`) that are written at their end, and removed whole. A *lock* shows which process owns a directory; the service uses it, too.

pub mod format;

mod directory;
mod file;
mod lock;
mod messages;
mod process;
mod queue;
#[cfg(test)]
mod tests;
mod write;

pub use directory::{LoadNote, Loaded, read};
pub use file::{FileStore, OpenFault, Opening, Unsaved};
pub use format::Damage;
pub use lock::{Claim, Holder, Lock, LockFault, claim, look};
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
    /// A file of the state directory, or the directory itself.
    fn new(operation: &str, file: &Path, reason: &io::Error) -> Self {
        let mends = match reason.kind() {
            io::ErrorKind::PermissionDenied => {
                " (`chown -R` the state directory to the daemon's user, or name another with [twin] state-dir)"
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                " (something that is no directory is in its place: remove it, or set another state-dir)"
            }
            kind => mends(kind),
        };
        Self::with(operation, file, reason, mends)
    }

    /// A state directory that cannot be made: there is nothing yet whose owner could be changed.
    fn unmade(dir: &Path, reason: &io::Error) -> Self {
        const OPERATION: &str = "make the state directory";
        match reason.kind() {
            io::ErrorKind::PermissionDenied => Self::with(
                OPERATION,
                dir,
                reason,
                " (name one of this user's own with [twin] state-dir; the installed service has its own)",
            ),
            _ => Self::new(OPERATION, dir, reason),
        }
    }

    fn with(operation: &str, file: &Path, reason: &io::Error, mends: &str) -> Self {
        Self { reason: format!("cannot {operation} {}: {reason}{mends}", file.display()) }
    }
}

/// What to do about a disk, where that is known.
fn mends(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ReadOnlyFilesystem => {
            " (remount it writable; a card that is worn out turns read-only by itself)"
        }
        Kind::StorageFull | Kind::QuotaExceeded => " (make room: df -h shows bytes, df -i inodes)",
        _ => "",
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for StoreFault {}
