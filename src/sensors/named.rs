//! Devices that are known by the name they bear. Their numbers (`hwmon2`) change with the order in which drivers load,
//! the names do not; where several bear one name, the place at which each is attached tells them apart.
//!
//! Terms: a *class* is a folder in which the kernel shows all devices of a kind, a *place* any folder on the way to
//! where a device is attached, such as `1-0048`, its address on an I²C bus. Deliberately absent: a choice among devices
//! that are all meant; whichever it were, it could be the wrong one.

use super::BadId;
use super::sysfs::{entries, instead, read_text};
use crate::control::Fault;
use std::fs;
use std::path::{Path, PathBuf};

/// Can an id mean a device that is known by its name? `prefix` stands before the devices' numbers; `marks` part an id,
/// which has no slash unless that is one of them.
pub(super) fn check_id(id: &str, prefix: &str, marks: &[char]) -> Result<(), BadId> {
    let is_digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    if id.strip_prefix(prefix).is_some_and(is_digit) {
        return Err(BadId::Numbered);
    }
    let leads_away = id.split('/').any(|part| part == "..") || id.contains('/') && !marks.contains(&'/');
    if leads_away || id.split(marks).any(str::is_empty) { Err(BadId::Malformed) } else { Ok(()) }
}

/// The devices of one kind.
pub(super) struct Class {
    folder: PathBuf,
    /// What stands before their numbers.
    prefix: &'static str,
    /// The attribute that tells a device's name.
    name: &'static str,
    /// A device that is attached nowhere is told apart by its number.
    is_numbered: bool,
}

impl Class {
    pub(super) fn new(folder: PathBuf, prefix: &'static str, name: &'static str) -> Self {
        Self { folder, prefix, name, is_numbered: false }
    }

    /// Of which some are attached nowhere.
    pub(super) fn numbered(self) -> Self {
        Self { is_numbered: true, ..self }
    }

    /// What an id means and has the attribute that `attribute` gives of a device.
    ///
    /// # Errors
    /// None is there, or several are.
    pub(super) fn find(
        &self,
        id: &str,
        attribute: impl Fn(&Path) -> Option<PathBuf>,
    ) -> Result<PathBuf, Fault> {
        let mut found: Vec<_> = self.meant(id).iter().filter_map(|device| attribute(device)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(Fault::Ambiguous),
            (None, _) => Err(Fault::Missing),
        }
    }

    /// Why nothing was found, for a person; `is_reading` knows the attributes that could be meant instead.
    pub(super) fn elsewhere(&self, id: &str, is_reading: impl Fn(&str) -> bool) -> String {
        match &*self.meant(id) {
            [] => instead(
                &self.folder,
                self.devices().iter().filter_map(|device| self.called(device)).collect(),
            ),
            [device] => {
                let mut readings = entries(device);
                readings.retain(|name| is_reading(name));
                instead(device, readings)
            }
            several => {
                let told: Vec<_> = several.iter().map(|device| self.told_apart(device)).collect();
                format!("found as {}", told.join(" and as "))
            }
        }
    }

    /// In the order of their numbers.
    fn devices(&self) -> Vec<PathBuf> {
        let number = |name: &str| name.strip_prefix(self.prefix)?.parse::<u32>().ok();
        let mut devices: Vec<_> =
            entries(&self.folder).into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
        devices.sort();
        devices.into_iter().map(|(_, name)| self.folder.join(name)).collect()
    }

    fn called(&self, device: &Path) -> Option<String> {
        read_text(&device.join(self.name)).ok().map(|name| name.trim().to_owned())
    }

    /// The devices that are called so, or are called `NAME` and attached at `PLACE` in `NAME@PLACE`. There are names
    /// with an `@` of their own.
    fn meant(&self, id: &str) -> Vec<PathBuf> {
        let is_meant = |device: &PathBuf| {
            let Some(name) = self.called(device) else { return false };
            let place = id.strip_prefix(name.as_str());
            place == Some("")
                || place.and_then(|at| at.strip_prefix('@')).is_some_and(|place| self.is_at(device, place))
        };
        self.devices().into_iter().filter(is_meant).collect()
    }

    /// The id that means this device alone, and where it is.
    fn told_apart(&self, device: &Path) -> String {
        let name = self.called(device).unwrap_or_default();
        let place = self.place(device).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        match place {
            Some(place) => format!("\"{name}@{place}\" at {}", device.display()),
            None => format!("{name:?} at {}", device.display()),
        }
    }

    fn is_at(&self, device: &Path, place: &str) -> bool {
        self.place(device).is_some_and(|path| path.iter().any(|folder| folder == place))
    }

    /// Where a device is attached; one that is attached nowhere is where its number is.
    fn place(&self, device: &Path) -> Option<PathBuf> {
        let has_place = !self.is_numbered || device.join("device").exists();
        if has_place { attachment(device) } else { device.file_name().map(PathBuf::from) }
    }
}

/// The device that this is a view of: what its `device` links to, or else what it lies in. Its own number is in
/// neither.
fn attachment(device: &Path) -> Option<PathBuf> {
    let parent = || Some(fs::canonicalize(device).ok()?.parent()?.to_owned());
    fs::canonicalize(device.join("device")).ok().or_else(parent)
}
