//! How old a plain file's content is, since a program that feeds it may have died. Pure: clocks and files are read elsewhere.
//!
//! There are three sources, none of which is reliable alone:
//!
//! - *Boot time since its last change was seen* is a lower bound: a file that did not change for so long is at least so old,
//!   whatever the clock does.
//! - *The file's time* by the wall clock is the age itself if the clock was right at both moments; for a file from before this boot
//!   there is no other source.
//! - A file that was *written in this boot*, by the clock as it is now or as it was at the previous look, is dated in boot time once,
//!   so that a clock that is set later does not age it.
//!
//! A file that was too old stays so until it is written again, even if the clock is set back.

use crate::units::BootTime;
use core::time::Duration;

/// Two clocks that are read one after the other, and file systems that round.
const ROUNDING: Duration = Duration::from_secs(2);

/// What the clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since boot.
    pub boot: BootTime,
    /// The wall clock, since 1970; it may be wrong.
    pub wall: Duration,
    /// Can the wall clock be believed?
    pub is_believed: bool,
}

/// What changes when a file is written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file's time of its last change, since 1970.
    pub written: Duration,
    /// Device and inode: a file that was replaced is another.
    pub file: (u64, u64),
    /// Its text.
    pub text: String,
}

/// Judges the age of one file.
#[derive(Clone, Debug)]
pub struct Age {
    most: Duration,
    seen: Option<Seen>,
    /// By how much the wall clock was ahead of boot time at the last look, in nanoseconds.
    ahead: Option<i128>,
}

/// A content, since it was first seen.
#[derive(Clone, Debug)]
struct Seen {
    stamp: Stamp,
    at: BootTime,
    /// When it was written, if that was in this boot.
    written: Option<BootTime>,
    is_old: bool,
}

impl Age {
    /// For a file that should be written at least this often.
    pub fn new(most: Duration) -> Self {
        Self { most, seen: None, ahead: None }
    }

    /// Is the file, as it is seen now, younger than it may be?
    pub fn is_fresh(&mut self, now: Now, stamp: Stamp) -> bool {
        let ahead = nanos(now.wall) - nanos(now.boot.since_boot());
        let before = self.ahead.replace(ahead);
        let mut seen = match self.seen.take() {
            Some(seen) if seen.stamp == stamp => seen,
            _ => Seen { stamp, at: now.boot, written: None, is_old: false },
        };
        let by = |ahead: i128| in_this_boot(nanos(seen.stamp.written) - ahead, now.boot);
        seen.written = seen.written.or_else(|| by(ahead).max(before.and_then(by)));
        let by_file = match (seen.written, now.is_believed) {
            (Some(written), _) => now.boot.since(written),
            (None, true) => now.wall.saturating_sub(seen.stamp.written),
            (None, false) => Duration::ZERO,
        };
        seen.is_old |= now.boot.since(seen.at).max(by_file) > self.most;
        let is_fresh = !seen.is_old;
        self.seen = Some(seen);
        is_fresh
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// The moment so long after boot; `None` if it is before the boot or in the future.
fn in_this_boot(nanos_since_boot: i128, now: BootTime) -> Option<BootTime> {
    let since_boot = Duration::from_nanos(u64::try_from(nanos_since_boot).ok()?);
    (since_boot <= now.since_boot() + ROUNDING).then(|| BootTime::from_boot(since_boot).min(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: u64 = 900;
    /// When the machine booted, by a right clock.
    const BOOTED: u64 = 1_790_000_000;
    const DAY: u64 = 86_400;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// So long after boot, by a wall clock that is so much ahead.
    fn at(boot: u64, wrong_by: i64) -> Now {
        let wall = secs((BOOTED + boot).saturating_add_signed(wrong_by));
        Now { boot: BootTime::from_boot(secs(boot)), wall, is_believed: true }
    }

    fn unbelieved(boot: u64, wrong_by: i64) -> Now {
        Now { is_believed: false, ..at(boot, wrong_by) }
    }

    /// Written at that time by the wall.
    fn file(wall: u64) -> Stamp {
        Stamp { written: secs(wall), file: (1, 2), text: "21.5".into() }
    }

    fn judge() -> Age {
        Age::new(secs(MOST))
    }

    #[test]
    fn a_file_of_two_days_ago_is_old_at_the_first_look_whether_the_machine_was_up_then_or_not() {
        for up in [5, 10 * DAY] {
            assert!(!judge().is_fresh(at(up, 0), file(BOOTED + up - 2 * DAY)), "up for {up} s");
        }
    }

    #[test]
    fn a_file_is_fresh_for_as_long_as_it_may_be_and_again_when_it_is_written() {
        let mut judge = judge();
        assert!(judge.is_fresh(at(100, 0), file(BOOTED + 90)));
        assert!(judge.is_fresh(at(90 + MOST, 0), file(BOOTED + 90)));
        assert!(!judge.is_fresh(at(91 + MOST, 0), file(BOOTED + 90)));
        assert!(judge.is_fresh(at(100 + MOST, 0), file(BOOTED + 99 + MOST)), "the same number, written anew");
    }

    #[test]
    fn a_change_in_a_file_system_without_times_is_a_change() {
        let mut judge = judge();
        assert!(judge.is_fresh(unbelieved(0, 0), file(0)));
        let other = Stamp { text: "21.6".into(), ..file(0) };
        assert!(judge.is_fresh(unbelieved(MOST, 0), other.clone()));
        assert!(judge.is_fresh(unbelieved(2 * MOST, 0), other.clone()));
        assert!(!judge.is_fresh(unbelieved(2 * MOST + 1, 0), other));
    }

    #[test]
    fn a_clock_that_is_set_forward_does_not_age_what_was_written_in_this_boot() {
        let mut judge = judge();
        assert!(judge.is_fresh(at(100, 0), file(BOOTED + 90)), "seen before");
        assert!(judge.is_fresh(at(105, 365 * DAY as i64), file(BOOTED + 90)));
        assert!(judge.is_fresh(at(110, 365 * DAY as i64), file(BOOTED + 106 + 365 * DAY)), "written after");
        assert!(
            judge.is_fresh(at(115, 0), file(BOOTED + 111 + 365 * DAY)),
            "written just before it is set back"
        );
    }

    #[test]
    fn a_file_written_by_a_clock_that_was_never_set_is_not_aged_when_it_is_set() {
        let behind = -3 * DAY as i64;
        let mut judge = judge();
        assert!(judge.is_fresh(unbelieved(20, behind), file(BOOTED + 15 - 3 * DAY)));
        assert!(judge.is_fresh(at(60, 0), file(BOOTED + 15 - 3 * DAY)));
        assert!(!judge.is_fresh(at(16 + MOST, 0), file(BOOTED + 15 - 3 * DAY)));
    }

    #[test]
    fn a_dead_file_from_before_the_boot_is_old_as_soon_as_the_clock_can_be_believed() {
        let mut judge = judge();
        let dead = file(BOOTED - 2 * DAY);
        assert!(judge.is_fresh(unbelieved(20, -(BOOTED as i64)), dead.clone()), "in 1970 nobody knows");
        assert!(!judge.is_fresh(at(60, 0), dead.clone()));
        assert!(
            !judge.is_fresh(at(65, -3 * DAY as i64), dead),
            "a clock that is set back makes it no younger"
        );
    }

    #[test]
    fn a_file_from_the_future_is_as_old_as_the_time_for_which_it_did_not_change() {
        let mut judge = judge();
        let future = file(BOOTED + 1000 * DAY);
        assert!(judge.is_fresh(at(100, 0), future.clone()));
        assert!(judge.is_fresh(at(100 + MOST, 0), future.clone()));
        assert!(!judge.is_fresh(at(101 + MOST, 0), future));
    }

    /// Looks five seconds apart, each by a clock that may be set once before it; believed or not.
    fn clock() -> impl Strategy<Value = Vec<(i64, bool)>> {
        let wrong_by = prop_oneof![4 => Just(0), 1 => -3000 * DAY as i64..3000 * DAY as i64];
        prop::collection::vec((wrong_by, any::<bool>()), 400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_the_clock_does_a_file_that_is_written_is_fresh_and_one_that_is_not_grows_old(
            clock in clock(),
            every in 1_usize..100,
            dies in 100_usize..200,
        ) {
            let mut judge = judge();
            let (mut stamp, mut changed) = (file(BOOTED), 0);
            for (look, (wrong_by, is_believed)) in clock.into_iter().enumerate() {
                let now = Now { is_believed, ..at(1000 + 5 * look as u64, wrong_by) };
                if look > 0 && look < dies && look % every == 0 {
                    // Between the setting of the clock and the look.
                    (stamp, changed) = (Stamp { written: now.wall - secs(1), ..stamp }, look);
                }
                let is_fresh = judge.is_fresh(now, stamp.clone());
                prop_assert!(is_fresh || changed == 0 || look - changed > 180 - 1, "look {}, written at {}", look, changed);
                prop_assert!(!is_fresh || look - changed <= 180, "look {}, written at {}", look, changed);
            }
        }
    }
}
