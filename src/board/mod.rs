//! Boards: what carries a drive to a pin.
//!
//! Terms: a *drive* is an output's share of full as the core decides it; *polarity* (`active_low`, `inverted`) is
//! applied here and nowhere else. Opening a board drives nothing: an output moves when it is told to. Deliberately
//! absent: deciding, limits in time, and retries, which are the core's.

mod simulated;

use crate::control::{Actuation, PinFault};
use std::path::PathBuf;

/// Whatever can be driven.
pub trait Pins {
    /// Drives one output.
    ///
    /// # Errors
    /// What the board could not do; the output's state is then unknown.
    fn drive(&mut self, actuation: &Actuation) -> Result<(), PinFault>;
}

/// Opens the board, without driving anything.
///
/// # Errors
/// What is missing or not permitted.
pub fn open(settings: &BoardSettings) -> Result<Box<dyn Pins>, PinFault> {
    match &settings.driver {
        Driver::Simulated { folder } => Ok(Box::new(simulated::Simulated::open(folder, &settings.outputs)?)),
    }
}

/// Which board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Files in a folder.
    Simulated {
        /// The folder; made if it is not there.
        folder: PathBuf,
    },
}

/// The board and its outputs, in the order of [`crate::control::OutputId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSettings {
    /// Which board.
    pub driver: Driver,
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
}

/// A line of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// On or off.
    Pin {
        /// BCM number, or the line's offset.
        pin: u32,
        /// `gpiochip0`, for the driver that needs it.
        chip: Option<String>,
    },
    /// Hardware PWM.
    PwmChannel {
        /// The channel.
        channel: u32,
        /// Hertz.
        frequency_hz: u32,
        /// Low for the duty part of the period.
        inverted: bool,
    },
    /// Software PWM on a pin.
    SoftPwm {
        /// BCM number, or the line's offset.
        pin: u32,
        /// Hertz.
        frequency_hz: u32,
        /// Low for the duty part of the period.
        inverted: bool,
    },
}
