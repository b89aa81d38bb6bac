//! What the records of telemetry are to say, thing by thing: each sample and each change, in order, at its own time.
//!
//! A sample of a sensor has the value of the readings (`rank`). A sample of a climate or an output says what the core shows of it,
//! which other rules judge. An output has a record of each entry of the history, a climate of each change of its regime, an alarm
//! of its beginning and of its end. Deliberately absent: in which message a record stands, and what becomes of that (`telemetry`).

use super::rank::Judge;
use core::hash::{Hash as _, Hasher as _};
use core::time::Duration;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::DefaultHasher;
use twind::engine::Core;
use twind::report::Notice;
use twind::units::BootTime;

/// A clock in seconds may differ by this much.
const CLOCK_OFF_S: u64 = 2;
/// What a record has of its time.
const TIMES: [&str; 3] = ["time", "secondsSinceBoot", "boot"];
/// Numbers are rounded to three places.
const ROUNDED: f64 = 0.000_6;

pub(super) type Record = Map<String, Value>;
/// What a record is about: its kind and the name.
pub(super) type Thing = (&'static str, String);

/// When a record was made.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) at: Duration,
    now: BootTime,
    boot: u128,
    /// The wall-clock time of boot time zero that was believed after what happened then, and after the last two things before: a
    /// clock may count from the next thing on.
    believed: [Option<u64>; 3],
}

/// What a record is to have under a key.
#[derive(Clone, Debug)]
enum Want {
    Number(f64),
    Text(String),
    Flag(bool),
    Something,
    Nothing,
}

#[derive(Clone, Debug)]
struct Expected {
    moment: Moment,
    wants: Vec<(String, Want)>,
}

/// A record that was seen: what it says, and when that was.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    hash: u64,
    pub(super) moment: Moment,
}

/// When boot time zero was, as it was believed in each boot.
#[derive(Default)]
pub(super) struct Boots(BTreeMap<u128, BTreeSet<u64>>);

impl Boots {
    pub(super) fn believe(&mut self, boot: u128, booted: u64) {
        self.0.entry(boot).or_default().insert(booted);
    }

    /// May a thing of that moment have this time?
    pub(super) fn allow(&self, moment: &Moment, told: u64) -> bool {
        let fits = |booted: &u64| (booted + moment.now.since_boot().as_secs()).abs_diff(told) <= CLOCK_OFF_S;
        let later = moment.believed.contains(&None).then(|| self.0.get(&moment.boot));
        moment.believed.iter().flatten().any(fits) || later.flatten().into_iter().flatten().any(fits)
    }

    /// May what happened between two moments of a boot have this time?
    pub(super) fn allow_between(&self, from: &Moment, to: &Moment, told: u64) -> bool {
        let fits = |booted: &u64| {
            let [from, to] = [from, to].map(|moment| booted + moment.now.since_boot().as_secs());
            (from.saturating_sub(CLOCK_OFF_S)..=to + CLOCK_OFF_S).contains(&told)
        };
        self.0.get(&from.boot).into_iter().flatten().any(fits)
    }
}

/// What one process measured and decided, and has not told yet.
#[derive(Default)]
pub(super) struct Records {
    things: BTreeSet<Thing>,
    expected: BTreeMap<Thing, VecDeque<Expected>>,
    alarms: BTreeSet<String>,
    /// Of this moment.
    moment: Option<Moment>,
    boot: u128,
    believed: [Option<u64>; 3],
    /// The memory was full: what is missing may have gone then.
    pub(super) has_shed: bool,
}

impl Records {
    pub(super) fn start(things: &BTreeSet<Thing>, boot: u128) -> Self {
        Self { things: things.clone(), boot, ..Self::default() }
    }

    /// What happens now happens at this moment.
    pub(super) fn begin(&mut self, at: Duration, now: BootTime, engine: &Core, boots: &mut Boots) {
        let wall = engine.wall(now);
        let booted = wall.map(|wall| wall.0.saturating_sub(now.since_boot().as_secs()));
        booted.into_iter().for_each(|booted| boots.believe(self.boot, booted));
        let [_, before, last] = self.believed;
        self.believed = [before, last, booted];
        self.moment = Some(Moment { at, now, boot: self.boot, believed: self.believed });
    }

    pub(super) fn moment(&self) -> Option<&Moment> {
        self.moment.as_ref()
    }

    fn expect(&mut self, thing: Thing, wants: Vec<(String, Want)>) {
        if let Some(moment) = self.moment.clone() {
            self.expected.entry(thing).or_default().push_back(Expected { moment, wants });
        }
    }

    /// A sample is taken.
    pub(super) fn sample(&mut self, now: BootTime, engine: &Core, judge: &Judge) {
        for (index, spec) in judge.spec.sensors.iter().enumerate() {
            let want = match judge.value(now, index) {
                Some(value) => (spec.measures.clone(), Want::Number(value)),
                None => ("fault".to_owned(), Want::Something),
            };
            self.expect(("sensor", spec.name.clone()), vec![want]);
        }
        for (_, climate) in engine.climates().iter() {
            let (spec, range) = (climate.spec(), climate.range());
            let measures = spec.quantity.measures();
            let (first, rest) = measures.split_at(1);
            let end = |end: &str| format!("{end}{}{rest}", first.to_uppercase());
            let wants = vec![
                (measures.to_owned(), climate.value().map_or(Want::Nothing, Want::Number)),
                (end("min"), Want::Number(range.min())),
                (end("max"), Want::Number(range.max())),
                ("regime".to_owned(), Want::Text(climate.regime().name(&spec.quantity).to_owned())),
            ];
            self.expect(("climate", spec.label().to_owned()), wants);
        }
        for (_, spec, state) in engine.outputs().iter() {
            let steady = state.steady().filter(|_| !engine.has_pin_faults());
            let wants = steady.map_or_else(Vec::new, |drive| {
                vec![
                    ("dutyPercent".to_owned(), Want::Number(f64::from(drive.get()) / 10.0)),
                    ("cause".to_owned(), Want::Text(state.cause.by_name(engine.climates()).to_string())),
                ]
            });
            self.expect(("output", spec.name.clone()), wants);
        }
    }

    /// Something that has a record may be told of.
    pub(super) fn handle_notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Driven { output, permille, cause, is_entry: true, .. } => {
                let wants = vec![
                    ("dutyPercent".to_owned(), Want::Number(f64::from(*permille) / 10.0)),
                    ("cause".to_owned(), Want::Text(cause.clone())),
                ];
                self.expect(("output", output.clone()), wants);
            }
            Notice::Regime { climate, quantity, regime, .. } => {
                let name = climate.clone().unwrap_or_else(|| "climate".to_owned());
                let regime = Want::Text(regime.name(quantity).to_owned());
                self.expect(("climate", name), vec![("regime".to_owned(), regime)]);
            }
            _ => {}
        }
    }

    /// Have alarms begun or ended?
    pub(super) fn follow_alarms(&mut self, engine: &Core) {
        let names: BTreeSet<String> = engine.alarms().iter().map(|(name, _)| name.to_owned()).collect();
        for name in names.symmetric_difference(&core::mem::replace(&mut self.alarms, names.clone())) {
            let is_raised = names.contains(name);
            let text = if is_raised { Want::Something } else { Want::Nothing };
            let wants = vec![("raised".to_owned(), Want::Flag(is_raised)), ("text".to_owned(), text)];
            self.expect(("alarm", name.clone()), wants);
        }
    }

    /// A record is seen for the first time. `None`: it speaks of a loss.
    pub(super) fn see(&mut self, record: &Record, boots: &Boots) -> Result<Option<Seen>, String> {
        if record.contains_key("dropped") {
            return Ok(None);
        }
        let mut kinds = ["sensor", "climate", "output", "alarm"].into_iter();
        let thing = kinds.find_map(|kind| Some((kind, record.get(kind)?.as_str()?.to_owned())));
        let thing = thing.ok_or_else(|| format!("a record of nothing: {record:?}"))?;
        if thing.0 != "alarm" && !self.things.contains(&thing) {
            return Err(format!("a record of what there is not: {record:?}"));
        }
        let waiting = self.expected.entry(thing).or_default();
        loop {
            let Some(now) = waiting.front().map(|first| first.moment.now) else {
                return Err(format!("nothing was measured or decided of which this tells: {record:?}"));
            };
            // At one moment the order is the core's. What is asked for most exactly is the one that is meant.
            let together = waiting.iter().take_while(|one| one.moment.now == now);
            let fitting = together.enumerate().filter(|(_, one)| one.fits(record, boots));
            let found = fitting.max_by_key(|(_, one)| one.wants.len()).map(|(index, _)| index);
            match found.and_then(|index| waiting.remove(index)) {
                Some(Expected { moment, .. }) => return Ok(Some(Seen { hash: hash(record), moment })),
                None if self.has_shed => drop(waiting.pop_front()),
                None => return Err(format!("it should tell of {:?}, and is {record:?}", waiting.front())),
            }
        }
    }

    /// The oldest that was not told yet.
    pub(super) fn oldest(&self) -> Option<(&Thing, &Moment)> {
        let oldest =
            self.expected.iter().filter_map(|(thing, waiting)| Some((thing, &waiting.front()?.moment)));
        oldest.min_by_key(|(_, moment)| moment.at)
    }

    /// An alarm that began or ended before this moment, and was not told yet.
    pub(super) fn waiting_alarm(&self, at: Duration) -> Option<(&str, Duration)> {
        let alarms = self.expected.iter().filter(|((kind, _), _)| *kind == "alarm");
        let mut waiting =
            alarms.filter_map(|((_, name), waiting)| Some((name.as_str(), waiting.front()?.moment.at)));
        waiting.find(|(_, since)| *since < at)
    }
}

impl Expected {
    fn fits(&self, record: &Record, boots: &Boots) -> bool {
        self.moment.check(record, boots).is_ok()
            && self.wants.iter().all(|(key, want)| want.is(record.get(key)))
    }
}

impl Want {
    fn is(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Number(number) => {
                value.and_then(Value::as_f64).is_some_and(|value| (value - number).abs() < ROUNDED)
            }
            Self::Text(text) => value.and_then(Value::as_str) == Some(text),
            Self::Flag(flag) => value.and_then(Value::as_bool) == Some(*flag),
            Self::Something => value.and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
            Self::Nothing => value.is_none(),
        }
    }
}

impl Moment {
    /// Is the time in a record that of this moment?
    fn check(&self, record: &Record, boots: &Boots) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}, it was made at {self:?}: {record:?}"));
        match (record.get("time").and_then(Value::as_str), record.get("secondsSinceBoot")) {
            (Some(time), None) => match unix(time) {
                Some(told) if boots.allow(self, told) => Ok(()),
                _ => wrong("another time"),
            },
            (None, Some(_)) if !self.believed.contains(&None) => {
                wrong("the clock is believed, and there is no time")
            }
            (None, Some(since)) => {
                let since = since.as_f64().unwrap_or(-1.0);
                let is_right = (since - self.now.since_boot().as_secs_f64()).abs() < 0.01;
                let boot = record.get("boot").and_then(Value::as_str).unwrap_or_default();
                let is_same_boot = u128::from_str_radix(boot, 16) == Ok(self.boot);
                if is_right && is_same_boot {
                    Ok(())
                } else {
                    wrong("another time since the boot, or another boot")
                }
            }
            _ => wrong("one time is needed"),
        }
    }
}

impl Seen {
    /// Is this the record that was seen, with a time that is right?
    pub(super) fn check(&self, record: &Record, boots: &Boots) -> Result<(), String> {
        if self.hash != hash(record) {
            return Err(format!("it said something else before: {record:?}"));
        }
        self.moment.check(record, boots)
    }
}

/// Of what a record says, without its time.
fn hash(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, value) in record.iter().filter(|(key, _)| !TIMES.contains(&key.as_str())) {
        (key, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// RFC 3339 in UTC, in seconds.
fn unix(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
