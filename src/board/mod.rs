//! Boards: what carries a drive to a pin.
//!
//! Terms: a *drive* is an output's share of full as the core decides it. *Polarity* (`active_low`, `inverted`) is applied here
//! and nowhere else.
//!
//! Opening a board drives nothing. An output that cannot be taken is a fault of that output when it is driven, not of the board.
//! A driver is a file here and an entry in [`DRIVERS`]; the two for real pins share `wires`. Decisions, limits in time and
//! retries are the core's.

mod gpiochip;
mod level;
mod rppal;
mod simulated;
mod soft_pwm;
mod sysfs_pwm;
mod tach;
mod wave;
mod wires;

pub use tach::{Speed, Tachs};

use crate::control::{OutputId, PinFault};
use crate::ports::Pins;
use crate::units::Permille;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tach::Turns;

/// Where the kernel shows its devices.
const SYSFS: &str = "/sys";

/// Pins that can also be taken over as they are, and passed on to the next board.
pub trait Board: Pins {
    /// Waits until what was opened can be driven, at most a second: udev must set the permissions of PWM channels after their
    /// export. Nothing else waits for that. An output that cannot be driven yet has a fault until it can.
    fn wait(&self) {}

    /// Takes an output over as it is, without a change on its wire. Returns its drive, `None` if that cannot be known.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn take_over(&mut self, output: OutputId) -> Result<Option<Permille>, PinFault> {
        let _ = output;
        Ok(None)
    }

    /// Gives up what it holds, for the next board.
    fn release(&mut self) -> Vec<Held> {
        Vec::new()
    }

    /// Takes what the previous board held; wires that it has no output for are released.
    fn adopt(&mut self, held: Vec<Held>) {
        drop(held);
    }
}

/// An output's wire on its way from one board to the next.
pub struct Held {
    settings: PinSettings,
    wire: wires::Wire,
}

/// A kind of board. Its file defines it and [`DRIVERS`] lists it; nothing else need know its name.
#[derive(Debug)]
pub struct Driver {
    /// As `[board] driver` names it.
    pub name: &'static str,
    /// What it is, for a person.
    pub about: &'static str,
    /// What its outputs are wired to.
    pub wiring: Wiring,
    open: fn(&BoardSettings) -> Result<Box<dyn Board>, PinFault>,
    look: fn(&BoardSettings) -> Result<Vec<Looked>, PinFault>,
    turns: fn(&BoardSettings, &PinSettings, &TachSettings) -> Box<dyn Turns>,
}

/// What a look at one output found: the state of its wire, or what is missing and how to fix it.
pub type Looked = Result<String, PinFault>;

/// The drivers. A new one is a file beside this one (with its `mod` above) and an entry here. The first is the default.
pub static DRIVERS: &[&Driver] = &[&rppal::DRIVER, &gpiochip::DRIVER, &simulated::DRIVER];

/// What the outputs of a board are wired to, and so what the configuration must say of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Files in a folder: nothing.
    Files,
    /// Pins, by their number alone.
    Pins,
    /// Lines of chips: number and chip.
    Lines,
}

impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Driver {}

/// Opens the board, without driving anything.
///
/// # Errors
/// What is missing or not permitted.
pub fn open(settings: &BoardSettings) -> Result<Box<dyn Board>, PinFault> {
    (settings.driver.open)(settings)
}

/// Exports the PWM channels of a board that is to be opened, and waits for them. What is wrong shows when it is opened or driven.
pub fn prepare(settings: &BoardSettings) {
    let is_channel = |output: &&PinSettings| matches!(output.line, Some(Line::PwmChannel { .. }));
    let outputs: Vec<_> = settings.outputs.iter().filter(is_channel).cloned().collect();
    if !outputs.is_empty()
        && let Ok(board) = open(&BoardSettings { outputs, ..settings.clone() })
    {
        board.wait();
    }
}

/// Looks at each output, in order. Drives nothing.
///
/// # Errors
/// What is wrong with the board as a whole.
pub fn look(settings: &BoardSettings) -> Result<Vec<Looked>, PinFault> {
    (settings.driver.look)(settings)
}

/// A PWM chip that the kernel shows, whatever is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwmChip {
    /// `pwmchip0`; it may change with the kernel.
    pub name: String,
    /// Its device, which does not change; empty if it has none.
    pub device: String,
    /// How many channels it has.
    pub channels: u32,
    /// If its channels come out at the header of a Raspberry Pi: the pins of each.
    pub header: &'static [&'static str],
}

/// Every PWM chip below `sys` (`/sys`), in the order of their names.
pub fn pwm_chips(sys: &Path) -> Vec<PwmChip> {
    let seen = |chip: sysfs_pwm::Chip| PwmChip {
        channels: sysfs_pwm::channels(&chip.path),
        header: rppal::pwm_pins(&chip.device),
        name: chip.name,
        device: chip.device,
    };
    sysfs_pwm::chips(sys).into_iter().map(seen).collect()
}

/// The board and its outputs, in the order of [`crate::control::OutputId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSettings {
    /// Which kind of board.
    pub driver: &'static Driver,
    /// The folder of a board of files; made if it is not there.
    pub folder: PathBuf,
    /// One for each output.
    pub outputs: Vec<PinSettings>,
}

/// One output as the board knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinSettings {
    /// Its name.
    pub name: String,
    /// Which line or channel; a simulated board needs none.
    pub line: Option<Line>,
    /// Driven low for on.
    pub active_low: bool,
    /// Where its speed is measured.
    pub tach: Option<TachSettings>,
}

impl PinSettings {
    /// Is it the same wire, in the same sense?
    pub fn same_wire(&self, other: &Self) -> bool {
        (&self.line, self.active_low) == (&other.line, other.active_low)
    }
}

/// The line of a fan's tachometer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TachSettings {
    /// Its chip, for the driver that needs it.
    pub chip: Option<String>,
    /// BCM number, or the line's offset.
    pub pin: u32,
    /// How often the fan pulls it low in one turn.
    pub pulses_per_turn: u32,
}

/// A line of the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// On or off.
    Pin {
        /// BCM number, or the line's offset.
        pin: u32,
        /// The chip by name, path or label, for the driver that needs it.
        chip: Option<String>,
    },
    /// Hardware PWM.
    PwmChannel {
        /// The channel.
        channel: u32,
        /// The PWM chip by name or device, where there are several.
        chip: Option<String>,
        /// Hertz.
        frequency_hz: u32,
        /// Low for the duty part of the period.
        inverted: bool,
    },
    /// Software PWM on a pin.
    SoftPwm {
        /// BCM number, or the line's offset.
        pin: u32,
        /// The chip by name, path or label, for the driver that needs it.
        chip: Option<String>,
        /// Hertz.
        frequency_hz: u32,
        /// Low for the duty part of the period.
        inverted: bool,
    },
}

impl Line {
    /// The name of its wire: two lines of one name are the same wire.
    pub fn wire(&self) -> String {
        match self {
            Self::Pin { pin, chip } | Self::SoftPwm { pin, chip, .. } => wire("pin", *pin, chip.as_deref()),
            Self::PwmChannel { channel, chip, .. } => wire("PWM channel", *channel, chip.as_deref()),
        }
    }
}

impl TachSettings {
    /// The name of its wire, as [`Line::wire`] gives it.
    pub fn wire(&self) -> String {
        wire("pin", self.pin, self.chip.as_deref())
    }
}

/// The name of a line or channel, with its chip where there are several.
pub fn wire(what: &str, number: u32, chip: Option<&str>) -> String {
    match chip {
        Some(chip) => format!("{what} {number} of {chip}"),
        None => format!("{what} {number}"),
    }
}
