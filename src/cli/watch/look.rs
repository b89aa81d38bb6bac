//! What the terminal can show: colours or not, Unicode or ASCII alone.

use crate::cli::page::{Layout, Tone};
use ratatui_core::style::{Color, Modifier, Style};
use std::borrow::Cow;
use std::env;
use std::io;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: bool,
    pub(super) unicode: bool,
}

impl Look {
    /// Colours as for `twind status`; Unicode if the locale is one of UTF-8, as a serial console's is not.
    pub(super) fn of_terminal() -> Self {
        let named = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(named);
        Self { colour: Layout::of(&io::stdout()).colour, unicode: locale.is_some_and(|one| is_utf8(&one)) }
    }

    /// The text in characters that the terminal has.
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        if self.unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let shown = |c| match c {
            '°' => None,
            '→' => Some('>'),
            c if char::is_ascii(&c) => Some(c),
            _ => Some('?'),
        };
        Cow::Owned(text.chars().filter_map(shown).collect())
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

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
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
    fn a_locale_says_whether_there_is_unicode() {
        for (locale, is) in [("en_GB.UTF-8", true), ("C.utf8", true), ("C", false), ("de_DE@euro", false)] {
            assert_eq!(is_utf8(locale), is, "{locale}");
        }
    }

    #[test]
    fn without_colours_nothing_has_a_style() {
        let look = Look { colour: false, unicode: true };
        let tones = [Tone::Plain, Tone::Faint, Tone::Good, Tone::Degraded, Tone::Bad];
        assert!(tones.into_iter().all(|tone| look.tone(tone) == Style::new()));
    }
}
