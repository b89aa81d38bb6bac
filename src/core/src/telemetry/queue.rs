//! The messages that the hub does not have yet: which one is sent next, and which one goes to the ring.
//!
//! - At most [`WINDOW`] messages are under way. An alarm precedes what else waits; then comes what was just made, and then the
//!   backlog.
//! - A message that the hub has not stored by the time the next one is due goes to the ring. Where nothing can be sent each goes
//!   there at once, and an alarm always after [`ALARM_PATIENCE`]. What is in the ring and not under way is no longer in memory.
//! - The *backlog* is read from the ring, the oldest first: it is what the ring would drop next, and each sensor's values then
//!   arrive in order. At most one of its messages is under way beside what is made meanwhile, and then there is a pause: a second,
//!   or as long as the hub took, since a hub that throttles a device shows it by slow answers alone.
//! - A message that is not acknowledged for [`ACKNOWLEDGED_WITHIN`] ends the connection, as it does in Microsoft's C SDK. If
//!   connections end while messages are under way, the hub may be refusing them (a spent quota has no other sign): messages then
//!   wait, longer each time, so that the twin goes on.
//!
//! The hub stores a message twice if the connection ended between its arrival and its acknowledgement; both have the same id.

use super::pace::Pace;
use super::{Holds, Message, RingEvent, RingFailed, RingRequest};
use crate::twin::HubRequest;
use crate::units::{BootId, BootTime, UnixSeconds};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The most messages under way.
pub(super) const WINDOW: usize = 4;
/// An alarm that the hub has not stored after this goes to the ring.
const ALARM_PATIENCE: Duration = Duration::from_secs(10);
/// A connection that acknowledges no message for so long is given up.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// A `Keep` that failed is tried again after this.
const KEEP_RETRY: Duration = Duration::from_secs(30);
/// A `Keep` is full when its bodies are longer. The smallest ring holds several.
const KEEP_BYTES: u32 = 16 * 1024;
/// After a fault the ring is opened again after this, if there is nothing to keep.
const OPEN_RETRY: Duration = Duration::from_secs(300);
/// The bytes of bodies that wait in memory, if they cannot be kept.
const MEMORY_BYTES_MAX: u64 = 256 * 1024;

/// Where a message stands with the ring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Kept {
    No,
    /// It was handed over, and the outcome is not known.
    Asked,
    /// By this number.
    As(u64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    number: u64,
    message: Message,
    made: BootTime,
    kept: Kept,
    is_backlog: bool,
    sent: Option<BootTime>,
    /// The hub stored it while the ring was being written.
    is_stored: bool,
}

impl Entry {
    fn is_live(&self) -> bool {
        !self.is_backlog && !self.is_stored
    }
}

/// What waits to be sent, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages in memory only.
    pub in_memory: u64,
    /// What the ring holds.
    pub ring: Holds,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    last_number: u64,
    is_up: bool,
    ring: Ring,
    pace: Pace,
    /// A `Keep` is not tried before this.
    keep_from: BootTime,
    /// After a fault: when the ring is opened again, if there is nothing to keep.
    open_from: BootTime,
    /// Why the last `Keep` failed.
    fault: Option<String>,
    /// Records that were lost and not told of yet.
    untold: u64,
    requests: VecDeque<RingRequest>,
    gives_up: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Ring {
    holds: Holds,
    boots: Vec<(BootId, UnixSeconds)>,
    /// A `Read` is under way.
    reads: bool,
    /// It was asked for before the connection was lost: what it finds is read again.
    is_stale: bool,
    /// What was forgotten meanwhile: it may still be among what is read.
    forgotten: Vec<u64>,
    /// The number of the last message read.
    read_to: u64,
    /// There may be more after it. The number of messages does not tell: one that is under way may have given way.
    has_more: bool,
    /// How many were forgotten since the last `Open` and since the last `Keep` were asked for: their outcomes still count them.
    forgotten_since: (u64, u64),
}

impl Queue {
    /// Takes a new message.
    pub(super) fn push(&mut self, now: BootTime, message: Message) {
        self.last_number += 1;
        let number = self.last_number;
        let (kept, sent) = (Kept::No, None);
        self.entries.push_back(Entry {
            number,
            message,
            made: now,
            kept,
            is_backlog: false,
            sent,
            is_stored: false,
        });
    }

    /// Opens the ring.
    pub(super) fn open(&mut self, now: BootTime, identity: String, keep_bytes: u64) {
        self.open_from = now + OPEN_RETRY;
        self.ring.forgotten_since.0 = 0;
        self.requests.push_back(RingRequest::Open { identity, keep_bytes });
    }

    /// Connected. Returns how many messages of the backlog are to be sent.
    pub(super) fn handle_up(&mut self) -> u64 {
        self.is_up = true;
        self.ring.holds.messages
    }

    /// The connection is gone. What was under way may or may not have arrived.
    pub(super) fn handle_down(&mut self, now: BootTime) {
        self.is_up = false;
        if self.entries.iter().any(|entry| entry.sent.is_some() && !entry.is_stored) {
            self.pace.handle_lost(now);
        }
        self.entries.iter_mut().for_each(|entry| entry.sent = None);
        self.leave_to_the_ring();
    }

    /// What is in the ring and not under way is read from there again.
    fn leave_to_the_ring(&mut self) {
        self.entries.retain(|entry| !matches!(entry.kept, Kept::As(_)) || entry.sent.is_some());
        // What is under way is passed over when it is read.
        self.ring.has_more |= self.ring.read_to > 0;
        self.ring.read_to = 0;
        self.ring.is_stale = self.ring.reads;
    }

    /// The hub has this message. Returns whether it was the last one of the ring.
    pub(super) fn handle_stored(&mut self, now: BootTime, number: u64) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.number == number) else { return false };
        let Some(entry) = self.entries.get_mut(index) else { return false };
        if let Some(sent) = entry.sent.take() {
            self.pace.handle_stored(now, sent);
        }
        entry.is_stored = true;
        match entry.kept {
            // It is forgotten as soon as its number in the ring is known.
            Kept::Asked => return false,
            Kept::As(number) => self.forget(number),
            Kept::No => {}
        }
        let stored = self.entries.remove(index);
        stored.is_some_and(|entry| entry.is_backlog) && self.ring.holds.messages == 0
    }

    fn forget(&mut self, number: u64) {
        self.ring.holds.messages = self.ring.holds.messages.saturating_sub(1);
        self.ring.forgotten_since.0 += 1;
        self.ring.forgotten_since.1 += 1;
        if self.ring.reads {
            self.ring.forgotten.push(number);
        }
        self.requests.push_back(RingRequest::Forget { number });
    }

    /// What became of a request to the ring.
    pub(super) fn handle_ring(&mut self, now: BootTime, event: RingEvent) -> Heard {
        match event {
            RingEvent::Opened { holds, boots, lost } => {
                // What is here already is passed over when it is read.
                self.ring.holds = holds.without(self.ring.forgotten_since.0);
                (self.ring.boots, self.ring.read_to, self.ring.has_more) = (boots, 0, holds.messages > 0);
                self.lose(lost);
                Heard { mended: self.fault.take().is_some(), dropped: lost, ..Heard::default() }
            }
            RingEvent::Kept { first, holds, dropped } => {
                self.handle_kept(first, holds);
                self.lose(dropped);
                Heard { mended: self.fault.take().is_some(), dropped, ..Heard::default() }
            }
            RingEvent::Read { messages, lost } => {
                self.ring.reads = false;
                self.lose(lost);
                let heard = Heard { dropped: lost, ..Heard::default() };
                if core::mem::take(&mut self.ring.is_stale) {
                    self.ring.forgotten.clear();
                    return heard;
                }
                self.ring.has_more = !messages.is_empty();
                if !self.ring.has_more {
                    self.ring.holds.messages = self.in_ring();
                }
                messages.into_iter().for_each(|(number, message)| self.take_read(now, number, message));
                self.ring.forgotten.clear();
                heard
            }
            RingEvent::Failed { request, reason } => {
                match request {
                    RingFailed::Read => {
                        (self.ring.reads, self.ring.is_stale) = (false, false);
                        self.ring.forgotten.clear();
                    }
                    RingFailed::Keep => self.handle_not_kept(),
                    RingFailed::Open => {}
                }
                self.keep_from = now + KEEP_RETRY;
                self.open_from = now + OPEN_RETRY;
                self.pace.backlog_from = self.pace.backlog_from.max(now + KEEP_RETRY);
                let is_new = self.fault.replace(reason.clone()).is_none();
                Heard { fault: is_new.then_some(reason), dropped: self.shed(), ..Heard::default() }
            }
        }
    }

    fn handle_kept(&mut self, first: u64, holds: Holds) {
        let mut stored = Vec::new();
        let asked = self.entries.iter_mut().filter(|entry| entry.kept == Kept::Asked);
        for (number, entry) in (first..).zip(asked) {
            entry.kept = Kept::As(number);
            if entry.is_stored {
                stored.push(number);
            }
        }
        self.ring.holds = holds.without(self.ring.forgotten_since.1);
        self.ring.has_more = true;
        stored.into_iter().for_each(|number| self.forget(number));
        self.entries.retain(|entry| match entry.kept {
            Kept::As(_) => entry.is_backlog || entry.sent.is_some() && !entry.is_stored,
            _ => true,
        });
    }

    fn handle_not_kept(&mut self) {
        self.entries.retain(|entry| !(entry.kept == Kept::Asked && entry.is_stored));
        for entry in self.entries.iter_mut().filter(|entry| entry.kept == Kept::Asked) {
            entry.kept = Kept::No;
        }
    }

    fn take_read(&mut self, now: BootTime, number: u64, message: Message) {
        self.ring.read_to = self.ring.read_to.max(number);
        let is_here = self.entries.iter().any(|entry| entry.kept == Kept::As(number));
        if is_here || self.ring.forgotten.contains(&number) {
            return;
        }
        self.last_number += 1;
        self.entries.push_back(Entry {
            number: self.last_number,
            message,
            made: now,
            kept: Kept::As(number),
            is_backlog: true,
            sent: None,
            is_stored: false,
        });
    }

    /// Counts records that are lost.
    fn lose(&mut self, records: u64) {
        self.untold = self.untold.saturating_add(records);
    }

    /// Keeps memory bounded if nothing can be kept: the oldest go. Returns the number of their records.
    fn shed(&mut self) -> u64 {
        let mut bytes: u64 = self.entries.iter().map(|entry| u64::from(entry.message.bytes)).sum();
        let mut shed = 0;
        while bytes > MEMORY_BYTES_MAX {
            let goes = |entry: &Entry| entry.kept == Kept::No && entry.sent.is_none();
            let Some(index) = self.entries.iter().position(goes) else { break };
            let Some(entry) = self.entries.remove(index) else { break };
            bytes = bytes.saturating_sub(u64::from(entry.message.bytes));
            shed += u64::from(entry.message.records);
        }
        self.lose(shed);
        shed
    }

    /// Everything that is not durable goes to the ring: the process ends.
    pub(super) fn keep_all(&mut self, booted: Option<UnixSeconds>) {
        while self.keep(booted, |_| true) {}
    }

    /// A queue that begins anew, once what this one has asked of the ring is done.
    pub(super) fn ended(self) -> Self {
        let Self { last_number, requests, .. } = self;
        Self { last_number, requests, ..Self::default() }
    }

    /// Does what is due. Returns the records that were lost by it. `booted`: when this boot began, if that is known.
    pub(super) fn handle_timeout(
        &mut self,
        now: BootTime,
        send_every: Duration,
        booted: Option<UnixSeconds>,
    ) -> u64 {
        let under_way = self.entries.iter().filter(|entry| !entry.is_stored).filter_map(|entry| entry.sent);
        if under_way.min().is_some_and(|sent| sent + ACKNOWLEDGED_WITHIN <= now) {
            // What was under way is sent again on the next connection.
            self.gives_up = true;
            self.handle_down(now);
        }
        self.keep_due(now, send_every, booted);
        if self.pace.send_from <= now && self.pace.backlog_from <= now && self.has_to_read() {
            self.ring.reads = true;
            self.requests.push_back(RingRequest::Read { after: self.ring.read_to });
        }
        self.shed()
    }

    /// Has those messages kept that have waited long enough.
    fn keep_due(&mut self, now: BootTime, send_every: Duration, booted: Option<UnixSeconds>) {
        if self.keep_from <= now && !self.is_keeping() {
            let is_on_hold = !self.is_up || now < self.pace.send_from;
            self.keep(booted, |entry| is_on_hold || keep_at(entry, send_every) <= now);
        }
    }

    /// Is a `Keep` under way? The next one waits for its outcome, which speaks of all that it was asked.
    fn is_keeping(&self) -> bool {
        self.entries.iter().any(|entry| entry.kept == Kept::Asked)
    }

    /// Has such messages kept, as many as go into one write. Returns whether there was one.
    fn keep(&mut self, booted: Option<UnixSeconds>, which: impl Fn(&Entry) -> bool) -> bool {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for entry in self.entries.iter_mut().filter(|entry| entry.kept == Kept::No && which(entry)) {
            if bytes > KEEP_BYTES {
                break;
            }
            bytes += entry.message.bytes;
            entry.kept = Kept::Asked;
            entry.message.booted = entry.message.booted.or(booted);
            messages.push(entry.message.clone());
        }
        let is_any = !messages.is_empty();
        if is_any {
            self.ring.forgotten_since.1 = 0;
            self.requests.push_back(RingRequest::Keep(messages));
        }
        is_any
    }

    /// The messages of the ring that are in memory.
    fn in_ring(&self) -> u64 {
        self.entries.iter().filter(|entry| matches!(entry.kept, Kept::As(_))).count() as u64
    }

    fn has_to_read(&self) -> bool {
        let has_backlog = self.entries.iter().any(|entry| entry.is_backlog);
        self.is_up && !has_backlog && !self.ring.reads && self.ring.has_more
    }

    /// Is it time to look whether a ring that failed works again?
    pub(super) fn has_to_open(&self, now: BootTime) -> bool {
        self.fault.is_some() && self.open_from <= now
    }

    /// The next request to the ring.
    pub(super) fn poll_ring(&mut self) -> Option<RingRequest> {
        self.requests.pop_front()
    }

    /// The next request to the hub. `booted`: when this boot began, if that is known.
    pub(super) fn poll_hub(
        &mut self,
        now: BootTime,
        boot: Option<BootId>,
        booted: Option<UnixSeconds>,
    ) -> Option<HubRequest> {
        if core::mem::take(&mut self.gives_up) {
            return Some(HubRequest::Reconnect { reason: "the acknowledgement of a message" });
        }
        if !self.is_up || self.has_full_window() || now < self.pace.send_from {
            return None;
        }
        let may_send_backlog = self.pace.backlog_from <= now && !self.sends_backlog();
        let waits = |entry: &Entry| entry.sent.is_none() && !entry.is_stored;
        let find = |which: &dyn Fn(&Entry) -> bool| {
            self.entries.iter().position(|entry| waits(entry) && which(entry))
        };
        let index = find(&|entry| entry.is_live() && entry.message.alarm.is_some())
            .or_else(|| find(&Entry::is_live))
            .or_else(|| find(&|entry| entry.is_backlog).filter(|_| may_send_backlog))?;
        let entry = self.entries.get_mut(index)?;
        entry.sent = Some(now);
        let message = &entry.message;
        let booted = booted.filter(|_| message.boot == boot).or_else(|| self.ring.booted(message.boot));
        Some(HubRequest::SendMessage { number: entry.number, message: message.to_send(booted) })
    }

    /// Is a message of the backlog under way?
    fn sends_backlog(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_backlog && entry.sent.is_some())
    }

    fn has_full_window(&self) -> bool {
        self.entries.iter().filter(|entry| entry.sent.is_some() && !entry.is_stored).count() >= WINDOW
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_hub`] have something to do.
    pub(super) fn poll_timeout(&self, send_every: Duration) -> Option<BootTime> {
        let mut due: Option<BootTime> = None;
        let mut note = |at: BootTime| due = Some(due.map_or(at, |due| due.min(at)));
        let backlog_from = self.pace.send_from.max(self.pace.backlog_from);
        // A message that waits for the window is sent when an acknowledgement arrives.
        let may_send = self.is_up && !self.has_full_window();
        for entry in self.entries.iter().filter(|entry| !entry.is_stored) {
            if entry.kept == Kept::No && !self.is_keeping() {
                note(if self.is_up {
                    keep_at(entry, send_every).max(self.keep_from)
                } else {
                    self.keep_from
                });
            }
            match entry.sent {
                Some(sent) => note(sent + ACKNOWLEDGED_WITHIN),
                None if !may_send || entry.is_backlog && self.sends_backlog() => {}
                None => note(if entry.is_backlog { backlog_from } else { self.pace.send_from }),
            }
        }
        if self.has_to_read() {
            note(backlog_from);
        }
        if self.fault.is_some() {
            note(self.open_from);
        }
        due
    }

    /// Takes the number of records that were lost and not told of.
    pub(super) fn take_untold(&mut self) -> u64 {
        core::mem::take(&mut self.untold)
    }

    pub(super) fn waiting(&self) -> Waiting {
        let in_memory =
            self.entries.iter().filter(|entry| entry.kept == Kept::No && !entry.is_stored).count();
        let ring = if self.ring.holds.messages == 0 { Holds::default() } else { self.ring.holds };
        Waiting { in_memory: in_memory as u64, ring }
    }

    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

/// When a message that the hub has not stored goes to the ring, though there is a connection.
fn keep_at(entry: &Entry, send_every: Duration) -> BootTime {
    let patience =
        if entry.message.alarm.is_some() { ALARM_PATIENCE } else { send_every.max(ALARM_PATIENCE) };
    entry.made + patience
}

impl Ring {
    fn booted(&self, boot: Option<BootId>) -> Option<UnixSeconds> {
        let boot = boot?;
        self.boots.iter().find(|(other, _)| *other == boot).map(|(_, booted)| *booted)
    }
}

/// What a message of the ring means to a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// The ring works again.
    pub(super) mended: bool,
    /// It does not work any more, for this reason.
    pub(super) fault: Option<String>,
    /// Records that gave way.
    pub(super) dropped: u64,
}
