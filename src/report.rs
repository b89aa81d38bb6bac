//! What is worth telling the hub.
use core::time::Duration;
use std::collections::BTreeMap;

/// How the reported section looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReportStyle {
    /// Plain values.
    #[default]
    Plain,
}

/// What to report, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportSpec {
    /// Sensor values at least this often.
    pub heartbeat: Duration,
    /// Sensor values never more often.
    pub min_interval: Duration,
    /// By what a sensor measures: a change smaller than this is not told before the heartbeat.
    pub deadband: BTreeMap<String, f64>,
    /// How the section looks.
    pub style: ReportStyle,
    /// Told as `firmwareVersion`.
    pub firmware_version: String,
}
