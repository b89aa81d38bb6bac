//! When the record is offered to the disk, and how often at most.
//!
//! A hub can write faster than a card can bear. A *ration* lets through a burst and then one record a second; what waits
//! for it is the latest record, and so the acknowledgement that goes with it. Deliberately absent: what a record holds.

use super::{Core, Notice};
use crate::units::BootTime;
use alloc::string::String;
use core::time::Duration;

/// A record that could not be kept is offered again after this.
const SAVE_RETRY: Duration = Duration::from_secs(30);
/// So many records at once, of which the last is for the end of the process …
const BURST: u32 = 300;
/// … and then one in each of these.
const EVERY: Duration = Duration::from_secs(1);

/// When the record is to be offered next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Save {
    Clean,
    At(BootTime),
    /// As soon as the ration allows it.
    Now,
    /// The ration allowed it.
    Granted,
}

impl Save {
    /// The record is to be kept as soon as may be.
    pub(super) fn want(&mut self) {
        if *self != Self::Granted {
            *self = Self::Now;
        }
    }

    /// Waits for nothing but the ration, or to be drawn.
    pub(super) fn is_due(self) -> bool {
        matches!(self, Self::Now | Self::Granted)
    }
}

/// How many records may still be offered, as the moment at which all of a burst may be again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

impl Core {
    /// Takes the outcome of keeping a record: the sequence number that is durable now, or why it is not.
    pub(super) fn handle_saved(&mut self, now: BootTime, outcome: Result<u64, String>) {
        match outcome {
            Ok(sequence) => {
                if self.store_fault.take().is_some() {
                    self.notices.push_back(Notice::StoreMended);
                }
                if let Some((_, told)) = self.untold.take_if(|(waiting, _)| *waiting <= sequence) {
                    self.told = told;
                }
            }
            Err(reason) => {
                if self.store_fault.replace(reason.clone()).is_none() {
                    self.notices.push_back(Notice::StoreFault { reason });
                }
                if !self.save.is_due() {
                    self.save = Save::At(now + SAVE_RETRY);
                }
            }
        }
        self.absorb(now);
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
    pub(super) fn save_at_the_end(&mut self, now: BootTime) {
        if !matches!(self.save, Save::Clean | Save::Granted) {
            self.ration.take(now);
            self.save = Save::Granted;
        }
    }

    /// When the record is to be offered next, and why it is not yet.
    pub(super) fn save_due(&self) -> Option<(BootTime, &'static str)> {
        match self.save {
            Save::At(at) => Some((at.max(self.ration.next()), "keeping the twin's copy")),
            Save::Now => Some((self.ration.next(), "the ration of the twin's copy")),
            Save::Clean | Save::Granted => None,
        }
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
