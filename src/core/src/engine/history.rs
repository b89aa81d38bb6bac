//! The history: what came to decide each output lately, and what the output came to by it, in memory. The journal has it
//! for longer.
//!
//! A row is the moment of a *decision*: something else decides, or the output is to turn from rest to running or back. It
//! says what the output is to come to, whatever `kick` and `slew` do on the way there. While the same decision merely
//! moves the share, as the climate does all the time, there is another row once a minute if the share is then five
//! points or more from what the last row says. A row that was written is never changed. Deliberately absent: files and
//! wall-clock times.

use crate::control::{Cause, OutputSpec};
use crate::twin::Author;
use crate::units::{BootTime, Permille};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How many changes are kept. With what they point to they take less than 100 KiB.
pub const CHANGES_MAX: usize = 1000;
/// A share that moves is told so often at most …
const MOVES_EVERY: Duration = Duration::from_secs(60);
/// … and only when it went so far: what a report thinks worth a message, too.
const MOVES_BY: u16 = 50;

/// One change of one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// When.
    pub(super) at: BootTime,
    /// The output's name.
    pub(super) output: Rc<str>,
    /// What the output is to come to.
    pub(super) drive: Permille,
    /// What decided.
    pub(super) cause: Cause,
    /// Whose hand, if it was one.
    pub(super) by: Option<Author>,
}

/// The last changes, oldest first, and the last of each output, however long ago.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    /// Told to people only, so that a checkpoint does without.
    #[serde(skip)]
    rows: VecDeque<Change>,
    last: BTreeMap<Rc<str>, Change>,
}

/// A thousand changes would bury whatever else is shown.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} changes)", self.rows.len())
    }
}

impl History {
    /// Notes what is decided of an output. Returns whether that is another decision than the last.
    pub(super) fn note(
        &mut self,
        at: BootTime,
        output: &str,
        drive: Permille,
        (cause, by): (Cause, Option<Author>),
    ) -> bool {
        let last = self.last.get_key_value(output);
        let is_other = last.is_none_or(|(_, last)| {
            (last.cause, last.by) != (cause, by) || last.drive.is_zero() != drive.is_zero()
        });
        let has_moved = last.is_some_and(|(_, last)| {
            last.drive.get().abs_diff(drive.get()) >= MOVES_BY && at.since(last.at) >= MOVES_EVERY
        });
        if !is_other && !has_moved {
            return false;
        }
        let output = last.map_or_else(|| output.into(), |(name, _)| Rc::clone(name));
        let row = Change { at, output, drive, cause, by };
        self.last.insert(Rc::clone(&row.output), row.clone());
        if self.rows.len() == CHANGES_MAX {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        is_other
    }

    /// The same, for these outputs only from now on; what is past stays told.
    pub(super) fn of(mut self, outputs: &[OutputSpec]) -> Self {
        self.last.retain(|name, _| outputs.iter().any(|spec| *spec.name == **name));
        self
    }

    /// The last changes, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Change> {
        self.rows.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{at, at_ms, permille};
    use crate::twin::Version;

    const BY_CLIMATE: (Cause, Option<Author>) = (Cause::Climate, None);

    fn told(history: &History) -> Vec<(u64, u16)> {
        history.rows.iter().map(|change| (change.at.since_boot().as_secs(), change.drive.get())).collect()
    }

    #[test]
    fn a_share_that_moves_is_told_once_a_minute_and_what_was_told_stays() {
        let mut history = History::default();
        assert!(history.note(at(0), "fan", permille(200), BY_CLIMATE));
        for step in 1..1500 {
            assert!(!history.note(at_ms(100 * step), "fan", permille(200 + step as u16 / 2), BY_CLIMATE));
        }
        assert_eq!(told(&history), [(0, 200), (60, 500), (120, 800)]);
    }

    #[test]
    fn a_share_that_hardly_moves_is_not_told_however_long() {
        let mut history = History::default();
        for minute in 0..10_000 {
            history.note(at(60 * minute), "fan", permille(400 + (minute % 50) as u16), BY_CLIMATE);
        }
        assert_eq!(told(&history), [(0, 400)]);
    }

    #[test]
    fn a_decision_is_the_same_though_its_row_is_gone() {
        let mut history = History::default();
        history.note(at(0), "lamp", permille(1000), BY_CLIMATE);
        for step in 1..3000 {
            history.note(at(step), "fan", permille((step % 2) as u16), BY_CLIMATE);
        }
        assert!(history.latest().all(|row| &*row.output == "fan"));
        assert!(!history.note(at(3000), "lamp", permille(1000), BY_CLIMATE));
        assert!(
            history.of(&[]).note(at(3001), "lamp", permille(1000), BY_CLIMATE),
            "another output of that name"
        );
    }

    #[test]
    fn a_turn_or_another_cause_begins_a_change() {
        let mut history = History::default();
        history.note(at(0), "fan", permille(200), BY_CLIMATE);
        assert!(history.note(at(1), "fan", permille(0), BY_CLIMATE));
        assert!(history.note(at(2), "fan", permille(300), (Cause::Desired(Version(7)), None)));
        assert!(history.note(at(3), "fan", permille(300), (Cause::Desired(Version(8)), None)));
        let hand = |uid| (Cause::Override, Some(Author::User(uid)));
        assert!(history.note(at(4), "fan", permille(300), hand(1000)));
        assert!(history.note(at(5), "fan", permille(300), hand(1001)));
        assert!(history.note(at(5), "lamp", permille(300), hand(1001)));
        assert_eq!(history.latest().count(), 7);
    }

    #[test]
    fn the_oldest_changes_make_room_and_names_are_kept_once() {
        let mut history = History::default();
        for step in 0..3000 {
            history.note(at(step), "fan", permille((step % 2) as u16), BY_CLIMATE);
        }
        assert_eq!(history.latest().count(), CHANGES_MAX);
        assert_eq!(history.latest().next().map(|change| change.at), Some(at(2999)));
        let names: Vec<_> = history.latest().map(|change| &change.output).collect();
        assert!(names.windows(2).all(|pair| Rc::ptr_eq(pair[0], pair[1])));
    }
}
