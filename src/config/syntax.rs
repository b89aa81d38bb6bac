//! What is told of a text that is no TOML: what the person did, rather than where the parser gave up.
//!
//! One slip makes a parser stumble several times; it is told once for each line. Deliberately absent: the tables,
//! which the parser recovers as well as it can.

use super::faults::Span;
use toml::de::Error;

/// How the parser begins to say that a key or table is there already.
const DUPLICATE: &str = "duplicate key";

/// Characters that look like those of the syntax and are not, what they are, and what to write.
const LOOKALIKES: [(&str, &str, &str); 6] = [
    ("“”„‟«»″＂", "a typographic quotation mark", "write straight ones (\")"),
    ("‘’‚‛‹›′", "a typographic quotation mark", "write straight ones (\")"),
    ("\u{a0}\u{2007}\u{202f}\u{3000}", "a space that is no space to TOML", "write a plain one"),
    ("\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}", "a character that cannot be seen", "remove it"),
    ("–—−‐‑", "a dash", "write a minus (-)"),
    ("＝：", "a wide character", "write = from the keyboard"),
];

/// One message about the syntax, and where.
pub(super) struct Slip {
    pub(super) at: Span,
    pub(super) message: String,
    /// What stands below it was not read as it was meant, and nothing is to be told of it.
    pub(super) hides_rest: bool,
}

/// What to tell of the parser's errors.
pub(super) fn slips(text: &str, errors: &[Error]) -> Vec<Slip> {
    if errors.is_empty() {
        return Vec::new();
    }
    if let Some(at) = lone_return(text) {
        let message =
            "not valid TOML: lines must end with a line feed, and here one ends with a carriage return \
                       alone: rewrite the file with `tr '\\r' '\\n'`"
                .to_owned();
        return vec![Slip { at: Span { start: at, end: at + 1 }, message, hides_rest: true }];
    }
    let mut slips: Vec<(Line<'_>, Slip)> = Vec::new();
    let mut errors: Vec<(Span, &str)> =
        errors.iter().map(|e| (e.span().map_or(Span::FILE, Span::from), e.message())).collect();
    errors.sort_by_key(|(at, _)| *at);
    for (at, said) in errors {
        let line = Line::of(text, at);
        // What follows on the same line is the parser looking for its way back.
        if slips.last().is_some_and(|(before, _)| before.start == line.start) {
            continue;
        }
        // Below a table that stands twice each of its keys may.
        let is_in_second = |(before, slip): &(Line<'_>, Slip)| {
            before.header().is_some()
                && slip.message.contains(DUPLICATE)
                && !text[before.start + before.text.len()..line.start].contains("\n[")
        };
        if said.starts_with(DUPLICATE) && line.header().is_none() && slips.last().is_some_and(is_in_second) {
            continue;
        }
        let slip = slip(text, &line, at, said);
        let ends = slip.hides_rest;
        slips.push((line, slip));
        if ends {
            break;
        }
    }
    slips.into_iter().map(|(_, slip)| slip).collect()
}

fn slip(text: &str, line: &Line<'_>, at: Span, said: &str) -> Slip {
    let told =
        |at: Span, what: &str| Slip { at, message: format!("not valid TOML: {what}"), hides_rest: false };
    if said.starts_with(DUPLICATE) {
        return told(at, &duplicate(text, line, at));
    }
    if let Some((found, what, instead)) = line.lookalike() {
        let start = line.start + found;
        let c = line.text[found..].chars().next().unwrap_or('?');
        let shown = if c.is_whitespace() || "\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}".contains(c) {
            format!("U+{:04X}", u32::from(c))
        } else {
            format!("{c} (U+{:04X})", u32::from(c))
        };
        return told(Span { start, end: start + c.len_utf8() }, &format!("{shown} is {what}: {instead}"));
    }
    if let Some((found, length, number)) = line.decimal_comma() {
        let start = line.start + found;
        let what = format!("a number has a decimal point, not a comma: write {number}");
        return told(Span { start, end: start + length }, &what);
    }
    if ["missing ", "unclosed "].iter().any(|begin| said.starts_with(begin))
        && let Some((start, bracket)) = open_bracket(text, line)
    {
        let what = format!("the {bracket} that opens here is not closed");
        return Slip { hides_rest: true, ..told(Span { start, end: start + 1 }, &what) };
    }
    let value = line.text.split_once('=').map(|(_, value)| value.split('#').next().unwrap_or(value).trim());
    match said {
        _ if value == Some("") => told(at, "a value is missing after the ="),
        _ if said.starts_with("string values must be quoted") || said.starts_with("invalid boolean") => {
            told(at, "a text must stand in quotes (\"…\"); numbers, true and false stand without")
        }
        _ if said.starts_with("invalid basic string") || said.starts_with("invalid literal string") => {
            told(at, &format!("a text in quotes is not closed, or holds what must not stand in one ({said})"))
        }
        _ if said.starts_with("invalid unquoted key") && text[at.start..].starts_with(':') => {
            told(at, "a key and its value are joined by =, not by a colon")
        }
        _ if said.starts_with("key with no value") => told(
            at,
            "a key without a value: write key = value, a table's name in brackets, a remark behind #",
        ),
        _ => told(at, said),
    }
}

/// The bracket of a value that is still open where this line begins: the last such above it, or in it.
fn open_bracket(text: &str, line: &Line<'_>) -> Option<(usize, char)> {
    let mut start = line.start;
    loop {
        let line = Line::of(text, Span { start, end: start });
        if let Some((found, bracket)) = line.open_bracket() {
            return Some((line.start + found, bracket));
        }
        start = line.start.checked_sub(1)?;
    }
}

/// Where a carriage return stands without its line feed.
fn lone_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

/// The second of two, with the place of the first.
fn duplicate(text: &str, line: &Line<'_>, at: Span) -> String {
    let (path, is_header) = line.path(text);
    let Some(key) = text.get(at.start..at.end) else {
        return "this key stands here for the second time: remove one".to_owned();
    };
    let first = first_of(text, &path, line.start);
    let number = |start: usize| text[..start].matches('\n').count() + 1;
    let (what, mend) = if is_header {
        (format!("the table [{path}] stands here for the second time"), "join them")
    } else {
        (format!("`{key}` stands here for the second time"), "remove one")
    };
    match first {
        Some(start) => format!("duplicate key: {what}, the first is in line {}: {mend}", number(start)),
        None if line.text[..at.start.saturating_sub(line.start)].contains(key) => {
            format!("duplicate key: {what} in this line: {mend}")
        }
        None => format!("duplicate key: {what}: {mend}"),
    }
}

/// Where a path, or what it lies in, or what lies in it, first stands above a place.
fn first_of(text: &str, path: &str, before: usize) -> Option<usize> {
    let lies_in =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let mut near = None;
    let mut start = 0;
    while start < before {
        let line = Line::of(text, Span { start, end: start });
        let (other, is_header) = line.path(text);
        if other == path {
            return Some(line.start);
        }
        if !other.is_empty() && (lies_in(&other, path) || (!is_header && lies_in(path, &other))) {
            near = near.or(Some(line.start));
        }
        start = line.start + line.text.len() + 1;
    }
    near
}

/// One line of the file.
struct Line<'t> {
    start: usize,
    text: &'t str,
}

impl<'t> Line<'t> {
    fn of(text: &'t str, at: Span) -> Self {
        let mut upto = at.start.min(text.len());
        while !text.is_char_boundary(upto) {
            upto -= 1;
        }
        let start = text[..upto].rfind('\n').map_or(0, |newline| newline + 1);
        let length = text[start..].find('\n').unwrap_or(text.len() - start);
        Self { start, text: &text[start..start + length] }
    }

    /// The table that its header names, if it is one.
    fn header(&self) -> Option<String> {
        let name = self.text.trim_start().strip_prefix('[')?;
        let name = name.strip_prefix('[').unwrap_or(name).split(']').next()?;
        Some(keys(name))
    }

    /// The path of what the line sets, and whether it is a header.
    fn path(&self, text: &'t str) -> (String, bool) {
        if let Some(header) = self.header() {
            return (header, true);
        }
        let key = match self.text.split_once('=') {
            Some((key, _)) if !key.trim_start().starts_with('#') => keys(key),
            _ => return (String::new(), false),
        };
        let mut end = self.start;
        let mut table = None;
        while end > 0 && table.is_none() {
            let above = Self::of(text, Span { start: end - 1, end: end - 1 });
            table = above.header();
            end = above.start;
        }
        match table {
            Some(table) if !table.is_empty() => (format!("{table}.{key}"), false),
            _ => (key, false),
        }
    }

    /// The last bracket of its value that it does not close itself.
    fn open_bracket(&self) -> Option<(usize, char)> {
        let value = self.text.find('=')?;
        let (mut open, mut quote) = (Vec::new(), None);
        for (at, c) in self.text.char_indices().skip_while(|(at, _)| *at < value) {
            match (quote, c) {
                (None, '#') => break,
                (None, '"' | '\'') => quote = Some(c),
                (Some(closing), c) if c == closing => quote = None,
                (None, '[' | '{') => open.push((at, c)),
                (None, ']' | '}') => drop(open.pop()),
                _ => {}
            }
        }
        open.pop()
    }

    /// The first character outside of quotes that only looks right: where, what it is, what to write.
    fn lookalike(&self) -> Option<(usize, &'static str, &'static str)> {
        let mut quote = None;
        for (at, c) in self.text.char_indices() {
            match (quote, c) {
                (None, '#') => return None,
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None, c) => {
                    if let Some((_, what, instead)) = LOOKALIKES.iter().find(|(set, _, _)| set.contains(c)) {
                        return Some((at, what, instead));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// `22,5` outside of a list: where, how long, and with its point.
    fn decimal_comma(&self) -> Option<(usize, usize, String)> {
        let (head, _) = self.text.split_once('#').unwrap_or((self.text, ""));
        for (at, _) in head.match_indices(',') {
            let digits = |c: char| c.is_ascii_digit();
            let before = head[..at].chars().rev().take_while(|c| digits(*c)).count();
            let after = head[at + 1..].chars().take_while(|c| digits(*c)).count();
            let is_in_list = head[..at].matches('[').count() > head[..at].matches(']').count();
            let is_in_text = head[..at].matches('"').count() % 2 == 1;
            if before > 0 && after > 0 && !is_in_list && !is_in_text {
                let minus = usize::from(head[..at - before].ends_with('-'));
                let start = at - before - minus;
                let number = format!("{}.{}", &head[start..at], &head[at + 1..at + 1 + after]);
                return Some((start, minus + before + 1 + after, number));
            }
        }
        None
    }
}

/// A dotted key without quotes and spaces.
fn keys(written: &str) -> String {
    written.split('.').map(|key| key.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}
