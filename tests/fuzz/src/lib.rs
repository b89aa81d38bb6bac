//! What must hold of each parser that meets foreign bytes, whatever the bytes: one body per target.
//!
//! A *body* takes bytes, hands them to the product, and asserts. The fuzzer calls it by `fuzz_targets`, and `replay.rs`
//! compiles the same bodies into `cargo test`. A *law* is what a body asserts besides that nothing panics; most say
//! that what passed once never fails later: it can be written, read again and told in a log.
//! Deliberately absent: chance, and anything of the fuzzer's.

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

/// Every target, by its name.
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

/// More would bury the rest of a log line's message.
const WORDS_CHARS_MAX: usize = 2000;

/// What is told of foreign bytes stands in a log: one short line, which cannot speak to a terminal.
fn assert_fit_for_a_log(words: &str) {
    assert!(!words.chars().any(char::is_control), "a control character in {words:?}");
    let count = words.chars().count();
    assert!(count <= WORDS_CHARS_MAX, "{count} characters told");
}

/// What MQTT lets a client publish to (3.1.1, section 4.7): not empty, no wildcard, no zero.
fn assert_fit_for_a_topic(topic: &str) {
    assert!(!topic.is_empty() && topic.len() <= usize::from(u16::MAX), "{topic:?} has no length for a topic");
    assert!(!topic.contains(['+', '#', '\0']), "{topic:?} cannot be published to");
}

/// The bytes up to the first line's end, and those after it.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
