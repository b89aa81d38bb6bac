//! What the drivers of real pins share. A driver knows how to reach a line or a PWM channel ([`Hardware`]); polarity, software PWM
//! and taking and releasing of wires are here, once.
//!
//! Terms: a *wire* is what a held output is connected to; a *level* is high or low on it, after polarity.
//!
//! A wire is taken at its first drive, at once at that drive's level, so the output moves only once. With `start = "keep"` it is
//! taken at its present level. A wire that fails is released and taken again with the next order. Dropping a board changes no
//! level, since the `stop` row was driven before. Only software PWM cannot continue without the process, and ends off unless it
//! was full.

use super::level::Level;
use super::soft_pwm::{SoftPwm, Switcher};
use super::sysfs_pwm::{Channel, PATIENCE};
use super::{Board, Held, Line, Looked, PinSettings};
use crate::control::{Actuation, OutputId, PinFault};
use crate::ports::Pins;
use crate::units::Permille;
use core::time::Duration;

/// How a line is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// As an output that is high (or not) at once.
    High(bool),
    /// As an output with the level that it has.
    AsItIs,
}

/// How a driver reaches the lines and channels of one kind of board.
pub(super) trait Hardware {
    /// Takes a line as an output, and returns its level.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn line(&self, chip: Option<&str>, pin: u32, take: Take) -> Result<(Box<dyn Level>, bool), PinFault>;

    /// The directory of the PWM chip that has the channel.
    ///
    /// # Errors
    /// What is missing, and what to do.
    fn pwm_chip(&self, chip: Option<&str>, channel: u32) -> Result<std::path::PathBuf, PinFault>;

    /// The state of a line in words. Nothing is taken and nothing moves.
    ///
    /// # Errors
    /// Why it could not be taken, and what to do.
    fn look(&self, chip: Option<&str>, pin: u32) -> Result<String, PinFault>;
}

/// What an output is connected to, once it is held.
pub(super) enum Wire {
    OnOff(Box<dyn Level>),
    Soft(SoftPwm),
    Channel(Channel),
}

/// See the module.
pub(super) struct Wired {
    hardware: Box<dyn Hardware>,
    soft: Switcher,
    outputs: Vec<WiredOutput>,
}

struct WiredOutput {
    settings: PinSettings,
    wire: Option<Wire>,
}

impl Wired {
    /// Exports the PWM channels, so that udev can set their permissions meanwhile; takes nothing else.
    pub(super) fn new(hardware: Box<dyn Hardware>, outputs: &[PinSettings]) -> Self {
        let mut soft = Switcher::default();
        let outputs = outputs.iter().map(|settings| WiredOutput {
            settings: settings.clone(),
            // A fault is reported at the output's first drive: the other outputs must work.
            wire: matches!(settings.line, Some(Line::PwmChannel { .. }))
                .then(|| open((hardware.as_ref(), &mut soft), settings, Take::AsItIs).ok())
                .flatten()
                .map(|(wire, _)| wire),
        });
        let outputs = outputs.collect();
        Self { hardware, soft, outputs }
    }

    fn output(&mut self, id: OutputId) -> Result<(Means<'_>, &mut WiredOutput), PinFault> {
        let no_such = || PinFault { reason: format!("the board has no output number {}", id.0) };
        let output = self.outputs.get_mut(id.0).ok_or_else(no_such)?;
        Ok(((self.hardware.as_ref(), &mut self.soft), output))
    }

    /// Waits for all channels together, since no output may wait for each of the others.
    fn wait_within(&self, patience: &mut Duration) {
        for output in &self.outputs {
            if let Some(Wire::Channel(channel)) = &output.wire {
                channel.wait(patience);
            }
        }
    }
}

/// What wires are taken by: the board's hardware, and the thread for software PWM.
type Means<'b> = (&'b dyn Hardware, &'b mut Switcher);

impl Pins for Wired {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
        let (means, output) = self.output(actuation.output)?;
        let drive = actuation.drive;
        let high = drive.is_zero() == low_is_on(&output.settings);
        if output.wire.is_none() {
            output.wire = Some(open(means, &output.settings, Take::High(high))?.0);
        }
        let driven = match &mut output.wire {
            None => Ok(()),
            Some(Wire::OnOff(level)) => level.set(high),
            Some(Wire::Soft(pwm)) => pwm.drive(drive),
            Some(Wire::Channel(channel)) => channel.drive(drive),
        };
        if driven.is_err() {
            output.wire = None;
        }
        driven
    }
}

impl Board for Wired {
    fn wait(&self) {
        let mut patience = PATIENCE;
        self.wait_within(&mut patience);
    }

    fn take_over(&mut self, output: OutputId) -> Result<Option<Permille>, PinFault> {
        let (means, output) = self.output(output)?;
        let (wire, present) = open(means, &output.settings, Take::AsItIs)?;
        output.wire = Some(wire);
        Ok(present)
    }

    fn release(&mut self) -> Vec<Held> {
        let held = self.outputs.drain(..).filter_map(|output| {
            let WiredOutput { settings, wire, .. } = output;
            wire.map(|wire| Held { settings, wire })
        });
        held.collect()
    }

    fn adopt(&mut self, held: Vec<Held>) {
        for Held { settings, wire } in held {
            if let Wire::Soft(pwm) = &wire {
                self.soft = pwm.switcher();
            }
            if let Some(output) = self.outputs.iter_mut().find(|o| o.settings.same_wire(&settings)) {
                output.wire = Some(wire);
            }
        }
    }
}

/// The state of each output's wire and of its tachometer's line. Nothing is driven.
pub(super) fn look_at_all(hardware: &dyn Hardware, outputs: &[PinSettings]) -> Vec<Looked> {
    let look_at = |output: &PinSettings| {
        let found = look(hardware, output)?;
        let Some(tach) = &output.tach else { return Ok(found) };
        match hardware.look(tach.chip.as_deref(), tach.pin) {
            Ok(line) => Ok(format!("{found}; tach: {line}")),
            Err(fault) => Err(PinFault { reason: format!("{found}; but its tach: {}", fault.reason) }),
        }
    };
    outputs.iter().map(look_at).collect()
}

fn look(hardware: &dyn Hardware, settings: &PinSettings) -> Looked {
    match &settings.line {
        None => Err(not_wired()),
        Some(Line::Pin { pin, chip }) => hardware.look(chip.as_deref(), *pin),
        Some(Line::SoftPwm { pin, chip, frequency_hz, .. }) => {
            let found = hardware.look(chip.as_deref(), *pin)?;
            Ok(format!("{found}; software PWM at {frequency_hz} Hz"))
        }
        Some(Line::PwmChannel { channel, chip, frequency_hz, .. }) => {
            let chip = hardware.pwm_chip(chip.as_deref(), *channel)?;
            super::sysfs_pwm::look(&chip, *channel).map(|found| format!("{found}; {frequency_hz} Hz wanted"))
        }
    }
}

/// Takes a wire, and returns its drive if that can be known.
fn open(
    (hardware, soft): Means<'_>,
    settings: &PinSettings,
    take: Take,
) -> Result<(Wire, Option<Permille>), PinFault> {
    let drive_of = |high: bool| {
        if high != low_is_on(settings) { Permille::FULL } else { Permille::ZERO }
    };
    match &settings.line {
        None => Err(not_wired()),
        Some(Line::Pin { pin, chip }) => {
            let (level, high) = hardware.line(chip.as_deref(), *pin, take)?;
            Ok((Wire::OnOff(level), Some(drive_of(high))))
        }
        Some(Line::SoftPwm { pin, chip, frequency_hz, inverted }) => {
            let (level, high) = hardware.line(chip.as_deref(), *pin, take)?;
            let pwm = soft.take(level, *frequency_hz, *inverted, drive_of(high))?;
            Ok((Wire::Soft(pwm), Some(drive_of(high))))
        }
        Some(Line::PwmChannel { channel, chip, frequency_hz, inverted }) => {
            let chip = hardware.pwm_chip(chip.as_deref(), *channel)?;
            let channel = Channel::open(&chip, *channel, *frequency_hz, *inverted)?;
            let present = channel.present();
            Ok((Wire::Channel(channel), present))
        }
    }
}

/// Is the wire low when the output is on?
fn low_is_on(settings: &PinSettings) -> bool {
    settings.active_low || matches!(settings.line, Some(Line::SoftPwm { inverted: true, .. }))
}

fn not_wired() -> PinFault {
    PinFault { reason: "it is not wired: give it `pin` or `pwm`".to_owned() }
}

#[cfg(test)]
#[path = "wires_tests.rs"]
mod tests;
