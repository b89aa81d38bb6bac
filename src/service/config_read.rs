//! The configuration, read on a thread of its own: a disk that does not answer delays no output and no signal, nor does udev, which
//! must hand over the PWM channels of another board.
//!
//! There is one read at a time. A request during a read starts another after it, because the file may have changed since the
//! first began, and is answered when the second is decided. A read that never ends keeps its thread; the end of the process
//! does not wait for it.

use super::daemon_status::RefusedConfiguration;
use super::local::calls::Refusal;
use super::local::{Answer, AnswerTo};
use super::{Daemon, log};
use crate::board;
use crate::config::{self, ConfigFaults, Settings};
use crate::message_ids as ids;
use crate::text::Span;
use crate::units::BootTime;
use core::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing::warn;

/// A read that takes longer than this is logged.
const SLOW: Duration = Duration::from_secs(5);

/// The read that is under way, if there is one, and the clients that wait for its outcome.
pub(super) struct ConfigRead<T> {
    under_way: Option<JoinHandle<Option<T>>>,
    waiting: Vec<AnswerTo>,
    is_asked_again: bool,
    /// The clients that wait for the one after that.
    waiting_again: Vec<AnswerTo>,
}

impl<T: Send + 'static> ConfigRead<T> {
    pub(super) fn none() -> Self {
        Self { under_way: None, waiting: Vec::new(), is_asked_again: false, waiting_again: Vec::new() }
    }

    /// Starts a read, or has another follow the one under way. Needs a running tokio runtime.
    pub(super) fn ask(&mut self, waits: Option<AnswerTo>, read: impl FnOnce() -> T + Send + 'static) {
        if self.under_way.is_some() {
            self.is_asked_again = true;
            // Clients that gave up are removed, since a read may hang without end.
            self.waiting_again.retain(|waits| !waits.is_closed());
            self.waiting_again.extend(waits);
            return warn!("the configuration is still being read; it will be read again after that");
        }
        self.waiting.extend(waits);
        self.under_way = Some(tokio::spawn(wait(spawn_blocking(read))));
    }

    /// Takes the clients that wait for the outcome of the last read.
    pub(super) fn take_waiting(&mut self) -> Vec<AnswerTo> {
        core::mem::take(&mut self.waiting)
    }

    /// Waits for the end of the read under way, for ever if there is none. `None` if it panicked. May be cancelled at any time.
    pub(super) async fn end(&mut self) -> Option<T> {
        let Some(under_way) = &mut self.under_way else { return core::future::pending().await };
        let outcome = under_way.await;
        self.under_way = None;
        outcome.ok().flatten()
    }

    /// Was another read asked for during the last one? The clients that asked wait for the next one from now on.
    pub(super) fn take_asked_again(&mut self) -> bool {
        self.waiting.append(&mut self.waiting_again);
        core::mem::take(&mut self.is_asked_again)
    }
}

async fn wait<T>(mut reading: JoinHandle<T>) -> Option<T> {
    if let Ok(outcome) = timeout(SLOW, &mut reading).await {
        return outcome.ok();
    }
    warn!(
        "the configuration, or a file that it names, has not been read within {}: its disk does not answer; the running \
         configuration stays until it does",
        Span::from(SLOW)
    );
    reading.await.ok()
}

/// Why a reload was refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// For the log, and for whoever asked.
    lines: Vec<String>,
    /// The first fault.
    fault: String,
    fault_count: usize,
    is_file_faulty: bool,
}

impl Refused {
    /// Nothing is wrong with the file alone.
    fn because(reason: String) -> Self {
        Self { lines: vec![reason.clone()], fault: reason, fault_count: 1, is_file_faulty: false }
    }

    fn faulty(faults: &ConfigFaults) -> Self {
        let mut lines = vec!["the new configuration is wrong; the running one stays".to_owned()];
        lines.extend(faults.to_string().lines().map(str::to_owned));
        // Without the source line and the caret, which follow it.
        let fault = lines.get(1).cloned().unwrap_or_default();
        Self { lines, fault, fault_count: faults.faults.len() + faults.more, is_file_faulty: true }
    }

    /// For the status. Refused reloads follow each other since `since`.
    pub(super) fn report(&self, now: BootTime, since: BootTime) -> RefusedConfiguration {
        let remedy = if self.is_file_faulty {
            "twind check names every fault; once they are mended, systemctl reload twind"
        } else {
            "once that is mended, systemctl reload twind"
        };
        RefusedConfiguration {
            seconds_ago: now.since(since).as_secs(),
            fault: self.fault.clone(),
            fault_count: self.fault_count as u64,
            start_would_fail: self.is_file_faulty,
            remedy: remedy.to_owned(),
        }
    }
}

/// A configuration that was read again.
pub(super) type Fresh = Result<Box<Settings>, ConfigFaults>;

impl Daemon {
    /// Has the configuration read again; `waits` is answered when the outcome is decided.
    pub(super) fn read_again(&mut self, waits: Option<AnswerTo>) {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let read = move || {
            let fresh = config::load(&path, &environment)?;
            board::prepare(&fresh.board);
            Ok(Box::new(fresh))
        };
        self.config_read.ask(waits, read);
    }

    /// Puts what was read into force, or says why not.
    pub(super) fn handle_read(&mut self, fresh: Option<Fresh>) {
        let outcome = match fresh {
            Some(Ok(fresh)) => self.reload(*fresh).map_err(Refused::because),
            Some(Err(faults)) => Err(Refused::faulty(&faults)),
            None => Err(Refused::because(
                "the new configuration could not be read; the running one stays".to_owned(),
            )),
        };
        if let Err(refused) = &outcome {
            log::errors(ids::RELOAD_REFUSED, refused.lines.iter().map(String::as_str));
        }
        let since = self.refused.take().map_or_else(|| self.clock.boot(), |(since, _)| since);
        self.refused = outcome.as_ref().err().map(|refused| (since, refused.clone()));
        for waiting in self.config_read.take_waiting() {
            let reply =
                outcome.clone().map_err(|Refused { lines, .. }| Refusal::ReloadRefused { faults: lines });
            self.local.answer(waiting, reply.map(|()| Answer::Nothing {}));
        }
        if self.config_read.take_asked_again() {
            self.read_again(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::path::Path;
    use std::sync::mpsc::channel;
    use tokio::sync::oneshot;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn whoever_asks_during_a_reading_gets_another_after_it_and_nobody_waits_meanwhile() {
        let (go_on, held) = channel();
        let mut reading = ConfigRead::none();
        reading.ask(None, move || held.recv().map_or(0, |()| 1));
        reading.ask(None, || 2);
        reading.ask(None, || 3);
        assert!(timeout(Duration::ZERO, reading.end()).await.is_err(), "it is still under way");
        go_on.send(()).unwrap();
        assert_eq!(timeout(LONG, reading.end()).await, Ok(Some(1)));
        assert!(reading.take_asked_again() && !reading.take_asked_again());
        reading.ask(None, || 4);
        assert_eq!(timeout(LONG, reading.end()).await, Ok(Some(4)));
        assert!(!reading.take_asked_again());
        assert!(timeout(Duration::ZERO, reading.end()).await.is_err(), "there is none");
    }

    #[tokio::test]
    async fn who_asks_during_a_reading_waits_for_the_one_after_it_and_who_gave_up_is_forgotten() {
        let (go_on, held) = channel::<()>();
        let mut reading = ConfigRead::none();
        let (first, _heard) = oneshot::channel();
        reading.ask(Some(first), move || held.recv().is_ok());
        for _ in 0..1000 {
            let (gone, _) = oneshot::channel();
            reading.ask(Some(gone), || true);
        }
        let (second, _heard_too) = oneshot::channel();
        reading.ask(Some(second), || true);
        go_on.send(()).unwrap();
        assert_eq!(timeout(LONG, reading.end()).await, Ok(Some(true)));
        assert_eq!(reading.take_waiting().len(), 1, "the first");
        assert!(reading.take_asked_again());
        assert_eq!(reading.take_waiting().len(), 1, "the second, and none of those who gave up");
    }

    #[test]
    fn a_refusal_is_told_with_its_first_fault_on_one_line_and_with_what_to_do() {
        let at = |seconds| BootTime::from_boot(Duration::from_secs(seconds));
        let faults = config::parse(
            "[twin]\nrubbish = 1\nnonsense = 2\n",
            Path::new("/etc/twind.toml"),
            &Environment::default(),
        );
        let told = Refused::faulty(&faults.unwrap_err()).report(at(100), at(10));
        assert!(told.fault.starts_with("/etc/twind.toml:1:1: ") && !told.fault.contains('\n'), "{told:?}");
        assert!(told.seconds_ago == 90 && told.fault_count >= 2 && told.start_would_fail, "{told:?}");
        assert!(told.remedy.starts_with("twind check "), "{told:?}");
        let told = Refused::because("the board is gone".to_owned()).report(at(100), at(100));
        assert_eq!((told.fault.as_str(), told.start_would_fail), ("the board is gone", false));
        assert!(!told.remedy.contains("check"), "check finds nothing: {told:?}");
    }

    #[test]
    fn a_reading_that_never_ends_does_not_hold_up_the_end() {
        let (go_on, held) = channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ConfigRead::none().ask(None, move || held.recv().is_ok());
        });
        runtime.shutdown_timeout(Duration::from_millis(1));
        assert!(go_on.send(()).is_ok(), "its thread is still there");
    }
}
