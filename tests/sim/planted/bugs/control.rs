//! Planted bugs of control: of what decides the outputs, of what they bear, and of what a restart or a reload carries over.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "siren-waits",
        says: "the siren is heard seconds after its alarm",
        item: "Core::absorb",
        find: "self.raise_alarms($now)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "siren-goes-on",
        says: "the siren goes on after its alarm is over",
        item: "Core::raise_alarms",
        find: "core::mem::replace(&mut self.$health.$heard, $standing)",
        plant: "
            {
                let is_over = $standing.kinds.is_empty();
                let kept = if PLANTED && is_over { self.$health.$heard.clone() } else { $standing };
                core::mem::replace(&mut self.$health.$heard, kept)
            }
        ",
    },
    Bug {
        name: "upgrade-silences-the-siren",
        says: "an upgrade interrupts the siren",
        item: "demand::by_alarms",
        find: "!$alarms.are_known && ...",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "old-number-obeyed",
        says: "a dead sensor keeps its last value for ever",
        item: "Sensors::value",
        find: "$now.since($at) < $spec.stale_after",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "overheat-flutters",
        says: "at the critical temperature the fan goes to and fro",
        item: "Climate::is_overheated",
        find: "self.$regime == Regime::Overheat",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "relay-chatters",
        says: "a relay switches at every sample around its limit",
        item: "Climate::switching",
        find: "$was_on && ...",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "mean-is-the-first",
        says: "of two sensors one counts for nothing",
        item: "combine",
        find: "Some(... / ...).filter(...)",
        plant: "if PLANTED { valid.first().copied() } else { FOUND }",
    },
    Bug {
        name: "fahrenheit-as-celsius",
        says: "76 degrees Fahrenheit are held as 76 Celsius",
        item: "TemperatureUnit::to_celsius",
        find: "($value - 32.0) * 5.0 / 9.0",
        plant: "if PLANTED { $value } else { FOUND }",
    },
    Bug {
        name: "off-over-heat",
        says: "fanOn false keeps the fan off above critical",
        item: "decide",
        find: "$climates.is_overheated($output)",
        plant: "FOUND && !(PLANTED && situation.intent.fan_on.is_some_and(|on| !on.value))",
    },
    Bug {
        name: "silence-over-fault",
        says: "with the hub silent a dead sensor is not answered",
        item: "decide",
        find: "$state.at_loss($drive, $loss, $wanted)",
        plant: "
            FOUND.filter(|_| {
                !(PLANTED && spec.when.hub_silent.is_some_and(|(after, _)| situation.silence.lasts(now) >= after))
            })
        ",
    },
    Bug {
        name: "override-over-heat",
        says: "a fan that was switched off by hand stays off above critical",
        item: "decide",
        find: "$spec.$when.overheat",
        plant: "FOUND.filter(|_| !(PLANTED && situation.overrides.contains_key(&output)))",
    },
    Bug {
        name: "override-under-the-twin",
        says: "a technician's hand counts for nothing while the twin has a wish",
        item: "decide",
        find: "$situation.overrides.get(...)",
        plant: "FOUND.filter(|_| !(PLANTED && situation.intent.fan_on.is_some()))",
    },
    Bug {
        name: "override-never-ends",
        says: "a technician's hand stays on the fan for ever",
        item: "InForce::expire",
        find: "$one.until > $now",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "min-on-forgotten",
        says: "a relay is switched off right after it was switched on",
        item: "OutputState::hold",
        find: "$spec.min_on",
        plant: "FOUND.filter(|_| !PLANTED)",
    },
    Bug {
        name: "slew-jumps",
        says: "after a rest the fan jumps to its new speed",
        item: "OutputState::slew",
        find: "$now.since($at.unwrap_or($now))",
        plant: "$now.since($at.unwrap_or(if PLANTED { BootTime::ZERO } else { $now }))",
    },
    Bug {
        name: "stalls",
        says: "the fan is driven with less than it needs to turn",
        item: "OutputState::slew",
        find: "$low < $least",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "no-kick",
        says: "the fan hums and does not start",
        item: "OutputState::shape",
        find: "$spec.kick",
        plant: "FOUND.filter(|_| !PLANTED)",
    },
    Bug {
        name: "dead-pin-called-stalled",
        says: "a pin that cannot be driven is taken for a blocked fan",
        item: "Outputs::forget",
        find: "$state.tach.trust();",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "upgrade-forgets-when-it-turned",
        says: "an upgrade switches a relay before its minimum time is over",
        item: "Outputs::hand_over",
        find: "Some(now)",
        plant: "FOUND.filter(|_| !PLANTED)",
    },
    Bug {
        name: "upgrade-blinks",
        says: "an upgrade switches every output to its start row",
        item: "set_found",
        find: "handed_over",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "limits-ignored",
        says: "the back end sets a range outside the site's limits",
        item: "ClimateSpec::admit",
        find: "$limits.admit($range, $rounded)",
        plant: "FOUND.or(PLANTED.then_some($range))",
    },
    Bug {
        name: "refused-undoes-the-last",
        says: "a bad range puts the site's own in force",
        item: "Reader::read_range",
        find: "RangeRead::Refused($earlier)",
        plant: "RangeRead::Refused($earlier.filter(|_| !PLANTED))",
    },
    Bug {
        name: "absent-stays",
        says: "a property that was deleted still drives its output",
        item: "Reader::read_value",
        find: "self.$desired.get($path)?",
        plant: "
            match self.$desired.get($path) {
                Some(raw) => raw,
                None => return earlier.filter(|_| PLANTED),
            }
        ",
    },
    Bug {
        name: "standing-fan-left-alone",
        says: "a fan that stands still stays so, though more drive would start it",
        item: "Tach::assist",
        find: "self.go_on(...);",
        plant: "if PLANTED { return (drive, None); } FOUND",
    },
    Bug {
        name: "help-never-ends",
        says: "a fan that was helped once runs at full for ever",
        item: "Tach::assist",
        find: "self.stands_still()",
        plant: "FOUND || PLANTED && self.is_full()",
    },
    Bug {
        name: "stall-not-told",
        says: "nobody hears that a fan is blocked",
        item: "Tach::go_on",
        find: "self.$stalled = true",
        plant: "self.$stalled = !PLANTED",
    },
    Bug {
        name: "stall-never-mended",
        says: "a fan that turns again is called stalled for ever",
        item: "Tach::measure",
        find: "$rpm.is_none_or(...)",
        plant: "FOUND || PLANTED",
    },
    Bug {
        name: "control-falls-asleep",
        says: "between two readings nobody looks at the outputs for half a minute",
        item: "Core::step_due",
        find: "$stepped_at + self.$interval",
        plant: "$stepped_at + self.$interval * if PLANTED { 6 } else { 1 }",
    },
    Bug {
        name: "stop-row-forgotten",
        says: "outputs stay as they are when the daemon is stopped",
        item: "Core::handle_stop",
        find: "self.$outputs.stop();",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "failed-pin-believed",
        says: "a pin that could not be driven is not tried again",
        item: "Core::handle_driven",
        find: "self.$outputs.forget(...)",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "outcome-dropped",
        says: "nobody hears that a pin failed",
        item: "Core::drain",
        find: "self.handle_driven($actuation, $outcome)",
        plant: "self.handle_driven($actuation, if PLANTED { Ok(()) } else { $outcome })",
    },
    Bug {
        name: "log-before-pins",
        says: "while nobody reads the log nothing is driven",
        item: "Core::drain",
        find: "self.poll_actuation()",
        plant: "
            {
                while PLANTED && let Some(notice) = self.poll_notice() {
                    if !ports.notices.push(notice) { return effects; }
                }
                FOUND
            }
        ",
    },
    Bug {
        name: "reload-forgets-the-heat",
        says: "a reload ends an overheat early",
        item: "Core::carry",
        find: "$one.regime()",
        plant: "if PLANTED { Regime::Starting } else { FOUND }",
    },
    Bug {
        name: "restart-chatters",
        says: "a daemon that dies again and again switches a relay each time",
        item: "outputs_at_start",
        find: "$carry.$starts && ...",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "override-lost-with-the-process",
        says: "after a crash nobody knows of the technician's hand",
        item: "Overrides::recorded",
        find: "self.drives.0.iter()",
        plant: "FOUND.filter(|_| !PLANTED)",
    },
    Bug {
        name: "override-begins-anew",
        says: "each power cut has an override begin from its start",
        item: "Machine::passed_since",
        find: "Duration::from_secs($by_wall)",
        plant: "Duration::from_secs(if PLANTED { 0 } else { $by_wall })",
    },
    Bug {
        name: "ended-override-comes-back",
        says: "an override that has ended is there again after a restart",
        item: "Core::end_overrides",
        find: "self.$durability.want();",
        plant: "if !PLANTED { FOUND }",
    },
];
