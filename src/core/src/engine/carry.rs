//! What the core takes over: at a reload from itself as it was before, and at a start of the process from the record.

use super::durability::Durability;
use super::health::Health;
use super::history::History;
use super::overrides::Overrides;
use super::silence::Contact;
use super::{Core, CoreSpec, Notice, Reload, Start};
use crate::control::climate::Regime;
use crate::control::outputs::{OutputState, Outputs, last_row};
use crate::control::scheduled::Scheduled;
use crate::control::sensors::SensorState;
use crate::control::{OutputId, OutputSpec, SensorSpec};
use crate::telemetry::Telemetry;
use crate::twin::{HubEvent, Machine, Override, PersistedRange, TwinRecord, Version};
use crate::units::{BootTime, Permille};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// What is carried over a reload: outputs stay as they are driven, by name; sensors keep their last values, by what they
/// read; and what began before goes on (hysteresis, an overheat, alarms, the hub's silence, a wait for the disk).
#[derive(Debug, Default)]
pub(super) struct Carry {
    pub(super) outputs: Vec<CarriedOutput>,
    pub(super) sensors: Vec<(SensorSpec, SensorState)>,
    pub(super) health: Health,
    /// Of each climate, by its name.
    pub(super) regimes: Vec<(Option<String>, Regime)>,
    /// What the schedules of climates say, by their names.
    pub(super) schedules: Vec<(Option<String>, Scheduled)>,
    /// The overrides of climates, by name.
    pub(super) ranges: Vec<(String, Override<PersistedRange>)>,
    pub(super) contact: KnownContact,
    pub(super) last_rid: u64,
    /// `None` at a start of the process.
    pub(super) durability: Option<Durability>,
    /// `None` at a start of the process.
    pub(super) telemetry: Option<Telemetry>,
    /// The process has just started: what the outputs do now is what another process left.
    pub(super) starts: bool,
    pub(super) history: History,
    /// The drives of outputs that are to stay as they were found.
    pub(super) found: Vec<(OutputId, Permille)>,
    /// What was found is what the process before this one decided a moment ago.
    pub(super) handed_over: bool,
    pub(super) step_interval_max: Option<Duration>,
}

/// An output as it was before a reload.
#[derive(Debug)]
pub(super) struct CarriedOutput {
    name: String,
    state: OutputState,
    /// Why its speed is not known.
    tach_fault: Option<String>,
    overridden: Option<Override>,
}

/// How the contact with the hub is known.
#[derive(Debug)]
pub(super) enum KnownContact {
    /// At a start of the process: by the record, on this machine.
    Recorded(Machine),
    /// At a reload.
    Carried(Contact),
}

impl Default for KnownContact {
    fn default() -> Self {
        Self::Recorded(Machine::default())
    }
}

impl KnownContact {
    pub(super) fn machine(&self) -> Machine {
        match self {
            Self::Recorded(machine) => *machine,
            Self::Carried(contact) => contact.machine,
        }
    }
}

impl Core {
    /// From the record, and from the drives that were found.
    pub(super) fn at_start(now: BootTime, start: Start) -> Self {
        let Start { spec, record, machine, found, handed_over, step_interval_max } = start;
        let carry = Carry {
            contact: KnownContact::Recorded(machine),
            starts: true,
            found,
            handed_over,
            step_interval_max: Some(step_interval_max),
            ..Carry::default()
        };
        Self::new(now, spec, record, carry)
    }

    /// A stored twin that came late is followed where none is in force yet. Overrides of any record go on, as at any start,
    /// and so does the silence of a hub that has not been heard since.
    pub(super) fn handle_stored(&mut self, now: BootTime, record: TwinRecord) {
        let resumed = Overrides::resume(now, &self.spec, &record, &self.contact.machine);
        if self.overrides.take_missing(resumed) {
            self.durability.want();
        }
        let is_ours = record.identity == self.spec.identity;
        if is_ours && self.contact.heard_at.is_none() {
            let Contact { machine, offline_since, .. } = self.contact;
            self.contact = Contact::at_start(now, &self.spec, &record, record.known_time, machine);
            self.contact.offline_since = offline_since;
        }
        if is_ours && record.desired_version > Version(0) && self.sync.desired_version() == Version(0) {
            self.notices.push_back(Notice::Followed { version: record.desired_version });
            self.rebuild(now, self.spec.clone(), record, self.carry(), true);
            self.announce_refusals(&[]);
        }
        self.step(now);
        self.absorb(now);
    }

    pub(super) fn handle_reload(&mut self, now: BootTime, reload: Reload) {
        let mut carry = self.carry();
        carry.outputs.retain(|output| reload.same_wire.contains(&output.name));
        for output in carry.outputs.iter_mut().filter(|output| !reload.measured.contains(&output.name)) {
            output.state.tach.forget();
            output.tach_fault = None;
        }
        let (before, after) = (&self.spec.outputs, &reload.spec.outputs);
        carry.health = carry.health.succeed(before, after, &reload.same_wire);
        carry.found = reload.found;
        carry.history.succeed(&self.spec.climates, &reload.spec.climates);
        let overridden: Vec<Option<String>> = self.overridden_climates().collect();
        let refusals = core::mem::take(&mut self.understanding.refusals);
        let record = self.record();
        self.rebuild(now, reload.spec, record, carry, reload.same_hub);
        self.announce_refusals(&refusals);
        self.announce_dropped(overridden);
    }

    fn rebuild(&mut self, now: BootTime, spec: CoreSpec, record: TwinRecord, carry: Carry, same_hub: bool) {
        let was_online = self.sync.is_online() && same_hub;
        let (notices, journal) = (core::mem::take(&mut self.notices), core::mem::take(&mut self.journal));
        let trend = core::mem::take(&mut self.trend).succeed(&self.spec, &spec);
        let durability = Some(self.durability.take());
        let mut telemetry = core::mem::take(&mut self.telemetry);
        if !was_online {
            telemetry.handle_down(now);
        }
        let telemetry = Some(telemetry);
        *self = Self::new(now, spec, Some(record), Carry { durability, telemetry, ..carry });
        (self.notices, self.journal, self.trend) = (notices, journal, trend);
        self.handle_timeout(now);
        if was_online {
            self.handle_hub(now, HubEvent::Up);
        }
    }

    fn carry(&self) -> Carry {
        let output = |(output, spec, state): (OutputId, &OutputSpec, &OutputState)| CarriedOutput {
            name: spec.name.clone(),
            state: *state,
            tach_fault: self.outputs.tach_fault(output).map(ToOwned::to_owned),
            overridden: self.override_of(output),
        };
        Carry {
            outputs: self.outputs.iter().map(output).collect(),
            sensors: self.sensors.iter().map(|(_, spec, state)| (spec.clone(), *state)).collect(),
            last_rid: self.sync.last_rid(),
            regimes: self.climates.iter().map(|(_, one)| (one.spec().name.clone(), one.regime())).collect(),
            schedules: self
                .climates
                .iter()
                .filter_map(|(_, one)| Some((one.spec().name.clone(), one.scheduled()?.clone())))
                .collect(),
            ranges: self.overrides.recorded_ranges(&self.spec),
            contact: KnownContact::Carried(self.contact),
            health: self.health.clone(),
            starts: false,
            history: self.history.clone(),
            found: Vec::new(),
            handed_over: false,
            durability: None,
            telemetry: None,
            step_interval_max: Some(self.step_interval_max),
        }
    }
}

/// Sets the drives with which outputs were found.
pub(super) fn set_found(
    now: BootTime,
    outputs: &mut Outputs,
    found: &[(OutputId, Permille)],
    handed_over: bool,
) {
    for (output, drive) in found {
        if handed_over {
            outputs.hand_over(now, *output, *drive);
        } else {
            outputs.set_found(*output, *drive);
        }
    }
}

/// The outputs at a start. In the boot in which the record was made, a process that was gone for a moment switches nothing
/// before its minimum time is over.
///
/// Whatever ended the process before, its outputs went to their `stop` or `crash` rows then (`twind safe` sees to it).
/// That was a moment ago, as far as anybody can know: to record when outputs turn would cost a write for each turn, and a
/// record that could not be written would be believed. Where the two rows differ, or leave the output as it is, nothing is
/// known. After another boot no minimum time applies either: the outputs were without power for as long as that took.
pub(super) fn outputs_at_start(
    now: BootTime,
    specs: &[OutputSpec],
    record: Option<&TwinRecord>,
    carry: &Carry,
) -> Outputs {
    let mut outputs = Outputs::new(specs.to_vec());
    let is_of_this_boot = record.is_some_and(|record| carry.contact.machine().is_of(&record.moment));
    for (index, spec) in specs.iter().enumerate() {
        if carry.starts && !carry.handed_over && is_of_this_boot && spec.has_minimum_time() {
            let [stop, crash] = [false, true].map(|crashed| last_row(spec, crashed).map(|(drive, _)| drive));
            let left = stop.filter(|stop| Some(*stop) == crash);
            left.into_iter().for_each(|left| outputs.assume(now, OutputId(index), left));
        }
    }
    outputs
}

/// Must a start be recorded before anything else happens, so that the next one knows of it? Only where overrides or minimum
/// times need it, and once in a boot; and if an override ended meanwhile, which must not come back after another boot.
pub(super) fn must_record_start(
    specs: &[OutputSpec],
    overrides: &Overrides,
    record: Option<&TwinRecord>,
    carry: &Carry,
) -> bool {
    let overridden = overrides.count();
    let is_of_this_boot = record.is_some_and(|record| carry.contact.machine().is_of(&record.moment));
    let needs_this_boot = overridden > 0 || specs.iter().any(OutputSpec::has_minimum_time);
    let recorded = |record: &TwinRecord| record.overrides.len() + record.range_overrides.len();
    let ended = record.is_some_and(|record| recorded(record) != overridden);
    carry.starts && (ended || needs_this_boot && !is_of_this_boot)
}

/// Carries outputs, and the overrides on them, over a reload.
pub(super) fn adopt_outputs(
    spec: &CoreSpec,
    outputs: &mut Outputs,
    overrides: &mut Overrides,
    carried: Vec<CarriedOutput>,
) {
    for CarriedOutput { name, state, tach_fault, overridden } in carried {
        if let Some(output) = spec.output_named(&name) {
            outputs.adopt(output, state, tach_fault);
            overridden.into_iter().for_each(|one| overrides.drives.put(output, one));
        }
    }
}
