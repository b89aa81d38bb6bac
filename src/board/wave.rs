//! The wave of a line under software PWM: when it is on. The time is passed in.
//!
//! A period ends with the share that it began with, and the next begins with the last share ordered, so orders that are more
//! frequent than periods do not distort the duty. 0 and full act at once, since they may be fail-safe. They do not begin a
//! period, so they cannot distort the duty either: a share that follows continues within the present period. In each period the
//! line is on for at least the least share in force in it, and at most the greatest.

use crate::units::Permille;
use core::time::Duration;

/// See the module. Times are counted from any moment, the same for all.
pub(super) struct Wave {
    period: Duration,
    /// The share in force.
    share: Permille,
    /// The share from the next period on.
    next: Permille,
    /// When the present period began.
    began: Duration,
    /// Since when the line is at rest; `None` if it has been since the start.
    rests_since: Option<Duration>,
}

impl Wave {
    pub(super) fn new(period: Duration, present: Permille) -> Self {
        Self { period, share: present, next: present, began: Duration::ZERO, rests_since: None }
    }

    pub(super) fn order(&mut self, now: Duration, share: Permille) {
        self.turn_over(now);
        let (rested, rests) = (is_rest(self.share), is_rest(share));
        self.next = share;
        if rests && share != self.share {
            self.rests_since = Some(now);
        }
        if rested && !rests && self.rests_since.is_none_or(|since| now - since >= self.period) {
            // The previous period is over, so a new one can begin.
            self.began = now;
        }
        if rested || rests {
            self.share = share;
        }
    }

    /// Is the line on, and until when if nothing is ordered? `None`: it rests.
    pub(super) fn level(&mut self, now: Duration) -> (bool, Option<Duration>) {
        self.turn_over(now);
        if is_rest(self.share) {
            return (!self.share.is_zero(), None);
        }
        let falls = self.began + self.period * u32::from(self.share.get()) / 1000;
        if now < falls { (true, Some(falls)) } else { (false, Some(self.began + self.period)) }
    }

    /// Begins the period that contains this moment. Missed periods are skipped.
    fn turn_over(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.began);
        if passed >= self.period {
            let into_ns = passed.as_nanos() % self.period.as_nanos().max(1);
            self.began = now.saturating_sub(Duration::from_nanos(u64::try_from(into_ns).unwrap_or_default()));
            self.share = self.next;
        }
    }
}

fn is_rest(share: Permille) -> bool {
    share.is_zero() || share == Permille::FULL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permille(permille: u16) -> Permille {
        Permille::new(permille).unwrap()
    }

    const EVERY: Duration = Duration::from_millis(100);

    /// The share of the time in which a line is on that gets these orders in turn, one every 100 ms of a simulated clock, and how
    /// often it is switched on.
    fn duty(frequency_hz: u32, offset: Duration, orders: &[u16], lasts: Duration) -> (f64, u32) {
        let period = Duration::from_secs(1) / frequency_hz;
        let mut wave = Wave::new(period, Permille::ZERO);
        let (mut now, mut on_for, mut pulses, mut was_on) = (offset, Duration::ZERO, 0, false);
        let mut due = orders.iter().cycle();
        while now < offset + lasts {
            let next_order = now + EVERY;
            wave.order(now, permille(*due.next().unwrap()));
            while now < next_order {
                let (on, until) = wave.level(now);
                let until = until.unwrap_or(next_order).min(next_order);
                pulses += u32::from(on && !was_on);
                was_on = on;
                if on {
                    on_for += until - now;
                }
                assert!(until > now, "it would spin at {now:?}");
                now = until;
            }
        }
        (on_for.as_secs_f64() / lasts.as_secs_f64(), pulses)
    }

    #[test]
    fn an_order_every_100_ms_leaves_the_duty_what_is_asked_from_1_hz_to_1_khz() {
        let lasts = Duration::from_secs(100);
        for frequency_hz in [1, 2, 3, 5, 7, 10, 13, 50, 99, 100, 333, 1000] {
            for asked in [1, 20, 220, 440, 500, 780, 999] {
                let (duty, pulses) = duty(frequency_hz, Duration::from_millis(37), &[asked], lasts);
                let off = (duty - f64::from(asked) / 1000.0).abs();
                assert!(off < 0.005, "{asked} permille at {frequency_hz} Hz gives {duty}");
                assert!(pulses.abs_diff(frequency_hz * 100) <= 1, "{pulses} pulses at {frequency_hz} Hz");
            }
        }
    }

    #[test]
    fn no_mix_of_orders_gives_more_or_less_than_was_asked_at_any_time() {
        let lasts = Duration::from_secs(100);
        for frequency_hz in [1, 2, 3, 5, 7, 10, 13, 50, 333, 1000] {
            for (orders, least, greatest) in [
                (&[0, 220][..], 0.0, 0.22),
                (&[220, 1000], 0.22, 1.0),
                (&[220, 0, 220, 0, 440], 0.0, 0.44),
                (&[300, 310, 320, 330, 340, 350], 0.30, 0.35),
            ] {
                let (duty, _) = duty(frequency_hz, Duration::ZERO, orders, lasts);
                assert!(
                    (least - 0.005..=greatest + 0.005).contains(&duty),
                    "{orders:?} at {frequency_hz} Hz gives {duty}"
                );
            }
            // Half of the time each. If each order began a period, a period of one second would be at full all the time.
            let (half_full, _) = duty(frequency_hz, Duration::ZERO, &[220, 1000], lasts);
            assert!((0.55..0.75).contains(&half_full), "at {frequency_hz} Hz: {half_full}");
        }
    }

    #[test]
    fn zero_and_full_act_at_once_and_a_share_after_a_long_rest_does_too() {
        let second = Duration::from_secs(1);
        let mut wave = Wave::new(second, Permille::ZERO);
        let at = |ms| Duration::from_millis(ms);
        wave.order(at(2300), permille(500));
        assert_eq!(wave.level(at(2300)), (true, Some(at(2800))), "nothing is left to be finished");
        wave.order(at(2400), Permille::ZERO);
        assert_eq!(wave.level(at(2400)), (false, None));
        wave.order(at(2500), Permille::FULL);
        assert_eq!(wave.level(at(2500)), (true, None));
        wave.order(at(2900), permille(500));
        assert_eq!(wave.level(at(2900)), (false, Some(at(3300))), "the second half of the period");
        wave.order(at(3000), permille(200));
        assert_eq!(wave.level(at(3300)), (true, Some(at(3500))), "from the next period on");
    }
}
