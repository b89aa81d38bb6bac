//! Telemetry: what was measured and decided, as messages that the hub gets, late if need be.
//!
//! A *sample* of every sensor, climate and output is taken in each interval, and a *record* is made of each; a change of an
//! output's decision or of a climate's regime makes one more. Records wait in a *batch* and go out in one message. The end
//! and the beginning of an alarm are messages of their own, at once.
//!
//! A message stays in memory until the hub has stored it. One that the hub has not stored in time goes to the *ring* on the
//! disk and is read from there later (`queue`). So a site with a link writes nothing.
//!
//! Deliberately absent: how the ring is written (`store`), and how the hub is reached (`hub`).

mod batch;
mod message;
mod pace;
mod queue;
#[cfg(test)]
mod queue_tests;
mod records;
#[cfg(test)]
mod tests;

pub use message::{Message, Unreadable};
pub use queue::Waiting;

use crate::control::OutputSpec;
use crate::control::climate::Climate;
use crate::report::{Facts, Notice};
use crate::twin::HubRequest;
use crate::units::{BootId, BootTime, Permille, UnixSeconds};
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use batch::{Batch, Moment};
use core::time::Duration;
use queue::{Heard, Queue};
use records::Rest;
use serde::{Deserialize, Serialize};

/// What is sent, and how much is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelemetrySpec {
    /// Between two samples.
    pub interval: Duration,
    /// A record waits at most this long to be sent.
    pub send_every: Duration,
    /// The bytes of messages that are kept on the disk at most.
    pub keep_bytes: u64,
    /// The begin and the end of each alarm are messages.
    pub alarms: bool,
}

/// A request to the ring of messages on the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RingRequest {
    /// Open it. What another identity left there is removed. The outcome is [`RingEvent::Opened`] or [`RingEvent::Failed`].
    Open {
        /// Whose messages these are.
        identity: String,
        /// Its greatest size in bytes.
        keep_bytes: u64,
    },
    /// Make these messages durable, in this order. The outcome is [`RingEvent::Kept`] or [`RingEvent::Failed`].
    Keep(Vec<Message>),
    /// Read the first messages after this number that the hub does not have. The outcome is [`RingEvent::Read`] or
    /// [`RingEvent::Failed`].
    Read {
        /// The number of a message; 0 is before all.
        after: u64,
    },
    /// The hub has this message: it may go. There is no outcome.
    Forget {
        /// Its number.
        number: u64,
    },
}

/// What became of a request to the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RingEvent {
    /// It is open.
    Opened {
        /// What it holds.
        holds: Holds,
        /// When the boots of these messages began, as far as that is known.
        boots: Vec<(BootId, UnixSeconds)>,
        /// The records that were lost: damaged, or of another identity.
        lost: u64,
    },
    /// The messages of a [`RingRequest::Keep`] are durable.
    Kept {
        /// The number of the first one; the others follow without a gap. Numbers start at 1 and never fall.
        first: u64,
        /// What the ring holds now.
        holds: Holds,
        /// The records that gave way.
        dropped: u64,
    },
    /// Messages, each with its number, in the order of their numbers. None: there is none after the number asked for.
    Read {
        /// A few of them.
        messages: Vec<(u64, Message)>,
        /// The records that cannot be read.
        lost: u64,
    },
    /// A request failed. After a failed `Keep` none of its messages is in the ring.
    Failed {
        /// Which one. A `Keep` is tried again by the core, and opens the ring if need be, which [`RingEvent::Opened`] then says first.
        request: RingFailed,
        /// The operation, the file and the system's reason.
        reason: String,
    },
}

/// A kind of request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RingFailed {
    /// [`RingRequest::Open`].
    Open,
    /// [`RingRequest::Keep`].
    Keep,
    /// [`RingRequest::Read`].
    Read,
}

/// What a ring holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Messages.
    pub messages: u64,
    /// Bytes of the disk.
    pub bytes: u64,
}

impl Holds {
    /// Without so many messages.
    fn without(self, messages: u64) -> Self {
        Self { messages: self.messages.saturating_sub(messages), ..self }
    }
}

/// A notice tells of lost records at most this often.
const DROPS_EVERY: Duration = Duration::from_secs(3600);

/// Collects the records, and sees to it that the hub gets them. See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Telemetry {
    spec: Option<TelemetrySpec>,
    /// Whose telemetry it is.
    identity: String,
    boot: Option<BootId>,
    id_prefix: String,
    /// Of the last message that was made.
    last_id: u64,
    /// The wall-clock time of boot time zero, while the clock can be believed …
    booted: Option<UnixSeconds>,
    /// … and as it was last believed in this boot.
    booted_last: Option<UnixSeconds>,
    /// When the next sample is due; `None` before the first one.
    sample_due: Option<BootTime>,
    /// The process ends.
    ends: bool,
    /// How many were taken since the process started.
    samples: u64,
    batch: Batch,
    queue: Queue,
    /// Records that were lost since the process started.
    dropped: u64,
    /// Those of them that no notice has told of …
    unannounced: u64,
    /// … since the last one.
    announced_at: Option<BootTime>,
    #[serde(skip)]
    notices: Vec<Notice>,
}

impl Telemetry {
    /// At a start of the process.
    pub fn new(now: BootTime, boot: Option<BootId>, identity: &str, spec: Option<TelemetrySpec>) -> Self {
        let mut fresh = Self { boot, id_prefix: message::id_prefix(boot, now), ..Self::default() };
        fresh.configure(now, identity, spec);
        fresh
    }

    fn configure(&mut self, now: BootTime, identity: &str, spec: Option<TelemetrySpec>) {
        (self.identity, self.spec) = (identity.to_owned(), spec);
        self.open(now);
    }

    fn open(&mut self, now: BootTime) {
        if let Some(spec) = &self.spec {
            self.queue.open(now, self.identity.clone(), spec.keep_bytes);
        }
    }

    /// Goes on after a reload. If telemetry is off from now on, what the hub does not have goes to the ring and is sent when it is on
    /// again. So it does for another identity, but that removes what it finds there of the one before, and counts it.
    pub fn succeed(mut self, now: BootTime, identity: &str, spec: Option<TelemetrySpec>) -> Self {
        let goes_on = self.identity == identity && spec.is_some();
        if goes_on && self.spec == spec {
            return self;
        }
        if !goes_on {
            self.keep_all(now);
            let queue = core::mem::take(&mut self.queue).ended();
            let Self { boot, id_prefix, last_id, samples, dropped, booted_last, .. } = self;
            self = Self { boot, id_prefix, last_id, samples, dropped, booted_last, queue, ..Self::default() };
        }
        self.sample_due = None;
        self.configure(now, identity, spec);
        self
    }

    /// Is anything sent at all?
    pub fn is_on(&self) -> bool {
        self.spec.is_some()
    }

    /// The samples that were taken since the process started.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// What waits to be sent.
    pub fn waiting(&self) -> Waiting {
        self.queue.waiting()
    }

    /// The records that were lost since the process started.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Why messages cannot be kept, if they cannot.
    pub fn fault(&self) -> Option<&str> {
        self.queue.fault()
    }

    /// Connected.
    pub fn handle_up(&mut self) {
        let messages = self.queue.handle_up();
        if messages > 0 && self.is_on() {
            self.notices.push(Notice::Backlog { messages });
        }
    }

    /// The connection is gone.
    pub fn handle_down(&mut self, now: BootTime) {
        self.queue.handle_down(now);
    }

    /// The hub has this message.
    pub fn handle_stored(&mut self, now: BootTime, number: u64) {
        if self.queue.handle_stored(now, number) {
            self.notices.push(Notice::BacklogSent);
        }
    }

    /// What became of a request to the ring.
    pub fn handle_ring(&mut self, now: BootTime, event: RingEvent) {
        if self.is_on() {
            let heard = self.queue.handle_ring(now, event);
            self.announce(now, heard);
        }
    }

    fn announce(&mut self, now: BootTime, heard: Heard) {
        let Heard { mended, fault, dropped } = heard;
        self.dropped = self.dropped.saturating_add(dropped);
        self.unannounced = self.unannounced.saturating_add(dropped);
        if mended {
            self.notices.push(Notice::RingMended);
        }
        self.notices.extend(fault.map(|reason| Notice::RingFault { reason }));
        if self.unannounced > 0 && self.announced_at.is_none_or(|at| at + DROPS_EVERY <= now) {
            let count = core::mem::take(&mut self.unannounced);
            self.announced_at = Some(now);
            self.notices.push(Notice::RecordsDropped { count, all: self.dropped });
        }
    }

    /// An alarm began, with this text, or ended.
    pub fn note_alarm(&mut self, now: BootTime, name: &str, text: Option<&str>) {
        if self.spec.as_ref().is_some_and(|spec| spec.alarms) {
            let mut alone = Batch::default();
            alone.add(self.moment(now), records::alarm(name, text));
            self.send(now, alone, Some(name.to_owned()));
        }
    }

    /// What decides an output changed, or its drive has moved.
    pub fn note_output(
        &mut self,
        now: BootTime,
        spec: &OutputSpec,
        drive: Permille,
        cause: &dyn core::fmt::Display,
    ) {
        if self.is_on() {
            self.add(now, records::output(spec, drive, cause, None));
        }
    }

    /// The regime of a climate changed.
    pub fn note_climate(&mut self, now: BootTime, climate: &Climate) {
        if self.is_on() {
            self.add(now, records::climate(climate));
        }
    }

    /// Notes the wall-clock time, if it can be believed. Both clocks are cut to the second, so what one moment says of the other
    /// holds for that moment alone: a record of another one may be a second off.
    pub fn note_clock(&mut self, now: BootTime, wall: Option<UnixSeconds>) {
        self.booted = wall.map(|wall| message::booted(wall, now));
        self.booted_last = self.booted.or(self.booted_last);
    }

    /// Takes a sample if one is due, and does what else is. `wall`: the wall-clock time, if it can be believed.
    pub fn handle_timeout(&mut self, now: BootTime, wall: Option<UnixSeconds>, facts: Facts<'_>) {
        let Some(TelemetrySpec { interval, send_every, .. }) = self.spec else { return };
        self.note_clock(now, wall);
        let is_due = self.sample_due.map_or(facts.sensors.have_started(now), |due| due <= now);
        if is_due {
            records::sample(now, facts).into_iter().for_each(|rest| self.add(now, rest));
            self.samples += 1;
            // Samples that were missed are not made up for.
            let next = self.sample_due.map_or(now, |due| due) + interval;
            self.sample_due = Some(if next <= now { now + interval } else { next });
        }
        if self.batch.due(send_every).is_some_and(|due| due <= now) {
            self.close(now);
        }
        self.handle_queue(now);
        if self.queue.has_to_open(now) {
            self.open(now);
        }
    }

    fn handle_queue(&mut self, now: BootTime) {
        if let Some(spec) = &self.spec {
            let dropped = self.queue.handle_timeout(now, spec.send_every, self.booted_last);
            self.announce(now, Heard { dropped, ..Heard::default() });
        }
    }

    /// The process ends: what the hub does not have, and what the outputs still do, goes to the ring.
    pub fn handle_stop(&mut self) {
        self.ends = true;
    }

    fn keep_all(&mut self, now: BootTime) {
        if !self.is_on() {
            return;
        }
        self.close(now);
        let untold = self.queue.take_untold();
        if untold > 0 {
            self.batch.add(self.moment(now), records::dropped(untold));
            self.close(now);
        }
        self.queue.keep_all(self.booted_last);
    }

    fn moment(&self, now: BootTime) -> Moment {
        Moment { now, booted: self.booted, boot: self.boot }
    }

    fn add(&mut self, now: BootTime, rest: Rest) {
        let is_first = self.batch.is_empty();
        let full = self.batch.add(self.moment(now), rest);
        if is_first || full.is_some() {
            let untold = self.queue.take_untold();
            if untold > 0 {
                self.batch.put_first(self.moment(now), records::dropped(untold));
            }
        }
        if let Some(full) = full {
            self.send(now, full, None);
        }
    }

    fn close(&mut self, now: BootTime) {
        let batch = core::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.send(now, batch, None);
        }
    }

    fn send(&mut self, now: BootTime, batch: Batch, alarm: Option<String>) {
        self.last_id += 1;
        let id = format!("{}-{}", self.id_prefix, self.last_id);
        let message = Message { id, ..batch.close(self.moment(now), alarm) };
        self.queue.push(now, message);
    }

    /// When [`Self::handle_timeout`] is due. Before the first sample that is seen at each control step.
    pub fn poll_timeout(&self) -> Option<(BootTime, &'static str)> {
        let spec = self.spec.as_ref()?;
        let sample = self.sample_due.map(|at| (at, "a telemetry sample"));
        let batch = self.batch.due(spec.send_every).map(|at| (at, "a telemetry message"));
        let queue = self.queue.poll_timeout(spec.send_every).map(|at| (at, "sending telemetry"));
        [sample, batch, queue].into_iter().flatten().min()
    }

    /// The next request to the ring, once the outputs are driven: that has records, too.
    pub fn poll_ring(&mut self, now: BootTime) -> Option<RingRequest> {
        if core::mem::take(&mut self.ends) {
            self.keep_all(now);
        } else {
            self.handle_queue(now);
        }
        self.queue.poll_ring()
    }

    /// The next request to the hub.
    pub fn poll_request(&mut self, now: BootTime) -> Option<HubRequest> {
        if self.is_on() { self.queue.poll_hub(now, self.boot, self.booted_last) } else { None }
    }

    /// The next notice.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        core::mem::take(&mut self.notices)
    }
}
