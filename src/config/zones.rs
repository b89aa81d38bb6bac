//! The time zones of schedules: their data is the system's, in the format of RFC 9636, and is read with the configuration.

use super::words;
use crate::control::ZoneId;
use crate::control::schedule::Zone;
use crate::files;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the system has the data of all zones, unless `TZDIR` names another folder (tzset(3)).
pub(super) const FOLDER: &str = "/usr/share/zoneinfo";
/// The system's own zone (localtime(5)).
const LOCAL: &str = "/etc/localtime";
/// Larger than the data of any zone.
const SIZE_MAX: u64 = 256 * 1024;

/// The zones that a configuration uses, each once.
pub(super) struct Zones {
    folder: PathBuf,
    local: PathBuf,
    all: Vec<Zone>,
}

impl Zones {
    /// Those of the system, by `TZDIR`.
    pub(super) fn new(folder: Option<&Path>) -> Self {
        let folder = folder.unwrap_or_else(|| Path::new(FOLDER)).to_owned();
        Self { folder, local: PathBuf::from(LOCAL), all: Vec::new() }
    }

    /// The zone of this name.
    ///
    /// # Errors
    /// Why there is none, to follow the key's name.
    pub(super) fn named(&mut self, name: &str) -> Result<ZoneId, String> {
        let shown = words::shorten(name);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        if name.is_empty() || !name.chars().all(legal) || name.starts_with('/') {
            return Err(format!(
                "must be the name of a time zone, such as \"Europe/Berlin\", found \"{shown}\""
            ));
        }
        let path = self.folder.join(name);
        let missing = |reason: String| {
            format!(
                "must be a time zone of this system, such as \"Europe/Berlin\" (timedatectl list-timezones), found \
                 \"{shown}\": {reason}"
            )
        };
        let (data, _) = files::read(&path, SIZE_MAX).map_err(|fault| missing(fault.to_string()))?;
        let zone = Zone::new(name, &data).map_err(|fault| missing(fault.to_string()))?;
        Ok(self.take(zone))
    }

    /// The system's zone; UTC where it has none, as for every other program.
    pub(super) fn of_system(&mut self) -> ZoneId {
        let target = fs::canonicalize(&self.local).ok();
        let name = target.as_deref().and_then(|target| target.strip_prefix(FOLDER).ok());
        let name = name.map_or_else(|| "localtime".to_owned(), |name| name.to_string_lossy().into_owned());
        let data = files::read(&self.local, SIZE_MAX).ok();
        let zone = data.and_then(|(data, _)| Zone::new(&name, &data).ok());
        self.take(zone.unwrap_or_else(Zone::utc))
    }

    fn take(&mut self, zone: Zone) -> ZoneId {
        if let Some(id) = self.all.iter().position(|other| *other == zone) {
            return ZoneId(id);
        }
        self.all.push(zone);
        ZoneId(self.all.len() - 1)
    }

    pub(super) fn into_all(self) -> Vec<Zone> {
        self.all
    }
}
