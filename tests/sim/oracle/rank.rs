//! An independent rank table and control law: what each output should be driven to now, and why.
//!
//! Written from the handbook (`packaging/doc/fail-safe.md`, "What decides an output", "The fail-safe table", "The climate's
//! law", "An output of several climates" and "An output that follows alarms"), without looking at the core's `control`. It says what should be at a moment; whether an output may
//! still be on its way there is for `shape` to say. Deliberately absent: which overrides are in force (`overrides`), and alarms that do not follow from
//! readings, which no output of the sites follows.

use super::alarms::Run;
use super::meaning::{Held, Meaning, fans};
use super::overrides::{Given, What};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use twind::control::derived::Derived;
use twind::control::{
    Cause, ClimateId, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, Reading, RowDrive,
};
use twind::engine::CoreSpec;
use twind::units::{BootTime, TemperatureUnit};

/// What decides an output, without the version of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    Overheat,
    SensorFault,
    HubSilent,
    Override,
    Desired,
    /// By this one.
    Climate(usize),
    /// By an alarm of this kind, or because none is raised.
    Alarm(Option<&'static str>),
    Start,
}

impl Rank {
    /// The rows for overheating and for failed sensors take effect at once, past slew and minimum times.
    pub(crate) fn is_at_once(self) -> bool {
        matches!(self, Self::Overheat | Self::SensorFault)
    }

    pub(crate) fn is(self, cause: Cause) -> bool {
        match cause {
            Cause::Overheat => self == Self::Overheat,
            Cause::SensorFault => self == Self::SensorFault,
            Cause::HubSilent => self == Self::HubSilent,
            Cause::Desired(_) => self == Self::Desired,
            Cause::Climate(ClimateId(index)) => self == Self::Climate(index),
            Cause::Start => self == Self::Start,
            Cause::Override => self == Self::Override,
            Cause::Alarm(kind) => self == Self::Alarm(kind.map(|kind| kind.name())),
            Cause::Stop | Cause::Crash => false,
        }
    }
}

/// What an output should come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Permille(u16),
    /// As it is.
    Keep,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    good: Option<(f64, BootTime)>,
    sampled: bool,
    pub(super) run: Run,
}

/// What a climate knows.
#[derive(Clone, Debug, PartialEq)]
enum Knows {
    /// Some sensor may still give its first reading.
    NothingYet,
    /// No sensor has a valid reading.
    Nothing,
    /// The valid values.
    Values(Vec<f64>),
}

/// What the readings say of the site.
pub(crate) struct Judge {
    pub(super) spec: CoreSpec,
    fans: Vec<usize>,
    pub(super) heard: Vec<Heard>,
    since: BootTime,
    /// By climate and output: the climate's demand was above zero.
    demanded: BTreeSet<(usize, usize)>,
    pub(super) overheated: BTreeSet<usize>,
    /// The sensors whose alarms are raised.
    pub(super) alarmed: BTreeSet<usize>,
    /// The drives that the previous process handed over.
    handed: Vec<Option<u16>>,
}

impl Judge {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        Self {
            fans: fans(spec),
            heard: vec![Heard::default(); spec.sensors.len()],
            since: BootTime::ZERO,
            demanded: BTreeSet::new(),
            overheated: BTreeSet::new(),
            alarmed: BTreeSet::new(),
            handed: vec![None; spec.outputs.len()],
            spec: spec.clone(),
        }
    }

    /// A process that starts has no readings.
    pub(crate) fn restart(&mut self, boot: BootTime) {
        let spec = self.spec.clone();
        *self = Self { since: boot, ..Self::new(&spec) };
    }

    /// The new process keeps these drives until there is a reading.
    pub(crate) fn hand_over(&mut self, handed: &[Option<u16>]) {
        self.handed = handed.to_vec();
    }

    /// A new configuration. Readings and the hub's silence are carried over; what the climates demanded is taken from the
    /// drives.
    pub(crate) fn reload(&mut self, boot: BootTime, spec: &CoreSpec, running: &[bool]) {
        self.spec = spec.clone();
        self.since = boot;
        let runs = |output: &OutputId| running.get(output.0) == Some(&true);
        let of = |(index, climate): (usize, &ClimateSpec)| {
            let driven = climate.lowering.iter().chain(&climate.raising).copied().filter(runs);
            driven.map(|output| (index, output.0)).collect::<Vec<_>>()
        };
        self.demanded = spec.climates.iter().enumerate().flat_map(of).collect();
    }

    pub(crate) fn hear(&mut self, reading: Reading) {
        let heard = &mut self.heard[reading.sensor.0];
        heard.sampled = true;
        if let Ok(value) = reading.value {
            heard.good = Some((value, reading.at));
        }
        self.hear_runs(reading);
    }

    /// The valid value of a sensor, in degrees Celsius if it is a temperature.
    pub(super) fn value(&self, now: BootTime, sensor: usize) -> Option<f64> {
        let spec = &self.spec.sensors[sensor];
        match spec.derived {
            Some(Derived::DewPoint { temperature, humidity }) => {
                dew_point(self.value(now, temperature.0)?, self.value(now, humidity.0)?)
            }
            Some(Derived::Difference { of, minus }) => {
                Some(self.value(now, of.0)? - self.value(now, minus.0)?)
            }
            None => {
                let (value, at) = self.heard[sensor].good?;
                let value = match spec.unit {
                    TemperatureUnit::Celsius => value,
                    TemperatureUnit::Fahrenheit => (value - 32.0) / 1.8,
                    TemperatureUnit::Kelvin => value - 273.15,
                };
                (now.since(at) < spec.stale_after).then_some(value)
            }
        }
    }

    fn knows(&self, now: BootTime, climate: &ClimateSpec) -> Knows {
        let valid: Vec<f64> = climate.sensors.iter().filter_map(|id| self.value(now, id.0)).collect();
        match valid.is_empty() {
            false => Knows::Values(valid),
            true if climate.sensors.iter().any(|id| self.starts(now, id.0)) => Knows::NothingYet,
            true => Knows::Nothing,
        }
    }

    /// Has the first climate a value?
    pub(crate) fn has_temperature(&self, now: BootTime) -> bool {
        let first = self.spec.climates.first();
        first.is_some_and(|climate| matches!(self.knows(now, climate), Knows::Values(_)))
    }

    /// Has this sensor no valid reading, though it has had the time for one?
    pub(super) fn is_lost(&self, now: BootTime, sensor: usize) -> bool {
        let (heard, spec) = (self.heard[sensor], &self.spec.sensors[sensor]);
        match spec.derived {
            // It has what it follows from, or that has had the time.
            Some(_) => self.value(now, sensor).is_none() && !self.starts(now, sensor),
            None => {
                let had_time = heard.sampled || now.since(self.since) >= spec.stale_after;
                self.value(now, sensor).is_none() && had_time
            }
        }
    }

    /// Has a sensor still time for its first reading?
    fn starts(&self, now: BootTime, sensor: usize) -> bool {
        let spec = &self.spec.sensors[sensor];
        match spec.derived {
            Some(
                Derived::DewPoint { temperature: one, humidity: other }
                | Derived::Difference { of: one, minus: other },
            ) => self.starts(now, one.0) || self.starts(now, other.0),
            None => !self.heard[sensor].sampled && now.since(self.since) < spec.stale_after,
        }
    }

    /// Every output's rank and target. `ranges`: the range in force of each climate.
    pub(crate) fn verdicts(
        &mut self,
        silence: Duration,
        boot: BootTime,
        (meaning, ranges): (&Meaning, &[(f64, f64)]),
        overrides: &Given,
    ) -> Vec<(Rank, Target)> {
        let climates = self.spec.climates.clone();
        let known: Vec<Knows> = climates.iter().map(|climate| self.knows(boot, climate)).collect();
        let mut demands = BTreeMap::new();
        for (index, (knows, range)) in known.iter().zip(ranges).enumerate() {
            demands.extend(self.demands(index, knows, *range));
        }
        let starts = (0..self.spec.sensors.len()).any(|sensor| self.starts(boot, sensor));
        if !starts {
            // From now on what a siren was handed over with says nothing of alarms.
            let outputs = self.spec.outputs.iter().zip(&mut self.handed);
            outputs.filter(|(spec, _)| !spec.alarms.is_empty()).for_each(|(_, handed)| *handed = None);
        }
        let raised = self.raised();
        let situation =
            Situation { silence, meaning, overrides, known: &known, demands: &demands, raised: &raised };
        (0..self.spec.outputs.len()).map(|output| self.verdict(output, situation)).collect()
    }

    fn verdict(&self, output: usize, by: Situation<'_>) -> (Rank, Target) {
        let when = &self.spec.outputs[output].when;
        let concerning = self.concerning(output);
        let auto = concerning.iter().filter_map(|climate| by.demands.get(&(*climate, output)).copied()).max();
        let row = |rank, row| {
            let target = match row {
                RowDrive::Fixed(drive) => Target::Permille(drive.get()),
                RowDrive::Keep => Target::Keep,
                RowDrive::Auto => auto.map_or(Target::Keep, Target::Permille),
            };
            Some((rank, target))
        };
        let lost = concerning.iter().filter(|climate| by.known[**climate] == Knows::Nothing).count();
        let wanted = self.wanted(output, &concerning, by);
        let sensor_fault = match (lost, when.sensor_fault, wanted) {
            (0, ..) | (_, None, _) => None,
            (all, fault, _) if all == concerning.len() => fault,
            (_, fault @ Some(RowDrive::Fixed(asks)), Some((_, wants))) if asks.get() > wants => fault,
            (_, fault, None) => fault,
            _ => None,
        };
        let overheat =
            when.overheat.filter(|_| concerning.iter().any(|climate| self.overheated.contains(climate)));
        let silent = when.hub_silent.filter(|(after, _)| by.silence >= *after);
        overheat
            .and_then(|drive| row(Rank::Overheat, drive))
            .or_else(|| row(Rank::SensorFault, sensor_fault?))
            .or_else(|| row(Rank::HubSilent, silent?.1))
            .or_else(|| {
                Some((Rank::Override, Target::Permille(by.overrides.get(&What::Output(output))?.0.drive()?)))
            })
            .or_else(|| wanted.map(|(rank, drive)| (rank, Target::Permille(drive))))
            .or_else(|| row(Rank::Start, when.start))
            .unwrap_or((Rank::Start, Target::Keep))
    }

    /// The climates whose faults and heat concern an output: those that drive it, else all.
    fn concerning(&self, output: usize) -> Vec<usize> {
        let drives =
            |climate: &ClimateSpec| climate.lowering.iter().chain(&climate.raising).any(|id| id.0 == output);
        let all = self.spec.climates.iter().enumerate();
        let driving: Vec<usize> =
            all.filter(|(_, climate)| drives(climate)).map(|(index, _)| index).collect();
        if driving.is_empty() { (0..self.spec.climates.len()).collect() } else { driving }
    }

    /// The kinds of alarms that the readings raise, the most urgent first.
    fn raised(&self) -> Vec<&'static str> {
        let kinds = [("overheat", !self.overheated.is_empty()), ("sensor", !self.alarmed.is_empty())];
        kinds.into_iter().filter_map(|(kind, is_raised)| is_raised.then_some(kind)).collect()
    }

    /// What is wanted of an output that follows alarms. One that was handed over stays so while an alarm cannot be known.
    fn by_alarms(&self, output: usize, raised: &[&'static str]) -> Option<(Rank, u16)> {
        let follows: BTreeSet<&str> =
            self.spec.outputs[output].alarms.iter().map(|kind| kind.name()).collect();
        let first = raised.iter().copied().find(|kind| follows.contains(kind));
        let handed = self.handed[output].filter(|handed| *handed > 0);
        match (follows.is_empty(), first, handed) {
            (true, ..) => None,
            (_, None, Some(handed)) => Some((Rank::Start, handed)),
            (_, first, _) => Some((Rank::Alarm(first), if first.is_some() { 1000 } else { 0 })),
        }
    }

    /// What is wanted of an output below the overrides.
    fn wanted(&self, output: usize, concerning: &[usize], by: Situation<'_>) -> Option<(Rank, u16)> {
        if let Some(wants) = self.by_alarms(output, by.raised) {
            return Some(wants);
        }
        if let Some(drive) = by.meaning.drives.get(&output) {
            return Some((Rank::Desired, *drive));
        }
        let spec = &self.spec.outputs[output];
        let demand = |climate: usize| {
            let handed = self.handed[output].filter(|_| by.known[climate] == Knows::NothingYet);
            by.demands.get(&(climate, output)).copied().or(handed)
        };
        if let Some(runs) = by.meaning.fan.filter(|_| self.fans.contains(&output)) {
            let demand = concerning.iter().filter_map(|climate| demand(*climate)).max();
            return Some((Rank::Desired, switched(spec, runs, demand)));
        }
        let mut greatest: Option<(Rank, u16)> = None;
        for climate in concerning.iter().copied() {
            if by.known[climate] == Knows::Nothing && spec.when.sensor_fault.is_some() {
                continue;
            }
            let lowers = self.spec.climates[climate].lowering.contains(&OutputId(output));
            let fan = by.meaning.climates.get(climate).and_then(|held: &Held| held.fan).filter(|_| lowers);
            let wants = match fan {
                Some(runs) => Some((Rank::Desired, switched(spec, runs, demand(climate)))),
                None => demand(climate).map(|demand| (Rank::Climate(climate), demand)),
            };
            let Some(wants) = wants else { continue };
            if greatest.is_none_or(|(_, most)| wants.1 > most) {
                greatest = Some(wants);
            }
        }
        greatest
    }

    /// What a climate wants of its outputs.
    fn demands(&mut self, index: usize, knows: &Knows, (min, max): (f64, f64)) -> Vec<((usize, usize), u16)> {
        let climate = self.spec.climates[index].clone();
        let Knows::Values(valid) = knows else {
            self.overheated.remove(&index);
            self.demanded.retain(|(climate, _)| *climate != index);
            return Vec::new();
        };
        let value = match climate.combine {
            Combine::Max => valid.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Combine::Mean => valid.iter().sum::<f64>() / valid.len() as f64,
            Combine::FirstGood => valid[0],
        };
        let band = if self.overheated.contains(&index) { climate.hysteresis } else { 0.0 };
        let is_hot = |critical: f64| valid.iter().any(|value| *value > critical - band + 1e-9);
        if climate.critical.is_some_and(is_hot) {
            self.overheated.insert(index);
        } else {
            self.overheated.remove(&index);
        }
        let driven = climate.lowering.iter().map(|id| (id.0, true));
        let driven: Vec<_> = driven.chain(climate.raising.iter().map(|id| (id.0, false))).collect();
        let mut demands = Vec::new();
        for (output, lowers) in driven {
            let was = self.demanded.contains(&(index, output));
            let spec = &self.spec.outputs[output];
            let demand = match spec.kind {
                OutputKind::Pwm => proportional(&climate, spec, (value, min, max), lowers, was),
                OutputKind::OnOff => switching(&climate, (value, min, max), lowers, was),
            };
            demands.push(((index, output), demand));
            if demand > 0 {
                self.demanded.insert((index, output));
            } else {
                self.demanded.remove(&(index, output));
            }
        }
        demands
    }
}

/// What a verdict depends on.
#[derive(Clone, Copy)]
struct Situation<'a> {
    silence: Duration,
    meaning: &'a Meaning,
    overrides: &'a Given,
    known: &'a [Knows],
    /// By climate and output.
    demands: &'a BTreeMap<(usize, usize), u16>,
    /// The kinds of alarms that are raised.
    raised: &'a [&'static str],
}

fn switched(output: &OutputSpec, runs: bool, demand: Option<u16>) -> u16 {
    let least = match output.kind {
        OutputKind::OnOff => 1000,
        OutputKind::Pwm => output.min_duty.map_or(300, |least| least.get()),
    };
    if runs { least.max(demand.unwrap_or(0)) } else { 0 }
}

fn proportional(
    climate: &ClimateSpec,
    output: &OutputSpec,
    (value, min, max): (f64, f64, f64),
    lowers: bool,
    was: bool,
) -> u16 {
    let span = max - min;
    // The order of the operations matters: another one may round a tie the other way.
    let share = if lowers {
        1000.0 * ((value - min) - climate.lowering_from * span) / (span * (1.0 - climate.lowering_from))
    } else {
        1000.0 * (climate.raising_from * span - (value - min)) / span
    };
    let share = share.round().clamp(0.0, 1000.0) as u16;
    let least = output.min_duty.map_or(0, |least| least.get());
    if share == 0 || share < least && !was { 0 } else { share.max(least) }
}

fn switching(climate: &ClimateSpec, (value, min, max): (f64, f64, f64), lowers: bool, was: bool) -> u16 {
    let band = climate.hysteresis.min((max - min) / 2.0);
    // A bound counts as reached within 1e-9, because units are converted back and forth.
    let (on, stays) = if lowers {
        (value > max - 1e-9, value > max - band + 1e-9)
    } else {
        (value < min + 1e-9, value < min + band - 1e-9)
    };
    if on || was && stays { 1000 } else { 0 }
}

/// Degrees Celsius at which air of this temperature and relative humidity becomes saturated: the formula of Magnus with the
/// constants of Sonntag (1990).
fn dew_point(temperature: f64, humidity: f64) -> Option<f64> {
    let (b, c) = (17.62, 243.12);
    let gamma = (humidity.min(100.0) / 100.0).ln() + b * temperature / (c + temperature);
    let dew = c * gamma / (b - gamma);
    ((-45.0..=60.0).contains(&temperature) && humidity > 0.0).then_some(dew)
}
