//! `twind watch`: the page of `twind status`, redrawn with each change and each second until `q` or Ctrl-C. It waits for a
//! daemon that is not there yet, or is being restarted.
//!
//! The daemon reports each change as it happens; between two changes only times pass, which are counted here. A page stays
//! while the daemon is asked again; if the answer takes longer than `SLOW`, a line above it says since when. Without a
//! terminal the pages follow each other.

use super::ask::{AskFault, ask_status, follow, read_status};
use super::keys::{Key, Keys};
use super::mismatch;
use super::page::Layout;
use super::status::{CHANGES_ON_PAGE, page};
use crate::config::LocalSettings;
use crate::service::DaemonStatus;
use crate::service::calls::{Monitor, Refusal};
use crate::text::Line;
use core::ops::ControlFlow;
use core::time::Duration;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// A page is drawn at least so often, and a daemon that is not there is asked again.
const PERIOD: Duration = Duration::from_secs(1);
/// A change is shown this soon.
const STEP: Duration = Duration::from_millis(100);
/// An answer takes milliseconds. After this it is said that one is waited for.
const SLOW: Duration = Duration::from_secs(1);
/// Moves the cursor to the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears the line right of the cursor.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears the screen below the cursor.
const CLEAR_BELOW: &str = "\x1b[J";

/// What the listening thread reports.
enum News {
    /// The daemon is being asked.
    Asking,
    Status(Box<DaemonStatus>),
    /// Why there is no status; there may be one later.
    Waiting(AskFault),
    /// Why there will never be one.
    Failed(AskFault),
}

/// What is drawn: the last page, and how long an answer has been waited for.
struct Screen<'l> {
    local: &'l LocalSettings,
    status: Option<(Box<DaemonStatus>, Instant)>,
    fault: Option<AskFault>,
    asking_since: Option<Instant>,
}

/// Shows pages until nobody can or wants to see them any more.
///
/// # Errors
/// Why there can be no further page.
pub fn watch(local: &LocalSettings, changes: Option<usize>) -> Result<(), AskFault> {
    let mut keys = Keys::read();
    // The first line of the page that is shown.
    let mut top = 0;
    let news = listen(local, changes.unwrap_or(CHANGES_ON_PAGE))?;
    let mut screen = Screen { local, status: None, fault: None, asking_since: None };
    let mut drawn: Option<Instant> = None;
    loop {
        for news in news.try_iter() {
            if screen.take(news)? {
                drawn = None;
            }
        }
        let is_due = drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD);
        if let Some(page) = is_due.then(|| screen.page()).flatten() {
            drawn = Some(Instant::now());
            if show(&page, &mut top).is_err() {
                return Ok(());
            }
        }
        match keys.next_within(STEP) {
            Some(Key::End) => return Ok(()),
            Some(key) => {
                top = scrolled(top, key);
                drawn = None;
            }
            None => {}
        }
    }
}

impl Screen<'_> {
    /// Takes what was reported. Is it to be drawn at once?
    fn take(&mut self, news: News) -> Result<bool, AskFault> {
        match news {
            News::Asking => {
                self.asking_since = Some(Instant::now());
                return Ok(false);
            }
            News::Status(status) => (self.status, self.fault) = (Some((status, Instant::now())), None),
            News::Waiting(fault) => (self.status, self.fault) = (None, Some(fault)),
            News::Failed(fault) => return Err(fault),
        }
        self.asking_since = None;
        Ok(true)
    }

    /// The page as it is now; `None` until there is something to say.
    fn page(&self) -> Option<String> {
        let mut text = String::new();
        if let Some(fault) = &self.fault {
            text = format!("twind: {}\ntwind: waiting for it\n", Line(fault));
        } else if let Some(waited) = self.asking_since.map(|since| since.elapsed()).filter(|w| *w >= SLOW) {
            let (socket, seconds) = (Line(self.local.socket.display()), waited.as_secs());
            text =
                format!("twind: the daemon at {socket} has not answered for {seconds} s; waiting for it\n");
        }
        let Some((status, since)) = &self.status else { return (!text.is_empty()).then_some(text) };
        let mut status = status.clone();
        status.pass(since.elapsed().as_secs());
        let theirs = status.configuration.as_deref().map(Path::new);
        if let Some(other) =
            theirs.and_then(|file| mismatch::report(file, status.pid.into(), &self.local.file))
        {
            text += &format!("twind: {}\n", Line(other));
        }
        // Lines are cut to fit, which colour would not survive.
        let layout = Layout { colour: false, ..Layout::of(&io::stdout()) };
        Some(text + &page(&status).text(layout))
    }
}

/// Starts a thread that listens to the daemon. It waits if it is faster than the screen.
fn listen(local: &LocalSettings, changes: usize) -> Result<Receiver<News>, AskFault> {
    let (sender, news) = sync_channel(1);
    let local_of_thread = local.clone();
    let run = move || while listen_once(&local_of_thread, changes, &sender).is_continue() {};
    let thread = thread::Builder::new().name("listen".to_owned()).spawn(run);
    thread.map_err(|reason| AskFault::Silent(local.socket.clone(), reason))?;
    Ok(news)
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

/// Scrolls. What is too far is corrected when the page is drawn.
fn scrolled(top: usize, key: Key) -> usize {
    let page = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row)).saturating_sub(2).max(1);
    match key {
        Key::Up => top.saturating_sub(1),
        Key::Down => top.saturating_add(1),
        Key::PageUp => top.saturating_sub(page),
        Key::PageDown => top.saturating_add(page),
        Key::End => top,
    }
}

fn show(page: &str, top: &mut usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        let size = tcgetwinsize(&out)?;
        out.write_all(drawn(page, top, usize::from(size.ws_row), usize::from(size.ws_col)).as_bytes())?;
    } else {
        writeln!(out, "{page}")?;
    }
    out.flush()
}

/// What to send to a terminal of this size so that the page, from its line `top` on, replaces the one before. The last line counts
/// those that have no room. A terminal that does not know its size says 0.
fn drawn(page: &str, top: &mut usize, rows: usize, columns: usize) -> String {
    let room = |size: usize| if size == 0 { usize::MAX } else { size };
    let mut lines: Vec<&str> = page.lines().collect();
    // The last row is the cursor's.
    let (fits, all) = (room(rows) - 1, lines.len());
    let more;
    if all > fits {
        let shown = fits.saturating_sub(1);
        *top = (*top).min(all - shown);
        lines.drain(..*top);
        lines.truncate(shown);
        let below = all - *top - lines.len();
        more = match (*top, below) {
            (0, below) => format!("… {below} more lines: arrows scroll, twind status shows them all"),
            (above, 0) => format!("… {above} more lines above"),
            (above, below) => format!("… {above} more lines above, {below} below"),
        };
        lines.extend((fits > 0).then_some(more.as_str()));
    } else {
        *top = 0;
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
        let told = "\x1b[Hhub      connected\x1b[K\n… 2 more lines: ar\x1b[K\n\x1b[J";
        let drawn = |rows, columns| drawn(page, &mut 0, rows, columns);
        assert_eq!(drawn(3, 18), told);
        assert_eq!(drawn(4, 16).matches('…').count(), 0, "it fits");
        assert_eq!(drawn(2, 30), "\x1b[H… 3 more lines: arrows scroll,\x1b[K\n\x1b[J");
        assert_eq!(drawn(0, 0).matches('\n').count(), 3);
        assert_eq!(drawn(1, 1), "\x1b[H\x1b[J");
    }

    #[test]
    fn a_page_is_scrolled_to_its_end_and_no_further() {
        let page = "1\n2\n3\n4\n5\n";
        let shown = |top: &mut usize| {
            let text =
                drawn(page, top, 4, 80).replace(CLEAR_LINE, "").replace(CLEAR_BELOW, "").replace(HOME, "");
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let mut top = 1;
        assert_eq!(shown(&mut top), ["2", "3", "… 1 more lines above, 2 below"]);
        top = usize::MAX;
        assert_eq!(shown(&mut top), ["4", "5", "… 3 more lines above"]);
        assert_eq!(top, 3, "one step up is seen at once");
        assert_eq!(
            drawn(page, &mut top, 9, 80).lines().count(),
            6,
            "on a larger terminal all is shown again"
        );
        assert_eq!(top, 0);
    }
}
