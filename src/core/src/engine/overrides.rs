//! The overrides in force: how one comes in, what bounds it, when it ends, and what the record has of it.
//!
//! An override is in force at once and durable as soon as the disk has it. While one is in force the record is renewed every
//! hour, so that an override ends even on a device that loses its power again and again.
//! Deliberately absent: the rank of an override (`control::outputs`), and how much of it is left after a restart (`twin`).

use super::{Core, CoreSpec, Notice};
use crate::control::{OutputId, OutputKind, OutputSpec};
use crate::twin::{Author, Machine, Override, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The shortest override …
pub const OVERRIDE_MIN: Duration = Duration::from_secs(1);
/// … and the longest. What is to last longer belongs in the twin or the configuration.
pub const OVERRIDE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// With an override in force the record is at most this old.
const RENEWED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why an override is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideFault {
    /// There is no such output.
    UnknownOutput {
        /// Those that there are.
        known: Vec<String>,
    },
    /// Shorter than [`OVERRIDE_MIN`] or longer than [`OVERRIDE_MAX`].
    Duration,
    /// The output is either on or off, and a share between them was asked for.
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

/// An order that was found valid by [`Core::order`]: to override an output, or to clear its override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    output: OutputId,
    /// The drive and for how long; `None` clears the override.
    order: Option<(Permille, Duration)>,
    by: Author,
}

/// The overrides in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Overrides(BTreeMap<OutputId, Override>);

impl Overrides {
    /// Those of a record that have not ended by now.
    pub(super) fn resume(
        now: BootTime,
        specs: &[OutputSpec],
        record: &TwinRecord,
        machine: &Machine,
    ) -> Self {
        let resumed = |(index, spec): (usize, &OutputSpec)| {
            let (_, recorded) = record.overrides.iter().find(|(name, _)| *name == spec.name)?;
            Some((OutputId(index), recorded.resume(now, &record.moment, machine)?))
        };
        Self(specs.iter().enumerate().filter_map(resumed).collect())
    }

    /// By output.
    pub(super) fn in_force(&self) -> &BTreeMap<OutputId, Override> {
        &self.0
    }

    /// Puts an override in force in place of any other on the output.
    pub(super) fn put(&mut self, output: OutputId, one: Override) {
        self.0.insert(output, one);
    }

    fn clear(&mut self, output: OutputId) {
        self.0.remove(&output);
    }

    /// Takes over those whose outputs have none. Were there any?
    pub(super) fn take_missing(&mut self, others: Self) -> bool {
        let before = self.0.len();
        others.0.into_iter().for_each(|(output, one)| {
            self.0.entry(output).or_insert(one);
        });
        self.0.len() > before
    }

    /// Ends what is over by now. Returns the outputs that it was on.
    pub(super) fn expire(&mut self, now: BootTime) -> Vec<OutputId> {
        let mut ended = Vec::new();
        self.0.retain(|output, one| {
            let lasts = one.until > now;
            if !lasts {
                ended.push(*output);
            }
            lasts
        });
        ended
    }

    /// The next end after this moment.
    pub(super) fn poll_timeout(&self, after: BootTime) -> Option<BootTime> {
        self.0.values().map(|one| one.until).filter(|until| *until > after).min()
    }

    /// As the record has them: by the outputs' names.
    pub(super) fn recorded(&self, spec: &CoreSpec) -> Vec<(String, Override)> {
        let named = |(output, one): (&OutputId, &Override)| Some((spec.output(*output)?.name.clone(), *one));
        self.0.iter().filter_map(named).collect()
    }
}

impl Core {
    /// Checks a request to override an output for a time, or to clear its override (`None`). Nothing changes until the order
    /// comes in as [`Input::Override`](super::Input::Override).
    ///
    /// # Errors
    /// Why it is refused.
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

    /// The override in force on an output.
    pub fn override_of(&self, output: OutputId) -> Option<Override> {
        self.overrides.in_force().get(&output).copied()
    }

    pub(super) fn handle_override(&mut self, now: BootTime, Order { output, order, by }: Order) {
        // The configuration may have changed since the order was checked.
        let Some(spec) = self.spec.output(output) else { return };
        self.notices.push_back(Notice::Overridden { output: spec.name.clone(), order, by });
        match order {
            Some((drive, lasts)) => self.overrides.put(output, Override { drive, until: now + lasts, by }),
            None => self.overrides.clear(output),
        }
        self.durability.want();
        self.step(now);
        self.absorb(now);
    }

    /// Ends overrides whose time is over, and announces it. The record must not bring them back.
    pub(super) fn end_overrides(&mut self, now: BootTime) {
        let ended = self.overrides.expire(now);
        if !ended.is_empty() {
            self.durability.want();
            let ended = ended.into_iter().filter_map(|output| self.spec.output(output));
            self.notices.extend(ended.map(|spec| Notice::OverrideEnded { output: spec.name.clone() }));
        }
    }

    /// Plans the next record for the sake of overrides alone.
    pub(super) fn renew_overrides(&mut self, now: BootTime) {
        if !self.overrides.in_force().is_empty() {
            let due = self.durability.recorded_at() + RENEWED_EVERY;
            self.durability.want_by_if_clean(now, due);
        }
    }
}
