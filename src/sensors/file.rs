//! A number in any file: what another program measures, and what a test writes.

use super::sysfs::Kind;
use crate::control::Fault;
use std::path::{Path, PathBuf};

pub(super) struct File {
    path: PathBuf,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
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
