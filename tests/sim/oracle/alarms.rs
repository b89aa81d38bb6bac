//! Which alarms may stand: by the handbook's words (`packaging/doc/twin.md`, "Alarms"), from what the sensors said.
//!
//! Deliberately absent: when an alarm is told (`traffic` has the pace of reports).

use super::rank::Judge;
use std::collections::BTreeSet;
use twind::engine::Core;
use twind::units::BootTime;

impl Judge {
    /// Those of sensors and of heat follow from the readings; what else is wrong the world does.
    pub(super) fn check_alarms(&self, now: BootTime, engine: &Core) -> Result<(), String> {
        let lost = (0..self.spec.sensors.len()).filter(|sensor| self.is_lost(now, *sensor));
        let mut wanted: BTreeSet<String> =
            lost.map(|sensor| format!("sensor-{}", self.spec.sensors[sensor].name)).collect();
        if self.overheated {
            wanted.insert("overheat-climate".into());
        }
        let names = engine.alarms().iter().map(|(name, _)| name.to_owned());
        let stands: BTreeSet<String> =
            names.filter(|name| name.starts_with("sensor-") || name.starts_with("overheat-")).collect();
        if stands == wanted {
            Ok(())
        } else {
            Err(format!("the alarms {stands:?} stand, it should be {wanted:?}"))
        }
    }
}
