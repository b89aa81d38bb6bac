//! `twind watch`: the page of `twind status`, drawn anew each second until `q` or Ctrl-C. A daemon that is not there yet,
//! or is being restarted, is waited for.
//!
//! What was drawn last stays. Where there is no terminal the pages follow each other. Deliberately absent: colours, and
//! other keys.

use super::ask::Fault;
use super::keys::Keys;
use super::status::{Told, status};
use crate::config::LocalSettings;
use crate::text::Line;
use core::time::Duration;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};

/// Between two pages. Sensors are read about so often.
const PERIOD: Duration = Duration::from_secs(1);
/// The cursor goes to the upper left corner.
const HOME: &str = "\x1b[H";
/// What is right of the cursor goes.
const CLEAR_LINE: &str = "\x1b[K";
/// What is below the cursor goes.
const CLEAR_BELOW: &str = "\x1b[J";

/// Shows pages until nobody can or wants to see them any more.
///
/// # Errors
/// Why there will be no other page, by whatever time.
pub fn watch(local: &LocalSettings, changes: Option<usize>) -> Result<(), Fault> {
    let keys = Keys::read();
    loop {
        let page = match status(local, false, changes) {
            Err(fault @ (Fault::NoDaemon(_) | Fault::Busy | Fault::Silent(..))) => {
                format!("twind: {}\ntwind: waiting for it\n", Line(fault))
            }
            answer => {
                let Told { text, stranger, .. } = answer?;
                match stranger {
                    Some(told) => format!("twind: {}\n{text}", Line(told)),
                    None => text,
                }
            }
        };
        if show(&page).is_err() || keys.asked_to_end_within(PERIOD) {
            return Ok(());
        }
    }
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
