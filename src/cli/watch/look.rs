//! What the terminal can show: colours or not, Unicode or ASCII alone.

use crate::cli::page::{Layout, Tone, in_ascii};
use ratatui_core::style::{Color, Modifier, Style};
use std::borrow::Cow;
use std::io;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: bool,
    pub(super) unicode: bool,
}

impl Look {
    /// As for `twind status`.
    pub(super) fn of_terminal() -> Self {
        let Layout { colour, unicode, .. } = Layout::of(&io::stdout());
        Self { colour, unicode }
    }

    /// The text in characters that the terminal has.
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        if self.unicode { Cow::Borrowed(text) } else { in_ascii(text) }
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        let style = Style::new();
        if !self.colour {
            return style;
        }
        match tone {
            Tone::Plain => style,
            Tone::Faint => style.add_modifier(Modifier::DIM),
            Tone::Good => style.fg(Color::Green),
            Tone::Degraded => style.fg(Color::Yellow),
            Tone::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// One of two symbols.
    pub(super) fn either<T>(self, unicode: T, ascii: T) -> T {
        if self.unicode { unicode } else { ascii }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_unicode_there_is_ascii_alone() {
        let ascii = Look { colour: false, unicode: false };
        assert_eq!(ascii.text("→ 24 °C in Köln"), "> 24 C in K?ln");
        let unicode = Look { unicode: true, ..ascii };
        assert_eq!(unicode.text("→ 24 °C in Köln"), "→ 24 °C in Köln");
        assert_eq!((unicode.either('█', '#'), ascii.either('█', '#')), ('█', '#'));
    }

    #[test]
    fn without_colours_nothing_has_a_style() {
        let look = Look { colour: false, unicode: true };
        let tones = [Tone::Plain, Tone::Faint, Tone::Good, Tone::Degraded, Tone::Bad];
        assert!(tones.into_iter().all(|tone| look.tone(tone) == Style::new()));
    }
}
