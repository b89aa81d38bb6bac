//! What tachometers tell, and what an operator hears of it.

use super::{Core, Notice};
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
        for (index, spec) in self.outputs.specs().iter().enumerate() {
            let fault = self.outputs.fault(OutputId(index));
            let told = match &fault {
                Some(fault) => self.told_faults.insert(index, fault.clone()),
                None => self.told_faults.remove(&index),
            };
            let output = spec.name.clone();
            match (fault, told) {
                (Some(fault), told) if told.as_ref() != Some(&fault) => {
                    self.notices.push_back(Notice::TachFault { output, fault });
                }
                (None, Some(_)) => self.notices.push_back(Notice::TachMended { output }),
                _ => {}
            }
        }
    }
}
