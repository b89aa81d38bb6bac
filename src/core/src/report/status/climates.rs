//! Climates in the status.

use super::{Tidy, rounded};
use crate::control::ClimateRange;
use crate::control::climate::Climate;
use crate::control::scheduled::Scheduled;
use crate::twin::Override;
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

/// A climate. A temperature is in degrees Celsius.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClimateStatus {
    /// Its regime.
    pub regime: String,
    /// If it holds a temperature: the present one.
    pub temperature: Option<Tidy>,
    /// What it holds in range.
    pub measures: String,
    /// The present value.
    pub value: Option<Tidy>,
    /// The lower end of its range.
    pub min: Tidy,
    /// The upper end of its range.
    pub max: Tidy,
    /// What its schedule says, if it has one.
    pub schedule: Option<ScheduleStatus>,
    /// The override on it.
    #[serde(rename = "override")]
    pub overridden: Option<RangeOverrideStatus>,
    /// The unit of a temperature in its configuration, by which people give it an override: `celsius`, `fahrenheit`, `kelvin`.
    pub unit: Option<String>,
    /// The desired property that holds its range.
    pub property: String,
}

/// An override of a climate. A temperature is in degrees Celsius.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RangeOverrideStatus {
    /// The lower end that was asked for.
    pub min: Tidy,
    /// The upper end.
    pub max: Tidy,
    /// When it ends.
    pub seconds_left: u64,
    /// Who ordered it.
    pub by: String,
}

/// What the schedule of a climate says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleStatus {
    /// It waits for a clock that can be believed.
    pub waiting: bool,
    /// The entry that holds.
    pub entry: Option<String>,
    /// When that changes, as RFC 3339 writes it.
    pub until: Option<String>,
}

/// A change of the range that a climate holds. A temperature is in degrees Celsius.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RangeChangeStatus {
    /// When.
    pub seconds_ago: u64,
    /// The climate.
    pub climate: String,
    /// The lower end from then on.
    pub min: Tidy,
    /// The upper end.
    pub max: Tidy,
    /// What made it so: `desired version N`, `schedule entry NAME`, `override`, `configuration`.
    pub cause: String,
    /// Who ordered it, if it was an override.
    pub by: Option<String>,
}

/// The status of a climate, and of the override on it.
pub(super) fn climate(
    now: BootTime,
    climate: &Climate,
    overridden: Option<&Override<ClimateRange>>,
) -> ClimateStatus {
    let quantity = &climate.spec().quantity;
    let value = climate.value().map(|value| rounded(value, 2));
    ClimateStatus {
        regime: climate.regime().name(quantity).to_owned(),
        temperature: value.filter(|_| quantity.unit().is_some()),
        measures: quantity.measures().to_owned(),
        value,
        min: rounded(climate.range().min(), 2),
        max: rounded(climate.range().max(), 2),
        schedule: climate.scheduled().map(|scheduled| ScheduleStatus {
            waiting: *scheduled == Scheduled::Waiting,
            entry: scheduled.entry().map(ToOwned::to_owned),
            until: scheduled.until().map(UnixSeconds::rfc3339),
        }),
        overridden: overridden.map(|one| RangeOverrideStatus {
            min: rounded(one.value.min(), 2),
            max: rounded(one.value.max(), 2),
            seconds_left: one.until.since(now).as_secs(),
            by: one.by.to_string(),
        }),
        unit: quantity.unit().map(|unit| unit.name().to_owned()),
        property: climate.spec().property.shown(),
    }
}
