//! What must hold for each parser of foreign bytes, whatever the bytes are: one body per target.
//!
//! A *body* takes bytes, hands them to the product, and asserts. The fuzzer calls it through `fuzz_targets/search.rs`, and
//! `replay.rs` compiles the same bodies into `cargo test`. A *law* is what a body asserts beyond the absence of panics.
//! Most laws say that accepted input never fails later: it can be written, read again and logged.
//! Deliberately absent: randomness, and anything of the fuzzer's.

pub mod assignment;
pub mod codec;
pub mod config;
pub mod connection_string;
pub mod document;
pub mod engine;
pub mod provisioning;
pub mod proxy;
pub mod record;
pub mod sensor;
pub mod sync;
pub mod topic;
pub mod varlink;

mod merge;
mod site;

/// A target's body.
pub type Body = fn(&[u8]);

/// Every target with its name.
pub const TARGETS: &[(&str, Body)] = &[
    ("assignment", assignment::run),
    ("codec", codec::run),
    ("config", config::run),
    ("connection_string", connection_string::run),
    ("document", document::run),
    ("engine", engine::run),
    ("provisioning", provisioning::run),
    ("proxy", proxy::run),
    ("record", record::run),
    ("sensor", sensor::run),
    ("sync", sync::run),
    ("topic", topic::run),
    ("varlink", varlink::run),
];

/// Longer text would bury the rest of a log line.
const WORDS_CHARS_MAX: usize = 2000;

/// A message about foreign bytes goes to the log: it must be one short line without control characters.
fn assert_fit_for_a_log(words: &str) {
    assert!(!words.chars().any(char::is_control), "a control character in {words:?}");
    let count = words.chars().count();
    assert!(count <= WORDS_CHARS_MAX, "{count} characters told");
}

/// A topic that an MQTT client may publish to (3.1.1, section 4.7): not empty, no wildcard, no NUL.
fn assert_fit_for_a_topic(topic: &str) {
    assert!(!topic.is_empty() && topic.len() <= usize::from(u16::MAX), "{topic:?} has no length for a topic");
    assert!(!topic.contains(['+', '#', '\0']), "{topic:?} cannot be published to");
}

/// The first line's bytes, and the bytes after it.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
