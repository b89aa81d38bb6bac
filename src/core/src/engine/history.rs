//! The history: the last decisions about outputs, in memory. The log has them for longer.
//!
//! An entry is made when a *decision* changes: another cause decides, or the output is to be switched on or off. It has the
//! drive that the output comes to, whatever `kick` and `slew` do meanwhile. While the same decision merely changes the
//! drive, as the climate does all the time, another entry is made at most once a minute, if the drive then differs by five
//! points or more from the last entry. Entries are never changed. Deliberately absent: wall-clock times.

use super::ranges::RangeHistory;
use crate::control::{Cause, ClimateId, ClimateSpec, OutputSpec};
use crate::twin::Author;
use crate::units::{BootTime, Permille};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The maximum of entries. They take less than 100 KiB, including the names.
pub const CHANGES_MAX: usize = 1000;
/// A drive that changes gets an entry at most this often …
const MOVES_EVERY: Duration = Duration::from_secs(60);
/// … and only if it changed by this much, as in reports.
const MOVES_BY: u16 = 50;

/// Why there is an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// The output was switched on or off, or something else decides.
    Decision,
    /// Its drive moved.
    Move,
}

/// One change of one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// When.
    pub(super) at: BootTime,
    /// The output's name.
    pub(super) output: Rc<str>,
    /// The drive that was decided.
    pub(super) drive: Permille,
    /// What decided.
    pub(super) cause: Cause,
    /// Who ordered it, if it was an override, or a climate that was overridden.
    pub(super) by: Option<Author>,
}

/// One entry: a change, and the climate that decided it, by the name that it had then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) change: Change,
    climate: Option<Rc<str>>,
}

impl Row {
    /// What decided, as people read it.
    pub(super) fn cause(&self) -> impl fmt::Display {
        self.change.cause.of_climate(self.climate.as_deref())
    }
}

/// The last changes, oldest first, and the last of each output, however long ago.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    /// A checkpoint does without them: they are only shown.
    #[serde(skip)]
    rows: VecDeque<Row>,
    last: BTreeMap<Rc<str>, Change>,
    /// The names of the climates that are now.
    #[serde(skip)]
    names: BTreeMap<ClimateId, Rc<str>>,
    /// Of the ranges that climates hold. A checkpoint does without it, too.
    #[serde(skip)]
    pub(super) ranges: RangeHistory,
}

/// A thousand changes would hide everything else.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} changes)", self.rows.len())
    }
}

impl History {
    /// Adds what was decided for an output, with the name of the climate if one decided that has a name. Returns why it
    /// has an entry, if it has one.
    pub(super) fn note(
        &mut self,
        at: BootTime,
        output: &str,
        drive: Permille,
        (cause, by): (Cause, Option<Author>),
        climate: Option<&str>,
    ) -> Option<Noted> {
        let last = self.last.get_key_value(output);
        let is_other = last.is_none_or(|(_, last)| {
            (last.cause, last.by) != (cause, by) || last.drive.is_zero() != drive.is_zero()
        });
        let has_moved = last.is_some_and(|(_, last)| {
            last.drive.get().abs_diff(drive.get()) >= MOVES_BY && at.since(last.at) >= MOVES_EVERY
        });
        let noted = match (is_other, has_moved) {
            (true, _) => Noted::Decision,
            (false, true) => Noted::Move,
            (false, false) => return None,
        };
        let output = last.map_or_else(|| output.into(), |(name, _)| Rc::clone(name));
        let change = Change { at, output, drive, cause, by };
        self.last.insert(Rc::clone(&change.output), change.clone());
        let climate = match (cause, climate) {
            (Cause::Climate(id), Some(name)) => Some(self.names.entry(id).or_insert_with(|| name.into())),
            _ => None,
        };
        let row = Row { change, climate: climate.cloned() };
        if self.rows.len() == CHANGES_MAX {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        Some(noted)
    }

    /// Continues with these outputs only. Entries of others stay.
    pub(super) fn of(mut self, outputs: &[OutputSpec]) -> Self {
        self.last.retain(|name, _| outputs.iter().any(|spec| *spec.name == **name));
        self
    }

    /// Goes on after a reload with other climates: those of the same name that hold the same are the same. Entries stay as they
    /// are.
    pub(super) fn succeed(&mut self, before: &[ClimateSpec], after: &[ClimateSpec]) {
        let is_same = |a: &ClimateSpec, b: &ClimateSpec| a.name == b.name && a.quantity == b.quantity;
        let next = |id: ClimateId| {
            let spec = before.get(id.0)?;
            after.iter().position(|other| is_same(spec, other)).map(ClimateId)
        };
        self.names.clear();
        self.last.retain(|_, change| match change.cause {
            Cause::Climate(id) => next(id).map(|id| change.cause = Cause::Climate(id)).is_some(),
            _ => true,
        });
        self.ranges.succeed(next);
    }

    /// The last changes, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{self, at, at_ms, permille};
    use crate::twin::Version;

    const BY_CLIMATE: (Cause, Option<Author>) = (fixtures::BY_CLIMATE, None);

    fn entries(history: &History) -> Vec<(u64, u16)> {
        history
            .rows
            .iter()
            .map(|row| (row.change.at.since_boot().as_secs(), row.change.drive.get()))
            .collect()
    }

    #[test]
    fn a_drive_that_changes_gets_an_entry_once_a_minute_and_entries_stay() {
        let mut history = History::default();
        assert_eq!(history.note(at(0), "fan", permille(200), BY_CLIMATE, None), Some(Noted::Decision));
        for step in 1..1500 {
            let drive = permille(200 + step as u16 / 2);
            let noted = history.note(at_ms(100 * step), "fan", drive, BY_CLIMATE, None);
            assert_ne!(noted, Some(Noted::Decision));
        }
        assert_eq!(entries(&history), [(0, 200), (60, 500), (120, 800)]);
    }

    #[test]
    fn a_drive_that_hardly_changes_gets_no_entry_however_long_it_takes() {
        let mut history = History::default();
        for minute in 0..10_000 {
            history.note(at(60 * minute), "fan", permille(400 + (minute % 50) as u16), BY_CLIMATE, None);
        }
        assert_eq!(entries(&history), [(0, 400)]);
    }

    #[test]
    fn a_decision_is_recognized_though_its_entry_is_gone() {
        let mut history = History::default();
        history.note(at(0), "lamp", permille(1000), BY_CLIMATE, None);
        for step in 1..3000 {
            history.note(at(step), "fan", permille((step % 2) as u16), BY_CLIMATE, None);
        }
        assert!(history.latest().all(|row| &*row.change.output == "fan"));
        assert_eq!(history.note(at(3000), "lamp", permille(1000), BY_CLIMATE, None), None);
        let noted = history.of(&[]).note(at(3001), "lamp", permille(1000), BY_CLIMATE, None);
        assert_eq!(noted, Some(Noted::Decision), "another output of that name");
    }

    #[test]
    fn switching_or_another_cause_makes_an_entry() {
        let mut history = History::default();
        history.note(at(0), "fan", permille(200), BY_CLIMATE, None);
        assert_eq!(history.note(at(1), "fan", permille(0), BY_CLIMATE, None), Some(Noted::Decision));
        assert_eq!(
            history.note(at(2), "fan", permille(300), (Cause::Desired(Version(7)), None), None),
            Some(Noted::Decision)
        );
        assert_eq!(
            history.note(at(3), "fan", permille(300), (Cause::Desired(Version(8)), None), None),
            Some(Noted::Decision)
        );
        let by_user = |uid| (Cause::Override, Some(Author::User(uid)));
        assert_eq!(history.note(at(4), "fan", permille(300), by_user(1000), None), Some(Noted::Decision));
        assert_eq!(history.note(at(5), "fan", permille(300), by_user(1001), None), Some(Noted::Decision));
        assert_eq!(history.note(at(5), "lamp", permille(300), by_user(1001), None), Some(Noted::Decision));
        assert_eq!(history.latest().count(), 7);
    }

    #[test]
    fn the_oldest_entries_make_room_and_names_are_shared() {
        let mut history = History::default();
        for step in 0..3000 {
            history.note(at(step), "fan", permille((step % 2) as u16), BY_CLIMATE, None);
        }
        assert_eq!(history.latest().count(), CHANGES_MAX);
        assert_eq!(history.latest().next().map(|row| row.change.at), Some(at(2999)));
        let names: Vec<_> = history.latest().map(|row| &row.change.output).collect();
        assert!(names.windows(2).all(|pair| Rc::ptr_eq(pair[0], pair[1])));
    }
}
