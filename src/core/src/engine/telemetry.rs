//! What telemetry is told of: samples at their times, decisions, alarms, and what became of its messages.

use super::{Core, alarms};
use crate::control::{Cause, OutputId};
use crate::telemetry::{RingEvent, Telemetry};
use crate::units::{BootTime, Permille};

impl Core {
    /// Takes what became of a request to the ring.
    pub(super) fn handle_ring(&mut self, now: BootTime, event: RingEvent) {
        self.telemetry.handle_ring(now, event);
        self.absorb(now);
    }

    /// The telemetry.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// An output has a new entry in the history.
    pub(super) fn note_output(&mut self, now: BootTime, output: OutputId, share: Permille, cause: Cause) {
        if let Some(spec) = self.spec.output(output) {
            self.telemetry.note_output(now, spec, share, &cause.by_name(&self.climates));
        }
    }

    /// Takes the sample that is due, and sends or keeps what is.
    pub(super) fn send_telemetry(&mut self, now: BootTime) {
        let wall = self.wall(now);
        let Self { sensors, outputs, overrides, climates, health, durability, .. } = self;
        // No sample speaks of the ring.
        let facts = alarms::facts(sensors, outputs, overrides, climates, health, (durability, None));
        self.telemetry.handle_timeout(now, wall, facts);
        self.notices.extend(self.telemetry.take_notices());
    }
}
