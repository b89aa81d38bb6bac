//! Why the daemon could not start.

use super::last_resort::Occupied;
use crate::config::ConfigFaults;
use crate::control::PinFault;
use crate::store::OpenFault;
use core::fmt;
use std::io;

/// Why the daemon could not start.
#[derive(Debug)]
pub enum Fatal {
    /// The configuration is wrong.
    Config(ConfigFaults),
    /// Another daemon drives the outputs.
    Occupied(Occupied),
    /// Another daemon uses the state directory.
    Store(OpenFault),
    /// The board cannot be opened.
    Board(PinFault),
    /// The system refused something that the daemon cannot do without.
    System(io::Error),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(faults) => faults.fmt(f),
            Self::Occupied(fault) => fault.fmt(f),
            Self::Store(fault) => fault.fmt(f),
            Self::Board(fault) => write!(f, "the board cannot be opened: {}", fault.reason),
            Self::System(error) => write!(f, "twind cannot start: {error}"),
        }
    }
}

impl std::error::Error for Fatal {}
