//! When a sensor is sampled: at once, and at each *beat*. Beats are counted from the first sample, so they do not drift; those that
//! were missed are skipped.

use crate::units::BootTime;
use core::time::Duration;

/// A period of nothing would be a busy loop.
const PERIOD_MIN: Duration = Duration::from_millis(1);

/// The schedule of one sensor.
pub(super) struct Beats {
    first: BootTime,
    period: Duration,
    /// The number of the last beat given; the first sample is beat 0.
    last: u64,
}

impl Beats {
    pub(super) fn new(first: BootTime, period: Duration) -> Self {
        Self { first, period: period.max(PERIOD_MIN), last: 0 }
    }

    /// The next beat if this is a sample before it, else as [`Beats::next`].
    pub(super) fn next_after_early(&mut self, now: BootTime) -> BootTime {
        let pending = self.beat(self.last);
        if now < pending { pending } else { self.next(now) }
    }

    /// The next beat after `now`, and never an earlier one again, since a sleep may end a little early.
    pub(super) fn next(&mut self, now: BootTime) -> BootTime {
        let passed = now.since(self.first).as_nanos() / self.period.as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.last = passed.max(self.last).saturating_add(1);
        self.beat(self.last)
    }

    fn beat(&self, number: u64) -> BootTime {
        let nanoseconds = self.period.as_nanos().saturating_mul(u128::from(number));
        self.first + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(milliseconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(milliseconds))
    }

    #[test]
    fn beats_do_not_drift_and_those_missed_are_skipped() {
        let mut beats = Beats::new(ms(500), Duration::from_millis(100));
        assert_eq!(beats.next(ms(507)), ms(600));
        assert_eq!(beats.next(ms(608)), ms(700));
        assert_eq!(beats.next(ms(950)), ms(1000), "800 and 900 were missed");
        assert_eq!(beats.next(ms(1000)), ms(1100));
    }

    #[test]
    fn a_sleep_that_ends_early_does_not_make_two_samples_of_one_beat() {
        let mut beats = Beats::new(ms(0), Duration::from_millis(100));
        assert_eq!(beats.next(ms(1)), ms(100));
        assert_eq!(beats.next(ms(99)), ms(200));
    }

    #[test]
    fn a_sample_between_two_beats_moves_none() {
        let mut beats = Beats::new(ms(0), Duration::from_millis(100));
        assert_eq!(beats.next(ms(1)), ms(100));
        assert_eq!([30, 60].map(|at| beats.next_after_early(ms(at))), [ms(100); 2]);
        assert_eq!(beats.next(ms(101)), ms(200));
        assert_eq!(beats.next_after_early(ms(205)), ms(300), "it was as late as that");
    }

    #[test]
    fn no_period_is_too_short_or_too_long() {
        assert_eq!(Beats::new(ms(0), Duration::ZERO).next(ms(0)), ms(1));
        assert!(Beats::new(ms(0), Duration::MAX).next(ms(0)) > ms(1_000_000_000));
    }

    proptest! {
        #[test]
        fn each_beat_is_later_than_the_last_and_on_the_schedule(
            period in 1u64..10_000,
            steps in prop::collection::vec(0u64..50_000, 1..40),
        ) {
            let mut beats = Beats::new(ms(77), Duration::from_millis(period));
            let (mut now, mut last) = (77, ms(77));
            for step in steps {
                now += step;
                let next = beats.next(ms(now));
                prop_assert!(next > last && next > ms(now));
                prop_assert_eq!((next.since(ms(77)).as_millis() as u64) % period, 0);
                last = next;
            }
        }
    }
}
