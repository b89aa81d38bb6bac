//! The replay of a journal, input by input, compared with the effects that the inputs had when it was written.

use super::journal::{Digest, FORMAT, MAGIC, Outcome, ReplayFault};
use super::{Core, Deadline, Input};
use crate::control::{Actuation, PinFault};
use crate::ports::{Outbox, Pins, Ports, Store};
use crate::report::Notice;
use crate::telemetry::RingRequest;
use crate::twin::{HubRequest, TwinRecord};
use crate::units::BootTime;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::Deserialize;

/// A replay.
#[derive(Debug)]
pub struct Replay {
    core: Core,
    version: String,
    entries: Vec<u8>,
    read: usize,
    next: Option<(Vec<u8>, Vec<u8>)>,
}

/// One input of a replay, and its effects.
#[derive(Debug)]
pub struct Step {
    /// When it arrived.
    pub now: BootTime,
    /// The input.
    pub input: Input,
    /// The commands to the board.
    pub actuations: Vec<Actuation>,
    /// The sequence numbers of the records that were offered.
    pub records: Vec<u64>,
    /// The requests to the hub.
    pub requests: Vec<HubRequest>,
    /// The notices.
    pub notices: Vec<Notice>,
    /// The next deadline.
    pub deadline: Deadline,
    /// Everything is as it was when the journal was written.
    pub is_same: bool,
}

impl Replay {
    /// Reads a journal.
    ///
    /// # Errors
    /// It cannot be replayed.
    pub fn read(bytes: &[u8]) -> Result<Self, ReplayFault> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ReplayFault::Foreign)?;
        let ((format, version), rest): ((u8, String), _) =
            postcard::take_from_bytes(rest).map_err(|_| ReplayFault::Damaged)?;
        if format != FORMAT {
            return Err(ReplayFault::Format { format, version });
        }
        let (body, digest) = bytes.split_last_chunk::<4>().ok_or(ReplayFault::Damaged)?;
        if Digest::of(body) != u32::from_le_bytes(*digest) {
            return Err(ReplayFault::Damaged);
        }
        let unknown = || ReplayFault::Unknown { version: version.clone() };
        let parts: Vec<(Vec<u8>, Vec<u8>)> = postcard::take_from_bytes(rest).map_err(|_| unknown())?.0;
        let mut parts = parts.into_iter();
        let (checkpoint, entries) = parts.next().ok_or(ReplayFault::Damaged)?;
        let core = Core::resume(&checkpoint).map_err(|_| unknown())?;
        Ok(Self { core, version, entries, read: 0, next: parts.next() })
    }

    /// Replays the next input; `None` after the last one.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn step(&mut self) -> Result<Option<Step>, ReplayFault> {
        let mut reached = None;
        if self.read == self.entries.len() {
            let Some((checkpoint, entries)) = self.next.take() else { return Ok(None) };
            reached = Some(self.core.checkpoint(self.core.journal.at) == checkpoint);
            (self.entries, self.read) = (entries, 0);
        }
        let (passed_ns, input): (u64, Input) = self.take()?;
        let outcome: Outcome = self.take()?;
        let now = self.core.journal.at + Duration::from_nanos(passed_ns);
        let (mut board, mut store, mut outbox, mut notices) =
            (RecordedBoard::of(&outcome), Offers::default(), Requests::default(), Vec::new());
        let mut ports =
            Ports { pins: &mut board, store: &mut store, outbox: &mut outbox, notices: &mut notices };
        let deadline = self.core.handle(now, input.clone(), &mut ports);
        Ok(Some(Step {
            now,
            input,
            actuations: board.actuations,
            records: store.0,
            requests: outbox.0,
            notices,
            deadline,
            is_same: reached != Some(false) && self.core.journal.outcome == outcome,
        }))
    }

    /// The version of twind that wrote it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The core, as far as it was replayed.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Is a core in exactly the state of this replay?
    pub fn has_reached(&self, core: &Core) -> bool {
        let at = core.journal.at;
        self.core.checkpoint(at) == core.checkpoint(at)
    }

    fn take<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T, ReplayFault> {
        let bytes = self.entries.get(self.read..).unwrap_or_default();
        let unknown = |_| ReplayFault::Unknown { version: self.version.clone() };
        let (value, rest) = postcard::take_from_bytes(bytes).map_err(unknown)?;
        self.read = self.entries.len() - rest.len();
        Ok(value)
    }
}

/// The board of a replay: it fails where the real one failed.
struct RecordedBoard<'a> {
    faults: &'a [(u32, PinFault)],
    actuations: Vec<Actuation>,
}

impl<'a> RecordedBoard<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Self { faults: &outcome.faults, actuations: Vec::new() }
    }
}

impl Pins for RecordedBoard<'_> {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
        let place = self.actuations.len();
        self.actuations.push(*actuation);
        let fault = self.faults.iter().find(|(at, _)| usize::try_from(*at) == Ok(place));
        fault.map_or(Ok(()), |(_, fault)| Err(fault.clone()))
    }
}

#[derive(Default)]
struct Offers(Vec<u64>);

impl Store for Offers {
    fn offer(&mut self, record: TwinRecord) {
        self.0.push(record.sequence);
    }

    /// The digest compares what it is asked.
    fn ring(&mut self, _: RingRequest) {}
}

#[derive(Default)]
struct Requests(Vec<HubRequest>);

impl Outbox for Requests {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}
