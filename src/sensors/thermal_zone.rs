//! Thermal zones: `/sys/class/thermal/thermal_zone*`, known by their `type`, in thousandths of a degree.

use super::Locator;
use super::named::Class;
use super::sysfs::Kind;
use crate::control::Fault;
use std::path::{Path, PathBuf};

const TEMPERATURE: &str = "temp";

pub(super) struct ThermalZone {
    class: Class,
    at: Locator,
}

impl ThermalZone {
    pub(super) fn new(root: &Path, at: &Locator) -> Self {
        Self { class: Class::new(root.join("class/thermal"), "thermal_zone", "type"), at: at.clone() }
    }
}

impl Kind for ThermalZone {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => Ok(path.clone()),
            Locator::Id(id) => self.class.find(id, |zone| Some(zone.join(TEMPERATURE))),
        }
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
            Locator::Id(id) => self.class.elsewhere(id, |name| name == TEMPERATURE),
        }
    }
}
