//! The terminal: its alternate screen, so that what the user had on it and above it stays; its size; the cells that changed.

use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use std::io::{self, Write as _, stdin, stdout};

/// A terminal that does not know its size says 0×0, as on a serial line.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// The alternate screen, empty and without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[0m\x1b[H\x1b[2J";
/// The cursor at the bottom, for a terminal that has no alternate screen; then the screen as it was.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[999;1H\r\n\x1b[?1049l";

/// The alternate screen, and what stands on it.
pub(super) struct Terminal {
    /// How it was before, if its keys were silenced.
    before: Option<Termios>,
    shown: Buffer,
}

impl Terminal {
    /// Shows the alternate screen. Keys are not shown while it is there.
    pub(super) fn enter() -> io::Result<Self> {
        let before = silence();
        send(ENTER)?;
        Ok(Self { before, shown: Buffer::empty(Rect::ZERO) })
    }

    /// Shows a picture; only what changed is sent.
    pub(super) fn show(&mut self, next: Buffer) -> io::Result<()> {
        let mut sent = String::new();
        if next.area != self.shown.area {
            sent += "\x1b[0m\x1b[2J";
            self.shown = Buffer::empty(next.area);
        }
        sent += &changes(&self.shown.diff(&next));
        self.shown = next;
        if sent.is_empty() { Ok(()) } else { send(&sent) }
    }

    /// Leaves the terminal as it was. One that is gone needs no leaving.
    pub(super) fn leave(self) {
        let _ = send(LEAVE);
        if let Some(before) = self.before {
            // What was typed meanwhile was not meant for the shell.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, &before);
        }
    }
}

/// Has the terminal not show what is typed, if it is ours: in the background it belongs to another process.
fn silence() -> Option<Termios> {
    let before = tcgetattr(stdin()).ok()?;
    if tcgetpgrp(stdin()).is_ok_and(|group| group != getpgrp()) {
        return None;
    }
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    // A shell would write over the screen.
    silent.special_codes[SpecialCodeIndex::VSUSP] = 0;
    tcsetattr(stdin(), OptionalActions::Now, &silent).ok()?;
    Some(before)
}

/// As large as the terminal now is.
pub(super) fn area() -> Rect {
    let told = tcgetwinsize(stdout()).ok();
    let or = |told: Option<u16>, default| told.filter(|told| *told > 0).unwrap_or(default);
    Rect::new(0, 0, or(told.map(|size| size.ws_col), COLUMNS), or(told.map(|size| size.ws_row), ROWS))
}

fn send(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The sequences that write these cells.
fn changes(cells: &[(u16, u16, &Cell)]) -> String {
    let mut sent = String::new();
    let plain = Cell::EMPTY.style();
    let (mut after, mut style) = (None, plain);
    for (x, y, cell) in cells {
        if after != Some((*x, *y)) {
            sent += &format!("\x1b[{};{}H", y + 1, x + 1);
        }
        if cell.style() != style {
            style = cell.style();
            sent += &sequence(cell);
        }
        sent += cell.symbol();
        // A terminal may take a character as wider than we do.
        after = cell.symbol().is_ascii().then_some((x + 1, *y));
    }
    if style != plain {
        sent += "\x1b[0m";
    }
    sent
}

/// What sets the style of a cell anew.
fn sequence(cell: &Cell) -> String {
    let mut codes = String::from("\x1b[0");
    for (modifier, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2")] {
        if cell.modifier.contains(modifier) {
            codes += code;
        }
    }
    codes += match cell.fg {
        Color::Red => ";31",
        Color::Green => ";32",
        Color::Yellow => ";33",
        Color::Blue => ";34",
        Color::Cyan => ";36",
        _ => "",
    };
    codes + "m"
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui_core::style::Style;

    #[test]
    fn only_what_changed_is_sent_by_place_and_style() {
        let (before, mut now) = (Buffer::empty(Rect::new(0, 0, 6, 2)), Buffer::empty(Rect::new(0, 0, 6, 2)));
        assert_eq!(changes(&before.diff(&now)), "");
        now.set_string(0, 0, "ab", Style::new());
        now.set_string(2, 0, "●c", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        now.set_string(5, 1, "d", Style::new());
        let sent = changes(&before.diff(&now));
        assert_eq!(sent, "\x1b[1;1Hab\x1b[0;1;31m●\x1b[1;4Hc\x1b[2;6H\x1b[0md");
    }
}
