//! Whether the room's temperature is right: not what the outputs do, but what they achieve.
//!
//! If the outputs have been able to hold the room in its range for long enough, it is in its range. If they can keep it
//! below `critical`, it is below while one sensor works, whatever is desired. What they *can* do is computed: the steady
//! state under the present load with everything on that helps. Deliberately absent: what each output must do at a moment
//! (`rank`).

use super::Scene;
use super::meaning::Meaning;
use super::rank::{Rank, Target};
use crate::plant::{Condition, Plant};
use core::time::Duration;
use twind::engine::CoreSpec;

/// A bound can be held if the steady state lies inside it by this much, in kelvin.
const WITHIN: f64 = 1.0;
/// Three time constants with the fan at full, and five through the walls alone.
const COOLS_IN: Duration = Duration::from_secs(40 * 60);
const WARMS_IN: Duration = Duration::from_secs(4 * 3600);
/// How far sampling periods and minimum times let the room run past a bound, in kelvin.
const OVERSHOOT: f64 = 1.0;

/// The room of one site.
pub(crate) struct RoomJudge {
    /// The sensors' error, the hysteresis and the overshoot, in kelvin.
    slack: f64,
    /// The climate's sensors.
    sensors: Vec<usize>,
    critical: Option<f64>,
    site_range: Option<(f64, f64)>,
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
    pub(crate) fn new(spec: &CoreSpec, sensors_off: f64) -> Self {
        let climate = spec.climates.first();
        let band = climate.map_or(0.0, |climate| climate.hysteresis);
        Self {
            slack: sensors_off + band + OVERSHOOT,
            sensors: climate.iter().flat_map(|climate| &climate.sensors).map(|id| id.0).collect(),
            critical: climate.and_then(|climate| climate.critical),
            site_range: climate.map(|climate| (climate.range.min(), climate.range.max())),
            range: None,
            maximum: None,
            minimum: None,
            below_critical: None,
            last: Duration::ZERO,
            held: Duration::ZERO,
        }
    }

    /// The process did not run for a while.
    pub(crate) fn restart(&mut self) {
        (self.maximum, self.minimum, self.below_critical) = (None, None, None);
    }

    pub(crate) fn look(
        &mut self,
        scene: &Scene<'_>,
        plant: &Plant,
        meaning: &Meaning,
        verdicts: &[(Rank, Target)],
    ) -> Result<(), String> {
        let Some(range) = meaning.range.or(self.site_range) else { return Ok(()) };
        if self.range.replace(range) != Some(range) {
            (self.maximum, self.minimum) = (None, None);
        }
        let at = scene.at;
        let (coolest, warmest) = plant.reach();
        let obeys = plant.obeys();
        let by_climate = |output: usize| verdicts.get(output).is_some_and(|(rank, _)| *rank == Rank::Climate);
        let conditions = || self.sensors.iter().filter_map(|id| Some(scene.sensors.get(*id)?.condition));
        let free = obeys
            && conditions().all(|condition| condition == Condition::Healthy)
            && plant.outputs().all(by_climate);
        let is_seen = conditions().any(|condition| condition == Condition::Healthy)
            && !conditions().any(Condition::is_believed_and_wrong);
        let since = |since: Option<Duration>, holds: bool| holds.then(|| since.unwrap_or(at));
        self.maximum = since(self.maximum, free && coolest < range.1 - WITHIN);
        self.minimum = since(self.minimum, free && warmest > range.0 + WITHIN);
        let coolable = self.critical.is_some_and(|critical| coolest < critical - WITHIN);
        self.below_critical = since(self.below_critical, obeys && is_seen && coolable);
        let span = at.saturating_sub(core::mem::replace(&mut self.last, at));
        let holds =
            |since: Option<Duration>, settles: Duration| since.is_some_and(|since| at >= since + settles);
        if holds(self.maximum, COOLS_IN) && holds(self.minimum, WARMS_IN) {
            self.held += span;
        }
        self.judge(plant.temperature(), range, holds)
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
