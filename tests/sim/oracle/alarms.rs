//! Which alarms must be raised according to the readings (handbook, `packaging/doc/twin.md`, "Alarms").
//!
//! Deliberately absent: when an alarm is reported (`traffic` checks the pace of reports).

use super::rank::Judge;
use std::collections::BTreeSet;
use twind::engine::Core;
use twind::units::BootTime;

impl Judge {
    /// Alarms of sensors and of overheating follow from the readings. The others depend on the world's faults.
    pub(super) fn check_alarms(&self, now: BootTime, engine: &Core) -> Result<(), String> {
        let lost = (0..self.spec.sensors.len()).filter(|sensor| self.is_lost(now, *sensor));
        let mut wanted: BTreeSet<String> =
            lost.map(|sensor| format!("sensor-{}", self.spec.sensors[sensor].name)).collect();
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
