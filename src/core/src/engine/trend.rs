//! The trend: what climates measured and held, and how outputs were driven, over the last hour, in memory.
//!
//! There is a sample in each ten seconds in which there was a control step, of the first one. With 64 climates and 64 outputs
//! an hour takes about 220 KiB, and memory is taken only as it fills. A checkpoint does without it, since nothing is decided by it.

use super::{Core, CoreSpec};
use crate::control::climates::Climates;
use crate::control::outputs::Outputs;
use crate::control::{ClimateId, ClimateRange, ClimateSpec, OutputId, OutputSpec};
use crate::report::status::Named;
use crate::report::trend::{ClimateTrend, OutputTrend, Short, Trend};
use crate::units::BootTime;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

/// The seconds between two samples.
const EVERY_S: u64 = 10;
/// An hour.
const SAMPLES_MAX: usize = 360;

/// The range of a climate.
type Ends = (f32, f32);
/// Those of all climates.
type Ranges = Rc<[Ends]>;

/// One output: its drive in permille, and its turns per minute, where `UNKNOWN` stands for what is not known.
type Driven = (u16, u16);

const UNKNOWN: u16 = u16::MAX;

/// All climates and outputs at one moment, by their indices.
#[derive(Clone)]
struct Sample {
    /// Counts the `EVERY_S` since boot.
    slot: u32,
    /// NaN where there is none.
    values: Box<[f32]>,
    /// Shared with the sample before while no range changes.
    ranges: Ranges,
    outputs: Box<[Driven]>,
}

/// See the module. Oldest first.
#[derive(Clone, Default)]
pub(super) struct Samples(VecDeque<Sample>);

/// Hundreds of samples would hide everything else.
impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Samples({})", self.0.len())
    }
}

impl Samples {
    /// Takes a sample if one is due.
    pub(super) fn note(&mut self, now: BootTime, climates: &Climates, outputs: &Outputs) {
        let slot = slot_of(now);
        if self.0.back().is_some_and(|last| last.slot >= slot) {
            return;
        }
        let values = climates.iter().map(|(_, one)| one.value().map_or(f32::NAN, |value| value as f32));
        let outputs = outputs.iter().map(|(_, _, state)| {
            let rpm = state.tach.rpm().map_or(UNKNOWN, |rpm| rpm.clamp(0.0, f64::from(UNKNOWN - 1)) as u16);
            (state.steady().map_or(UNKNOWN, |drive| drive.get()), rpm)
        });
        let (values, outputs) = (values.collect(), outputs.collect());
        let ranges = || climates.iter().map(|(_, one)| ends(one.range()));
        let as_before = self.0.back().map(|last| &last.ranges);
        let as_before = as_before.filter(|before| before.iter().copied().eq(ranges())).cloned();
        let ranges = as_before.unwrap_or_else(|| ranges().collect());
        if self.0.is_empty() {
            self.0.reserve_exact(SAMPLES_MAX);
        }
        let oldest = slot.saturating_sub(SAMPLES_MAX as u32 - 1);
        while self.0.front().is_some_and(|first| first.slot < oldest) {
            self.0.pop_front();
        }
        self.0.push_back(Sample { slot, values, ranges, outputs });
    }

    /// What it takes, with what an allocator adds to each piece.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        const ADDED: usize = 16;
        let mut bytes = self.0.capacity() * size_of::<Sample>();
        let mut last = None;
        for sample in &self.0 {
            bytes += size_of_val(&*sample.values) + size_of_val(&*sample.outputs) + 2 * ADDED;
            if last.is_none_or(|last| !Rc::ptr_eq(last, &sample.ranges)) {
                bytes += size_of_val(&*sample.ranges) + 2 * ADDED;
            }
            last = Some(&sample.ranges);
        }
        bytes
    }

    /// Goes on after a reload: an output of the same name is the same, and so is a climate that holds the same.
    pub(super) fn succeed(self, before: &CoreSpec, after: &CoreSpec) -> Self {
        let climate = |next: &ClimateSpec| {
            let is_same =
                |spec: &ClimateSpec| (spec.label(), &spec.quantity) == (next.label(), &next.quantity);
            before.climates.iter().position(is_same).map(ClimateId)
        };
        let climates: Vec<Option<ClimateId>> = after.climates.iter().map(climate).collect();
        let output = |next: &OutputSpec| before.output_named(&next.name);
        let outputs: Vec<Option<OutputId>> = after.outputs.iter().map(output).collect();
        let of_climates = || climates.iter().map(|id| id.map(|ClimateId(index)| index));
        let of_outputs = || outputs.iter().map(|id| id.map(|OutputId(index)| index));
        let mut ranges: Option<(Ranges, Ranges)> = None;
        let renamed = |sample: Sample| {
            let shared = ranges.as_ref().filter(|(old, _)| Rc::ptr_eq(old, &sample.ranges));
            let next = match shared {
                Some((_, next)) => Rc::clone(next),
                None => picked(of_climates(), &sample.ranges, (f32::NAN, f32::NAN)).collect(),
            };
            ranges = Some((Rc::clone(&sample.ranges), Rc::clone(&next)));
            Sample {
                slot: sample.slot,
                values: picked(of_climates(), &sample.values, f32::NAN).collect(),
                ranges: next,
                outputs: picked(of_outputs(), &sample.outputs, (UNKNOWN, UNKNOWN)).collect(),
            }
        };
        Self(self.0.into_iter().map(renamed).collect())
    }
}

/// What stands at each of these indices.
fn picked<T: Copy>(
    indices: impl Iterator<Item = Option<usize>>,
    from: &[T],
    none: T,
) -> impl Iterator<Item = T> {
    indices.map(move |index| index.and_then(|index| from.get(index)).copied().unwrap_or(none))
}

fn slot_of(moment: BootTime) -> u32 {
    u32::try_from(moment.since_boot().as_secs() / EVERY_S).unwrap_or(u32::MAX)
}

fn ends(range: ClimateRange) -> Ends {
    (range.min() as f32, range.max() as f32)
}

impl Core {
    /// The last hour.
    pub fn trend(&self, now: BootTime) -> Trend {
        let samples = &self.trend.0;
        let number = |value: f32| value.is_finite().then_some(Short(value));
        let known = |value: u16| (value != UNKNOWN).then_some(value);
        let climate = |index: usize| {
            let value = |sample: &Sample| sample.values.get(index).copied().and_then(number);
            let end = |of: fn(&Ends) -> f32| {
                samples.iter().map(|sample| sample.ranges.get(index).map(of).and_then(number)).collect()
            };
            let value = samples.iter().map(value).collect();
            ClimateTrend { value, min: end(|ends| ends.0), max: end(|ends| ends.1) }
        };
        let output = |index: usize| {
            let of = |which: fn(&Driven) -> u16| {
                samples.iter().map(|sample| sample.outputs.get(index).map(which).and_then(known)).collect()
            };
            OutputTrend { permille: of(|driven| driven.0), rpm: of(|driven| driven.1) }
        };
        let age = |sample: &Sample| u64::from(slot_of(now).saturating_sub(sample.slot)) * EVERY_S;
        let climates = self.spec.climates.iter().enumerate();
        let outputs = self.spec.outputs.iter().enumerate();
        Trend {
            every_seconds: EVERY_S,
            seconds_ago: samples.iter().map(age).collect(),
            climates: Named(
                climates.map(|(index, spec)| (spec.label().to_owned(), climate(index))).collect(),
            ),
            outputs: Named(outputs.map(|(index, spec)| (spec.name.clone(), output(index))).collect()),
        }
    }
}
