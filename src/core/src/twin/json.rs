//! Lossless JSON: every number, string and nesting that another writer wrote is written as it was read.
//!
//! `serde_json`'s tree cannot hold a number beyond 64 bits or a double, a lone surrogate, or anything nested deeper than its
//! parser recurses; and a long array of small values takes thirty times the memory of its text. Such parts are held as *raw
//! text*: a string that begins with `ESCAPE` and `r`, followed by the JSON as it was read, without its white space. A
//! foreign string that itself begins with `ESCAPE` gets `ESCAPE s` before it, so no document can forge raw text. To the
//! tree both are strings, so they compare, merge and are removed like any value. [`read`] makes them, [`write()`] undoes
//! them.
//!
//! What becomes raw text depends on the section alone, not on what surrounds it, so that a section read from a record
//! equals the one read from the hub.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Begins every string that stands for something else. JSON can write it in one way only, `\u0000`.
const ESCAPE: char = '\0';
/// The escape as JSON writes it.
const ESCAPE_JSON: &[u8] = b"\\u0000";
/// The depth of containers below a section; what is deeper is raw text. `serde_json` reads 128, of which messages and
/// records need a few above the section.
const DEPTH_MAX: usize = 64;
/// Values in an array, including nested ones; a longer array is raw text. An array is replaced as a whole, so nothing is
/// ever merged into it. The hub's limit of 4 KiB for a value allows 1024 booleans.
const ARRAY_VALUES_MAX: usize = 1024;
/// Values in a section; an object in it that would exceed this is raw text, and a section with more properties is refused.
/// The hub's 32 KiB hold 10,900 of the shortest keys with values of size 0.
const SECTION_VALUES_MAX: usize = 12_000;
/// Values in a whole document: a record has three sections.
const DOCUMENT_VALUES_MAX: usize = 3 * SECTION_VALUES_MAX;

/// Why bytes cannot be read as an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// No JSON, or no object: the parser's message.
    Json(String),
    /// More values than the ceiling.
    TooMany,
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(reason) => f.write_str(reason),
            Self::TooMany => write!(f, "more than {SECTION_VALUES_MAX} properties in a section"),
        }
    }
}

impl core::error::Error for ReadFault {}

/// Reads an object, in which `above` objects enclose each section (0: it is a section itself).
///
/// # Errors
/// Why it cannot be read.
pub fn read(bytes: &[u8], above: usize) -> Result<Map<String, Value>, ReadFault> {
    let fault = |error: serde_json::Error| ReadFault::Json(error.to_string());
    let Some(lifted) = Lift::new(bytes, above + 1).run()? else {
        return serde_json::from_slice(bytes).map_err(fault);
    };
    // A damaged document could look whole once parts of it are strings. This check does not recurse.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(fault)?;
    serde_json::from_slice(&lifted).map_err(fault)
}

/// Writes a value as JSON, and raw text as the JSON that it stands for.
pub fn write(value: &impl Serialize) -> String {
    lower(serde_json::to_string(value).unwrap_or_default())
}

/// As [`write()`], with line breaks.
pub fn write_pretty(value: &impl Serialize) -> String {
    lower(serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Is it raw text?
pub fn is_raw(value: &Value) -> bool {
    raw(value).is_some()
}

/// Is it the raw text of an object? Nothing can be merged into that.
pub(super) fn is_raw_object(value: &Value) -> bool {
    raw(value).is_some_and(|text| text.starts_with('{'))
}

/// A number's value, also of one that is raw text, as the nearest double.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        raw_text => {
            raw(raw_text).filter(|text| begins_number(text.as_bytes())).and_then(|text| text.parse().ok())
        }
    };
    number.filter(|number| number.is_finite())
}

/// (De)serializes a tree within a format that does not describe itself: as its JSON, in which raw text stays a string.
pub(crate) mod as_text {
    use alloc::string::String;
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(tree: &impl Serialize, to: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(tree).map_err(S::Error::custom)?.serialize(to)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

fn raw(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(ESCAPE)?.strip_prefix('r')
}

fn begins_number(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'))
}

/// One pass over a document, which *lifts* what no tree holds: it becomes a string. Bytes are copied only then.
struct Lift<'a> {
    bytes: &'a [u8],
    /// The depth inside a section, the section included.
    section: usize,
    at: usize,
    /// Everything before this was copied.
    copied: usize,
    out: Vec<u8>,
    depth: usize,
    /// Values of the section so far.
    values: usize,
    /// Commas of the document so far, except in lifted parts: each value but the first of its container follows one.
    commas: usize,
    /// The end of the array around this place that stays a tree.
    array_end: usize,
}

impl<'a> Lift<'a> {
    fn new(bytes: &'a [u8], section: usize) -> Self {
        Self {
            bytes,
            section,
            at: 0,
            copied: 0,
            out: Vec::new(),
            depth: 0,
            values: 0,
            commas: 0,
            array_end: 0,
        }
    }

    /// The document with raw text in place of what no tree holds; `None` if there is no such part.
    fn run(mut self) -> Result<Option<Vec<u8>>, ReadFault> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => self.text(),
                b'-' | b'0'..=b'9' => self.number(),
                b'{' | b'[' => self.open(*byte),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' => {
                    self.values += usize::from(self.depth == self.section);
                    self.commas += 1;
                    self.at += 1;
                    if self.values > SECTION_VALUES_MAX || self.commas > DOCUMENT_VALUES_MAX {
                        return Err(ReadFault::TooMany);
                    }
                }
                _ => self.at += 1,
            }
        }
        if self.copied == 0 {
            return Ok(None);
        }
        self.copy_to(self.bytes.len());
        Ok(Some(self.out))
    }

    fn text(&mut self) {
        let end = text_end(self.bytes, self.at);
        let token = self.bytes.get(self.at..end).unwrap_or_default();
        if token.get(1..).is_some_and(|inner| inner.starts_with(ESCAPE_JSON)) {
            self.copy_to(self.at + 1);
            self.out.extend_from_slice(ESCAPE_JSON);
            self.out.push(b's');
            self.at = end;
        } else if has_lone_surrogate(token) {
            self.lift(end);
        } else {
            self.at = end;
        }
    }

    fn number(&mut self) {
        let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| is_of_number(byte)).count();
        let token = rest.get(..length).unwrap_or_default();
        if core::str::from_utf8(token).is_ok_and(holds) {
            self.at += length;
        } else {
            self.lift(self.at + length);
        }
    }

    fn open(&mut self, bracket: u8) {
        let is_property = self.depth == self.section;
        if self.depth + 1 == self.section {
            self.values = 0;
        }
        let counted = is_property || bracket == b'[' && self.at >= self.array_end;
        let (end, values) = if counted { extent(self.bytes, self.at) } else { (0, 0) };
        // What surrounds the sections was written by twind itself.
        let is_long_array = bracket == b'[' && self.depth >= self.section && values > ARRAY_VALUES_MAX;
        let is_beyond = is_property && self.values + values > SECTION_VALUES_MAX;
        if self.depth >= self.section + DEPTH_MAX {
            return self.lift(extent(self.bytes, self.at).0);
        }
        if is_long_array || is_beyond {
            return self.lift(end);
        }
        if is_property {
            self.values += values;
        }
        if counted && bracket == b'[' {
            self.array_end = end;
        }
        self.depth += 1;
        self.at += 1;
    }

    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.bytes.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }

    /// Turns the text from here to `end` into a string.
    fn lift(&mut self, end: usize) {
        self.copy_to(self.at);
        self.out.push(b'"');
        self.out.extend_from_slice(ESCAPE_JSON);
        self.out.push(b'r');
        while self.at < end {
            let byte = self.bytes.get(self.at).copied().unwrap_or_default();
            let next = if byte == b'"' { text_end(self.bytes, self.at) } else { self.at + 1 };
            // White space outside strings means nothing, and would make equal values differ.
            if !byte.is_ascii_whitespace() {
                for byte in self.bytes.get(self.at..next).unwrap_or_default() {
                    if matches!(byte, b'"' | b'\\') {
                        self.out.push(b'\\');
                    }
                    self.out.push(*byte);
                }
            }
            self.at = next;
        }
        self.out.push(b'"');
        self.copied = self.at;
    }
}

/// The end of the string that begins here.
fn text_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of the container that begins here, and an upper bound of the values in it.
fn extent(bytes: &[u8], begin: usize) -> (usize, usize) {
    let (mut at, mut depth, mut values) = (begin, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = text_end(bytes, at);
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                values += 1;
            }
            b',' => values += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return (at + 1, values);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (bytes.len(), values)
}

/// Is there half of a surrogate pair, which JSON can write and UTF-8 cannot?
fn has_lone_surrogate(token: &[u8]) -> bool {
    let unit = |at: usize| {
        let digits = token.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while let Some(byte) = token.get(at) {
        if *byte != b'\\' {
            at += 1;
            continue;
        }
        match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => return true,
            (Some(_), _) => at += 6,
            (None, _) => at += 2,
        }
    }
    false
}

/// Does the tree hold this number exactly, apart from insignificant zeros?
fn holds(token: &str) -> bool {
    if token.len() <= 15 && !token.contains(['e', 'E']) {
        return true;
    }
    if token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let near = token.parse::<f64>().ok().filter(|number| number.is_finite());
    // By the tree's own writer: of two decimals that are equally near, another writer may choose the other.
    let written = near.and_then(|near| decimal(&serde_json::to_string(&near).ok()?));
    written.is_some() && decimal(token) == written
}

/// A number's sign, its digits without zeros at either end, and the exponent of the last digit.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - trimmed.len()).ok()?;
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() {
        return Some((negative, String::new(), 0));
    }
    let exponent: i64 = exponent.parse().ok()?;
    let exponent = exponent.checked_add(zeros)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some((negative, trimmed.to_owned(), exponent))
}

/// Replaces raw text in a written document by what it stands for.
fn lower(text: String) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        if *byte != b'"' {
            at += 1;
            continue;
        }
        let end = text_end(bytes, at);
        if let Some(token) = text.get(at..end).filter(|token| token.as_bytes().get(1..7) == Some(ESCAPE_JSON))
            && let Some(meant) = lowered(token)
        {
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str(&meant);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return text;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

/// What a string with the escape stands for; `None` if it is none of [`read`]'s.
fn lowered(token: &str) -> Option<String> {
    let rest = token.get(7..)?;
    if let Some(own) = rest.strip_prefix('s') {
        return Some(format!("\"{own}"));
    }
    let text: String = serde_json::from_str(token).ok()?;
    let raw = text.strip_prefix(ESCAPE)?.strip_prefix('r')?;
    // Whatever it holds, only valid JSON may be written.
    serde_json::from_str::<IgnoredAny>(raw).ok()?;
    Some(raw.to_owned())
}

/// A number as JSON; a whole one without a fraction.
pub(crate) fn tidy(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e9 { Value::from(number as i64) } else { Value::from(number) }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
