//! The commands, one file each, and their arguments. `main` parses and prints what they return.

mod archive;
pub mod arguments;
pub mod ask;
pub mod check;
mod climates;
mod excerpt;
pub mod exit;
mod hardware;
pub mod help;
pub mod init;
mod keys;
mod local_time;
pub mod mismatch;
pub mod model;
pub mod overrides;
pub mod page;
pub mod printed;
mod quantity;
pub mod reload;
pub mod report;
pub mod safe;
pub mod status;
pub mod twin;
mod users;
mod verdict;
mod walk;
pub mod watch;
