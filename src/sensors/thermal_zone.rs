//! Thermal zones: `/sys/class/thermal/thermal_zone*`, known by their `type`, in thousandths of a degree.

use super::Locator;
use super::sysfs::{Kind, devices, instead, names, says};
use crate::control::Fault;
use std::path::{Path, PathBuf};

const PREFIX: &str = "thermal_zone";

pub(super) struct ThermalZone {
    class: PathBuf,
    at: Locator,
}

impl ThermalZone {
    pub(super) fn new(root: &Path, at: &Locator) -> Self {
        Self { class: root.join("class/thermal"), at: at.clone() }
    }
}

impl Kind for ThermalZone {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => Ok(path.clone()),
            Locator::Id(kind) => {
                let mut zones = devices(&self.class, PREFIX).into_iter();
                let zone = zones.find(|zone| says(&zone.join("type"), kind));
                zone.map(|zone| zone.join("temp")).ok_or(Fault::Missing)
            }
        }
    }

    fn still_at(&self, place: &Path) -> bool {
        match &self.at {
            Locator::Path(_) => true,
            Locator::Id(kind) => says(&place.with_file_name("type"), kind),
        }
    }

    fn raw_per_unit(&self, _place: &Path) -> f64 {
        1000.0
    }

    fn wanted(&self) -> String {
        match &self.at {
            Locator::Path(_) => "thermal zone".to_owned(),
            Locator::Id(kind) => format!("thermal zone {kind:?}"),
        }
    }

    fn elsewhere(&self) -> String {
        instead(&self.class, names(&self.class, PREFIX, "type"))
    }
}
