//! Thermometers on the 1-Wire bus: `/sys/bus/w1/devices/28-0316a2797c1f`, known by the number that is burnt into each,
//! in thousandths of a degree.
//!
//! The kernel shows the temperature in `w1_slave`, with the nine bytes that it comes from and the check of their checksum, and since
//! version 5.10 in `temperature`, without them. The bytes are used wherever they are shown: on a bus that is shorted to ground
//! `temperature` is 0 degrees. It is empty, without an error, if there was no good answer.

use super::sysfs::{Attribute, Kind, entries, instead, number, whereabouts};
use super::{BadId, Candidate, Driver, Locator, Source};
use crate::control::Fault;
use crate::control::quantity::TEMPERATURE;
use core::time::Duration;
use std::path::{Path, PathBuf};

const READY: &str = "temperature";
const SLAVE: &str = "w1_slave";
const FAMILY_DIGITS: usize = 2;
const SERIAL_DIGITS: usize = 12;

/// The attribute's units in one degree.
pub(super) const PER_DEGREE: f64 = 1000.0;
/// The only input of a thermometer that is shown as a monitor.
pub(super) const MONITOR_INPUT: &str = "temp1_input";

/// Is this the file with the bytes?
pub(super) fn is_bytes(place: &Path) -> bool {
    place.file_name().is_some_and(|name| name == SLAVE)
}

/// The file with the bytes in a device's folder, for a thermometer that is shown by another class.
pub(super) fn bytes_beside(device: &Path) -> Option<PathBuf> {
    Some(device.join(SLAVE)).filter(|path| path.is_file())
}

/// An id is the number; a path is that of `temperature` or `w1_slave`.
pub(super) static DRIVER: Driver = Driver {
    name: "w1",
    id_is: Some("the sensor's name below /sys/bus/w1/devices, such as \"28-0316a2797c1f\""),
    is_line: false,
    // A conversion takes most of a second, and every one warms the sensor.
    period: Duration::from_secs(10),
    // What a DS18B20 holds before its first conversion.
    power_on: Some(85.0),
    is_fed: false,
    check_id: |id, _| if is_id(id) { Ok(()) } else { Err(BadId::Malformed) },
    open: |root, source| Box::new(Attribute::new(W1::of(root, source), source)),
    whereabouts: |root, source| whereabouts(&W1::of(root, source)),
    there,
};

struct W1 {
    devices: PathBuf,
    at: Locator,
}

impl W1 {
    fn of(root: &Path, source: &Source) -> Self {
        Self { devices: devices(root), at: source.at.clone() }
    }
}

fn devices(root: &Path) -> PathBuf {
    root.join("bus/w1/devices")
}

/// The thermometers of the bus, which may have other devices, too.
fn there(root: &Path) -> Vec<Candidate> {
    let folder = devices(root);
    let is_thermometer = |id: &String| {
        is_id(id) && [SLAVE, READY].iter().any(|attribute| folder.join(id).join(attribute).is_file())
    };
    let mut ids: Vec<String> = entries(&folder).into_iter().filter(is_thermometer).collect();
    ids.sort();
    let candidate = |id| Candidate {
        id,
        measures: TEMPERATURE.to_owned(),
        unit: "°C",
        label: None,
        is_of_the_machine: false,
    };
    ids.into_iter().map(candidate).collect()
}

/// Is this how the kernel names a device of the bus: its family and its serial number, in small hexadecimal digits?
pub fn is_id(text: &str) -> bool {
    let digits = |text: &str, count| {
        text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    text.split_once('-')
        .is_some_and(|(family, serial)| digits(family, FAMILY_DIGITS) && digits(serial, SERIAL_DIGITS))
}

/// The thousandths of a degree that `temperature` or `w1_slave` says.
///
/// # Errors
/// The device gave no good answer, or the text says no number.
pub fn thousandths(text: &str) -> Result<f64, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::Unreadable);
    }
    let mut lines = text.lines();
    match lines.next().and_then(|line| line.split_once(": crc=")) {
        Some((bytes, verdict)) => checked(bytes, verdict, lines.next()),
        None => number(text),
    }
}

/// What `w1_slave` says: `72 01 4b 46 7f ff 0e 10 57 : crc=57 YES`, and the same bytes with `t=23125` below.
fn checked(bytes: &str, verdict: &str, below: Option<&str>) -> Result<f64, Fault> {
    if verdict.split_whitespace().next_back() != Some("YES") {
        return Err(Fault::BadChecksum);
    }
    // A bus that is shorted to ground reads as zeros, whose checksum is right; no thermometer has all zeros.
    if bytes.split_whitespace().all(|byte| byte == "00") {
        return Err(Fault::Unreadable);
    }
    let (_, thousandths) = below.and_then(|line| line.rsplit_once("t=")).ok_or(Fault::NotANumber)?;
    number(thousandths)
}

impl Kind for W1 {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => {
                let bytes = path.with_file_name(SLAVE);
                let has_bytes = path.file_name().is_some_and(|name| name == READY) && bytes.is_file();
                Ok(if has_bytes { bytes } else { path.clone() })
            }
            Locator::Id(id) => {
                let device = self.devices.join(id);
                let attributes = [SLAVE, READY].map(|attribute| device.join(attribute));
                attributes.into_iter().find(|attribute| attribute.is_file()).ok_or(Fault::Missing)
            }
        }
    }

    fn raw(&self, _place: &Path, text: &str) -> Result<f64, Fault> {
        thousandths(text)
    }

    fn raw_per_unit(&self, _place: &Path) -> f64 {
        PER_DEGREE
    }

    fn wanted(&self) -> String {
        match &self.at {
            Locator::Path(_) => "1-Wire thermometer".to_owned(),
            Locator::Id(id) => format!("1-Wire thermometer {id:?}"),
        }
    }

    fn elsewhere(&self) -> String {
        let mut devices = entries(&self.devices);
        devices.retain(|name| is_id(name));
        instead(&self.devices, devices)
    }
}
