//! Debouncing of a contact where the kernel does not do it. The time is passed in.
//!
//! The reported level changes when the line has had another one for the whole period without an edge. The line may be sampled at
//! any interval, however long: each sample says whether there was an edge since the one before.

use core::time::Duration;

/// See the module.
pub(super) struct Debouncer {
    period: Duration,
    reported: bool,
    /// Since when the line has had the other level, as far as is known.
    other_since: Option<Duration>,
}

impl Debouncer {
    /// A line that was first seen with this level.
    pub(super) fn new(period: Duration, level: bool) -> Self {
        Self { period, reported: level, other_since: None }
    }

    /// The level that counts, and in how long to sample again if it may change without an edge. `has_moved`: there was an edge since
    /// the last sample.
    pub(super) fn look(&mut self, now: Duration, level: bool, has_moved: bool) -> (bool, Option<Duration>) {
        if level == self.reported {
            self.other_since = None;
            return (self.reported, None);
        }
        let since = self.other_since.filter(|_| !has_moved).unwrap_or(now);
        let rest = (since + self.period).saturating_sub(now);
        if rest.is_zero() {
            (self.reported, self.other_since) = (level, None);
            return (level, None);
        }
        self.other_since = Some(since);
        (self.reported, Some(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_door_that_bounces_is_one_change() {
        let mut door = Debouncer::new(ms(50), false);
        let looks =
            [(0, false), (100, true), (103, false), (105, true), (109, true), (159, true), (400, true)];
        let told = looks.map(|(at, level)| door.look(ms(at), level, at != 159).0);
        assert_eq!(told, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn a_bounce_between_two_looks_counts_although_neither_saw_it() {
        let mut door = Debouncer::new(ms(50), false);
        assert_eq!(door.look(ms(0), true, true), (false, Some(ms(50))));
        assert_eq!(door.look(ms(40), true, true), (false, Some(ms(50))), "it was low in between");
        assert_eq!(door.look(ms(89), true, false), (false, Some(ms(1))));
        assert_eq!(door.look(ms(90), true, false), (true, None));
    }

    #[test]
    fn without_a_period_every_level_counts_at_once() {
        let mut door = Debouncer::new(Duration::ZERO, false);
        assert_eq!(
            [true, false, true].map(|level| door.look(ms(1), level, true)),
            [(true, None), (false, None), (true, None)]
        );
    }

    /// A line that changes its level at these times, and what the debouncer makes of it when it is looked at after each edge and
    /// whenever it asks for it: the times and levels of its changes.
    fn changes(period: Duration, edges: &[Duration]) -> Vec<(Duration, bool)> {
        let mut door = Debouncer::new(period, false);
        let (mut told, mut again, mut changes) = (false, None, vec![]);
        let end = edges.last().copied().unwrap_or_default() + period * 2 + ms(1);
        let mut edges = edges.iter().copied().peekable();
        let mut level = false;
        loop {
            let edge = edges.peek().copied();
            let Some(now) = edge.into_iter().chain(again).min().filter(|now| *now <= end) else {
                return changes;
            };
            let has_moved = edges.next_if_eq(&now).is_some();
            level ^= has_moved;
            let (counts, rest) = door.look(now, level, has_moved);
            again = rest.map(|rest| now + rest);
            if counts != told {
                told = counts;
                changes.push((now, told));
            }
        }
    }

    proptest! {
        #[test]
        fn a_level_counts_when_it_has_been_there_for_the_period_and_only_then(
            period in 1u64..200,
            steps in prop::collection::vec(1u64..400, 0..60),
        ) {
            let mut now = 0;
            let edges: Vec<Duration> = steps.iter().map(|step| { now += step; ms(now) }).collect();
            // By the law itself: an edge that no other follows within the period, to a level that does not count yet.
            let (mut wanted, mut told) = (vec![], false);
            for (index, edge) in edges.iter().enumerate() {
                let (level, next) = (index % 2 == 0, edges.get(index + 1));
                let is_quiet = next.is_none_or(|next| *next > *edge + ms(period));
                if is_quiet && level != told {
                    told = level;
                    wanted.push((*edge + ms(period), told));
                }
            }
            prop_assert_eq!(changes(ms(period), &edges), wanted);
        }

        #[test]
        fn no_two_changes_are_closer_than_the_period(
            period in 1u64..200,
            looks in prop::collection::vec((0u64..300, any::<bool>(), any::<bool>()), 1..80),
        ) {
            let mut door = Debouncer::new(ms(period), false);
            let (mut now, mut told, mut last) = (0, false, None);
            for (step, level, has_moved) in looks {
                now += step;
                let (counts, _) = door.look(ms(now), level, has_moved);
                if counts != told {
                    prop_assert!(last.is_none_or(|last| now - last >= period));
                    (told, last) = (counts, Some(now));
                }
            }
        }
    }
}
