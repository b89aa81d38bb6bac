//! The configuration, read beside the loop: a disk that does not answer holds up no output and no signal.
//!
//! There is one reading at a time. Whoever asks during one gets another after it, because the file may have changed since
//! it began. A reading that never ends keeps its thread, and the end of the process does not wait for it.

use super::Daemon;
use crate::config::{self, ConfigFaults, Settings};
use core::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, warn};

/// A reading that takes longer than this is told.
const SLOW: Duration = Duration::from_secs(5);

/// The reading that is under way, if there is one.
pub(super) struct Reading<T> {
    under_way: Option<JoinHandle<Option<T>>>,
    is_asked_again: bool,
}

impl<T: Send + 'static> Reading<T> {
    pub(super) fn none() -> Self {
        Self { under_way: None, is_asked_again: false }
    }

    /// Starts one, unless one is under way: then another is to follow it. Needs a running tokio runtime.
    pub(super) fn ask(&mut self, read: impl FnOnce() -> T + Send + 'static) {
        if self.under_way.is_some() {
            self.is_asked_again = true;
            return warn!("the configuration is still being read; it will be read again after that");
        }
        self.under_way = Some(tokio::spawn(wait(spawn_blocking(read))));
    }

    /// Waits for the end of the one that is under way, for ever if there is none. `None` if it broke down. May be
    /// cancelled at any time.
    pub(super) async fn end(&mut self) -> Option<T> {
        let Some(under_way) = &mut self.under_way else { return core::future::pending().await };
        let outcome = under_way.await;
        self.under_way = None;
        outcome.ok().flatten()
    }

    /// Was it asked for again during the last one? From now on it is not.
    pub(super) fn take_asked_again(&mut self) -> bool {
        core::mem::take(&mut self.is_asked_again)
    }
}

async fn wait<T>(mut reading: JoinHandle<T>) -> Option<T> {
    if let Ok(outcome) = timeout(SLOW, &mut reading).await {
        return outcome.ok();
    }
    warn!(
        "the configuration, or a file that it names, has not been read within {SLOW:?}: its disk does not answer; the \
         running configuration stays until it does"
    );
    reading.await.ok()
}

/// A configuration that was read again.
pub(super) type Fresh = Result<Box<Settings>, ConfigFaults>;

impl Daemon {
    /// Has the configuration read again.
    pub(super) fn read_again(&mut self) {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        self.reading.ask(move || config::load(&path, &environment).map(Box::new));
    }

    /// Takes over what was read, or says why not.
    pub(super) fn handle_read(&mut self, fresh: Option<Fresh>) {
        match fresh {
            Some(Ok(fresh)) => self.reload(*fresh),
            Some(Err(faults)) => {
                error!("the new configuration is wrong; the running one stays");
                faults.to_string().lines().for_each(|line| error!("{line}"));
            }
            None => error!("the new configuration could not be read; the running one stays"),
        }
        if self.reading.take_asked_again() {
            self.read_again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn whoever_asks_during_a_reading_gets_another_after_it_and_nobody_waits_meanwhile() {
        let (go_on, held) = channel();
        let mut reading = Reading::none();
        reading.ask(move || held.recv().map_or(0, |()| 1));
        reading.ask(|| 2);
        reading.ask(|| 3);
        assert!(timeout(Duration::ZERO, reading.end()).await.is_err(), "it is still under way");
        go_on.send(()).unwrap();
        assert_eq!(timeout(LONG, reading.end()).await, Ok(Some(1)));
        assert!(reading.take_asked_again() && !reading.take_asked_again());
        reading.ask(|| 4);
        assert_eq!(timeout(LONG, reading.end()).await, Ok(Some(4)));
        assert!(!reading.take_asked_again());
        assert!(timeout(Duration::ZERO, reading.end()).await.is_err(), "there is none");
    }

    #[test]
    fn a_reading_that_never_ends_does_not_hold_up_the_end() {
        let (go_on, held) = channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Reading::none().ask(move || held.recv().is_ok());
        });
        runtime.shutdown_timeout(Duration::from_millis(1));
        assert!(go_on.send(()).is_ok(), "its thread is still there");
    }
}
