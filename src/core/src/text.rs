//! Foreign text, as it may be printed: what comes from the hub, a sensor, a file's name or another program can neither
//! control a terminal nor change the writing direction, be invisible, or begin a line of its own.
//!
//! Such characters are escaped as Rust escapes them (`\n`, `\u{1b}`). What is printed for people passes through [`escape`]
//! or [`Line`], JSON through [`escape_json`], which does not change its value. Nothing is escaped where it is stored or sent.
//! Messages write spans of time as [`Span`] does.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write as _};
use core::time::Duration;

/// Is this character invisible or does it control the display: a control character (C0, DEL, C1), a change of direction, a
/// line or paragraph separator, a mark without a width, or a tag?
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes a line, or a part of one.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_but(text, |_| false)
}

/// Escapes foreign text within lines of our own; line breaks stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_but(text, |c| c == '\n')
}

fn escape_but(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|c| is_unseen(c) && !stays(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unseen(c) && !stays(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Escapes JSON text without changing its value. Outside strings, JSON contains no such character except line breaks.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|c| is_unseen(c) && c != '\n') {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unseen(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Displays a value as one line or a part of one, escaped.
#[derive(Clone, Copy, Debug)]
pub struct Line<T>(pub T);

impl<T: fmt::Display> fmt::Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);
        impl fmt::Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write_str(&escape(text))
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

/// Displays a span of time, given in seconds, in its two largest units: `4 min 52 s`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub u64);

impl From<Duration> for Span {
    /// Rounds up to whole seconds.
    fn from(time: Duration) -> Self {
        Self(time.as_secs() + u64::from(time.subsec_nanos() > 0))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut shown = 0;
        for (unit, length) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
            if rest >= length && shown < 2 {
                let space = if shown == 0 { "" } else { " " };
                write!(f, "{space}{} {unit}", rest / length)?;
                rest %= length;
                shown += 1;
            }
        }
        if shown == 0 { f.write_str("0 s") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_span_of_time_is_shown_in_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (292, "4 min 52 s"),
            (3_605, "1 h 5 s"),
            (3_725, "1 h 2 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(Span(seconds).to_string(), shown);
        }
        assert_eq!(Span::from(Duration::from_millis(1001)).to_string(), "2 s");
    }

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        for (text, shown) in [
            ("fan\nERROR all is lost", "fan\\nERROR all is lost"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}2Jgone", "\\u{9b}2Jgone"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}"),
            ("a\u{2028}b\u{2029}c\r\t\u{7f}\0", "a\\u{2028}b\\u{2029}c\\r\\t\\u{7f}\\u{0}"),
        ] {
            assert_eq!(escape(text), shown);
            assert_eq!(Line(text).to_string(), shown);
        }
        assert_eq!(escape_lines("a\nb\r\n"), "a\nb\\r\n");
    }

    #[test]
    fn visible_text_is_not_changed() {
        for text in ["", "24 °C, Schaltschrank 7 “süd”", "温度", "حرارة", "👩\u{200d}🔧", "C:\\n"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(shown) if shown == text));
        }
    }

    proptest! {
        #[test]
        fn no_invisible_character_is_left_in_any_text(text in any::<String>(), unseen in "[\u{0}-\u{9f}\u{200b}-\u{206f}]{0,8}") {
            let text = text + &unseen;
            prop_assert!(!escape(&text).contains(is_unseen));
            prop_assert!(!Line(&text).to_string().contains(is_unseen));
            prop_assert!(!escape_lines(&text).contains(|c| is_unseen(c) && c != '\n'));
            let json = serde_json::to_string_pretty(&serde_json::json!({ &text: [&text] })).unwrap();
            let shown = escape_json(&json);
            prop_assert!(!shown.contains(|c| is_unseen(c) && c != '\n'));
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(read, serde_json::json!({ &text: [&text] }));
        }
    }
}
