//! What is wrong with a configuration file, told so that a person can mend it in one go.
//!
//! A *fault* has a place and says what was found and what is allowed; a *gap* is something that a person must still
//! fill in, and all gaps together make one fault. A *warning* is what the daemon does without, and `twind check` tells.

use super::secrets;
use crate::text::{self, Line};
use core::cell::{Cell, RefCell};
use core::fmt;
use core::fmt::Write as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A longer line would bury the message.
const EXCERPT_BYTES_MAX: usize = 300;

/// Stands in a message for the line of another place.
pub(super) const LINE: &str = "{line}";

/// A stretch of the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The start of the file: the place of what has no place.
    pub(super) const FILE: Self = Self { start: 0, end: 0 };
}

impl From<core::ops::Range<usize>> for Span {
    fn from(range: core::ops::Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// What kind of fault it is decides whether it is worth telling beside a fault of the syntax.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The file is not TOML here.
    Syntax,
    /// A value or key is wrong.
    Wrong,
    /// Something required is not there.
    Missing,
}

struct Finding {
    at: Span,
    kind: Kind,
    message: String,
}

impl Finding {
    fn told(self, text: &str) -> ConfigFault {
        ConfigFault::new(text, self.at, self.message)
    }
}

/// Collects the faults while the file is read, and the keys that were asked for.
#[derive(Default)]
pub(super) struct Findings {
    found: RefCell<Vec<Finding>>,
    gaps: RefCell<Vec<(Span, String)>>,
    warnings: RefCell<Vec<Finding>>,
    /// Places whose line a message names.
    others: RefCell<Vec<Span>>,
    /// From here on nothing was read as it was meant.
    hidden_from: Cell<Option<usize>>,
    keys: RefCell<BTreeSet<String>>,
}

impl Findings {
    /// The file is not TOML here; with `hides_rest` nothing below it was read as it was meant.
    pub(super) fn syntax(&self, at: Span, message: String, hides_rest: bool) {
        self.push(at, Kind::Syntax, message);
        if hides_rest {
            self.hidden_from.set(Some(at.start));
        }
    }

    pub(super) fn wrong(&self, at: Span, message: impl Into<String>) {
        self.push(at, Kind::Wrong, message.into());
    }

    /// Two that do not go together: the message says [`LINE`] for the line of the other one.
    pub(super) fn clash(&self, at: Span, other: Span, message: impl Into<String>) {
        let message: String = message.into();
        self.others.borrow_mut().push(other);
        self.wrong(at, message.replace(LINE, &mark(self.others.borrow().len() - 1)));
    }

    /// What is allowed, and probably not what was meant.
    pub(super) fn warn(&self, at: Span, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Finding { at, kind: Kind::Wrong, message: message.into() });
    }

    pub(super) fn missing(&self, at: Span, message: impl Into<String>) {
        self.push(at, Kind::Missing, message.into());
    }

    /// Something that a person must fill in before the daemon can do anything.
    pub(super) fn gap(&self, at: Span, what: impl Into<String>) {
        self.gaps.borrow_mut().push((at, what.into()));
    }

    pub(super) fn know(&self, key: String) {
        self.keys.borrow_mut().insert(key);
    }

    fn push(&self, at: Span, kind: Kind, message: String) {
        self.found.borrow_mut().push(Finding { at, kind, message });
    }

    pub(super) fn into_keys(self) -> BTreeSet<String> {
        self.keys.into_inner()
    }

    /// The warnings, in file order.
    pub(super) fn take_warnings(&self, text: &str) -> Vec<ConfigFault> {
        let mut warnings = self.warnings.take();
        warnings.sort_by_key(|warning| warning.at);
        warnings.into_iter().map(|warning| warning.told(text)).collect()
    }

    /// Everything found, in file order; `None` if nothing was.
    pub(super) fn into_faults(self, text: &str, file: &Path) -> Option<ConfigFaults> {
        let mut found = self.found.into_inner();
        let gaps = self.gaps.into_inner();
        let hidden_from = self.hidden_from.get();
        for (index, other) in self.others.into_inner().into_iter().enumerate() {
            let line = Place::of(text, other).line.to_string();
            found.iter_mut().for_each(|f| f.message = f.message.replace(&mark(index), &line));
        }
        let syntax_lines: Vec<usize> =
            found.iter().filter(|f| f.kind == Kind::Syntax).map(|f| Place::of(text, f.at).line).collect();
        if syntax_lines.is_empty() {
            found.extend(gap_finding(&gaps));
        } else {
            // Behind a syntax fault the rest was guessed: what is "missing" then, or wrong on that very line, may
            // well be there.
            found.retain(|f| match f.kind {
                Kind::Syntax => true,
                Kind::Wrong => {
                    !syntax_lines.contains(&Place::of(text, f.at).line)
                        && hidden_from.is_none_or(|hidden| f.at.start < hidden)
                }
                Kind::Missing => false,
            });
        }
        found.sort_by_key(|f| f.at);
        let faults: Vec<ConfigFault> = found.into_iter().map(|f| f.told(text)).collect();
        (!faults.is_empty()).then(|| ConfigFaults { file: file.to_owned(), faults, is_denied: false })
    }
}

/// Stands for the line of a place that is only known by the text.
fn mark(index: usize) -> String {
    format!("\u{1}{index}\u{1}")
}

fn gap_finding(gaps: &[(Span, String)]) -> Option<Finding> {
    let at =
        gaps.iter().map(|(at, _)| *at).find(|at| *at != Span::FILE).or(gaps.first().map(|_| Span::FILE))?;
    let list: Vec<&str> = gaps.iter().map(|(_, what)| what.as_str()).collect();
    let message = format!("twind cannot start before this is filled in: {}", list.join("; "));
    Some(Finding { at, kind: Kind::Missing, message })
}

/// Every fault of one configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, in file order; never empty.
    pub faults: Vec<ConfigFault>,
    /// Nothing is wrong with it, but this user may not read it.
    pub is_denied: bool,
}

impl ConfigFaults {
    /// This user may not read the file.
    pub(super) fn denied(file: &Path) -> Self {
        let reason = "this user may not: ask as root or as a member of the file's group \
                      (the service reads it as a member of twind: chgrp twind, chmod 640)";
        Self { is_denied: true, ..Self::unreadable(file, reason) }
    }

    /// The file as a whole is at fault: it cannot be read.
    pub(super) fn unreadable(file: &Path, reason: &str) -> Self {
        let message = format!("this configuration file cannot be read: {reason}");
        let fault = ConfigFault { line: 1, column: 1, message, excerpt: None };
        Self { file: file.to_owned(), faults: vec![fault], is_denied: false }
    }

    /// The file is text up to this byte only.
    pub(super) fn not_text(lossy: &str, file: &Path, byte: usize) -> Self {
        let at = Span { start: byte, end: byte + 1 };
        let message = "not valid TOML: the file is not UTF-8 text from here".to_owned();
        Self { file: file.to_owned(), faults: vec![ConfigFault::new(lossy, at, message)], is_denied: false }
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{}:{fault}", Line(self.file.display()))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The line, counted from 1.
    pub line: usize,
    /// The character within the line, counted from 1.
    pub column: usize,
    /// What was found, and what is allowed.
    pub message: String,
    /// The line itself and a caret line under it. A value that may be a secret is left out.
    excerpt: Option<(String, String)>,
}

impl ConfigFault {
    fn new(text: &str, at: Span, message: String) -> Self {
        let Place { line, column, shown, width } = Place::of(text, at);
        let worth_showing = at != Span::FILE && !shown.trim().is_empty() && shown.len() <= EXCERPT_BYTES_MAX;
        let excerpt = worth_showing.then(|| {
            let shown = printable(&without_secret(shown));
            let length = shown.chars().count();
            let width = width.min((length + 1).saturating_sub(column)).max(1);
            let caret = format!("{}{}", " ".repeat((column - 1).min(length)), "^".repeat(width));
            (shown, caret)
        });
        // It may name what a person wrote.
        Self { line, column, message: printable(&secrets::masked(&message)), excerpt }
    }
}

impl fmt::Display for ConfigFault {
    /// `LINE:COL: message`, then the source line with its caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        if let Some((source, caret)) = &self.excerpt {
            write!(f, "\n{:>5} | {source}\n      | {caret}", self.line)?;
        }
        Ok(())
    }
}

/// A span as a person finds it.
struct Place<'t> {
    line: usize,
    column: usize,
    shown: &'t str,
    width: usize,
}

impl<'t> Place<'t> {
    fn of(text: &'t str, at: Span) -> Self {
        let start = floor(text, at.start);
        let end = floor(text, at.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[line_start..].find('\n').map_or(text.len(), |length| line_start + length);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            shown: text[line_start..line_end].trim_end_matches('\r'),
            width: text[start..end.min(line_end).max(start)].chars().count(),
        }
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// Takes the value out of a line that may hold a secret which somebody wrote into the file by mistake.
fn without_secret(line: &str) -> String {
    let secret = secrets::first_in(line);
    let holds_a_secret = secret.is_some() || line.to_ascii_lowercase().contains("sharedaccess");
    let Some((key, _)) = line.split_once('=') else {
        return if holds_a_secret { "…".to_owned() } else { line.to_owned() };
    };
    let key_lower = key.to_ascii_lowercase();
    let names_a_secret = ["key", "secret", "password", "connection"]
        .iter()
        .any(|word| key_lower.contains(word) && !key_lower.contains("file"));
    if !holds_a_secret && !names_a_secret {
        line.to_owned()
    } else if secret.is_some_and(|at| at <= key.len()) || key_lower.contains("hostname") {
        // What stands before the sign is the secret itself, or the start of a connection string.
        "…".to_owned()
    } else {
        format!("{key}= …")
    }
}

/// What is not seen would move the caret, or worse, speak to the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if text::is_unseen(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, at: Span) -> String {
        let findings = Findings::default();
        findings.wrong(at, "wrong");
        findings.into_faults(text, Path::new("f.toml")).unwrap().to_string()
    }

    #[test]
    fn a_fault_shows_its_line_with_a_caret_under_it() {
        let text = "[a]\nä = 12 # x\n";
        let start = text.find("12").unwrap();
        assert_eq!(
            told(text, Span { start, end: start + 2 }),
            "f.toml:2:5: wrong\n    2 | ä = 12 # x\n      |     ^^"
        );
    }

    #[test]
    fn a_secret_in_the_file_is_not_shown() {
        for line in [
            "connection-string = \"HostName=h;SharedAccessKey=c2VjcmV0\"",
            "key = \"c2VjcmV0\"",
            "proxy = \"http://me:c2VjcmV0@proxy.local:3128\"",
            "key-file = \"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=\"",
        ] {
            assert!(!told(line, Span { start: 0, end: 3 }).contains("c2Vj"), "{line}");
        }
        assert!(told("key-file = \"/etc/key\"", Span { start: 0, end: 8 }).contains("/etc/key"));
    }

    #[test]
    fn gaps_are_told_together_in_one_fault() {
        let findings = Findings::default();
        findings.gap(Span::FILE, "one");
        findings.gap(Span::FILE, "two");
        let faults = findings.into_faults("", Path::new("f.toml")).unwrap();
        assert_eq!(faults.faults.len(), 1);
        assert!(faults.to_string().ends_with("one; two"));
    }
}
