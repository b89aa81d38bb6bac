//! The link against the stand-in hub: real sockets, real TLS, one process.
//!
//! No test waits for a fixed time; a limit only turns a hang into a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod clock;
mod complaints;
mod end;
mod exchange;
mod log;
mod odd;
mod pattern;
mod provision;
mod round;
mod secrets;
mod site;
mod start;
mod telemetry;
