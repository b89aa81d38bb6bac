//! Planted bugs of the twin's state machine, of its documents, and of the hub's silence.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "no-fetch-on-reconnect",
        says: "what was changed during an outage never arrives",
        item: "TwinSync::fetch",
        find: "self.$phase = Phase::Fetching { ... };",
        plant: "
            if PLANTED && matches!(self.$phase, Phase::Offline) && self.desired_version() > Version(0) {
                self.$phase = Phase::Synced;
                return;
            }
            FOUND
        ",
    },
    Bug {
        name: "gap-applied",
        says: "a lost notification is not noticed at the next one",
        item: "TwinSync::handle_delta",
        find: "$version != self.$desired_version.next()",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "old-notification-obeyed",
        says: "a notification that comes twice has the twin fetched again",
        item: "TwinSync::handle_delta",
        find: "$version <= self.$desired_version",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "notified-forgotten",
        says: "what is notified while the twin is fetched is lost",
        item: "TwinSync::handle_twin",
        find: "$notified > $version",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "lower-version-ignored",
        says: "an identity that was made anew is never obeyed",
        item: "TwinSync::adopt",
        find: "$new == self.$desired && $version == self.$desired_version",
        plant: "FOUND || PLANTED && $version < self.$desired_version",
    },
    Bug {
        name: "no-refresh",
        says: "a lost last notification is never made good",
        item: "TwinSync::handle_twin",
        find: "$now + self.$policy.refresh_interval",
        plant: "$now + self.$policy.refresh_interval * if PLANTED { 1000 } else { 1 }",
    },
    Bug {
        name: "waits-for-ever",
        says: "a fetch that is not answered is waited for until the line breaks",
        item: "TwinSync::fetch",
        find: "$now + self.$policy.request_timeout",
        plant: "$now + self.$policy.request_timeout * if PLANTED { 1000 } else { 1 }",
    },
    Bug {
        name: "reported-not-fetched",
        says: "a report whose answer was lost is believed not to have arrived",
        item: "TwinSync::handle_twin",
        find: "self.$outgoing.handle_reported($reported)",
        plant: "!PLANTED && FOUND",
    },
    Bug {
        name: "request-id-used-again",
        says: "after a reload an answer is taken for that of another request",
        item: "Core::new",
        find: "$sync.after_rid($carry.$last_rid)",
        plant: "$sync.after_rid(if PLANTED { 0 } else { $carry.$last_rid })",
    },
    Bug {
        name: "told-of-another-identity",
        says: "an identity made anew is told of the one before it",
        item: "Core::take",
        find: "$change.recreated || ...",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "two-in-flight",
        says: "a report is sent while another waits for its answer",
        item: "TwinSync::report",
        find: "self.$in_flight.is_some()",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "throttled-is-refused",
        says: "a hub that wants to be left alone is asked again at once, part by part",
        item: "is_about_the_content",
        find: "matches!($status, 400 | 413)",
        plant: "FOUND || PLANTED && $status == 429",
    },
    Bug {
        name: "refused-holds-up-all",
        says: "one value that the hub refuses keeps every other from being told",
        item: "TwinSync::handle_rejected",
        find: "if is_about_the_content($status) { ... }",
        plant: "let waits = PLANTED && is_about_the_content($status);
            let asked = if waits { Some(core::time::Duration::from_secs(300)) } else { asked };
            let $status = if waits { 500 } else { $status };
            FOUND",
    },
    Bug {
        name: "refused-for-ever",
        says: "what the hub refused for a minute is never told again",
        item: "Quarantine::sift",
        find: "is_aside($leaf).is_some_and(|$aside| $aside.$due)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "forbidden-for-ever",
        says: "a device that was forbidden to report for a minute never reports again",
        item: "TwinSync::handle_rejected",
        find: "$now + $retry_after",
        plant: "$now + $retry_after * if PLANTED && matches!(status, 401 | 403 | 404) { 10_000 } else { 1 }",
    },
    Bug {
        name: "foreign-key-refused",
        says: "one key with a # in the twin, and the device follows nothing any more",
        item: "Section::from_object",
        find: "$section.check_ceiling()?;",
        plant: "
            FOUND
            if PLANTED { crate::twin::limits::check_written(&$section.0)?; }
        ",
    },
    Bug {
        name: "foreign-number-rounded",
        says: "a number beyond 64 bits is another after it passed through the device",
        item: "json::holds",
        find: "decimal($token) == $written",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "null-does-not-delete",
        says: "a component that the back end deleted lives on",
        item: "document::merge",
        find: "!$patch.get($key).is_some_and(Value::is_null)",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "merge-replaces",
        says: "a change of one value wipes out its neighbours",
        item: "document::merge",
        find: "merge($existing, $inner)",
        plant: "
            {
                if PLANTED { $existing.clear(); }
                FOUND
            }
        ",
    },
    Bug {
        name: "removal-not-told",
        says: "what is gone stays in the reported section",
        item: "document::difference",
        find: "!$to.contains_key(*$key)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "silence-never-ends",
        says: "the hub is back, and its silence still rules",
        item: "ends_silence",
        find: "true",
        plant: "!PLANTED",
    },
    Bug {
        name: "mute-hub-not-noticed",
        says: "a hub that takes connections and says nothing counts as there",
        item: "ends_silence",
        find: "false",
        plant: "PLANTED && matches!(event, HubEvent::Up)",
    },
    Bug {
        name: "throttling-is-a-word",
        says: "a hub that refuses everything for now counts as there",
        item: "ends_silence",
        find: "*$status != 429 && *$status < 500",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "silent-hub-not-asked",
        says: "on a quiet day the hub is taken to be silent",
        item: "Core::handle_silence",
        find: "$row / 4",
        plant: "$row / if PLANTED { 1 } else { 4 }",
    },
    Bug {
        name: "old-silence-comes-back",
        says: "a silence that is over is counted again after a crash",
        item: "Core::handle_contact",
        find: "Some(_) => self.$durability.want()",
        plant: "
            Some(row) if PLANTED => self.$durability.want_by(now, now + row),
            FOUND
        ",
    },
    Bug {
        name: "known-time-only-grows",
        says: "a clock that was wrong once keeps every start waiting",
        item: "Core::handle_contact",
        find: "self.$contact.$known_time = $wall",
        plant: "self.$contact.$known_time = if PLANTED { $wall.max(self.$contact.$known_time) } else { $wall }",
    },
];
