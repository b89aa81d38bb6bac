//! Whether a room's temperature is right: not what the outputs do, but what they achieve.
//!
//! If the outputs have been able to hold the room in its range for long enough, it is in its range. If they can keep it
//! below `critical`, it is below while one sensor works, whatever is desired. What they *can* do is computed: the steady
//! state under the present load with everything on that helps. An output that serves other climates, too, may do more than
//! a room wants, so an end is not checked that such an output may drive it past. Deliberately absent: what each output must do
//! at a moment (`rank`), and other quantities than temperatures.

use super::Scene;
use super::rank::{Rank, Target};
use crate::plant::{Air, Condition, Plant};
use crate::sites::Site;
use core::time::Duration;
use twind::control::{ClimateSpec, OutputId};

/// A bound can be held if the steady state lies inside it by this much, in kelvin.
const WITHIN: f64 = 1.0;
/// Three time constants with the fan at full, and five through the walls alone.
const COOLS_IN: Duration = Duration::from_secs(40 * 60);
const WARMS_IN: Duration = Duration::from_secs(4 * 3600);
/// How far sampling periods and minimum times let the room run past a bound, in kelvin.
const OVERSHOOT: f64 = 1.0;

/// The room of one climate.
pub(crate) struct RoomJudge {
    room: usize,
    /// It can be too warm, or too cold, only for want of its own outputs.
    owns_heat: bool,
    owns_cold: bool,
    /// The sensors' error, the hysteresis and the overshoot, in kelvin.
    slack: f64,
    /// The climate's sensors.
    sensors: Vec<usize>,
    critical: Option<f64>,
    range: Option<(f64, f64)>,
    /// Since when each bound can be held and nothing that it takes has been at fault.
    maximum: Option<Duration>,
    minimum: Option<Duration>,
    below_critical: Option<Duration>,
    last: Duration,
    /// For how long it was checked against both bounds of the range.
    pub(crate) held: Duration,
}

impl RoomJudge {
    /// One for each climate that holds a temperature which a sensor in its room measures.
    pub(crate) fn of_site(site: &Site) -> Vec<Self> {
        let climates = &site.spec.climates;
        let others = |own: usize, id: &OutputId| {
            let others = climates.iter().enumerate().filter(|(index, _)| *index != own);
            others.filter(|(_, climate)| climate.drives(*id)).count()
        };
        let of = |(index, climate): (usize, &ClimateSpec)| {
            let probes = || climate.sensors.iter().filter_map(|id| site.probes.get(id.0));
            let is_warmth = probes().all(|probe| probe.place.air == Air::Temperature)
                && climate.quantity.measures() == "temperature";
            let off = probes().map(|probe| probe.offset.abs() + probe.noise).fold(0.0, f64::max);
            let owns = |ids: &[OutputId]| ids.iter().all(|id| others(index, id) == 0);
            Self {
                room: site.homes[index],
                owns_heat: is_warmth && owns(&climate.raising),
                owns_cold: is_warmth && owns(&climate.lowering),
                slack: off + climate.hysteresis + OVERSHOOT,
                sensors: climate.sensors.iter().map(|id| id.0).collect(),
                critical: climate.critical.filter(|_| is_warmth),
                range: None,
                maximum: None,
                minimum: None,
                below_critical: None,
                last: Duration::ZERO,
                held: Duration::ZERO,
            }
        };
        climates.iter().enumerate().map(of).collect()
    }

    /// The process did not run for a while.
    pub(crate) fn restart(&mut self) {
        (self.maximum, self.minimum, self.below_critical) = (None, None, None);
    }

    pub(crate) fn look(
        &mut self,
        scene: &Scene<'_>,
        plant: &Plant,
        range: (f64, f64),
        verdicts: &[(Rank, Target)],
    ) -> Result<(), String> {
        if self.range.replace(range) != Some(range) {
            (self.maximum, self.minimum) = (None, None);
        }
        let at = scene.at;
        let (coolest, warmest) = plant.reach(self.room);
        let obeys = plant.obeys(self.room);
        let by_climate =
            |output: usize| verdicts.get(output).is_some_and(|(rank, _)| matches!(rank, Rank::Climate(_)));
        let conditions = || self.sensors.iter().filter_map(|id| Some(scene.sensors.get(*id)?.condition));
        let free = obeys
            && conditions().all(|condition| condition == Condition::Healthy)
            && plant.outputs(self.room).all(by_climate);
        let is_seen = conditions().any(|condition| condition == Condition::Healthy)
            && !conditions().any(Condition::is_believed_and_wrong);
        let since = |since: Option<Duration>, holds: bool| holds.then(|| since.unwrap_or(at));
        self.maximum = since(self.maximum, self.owns_heat && free && coolest < range.1 - WITHIN);
        self.minimum = since(self.minimum, self.owns_cold && free && warmest > range.0 + WITHIN);
        let coolable = self.critical.is_some_and(|critical| coolest < critical - WITHIN);
        self.below_critical = since(self.below_critical, obeys && is_seen && coolable);
        let span = at.saturating_sub(core::mem::replace(&mut self.last, at));
        let holds =
            |since: Option<Duration>, settles: Duration| since.is_some_and(|since| at >= since + settles);
        if holds(self.maximum, COOLS_IN) && holds(self.minimum, WARMS_IN) {
            self.held += span;
        }
        self.judge(plant.temperature(self.room), range, holds)
    }

    fn judge(
        &self,
        temperature: f64,
        range: (f64, f64),
        holds: impl Fn(Option<Duration>, Duration) -> bool,
    ) -> Result<(), String> {
        if holds(self.maximum, COOLS_IN) && temperature > range.1 + self.slack {
            return Err(format!("the room has {temperature:.2} °C, it could be held in {range:?}"));
        }
        if holds(self.minimum, WARMS_IN) && temperature < range.0 - self.slack {
            return Err(format!("the room has {temperature:.2} °C, it could be held in {range:?}"));
        }
        match self.critical {
            Some(critical) if holds(self.below_critical, COOLS_IN) && temperature > critical + self.slack => {
                Err(format!(
                    "the room has {temperature:.2} °C, above critical, {critical}, and a sensor works"
                ))
            }
            _ => Ok(()),
        }
    }
}
