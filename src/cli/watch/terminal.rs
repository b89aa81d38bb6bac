//! The terminal, as ratatui draws on it: ANSI's sequences, which any terminal of the last forty years understands. Each frame
//! is sent in one piece.
//!
//! It draws on the alternate screen and leaves the terminal as it was, also after a panic.

use crate::cli::keys;
use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};
use rustix::termios::tcgetwinsize;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// A terminal that does not know its size says 0×0, as on a serial line.
const SIZE: Size = Size { width: 80, height: 24 };
/// The alternate screen, empty and without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[0m\x1b[H\x1b[2J";
/// The cursor at the bottom, for a terminal that has no alternate screen; then the screen as it was.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[999;1H\r\n\x1b[?1049l";

/// Is the alternate screen shown?
static ENTERED: AtomicBool = AtomicBool::new(false);

/// While it lives the alternate screen is shown.
pub(super) struct Screen;

impl Screen {
    /// Shows the alternate screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn enter() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        ENTERED.store(true, Ordering::Relaxed);
        send(ENTER.as_bytes())?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Leaves the terminal as it was. One that is gone needs no leaving.
fn leave() {
    if ENTERED.swap(false, Ordering::Relaxed) {
        let _ = send(LEAVE.as_bytes());
        keys::restore();
    }
}

fn send(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// How large the terminal is.
pub(super) fn size() -> Size {
    let told = tcgetwinsize(io::stdout()).ok();
    let or = |told: Option<u16>, default| told.filter(|told| *told > 0).unwrap_or(default);
    Size {
        width: or(told.map(|size| size.ws_col), SIZE.width),
        height: or(told.map(|size| size.ws_row), SIZE.height),
    }
}

/// What ratatui draws on.
#[derive(Debug, Default)]
pub(super) struct Ansi {
    /// What is sent with the next flush.
    frame: Vec<u8>,
    cursor: Position,
    cursor_is_shown: bool,
}

impl Ansi {
    fn push(&mut self, sequence: &str) {
        self.frame.extend(sequence.as_bytes());
    }
}

impl Backend for Ansi {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, cells: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut after = None;
        let mut style = String::new();
        for (x, y, cell) in cells {
            if after != Some((x, y)) {
                self.push(&format!("\x1b[{};{}H", y + 1, x + 1));
            }
            let wanted = sequence(cell);
            if wanted != style {
                self.push("\x1b[0m");
                self.push(&wanted);
                style = wanted;
            }
            self.push(cell.symbol());
            // A terminal may take a character as wider than we do.
            after = cell.symbol().is_ascii().then_some((x + 1, y));
        }
        if !style.is_empty() {
            self.push("\x1b[0m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if core::mem::replace(&mut self.cursor_is_shown, false) {
            self.push("\x1b[?25l");
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !core::mem::replace(&mut self.cursor_is_shown, true) {
            self.push("\x1b[?25h");
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        if !self.frame.is_empty() || position != self.cursor {
            self.push(&format!("\x1b[{};{}H", position.y + 1, position.x + 1));
        }
        self.cursor = position;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.push(match region {
            ClearType::All => "\x1b[2J",
            ClearType::AfterCursor => "\x1b[J",
            ClearType::BeforeCursor => "\x1b[1J",
            ClearType::CurrentLine => "\x1b[2K",
            ClearType::UntilNewLine => "\x1b[K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(size())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: size(), pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        send(&core::mem::take(&mut self.frame))
    }
}

/// What sets the style of a cell; nothing for a plain one.
fn sequence(cell: &Cell) -> String {
    let modifiers =
        [(Modifier::BOLD, "\x1b[1m"), (Modifier::DIM, "\x1b[2m"), (Modifier::REVERSED, "\x1b[7m")];
    let set = modifiers.into_iter().filter(|(modifier, _)| cell.modifier.contains(*modifier));
    let colour = match cell.fg {
        Color::Red => "\x1b[31m",
        Color::Green => "\x1b[32m",
        Color::Yellow => "\x1b[33m",
        Color::Cyan => "\x1b[36m",
        _ => "",
    };
    set.map(|(_, sequence)| sequence).chain([colour]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui_core::style::Style;

    fn drawn(cells: &[(u16, u16, Cell)]) -> String {
        let mut ansi = Ansi::default();
        ansi.draw(cells.iter().map(|(x, y, cell)| (*x, *y, cell))).unwrap();
        String::from_utf8(ansi.frame).unwrap()
    }

    #[test]
    fn cells_are_sent_by_place_and_style_and_neighbours_without_either() {
        let cell = |symbol: &'static str, style: Style| {
            let mut cell = Cell::new(symbol);
            cell.set_style(style);
            cell
        };
        let plain = Style::new();
        let bad = plain.fg(Color::Red).add_modifier(Modifier::BOLD);
        let cells = [
            (0, 0, cell("a", plain)),
            (1, 0, cell("b", bad)),
            (2, 0, cell("°", bad)),
            (3, 0, cell("c", plain)),
            (0, 2, cell("d", plain)),
        ];
        assert_eq!(drawn(&cells), "\x1b[1;1Ha\x1b[0m\x1b[1m\x1b[31mb°\x1b[1;4H\x1b[0mc\x1b[3;1Hd");
        assert_eq!(drawn(&[]), "", "nothing changed");
    }

    #[test]
    fn a_cursor_that_stays_as_it_is_is_not_sent_again() {
        let mut ansi = Ansi::default();
        ansi.hide_cursor().unwrap();
        assert!(ansi.frame.is_empty());
        ansi.show_cursor().unwrap();
        ansi.set_cursor_position((4, 2)).unwrap();
        assert_eq!(ansi.frame, b"\x1b[?25h\x1b[3;5H");
        ansi.frame.clear();
        ansi.show_cursor().unwrap();
        ansi.set_cursor_position((4, 2)).unwrap();
        assert!(ansi.frame.is_empty());
    }
}
