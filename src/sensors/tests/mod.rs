//! The sensors as the service uses them: attributes in a simulated sysfs, and threads that deliver.

mod attributes;
mod contacts;
mod iio;
mod others;
mod survey;
mod sys;
mod threads;
mod trees;
mod w1;

use super::{Channel, DRIVERS, Locator, Now, Plausibility, SensorSettings, Source};
use crate::control::SensorId;
use crate::units::BootTime;
use core::time::Duration;
use std::path::PathBuf;

/// Where no file is fed, no test depends on it.
const NOW: Now =
    Now { boot: BootTime::from_boot(Duration::from_secs(1000)), wall: Duration::ZERO, is_believed: false };

fn source(driver: &str, at: Locator, channel: Option<Channel>) -> Source {
    let driver = DRIVERS.iter().find(|known| known.name == driver).unwrap();
    Source { driver, at, line: None, channel }
}

fn a_file(path: PathBuf) -> Source {
    source("file", Locator::Path(path), None)
}

/// A sensor of which every finite value is believed.
fn settings(source: Source) -> SensorSettings {
    SensorSettings {
        id: SensorId(3),
        name: "cabinet".to_owned(),
        source,
        scale: 1.0,
        offset: 0.0,
        period: Duration::from_millis(1),
        small_change: 0.0,
        plausible: Plausibility {
            valid: (f64::MIN, f64::MAX),
            max_step: None,
            reject: vec![],
            frozen_repeats: None,
        },
        max_age: None,
    }
}
