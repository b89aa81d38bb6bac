//! Hardware monitors: `/sys/class/hwmon/hwmon*`, known by their `name`.

use super::named::{Class, attachment, check_id, is_on_a_bus};
use super::sysfs::{Attribute, Kind, entries, number, read_text, whereabouts};
use super::{Candidate, Driver, HUMIDITY, Locator, PERIOD, Source, w1};
use crate::control::Fault;
use crate::control::quantity::TEMPERATURE;
use std::path::{Path, PathBuf};

const PREFIX: &str = "hwmon";
const INPUT: &str = "_input";
/// Attributes by which the driver says that a channel failed, or does not measure.
const FAULT: &str = "_fault";
const ENABLE: &str = "_enable";
/// The channel that a device's name alone means.
const FIRST_TEMPERATURE: &str = "temp1";
/// What the inputs measure, by the beginning of their names.
const KINDS: [(&str, &str, &str); 7] = [
    ("temp", TEMPERATURE, "°C"),
    ("humidity", HUMIDITY, "%"),
    ("fan", "rpm", "rpm"),
    ("in", "voltage", "V"),
    ("curr", "current", "A"),
    ("power", "power", "W"),
    ("energy", "energy", "J"),
];
/// Thermometers on modules of memory: on a bus, and yet inside the machine.
const ON_MODULES: [&str; 2] = ["jc42", "spd5118"];

/// An id is `DEVICE/ATTRIBUTE`, `DEVICE/CHANNEL` or `DEVICE/LABEL` with the device's stable name
/// (`/sys/class/hwmon/hwmon*/name`), or `NAME@PLACE` where several have it; `DEVICE` alone is its first temperature. Raw
/// values are the kernel's: thousandths of degrees, per cent, volts and amperes, millionths of watts and joules, and plain
/// turns per minute.
pub(super) static DRIVER: Driver = Driver {
    name: "hwmon",
    id_is: Some("the device, such as \"cpu_thermal\" or \"sht3x/humidity1\""),
    is_line: false,
    period: PERIOD,
    power_on: None,
    is_fed: false,
    // A label may have a slash of its own.
    check_id: |id, _| check_id(id, PREFIX, &['/', '@']),
    open: |root, source| Box::new(Attribute::new(Hwmon::of(root, source), source)),
    whereabouts: |root, source| whereabouts(&Hwmon::of(root, source)),
    there,
};

struct Hwmon {
    class: Class,
    at: Locator,
}

fn class(root: &Path) -> Class {
    Class::new(root.join("class/hwmon"), PREFIX, "name")
}

impl Hwmon {
    fn of(root: &Path, source: &Source) -> Self {
        Self { class: class(root), at: source.at.clone() }
    }
}

/// Every input, but those of devices that another kind of sensor shows, too: thermal zones and 1-Wire thermometers.
fn there(root: &Path) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (id, device) in class(root).ids() {
        if w1::bytes_beside(&device.join("device")).is_some() || is_of_a_zone(&device) {
            continue;
        }
        let name = id.split('@').next().unwrap_or_default();
        let is_of_the_machine = ON_MODULES.contains(&name) || !is_on_a_bus(&device);
        let mut inputs: Vec<_> = entries(&device).iter().filter_map(|name| input(name)).collect();
        inputs.sort();
        found.extend(inputs.into_iter().map(|(kind, number)| {
            let (prefix, measures, unit) = KINDS[kind];
            let label = read_text(&device.join(format!("{prefix}{number}_label"))).ok();
            Candidate {
                id: format!("{id}/{prefix}{number}"),
                measures: measures.to_owned(),
                unit,
                label: label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
                is_of_the_machine,
            }
        }));
    }
    found
}

/// The place in [`KINDS`] and the number of an input.
fn input(name: &str) -> Option<(usize, u32)> {
    let channel = name.strip_suffix(INPUT)?;
    let prefix = channel.trim_end_matches(|c: char| c.is_ascii_digit());
    let kind = KINDS.iter().position(|(known, ..)| *known == prefix)?;
    Some((kind, channel[prefix.len()..].parse().ok()?))
}

fn is_of_a_zone(device: &Path) -> bool {
    let attached = attachment(device);
    let folder = attached.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    folder.is_some_and(|name| name.starts_with("thermal_zone"))
}

fn file_name(place: &Path) -> &str {
    place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The device, and the attribute, channel or label that is meant.
fn split(id: &str) -> (&str, &str) {
    id.split_once('/').unwrap_or((id, FIRST_TEMPERATURE))
}

/// The attribute of that name (`temp1_input`), or the input of that channel (`temp1`) or with that label (`CPU`).
fn attribute(device: &Path, name: &str) -> Option<PathBuf> {
    let named = [name.to_owned(), format!("{name}{INPUT}")].map(|name| device.join(name));
    named.into_iter().find(|path| path.is_file()).or_else(|| labelled(device, name))
}

fn labelled(device: &Path, label: &str) -> Option<PathBuf> {
    let inputs = entries(device).into_iter().filter_map(|file| {
        let input = device.join(format!("{}{INPUT}", file.strip_suffix("_label")?));
        read_text(&device.join(file)).is_ok_and(|text| text.trim() == label).then_some(input)
    });
    inputs.min()
}

impl Kind for Hwmon {
    fn find(&self) -> Result<PathBuf, Fault> {
        let place = match &self.at {
            Locator::Path(path) => path.clone(),
            Locator::Id(id) => {
                let (device, what) = split(id);
                self.class.find(device, |device| attribute(device, what))?
            }
        };
        // A 1-Wire thermometer is shown as a monitor, too; its bytes and checksum decide.
        let is_its = file_name(&place) == w1::MONITOR_INPUT;
        let bytes = is_its.then(|| w1::bytes_beside(&place.with_file_name("device")));
        Ok(bytes.flatten().unwrap_or(place))
    }

    /// A number is ignored if the driver says that the channel failed or does not measure.
    fn raw(&self, place: &Path, text: &str) -> Result<f64, Fault> {
        let says = |what: &str, wrong: f64| {
            let channel = file_name(place).strip_suffix(INPUT)?;
            let said = read_text(&place.with_file_name(format!("{channel}{what}"))).ok()?;
            number(&said).is_ok_and(|said| said == wrong).then_some(Fault::Unreadable)
        };
        if let Some(fault) = says(FAULT, 1.0).or_else(|| says(ENABLE, 0.0)) {
            return Err(fault);
        }
        if w1::is_bytes(place) { w1::thousandths(text) } else { number(text) }
    }

    /// By the kernel's naming standard for hwmon (`Documentation/hwmon/sysfs-interface`); fans, frequencies and
    /// what is not listed there count ones.
    fn raw_per_unit(&self, place: &Path) -> f64 {
        match file_name(place).split(|c: char| c == '_' || c.is_ascii_digit()).next() {
            _ if w1::is_bytes(place) => w1::PER_DEGREE,
            Some("temp" | "humidity" | "in" | "curr") => 1000.0,
            Some("power" | "energy") => 1_000_000.0,
            _ => 1.0,
        }
    }

    fn wanted(&self) -> String {
        match &self.at {
            Locator::Path(_) => "hwmon input".to_owned(),
            Locator::Id(id) => format!("hwmon {id:?}"),
        }
    }

    fn elsewhere(&self) -> String {
        match &self.at {
            Locator::Path(path) => format!("not at {}", path.display()),
            Locator::Id(id) => self.class.elsewhere(split(id).0, |name| name.ends_with(INPUT)),
        }
    }
}
