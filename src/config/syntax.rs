//! Messages about a text that is no TOML: what is wrong with it, rather than where the parser gave up.
//!
//! One mistake makes a parser report several errors; one message is given for each line.

use super::codes::{Code, Reason};
use super::outline::{Line, Outline};
use super::spans::{Span, in_file_order};
use super::words;
use toml::de::Error;

/// How the parser begins to say that a key or table is there already.
const DUPLICATE: &str = "duplicate key";

const QUOTES: &str = "text must be in quotes (\"…\"); numbers, true and false are not";
const REMARK: &str = "a comment begins with #";

/// Characters that look like those of the syntax and are not, what they are, and what to write.
const LOOKALIKES: [(&str, &str, &str); 6] = [
    ("“”„‟«»″＂", "a typographic quotation mark", "write straight ones (\")"),
    ("‘’‚‛‹›′", "a typographic quotation mark", "write straight ones (\")"),
    ("\u{a0}\u{2007}\u{202f}\u{3000}", "a space character that TOML does not accept", "write a plain one"),
    ("\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}", "a character that cannot be seen", "remove it"),
    ("–—−‐‑", "a dash", "write a minus (-)"),
    ("＝：", "a wide character", "write = from the keyboard"),
];

/// The most faults that are reported; further ones are counted.
pub(super) const FAULTS_MAX: usize = 20;

/// One message about the syntax, and where.
pub(super) struct Slip {
    pub(super) at: Span,
    /// The lines of the value that it is in.
    pub(super) value: Span,
    pub(super) reason: Reason,
    /// The text below it was misread, and is not reported on.
    pub(super) hides_rest: bool,
    /// It is in a table in which a secret may stand beside the wrong key.
    pub(super) is_masked: bool,
}

/// The messages about the syntax.
#[derive(Default)]
pub(super) struct Slips {
    /// The first ones, in file order, [`FAULTS_MAX`] at most.
    pub(super) told: Vec<Slip>,
    /// How many other lines have errors.
    pub(super) more: usize,
}

/// Messages about the parser's errors, one for each line, if `concerns` selects the line's header. An error that hides the rest of
/// the text is always reported.
pub(super) fn slips(text: &str, errors: &[Error], concerns: impl Fn(Option<&str>) -> bool) -> Slips {
    let mut slips = Slips::default();
    if errors.is_empty() {
        return slips;
    }
    let outline = Outline::of(text);
    if let Some(at) = lone_return(text) {
        let reason = Code::Syntax.because(
            "not valid TOML: lines must end with a line feed, and here one ends with a carriage return \
             alone: rewrite the file with `tr '\\r' '\\n'`",
        );
        let at = Span { start: at, end: at + 1 };
        let value = outline.value_upto(at.start);
        slips.told.push(Slip { at, value, reason, hides_rest: true, is_masked: true });
        return slips;
    }
    let errors = errors.iter().map(|e| (e.span().map_or(Span::FILE, Span::from), e.message())).collect();
    let errors: Vec<(Span, &str)> = in_file_order(errors, |(at, _)| *at);
    let (mut last, mut second_header) = (None, None);
    for (at, said) in errors {
        let line = outline.lines.at(at.start);
        // What follows on the same line is the parser looking for its way back.
        if last.replace(line.index) == Some(line.index) {
            continue;
        }
        let header = outline.header_above(line);
        if said.starts_with(DUPLICATE) {
            if outline.is_header(line) {
                second_header = Some(line.index);
            } else if second_header.is_some() && header.map(|header| header.index) == second_header {
                // If a table is there twice, its keys may be, too.
                continue;
            }
        }
        let is_hidden = outline.unclosed_before(at.start).is_some();
        if !is_hidden && !concerns(header.map(|header| header.text)) {
            continue;
        }
        if slips.told.len() == FAULTS_MAX {
            slips.more += 1;
            continue;
        }
        let (at, message, hides_rest) = slip(&outline, line, at, said);
        let value = outline.value_upto(at.start);
        let code = if said.starts_with(DUPLICATE) { Code::Duplicate } else { Code::Syntax };
        let reason = code.because(format!("not valid TOML: {message}"));
        let is_masked = is_masked(header, line);
        slips.told.push(Slip { at, value, reason, hides_rest, is_masked });
        if hides_rest {
            break;
        }
    }
    // Faults below the last message are reported once these are fixed.
    if let Some(last) = slips.told.last_mut().filter(|_| slips.more > 0) {
        last.hides_rest = true;
    }
    slips
}

/// Does the line set something of `[hub]`, or of a table below it?
fn is_masked(header: Option<Line<'_>>, line: Line<'_>) -> bool {
    let header = header.map(|header| table(header.text)).unwrap_or_default();
    let set = path(&header, line.text);
    [header, set].iter().any(|path| path.split('.').next() == Some("hub"))
}

/// Where, what, and whether nothing below it was read as it was meant.
fn slip(outline: &Outline<'_>, line: Line<'_>, at: Span, said: &str) -> (Span, String, bool) {
    if said.starts_with(DUPLICATE) {
        return (at, duplicate(outline, line, at), false);
    }
    if let Some((found, what, instead)) = lookalike(line.text) {
        let start = line.start + found;
        let c = line.text[found..].chars().next().unwrap_or('?');
        let shown = if c.is_whitespace() || "\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}".contains(c) {
            format!("U+{:04X}", u32::from(c))
        } else {
            format!("{c} (U+{:04X})", u32::from(c))
        };
        let at = Span { start, end: start + c.len_utf8() };
        return (at, format!("{shown} is {what}: {instead}"), false);
    }
    if let Some((found, length, number)) = decimal_comma(line.text) {
        let start = line.start + found;
        let what = format!("a number has a decimal point, not a comma: write {number}");
        return (Span { start, end: start + length }, what, false);
    }
    if let Some(bracket) = outline.unclosed_before(at.start) {
        let at = Span { start: bracket.at, end: bracket.at + 1 };
        return (at, format!("the {} that opens here is not closed", bracket.opens), true);
    }
    (at, translated(outline, line, at, said), false)
}

/// What the parser says, in the words of the person's slip where they are known.
fn translated(outline: &Outline<'_>, line: Line<'_>, at: Span, said: &str) -> String {
    let value = line.text.split_once('=').map(|(_, value)| value.split('#').next().unwrap_or(value).trim());
    let rest = outline.text().get(at.start..).unwrap_or_default();
    let begins = |start: &[&str]| start.iter().any(|start| said.starts_with(start));
    if value == Some("") {
        "a value is missing after the =".to_owned()
    } else if begins(&["string values must be quoted", "invalid boolean"]) {
        unquoted(outline, line, at)
    } else if begins(&["missing comma"]) {
        "a comma is missing before this".to_owned()
    } else if begins(&["invalid basic string", "invalid literal string"]) {
        format!("a text in quotes is not closed, or contains something that is not allowed in one ({said})")
    } else if begins(&["invalid unquoted key"]) && rest.starts_with(':') {
        "a key and its value are joined by =, not by a colon".to_owned()
    } else if begins(&["key with no value"]) {
        "a key without a value: write key = value, a table's name in brackets, or a comment after #"
            .to_owned()
    } else if begins(&["unexpected key or value"]) && is_remark(rest) {
        REMARK.to_owned()
    } else if begins(&["unexpected key or value"]) {
        "only a comment, which begins with #, may follow a value".to_owned()
    } else if begins(&["invalid mantissa", "invalid fraction"]) {
        "a number has digits before and after its point".to_owned()
    } else if begins(&["unexpected leading zero"]) {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        format!("a number does not begin with 0: write {}", rest[..end].trim_start_matches('0'))
    } else if begins(&["invalid float"]) {
        QUOTES.to_owned()
    } else {
        said.to_owned()
    }
}

/// Is this what other languages begin a remark with?
fn is_remark(text: &str) -> bool {
    ["//", "/*", "--", ";"].iter().any(|remark| text.starts_with(remark))
}

/// A value without quotes that is none of those which need none: what it was to be.
fn unquoted(outline: &Outline<'_>, line: Line<'_>, at: Span) -> String {
    let written = outline.text().get(at.start..at.end).unwrap_or_default().trim();
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) && text.parse::<f64>().is_ok()
    };
    let is_value = |text: &str| is_number(text) || matches!(text, "true" | "false");
    let small = written.to_ascii_lowercase();
    if matches!(small.as_str(), "true" | "false") {
        return format!("write {small}, in lower case and without quotes");
    }
    let bare = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let (first, rest) = written.split_at(written.find(|c: char| !bare(c)).unwrap_or(written.len()));
    let rest = rest.trim_start();
    if !is_value(first) {
        return QUOTES.to_owned();
    }
    if is_remark(rest) {
        return match outline.is_bracketed(at.start) && rest.starts_with(';') {
            true => "items in brackets are separated by commas, not by ;".to_owned(),
            false => REMARK.to_owned(),
        };
    }
    if is_number(first) && rest == "%" {
        return match words::is_row(key_before(&line.text[..at.start.saturating_sub(line.start)])) {
            true => format!("a percentage is written in quotes here: write \"{first}%\""),
            false => format!("a percentage is written as a number: write {first}"),
        };
    }
    if rest.starts_with(bare) && outline.is_bracketed(at.start) {
        format!("a comma is missing after {first}")
    } else if rest.starts_with('°') {
        format!("a number is written without its unit: write {first}")
    } else {
        QUOTES.to_owned()
    }
}

/// The key whose value follows.
fn key_before(text: &str) -> &str {
    let key = text.trim_end().trim_end_matches('=').trim_end();
    let key = key.rsplit([' ', '\t', '{', ',', '.']).next().unwrap_or(key);
    key.trim_matches(['"', '\''])
}

/// The place of a carriage return without a line feed.
fn lone_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

/// The second of two, with the place of the first.
fn duplicate(outline: &Outline<'_>, line: Line<'_>, at: Span) -> String {
    let Some(key) = outline.text().get(at.start..at.end) else {
        return "this key appears twice: remove one".to_owned();
    };
    let is_header = outline.is_header(line);
    let header = outline.header_above(line).map(|header| table(header.text)).unwrap_or_default();
    let path = if is_header { header } else { path(&header, line.text) };
    let (what, mend) = if is_header {
        (format!("the table [{path}] appears twice"), "join them")
    } else {
        (format!("`{key}` appears twice"), "remove one")
    };
    match first_of(outline, &path, line) {
        Some(first) => format!("duplicate key: {what}, the first is in line {}: {mend}", first + 1),
        None if line.text[..at.start.saturating_sub(line.start)].contains(key) => {
            format!("duplicate key: {what} in this line: {mend}")
        }
        None => format!("duplicate key: {what}: {mend}"),
    }
}

/// The first line above another that sets a path, a table around it, or a key in it.
fn first_of(outline: &Outline<'_>, wanted: &str, line: Line<'_>) -> Option<usize> {
    let lies_in =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let (mut near, mut header) = (None, String::new());
    for line in outline.before(line) {
        let is_header = outline.is_header(line);
        let other = if is_header {
            header = table(line.text);
            header.clone()
        } else {
            path(&header, line.text)
        };
        if other == wanted {
            return Some(line.index);
        }
        if !other.is_empty() && (lies_in(&other, wanted) || (!is_header && lies_in(wanted, &other))) {
            near = near.or(Some(line.index));
        }
    }
    near
}

/// The table that a header names.
fn table(header: &str) -> String {
    let name = header.trim_start().trim_start_matches('[');
    keys(name.split(']').next().unwrap_or(name))
}

/// The path of what a line below this header sets; empty if it sets nothing.
fn path(header: &str, line: &str) -> String {
    match line.split_once('=') {
        Some((key, _)) if key.trim_start().starts_with('#') => String::new(),
        Some((key, _)) if header.is_empty() => keys(key),
        Some((key, _)) => format!("{header}.{}", keys(key)),
        None => String::new(),
    }
}

/// The first character outside of quotes that only looks right: where, what it is, what to write.
fn lookalike(line: &str) -> Option<(usize, &'static str, &'static str)> {
    let mut quote = None;
    for (at, c) in line.char_indices() {
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
fn decimal_comma(line: &str) -> Option<(usize, usize, String)> {
    let (head, _) = line.split_once('#').unwrap_or((line, ""));
    let (mut lists, mut is_in_text) = (0_usize, false);
    for (at, c) in head.char_indices() {
        match c {
            '[' => lists += 1,
            ']' => lists = lists.saturating_sub(1),
            '"' => is_in_text = !is_in_text,
            _ => {}
        }
        if c != ',' || lists > 0 || is_in_text {
            continue;
        }
        let digits = |c: char| c.is_ascii_digit();
        let before = head[..at].chars().rev().take_while(|c| digits(*c)).count();
        let after = head[at + 1..].chars().take_while(|c| digits(*c)).count();
        if before > 0 && after > 0 {
            let minus = usize::from(head[..at - before].ends_with('-'));
            let start = at - before - minus;
            let number = format!("{}.{}", &head[start..at], &head[at + 1..at + 1 + after]);
            return Some((start, minus + before + 1 + after, number));
        }
    }
    None
}

/// A dotted key without quotes and spaces.
fn keys(written: &str) -> String {
    written.split('.').map(|key| key.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}
