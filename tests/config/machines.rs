//! Machines made of files, as the kernel shows them to `twind init`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What stands in place of `/`.
pub(crate) struct Machine(TempDir);

impl Machine {
    /// A machine that shows nothing.
    pub(crate) fn bare() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in ["sys", "dev"] {
            fs::create_dir(machine.path(folder)).unwrap();
        }
        machine
    }

    /// A Raspberry Pi 4 with its PWM switched on, one thermometer on the 1-Wire bus that reads and one that does not, and a BME280.
    pub(crate) fn raspberry_pi_4() -> Self {
        let machine = Self::bare();
        machine.put("sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        machine.put("dev/gpiomem", "");
        machine.put("sys/bus/gpio/devices/gpiochip0/uevent", "");
        machine.put("sys/bus/w1/devices/w1_bus_master1/w1_master_slave_count", "2\n");
        machine.put(
            "sys/bus/w1/devices/28-0316a2797c1f/w1_slave",
            "5b 01 4b 46 7f ff 0c 10 a6 : crc=a6 YES\n5b 01 4b 46 7f ff 0c 10 a6 t=21687\n",
        );
        machine.put(
            "sys/bus/w1/devices/28-3c01d607a1b2/w1_slave",
            "72 01 4b 46 7f ff 0e 10 ff : crc=57 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
        );
        machine.put("sys/bus/iio/devices/iio:device0/name", "bme280\n");
        machine.put("sys/bus/iio/devices/iio:device0/in_temp_input", "23450\n");
        machine.put("sys/bus/iio/devices/iio:device0/in_humidityrelative_input", "41015\n");
        machine.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
        machine.put("sys/class/thermal/thermal_zone0/temp", "48212\n");
        machine.pwm(0, "fe20c000.pwm");
        machine.zone("/usr/share/zoneinfo/UTC");
        machine
    }

    /// A PC with monitors alone, one of them with texts that nobody expects.
    pub(crate) fn pc() -> Self {
        let machine = Self::bare();
        machine.put("sys/class/dmi/id/product_name", "OptiPlex 7050\n");
        let monitors: [(&str, &[(&str, &str)]); 3] = [
            ("nvme", &[("temp1_input", "38850\n"), ("temp1_label", "Composite\n")]),
            (
                "coretemp",
                &[("temp1_input", "45000\n"), ("temp1_label", "Package \"id\" 0\n\u{1b}[2J[hub]\n")],
            ),
            (
                "nct6775",
                &[
                    ("in0_input", "904\n"),
                    ("fan1_input", "1250\n"),
                    ("temp1_input", "127500\n"),
                    ("power1_input", "9000000\n"),
                ],
            ),
        ];
        for (number, (name, attributes)) in monitors.into_iter().enumerate() {
            let folder = format!("sys/class/hwmon/hwmon{number}");
            machine.put(&format!("{folder}/name"), &format!("{name}\n"));
            for (attribute, text) in attributes {
                machine.put(&format!("{folder}/{attribute}"), text);
            }
        }
        machine
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, link: &str, to: impl AsRef<Path>) {
        let link = self.path(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(to, link).unwrap();
    }

    fn pwm(&self, number: u32, device: &str) {
        let chip = format!("sys/class/pwm/pwmchip{number}");
        self.put(&format!("sys/devices/platform/{device}/uevent"), "");
        self.put(&format!("{chip}/npwm"), "2\n");
        self.link(&format!("{chip}/device"), format!("../../../devices/platform/{device}"));
    }

    fn zone(&self, target: &str) {
        self.link("etc/localtime", target);
    }
}
