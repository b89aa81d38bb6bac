//! What an engine takes over: from the engine before it when the configuration was read again, or at a start of the
//! process from what the record keeps beside the twin.

use super::Engine;
use super::durability::Ration;
use super::silence::Hearing;
use super::trail::Trail;
use crate::control::OutputId;
use crate::control::climate::{Regime, SensorState};
use crate::control::outputs::{OutputState, Outputs, last_row};
use crate::control::{OutputSpec, SensorSpec};
use crate::report::Acknowledgement;
use crate::report::alarms::Alarms;
use crate::twin::{Machine, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::borrow::ToOwned;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What is carried over when the configuration was read again: outputs stay as they are driven, by name; sensors keep their
/// last values, by what they read; and what began before goes on (hysteresis, an overheat, alarms, the hub's silence, a
/// wait for the disk).
#[derive(Clone, Debug, Default)]
pub struct Carry {
    pub(super) outputs: Vec<(String, OutputState)>,
    pub(super) sensors: Vec<(SensorSpec, SensorState)>,
    pub(super) regime: Option<Regime>,
    pub(super) offline_since: Option<BootTime>,
    pub(super) hearing: Option<Hearing>,
    pub(super) last_rid: u64,
    /// If the record is not durable as it is: what the hub may know until it is.
    pub(super) told: Option<Rc<Acknowledgement>>,
    /// A reload is no way round the ration, and mends no disk.
    pub(super) ration: Ration,
    pub(super) store_fault: Option<String>,
    pub(super) machine: Machine,
    pub(super) heard_at: Option<BootTime>,
    pub(super) alarms: Alarms,
    /// The process has just started: what the outputs do now is what another process left.
    pub(super) starts: bool,
    pub(super) trail: Trail,
    /// What outputs that are to stay as they are were found doing.
    pub(super) found: Vec<(String, Permille)>,
    /// What was found is what the process before this one decided a moment ago.
    pub(super) handed_over: bool,
}

impl Carry {
    /// At a start of the process nothing is carried over, but it is known on which machine it is.
    pub fn at_start(machine: Machine) -> Self {
        Self { machine, starts: true, ..Self::default() }
    }

    /// The process before this one ended without moving an output: what is found is its last word.
    pub fn hand_over(&mut self) {
        self.handed_over = true;
    }

    /// Forgets the outputs for which `keep` says no: what they do is unknown to the next engine.
    pub fn keep_outputs(&mut self, keep: impl Fn(&str) -> bool) {
        self.outputs.retain(|(name, _)| keep(name));
    }

    /// Forgets the speeds of outputs for which `tells` says no: nobody will measure them again.
    pub fn keep_speeds(&mut self, tells: impl Fn(&str) -> bool) {
        let mute = self.outputs.iter_mut().filter(|(name, _)| !tells(name));
        mute.for_each(|(_, state)| state.tach.forget());
    }

    /// An output that stays as it is until something decides was found driven so.
    pub fn find_output(&mut self, name: &str, drive: Permille) {
        self.found.push((name.to_owned(), drive));
    }
}

impl Engine {
    /// The process ends and another goes on: no output moves, but what was kept lazily is kept now.
    pub fn handle_handover(&mut self, now: BootTime) {
        self.keep_at_the_end(now);
    }
}

/// Outputs that were found driven, as such.
pub(super) fn place_found(
    now: BootTime,
    outputs: &mut Outputs,
    found: &[(String, Permille)],
    handed_over: bool,
) {
    for (name, drive) in found {
        if handed_over {
            outputs.hand_over(now, name, *drive);
        } else {
            outputs.find(name, *drive);
        }
    }
}

/// The outputs at a start, with what the record knows: overrides go on, and in the boot in which the record was made a
/// process that was gone for a moment switches nothing before its minimum time is over.
///
/// Whatever ended the process before, its outputs went to their `stop` or `crash` rows then (`twind safe` sees to it).
/// That was a moment ago, as far as anybody can know: to keep when outputs turn would be a write for each turn, and
/// a record that could not be written would be believed. Where the two rows differ, or leave the output as it is,
/// nothing is known. After another boot nothing is held either: the outputs were without power for as long as it took.
pub(super) fn outputs_at_start(
    now: BootTime,
    specs: &[OutputSpec],
    record: Option<&TwinRecord>,
    carry: &Carry,
) -> Outputs {
    let mut outputs = Outputs::new(specs.to_vec());
    let Some(record) = record else { return outputs };
    let is_of_this_boot = carry.machine.is_of(&record.moment);
    for (index, spec) in specs.iter().enumerate() {
        let kept = record.overrides.iter().find(|(name, _)| *name == spec.name);
        let hand = kept.and_then(|(_, hand)| hand.resume(now, &record.moment, &carry.machine));
        outputs.set_hand(OutputId(index), hand);
        if carry.starts && !carry.handed_over && is_of_this_boot && spec.has_minimum_time() {
            let [stop, crash] = [false, true].map(|crashed| last_row(spec, crashed).map(|(drive, _)| drive));
            let left = stop.filter(|stop| Some(*stop) == crash);
            left.into_iter().for_each(|left| outputs.believe(now, OutputId(index), left));
        }
    }
    outputs
}

/// Must a start be kept before anything else happens, so that the next one knows of it? Only where overrides or minimum
/// times need it, and once in a boot; and if an override ended meanwhile, which must not come back after another boot.
pub(super) fn is_start_news(outputs: &Outputs, record: Option<&TwinRecord>, carry: &Carry) -> bool {
    let hands = outputs.iter().filter(|(_, state)| state.hand.is_some()).count();
    let is_of_this_boot = record.is_some_and(|record| carry.machine.is_of(&record.moment));
    let needs_this_boot = hands > 0 || outputs.specs().iter().any(OutputSpec::has_minimum_time);
    let ended = record.is_some_and(|record| record.overrides.len() != hands);
    carry.starts && (ended || needs_this_boot && !is_of_this_boot)
}
