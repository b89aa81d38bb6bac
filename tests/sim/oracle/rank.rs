//! An independent rank table and control law: what each output should be driven to now, and why.
//!
//! Written from the handbook (`packaging/doc/fail-safe.md`, "What decides an output", "The fail-safe table" and "The
//! climate's law"), without looking at the core's `control`. It says what should be at a moment; whether an output may
//! still be on its way there is for `shape` to say. Deliberately absent: which overrides are in force (`overrides`).

use super::meaning::{Meaning, fans};
use core::time::Duration;
use std::collections::BTreeMap;
use twind::control::{Cause, Combine, OutputKind, Reading, RowDrive};
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
    Climate,
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
            Cause::Climate(_) => self == Self::Climate,
            Cause::Start => self == Self::Start,
            Cause::Override => self == Self::Override,
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
struct Heard {
    good: Option<(f64, BootTime)>,
    sampled: bool,
}

/// What the readings say of the site.
pub(crate) struct Judge {
    pub(super) spec: CoreSpec,
    fans: Vec<usize>,
    heard: Vec<Heard>,
    since: BootTime,
    /// Was the climate's demand on an output above zero?
    demanded: Vec<bool>,
    pub(super) overheated: bool,
    /// The drives that the previous process handed over.
    handed: Vec<Option<u16>>,
}

impl Judge {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        Self {
            fans: fans(spec),
            heard: vec![Heard::default(); spec.sensors.len()],
            since: BootTime::ZERO,
            demanded: vec![false; spec.outputs.len()],
            overheated: false,
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

    /// A new configuration. Readings and the hub's silence are carried over; what the climate demanded is taken from the
    /// drives.
    pub(crate) fn reload(&mut self, boot: BootTime, spec: &CoreSpec, running: Vec<bool>) {
        self.spec = spec.clone();
        self.since = boot;
        self.demanded = running;
    }

    pub(crate) fn hear(&mut self, reading: Reading) {
        let heard = &mut self.heard[reading.sensor.0];
        heard.sampled = true;
        if let Ok(value) = reading.value {
            heard.good = Some((value, reading.at));
        }
    }

    /// Degrees Celsius of the climate's sensors that are valid now.
    fn valid(&self, now: BootTime) -> Vec<f64> {
        let Some(climate) = self.spec.climates.first() else { return Vec::new() };
        let mut valid = Vec::new();
        for sensor in &climate.sensors {
            let spec = &self.spec.sensors[sensor.0];
            if let Some((value, at)) = self.heard[sensor.0].good
                && now.since(at) < spec.stale_after
            {
                valid.push(match spec.unit {
                    TemperatureUnit::Celsius => value,
                    TemperatureUnit::Fahrenheit => (value - 32.0) / 1.8,
                    TemperatureUnit::Kelvin => value - 273.15,
                });
            }
        }
        valid
    }

    pub(crate) fn has_temperature(&self, now: BootTime) -> bool {
        !self.valid(now).is_empty()
    }

    /// Has this sensor no valid reading, though it has had the time for one?
    pub(super) fn is_lost(&self, now: BootTime, sensor: usize) -> bool {
        let (heard, spec) = (self.heard[sensor], &self.spec.sensors[sensor]);
        let is_valid = heard.good.is_some_and(|(_, at)| now.since(at) < spec.stale_after);
        !is_valid && (heard.sampled || now.since(self.since) >= spec.stale_after)
    }

    /// Has a sensor still time for its first reading?
    fn starts(&self, now: BootTime) -> bool {
        self.spec.climates.iter().flat_map(|climate| &climate.sensors).any(|sensor| {
            !self.heard[sensor.0].sampled && now.since(self.since) < self.spec.sensors[sensor.0].stale_after
        })
    }

    /// Every output's rank and target.
    pub(crate) fn verdicts(
        &mut self,
        silence: Duration,
        boot: BootTime,
        meaning: &Meaning,
        overrides: &BTreeMap<usize, (u16, Duration)>,
    ) -> Vec<(Rank, Target)> {
        let valid = self.valid(boot);
        let starts = valid.is_empty() && self.starts(boot);
        let fault = valid.is_empty() && !starts;
        let demands = self.demands(&valid, meaning);
        let verdict = |(index, demand): (usize, &Option<u16>)| {
            let when = &self.spec.outputs[index].when;
            let row = |rank, row| {
                let target = match row {
                    RowDrive::Fixed(drive) => Target::Permille(drive.get()),
                    RowDrive::Keep => Target::Keep,
                    RowDrive::Auto => demand.map_or(Target::Keep, Target::Permille),
                };
                Some((rank, target))
            };
            let demand = demand.or(self.handed[index].filter(|_| starts));
            let overheat = when.overheat.filter(|_| self.overheated);
            let sensor_fault = when.sensor_fault.filter(|_| fault && !self.spec.climates.is_empty());
            let silent = when.hub_silent.filter(|(after, _)| silence >= *after);
            overheat
                .and_then(|drive| row(Rank::Overheat, drive))
                .or_else(|| row(Rank::SensorFault, sensor_fault?))
                .or_else(|| row(Rank::HubSilent, silent?.1))
                .or_else(|| Some((Rank::Override, Target::Permille(overrides.get(&index)?.0))))
                .or_else(|| Some((Rank::Desired, Target::Permille(self.desired(index, demand, meaning)?))))
                .or_else(|| Some((Rank::Climate, Target::Permille(demand?))))
                .or_else(|| row(Rank::Start, when.start))
                .unwrap_or((Rank::Start, Target::Keep))
        };
        demands.iter().enumerate().map(verdict).collect()
    }

    fn desired(&self, index: usize, demand: Option<u16>, meaning: &Meaning) -> Option<u16> {
        if let Some(drive) = meaning.drives.get(&index) {
            return Some(*drive);
        }
        let output = &self.spec.outputs[index];
        let runs = meaning.fan.filter(|_| self.fans.contains(&index))?;
        if !runs {
            return Some(0);
        }
        let least = match output.kind {
            OutputKind::OnOff => 1000,
            OutputKind::Pwm => output.min_duty.map_or(300, |least| least.get()),
        };
        Some(least.max(demand.unwrap_or(0)))
    }

    fn demands(&mut self, valid: &[f64], meaning: &Meaning) -> Vec<Option<u16>> {
        let mut demands = vec![None; self.spec.outputs.len()];
        let Some(climate) = self.spec.climates.first() else { return demands };
        let temperature = match climate.combine {
            Combine::Max => valid.iter().copied().reduce(f64::max),
            Combine::Mean => (!valid.is_empty()).then(|| valid.iter().sum::<f64>() / valid.len() as f64),
            Combine::FirstGood => valid.first().copied(),
        };
        let Some(temperature) = temperature else {
            self.overheated = false;
            self.demanded.fill(false);
            return demands;
        };
        let critical = climate.critical;
        let band = if self.overheated { climate.hysteresis } else { 0.0 };
        self.overheated = critical.is_some_and(|critical| valid.iter().any(|t| *t > critical - band + 1e-9));
        let site = (climate.range.min(), climate.range.max());
        let (min, max) = meaning.range.unwrap_or(site);
        let band = climate.hysteresis.min((max - min) / 2.0);
        for (outputs, cools) in [(&climate.lowering, true), (&climate.raising, false)] {
            for id in outputs {
                let output = &self.spec.outputs[id.0];
                let was = self.demanded[id.0];
                let demand = match output.kind {
                    OutputKind::Pwm => {
                        let excess = if cools { temperature - min } else { min - temperature };
                        // The order of the operations matters: another one may round a tie the other way.
                        let share = (1000.0 * excess / (max - min)).round().clamp(0.0, 1000.0) as u16;
                        let least = output.min_duty.map_or(0, |least| least.get());
                        if share == 0 || share < least && !was { 0 } else { share.max(least) }
                    }
                    OutputKind::OnOff => {
                        // A bound counts as reached within 1e-9, because units are converted back and forth.
                        let (on, stays) = if cools {
                            (temperature > max - 1e-9, temperature > max - band + 1e-9)
                        } else {
                            (temperature < min + 1e-9, temperature < min + band - 1e-9)
                        };
                        if on || was && stays { 1000 } else { 0 }
                    }
                };
                demands[id.0] = Some(demand);
                self.demanded[id.0] = demand > 0;
            }
        }
        demands
    }
}
