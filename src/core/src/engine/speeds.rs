//! Speeds of outputs, and the notices about them.

use super::Core;
use crate::control::{OutputId, PinFault};
use crate::units::BootTime;

impl Core {
    /// Takes an output's speed in turns per minute, or why it is not known. A control step follows only if anything depends on
    /// it.
    pub(super) fn handle_speed(&mut self, now: BootTime, output: OutputId, rpm: Result<f64, PinFault>) {
        if self.outputs.measure(output, rpm) {
            self.step(now);
            self.absorb(now);
        }
    }

    /// Announces once what is wrong with the speed of an output, and once that it is right again.
    pub(super) fn announce_speeds(&mut self) {
        for (output, spec) in
            self.outputs.specs().iter().enumerate().map(|(index, spec)| (OutputId(index), spec))
        {
            let is_stalled = self.outputs.state(output).is_some_and(|state| state.tach.is_stalled());
            let fault = self.outputs.fault(output);
            self.notices.extend(self.health.handle_speed(output, &spec.name, fault, is_stalled));
        }
    }
}
