//! Thermal zones: `/sys/class/thermal/thermal_zone*`, known by their `type`, in thousandths of a degree.
//!
//! A zone whose `mode` is "disabled" still measures: only the kernel's own cooling is disabled.

use super::named::{Class, check_id};
use super::sysfs::{Attribute, Kind, number, whereabouts};
use super::{Candidate, Driver, Locator, PERIOD, Source};
use crate::control::Fault;
use crate::control::quantity::TEMPERATURE;
use std::path::{Path, PathBuf};

const PREFIX: &str = "thermal_zone";
const TEMP: &str = "temp";
/// Without a temperature the kernel says -274000, and some drivers say absolute zero, rounded either way.
const NO_TEMPERATURE: f64 = -273_000.0;

/// An id is the zone's `type` (`cpu-thermal`), or `TYPE@PLACE` where several have it. Zones that are attached nowhere are distinguished
/// apart by their number alone (`acpitz@thermal_zone0`).
pub(super) static DRIVER: Driver = Driver {
    name: "thermal-zone",
    id_is: Some("the zone's type, such as \"cpu-thermal\""),
    is_line: false,
    period: PERIOD,
    power_on: None,
    is_fed: false,
    check_id: |id, _| check_id(id, PREFIX, &['@']),
    open: |root, source| Box::new(Attribute::new(ThermalZone::of(root, source), source)),
    whereabouts: |root, source| whereabouts(&ThermalZone::of(root, source)),
    there: |root| class(root).ids().into_iter().map(|(id, _)| candidate(id)).collect(),
};

struct ThermalZone {
    class: Class,
    at: Locator,
}

fn class(root: &Path) -> Class {
    Class::new(root.join("class/thermal"), PREFIX, "type").numbered()
}

fn candidate(id: String) -> Candidate {
    Candidate { id, measures: TEMPERATURE.to_owned(), unit: "°C", label: None, is_of_the_machine: true }
}

impl ThermalZone {
    fn of(root: &Path, source: &Source) -> Self {
        Self { class: class(root), at: source.at.clone() }
    }
}

impl Kind for ThermalZone {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => Ok(path.clone()),
            Locator::Id(id) => self.class.find(id, |zone| Some(zone.join(TEMP))),
        }
    }

    fn raw(&self, _place: &Path, text: &str) -> Result<f64, Fault> {
        number(text).and_then(|raw| if raw > NO_TEMPERATURE { Ok(raw) } else { Err(Fault::Unreadable) })
    }

    fn raw_per_unit(&self, _place: &Path) -> f64 {
        1000.0
    }

    fn wanted(&self) -> String {
        match &self.at {
            Locator::Path(_) => "thermal zone".to_owned(),
            Locator::Id(id) => format!("thermal zone {id:?}"),
        }
    }

    fn elsewhere(&self) -> String {
        match &self.at {
            Locator::Path(path) => format!("not at {}", path.display()),
            Locator::Id(id) => self.class.elsewhere(id, |name| name == TEMP),
        }
    }
}
