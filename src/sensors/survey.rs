//! The sensors that a machine has, whatever is configured: each is read once, by the id that a configuration would give it.

use super::{
    Channel, DRIVERS, Driver, HUMIDITY, Judge, Locator, Now, Plausibility, SensorSettings, Source,
    VALID_CELSIUS, VALID_HUMIDITY,
};
use crate::control::quantity::TEMPERATURE;
use crate::control::{Fault, SensorId};
use crate::units::BootTime;
use core::time::Duration;
use std::path::Path;

/// What could be a sensor, as its kind sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As `id` names it.
    pub id: String,
    /// As `measures` names it.
    pub measures: String,
    /// Of its values, for a person; empty if that is not known.
    pub unit: &'static str,
    /// What its device calls it.
    pub label: Option<String>,
    /// It measures the machine itself: its processor, its disks, its memory.
    pub is_of_the_machine: bool,
}

/// A sensor that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    /// Its kind.
    pub driver: &'static Driver,
    /// What it is.
    pub candidate: Candidate,
    /// Its value now, or why there is none.
    pub value: Result<f64, Fault>,
}

/// Every sensor below `sys` (`/sys`), by its kind. A value is judged by the defaults of a configuration.
pub fn survey(sys: &Path) -> Vec<Present> {
    let mut present = Vec::new();
    for &driver in DRIVERS {
        for candidate in (driver.there)(sys) {
            let channel = Channel::of(&candidate.measures);
            // A name that the kernel allows may still be none for a configuration.
            if driver.check_id(&candidate.id, channel).is_ok() {
                let value = value(driver, &candidate, channel, sys);
                present.push(Present { driver, candidate, value });
            }
        }
    }
    present
}

fn value(
    driver: &'static Driver,
    candidate: &Candidate,
    channel: Option<Channel>,
    sys: &Path,
) -> Result<f64, Fault> {
    let valid = match candidate.measures.as_str() {
        TEMPERATURE => VALID_CELSIUS,
        HUMIDITY => VALID_HUMIDITY,
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let reject = driver.power_on.into_iter().collect();
    let settings = SensorSettings {
        id: SensorId(0),
        name: String::new(),
        source: Source { driver, at: Locator::Id(candidate.id.clone()), line: None, channel },
        scale: 1.0,
        offset: 0.0,
        period: Duration::ZERO,
        small_change: 0.0,
        plausible: Plausibility { valid, max_step: None, reject, frozen_repeats: None },
        max_age: None,
    };
    // No kind that is found without a configuration is fed by a program, so none has an age.
    let now = Now { boot: BootTime::ZERO, wall: Duration::ZERO, is_believed: false };
    let mut sensor = (driver.open)(sys, &settings.source);
    Judge::new(&settings).sample(&mut *sensor, || now).1.0
}
