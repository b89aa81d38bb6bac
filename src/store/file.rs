//! The store on a disk: a thread that opens, reads and writes, and a slot that holds the latest record for it.
//!
//! An fsync on a worn card can take seconds, and a disk that hangs never answers. The loop waits for neither: it leaves the record
//! in the slot, and the thread calls the *waker* when there is something to poll. A record that is replaced in the slot is never
//! written, which also spares the card. If the directory cannot be used it is tried again with each record that is offered. What
//! is found then is reported as an *opening*, and is not overwritten before the owner knows of it. Retries are the engine's, which
//! offers its record again.
//!
//! Requests to the ring of messages wait in a queue behind the record, which is never delayed by more than the one under way.

use super::directory::{self, Generation, Loaded};
use super::lock::{self, Claim, Lock};
use super::messages::Ring;
use super::queue::Queue;
use super::{StoreFault, format, write};
use crate::ports::Store;
use crate::telemetry::{RingEvent, RingRequest};
use crate::text::Span;
use crate::twin::TwinRecord;
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The most outcomes that wait to be polled. A later one supersedes an earlier one, so the oldest is dropped.
const OUTCOMES_MAX: usize = 16;
/// Encoding a record recurses as deep as a twin may be nested; a quarter of the usual stack is plenty.
const STACK_BYTES: usize = 512 * 1024;
/// How long a dropped store waits for its thread, which a disk may block for ever.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

type Outcome = Result<u64, StoreFault>;

/// The outcome of opening the state directory.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Opening {
    /// What could be read, even if nothing can be written.
    pub loaded: Loaded,
    /// Why nothing can be written.
    pub fault: Option<OpenFault>,
}

/// Why nothing can be written to a state directory.
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

/// What is not known to be durable at the end.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unsaved {
    /// Why the last record is not.
    pub record: Option<StoreFault>,
    /// Why messages that were to be kept are not.
    pub messages: Option<StoreFault>,
}

/// Stores the latest record in a state directory, and the messages that the hub does not have yet. Holds the directory's lock as long as it may write to it.
pub struct FileStore {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl FileStore {
    /// Starts a thread that claims a state directory, making it if it is not there, and reads it. The thread calls `waker` each time
    /// there is something to poll.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(dir: &Path, waker: Box<dyn Fn() + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let dir = dir.to_owned();
        let writer = Writer {
            shared: Arc::clone(&shared),
            waker,
            ring: Ring::new(&dir),
            dir,
            number: 0,
            next: Generation::A,
            lock: None,
        };
        let thread = thread::Builder::new().name("store".to_owned()).stack_size(STACK_BYTES);
        let writer = thread.spawn(move || writer.run())?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// The first opening; `None` if the disk did not answer within `patience`, and then it is polled like later ones.
    pub fn wait_opened(&self, patience: Duration) -> Option<Opening> {
        let unopened = |state: &mut State| state.opening.is_none() && !state.ended;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), patience, unopened);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_late = true;
        state.opening.take()
    }

    /// An opening since the last call that found something new (a record, damage), or that came too late for
    /// [`wait_opened`](Self::wait_opened).
    pub fn poll_opening(&mut self) -> Option<Opening> {
        self.shared.state().opening.take()
    }

    /// The outcome of a write since the last call: the sequence number that is now durable.
    pub fn poll_saved(&mut self) -> Option<Outcome> {
        self.shared.state().outcomes.pop_front()
    }

    /// What became of a request to the ring since the last call.
    pub fn poll_ring(&mut self) -> Option<RingEvent> {
        self.shared.state().ring.poll()
    }

    /// Ends the store once the waiting record and the messages that wait to be kept are written, but waits no longer than `patience`:
    /// a write that is stuck is left behind with the lock that it holds.
    ///
    /// # Errors
    /// The last record offered is not known to be durable, or messages that waited are not.
    pub fn close(mut self, patience: Duration) -> Result<(), Unsaved> {
        self.shared.ask_to_end();
        let state = self.shared.state();
        let busy = |state: &mut State| !state.ended;
        let waited = self.shared.changed.wait_timeout_while(state, patience, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer.take();
        if !state.ended {
            return Err(state.left_behind(patience));
        }
        let unsaved = Unsaved { record: state.unsaved.clone(), messages: state.ring.unkept() };
        drop(state);
        join(writer);
        if unsaved == Unsaved::default() { Ok(()) } else { Err(unsaved) }
    }
}

impl Store for FileStore {
    fn offer(&mut self, record: TwinRecord) {
        let mut state = self.shared.state();
        if state.has_unread_record() {
            return state.note(Err(late()));
        }
        state.waiting = Some(record);
        drop(state);
        self.shared.changed.notify_all();
    }

    fn ring(&mut self, request: RingRequest) {
        self.shared.state().ring.push(request);
        self.shared.changed.notify_all();
    }
}

/// Waits for the write that is under way, but not for a disk that hangs.
impl Drop for FileStore {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        self.shared.ask_to_end();
        let busy = |state: &mut State| !state.ended;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), DROP_PATIENCE, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let has_ended = state.ended;
        drop(state);
        if has_ended {
            join(Some(writer));
        }
    }
}

/// Ignores a thread that panicked.
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
    made.map_err(|reason| StoreFault::unmade(dir, &reason))?;
    // The new directory's name must be durable, too. If the parent may not be opened, that is left to its owner.
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
    opening: Option<Opening>,
    /// The owner no longer waits for the first opening.
    is_late: bool,
    /// The thread writes a record.
    is_writing: bool,
    /// Why the last record written is not durable.
    unsaved: Option<StoreFault>,
    ring: Queue,
    /// The owner wants the writer to end.
    ending: bool,
    /// The writer has ended.
    ended: bool,
}

impl Shared {
    /// Every change of the state is a single assignment, so the state of a poisoned lock is consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_to_end(&self) {
        self.state().ending = true;
        self.changed.notify_all();
    }

    /// What to do next, the record before all else; `None` to end.
    fn take(&self) -> Option<Work> {
        let idle = |state: &mut State| {
            state.is_writing = false;
            state.waiting.is_none() && state.ring.is_empty() && !state.ending
        };
        let waited = self.changed.wait_while(self.state(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = state.waiting.take() {
            state.is_writing = true;
            return Some(Work::Record(Box::new(record)));
        }
        let ending = state.ending;
        state.ring.take(ending).map(Work::Ring)
    }

    /// Reports an opening that found something new. If it is late, the record that waits may be older than the one found: it is
    /// dropped, and the owner offers again once it knows.
    fn tell_opening(&self, opening: Opening) {
        let mut state = self.state();
        state.opening = Some(opening);
        if state.has_unread_record() && state.waiting.take().is_some() {
            state.note(Err(late()));
        }
        drop(state);
        self.changed.notify_all();
    }

    fn tell(&self, outcome: Outcome) {
        self.state().note(outcome);
    }
}

enum Work {
    Record(Box<TwinRecord>),
    Ring(RingRequest),
}

impl State {
    /// What is not known to be durable while the thread has not ended.
    fn left_behind(&self, patience: Duration) -> Unsaved {
        let late = |what: &str| {
            let reason = format!("the disk took longer than {} to write {what}", Span::from(patience));
            StoreFault { reason }
        };
        let has_record = self.waiting.is_some() || self.is_writing || !self.ring.has_messages();
        Unsaved {
            record: has_record.then(|| late("the last record")).or_else(|| self.unsaved.clone()),
            messages: self
                .ring
                .has_messages()
                .then(|| late("the last messages"))
                .or_else(|| self.ring.unkept()),
        }
    }

    /// Was a record found that the owner does not know yet? What it offers may be older.
    fn has_unread_record(&self) -> bool {
        self.is_late && self.opening.as_ref().is_some_and(|opening| opening.loaded.record.is_some())
    }

    fn note(&mut self, outcome: Outcome) {
        self.unsaved = outcome.as_ref().err().cloned();
        if self.outcomes.len() == OUTCOMES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome);
    }
}

fn late() -> StoreFault {
    StoreFault { reason: "the state directory can be used again; what it holds is read first".to_owned() }
}

/// What an opening found that its owner does not know.
enum Found {
    Nothing,
    /// A record. It was reported, and is not to be overwritten.
    Record,
}

struct Writer {
    shared: Arc<Shared>,
    waker: Box<dyn Fn() + Send>,
    dir: PathBuf,
    /// The number of the last write that is durable.
    number: u64,
    next: Generation,
    /// Held while the directory can be used.
    lock: Option<Lock>,
    ring: Ring,
}

impl Writer {
    fn run(mut self) {
        let first = self.open();
        self.shared.tell_opening(first);
        (self.waker)();
        while let Some(work) = self.shared.take() {
            match work {
                Work::Record(record) => {
                    let outcome = self.keep(&record);
                    self.shared.tell(outcome);
                }
                Work::Ring(request) => self.serve(request),
            }
            (self.waker)();
        }
    }

    /// Carries out a request to the ring. Nothing is written to a directory that is not this process's.
    fn serve(&mut self, request: RingRequest) {
        let claimed = if Ring::writes(&request) { self.open_again().map(drop) } else { Ok(()) };
        let Self { shared, ring, .. } = self;
        ring.carry_out(request, claimed, |event| shared.state().ring.tell(event));
        shared.state().ring.finish();
    }

    /// Opens the directory. It may be readable even if it cannot be written.
    fn open(&mut self) -> Opening {
        let claimed = make(&self.dir).map_err(OpenFault::from).and_then(|()| self.claim());
        if let Err(fault @ OpenFault::InUse { .. }) = claimed {
            return Opening { fault: Some(fault), ..Opening::default() };
        }
        if claimed.is_ok() {
            directory::sweep(&self.dir);
        }
        let mut survey = match directory::survey(&self.dir) {
            Ok(survey) => survey,
            Err(fault) => {
                let fault = claimed.err().unwrap_or(OpenFault::Failed(fault));
                return Opening { fault: Some(fault), ..Opening::default() };
            }
        };
        (self.number, self.next) = (survey.number, survey.next);
        let ready = claimed.and_then(|lock| {
            write::probe(&self.dir, survey.next)?;
            directory::set_aside(&mut survey.loaded.notes);
            Ok(lock)
        });
        let (lock, fault) = match ready {
            Ok(lock) => (Some(lock), None),
            Err(fault) => (None, Some(fault)),
        };
        self.lock = lock;
        Opening { loaded: survey.loaded, fault }
    }

    fn claim(&self) -> Result<Lock, OpenFault> {
        let claimed = lock::claim(&lock::path(&self.dir));
        match claimed.map_err(|fault| StoreFault::new("lock", &fault.path, &fault.reason))? {
            Claim::Held(lock) => Ok(lock),
            Claim::InUse(holder) => Err(OpenFault::InUse { dir: self.dir.clone(), holder }),
        }
    }

    fn keep(&mut self, record: &TwinRecord) -> Outcome {
        match self.open_again()? {
            Found::Record => Err(late()),
            Found::Nothing => self.write(record),
        }
    }

    /// Opens the directory if it could not be used, and reports what is found then.
    fn open_again(&mut self) -> Result<Found, StoreFault> {
        if self.lock.is_some() {
            return Ok(Found::Nothing);
        }
        let known = self.number;
        let mut opening = self.open();
        if let Some(fault) = opening.fault {
            self.number = known;
            return Err(StoreFault { reason: fault.to_string() });
        }
        if opening.loaded.record.is_some() && self.number != known {
            self.shared.tell_opening(opening);
            return Ok(Found::Record);
        }
        if !opening.loaded.notes.is_empty() {
            // The owner has this record already.
            opening.loaded.record = None;
            self.shared.tell_opening(opening);
        }
        Ok(Found::Nothing)
    }

    fn write(&mut self, record: &TwinRecord) -> Outcome {
        let number = self.number.saturating_add(1);
        let encoded = record.encode();
        let bytes = format::seal(number, &encoded).ok_or_else(|| StoreFault {
            reason: format!("the record is too large to be stored ({} bytes)", encoded.len()),
        })?;
        // After a fault the same generation is written again: its content is uncertain, the other one is intact.
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
