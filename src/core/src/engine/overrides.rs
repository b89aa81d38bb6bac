//! The overrides in force: how one comes in, what bounds it, when it ends, and what the record has of it.
//!
//! An override is in force at once and durable as soon as the disk has it. While one is in force the record is renewed every
//! hour, so that an override ends even on a device that loses its power again and again.
//! One of an output sets its drive, one of a climate the range that it holds. The range stands in place of the desired one and of
//! the schedule, and no fail-safe row looks at it.
//! Deliberately absent: the rank of an override (`control::outputs`), and how much of it is left after a restart (`twin`).

use super::{Core, CoreSpec, Notice};
use crate::control::{ClimateId, ClimateRange, ClimateSpec, OutputId, OutputKind};
use crate::twin::{Author, Machine, Override, PersistedRange, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::borrow::ToOwned as _;
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

/// What is asked of an output or a climate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// The share of full drive of an output.
    Drive(Permille),
    /// The range that a climate is to hold: a temperature in the unit of its configuration, anything else in that of its sensors.
    Range {
        /// The lower end.
        min: f64,
        /// The upper end.
        max: f64,
    },
}

/// Why an override is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideFault {
    /// There is no such output and no such climate.
    Unknown {
        /// Those that there are.
        known: Vec<String>,
    },
    /// Shorter than [`OVERRIDE_MIN`] or longer than [`OVERRIDE_MAX`].
    Duration,
    /// The output is either on or off, and a share between them was asked for.
    OnOff,
    /// A range was asked of an output.
    NoClimate,
    /// A share was asked of a climate.
    NoOutput,
    /// The range is not one that the climate may hold; why.
    Range(String),
}

impl fmt::Display for OverrideFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { known } => {
                write!(f, "no such output or climate; there are: {}", known.join(", "))
            }
            Self::Duration => f.write_str("an override lasts from 1 second to 7 days"),
            Self::OnOff => f.write_str("this output is on or off and has nothing in between"),
            Self::NoClimate => {
                f.write_str("this is an output: it takes on, off or a percentage, not a range")
            }
            Self::NoOutput => f.write_str("this is a climate: it takes a range, not on, off or a percentage"),
            Self::Range(reason) => f.write_str(reason),
        }
    }
}

impl core::error::Error for OverrideFault {}

/// An order that was found valid by [`Core::order`]: to override an output or a climate, or to clear the override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    target: Target,
    by: Author,
}

/// Of what, and what for how long; `None` clears the override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Target {
    Output(OutputId, Option<(Permille, Duration)>),
    Climate(ClimateId, Option<(ClimateRange, Duration)>),
}

/// Overrides of one kind, by what they are on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InForce<K: Ord, T>(BTreeMap<K, Override<T>>);

impl<K: Ord, T> Default for InForce<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy, T> InForce<K, T> {
    /// Puts an override in force in place of any other on the same thing.
    pub(super) fn put(&mut self, on: K, one: Override<T>) {
        self.0.insert(on, one);
    }

    fn clear(&mut self, on: K) {
        self.0.remove(&on);
    }

    /// Takes over those on things that have none.
    fn take_missing(&mut self, others: Self) {
        others.0.into_iter().for_each(|(on, one)| {
            self.0.entry(on).or_insert(one);
        });
    }

    /// Ends what is over by now. Returns what it was on.
    pub(super) fn expire(&mut self, now: BootTime) -> Vec<K> {
        let mut ended = Vec::new();
        self.0.retain(|on, one| {
            let lasts = one.until > now;
            if !lasts {
                ended.push(*on);
            }
            lasts
        });
        ended
    }

    /// The next end after this moment.
    pub(super) fn poll_timeout(&self, after: BootTime) -> Option<BootTime> {
        self.0.values().map(|one| one.until).filter(|until| *until > after).min()
    }
}

/// The overrides in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Overrides {
    pub(super) drives: InForce<OutputId, Permille>,
    pub(super) ranges: InForce<ClimateId, ClimateRange>,
}

impl Overrides {
    /// Those of a record that have not ended by now.
    pub(super) fn resume(now: BootTime, spec: &CoreSpec, record: &TwinRecord, machine: &Machine) -> Self {
        let mut resumed = Self::default();
        for (name, recorded) in &record.overrides {
            let one = recorded.resume(now, &record.moment, machine);
            spec.output_named(name).zip(one).into_iter().for_each(|(on, one)| resumed.drives.put(on, one));
        }
        for (name, recorded) in &record.range_overrides {
            let one = recorded.clone().resume(now, &record.moment, machine);
            one.into_iter().for_each(|one| resumed.put_range(spec, name, one));
        }
        resumed
    }

    /// Puts a range in force that was recorded, or was in force before a reload. It is dropped if the climate is gone, holds
    /// another quantity now, or has other limits.
    pub(super) fn put_range(&mut self, spec: &CoreSpec, name: &str, one: Override<PersistedRange>) {
        let Some((id, climate)) = spec.climate_named(name) else { return };
        let Override { value: PersistedRange { measures, min, max }, until, by } = one;
        let range = ClimateRange::new(min, max).filter(|_| measures == climate.quantity.measures());
        let is_within = |range: &ClimateRange| climate.limits.is_none_or(|limits| limits.contains(*range));
        let range = range.filter(is_within);
        range.into_iter().for_each(|value| self.ranges.put(id, Override { value, until, by }));
    }

    /// By output.
    pub(super) fn in_force(&self) -> &BTreeMap<OutputId, Override> {
        &self.drives.0
    }

    /// By climate.
    pub(super) fn ranges_in_force(&self) -> &BTreeMap<ClimateId, Override<ClimateRange>> {
        &self.ranges.0
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.drives.0.len() + self.ranges.0.len()
    }

    /// Takes over those on outputs and climates that have none. Were there any?
    pub(super) fn take_missing(&mut self, others: Self) -> bool {
        let before = self.count();
        self.drives.take_missing(others.drives);
        self.ranges.take_missing(others.ranges);
        self.count() > before
    }

    /// The next end after this moment.
    pub(super) fn poll_timeout(&self, after: BootTime) -> Option<BootTime> {
        let ends = [self.drives.poll_timeout(after), self.ranges.poll_timeout(after)];
        ends.into_iter().flatten().min()
    }

    /// As the record has them: by the outputs' names.
    pub(super) fn recorded(&self, spec: &CoreSpec) -> Vec<(String, Override)> {
        let named = |(output, one): (&OutputId, &Override)| Some((spec.output(*output)?.name.clone(), *one));
        self.drives.0.iter().filter_map(named).collect()
    }

    /// As the record has them: by the climates' names.
    pub(super) fn recorded_ranges(&self, spec: &CoreSpec) -> Vec<(String, Override<PersistedRange>)> {
        let named = |(climate, one): (&ClimateId, &Override<ClimateRange>)| {
            let climate = spec.climates.get(climate.0)?;
            let measures = climate.quantity.measures().to_owned();
            let value = PersistedRange { measures, min: one.value.min(), max: one.value.max() };
            Some((climate.label().to_owned(), Override { value, until: one.until, by: one.by }))
        };
        self.ranges.0.iter().filter_map(named).collect()
    }
}

impl Core {
    /// Checks a request to override an output or a climate for a time, or to clear the override (`None`). Nothing changes until
    /// the order comes in as [`Input::Override`](super::Input::Override).
    ///
    /// # Errors
    /// Why it is refused.
    pub fn order(
        &self,
        name: &str,
        order: Option<(Setting, Duration)>,
        by: Author,
    ) -> Result<Order, OverrideFault> {
        let target = if let Some(output) = self.spec.output_named(name) {
            Target::Output(output, self.drive_order(output, order)?)
        } else if let Some((id, climate)) = self.spec.climate_named(name) {
            Target::Climate(id, range_order(climate, order)?)
        } else {
            return Err(self.unknown());
        };
        match order {
            Some((_, lasts)) if !(OVERRIDE_MIN..=OVERRIDE_MAX).contains(&lasts) => {
                Err(OverrideFault::Duration)
            }
            _ => Ok(Order { target, by }),
        }
    }

    /// There is no output and no climate of a name.
    pub(super) fn unknown(&self) -> OverrideFault {
        let outputs = self.spec.outputs.iter().map(|spec| spec.name.clone());
        let climates = self.spec.climates.iter().map(|spec| spec.label().to_owned());
        OverrideFault::Unknown { known: outputs.chain(climates).collect() }
    }

    fn drive_order(
        &self,
        output: OutputId,
        order: Option<(Setting, Duration)>,
    ) -> Result<Option<(Permille, Duration)>, OverrideFault> {
        let Some((setting, lasts)) = order else { return Ok(None) };
        let Setting::Drive(drive) = setting else { return Err(OverrideFault::NoClimate) };
        let is_on_off = self.spec.output(output).is_some_and(|spec| spec.kind == OutputKind::OnOff);
        if is_on_off && !drive.get().is_multiple_of(1000) {
            return Err(OverrideFault::OnOff);
        }
        Ok(Some((drive, lasts)))
    }

    /// The override in force on an output.
    pub fn override_of(&self, output: OutputId) -> Option<Override> {
        self.overrides.in_force().get(&output).copied()
    }

    /// The override in force on a climate.
    pub fn range_override_of(&self, climate: ClimateId) -> Option<Override<ClimateRange>> {
        self.overrides.ranges_in_force().get(&climate).copied()
    }

    pub(super) fn handle_override(&mut self, now: BootTime, Order { target, by }: Order) {
        // The configuration may have changed since the order was checked.
        match target {
            Target::Output(output, order) => {
                let Some(spec) = self.spec.output(output) else { return };
                self.notices.push_back(Notice::Overridden { output: spec.name.clone(), order, by });
                put_or_clear(&mut self.overrides.drives, now, output, (order, by));
            }
            Target::Climate(id, order) => {
                let Some(spec) = self.spec.climates.get(id.0) else { return };
                let (climate, quantity) = (spec.name.clone(), spec.quantity.clone());
                self.notices.push_back(Notice::RangeOverridden { climate, quantity, order, by });
                put_or_clear(&mut self.overrides.ranges, now, id, (order, by));
            }
        }
        self.durability.want();
        self.step(now);
        self.absorb(now);
    }

    /// Ends overrides whose time is over, and announces it. The record must not bring them back.
    pub(super) fn end_overrides(&mut self, now: BootTime) {
        let (drives, ranges) = (self.overrides.drives.expire(now), self.overrides.ranges.expire(now));
        if drives.is_empty() && ranges.is_empty() {
            return;
        }
        self.durability.want();
        let ended = drives.into_iter().filter_map(|output| self.spec.output(output));
        self.notices.extend(ended.map(|spec| Notice::OverrideEnded { output: spec.name.clone() }));
        let ended = ranges.into_iter().filter_map(|id| self.spec.climates.get(id.0));
        self.notices.extend(ended.map(|spec| Notice::RangeOverrideEnded { climate: spec.name.clone() }));
    }

    /// The names of the climates that are overridden.
    pub(super) fn overridden_climates(&self) -> impl Iterator<Item = Option<String>> {
        let ids = self.overrides.ranges_in_force().keys();
        ids.filter_map(|id| Some(self.spec.climates.get(id.0)?.name.clone()))
    }

    /// A reload drops the override of a climate that is gone or may not hold that range any more.
    pub(super) fn announce_dropped(&mut self, before: Vec<Option<String>>) {
        let after: Vec<Option<String>> = self.overridden_climates().collect();
        let dropped: Vec<_> = before.into_iter().filter(|name| !after.contains(name)).collect();
        if !dropped.is_empty() {
            self.durability.want();
            self.notices.extend(dropped.into_iter().map(|climate| Notice::RangeOverrideEnded { climate }));
        }
    }

    /// Plans the next record for the sake of overrides alone.
    pub(super) fn renew_overrides(&mut self, now: BootTime) {
        if self.overrides.count() > 0 {
            let due = self.durability.recorded_at() + RENEWED_EVERY;
            self.durability.want_by_if_clean(now, due);
        }
    }
}

fn range_order(
    climate: &ClimateSpec,
    order: Option<(Setting, Duration)>,
) -> Result<Option<(ClimateRange, Duration)>, OverrideFault> {
    let Some((setting, lasts)) = order else { return Ok(None) };
    let Setting::Range { min, max } = setting else { return Err(OverrideFault::NoOutput) };
    let unit = climate.quantity.unit().unwrap_or_default();
    let range = climate.range_of(unit, min, max).map_err(OverrideFault::Range)?;
    Ok(Some((range, lasts)))
}

fn put_or_clear<K: Ord + Copy, T>(
    overrides: &mut InForce<K, T>,
    now: BootTime,
    on: K,
    (order, by): (Option<(T, Duration)>, Author),
) {
    match order {
        Some((value, lasts)) => overrides.put(on, Override { value, until: now + lasts, by }),
        None => overrides.clear(on),
    }
}
