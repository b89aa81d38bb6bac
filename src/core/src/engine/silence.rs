//! What the hub says, and what it does not: from which word its silence counts, when twind asks, and how the record
//! hears of it.
//!
//! After a quarter of the shortest `hub-silent` time without a word the twin is fetched, which any hub answers that is
//! there; on most sites reports are answered far more often than that. The record says how long the silence has lasted,
//! so that a gateway that is started again and again comes to its row all the same. For that it is made anew
//!
//! - at a start, if the hub may have spoken since the last record, and at an orderly end;
//! - with the first word after a record of silence;
//! - while words come, when one comes and the record is older than that quarter: the next start knows by it how late
//!   the last word can have been;
//! - once when half the time is over without a word.
//!
//! Without a row there is nothing to ask and nothing to keep. Deliberately absent: what the row does
//! (`control::outputs`), and how a silence goes on over a restart (`twin`).

use super::{Core, CoreSpec, LAZY_SAVE};
use crate::control::OutputSpec;
use crate::twin::{Dated, HubEvent, Machine, PersistedSilence, Silence, TwinRecord};
use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A known time that is corrected backwards by less is not worth a record of its own.
const TIME_OFF_SECS: u64 = 300;

/// Is it an answer or a notification on a twin topic? One that speaks of the hub alone is none.
pub(super) fn is_word(event: &HubEvent) -> bool {
    match event {
        HubEvent::Twin { .. }
        | HubEvent::DesiredDelta { .. }
        | HubEvent::ReportedAck { .. }
        | HubEvent::Garbled { .. } => true,
        HubEvent::Rejected { status, .. } => *status != 429 && *status < 500,
        HubEvent::Up | HubEvent::Down | HubEvent::Method { .. } => false,
    }
}

/// After so much silence the first output does something about it.
fn shortest_row(outputs: &[OutputSpec]) -> Option<Duration> {
    outputs.iter().filter_map(|spec| Some(spec.when.hub_silent?.0)).min()
}

/// While words come, a record is at most so old.
fn renewed(row: Duration) -> Duration {
    (row / 4).max(LAZY_SAVE)
}

/// What is known of the hub's last word, and by it of the time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Contact {
    /// The machine's boot, and what is known of its wall clock.
    pub(super) machine: Machine,
    /// The wall time at the hub's last word, as records have it; 0 if none is known.
    pub(super) known_time: UnixSeconds,
    /// The hub's last word to this process, if there was one.
    pub(super) heard_at: Option<BootTime>,
    /// Since when there is no connection.
    pub(super) offline_since: Option<BootTime>,
    pub(super) silence: Silence,
    /// The hub spoke to this process, and may do so at any moment.
    open: bool,
    /// The silence as the last record has it.
    pub(super) kept: Option<PersistedSilence>,
}

impl Contact {
    /// By the record.
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
        Self { machine, known_time, heard_at, offline_since, silence, open: false, kept: record.silence }
    }
}

/// Must a start be kept, so that the next one counts at least from it?
pub(super) fn is_start_news(outputs: &[OutputSpec], record: &TwinRecord) -> bool {
    shortest_row(outputs).is_some() && is_open(record.silence)
}

/// May the hub have spoken since this was kept?
fn is_open(kept: Option<PersistedSilence>) -> bool {
    kept.is_none_or(|kept| kept.open)
}

impl Core {
    /// For how long the hub has said nothing.
    pub fn silence(&self) -> Silence {
        self.contact.silence
    }

    /// The time that is known, see [`crate::twin::ClockSanity`]; 0 if none is.
    pub fn known_time(&self) -> UnixSeconds {
        self.contact.known_time
    }

    pub(super) fn handle_dated(&mut self, dated: Dated) {
        self.contact.machine.wall = Some(dated);
    }

    /// The hub spoke of the twin. Returns whether that ends a row.
    pub(super) fn hear(&mut self, now: BootTime) -> bool {
        let row = shortest_row(&self.spec.outputs);
        let ends_a_row = row.is_some_and(|row| self.contact.silence.lasts(now) >= row);
        (self.contact.silence, self.contact.open) = (Silence::begun(now), true);
        self.contact.heard_at = Some(now);
        if let Some(wall) = self.contact.machine.moment(now).wall {
            // A time that was too late, and is kept, would keep the next start waiting.
            if wall.0.saturating_add(TIME_OFF_SECS) < self.contact.known_time.0 {
                self.durability.want();
            }
            self.contact.known_time = wall;
        }
        match row {
            Some(row) if is_open(self.contact.kept) => {
                self.durability.want_by(now, self.durability.recorded_at() + renewed(row));
            }
            Some(_) => self.durability.want(),
            None => {}
        }
        ends_a_row
    }

    /// The next moment at which the silence asks for something, and what.
    pub(super) fn silence_due(&self) -> Option<(BootTime, &'static str)> {
        let row = shortest_row(&self.spec.outputs)?;
        let ask = self.sync.may_ask_from().map(|from| from.max(self.contact.silence.reaches(row / 4)));
        // One that waits for its ration is kept when that allows it.
        let is_owed = is_open(self.contact.kept) && !self.durability.is_due();
        let keep = is_owed.then(|| self.contact.silence.reaches(row / 2));
        let ask = ask.map(|at| (at, "asking a silent hub"));
        let keep = keep.map(|at| (at, "keeping the hub's silence"));
        [ask, keep].into_iter().flatten().min()
    }

    /// Asks, and has it kept, when that is due.
    pub(super) fn break_silence(&mut self, now: BootTime) {
        let Some(row) = shortest_row(&self.spec.outputs) else { return };
        let lasts = self.contact.silence.lasts(now);
        if lasts >= row / 4 && self.sync.may_ask_from().is_some_and(|from| from <= now) {
            self.sync.handle_resync(now);
        }
        if lasts >= row / 2 && is_open(self.contact.kept) {
            self.contact.open = false;
            self.durability.want();
        }
    }

    /// The process ends in order: what was kept lazily is kept now, and the silence as it is.
    pub(super) fn keep_at_the_end(&mut self, now: BootTime) {
        self.contact.open = false;
        let is_news = shortest_row(&self.spec.outputs).is_some() && is_open(self.contact.kept);
        if is_news {
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
