//! The store on a disk: a thread that writes, and a slot in which only the latest record waits for it.
//!
//! An fsync on a worn card can take seconds. The loop never waits for it: it leaves the record in the slot, and the
//! writer calls the *waker* when an outcome is there to be polled. Records that are replaced while they wait are
//! never written, which also spares the card. Deliberately absent: retries (the engine offers again when it thinks
//! right) and the steps of a write (`write`).

use super::directory::{self, Generation, Loaded};
use super::lock::{self, Claim};
use super::{Store, StoreFault, format, write};
use crate::twin::TwinRecord;
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Outcomes that wait to be polled. A later one says all that an earlier one said, so beyond this the oldest goes.
const OUTCOMES_MAX: usize = 16;
/// Encoding a record recurses as deep as a twin may be nested; a quarter of the usual stack is plenty.
const STACK_BYTES: usize = 512 * 1024;

type Outcome = Result<u64, StoreFault>;

/// Why a store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFault {
    /// Another twind owns the state directory.
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other's process number, if it left one.
        holder: Option<u32>,
    },
    /// The directory cannot be used.
    Failed(StoreFault),
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { dir, holder } => {
                f.write_str("another twind")?;
                if let Some(holder) = holder {
                    write!(f, " (process {holder})")?;
                }
                write!(
                    f,
                    " is using the state directory {}; stop it, or set another state-dir",
                    dir.display()
                )
            }
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenFault {}

impl From<StoreFault> for OpenFault {
    fn from(fault: StoreFault) -> Self {
        Self::Failed(fault)
    }
}

/// Keeps the latest record in a state directory. Holds the directory's lock as long as it may write to it.
pub struct FileStore {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl FileStore {
    /// Takes a state directory, making it if it is not there, and reads what it holds. `waker` is called, by the
    /// writing thread, each time there is an outcome to poll.
    ///
    /// # Errors
    /// Another twind owns the directory, or it cannot be made, locked or read.
    pub fn open(dir: &Path, waker: Box<dyn Fn() + Send>) -> Result<(Self, Loaded), OpenFault> {
        make(dir)?;
        let lock = match lock::claim(dir)? {
            Claim::Held(lock) => lock,
            Claim::InUse(holder) => return Err(OpenFault::InUse { dir: dir.to_owned(), holder }),
        };
        directory::sweep(dir);
        let mut survey = directory::survey(dir)?;
        directory::set_aside(&mut survey.loaded.notes);

        let shared = Arc::new(Shared::default());
        let writer = Writer {
            shared: Arc::clone(&shared),
            waker,
            dir: dir.to_owned(),
            number: survey.number,
            next: survey.next,
            _lock: lock,
        };
        let thread = thread::Builder::new().name("store".to_owned()).stack_size(STACK_BYTES);
        let writer = thread.spawn(move || writer.run()).map_err(|reason| StoreFault {
            reason: format!("cannot start the thread that writes: {reason}"),
        })?;
        Ok((Self { shared, writer: Some(writer) }, survey.loaded))
    }

    /// Ends the store once the record that waits is written, but waits for that no longer than `patience`: a write
    /// that is stuck is left to itself and to the lock it holds.
    ///
    /// # Errors
    /// The last record offered is not known to be durable.
    pub fn close(mut self, patience: Duration) -> Result<(), StoreFault> {
        self.shared.ask_to_end();
        let state = self.shared.state();
        let busy = |state: &mut State| !state.ended;
        let waited = self.shared.changed.wait_timeout_while(state, patience, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer.take();
        if !state.ended {
            let reason = format!("the disk took longer than {patience:?} to keep the last record");
            return Err(StoreFault { reason });
        }
        let unsaved = state.unsaved.clone();
        drop(state);
        join(writer);
        unsaved.map_or(Ok(()), Err)
    }
}

impl Store for FileStore {
    fn offer(&mut self, record: TwinRecord) {
        self.shared.state().waiting = Some(record);
        self.shared.changed.notify_all();
    }

    fn poll_saved(&mut self) -> Option<Outcome> {
        self.shared.state().outcomes.pop_front()
    }
}

/// Waits for the write that is under way, however long it takes; `close` waits no longer than it is told.
impl Drop for FileStore {
    fn drop(&mut self) {
        self.shared.ask_to_end();
        join(self.writer.take());
    }
}

/// A thread that panicked has nothing more to tell.
fn join(writer: Option<JoinHandle<()>>) {
    if let Some(writer) = writer {
        drop(writer.join());
    }
}

fn make(dir: &Path) -> Result<(), StoreFault> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|reason| StoreFault::new("make the state directory", dir, &reason))?;
    // The new directory's own name must survive, too. Where the parent may not be opened, its owner sees to it.
    if let Some(Ok(parent)) = dir.parent().map(File::open) {
        drop(parent.sync_all());
    }
    Ok(())
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The latest record, until the writer takes it.
    waiting: Option<TwinRecord>,
    outcomes: VecDeque<Outcome>,
    /// Why the last record written is not durable.
    unsaved: Option<StoreFault>,
    /// The owner wants the writer to end.
    ending: bool,
    /// The writer has ended.
    ended: bool,
}

impl Shared {
    /// Every change of the state is a single assignment, so a poisoned one is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_to_end(&self) {
        self.state().ending = true;
        self.changed.notify_all();
    }

    /// The next record to write; `None` to end.
    fn take(&self) -> Option<TwinRecord> {
        let idle = |state: &mut State| state.waiting.is_none() && !state.ending;
        let waited = self.changed.wait_while(self.state(), idle);
        waited.unwrap_or_else(PoisonError::into_inner).waiting.take()
    }

    fn tell(&self, outcome: Outcome) {
        let mut state = self.state();
        state.unsaved = outcome.as_ref().err().cloned();
        if state.outcomes.len() == OUTCOMES_MAX {
            state.outcomes.pop_front();
        }
        state.outcomes.push_back(outcome);
    }
}

struct Writer {
    shared: Arc<Shared>,
    waker: Box<dyn Fn() + Send>,
    dir: PathBuf,
    /// The number of the last write that is durable.
    number: u64,
    next: Generation,
    _lock: File,
}

impl Writer {
    fn run(mut self) {
        while let Some(record) = self.shared.take() {
            let outcome = self.write(&record);
            self.shared.tell(outcome);
            (self.waker)();
        }
    }

    fn write(&mut self, record: &TwinRecord) -> Outcome {
        let number = self.number.saturating_add(1);
        let encoded = record.encode();
        let bytes = format::seal(number, &encoded).ok_or_else(|| StoreFault {
            reason: format!("the record is too large to be kept ({} bytes)", encoded.len()),
        })?;
        // After a fault the same generation is written again: what it holds is uncertain, the other one is intact.
        write::replace(&self.dir, self.next, &bytes)?;
        self.number = number;
        self.next = self.next.other();
        Ok(record.sequence)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}
