//! The commands, one file each. `main` parses; these do and say.

pub mod check;
pub mod hardware;
pub mod safe;
pub mod twin;
