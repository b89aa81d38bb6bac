//! Industrial I/O: `/sys/bus/iio/devices/iio:device*`, known by their `name`. The numbers change with the order in which
//! devices are found, the names do not. Two devices of one name cannot be told apart: neither is read.
//!
//! Terms: a *channel* is one quantity of a device (`in_temp`), an *attribute* a file about it. Where the driver
//! computes, the channel has an `…_input`; else a `…_raw`, of which (raw + offset) × scale is the same.
//! Deliberately absent: buffers and triggers.

use super::Locator;
use super::sysfs::{Kind, devices, entries, instead, names, number, read_text, says};
use crate::control::Fault;
use std::path::{Path, PathBuf};

const PREFIX: &str = "iio:device";
const INPUT: &str = "_input";
const RAW: &str = "_raw";

/// A channel that need not be named, because what the sensor measures says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `in_temp`.
    Temperature,
    /// `in_humidityrelative`.
    Humidity,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Temperature => "in_temp",
            Self::Humidity => "in_humidityrelative",
        }
    }
}

pub(super) struct Iio {
    devices: PathBuf,
    at: Locator,
    channel: Option<Channel>,
}

impl Iio {
    pub(super) fn new(root: &Path, at: &Locator, channel: Option<Channel>) -> Self {
        Self { devices: root.join("bus/iio/devices"), at: at.clone(), channel }
    }

    fn named(&self, name: &str) -> Vec<PathBuf> {
        let mut named = devices(&self.devices, PREFIX);
        named.retain(|device| says(&device.join("name"), name));
        named
    }

    fn attribute(&self, device: &Path, named: Option<&str>) -> Option<PathBuf> {
        let mut attributes = match (named, self.channel) {
            (Some(attribute), _) => vec![attribute.to_owned()],
            (None, Some(channel)) => [INPUT, RAW].map(|end| format!("{}{end}", channel.name())).into(),
            (None, None) => vec![],
        };
        attributes.retain(|attribute| device.join(attribute).is_file());
        attributes.first().map(|attribute| device.join(attribute))
    }
}

/// The device's name, and the attribute if one is meant. No attribute has a colon in its name.
fn split(id: &str) -> (&str, Option<&str>) {
    id.rsplit_once(':').map_or((id, None), |(device, attribute)| (device, Some(attribute)))
}

fn file_name(place: &Path) -> &str {
    place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What the device says about a channel's raw numbers: about this channel, or about all of the same quantity
/// (`in_voltage0_scale`, `in_voltage_scale`).
fn about(place: &Path, channel: &str, what: &str, default: f64) -> Result<f64, Fault> {
    for name in [channel, quantity(channel)] {
        match read_text(&place.with_file_name(format!("{name}_{what}"))) {
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
                let (name, attribute) = split(id);
                match &*self.named(name) {
                    [] => Err(Fault::Missing),
                    [device] => self.attribute(device, attribute).ok_or(Fault::Missing),
                    _ => Err(Fault::Ambiguous),
                }
            }
        }
    }

    /// A second device of the name makes the first as doubtful as itself, whichever came first.
    fn still_at(&self, place: &Path) -> bool {
        match &self.at {
            Locator::Path(_) => true,
            Locator::Id(id) => match &*self.named(split(id).0) {
                [device] => place.parent() == Some(device),
                _ => false,
            },
        }
    }

    fn raw(&self, place: &Path, text: &str) -> Result<f64, Fault> {
        let raw = number(text)?;
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
        let name = match &self.at {
            Locator::Id(id) => split(id).0,
            Locator::Path(_) => "",
        };
        match &*self.named(name) {
            [] => instead(&self.devices, names(&self.devices, PREFIX, "name")),
            [device] => {
                let mut readings = entries(device);
                readings.retain(|name| name.ends_with(INPUT) || name.ends_with(RAW));
                instead(device, readings)
            }
            several => {
                let places: Vec<_> = several.iter().map(|device| device.display().to_string()).collect();
                format!("found at {}", places.join(" and at "))
            }
        }
    }
}
