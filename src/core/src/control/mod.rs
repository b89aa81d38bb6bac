//! What the outputs should do: desired values and readings in, one drive and its cause per output out.
//!
//! Terms: an *output* is something that twind drives (a fan, a heater, a lamp). Its *drive* is its share of full, before
//! polarity, which the board applies. A *reading* is a sensor's value or its named fault. A *row* of the fail-safe table
//! says what an output does in one bad case. Only `intent` reads JSON.

pub mod alarm_kind;
pub mod climate;
pub mod climates;
pub mod constraint;
pub mod demand;
pub mod derived;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod intent;
mod limits;
pub mod outputs;
pub mod quantity;
pub mod schedule;
pub mod scheduled;
pub mod sensors;
pub mod tach;

use crate::twin::{PropertyPath, Version};
use crate::units::{BootTime, Permille, TemperatureUnit};
use alarm_kind::AlarmKind;
use alloc::string::String;
use alloc::vec::Vec;
use climates::Climates;
use core::fmt;
use core::time::Duration;
use derived::Derived;
use quantity::{Quantity, ROUNDING};
use serde::{Deserialize, Serialize};

/// An output, by its index in [`CoreSpec::outputs`](crate::engine::CoreSpec::outputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputId(pub usize);

/// A sensor, by its index in [`CoreSpec::sensors`](crate::engine::CoreSpec::sensors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SensorId(pub usize);

/// A climate, by its index in [`CoreSpec::climates`](crate::engine::CoreSpec::climates).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClimateId(pub usize);

/// A time zone, by its index in [`CoreSpec::zones`](crate::engine::CoreSpec::zones).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZoneId(pub usize);

/// Why a sensor has no valid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The device or file is not there.
    Missing,
    /// Several devices have its name, and nothing says which one is meant.
    Ambiguous,
    /// It is there but cannot be read (an I/O error, no answer).
    Unreadable,
    /// It answered, and the answer was damaged in transit.
    BadChecksum,
    /// What was read is not a number.
    NotANumber,
    /// Outside what the sensor can measure.
    OutOfRange,
    /// A value that the sensor shows at power-on.
    PowerOnValue,
    /// A jump that is too large to be believed until it repeats.
    Jump,
    /// Exactly the same number for longer than `frozen-after`.
    Frozen,
    /// No valid value for longer than `stale-after`, or a file that nobody has written for `max-age`.
    Stale,
}

impl Fault {
    /// The fault's name in reports, logs and `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Unreadable => "unreadable",
            Self::BadChecksum => "bad-checksum",
            Self::NotANumber => "not-a-number",
            Self::OutOfRange => "out-of-range",
            Self::PowerOnValue => "power-on-value",
            Self::Jump => "jump",
            Self::Frozen => "frozen",
            Self::Stale => "stale",
        }
    }

    /// What a person can look at.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Missing => "nothing is there; check the wiring, the overlay and the name",
            Self::Ambiguous => "several devices have this name; write which one is meant, as NAME@PLACE",
            Self::Unreadable => "it is there but cannot be read; check its wiring and its permissions",
            Self::BadChecksum => "its answer was damaged on the way; check cable, connectors and pull-up",
            Self::NotANumber => "it holds no number; check that the path is the right attribute",
            Self::OutOfRange => "its value is impossible; check `scale`, `offset` and `valid`",
            Self::PowerOnValue => {
                "it shows its power-on value; read it again in a while, then check its supply"
            }
            Self::Jump | Self::Frozen => "its value is not accepted yet; run the check again",
            Self::Stale => "the program that writes it has stopped; look at that program, or set `max-age`",
        }
    }
}

/// One sample of one sensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The sensor.
    pub sensor: SensorId,
    /// When it was sampled.
    pub at: BootTime,
    /// The value in the sensor's unit (finite), or why there is none.
    pub value: Result<f64, Fault>,
}

/// What decided a drive. The ranks, highest first: critical, fail-safe, override, desired or alarm, climate, start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A climate is above `critical`: the `overheat` row.
    Overheat,
    /// No sensor of a climate has a valid reading: the `sensor-fault` row.
    SensorFault,
    /// Nothing from the hub for longer than the `hub-silent` row allows.
    HubSilent,
    /// An override.
    Override,
    /// A desired property, with the version that last changed it.
    Desired(Version),
    /// The range of a climate.
    Climate(ClimateId),
    /// Nothing has decided yet: the `start` row.
    Start,
    /// The daemon stops: the `stop` row.
    Stop,
    /// The daemon died: the `crash` row.
    Crash,
    /// An alarm of a kind that the output follows; `None` if none stands.
    Alarm(Option<AlarmKind>),
}

impl Cause {
    /// The cause as people read it, with the name of the climate where there is more than one.
    pub fn by_name(self, climates: &Climates) -> impl fmt::Display {
        self.of_climate(self.climate_name(climates))
    }

    /// The name of the climate that decided, if one did that has a name.
    pub fn climate_name(self, climates: &Climates) -> Option<&str> {
        match self {
            Self::Climate(climate) => climates.name(climate),
            _ => None,
        }
    }

    /// The same with the name that the climate had.
    pub fn of_climate(self, climate: Option<&str>) -> impl fmt::Display {
        NamedCause { cause: self, climate }
    }
}

struct NamedCause<'a> {
    cause: Cause,
    climate: Option<&'a str>,
}

impl fmt::Display for NamedCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Overheat => f.write_str("fail-safe overheat"),
            Cause::SensorFault => f.write_str("fail-safe sensor-fault"),
            Cause::HubSilent => f.write_str("fail-safe hub-silent"),
            Cause::Override => f.write_str("override"),
            Cause::Desired(version) => write!(f, "desired version {version}"),
            Cause::Climate(_) => match self.climate {
                Some(name) => write!(f, "climate {name}"),
                None => f.write_str("climate"),
            },
            Cause::Start => f.write_str("fail-safe start"),
            Cause::Stop => f.write_str("fail-safe stop"),
            Cause::Crash => f.write_str("fail-safe crash"),
            Cause::Alarm(Some(kind)) => write!(f, "alarm {}", kind.name()),
            Cause::Alarm(None) => f.write_str("no alarm"),
        }
    }
}

/// A command to the board: drive this output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actuation {
    /// The output.
    pub output: OutputId,
    /// Its share of full drive; an on/off output gets 0 or 1000 only.
    pub drive: Permille,
    /// What decided it.
    pub cause: Cause,
    /// When it was decided.
    pub at: BootTime,
}

/// The board could not carry out a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinFault {
    /// What went wrong, for a person: the operation, the file or line, and the system's reason.
    pub reason: String,
}

/// How an output can be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputKind {
    /// Off or on.
    OnOff,
    /// Any share of full.
    Pwm,
}

/// What one row of the fail-safe table does with an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowDrive {
    /// Stay as it is.
    Keep,
    /// What the ranges of its climates alone ask for.
    Auto,
    /// This share.
    Fixed(Permille),
}

/// The fail-safe table of one output. `None`: the row is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Until something decides.
    pub start: RowDrive,
    /// At an orderly stop.
    pub stop: RowDrive,
    /// After the daemon died.
    pub crash: RowDrive,
    /// While no sensor of a climate has a valid reading.
    pub sensor_fault: Option<RowDrive>,
    /// While a climate is above `critical`.
    pub overheat: Option<RowDrive>,
    /// After this long without an answer or notification from the hub.
    pub hub_silent: Option<(Duration, RowDrive)>,
}

impl Default for When {
    fn default() -> Self {
        let off = RowDrive::Fixed(Permille::ZERO);
        Self { start: off, stop: off, crash: off, sensor_fault: None, overheat: None, hub_silent: None }
    }
}

/// One output as the core knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Its name in configuration, reports and files.
    pub name: String,
    /// On/off or any share.
    pub kind: OutputKind,
    /// Below this it would stall, so its drive is 0 or at least this.
    pub min_duty: Option<Permille>,
    /// Full drive for this long when it starts from rest (PWM only).
    pub kick: Option<Duration>,
    /// The fastest change, in permille per second (PWM only).
    pub slew_permille_per_s: Option<f64>,
    /// Once on, it stays on for at least this long.
    pub min_on: Option<Duration>,
    /// Once off, it stays off for at least this long.
    pub min_off: Option<Duration>,
    /// The desired property that drives it.
    pub property: Option<PropertyPath>,
    /// The kinds of alarms that it follows, in place of the twin and of climates.
    pub alarms: Vec<AlarmKind>,
    /// Its fail-safe table.
    pub when: When,
}

impl OutputSpec {
    /// Does it have a minimum time on or off?
    pub fn has_minimum_time(&self) -> bool {
        self.min_on.is_some() || self.min_off.is_some()
    }
}

/// One sensor as the core knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorSpec {
    /// Its name.
    pub name: String,
    /// `"temperature"`, `"humidity"`, `"rpm"` or any other name.
    pub measures: String,
    /// For a temperature: the unit of its readings.
    pub unit: TemperatureUnit,
    /// Without a valid reading for this long it is stale.
    pub stale_after: Duration,
    /// Where it is read: `w1 "28-0316a2797c1f"`, or a path. For a person, and to recognize it under another name.
    pub source: String,
    /// Its value is the number that is read, multiplied by the first, plus the second.
    pub scale_offset: (f64, f64),
    /// How its value follows from those of other sensors; `None` if it is sampled.
    pub derived: Option<Derived>,
}

impl SensorSpec {
    /// Does a value of the other sensor mean the same here? Names do not matter.
    pub fn reads_the_same(&self, other: &Self) -> bool {
        let read = |spec: &Self| (spec.unit, spec.scale_offset, spec.derived);
        (&self.source, &self.measures) == (&other.source, &other.measures) && read(self) == read(other)
    }
}

/// How the values of several sensors are combined into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Combine {
    /// The greatest valid value.
    #[default]
    Max,
    /// The mean of the valid values.
    Mean,
    /// The first valid value in the order of the list.
    FirstGood,
}

/// A range to hold, with `min` below `max`, both finite. As all numbers of a climate it is in the base unit of the quantity: see
/// [`Quantity`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClimateRange {
    min: f64,
    max: f64,
}

impl ClimateRange {
    /// `None` unless both are finite and `min` is below `max`.
    pub fn new(min: f64, max: f64) -> Option<Self> {
        (min.is_finite() && max.is_finite() && min < max).then_some(Self { min, max })
    }

    /// The lower end.
    pub fn min(self) -> f64 {
        self.min
    }

    /// The upper end.
    pub fn max(self) -> f64 {
        self.max
    }

    /// `max` − `min`, above zero.
    pub fn span(self) -> f64 {
        self.max - self.min
    }

    /// Does it contain `inner`, ends included?
    pub fn contains(self, inner: Self) -> bool {
        self.admit(inner, 0.0).is_some()
    }

    /// `inner`, if it lies within, give or take a tolerance at each end; what lies beyond is cut off.
    pub fn admit(self, inner: Self, tolerance: f64) -> Option<Self> {
        let reaches = |low: f64, high: f64| high - low + tolerance + ROUNDING >= 0.0;
        if !reaches(self.min, inner.min) || !reaches(inner.max, self.max) {
            return None;
        }
        Self::new(inner.min.max(self.min), inner.max.min(self.max))
    }
}

/// A climate as configured: a quantity, what measures it, what changes it, and the range to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClimateSpec {
    /// Its name; `None` for the only climate of a site, which needs none.
    pub name: Option<String>,
    /// What it holds in range.
    pub quantity: Quantity,
    /// The desired property that holds its range.
    pub property: PropertyPath,
    /// The sensors that measure it, in order of preference; never empty.
    pub sensors: Vec<SensorId>,
    /// How they are combined.
    pub combine: Combine,
    /// The outputs that lower it: for a temperature, those that cool.
    pub lowering: Vec<OutputId>,
    /// The outputs that raise it: for a temperature, those that heat.
    pub raising: Vec<OutputId>,
    /// Where a PWM output begins to lower, as a share of the range above its minimum. It is full at the maximum.
    pub lowering_from: f64,
    /// Where a PWM output ends to raise, as a share of the range above its minimum. It is full one span below that.
    pub raising_from: f64,
    /// The range until the twin says otherwise.
    pub range: ClimateRange,
    /// A desired range outside is refused.
    pub limits: Option<ClimateRange>,
    /// Above it the outputs follow their `overheat` row.
    pub critical: Option<f64>,
    /// The distance between switching on and off again.
    pub hysteresis: f64,
    /// The time zone of its schedule.
    pub zone: ZoneId,
}

/// What a climate of this name is called in reports, alarms and logs; the only climate of a site has no name.
pub fn climate_label(name: Option<&str>) -> &str {
    name.unwrap_or("climate")
}

impl ClimateSpec {
    /// Its name in reports, alarms and logs.
    pub fn label(&self) -> &str {
        climate_label(self.name.as_deref())
    }

    /// Does it drive the output?
    pub fn drives(&self, output: OutputId) -> bool {
        self.lowering.contains(&output) || self.raising.contains(&output)
    }
}

/// Which desired properties mean what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyMap {
    /// Drives the fan.
    pub fan_on: PropertyPath,
    /// The unit of desired temperatures.
    pub units: PropertyPath,
    /// Echoed as `lastPatchReceivedId`.
    pub patch_id: PropertyPath,
}
