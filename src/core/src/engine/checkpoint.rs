//! What a checkpoint holds of a core, field by field: all but what is empty between two inputs, and the journal itself.
//!
//! In the journal's format 1 an override stands within the state of its output, since outputs held it when that format was
//! made. Nothing else depends on that place: the next format can have the overrides as they are.

use super::Core;
use super::overrides::Overrides;
use crate::control::outputs::checkpoint;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

impl Serialize for Core {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { spec, sync, sensors, climate, outputs, overrides, understanding, reporter, .. } = self;
        let Self { durability, contact, health, history, stepped_at, steps, step_interval_max, .. } = self;
        let outputs = checkpoint::join(outputs, overrides.in_force());
        let head = (spec, sync, sensors, climate, outputs, understanding, reporter);
        (head, durability, contact, health, history, stepped_at, steps, step_interval_max).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Core {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (head, durability, contact, health, history, stepped_at, steps, step_interval_max) =
            Deserialize::deserialize(from)?;
        let (spec, sync, sensors, climate, outputs, understanding, reporter) = head;
        let (outputs, overrides) = checkpoint::split(outputs);
        Ok(Self {
            spec,
            sync,
            sensors,
            climate,
            outputs,
            overrides: Overrides::from(overrides),
            understanding,
            reporter,
            durability,
            contact,
            health,
            history,
            stepped_at,
            steps,
            step_interval_max,
            actuations: Default::default(),
            notices: Default::default(),
            answers: Default::default(),
            journal: Default::default(),
        })
    }
}
