//! Overrides: where they come in, what bounds them, and how the record hears of them.
//!
//! An override is in force at once and kept as soon as the disk has it. While one is in force the record is made anew
//! every hour, so that a device that loses its power again and again comes to the end of it all the same.
//! Deliberately absent: the rank of an override (`control::outputs`), and its way through a restart (`twin`).

use super::{Core, Notice};
use crate::control::{OutputId, OutputKind};
use crate::twin::{Author, Override, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The shortest override …
pub const OVERRIDE_MIN: Duration = Duration::from_secs(1);
/// … and the longest. What is to stay for longer belongs into the twin or the configuration.
pub const OVERRIDE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// With an override in force the record is at most so old.
const KEPT_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why an override is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideFault {
    /// There is no such output.
    UnknownOutput {
        /// Those that there are.
        known: Vec<String>,
    },
    /// Shorter than [`OVERRIDE_MIN`] or longer than [`OVERRIDE_MAX`].
    Duration,
    /// The output is on or off, and a share of it was asked for.
    OnOff,
}

impl fmt::Display for OverrideFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOutput { known } => write!(f, "no such output; there are: {}", known.join(", ")),
            Self::Duration => f.write_str("an override lasts from 1 second to 7 days"),
            Self::OnOff => f.write_str("this output is on or off and has nothing in between"),
        }
    }
}

impl core::error::Error for OverrideFault {}

/// An override that can be taken, made by [`Core::order`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    output: OutputId,
    /// The drive and for how long; `None` takes the hand away.
    order: Option<(Permille, Duration)>,
    by: Author,
}

impl Core {
    /// Reads a wish to put a hand on an output for a time, or to take it away (`None`). Nothing changes until it comes in as
    /// [`Input::Override`](super::Input::Override).
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn order(
        &self,
        name: &str,
        order: Option<(Permille, Duration)>,
        by: Author,
    ) -> Result<Order, OverrideFault> {
        let found = self.spec.outputs.iter().enumerate().find(|(_, spec)| spec.name == name);
        let (index, spec) = found.ok_or_else(|| {
            let known = self.spec.outputs.iter().map(|spec| spec.name.clone()).collect();
            OverrideFault::UnknownOutput { known }
        })?;
        match order {
            Some((drive, _)) if !drive.get().is_multiple_of(1000) && spec.kind == OutputKind::OnOff => {
                Err(OverrideFault::OnOff)
            }
            Some((_, lasts)) if !(OVERRIDE_MIN..=OVERRIDE_MAX).contains(&lasts) => {
                Err(OverrideFault::Duration)
            }
            _ => Ok(Order { output: OutputId(index), order, by }),
        }
    }

    pub(super) fn handle_override(&mut self, now: BootTime, Order { output, order, by }: Order) {
        // Read by a configuration that is gone since.
        let Some(spec) = self.spec.outputs.get(output.0) else { return };
        let hand = order.map(|(drive, lasts)| Override { drive, until: now + lasts, by });
        self.notices.push_back(Notice::Overridden { output: spec.name.clone(), order, by });
        self.outputs.set_hand(output, hand);
        self.durability.want();
        self.step(now);
        self.absorb(now);
    }

    /// Overrides that end at this step are told, and the record must not bring them back.
    pub(super) fn end_overrides(&mut self, now: BootTime) {
        let ends = self.outputs.iter().filter(|(_, state)| state.hand.is_some_and(|hand| hand.until <= now));
        let ended: Vec<String> = ends.map(|(spec, _)| spec.name.clone()).collect();
        if !ended.is_empty() {
            self.durability.want();
            self.notices.extend(ended.into_iter().map(|output| Notice::OverrideEnded { output }));
        }
    }

    /// Plans the next record for the sake of overrides alone.
    pub(super) fn keep_overrides(&mut self, now: BootTime) {
        if self.outputs.iter().any(|(_, state)| state.hand.is_some()) {
            let due = self.durability.recorded_at() + KEPT_EVERY;
            self.durability.want_by_if_clean(now, due);
        }
    }

    /// What the record keeps beside the twin.
    pub(super) fn keep_beside(&self, record: TwinRecord) -> TwinRecord {
        let hands = self.outputs.iter().filter_map(|(spec, state)| Some((spec.name.clone(), state.hand?)));
        TwinRecord {
            moment: self.contact.machine.moment(self.recorded_or_stepped_at()),
            overrides: hands.collect(),
            silence: self.silence_at(self.recorded_or_stepped_at()),
            ..record
        }
    }
}
