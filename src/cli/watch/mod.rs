//! `twind watch`: what the daemon does, live, until `q` or Ctrl-C. It waits for a daemon that is not there yet, or is being
//! restarted.
//!
//! On a terminal it is a screen: the verdict, each climate against its range over the last hour, the outputs, alarms, changes.
//! Only what changed is sent, at most ten times a second, so that a slow line does. Without a terminal, and on one that cannot move
//! its cursor, the pages of `twind status` follow each other.
//!
//! The daemon reports each change as it happens; between two changes only times pass, which are counted here. What was shown
//! stays while the daemon is asked again; if the answer takes longer than `SLOW`, a line above it says since when.

mod chart;
mod form;
mod live;
mod look;
mod pages;
mod terminal;
mod view;

use super::ask::{AskFault, ask_status, follow, look, read_status};
use super::mismatch;
use super::page::is_dumb;
use super::status::CHANGES_ON_PAGE;
use crate::config::LocalSettings;
use crate::report::trend::Trend;
use crate::service::DaemonStatus;
use crate::service::calls::{GetTrend, Monitor, Refusal};
use crate::text::Line;
use core::ops::ControlFlow;
use core::time::Duration;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// A page is drawn at least so often, and a daemon that is not there is asked again.
const PERIOD: Duration = Duration::from_secs(1);
/// A change is shown this soon, and nothing is drawn more often.
const STEP: Duration = Duration::from_millis(100);
/// An answer takes milliseconds. After this it is said that one is waited for.
const SLOW: Duration = Duration::from_secs(1);
/// How often the trend is asked for: it has a sample in each ten seconds.
const TREND_PERIOD: Duration = Duration::from_secs(10);

/// What the other threads report.
enum News {
    /// The daemon is being asked.
    Asking,
    Status(Box<DaemonStatus>),
    Trend(Box<Trend>),
    /// Why there is no status; there may be one later.
    Waiting(AskFault),
    /// Why there will never be one.
    Failed(AskFault),
    /// What came of an override.
    Ordered(String),
}

/// Shows what the daemon does until nobody can or wants to see it any more.
///
/// # Errors
/// Why there can be nothing further.
pub fn watch(local: &LocalSettings, changes: Option<usize>) -> Result<(), AskFault> {
    let changes = changes.unwrap_or(CHANGES_ON_PAGE);
    let is_screen = io::stdout().is_terminal() && !is_dumb();
    if is_screen { live::watch(local, changes) } else { pages::watch(local, changes) }
}

/// What is known of the daemon: the last status, and how long an answer has been waited for.
struct Known<'l> {
    local: &'l LocalSettings,
    status: Option<(Box<DaemonStatus>, Instant)>,
    fault: Option<AskFault>,
    asking_since: Option<Instant>,
    /// The message if the daemon uses another file.
    mismatch: Option<String>,
}

impl<'l> Known<'l> {
    fn nothing(local: &'l LocalSettings) -> Self {
        Self { local, status: None, fault: None, asking_since: None, mismatch: None }
    }

    /// Takes what was reported of the status. Is it to be shown at once?
    fn take(&mut self, news: News) -> Result<bool, AskFault> {
        match news {
            News::Asking => {
                self.asking_since = Some(Instant::now());
                return Ok(false);
            }
            News::Status(status) => {
                let theirs = status.configuration.as_deref().map(Path::new);
                let file = &self.local.file;
                self.mismatch = theirs.and_then(|theirs| mismatch::report(theirs, status.pid.into(), file));
                (self.status, self.fault) = (Some((status, Instant::now())), None);
            }
            News::Waiting(fault) => (self.status, self.fault) = (None, Some(fault)),
            News::Failed(fault) => return Err(fault),
            News::Trend(_) | News::Ordered(_) => return Ok(false),
        }
        self.asking_since = None;
        Ok(true)
    }

    /// The status as it is now.
    fn status(&self) -> Option<DaemonStatus> {
        let (status, since) = self.status.as_ref()?;
        let mut status = (**status).clone();
        status.pass(since.elapsed().as_secs());
        Some(status)
    }

    /// What stands above everything else: a daemon that is waited for, and one that uses another file.
    fn banners(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(fault) = &self.fault {
            lines.extend([format!("twind: {}", Line(fault)), "twind: waiting for it".to_owned()]);
        } else if let Some(waited) = self.asking_since.map(|since| since.elapsed()).filter(|w| *w >= SLOW) {
            let (socket, seconds) = (Line(self.local.socket.display()), waited.as_secs());
            lines.push(format!(
                "twind: the daemon at {socket} has not answered for {seconds} s; waiting for it"
            ));
        }
        if self.status.is_some() {
            lines.extend(self.mismatch.as_ref().map(|other| format!("twind: {}", Line(other))));
        }
        lines
    }
}

/// Starts a thread that listens to the daemon. It waits if it is faster than the screen.
fn listen(local: &LocalSettings, changes: usize, sender: SyncSender<News>) -> Result<(), AskFault> {
    let of_thread = local.clone();
    let run = move || while listen_once(&of_thread, changes, &sender).is_continue() {};
    start("listen", local, run)
}

/// Starts a thread that asks for the trend again and again.
fn ask_for_trend(local: &LocalSettings, sender: SyncSender<News>) -> Result<(), AskFault> {
    let of_thread = local.clone();
    let run = move || {
        loop {
            let pause = match look(&of_thread, &GetTrend {}) {
                Ok(answer) => {
                    if sender.send(News::Trend(Box::new(answer.trend))).is_err() {
                        return;
                    }
                    TREND_PERIOD
                }
                // It is down, or an older one that keeps no trend; the other thread says which.
                Err(_) => PERIOD,
            };
            thread::sleep(pause);
        }
    };
    start("trend", local, run)
}

fn start(name: &str, local: &LocalSettings, run: impl FnOnce() + Send + 'static) -> Result<(), AskFault> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(|reason| AskFault::Silent(local.socket.clone(), reason))
}

fn channel() -> (SyncSender<News>, Receiver<News>) {
    sync_channel(1)
}

/// Passes on what the daemon reports until its stream ends. Breaks when nobody wants it.
fn listen_once(local: &LocalSettings, changes: usize, sender: &SyncSender<News>) -> ControlFlow<()> {
    let send = |news: News| sender.send(news).map_or(ControlFlow::Break(()), ControlFlow::Continue);
    send(News::Asking)?;
    let mut wanted = ControlFlow::Continue(());
    let followed = follow(local, &Monitor { changes: Some(changes as u64) }, |answer| {
        wanted = send(News::Status(Box::new(answer.status)));
        wanted
    });
    let asked = match followed {
        Ok(()) => {
            thread::sleep(STEP);
            return wanted;
        }
        Err(fault) if is_unknown(&fault) => {
            ask_status(local, Some(changes)).and_then(|status| read_status(local, &status))
        }
        Err(fault) => Err(fault),
    };
    send(match asked {
        Ok(status) => News::Status(Box::new(status)),
        Err(fault @ (AskFault::Denied(_) | AskFault::Refused(_))) => News::Failed(fault),
        Err(fault) => News::Waiting(fault),
    })?;
    thread::sleep(PERIOD);
    ControlFlow::Continue(())
}

/// An older daemon has no stream: it is asked each second.
fn is_unknown(fault: &AskFault) -> bool {
    let AskFault::Refused(error) = fault else { return false };
    matches!(Refusal::of(error), Some(Refusal::MethodNotFound { .. }))
}
