//! Planted bugs of what is kept on the disk, when, and what is said where it cannot be.

use crate::planting::Bug;

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "acknowledged-before-durable",
        says: "a power cut takes back what the hub saw acknowledged",
        item: "Durability::acknowledge",
        find: "self.$untold = ...;",
        plant: "
            FOUND
            if PLANTED && self.fault().is_none() {
                self.handle_saved(BootTime::ZERO, Ok(u64::MAX));
            }
        ",
    },
    Bug {
        name: "any-save-acknowledges",
        says: "the write of an older record acknowledges a newer one",
        item: "Durability::handle_saved",
        find: "*$waiting <= $sequence",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "save-not-tried-again",
        says: "after a full disk nothing is kept any more",
        item: "Durability::handle_saved",
        find: "!self.is_due()",
        plant: "FOUND && !PLANTED",
    },
    Bug {
        name: "records-unrationed",
        says: "a back end that writes without a pause wears the card out",
        item: "Durability::grant",
        find: "self.$ration.next() <= $now",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "disk-alarm-stays",
        says: "the disk was mended, and the alarm stays for ever",
        item: "Durability::handle_saved",
        find: "self.$fault.take()",
        plant: "self.$fault.take_if(|_| !PLANTED)",
    },
    Bug {
        name: "closed-disk-not-told",
        says: "a disk that is read-only from the start is never told of",
        item: "Durability::handle_saved",
        find: "!$is_told",
        plant: "FOUND && !(PLANTED && self.sequence() <= 1)",
    },
    Bug {
        name: "no-disk-no-reports",
        says: "with a disk that cannot be written the hub hears nothing any more",
        item: "Durability::holds_reports",
        find: "self.$fault.is_none()",
        plant: "PLANTED || FOUND",
    },
    Bug {
        name: "last-good-forgotten",
        says: "after a restart a refused value has undone the last good one",
        item: "Core::record",
        find: "self.$understanding.accepted.clone()",
        plant: "if PLANTED { Default::default() } else { FOUND }",
    },
    Bug {
        name: "start-forgets-silence",
        says: "a gateway that is started again and again never comes to its row",
        item: "Silence::resume",
        find: "($lasts.saturating_add($passed), $sure.saturating_add($ran))",
        plant: "(if PLANTED { Duration::ZERO } else { $lasts.saturating_add($passed) }, $sure.saturating_add($ran))",
    },
    Bug {
        name: "taken-token-not-believed",
        says: "a known time in the future is waited for again and again",
        item: "ClockSanity::known",
        find: "self.$accepted.map_or(self.$known, ...)",
        plant: "if PLANTED { FOUND.max(self.$known) } else { FOUND }",
    },
];
