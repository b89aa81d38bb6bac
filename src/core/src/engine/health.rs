//! What is wrong, and what an operator heard of it: outputs, speeds, alarms and parts of reports.
//!
//! What is told is told once, also over a reload: an output that is on the same wire is not news with every reading of the
//! configuration.

use crate::control::{OutputId, OutputSpec};
use crate::report::Notice;
use crate::report::alarms::Alarms;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Health {
    /// Why outputs could not be driven.
    pin_faults: BTreeMap<OutputId, String>,
    /// What an operator heard of outputs that can be driven.
    speed_faults: BTreeMap<OutputId, String>,
    /// What stands, for whoever asks.
    pub(super) alarms: Alarms,
    /// What the last report had to leave out.
    left_out: Option<String>,
}

impl Health {
    /// The same for other outputs, of which these are on the same wire as before.
    pub(super) fn succeed(
        self,
        before: &[OutputSpec],
        after: &[OutputSpec],
        same_wire: &BTreeSet<String>,
    ) -> Self {
        let place = |output: OutputId| {
            let name = &before.get(output.0)?.name;
            let index = after.iter().position(|spec| spec.name == *name)?;
            same_wire.contains(name).then_some(OutputId(index))
        };
        let placed = |faults: BTreeMap<OutputId, String>| {
            faults.into_iter().filter_map(|(output, fault)| Some((place(output)?, fault))).collect()
        };
        let (pin_faults, speed_faults) = (placed(self.pin_faults), placed(self.speed_faults));
        Self { pin_faults, speed_faults, ..self }
    }

    /// Why outputs cannot be driven.
    pub(super) fn pin_faults(&self) -> &BTreeMap<OutputId, String> {
        &self.pin_faults
    }

    /// Is there an output that cannot be driven?
    pub(super) fn has_pin_faults(&self) -> bool {
        !self.pin_faults.is_empty()
    }

    /// An output was driven, or could not be. Returns what an operator hears of it.
    pub(super) fn handle_driven(
        &mut self,
        output: OutputId,
        name: &str,
        fault: Option<String>,
    ) -> Option<Notice> {
        let name = name.to_owned();
        match fault {
            None => self.pin_faults.remove(&output).map(|_| Notice::PinMended { output: name }),
            Some(reason) => {
                let told = self.pin_faults.insert(output, reason.clone());
                (told.as_ref() != Some(&reason)).then_some(Notice::PinFault { output: name, reason })
            }
        }
    }

    /// An output's speed is as it should be, or not. Returns what an operator hears of it.
    pub(super) fn handle_speed(
        &mut self,
        output: OutputId,
        name: &str,
        fault: Option<String>,
    ) -> Option<Notice> {
        let name = || name.to_owned();
        match fault {
            None => self.speed_faults.remove(&output).map(|_| Notice::TachMended { output: name() }),
            Some(fault) => {
                let told = self.speed_faults.insert(output, fault.clone());
                (told.as_ref() != Some(&fault)).then(|| Notice::TachFault { output: name(), fault })
            }
        }
    }

    /// A report had to leave this out, or nothing. Returns what an operator hears of it.
    pub(super) fn handle_left_out(&mut self, left_out: Option<String>) -> Option<Notice> {
        if self.left_out == left_out {
            return None;
        }
        self.left_out.clone_from(&left_out);
        left_out.map(Notice::ReportCut)
    }
}
