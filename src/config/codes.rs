//! What kind of fault or warning it is, by one word that stays the same when a message is put better.
//!
//! Programs go by these words (`twind check --json`). The handbook explains each of them, and a test holds it to this list.

use core::fmt::Display;
use serde::Serialize;

/// The kind of a fault or warning. Its word is the name in kebab case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The configuration file cannot be read.
    Unreadable,
    /// This user may not read the configuration file.
    Denied,
    /// It is no TOML there.
    Syntax,
    /// A key or a table is there twice.
    Duplicate,
    /// A person must fill in something before the daemon can start.
    Unfinished,
    /// There is no such key, table or line of this name.
    UnknownKey,
    /// A key is missing in its table.
    MissingKey,
    /// The value is of another type.
    WrongType,
    /// A number, a time or a percentage is too small or too large.
    OutOfRange,
    /// The text is none of the words that are allowed.
    UnknownWord,
    /// The text has not the form that is needed.
    WrongForm,
    /// A name cannot be given to this.
    WrongName,
    /// There is nothing of this name.
    UnknownName,
    /// The key is for something else, such as another driver.
    Misplaced,
    /// Two keys exclude each other.
    Conflict,
    /// Two values do not fit each other.
    Inconsistent,
    /// Two things have one name, one property, one wire or one file.
    Clash,
    /// There are more of them than twind takes.
    TooMany,
    /// A secret stands in the configuration itself.
    SecretInside,
    /// A secret can be read by other users.
    SecretExposed,
    /// A file that is named cannot be read.
    File,
    /// A file that is named was read, and no connection can be made with its content, or not for long.
    Credentials,
    /// What is written has no effect, or not the one that it says.
    NoEffect,
    /// A pin or a channel is not there, or belongs to something else.
    Wiring,
    /// A value is allowed and hardly ever meant.
    Unlikely,
    /// A folder or a socket cannot be made or written there.
    Place,
    /// Other users may do more by a socket than look.
    OpenSocket,
    /// The hardware: the board cannot be opened.
    Board,
    /// The hardware: the line or the channel of an output cannot be driven.
    Output,
    /// The hardware: a sensor has no valid reading.
    Sensor,
    /// The way to the hub ends at this step.
    Hub,
}

/// Why something is refused, or warned of.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) code: Code,
    /// A sentence, or what continues one that begins with the name of a key.
    pub(super) text: String,
    /// What may stand there, where that is one thing.
    pub(super) allowed: Option<String>,
}

impl Code {
    pub(super) fn because(self, text: impl Into<String>) -> Reason {
        Reason { code: self, text: text.into(), allowed: None }
    }

    /// `must be ALLOWED, found FOUND`.
    pub(super) fn must_be(self, allowed: impl Display, found: impl Display) -> Reason {
        let allowed = allowed.to_string();
        Reason { code: self, text: format!("must be {allowed}, found {found}"), allowed: Some(allowed) }
    }

    /// `must be ALLOWED` with more after it.
    pub(super) fn must_be_and(self, allowed: impl Display, more: impl Display) -> Reason {
        let allowed = allowed.to_string();
        Reason { code: self, text: format!("must be {allowed}{more}"), allowed: Some(allowed) }
    }
}

impl Reason {
    /// The same with this before its text.
    pub(super) fn after(self, before: impl Display) -> Self {
        Self { text: format!("{before}{}", self.text), ..self }
    }

    /// The same with this behind its text.
    pub(super) fn and(self, more: impl Display) -> Self {
        Self { text: format!("{}{more}", self.text), ..self }
    }

    /// The same with what may stand there.
    pub(super) fn allowing(self, allowed: impl Into<String>) -> Self {
        Self { allowed: Some(allowed.into()), ..self }
    }
}
