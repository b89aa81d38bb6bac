//! The climate: the sensors' values are combined into one temperature, and it gives each output's demand within the range.
//!
//! ```text
//!  STARTING ──first sample of every sensor, or stale-after──► one of:
//!     IN-RANGE / TOO-WARM / TOO-COLD ◄── a valid reading ── SENSOR-FAULT (a stale sensor has a fault)
//!         │            ▲
//!   above critical     │ below critical − hysteresis
//!         ▼            │
//!       OVERHEAT ──────┘      (entered from everywhere, by the warmest valid sensor)
//! ```
//!
//! The control law: PWM cooling rises from 0 at the range's minimum to full at its maximum. On/off cooling switches on at
//! the maximum, and off one hysteresis below it. Heating mirrors this at the minimum: PWM heating rises from 0 at the
//! minimum to full one span below it, and on/off heating switches on at the minimum and off one hysteresis above it. An old
//! value is not used: after `stale-after` its sensor is stale. The rows of the fail-safe table are applied in `outputs`; the
//! plausibility of values is checked before they arrive here.

use super::{
    ClimateRange, ClimateSpec, Combine, Fault, OutputId, OutputKind, OutputSpec, ROUNDING, Reading, SensorId,
    SensorSpec,
};
use crate::units::{BootTime, Celsius, Permille};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a sensor measures if its values are degrees of its unit.
const TEMPERATURE: &str = "temperature";

/// The state of the climate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Regime {
    /// Not every sensor has been sampled yet, and none has a valid reading.
    Starting,
    /// Neither too warm nor too cold.
    InRange,
    /// Above the range.
    TooWarm,
    /// Below the range.
    TooCold,
    /// No sensor has a valid reading.
    SensorFault,
    /// Above `critical`.
    Overheat,
}

impl Regime {
    /// The regime's name in reports and `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::InRange => "in-range",
            Self::TooWarm => "too-warm",
            Self::TooCold => "too-cold",
            Self::SensorFault => "sensor-fault",
            Self::Overheat => "overheat",
        }
    }
}

/// What is known about one sensor, whether or not the climate uses it.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct SensorState {
    /// The last valid value, in the sensor's unit, and when it was sampled.
    pub last_good: Option<(f64, BootTime)>,
    /// The fault of the last sample, if it was one.
    pub fault: Option<Fault>,
    /// Has it ever been sampled?
    pub sampled: bool,
}

/// The states of all sensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sensors {
    specs: Vec<SensorSpec>,
    states: Vec<SensorState>,
    /// Which of them were carried over a reload.
    adopted: Vec<bool>,
    /// What the last sample found instead of a value, if that says more than the fault's name. Foreign text.
    found: Vec<Option<String>>,
    since: BootTime,
}

impl Sensors {
    /// No reading yet, as of `now`.
    pub fn new(now: BootTime, specs: Vec<SensorSpec>) -> Self {
        let count = specs.len();
        let (states, found) = (vec![SensorState::default(); count], vec![None; count]);
        Self { specs, states, adopted: vec![false; count], found, since: now }
    }

    /// Sets what the sensor's next reading found instead of a value; `None` if that says no more than its fault.
    pub fn set_found(&mut self, sensor: SensorId, found: Option<String>) {
        if let Some(place) = self.found.get_mut(sensor.0) {
            *place = found;
        }
    }

    /// What the sensor's last sample found, if it gave no value.
    pub fn found(&self, index: usize) -> Option<&str> {
        self.states.get(index)?.fault?;
        self.found.get(index)?.as_deref()
    }

    /// Takes a reading. One of an unknown sensor is ignored.
    pub fn observe(&mut self, reading: Reading) {
        let Some(state) = self.states.get_mut(reading.sensor.0) else { return };
        state.sampled = true;
        match reading.value {
            Ok(value) if value.is_finite() => {
                state.last_good = Some((value, reading.at));
                state.fault = None;
            }
            Ok(_) => state.fault = Some(Fault::NotANumber),
            Err(fault) => state.fault = Some(fault),
        }
    }

    /// Carries a sensor's state over a reload, whatever its name is now. A number that meant something else before, or was
    /// read elsewhere, is not carried over.
    pub fn adopt(&mut self, before: &SensorSpec, state: SensorState) {
        for ((spec, own), adopted) in self.specs.iter().zip(&mut self.states).zip(&mut self.adopted) {
            if spec.reads_the_same(before) && (spec.name == before.name || !*adopted) {
                (*own, *adopted) = (state, true);
            }
        }
    }

    /// The sensors in the order of [`super::SensorId`].
    pub fn iter(&self) -> impl Iterator<Item = (&SensorSpec, &SensorState)> {
        self.specs.iter().zip(&self.states)
    }

    /// The value that is valid now, in the sensor's unit.
    ///
    /// # Errors
    /// Its fault; [`Fault::Stale`] also before its first sample is overdue.
    pub fn value(&self, now: BootTime, index: usize) -> Result<f64, Fault> {
        let Some((spec, state)) = self.iter().nth(index) else { return Err(Fault::Missing) };
        match state.last_good {
            Some((value, at)) if now.since(at) < spec.stale_after => Ok(value),
            _ => Err(state.fault.unwrap_or(Fault::Stale)),
        }
    }

    /// Why the sensor has no valid value, unless it has not had the time to give one.
    pub fn fault(&self, now: BootTime, index: usize) -> Option<Fault> {
        let spec = self.specs.get(index)?;
        match self.value(now, index) {
            Err(fault) => (!self.is_starting(now, index)).then_some(fault),
            // Such as a value below absolute zero.
            Ok(value) if spec.measures == TEMPERATURE && spec.unit.to_celsius(value).is_none() => {
                Some(Fault::OutOfRange)
            }
            Ok(_) => None,
        }
    }

    /// Has the sensor not been sampled, nor had the time for it?
    fn is_starting(&self, now: BootTime, index: usize) -> bool {
        let known = self.iter().nth(index);
        known.is_some_and(|(spec, state)| !state.sampled && now.since(self.since) < spec.stale_after)
    }

    /// Is it a sensor that is new since a reload, with no reading yet?
    fn is_awaited(&self, now: BootTime, index: usize) -> bool {
        self.is_starting(now, index) && self.adopted.get(index) == Some(&false)
    }

    fn celsius(&self, now: BootTime, index: usize) -> Option<Celsius> {
        let value = self.value(now, index).ok()?;
        self.specs.get(index)?.unit.to_celsius(value)
    }

    /// The next moment at which a sensor becomes stale.
    pub fn poll_timeout(&self, now: BootTime) -> Option<BootTime> {
        let due = self.iter().map(|(spec, state)| {
            let from = state.last_good.map_or(self.since, |(_, at)| at);
            from + spec.stale_after
        });
        due.filter(|due| *due > now).min()
    }
}

/// The climate: its regime, and the demand on each of its outputs. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Climate {
    spec: ClimateSpec,
    range: ClimateRange,
    regime: Regime,
    /// The regime was carried over a reload, and not every new sensor has a reading yet.
    is_carried: bool,
    temperature: Option<Celsius>,
    demands: BTreeMap<OutputId, Permille>,
}

impl Climate {
    /// Starts with the configured range.
    pub fn new(spec: ClimateSpec) -> Self {
        let range = spec.range;
        let regime = Regime::Starting;
        Self { spec, range, regime, is_carried: false, temperature: None, demands: BTreeMap::new() }
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

    /// As set up.
    pub fn spec(&self) -> &ClimateSpec {
        &self.spec
    }

    /// The range that is held.
    pub fn range(&self) -> ClimateRange {
        self.range
    }

    /// Its state.
    pub fn regime(&self) -> Regime {
        self.regime
    }

    /// The combined temperature, if any sensor has a valid reading.
    pub fn temperature(&self) -> Option<Celsius> {
        self.temperature
    }

    /// The drive that it wants of an output; `None` if the output is not one of its own or there is no valid reading.
    pub fn demand(&self, output: OutputId) -> Option<Permille> {
        self.demands.get(&output).copied()
    }

    /// The fault to report when no sensor has a valid reading: that of the first sensor.
    pub fn fault(&self, now: BootTime, sensors: &Sensors) -> Option<Fault> {
        let first = self.spec.sensors.first()?;
        match self.regime {
            // A value that is no temperature, such as one below absolute zero, is out of range.
            Regime::SensorFault => Some(sensors.value(now, first.0).err().unwrap_or(Fault::OutOfRange)),
            _ => None,
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
        self.range = desired.unwrap_or(self.spec.range);
        let valid: Vec<Celsius> =
            self.spec.sensors.iter().filter_map(|sensor| sensors.celsius(now, sensor.0)).collect();
        self.temperature = combine(self.spec.combine, &valid);
        self.is_carried &= self.spec.sensors.iter().any(|sensor| sensors.is_awaited(now, sensor.0));
        let Some(temperature) = self.temperature else {
            if self.is_carried {
                return;
            }
            let starting = self.spec.sensors.iter().any(|sensor| sensors.is_starting(now, sensor.0));
            self.regime = if starting { Regime::Starting } else { Regime::SensorFault };
            self.demands.clear();
            return;
        };
        self.demands = self.law(temperature, outputs);
        // The sensor that reported the heat may be one that has no reading yet.
        let stays_hot = self.is_carried && self.regime == Regime::Overheat;
        self.regime = if stays_hot || self.is_overheated(&valid) {
            Regime::Overheat
        } else if temperature.degrees() > self.range.max().degrees() + ROUNDING {
            Regime::TooWarm
        } else if temperature.degrees() < self.range.min().degrees() - ROUNDING {
            Regime::TooCold
        } else {
            Regime::InRange
        };
    }

    /// The warmest valid sensor decides, however they are combined.
    fn is_overheated(&self, valid: &[Celsius]) -> bool {
        let Some(critical) = self.spec.critical else { return false };
        let margin = if self.regime == Regime::Overheat { self.spec.hysteresis_kelvin } else { 0.0 };
        valid.iter().any(|t| t.degrees() > critical.degrees() - margin + ROUNDING)
    }

    fn law(&self, temperature: Celsius, outputs: &[OutputSpec]) -> BTreeMap<OutputId, Permille> {
        let above_min = temperature.degrees() - self.range.min().degrees();
        let cooling = self.spec.cooling.iter().map(|output| (*output, above_min, true));
        let heating = self.spec.heating.iter().map(|output| (*output, -above_min, false));
        let mut demands = BTreeMap::new();
        for (id, excess_kelvin, cools) in cooling.chain(heating) {
            let Some(output) = outputs.get(id.0) else { continue };
            let was_on = self.demand(id).is_some_and(|demand| !demand.is_zero());
            let demand = match output.kind {
                OutputKind::Pwm => self.proportional(excess_kelvin, output, was_on),
                OutputKind::OnOff => self.switching(excess_kelvin, cools, was_on),
            };
            demands.insert(id, demand);
        }
        demands
    }

    /// 0 at the minimum, full one span away. An output with a `min-duty` starts when that much is needed, and then runs at
    /// `min-duty` or more until nothing is needed, so that it does not switch on and off in between.
    fn proportional(&self, excess_kelvin: f64, output: &OutputSpec, was_on: bool) -> Permille {
        let share = Permille::saturating(1000.0 * excess_kelvin / self.range.span_kelvin());
        match output.min_duty {
            Some(least) if share.is_zero() || (share < least && !was_on) => Permille::ZERO,
            Some(least) => share.max(least),
            None => share,
        }
    }

    fn switching(&self, excess_kelvin: f64, cools: bool, was_on: bool) -> Permille {
        // Wider than half the range, cooling and heating could both be on.
        let hysteresis = self.spec.hysteresis_kelvin.min(self.range.span_kelvin() / 2.0);
        let on_at = if cools { self.range.span_kelvin() } else { 0.0 };
        // Converted units may miss an end by a rounding error; it counts as reached.
        let reached = excess_kelvin >= on_at - ROUNDING;
        let stays = was_on && excess_kelvin > on_at - hysteresis + ROUNDING;
        if reached || stays { Permille::FULL } else { Permille::ZERO }
    }
}

fn combine(how: Combine, valid: &[Celsius]) -> Option<Celsius> {
    let degrees = || valid.iter().map(|t| t.degrees());
    match how {
        Combine::FirstGood => valid.first().copied(),
        Combine::Max => degrees().reduce(f64::max).and_then(Celsius::new),
        // A sensor list is short, so its length is exact as a float.
        Combine::Mean => Celsius::new(degrees().sum::<f64>() / valid.len() as f64),
    }
}

#[cfg(test)]
#[path = "climate_tests.rs"]
mod tests;
