//! The trail: what each output did lately, and why, in memory. The journal has it for longer.
//!
//! A *change* begins when an output turns or something else decides. A drive that merely moves, as a slewing or a
//! climate-driven fan's does all the time, moves the change that began it for up to a minute, and then begins another.
//! Deliberately absent: files and wall-clock times.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::control::Cause;
use crate::twin::Author;
use crate::units::{BootTime, Permille};
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;

/// How many changes are kept. With what they point to they take less than 100 KiB.
pub const CHANGES_MAX: usize = 1000;
/// A drive that moves for longer is told in several changes.
const MOVES_FOR: Duration = Duration::from_secs(60);

/// One change of one output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// When it began.
    pub(super) at: BootTime,
    /// The output's name.
    pub(super) output: Rc<str>,
    /// What the output came to.
    pub(super) drive: Permille,
    /// What decided.
    pub(super) cause: Cause,
    /// Whose hand, if it was one.
    pub(super) by: Option<Author>,
}

/// The last changes, oldest first.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Trail(VecDeque<Change>);

/// A thousand changes would bury whatever else is shown.
impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trail({} changes)", self.0.len())
    }
}

impl Trail {
    /// Notes what an output was driven to. Returns whether that began a change: it turned, or something else decided.
    pub(super) fn note(
        &mut self,
        at: BootTime,
        output: &str,
        drive: Permille,
        (cause, by): (Cause, Option<Author>),
    ) -> bool {
        let last = self.0.iter_mut().rev().find(|change| &*change.output == output);
        let name = last.as_ref().map(|change| Rc::clone(&change.output));
        let begins = match last {
            Some(last) if (last.cause, last.by) == (cause, by) && last.drive.is_zero() == drive.is_zero() => {
                if at.since(last.at) < MOVES_FOR {
                    last.drive = drive;
                    return false;
                }
                false
            }
            _ => true,
        };
        if self.0.len() == CHANGES_MAX {
            self.0.pop_front();
        }
        let output = name.unwrap_or_else(|| output.into());
        self.0.push_back(Change { at, output, drive, cause, by });
        begins
    }

    /// The last changes, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{at, at_ms, permille};
    use crate::twin::Version;

    const BY_CLIMATE: (Cause, Option<Author>) = (Cause::Climate, None);

    fn told(trail: &Trail) -> Vec<(u64, u16)> {
        trail.0.iter().map(|change| (change.at.since_boot().as_secs(), change.drive.get())).collect()
    }

    #[test]
    fn a_drive_that_moves_is_one_change_and_after_a_minute_another() {
        let mut trail = Trail::default();
        assert!(trail.note(at(0), "fan", permille(200), BY_CLIMATE));
        for step in 1..100 {
            assert!(!trail.note(at_ms(100 * step), "fan", permille(200 + step as u16), BY_CLIMATE));
        }
        assert!(!trail.note(at(61), "fan", permille(400), BY_CLIMATE));
        assert_eq!(told(&trail), [(0, 299), (61, 400)]);
    }

    #[test]
    fn a_turn_or_another_cause_begins_a_change() {
        let mut trail = Trail::default();
        trail.note(at(0), "fan", permille(200), BY_CLIMATE);
        assert!(trail.note(at(1), "fan", permille(0), BY_CLIMATE));
        assert!(trail.note(at(2), "fan", permille(300), (Cause::Desired(Version(7)), None)));
        assert!(trail.note(at(3), "fan", permille(300), (Cause::Desired(Version(8)), None)));
        let hand = |uid| (Cause::Override, Some(Author::User(uid)));
        assert!(trail.note(at(4), "fan", permille(300), hand(1000)));
        assert!(trail.note(at(5), "fan", permille(300), hand(1001)));
        assert!(trail.note(at(5), "lamp", permille(300), hand(1001)));
        assert_eq!(trail.latest().count(), 7);
    }

    #[test]
    fn the_oldest_changes_make_room_and_names_are_kept_once() {
        let mut trail = Trail::default();
        for step in 0..3000 {
            trail.note(at(step), "fan", permille((step % 2) as u16), BY_CLIMATE);
        }
        assert_eq!(trail.latest().count(), CHANGES_MAX);
        assert_eq!(trail.latest().next().map(|change| change.at), Some(at(2999)));
        let names: Vec<_> = trail.latest().map(|change| &change.output).collect();
        assert!(names.windows(2).all(|pair| Rc::ptr_eq(pair[0], pair[1])));
    }
}
