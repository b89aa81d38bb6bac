//! The core, composed.
use crate::control::{ClimateSpec, OutputSpec, PropertyMap, SensorSpec};
use crate::report::ReportSpec;
use crate::twin::SyncPolicy;

/// Everything the core must know of its site.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSpec {
    /// The outputs; [`crate::control::OutputId`] counts them.
    pub outputs: Vec<OutputSpec>,
    /// The sensors; [`crate::control::SensorId`] counts them.
    pub sensors: Vec<SensorSpec>,
    /// The climate, if the site has one.
    pub climate: Option<ClimateSpec>,
    /// Which desired properties mean what.
    pub properties: PropertyMap,
    /// What to report.
    pub report: ReportSpec,
    /// How patient to be with the hub.
    pub sync: SyncPolicy,
    /// Whose twin this is (`host/device`): a record of another is not used.
    pub identity: String,
}
