//! What a machine has: its model, lines, PWM channels and sensors. Nothing is taken and nothing moves.

use crate::board::{self, PwmChip};
use crate::files;
use crate::gpio::{self, ChipSeen, HEADER_LABELS, LineFault};
use crate::sensors::{self, Present};
use std::fs;
use std::path::Path;

/// Longer than any name.
const NAME_BYTES_MAX: u64 = 4096;
const RASPBERRY_PI: &str = "Raspberry Pi";
/// Files by which the registers of a Raspberry Pi's pins can be reached.
const REGISTERS: [&str; 2] = ["dev/gpiomem", "dev/gpiomem0"];

/// See the module.
pub(super) struct Machine {
    /// As its device tree or its firmware names it.
    pub(super) model: Option<String>,
    pub(super) has_registers: bool,
    /// By name, such as `gpiochip0`.
    pub(super) chips: Vec<(String, Result<ChipSeen, LineFault>)>,
    pub(super) pwm: Vec<PwmChip>,
    pub(super) sensors: Vec<Present>,
    pub(super) has_1_wire: bool,
    /// The name of its time zone.
    pub(super) zone: Option<String>,
    /// The file of a Raspberry Pi that names the overlays.
    pub(super) overlays: &'static str,
}

impl Machine {
    /// Looks at the machine whose files are below `root` (`/`).
    pub(super) fn look(root: &Path) -> Self {
        let sys = root.join("sys");
        let overlays = ["/boot/firmware/config.txt", "/boot/config.txt"];
        let is_there = |path: &&str| root.join(path.trim_start_matches('/')).exists();
        Self {
            model: model(root),
            has_registers: REGISTERS.iter().any(|path| root.join(path).exists()),
            chips: gpio::survey(root),
            pwm: board::pwm_chips(&sys),
            sensors: sensors::survey(&sys),
            has_1_wire: sys.join("bus/w1/devices/w1_bus_master1").exists(),
            zone: zone(root),
            overlays: overlays.into_iter().find(is_there).unwrap_or(overlays[0]),
        }
    }

    pub(super) fn is_raspberry_pi(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.starts_with(RASPBERRY_PI))
    }

    /// The chip of a Raspberry Pi's header, if it can be seen.
    pub(super) fn header(&self) -> Option<&ChipSeen> {
        let is_header = |chip: &&ChipSeen| HEADER_LABELS.contains(&chip.label.as_str());
        self.chips.iter().filter_map(|(_, seen)| seen.as_ref().ok()).find(is_header)
    }

    /// The label that the chip of the header has on this model.
    pub(super) fn header_label(&self) -> &'static str {
        let [first, fourth, fifth] = HEADER_LABELS;
        let model = self.model.as_deref().unwrap_or_default();
        let name = model.strip_prefix(RASPBERRY_PI).unwrap_or_default().trim_start();
        let number = name.strip_prefix("Compute Module ").unwrap_or(name);
        match number.bytes().next() {
            Some(b'5') => fifth,
            Some(b'4') => fourth,
            _ => first,
        }
    }
}

fn text(path: &Path) -> Option<String> {
    let (bytes, _) = files::read(path, NAME_BYTES_MAX).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The strings of a device tree end with a zero.
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn model(root: &Path) -> Option<String> {
    let trees = ["proc/device-tree/model", "sys/firmware/devicetree/base/model"];
    let by_tree = trees.iter().find_map(|path| text(&root.join(path)));
    by_tree.or_else(|| {
        let said = |name: &str| text(&root.join("sys/class/dmi/id").join(name));
        let product = said("product_name")?;
        Some(said("sys_vendor").map_or_else(|| product.clone(), |vendor| format!("{vendor} {product}")))
    })
}

fn zone(root: &Path) -> Option<String> {
    let target = fs::read_link(root.join("etc/localtime")).ok()?;
    let (_, name) = target.to_str()?.split_once("zoneinfo/")?;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    (!name.is_empty() && name.chars().all(is_legal)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_machine_is_called_as_its_device_tree_or_its_firmware_calls_it() {
        let root = tempfile::tempdir().unwrap();
        let model = || Machine::look(root.path()).model;
        assert_eq!(model(), None);
        put(root.path(), "sys/class/dmi/id/product_name", "OptiPlex 7050\n");
        assert_eq!(model().as_deref(), Some("OptiPlex 7050"));
        put(root.path(), "sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
        assert_eq!(model().as_deref(), Some("Dell Inc. OptiPlex 7050"));
        put(root.path(), "sys/firmware/devicetree/base/model", "Raspberry Pi 5 Model B Rev 1.0\0");
        assert_eq!(model().as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
    }

    #[test]
    fn the_chip_of_the_header_is_named_by_the_model_where_it_cannot_be_seen() {
        let label = |model: &str| {
            let mut machine = Machine::look(Path::new("/nowhere"));
            machine.model = Some(model.to_owned());
            machine.header_label()
        };
        for (model, wanted) in [
            ("Raspberry Pi Zero 2 W Rev 1.0", "pinctrl-bcm2835"),
            ("Raspberry Pi 3 Model B Plus Rev 1.3", "pinctrl-bcm2835"),
            ("Raspberry Pi 4 Model B Rev 1.4", "pinctrl-bcm2711"),
            ("Raspberry Pi 400 Rev 1.0", "pinctrl-bcm2711"),
            ("Raspberry Pi Compute Module 4 Rev 1.1", "pinctrl-bcm2711"),
            ("Raspberry Pi 500 Rev 1.0", "pinctrl-rp1"),
            ("Raspberry Pi Compute Module 5 Rev 1.0", "pinctrl-rp1"),
        ] {
            assert_eq!(label(model), wanted, "{model}");
        }
    }

    #[test]
    fn the_time_zone_is_the_one_that_the_systems_link_names() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let link = root.path().join("etc/localtime");
        for (target, wanted) in [
            ("/usr/share/zoneinfo/Europe/Berlin", Some("Europe/Berlin")),
            ("../usr/share/zoneinfo/Etc/GMT+5", Some("Etc/GMT+5")),
            ("/usr/share/zoneinfo/", None),
            ("/usr/share/zoneinfo/a\"\nb", None),
            ("/somewhere", None),
        ] {
            symlink(target, &link).unwrap();
            assert_eq!(zone(root.path()).as_deref(), wanted, "{target}");
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(zone(root.path()), None);
    }
}
