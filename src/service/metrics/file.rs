//! The metrics file (`[local] metrics-file`), which node_exporter's textfile collector reads: replaced whole every fifteen
//! seconds, and removed at an orderly end, so that a daemon that is gone shows no old values.
//!
//! A thread writes it, so a disk that hangs delays nothing: the loop leaves a status in a slot, where the next one replaces it.
//! Nothing is replaced but a regular file that twind wrote, whatever the configuration names by a slip.

use super::super::Daemon;
use super::super::daemon_status::DaemonStatus;
use super::{BEGINNING, openmetrics};
use crate::files::{self, Unread};
use crate::text::Span;
use crate::units::BootTime;
use core::fmt;
use core::time::Duration;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tracing::{debug, info, warn};

/// How often the file is replaced.
const EVERY: Duration = Duration::from_secs(15);
/// When it is written first: by then sensors have been read, even those that take a second.
const FIRST_AFTER: Duration = Duration::from_secs(2);
/// Whoever collects metrics is another user.
const MODE: u32 = 0o644;
/// Writing a status recurses nowhere.
const STACK_BYTES: usize = 256 * 1024;

impl Daemon {
    /// Has the metrics file replaced when it is due.
    pub(in crate::service) fn write_metrics(&mut self) {
        let now = self.clock.boot();
        if self.metrics.due().is_some_and(|due| due <= now) {
            let status = self.whole_status(now, 0);
            self.metrics.offer(now, status);
        }
    }
}

/// The file, if the configuration names one.
#[derive(Default)]
pub(in crate::service) struct MetricsFile {
    open: Option<Open>,
}

/// A file and its thread, which removes the file and ends when this is dropped.
struct Open {
    path: PathBuf,
    shared: Arc<Shared>,
    due: BootTime,
}

impl MetricsFile {
    /// The file that the configuration names.
    pub(in crate::service) fn at(path: Option<&Path>, now: BootTime) -> Self {
        let mut file = Self::default();
        file.move_to(path, now);
        file
    }

    /// Writes to the file that a new configuration names. The old one, if it is another, is removed, but nobody waits for that.
    pub(in crate::service) fn move_to(&mut self, path: Option<&Path>, now: BootTime) {
        if self.open.as_ref().map(|open| open.path.as_path()) == path {
            return;
        }
        self.open = None;
        let Some(path) = path else { return };
        match Open::start(path, now) {
            Ok(open) => self.open = Some(open),
            Err(error) => warn!(
                "the metrics file {} is not written: its thread could not be started: {error}; control continues, and a \
                 restart tries again",
                path.display()
            ),
        }
    }

    /// When the next status is to be offered.
    pub(in crate::service) fn due(&self) -> Option<BootTime> {
        self.open.as_ref().map(|open| open.due)
    }

    /// Has this status written.
    fn offer(&mut self, now: BootTime, status: DaemonStatus) {
        let Some(open) = &mut self.open else { return };
        open.due = now + EVERY;
        let mut state = open.shared.state();
        if state.is_writing && !state.is_late {
            state.is_late = true;
            warn!(
                "the metrics file {} has not been written within {}: its disk does not answer; control continues, and the \
                 file is written when it does",
                open.path.display(),
                Span::from(EVERY)
            );
        }
        state.waiting = Some(Box::new(status));
        drop(state);
        open.shared.changed.notify_all();
    }

    /// Removes the file. It waits no longer than `patience`, since its disk may hang.
    pub(in crate::service) fn leave(&mut self, patience: Duration) {
        let Some(open) = self.open.take() else { return };
        let shared = Arc::clone(&open.shared);
        drop(open);
        let lasts = |state: &mut State| !state.has_ended;
        drop(shared.changed.wait_timeout_while(shared.state(), patience, lasts));
    }
}

impl Open {
    fn start(path: &Path, now: BootTime) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer =
            Writer { path: path.to_owned(), shared: Arc::clone(&shared), written: None, told: Vec::new() };
        let thread = thread::Builder::new().name("metrics".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || writer.run())?;
        Ok(Self { path: path.to_owned(), shared, due: now + FIRST_AFTER })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.state().is_ending = true;
        self.shared.changed.notify_all();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The latest status, until the thread takes it.
    waiting: Option<Box<DaemonStatus>>,
    is_writing: bool,
    /// The write under way takes long, which was logged.
    is_late: bool,
    is_ending: bool,
    has_ended: bool,
}

impl Shared {
    /// Every change of the state is a single assignment, so the state of a poisoned lock is consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next status to write; `None` to end.
    fn take(&self) -> Option<Box<DaemonStatus>> {
        let is_idle = |state: &mut State| state.waiting.is_none() && !state.is_ending;
        let waited = self.changed.wait_while(self.state(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let next = state.waiting.take().filter(|_| !state.is_ending);
        state.is_writing = next.is_some();
        next
    }
}

/// The thread.
struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    /// The file as it was last written.
    written: Option<Id>,
    /// What was logged of the present trouble.
    told: Vec<String>,
}

impl Writer {
    fn run(mut self) {
        while let Some(status) = self.shared.take() {
            let outcome = replace(&self.path, self.written, &openmetrics(&status));
            self.tell(outcome);
        }
        self.remove();
        self.shared.state().has_ended = true;
        self.shared.changed.notify_all();
    }

    fn tell(&mut self, outcome: Result<Id, Unwritten>) {
        match self.news(outcome) {
            Some(Ok(mended)) => info!("{mended}"),
            Some(Err(trouble)) => warn!("{trouble}"),
            None => {}
        }
    }

    /// What is to be logged: the end of the trouble, or a trouble that was not logged since the last end of one.
    fn news(&mut self, outcome: Result<Id, Unwritten>) -> Option<Result<String, String>> {
        let was_late = {
            let mut state = self.shared.state();
            state.is_writing = false;
            core::mem::take(&mut state.is_late)
        };
        let path = self.path.display();
        match outcome {
            Ok(written) => {
                self.written = Some(written);
                let was_told = !core::mem::take(&mut self.told).is_empty();
                (was_late || was_told).then(|| Ok(format!("the metrics file {path} is written again")))
            }
            Err(fault) => {
                let reason = fault.to_string();
                if self.told.contains(&reason) {
                    return None;
                }
                let every = Span::from(EVERY);
                let what = "control continues, and it is tried again every";
                let line = format!("the metrics file {path} cannot be written: {reason}; {what} {every}");
                self.told.push(reason);
                Some(Err(line))
            }
        }
    }

    /// Removes the file, unless it is another's by now.
    fn remove(&self) {
        let found = fs::symlink_metadata(&self.path).ok().map(|found| Id::of(&found));
        if self.written.is_some() && found == self.written {
            match fs::remove_file(&self.path) {
                Ok(()) => debug!("the metrics file {} is removed", self.path.display()),
                Err(reason) => warn!(
                    "the metrics file {} cannot be removed: {reason}; it shows old values until it is",
                    self.path.display()
                ),
            }
        }
    }
}

/// Device and inode of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id(u64, u64);

impl Id {
    fn of(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}

/// Replaces the file whole. Nothing is made durable: after a power cut nobody wants it.
fn replace(path: &Path, before: Option<Id>, text: &str) -> Result<Id, Unwritten> {
    check_replaceable(path, before)?;
    let aside = aside(path);
    let written = files::create(&aside, MODE).and_then(|mut file| {
        // The service's umask would keep it from others.
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())?;
        let id = Id::of(&file.metadata()?);
        fs::rename(&aside, path)?;
        Ok(id)
    });
    written.map_err(|reason| {
        drop(fs::remove_file(&aside));
        Unwritten::System(reason)
    })
}

/// Where it is written first. The textfile collector reads only names that end in `.prom`.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Is there nothing, or a file that twind wrote?
fn check_replaceable(path: &Path, before: Option<Id>) -> Result<(), Unwritten> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(reason) => return Err(Unwritten::System(reason)),
    };
    if Some(Id::of(&found)) == before {
        return Ok(());
    }
    files::check(&found).map_err(Unwritten::Taken)?;
    let mut beginning = Vec::new();
    let (file, _) = files::open(path).map_err(Unwritten::Taken)?;
    let read = file.take(BEGINNING.len() as u64).read_to_end(&mut beginning);
    read.map_err(Unwritten::System)?;
    if beginning.is_empty() || beginning == BEGINNING.as_bytes() { Ok(()) } else { Err(Unwritten::Foreign) }
}

/// A warning about what is at the file's path.
pub fn remark(path: &Path) -> Option<String> {
    match check_replaceable(path, None) {
        // No warning if it cannot be seen: it may belong to the daemon's user.
        Ok(()) | Err(Unwritten::System(_) | Unwritten::Taken(Unread::System(_))) => None,
        Err(fault) => Some(format!("{} cannot be written: {fault}", path.display())),
    }
}

/// Why the file was not written.
#[derive(Debug)]
enum Unwritten {
    System(io::Error),
    /// Something else has its name.
    Taken(Unread),
    /// A file that twind did not write has its name.
    Foreign,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ELSEWHERE: &str = "remove it, or name another path with [local] metrics-file";
        match self {
            Self::System(reason) => write!(f, "{reason}{}", mends(reason.kind())),
            Self::Taken(Unread::System(reason)) => {
                write!(f, "something has this name already and cannot be read ({reason}): {ELSEWHERE}")
            }
            Self::Taken(kind) => write!(f, "{kind}: {ELSEWHERE}"),
            Self::Foreign => write!(f, "a file that twind did not write has this name: {ELSEWHERE}"),
        }
    }
}

/// What to do about it, where that is known.
fn mends(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::NotFound | Kind::NotADirectory => {
            " (make its directory, or name another path with [local] metrics-file)"
        }
        Kind::PermissionDenied => {
            " (let the daemon's user make files in its directory, or name a file in /run/twind with [local] metrics-file)"
        }
        Kind::ReadOnlyFilesystem => {
            " (the service may only write in its own directories: add ReadWritePaths= with the file's directory by \
             `systemctl edit twind`, or name a file in /run/twind)"
        }
        Kind::StorageFull | Kind::QuotaExceeded => " (make room: df -h shows bytes, df -i inodes)",
        _ => "",
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
