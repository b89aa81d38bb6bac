//! All climates of a site, and what they together want of an output.
//!
//! An output may serve several climates: it gets the greatest of what they want. A climate without a valid reading wants what the
//! output's `sensor-fault` row says, and the output overheats when any of its climates does. An output that no climate drives
//! has rows for all of them.

use super::climate::{Climate, Regime};
use super::intent::Intent;
use super::schedule::{Schedule, Zone};
use super::sensors::Sensors;
use super::{ClimateId, ClimateRange, ClimateSpec, OutputId, OutputSpec, SensorId};
use crate::ordered::set_of;
use crate::twin::Override;
use crate::units::{BootTime, Permille, UnixSeconds};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The climates of a site. See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Climates {
    all: Vec<Climate>,
    /// Those that drive each output.
    driving: BTreeMap<OutputId, Vec<ClimateId>>,
    /// All of them.
    ids: Vec<ClimateId>,
}

/// What a control step of the climates depends on.
#[derive(Clone, Copy)]
pub struct Conditions<'a> {
    /// The sensors.
    pub sensors: &'a Sensors,
    /// The outputs as configured.
    pub outputs: &'a [OutputSpec],
    /// What the back end wants.
    pub intent: &'a Intent,
    /// The overrides of climates in force.
    pub overrides: &'a BTreeMap<ClimateId, Override<ClimateRange>>,
    /// The time zones.
    pub zones: &'a [Zone],
    /// The wall-clock time, if it can be believed.
    pub wall: Option<UnixSeconds>,
}

/// What changed in a control step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The climates whose regime changed, and the regime before.
    pub regimes: Vec<(ClimateId, Regime)>,
    /// The climates whose schedule says something else.
    pub schedules: Vec<ClimateId>,
}

/// How far the climates of an output are without a valid reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Each has one, or has yet to get its first.
    None,
    /// Some have none.
    Partial,
    /// None has one.
    Total,
}

impl Climates {
    /// As configured.
    pub fn new(specs: impl IntoIterator<Item = ClimateSpec>) -> Self {
        let all: Vec<Climate> = specs.into_iter().map(Climate::new).collect();
        let ids: Vec<ClimateId> = (0..all.len()).map(ClimateId).collect();
        let mut driving: BTreeMap<OutputId, Vec<ClimateId>> = BTreeMap::new();
        for (id, climate) in ids.iter().zip(&all) {
            let outputs = climate.spec().lowering.iter().chain(&climate.spec().raising);
            outputs.for_each(|output| driving.entry(*output).or_default().push(*id));
        }
        Self { all, driving, ids }
    }

    /// Each climate.
    pub fn iter(&self) -> impl Iterator<Item = (ClimateId, &Climate)> {
        self.all.iter().enumerate().map(|(index, climate)| (ClimateId(index), climate))
    }

    /// Each climate, to change it.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Climate> {
        self.all.iter_mut()
    }

    /// One of them.
    pub fn get(&self, id: ClimateId) -> Option<&Climate> {
        self.all.get(id.0)
    }

    /// Its name; `None` for the only climate of a site, which has none.
    pub fn name(&self, id: ClimateId) -> Option<&str> {
        self.get(id)?.spec().name.as_deref()
    }

    /// The sensors that climates use.
    pub fn sensors(&self) -> BTreeSet<SensorId> {
        set_of(self.all.iter().flat_map(|climate| climate.spec().sensors.iter().copied()))
    }

    /// One control step of each. Returns what changed.
    pub fn step(&mut self, now: BootTime, by: Conditions<'_>) -> Changes {
        let mut changes = Changes::default();
        let none = Schedule::default();
        for (index, climate) in self.all.iter_mut().enumerate() {
            let (id, before) = (ClimateId(index), climate.regime());
            let desired = by.intent.climate(id);
            let zone = by.zones.get(climate.spec().zone.0);
            if climate.follow(desired.map_or(&none, |desired| &desired.schedule), zone, by.wall) {
                changes.schedules.push(id);
            }
            climate.override_by(by.overrides.get(&id).map(|one| one.value));
            let range = by.intent.range(id).map(|range| range.value);
            climate.step(now, by.sensors, by.outputs, range);
            if climate.regime() != before {
                changes.regimes.push((id, before));
            }
        }
        changes
    }

    /// What the schedules say is to be evaluated again, since one of them changed.
    pub fn forget_schedules(&mut self) {
        self.all.iter_mut().for_each(Climate::forget_schedule);
    }

    /// When the next schedule says something else.
    pub fn poll_timeout(&self, now: BootTime, wall: Option<UnixSeconds>) -> Option<BootTime> {
        self.all.iter().filter_map(|climate| climate.scheduled()?.due(now, wall)).filter(|at| *at > now).min()
    }

    /// Those whose faults and heat concern the output: the ones that drive it, or all if none does.
    pub(super) fn concerning(&self, output: OutputId) -> impl Iterator<Item = (ClimateId, &Climate)> {
        let ids = self.driving.get(&output).unwrap_or(&self.ids);
        ids.iter().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// Is a climate of the output above `critical`?
    pub(super) fn is_overheated(&self, output: OutputId) -> bool {
        self.concerning(output).any(|(_, climate)| climate.regime() == Regime::Overheat)
    }

    /// How many climates of the output are without a valid reading?
    pub(super) fn loss(&self, output: OutputId) -> Loss {
        let is_lost = |climate: &Climate| climate.regime() == Regime::SensorFault;
        let (mut lost, mut all) = (false, true);
        for (_, climate) in self.concerning(output) {
            (lost, all) = (lost || is_lost(climate), all && is_lost(climate));
        }
        match (lost, all) {
            (false, _) => Loss::None,
            (true, false) => Loss::Partial,
            (true, true) => Loss::Total,
        }
    }

    /// The greatest demand of the ranges alone.
    pub fn demand(&self, output: OutputId) -> Option<Permille> {
        self.concerning(output).filter_map(|(_, climate)| climate.demand(output)).max()
    }
}

#[cfg(test)]
#[path = "climates_tests.rs"]
mod tests;
