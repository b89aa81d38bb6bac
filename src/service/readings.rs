//! The last reading of each sensor, on its way from the sensors' threads to the loop.
//!
//! The latest wins: a late loop sees the newest reading, and a thread never waits for the loop. Only news wakes the loop; what
//! is much the same is ready when it wakes for another reason. The sensors' room decides what is news.

use crate::control::{Reading, SensorId};
use crate::sensors::{Delivery, Urgency};
use crate::units::BootTime;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Each with what was found instead of a value.
type Latest = BTreeMap<SensorId, (Reading, Option<String>)>;

/// The loop's end.
pub(super) struct Readings {
    latest: watch::Receiver<Latest>,
    taken: BTreeMap<SensorId, BootTime>,
}

/// The two ends: what the threads deliver to, and what the loop takes from.
pub(super) fn readings()
-> (impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static, Readings) {
    let (sender, latest) = watch::channel(Latest::new());
    let deliver = move |reading: Reading, found, urgency| {
        sender.send_if_modified(|latest| {
            latest.insert(reading.sensor, (reading, found));
            urgency == Urgency::News
        });
        if sender.is_closed() { Delivery::Closed } else { Delivery::Taken }
    };
    (deliver, Readings { latest, taken: BTreeMap::new() })
}

impl Readings {
    /// Waits for news; `None` when there will be none any more. May be cancelled at any time.
    pub(super) async fn news(&mut self) -> Option<()> {
        self.latest.changed().await.ok()
    }

    /// What was not taken before, oldest first.
    pub(super) fn take(&mut self) -> Vec<(Reading, Option<String>)> {
        let latest = self.latest.borrow_and_update();
        let fresh = |(reading, _): &&(Reading, _)| self.taken.get(&reading.sensor) < Some(&reading.at);
        let mut readings: Vec<_> = latest.values().filter(fresh).cloned().collect();
        self.taken.extend(readings.iter().map(|(reading, _)| (reading.sensor, reading.at)));
        readings.sort_by_key(|(reading, _)| reading.at);
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Fault;
    use core::time::Duration;

    fn reading(sensor: usize, at_ms: u64, value: f64) -> Reading {
        let at = BootTime::from_boot(Duration::from_millis(at_ms));
        Reading { sensor: SensorId(sensor), at, value: Ok(value) }
    }

    fn taken(readings: &mut Readings) -> Vec<Reading> {
        readings.take().into_iter().map(|(reading, _)| reading).collect()
    }

    async fn is_woken(readings: &mut Readings) -> bool {
        tokio::time::timeout(Duration::ZERO, readings.news()).await.is_ok_and(|news| news.is_some())
    }

    #[tokio::test]
    async fn news_wakes_and_what_is_the_same_lies_ready() {
        let (deliver, mut readings) = readings();
        assert_eq!(deliver(reading(0, 1, 20.0), None, Urgency::News), Delivery::Taken);
        assert!(is_woken(&mut readings).await);
        assert_eq!(taken(&mut readings), [reading(0, 1, 20.0)]);

        deliver(reading(0, 2, 20.0), None, Urgency::Same);
        deliver(reading(0, 3, 20.0), None, Urgency::Same);
        assert!(!is_woken(&mut readings).await);
        assert_eq!(taken(&mut readings), [reading(0, 3, 20.0)], "the freshest of them");
        assert_eq!(taken(&mut readings), []);
    }

    #[tokio::test]
    async fn all_that_is_fresh_is_taken_oldest_first_and_wakes_nobody_again() {
        let (deliver, mut readings) = readings();
        deliver(reading(1, 7, 1.0), None, Urgency::News);
        deliver(reading(0, 9, 2.0), None, Urgency::News);
        deliver(reading(2, 5, 3.0), None, Urgency::Same);
        assert_eq!(taken(&mut readings), [reading(2, 5, 3.0), reading(1, 7, 1.0), reading(0, 9, 2.0)]);
        assert!(!is_woken(&mut readings).await);
    }

    #[tokio::test]
    async fn what_was_found_comes_with_the_reading_that_is_no_value() {
        let (deliver, mut readings) = readings();
        let fault = Reading { value: Err(Fault::NotANumber), ..reading(0, 1, 0.0) };
        deliver(fault, Some("\"23,5\"".into()), Urgency::News);
        assert_eq!(readings.take(), [(fault, Some("\"23,5\"".to_owned()))]);
    }

    #[tokio::test]
    async fn each_end_learns_that_the_other_is_gone() {
        let (deliver, loop_end) = readings();
        drop(loop_end);
        assert_eq!(deliver(reading(0, 1, 20.0), None, Urgency::News), Delivery::Closed);

        let (deliver, mut loop_end) = readings();
        deliver(reading(0, 1, 20.0), None, Urgency::Same);
        drop(deliver);
        assert_eq!(loop_end.news().await, None);
        assert_eq!(taken(&mut loop_end), [reading(0, 1, 20.0)]);
    }
}
