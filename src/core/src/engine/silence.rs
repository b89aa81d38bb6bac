//! The contact with the hub: what ends its silence, when it is probed, and when the silence is recorded.
//!
//! The hub is heard when it answers or notifies on a twin topic. After a quarter of the shortest `hub-silent` time without
//! that, the twin is fetched, which a working hub answers; on most sites reports are answered far more often. The record
//! holds the length of the silence, so that a gateway that restarts again and again reaches its row all the same. For that
//! purpose a record is made
//!
//! - at a start, if the hub may have been heard since the last record, and at an orderly end;
//! - when the hub is heard after a record of its silence;
//! - when the hub is heard and the record is older than that quarter, so that the next start knows how late it can have
//!   been heard;
//! - once, when half of the time has passed in silence.
//!
//! Without a `hub-silent` row nothing is probed or recorded. Deliberately absent: what the row does (`control::outputs`), and
//! how a silence continues over a restart (`twin`).

use super::{Core, CoreSpec, LAZY_SAVE};
use crate::control::OutputSpec;
use crate::twin::{Dated, HubEvent, Machine, PersistedSilence, Silence, TwinRecord};
use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A known time that is set back by less than this needs no record of its own.
const TIME_OFF_SECS: u64 = 300;

/// Does it end the silence? An answer or notification on a twin topic does, but not a temporary refusal.
pub(super) fn ends_silence(event: &HubEvent) -> bool {
    match event {
        HubEvent::Twin { .. }
        | HubEvent::DesiredDelta { .. }
        | HubEvent::ReportedAck { .. }
        | HubEvent::Garbled { .. } => true,
        HubEvent::Rejected { status, .. } => *status != 429 && *status < 500,
        HubEvent::Up | HubEvent::Down | HubEvent::Method { .. } | HubEvent::MessageStored { .. } => false,
    }
}

/// The silence after which the first output follows its row.
fn shortest_row(outputs: &[OutputSpec]) -> Option<Duration> {
    outputs.iter().filter_map(|spec| Some(spec.when.hub_silent?.0)).min()
}

/// While the hub is heard, a record is at most this old.
fn renewed(row: Duration) -> Duration {
    (row / 4).max(LAZY_SAVE)
}

/// What is known about the contact with the hub, and by it about the time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Contact {
    /// The machine's boot, and what is known about its wall clock.
    pub(super) machine: Machine,
    /// What the wall clock was believed to show last; `None` if it cannot be believed. It counts for schedules and alarms.
    pub(super) clock: Option<Dated>,
    /// The wall-clock time when the hub was last heard; 0 if none is known.
    pub(super) known_time: UnixSeconds,
    /// When this process last heard the hub, if it has.
    pub(super) heard_at: Option<BootTime>,
    /// Since when there is no connection.
    pub(super) offline_since: Option<BootTime>,
    pub(super) silence: Silence,
    /// The hub was heard by this process, and may be heard again at any moment.
    open: bool,
    /// The silence in the last record.
    pub(super) recorded: Option<PersistedSilence>,
}

impl Contact {
    /// Starts from a record.
    pub(super) fn at_start(
        now: BootTime,
        spec: &CoreSpec,
        record: &TwinRecord,
        known_time: UnixSeconds,
        machine: Machine,
    ) -> Self {
        let renewed = shortest_row(&spec.outputs).map_or(Duration::ZERO, renewed);
        let silence = Silence::resume(now, record, &machine, renewed);
        let (heard_at, offline_since) = (None, None);
        let clock = machine.wall;
        Self {
            machine,
            clock,
            known_time,
            heard_at,
            offline_since,
            silence,
            open: false,
            recorded: record.silence,
        }
    }
}

/// Must a start be recorded, so that the next one counts the silence from it?
pub(super) fn must_record_start(outputs: &[OutputSpec], record: &TwinRecord) -> bool {
    shortest_row(outputs).is_some() && is_open(record.silence)
}

/// May the hub have been heard since this was recorded?
fn is_open(recorded: Option<PersistedSilence>) -> bool {
    recorded.is_none_or(|recorded| recorded.open)
}

impl Core {
    /// The hub's silence.
    pub fn silence(&self) -> Silence {
        self.contact.silence
    }

    /// The known time, see [`crate::twin::ClockSanity`]; 0 if none is.
    pub fn known_time(&self) -> UnixSeconds {
        self.contact.known_time
    }

    pub(super) fn handle_dated(&mut self, dated: Dated) {
        (self.contact.machine.wall, self.contact.clock) = (Some(dated), Some(dated));
    }

    /// The wall clock counts for schedules and for the time of alarms. What the hub has proved of the time does not change.
    pub(super) fn handle_clock(&mut self, now: BootTime, dated: Option<Dated>) {
        self.contact.clock = dated;
        self.step(now);
        self.absorb(now);
    }

    /// The hub was heard. Returns whether that ends a row.
    pub(super) fn handle_contact(&mut self, now: BootTime) -> bool {
        let row = shortest_row(&self.spec.outputs);
        let ends_a_row = row.is_some_and(|row| self.contact.silence.lasts(now) >= row);
        (self.contact.silence, self.contact.open) = (Silence::begun(now), true);
        self.contact.heard_at = Some(now);
        if let Some(wall) = self.contact.machine.moment(now).wall {
            // A recorded time in the future would make the next start wait.
            if wall.0.saturating_add(TIME_OFF_SECS) < self.contact.known_time.0 {
                self.durability.want();
            }
            self.contact.known_time = wall;
        }
        match row {
            Some(row) if is_open(self.contact.recorded) => {
                self.durability.want_by(now, self.durability.recorded_at() + renewed(row));
            }
            Some(_) => self.durability.want(),
            None => {}
        }
        ends_a_row
    }

    /// When the silence next needs a probe or a record, and which of the two.
    pub(super) fn silence_due(&self) -> Option<(BootTime, &'static str)> {
        let row = shortest_row(&self.spec.outputs)?;
        let probe = self.sync.may_probe_from().map(|from| from.max(self.contact.silence.reaches(row / 4)));
        // A record that waits for the rate limit needs no deadline here.
        let is_owed = is_open(self.contact.recorded) && !self.durability.is_due();
        let record = is_owed.then(|| self.contact.silence.reaches(row / 2));
        let probe = probe.map(|at| (at, "probing a silent hub"));
        let record = record.map(|at| (at, "recording the hub's silence"));
        [probe, record].into_iter().flatten().min()
    }

    /// Probes a silent hub and records its silence, when that is due.
    pub(super) fn handle_silence(&mut self, now: BootTime) {
        let Some(row) = shortest_row(&self.spec.outputs) else { return };
        let lasts = self.contact.silence.lasts(now);
        if lasts >= row / 4 && self.sync.may_probe_from().is_some_and(|from| from <= now) {
            self.sync.handle_resync(now);
        }
        if lasts >= row / 2 && is_open(self.contact.recorded) {
            self.contact.open = false;
            self.durability.want();
        }
    }

    /// The process ends in order: what is still to be recorded is recorded now, with the silence as it is.
    pub(super) fn record_at_the_end(&mut self, now: BootTime) {
        self.contact.open = false;
        let must_record = shortest_row(&self.spec.outputs).is_some() && is_open(self.contact.recorded);
        if must_record {
            self.durability.want();
        }
        self.durability.grant_at_the_end(now);
    }

    /// The silence as a record of this moment has it.
    pub(super) fn silence_at(&self, at: BootTime) -> Option<PersistedSilence> {
        shortest_row(&self.spec.outputs)?;
        Some(self.contact.silence.persisted(at, self.contact.open))
    }
}
