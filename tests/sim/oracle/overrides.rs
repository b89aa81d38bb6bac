//! Independent bookkeeping of overrides: which output and which climate is overridden until when, also over restarts.
//!
//! In the same boot an override ends when it was set to end. After another boot it lasts as long as it still had when the
//! record was made, less the time that is known to have passed. Records are made when an override begins or ends, and
//! every hour in between. Deliberately absent: the rank of an override (`rank`).

use super::STEP;
use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use twind::engine::Core;
use twind::twin::TwinRecord;
use twind::units::{BootTime, UnixSeconds};

/// While an override is in force, the record is at most this old.
const KEPT_EVERY: Duration = secs(3600);
/// The end of an override is reported within this time.
const TOLD_WITHIN: Duration = secs(180);
/// A record that could not be saved is saved after this.
const SAVE_RETRY: Duration = secs(31);

/// What is overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Output(usize),
    Climate(usize),
}

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wants {
    /// Permille.
    Drive(u16),
    Range(f64, f64),
}

impl Wants {
    pub(crate) fn drive(self) -> Option<u16> {
        match self {
            Self::Drive(permille) => Some(permille),
            Self::Range(..) => None,
        }
    }

    pub(crate) fn range(self) -> Option<(f64, f64)> {
        match self {
            Self::Range(min, max) => Some((min, max)),
            Self::Drive(_) => None,
        }
    }
}

/// What is in force, and the world's time at which each ends.
pub(crate) type Given = BTreeMap<What, (Wants, Duration)>;

#[derive(Default)]
pub(crate) struct Overrides {
    given: Given,
    /// By climate: when it was last overridden.
    by_hand: BTreeMap<usize, Duration>,
    changed_at: Duration,
    /// By the records' sequence numbers: when each was made, and what was in force then.
    kept: BTreeMap<u64, (Duration, Given)>,
    /// How the last process ended.
    end: Option<End>,
}

struct End {
    at: Duration,
    /// Every change had the time to become durable.
    is_sure: bool,
}

/// A start of the process.
pub(crate) struct Start<'a> {
    pub(crate) at: Duration,
    pub(crate) booted: Duration,
    pub(crate) boot: u128,
    pub(crate) record: Option<&'a TwinRecord>,
    /// Is the record of this boot?
    pub(crate) is_same_boot: bool,
    /// The wall clock, right or wrong, if the process believes it.
    pub(crate) wall: Option<UnixSeconds>,
    /// The drives that the previous process handed over; `None` for an output that cannot be opened.
    pub(crate) handed: Option<Vec<Option<u16>>>,
}

impl Overrides {
    pub(crate) fn give(&mut self, at: Duration, what: What, order: Option<(Wants, Duration)>) {
        self.changed_at = at;
        match order {
            Some((wants, lasts)) => drop(self.given.insert(what, (wants, at + lasts))),
            None => drop(self.given.remove(&what)),
        }
    }

    /// What is in force.
    pub(crate) fn at(&mut self, at: Duration) -> &Given {
        let ended = self.given.values().map(|(_, end)| *end).filter(|end| *end <= at).max();
        if let Some(end) = ended {
            self.changed_at = self.changed_at.max(end);
            self.given.retain(|_, (_, end)| *end > at);
        }
        for what in self.given.keys() {
            if let What::Climate(climate) = what {
                self.by_hand.insert(*climate, at);
            }
        }
        &self.given
    }

    /// The climates whose range by hand may be the one that was reported last.
    pub(crate) fn by_hand(&self, at: Duration) -> BTreeSet<usize> {
        let recent = self.by_hand.iter().filter(|(_, last)| at < **last + TOLD_WITHIN);
        recent.map(|(climate, _)| *climate).collect()
    }

    /// Notes what is in force with the last record that was offered.
    pub(crate) fn keep(&mut self, at: Duration, disk: &Disk) {
        if disk.offered != 0 && self.kept.keys().next_back() != Some(&disk.offered) {
            let given = self.at(at).clone();
            self.kept.insert(disk.offered, (at, given));
        }
    }

    /// The process ends. The disk is as it was while it ran.
    pub(crate) fn end(&mut self, at: Duration, disk: &Disk, is_orderly: bool) {
        self.at(at);
        let failed = disk.failed_at.map_or(Duration::ZERO, |at| at + SAVE_RETRY);
        let durable_by = self.changed_at.max(failed) + disk.patience() * 2 + secs(1);
        self.end = Some(End { at, is_sure: !disk.full && (durable_by < at || is_orderly && failed < at) });
    }

    /// Compares the overrides of a process that has started with its record.
    pub(crate) fn check_start(&mut self, start: &Start<'_>, engine: &Core) -> Result<(), String> {
        let before = core::mem::take(&mut self.given);
        let (made_at, kept) = self.kept_in(start.record)?;
        if let Some(end) = self.end.as_ref().filter(|end| end.is_sure) {
            if kept != before {
                return Err(format!("overrides {before:?} were in force, the record has {kept:?}"));
            }
            if !before.is_empty() && end.at > made_at + KEPT_EVERY + secs(60) {
                return Err(format!("with an override in force the last record is of {made_at:?}"));
            }
        }
        for (what, ours) in present(start, engine) {
            let expected = kept.get(&what).map(|(wants, until)| {
                let (end, slack) = expected_end(start, made_at, *until);
                (*wants, end, slack)
            });
            let is_right = match (ours, expected) {
                (None, None) => true,
                (None, Some((_, end, (early, _)))) => end <= start.at + early,
                (Some((wants, until)), Some((kept, end, (early, late)))) => {
                    wants == kept && end <= until + early && until <= end + late && until > start.at
                }
                (Some(_), None) => false,
            };
            if !is_right {
                return Err(format!("after the start {what:?} has {ours:?}, not {expected:?}"));
            }
            self.given.extend(ours.map(|ours| (what, ours)));
        }
        self.changed_at = start.at;
        Ok(())
    }

    fn kept_in(&mut self, record: Option<&TwinRecord>) -> Result<(Duration, Given), String> {
        let sequence = record.map_or(0, |record| record.sequence);
        // Newer records of the previous process were never durable.
        self.kept.retain(|kept, _| *kept <= sequence);
        match record {
            None => Ok((Duration::ZERO, Given::default())),
            Some(_) => {
                self.kept.get(&sequence).cloned().ok_or_else(|| format!("record {sequence} was never made"))
            }
        }
    }
}

/// Each output and each climate, and its override as the device has it.
fn present(start: &Start<'_>, engine: &Core) -> Vec<(What, Option<(Wants, Duration)>)> {
    let until = |until: BootTime| start.booted + until.since_boot();
    let outputs = engine.outputs().iter().map(|(id, ..)| {
        let ours = engine.override_of(id);
        (What::Output(id.0), ours.map(|ours| (Wants::Drive(ours.value.get()), until(ours.until))))
    });
    let climates = engine.climates().iter().map(|(id, _)| {
        let ours = engine.range_override_of(id);
        let ours = ours.map(|ours| (Wants::Range(ours.value.min(), ours.value.max()), until(ours.until)));
        (What::Climate(id.0), ours)
    });
    outputs.chain(climates).collect()
}

/// When an override of the record ends now, and by how much earlier or later it may.
fn expected_end(start: &Start<'_>, made_at: Duration, until: Duration) -> (Duration, (Duration, Duration)) {
    if start.is_same_boot {
        return (until, (Duration::ZERO, Duration::ZERO));
    }
    let walls = start.record.and_then(|record| record.moment.wall).zip(start.wall);
    // A wrong clock may end it early. No clock makes it longer.
    let by_wall = walls.map_or(0, |(then, now)| now.0.saturating_sub(then.0));
    let passed = secs(by_wall).max(start.at - start.booted);
    let rest = until.saturating_sub(made_at).saturating_sub(passed);
    // A record shows the state of the last control step, and wall clocks count whole seconds.
    (start.at + rest, (secs(2), STEP + secs(2)))
}
