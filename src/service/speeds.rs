//! The last speed of each output, on its way from the tachometers' thread to the loop.
//!
//! As in `readings`, the latest wins and only news wakes the loop.

use crate::board::Speed;
use crate::control::OutputId;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Speeds that were not taken yet.
type Waiting = BTreeMap<OutputId, Speed>;

/// The loop's end.
pub(super) struct Speeds(watch::Receiver<Waiting>, watch::Sender<Waiting>);

/// The two ends: what the thread delivers to, and what the loop takes from.
pub(super) fn speeds() -> (impl Fn(Speed) + Send + 'static, Speeds) {
    let (sender, receiver) = watch::channel(Waiting::new());
    let thread_end = sender.clone();
    let deliver = move |speed: Speed| {
        thread_end.send_if_modified(|waiting| {
            let is_news = speed.is_news;
            waiting.insert(speed.output, speed);
            is_news
        });
    };
    (deliver, Speeds(receiver, sender))
}

impl Speeds {
    /// Waits for news; never `None`, since this end keeps the channel open. May be cancelled at any time.
    pub(super) async fn news(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }

    /// What was not taken before.
    pub(super) fn take(&mut self) -> Vec<Speed> {
        // First, so that what comes meanwhile wakes the loop again.
        self.0.mark_unchanged();
        let mut taken = Waiting::new();
        self.1.send_if_modified(|waiting| {
            taken = core::mem::take(waiting);
            false
        });
        taken.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::BootTime;
    use core::time::Duration;

    fn speed(output: usize, rpm: f64, is_news: bool) -> Speed {
        Speed { output: OutputId(output), at: BootTime::ZERO, rpm: Ok(rpm), is_news }
    }

    async fn is_woken(speeds: &mut Speeds) -> bool {
        tokio::time::timeout(Duration::ZERO, speeds.news()).await.is_ok_and(|news| news.is_some())
    }

    #[tokio::test]
    async fn news_wakes_and_what_means_the_same_lies_ready_and_each_is_taken_once() {
        let (deliver, mut speeds) = speeds();
        deliver(speed(1, 900.0, true));
        assert!(is_woken(&mut speeds).await);
        assert_eq!(speeds.take(), [speed(1, 900.0, true)]);
        deliver(speed(1, 910.0, false));
        deliver(speed(0, 100.0, false));
        deliver(speed(1, 920.0, false));
        assert!(!is_woken(&mut speeds).await);
        assert_eq!(speeds.take(), [speed(0, 100.0, false), speed(1, 920.0, false)]);
        assert_eq!(speeds.take(), []);
    }

    #[tokio::test]
    async fn a_board_without_tachs_keeps_the_loop_waiting_and_wakes_nobody() {
        let (deliver, mut speeds) = speeds();
        drop(deliver);
        assert!(!is_woken(&mut speeds).await);
    }
}
