//! What the loop answers to the local socket's questions.

use super::Daemon;
use super::local::{Ask, Query, Section, refusal};
use crate::engine::{CHANGES_MAX, Input};
use crate::hub::{LinkState, LinkStatus};
use crate::report::status::twin;
use crate::twin::Author;
use crate::units::BootTime;
use serde_json::{Value, json};

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
    fn whole_status(&self, now: BootTime, changes: usize) -> Value {
        let mut status = self.core.status(now, changes.min(CHANGES_MAX));
        let link = link(now, &self.link_state, &self.link.status(), self.core.offline_since());
        if let Some(fields) = status.as_object_mut() {
            fields.insert("identity".into(), json!(self.settings.engine.identity));
            fields.insert("link".into(), link);
            fields.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
            fields.insert("pid".into(), json!(std::process::id()));
            let file = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
            fields.insert("configuration".into(), json!(file.to_string_lossy()));
        }
        status
    }
}

fn link(now: BootTime, state: &LinkState, told: &LinkStatus, offline_since: Option<BootTime>) -> Value {
    let since = told.connected_since.or(offline_since);
    let ahead = |moment: BootTime| moment.since(now).as_secs();
    let (state, reason) = match state {
        LinkState::Connecting => ("connecting", None),
        LinkState::Connected => ("connected", None),
        LinkState::Waiting { failure, .. } => ("waiting", Some(failure.as_str())),
    };
    json!({
        "state": state,
        "sinceSeconds": since.map(|since| now.since(since).as_secs()),
        "reason": reason,
        "nextAttemptInSeconds": told.next_attempt.map(ahead),
        "tokenRenewsInSeconds": told.token.map(|token| ahead(token.renews)),
        "tokenExpires": told.token.map(|token| token.expires.0),
        "lastFailure": told.last_failure.as_ref().map(|failure| json!({
            "text": failure.text,
            "secondsAgo": now.since(failure.at).as_secs(),
        })),
    })
}
