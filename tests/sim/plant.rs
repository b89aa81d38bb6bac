//! The controlled plant: rooms in a row, each with a first-order thermal model and its damp, the board, and the sensors with
//! their faults.
//!
//! Electronics and heaters add heat, walls and fans carry it off, and some of it goes through the doors between rooms.
//! Deliberately absent: decisions, and the plausibility of samples, which is checked by the product's own
//! `sensors::Plausible`.

use crate::rng::Rng;
use crate::sites::Site;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::control::{Actuation, Cause, Fault, PinFault};
use twind::ports::Pins;
use twind::sensors::{Plausibility, Plausible};

/// An enclosure, called a room. The numbers are those of a small steel cabinet; only their order of magnitude matters.
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
    /// Watts for one kelvin through the door to the next room.
    pub(crate) passage: f64,
}

/// Relative humidity outside, per cent: the mean, and how far it swings in a day.
const DAMP_OUTSIDE: (f64, f64) = (60.0, 20.0);
/// Per second: the share of the difference to the air outside that goes through cracks, and through a vent that is open.
const CRACKS: f64 = 1.0 / 3600.0;
const VENT: f64 = 1.0 / 300.0;
/// Per cent in a second by a mister.
const MIST: f64 = 1.0 / 40.0;

/// What of the air a sensor measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Air {
    /// Degrees Celsius.
    Temperature,
    /// Relative humidity, per cent.
    Humidity,
}

/// Where a sensor is, and what it measures there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) room: usize,
    pub(crate) air: Air,
}

impl Default for Place {
    fn default() -> Self {
        Self { room: 0, air: Air::Temperature }
    }
}

/// The air in a room, and the outputs that act on it.
#[derive(Clone, Debug, Default)]
struct Inside {
    temperature: f64,
    humidity: f64,
    cooling: Vec<usize>,
    heating: Vec<usize>,
    venting: Vec<usize>,
    misting: Vec<usize>,
}

/// What is wrong with a fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FanFault {
    /// It stands still until it is driven to full.
    Sticks,
    /// It never turns.
    Blocked,
    /// It turns, but its tachometer cannot be read.
    Mute,
}

/// A drive that reached a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driven {
    pub(crate) output: usize,
    pub(crate) permille: u16,
    pub(crate) cause: Cause,
}

/// Board and rooms.
pub(crate) struct Plant {
    rooms: Vec<Room>,
    inside: Vec<Inside>,
    /// How each output is driven.
    pub(crate) drives: Vec<u16>,
    pub(crate) driven: Vec<Driven>,
    pub(crate) refused: Vec<usize>,
    /// The output that cannot be driven at present.
    pub(crate) broken: Option<usize>,
    /// What is wrong with fans.
    pub(crate) fan_faults: BTreeMap<usize, FanFault>,
    at: Duration,
}

impl Plant {
    pub(crate) fn new(site: &Site) -> Self {
        let inside = |room: &Room| Inside {
            temperature: room.outside.0 + 3.0,
            humidity: DAMP_OUTSIDE.0,
            ..Inside::default()
        };
        let mut inside: Vec<Inside> = site.rooms.iter().map(inside).collect();
        for (climate, home) in site.spec.climates.iter().zip(&site.homes) {
            let air = &mut inside[*home];
            let (lowering, raising) = match climate.quantity.measures() {
                "humidity" => (&mut air.venting, &mut air.misting),
                // A vent carries off heat, too.
                _ => (&mut air.cooling, &mut air.heating),
            };
            lowering.extend(climate.lowering.iter().map(|id| id.0));
            raising.extend(climate.raising.iter().map(|id| id.0));
        }
        Self {
            rooms: site.rooms.clone(),
            inside,
            drives: vec![0; site.spec.outputs.len()],
            driven: Vec::new(),
            refused: Vec::new(),
            broken: None,
            fan_faults: BTreeMap::new(),
            at: Duration::ZERO,
        }
    }

    /// Computes the air up to `now`, in steps that are short against the time constants.
    pub(crate) fn advance(&mut self, now: Duration) {
        while self.at < now {
            let step = (now - self.at).min(Duration::from_secs(2));
            self.at += step;
            let damp_outside = DAMP_OUTSIDE.0 + DAMP_OUTSIDE.1 * self.phase().cos();
            let changes: Vec<(f64, f64)> = (0..self.rooms.len())
                .map(|index| (self.watts(index) / self.rooms[index].capacity, self.damp(index, damp_outside)))
                .collect();
            for (air, (kelvin, damp)) in self.inside.iter_mut().zip(changes) {
                air.temperature += kelvin * step.as_secs_f64();
                air.humidity = (air.humidity + damp * step.as_secs_f64()).clamp(1.0, 99.0);
            }
        }
    }

    /// The heat that a room gains now.
    fn watts(&self, index: usize) -> f64 {
        let (room, air) = (&self.rooms[index], &self.inside[index]);
        let (load, outside) = self.weather(index);
        let carried = (room.walls + room.fan * self.share(&air.cooling)) * (air.temperature - outside);
        load + room.heater * self.share(&air.heating) - carried + self.through_doors(index).1
            - self.through_doors(index).0 * air.temperature
    }

    /// What goes through the doors of a room: watts for one kelvin, and the watts that its neighbours send.
    fn through_doors(&self, index: usize) -> (f64, f64) {
        let before = index.checked_sub(1).map(|before| (before, self.rooms[before].passage));
        let after = (index + 1 < self.rooms.len()).then(|| (index + 1, self.rooms[index].passage));
        let doors = before.into_iter().chain(after);
        doors.fold((0.0, 0.0), |(per_kelvin, watts), (neighbour, passage)| {
            (per_kelvin + passage, watts + passage * self.inside[neighbour].temperature)
        })
    }

    /// By how much a room's humidity changes in a second.
    fn damp(&self, index: usize, outside: f64) -> f64 {
        let air = &self.inside[index];
        let exchange = CRACKS + VENT * self.share(&air.venting);
        exchange * (outside - air.humidity) + MIST * self.share(&air.misting)
    }

    /// The greatest effect of some outputs.
    fn share(&self, outputs: &[usize]) -> f64 {
        outputs.iter().map(|output| self.effect(*output)).fold(0.0, f64::max)
    }

    fn phase(&self) -> f64 {
        self.at.as_secs_f64() / 86_400.0 * core::f64::consts::TAU
    }

    /// The load of a room in watts, and degrees outside.
    fn weather(&self, index: usize) -> (f64, f64) {
        let (phase, room) = (self.phase(), &self.rooms[index]);
        let load = room.load_watts.0 + room.load_watts.1 * (phase * 7.0 + index as f64).sin();
        (load, room.outside.0 - room.outside.1 * phase.cos())
    }

    /// The effect of an output, as a share of full.
    fn effect(&self, output: usize) -> f64 {
        match self.fan_faults.get(&output) {
            Some(FanFault::Sticks | FanFault::Blocked) => 0.0,
            _ => f64::from(self.drives[output]) / 1000.0,
        }
    }

    /// The speed in turns a minute, as the tachometer gives it.
    pub(crate) fn speed(&self, output: usize) -> Result<f64, PinFault> {
        match self.fan_faults.get(&output) {
            Some(FanFault::Mute) => Err(PinFault { reason: "gpiochip0: no such device".into() }),
            _ => Ok((self.effect(output) * 1800.0).round()),
        }
    }

    /// What a sensor of that place would show without a fault.
    pub(crate) fn shows(&self, place: Place) -> f64 {
        let air = &self.inside[place.room];
        match place.air {
            Air::Temperature => air.temperature,
            Air::Humidity => air.humidity,
        }
    }

    pub(crate) fn temperature(&self, room: usize) -> f64 {
        self.inside[room].temperature
    }

    /// The steady-state temperatures of a room under the present load, with its neighbours as they are: with all cooling on, and
    /// with all heating on.
    pub(crate) fn reach(&self, index: usize) -> (f64, f64) {
        let (load, outside) = self.weather(index);
        let Room { walls, fan, heater, .. } = self.rooms[index];
        let air = &self.inside[index];
        let (fan, heater) = (
            if air.cooling.is_empty() { 0.0 } else { fan },
            if air.heating.is_empty() { 0.0 } else { heater },
        );
        let (doors, sent) = self.through_doors(index);
        let steady = |watts: f64, carried: f64| (watts + sent + carried * outside) / (carried + doors);
        (steady(load, walls + fan), steady(load + heater, walls))
    }

    /// The outputs that cool or heat a room.
    pub(crate) fn outputs(&self, index: usize) -> impl Iterator<Item = usize> {
        let air = &self.inside[index];
        air.cooling.iter().chain(&air.heating).copied()
    }

    /// Do all of them work?
    pub(crate) fn obeys(&self, index: usize) -> bool {
        self.outputs(index)
            .all(|output| self.broken != Some(output) && !self.fan_faults.contains_key(&output))
    }

    /// Without power nothing is driven.
    pub(crate) fn lose_power(&mut self) {
        self.drives.fill(0);
    }
}

impl Pins for Plant {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
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

/// The properties of one sensor.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) period: Duration,
    pub(crate) noise: f64,
    /// Its error by its place, in degrees.
    pub(crate) offset: f64,
    pub(crate) place: Place,
    pub(crate) plausible: Plausibility,
}

/// What a sensor does at present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Condition {
    Healthy,
    /// The same number for ever.
    Stuck,
    /// The power-on value of a 1-Wire sensor.
    PowerOn,
    /// A value far off that repeats, so that it is believed.
    FarOff(f64),
    /// A text in place of a number.
    Garbage,
    Missing,
    /// Its thread hangs: nothing is delivered.
    Hangs,
}

impl Condition {
    /// Does it show a wrong number that cannot be recognised as wrong?
    pub(crate) fn is_believed_and_wrong(self) -> bool {
        matches!(self, Self::Stuck | Self::FarOff(_))
    }
}

/// One sensor, and the product's check of its samples.
pub(crate) struct Thermometer {
    pub(crate) probe: Probe,
    pub(crate) condition: Condition,
    judge: Plausible,
    last: f64,
    /// Since the process started: the last value that was believed, and the sample before.
    believed: Option<f64>,
    before: Option<f64>,
    /// The equal numbers that it showed last.
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

    /// A process that starts has seen no samples.
    pub(crate) fn restart(&mut self) {
        self.judge = Plausible::new(self.probe.plausible.clone());
        (self.believed, self.before) = (None, None);
        self.alike.clear();
    }

    /// What the poller delivers; `None` while the sensor hangs.
    ///
    /// # Errors
    /// The product believes a sample that it should not, or does not believe one that it should.
    pub(crate) fn sample(&mut self, shows: f64, rng: &mut Rng) -> Result<Option<Result<f64, Fault>>, String> {
        let true_value = shows + self.probe.offset + self.probe.noise * (rng.share() * 2.0 - 1.0);
        // Such sensors have a resolution of a sixteenth of a unit.
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

    /// The independent rule: a number is believed if it is no power-on value, lies in the valid range, has not been the
    /// same for too long, and is near the last value that was believed or near the sample before it.
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
            return Err(format!("the sensor showed {raw:?}, which was judged to be {verdict:?}"));
        }
        self.before = possible;
        self.believed = expected.or(self.believed);
        Ok(())
    }
}
