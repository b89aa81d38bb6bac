//! A number in any file, written by another program or a test.

use super::sysfs::{Attribute, Kind, whereabouts};
use super::{Driver, Locator, PERIOD, Source};
use crate::control::Fault;
use std::path::{Path, PathBuf};

/// A file is known by its path alone.
pub(super) static DRIVER: Driver = Driver {
    name: "file",
    id_is: None,
    is_line: false,
    period: PERIOD,
    power_on: None,
    is_fed: true,
    check_id: |_, _| Ok(()),
    open: |_, source| Box::new(Attribute::new(File::of(source), source)),
    whereabouts: |_, source| whereabouts(&File::of(source)),
    // Any file may hold a number.
    there: |_| Vec::new(),
};

struct File {
    path: PathBuf,
}

impl File {
    fn of(source: &Source) -> Self {
        let path = match &source.at {
            Locator::Path(path) => path.clone(),
            Locator::Id(name) => PathBuf::from(name),
        };
        Self { path }
    }
}

impl Kind for File {
    fn find(&self) -> Result<PathBuf, Fault> {
        Ok(self.path.clone())
    }

    fn raw_per_unit(&self, _place: &Path) -> f64 {
        1.0
    }

    fn wanted(&self) -> String {
        "number".to_owned()
    }

    fn elsewhere(&self) -> String {
        format!("not at {}", self.path.display())
    }
}
