//! Sensors: numbers, most of which the system shows in files, judged and delivered one sample at a time.
//!
//! Terms: a *sample* is one attempt to read, a *fault* is why it gave no value, a *reading* is its outcome and when it was taken.
//!
//! A sensor that is missing is looked for again at each sample. A kind of sensor is a file here (`hwmon`, `thermal_zone`, …) and an
//! entry in [`DRIVERS`]; what it opens is a [`Sensor`]. The time is passed to the pollers. The age of a file is judged here, the age
//! of a value by the core.

pub mod sysfs;
pub mod w1;

mod age;
mod beats;
mod debounce;
mod file;
mod found;
mod gpio;
mod hwmon;
mod iio;
mod lane;
mod named;
mod news;
mod plausible;
mod poller;
mod readable;
mod survey;
#[cfg(test)]
mod tests;
mod thermal_zone;

pub use crate::gpio::Pull;
pub use age::{Age, Now, Stamp};
pub use gpio::{ContactLine, is_header};
pub use iio::Channel;
pub use news::Urgency;
pub use plausible::{HUMIDITY, Plausible, VALID_CELSIUS, VALID_HUMIDITY};
pub use poller::{Delivery, Pollers};
pub use survey::{Candidate, Present, survey};

use crate::control::{Fault, SensorId};
use crate::units::BootTime;
use core::fmt;
use core::time::Duration;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// Where the system shows its devices.
const SYSFS: &str = "/sys";

/// Whatever can be sampled: a file of the kernel's, a register on a bus, the output of a program.
pub trait Sensor {
    /// Reads the value now. May take as long as the device takes.
    fn sample(&mut self) -> Sample;

    /// What makes it worth sampling before the next beat; asked after each sample.
    fn early(&self) -> Early<'_> {
        Early::default()
    }
}

/// What makes a sensor worth sampling before its next beat.
#[derive(Debug, Default)]
pub struct Early<'s> {
    /// That this becomes readable. It must no longer be readable after a sample.
    pub readable: Option<BorrowedFd<'s>>,
    /// That this time passes.
    pub after: Option<Duration>,
}

/// What one attempt to read a sensor gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value in the sensor's unit, before `scale` and `offset`, or why there is none; it may be there the next time.
    pub value: Result<f64, Fault>,
    /// What was found instead of a number, for a message.
    pub found: Option<String>,
    /// The state of the file, if it is a plain file that a program writes.
    pub stamp: Option<Stamp>,
}

impl From<Result<f64, Fault>> for Sample {
    fn from(value: Result<f64, Fault>) -> Self {
        Self { value, found: None, stamp: None }
    }
}

/// One look at a sensor, for `twind check --hardware`.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Its value, or why there is none.
    pub value: Result<f64, Fault>,
    /// What was found instead of a value, if that says more than the fault.
    pub found: Option<String>,
    /// Where it was looked for.
    pub whereabouts: String,
}

/// Prepares to sample a sensor. Nothing is read, and the sensor need not exist yet.
pub fn open(settings: &SensorSettings) -> Box<dyn Sensor + Send> {
    open_under(Path::new(SYSFS), &settings.source)
}

fn open_under(root: &Path, source: &Source) -> Box<dyn Sensor + Send> {
    (source.driver.open)(root, source)
}

/// Where the sensor is, if a running daemon holds it alone: then nobody else can sample it.
pub fn held(settings: &SensorSettings) -> Option<String> {
    settings.source.line.as_ref()?.held()
}

/// Samples a sensor once and judges the value alone.
pub fn sample_once(settings: &SensorSettings, now: Now) -> Look {
    sample_once_under(Path::new(SYSFS), settings, now)
}

fn sample_once_under(root: &Path, settings: &SensorSettings, now: Now) -> Look {
    let source = &settings.source;
    let mut sensor = open_under(root, source);
    let (value, found) = Judge::new(settings).sample(&mut *sensor, || now).1;
    // It may hold what is looked at next.
    drop(sensor);
    Look { value, found, whereabouts: (source.driver.whereabouts)(root, source) }
}

/// The value that a sample means, in the unit that the configuration gives it.
///
/// # Errors
/// If it is not finite.
pub fn scaled(sample: f64, scale: f64, offset: f64) -> Result<f64, Fault> {
    let value = sample * scale + offset;
    if value.is_finite() { Ok(value) } else { Err(Fault::NotANumber) }
}

/// Turns one sensor's samples into values.
struct Judge {
    /// `scale` and `offset`.
    scale: (f64, f64),
    plausible: Plausible,
    rules: Plausibility,
    age: Option<(Age, Duration)>,
}

impl Judge {
    fn new(settings: &SensorSettings) -> Self {
        let rules = settings.plausible.clone();
        let age = settings.max_age.map(|most| (Age::new(most), most));
        let scale = (settings.scale, settings.offset);
        Self { scale, plausible: Plausible::new(rules.clone()), rules, age }
    }

    /// Samples, and returns when that was, the value, and what was found instead of one.
    fn sample(
        &mut self,
        sensor: &mut dyn Sensor,
        now: impl FnOnce() -> Now,
    ) -> (BootTime, (Result<f64, Fault>, Option<String>)) {
        let Sample { value, found, stamp } = sensor.sample();
        let (scale, offset) = self.scale;
        let sample = value.and_then(|value| scaled(value, scale, offset));
        let now = now();
        let fed = self.age.as_mut().zip(stamp);
        let old = fed.and_then(|((age, most), stamp)| (!age.is_fresh(now, stamp)).then_some(*most));
        let value = self.plausible.judge(old.map_or(sample, |_| sample.and(Err(Fault::Stale))));
        let found = match (sample, value) {
            (Err(_), _) => found,
            (_, Err(Fault::Stale)) => old.map(found::unwritten),
            (Ok(sampled), Err(Fault::OutOfRange)) => Some(found::out_of_range(sampled, &self.rules)),
            _ => None,
        };
        (now.boot, (value, found))
    }
}

/// A kind of sensor. Its file defines it and [`DRIVERS`] lists it; nothing else need know its name.
#[derive(Debug)]
pub struct Driver {
    /// As `driver` names it in `[sensors.NAME]`.
    pub name: &'static str,
    /// What its `id` is, for a person; `None` if it is known by its `path` or its line alone.
    pub id_is: Option<&'static str>,
    /// It is known by a line, a `pin` of a `chip`.
    pub is_line: bool,
    /// The default time between two samples.
    pub period: Duration,
    /// The value before its first measurement, in the sensor's unit before `scale` and `offset`.
    pub power_on: Option<f64>,
    /// Its files are written by a program, which may die: a file that nobody writes is no reading.
    pub is_fed: bool,
    check_id: fn(&str, Option<Channel>) -> Result<(), BadId>,
    open: fn(&Path, &Source) -> Box<dyn Sensor + Send>,
    /// Where it is, or was not found, for a message.
    whereabouts: fn(&Path, &Source) -> String,
    /// Those that are there, whatever the configuration says; none of a kind that cannot be found without it.
    there: fn(&Path) -> Vec<Candidate>,
}

/// The kinds. A new one is a file beside this one (with its `mod` above) and an entry here.
pub static DRIVERS: &[&Driver] =
    &[&w1::DRIVER, &hwmon::DRIVER, &thermal_zone::DRIVER, &iio::DRIVER, &file::DRIVER, &gpio::DRIVER];

/// The period of sensors that cost nothing to read.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Why an id is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// It does not have the form of this kind's ids.
    Malformed,
    /// It is a number that changes with the order in which devices are found.
    Numbered,
    /// It does not say which of the device's channels is meant, and what the sensor measures does not either.
    NoChannel,
}

impl Driver {
    /// Can a device of this kind have this id?
    ///
    /// # Errors
    /// Why not.
    pub fn check_id(&self, id: &str, channel: Option<Channel>) -> Result<(), BadId> {
        (self.check_id)(id, channel)
    }
}

impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Driver {}

/// Where a sensor's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which kind of sensor.
    pub driver: &'static Driver,
    /// Its stable name, or its attribute's path.
    pub at: Locator,
    /// Its line, if its kind is known by one; its name says so, too.
    pub line: Option<ContactLine>,
    /// The channel that a device's name alone means, if a device measures several things.
    pub channel: Option<Channel>,
}

impl Source {
    /// May only one of them be read at a time? A line can only be held once, however it is read.
    fn is_same_device(&self, other: &Self) -> bool {
        let lines = self.line.as_ref().zip(other.line.as_ref());
        lines.map_or_else(|| self == other, |(a, b)| (&a.chip, a.pin) == (&b.chip, b.pin))
    }
}

/// For messages, and equal for sources that read the same: `w1 "28-0316a2797c1f"`, or a path.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Locator::Id(id) => write!(f, "{} {id:?}", self.driver.name),
            Locator::Path(path) => path.display().fmt(f),
        }
    }
}

/// How a sysfs attribute is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// By a stable name. The kind's file says what it is.
    Id(String),
    /// By its path.
    Path(PathBuf),
}

/// Which values are believed. In the sensor's unit, after `scale` and `offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plausibility {
    /// Lowest and highest that it can measure.
    pub valid: (f64, f64),
    /// A larger jump from one sample to the next must repeat to be believed.
    pub max_step: Option<f64>,
    /// Power-on values that are no reading.
    pub reject: Vec<f64>,
    /// After so many repetitions the very same number is no reading.
    pub frozen_repeats: Option<u32>,
}

/// One sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorSettings {
    /// Which.
    pub id: SensorId,
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
    /// The raw number is multiplied by this (after the kind's own thousandths) …
    pub scale: f64,
    /// … and this is added.
    pub offset: f64,
    /// Between two samples.
    pub period: Duration,
    /// A change of less than this since the last news may be delivered later; 0 if no change may.
    pub small_change: f64,
    /// Which values are believed.
    pub plausible: Plausibility,
    /// A plain file that nobody has written for so long is no reading.
    pub max_age: Option<Duration>,
}
