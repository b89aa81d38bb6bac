//! A climate: the values of its sensors are combined into one, and that gives each of its outputs' demand within the range.
//!
//! ```text
//!  STARTING ──first sample of every sensor, or stale-after──► one of:
//!     IN-RANGE / ABOVE / BELOW ◄── a valid reading ── SENSOR-FAULT (a stale sensor has a fault)
//!         │            ▲
//!   above critical     │ below critical − hysteresis
//!         ▼            │
//!       OVERHEAT ──────┘      (entered from everywhere, by the greatest valid value)
//! ```
//!
//! The control law: PWM that lowers (cools) rises from 0 at the range's minimum to full at its maximum. On/off lowering switches
//! on at the maximum, and off one hysteresis below it. Raising (heating) mirrors this at the minimum: PWM rises from 0 at the
//! minimum to full one span below it, and on/off switches on at the minimum and off one hysteresis above it. Where PWM begins can
//! be configured. The rows of the fail-safe table are applied in `outputs`.

use super::quantity::{Quantity, ROUNDING};
use super::schedule::{Schedule, Zone};
use super::scheduled::Scheduled;
use super::sensors::Sensors;
use super::{ClimateRange, ClimateSpec, Combine, Fault, OutputId, OutputKind, OutputSpec};
use crate::units::{BootTime, Permille, UnixSeconds};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The state of a climate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Regime {
    /// Not every sensor has been sampled yet, and none has a valid reading.
    Starting,
    /// Within the range.
    InRange,
    /// Above the range.
    Above,
    /// Below the range.
    Below,
    /// No sensor has a valid reading.
    SensorFault,
    /// Above `critical`.
    Overheat,
}

impl Regime {
    /// The regime's name in reports and `status`.
    pub fn name(self, quantity: &Quantity) -> &'static str {
        let is_temperature = matches!(quantity, Quantity::Temperature(_));
        match (self, is_temperature) {
            (Self::Starting, _) => "starting",
            (Self::InRange, _) => "in-range",
            (Self::Above, true) => "too-warm",
            (Self::Above, false) => "too-high",
            (Self::Below, true) => "too-cold",
            (Self::Below, false) => "too-low",
            (Self::SensorFault, _) => "sensor-fault",
            (Self::Overheat, _) => "overheat",
        }
    }
}

/// One climate: its regime, and the demand on each of its outputs. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Climate {
    spec: ClimateSpec,
    range: ClimateRange,
    /// The range that somebody set for a time, in place of the desired one and of the schedule.
    overridden: Option<ClimateRange>,
    regime: Regime,
    /// The regime was carried over a reload, and not every new sensor has a reading yet.
    is_carried: bool,
    value: Option<f64>,
    demands: BTreeMap<OutputId, Permille>,
    /// What its schedule says now, if it has one.
    scheduled: Option<Scheduled>,
}

impl Climate {
    /// Starts with the configured range.
    pub fn new(spec: ClimateSpec) -> Self {
        let range = spec.range;
        let regime = Regime::Starting;
        Self {
            spec,
            range,
            overridden: None,
            regime,
            is_carried: false,
            value: None,
            demands: BTreeMap::new(),
            scheduled: None,
        }
    }

    /// Carries an output's drive over a reload, so that the hysteresis continues from there.
    pub fn adopt(&mut self, output: OutputId, drive: Option<Permille>) {
        self.demands.extend(drive.map(|drive| (output, drive)));
    }

    /// Carries the regime over a reload, so that an overheat ends where it would have ended, and no other regime begins before
    /// the new sensors have readings.
    pub fn adopt_regime(&mut self, regime: Regime) {
        if regime != Regime::Overheat || self.spec.critical.is_some() {
            (self.regime, self.is_carried) = (regime, true);
        }
    }

    /// Carries what the schedule said over a reload, so that only what it says otherwise is announced.
    pub fn adopt_schedule(&mut self, mut scheduled: Scheduled) {
        scheduled.expire();
        self.scheduled = Some(scheduled);
    }

    /// As set up.
    pub fn spec(&self) -> &ClimateSpec {
        &self.spec
    }

    /// The range that is held.
    pub fn range(&self) -> ClimateRange {
        self.range
    }

    /// The range of its override, if there is one in force.
    pub fn overridden(&self) -> Option<ClimateRange> {
        self.overridden
    }

    /// From the next control step on this range stands in place of the desired one and of the schedule; `None` ends that.
    pub(super) fn override_by(&mut self, range: Option<ClimateRange>) {
        self.overridden = range;
    }

    /// Its state.
    pub fn regime(&self) -> Regime {
        self.regime
    }

    /// The combined value, if any sensor has a valid reading.
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The drive that it wants of an output; `None` if the output is not one of its own or there is no valid reading.
    pub fn demand(&self, output: OutputId) -> Option<Permille> {
        self.demands.get(&output).copied()
    }

    /// The fault to report when no sensor has a valid reading: that of the first sensor.
    pub fn fault(&self, now: BootTime, sensors: &Sensors) -> Option<Fault> {
        let first = self.spec.sensors.first()?;
        match self.regime {
            // A value that the quantity cannot have, such as a temperature below absolute zero, is out of range.
            Regime::SensorFault => Some(sensors.value(now, *first).err().unwrap_or(Fault::OutOfRange)),
            _ => None,
        }
    }

    /// What its schedule says now, if it has one.
    pub fn scheduled(&self) -> Option<&Scheduled> {
        self.scheduled.as_ref()
    }

    /// What the schedule says is to be evaluated again.
    pub(super) fn forget_schedule(&mut self) {
        self.scheduled.iter_mut().for_each(Scheduled::expire);
    }

    /// Evaluates the schedule. Does it say something else now?
    pub(super) fn follow(
        &mut self,
        schedule: &Schedule<ClimateRange>,
        zone: Option<&Zone>,
        wall: Option<UnixSeconds>,
    ) -> bool {
        let before = self.scheduled.clone();
        self.scheduled = zone.and_then(|zone| Scheduled::of(self.scheduled.take(), schedule, zone, wall));
        match (&before, &self.scheduled) {
            (Some(before), Some(now)) => !now.says_the_same(before),
            (before, now) => before.is_some() != now.is_some(),
        }
    }

    /// One control step.
    pub fn step(
        &mut self,
        now: BootTime,
        sensors: &Sensors,
        outputs: &[OutputSpec],
        desired: Option<ClimateRange>,
    ) {
        let scheduled = self.scheduled.as_ref().and_then(Scheduled::range);
        self.range = self.overridden.or(scheduled).or(desired).unwrap_or(self.spec.range);
        let read = |sensor| sensors.in_base_unit(now, sensor, &self.spec.quantity);
        let valid: Vec<f64> = self.spec.sensors.iter().filter_map(|sensor| read(*sensor)).collect();
        self.value = combine(self.spec.combine, &valid);
        self.is_carried &= self.spec.sensors.iter().any(|sensor| sensors.is_awaited(now, *sensor));
        let Some(value) = self.value else {
            if self.is_carried {
                return;
            }
            let starting = self.spec.sensors.iter().any(|sensor| sensors.is_starting(now, *sensor));
            self.regime = if starting { Regime::Starting } else { Regime::SensorFault };
            self.demands.clear();
            return;
        };
        self.demands = self.law(value, outputs);
        // The sensor that reported the heat may be one that has no reading yet.
        let stays_hot = self.is_carried && self.regime == Regime::Overheat;
        self.regime = if stays_hot || self.is_overheated(&valid) {
            Regime::Overheat
        } else if value > self.range.max() + ROUNDING {
            Regime::Above
        } else if value < self.range.min() - ROUNDING {
            Regime::Below
        } else {
            Regime::InRange
        };
    }

    /// The greatest valid value decides, however they are combined.
    fn is_overheated(&self, valid: &[f64]) -> bool {
        let Some(critical) = self.spec.critical else { return false };
        let margin = if self.regime == Regime::Overheat { self.spec.hysteresis } else { 0.0 };
        valid.iter().any(|value| *value > critical - margin + ROUNDING)
    }

    fn law(&self, value: f64, outputs: &[OutputSpec]) -> BTreeMap<OutputId, Permille> {
        let above_min = value - self.range.min();
        let lowering = self.spec.lowering.iter().map(|output| (*output, true));
        let raising = self.spec.raising.iter().map(|output| (*output, false));
        let mut demands = BTreeMap::new();
        for (id, lowers) in lowering.chain(raising) {
            let Some(output) = outputs.get(id.0) else { continue };
            let was_on = self.demand(id).is_some_and(|demand| !demand.is_zero());
            let demand = match output.kind {
                OutputKind::Pwm => proportional(self.share(above_min, lowers), output, was_on),
                OutputKind::OnOff => self.switching(above_min, lowers, was_on),
            };
            demands.insert(id, demand);
        }
        demands
    }

    /// The share of full drive that is needed: from 0 where the output begins, to full at the maximum, or one span below where it
    /// ends to raise.
    fn share(&self, above_min: f64, lowers: bool) -> Permille {
        let span = self.range.span();
        let (excess, reach) = if lowers {
            (above_min - self.spec.lowering_from * span, span * (1.0 - self.spec.lowering_from))
        } else {
            (self.spec.raising_from * span - above_min, span)
        };
        Permille::saturating(1000.0 * excess / reach)
    }

    fn switching(&self, above_min: f64, lowers: bool, was_on: bool) -> Permille {
        // Wider than half the range, lowering and raising could both be on.
        let hysteresis = self.spec.hysteresis.min(self.range.span() / 2.0);
        let (excess, on_at) = if lowers { (above_min, self.range.span()) } else { (-above_min, 0.0) };
        // Converted units may miss an end by a rounding error; it counts as reached.
        let reached = excess >= on_at - ROUNDING;
        let stays = was_on && excess > on_at - hysteresis + ROUNDING;
        if reached || stays { Permille::FULL } else { Permille::ZERO }
    }
}

/// An output with a `min-duty` starts when that much is needed, and then runs at `min-duty` or more until nothing is needed, so
/// that it does not switch on and off in between.
fn proportional(share: Permille, output: &OutputSpec, was_on: bool) -> Permille {
    match output.min_duty {
        Some(least) if share.is_zero() || (share < least && !was_on) => Permille::ZERO,
        Some(least) => share.max(least),
        None => share,
    }
}

/// `None` without a valid value. The mean of finite numbers may be none.
fn combine(how: Combine, valid: &[f64]) -> Option<f64> {
    let values = valid.iter().copied();
    match how {
        Combine::FirstGood => valid.first().copied(),
        Combine::Max => values.reduce(f64::max),
        // A sensor list is short, so its length is exact as a float.
        Combine::Mean => Some(values.sum::<f64>() / valid.len() as f64).filter(|mean| mean.is_finite()),
    }
}

#[cfg(test)]
#[path = "climate_tests.rs"]
mod tests;
