//! The enclosure and its board: first-order heat with a fan and a heater, outputs that remember how they are driven,
//! and sensors with noise that stick, lie, fall silent and vanish.
//!
//! The heat: electronics give watts, the walls and the fan carry them off, a heater adds. Deliberately absent:
//! deciding anything, and the judgement of samples, which is the product's own `sensors::Plausible`.

use crate::rng::Rng;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::control::{Actuation, Cause, Fault, PinFault};
use twind::ports::Pins;
use twind::sensors::{Plausibility, Plausible};

/// The room and what is in it. Numbers of one small steel cabinet; only their order of magnitude matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Watts of the electronics: the mean, and how far it swings in a day.
    pub(crate) load_watts: (f64, f64),
    /// Outside, degrees Celsius: the mean, and how far it swings in a day.
    pub(crate) outside: (f64, f64),
    /// Joules for one kelvin.
    pub(crate) capacity: f64,
    /// Watts for one kelvin through the walls, and by the fan at full.
    pub(crate) walls: f64,
    pub(crate) fan: f64,
    /// Watts of the heater.
    pub(crate) heater: f64,
}

/// What is wrong with a fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FanFault {
    /// It stands still until it is driven to full.
    Sticks,
    /// It stands still whatever is done.
    Blocked,
    /// It turns, but nobody can count it.
    Mute,
}

/// One order that reached a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driven {
    pub(crate) output: usize,
    pub(crate) permille: u16,
    pub(crate) cause: Cause,
}

/// Board and room.
pub(crate) struct Plant {
    room: Room,
    cooling: Vec<usize>,
    heating: Vec<usize>,
    /// How each output is driven.
    pub(crate) drives: Vec<u16>,
    pub(crate) driven: Vec<Driven>,
    pub(crate) refused: Vec<usize>,
    /// The output that cannot be driven for now.
    pub(crate) broken: Option<usize>,
    /// What is wrong with fans.
    pub(crate) fan_faults: BTreeMap<usize, FanFault>,
    temperature: f64,
    at: Duration,
}

impl Plant {
    pub(crate) fn new(room: Room, outputs: usize, cooling: Vec<usize>, heating: Vec<usize>) -> Self {
        let temperature = room.outside.0 + 3.0;
        Self {
            room,
            cooling,
            heating,
            drives: vec![0; outputs],
            driven: Vec::new(),
            refused: Vec::new(),
            broken: None,
            fan_faults: BTreeMap::new(),
            temperature,
            at: Duration::ZERO,
        }
    }

    /// Lets the room go on until `now`, in steps short against its time constant.
    pub(crate) fn advance(&mut self, now: Duration) -> f64 {
        while self.at < now {
            let step = (now - self.at).min(Duration::from_secs(2));
            self.at += step;
            let (load, outside) = self.weather();
            let share =
                |outputs: &[usize]| outputs.iter().map(|output| self.effect(*output)).fold(0.0, f64::max);
            let carried =
                (self.room.walls + self.room.fan * share(&self.cooling)) * (self.temperature - outside);
            let watts = load + self.room.heater * share(&self.heating) - carried;
            self.temperature += watts / self.room.capacity * step.as_secs_f64();
        }
        self.temperature
    }

    /// The load in watts, and degrees outside.
    fn weather(&self) -> (f64, f64) {
        let phase = self.at.as_secs_f64() / 86_400.0 * core::f64::consts::TAU;
        let load = self.room.load_watts.0 + self.room.load_watts.1 * (phase * 7.0).sin();
        (load, self.room.outside.0 - self.room.outside.1 * phase.cos())
    }

    /// What an output does, as a share of full.
    fn effect(&self, output: usize) -> f64 {
        match self.fan_faults.get(&output) {
            Some(FanFault::Sticks | FanFault::Blocked) => 0.0,
            _ => f64::from(self.drives[output]) / 1000.0,
        }
    }

    /// Turns a minute, as they can be counted.
    pub(crate) fn speed(&self, output: usize) -> Result<f64, PinFault> {
        match self.fan_faults.get(&output) {
            Some(FanFault::Mute) => Err(PinFault { reason: "gpiochip0: no such device".into() }),
            _ => Ok((self.effect(output) * 1800.0).round()),
        }
    }

    pub(crate) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Where the room would come to rest under the present load: with everything that cools, with everything that heats.
    pub(crate) fn reach(&self) -> (f64, f64) {
        let (load, outside) = self.weather();
        let Room { walls, fan, heater, .. } = self.room;
        let (fan, heater) = (
            if self.cooling.is_empty() { 0.0 } else { fan },
            if self.heating.is_empty() { 0.0 } else { heater },
        );
        (outside + load / (walls + fan), outside + (load + heater) / walls)
    }

    /// The outputs that cool or heat.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = usize> {
        self.cooling.iter().chain(&self.heating).copied()
    }

    /// Do they all obey?
    pub(crate) fn obeys(&self) -> bool {
        self.outputs().all(|output| self.broken != Some(output) && !self.fan_faults.contains_key(&output))
    }

    /// The power is gone, so is every drive.
    pub(crate) fn lose_power(&mut self) {
        self.drives.fill(0);
    }
}

impl Pins for Plant {
    fn drive(&mut self, actuation: &Actuation) -> Result<(), PinFault> {
        let output = actuation.output.0;
        if self.broken == Some(output) {
            self.refused.push(output);
            return Err(PinFault { reason: "gpiochip0: input/output error".into() });
        }
        self.drives[output] = actuation.drive.get();
        if actuation.drive.get() == 1000 && self.fan_faults.get(&output) == Some(&FanFault::Sticks) {
            self.fan_faults.remove(&output);
        }
        self.driven.push(Driven { output, permille: actuation.drive.get(), cause: actuation.cause });
        Ok(())
    }
}

/// How one sensor is built in.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) period: Duration,
    pub(crate) noise: f64,
    /// Degrees that it shows too much for its place.
    pub(crate) offset: f64,
    pub(crate) plausible: Plausibility,
}

/// What a sensor does for now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Condition {
    Healthy,
    /// The same number for ever.
    Stuck,
    /// The power-on value of a 1-Wire sensor.
    PowerOn,
    /// A value far off that repeats, so that it is believed.
    FarOff(f64),
    /// Words where a number should be.
    Garbage,
    Missing,
    /// Its thread hangs: nothing is delivered.
    Hangs,
}

impl Condition {
    /// Is a number believed that is not true?
    pub(crate) fn is_believed_and_wrong(self) -> bool {
        matches!(self, Self::Stuck | Self::FarOff(_))
    }
}

/// One sensor and its judge.
pub(crate) struct Thermometer {
    pub(crate) probe: Probe,
    pub(crate) condition: Condition,
    judge: Plausible,
    last: f64,
    /// In this life of the process: what was believed last, and the sample before.
    believed: Option<f64>,
    before: Option<f64>,
    /// The numbers that it showed since the last other one.
    alike: Vec<f64>,
}

impl Thermometer {
    pub(crate) fn new(probe: Probe) -> Self {
        let judge = Plausible::new(probe.plausible.clone());
        Self {
            probe,
            condition: Condition::Healthy,
            judge,
            last: 20.0,
            believed: None,
            before: None,
            alike: Vec::new(),
        }
    }

    /// A new process has a new judge.
    pub(crate) fn restart(&mut self) {
        self.judge = Plausible::new(self.probe.plausible.clone());
        (self.believed, self.before) = (None, None);
        self.alike.clear();
    }

    /// What the poller would deliver; `None` while it hangs.
    ///
    /// # Errors
    /// When the product's judge believes what it should not, or does not believe what it should.
    pub(crate) fn sample(
        &mut self,
        temperature: f64,
        rng: &mut Rng,
    ) -> Result<Option<Result<f64, Fault>>, String> {
        let true_value = temperature + self.probe.offset + self.probe.noise * (rng.share() * 2.0 - 1.0);
        // A sixteenth of a degree, as such sensors count.
        let shown = (true_value * 16.0).round() / 16.0;
        let raw = match self.condition {
            Condition::Hangs => return Ok(None),
            Condition::Healthy => Ok(shown),
            Condition::Stuck => Ok(self.last),
            Condition::PowerOn => Ok(85.0),
            Condition::FarOff(value) => Ok(value),
            Condition::Garbage => Err(Fault::NotANumber),
            Condition::Missing => Err(Fault::Missing),
        };
        if let (Condition::Healthy, Ok(value)) = (self.condition, raw) {
            self.last = value;
        }
        let verdict = self.judge.judge(raw);
        self.check(raw, verdict)?;
        Ok(Some(verdict))
    }

    /// A second opinion: a number is believed if it is no power-on value, within range, not the same for too long, and
    /// near the last that was believed or near the sample before it.
    fn check(&mut self, raw: Result<f64, Fault>, verdict: Result<f64, Fault>) -> Result<(), String> {
        let Plausibility { valid, max_step, reject, frozen_repeats } = &self.probe.plausible;
        let before = self.before.take();
        if let Ok(shown) = raw {
            self.alike.retain(|alike| *alike == shown);
            self.alike.push(shown);
        }
        let is_frozen = frozen_repeats.is_some_and(|most| self.alike.len() > most as usize);
        let possible =
            raw.ok().filter(|n| valid.0 <= *n && *n <= valid.1 && !reject.contains(n) && !is_frozen);
        let is_near = |n: f64, other: f64| max_step.is_none_or(|step| (n - other).abs() <= step);
        let near = |n: f64| {
            self.believed.is_none_or(|believed| is_near(n, believed)) || before.is_some_and(|b| is_near(n, b))
        };
        let expected = possible.filter(|n| near(*n));
        if verdict.ok() != expected {
            return Err(format!("the sensor showed {raw:?} and was taken for {verdict:?}"));
        }
        self.before = possible;
        self.believed = expected.or(self.believed);
        Ok(())
    }
}
