//! Telemetry in the status.

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What of the telemetry the hub does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelemetryStatus {
    /// Messages in memory alone.
    pub waiting_messages: u64,
    /// Messages that are kept on the disk.
    pub kept_messages: u64,
    /// The bytes of the disk that these take.
    pub kept_bytes: u64,
    /// The records that were lost since the process started.
    pub lost_records: u64,
    /// Why messages cannot be kept.
    pub fault: Option<String>,
}
