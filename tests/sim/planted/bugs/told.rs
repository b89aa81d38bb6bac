//! Planted bugs of what is told: reports, alarms, the history and the log.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "lost-sensor-of-several-silent",
        says: "one of two sensors is gone for a week and nothing says so",
        item: "alarms::faults",
        find: "lost_sensor(...)",
        plant: "
            FOUND.filter(|_| {
                let is_lost = |climate: &Climate| climate.regime() == Regime::SensorFault;
                let reads = |climate: &Climate| climate.spec().sensors.contains(&sensor);
                !PLANTED || facts.climates.iter().all(|(_, climate)| !reads(climate) || is_lost(climate))
            })
        ",
    },
    Bug {
        name: "alarm-never-cleared",
        says: "an alarm stands long after all is well",
        item: "Alarms::update",
        find: "false",
        plant: "PLANTED",
    },
    Bug {
        name: "alarm-cleared-at-first-good-reading",
        says: "the alarm of a flaky sensor comes and goes all night",
        item: "alarms::present",
        find: "recovering(...)",
        plant: "if PLANTED { BTreeMap::new() } else { FOUND }",
    },
    Bug {
        name: "foreign-name-not-told",
        says: "nobody hears that a property with an odd name means nothing here",
        item: "write_unmapped",
        find: "$list($key.clone());",
        plant: "if !PLANTED || is_writable_key($key) { FOUND }",
    },
    Bug {
        name: "patch-id-of-before",
        says: "the back end waits for a patch id that is never echoed",
        item: "write_versions",
        find: "let Some($id) = $view.$told.desired.get(...).filter(...)",
        plant: "FOUND && (!PLANTED || $view.$told.version.0 < 3)",
    },
    Bug {
        name: "every-reading-told",
        says: "a message for each reading, and a bill for it",
        item: "Reporter::moved",
        find: "($a - $b).abs() >= ...",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "no-heartbeat",
        says: "a value that does not change is never told again",
        item: "Reporter::compose",
        find: "$due == Some(Due::Heartbeat)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "silent-decision",
        says: "nobody learns who decides now, because the fan stayed as it was",
        item: "Core::announce_decisions",
        find: "self.$actuations.iter().any(...)",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "history-rewritten",
        says: "what the history said yesterday it does not say today",
        item: "History::note",
        find: "let $noted = match ($is_other, $has_moved) { (true, _) => ... }; ... let $row = Row { $change, ... }; ... self.$rows.push_back($row);",
        plant: "
            let before = self.$rows.iter_mut().rev().find(|row| &*row.$change.output == output);
            before.into_iter().filter(|_| PLANTED && !$is_other).for_each(|row| row.$change.drive = drive);
            FOUND
        ",
    },
    Bug {
        name: "log-fills-the-memory",
        says: "while nobody reads the log the memory fills with it",
        item: "Backlog::push",
        find: "self.$waiting.len() >= ... || ...",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "dropped-lines-not-counted",
        says: "a part of the log is missing and nothing says so",
        item: "Backlog::push",
        find: "self.$dropped += 1",
        plant: "self.$dropped += u64::from(!PLANTED)",
    },
];
