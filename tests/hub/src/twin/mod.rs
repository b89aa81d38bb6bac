//! The rules of a device twin, as pure data: no I/O, no clock, no randomness.
//!
//! A *section* is one of tags, desired and reported properties. The *back end* writes tags and desired properties,
//! the *device* writes reported ones. A *notification* tells a connected device of a desired change.
//! Times come in as text, and nothing here knows about connections, topics or HTTP.
//!
//! These rules are written only from the service's documentation, so that they check a client's understanding
//! independently.

mod document;
mod limits;
mod section;
#[cfg(test)]
mod tests;

pub use document::{Change, Notification, ResetNotice, Rules, Twin};
pub use limits::{
    MAX_DEPTH, MAX_INTEGER, MAX_KEY_BYTES, MAX_PROPERTIES_SIZE, MAX_STRING_BYTES, MAX_TAGS_SIZE, MIN_INTEGER,
    section_size,
};
pub use section::{Section, Stamp};

use std::fmt;

/// Why the hub refuses a change of a twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwinError {
    /// The text is not JSON, or not an object where one is required.
    NotAnObject {
        /// The part that was read: `reported`, `properties.desired`…
        what: String,
    },
    /// One property breaks a rule.
    Property {
        /// Its path from the section's name, joined with dots.
        path: String,
        /// The broken rule.
        problem: Problem,
    },
    /// The section would grow past its limit.
    SectionTooLarge {
        /// `tags`, `desired` or `reported`.
        section: &'static str,
        /// The size that it would have.
        size: usize,
        /// The size that it may have.
        limit: usize,
    },
    /// The caller named a base version that is not the current one.
    VersionMismatch {
        /// The version named.
        given: u64,
        /// The current version.
        current: u64,
    },
}

/// A rule that a single property can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A key contains a character that keys may not contain.
    KeyCharacter(char),
    /// A key is longer than [`MAX_KEY_BYTES`].
    KeyTooLong(usize),
    /// A string or an array is larger than [`MAX_STRING_BYTES`].
    ValueTooLarge(usize),
    /// More than [`MAX_DEPTH`] nested objects.
    TooDeep,
    /// An integer outside [`MIN_INTEGER`]..=[`MAX_INTEGER`].
    IntegerRange,
    /// `null` inside an array, where it cannot mean deletion.
    NullInArray,
}

impl fmt::Display for TwinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject { what } => write!(f, "{what} must be a JSON object"),
            Self::Property { path, problem } => write!(f, "property {path}: {problem}"),
            Self::SectionTooLarge { section, size, limit } => {
                write!(f, "section {section} would hold {size} bytes, the limit is {limit}")
            }
            Self::VersionMismatch { given, current } => {
                write!(f, "version {given} was expected, the current version is {current}")
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyCharacter(c) => write!(f, "a key may not hold {c:?}"),
            Self::KeyTooLong(bytes) => write!(f, "a key of {bytes} bytes, the limit is {MAX_KEY_BYTES}"),
            Self::ValueTooLarge(bytes) => {
                write!(f, "a value of {bytes} bytes, the limit is {MAX_STRING_BYTES}")
            }
            Self::TooDeep => write!(f, "objects may be nested {MAX_DEPTH} deep and no deeper"),
            Self::IntegerRange => write!(f, "an integer must lie between {MIN_INTEGER} and {MAX_INTEGER}"),
            Self::NullInArray => write!(f, "null is not allowed inside an array"),
        }
    }
}

impl std::error::Error for TwinError {}
