//! Log lines are queued by whoever logs and written by a thread of their own.
//!
//! ```text
//!   tracing event ──► Relay (a layer) ──► Queue, bounded ──► the log's thread ──► the journal, or standard error
//!                                             └ full: dropped and counted            └ may hang as long as it likes
//! ```
//!
//! Writing to the journal's socket or to a pipe blocks until there is a reader, so only that thread writes. It gets the event with
//! its fields and dispatches it to the layer that writes. Nobody waits for the thread's end, since it may be in a write that
//! never returns.

use super::backlog::{Backlog, Next};
use super::clock::wall_time;
use super::spanless::Spanless;
use crate::text;
use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;
use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::{Dispatch, Event, Metadata, Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The most lines that wait …
const LINES_MAX: usize = 1024;
/// … and the most bytes.
const BYTES_MAX: usize = 512 * 1024;
/// What a line takes besides its texts.
const LINE_BYTES: usize = 256;
/// An event with more fields loses the rest; none has half as many.
const FIELDS_MAX: usize = 16;
/// The journal stamps a line when it arrives. A line that is later than this names its own time.
const LATE: Duration = Duration::from_secs(1);
/// The field with the id of a message.
const MESSAGE_ID: &str = "message_id";
/// Between two attempts to write to a non-blocking standard error that is not ready.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// The lines that wait for the log's thread.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    backlog: Backlog<LogLine>,
    /// The thread has taken one, and has not come for the next.
    is_writing: bool,
}

impl Default for Queue {
    fn default() -> Self {
        let state = State { backlog: Backlog::new(LINES_MAX, BYTES_MAX), is_writing: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: LogLine) {
        self.state().backlog.push(line.bytes, line);
        self.changed.notify_all();
    }

    /// Waits for the next.
    fn next(&self) -> Next<LogLine> {
        let mut state = self.state();
        state.is_writing = false;
        loop {
            if let Some(next) = state.backlog.pop() {
                state.is_writing = true;
                return next;
            }
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until all of it is written, but no longer than this.
    pub(super) fn drain(&self, patience: Duration) {
        let busy = |state: &mut State| state.is_writing || !state.backlog.is_empty();
        drop(self.changed.wait_timeout_while(self.state(), patience, busy));
    }
}

/// An event that owns its fields.
#[derive(Debug)]
struct LogLine {
    at: SystemTime,
    metadata: &'static Metadata<'static>,
    fields: Vec<(Field, Owned)>,
    /// What the journal has as MESSAGE_ID.
    message_id: Option<String>,
    /// Roughly the memory that it takes.
    bytes: usize,
}

/// A field's value.
#[derive(Debug)]
enum Owned {
    Text(String),
    /// A value as it was formatted.
    Shown(DisplayValue<String>),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
}

impl LogLine {
    fn of(event: &Event<'_>, at: SystemTime) -> Self {
        let mut line =
            Self { at, metadata: event.metadata(), fields: Vec::new(), message_id: None, bytes: LINE_BYTES };
        event.record(&mut line);
        line
    }

    fn take(&mut self, field: &Field, value: Owned) {
        self.fields.push((field.clone(), value));
    }

    /// Has its message end with the time at which it was said.
    fn date(&mut self) {
        for (field, value) in &mut self.fields {
            if let (Owned::Shown(text), "message") = (&*value, field.name()) {
                let at = humantime::format_rfc3339_micros(self.at);
                *value = Owned::Shown(display(format!("{text} (at {at})")));
            }
        }
    }

    fn dispatch(&self, to: &Dispatch) {
        let Some((first, _)) = self.fields.first() else { return };
        let mut values: [(&Field, Option<&dyn Value>); FIELDS_MAX] = [(first, None); FIELDS_MAX];
        for (slot, (field, value)) in values.iter_mut().zip(&self.fields) {
            *slot = (field, Some(value.as_value()));
        }
        to.event(&Event::new(self.metadata, &self.metadata.fields().value_set(&values)));
    }
}

impl Owned {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::Text(text) => text,
            Self::Shown(shown) => shown,
            Self::Signed(number) => number,
            Self::Unsigned(number) => number,
            Self::Float(number) => number,
            Self::Flag(flag) => flag,
        }
    }
}

/// Foreign text is escaped, so that each event is one line.
impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = text::escape(&format!("{value:?}")).into_owned();
        self.bytes += text.len();
        self.take(field, Owned::Shown(display(text)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE_ID {
            self.message_id = Some(value.to_owned());
            return;
        }
        let text = text::escape(value).into_owned();
        self.bytes += text.len();
        self.take(field, Owned::Text(text));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Owned::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Owned::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Owned::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Owned::Flag(value));
    }
}

/// The layer that queues.
pub(super) struct Relay(pub(super) Arc<Queue>);

impl<S: Subscriber> Layer<S> for Relay {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.0.push(LogLine::of(event, wall_time()));
    }
}

/// Starts the thread that writes.
///
/// # Errors
/// When there is none.
pub(super) fn start(
    queue: Arc<Queue>,
    filter: Targets,
    open_journal: impl Fn(Option<&str>) -> Option<tracing_journald::Layer> + Send + 'static,
) -> io::Result<()> {
    let write = move || {
        // Here, because to make it is already to send.
        match open_journal(None) {
            Some(journal) => write_to_journal(&queue, filter, journal, open_journal),
            None => write_to(&queue, filter, io::stderr),
        }
    };
    thread::Builder::new().name("log".to_owned()).spawn(write).map(drop)
}

/// A layer of the journal's puts the same fields of its own into every entry, so each id of a message has a layer.
fn write_to_journal(
    queue: &Queue,
    filter: Targets,
    journal: tracing_journald::Layer,
    open_journal: impl Fn(Option<&str>) -> Option<tracing_journald::Layer>,
) {
    let dispatch = |journal| Dispatch::new(Spanless.with(filter.clone()).with(journal));
    let to = dispatch(journal);
    let mut by_id: BTreeMap<String, Dispatch> = BTreeMap::new();
    loop {
        match queue.next() {
            Next::Kept(mut line) => {
                if wall_time().duration_since(line.at).is_ok_and(|late| late >= LATE) {
                    line.date();
                }
                let to = match line.message_id.take() {
                    None => &to,
                    Some(id) => by_id
                        .entry(id)
                        .or_insert_with_key(|id| open_journal(Some(id)).map_or_else(|| to.clone(), dispatch)),
                };
                line.dispatch(to);
            }
            Next::Dropped(count) => {
                tracing::dispatcher::with_default(&to, || {
                    tell_dropped(count, "the journal did not read them");
                });
            }
        }
    }
}

fn write_to<W: Write>(queue: &Queue, filter: Targets, open: impl Fn() -> W + Send + Sync + 'static) {
    let stamp = Stamp::default();
    let unwritten = Arc::new(AtomicU64::new(0));
    let writer = Patient { open, unwritten: Arc::clone(&unwritten) };
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_timer(stamp.clone())
        .with_writer(writer);
    let to = Dispatch::new(Spanless.with(filter).with(layer));
    let tell = |count, why| {
        stamp.set(wall_time());
        tracing::dispatcher::with_default(&to, || tell_dropped(count, why));
    };
    loop {
        let next = queue.next();
        let lost = unwritten.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tell(lost, "standard error could not be written");
            // If the line about the lost lines was lost, too, they are counted again.
            if unwritten.swap(0, Ordering::Relaxed) > 0 {
                unwritten.store(lost, Ordering::Relaxed);
            }
        }
        match next {
            Next::Kept(line) => {
                stamp.set(line.at);
                line.dispatch(&to);
            }
            Next::Dropped(count) => tell(count, "nobody read them from standard error"),
        }
    }
}

fn tell_dropped(count: u64, why: &str) {
    let lines = if count == 1 { "log line was" } else { "log lines were" };
    warn!("{count} {lines} dropped because {why}");
}

/// The time of the line that is being written, in microseconds since 1970.
#[derive(Clone, Default)]
struct Stamp(Arc<AtomicU64>);

impl Stamp {
    fn set(&self, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0.store(u64::try_from(since.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(self.0.load(Ordering::Relaxed));
        write!(writer, "{}", humantime::format_rfc3339_micros(at))
    }
}

/// Writes whole lines, however long that takes, and counts those that cannot be written.
struct Patient<F> {
    open: F,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write, F: Fn() -> W> MakeWriter<'_> for Patient<F> {
    type Writer = PatientWriter<W>;

    fn make_writer(&self) -> PatientWriter<W> {
        PatientWriter { to: (self.open)(), unwritten: Arc::clone(&self.unwritten) }
    }
}

struct PatientWriter<W> {
    to: W,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write> Write for PatientWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.to.write(bytes) {
                // Another process with the same pipe has made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(BETWEEN_ATTEMPTS),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.unwritten.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
