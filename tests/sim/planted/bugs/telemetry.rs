//! Planted bugs of telemetry: what is measured, when it is sent and kept, and what is said of a loss.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "last-sensor-not-sampled",
        says: "of one sensor there is no telemetry",
        item: "records::sample",
        find: "facts.sensors.iter()",
        plant: "FOUND.take(facts.sensors.iter().count() - usize::from(PLANTED))",
    },
    Bug {
        name: "change-without-record",
        says: "the diagram has the fan at the drive of a minute ago",
        item: "Core::note",
        find: "self.note_output(at, output, share, cause);",
        plant: "if !PLANTED || noted == Noted::Decision { FOUND }",
    },
    Bug {
        name: "alarm-end-not-sent",
        says: "who was woken by an alarm never hears that it is over",
        item: "Core::raise_alarms",
        find: "self.$telemetry.note_alarm(now, name, None)",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "time-of-the-batch",
        says: "five minutes of readings all have the time of the first",
        item: "Batch::add",
        find: "let $record = message::record(...); ... self.$since.get_or_insert(at.$now);",
        plant: "
            let at = Moment { now: self.$since.filter(|_| PLANTED).unwrap_or(at.$now), ..at };
            FOUND
        ",
    },
    Bug {
        name: "mended-to-the-boot",
        says: "what was measured before the clock was set all has the time of the start",
        item: "message::dated",
        find: "Duration::try_from_secs_f64($seconds)",
        plant: "Duration::try_from_secs_f64(if PLANTED { 0.0 } else { $seconds })",
    },
    Bug {
        name: "undated-not-mended",
        says: "the clock was set an hour ago, and readings still come without a time",
        item: "Queue::poll_hub",
        find: "$message.to_send($booted)",
        plant: "$message.to_send($booted.filter(|_| !PLANTED))",
    },
    Bug {
        name: "ids-restart",
        says: "a consumer that drops what it has seen drops what is new after a restart",
        item: "message::id_prefix",
        find: "format!(...)",
        plant: "{
            let whole = FOUND;
            if PLANTED { whole.split('-').next().unwrap_or_default().into() } else { whole }
        }",
    },
    Bug {
        name: "ids-of-another-boot",
        says: "after a power cut the ids of the day before come again",
        item: "message::id_prefix",
        find: "boot.map_or(0, ...)",
        plant: "if PLANTED { 0 } else { FOUND }",
    },
    Bug {
        name: "under-way-forgotten",
        says: "each time the link breaks some minutes of readings are missing",
        item: "Queue::handle_down",
        find: "self.$entries.iter_mut().for_each(|$entry| $entry.$sent = None);",
        plant: "
            if PLANTED {
                self.$entries.retain(|entry| entry.$sent.is_none());
            }
            FOUND
        ",
    },
    Bug {
        name: "window-without-limit",
        says: "after an outage everything is sent at once, and the hub throttles",
        item: "Queue::has_full_window",
        find: "... >= WINDOW",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "backlog-without-pause",
        says: "what was kept leaves no room for what is new",
        item: "Pace::handle_stored",
        find: "self.$backlog_from = self.$backlog_from.max(...);",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "alarm-waits",
        says: "an alarm waits behind five minutes of readings",
        item: "Queue::poll_hub",
        find: "$find(&|$entry| $entry.is_live() && ...)",
        plant: "FOUND.filter(|_| !PLANTED)",
    },
    Bug {
        name: "kept-at-once",
        says: "with a good link the card is written all day",
        item: "Queue::keep_due",
        find: "$is_on_hold || ...",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "kept-again",
        says: "one message fills the ring with itself",
        item: "Queue::handle_kept",
        find: "$entry.$kept = Kept::As($number);",
        plant: "$entry.$kept = if PLANTED { Kept::No } else { Kept::As($number) };",
    },
    Bug {
        name: "not-kept-again",
        says: "after one failed write nothing is kept any more",
        item: "Queue::handle_ring",
        find: "RingFailed::Keep => self.handle_not_kept()",
        plant: "RingFailed::Keep => if !PLANTED { self.handle_not_kept() }",
    },
    Bug {
        name: "another-forgotten",
        says: "the hub has one message, and another is removed from the disk",
        item: "Queue::handle_stored",
        find: "self.forget($number)",
        plant: "self.forget($number + u64::from(PLANTED))",
    },
    Bug {
        name: "stored-meanwhile-not-forgotten",
        says: "what arrived while it was being kept is sent once more",
        item: "Queue::handle_kept",
        find: "$stored.into_iter().for_each(...);",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "under-way-read-again",
        says: "what was kept while it was under way is sent twice",
        item: "Queue::take_read",
        find: "self.$entries.iter().any(...)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "forgotten-read-again",
        says: "what arrived while the ring was read is sent once more",
        item: "Queue::take_read",
        find: "self.$ring.$forgotten.contains(&number)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "stop-loses-the-batch",
        says: "each upgrade costs the readings of the last minutes",
        item: "Telemetry::keep_all",
        find: "self.close(now); let $untold = self.$queue.take_untold();",
        plant: "
            if !PLANTED {
                self.close(now);
            }
            let $untold = self.$queue.take_untold();
        ",
    },
    Bug {
        name: "loss-not-counted",
        says: "the ring was full for a day, and the status says that nothing is lost",
        item: "Telemetry::announce",
        find: "self.$dropped = self.$dropped.saturating_add(dropped); self.$unannounced = ...;",
        plant: "
            let before = self.$dropped;
            FOUND
            if PLANTED {
                self.$dropped = before;
            }
        ",
    },
    Bug {
        name: "loss-not-told-to-the-hub",
        says: "a consumer takes a gap for a quiet day",
        item: "Telemetry::add",
        find: "self.$queue.take_untold()",
        plant: "if PLANTED { 0 } else { FOUND }",
    },
];
