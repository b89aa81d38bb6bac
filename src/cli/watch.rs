//! `twind watch`: the page of `twind status`, drawn anew with each change and each second until `q` or Ctrl-C. A daemon that
//! is not there yet, or is being restarted, is waited for.
//!
//! The daemon tells each change as it happens; what passes between two of them is time, and that is counted here. What was
//! drawn last stays. Where there is no terminal the pages follow each other. Deliberately absent: colours, and other keys.

use super::ask::{AskFault, ask_status, follow};
use super::keys::Keys;
use super::mismatch;
use super::status::{CHANGES_ON_PAGE, page};
use crate::config::LocalSettings;
use crate::service::DaemonStatus;
use crate::service::calls::{Monitor, Refusal};
use crate::text::Line;
use core::ops::ControlFlow;
use core::time::Duration;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// A page is drawn at least so often, and a daemon that is not there is asked again.
const PERIOD: Duration = Duration::from_secs(1);
/// So soon is a change shown.
const STEP: Duration = Duration::from_millis(100);
/// The cursor goes to the upper left corner.
const HOME: &str = "\x1b[H";
/// What is right of the cursor goes.
const CLEAR_LINE: &str = "\x1b[K";
/// What is below the cursor goes.
const CLEAR_BELOW: &str = "\x1b[J";

/// What is drawn.
enum View {
    Status(Box<DaemonStatus>),
    /// Why there is no status; there may be one later.
    Waiting(AskFault),
}

/// Or why there will be nothing.
type News = Result<View, AskFault>;

/// Shows pages until nobody can or wants to see them any more.
///
/// # Errors
/// Why there will be no other page, by whatever time.
pub fn watch(local: &LocalSettings, changes: Option<usize>) -> Result<(), AskFault> {
    let keys = Keys::read();
    let news = listen(local, changes.unwrap_or(CHANGES_ON_PAGE))?;
    let (mut view, mut drawn): (Option<(View, Instant)>, Option<Instant>) = (None, None);
    loop {
        if let Some(told) = news.try_iter().last() {
            (view, drawn) = (Some((told?, Instant::now())), None);
        }
        let is_due = drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD);
        if let Some((view, since)) = view.as_ref().filter(|_| is_due) {
            drawn = Some(Instant::now());
            if show(&view.page(since.elapsed(), local)).is_err() {
                return Ok(());
            }
        }
        if keys.asked_to_end_within(STEP) {
            return Ok(());
        }
    }
}

impl View {
    /// So long after it was told.
    fn page(&self, age: Duration, local: &LocalSettings) -> String {
        match self {
            Self::Waiting(fault) => format!("twind: {}\ntwind: waiting for it\n", Line(fault)),
            Self::Status(told) => {
                let mut status = told.clone();
                status.pass(age.as_secs());
                match mismatch::compare(&status, &local.file) {
                    Some(told) => format!("twind: {}\n{}", Line(told), page(&status)),
                    None => page(&status),
                }
            }
        }
    }
}

/// Has a thread listen to the daemon. One that is faster than what it tells can be shown waits.
fn listen(local: &LocalSettings, changes: usize) -> Result<Receiver<News>, AskFault> {
    let (to_us, news) = sync_channel(1);
    let of = local.clone();
    let run = move || while listen_once(&of, changes, &to_us).is_continue() {};
    let thread = thread::Builder::new().name("listen".to_owned()).spawn(run);
    thread.map_err(|reason| AskFault::Silent(local.socket.clone(), reason))?;
    Ok(news)
}

/// Hands on what the daemon tells until there is no more of it. Breaks when nobody wants it.
fn listen_once(local: &LocalSettings, changes: usize, to_us: &SyncSender<News>) -> ControlFlow<()> {
    let tell = |told: News| to_us.send(told).map_or(ControlFlow::Break(()), ControlFlow::Continue);
    let mut wanted = ControlFlow::Continue(());
    let told = follow(local, &Monitor { changes: Some(changes as u64) }, |answer| {
        wanted = tell(Ok(View::Status(Box::new(answer.status))));
        wanted
    });
    let told = match told {
        Ok(()) => {
            thread::sleep(STEP);
            return wanted;
        }
        Err(fault) if is_unknown(&fault) => {
            ask_status(local, Some(changes)).map(|(_, status)| Box::new(status))
        }
        Err(fault) => Err(fault),
    };
    tell(match told {
        Ok(status) => Ok(View::Status(status)),
        Err(fault @ (AskFault::NoDaemon(_) | AskFault::Busy | AskFault::Silent(..))) => {
            Ok(View::Waiting(fault))
        }
        Err(fault) => Err(fault),
    })?;
    thread::sleep(PERIOD);
    ControlFlow::Continue(())
}

/// An older daemon tells no changes: it is asked each second.
fn is_unknown(fault: &AskFault) -> bool {
    let AskFault::Refused(error) = fault else { return false };
    matches!(Refusal::of(error), Some(Refusal::MethodNotFound { .. }))
}

fn show(page: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        let size = tcgetwinsize(&out)?;
        out.write_all(drawn(page, usize::from(size.ws_row), usize::from(size.ws_col)).as_bytes())?;
    } else {
        writeln!(out, "{page}")?;
    }
    out.flush()
}

/// The page as a terminal of this size takes it in place of the one before. Lines that have no room are counted in the
/// last one. A terminal that does not know its size says 0.
fn drawn(page: &str, rows: usize, columns: usize) -> String {
    let room = |size: usize| if size == 0 { usize::MAX } else { size };
    let mut lines: Vec<&str> = page.lines().collect();
    // The last row is the cursor's.
    let (fits, all) = (room(rows) - 1, lines.len());
    let more;
    if all > fits {
        lines.truncate(fits.saturating_sub(1));
        more = format!("… {} more lines: twind status shows them", all - lines.len());
        lines.extend((fits > 0).then_some(more.as_str()));
    }
    let mut text = HOME.to_owned();
    for line in lines {
        text.extend(line.chars().take(room(columns)));
        text.push_str(CLEAR_LINE);
        text.push('\n');
    }
    text.push_str(CLEAR_BELOW);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_the_place_of_the_one_before_and_no_more_than_the_terminal_has() {
        let page = "hub      connected\nclimate  24.5 °C, in-range\noutput   fan: 50%\n";
        let told = "\x1b[Hhub      connected\x1b[K\n… 2 more lines: tw\x1b[K\n\x1b[J";
        assert_eq!(drawn(page, 3, 18), told);
        assert_eq!(drawn(page, 4, 16).matches('…').count(), 0, "it fits");
        assert_eq!(drawn(page, 2, 30), "\x1b[H… 3 more lines: twind status s\x1b[K\n\x1b[J");
        assert_eq!(drawn(page, 0, 0).matches('\n').count(), 3);
        assert_eq!(drawn(page, 1, 1), "\x1b[H\x1b[J");
    }
}
