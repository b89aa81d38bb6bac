//! The tables about connections: whatever is refused in them may be a secret that was written beside the wrong key, so a message
//! shows the start of it alone, also of what does not look like a secret.

use super::words::shorten;

/// The tables.
const TABLES: [&str; 2] = ["hub", "hub.provisioning"];
/// The number of characters that are shown, to find a text by.
const SHOWN: usize = 2;

/// Is this one of the tables?
pub(super) fn covers(table: &str) -> bool {
    TABLES.contains(&table)
}

/// A refused text as it is shown: its start and its length.
pub(super) fn start(text: &str) -> String {
    let length = text.chars().count();
    let start: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    format!("{start}… ({length} characters)")
}

/// A reason to refuse a text, without the text; `None` if it may be shown. A number, a span of time, a letter or two, and a text
/// of which the reason says what was meant by it are no secrets. The path of a file is what its reason is about.
pub(super) fn reason_without(text: &str, reason: &str) -> Option<String> {
    let is_number = text.trim().bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text.chars().count() <= SHOWN;
    if is_number || is_short || humantime::parse_duration(text.trim()).is_ok() {
        return None;
    }
    let quotes = [text, text.trim()].map(|text| format!("\"{}\"", shorten(text)));
    let Some((before, after)) = quotes.iter().find_map(|quoted| reason.split_once(quoted.as_str())) else {
        return (!reason.contains(text)).then(|| reason.to_owned());
    };
    let is_understood = ["; did you mean \"", ": write \""].iter().any(|hint| after.contains(hint));
    // What follows may quote a part of it.
    (!is_understood).then(|| format!("{before}\"{}\"", start(text)))
}
