//! Lines of any Linux board, by the kernel's GPIO character devices (`/dev/gpiochip*`), which [`crate::gpio`] reaches.
//!
//! A held line belongs to the daemon alone, and the kernel takes it back when the process ends, however it ends. What the wire
//! does after that is not defined: by the kernel's documentation a released line may revert to its default state, by libgpiod's
//! the output is not guaranteed after the process exits. Mainline kernels make a Raspberry Pi's pin an input at once; Raspberry
//! Pi's own kernels and much other hardware leave it as it was driven. So `twind safe` takes the lines again and drives them, and
//! the same holds when it ends: a relay that must drop out needs a resistor that pulls its line, not only a row in a table.
//!
//! Hardware PWM is in `sysfs_pwm`.

use super::level::Level;
use super::tach::{Turns, turns_a_minute};
use super::wires::{self, Hardware, Take, Wired};
use super::{Driver, SYSFS, TachSettings, Wiring, sysfs_pwm};
use crate::control::PinFault;
use crate::gpio::{self, Edges, OutputLine};
use core::time::Duration;
use std::path::PathBuf;

/// See the module.
pub(super) static DRIVER: Driver = Driver {
    name: "gpiochip",
    about: "any Linux board, by the kernel's character devices",
    wiring: Wiring::Lines,
    // Lines are taken when they are first driven, so nothing can fail here.
    open: |settings| Ok(Box::new(Wired::new(Box::new(GpioChip::new()), &settings.outputs))),
    look: |settings| Ok(wires::look_at_all(&GpioChip::new(), &settings.outputs)),
    turns: |_, _, tach| {
        let (chip, pin) = (tach.chip.clone(), tach.pin);
        Box::new(Pulses::new(tach, move || Ok(Edges::open(&gpio::chip_path(chip.as_deref())?, pin)?)))
    },
};

struct GpioChip {
    /// `/sys`.
    sys: PathBuf,
}

impl GpioChip {
    fn new() -> Self {
        Self { sys: PathBuf::from(SYSFS) }
    }
}

impl Hardware for GpioChip {
    fn line(&self, chip: Option<&str>, pin: u32, take: Take) -> Result<(Box<dyn Level>, bool), PinFault> {
        let high = match take {
            Take::High(high) => Some(high),
            Take::AsItIs => None,
        };
        let (line, high) = OutputLine::take(gpio::chip_path(chip)?, pin, high)?;
        Ok((Box::new(line), high))
    }

    fn pwm_chip(&self, chip: Option<&str>, _channel: u32) -> Result<PathBuf, PinFault> {
        sysfs_pwm::chip_named(&self.sys, chip)
    }

    fn look(&self, chip: Option<&str>, pin: u32) -> Result<String, PinFault> {
        Ok(gpio::look(&gpio::chip_path(chip)?, pin)?)
    }
}

impl Level for OutputLine {
    fn set(&mut self, high: bool) -> Result<(), PinFault> {
        Ok(Self::set(self, high)?)
    }
}

/// A fan's speed from the edges on a line.
pub(super) struct Pulses<O> {
    open: O,
    pulses_per_turn: u32,
    held: Option<Edges>,
}

impl<O: Fn() -> Result<Edges, PinFault> + Send> Pulses<O> {
    /// `open` takes the line, now and whenever it was lost.
    pub(super) fn new(tach: &TachSettings, open: O) -> Self {
        Self { open, pulses_per_turn: tach.pulses_per_turn, held: None }
    }
}

impl<O: Fn() -> Result<Edges, PinFault> + Send> Turns for Pulses<O> {
    fn look(&mut self, elapsed: Option<Duration>) -> Result<Option<f64>, PinFault> {
        let Some(edges) = &mut self.held else {
            self.held = Some((self.open)()?);
            return Ok(None);
        };
        match edges.drain() {
            Ok(count) => Ok(elapsed.map(|elapsed| turns_a_minute(count, elapsed, self.pulses_per_turn))),
            Err(fault) => {
                self.held = None;
                Err(fault.into())
            }
        }
    }
}

#[cfg(test)]
#[path = "gpiochip_tests.rs"]
mod tests;
