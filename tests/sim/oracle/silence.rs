//! A second opinion on the hub's silence, in the world's time: it counts from the last answer or notification on a twin
//! topic (429 and 5xx are none), through restarts as far as the record can know, and never longer than it has lasted.
//! A believed clock that is ahead cannot be told from a gateway that lay switched off. What it counted too much may stay
//! until a start with a believed clock that shows less.
//!
//! Deliberately absent: what the row does (`rank`), and when the hub is asked (`traffic`).

use super::hands::Start;
use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::engine::{Core, CoreSpec};
use twind::twin::HubEvent;
use twind::units::BootTime;

/// What only the reports changed is kept after this; so long a word may stay unknown to the record.
const LAZY: Duration = secs(15 * 60);
/// What failed is kept after this.
const SAVE_RETRY: Duration = secs(31);
/// The record is as of the last control step.
const SLACK: Duration = secs(6);

/// The silence when a record was made.
#[derive(Clone, Copy)]
struct Kept {
    made_at: Duration,
    lasted: Duration,
    /// So much of that is too much.
    over: Duration,
    /// The process that made it had heard the hub, and could hear more.
    open: bool,
}

#[derive(Default)]
pub(crate) struct Silences {
    /// The hub's last word, if there was one.
    word: Option<Duration>,
    /// What the process that runs counts from, and what it counted at its start.
    since: Duration,
    before: Duration,
    heard_here: bool,
    /// The last word that a record had to tell of at once: the first of a life, or after a long silence.
    turned: Duration,
    /// The disk had the time to know of it, and of all records since.
    is_sure: bool,
    kept: BTreeMap<u64, Kept>,
}

/// Is it a word?
pub(crate) fn is_word(event: &HubEvent) -> bool {
    match event {
        HubEvent::Up | HubEvent::Down | HubEvent::Method { .. } => false,
        HubEvent::Rejected { status, .. } => !(*status == 429 || (500..600).contains(status)),
        _ => true,
    }
}

/// After so much silence the first row is in force.
pub(crate) fn first_row(spec: &CoreSpec) -> Option<Duration> {
    spec.outputs.iter().filter_map(|output| output.when.hub_silent.map(|(after, _)| after)).min()
}

impl Silences {
    pub(crate) fn lasts(&self, at: Duration) -> Duration {
        at.saturating_sub(self.since) + self.before
    }

    pub(crate) fn hear(&mut self, at: Duration, spec: &CoreSpec) {
        let is_long = first_row(spec).is_some_and(|row| self.lasts(at) >= row / 4);
        if is_long || !self.heard_here {
            self.turned = at;
        }
        (self.word, self.since, self.before, self.heard_here) = (Some(at), at, Duration::ZERO, true);
    }

    pub(crate) fn keep(&mut self, at: Duration, disk: &Disk) {
        if disk.offered != 0 && self.kept.keys().next_back() != Some(&disk.offered) {
            let lasted = self.lasts(at);
            let over = lasted.saturating_sub(at.saturating_sub(self.word.unwrap_or_default()));
            let kept = Kept { made_at: at, lasted, over, open: self.heard_here };
            self.kept.insert(disk.offered, kept);
        }
    }

    /// The process ends; its disk is still as it is.
    pub(crate) fn end(&mut self, at: Duration, disk: &Disk) {
        if self.heard_here {
            let failed = disk.failed_at.map_or(Duration::ZERO, |at| at + SAVE_RETRY);
            self.is_sure = !disk.full && self.turned.max(failed) + disk.patience() * 2 + secs(1) < at;
        }
    }

    /// What a process that started makes of its record.
    pub(crate) fn check_start(
        &mut self,
        start: &Start<'_>,
        now: BootTime,
        spec: &CoreSpec,
        engine: &Core,
    ) -> Result<(), String> {
        let counted = engine.silence().lasts(now);
        let sequence = start.record.map_or(0, |record| record.sequence);
        self.kept.retain(|kept, _| *kept <= sequence);
        let kept = self.kept.get(&sequence).copied();
        let truth = start.at.saturating_sub(self.word.unwrap_or_default());
        let over = kept.map_or(Duration::ZERO, |kept| kept.over + ahead(start, kept.made_at));
        let shown = kept.and_then(|kept| by_clock(start, kept.lasted));
        let most = truth + shown.map_or(over, |shown| over.min(shown.saturating_sub(truth))) + SLACK;
        if counted > most && self.is_sure {
            return Err(format!("counts a silence of {counted:?}, the hub spoke {truth:?} ago"));
        }
        if let (Some(row), Some(Kept { made_at, lasted, over, open })) = (first_row(spec), kept) {
            let passed = start.at - if start.is_same_boot { made_at } else { start.booted.max(made_at) };
            let least =
                if open { passed.saturating_sub((row / 4).max(LAZY)) } else { lasted - over + passed };
            // A believed clock that shows less is right, unless boot time alone says more: the time that was known at the
            // last word may have been ahead.
            let least = shown.map_or(least, |shown| least.min(shown.max(passed)));
            if counted + SLACK < least {
                return Err(format!("counts a silence of {counted:?}, and its record knows of {least:?}"));
            }
        }
        (self.since, self.before, self.heard_here) = (start.at, counted, false);
        Ok(())
    }
}

/// By how much the wall clocks of record and start overstate the time between them: after another boot they are all
/// that a process can go by.
fn ahead(start: &Start<'_>, made_at: Duration) -> Duration {
    if start.is_same_boot {
        return Duration::ZERO;
    }
    let walls = start.record.and_then(|record| record.moment.wall).zip(start.wall);
    let by_wall = walls.map_or(0, |(then, now)| now.0.saturating_sub(then.0));
    Duration::from_secs(by_wall).saturating_sub(start.at - made_at)
}

/// The silence as a believed clock shows it, counted from the time that was known at the last word. Where none was known
/// then, the record tells when that was: it had `lasted` so long at the record's own time.
fn by_clock(start: &Start<'_>, lasted: Duration) -> Option<Duration> {
    let record = start.record?;
    let known = Some(record.known_time.0).filter(|known| *known != 0);
    let by_record = || Some(record.moment.wall?.0.saturating_sub(lasted.as_secs()));
    let word = known.or_else(by_record)?;
    Some(Duration::from_secs(start.wall?.0.saturating_sub(word)))
}
