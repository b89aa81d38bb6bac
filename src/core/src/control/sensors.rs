//! What is known about each sensor: its last valid value, and why it has none.
//!
//! An old value is not used: after `stale-after` its sensor is stale. The plausibility of values is checked before they arrive
//! here.

use super::derived::Derived;
use super::quantity::{Quantity, TEMPERATURE};
use super::{Fault, Reading, SensorId, SensorSpec};
use crate::units::{BootTime, Celsius};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What is known about one sensor, whether or not the climate uses it.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct SensorState {
    /// The last valid value, in the sensor's unit, and when it was sampled.
    pub last_good: Option<(f64, BootTime)>,
    /// The fault of the last sample, if it was one.
    pub fault: Option<Fault>,
    /// Has it ever been sampled?
    pub sampled: bool,
    /// Since when it has been read well: no sample was a fault, and none came so late that the one before was stale. Of one that
    /// follows from others: since when something has followed from them.
    pub well_since: Option<BootTime>,
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

    /// What the sensor's last sample found, if it gave no value; of one that follows from others, the values of those if nothing
    /// follows from them.
    pub fn found(&self, now: BootTime, id: SensorId) -> Option<Cow<'_, str>> {
        if let Some(derived) = self.derived(id) {
            self.own_fault(now, id)?;
            let part = |part: SensorId| {
                let (spec, value) = (self.spec(part)?, self.value(now, part).ok()?);
                Some(format!("{} {}", spec.name, (value * 1000.0).round() / 1000.0))
            };
            let [first, second] = derived.parts().map(part);
            return Some(Cow::Owned(format!("{}, {}", first?, second?)));
        }
        self.states.get(id.0)?.fault?;
        self.found.get(id.0)?.as_deref().map(Cow::Borrowed)
    }

    /// That nothing follows from the values of the parts of a sensor, though each has one.
    fn own_fault(&self, now: BootTime, id: SensorId) -> Option<Fault> {
        let parts = self.derived(id)?.parts();
        let have_values = parts.iter().all(|part| self.value(now, *part).is_ok());
        self.value(now, id).err().filter(|_| have_values)
    }

    /// Takes a reading. One of an unknown sensor is ignored.
    pub fn observe(&mut self, reading: Reading) {
        let (at, was_valid) = (reading.at, self.value(reading.at, reading.sensor).is_ok());
        let Some(state) = self.states.get_mut(reading.sensor.0) else { return };
        state.sampled = true;
        state.well_since = state.well_since.filter(|_| was_valid);
        match reading.value {
            Ok(value) if value.is_finite() => {
                state.last_good = Some((value, reading.at));
                state.fault = None;
            }
            Ok(_) => state.fault = Some(Fault::NotANumber),
            Err(fault) => state.fault = Some(fault),
        }
        let derived = self.specs.iter().enumerate().filter(|(_, spec)| spec.derived.is_some());
        let touched: Vec<usize> = derived.map(|(index, _)| index).chain([reading.sensor.0]).collect();
        for index in touched {
            let is_well = self.states.get(index).is_some_and(|state| state.fault.is_none())
                && self.fault_of_value(at, SensorId(index)).is_none();
            if let Some(state) = self.states.get_mut(index) {
                state.well_since = is_well.then(|| state.well_since.unwrap_or(at));
            }
        }
    }

    /// Since when the sensor, and each from which it follows, has been read well; `None` if its last sample was a fault, or it has
    /// none that counts.
    pub fn well_since(&self, id: SensorId) -> Option<BootTime> {
        let own = self.states.get(id.0)?.well_since?;
        let Some(derived) = self.derived(id) else { return Some(own) };
        let [first, second] = derived.parts().map(|part| self.well_since(part));
        Some(own.max(first?).max(second?))
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

    /// Each sensor.
    pub fn iter(&self) -> impl Iterator<Item = (SensorId, &SensorSpec, &SensorState)> {
        let sensors = self.specs.iter().zip(&self.states).enumerate();
        sensors.map(|(index, (spec, state))| (SensorId(index), spec, state))
    }

    /// One sensor as configured.
    pub fn spec(&self, id: SensorId) -> Option<&SensorSpec> {
        self.specs.get(id.0)
    }

    /// The value that is valid now, in the sensor's unit.
    ///
    /// # Errors
    /// Its fault; [`Fault::Stale`] also before its first sample is overdue.
    pub fn value(&self, now: BootTime, id: SensorId) -> Result<f64, Fault> {
        let (Some(spec), Some(state)) = (self.spec(id), self.states.get(id.0)) else {
            return Err(Fault::Missing);
        };
        if spec.derived.is_some() {
            let derived = self.derived(id).ok_or(Fault::Missing)?;
            let [first, second] = derived.parts().map(|part| self.in_own_base_unit(now, part));
            return derived.value([first?, second?], spec.unit);
        }
        match state.last_good {
            Some((value, at)) if now.since(at) < spec.stale_after => Ok(value),
            _ => Err(state.fault.unwrap_or(Fault::Stale)),
        }
    }

    /// How it follows from sensors before it, if it does.
    fn derived(&self, id: SensorId) -> Option<Derived> {
        let derived = self.spec(id)?.derived?;
        derived.parts().iter().all(|part| *part < id).then_some(derived)
    }

    /// When its last valid value was sampled; of one that follows from others, when the oldest of theirs was.
    pub fn last_good_at(&self, id: SensorId) -> Option<BootTime> {
        match self.derived(id) {
            None => self.states.get(id.0)?.last_good.map(|(_, at)| at),
            Some(derived) => {
                let [first, second] = derived.parts().map(|part| self.last_good_at(part));
                Some(first?.min(second?))
            }
        }
    }

    /// The fault of its last sample; of one that follows from others, of the first that has one, else its own.
    pub fn last_fault(&self, now: BootTime, id: SensorId) -> Option<Fault> {
        match self.derived(id) {
            None => self.states.get(id.0)?.fault,
            Some(derived) => {
                let of_part = derived.parts().into_iter().find_map(|part| self.last_fault(now, part));
                of_part.or_else(|| self.own_fault(now, id))
            }
        }
    }

    /// Why the sensor has no valid value, unless it has not had the time to give one.
    pub fn fault(&self, now: BootTime, id: SensorId) -> Option<Fault> {
        self.fault_of_value(now, id).filter(|_| self.value(now, id).is_ok() || !self.is_starting(now, id))
    }

    /// Why the sensor has no value that can be used.
    fn fault_of_value(&self, now: BootTime, id: SensorId) -> Option<Fault> {
        let spec = self.spec(id)?;
        match self.value(now, id) {
            Err(fault) => Some(fault),
            // Such as a value below absolute zero.
            Ok(value) if spec.measures == TEMPERATURE && spec.unit.to_celsius(value).is_none() => {
                Some(Fault::OutOfRange)
            }
            Ok(_) => None,
        }
    }

    /// Has the sensor not been sampled, nor had the time for it?
    pub(super) fn is_starting(&self, now: BootTime, id: SensorId) -> bool {
        let (Some(spec), Some(state)) = (self.spec(id), self.states.get(id.0)) else { return false };
        match self.derived(id) {
            Some(derived) => derived.parts().iter().any(|part| self.is_starting(now, *part)),
            None => !state.sampled && now.since(self.since) < spec.stale_after,
        }
    }

    /// Has each been sampled, or had the time for it?
    pub fn have_started(&self, now: BootTime) -> bool {
        self.iter().all(|(id, ..)| !self.is_starting(now, id))
    }

    /// Is it a sensor that is new since a reload, with no reading yet?
    pub fn is_awaited(&self, now: BootTime, id: SensorId) -> bool {
        self.is_starting(now, id) && self.adopted.get(id.0) == Some(&false)
    }

    /// The value that is valid now, in the base unit of this quantity.
    pub(super) fn in_base_unit(&self, now: BootTime, sensor: SensorId, quantity: &Quantity) -> Option<f64> {
        let value = self.value(now, sensor).ok()?;
        quantity.to_base(self.spec(sensor)?.unit, value)
    }

    /// The same in the base unit of what it measures.
    ///
    /// # Errors
    /// As of [`Self::value`].
    pub fn in_own_base_unit(&self, now: BootTime, sensor: SensorId) -> Result<f64, Fault> {
        let value = self.value(now, sensor)?;
        match self.spec(sensor).filter(|spec| spec.measures == TEMPERATURE) {
            Some(spec) => spec.unit.to_celsius(value).map(Celsius::degrees).ok_or(Fault::OutOfRange),
            None => Ok(value),
        }
    }

    /// The next moment at which a sensor becomes stale.
    pub fn poll_timeout(&self, now: BootTime) -> Option<BootTime> {
        let sampled = self.iter().filter(|(_, spec, _)| spec.derived.is_none());
        let due = sampled.map(|(_, spec, state)| {
            let from = state.last_good.map_or(self.since, |(_, at)| at);
            from + spec.stale_after
        });
        due.filter(|due| *due > now).min()
    }
}
