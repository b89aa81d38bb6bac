//! Readings in, and the alarms that follow from all facts; what an operator hears of those that nothing else tells.

use super::durability::Durability;
use super::health::Health;
use super::overrides::Overrides;
use super::{Core, Notice};
use crate::control::climate::{Climate, Regime, Sensors};
use crate::control::outputs::Outputs;
use crate::control::{Reading, SensorId};
use crate::report::Facts;
use crate::report::alarms::{Alarms, sensor_fault, standing};
use crate::units::BootTime;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What reports and alarms draw on: all but the reporter, which changes while it draws on them.
pub(super) fn facts<'a>(
    sensors: &'a Sensors,
    outputs: &'a Outputs,
    overrides: &'a Overrides,
    climate: Option<&'a Climate>,
    health: &'a Health,
    durability: &'a Durability,
) -> Facts<'a> {
    Facts {
        sensors,
        outputs,
        overrides: overrides.in_force(),
        pin_faults: health.pin_faults(),
        climate,
        store_fault: durability.fault(),
        alarms: &health.alarms,
    }
}

impl Core {
    pub(super) fn handle_reading(&mut self, now: BootTime, reading: Reading, found: Option<String>) {
        self.sensors.find(reading.sensor, found);
        self.sensors.observe(reading);
        self.step(now);
        self.absorb(now);
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> &Alarms {
        &self.health.alarms
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        let Self { sensors, outputs, overrides, climate, health, durability, .. } = self;
        facts(sensors, outputs, overrides, climate.as_ref(), health, durability)
    }

    /// Raises and clears. Of outputs, heat and disk there are notices of their own.
    pub(super) fn raise_alarms(&mut self, now: BootTime) {
        let standing = standing(now, self.facts());
        let turned = self.health.alarms.take(now, self.contact.machine.moment(now).wall, standing);
        let has_told = |notice: &Notice| matches!(notice, Notice::Regime { lost, .. } if !lost.is_empty());
        let is_told = self.notices.iter().any(has_told);
        for name in turned.raised {
            if let (Some(sensor), Some(alarm)) = (name.strip_prefix("sensor-"), self.health.alarms.get(&name))
                && !(is_told && self.is_told_by_regime(sensor))
            {
                let (sensor, text) = (sensor.to_owned(), alarm.text.clone());
                self.notices.push_back(Notice::SensorLost { sensor, text });
            }
        }
        for name in turned.cleared {
            // One that the configuration no longer names is not well, but gone; and one that is read elsewhere now has said
            // nothing yet.
            if let Some(sensor) = name.strip_prefix("sensor-")
                && let Some(index) = self.spec.sensors.iter().position(|spec| spec.name == sensor)
                && self.sensors.value(now, index).is_ok()
            {
                self.notices.push_back(Notice::SensorBack { sensor: sensor.to_owned() });
            }
        }
    }

    /// The notice of the last sensor's loss names all of the climate's.
    fn is_told_by_regime(&self, sensor: &str) -> bool {
        let Some(climate) = self.climate.as_ref() else { return false };
        let is_meant = |id: &SensorId| self.spec.sensors.get(id.0).is_some_and(|spec| spec.name == sensor);
        climate.regime() == Regime::SensorFault && climate.spec().sensors.iter().any(is_meant)
    }

    /// What is to be said of the climate's sensors when it is left without any.
    pub(super) fn lost_sensors(&self, now: BootTime, regime: Regime) -> Vec<String> {
        let Some(climate) = self.climate.as_ref().filter(|_| regime == Regime::SensorFault) else {
            return Vec::new();
        };
        let sensors = climate.spec().sensors.iter();
        sensors.filter_map(|sensor| sensor_fault(now, self.facts(), sensor.0)).collect()
    }
}
