//! What the terminal can show: colours or not, Unicode or ASCII alone, or neither a screen.

use ratatui_core::buffer::Buffer;
use ratatui_core::style::{Color, Modifier, Style};
use std::io::{IsTerminal as _, stdout};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Are there colours?
    pub(crate) colour: bool,
    /// Is there more than ASCII?
    pub(crate) unicode: bool,
}

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Faint,
    Strong,
    Cold,
    Good,
    Warning,
    Bad,
}

impl Look {
    /// What standard output can show; `None` if nothing can be drawn on it. No colour with `NO_COLOR` (<https://no-color.org>).
    pub(crate) fn of_terminal() -> Option<Self> {
        let named = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        if !stdout().is_terminal() || named("TERM").is_none_or(|term| term == "dumb") {
            return None;
        }
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(named).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        Some(Self { colour: named("NO_COLOR").is_none(), unicode })
    }

    pub(super) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        if !self.colour {
            return style;
        }
        match tone {
            Tone::Plain => style,
            Tone::Faint => style.add_modifier(Modifier::DIM),
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Cold => style.fg(Color::Cyan),
            Tone::Good => style.fg(Color::Green),
            Tone::Warning => style.fg(Color::Yellow),
            Tone::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

/// Puts something of ASCII in place of each character that is none.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let ascii = match cell.symbol() {
            symbol if symbol.is_ascii() => continue,
            "─" | "━" | "░" | "–" => "-",
            "│" | "┃" => "|",
            "╱" => "/",
            "╲" => "\\",
            "┌" | "┐" | "└" | "┘" | "├" | "┤" | "✓" => "+",
            "█" => "#",
            "▒" => ":",
            "●" => "o",
            "≈" => "~",
            "→" => ">",
            "·" | "…" => ".",
            "✗" => "X",
            "°" => "'",
            _ => "?",
        };
        cell.set_symbol(ascii);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui_core::layout::Rect;

    #[test]
    fn without_unicode_there_is_ascii_alone() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 14, 1));
        buffer.set_string(0, 0, "┌─┐ 24 °C ✓ ü", Style::new());
        to_ascii(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text, "+-+ 24 'C + ? ");
    }

    #[test]
    fn without_colours_nothing_has_a_style() {
        let look = Look { colour: false, unicode: true };
        for tone in [Tone::Faint, Tone::Strong, Tone::Cold, Tone::Good, Tone::Warning, Tone::Bad] {
            assert_eq!(look.style(tone), Style::new());
        }
    }
}
