//! Readings, and the alarms that follow from the present facts, with notices for those alarms that have none of their own.

use super::durability::Durability;
use super::health::Health;
use super::overrides::Overrides;
use super::{Core, Notice};
use crate::control::alarm_kind::{AlarmKind, Standing};
use crate::control::climates::Climates;
use crate::control::outputs::Outputs;
use crate::control::sensors::Sensors;
use crate::control::{Reading, SensorId};
use crate::report::Facts;
use crate::report::alarms::{Alarms, present};
use crate::units::BootTime;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// What reports and alarms draw on: all but the reporter, which changes while it draws on them.
pub(super) fn facts<'a>(
    sensors: &'a Sensors,
    outputs: &'a Outputs,
    overrides: &'a Overrides,
    climates: &'a Climates,
    health: &'a Health,
    (durability, ring_fault): (&'a Durability, Option<&'a str>),
) -> Facts<'a> {
    Facts {
        sensors,
        outputs,
        overrides: overrides.in_force(),
        range_overrides: overrides.ranges_in_force(),
        pin_faults: health.pin_faults(),
        climates,
        store_fault: durability.fault(),
        ring_fault,
        stored_at: durability.stored_at(),
        alarms: &health.alarms,
    }
}

impl Core {
    #[cfg(test)]
    pub(super) fn handle_reading(&mut self, now: BootTime, reading: Reading, found: Option<String>) {
        self.handle_readings(now, [(reading, found)]);
    }

    pub(super) fn handle_readings(
        &mut self,
        now: BootTime,
        readings: impl IntoIterator<Item = (Reading, Option<String>)>,
    ) {
        for (reading, found) in readings {
            self.sensors.set_found(reading.sensor, found);
            self.sensors.observe(reading);
        }
        self.step(now);
        self.absorb(now);
    }

    /// The present alarms.
    pub fn alarms(&self) -> &Alarms {
        &self.health.alarms
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        let Self { sensors, outputs, overrides, climates, health, durability, telemetry, .. } = self;
        facts(sensors, outputs, overrides, climates, health, (durability, telemetry.fault()))
    }

    /// Raises and clears alarms. Only those of sensors are announced here: the others have notices of their own. Returns whether
    /// that matters to an output.
    pub(super) fn raise_alarms(&mut self, now: BootTime) -> bool {
        let present = present(now, self.facts());
        let wall = self.wall(now);
        let changes = self.health.alarms.update(now, wall, present);
        for name in &changes.raised {
            let text = self.health.alarms.get(name).map(|alarm| alarm.text.as_str());
            self.telemetry.note_alarm(now, name, Some(text.unwrap_or_default()));
        }
        changes.cleared.iter().for_each(|name| self.telemetry.note_alarm(now, name, None));
        for name in changes.raised {
            if let (Some(sensor), Some(alarm)) =
                (AlarmKind::Sensor.thing_of(&name), self.health.alarms.get(&name))
            {
                let (sensor, text) = (sensor.to_owned(), alarm.text.clone());
                self.notices.push_back(Notice::SensorLost { sensor, text });
            }
        }
        for name in changes.cleared {
            // A sensor that is no longer configured has not recovered, and one that is read elsewhere now has no reading yet.
            if let Some(sensor) = AlarmKind::Sensor.thing_of(&name)
                && let Some(index) = self.spec.sensors.iter().position(|spec| spec.name == sensor)
                && self.sensors.value(now, SensorId(index)).is_ok()
            {
                self.notices.push_back(Notice::SensorBack { sensor: sensor.to_owned() });
            }
        }
        let standing =
            Standing { kinds: self.health.alarms.kinds(), are_known: self.sensors.have_started(now) };
        let before = core::mem::replace(&mut self.health.standing, standing);
        self.spec.outputs.iter().any(|spec| !self.health.standing.is_same_for(&before, &spec.alarms))
    }
}
