//! What the schedule of a climate says now. It is evaluated again when that changes, when the clock is set, and when the back end
//! changes it, and not at every control step.

use super::ClimateRange;
use super::schedule::{Schedule, Zone};
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Without a change within a week, it is evaluated again after a day.
const DAY_S: u64 = 24 * 60 * 60;

/// What a schedule says now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scheduled {
    /// Nothing: the clock cannot be believed.
    Waiting,
    /// What holds.
    Now {
        /// The entry, and its range; `None` while none holds.
        entry: Option<(String, ClimateRange)>,
        /// When that changes; `None` if it does not within a week.
        until: Option<UnixSeconds>,
        /// The wall-clock time at which it was evaluated, and the one until which that is valid.
        valid: (UnixSeconds, UnixSeconds),
    },
}

impl Scheduled {
    /// What a schedule says at a wall-clock time; `None` if it has no entries. `before` is what it said last.
    pub(super) fn of(
        before: Option<Self>,
        schedule: &Schedule<ClimateRange>,
        zone: &Zone,
        wall: Option<UnixSeconds>,
    ) -> Option<Self> {
        if schedule.is_empty() {
            return None;
        }
        let Some(wall) = wall else { return Some(Self::Waiting) };
        if let Some(Self::Now { valid: (from, to), .. }) = &before
            && (*from..*to).contains(&wall)
        {
            return before;
        }
        let found = schedule.at(zone, wall);
        let entry = found.entry.map(|(name, range)| (name.to_owned(), *range));
        let end = found.until.unwrap_or(UnixSeconds(wall.0.saturating_add(DAY_S)));
        Some(Self::Now { entry, until: found.until, valid: (wall, end) })
    }

    /// From now on it is evaluated again, and says the same until then.
    pub(super) fn expire(&mut self) {
        if let Self::Now { valid, .. } = self {
            *valid = Default::default();
        }
    }

    /// Does the other one say the same, whenever that was evaluated?
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Now { entry, until, .. }, Self::Now { entry: others, until: theirs, .. }) => {
                (entry, until) == (others, theirs)
            }
            (one, other) => one == other,
        }
    }

    /// The range of the entry that holds.
    pub fn range(&self) -> Option<ClimateRange> {
        match self {
            Self::Now { entry: Some((_, range)), .. } => Some(*range),
            _ => None,
        }
    }

    /// The name of the entry that holds.
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::Now { entry: Some((name, _)), .. } => Some(name),
            _ => None,
        }
    }

    /// When that changes.
    pub fn until(&self) -> Option<UnixSeconds> {
        match self {
            Self::Now { until, .. } => *until,
            Self::Waiting => None,
        }
    }

    /// When it must be evaluated again.
    pub(super) fn due(&self, now: BootTime, wall: Option<UnixSeconds>) -> Option<BootTime> {
        match (self, wall) {
            (Self::Now { valid: (_, end), .. }, Some(wall)) => {
                Some(now + Duration::from_secs(end.0.saturating_sub(wall.0)))
            }
            _ => None,
        }
    }
}
