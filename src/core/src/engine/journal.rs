//! The journal: the last inputs, in memory, with the state of the core that they start from, so that an incident in the
//! field can be replayed elsewhere.
//!
//! It consists of two *parts*. Each is a *checkpoint*, which is the whole state between two inputs, followed by the inputs
//! after it. When the newer part is full, it takes the place of the older one. An entry holds the input, its time, the
//! drives that the board could not carry out, and a *digest* of the effects, by which a replay is compared.
//!
//! The encoding is [postcard](https://postcard.jamesmunns.com), which does not describe itself: a change of any type in a
//! checkpoint or an input changes the format, and must change [`FORMAT`]. Left out are the entries of the history, which are
//! only shown, and the texts of notices, of which a digest has only the number.

use super::methods::METHODS;
use super::{Core, Deadline, Input};
use crate::control::{Actuation, PinFault};
use crate::twin::{HubEvent, HubRequest, TwinRecord};
use crate::units::BootTime;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format.
pub(super) const FORMAT: u8 = 6;
/// The start of every journal.
pub(super) const MAGIC: &[u8] = b"twind-journal\n";
/// A part with more bytes of entries is full. With one sensor at 1 Hz that takes a quarter of an hour.
const PART_BYTES: usize = 32 * 1024;

/// A checkpoint, and the inputs after it.
#[derive(Default)]
pub(super) struct Part {
    checkpoint: Vec<u8>,
    pub(super) entries: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Journal {
    older: Part,
    pub(super) newer: Part,
    /// The time of the last input.
    pub(super) at: BootTime,
    /// Its outcome.
    pub(super) outcome: Outcome,
}

/// Debug output of a core does without the bytes of its journal.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({} bytes)", self.older.entries.len() + self.newer.entries.len())
    }
}

/// What became of an input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Which drives of this input failed, counted from 0, and why.
    pub(super) faults: Vec<(u32, PinFault)>,
    pub(super) digest: u32,
}

/// The effects of an input, as the ports take them.
#[derive(Default)]
pub(super) struct Effects {
    digest: Digest,
    drives: u32,
    faults: Vec<(u32, PinFault)>,
}

impl Effects {
    pub(super) fn drive(&mut self, actuation: &Actuation, outcome: &Result<(), PinFault>) {
        self.digest.take(actuation);
        if let Err(fault) = outcome {
            self.faults.push((self.drives, fault.clone()));
        }
        self.drives += 1;
    }

    /// The sequence number suffices: a difference in the content shows in the next checkpoint.
    pub(super) fn offer(&mut self, record: &TwinRecord) {
        self.digest.take(&record.sequence);
    }

    pub(super) fn push(&mut self, request: &HubRequest) {
        self.digest.take(request);
    }

    pub(super) fn notice(&mut self) {
        self.digest.extend([0]);
    }
}

/// FNV-1a: it finds differences, and gives no protection.
#[derive(Clone, Copy)]
pub(super) struct Digest(u32);

impl Default for Digest {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Extend<u8> for Digest {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.0 =
            bytes.into_iter().fold(self.0, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    }
}

impl Digest {
    fn take(&mut self, value: &impl Serialize) {
        // None of these types fails to serialize.
        *self = postcard::to_extend(value, *self).unwrap_or(*self);
    }

    pub(super) fn of(bytes: &[u8]) -> u32 {
        let mut digest = Self::default();
        digest.extend(bytes.iter().copied());
        digest.0
    }
}

fn append(bytes: &mut Vec<u8>, value: &impl Serialize) {
    let written = postcard::to_extend(value, core::mem::take(bytes));
    // None of these types fails to serialize. If one did, this part would be empty.
    *bytes = written.unwrap_or_default();
}

/// The payload of an unknown method may be anything, and no answer depends on it.
fn without_foreign_payload(input: &Input) -> Option<Input> {
    match input {
        Input::Hub(HubEvent::Method { rid, name, .. }) if !METHODS.contains(&name.as_str()) => {
            let (rid, name, argument) = (rid.clone(), name.clone(), Value::Null);
            Some(Input::Hub(HubEvent::Method { rid, name, argument }))
        }
        _ => None,
    }
}

impl Journal {
    pub(super) fn note(&mut self, now: BootTime, input: &Input) {
        let passed_ns = u64::try_from(now.since(self.at).as_nanos()).unwrap_or(u64::MAX);
        match without_foreign_payload(input) {
            Some(input) => append(&mut self.newer.entries, &(passed_ns, &input)),
            None => append(&mut self.newer.entries, &(passed_ns, input)),
        }
        self.at = now;
    }

    fn end(&mut self, effects: Effects, deadline: Deadline) {
        let Effects { mut digest, faults, .. } = effects;
        digest.take(&deadline.at);
        self.outcome = Outcome { faults, digest: digest.0 };
        append(&mut self.newer.entries, &self.outcome);
    }

    pub(super) fn begin_part(&mut self, checkpoint: Vec<u8>) {
        core::mem::swap(&mut self.older, &mut self.newer);
        self.newer.checkpoint = checkpoint;
        self.newer.entries.clear();
        // One large twin must not claim its memory for ever.
        self.newer.entries.shrink_to(2 * PART_BYTES);
    }
}

/// Why a journal cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayFault {
    /// It is no journal.
    Foreign,
    /// It was written by another version, in another format.
    Format {
        /// The format's number.
        format: u8,
        /// The version of twind that wrote it.
        version: String,
    },
    /// It was truncated or changed.
    Damaged,
    /// It is whole, but this version does not know all that it holds.
    Unknown {
        /// The version of twind that wrote it.
        version: String,
    },
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is no journal of twind"),
            Self::Format { format, version } => {
                write!(
                    f,
                    "it has format {format}, this is {FORMAT}: play it with the sources of twind {version}"
                )
            }
            Self::Damaged => f.write_str("it was cut or changed since it was written"),
            Self::Unknown { version } => write!(
                f,
                "it is whole but cannot be read, so it may be of another version: play it with the sources of twind {version}"
            ),
        }
    }
}

impl core::error::Error for ReplayFault {}

impl Core {
    /// The whole state between two inputs.
    pub(super) fn checkpoint(&self, now: BootTime) -> Vec<u8> {
        let is_reported = self.reporter.has_reported(self.durability.acknowledgement());
        let mut bytes = postcard::to_allocvec(&(now, is_reported, self)).unwrap_or_default();
        // Of a large site it is the largest piece of memory, and it has grown by doubling.
        bytes.shrink_to_fit();
        bytes
    }

    pub(super) fn resume(checkpoint: &[u8]) -> Result<Self, ReplayFault> {
        let (at, is_reported, mut core): (BootTime, bool, Self) =
            postcard::from_bytes(checkpoint).map_err(|_| ReplayFault::Damaged)?;
        if is_reported {
            core.reporter.resume(Rc::clone(core.durability.acknowledgement()));
        }
        core.journal.at = at;
        Ok(core)
    }

    pub(super) fn begin_journal(&mut self, now: BootTime) {
        self.journal.at = now;
        self.journal.newer.checkpoint = self.checkpoint(now);
    }

    /// The effects of an input are out, so a checkpoint may take its time now.
    pub(super) fn end_journal_entry(&mut self, effects: Effects, deadline: Deadline) {
        self.journal.end(effects, deadline);
        if self.journal.newer.entries.len() > PART_BYTES {
            let checkpoint = self.checkpoint(self.journal.at);
            self.journal.begin_part(checkpoint);
        }
    }

    /// The journal as bytes, which [`Replay`](super::Replay) reads. It contains the twin, and no secret.
    pub fn journal(&self) -> Vec<u8> {
        let Journal { older, newer, .. } = &self.journal;
        let parts = [older, newer].map(|part| (&part.checkpoint[..], &part.entries[..]));
        let parts: Vec<_> = parts.into_iter().filter(|(_, entries)| !entries.is_empty()).collect();
        let mut bytes = MAGIC.to_vec();
        append(&mut bytes, &(FORMAT, env!("CARGO_PKG_VERSION")));
        append(&mut bytes, &parts);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(&digest.to_le_bytes());
        bytes
    }
}
