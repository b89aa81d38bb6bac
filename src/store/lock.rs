//! Ownership of a directory: an advisory lock on a file, which the system releases when its holder ends, however it ends.
//!
//! The system releases it late if a thread of the holder hangs in the kernel, so the lock alone is not enough: the file names its
//! holder ([`Process`]), and the lock of a dead holder is ignored. A process that finds such a lock takes the next of a few
//! *slots* (`lock`, `lock.1`, …); if two do so at once, each sees the other. Only whether a file is locked counts, not whether it
//! exists.

use super::process::{Liveness, Process};
use crate::files::{self, Unread};
use core::fmt;
use core::time::Duration;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, thread};

/// A process that only looks holds the lock for an instant, so a daemon that starts then tries again before it gives up.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);
/// More dead processes that hang than a service manager starts before it pauses.
const SLOTS: u32 = 16;

/// The outcome of a claim.
pub enum Claim {
    /// The lock is held as long as this value exists.
    Held(Lock),
    /// Another process holds it that is alive or may be; its process number if it left one.
    InUse(Option<u32>),
}

/// A lock whose file could not be made, opened or locked.
#[derive(Debug)]
pub struct LockFault {
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub reason: io::Error,
}

impl fmt::Display for LockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mends = match self.reason.kind() {
            io::ErrorKind::PermissionDenied => " (its folder must belong to the daemon's user: chown it)",
            kind => super::mends(kind),
        };
        write!(f, "cannot lock {}: {}{mends}", self.path.display(), self.reason)
    }
}

impl std::error::Error for LockFault {}

/// A lock that this process holds.
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Releases the lock and removes its file.
    pub fn remove(self) {
        // The file is removed before it is unlocked: a process that opened it before checks whether it still has a name.
        drop(fs::remove_file(&self.path));
    }
}

/// What a look at a lock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// There is no lock file.
    Absent,
    /// Nobody holds it, or only a dead process.
    Nobody,
    /// A process that is alive; its process number if it left one.
    Alive(Option<u32>),
    /// It cannot be known, or not by this user.
    Unknown,
}

/// The lock of a state directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

fn slot(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    PathBuf::from(name)
}

/// Claims the lock at `path` for this process.
///
/// # Errors
/// The lock's file could not be made, opened or locked.
pub fn claim(path: &Path) -> Result<Claim, LockFault> {
    let mut held = None;
    for number in 0..SLOTS {
        let path = slot(path, number);
        let attempted = attempt(&path, held.is_none());
        let attempted = attempted.map_err(|reason| LockFault { path: path.clone(), reason })?;
        match attempted {
            Attempt::Locked(file) if held.is_none() => held = Some(Lock { _file: file, path }),
            Attempt::Locked(_) | Attempt::Absent => {}
            Attempt::Held(file) => match whose(&file) {
                (_, Liveness::Dead) => {}
                (holder, _) => return Ok(Claim::InUse(holder)),
            },
        }
    }
    match held {
        Some(lock) => {
            sign(&lock._file);
            Ok(Claim::Held(lock))
        }
        None => Err(LockFault {
            path: path.to_owned(),
            reason: io::Error::other(
                "too many dead processes that hang in the kernel hold it: restart the machine",
            ),
        }),
    }
}

/// `None` if there is no file and `make` is false.
fn open(path: &Path, make: bool) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    match options.read(true).write(true).create(make).truncate(false).mode(0o600).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound && !make => Ok(None),
        Err(reason) => Err(reason),
    }
}

enum Attempt {
    Locked(File),
    Held(File),
    /// There is no file, and none is to be made.
    Absent,
}

fn attempt(path: &Path, make: bool) -> io::Result<Attempt> {
    let mut left = ATTEMPTS;
    loop {
        // Opened each time, since the holder may have removed the file.
        let Some(file) = open(path, make)? else { return Ok(Attempt::Absent) };
        left -= 1;
        match file.try_lock() {
            // The file was removed between open and lock, so this lock is worth nothing.
            Ok(()) if file.metadata()?.nlink() == 0 && left > 0 => {}
            Ok(()) if file.metadata()?.nlink() == 0 => {
                return Err(io::Error::other("other processes make and remove it again and again"));
            }
            Ok(()) => return Ok(Attempt::Locked(file)),
            Err(TryLockError::WouldBlock) if left == 0 => return Ok(Attempt::Held(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_ATTEMPTS),
            Err(TryLockError::Error(reason)) => return Err(reason),
        }
    }
}

/// The holder that the file names, and whether it is alive.
fn whose(file: &File) -> (Option<u32>, Liveness) {
    let mut text = String::new();
    // A few numbers; more is not ours.
    let read = file.take(256).read_to_string(&mut text);
    let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
    let holder = read.ok().and_then(|_| Process::parse(&text));
    (number, holder.map_or(Liveness::Unknown, |holder| holder.liveness()))
}

/// Writes this process into the file; a failure only makes the message of a second process less helpful.
///
/// It is written over the holder before, whose rest is cut off if it was longer. To empty the file first would take ext4 some
/// milliseconds, for which the first pin would wait, and a second process could find it empty.
fn sign(mut file: &File) {
    let text = Process::own().map_or_else(|| std::process::id().to_string(), |own| own.to_string());
    let line = format!("{text}\n");
    if file.write_all(line.as_bytes()).is_ok() {
        let length = line.len() as u64;
        if file.metadata().is_ok_and(|found| found.len() > length) {
            drop(file.set_len(length));
        }
    }
}

/// Who holds the lock at `path`? Changes nothing.
pub fn look(path: &Path) -> Holder {
    let mut seen = Holder::Absent;
    for number in 0..SLOTS {
        let found = match files::open(&slot(path, number)) {
            Ok((file, _)) => look_at(&file),
            Err(Unread::System(reason)) if reason.kind() == io::ErrorKind::PermissionDenied => {
                Holder::Unknown
            }
            Err(_) => continue,
        };
        match found {
            Holder::Alive(_) => return found,
            Holder::Unknown => seen = found,
            Holder::Nobody | Holder::Absent if seen == Holder::Absent => seen = Holder::Nobody,
            Holder::Nobody | Holder::Absent => {}
        }
    }
    seen
}

fn look_at(file: &File) -> Holder {
    // Shared, so that two processes that look do not take each other for a daemon.
    match file.try_lock_shared() {
        Ok(()) => Holder::Nobody,
        Err(TryLockError::WouldBlock) => match whose(file) {
            (_, Liveness::Dead) => Holder::Nobody,
            (holder, Liveness::Alive) => Holder::Alive(holder),
            // It is locked, so the process exists; whether it is alive cannot be known.
            (holder @ Some(_), Liveness::Unknown) => Holder::Alive(holder),
            (None, Liveness::Unknown) => Holder::Unknown,
        },
        Err(TryLockError::Error(_)) => Holder::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{self, Command};

    fn place(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("lock")
    }

    fn held(path: &Path) -> Lock {
        match claim(path).unwrap() {
            Claim::Held(lock) => lock,
            Claim::InUse(holder) => panic!("in use by {holder:?}"),
        }
    }

    #[test]
    fn the_second_claim_learns_who_holds_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = held(&place(&dir));
        assert!(matches!(claim(&place(&dir)).unwrap(), Claim::InUse(Some(pid)) if pid == process::id()));
        drop(first);
        drop(held(&place(&dir)));
    }

    #[test]
    fn who_comes_while_the_holder_gives_it_up_has_it_and_under_its_name() {
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let path = place(&dir);
            let before = held(&path);
            let next = thread::spawn({
                let path = path.clone();
                move || loop {
                    match claim(&path).unwrap() {
                        Claim::Held(lock) => return lock,
                        Claim::InUse(_) => {}
                    }
                }
            });
            // Long enough for it to have opened the file, short enough for it to try again.
            thread::sleep(BETWEEN_ATTEMPTS / 2);
            before.remove();
            let next = next.join().unwrap();
            assert_eq!(look(&path), Holder::Alive(Some(process::id())));
            next.remove();
        }
    }

    #[test]
    fn the_holder_stands_alone_in_the_file_whoever_held_it_before() {
        let dir = tempfile::tempdir().unwrap();
        let own = format!("{}\n", Process::own().unwrap());
        for before in ["", "1\n", &own, &"9 9 a holder with a long name ".repeat(20)] {
            fs::write(place(&dir), before).unwrap();
            let _lock = held(&place(&dir));
            assert_eq!(fs::read_to_string(place(&dir)).unwrap(), own, "after {before:?}");
        }
    }

    #[test]
    fn asking_sees_the_holder_and_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(&place(&dir)), Holder::Absent);
        assert!(!place(&dir).exists());
        assert_eq!(look(&dir.path().join("absent/lock")), Holder::Absent);
        let lock = held(&place(&dir));
        assert_eq!(look(&place(&dir)), Holder::Alive(Some(process::id())));
        drop(lock);
        assert_eq!(look(&place(&dir)), Holder::Nobody);
        held(&place(&dir)).remove();
        assert_eq!(look(&place(&dir)), Holder::Absent);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_lock_holds_up_nobody_who_looks() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        mknodat(CWD, place(&dir), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (told, seen) = std::sync::mpsc::channel();
        let path = place(&dir);
        thread::spawn(move || told.send(look(&path)));
        assert_eq!(seen.recv_timeout(Duration::from_secs(60)), Ok(Holder::Absent));
    }

    #[test]
    fn a_lock_that_a_dead_process_still_holds_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let dead = Process::of(child.id()).unwrap();
        child.wait().unwrap();
        let mut hangs = File::create(place(&dir)).unwrap();
        hangs.try_lock().unwrap();
        hangs.write_all(dead.to_string().as_bytes()).unwrap();

        assert_eq!(look(&place(&dir)), Holder::Nobody);
        let second = held(&place(&dir));
        assert_eq!(look(&place(&dir)), Holder::Alive(Some(process::id())));
        // Even when the first slot is free again there is one owner.
        drop(hangs);
        assert!(matches!(claim(&place(&dir)).unwrap(), Claim::InUse(Some(pid)) if pid == process::id()));
        drop(second);
        drop(held(&place(&dir)));
    }

    #[test]
    fn a_lock_of_an_older_twind_which_left_but_its_number_is_respected() {
        let dir = tempfile::tempdir().unwrap();
        let mut older = File::create(place(&dir)).unwrap();
        older.try_lock().unwrap();
        older.write_all(b"4711\n").unwrap();
        assert_eq!(look(&place(&dir)), Holder::Alive(Some(4711)));
        assert!(matches!(claim(&place(&dir)).unwrap(), Claim::InUse(Some(4711))));
    }

    #[test]
    fn a_lock_whose_folder_is_no_folder_or_another_users_is_a_fault_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let path = dir.path().join("file/lock");
        let told = claim(&path).err().unwrap().to_string();
        assert!(told.starts_with(&format!("cannot lock {}: Not a directory", path.display())), "{told}");
        let told = LockFault { path, reason: io::ErrorKind::PermissionDenied.into() }.to_string();
        assert!(told.ends_with("(its folder must belong to the daemon's user: chown it)"), "{told}");
    }
}
