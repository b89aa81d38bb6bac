//! The disk: two generations of the record, written in turn. A power cut may come at any moment of a write.
//!
//! One write is under way at a time, and only the latest record waits, as in `src/store/file.rs`. The *durable* record is
//! the one that a process would read after a power cut: of the generations that can be read, the one with the higher
//! number. An interrupted write may be whole, torn or lost. The ring of messages is in `ring`. Deliberately absent: files,
//! threads.

use crate::ring::Ring;
use crate::rng::Rng;
use core::time::Duration;
use std::collections::VecDeque;
use twind::ports::Store;
use twind::telemetry::RingRequest;
use twind::twin::TwinRecord;

/// How a disk behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskPreset {
    pub(crate) name: &'static str,
    /// How long a write takes.
    pub(crate) latency: (Duration, Duration),
    /// How many of a thousand writes fail.
    pub(crate) fail_permille: u32,
    /// Mean time between two periods in which every write fails; zero for none.
    pub(crate) spell_every: Duration,
    /// How long it is read-only from the first start on; zero for not at all.
    pub(crate) closed_for: (Duration, Duration),
}

/// A write that is under way.
struct Writing {
    id: u64,
    record: TwinRecord,
}

pub(crate) struct Disk {
    preset: DiskPreset,
    rng: Rng,
    generations: [Option<(u64, Vec<u8>)>; 2],
    /// What a process that starts would read now.
    durable: Option<TwinRecord>,
    number: u64,
    waiting: Option<TwinRecord>,
    writing: Option<Writing>,
    writes: u64,
    /// The outcomes of writes, until the daemon takes them.
    pub(crate) outcomes: VecDeque<Result<u64, String>>,
    pub(crate) full: bool,
    pub(crate) calm: bool,
    /// When the last write failed, and how many have succeeded.
    pub(crate) failed_at: Option<Duration>,
    pub(crate) written: u64,
    /// The sequence number of the last record that this process offered.
    pub(crate) offered: u64,
    pub(crate) ring: Ring,
}

impl Disk {
    pub(crate) fn new(preset: DiskPreset, rng: Rng, ring: Rng) -> Self {
        Self {
            preset,
            rng,
            generations: [None, None],
            durable: None,
            number: 0,
            waiting: None,
            writing: None,
            writes: 0,
            outcomes: VecDeque::new(),
            full: preset.closed_for.1 > Duration::ZERO,
            calm: false,
            failed_at: None,
            written: 0,
            offered: 0,
            ring: Ring::new(ring),
        }
    }

    /// Begins to write the record that waits. Returns the write's id and its end.
    pub(crate) fn begin(&mut self, now: Duration) -> Option<(u64, Duration)> {
        if self.writing.is_some() {
            return None;
        }
        let record = self.waiting.take()?;
        self.writes += 1;
        let ends = now + self.rng.between(self.preset.latency);
        self.writing = Some(Writing { id: self.writes, record });
        Some((self.writes, ends))
    }

    /// A write ends. Returns false if it is no longer under way.
    pub(crate) fn end(&mut self, now: Duration, id: u64) -> bool {
        let Some(writing) = self.writing.take_if(|writing| writing.id == id) else { return false };
        let fails = self.full || !self.calm && self.rng.chance(self.preset.fail_permille);
        if fails {
            self.failed_at = Some(now);
            self.outcomes.push_back(Err("no space left on device".into()));
        } else {
            self.keep(&writing.record);
            self.outcomes.push_back(Ok(writing.record.sequence));
        }
        true
    }

    fn keep(&mut self, record: &TwinRecord) {
        self.number += 1;
        self.written += 1;
        self.generations[(self.number % 2) as usize] = Some((self.number, record.encode()));
        self.durable = self.read();
    }

    /// The process ends at this moment, by a power cut or alone. Returns what became of the write that was under way.
    pub(crate) fn crash(&mut self) -> &'static str {
        self.waiting = None;
        self.outcomes.clear();
        self.offered = 0;
        self.ring.crash(self.full);
        let Some(writing) = self.writing.take() else { return "nothing under way" };
        if self.full {
            return "the write was failing";
        }
        match self.rng.below(3) {
            0 => "the write is lost",
            1 => {
                self.keep(&writing.record);
                "the write is whole, and unacknowledged"
            }
            _ => {
                // Only the generation that was being written is torn; the newer one is never touched.
                let slot = &mut self.generations[((self.number + 1) % 2) as usize];
                *slot = slot.take().map(|(number, bytes)| (number, bytes[..bytes.len() / 2].to_vec()));
                self.durable = self.read();
                "the write is torn"
            }
        }
    }

    /// The process ends in order: the write under way and the one that waits are completed.
    pub(crate) fn flush(&mut self) {
        let last = [self.writing.take().map(|writing| writing.record), self.waiting.take()];
        if !self.full {
            last.iter().flatten().for_each(|record| self.keep(record));
        }
        self.ring.flush(self.full);
        self.outcomes.clear();
        self.offered = 0;
    }

    /// Begins the next request to the ring. Returns its id and its end.
    pub(crate) fn begin_ring(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let latency = self.preset.latency;
        let id = self.ring.begin()?;
        Some((id, now + self.ring.rng.between(latency)))
    }

    /// A request to the ring ends.
    pub(crate) fn end_ring(&mut self, id: u64) {
        let fails = self.full || !self.calm && self.ring.rng.chance(self.preset.fail_permille);
        self.ring.end(id, fails);
    }

    /// What a process that starts would read now.
    pub(crate) fn durable(&self) -> Option<&TwinRecord> {
        self.durable.as_ref()
    }

    fn read(&self) -> Option<TwinRecord> {
        let readable = |(number, bytes): &(u64, Vec<u8>)| Some((*number, TwinRecord::decode(bytes).ok()?));
        let records = self.generations.iter().flatten().filter_map(readable);
        records.max_by_key(|(number, _)| *number).map(|(_, record)| record)
    }

    /// For how long it is read-only from the start on, if it is.
    pub(crate) fn closed_for(&mut self) -> Option<Duration> {
        self.full.then(|| self.rng.between(self.preset.closed_for))
    }

    /// The longest time from the offer of a record to its outcome.
    pub(crate) fn patience(&self) -> Duration {
        self.preset.latency.1 * 2
    }
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.offered = record.sequence;
        self.waiting = Some(record);
    }

    fn ring(&mut self, request: RingRequest) {
        self.ring.ask(request);
    }
}
