//! When the entries of a schedule hold: windows of the week in the local time of a place.
//!
//! Terms: a *window* is days of the week with a beginning and an end by the clock on the wall. `days` is the day of the
//! beginning; an end that is not later than the beginning lies on the next day, so equal ends make 24 hours. Where the
//! clock is put forward, a time that is skipped moves forward by as much (02:30 becomes 03:30); where it is put back, a
//! time that comes twice means the first. The zone's data is handed in. Deliberately absent: JSON (`intent`), ranges,
//! and whether the clock may be believed.

use crate::units::UnixSeconds;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// How far ahead a change is looked for. A week has every window in it; a window that begins again as it ends has no
/// change at all.
const HORIZON_DAYS: i64 = 7;
const DAY_S: i64 = 86_400;
const UTC: &str = "UTC";
/// A day may be skipped whole (Samoa, 2011), which moves a time of its forward by a day.
const DAYS_BACK: i64 = 2;

/// The zone whose local time counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ZoneFile", into = "ZoneFile")]
pub struct Zone {
    file: ZoneFile,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ZoneFile {
    name: String,
    tzif: Vec<u8>,
}

/// Zone data that is not in the format of RFC 9636.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedZone;

impl fmt::Display for DamagedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("damaged time zone data")
    }
}

impl core::error::Error for DamagedZone {}

impl Zone {
    /// A zone by its name and the data of its file (TZif, RFC 9636).
    pub fn new(name: &str, tzif: &[u8]) -> Result<Self, DamagedZone> {
        if tzif.is_empty() {
            return Err(DamagedZone);
        }
        ZoneFile { name: name.to_string(), tzif: tzif.to_vec() }.try_into()
    }

    /// Coordinated universal time, which needs no data.
    pub fn utc() -> Self {
        Self::utc_named(UTC.to_string())
    }

    /// The same where another zone cannot be had: `UTC`, and why in words for a person.
    pub fn utc_since(why: &str) -> Self {
        Self::utc_named(format!("{UTC}, since {why}"))
    }

    fn utc_named(name: String) -> Self {
        Self { file: ZoneFile { name, tzif: Vec::new() }, zone: TimeZone::UTC }
    }

    /// Its name, such as `Europe/Berlin`, for a person.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    fn date_at(&self, at: i64) -> Option<Date> {
        Some(self.zone.to_datetime(Timestamp::from_second(at).ok()?).date())
    }

    /// When a day's clock shows a time; see the module for one that comes twice or not at all.
    fn instant(&self, date: Date, time: TimeOfDay) -> Option<i64> {
        let (date, minute) = match time.0 {
            TimeOfDay::MIDNIGHT_AFTER => (date.tomorrow().ok()?, 0),
            minute => (date, minute),
        };
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let civil = date.to_datetime(Time::new(hour, minute, 0, 0).ok()?);
        Some(self.zone.to_ambiguous_timestamp(civil).compatible().ok()?.as_second())
    }
}

impl TryFrom<ZoneFile> for Zone {
    type Error = DamagedZone;

    fn try_from(file: ZoneFile) -> Result<Self, DamagedZone> {
        if file.tzif.is_empty() {
            return Ok(Self::utc_named(file.name));
        }
        let zone = TimeZone::tzif(&file.name, &file.tzif).map_err(|_| DamagedZone)?;
        Ok(Self { file, zone })
    }
}

impl From<Zone> for ZoneFile {
    fn from(zone: Zone) -> Self {
        zone.file
    }
}

/// A time on the wall, in minutes after midnight: 00:00 to 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    const MIDNIGHT_AFTER: u16 = 24 * 60;

    /// Reads `22:00` or `7:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !matches!(hour.len(), 1 | 2) || minute.len() != 2 || !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let minutes = hour * 60 + minute;
        (minute < 60 && minutes <= Self::MIDNIGHT_AFTER).then_some(Self(minutes))
    }

    /// A beginning at 24:00 is one of the next day, which `days` does not mean.
    pub fn may_begin(self) -> bool {
        self.0 < Self::MIDNIGHT_AFTER
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Reads days and spans of them: `mon-fri`, `sat,sun`, `fri-mon`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut days = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (Self::place(first)?, Self::place(last)?);
            let count = (last + 7 - first) % 7 + 1;
            (first..first + count).for_each(|day| days |= 1 << (day % 7));
        }
        Some(Self(days))
    }

    fn place(name: &str) -> Option<usize> {
        Self::NAMES.iter().position(|day| day.eq_ignore_ascii_case(name.trim()))
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

/// When an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// On which days it begins.
    pub days: Days,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the next day, unless that is later than `from`.
    pub to: TimeOfDay,
}

impl Window {
    /// The seconds in which it holds, the last one excluded, if it begins on that day.
    fn on(&self, zone: &Zone, date: Date) -> Option<(i64, i64)> {
        if !self.days.has(date.weekday()) {
            return None;
        }
        let last = if self.to > self.from { date } else { date.tomorrow().ok()? };
        let (begin, end) = (zone.instant(date, self.from)?, zone.instant(last, self.to)?);
        (begin < end).then_some((begin, end))
    }
}

/// Named entries, and what each of them sets while it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Schedule<T> {
    entries: BTreeMap<String, (Window, T)>,
}

/// What a schedule says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce<'a, T> {
    /// The entry that holds, of several the first by name, and what it sets.
    pub entry: Option<(&'a str, &'a T)>,
    /// When that changes; `None` if it does not within a week.
    pub until: Option<UnixSeconds>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<T> Schedule<T> {
    /// Has it no entries?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&(Window, T)> {
        self.entries.get(name)
    }

    /// Of entries by name.
    pub fn new(entries: BTreeMap<String, (Window, T)>) -> Self {
        Self { entries }
    }

    /// Which entry holds at a moment, and until when.
    pub fn at(&self, zone: &Zone, now: UnixSeconds) -> InForce<'_, T> {
        let none = InForce { entry: None, until: None };
        let Ok(now) = i64::try_from(now.0) else { return none };
        let Some(today) = zone.date_at(now) else { return none };
        let mut holding = Holding::default();
        let mut edges = Vec::new();
        for days in -DAYS_BACK..=HORIZON_DAYS + 1 {
            let Ok(date) = today.checked_add(jiff::Span::new().days(days)) else { continue };
            for (name, (window, _)) in &self.entries {
                let Some((begin, end)) = window.on(zone, date).filter(|(_, end)| *end > now) else {
                    continue;
                };
                match begin > now {
                    true => edges.push((begin, name.as_str(), Edge::Begin)),
                    false => holding.turn(name, Edge::Begin),
                }
                edges.push((end, name.as_str(), Edge::End));
            }
        }
        edges.retain(|(at, ..)| *at <= now + HORIZON_DAYS * DAY_S);
        edges.sort_unstable_by_key(|(at, name, _)| (*at, *name));
        let entry = holding.entry();
        let mut after = holding.clone();
        let change = edges.chunk_by(|(one, ..), (other, ..)| one == other).find_map(|at_once| {
            at_once.iter().for_each(|(_, name, edge)| after.turn(name, *edge));
            (after.entry() != entry).then(|| at_once.first().map(|(at, ..)| *at)).flatten()
        });
        InForce {
            entry: entry.and_then(|name| Some((name, &self.entries.get(name)?.1))),
            until: change.and_then(|at| u64::try_from(at).ok()).map(UnixSeconds),
        }
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Begin,
    End,
}

/// How many windows of each entry hold. It may be two: one of 24 hours on a day that is an hour shorter.
#[derive(Clone, Default)]
struct Holding<'a>(BTreeMap<&'a str, i32>);

impl<'a> Holding<'a> {
    fn turn(&mut self, name: &'a str, edge: Edge) {
        let count = self.0.entry(name).or_default();
        *count += match edge {
            Edge::Begin => 1,
            Edge::End => -1,
        };
        if *count == 0 {
            self.0.remove(name);
        }
    }

    fn entry(&self) -> Option<&'a str> {
        self.0.keys().next().copied()
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
