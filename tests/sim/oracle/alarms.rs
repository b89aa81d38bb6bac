//! Which alarms must be raised according to the readings (handbook, `packaging/doc/twin.md`, "Alarms").
//!
//! The alarm of a sensor is raised when the sensor is lost. It is cleared when the sensor has an unbroken run of good samples that
//! began `stale-after` ago. A run is broken by a bad sample, by a pause after which the last good one had become stale, and, of a
//! sensor that follows from others, by samples of theirs from which nothing follows.
//!
//! Deliberately absent: when an alarm is reported (`traffic` checks the pace of reports).

use super::rank::Judge;
use std::collections::BTreeSet;
use twind::control::Reading;
use twind::control::derived::Derived;
use twind::engine::Core;
use twind::units::BootTime;

/// The good samples of a sensor: the first and the last of the present run, if the last sample was good.
pub(super) type Run = Option<(BootTime, BootTime)>;

impl Judge {
    /// After a sample was heard.
    pub(super) fn hear_runs(&mut self, reading: Reading) {
        let (sampled, at) = (reading.sensor.0, reading.at);
        for sensor in 0..self.spec.sensors.len() {
            let (is_good, lasts) = match self.spec.sensors[sensor].derived {
                None if sensor != sampled => continue,
                None => (reading.value.is_ok(), self.spec.sensors[sensor].stale_after),
                // A pause breaks the runs of its parts.
                Some(_) => (self.value(at, sensor).is_some(), core::time::Duration::MAX),
            };
            let run = self.heard[sensor].run.filter(|(_, last)| at.since(*last) < lasts);
            self.heard[sensor].run = is_good.then(|| (run.map_or(at, |(first, _)| first), at));
        }
    }

    /// Since when each sample of a sensor, and of those that it follows from, has been good.
    fn good_since(&self, sensor: usize) -> Option<BootTime> {
        let (own, _) = self.heard[sensor].run?;
        match self.spec.sensors[sensor].derived {
            None => Some(own),
            Some(
                Derived::DewPoint { temperature: one, humidity: other }
                | Derived::Difference { of: one, minus: other },
            ) => [own, self.good_since(one.0)?, self.good_since(other.0)?].into_iter().max(),
        }
    }

    /// The sensors whose alarms stand from now on.
    fn alarmed_now(&self, now: BootTime) -> BTreeSet<usize> {
        let stands = |sensor: &usize| {
            let lasts = self.spec.sensors[*sensor].stale_after;
            let is_settled = self.good_since(*sensor).is_some_and(|since| now.since(since) >= lasts);
            self.is_lost(now, *sensor) || self.alarmed.contains(sensor) && !is_settled
        };
        (0..self.spec.sensors.len()).filter(stands).collect()
    }

    /// Something happened. Where more is due at this very moment, what follows first is for the core to say.
    pub(super) fn follow_alarms(&mut self, now: BootTime, engine: &Core, is_more_due: bool) {
        let next = self.alarmed_now(now);
        let name = |sensor: usize| format!("sensor-{}", self.spec.sensors[sensor].name);
        let is_decided = |sensor: &usize| {
            !is_more_due || engine.alarms().get(&name(*sensor)).is_some() == next.contains(sensor)
        };
        let of = |sensor: &usize| if is_decided(sensor) { &next } else { &self.alarmed }.contains(sensor);
        self.alarmed = (0..self.spec.sensors.len()).filter(of).collect();
    }

    /// Alarms of sensors and of overheating follow from the readings. The others depend on the world's faults.
    pub(super) fn check_alarms(&self, engine: &Core) -> Result<(), String> {
        let mut wanted: BTreeSet<String> =
            self.alarmed.iter().map(|sensor| format!("sensor-{}", self.spec.sensors[*sensor].name)).collect();
        for climate in &self.overheated {
            wanted.insert(format!("overheat-{}", self.spec.climates[*climate].label()));
        }
        let names = engine.alarms().iter().map(|(name, _)| name.to_owned());
        let stands: BTreeSet<String> =
            names.filter(|name| name.starts_with("sensor-") || name.starts_with("overheat-")).collect();
        if stands == wanted {
            Ok(())
        } else {
            Err(format!("the alarms {stands:?} are raised, it should be {wanted:?}"))
        }
    }
}
