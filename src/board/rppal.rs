//! Pins of a Raspberry Pi, by the processor's registers. The only file that names rppal, which is no longer maintained: boards
//! that it does not know are driven by `gpiochip`.
//!
//! It serves on/off outputs and the lines of software PWM. Hardware PWM is in `sysfs_pwm`, which says why; edges are counted by
//! the kernel. The kernel does not know that the daemon uses a pin by its registers, and does not take it back. A pin stays as it
//! was driven when the daemon is gone, whatever ended it, so after a crash `twind safe` must drive it.

use super::gpiochip::Pulses;
use super::level::Level;
use super::wires::{self, Hardware, Take, Wired};
use super::{Driver, Line, PinSettings, SYSFS, Wiring, sysfs_pwm};
use crate::control::PinFault;
use crate::gpio::{self, Edges};
use rppal::gpio::{Error, Gpio, Level as PinLevel, Mode, OutputPin};
use rppal::system::{DeviceInfo, Model, SoC};
use std::path::PathBuf;

/// See the module.
pub(super) static DRIVER: Driver = Driver {
    name: "rppal",
    about: "a Raspberry Pi, by its registers",
    wiring: Wiring::Pins,
    open: |settings| Ok(Box::new(Wired::new(Box::new(Rppal::open(&settings.outputs)?), &settings.outputs))),
    look: |settings| Ok(wires::look_at_all(&Rppal::open(&settings.outputs)?, &settings.outputs)),
    turns: |_, _, tach| {
        let pin = tach.pin;
        let missing = || PinFault { reason: "the kernel shows no GPIO chip of the header's pins".to_owned() };
        Box::new(Pulses::new(tach, move || Ok(Edges::open(&gpio::header_chip().ok_or_else(missing)?, pin)?)))
    },
};

struct Rppal {
    sys: PathBuf,
    model: Model,
    soc: SoC,
    /// `None` on a board of PWM channels alone, which needs no registers.
    gpio: Option<Gpio>,
}

impl Rppal {
    /// Pins are taken when they are first driven.
    fn open(outputs: &[PinSettings]) -> Result<Self, PinFault> {
        let info = DeviceInfo::new().map_err(|_| opening(&Error::UnknownModel))?;
        let has_pins = outputs.iter().any(|o| !matches!(o.line, Some(Line::PwmChannel { .. })));
        let gpio = has_pins.then(Gpio::new).transpose().map_err(|error| opening(&error))?;
        Ok(Self { sys: PathBuf::from(SYSFS), model: info.model(), soc: info.soc(), gpio })
    }

    fn pin(&self, pin: u32) -> Result<rppal::gpio::Pin, PinFault> {
        let unavailable = || PinFault {
            reason: format!(
                "this board ({}) has no pin {pin}: `pin` is the BCM number of one on the header, 0 to 27",
                self.model
            ),
        };
        let gpio = self.gpio.as_ref().ok_or_else(unavailable)?;
        let number = u8::try_from(pin).map_err(|_| unavailable())?;
        gpio.get(number).map_err(|error| match error {
            Error::PinNotAvailable(_) => unavailable(),
            Error::PinUsed(_) => PinFault { reason: format!("pin {pin} is already used by another output") },
            other => PinFault { reason: format!("pin {pin}: {other}") },
        })
    }
}

impl Hardware for Rppal {
    fn line(&self, _chip: Option<&str>, pin: u32, take: Take) -> Result<(Box<dyn Level>, bool), PinFault> {
        let pin = self.pin(pin)?;
        let high = match take {
            Take::High(high) => high,
            Take::AsItIs => pin.read() == PinLevel::High,
        };
        // The level is set before the direction, so the wire shows no other level in between.
        let mut output = if high { pin.into_output_high() } else { pin.into_output_low() };
        output.set_reset_on_drop(false);
        Ok((Box::new(HeldPin(output)), high))
    }

    fn pwm_chip(&self, _chip: Option<&str>, channel: u32) -> Result<PathBuf, PinFault> {
        let (device, pins) = pwm_of(self.soc);
        let pin = pins.get(channel as usize).ok_or_else(|| PinFault {
            reason: format!(
                "this board ({}) has PWM channels 0 to {}, not {channel}: change `channel` ({})",
                self.model,
                pins.len().saturating_sub(1),
                in_words(pins)
            ),
        })?;
        let chips = sysfs_pwm::chips(&self.sys);
        let chip = chips.into_iter().find(|chip| chip.device.ends_with(device));
        chip.map(|chip| chip.path).ok_or_else(|| PinFault {
            reason: format!(
                "the PWM of this board ({}) is not switched on: add the line dtoverlay=pwm-2chan to \
                 /boot/firmware/config.txt (before Debian 12: /boot/config.txt) and restart it; channel {channel} \
                 is then {pin}, if the overlay's pin= or pin2= says so",
                self.model
            ),
        })
    }

    fn look(&self, _chip: Option<&str>, number: u32) -> Result<String, PinFault> {
        if let Some(Err(fault)) = gpio::header_chip().map(|chip| gpio::look(&chip, number)) {
            return Err(fault.into());
        }
        let pin = self.pin(number)?;
        let level = if pin.read() == PinLevel::High { "high" } else { "low" };
        let mode = match pin.mode() {
            Mode::Input => "an input",
            Mode::Output => "an output",
            _ => "used by a device inside the processor",
        };
        Ok(format!("{} GPIO {number}: {mode} now, {level}", self.model))
    }
}

struct HeldPin(OutputPin);

impl Level for HeldPin {
    fn set(&mut self, high: bool) -> Result<(), PinFault> {
        self.0.write(if high { PinLevel::High } else { PinLevel::Low });
        Ok(())
    }
}

/// The device of the PWM whose channels reach the header, and the pins that they can be on. The chip's number changes from kernel
/// to kernel, so it is found by the end of the device's name, which is its address.
fn pwm_of(soc: SoC) -> (&'static str, &'static [&'static str]) {
    match soc {
        SoC::Bcm2712 => HEADER_PWM[0],
        _ => HEADER_PWM[1],
    }
}

/// That of a Raspberry Pi 5, and those before it: the address ends the same; the Raspberry Pi 4's second one, at …c800, is the
/// headphone jack.
const HEADER_PWM: [(&str, &[&str]); 2] = [
    ("1f00098000.pwm", &["GPIO 12", "GPIO 13", "GPIO 18", "GPIO 19"]),
    ("20c000.pwm", &["GPIO 12 or 18", "GPIO 13 or 19"]),
];

/// The pins of each channel of a PWM whose channels reach the header; none of any other.
pub(super) fn pwm_pins(device: &str) -> &'static [&'static str] {
    HEADER_PWM.iter().find(|(end, _)| device.ends_with(end)).map_or(&[], |(_, pins)| *pins)
}

fn in_words(pins: &[&str]) -> String {
    let named = pins.iter().enumerate().map(|(channel, pin)| format!("channel {channel} is {pin}"));
    named.collect::<Vec<_>>().join(", ")
}

fn opening(error: &Error) -> PinFault {
    let reason = match error {
        Error::UnknownModel => "this is no Raspberry Pi that rppal knows: write driver = \"gpiochip\" in [board], and \
                                chip = beside each pin"
            .to_owned(),
        Error::PermissionDenied(file) if file == "/dev/mem" => {
            "there is no /dev/gpiomem, which Raspberry Pi's own kernels have, and this user may not open /dev/mem: write \
             driver = \"gpiochip\" in [board], and chip = beside each pin"
                .to_owned()
        }
        Error::PermissionDenied(file) => {
            format!("this user may not open {file}: add the daemon's user to its group: adduser twind gpio")
        }
        other => format!("the GPIO registers cannot be opened: {other}"),
    };
    PinFault { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn outputs(line: Line) -> Vec<PinSettings> {
        vec![PinSettings { name: "fan".into(), line: Some(line), active_low: false, tach: None }]
    }

    #[test]
    fn a_machine_that_is_no_raspberry_pi_is_told_which_driver_to_use() {
        if DeviceInfo::new().is_ok() {
            // On a Raspberry Pi there is nothing to see here.
            return;
        }
        for line in [
            Line::Pin { pin: 17, chip: None },
            Line::PwmChannel { channel: 0, chip: None, frequency_hz: 25_000, inverted: false },
        ] {
            let fault = Rppal::open(&outputs(line)).err().unwrap();
            assert!(fault.reason.contains("driver = \"gpiochip\""), "{}", fault.reason);
        }
    }

    fn board(sys: &Path, soc: SoC, model: Model) -> Rppal {
        Rppal { sys: sys.to_owned(), model, soc, gpio: None }
    }

    /// `/sys` with PWM chips, by number and device.
    fn sys(chips: &[(u32, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, device) in chips {
            let device = root.path().join("devices").join(device);
            let chip = root.path().join(format!("class/pwm/pwmchip{number}"));
            std::fs::create_dir_all(&device).unwrap();
            std::fs::create_dir_all(&chip).unwrap();
            std::os::unix::fs::symlink(&device, chip.join("device")).unwrap();
        }
        root
    }

    #[test]
    fn the_pwm_chip_is_found_by_its_device_whatever_its_number() {
        let found = |chips: &[(u32, &str)], soc, model, channel| {
            let root = sys(chips);
            let chip = board(root.path(), soc, model).pwm_chip(None, channel);
            chip.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        let (five, four) = (Model::RaspberryPi5, Model::RaspberryPi4B);
        let new = [(0, "1f00098000.pwm"), (1, "1f0009c000.pwm")];
        assert_eq!(found(&new, SoC::Bcm2712, five, 3).unwrap(), "pwmchip0");
        let old = [(0, "1000120000.pcie-other"), (2, "1f00098000.pwm"), (6, "1f0009c000.pwm")];
        assert_eq!(found(&old, SoC::Bcm2712, five, 0).unwrap(), "pwmchip2");
        let jack_first = [(0, "fe20c800.pwm"), (1, "fe20c000.pwm")];
        assert_eq!(found(&jack_first, SoC::Bcm2711, four, 1).unwrap(), "pwmchip1");
        assert_eq!(
            found(&[(0, "3f20c000.pwm")], SoC::Bcm2837A1, Model::RaspberryPi3B, 0).unwrap(),
            "pwmchip0"
        );

        let missing = found(&[(0, "fe20c800.pwm")], SoC::Bcm2711, four, 0).unwrap_err();
        assert!(missing.reason.contains("dtoverlay=pwm-2chan"), "{}", missing.reason);
        assert!(missing.reason.contains("/boot/firmware/config.txt"), "{}", missing.reason);
        let no_channel = found(&jack_first, SoC::Bcm2711, four, 2).unwrap_err();
        assert!(no_channel.reason.contains("channels 0 to 1, not 2"), "{}", no_channel.reason);
        assert!(no_channel.reason.contains("channel 1 is GPIO 13 or 19"), "{}", no_channel.reason);
    }

    #[test]
    fn every_chip_is_shown_and_the_one_of_the_header_with_its_pins() {
        let root = sys(&[(2, "fe20c800.pwm"), (0, "fe20c000.pwm"), (1, "1f00098000.pwm")]);
        std::fs::write(root.path().join("class/pwm/pwmchip0/npwm"), "2\n").unwrap();
        let found = super::super::pwm_chips(root.path());
        let told: Vec<_> =
            found.iter().map(|chip| (chip.name.as_str(), chip.channels, chip.header.len())).collect();
        assert_eq!(told, [("pwmchip0", 2, 2), ("pwmchip1", 0, 4), ("pwmchip2", 0, 0)]);
        assert_eq!(super::super::pwm_chips(Path::new("/nowhere")), []);
    }

    #[test]
    fn a_fault_at_opening_says_what_to_do() {
        let told = |error| opening(&error).reason;
        assert!(told(Error::PermissionDenied("/dev/gpiomem".into())).contains("adduser twind gpio"));
        assert!(told(Error::PermissionDenied("/dev/mem".into())).contains("driver = \"gpiochip\""));
    }
}
