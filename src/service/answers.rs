//! How the loop answers the requests of the local socket.

use super::Daemon;
use super::daemon_status::{DaemonStatus, LinkReport};
use super::local::calls::{
    JournalReply, OverrideReply, RangeOverrideReply, Refusal, StatusReply, TrendReply, TwinHalf, TwinReply,
};
use super::local::{Answer, Query, Reply, Request, Snapshot};
use crate::engine::{CHANGES_MAX, Input, OverrideFault, Setting};
use crate::report::status::TwinCopy;
use crate::twin::Author;
use crate::units::BootTime;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use core::time::Duration;
use serde_json::Value;

impl Daemon {
    /// Answers one request at once, but for a reload, which is answered when it is decided.
    pub(super) fn answer(&mut self, query: Query) {
        let reply = match query.request {
            Request::Ping => Ok(Answer::Nothing {}),
            Request::Status { changes } => {
                // What changed since is in this answer, so it is counted before it.
                self.tell_watchers();
                let status = self.whole_status(self.clock.boot(), changes);
                Ok(Answer::Status(Box::new(StatusReply { status })))
            }
            Request::Trend => {
                let trend = self.core.trend(self.clock.boot());
                Ok(Answer::Trend(TrendReply { trend }))
            }
            Request::Twin { half } => Ok(Answer::Twin(TwinReply { twin: self.twin_copy(half) })),
            Request::Journal => {
                Ok(Answer::Journal(JournalReply { journal: BASE64_STANDARD.encode(self.core.journal()) }))
            }
            Request::Override { name, order } => self.order(&name, order, Author::User(query.uid)),
            Request::Reload => return self.read_again(Some(query.answer)),
        };
        self.local.answer(query.answer, reply);
    }

    /// Counts a change, if there was one and anybody watches.
    pub(super) fn tell_watchers(&mut self) {
        if self.local.is_watched() {
            let status = self.whole_status(self.clock.boot(), 0).without_time();
            let read_at_s = self.core.last_valid_reading().map(|at| at.since_boot().as_secs());
            self.local.note(Snapshot { status, read_at_s });
        }
    }

    /// The core's status and what only the shell knows.
    pub(super) fn whole_status(&self, now: BootTime, changes: usize) -> DaemonStatus {
        let file = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        DaemonStatus {
            core: self.core.status(now, changes.min(CHANGES_MAX)),
            identity: self.settings.engine.identity.clone(),
            link: LinkReport::of(now, &self.link_state, &self.link.status(), self.core.offline_since()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            configuration: Some(file.to_string_lossy().into_owned()),
            configuration_refused: self.refused.as_ref().map(|(since, refused)| refused.report(now, *since)),
        }
    }

    fn twin_copy(&self, half: Option<TwinHalf>) -> Value {
        let sync = self.core.sync();
        let copy = TwinCopy::of(sync.desired(), sync.desired_version(), sync.acknowledged());
        match half {
            None => serde_json::to_value(copy).unwrap_or_default(),
            Some(TwinHalf::Desired) => Value::Object(copy.desired.unwrap_or_default()),
            Some(TwinHalf::Reported) => Value::Object(copy.reported.unwrap_or_default()),
        }
    }

    fn order(&mut self, name: &str, order: Option<(Setting, Duration)>, by: Author) -> Reply<Answer> {
        let valid = self.core.order(name, order, by).map_err(|fault| refusal(name, fault))?;
        self.handle(Input::Override(valid));
        if let Some((Setting::Range { .. }, _)) = order {
            let unit = self.core.unit_of(name).map(ToOwned::to_owned);
            return Ok(Answer::RangeOverride(RangeOverrideReply { unit }));
        }
        let held = self.core.unmet_override(self.clock.boot(), name);
        Ok(Answer::Override(OverrideReply { held }))
    }
}

/// Why an override was refused, in the interface's terms.
fn refusal(name: &str, fault: OverrideFault) -> Refusal {
    match fault {
        OverrideFault::Unknown { known } => Refusal::UnknownOutput { output: name.to_owned(), known },
        _ => Refusal::InvalidOverride { reason: format!("{name}: {fault}") },
    }
}
