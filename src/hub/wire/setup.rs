//! What a connection needs on this machine, and how that fails: files, root certificates, a valid name.

use crate::hub::disk::DISK_TIMEOUT;
use core::fmt;
use std::path::PathBuf;

/// Why no connection can even be tried: something on this machine is missing or broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupFault {
    /// A file cannot be used.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk did not answer while this was read.
    Hangs(String),
    /// Neither the system nor `ca-file` has a root.
    NoRoots,
    /// The name to connect to is neither a host name nor an address.
    ServerName(String),
    /// The library refuses its own defaults.
    Library(String),
}

impl fmt::Display for SetupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Hangs(what) => write!(
                f,
                "{what}: not read within {} s, the disk does not answer: look at it (`dmesg`), mend or replace it; it is \
                 tried again",
                DISK_TIMEOUT.as_secs()
            ),
            Self::NoRoots => f.write_str(
                "no root certificate to trust: install the system's (ca-certificates) or name one with ca-file",
            ),
            Self::ServerName(name) => write!(f, "{name:?} is neither a host name nor an address"),
            Self::Library(reason) => write!(f, "the TLS library cannot be set up: {reason}"),
        }
    }
}

impl std::error::Error for SetupFault {}
