//! Complaints.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod desired;
#[path = "../daemon/rig.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod process;
mod offline;
mod reports;
mod rig;
