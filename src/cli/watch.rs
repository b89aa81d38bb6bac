//! `twind watch`: the page of `twind status`, drawn anew each second until it is interrupted.
//!
//! Nothing of the terminal is changed that would have to be undone, so that any way to end it is a good one; what was drawn
//! last stays. Where there is no terminal the pages follow each other. Deliberately absent: keys and colours.

use super::ask::Fault;
use super::status::status;
use crate::config::LocalSettings;
use crate::text::Line;
use core::time::Duration;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};
use std::thread;

/// Between two pages. Sensors are read about so often.
const PERIOD: Duration = Duration::from_secs(1);
/// The cursor goes to the upper left corner.
const HOME: &str = "\x1b[H";
/// What is right of the cursor goes.
const CLEAR_LINE: &str = "\x1b[K";
/// What is below the cursor goes.
const CLEAR_BELOW: &str = "\x1b[J";

/// Shows pages until nobody can see them any more. A daemon that is being restarted is waited for.
///
/// # Errors
/// Why there is no first page; later, why there will be no other.
pub fn watch(local: &LocalSettings, changes: Option<usize>) -> Result<(), Fault> {
    let mut page = status(local, false, changes)?;
    while show(&page).is_ok() {
        thread::sleep(PERIOD);
        page = match status(local, false, changes) {
            Err(fault @ (Fault::NoDaemon(_) | Fault::Busy | Fault::Silent(..))) => {
                format!("twind: {}\n", Line(fault))
            }
            answer => answer?,
        };
    }
    Ok(())
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

/// The page as a terminal of this size takes it in place of the one before: what has no room is cut off. A terminal that does
/// not know its size says 0.
fn drawn(page: &str, rows: usize, columns: usize) -> String {
    let room = |size: usize| if size == 0 { usize::MAX } else { size };
    let mut text = HOME.to_owned();
    // The last row is the cursor's.
    for line in page.lines().take(room(rows) - 1) {
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
        assert_eq!(drawn(page, 3, 16), "\x1b[Hhub      connect\x1b[K\nclimate  24.5 °C\x1b[K\n\x1b[J");
        assert_eq!(drawn(page, 0, 0).matches('\n').count(), 3);
        assert_eq!(drawn(page, 1, 1), "\x1b[H\x1b[J");
    }
}
