//! The exit statuses. The manual lists them.

/// Done.
pub const DONE: u8 = 0;
/// An alarm is raised; only the page of `status` ends so.
pub const ALARM: u8 = 1;
/// Wrong usage (sysexits' EX_USAGE).
pub const USAGE: u8 = 64;
/// No daemon to talk to (EX_UNAVAILABLE).
pub const NO_DAEMON: u8 = 69;
/// An internal fault, or one of the system (EX_SOFTWARE).
pub const INTERNAL: u8 = 70;
/// Not permitted (EX_NOPERM).
pub const NOT_PERMITTED: u8 = 77;
/// The configuration is wrong (EX_CONFIG).
pub const CONFIG: u8 = 78;
