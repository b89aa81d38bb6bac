//! A simulated `/sys`, laid out as on a Raspberry Pi: devices where they are attached, and links to them from their bus.

use super::super::{Look, Source, sample_once_under};
use super::{NOW, settings};
use crate::control::Fault;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(super) struct Sys(tempfile::TempDir);

impl Sys {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A monitor with one temperature.
    pub(super) fn hwmon(&self, number: u32, name: &str, millidegrees: &str) {
        self.write(&format!("class/hwmon/hwmon{number}/name"), format!("{name}\n"));
        self.write(&format!("class/hwmon/hwmon{number}/temp1_input"), millidegrees);
    }

    /// A monitor under a number, as it is attached.
    pub(super) fn monitor(&self, number: u32, attached: &str, name: &str, attributes: &[(&str, &str)]) {
        let device = format!("devices/{attached}/hwmon/hwmon{number}");
        self.attach("class/hwmon", &format!("hwmon{number}"), &device, attributes);
        self.write(&format!("{device}/name"), format!("{name}\n"));
        self.link(&format!("{device}/device"), &format!("devices/{attached}"));
    }

    /// A thermal zone, and the place that it belongs to if the driver tells it.
    pub(super) fn zone(&self, number: u32, attached: Option<&str>, kind: &str, millidegrees: &str) {
        let device = format!("devices/virtual/thermal/thermal_zone{number}");
        let attributes = [("temp", millidegrees), ("mode", "enabled\n"), ("policy", "step_wise\n")];
        self.attach("class/thermal", &format!("thermal_zone{number}"), &device, &attributes);
        self.write(&format!("{device}/type"), format!("{kind}\n"));
        if let Some(attached) = attached {
            self.link(&format!("{device}/device"), &format!("devices/{attached}"));
        }
    }

    fn link(&self, link: &str, to: &str) {
        let (link, to) = (self.path(link), self.path(to));
        fs::create_dir_all(&to).unwrap();
        if !link.exists() {
            symlink(to, link).unwrap();
        }
    }

    /// A thermometer on the 1-Wire bus, beside the bus's master.
    pub(super) fn w1(&self, id: &str, attributes: &[(&str, &str)]) {
        let master = "devices/w1_bus_master1";
        self.attach("bus/w1/devices", "w1_bus_master1", master, &[("w1_master_slave_count", "1\n")]);
        self.attach("bus/w1/devices", id, &format!("{master}/{id}"), attributes);
    }

    /// An Industrial I/O device under a number; `attached` is its parent, such as its place on the I²C bus.
    pub(super) fn iio(&self, number: u32, attached: &str, name: &str, attributes: &[(&str, &str)]) {
        let device = format!("devices/platform/soc/{attached}/iio:device{number}");
        self.attach("bus/iio/devices", &format!("iio:device{number}"), &device, attributes);
        self.write(&format!("{device}/name"), format!("{name}\n"));
    }

    /// Everything goes, as at a reboot.
    pub(super) fn clear(&self) {
        for entry in fs::read_dir(self.root()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
    }

    /// All of the bus goes, as with its cable or at a reboot.
    pub(super) fn unplug(&self, bus: &str) {
        fs::remove_dir_all(self.path("devices")).unwrap();
        fs::remove_dir_all(self.path(bus)).unwrap();
    }

    fn attach(&self, bus: &str, link: &str, device: &str, attributes: &[(&str, &str)]) {
        fs::create_dir_all(self.path(bus)).unwrap();
        for (attribute, text) in attributes {
            self.write(&format!("{device}/{attribute}"), text);
        }
        self.link(&format!("{bus}/{link}"), device);
    }

    pub(super) fn sample(&self, source: Source) -> Result<f64, Fault> {
        self.look(source).0
    }

    /// A sample, and where it was looked for; made-up paths are told as if they were below `/sys`.
    pub(super) fn look(&self, source: Source) -> (Result<f64, Fault>, String) {
        let Look { value, whereabouts, .. } = sample_once_under(self.root(), &settings(source), NOW);
        (value, whereabouts.replace(self.root().to_str().unwrap(), "/sys"))
    }
}
