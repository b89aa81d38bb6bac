//! The last changes of the ranges that climates hold, in memory: by the twin, by a schedule, by an override. The log has each of them
//! by what made it.

use crate::control::climates::Climates;
use crate::control::intent::Intent;
use crate::control::{ClimateId, ClimateRange};
use crate::ordered::map_of;
use crate::twin::{Author, Version};
use crate::units::BootTime;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::fmt;

/// The maximum of entries, for all climates together.
const CHANGES_MAX: usize = 200;

/// Why a climate holds its range.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reason {
    /// Nothing else asks for one.
    Configuration,
    /// The twin, since this version.
    Desired(Version),
    /// This entry of its schedule.
    Entry(Rc<str>),
    /// An override.
    Override(Author),
}

/// The same, of a climate as it is: a step makes no copy of a name that it only compares.
#[derive(PartialEq)]
enum Now<'a> {
    Configuration,
    Desired(Version),
    Entry(&'a str),
    Override(Author),
}

impl Reason {
    fn as_now(&self) -> Now<'_> {
        match self {
            Self::Configuration => Now::Configuration,
            Self::Desired(version) => Now::Desired(*version),
            Self::Entry(name) => Now::Entry(name),
            Self::Override(by) => Now::Override(*by),
        }
    }
}

impl From<Now<'_>> for Reason {
    fn from(now: Now<'_>) -> Self {
        match now {
            Now::Configuration => Self::Configuration,
            Now::Desired(version) => Self::Desired(version),
            Now::Entry(name) => Self::Entry(name.into()),
            Now::Override(by) => Self::Override(by),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("configuration"),
            Self::Desired(version) => write!(f, "desired version {version}"),
            Self::Entry(name) => write!(f, "schedule entry {name}"),
            Self::Override(_) => f.write_str("override"),
        }
    }
}

/// One change of one range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RangeChange {
    /// When.
    pub(super) at: BootTime,
    /// The climate's name.
    pub(super) climate: Rc<str>,
    /// The range from then on.
    pub(super) range: ClimateRange,
    /// Why.
    pub(super) reason: Reason,
}

/// The last changes, oldest first, and what each climate holds.
#[derive(Clone, Default, PartialEq)]
pub(super) struct RangeHistory {
    rows: VecDeque<RangeChange>,
    last: BTreeMap<ClimateId, (ClimateRange, Reason)>,
}

impl RangeHistory {
    /// Notes what the climates hold now. What one holds at the start is no change.
    pub(super) fn note(
        &mut self,
        now: BootTime,
        climates: &Climates,
        intent: &Intent,
        overridden_by: impl Fn(ClimateId) -> Option<Author>,
    ) {
        for (id, climate) in climates.iter() {
            let range = climate.range();
            let entry = climate.scheduled().and_then(|scheduled| scheduled.entry());
            let reason = match (overridden_by(id), entry, intent.range(id)) {
                (Some(by), ..) => Now::Override(by),
                (None, Some(entry), _) => Now::Entry(entry),
                (None, None, Some(range)) => Now::Desired(range.version),
                (None, None, None) => Now::Configuration,
            };
            if self.last.get(&id).is_some_and(|(before, why)| *before == range && why.as_now() == reason) {
                continue;
            }
            let reason = Reason::from(reason);
            if self.last.insert(id, (range, reason.clone())).is_none() {
                continue;
            }
            if self.rows.len() == CHANGES_MAX {
                self.rows.pop_front();
            }
            let climate = climate.spec().label().into();
            self.rows.push_back(RangeChange { at: now, climate, range, reason });
        }
    }

    /// Goes on with other climates, of which `next` says which is which. Entries of those that are gone stay.
    pub(super) fn succeed(&mut self, next: impl Fn(ClimateId) -> Option<ClimateId>) {
        let last = core::mem::take(&mut self.last);
        self.last = map_of(last.into_iter().filter_map(|(id, held)| Some((next(id)?, held))));
    }

    /// The last changes, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &RangeChange> {
        self.rows.iter().rev()
    }
}

/// Two hundred changes would hide everything else.
impl fmt::Debug for RangeHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangeHistory({} changes)", self.rows.len())
    }
}
