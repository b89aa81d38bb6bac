//! A typed reader over one table of the file. Reading a key declares it as known; keys that are left at the end are unknown, and are
//! reported with the nearest known key.
//!
//! A reader also represents a table that is not in the file: every key is then absent, so the defaults are in one place. A wrong
//! value is reported here and looks absent to the caller, which goes on with its default.

use super::codes::{Code, Reason};
use super::faults::{Findings, join};
use super::spans::{At, Span, in_file_order};
use super::syntax::FAULTS_MAX;
use super::words;
use super::words::{nearest, plain};
use super::{masking, shapes, values};
use crate::units::{Celsius, TemperatureUnit};
use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The tables of the file itself.
pub(super) const SECTIONS: [&str; 10] =
    ["hub", "twin", "report", "board", "outputs", "sensors", "climate", "climates", "telemetry", "local"];

/// No table of a configuration has as many keys. In a larger table no key is taken for a misspelt one.
const KEYS_MAX: usize = 256;

/// One table.
pub(super) struct Reader<'t> {
    findings: &'t Findings,
    table: Option<&'t DeTable<'t>>,
    /// Its path; empty for the file itself.
    path: String,
    /// The same with `*` for names that a person chose.
    pattern: String,
    /// Its header, where faults about missing keys point.
    header: Span,
    /// It has no header of its own, only tables below it.
    is_implied: bool,
    known: Vec<&'static str>,
    /// Keys that get a message of their own and are never suggested, as [`plain`] writes them.
    answered: Vec<String>,
    /// Keys of the file that were reported already.
    told: BTreeSet<String>,
}

impl<'t> Reader<'t> {
    /// The file itself.
    pub(super) fn root(table: &'t DeTable<'t>, findings: &'t Findings) -> Self {
        Self::new(findings, Some(table), String::new(), String::new(), Span::FILE)
    }

    /// The same table for a look whose faults are another's.
    pub(super) fn again<'f>(&self, findings: &'f Findings) -> Reader<'f>
    where
        't: 'f,
    {
        Reader::new(findings, self.table, self.path.clone(), self.pattern.clone(), self.header)
    }

    fn new(
        findings: &'t Findings,
        table: Option<&'t DeTable<'t>>,
        path: String,
        pattern: String,
        header: Span,
    ) -> Self {
        Self {
            findings,
            table,
            path,
            pattern,
            header,
            is_implied: false,
            known: Vec::new(),
            answered: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// Does the table stand in the file?
    pub(super) fn present(&self) -> bool {
        self.table.is_some()
    }

    /// Is there no header of its own, but only tables below it, and nothing else in it?
    pub(super) fn is_implied(&self) -> bool {
        let is_table = |value: &Spanned<DeValue<'_>>| value.get_ref().is_table();
        self.is_implied && self.table.is_some_and(|table| table.values().all(is_table))
    }

    /// Where the table begins.
    pub(super) fn header(&self) -> Span {
        self.header
    }

    pub(super) fn findings(&self) -> &'t Findings {
        self.findings
    }

    /// Does the key stand in the table, whatever its value?
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The text of a key that is not read yet, if it is one.
    pub(super) fn peek(&self, key: &str) -> Option<&'t str> {
        self.table?.get(key)?.get_ref().as_str()
    }

    /// The place of a key; the table's header if it is absent.
    pub(super) fn place(&self, key: &str) -> Span {
        self.table.and_then(|t| t.get_key_value(key)).map_or(self.header, |(key, _)| key.span().into())
    }

    /// Reports a key's value, or that it is there at all.
    pub(super) fn wrong(&self, key: &str, reason: Reason) {
        self.findings.wrong(self.place(key), named(key, reason));
    }

    /// Warns of a key's value, or that it is there at all.
    pub(super) fn warn(&self, key: &str, reason: Reason) {
        self.findings.warn(self.place(key), named(key, reason));
    }

    /// Reports that a key is missing, unless it is there or is reported as misspelt.
    pub(super) fn require(&self, key: &str, why: &str) {
        if self.present() && !self.has(key) && !self.is_misspelt(key) {
            let say = format!("`{key}` is missing in {}: {why}", self.name());
            self.findings.missing(self.header, Code::MissingKey.because(say).allowing(why));
        }
    }

    /// Does the table have an unknown key that was probably meant to be this one? It is reported as unknown, which is enough.
    pub(super) fn is_misspelt(&self, key: &str) -> bool {
        let Some(table) = self.table.filter(|table| table.len() <= KEYS_MAX) else { return false };
        let candidates = || self.known.iter().copied().chain([key]);
        let is_unknown = |name: &str| !candidates().any(|known| known == name) && !self.is_answered(name);
        let names = table.keys().map(|name| name.get_ref().as_ref());
        names.into_iter().any(|name| is_unknown(name) && nearest(name, candidates()) == Some(key))
    }

    /// The table as messages name it.
    pub(super) fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path) }
    }

    fn know(&mut self, key: &'static str) {
        self.known.push(key);
        self.findings.know(&self.pattern, key);
    }

    /// Reads a key by a function of its own; the reason it gives follows the key's name.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'t Spanned<DeValue<'t>>) -> Result<T, Reason>,
    ) -> Option<At<T>> {
        let value = self.find(key)?;
        match parse(value) {
            Ok(read) => Some(At { value: read, at: value.span().into() }),
            Err(reason) => {
                self.refuse(key, value, reason);
                None
            }
        }
    }

    /// The value of a key, which is known from here on.
    fn find(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.know(key);
        self.table?.get(key)
    }

    fn refuse(&self, key: &str, value: &Spanned<DeValue<'_>>, reason: Reason) {
        let reason = self.without_secret(value, reason);
        self.findings.wrong(value.span().into(), named(key, reason));
    }

    /// A reason to refuse a value, without what may be a secret.
    fn without_secret(&self, value: &Spanned<DeValue<'_>>, reason: Reason) -> Reason {
        if !masking::covers(&self.pattern) {
            return reason;
        }
        let masked = match value.get_ref() {
            DeValue::String(text) => masking::reason_without(text, &reason.text),
            DeValue::Array(_) | DeValue::Table(_) => Some(reason.text.clone()),
            _ => None,
        };
        match masked {
            Some(text) => {
                self.findings.mask(value.span().into());
                Reason { text, ..reason }
            }
            None => reason,
        }
    }

    /// A text that is not empty.
    pub(super) fn string(&mut self, key: &'static str) -> Option<At<String>> {
        self.read(key, |value| values::text(value).map(str::to_owned))
    }

    /// `true` or `false`.
    pub(super) fn bool(&mut self, key: &'static str) -> Option<At<bool>> {
        self.read(key, values::boolean)
    }

    /// A whole number within a range.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<At<u32>> {
        self.read(key, |value| values::integer(value, &range))
    }

    /// A finite number.
    pub(super) fn number(&mut self, key: &'static str) -> Option<At<f64>> {
        self.read(key, values::number)
    }

    /// A finite number within a range that `what` names.
    pub(super) fn number_if(
        &mut self,
        key: &'static str,
        what: &str,
        allowed: impl FnOnce(f64) -> bool,
    ) -> Option<At<f64>> {
        self.read(key, |value| {
            let number = values::number(value)?;
            if allowed(number) {
                return Ok(number);
            }
            let found = values::found(value.get_ref());
            Err(Code::OutOfRange.must_be(what, found.trim_start_matches("the number ")))
        })
    }

    /// A span of time within a range.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        self.read(key, |value| values::duration(value, &range))
    }

    /// A temperature in a unit.
    pub(super) fn temperature(&mut self, key: &'static str, unit: TemperatureUnit) -> Option<At<Celsius>> {
        self.read(key, |value| values::temperature(value, unit))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<At<T>> {
        self.read(key, |value| values::word(value, words))
    }

    /// A list of texts, or one text alone.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        self.read(key, values::texts)
    }

    /// A sub-table, in the file or not.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.know(key);
        let (path, pattern) = (join(&self.path, key), join(&self.pattern, key));
        let Some(value) = self.table.and_then(|table| table.get(key)).or_else(|| self.misspelt_section(key))
        else {
            return Self::new(self.findings, None, path, pattern, self.header);
        };
        let table = value.get_ref().as_table();
        if table.is_none() {
            let found = match value.get_ref() {
                DeValue::String(text) if masking::covers(&pattern) => {
                    self.findings.mask(value.span().into());
                    format!("the text \"{}\"", masking::start(text))
                }
                other => values::found(other),
            };
            let write = match value.get_ref().as_array() {
                Some(list) if list.iter().all(|item| item.get_ref().is_table()) && pattern == "climate" => {
                    "write [climate], in single brackets and once, or [climates.NAME] for each of several"
                        .to_owned()
                }
                _ => format!("write {}", shapes::of_table(&pattern)),
            };
            let reason = Code::WrongType.must_be("a table", found);
            self.wrong(key, reason.and(format_args!(": {write}")));
        }
        // The span of a table that only its sub-tables name is its name in the first of them: good enough.
        Self::new(self.findings, table, path, pattern, value.span().into())
    }

    /// A table of the file itself whose name is probably misspelt: the name is reported, and the content is read all the same.
    fn misspelt_section(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        let table = self.table.filter(|table| self.path.is_empty() && table.len() <= KEYS_MAX)?;
        let is_meant = |name: &str| {
            !SECTIONS.contains(&name)
                && !self.is_answered(name)
                && nearest(name, SECTIONS.into_iter()) == Some(key)
        };
        table
            .iter()
            .find(|(name, value)| value.get_ref().is_table() && is_meant(name.get_ref().as_ref()))
            .map(|(_, value)| value)
    }

    /// The named tables below a key, in file order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(At<String>, Self)> {
        let mut outer = self.table(key);
        let mut named: Vec<_> = outer.entries();
        named.retain(|(name, value)| {
            let is_table = value.get_ref().is_table();
            if !is_table {
                let found = values::found(value.get_ref());
                let shape = shapes::of_table(&join(&outer.pattern, "*"));
                let shape = if key == "outputs" { shape } else { format!("[{key}.NAME]") };
                let say = format!("[{key}] holds named tables, found {found} here: write {shape}");
                self.findings.wrong(name.at, Code::WrongType.because(say).allowing(shape));
            }
            is_table
        });
        let pattern = join(&outer.pattern, "*");
        named
            .into_iter()
            .map(|(name, value)| {
                let path = join(&outer.path, &name.value);
                let table = value.get_ref().as_table();
                let mut reader = Self::new(self.findings, table, path, pattern.clone(), value.span().into());
                reader.is_implied = reader.header == name.at;
                (name, reader)
            })
            .collect()
    }

    /// Every entry of a table whose keys a person chose, in file order.
    pub(super) fn entries(&mut self) -> Vec<(At<String>, &'t Spanned<DeValue<'t>>)> {
        let Some(table) = self.table else {
            return Vec::new();
        };
        let entries = table
            .iter()
            .map(|(name, value)| (At { value: name.get_ref().to_string(), at: name.span().into() }, value));
        in_file_order(entries.collect(), |(name, _)| name.at)
    }

    /// Answers keys that people try, however they are spelt, and that do not exist, with a message of their own. Were
    /// there any?
    pub(super) fn answer(&mut self, code: Code, keys: &[&'static str], message: &str) -> bool {
        self.answered.extend(keys.iter().map(|key| plain(key)));
        let tried: Vec<_> =
            self.entries().into_iter().filter(|(key, _)| self.is_answered(&key.value)).collect();
        for (key, _) in &tried {
            let say = format!("`{}` {message}", words::shorten(&key.value));
            self.findings.wrong(key.at, code.because(say));
        }
        !tried.is_empty()
    }

    fn is_answered(&self, name: &str) -> bool {
        !self.answered.is_empty() && !self.known.contains(&name) && self.answered.contains(&plain(name))
    }

    /// Answers tables that are none of these, and resemble none, with a message for one of this name. Were there any?
    pub(super) fn answer_tables(
        &mut self,
        tables: &[&'static str],
        message: impl Fn(&str) -> String,
    ) -> bool {
        for (key, value) in self.entries() {
            let name = key.value.as_str();
            if value.get_ref().is_table() && nearest(name, tables.iter().copied()).is_none() {
                self.findings.wrong(key.at, Code::UnknownKey.because(message(&words::shorten(name))));
                self.told.insert(key.value);
            }
        }
        !self.told.is_empty()
    }

    /// Reports every unknown key.
    pub(super) fn finish(mut self) {
        let mut unknown = self.entries();
        unknown.retain(|(key, _)| {
            let name = key.value.as_str();
            !self.known.contains(&name) && !self.is_answered(name) && !self.told.contains(name)
        });
        for (index, (key, _)) in unknown.into_iter().enumerate() {
            if index >= FAULTS_MAX {
                // Earlier faults reach the maximum already, so its message would be dropped.
                self.findings.count(key.at);
                continue;
            }
            let name = key.value.as_str();
            if masking::covers(&self.pattern) {
                self.findings.mask(key.at);
            }
            let shown = words::shorten(name);
            let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
            let known = known.join(", ");
            let message = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("unknown key `{shown}` in {}; did you mean `{near}`?", self.name()),
                None => format!("unknown key `{shown}` in {}; allowed are {known}", self.name()),
            };
            self.findings.wrong(key.at, Code::UnknownKey.because(message).allowing(known));
        }
    }
}

fn named(key: &str, reason: Reason) -> Reason {
    reason.after(format_args!("`{key}` "))
}
