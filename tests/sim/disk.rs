//! The disk: two generations of the record, written in turn, and a power cut may come at any moment of it.
//!
//! One write is under way at a time and the latest record waits, as in `src/store/file.rs`. *Durable* is what a
//! start after a power cut would read: of the generations that can be read, the one with the higher number. A write
//! cut short may be whole, torn or not there at all. Deliberately absent: files, threads.

use crate::rng::Rng;
use core::time::Duration;
use std::collections::VecDeque;
use twind::ports::Store;
use twind::twin::TwinRecord;

/// How a disk behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskPreset {
    pub(crate) name: &'static str,
    /// A write takes so long.
    pub(crate) latency: (Duration, Duration),
    /// So many writes in a thousand fail.
    pub(crate) fail_permille: u32,
    /// Mean time between two spells in which every write fails; zero for none.
    pub(crate) spell_every: Duration,
    /// Read-only when the first process starts, and for so long; zero for not at all.
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
    /// What a start would read now; read again when a generation changed.
    durable: Option<TwinRecord>,
    number: u64,
    waiting: Option<TwinRecord>,
    writing: Option<Writing>,
    writes: u64,
    /// Of the writes that ended, until the daemon takes them.
    pub(crate) outcomes: VecDeque<Result<u64, String>>,
    pub(crate) full: bool,
    pub(crate) calm: bool,
    /// When the last write failed, and how many were made.
    pub(crate) failed_at: Option<Duration>,
    pub(crate) written: u64,
    /// The sequence number of the record that was offered last in this life of the process.
    pub(crate) offered: u64,
}

impl Disk {
    pub(crate) fn new(preset: DiskPreset, rng: Rng) -> Self {
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
        }
    }

    /// Begins to write what waits: the write's id and when it ends.
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

    /// A write ends. False if it is not under way any more.
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

    /// The process is gone at this moment, with the power or alone. Nothing that was not durable is sure.
    pub(crate) fn crash(&mut self) -> &'static str {
        self.waiting = None;
        self.outcomes.clear();
        self.offered = 0;
        let Some(writing) = self.writing.take() else { return "nothing under way" };
        if self.full {
            return "the write was failing";
        }
        match self.rng.below(3) {
            0 => "the write is lost",
            1 => {
                self.keep(&writing.record);
                "the write is whole, and nobody was told"
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

    /// The process ends in order: the write under way and the one that waits are made.
    pub(crate) fn flush(&mut self) {
        let last = [self.writing.take().map(|writing| writing.record), self.waiting.take()];
        if !self.full {
            last.iter().flatten().for_each(|record| self.keep(record));
        }
        self.outcomes.clear();
        self.offered = 0;
    }

    /// What a start would read now.
    pub(crate) fn durable(&self) -> Option<&TwinRecord> {
        self.durable.as_ref()
    }

    fn read(&self) -> Option<TwinRecord> {
        let readable = |(number, bytes): &(u64, Vec<u8>)| Some((*number, TwinRecord::decode(bytes).ok()?));
        let records = self.generations.iter().flatten().filter_map(readable);
        records.max_by_key(|(number, _)| *number).map(|(_, record)| record)
    }

    /// How long it is read-only from the start, if it is.
    pub(crate) fn closed_for(&mut self) -> Option<Duration> {
        self.full.then(|| self.rng.between(self.preset.closed_for))
    }

    /// The longest that an offered record waits for its outcome.
    pub(crate) fn patience(&self) -> Duration {
        self.preset.latency.1 * 2
    }
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.offered = record.sequence;
        self.waiting = Some(record);
    }
}
