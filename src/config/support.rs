//! What may be given to others, such as those who give support: the configuration, and other text, without what may be a secret.
//!
//! Of the configuration only what is understood is shown: keys that twind knows, with values that they may have. All other text,
//! comments included, may be a secret. Each line stays in its place, so that the lines of faults are found.

use super::connection_string::{check_device_id, check_host};
use super::provisioning::{id_scope, registration_id};
use super::spans::{Span, in_file_order};
use super::syntax::Slips;
use super::{ConfigFaults, Sections, files, known_keys, masking, parsed, proxy, secrets};
use core::ops::Range;
use std::collections::BTreeSet;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What stands in the place of anything else.
const HIDDEN: &str = "…";

/// A text without what looks like a secret.
pub fn text(text: &str) -> String {
    secrets::masked(text)
}

/// Is there what looks like a key in these bytes? Other secrets have no form that distinguishes them from the bytes around them.
pub fn holds_key(bytes: &[u8]) -> bool {
    secrets::is_key_in(&String::from_utf8_lossy(bytes))
}

/// JSON without what looks like a secret in its texts, and without the texts below keys whose names say that they are secrets.
pub fn json(json: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(json.len()), json);
    let mut depth = 0_usize;
    // The depth of a key that names a secret.
    let mut secret_at: Option<usize> = None;
    while let Some(start) = rest.find('"') {
        let (before, literal) = rest.split_at(start + 1);
        for c in before.chars() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let (inside, after) = literal.split_at(length_of_literal(literal));
        let (quote, after) = after.split_at(after.len().min(1));
        let is_key = after.trim_start().starts_with(':');
        if is_key && secret_at.is_none_or(|at| depth <= at) {
            secret_at = secrets::names_a_secret(inside).then_some(depth);
        }
        shown.push_str(before);
        match secret_at.is_some() && !is_key {
            true => shown.push_str(HIDDEN),
            false => shown.push_str(&secrets::masked(inside)),
        }
        shown.push_str(quote);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// How long a text is in JSON, up to its closing quotation mark.
fn length_of_literal(literal: &str) -> usize {
    let mut is_escaped = false;
    let end = literal.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(literal.len())
}

/// A configuration file, without comments and without what may be a secret.
///
/// # Errors
/// Why it cannot be read.
pub fn configuration(path: &Path) -> Result<String, ConfigFaults> {
    Ok(configuration_text(&files::config_text(path)?.0))
}

/// The text of a configuration file, without comments and without what may be a secret.
pub fn configuration_text(text: &str) -> String {
    let (read, table, slips) = parsed(text, &Sections::All);
    let known = known_keys();
    let mut shown = Shown { text: read, known: &known, slips: &slips, parts: Vec::new() };
    shown.table(table.get_ref(), "", 0);
    let in_order = |parts| in_file_order(parts, |(at, _): &Part| Span { start: at.start, end: at.start });
    let mut parts = in_order(shown.parts);
    let headers = headers(read, &known, &parts);
    parts.extend(headers);
    let parts = in_order(parts);
    let (mut told, mut from) = (String::new(), 0);
    for (at, part) in parts {
        if at.start < from {
            continue;
        }
        hide(&read[from..at.start], &mut told);
        told.push_str(&part);
        from = at.end;
    }
    hide(&text[from..], &mut told);
    told
}

/// A part of the text, and how it is shown.
type Part = (Range<usize>, String);

/// What of the text is shown, and how.
struct Shown<'s> {
    text: &'s str,
    known: &'s BTreeSet<String>,
    slips: &'s Slips,
    parts: Vec<Part>,
}

impl Shown<'_> {
    fn table(&mut self, table: &DeTable<'_>, pattern: &str, depth: usize) {
        for (key, value) in table {
            let Some(pattern) = step(self.known, pattern, key.get_ref()) else { continue };
            if self.is_misread(value.span().start) {
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) => {
                    let behind = self.text.get(key.span().end..).unwrap_or_default();
                    if behind.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('=') {
                        self.key(key.span(), depth);
                    }
                    self.table(inner, &pattern, depth + 1);
                }
                leaf if self.known.contains(&pattern) || is_of_entries(&pattern) => {
                    self.key(key.span(), depth);
                    self.value(leaf, value.span(), &pattern);
                }
                _ => {}
            }
        }
    }

    /// Was it misread because of a fault in the syntax?
    fn is_misread(&self, at: usize) -> bool {
        let is_in = |lines: Span| (lines.start..=lines.end).contains(&at);
        self.slips.told.iter().any(|slip| is_in(slip.value) || slip.hides_rest && at >= slip.at.start)
    }

    /// A key with those before it that it is joined to by dots. All of them are known, or names.
    fn key(&mut self, at: Range<usize>, depth: usize) {
        let before = self.text.get(..at.start).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.\"' \t".contains(c);
        let start = before.trim_end_matches(is_part).len();
        let Some(written) = self.text.get(start..at.end) else { return };
        let start = start + written.len() - written.trim_start().len();
        let written = written.trim_start();
        if written.split('.').count() <= depth + 1 {
            self.parts.push((start..at.end, secrets::masked(written)));
        }
    }

    fn value(&mut self, value: &DeValue<'_>, at: Range<usize>, pattern: &str) {
        match value {
            DeValue::Array(items) => {
                for item in items.iter() {
                    self.value(item.get_ref(), item.span(), pattern);
                }
            }
            DeValue::Table(_) => {}
            DeValue::String(text) => {
                let Some(written) = self.text.get(at.clone()) else { return };
                let told = shown_text(pattern, text);
                let told = match told == **text && secrets::masked(written) == written {
                    true => written.to_owned(),
                    false => {
                        let told = told.replace(['"', '\\', '\n', '\r'], " ");
                        format!("\"{told}\"{}", "\n".repeat(written.matches('\n').count()))
                    }
                };
                self.parts.push((at, told));
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
                let Some(written) = self.text.get(at.clone()) else { return };
                self.parts.push((at, secrets::masked(written)));
            }
        }
    }
}

/// A text as it is shown, by the key that it belongs to.
fn shown_text(pattern: &str, text: &str) -> String {
    let (table, key) = pattern.rsplit_once('.').unwrap_or_default();
    if !masking::covers(table) {
        return secrets::masked(text);
    }
    let is_right = match key {
        "proxy" => {
            return match proxy::parse(text) {
                Ok(proxy) if proxy.credentials.is_none() => text.to_owned(),
                Ok(proxy) => format!("http://{HIDDEN}@{}:{}", proxy.host, proxy.port),
                Err(_) => masking::start(text),
            };
        }
        "host" | "gateway" | "endpoint" => check_host(text).is_ok(),
        "device-id" => check_device_id(text).is_ok(),
        "id-scope" => id_scope(text).is_ok(),
        "registration-id" => registration_id(text).is_ok(),
        "model-id" => text.starts_with("dtmi:"),
        "transport" => matches!(text, "mqtt" | "websocket"),
        // The name of a file is what support asks for first.
        file if file.ends_with("-file") => true,
        _ => humantime::parse_duration(text.trim()).is_ok(),
    };
    if is_right { secrets::masked(text) } else { masking::start(text) }
}

/// Are these the names of quantities, with numbers?
fn is_of_entries(pattern: &str) -> bool {
    pattern == "report.deadband.*"
}

/// The pattern of a key in the table of a pattern; `None` if there is no such key.
fn step(known: &BTreeSet<String>, table: &str, key: &str) -> Option<String> {
    let join = |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    let is_known = |pattern: &String| {
        let below = format!("{pattern}.");
        let mut next = known.range(below.clone()..);
        known.contains(pattern)
            || is_of_entries(pattern)
            || next.next().is_some_and(|next| next.starts_with(&below))
    };
    [join(key), join("*")].into_iter().find(is_known)
}

/// The headers of tables with names that are known or may be chosen. `values` are in order.
fn headers(text: &str, known: &BTreeSet<String>, values: &[Part]) -> Vec<Part> {
    let (mut headers, mut start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let at = start + line.len() - line.trim_start().len();
        start += line.len();
        let Some((names, _)) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'))
        else {
            continue;
        };
        let before = values.partition_point(|(value, _)| value.start <= at);
        if before
            .checked_sub(1)
            .and_then(|last| values.get(last))
            .is_some_and(|(value, _)| value.contains(&at))
        {
            continue;
        }
        let names_in = names.split('.').map(|name| name.trim().trim_matches(['"', '\'']));
        let pattern =
            names_in.into_iter().try_fold(String::new(), |pattern, name| step(known, &pattern, name));
        let told = pattern.map_or_else(|| HIDDEN.to_owned(), |_| secrets::masked(names));
        headers.push((at..at + names.len() + 2, format!("[{told}]")));
    }
    headers
}

/// Adds text that is not understood: of it only the characters are shown by which it is held together.
fn hide(text: &str, told: &mut String) {
    let is_structure = |c: char| c.is_whitespace() || "=[]{},".contains(c);
    for line in text.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find('#').unwrap_or(line.len()));
        let mut rest = code;
        while let Some(start) = rest.find(|c: char| !is_structure(c)) {
            told.push_str(&rest[..start]);
            told.push_str(HIDDEN);
            let after = &rest[start..];
            rest = &after[after.find(is_structure).unwrap_or(after.len())..];
        }
        told.push_str(rest);
        if !comment.is_empty() {
            told.push_str("# ");
            told.push_str(HIDDEN);
            told.push_str(if comment.ends_with('\n') { "\n" } else { "" });
        }
    }
}
