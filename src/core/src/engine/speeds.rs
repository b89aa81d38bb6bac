//! What tachometers tell, and what an operator hears of it.

use super::Core;
use crate::control::{OutputId, PinFault};
use crate::units::BootTime;

impl Core {
    /// Takes an output's speed in turns a minute, or why nobody knows it. Only one that means something new has the
    /// outputs looked at.
    pub(super) fn handle_speed(&mut self, now: BootTime, output: OutputId, rpm: Result<f64, PinFault>) {
        if self.outputs.measure(output, rpm) {
            self.step(now);
            self.absorb(now);
        }
    }

    /// Says once what is wrong with an output that can be driven, and that it is mended.
    pub(super) fn tell_speeds(&mut self) {
        for (output, spec) in
            self.outputs.specs().iter().enumerate().map(|(index, spec)| (OutputId(index), spec))
        {
            self.notices.extend(self.health.handle_speed(output, &spec.name, self.outputs.fault(output)));
        }
    }
}
