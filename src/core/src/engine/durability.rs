//! What waits for the disk: when the record is offered to it, how often at most, and what the hub may hear meanwhile.
//!
//! A desired change is told to the hub when the record that holds it is durable. A hub can write faster than a card can
//! bear. A *ration* lets through a burst and then one record a second; what waits for it is the latest record, and so the
//! acknowledgement that goes with it. Deliberately absent: what a record holds.

use super::{Core, Notice};
use crate::report::Acknowledgement;
use crate::twin::Version;
use crate::units::BootTime;
use alloc::rc::Rc;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A record that could not be kept is offered again after this.
const SAVE_RETRY: Duration = Duration::from_secs(30);
/// So many records at once, of which the last is for the end of the process …
const BURST: u32 = 300;
/// … and then one in each of these.
const EVERY: Duration = Duration::from_secs(1);

/// When the record is to be offered next.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Save {
    Clean,
    At(BootTime),
    /// As soon as the ration allows it.
    Now,
    /// The ration allowed it.
    Granted,
}

/// How many records may still be offered, as the moment at which all of a burst may be again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ration {
    full_at: BootTime,
}

impl Ration {
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
    /// What the hub may hear …
    told: Rc<Acknowledgement>,
    /// … and what is to be durable first, with the sequence number of the record that holds it.
    untold: Option<(u64, Rc<Acknowledgement>)>,
    /// Of the last record that was offered.
    sequence: u64,
    /// When that was, in this boot.
    recorded_at: BootTime,
    save: Save,
    ration: Ration,
    fault: Option<String>,
}

impl Durability {
    /// At a start: what the record has is durable. `is_news`: but a start is to be kept at once.
    pub(super) fn at_start(
        told: Rc<Acknowledgement>,
        sequence: u64,
        recorded_at: BootTime,
        is_news: bool,
    ) -> Self {
        let save = if is_news { Save::Now } else { Save::Clean };
        Self { told, untold: None, sequence, recorded_at, save, ration: Ration::default(), fault: None }
    }

    /// The same with another configuration, by which `fresh` is to be told; what is not durable yet is not told yet either.
    /// A reload is no way round the ration, and mends no disk.
    pub(super) fn succeed(self, fresh: Rc<Acknowledgement>, sequence: u64) -> Self {
        let waits = self.save != Save::Clean || self.untold.is_some();
        let (told, untold) = if waits { (self.told, Some((u64::MAX, fresh))) } else { (fresh, None) };
        let save = if waits { Save::Now } else { Save::Clean };
        Self { told, untold, save, sequence: self.sequence.max(sequence), ..self }
    }

    /// Takes all of it away, for whoever comes after.
    pub(super) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::at_start(Rc::default(), 0, BootTime::ZERO, false))
    }

    /// What the hub may hear.
    pub(super) fn told(&self) -> &Rc<Acknowledgement> {
        &self.told
    }

    /// The version that the hub may hear of.
    pub(super) fn told_version(&self) -> Version {
        self.told.version
    }

    /// What was told to an identity that is gone says nothing to this one.
    pub(super) fn forget_told(&mut self) {
        self.told = Rc::default();
    }

    /// This is to be told, once it is durable.
    pub(super) fn acknowledge(&mut self, told: Rc<Acknowledgement>) {
        self.want();
        // Its sequence number is given when the record is drawn.
        self.untold = Some((u64::MAX, told));
    }

    /// Does a report have to wait for the disk? Without one that works nothing waits.
    pub(super) fn holds_reports(&self) -> bool {
        self.untold.is_some() && self.fault.is_none()
    }

    /// Why the last record could not be kept.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The sequence number of the last record that was offered.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the last record was offered, in this boot.
    pub(super) fn recorded_at(&self) -> BootTime {
        self.recorded_at
    }

    /// The record is to be kept as soon as may be.
    pub(super) fn want(&mut self) {
        if self.save != Save::Granted {
            self.save = Save::Now;
        }
    }

    /// The record is to be kept at this moment at the latest.
    pub(super) fn want_by(&mut self, now: BootTime, due: BootTime) {
        self.save = match self.save {
            due @ (Save::Now | Save::Granted) => due,
            _ if due <= now => Save::Now,
            Save::At(at) => Save::At(at.min(due)),
            Save::Clean => Save::At(due),
        };
    }

    /// As [`Self::want_by`], unless the record is to be kept anyway.
    pub(super) fn want_by_if_clean(&mut self, now: BootTime, due: BootTime) {
        if self.save == Save::Clean {
            self.want_by(now, due);
        }
    }

    /// Waits the record for nothing but the ration, or to be drawn?
    pub(super) fn is_due(&self) -> bool {
        matches!(self.save, Save::Now | Save::Granted)
    }

    /// What is due is offered if the ration allows it.
    pub(super) fn grant(&mut self, now: BootTime) {
        if matches!(self.save, Save::At(at) if at <= now) {
            self.save = Save::Now;
        }
        if self.save == Save::Now && self.ration.next() <= now {
            self.ration.take(now);
            self.save = Save::Granted;
        }
    }

    /// The process ends: what was kept lazily or rationed is kept now, once.
    pub(super) fn grant_at_the_end(&mut self, now: BootTime) {
        if !matches!(self.save, Save::Clean | Save::Granted) {
            self.ration.take(now);
            self.save = Save::Granted;
        }
    }

    /// Is a record to be offered now? Then it gets the next sequence number.
    pub(super) fn draw(&mut self, at: BootTime) -> bool {
        if self.save != Save::Granted {
            return false;
        }
        self.save = Save::Clean;
        self.sequence += 1;
        if let Some((sequence, _)) = &mut self.untold {
            *sequence = self.sequence;
        }
        self.recorded_at = at;
        true
    }

    /// When the record is to be offered next, and why it is not yet.
    pub(super) fn poll_timeout(&self) -> Option<(BootTime, &'static str)> {
        match self.save {
            Save::At(at) => Some((at.max(self.ration.next()), "keeping the twin's copy")),
            Save::Now => Some((self.ration.next(), "the ration of the twin's copy")),
            Save::Clean | Save::Granted => None,
        }
    }

    /// What became of a record. Returns what an operator hears of it.
    fn handle_saved(&mut self, now: BootTime, outcome: Result<u64, String>) -> Option<Notice> {
        match outcome {
            Ok(sequence) => {
                if let Some((_, told)) = self.untold.take_if(|(waiting, _)| *waiting <= sequence) {
                    self.told = told;
                }
                self.fault.take().map(|_| Notice::StoreMended)
            }
            Err(reason) => {
                if !self.is_due() {
                    self.save = Save::At(now + SAVE_RETRY);
                }
                let is_told = self.fault.replace(reason.clone()).is_some();
                (!is_told).then_some(Notice::StoreFault { reason })
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

    /// How many records go in so many milliseconds if one is wanted in each of them.
    fn offered(ration: &mut Ration, millis: core::ops::Range<u64>) -> u32 {
        let mut count = 0;
        for now in millis.map(at_ms) {
            if ration.next() <= now {
                ration.take(now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_a_second_with_one_kept_for_the_end() {
        let mut ration = Ration::default();
        assert_eq!(offered(&mut ration, 0..1000), BURST - 1);
        assert_eq!(offered(&mut ration, 1000..19_000), 18);
        // Ten minutes later all of a burst may be again.
        assert_eq!(offered(&mut ration, 619_000..620_000), BURST - 1);
    }

    #[test]
    fn whoever_writes_once_a_second_never_waits() {
        let mut ration = Ration::default();
        for second in 0..10_000 {
            assert!(ration.next() <= at_ms(second * 1000));
            ration.take(at_ms(second * 1000));
        }
    }
}
