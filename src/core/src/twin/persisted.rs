//! What is kept beside the twin's copy so that a start goes on where the process ended: overrides, and in which boot that
//! was.
//!
//! An override's end is kept in boot time, which means something for as long as the machine runs. Which *boot* that was
//! tells the record. After another boot its rest is what it was when the record was made, less what has surely passed
//! since: the time since boot, and if the wall clock could be believed both times, the time that it shows. A clock may
//! only shorten an override, and a wrong one ends it early, which leaves the output to the ranks below.
//! Deliberately absent: files, and how records are spaced (the engine's).

use crate::units::{BootId, BootTime, Permille, UnixSeconds};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who put a hand on an output.
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

/// A technician's hand on an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The share that was asked for.
    pub drive: Permille,
    /// When it ends.
    pub until: BootTime,
    /// Whose hand it is.
    pub by: Author,
}

/// The machine as it is now: which boot, and what the wall clock said at a time when it could be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `None` if the system does not tell.
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

    /// What has surely passed since a record was made, at a start.
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

impl Override {
    /// An override that was kept, at a start; `None` if it is over.
    pub fn resume(self, now: BootTime, kept: &Moment, machine: &Machine) -> Option<Self> {
        let until = if machine.is_of(kept) {
            self.until
        } else {
            now + self.until.since(kept.at).saturating_sub(machine.passed_since(kept, now))
        };
        (until > now).then_some(Self { until, ..self })
    }
}

/// Writes all of it into a record's object; what there is none of leaves no trace.
pub(super) fn encode(object: &mut Map<String, Value>, moment: &Moment, overrides: &[(String, Override)]) {
    if *moment != Moment::default() {
        let boot = moment.boot.map(|boot| boot.to_string());
        let wall = moment.wall.map(|wall| wall.0);
        object.insert("moment".into(), json!({ "boot": boot, "atNs": nanos(moment.at), "wall": wall }));
    }
    if !overrides.is_empty() {
        let one = |(output, hand): &(String, Override)| {
            let (permille, until) = (hand.drive.get(), nanos(hand.until));
            let by = hand.by.to_string();
            (output.clone(), json!({ "permille": permille, "untilNs": until, "by": by }))
        };
        object.insert("overrides".into(), overrides.iter().map(one).collect::<Map<_, _>>().into());
    }
}

/// What a record's object holds of it. What cannot be read counts as not there: the twin's copy is worth more.
pub(super) fn decode(fields: &Map<String, Value>) -> (Moment, Vec<(String, Override)>) {
    let moment = fields.get("moment").map_or_else(Moment::default, |moment| Moment {
        boot: moment["boot"].as_str().and_then(BootId::parse),
        at: time(&moment["atNs"]).unwrap_or_default(),
        wall: moment["wall"].as_u64().map(UnixSeconds),
    });
    let hand = |(output, value): (&String, &Value)| {
        let by = Author::parse(value["by"].as_str()?)?;
        Some((output.clone(), Override { drive: share(value)?, until: time(&value["untilNs"])?, by }))
    };
    let overrides = fields.get("overrides").and_then(Value::as_object);
    (moment, overrides.map(|object| object.iter().filter_map(hand).collect()).unwrap_or_default())
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

    /// How much is left of an override that ended two hours after the record of boot 1 was made.
    fn left(start: &Machine, now: u64, wall_then: Option<u64>) -> Option<u64> {
        let kept = Moment { boot: Some(BootId(1)), at: at(1000), wall: wall_then.map(UnixSeconds) };
        let hand = Override { drive: Permille::FULL, until: at(1000 + 2 * HOUR), by: Author::Hub };
        hand.resume(at(now), &kept, start).map(|hand| hand.until.since(at(now)).as_secs())
    }

    #[test]
    fn in_the_same_boot_the_end_is_the_same_whatever_the_wall_clock_says() {
        let same = machine(1, Some((9_000_000, 1500)));
        assert_eq!(left(&same, 1500, Some(1000)), Some(2 * HOUR - 500));
        assert_eq!(left(&same, 1000 + 2 * HOUR, None), None);
    }

    #[test]
    fn after_another_boot_the_time_since_that_boot_has_passed() {
        assert_eq!(left(&machine(2, None), 30, None), Some(2 * HOUR - 30));
        assert_eq!(left(&machine(2, None), 2 * HOUR, None), None);
        let unknown = Machine::default();
        assert_eq!(left(&unknown, 30, None), Some(2 * HOUR - 30), "a boot without a name is another");
    }

    #[test]
    fn after_another_boot_a_wall_clock_shortens_and_never_lengthens() {
        assert_eq!(left(&machine(2, Some((5000 + HOUR, 30))), 30, Some(5000)), Some(HOUR));
        assert_eq!(left(&machine(2, Some((5000 + 3 * HOUR, 30))), 30, Some(5000)), None);
        assert_eq!(left(&machine(2, Some((4000, 30))), 30, Some(5000)), Some(2 * HOUR - 30), "it went back");
        assert_eq!(left(&machine(2, Some((5000 + HOUR, 30))), 30, None), Some(2 * HOUR - 30));
    }

    #[test]
    fn an_author_comes_back_from_its_text() {
        for author in [Author::User(1000), Author::Hub] {
            assert_eq!(Author::parse(&author.to_string()), Some(author));
        }
        assert_eq!(Author::parse("uid x"), None);
    }
}
