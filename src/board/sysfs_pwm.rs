//! Hardware PWM through the kernel's files (`/sys/class/pwm`). Both drivers of real pins use it.
//!
//! rppal's own interface to these files is not used: it names the wrong chip on a Raspberry Pi 5 since kernel 6.12, disables the
//! channel when it is opened and, by default, when it is dropped (both stop a fan that should run), and makes users other than
//! root wait for a mode of exactly 0770. Here a chip is found by its device, since the kernel may change its number.
//!
//! If a channel is already set up only its duty is written, so a restart does not show on the wire. Zero is a duty of zero and not
//! a disabled channel, whose level is not defined. A dropped channel continues as it was driven. The board's driver knows which
//! chip the board has.

use crate::control::PinFault;
use crate::units::Permille;
use core::time::Duration;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;

/// How long udev may take to change the group of the channels' files after their export, all of them together.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_STEP: Duration = Duration::from_millis(10);
const CLASS: &str = "class/pwm";
/// What a channel is driven by, in files that udev gives to the daemon's group after an export.
const ATTRIBUTES: [&str; 4] = ["period", "polarity", "duty_cycle", "enable"];
/// The kernel's words for a polarity.
const NORMAL: &str = "normal";
const INVERSED: &str = "inversed";

/// A PWM chip that the kernel shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chip {
    /// Its directory.
    pub(super) path: PathBuf,
    /// `pwmchip0`; it may change with the kernel.
    pub(super) name: String,
    /// Its device, such as `fe20c000.pwm`, which does not change.
    pub(super) device: String,
}

/// Every chip that the kernel shows below `sys` (`/sys`), in the order of their names.
pub(super) fn chips(sys: &Path) -> Vec<Chip> {
    let Ok(entries) = fs::read_dir(sys.join(CLASS)) else { return Vec::new() };
    let mut chips: Vec<Chip> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| name.starts_with("pwmchip"))?;
            let path = entry.path();
            let device = fs::canonicalize(path.join("device")).ok();
            let device = device.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
            Some(Chip { device: device.unwrap_or_default().to_owned(), name, path })
        })
        .collect();
    chips.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    chips
}

/// The chip that the configuration names, by its name or its device; the only one if it names none.
pub(super) fn chip_named(sys: &Path, wanted: Option<&str>) -> Result<PathBuf, PinFault> {
    let chips = chips(sys);
    let all = || {
        let list: Vec<String> =
            chips.iter().map(|chip| format!("\"{}\" ({})", chip.name, chip.device)).collect();
        list.join(", ")
    };
    let reason = match (wanted, chips.as_slice()) {
        (_, []) => "the kernel shows no PWM chip in /sys/class/pwm: enable it in the board's device tree \
                    (an overlay), then restart the board"
            .to_owned(),
        (None, [chip]) => return Ok(chip.path.clone()),
        (None, _) => {
            format!("there are several PWM chips: add chip = to the output's `pwm`, one of {}", all())
        }
        (Some(wanted), _) => {
            match chips.iter().find(|chip| [&chip.name, &chip.device].contains(&&wanted.to_owned())) {
                Some(chip) => return Ok(chip.path.clone()),
                None => format!("there is no PWM chip \"{wanted}\"; there are {}", all()),
            }
        }
    };
    Err(PinFault { reason })
}

/// How many channels a chip has.
pub(super) fn channels(chip: &Path) -> u32 {
    attribute(chip, "npwm").and_then(|count| u32::try_from(count).ok()).unwrap_or_default()
}

/// The state of a channel in words. Nothing is exported and nothing moves.
pub(super) fn look(chip: &Path, number: u32) -> Result<String, PinFault> {
    check_number(chip, number)?;
    let place = chip.join(format!("pwm{number}"));
    let what = if place.exists() {
        // A user who may not write it now could not drive it later.
        OpenOptions::new()
            .write(true)
            .open(place.join("duty_cycle"))
            .map_err(|error| fault("write", &place.join("duty_cycle"), &error))?;
        let (duty_ns, period_ns) = (attribute(&place, "duty_cycle"), attribute(&place, "period"));
        match attribute(&place, "enable") {
            Some(1) => format!("on, {} of {} ns", duty_ns.unwrap_or(0), period_ns.unwrap_or(0)),
            _ => "exported, not on".to_owned(),
        }
    } else {
        OpenOptions::new()
            .write(true)
            .open(chip.join("export"))
            .map_err(|error| fault("write", &chip.join("export"), &error))?;
        "free".to_owned()
    };
    Ok(format!("{} channel {number}: {what}", chip.display()))
}

/// One channel of a chip.
#[derive(Debug)]
pub(super) struct Channel {
    place: PathBuf,
    period_ns: u64,
    inverted: bool,
    /// Everything but the duty is set.
    is_set_up: bool,
}

impl Channel {
    /// Exports the channel, and changes nothing that it does.
    pub(super) fn open(
        chip: &Path,
        number: u32,
        frequency_hz: u32,
        inverted: bool,
    ) -> Result<Self, PinFault> {
        check_number(chip, number)?;
        let place = chip.join(format!("pwm{number}"));
        if !place.exists() {
            let export = chip.join("export");
            match write(&export, &number.to_string()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    let reason = format!(
                        "channel {number} of {} is used by a kernel driver, such as pwm-fan or, on a \
                         Raspberry Pi, the headphone jack (dtparam=audio=off in /boot/firmware/config.txt frees it)",
                        chip.display()
                    );
                    return Err(PinFault { reason });
                }
                Err(error) => return Err(fault("write", &export, &error)),
            }
        }
        let period_ns = 1_000_000_000 / u64::from(frequency_hz.max(1));
        Ok(Self { place, period_ns, inverted, is_set_up: false })
    }

    /// The channel's present drive; `None` if it has none, or another polarity.
    pub(super) fn present(&self) -> Option<Permille> {
        let number = |name| attribute(&self.place, name);
        if number("enable")? == 0 || self.polarity().ok()? != self.wanted_polarity() {
            return None;
        }
        let (duty_ns, period_ns) = (number("duty_cycle")?, number("period").filter(|period| *period > 0)?);
        Some(Permille::saturating(duty_ns as f64 * 1000.0 / period_ns as f64))
    }

    /// Waits until udev has set the permissions of its files after an export, or `patience` is used up.
    pub(super) fn wait(&self, patience: &mut Duration) {
        let is_refused = |name: &&str| {
            let opened = OpenOptions::new().write(true).open(self.place.join(name));
            opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        };
        while !patience.is_zero() && ATTRIBUTES.iter().any(&is_refused) {
            *patience = patience.saturating_sub(PATIENCE_STEP);
            thread::sleep(PATIENCE_STEP);
        }
    }

    /// Drives it.
    pub(super) fn drive(&mut self, drive: Permille) -> Result<(), PinFault> {
        let duty_ns = self.period_ns * u64::from(drive.get()) / 1000;
        let driven = if self.is_set_up { self.write("duty_cycle", duty_ns) } else { self.set_up(duty_ns) };
        driven.map_err(|(name, error)| {
            self.is_set_up = false;
            fault("write", &self.place.join(name), &error)
        })
    }

    fn set_up(&mut self, duty_ns: u64) -> Result<(), (&'static str, io::Error)> {
        let number = |name| attribute(&self.place, name).unwrap_or_default();
        let present = State {
            period_ns: number("period"),
            duty_ns: number("duty_cycle"),
            inverted: self.polarity().map_err(|error| ("polarity", error))? == INVERSED,
            enabled: number("enable") == 1,
        };
        let wanted = State { period_ns: self.period_ns, duty_ns, inverted: self.inverted, enabled: true };
        for (name, text) in present.steps_to(wanted) {
            write(&self.place.join(name), &text).map_err(|error| (name, error))?;
        }
        self.is_set_up = true;
        Ok(())
    }

    fn polarity(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.place.join("polarity"))?.trim().to_owned())
    }

    fn wanted_polarity(&self) -> &'static str {
        if self.inverted { INVERSED } else { NORMAL }
    }

    fn write(&self, name: &'static str, number: u64) -> Result<(), (&'static str, io::Error)> {
        write(&self.place.join(name), &number.to_string()).map_err(|error| (name, error))
    }
}

/// The whole state of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    period_ns: u64,
    duty_ns: u64,
    inverted: bool,
    enabled: bool,
}

impl State {
    /// What to write, in order, so that the wire shows nothing but the new duty. The kernel wants the period first, never a duty above
    /// it, and takes a polarity only while the channel is disabled.
    fn steps_to(self, wanted: Self) -> Vec<(&'static str, String)> {
        let turns = self.inverted != wanted.inverted;
        let mut steps = Vec::new();
        let mut step = |name, is_needed: bool, text: String| {
            if is_needed {
                steps.push((name, text));
            }
        };
        step("enable", turns && self.enabled, "0".to_owned());
        step("duty_cycle", self.duty_ns > wanted.period_ns, wanted.duty_ns.to_string());
        step("period", self.period_ns != wanted.period_ns, wanted.period_ns.to_string());
        step("polarity", turns, (if wanted.inverted { INVERSED } else { NORMAL }).to_owned());
        step("duty_cycle", true, wanted.duty_ns.to_string());
        step("enable", turns || !self.enabled, "1".to_owned());
        steps
    }
}

fn check_number(chip: &Path, number: u32) -> Result<(), PinFault> {
    let count = attribute(chip, "npwm").unwrap_or_default();
    if u64::from(number) < count {
        return Ok(());
    }
    let shown = chip.display();
    let reason = match count {
        0 => format!("{shown} is no PWM chip (it has no `npwm`)"),
        _ => format!("{shown} has channels 0 to {}, not {number}: change `channel`", count - 1),
    };
    Err(PinFault { reason })
}

/// A number in a file of the kernel's.
fn attribute(place: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(place.join(name)).ok()?.trim().parse().ok()
}

/// Writes in one piece, as the kernel wants it, and only to a file that exists.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(file)?.write_all(text.as_bytes())
}

fn fault(operation: &str, file: &Path, error: &io::Error) -> PinFault {
    let fix = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; add the daemon's user to the group that udev gives PWM channels to: adduser twind gpio"
        }
        ErrorKind::ReadOnlyFilesystem => "; the service's sandbox must allow writing below /sys/class/pwm",
        ErrorKind::InvalidInput => {
            "; the hardware cannot do this frequency or polarity: try another `frequency-hz`"
        }
        _ => "",
    };
    PinFault { reason: format!("cannot {operation} {}: {error}{fix}", file.display()) }
}

#[cfg(test)]
#[path = "sysfs_pwm_tests.rs"]
pub(super) mod tests;
