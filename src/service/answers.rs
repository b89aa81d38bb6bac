//! What the loop answers to the local socket's questions.

use super::Daemon;
use super::local::{Ask, Query, Section, refusal};
use crate::engine::{CHANGES_MAX, Input};
use crate::hub::{LinkState, LinkStatus};
use crate::report::status::{Status, twin};
use crate::twin::Author;
use crate::units::BootTime;
use serde::{Deserialize, Serialize};
use serde_json::json;

impl Daemon {
    /// Answers one question, at once.
    pub(super) fn answer(&mut self, query: Query) {
        let now = self.clock.boot();
        let reply = match query.ask {
            Ask::Status { changes } => Ok(json!({ "status": self.whole_status(now, changes) })),
            Ask::Twin { section } => {
                let sync = self.core.sync();
                let mut twin = twin(sync.desired(), sync.desired_version(), sync.acknowledged());
                let shown = match section {
                    None => twin,
                    Some(Section::Desired) => twin["desired"].take(),
                    Some(Section::Reported) => twin["reported"].take(),
                };
                Ok(json!({ "twin": shown }))
            }
            Ask::Override { output, order } => {
                let author = Author::User(query.uid);
                match self.core.order(&output, order, author) {
                    Ok(order) => {
                        self.handle(Input::Override(order));
                        let held = self.core.held_override(now, &output);
                        Ok(held.map_or_else(|| json!({}), |held| json!({ "held": held })))
                    }
                    Err(fault) => Err(refusal(&output, &fault)),
                }
            }
        };
        // A client that left needs no answer.
        let _ = query.answer.send(reply);
    }

    /// The core's status and what only the shell knows.
    fn whole_status(&self, now: BootTime, changes: usize) -> DaemonStatus {
        let file = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        DaemonStatus {
            core: self.core.status(now, changes.min(CHANGES_MAX)),
            identity: self.settings.engine.identity.clone(),
            link: link(now, &self.link_state, &self.link.status(), self.core.offline_since()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            configuration: Some(file.to_string_lossy().into_owned()),
        }
    }
}

/// What the running daemon is doing, as `GetStatus` tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonStatus {
    /// What the core knows.
    #[serde(flatten)]
    pub core: Status,
    /// Whose twin this is.
    pub identity: String,
    /// The way to the hub.
    pub link: LinkReport,
    /// Of the program.
    pub version: String,
    /// The daemon's process number.
    pub pid: u32,
    /// The file by which it runs.
    pub configuration: Option<String>,
}

/// The way to the hub.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkReport {
    /// `connecting`, `connected` or `waiting`.
    pub state: String,
    /// Since when there is a connection, or none.
    pub since_seconds: Option<u64>,
    /// Why it waits.
    pub reason: Option<String>,
    /// When it tries again.
    pub next_attempt_in_seconds: Option<u64>,
    /// When the token is renewed.
    pub token_renews_in_seconds: Option<u64>,
    /// When it expires, in seconds since 1970.
    pub token_expires: Option<u64>,
    /// What went wrong last.
    pub last_failure: Option<FailureReport>,
}

/// What went wrong with the link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureReport {
    /// What an operator read of it.
    pub text: String,
    /// When.
    pub seconds_ago: u64,
}

fn link(now: BootTime, state: &LinkState, told: &LinkStatus, offline_since: Option<BootTime>) -> LinkReport {
    let since = told.connected_since.or(offline_since);
    let ahead = |moment: BootTime| moment.since(now).as_secs();
    let (state, reason) = match state {
        LinkState::Connecting => ("connecting", None),
        LinkState::Connected => ("connected", None),
        LinkState::Waiting { failure, .. } => ("waiting", Some(failure.clone())),
    };
    LinkReport {
        state: state.to_owned(),
        since_seconds: since.map(|since| now.since(since).as_secs()),
        reason,
        next_attempt_in_seconds: told.next_attempt.map(ahead),
        token_renews_in_seconds: told.token.map(|token| ahead(token.renews)),
        token_expires: told.token.map(|token| token.expires.0),
        last_failure: told.last_failure.as_ref().map(|failure| FailureReport {
            text: failure.text.clone(),
            seconds_ago: now.since(failure.at).as_secs(),
        }),
    }
}
