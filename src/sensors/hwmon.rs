//! Hardware monitors: `/sys/class/hwmon/hwmon*`, known by their `name`. The numbers change with the order in which
//! drivers load, the names do not. Several devices of one name (two chips of a kind) are told apart by nothing that a
//! driver shows, so they are taken in the order of where they are attached, which stays.

use super::Locator;
use super::sysfs::{Kind, devices, instead, names, read_text, says};
use crate::control::Fault;
use std::fs;
use std::path::{Path, PathBuf};

const PREFIX: &str = "hwmon";
/// What a device's name alone stands for.
const FIRST_TEMPERATURE: &str = "temp1_input";

pub(super) struct Hwmon {
    class: PathBuf,
    at: Locator,
}

impl Hwmon {
    pub(super) fn new(root: &Path, at: &Locator) -> Self {
        Self { class: root.join("class/hwmon"), at: at.clone() }
    }

    fn named(&self, name: &str) -> Vec<PathBuf> {
        let mut named = devices(&self.class, PREFIX);
        named.retain(|device| says(&device.join("name"), name));
        // Stable, so those without a place of attachment stay in the order of their numbers.
        named.sort_by_cached_key(|device| fs::canonicalize(device.join("device")).ok());
        named
    }
}

/// The device's name, and the attribute or label that is meant.
fn split(id: &str) -> (&str, &str) {
    id.split_once('/').unwrap_or((id, FIRST_TEMPERATURE))
}

/// The attribute of that name (`temp1_input`), or the input with that label (`CPU`).
fn attribute(device: &Path, name: &str) -> Option<PathBuf> {
    let named = device.join(name);
    if named.is_file() {
        return Some(named);
    }
    let entries = fs::read_dir(device).ok()?.flatten();
    let labelled = entries.filter_map(|entry| {
        let file = entry.file_name().into_string().ok()?;
        let input = device.join(format!("{}_input", file.strip_suffix("_label")?));
        read_text(&entry.path()).is_ok_and(|label| label.trim() == name).then_some(input)
    });
    labelled.min()
}

impl Kind for Hwmon {
    fn find(&self) -> Result<PathBuf, Fault> {
        match &self.at {
            Locator::Path(path) => Ok(path.clone()),
            Locator::Id(id) => {
                let (name, what) = split(id);
                let mut named = self.named(name).into_iter();
                named.find_map(|device| attribute(&device, what)).ok_or(Fault::Missing)
            }
        }
    }

    fn still_at(&self, place: &Path) -> bool {
        match &self.at {
            Locator::Path(_) => true,
            Locator::Id(id) => says(&place.with_file_name("name"), split(id).0),
        }
    }

    /// By the kernel's naming standard for hwmon (`Documentation/hwmon/sysfs-interface`); fans, frequencies and
    /// what is not listed there count ones.
    fn raw_per_unit(&self, place: &Path) -> f64 {
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name.split(|c: char| c == '_' || c.is_ascii_digit()).next() {
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
        instead(&self.class, names(&self.class, PREFIX, "name"))
    }
}
