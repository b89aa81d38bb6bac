//! Devices that are found by name. Their numbers (`hwmon2`) change with the order in which drivers load, their names do not. If
//! several have the same name, the place where each is attached distinguishes them.
//!
//! Terms: a *class* is a folder in which the kernel shows all devices of a kind; a *place* is any folder on the path to where a
//! device is attached, such as `1-0048`, its address on an I²C bus. If an id means several devices none is chosen, since it could
//! be the wrong one.

use super::BadId;
use super::sysfs::{entries, instead, read_text};
use crate::control::Fault;
use std::fs;
use std::path::{Path, PathBuf};

/// Is this a valid id of a device that is found by name? `prefix` precedes the devices' numbers; `marks` separate the parts of an id,
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
    /// The prefix of their numbers.
    prefix: &'static str,
    /// The attribute that holds a device's name.
    name: &'static str,
    /// Devices that are attached nowhere are distinguished by their numbers.
    is_numbered: bool,
}

impl Class {
    pub(super) fn new(folder: PathBuf, prefix: &'static str, name: &'static str) -> Self {
        Self { folder, prefix, name, is_numbered: false }
    }

    /// A class in which some devices are attached nowhere.
    pub(super) fn numbered(self) -> Self {
        Self { is_numbered: true, ..self }
    }

    /// The attribute, by `attribute`, of the only device that the id means and that has it.
    ///
    /// # Errors
    /// There is none, or there are several.
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

    /// Why nothing was found, for a message; `is_reading` selects the attributes that could be meant instead.
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

    /// Every device and the id that means it alone: its name, and where several have that its place, too.
    pub(super) fn ids(&self) -> Vec<(String, PathBuf)> {
        let named: Vec<_> =
            self.devices().into_iter().filter_map(|device| Some((self.called(&device)?, device))).collect();
        let is_only = |name: &str| named.iter().filter(|(other, _)| other == name).count() == 1;
        let id = |name: &str, device: &Path| match self.folder_of(device) {
            Some(place) if !is_only(name) => format!("{name}@{place}"),
            _ => name.to_owned(),
        };
        named.iter().map(|(name, device)| (id(name, device), device.clone())).collect()
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

    /// The devices with this name, or with the name and place of `NAME@PLACE`. Some names contain an `@` themselves.
    fn meant(&self, id: &str) -> Vec<PathBuf> {
        let is_meant = |device: &PathBuf| {
            let Some(name) = self.called(device) else { return false };
            let place = id.strip_prefix(name.as_str());
            place == Some("")
                || place.and_then(|at| at.strip_prefix('@')).is_some_and(|place| self.is_at(device, place))
        };
        self.devices().into_iter().filter(is_meant).collect()
    }

    /// The id that means this device alone, and its path.
    fn told_apart(&self, device: &Path) -> String {
        let name = self.called(device).unwrap_or_default();
        match self.folder_of(device) {
            Some(place) => format!("\"{name}@{place}\" at {}", device.display()),
            None => format!("{name:?} at {}", device.display()),
        }
    }

    /// The last folder of its place.
    fn folder_of(&self, device: &Path) -> Option<String> {
        Some(self.place(device)?.file_name()?.to_str()?.to_owned())
    }

    fn is_at(&self, device: &Path, place: &str) -> bool {
        self.place(device).is_some_and(|path| path.iter().any(|folder| folder == place))
    }

    /// Where a device is attached; its number if it is attached nowhere.
    fn place(&self, device: &Path) -> Option<PathBuf> {
        let has_place = !self.is_numbered || device.join("device").exists();
        if has_place { attachment(device) } else { device.file_name().map(PathBuf::from) }
    }
}

/// Where the device is attached: what its `device` links to, or else its parent folder. Neither contains its number.
pub(super) fn attachment(device: &Path) -> Option<PathBuf> {
    let parent = || Some(fs::canonicalize(device).ok()?.parent()?.to_owned());
    fs::canonicalize(device.join("device")).ok().or_else(parent)
}

/// Is it attached to a bus that leads out of the machine: I²C (`1-0048`) or SPI (`spi0.0`)?
pub(super) fn is_on_a_bus(device: &Path) -> bool {
    let Some(place) = attachment(device) else { return false };
    let is_decimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    place.iter().filter_map(|folder| folder.to_str()).any(|folder| {
        let is_i2c = folder.split_once('-').is_some_and(|(bus, at)| is_decimal(bus) && is_address(at));
        let spi = folder.strip_prefix("spi").and_then(|rest| rest.split_once('.'));
        is_i2c || spi.is_some_and(|(bus, select)| is_decimal(bus) && is_decimal(select))
    })
}
