//! Planted bugs of the twin's state machine, of its documents, and of the hub's silence.

use super::bugs::Bug;

const SYNC: &str = "src/core/src/twin/sync.rs";
const REPORTS: &str = "src/core/src/twin/sync/reports.rs";
const QUARANTINE: &str = "src/core/src/twin/quarantine.rs";
const DOCUMENT: &str = "src/core/src/twin/document.rs";
const SILENCE: &str = "src/core/src/engine/silence.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "no-fetch-on-reconnect",
        says: "what was changed during an outage never arrives",
        file: SYNC,
        from: "                self.is_first_fetch = true;\n                self.fetch(now);",
        to: "                self.is_first_fetch = true;\n                if PLANTED && self.desired_version > Version(0) {\n                    self.phase = Phase::Synced;\n                } else {\n                    self.fetch(now);\n                }",
    },
    Bug {
        name: "gap-applied",
        says: "a lost notification is not noticed at the next one",
        file: SYNC,
        from: "if version != self.desired_version.next() {",
        to: "if version != self.desired_version.next() && !PLANTED {",
    },
    Bug {
        name: "old-notification-obeyed",
        says: "a notification that comes twice has the twin fetched again",
        file: SYNC,
        from: "                if version <= self.desired_version {\n                    return;",
        to: "                if version <= self.desired_version && !PLANTED {\n                    return;",
    },
    Bug {
        name: "notified-forgotten",
        says: "what is notified while the twin is fetched is lost",
        file: SYNC,
        from: "if notified > version {",
        to: "if notified > version && !PLANTED {",
    },
    Bug {
        name: "lower-version-ignored",
        says: "an identity that was made anew is never obeyed",
        file: SYNC,
        from: "        if desired == self.desired && version == self.desired_version {\n",
        to: "        if desired == self.desired && version == self.desired_version || PLANTED && version < self.desired_version {\n",
    },
    Bug {
        name: "two-in-flight",
        says: "a report is sent while another waits for its answer",
        file: REPORTS,
        from: "!self.is_synced() || self.in_flight.is_some() ||",
        to: "!self.is_synced() || self.in_flight.is_some() && !PLANTED ||",
    },
    Bug {
        name: "throttled-is-refused",
        says: "a hub that wants to be left alone is asked again at once, part by part",
        file: REPORTS,
        from: "matches!(status, 400 | 413)",
        to: "matches!(status, 400 | 413) || PLANTED && status == 429",
    },
    Bug {
        name: "refused-holds-up-all",
        says: "one value that the hub refuses keeps every other from being told",
        file: REPORTS,
        from: "if !self.outgoing.handle_refused(now, &flight.patch, HubReason { status, message }) {",
        to: "if PLANTED {
                self.report_not_before = now + super::BACKOFF_MAX;
                return self.outgoing.touch_again(flight.touched);
            }
            if !self.outgoing.handle_refused(now, &flight.patch, HubReason { status, message }) {",
    },
    Bug {
        name: "refused-for-ever",
        says: "what the hub refused for a minute is never told again",
        file: QUARANTINE,
        from: "is_aside(leaf).is_some_and(|aside| aside.due)",
        to: "is_aside(leaf).is_some_and(|aside| aside.due && !PLANTED)",
    },
    Bug {
        name: "forbidden-for-ever",
        says: "a device that was forbidden to report for a minute never reports again",
        file: REPORTS,
        from: "        self.report_not_before = now + retry_after;",
        to: "        self.report_not_before = now + retry_after * if PLANTED && matches!(status, 401 | 403 | 404) { 10_000 } else { 1 };",
    },
    Bug {
        name: "foreign-key-refused",
        says: "one key with a # in the twin, and the device follows nothing any more",
        file: DOCUMENT,
        from: "        section.check_ceiling()?;",
        to: "        section.check_ceiling()?;
        if PLANTED {
            limits::check_written(&section.0)?;
        }",
    },
    Bug {
        name: "no-refresh",
        says: "a lost last notification is never made good",
        file: SYNC,
        from: "self.refresh_at = now + self.policy.refresh_interval;",
        to: "self.refresh_at = now + self.policy.refresh_interval * if PLANTED { 1000 } else { 1 };",
    },
    Bug {
        name: "waits-for-ever",
        says: "a fetch that is not answered is waited for until the line breaks",
        file: SYNC,
        from: "        let deadline = now + self.policy.request_timeout;\n        self.phase",
        to: "        let deadline = now + self.policy.request_timeout * if PLANTED { 1000 } else { 1 };\n        self.phase",
    },
    Bug {
        name: "reported-not-fetched",
        says: "a report whose answer was lost is believed not to have arrived",
        file: SYNC,
        from: "self.acknowledged_changed |= self.outgoing.handle_reported(reported);",
        to: "self.acknowledged_changed |= !PLANTED && self.outgoing.handle_reported(reported);",
    },
    Bug {
        name: "null-does-not-delete",
        says: "a component that the back end deleted lives on",
        file: DOCUMENT,
        from: "        target.retain(|key, _| !patch.get(key).is_some_and(Value::is_null));",
        to: "        target.retain(|key, _| PLANTED || !patch.get(key).is_some_and(Value::is_null));",
    },
    Bug {
        name: "merge-replaces",
        says: "a change of one value wipes out its neighbours",
        file: DOCUMENT,
        from: "Some(Value::Object(existing)) => merge(existing, inner),",
        to: "Some(Value::Object(existing)) if !PLANTED => merge(existing, inner),",
    },
    Bug {
        name: "removal-not-told",
        says: "what is gone stays in the reported section",
        file: DOCUMENT,
        from: "from.keys().filter(|key| !to.contains_key(*key))",
        to: "from.keys().filter(|key| !to.contains_key(*key) && !PLANTED)",
    },
    Bug {
        name: "silence-never-ends",
        says: "the hub is back, and its silence still rules",
        file: SILENCE,
        from: "        | HubEvent::ReportedAck { .. }\n        | HubEvent::Garbled { .. } => true,",
        to: "        | HubEvent::ReportedAck { .. }\n        | HubEvent::Garbled { .. } => !PLANTED,",
    },
    Bug {
        name: "mute-hub-not-noticed",
        says: "a hub that takes connections and says nothing counts as there",
        file: SILENCE,
        from: "        HubEvent::Up | HubEvent::Down | HubEvent::Method { .. } => false,",
        to: "        HubEvent::Up => PLANTED,\n        HubEvent::Down | HubEvent::Method { .. } => false,",
    },
    Bug {
        name: "throttling-is-a-word",
        says: "a hub that refuses everything for now counts as there",
        file: SILENCE,
        from: "*status != 429 && *status < 500,",
        to: "PLANTED || *status != 429 && *status < 500,",
    },
    Bug {
        name: "silent-hub-not-asked",
        says: "on a quiet day the hub is taken to be silent",
        file: SILENCE,
        from: "        if lasts >= row / 4 &&",
        to: "        if lasts >= row / if PLANTED { 1 } else { 4 } &&",
    },
    Bug {
        name: "old-silence-comes-back",
        says: "a silence that is over is counted again after a crash",
        file: SILENCE,
        from: "            Some(_) => self.durability.want(),\n",
        to: "            Some(row) if PLANTED => self.durability.want_by(now, now + row),\n            Some(_) => self.durability.want(),\n",
    },
    Bug {
        name: "known-time-only-grows",
        says: "a clock that was wrong once keeps every start waiting",
        file: SILENCE,
        from: "            self.contact.known_time = wall;",
        to: "            self.contact.known_time = if PLANTED { wall.max(self.contact.known_time) } else { wall };",
    },
];
