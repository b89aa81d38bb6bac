//! What the running daemon is doing: the core's status, and what only the shell knows.
//!
//! A field that a daemon of another version does not send reads as its default, so commands of one version understand a
//! daemon of another while a package is being upgraded.

use crate::hub::link::{LinkState, LinkStatus};
use crate::report::status::{Retime, Seconds, Status};
use crate::units::BootTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What the running daemon is doing, as `GetStatus` answers it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// The configuration file; an older daemon does not say.
    pub configuration: Option<String>,
    /// That file was refused at the last reload, so that it is not what is in force.
    pub configuration_refused: Option<RefusedConfiguration>,
}

/// A configuration that a reload refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefusedConfiguration {
    /// When a reload was first refused, of all since the one before that was accepted.
    pub seconds_ago: u64,
    /// Why the last one was: the first of its faults, with its file and its place there.
    pub fault: String,
    /// How many faults there are at least.
    pub fault_count: u64,
    /// A daemon that started now would refuse the file, too.
    pub start_would_fail: bool,
    /// What a person can do.
    pub remedy: String,
}

/// What the shell adds to the core's status.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OfTheShell {
    identity: String,
    link: LinkReport,
    version: String,
    pid: u32,
    configuration: Option<String>,
    configuration_refused: Option<RefusedConfiguration>,
}

/// Reads the two parts one after the other from the same object. What `flatten` would derive is a second reader of every type, of
/// 50 KiB.
impl<'de> Deserialize<'de> for DaemonStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let status = Value::deserialize(from)?;
        let core = Status::deserialize(&status).map_err(D::Error::custom)?;
        let shell = OfTheShell::deserialize(&status).map_err(D::Error::custom)?;
        let OfTheShell { identity, link, version, pid, configuration, configuration_refused } = shell;
        Ok(Self { core, identity, link, version, pid, configuration, configuration_refused })
    }
}

impl DaemonStatus {
    /// Advances all times by so many seconds in which nothing happens.
    pub fn pass(&mut self, seconds: u64) {
        self.retime(&mut |of, told| match of {
            Seconds::Since => told.saturating_add(seconds),
            Seconds::Until => told.saturating_sub(seconds),
        });
    }

    /// With all times at zero: two of these differ only if something happened between them.
    pub fn without_time(mut self) -> Self {
        self.retime(&mut |_, _| 0);
        self
    }

    fn retime(&mut self, retime: Retime<'_>) {
        self.core.retime(retime);
        if let Some(refused) = &mut self.configuration_refused {
            refused.seconds_ago = retime(Seconds::Since, refused.seconds_ago);
        }
        let link = &mut self.link;
        let failed = link.last_failure.as_mut().map(|failure| &mut failure.seconds_ago);
        for since in link.since_seconds.iter_mut().chain(failed) {
            *since = retime(Seconds::Since, *since);
        }
        for until in link.next_attempt_in_seconds.iter_mut().chain(&mut link.token_renews_in_seconds) {
            *until = retime(Seconds::Until, *until);
        }
    }
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
    /// What a person must do before there can be a connection.
    pub remedy: Option<String>,
}

/// What went wrong with the link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureReport {
    /// The message, as it was logged.
    pub text: String,
    /// When.
    pub seconds_ago: u64,
}

impl LinkReport {
    /// As it is now.
    pub(super) fn of(
        now: BootTime,
        state: &LinkState,
        told: &LinkStatus,
        offline_since: Option<BootTime>,
    ) -> Self {
        let since = told.connected_since.or(offline_since);
        let ahead = |moment: BootTime| moment.since(now).as_secs();
        let (state, reason) = match state {
            LinkState::Connecting => ("connecting", None),
            LinkState::Connected => ("connected", None),
            LinkState::Waiting { failure, .. } => ("waiting", Some(failure.clone())),
        };
        Self {
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
            // The next attempt does not change what is wrong; a session does.
            remedy: told
                .last_failure
                .as_ref()
                .filter(|_| told.connected_since.is_none())
                .and_then(|failure| failure.remedy)
                .map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held_for(seconds: u64, text: &str) -> DaemonStatus {
        let status = json!({
            "hub": {
                "copyAgeSeconds": seconds, "silentSeconds": seconds,
                "reportPutOff": {"sinceSeconds": seconds, "retryInSeconds": seconds},
                "setAside": [{"property": "a", "sinceSeconds": seconds, "retryInSeconds": seconds}],
            },
            "climates": {"office": {"override": {"secondsLeft": seconds}}},
            "sensors": {"roof": {"ageSeconds": seconds}},
            "outputs": {"fan": {
                "held": {"by": "min-off", "seconds": seconds, "text": text},
                "override": {"secondsLeft": seconds},
            }},
            "storedSecondsAgo": seconds,
            "alarms": {"stall-fan": {"secondsAgo": seconds}},
            "changes": [{"secondsAgo": seconds, "output": "fan"}],
            "link": {
                "sinceSeconds": seconds, "nextAttemptInSeconds": seconds, "tokenRenewsInSeconds": seconds,
                "lastFailure": {"secondsAgo": seconds},
            },
            "configurationRefused": {"secondsAgo": seconds},
        });
        DaemonStatus::deserialize(status).unwrap()
    }

    #[test]
    fn two_moments_between_which_nothing_happened_differ_in_nothing_but_time() {
        let soon = held_for(90, "climate wants 40 %, held off for 1 min 30 s by min-off");
        let later = held_for(30, "climate wants 40 %, held off for 30 s by min-off");
        assert_ne!(soon, later);
        assert_eq!(soon.clone().without_time(), later.without_time());
        let mut other = soon.clone();
        other.link.state = "waiting".into();
        assert_ne!(soon.without_time(), other.without_time());
    }

    #[test]
    fn time_that_passes_makes_ages_longer_and_rests_shorter_in_the_words_too() {
        let mut status = held_for(90, "climate wants 40 %, held off for 1 min 30 s by min-off");
        status.pass(60);
        let written = serde_json::to_string(&status).unwrap();
        assert_eq!((written.matches(":150").count(), written.matches(":30").count()), (11, 7), "{written}");
        assert!(written.contains("held off for 30 s by min-off"), "{written}");
        status.pass(u64::MAX);
        assert_eq!(status.core.outputs.0[0].1.overridden.as_ref().unwrap().seconds_left, 0);
    }
}
