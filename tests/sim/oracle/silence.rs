//! Independent bookkeeping of the hub's silence, in the world's time.
//!
//! Silence is counted from the last *word* of the hub: an answer or a notification on a twin topic, other than 429 and 5xx.
//! It is counted over restarts as far as the record allows, and never for longer than it has lasted, with one exception:
//! a wall clock that is ahead, and is believed, looks like a gateway that was switched off. What was counted too much may
//! stay until a process starts with a believed clock that shows less.
//!
//! Deliberately absent: what the row does (`rank`), and when the hub is asked (`traffic`).

use super::overrides::Start;
use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::engine::{Core, CoreSpec};
use twind::twin::HubEvent;
use twind::units::BootTime;

/// A change of the reported section alone is saved after this. For so long the record may not know of a word.
const LAZY: Duration = secs(15 * 60);
/// A record that could not be saved is saved after this.
const SAVE_RETRY: Duration = secs(31);
/// A record shows the state of the last control step.
const SLACK: Duration = secs(6);

/// The silence when a record was made.
#[derive(Clone, Copy)]
struct Kept {
    made_at: Duration,
    lasted: Duration,
    /// By how much that is too long.
    over: Duration,
    /// The process that made it had heard from the hub, and might hear more.
    open: bool,
}

#[derive(Default)]
pub(crate) struct Silences {
    /// The hub's last word, if there was one.
    word: Option<Duration>,
    /// When the present process began to count, and the silence that it began with.
    since: Duration,
    before: Duration,
    heard_here: bool,
    /// The last word that had to be saved at once: the first one to a process, or one after a long silence.
    turned: Duration,
    /// It had the time to become durable, and so had all records since.
    is_sure: bool,
    kept: BTreeMap<u64, Kept>,
}

/// Is it a word, see the module?
pub(crate) fn is_word(event: &HubEvent) -> bool {
    match event {
        HubEvent::Up | HubEvent::Down | HubEvent::Method { .. } | HubEvent::MessageStored { .. } => false,
        HubEvent::Rejected { status, .. } => !(*status == 429 || (500..600).contains(status)),
        _ => true,
    }
}

/// The silence after which the first row takes effect.
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

    /// The process ends. The disk is as it was while it ran.
    pub(crate) fn end(&mut self, at: Duration, disk: &Disk) {
        if self.heard_here {
            let failed = disk.failed_at.map_or(Duration::ZERO, |at| at + SAVE_RETRY);
            self.is_sure = !disk.full && self.turned.max(failed) + disk.patience() * 2 + secs(1) < at;
        }
    }

    /// Compares the silence that a process begins with with its record and with the truth.
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
            return Err(format!(
                "counts a silence of {counted:?}, the hub's last message came {truth:?} ago"
            ));
        }
        if let (Some(row), Some(Kept { made_at, lasted, over, open })) = (first_row(spec), kept) {
            let passed = start.at - if start.is_same_boot { made_at } else { start.booted.max(made_at) };
            let least =
                if open { passed.saturating_sub((row / 4).max(LAZY)) } else { lasted - over + passed };
            // A believed clock that shows less is right, unless the time since boot is longer: the clock may have been ahead
            // at the last word.
            let least = shown.map_or(least, |shown| least.min(shown.max(passed)));
            if counted + SLACK < least {
                return Err(format!(
                    "counts a silence of {counted:?}, by its record it is {least:?} at least"
                ));
            }
        }
        (self.since, self.before, self.heard_here) = (start.at, counted, false);
        Ok(())
    }
}

/// By how much the wall clocks of record and start overstate the time between them. After another boot a process has
/// nothing else to go by.
fn ahead(start: &Start<'_>, made_at: Duration) -> Duration {
    if start.is_same_boot {
        return Duration::ZERO;
    }
    let walls = start.record.and_then(|record| record.moment.wall).zip(start.wall);
    let by_wall = walls.map_or(0, |(then, now)| now.0.saturating_sub(then.0));
    Duration::from_secs(by_wall).saturating_sub(start.at - made_at)
}

/// The silence by a believed clock: from the known time of the last word to now. If that time is not known, it follows
/// from the record: the silence had `lasted` so long at the record's own time.
fn by_clock(start: &Start<'_>, lasted: Duration) -> Option<Duration> {
    let record = start.record?;
    let known = Some(record.known_time.0).filter(|known| *known != 0);
    let by_record = || Some(record.moment.wall?.0.saturating_sub(lasted.as_secs()));
    let word = known.or_else(by_record)?;
    Some(Duration::from_secs(start.wall?.0.saturating_sub(word)))
}
