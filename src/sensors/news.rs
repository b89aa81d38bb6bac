//! Which readings are news: those that differ from the last news. Others wake nobody.

use crate::control::{Fault, Reading};
use crate::units::BootTime;
use core::time::Duration;

/// A small change sooner than this after the last news is not news yet: at one sample a second every second sample may be.
const SMALL_CHANGE_WAIT: Duration = Duration::from_millis(1500);

/// Whether a reading is worth waking somebody for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It says something new.
    News,
    /// It is much the same as the last news, only newer.
    Same,
}

/// Judges what is news from one sensor.
pub(super) struct News {
    small_change: f64,
    last: Option<(BootTime, Result<f64, Fault>)>,
}

impl News {
    pub(super) fn new(small_change: f64) -> Self {
        Self { small_change, last: None }
    }

    /// Small changes add up: a reading is compared with the last news, not with the reading before it.
    pub(super) fn judge(&mut self, reading: &Reading) -> Urgency {
        let is_news = match (self.last, reading.value) {
            (Some((at, Ok(last))), Ok(value))
                if last != value && (value - last).abs() < self.small_change =>
            {
                reading.at.since(at) >= SMALL_CHANGE_WAIT
            }
            (last, value) => last.map(|(_, value)| value) != Some(value),
        };
        if is_news {
            self.last = Some((reading.at, reading.value));
            return Urgency::News;
        }
        Urgency::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SensorId;

    fn ms(milliseconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(milliseconds))
    }

    /// Which of these readings are news, each with its time in milliseconds.
    fn news(readings: &[(u64, Result<f64, Fault>)]) -> Vec<u64> {
        let mut news = News::new(0.05);
        let reading = |(at, value): &(u64, _)| Reading { sensor: SensorId(0), at: ms(*at), value: *value };
        let fresh = readings.iter().filter(|told| news.judge(&reading(told)) == Urgency::News);
        fresh.map(|(at, _)| *at).collect()
    }

    #[test]
    fn what_is_said_again_is_no_news_be_it_value_or_fault() {
        let (gone, broken) = (Err(Fault::Missing), Err(Fault::Unreadable));
        let told =
            [(0, Ok(20.0)), (1, Ok(20.0)), (9_000, Ok(20.0)), (9_001, gone), (9_002, gone), (9_003, broken)];
        assert_eq!(news(&told), [0, 9_001, 9_003]);
        assert_eq!(news(&[(0, gone), (1, Ok(20.0)), (2, gone), (3, Ok(20.0))]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_small_change_waits_a_moment_and_a_large_one_does_not() {
        let told =
            [(0, Ok(20.0)), (1_000, Ok(20.01)), (2_000, Ok(20.02)), (3_000, Ok(20.1)), (3_001, Ok(19.0))];
        assert_eq!(news(&told), [0, 2_000, 3_000, 3_001]);
    }

    #[test]
    fn small_changes_add_up_to_a_large_one() {
        assert_eq!(news(&[(0, Ok(20.0)), (10, Ok(20.03)), (20, Ok(20.06)), (30, Ok(20.08))]), [0, 20]);
    }

    #[test]
    fn a_change_that_goes_back_before_it_was_news_was_none() {
        assert_eq!(news(&[(0, Ok(20.0)), (1_000, Ok(20.01)), (2_000, Ok(20.0))]), [0]);
    }
}
