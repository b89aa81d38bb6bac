//! Reads a few fields of a JSON object and skips the rest, so that a body of a megabyte is not stored as a tree.

use core::fmt;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most characters of a text that are kept: more than any name that matters, and more than is shown.
const CHARS_MAX: usize = 1024;

/// The value of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Word {
    /// A text, cut if it is long.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// Nothing, or neither.
    #[default]
    None,
}

impl Word {
    /// The text; empty if it is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(_) | Self::None => "",
        }
    }

    /// The number or the text; empty if it is neither.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Text(code) | Self::Number(code) => code,
            Self::None => "",
        }
    }
}

/// Reads the fields of an object that `T` has. `None` if it is no object or cannot be read.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    // serde would read a structure from an array, too.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Word, E> {
        Ok(Word::Text(text.chars().take(CHARS_MAX).collect()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Word, E> {
        Ok(Word::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Word, E> {
        Ok(Word::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Word, E> {
        Ok(Word::Number(format!("{number:?}")))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Word, E> {
        Ok(Word::None)
    }

    fn visit_unit<E>(self) -> Result<Word, E> {
        Ok(Word::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Word, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Word::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Word, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Word::None)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Body {
        a: Word,
        b: Word,
    }

    fn body(text: &str) -> Option<Body> {
        read(text.as_bytes())
    }

    #[test]
    fn words_are_kept_and_nothing_else_is() {
        let (text, number) = (|text: &str| Word::Text(text.into()), |text: &str| Word::Number(text.into()));
        let other = r#""c":[[{}]],"d":{"a":9}"#;
        for (json, word) in [
            ("\"x\\n\"", text("x\n")),
            ("7", number("7")),
            ("-7", number("-7")),
            ("1.5", number("1.5")),
            ("true", Word::None),
            ("null", Word::None),
            ("[1,[2],{}]", Word::None),
            ("{\"a\":{\"b\":1}}", Word::None),
        ] {
            let told = body(&format!(" {{{other},\"a\":{json},\"b\":2}}")).unwrap();
            assert_eq!((told.a, told.b.code()), (word, "2"), "{json}");
        }
        assert_eq!(body("{}"), Some(Body::default()));
        for none in ["", "[1,2]", "null", "{\"a\":1", "{\"a\":1}x"] {
            assert_eq!(body(none), None, "{none}");
        }
    }

    #[test]
    fn a_long_word_is_cut() {
        let told = body(&format!("{{\"a\":\"{}\"}}", "\\u00e9".repeat(200_000))).unwrap();
        assert_eq!(told.a.text().chars().count(), CHARS_MAX);
    }
}
