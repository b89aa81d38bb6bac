//! The last step before a terminal: what a command prints passes through here. Lines stay lines, and control characters are
//! escaped (`text`).

use crate::text;
use std::io::{self, Write};

/// A writer of text for people.
#[derive(Debug)]
pub struct Printed<W>(pub W);

impl<W: Write> Write for Printed<W> {
    /// `write!` passes each piece whole, so no character is cut in two.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(bytes);
        self.0.write_all(text::escape_lines(&shown).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_does_not_speak_to_the_terminal() {
        let mut printed = Printed(Vec::new());
        let label = "\u{1b}]0;x\u{7}\u{9b}\u{202e}";
        writeln!(printed, "chip {label}: {}°", 7).unwrap();
        assert_eq!(printed.0, "chip \\u{1b}]0;x\\u{7}\\u{9b}\\u{202e}: 7°\n".as_bytes());
    }
}
