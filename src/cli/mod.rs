//! The commands, one file each, and the words that name them. `main` parses; these do and say.

pub mod ask;
pub mod check;
pub mod hand;
mod hardware;
mod keys;
pub mod printed;
pub mod safe;
pub mod status;
pub mod twin;
pub mod watch;
pub mod whose;
pub mod words;
