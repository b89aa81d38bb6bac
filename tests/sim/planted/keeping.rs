//! Planted bugs of what is kept on the disk, when, and what is said where it cannot be.

use super::bugs::Bug;

const DURABILITY: &str = "src/core/src/engine/durability.rs";

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
        from: "                if !self.is_due() {\n",
        to: "                if !self.is_due() && !PLANTED {\n",
    },
    Bug {
        name: "records-unrationed",
        says: "a back end that writes without a pause wears the card out",
        file: DURABILITY,
        from: "if self.save == Save::Now && self.limit.next() <= now {",
        to: "if self.save == Save::Now && (PLANTED || self.limit.next() <= now) {",
    },
    Bug {
        name: "disk-alarm-stays",
        says: "the disk was mended, and the alarm stays for ever",
        file: DURABILITY,
        from: "self.fault.take().map(|_| Notice::StoreMended)",
        to: "self.fault.take_if(|_| !PLANTED).map(|_| Notice::StoreMended)",
    },
    Bug {
        name: "closed-disk-not-told",
        says: "a disk that is read-only from the start is never told of",
        file: DURABILITY,
        from: "(!is_known).then_some(Notice::StoreFault { reason })",
        to: "(!is_known && !(PLANTED && self.sequence <= 1)).then_some(Notice::StoreFault { reason })",
    },
    Bug {
        name: "no-disk-no-reports",
        says: "with a disk that cannot be written the hub hears nothing any more",
        file: "src/core/src/engine/durability.rs",
        from: "self.pending.is_some() && self.fault.is_none()",
        to: "self.pending.is_some() && (PLANTED || self.fault.is_none())",
    },
];
