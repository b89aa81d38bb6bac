//! Readings, and the alarms that follow from the present facts, with notices for those alarms that have none of their own.

use super::durability::Durability;
use super::health::Health;
use super::overrides::Overrides;
use super::{Core, Notice};
use crate::control::climate::{Climate, Regime, Sensors};
use crate::control::outputs::Outputs;
use crate::control::{Reading, SensorId};
use crate::report::Facts;
use crate::report::alarms::{Alarms, present, sensor_fault};
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
        self.sensors.set_found(reading.sensor, found);
        self.sensors.observe(reading);
        self.step(now);
        self.absorb(now);
    }

    /// The present alarms.
    pub fn alarms(&self) -> &Alarms {
        &self.health.alarms
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        let Self { sensors, outputs, overrides, climate, health, durability, .. } = self;
        facts(sensors, outputs, overrides, climate.as_ref(), health, durability)
    }

    /// Raises and clears alarms. Only those of sensors are announced here: the others have notices of their own.
    pub(super) fn raise_alarms(&mut self, now: BootTime) {
        let present = present(now, self.facts());
        let changes = self.health.alarms.update(now, self.contact.machine.moment(now).wall, present);
        let names_sensors =
            |notice: &Notice| matches!(notice, Notice::Regime { lost, .. } if !lost.is_empty());
        let is_announced = self.notices.iter().any(names_sensors);
        for name in changes.raised {
            if let (Some(sensor), Some(alarm)) = (name.strip_prefix("sensor-"), self.health.alarms.get(&name))
                && !(is_announced && self.is_named_with_regime(sensor))
            {
                let (sensor, text) = (sensor.to_owned(), alarm.text.clone());
                self.notices.push_back(Notice::SensorLost { sensor, text });
            }
        }
        for name in changes.cleared {
            // A sensor that is no longer configured has not recovered, and one that is read elsewhere now has no reading yet.
            if let Some(sensor) = name.strip_prefix("sensor-")
                && let Some(index) = self.spec.sensors.iter().position(|spec| spec.name == sensor)
                && self.sensors.value(now, index).is_ok()
            {
                self.notices.push_back(Notice::SensorBack { sensor: sensor.to_owned() });
            }
        }
    }

    /// Is it a sensor of the climate while none has a valid reading? The notice of that regime names all of them.
    fn is_named_with_regime(&self, sensor: &str) -> bool {
        let Some(climate) = self.climate.as_ref() else { return false };
        let is_meant = |id: &SensorId| self.spec.sensors.get(id.0).is_some_and(|spec| spec.name == sensor);
        climate.regime() == Regime::SensorFault && climate.spec().sensors.iter().any(is_meant)
    }

    /// The climate's sensors, described, if this regime means that none of them has a valid reading.
    pub(super) fn lost_sensors(&self, now: BootTime, regime: Regime) -> Vec<String> {
        let Some(climate) = self.climate.as_ref().filter(|_| regime == Regime::SensorFault) else {
            return Vec::new();
        };
        let sensors = climate.spec().sensors.iter();
        sensors.filter_map(|sensor| sensor_fault(now, self.facts(), sensor.0)).collect()
    }
}
