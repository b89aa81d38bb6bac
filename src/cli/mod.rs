//! The commands, one file each, and their arguments. `main` parses and prints what they return.

pub mod arguments;
pub mod ask;
pub mod check;
mod climates;
pub mod exit;
mod hardware;
mod keys;
pub mod mismatch;
pub mod model;
pub mod overrides;
pub mod printed;
pub mod reload;
pub mod safe;
pub mod status;
pub mod twin;
pub mod watch;
