//! The twin in the status, and what is under way to the hub.

use super::{Retime, Seconds, retime_each};
use crate::control::intent::Refusal;
use crate::report::COMPONENTS;
use crate::twin::{Section, TwinSync, json};
use crate::units::BootTime;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// At most this many properties of a kind are listed; their number is shown besides.
const LISTED_MAX: usize = 8;
/// The status of a desired component that has no meaning here.
const NOT_MAPPED: &str = "not mapped";

/// The twin and what is under way to the hub.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HubStatus {
    /// There is a session.
    pub online: bool,
    /// The twin was fetched on it.
    pub synced: bool,
    /// The version of the copy; 0 if no twin was ever fetched.
    pub desired_version: u64,
    /// Something is to be reported that the hub has not accepted yet.
    pub report_pending: bool,
    /// The report that the hub refused for now.
    pub report_put_off: Option<PutOffStatus>,
    /// The first of the reported properties that it refuses.
    pub set_aside: Vec<SetAsideStatus>,
    /// The number of all of them.
    pub set_aside_count: u64,
    /// The first of the desired values that twind refuses.
    pub refused: Vec<RefusedStatus>,
    /// The number of all of them.
    pub refused_count: u64,
    /// The time since the hub last spoke of the twin, as far as it is known.
    pub copy_age_seconds: Option<u64>,
    /// How long it has been silent.
    pub silent_seconds: u64,
    /// The first of the desired properties that have no meaning here, as they were last reported.
    pub not_mapped: Vec<String>,
    /// The number of all of them.
    pub not_mapped_count: u64,
}

/// A report that the hub refused for now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PutOffStatus {
    /// Since when.
    pub since_seconds: u64,
    /// When it is sent again.
    pub retry_in_seconds: u64,
    /// The hub's status.
    pub status: u16,
    /// The hub's message; foreign text.
    pub reason: String,
}

/// A reported property that the hub refuses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetAsideStatus {
    /// Its path.
    pub property: String,
    /// Since when.
    pub since_seconds: u64,
    /// When it is sent again.
    pub retry_in_seconds: u64,
    /// The hub's status.
    pub status: u16,
    /// The hub's message; foreign text.
    pub reason: String,
}

/// A desired value that twind refuses. What was in force before stays so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefusedStatus {
    /// Its path.
    pub property: String,
    /// What is desired, as JSON; null if it is too long to repeat.
    pub value: Option<String>,
    /// Like an HTTP status.
    pub code: u16,
    /// Why.
    pub reason: String,
    /// The desired version that first had it.
    pub version: u64,
}

impl HubStatus {
    pub(super) fn retime(&mut self, retime: Retime<'_>) {
        let aside = self.set_aside.iter_mut().map(|one| (&mut one.since_seconds, &mut one.retry_in_seconds));
        let put_off = self.report_put_off.iter_mut();
        let put_off = put_off.map(|one| (&mut one.since_seconds, &mut one.retry_in_seconds));
        for (since, retry) in aside.chain(put_off) {
            retime_each(Seconds::Since, retime, [since]);
            retime_each(Seconds::Until, retime, [retry]);
        }
        retime_each(
            Seconds::Since,
            retime,
            self.copy_age_seconds.iter_mut().chain([&mut self.silent_seconds]),
        );
    }
}

impl HubStatus {
    /// As it is now. `copy_age` is the time since the hub last spoke of the twin, if it is known; `silent` is the length of its
    /// silence.
    pub fn of(
        now: BootTime,
        sync: &TwinSync,
        refusals: &[Refusal],
        copy_age: Option<Duration>,
        silent: Duration,
    ) -> Self {
        let set_aside = sync.set_aside().take(LISTED_MAX).map(|(property, aside)| SetAsideStatus {
            property: property.shown(),
            since_seconds: now.since(aside.since).as_secs(),
            retry_in_seconds: aside.retry_at.since(now).as_secs(),
            status: aside.reason.status,
            reason: aside.reason.message.clone(),
        });
        let not_mapped: Vec<String> = not_mapped(sync.acknowledged()).collect();
        Self {
            online: sync.is_online(),
            synced: sync.is_synced(),
            desired_version: sync.desired_version().0,
            report_pending: !sync.is_settled(),
            report_put_off: sync.deferral().map(|deferral| PutOffStatus {
                since_seconds: now.since(deferral.since).as_secs(),
                retry_in_seconds: deferral.until.since(now).as_secs(),
                status: deferral.reason.status,
                reason: deferral.reason.message.clone(),
            }),
            set_aside: set_aside.collect(),
            set_aside_count: sync.set_aside().count() as u64,
            refused: refusals.iter().take(LISTED_MAX).map(RefusedStatus::of).collect(),
            refused_count: refusals.len() as u64,
            copy_age_seconds: copy_age.map(|age| age.as_secs()),
            silent_seconds: silent.as_secs(),
            not_mapped_count: not_mapped.len() as u64,
            not_mapped: not_mapped.into_iter().take(LISTED_MAX).collect(),
        }
    }
}

/// What the reported section says to have no meaning here: the components that say so, and the list of the rest.
fn not_mapped(reported: &Section) -> impl Iterator<Item = String> {
    let reported = reported.as_object();
    let components = reported.get(COMPONENTS).and_then(Value::as_object).into_iter().flatten();
    let components = components
        .filter(|(_, entry)| entry.get("status").and_then(Value::as_str) == Some(NOT_MAPPED))
        .map(|(name, _)| format!("{COMPONENTS}.{name}"));
    let listed = reported.get("notMapped").and_then(Value::as_array).into_iter().flatten();
    components.chain(listed.filter_map(|name| Some(name.as_str()?.to_owned())))
}

impl RefusedStatus {
    fn of(refusal: &Refusal) -> Self {
        Self {
            property: refusal.property.shown(),
            value: refusal.value.as_ref().map(json::write),
            code: refusal.code,
            reason: refusal.reason.clone(),
            version: refusal.version.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_reported_as_not_mapped_is_told_with_components_first() {
        let reported = json!({
            "components": {"lamp": {"status": "not mapped"}, "fan": {"on": true}, "siren": {"status": "applied"}, "odd": 1},
            "notMapped": ["foo", 7, "components.office.bar"],
        });
        let Value::Object(reported) = reported else { panic!() };
        let reported = Section::within_limits(reported).unwrap();
        assert_eq!(
            not_mapped(&reported).collect::<Vec<_>>(),
            ["components.lamp", "foo", "components.office.bar"]
        );
        assert_eq!(not_mapped(&Section::default()).count(), 0);
    }
}
