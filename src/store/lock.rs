//! Who owns the state directory: an advisory lock on its file `lock`, which the system gives back when its holder
//! ends, however it ends. The file itself stays; whether it is locked is what counts.

use super::StoreFault;
use core::time::Duration;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{process, thread};

/// `is_locked` holds the lock for an instant; a daemon that starts just then tries again before it gives up.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// What an attempt to own the directory came to.
pub(super) enum Claim {
    /// Ours, for as long as the file is open.
    Held(File),
    /// Another's; its process number if it left one.
    InUse(Option<u32>),
}

fn path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// Claims the directory for this process.
pub(super) fn claim(dir: &Path) -> Result<Claim, StoreFault> {
    let path = path(dir);
    let fault = |operation: &str, reason: &io::Error| StoreFault::new(operation, &path, reason);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(|reason| fault("open the lock", &reason))?;
    for attempt in 1..=ATTEMPTS {
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file);
                return Ok(Claim::Held(file));
            }
            Err(TryLockError::WouldBlock) if attempt == ATTEMPTS => break,
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_ATTEMPTS),
            Err(TryLockError::Error(reason)) => return Err(fault("lock", &reason)),
        }
    }
    let mut text = String::new();
    let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
    Ok(Claim::InUse(holder))
}

/// Leaves our process number for the message of whoever comes second; a failure only makes that less helpful.
fn sign(file: &mut File) {
    if file.set_len(0).is_ok() {
        drop(file.write_all(format!("{}\n", process::id()).as_bytes()));
    }
}

/// Does a daemon own this state directory now? A directory that does not exist is owned by nobody.
///
/// # Errors
/// The lock file could not be opened or asked, for example by a user who may not read the directory.
pub fn is_locked(dir: &Path) -> io::Result<bool> {
    let file = match File::open(path(dir)) {
        Ok(file) => file,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(reason) => return Err(reason),
    };
    // Shared, so that two who ask do not take each other for a daemon.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(reason)) => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_claim_learns_who_holds_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path()).unwrap();
        assert!(matches!(first, Claim::Held(_)));
        assert!(matches!(claim(dir.path()).unwrap(), Claim::InUse(Some(pid)) if pid == process::id()));
        drop(first);
        assert!(matches!(claim(dir.path()).unwrap(), Claim::Held(_)));
    }

    #[test]
    fn asking_sees_the_holder_and_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_locked(dir.path()).unwrap());
        assert!(!path(dir.path()).exists());
        assert!(!is_locked(&dir.path().join("absent")).unwrap());
        let held = claim(dir.path()).unwrap();
        assert!(is_locked(dir.path()).unwrap());
        drop(held);
        assert!(!is_locked(dir.path()).unwrap());
    }
}
