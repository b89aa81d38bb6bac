//! The last hour of every climate and output, as the local socket sends it and `twind watch` draws it.
//!
//! All lists have the same length: an entry of each for each sample, the oldest first. Temperatures are in degrees Celsius.

use super::status::Named;
use super::write::{round_to, tidy};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize, Serializer};

/// The last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trend {
    /// The time between two samples, if none is missing.
    pub every_seconds: u64,
    /// How old each sample is.
    pub seconds_ago: Vec<u64>,
    /// Each climate by its name; that without one is `climate`.
    pub climates: Named<ClimateTrend>,
    /// Each output by its name.
    pub outputs: Named<OutputTrend>,
}

/// One climate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClimateTrend {
    /// Its value, if it had one.
    pub value: Vec<Option<Short>>,
    /// The lower end of the range that it held.
    pub min: Vec<Option<Short>>,
    /// The upper end.
    pub max: Vec<Option<Short>>,
}

/// One output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputTrend {
    /// Its drive, if it was known.
    pub permille: Vec<Option<u16>>,
    /// Turns per minute, if they were measured.
    pub rpm: Vec<Option<u16>>,
}

/// A number that is written with two decimals at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Short(pub f32);

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tidy(round_to(f64::from(self.0), 2)).serialize(serializer)
    }
}
