//! When the record is offered to the store, and which acknowledgement may be reported meanwhile.
//!
//! A desired change is acknowledged when the record that holds it is durable. A back end can write faster than an SD card
//! tolerates, so a *rate limit* lets through a burst and then one record a second. Only the latest record waits for it, and
//! with it the latest acknowledgement.

use super::{Core, Notice};
use crate::report::Acknowledgement;
use crate::twin::Version;
use crate::units::BootTime;
use alloc::rc::Rc;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A record that could not be stored is offered again after this.
const SAVE_RETRY: Duration = Duration::from_secs(30);
/// This many records may be offered in a burst, of which one is reserved for the end of the process …
const BURST: u32 = 300;
/// … and then one in this interval.
const EVERY: Duration = Duration::from_secs(1);

/// When the record is to be offered next.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Save {
    Clean,
    At(BootTime),
    /// As soon as the rate limit allows it.
    Now,
    /// The rate limit allowed it.
    Granted,
}

/// The rate limit of records, as the moment at which a whole burst is allowed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RateLimit {
    full_at: BootTime,
}

impl RateLimit {
    /// When the next record may be offered.
    fn next(self) -> BootTime {
        let ahead = EVERY * (BURST - 2);
        BootTime::from_boot(self.full_at.since_boot().saturating_sub(ahead))
    }

    fn take(&mut self, now: BootTime) {
        self.full_at = self.full_at.max(now) + EVERY;
    }
}

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Durability {
    /// What may be reported: its record is durable.
    acknowledgement: Rc<Acknowledgement>,
    /// What may be reported when the record with this sequence number is durable.
    pending: Option<(u64, Rc<Acknowledgement>)>,
    /// The sequence number of the last record that was offered.
    sequence: u64,
    /// The moment of that record, in this boot.
    recorded_at: BootTime,
    /// When a record was last durable, in this boot.
    stored_at: Option<BootTime>,
    save: Save,
    limit: RateLimit,
    fault: Option<String>,
}

impl Durability {
    /// At a start: what the record holds is durable. `must_record`: the start itself is to be recorded at once.
    pub(super) fn at_start(
        acknowledgement: Rc<Acknowledgement>,
        sequence: u64,
        recorded_at: BootTime,
        stored_at: Option<BootTime>,
        must_record: bool,
    ) -> Self {
        let save = if must_record { Save::Now } else { Save::Clean };
        Self {
            acknowledgement,
            pending: None,
            sequence,
            recorded_at,
            stored_at,
            save,
            limit: RateLimit::default(),
            fault: None,
        }
    }

    /// Carries it over a reload, after which `fresh` is to be reported; not before it is durable, if a record is still due. A
    /// reload neither resets the rate limit nor clears the fault of the disk.
    pub(super) fn succeed(self, fresh: Rc<Acknowledgement>, sequence: u64) -> Self {
        let waits = self.save != Save::Clean || self.pending.is_some();
        let (acknowledgement, pending) =
            if waits { (self.acknowledgement, Some((u64::MAX, fresh))) } else { (fresh, None) };
        let save = if waits { Save::Now } else { Save::Clean };
        Self { acknowledgement, pending, save, sequence: self.sequence.max(sequence), ..self }
    }

    /// Takes all of it out, to carry it over a reload.
    pub(super) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::at_start(Rc::default(), 0, BootTime::ZERO, None, false))
    }

    /// What may be reported now.
    pub(super) fn acknowledgement(&self) -> &Rc<Acknowledgement> {
        &self.acknowledgement
    }

    /// The desired version that may be acknowledged now.
    pub(super) fn acknowledged_version(&self) -> Version {
        self.acknowledgement.version
    }

    /// Forgets what may be reported: it concerns an identity that is gone.
    pub(super) fn forget_acknowledgement(&mut self) {
        self.acknowledgement = Rc::default();
    }

    /// Has this reported once it is durable.
    pub(super) fn acknowledge(&mut self, acknowledgement: Rc<Acknowledgement>) {
        self.want();
        // The sequence number is set when the record is drawn.
        self.pending = Some((u64::MAX, acknowledgement));
    }

    /// Must reports wait for the disk? They do not if it has failed.
    pub(super) fn holds_reports(&self) -> bool {
        self.pending.is_some() && self.fault.is_none()
    }

    /// Why the last record could not be stored.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The sequence number of the last record that was offered.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The moment of the last record, in this boot.
    pub(super) fn recorded_at(&self) -> BootTime {
        self.recorded_at
    }

    /// When a record was last durable, in this boot.
    pub(super) fn stored_at(&self) -> Option<BootTime> {
        self.stored_at
    }

    /// Wants a record as soon as possible.
    pub(super) fn want(&mut self) {
        if self.save != Save::Granted {
            self.save = Save::Now;
        }
    }

    /// Wants a record at this moment at the latest.
    pub(super) fn want_by(&mut self, now: BootTime, due: BootTime) {
        self.save = match self.save {
            due @ (Save::Now | Save::Granted) => due,
            _ if due <= now => Save::Now,
            Save::At(at) => Save::At(at.min(due)),
            Save::Clean => Save::At(due),
        };
    }

    /// As [`Self::want_by`], unless a record is wanted anyway.
    pub(super) fn want_by_if_clean(&mut self, now: BootTime, due: BootTime) {
        if self.save == Save::Clean {
            self.want_by(now, due);
        }
    }

    /// Is the record due now, apart from the rate limit?
    pub(super) fn is_due(&self) -> bool {
        matches!(self.save, Save::Now | Save::Granted)
    }

    /// Grants a record that is due, if the rate limit allows it.
    pub(super) fn grant(&mut self, now: BootTime) {
        if matches!(self.save, Save::At(at) if at <= now) {
            self.save = Save::Now;
        }
        if self.save == Save::Now && self.limit.next() <= now {
            self.limit.take(now);
            self.save = Save::Granted;
        }
    }

    /// The process ends: a record that is wanted later, or waits for the rate limit, is granted now.
    pub(super) fn grant_at_the_end(&mut self, now: BootTime) {
        if !matches!(self.save, Save::Clean | Save::Granted) {
            self.limit.take(now);
            self.save = Save::Granted;
        }
    }

    /// Is a record to be offered now? If so, it gets the next sequence number.
    pub(super) fn draw(&mut self, at: BootTime) -> bool {
        if self.save != Save::Granted {
            return false;
        }
        self.save = Save::Clean;
        self.sequence += 1;
        if let Some((sequence, _)) = &mut self.pending {
            *sequence = self.sequence;
        }
        self.recorded_at = at;
        true
    }

    /// When the next record is to be offered, and what it waits for.
    pub(super) fn poll_timeout(&self) -> Option<(BootTime, &'static str)> {
        match self.save {
            Save::At(at) => Some((at.max(self.limit.next()), "recording the twin")),
            Save::Now => Some((self.limit.next(), "the rate limit of records")),
            Save::Clean | Save::Granted => None,
        }
    }

    /// What became of a record. Returns the notice, if something changed.
    fn handle_saved(&mut self, now: BootTime, outcome: Result<u64, String>) -> Option<Notice> {
        match outcome {
            Ok(sequence) => {
                self.stored_at = Some(now);
                if let Some((_, durable)) = self.pending.take_if(|(waiting, _)| *waiting <= sequence) {
                    self.acknowledgement = durable;
                }
                self.fault.take().map(|_| Notice::StoreMended)
            }
            Err(reason) => {
                if !self.is_due() {
                    self.save = Save::At(now + SAVE_RETRY);
                }
                let is_known = self.fault.replace(reason.clone()).is_some();
                (!is_known).then_some(Notice::StoreFault { reason })
            }
        }
    }
}

impl Core {
    pub(super) fn handle_saved(&mut self, now: BootTime, outcome: Result<u64, String>) {
        self.notices.extend(self.durability.handle_saved(now, outcome));
        self.absorb(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::at_ms;

    /// How many records are granted in these milliseconds, if one is wanted in each.
    fn offered(limit: &mut RateLimit, millis: core::ops::Range<u64>) -> u32 {
        let mut count = 0;
        for now in millis.map(at_ms) {
            if limit.next() <= now {
                limit.take(now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_burst_is_granted_at_once_and_then_one_a_second_with_one_reserved_for_the_end() {
        let mut limit = RateLimit::default();
        assert_eq!(offered(&mut limit, 0..1000), BURST - 1);
        assert_eq!(offered(&mut limit, 1000..19_000), 18);
        // Ten minutes later a whole burst is allowed again.
        assert_eq!(offered(&mut limit, 619_000..620_000), BURST - 1);
    }

    #[test]
    fn one_record_a_second_never_waits() {
        let mut limit = RateLimit::default();
        for second in 0..10_000 {
            assert!(limit.next() <= at_ms(second * 1000));
            limit.take(at_ms(second * 1000));
        }
    }
}
