//! What a record holds besides the twin, so that a process continues where the last one ended: the overrides, and the
//! moment at which the record was made.
//!
//! An override's end is a boot time, which is valid only within one boot, so the record names the *boot*. After another boot
//! the remaining time is what it was when the record was made, less what has certainly passed since: the time since boot,
//! or the difference of the wall clocks if both can be believed and it is longer. A clock can only shorten an override. A
//! wrong clock ends it early, which leaves the output to the ranks below.
//!
//! [`Override`], [`Author`] and [`Machine`] are defined here although `control` and `engine` use them: a [record](super::TwinRecord)
//! holds or dates them, and those rooms use `twin`, so that it cannot use them.

use super::json::number;
use crate::units::{BootId, BootTime, Permille, UnixSeconds};
use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The key of the overrides of climates.
const RANGE_OVERRIDES: &str = "rangeOverrides";

/// Who overrides an output or a climate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// A user of this machine, by number.
    User(u32),
    /// The back end, by a direct method.
    Hub,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Hub => f.write_str("hub"),
        }
    }
}

impl Author {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "hub" => Some(Self::Hub),
            _ => text.strip_prefix("uid ")?.parse().ok().map(Self::User),
        }
    }
}

/// An override: of an output a share of full drive, of a climate a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override<T = Permille> {
    /// What was asked for.
    pub value: T,
    /// When it ends.
    pub until: BootTime,
    /// Who ordered it.
    pub by: Author,
}

/// The range of a climate as a record has it. It holds for a climate that still measures the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersistedRange {
    /// What the climate measures.
    pub measures: String,
    /// The lower end, in the base unit of that: degrees Celsius for a temperature.
    pub min: f64,
    /// The upper end.
    pub max: f64,
}

/// The machine as it is now: which boot, and the wall clock as it was last read and believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `None` if the system does not name it.
    pub boot: Option<BootId>,
    /// The wall clock, and when it was read.
    pub wall: Option<(UnixSeconds, BootTime)>,
}

impl Machine {
    /// The moment at which a record is made.
    pub fn moment(&self, at: BootTime) -> Moment {
        let wall = self.wall.map(|(wall, read)| UnixSeconds(wall.0.saturating_add(at.since(read).as_secs())));
        Moment { boot: self.boot, at, wall }
    }

    /// The time that has certainly passed since a record was made, at a start.
    pub fn passed_since(&self, made: &Moment, now: BootTime) -> Duration {
        let ran = self.ran_since(made, now);
        if self.is_of(made) {
            return ran;
        }
        let walls = made.wall.zip(self.moment(now).wall);
        let by_wall = walls.map_or(0, |(then, now)| now.0.saturating_sub(then.0));
        ran.max(Duration::from_secs(by_wall))
    }

    /// What boot time alone says of that.
    pub fn ran_since(&self, made: &Moment, now: BootTime) -> Duration {
        if self.is_of(made) { now.since(made.at) } else { now.since_boot() }
    }

    /// Is this the boot in which the record was made?
    pub fn is_of(&self, moment: &Moment) -> bool {
        self.boot.is_some() && self.boot == moment.boot
    }
}

/// When a record was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// In which boot of the machine.
    pub boot: Option<BootId>,
    /// Boot time then.
    pub at: BootTime,
    /// The wall clock then, if it could be believed.
    pub wall: Option<UnixSeconds>,
}

impl<T> Override<T> {
    /// A recorded override, at a start; `None` if it has ended.
    pub fn resume(self, now: BootTime, recorded: &Moment, machine: &Machine) -> Option<Self> {
        let until = if machine.is_of(recorded) {
            self.until
        } else {
            now + self.until.since(recorded.at).saturating_sub(machine.passed_since(recorded, now))
        };
        (until > now).then_some(Self { until, ..self })
    }
}

/// Writes the moment and the overrides of outputs into a record's object. What is empty is left out.
pub(super) fn encode(object: &mut Map<String, Value>, moment: &Moment, overrides: &[(String, Override)]) {
    if *moment != Moment::default() {
        let boot = moment.boot.map(|boot| boot.to_string());
        let wall = moment.wall.map(|wall| wall.0);
        object.insert("moment".into(), json!({ "boot": boot, "atNs": nanos(moment.at), "wall": wall }));
    }
    if !overrides.is_empty() {
        let one = |(output, one): &(String, Override)| {
            let (permille, until) = (one.value.get(), nanos(one.until));
            let by = one.by.to_string();
            (output.clone(), json!({ "permille": permille, "untilNs": until, "by": by }))
        };
        object.insert("overrides".into(), overrides.iter().map(one).collect::<Map<_, _>>().into());
    }
}

/// Writes the overrides of climates, under a key of their own that an earlier twind does not look at.
pub(super) fn encode_ranges(
    object: &mut Map<String, Value>,
    overrides: &[(String, Override<PersistedRange>)],
) {
    if overrides.is_empty() {
        return;
    }
    let one = |(climate, one): &(String, Override<PersistedRange>)| {
        let PersistedRange { measures, min, max } = &one.value;
        let (until, by) = (nanos(one.until), one.by.to_string());
        let value = json!({ "measures": measures, "min": min, "max": max, "untilNs": until, "by": by });
        (climate.clone(), value)
    };
    object.insert(RANGE_OVERRIDES.into(), overrides.iter().map(one).collect::<Map<_, _>>().into());
}

/// Reads the overrides of climates. One that cannot be read counts as absent.
pub(super) fn decode_ranges(fields: &Map<String, Value>) -> Vec<(String, Override<PersistedRange>)> {
    let one = |(climate, value): (&String, &Value)| {
        let by = Author::parse(value["by"].as_str()?)?;
        let measures = value["measures"].as_str()?.to_owned();
        let range = PersistedRange { measures, min: number(&value["min"])?, max: number(&value["max"])? };
        Some((climate.clone(), Override { value: range, until: time(&value["untilNs"])?, by }))
    };
    let overrides = fields.get(RANGE_OVERRIDES).and_then(Value::as_object);
    overrides.map(|object| object.iter().filter_map(one).collect()).unwrap_or_default()
}

/// Reads the moment and the overrides of outputs from a record's object. What cannot be read counts as absent, so that it does not cost the twin's copy.
pub(super) fn decode(fields: &Map<String, Value>) -> (Moment, Vec<(String, Override)>) {
    let moment = fields.get("moment").map_or_else(Moment::default, |moment| Moment {
        boot: moment["boot"].as_str().and_then(BootId::parse),
        at: time(&moment["atNs"]).unwrap_or_default(),
        wall: moment["wall"].as_u64().map(UnixSeconds),
    });
    let one = |(output, value): (&String, &Value)| {
        let by = Author::parse(value["by"].as_str()?)?;
        Some((output.clone(), Override { value: share(value)?, until: time(&value["untilNs"])?, by }))
    };
    let overrides = fields.get("overrides").and_then(Value::as_object);
    (moment, overrides.map(|object| object.iter().filter_map(one).collect()).unwrap_or_default())
}

fn share(value: &Value) -> Option<Permille> {
    Permille::new(value["permille"].as_u64()?.try_into().ok()?)
}

fn nanos(time: BootTime) -> u64 {
    time.since_boot().as_nanos().try_into().unwrap_or(u64::MAX)
}

fn time(value: &Value) -> Option<BootTime> {
    value.as_u64().map(|nanos| BootTime::from_boot(Duration::from_nanos(nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    fn machine(boot: u128, wall: Option<(u64, u64)>) -> Machine {
        let wall = wall.map(|(wall, read)| (UnixSeconds(wall), at(read)));
        Machine { boot: Some(BootId(boot)), wall }
    }

    /// How much is left of an override that was to end two hours after the record of boot 1 was made.
    fn left(start: &Machine, now: u64, wall_then: Option<u64>) -> Option<u64> {
        let recorded = Moment { boot: Some(BootId(1)), at: at(1000), wall: wall_then.map(UnixSeconds) };
        let one = Override { value: Permille::FULL, until: at(1000 + 2 * HOUR), by: Author::Hub };
        one.resume(at(now), &recorded, start).map(|one| one.until.since(at(now)).as_secs())
    }

    #[test]
    fn in_the_same_boot_an_override_ends_when_it_was_to_end_whatever_the_wall_clock_says() {
        let same = machine(1, Some((9_000_000, 1500)));
        assert_eq!(left(&same, 1500, Some(1000)), Some(2 * HOUR - 500));
        assert_eq!(left(&same, 1000 + 2 * HOUR, None), None);
    }

    #[test]
    fn after_another_boot_the_time_since_that_boot_is_subtracted() {
        assert_eq!(left(&machine(2, None), 30, None), Some(2 * HOUR - 30));
        assert_eq!(left(&machine(2, None), 2 * HOUR, None), None);
        let unknown = Machine::default();
        assert_eq!(left(&unknown, 30, None), Some(2 * HOUR - 30), "a boot without an id counts as another");
    }

    #[test]
    fn after_another_boot_a_wall_clock_shortens_an_override_and_never_lengthens_it() {
        assert_eq!(left(&machine(2, Some((5000 + HOUR, 30))), 30, Some(5000)), Some(HOUR));
        assert_eq!(left(&machine(2, Some((5000 + 3 * HOUR, 30))), 30, Some(5000)), None);
        assert_eq!(left(&machine(2, Some((4000, 30))), 30, Some(5000)), Some(2 * HOUR - 30), "it went back");
        assert_eq!(left(&machine(2, Some((5000 + HOUR, 30))), 30, None), Some(2 * HOUR - 30));
    }

    #[test]
    fn an_author_is_parsed_from_its_own_text() {
        for author in [Author::User(1000), Author::Hub] {
            assert_eq!(Author::parse(&author.to_string()), Some(author));
        }
        assert_eq!(Author::parse("uid x"), None);
    }
}
