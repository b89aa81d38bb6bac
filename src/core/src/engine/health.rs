//! What is wrong with outputs, speeds and reports, as it was last announced, and the alarms.
//!
//! A fault is announced once, also over a reload, unless the output is on another wire then.

use crate::control::alarm_kind::Standing;
use crate::control::{OutputId, OutputSpec};
use crate::ordered::map_of;
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
    /// What is wrong with the speed of outputs.
    speed_faults: BTreeMap<OutputId, String>,
    /// The present alarms.
    pub(super) alarms: Alarms,
    /// What of them outputs follow.
    pub(super) standing: Standing,
    /// What the last report had to leave out.
    left_out: Option<String>,
}

impl Health {
    /// Carries it over a reload, for the outputs that are on the same wire as before.
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
            map_of(faults.into_iter().filter_map(|(output, fault)| Some((place(output)?, fault))))
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

    /// An output was driven, or could not be. Returns the notice, if something changed.
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
                let announced = self.pin_faults.insert(output, reason.clone());
                (announced.as_ref() != Some(&reason)).then_some(Notice::PinFault { output: name, reason })
            }
        }
    }

    /// An output's speed is as it should be, or not. Returns the notice, if something changed.
    pub(super) fn handle_speed(
        &mut self,
        output: OutputId,
        name: &str,
        fault: Option<String>,
        is_stalled: bool,
    ) -> Option<Notice> {
        let name = || name.to_owned();
        match fault {
            None => self.speed_faults.remove(&output).map(|_| Notice::TachMended { output: name() }),
            Some(fault) => {
                let announced = self.speed_faults.insert(output, fault.clone());
                (announced.as_ref() != Some(&fault)).then(|| Notice::TachFault {
                    output: name(),
                    fault,
                    is_stalled,
                })
            }
        }
    }

    /// What a report had to leave out, if anything. Returns the notice, if something changed.
    pub(super) fn handle_left_out(&mut self, left_out: Option<String>) -> Option<Notice> {
        if self.left_out == left_out {
            return None;
        }
        self.left_out.clone_from(&left_out);
        left_out.map(Notice::ReportCut)
    }
}
