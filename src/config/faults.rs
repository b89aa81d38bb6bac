//! What is wrong with a configuration file, reported so that a person can fix it in one go.
//!
//! A *fault* has a place and says what was found and what is allowed. A *gap* is something that a person must still fill in; all
//! gaps together make one fault. A *warning* does not stop the daemon, and `twind check` prints it.

use super::codes::{Code, Reason};
use super::outline::{Lines, Place};
use super::secrets;
use super::spans::{Span, in_file_order};
use super::syntax::{FAULTS_MAX, Slip, Slips};
use crate::text::{self, Line};
use core::cell::{Cell, RefCell};
use core::fmt;
use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A longer line is not shown, since it would hide the message.
const EXCERPT_BYTES_MAX: usize = 300;

/// Messages are cut to this: what they quote may be long.
const MESSAGE_CHARS_MAX: usize = 2000;

/// The placeholder in a message for the line of another place.
pub(super) const LINE: &str = "{line}";

struct Finding {
    at: Span,
    reason: Reason,
    /// The place whose line the message names.
    other: Option<Span>,
}

impl Finding {
    fn new(at: Span, reason: Reason) -> Self {
        Self { at, reason, other: None }
    }

    fn told(self, lines: &Lines<'_>, masked: &BTreeSet<usize>) -> ConfigFault {
        let mut reason = self.reason;
        if let Some(other) = self.other {
            reason.text = reason.text.replace(LINE, &lines.place(other).line.to_string());
        }
        let is_masked = masked.contains(&lines.place(self.at).line);
        ConfigFault::new(lines, self.at, reason, is_masked)
    }
}

/// Collects the faults while the file is read.
#[derive(Default)]
pub(super) struct Findings {
    /// The first [`FAULTS_MAX`], by place and by when they were found.
    found: RefCell<BTreeMap<(Span, usize), Finding>>,
    count: Cell<usize>,
    gaps: RefCell<Vec<(Span, String)>>,
    warnings: RefCell<Vec<Finding>>,
    /// The lines of values that are no TOML.
    broken: RefCell<Vec<Span>>,
    /// From here on the text was misread, because of a syntax error.
    hidden_from: Cell<Option<usize>>,
    /// The keys that were asked for, if they are wanted.
    keys: Option<RefCell<BTreeSet<String>>>,
    /// Where a value may be a secret that was written beside the wrong key.
    masked: RefCell<Vec<Span>>,
}

impl Findings {
    /// Adds syntax errors, before anything else: after an error the parser guesses, so what seems missing, or wrong on that line, may
    /// be right.
    pub(super) fn syntax(&self, slips: Slips) {
        for Slip { at, value, reason, hides_rest, is_masked } in slips.told {
            if is_masked {
                self.mask(at);
            }
            self.push(Finding::new(at, reason));
            self.broken.borrow_mut().push(value);
            if hides_rest {
                self.hidden_from.set(Some(at.start));
            }
        }
        self.count.set(self.count.get() + slips.more);
    }

    pub(super) fn wrong(&self, at: Span, reason: Reason) {
        self.push_wrong(Finding::new(at, reason));
    }

    /// Two values that conflict: the message has [`LINE`] for the line of the other one.
    pub(super) fn clash(&self, at: Span, other: Span, reason: Reason) {
        self.push_wrong(Finding { at, reason, other: Some(other) });
    }

    /// Something that is allowed but probably not meant.
    pub(super) fn warn(&self, at: Span, reason: Reason) {
        self.warnings.borrow_mut().push(Finding::new(at, reason));
    }

    /// From now on no message shows the value in the line of this place.
    pub(super) fn mask(&self, at: Span) {
        self.masked.borrow_mut().push(at);
    }

    fn masked(&self, lines: &Lines<'_>) -> BTreeSet<usize> {
        self.masked.borrow().iter().map(|at| lines.place(*at).line).collect()
    }

    pub(super) fn missing(&self, at: Span, reason: Reason) {
        if self.broken.borrow().is_empty() {
            self.push(Finding::new(at, reason));
        }
    }

    /// Something that a person must fill in before the daemon can do anything.
    pub(super) fn gap(&self, at: Span, what: impl Into<String>) {
        self.gaps.borrow_mut().push((at, what.into()));
    }

    /// Collects also the keys that are asked for, which a start does not need.
    pub(super) fn with_keys() -> Self {
        Self { keys: Some(RefCell::default()), ..Self::default() }
    }

    /// Notes that the table of this pattern may have this key.
    pub(super) fn know(&self, pattern: &str, key: &str) {
        if let Some(keys) = &self.keys {
            keys.borrow_mut().insert(join(pattern, key));
        }
    }

    /// Counts a fault without a message, since the maximum number is reported already.
    pub(super) fn count(&self, at: Span) {
        if !self.is_guess(at) {
            self.count.set(self.count.get() + 1);
        }
    }

    fn push_wrong(&self, finding: Finding) {
        if !self.is_guess(finding.at) {
            self.push(finding);
        }
    }

    /// Was this misread because of a syntax error?
    fn is_guess(&self, at: Span) -> bool {
        self.hidden_from.get().is_some_and(|hidden| at.start >= hidden)
            || self.broken.borrow().iter().any(|lines| (lines.start..=lines.end).contains(&at.start))
    }

    fn push(&self, finding: Finding) {
        let mut found = self.found.borrow_mut();
        found.insert((finding.at, self.count.get()), finding);
        self.count.set(self.count.get() + 1);
        if found.len() > FAULTS_MAX {
            found.pop_last();
        }
    }

    pub(super) fn into_keys(self) -> BTreeSet<String> {
        self.keys.map(RefCell::into_inner).unwrap_or_default()
    }

    /// The warnings, in file order.
    pub(super) fn take_warnings(&self, text: &str) -> Vec<ConfigFault> {
        let warnings = self.warnings.take();
        if warnings.is_empty() {
            return Vec::new();
        }
        let warnings = in_file_order(warnings, |warning| warning.at);
        let lines = Lines::of(text);
        let masked = self.masked(&lines);
        warnings.into_iter().map(|warning| warning.told(&lines, &masked)).collect()
    }

    /// Everything found, in file order; `None` if nothing was.
    pub(super) fn into_faults(self, text: &str, file: &Path) -> Option<ConfigFaults> {
        if let Some((at, reason)) = gap(&self.gaps.borrow()) {
            self.missing(at, reason);
        }
        let found = self.found.take();
        if found.is_empty() {
            return None;
        }
        let more = self.count.get() - found.len();
        let lines = Lines::of(text);
        let masked = self.masked(&lines);
        let faults = found.into_values().map(|finding| finding.told(&lines, &masked)).collect();
        Some(ConfigFaults { file: file.to_owned(), faults, more, is_denied: false })
    }
}

fn gap(gaps: &[(Span, String)]) -> Option<(Span, Reason)> {
    let at =
        gaps.iter().map(|(at, _)| *at).find(|at| *at != Span::FILE).or(gaps.first().map(|_| Span::FILE))?;
    let list: Vec<&str> = gaps.iter().map(|(_, what)| what.as_str()).collect();
    let list = list.join("; ");
    let say = format!("twind cannot start before this is filled in: {list}");
    Some((at, Code::Unfinished.because(say).allowing(list)))
}

/// The faults of one configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, in file order: the first twenty; never empty.
    pub faults: Vec<ConfigFault>,
    /// At least so many follow; later parts of the file may not have been checked.
    pub more: usize,
    /// Nothing is wrong with it, but this user may not read it.
    pub is_denied: bool,
}

impl ConfigFaults {
    /// This user may not read the file.
    pub(super) fn denied(file: &Path) -> Self {
        let reason = "permission denied: run this as root or as a member of the file's group \
                      (the service reads it as a member of twind: chgrp twind, chmod 640)";
        Self { is_denied: true, ..Self::as_a_whole(file, Code::Denied, reason) }
    }

    /// The file as a whole is at fault: it cannot be read.
    pub(super) fn unreadable(file: &Path, reason: &str) -> Self {
        Self::as_a_whole(file, Code::Unreadable, reason)
    }

    fn as_a_whole(file: &Path, code: Code, reason: &str) -> Self {
        let message = format!("this configuration file cannot be read: {reason}");
        let fault =
            ConfigFault { line: 1, column: 1, code, message, found: None, allowed: None, excerpt: None };
        Self { file: file.to_owned(), faults: vec![fault], more: 0, is_denied: false }
    }

    /// The file is text up to this byte only.
    pub(super) fn not_text(lossy: &str, file: &Path, byte: usize) -> Self {
        let at = Span { start: byte, end: byte + 1 };
        let reason = Code::Syntax.because("not valid TOML: the file is not UTF-8 text from here on");
        let fault = ConfigFault::new(&Lines::of(lossy), at, reason, false);
        Self { file: file.to_owned(), faults: vec![fault], more: 0, is_denied: false }
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{}:", Line(self.file.display()))?;
            fault.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => {
                write!(f, "\n{}: and at least {more} more faults; fix these first", Line(self.file.display()))
            }
        }
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
    /// The kind of it.
    pub code: Code,
    /// What was found, and what is allowed.
    pub message: String,
    /// What the file has at this place, as it is written there; `None` if that may be a secret, or if nothing is there.
    pub found: Option<String>,
    /// What may stand there, where that is one thing.
    pub allowed: Option<String>,
    /// The line itself and a caret line under it. A value that may be a secret is left out.
    excerpt: Option<(String, String)>,
}

impl ConfigFault {
    /// `is_masked`: the value in its line is left out.
    fn new(lines: &Lines<'_>, at: Span, reason: Reason, is_masked: bool) -> Self {
        let Place { line, column, shown, width } = lines.place(at);
        let worth_showing = at != Span::FILE && !shown.trim().is_empty() && shown.len() <= EXCERPT_BYTES_MAX;
        let whole = shown.chars().count();
        let excerpt = worth_showing.then(|| {
            let shown = printable(&without_secret(shown, is_masked));
            let length = shown.chars().count();
            let width = width.min((length + 1).saturating_sub(column)).max(1);
            let caret = format!("{}{}", " ".repeat((column - 1).min(length)), "^".repeat(width));
            (shown, caret)
        });
        let found = excerpt.as_ref().filter(|(shown, _)| shown.chars().count() == whole).map(|(shown, _)| {
            let found: String = shown.chars().skip(column - 1).take(width).collect();
            found.trim().to_owned()
        });
        // They may name what a person wrote.
        let told = |text: &str| cut(printable(&secrets::masked(text)));
        Self {
            line,
            column,
            code: reason.code,
            message: told(&reason.text),
            found: found.filter(|found| !found.is_empty()),
            allowed: reason.allowed.as_deref().map(told),
            excerpt,
        }
    }
}

fn cut(message: String) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

impl fmt::Display for ConfigFault {
    /// `LINE:COL: message`, then the source line with its caret; the alternate form is without it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        if let Some((source, caret)) = self.excerpt.as_ref().filter(|_| !f.alternate()) {
            write!(f, "\n{:>5} | {source}\n      | {caret}", self.line)?;
        }
        Ok(())
    }
}

/// A line without what may be a secret: it is cut before the value of such a key, or before text that looks like one.
fn without_secret(line: &str, is_masked: bool) -> String {
    // What precedes the equals sign may be the secret itself, or the start of a connection string.
    let looks = secrets::first_in(line).or_else(|| line.to_ascii_lowercase().find("sharedaccess"));
    let looks = looks.map(|at| line[..at].rfind('=').map_or(0, |sign| sign + 1));
    // A line that sets nothing and is no header may be the secret alone.
    let alone = (!line.trim_start().starts_with('[')).then_some(0);
    let value = line.find(['=', ':']).map(|sign| sign + 1).or(alone).filter(|_| is_masked);
    match secrets::key_in(line).into_iter().chain(looks).chain(value).min() {
        None => line.to_owned(),
        Some(0) => "…".to_owned(),
        Some(upto) => format!("{} …", line[..upto].trim_end()),
    }
}

/// Replaces invisible characters, which would shift the caret or control the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if text::is_unseen(c) { ' ' } else { c }).collect()
}

/// The path of a key in a table.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, at: Span) -> String {
        let findings = Findings::default();
        findings.wrong(at, Code::WrongForm.because("wrong"));
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
        for line in [
            "key-file = \"/etc/key\"",
            "token-lifetime = \"5\"",
            "[outputs.bypass]",
            "property = \"a\" # the key",
            "id = \"iio:device1@1-0076\"",
            "period = \"5\"",
        ] {
            assert!(told(line, Span { start: 0, end: 8 }).contains(line), "{line}");
        }
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
