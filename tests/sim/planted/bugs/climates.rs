//! Planted bugs of several climates: of outputs that they share, of schedules, of quantities, and of ranges by hand.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "first-room-decides",
        says: "a shared boiler heats for the first room alone",
        item: "by_climates",
        find: "$b.0 > $a.0",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "lost-room-counts-for-nothing",
        says: "of two rooms one has no reading, and the shared output goes by the other alone",
        item: "OutputState::at_loss",
        find: "$asks > $drive",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "all-must-overheat",
        says: "one of two rooms is above critical, and the shared fan does nothing about it",
        item: "Climates::is_overheated",
        find: "self.concerning($output).any(...)",
        plant: "
            if PLANTED {
                self.concerning($output).all(|(_, climate)| climate.regime() == Regime::Overheat)
            } else {
                FOUND
            }
        ",
    },
    Bug {
        name: "one-room-is-held-as-another",
        says: "each room has the range of the first",
        item: "Intent::range",
        find: "self.climate($id)?",
        plant: "self.climate(if PLANTED { ClimateId(0) } else { $id })?",
    },
    Bug {
        name: "vent-opens-at-once",
        says: "lowering-from counts for nothing",
        item: "Climate::share",
        find: "self.$spec.lowering_from * $span",
        plant: "if PLANTED { 0.0 } else { FOUND }",
    },
    Bug {
        name: "dry-air",
        says: "the dew point is that of saturated air, whatever the humidity",
        item: "dew_point_celsius",
        find: "libm::log($humidity)",
        plant: "if PLANTED { 0.0 } else { FOUND }",
    },
    Bug {
        name: "difference-backwards",
        says: "a difference has the wrong sign",
        item: "Derived::value",
        find: "$first - $second",
        plant: "if PLANTED { $second - $first } else { FOUND }",
    },
    Bug {
        name: "second-of-two-hours",
        says: "in the night that has an hour twice an entry begins an hour late",
        item: "Zone::instant",
        find: "self.$zone.to_ambiguous_timestamp($civil).compatible()",
        plant: "if PLANTED { self.$zone.to_ambiguous_timestamp($civil).later() } else { FOUND }",
    },
    Bug {
        name: "the-night-of-the-morning",
        says: "an entry over midnight holds on the day on which it ends",
        item: "Window::on",
        find: "self.$days.has($date.weekday())",
        plant: "
            if PLANTED && self.to <= self.from {
                $date.tomorrow().is_ok_and(|date| self.$days.has(date.weekday()))
            } else {
                FOUND
            }
        ",
    },
    Bug {
        name: "midnight-ends-it",
        says: "an entry over midnight never holds",
        item: "Window::on",
        find: "self.$to > self.$from",
        plant: "FOUND || PLANTED",
    },
    Bug {
        name: "last-by-name",
        says: "of entries that overlap the last by name holds",
        item: "Holding::entry",
        find: "self.0.keys().next()",
        plant: "if PLANTED { self.0.keys().next_back() } else { FOUND }",
    },
    Bug {
        name: "schedule-by-a-wrong-clock",
        says: "a schedule goes on by a clock that cannot be believed any more",
        item: "Core::handle_clock",
        find: "self.$contact.$clock = $dated;",
        plant: "if !(PLANTED && $dated.is_none()) { FOUND }",
    },
    Bug {
        name: "a-set-clock-is-known",
        says: "a clock that was set wrong during a session makes the next start wait",
        item: "Core::handle_contact",
        find: "self.$contact.$machine.moment($now).wall",
        plant: "if PLANTED { self.wall($now) } else { FOUND }",
    },
    Bug {
        name: "schedule-lost-at-a-restart",
        says: "after a restart without a network the schedule is gone",
        item: "Reader::read_entry",
        find: "place(&mut self.$accepted, $path, ...);",
        plant: "if !PLANTED { FOUND }",
    },
    Bug {
        name: "mended-entry-is-lost",
        says: "an entry that cannot be applied takes the good one of its name with it",
        item: "Reader::read_schedule",
        find: "$entry.or_else(...)",
        plant: "if PLANTED { $entry } else { FOUND }",
    },
    Bug {
        name: "hand-under-the-clock",
        says: "a range by hand counts for nothing while an entry holds",
        item: "Climate::step",
        find: "self.$overridden.or($scheduled)",
        plant: "if PLANTED { $scheduled.or(self.$overridden) } else { FOUND }",
    },
];
