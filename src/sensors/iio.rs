//! Industrial I/O: `/sys/bus/iio/devices/iio:device*`, known by their `name`.
//!
//! Terms: a *channel* is one quantity of a device (`in_temp`), an *attribute* a file about it. Where the driver
//! computes, the channel has an `…_input`; else a `…_raw`, of which (raw + offset) × scale is the same.
//! Buffers and triggers are not used.

use super::named::{Class, check_id};
use super::sysfs::{Attribute, Kind, entries, number, read_text, whereabouts};
use super::{BadId, Candidate, Driver, HUMIDITY, Locator, PERIOD, Source};
use crate::control::Fault;
use crate::control::quantity::TEMPERATURE;
use std::path::{Path, PathBuf};

const PREFIX: &str = "iio:device";
const INPUT: &str = "_input";
const RAW: &str = "_raw";
/// Begins the name of each channel that is read.
const IN: &str = "in_";
/// Attributes by which a device says that its thermocouple or resistor is broken or shorted (MAX31856, MAX31865).
const FAULTS: [&str; 3] = ["fault_oc", "fault_ovuv", "fault_ov_uv"];

/// A channel that need not be named, because it follows from what the sensor measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `in_temp`.
    Temperature,
    /// `in_humidityrelative`.
    Humidity,
}

impl Channel {
    /// The channel of what a sensor measures.
    pub fn of(measures: &str) -> Option<Self> {
        match measures {
            TEMPERATURE => Some(Self::Temperature),
            HUMIDITY => Some(Self::Humidity),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Temperature => "in_temp",
            Self::Humidity => "in_humidityrelative",
        }
    }
}

/// An id is `DEVICE:ATTRIBUTE` or `DEVICE:CHANNEL` with the device's stable name
/// (`/sys/bus/iio/devices/iio:device*/name`), or `NAME@PLACE` where several have it; `DEVICE` alone is what the sensor
/// measures. Raw values are the kernel's: thousandths of degrees and of per cent, kilopascals, millivolts; what the
/// attribute's own `…_offset` and `…_scale` say is applied to a `…_raw`.
pub(super) static DRIVER: Driver = Driver {
    name: "iio",
    id_is: Some("the device's name, such as \"bme280\" or \"bme280:in_pressure\""),
    is_line: false,
    period: PERIOD,
    power_on: None,
    is_fed: false,
    check_id: |id, channel| {
        check_id(id, PREFIX, &[':', '@'])?;
        if channel.is_none() && !id.contains(':') { Err(BadId::NoChannel) } else { Ok(()) }
    },
    open: |root, source| Box::new(Attribute::new(Iio::of(root, source), source)),
    whereabouts: |root, source| whereabouts(&Iio::of(root, source)),
    there,
};

struct Iio {
    class: Class,
    at: Locator,
    channel: Option<Channel>,
}

fn class(root: &Path) -> Class {
    Class::new(root.join("bus/iio/devices"), PREFIX, "name")
}

impl Iio {
    fn of(root: &Path, source: &Source) -> Self {
        Self { class: class(root), at: source.at.clone(), channel: source.channel }
    }

    /// The attribute of that name, or the reading of that channel, or of the channel that need not be named.
    fn attribute(&self, device: &Path, named: Option<&str>) -> Option<PathBuf> {
        let name = named.or_else(|| self.channel.map(Channel::name))?;
        let attributes = ["", INPUT, RAW].map(|end| device.join(format!("{name}{end}")));
        attributes.into_iter().find(|attribute| attribute.is_file())
    }
}

/// Every channel that is read by itself, without a buffer.
fn there(root: &Path) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (device, folder) in class(root).ids() {
        let readings = entries(&folder).into_iter().filter_map(|name| {
            let channel = name.strip_suffix(INPUT).or_else(|| name.strip_suffix(RAW))?;
            channel.starts_with(IN).then(|| channel.to_owned())
        });
        let mut channels: Vec<String> = readings.collect();
        channels.sort();
        // A channel may have both files.
        channels.dedup();
        found.extend(channels.iter().map(|channel| candidate(&device, channel)));
    }
    found
}

fn candidate(device: &str, channel: &str) -> Candidate {
    let quantity = quantity(channel).trim_start_matches(IN);
    let (measures, unit) = match quantity {
        "temp" => (TEMPERATURE, "°C"),
        "humidityrelative" => (HUMIDITY, "%"),
        "pressure" => ("pressure", "kPa"),
        "illuminance" => ("illuminance", "lx"),
        "voltage" => ("voltage", "mV"),
        "current" => ("current", "mA"),
        "power" => ("power", "mW"),
        // Its channel names the gas: `in_concentration_co2`, in per cent.
        "concentration" => (channel.rsplit('_').next().unwrap_or(quantity), "%"),
        other => (other, ""),
    };
    let is_default = Channel::of(measures).is_some_and(|default| default.name() == channel);
    Candidate {
        id: if is_default { device.to_owned() } else { format!("{device}:{channel}") },
        measures: measures.to_owned(),
        unit,
        label: None,
        // The converters inside processors measure the temperature of those.
        is_of_the_machine: device.contains("adc"),
    }
}

/// The device, and the attribute or channel if one is named. No attribute has a colon in its name.
fn split(id: &str) -> (&str, Option<&str>) {
    id.rsplit_once(':').map_or((id, None), |(device, attribute)| (device, Some(attribute)))
}

fn file_name(place: &Path) -> &str {
    place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What the device says about a channel's raw numbers: about this channel, or about all of the same quantity, all that
/// it measures, or all (`in_voltage0_scale`, `in_voltage_scale`, `in_scale`, `scale`).
fn about(place: &Path, channel: &str, what: &str, default: f64) -> Result<f64, Fault> {
    let [own, quantity] = [channel, quantity(channel)].map(|name| format!("{name}_{what}"));
    for name in [own, quantity, format!("in_{what}"), what.to_owned()] {
        match read_text(&place.with_file_name(name)) {
            Err(Fault::Missing) => {}
            text => return number(&text?),
        }
    }
    Ok(default)
}

/// `in_voltage` of `in_voltage0`, `in_temp` of `in_temp_object`.
fn quantity(channel: &str) -> &str {
    let start = channel.find('_').map_or(0, |at| at + 1);
    let end =
        channel[start..].find(|c: char| !c.is_ascii_alphabetic()).map_or(channel.len(), |at| start + at);
    &channel[..end]
}

impl Kind for Iio {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => Ok(path.clone()),
            Locator::Id(id) => {
                let (device, named) = split(id);
                self.class.find(device, |device| self.attribute(device, named))
            }
        }
    }

    fn raw(&self, place: &Path, text: &str) -> Result<f64, Fault> {
        let raw = number(text)?;
        let is_said =
            |fault: &str| read_text(&place.with_file_name(fault)).is_ok_and(|said| said.trim() == "1");
        if FAULTS.iter().any(|fault| is_said(fault)) {
            return Err(Fault::Unreadable);
        }
        match file_name(place).strip_suffix(RAW) {
            Some(channel) => {
                Ok((raw + about(place, channel, "offset", 0.0)?) * about(place, channel, "scale", 1.0)?)
            }
            None => Ok(raw),
        }
    }

    /// By the kernel's naming standard for IIO (`Documentation/ABI/testing/sysfs-bus-iio`); what is not listed there
    /// is left in the kernel's unit.
    fn raw_per_unit(&self, place: &Path) -> f64 {
        let name = file_name(place);
        let reading = name.strip_suffix(INPUT).or_else(|| name.strip_suffix(RAW));
        match reading.map(quantity) {
            Some("in_temp" | "in_humidityrelative") => 1000.0,
            _ => 1.0,
        }
    }

    fn wanted(&self) -> String {
        match &self.at {
            Locator::Path(_) => "iio attribute".to_owned(),
            Locator::Id(id) => format!("iio {id:?}"),
        }
    }

    fn elsewhere(&self) -> String {
        let is_reading = |name: &str| name.ends_with(INPUT) || name.ends_with(RAW);
        match &self.at {
            Locator::Path(path) => format!("not at {}", path.display()),
            Locator::Id(id) => self.class.elsewhere(split(id).0, is_reading),
        }
    }
}
