//! The ring of messages on the simulated disk: what a power cut leaves of it, and what gives way when it is full.
//!
//! Requests are carried out in order, one at a time. Of a `Keep` that a crash interrupts, the first messages may be durable.
//! What was forgotten in the last moments before a power cut comes back. Deliberately absent: segments, so that what gives
//! way is a message and not a part of the ring.

use crate::rng::Rng;
use crate::world::{Event, World};
use std::collections::{BTreeMap, VecDeque};
use twind::engine::Input;
use twind::telemetry::{Holds, Message, RingEvent, RingFailed, RingRequest};
use twind::units::{BootId, UnixSeconds};

/// What a message takes beside its own bytes.
const FRAME_BYTES: u64 = 16;
/// How many messages are read at once.
const READ_MAX: usize = 4;

struct Kept {
    id: String,
    bytes: Vec<u8>,
}

impl Kept {
    fn message(&self) -> Message {
        // It was encoded here.
        Message::decode(&self.bytes).unwrap_or_default()
    }
}

pub(crate) struct Ring {
    pub(crate) rng: Rng,
    messages: BTreeMap<u64, Kept>,
    last: u64,
    keep_bytes: u64,
    is_open: bool,
    asked: VecDeque<RingRequest>,
    under_way: Option<u64>,
    begun: u64,
    /// What was forgotten last.
    forgotten: VecDeque<(u64, Kept)>,
    /// What became of requests, until the daemon takes it.
    pub(crate) events: VecDeque<RingEvent>,
    /// Messages that were handed over to be kept, for the oracle.
    pub(crate) handed: Vec<Message>,
    /// Messages that gave way, for the oracle.
    pub(crate) gone: Vec<Message>,
}

impl Ring {
    pub(crate) fn new(rng: Rng) -> Self {
        Self {
            rng,
            messages: BTreeMap::new(),
            last: 0,
            keep_bytes: 0,
            is_open: false,
            asked: VecDeque::new(),
            under_way: None,
            begun: 0,
            forgotten: VecDeque::new(),
            events: VecDeque::new(),
            handed: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub(crate) fn ask(&mut self, request: RingRequest) {
        if let RingRequest::Keep(messages) = &request {
            self.handed.extend(messages.iter().cloned());
        }
        self.asked.push_back(request);
    }

    /// The messages that a process that starts would find: their numbers and ids, the oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (u64, &str)> {
        self.messages.iter().map(|(number, kept)| (*number, kept.id.as_str()))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The boots of which a message is kept that was made while the clock was believed.
    pub(crate) fn dated_boots(&self) -> impl Iterator<Item = u128> {
        let messages = self.messages.values().map(Kept::message);
        messages.filter_map(|message| message.booted.and(message.boot).map(|boot| boot.0))
    }

    /// The process has opened it, and has heard of all that it asked.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_open && self.asked.is_empty() && self.events.is_empty()
    }

    pub(super) fn begin(&mut self) -> Option<u64> {
        if self.under_way.is_some() || self.asked.is_empty() {
            return None;
        }
        self.begun += 1;
        self.under_way = Some(self.begun);
        self.under_way
    }

    pub(super) fn end(&mut self, id: u64, fails: bool) {
        if self.under_way.take_if(|under_way| *under_way == id).is_some()
            && let Some(request) = self.asked.pop_front()
        {
            self.carry_out(request, fails);
        }
    }

    fn carry_out(&mut self, request: RingRequest, fails: bool) {
        match request {
            RingRequest::Open { keep_bytes, .. } => {
                self.keep_bytes = keep_bytes;
                self.is_open = false;
                self.open(RingFailed::Open, fails);
            }
            RingRequest::Keep(messages) => {
                if !self.is_open && !self.open(RingFailed::Keep, fails) {
                    return;
                }
                if fails {
                    return self.fail(RingFailed::Keep);
                }
                let first = self.last + 1;
                let dropped = self.keep(&messages);
                self.events.push_back(RingEvent::Kept { first, holds: self.holds(), dropped });
            }
            RingRequest::Read { .. } if fails => self.fail(RingFailed::Read),
            RingRequest::Read { after } => {
                let next = self.messages.range(after + 1..).take(READ_MAX);
                let messages = next.map(|(number, kept)| (*number, kept.message())).collect();
                self.events.push_back(RingEvent::Read { messages, lost: 0 });
            }
            RingRequest::Forget { number } => {
                self.forgotten.extend(self.messages.remove(&number).map(|kept| (number, kept)));
                if self.forgotten.len() > 5 {
                    self.forgotten.pop_front();
                }
            }
        }
    }

    fn open(&mut self, for_: RingFailed, fails: bool) -> bool {
        if fails {
            self.fail(for_);
            return false;
        }
        self.is_open = true;
        let boots: BTreeMap<u128, UnixSeconds> = self
            .messages
            .values()
            .filter_map(|kept| {
                let message = kept.message();
                Some((message.boot?.0, message.booted?))
            })
            .collect();
        let boots = boots.into_iter().map(|(boot, booted)| (BootId(boot), booted)).collect();
        self.events.push_back(RingEvent::Opened { holds: self.holds(), boots, lost: 0 });
        true
    }

    fn fail(&mut self, request: RingFailed) {
        self.events.push_back(RingEvent::Failed { request, reason: "no space left on device".into() });
    }

    fn keep(&mut self, messages: &[Message]) -> u64 {
        let mut dropped = 0;
        for message in messages {
            let bytes = message.encode();
            while self.holds().bytes + bytes.len() as u64 + FRAME_BYTES > self.keep_bytes {
                let Some((_, oldest)) = self.messages.pop_first() else { break };
                let oldest = oldest.message();
                dropped += u64::from(oldest.records);
                self.gone.push(oldest);
            }
            self.last += 1;
            self.messages.insert(self.last, Kept { id: message.id.clone(), bytes });
        }
        dropped
    }

    fn holds(&self) -> Holds {
        let bytes = self.messages.values().map(|kept| kept.bytes.len() as u64 + FRAME_BYTES).sum();
        Holds { messages: self.messages.len() as u64, bytes }
    }

    /// The process ends at this moment.
    pub(super) fn crash(&mut self, is_full: bool) {
        let under_way = self.under_way.take().and_then(|_| self.asked.pop_front());
        if let (Some(RingRequest::Keep(messages)), false) = (under_way, is_full) {
            let whole = self.rng.below(messages.len() as u64 + 1) as usize;
            self.keep(&messages[..whole]);
        }
        self.end_process();
    }

    /// The machine loses its power, too.
    pub(crate) fn lose_power(&mut self) {
        let back = self.rng.below(self.forgotten.len() as u64 + 1) as usize;
        let skipped = self.forgotten.len() - back;
        self.messages.extend(self.forgotten.drain(..).skip(skipped));
    }

    /// The process ends in order: what was asked is carried out.
    pub(super) fn flush(&mut self, is_full: bool) {
        while let Some(request) = self.asked.pop_front() {
            self.carry_out(request, is_full);
        }
        self.under_way = None;
        self.end_process();
    }

    fn end_process(&mut self) {
        self.asked.clear();
        self.events.clear();
        self.is_open = false;
    }
}

impl World {
    /// A request to the ring ends. Hands over what became of it.
    pub(crate) fn take_ring(&mut self, id: u64) -> Result<(), String> {
        self.disk.end_ring(id);
        while let Some(event) = self.disk.ring.events.pop_front() {
            self.say(|| format!("ring: {event:?}"));
            self.oracle.handle_gone(&core::mem::take(&mut self.disk.ring.gone));
            self.input(Input::Ring(event))?;
        }
        self.go_on_with_the_ring();
        Ok(())
    }

    fn go_on_with_the_ring(&mut self) {
        if let Some((id, ends)) = self.disk.begin_ring(self.now) {
            self.plan(ends, Event::Ring(id));
        }
    }

    /// What the last input did, before its effects are seen.
    pub(crate) fn look_at_telemetry(&mut self) -> Result<(), String> {
        let now = self.boot();
        self.engine.as_ref().map_or(Ok(()), |engine| self.oracle.handle_input(self.now, now, engine))
    }

    /// What the core handed over goes to the disk.
    pub(crate) fn hand_to_the_ring(&mut self) -> Result<(), String> {
        for message in core::mem::take(&mut self.disk.ring.handed) {
            self.say(|| format!("to the ring: {} {}", message.id, message.body));
            self.oracle.handle_kept(self.now, &message, &self.disk)?;
        }
        self.go_on_with_the_ring();
        Ok(())
    }
}
