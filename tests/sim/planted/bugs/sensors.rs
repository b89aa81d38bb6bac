//! Planted bugs of the sensors: of which samples are believed.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "power-on-value-believed",
        says: "85 degrees of a sensor that just started are taken for the room's",
        item: "Plausible::check",
        find: "self.$rules.reject.iter().any(...)",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "jump-believed",
        says: "one sample far off turns the fan",
        item: "Plausible::judge",
        find: "self.is_a_step_from(...)",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "number-frozen-for-ever-believed",
        says: "a sensor that froze is obeyed",
        item: "Plausible::is_frozen",
        find: "$repeats >= $most",
        plant: "FOUND && !PLANTED",
    },
];
