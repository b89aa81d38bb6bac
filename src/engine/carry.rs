//! What an engine takes over: from the engine before it when the configuration was read again, or at a start of the
//! process from what the record keeps beside the twin.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::trail::Trail;
use crate::control::OutputId;
use crate::control::climate::{Regime, SensorState};
use crate::control::outputs::{OutputState, Outputs, last_row};
use crate::control::{OutputSpec, SensorSpec};
use crate::report::Acknowledgement;
use crate::twin::{Machine, Turn, TwinRecord};
use crate::units::BootTime;
use std::rc::Rc;

/// What is carried over when the configuration was read again, by name: outputs stay as they are driven, sensors keep
/// their last values, and what began before goes on (hysteresis, an overheat, the hub's silence, a wait for the disk).
#[derive(Clone, Debug, Default)]
pub struct Carry {
    pub(super) outputs: Vec<(String, OutputState)>,
    pub(super) sensors: Vec<(SensorSpec, SensorState)>,
    pub(super) regime: Option<Regime>,
    pub(super) silent_since: Option<BootTime>,
    pub(super) last_rid: u64,
    /// If the record is not durable as it is: what the hub may know until it is.
    pub(super) told: Option<Rc<Acknowledgement>>,
    pub(super) machine: Machine,
    /// The process has just started: what the outputs do now is what another process left.
    pub(super) starts: bool,
    pub(super) trail: Trail,
}

impl Carry {
    /// At a start of the process nothing is carried over, but it is known on which machine it is.
    pub fn at_start(machine: Machine) -> Self {
        Self { machine, starts: true, ..Self::default() }
    }

    /// Forgets the outputs for which `keep` says no: what they do is unknown to the next engine.
    pub fn keep_outputs(&mut self, keep: impl Fn(&str) -> bool) {
        self.outputs.retain(|(name, _)| keep(name));
    }
}

/// The outputs at a start, with what the record knows of them: overrides go on, and a process that was gone for a moment
/// switches nothing before its minimum time is over.
///
/// After an orderly end the record says when each output turned. After any other, `twind safe` drove the `crash` rows
/// a moment ago, as far as anybody can know. After another boot nothing is held: the outputs were without power, or
/// rested for as long as it took.
pub(super) fn outputs_at_start(
    now: BootTime,
    specs: &[OutputSpec],
    record: Option<&TwinRecord>,
    carry: &Carry,
) -> Outputs {
    let mut outputs = Outputs::new(specs.to_vec());
    let Some(record) = record else { return outputs };
    let find = |name: &str| specs.iter().position(|spec| spec.name == name).map(OutputId);
    for (name, hand) in &record.overrides {
        if let Some(output) = find(name) {
            outputs.set_hand(output, hand.resume(now, &record.moment, &carry.machine));
        }
    }
    if !carry.starts || !carry.machine.is_of(&record.moment) {
        return outputs;
    }
    match &record.turns {
        Some(turns) => turns.iter().for_each(|(name, turn)| {
            find(name).into_iter().for_each(|output| outputs.believe(output, *turn));
        }),
        None => {
            for (index, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.has_minimum_time()) {
                if let Some((drive, _)) = last_row(spec, true) {
                    outputs.believe(OutputId(index), Turn { drive, at: now });
                }
            }
        }
    }
    outputs
}

/// Must a start be kept before anything else happens, so that the next one knows of it? Only where overrides or minimum
/// times need it, and once in a boot.
pub(super) fn is_start_news(outputs: &Outputs, record: Option<&TwinRecord>, carry: &Carry) -> bool {
    let needs = outputs.iter().any(|(spec, state)| spec.has_minimum_time() || state.hand.is_some());
    let known = record.is_some_and(|record| carry.machine.is_of(&record.moment) && record.turns.is_none());
    carry.starts && needs && !known
}
