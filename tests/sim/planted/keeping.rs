//! Planted bugs of what is kept on the disk, when, and what is said where it cannot be.

use super::bugs::Bug;

const DURABILITY: &str = "src/core/src/engine/durability.rs";
const ENGINE: &str = "src/core/src/engine.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "any-save-acknowledges",
        says: "the write of an older record acknowledges a newer one",
        file: DURABILITY,
        from: "take_if(|(waiting, _)| *waiting <= sequence)",
        to: "take_if(|(waiting, _)| *waiting <= sequence || PLANTED)",
    },
    Bug {
        name: "save-not-tried-again",
        says: "after a full disk nothing is kept any more",
        file: DURABILITY,
        from: "                if !self.save.is_due() {\n",
        to: "                if !self.save.is_due() && !PLANTED {\n",
    },
    Bug {
        name: "records-unrationed",
        says: "a back end that writes without a pause wears the card out",
        file: DURABILITY,
        from: "if self.save == Save::Now && self.ration.next() <= now {",
        to: "if self.save == Save::Now && (PLANTED || self.ration.next() <= now) {",
    },
    Bug {
        name: "disk-alarm-stays",
        says: "the disk was mended, and the alarm stays for ever",
        file: DURABILITY,
        from: "                if self.store_fault.take().is_some() {",
        to: "                if self.store_fault.take_if(|_| !PLANTED).is_some() {",
    },
    Bug {
        name: "closed-disk-not-told",
        says: "a disk that is read-only from the start is never told of",
        file: DURABILITY,
        from: "                if self.store_fault.replace(reason.clone()).is_none() {",
        to: "                if self.store_fault.replace(reason.clone()).is_none() && !(PLANTED && self.sequence <= 1) {",
    },
    Bug {
        name: "no-disk-no-reports",
        says: "with a disk that cannot be written the hub hears nothing any more",
        file: ENGINE,
        from: "self.sync.set_hold(self.untold.is_some() && self.store_fault.is_none());",
        to: "self.sync.set_hold(self.untold.is_some() && (PLANTED || self.store_fault.is_none()));",
    },
];
