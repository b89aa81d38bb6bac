//! An independent reading of schedules: written from the handbook's section on them (`packaging/doc/twin.md`), without looking
//! at the core's `control/schedule.rs`. Of the zone it only asks how far local time is from UTC at a moment.
//!
//! An entry holds at a moment if one of its windows does, and a window runs from the moment at which the clock shows `from` to
//! the moment at which it shows `to`. A clock that shows a time twice means the first; one that skips it means as much later.
//! Deliberately absent: which clock may be believed (`clock`).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const DAY_S: i64 = 86_400;
const DAY_MINUTES: i64 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One entry of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// On which days it begins, from Monday.
    days: [bool; 7],
    /// Minutes after midnight.
    from: i64,
    to: i64,
    pub(crate) range: (f64, f64),
}

impl Entry {
    /// `None` if it cannot be applied. `range` reads the ends of its range.
    pub(crate) fn read(
        raw: &Value,
        range: impl Fn(&Map<String, Value>) -> Option<(f64, f64)>,
    ) -> Option<Self> {
        let fields = raw.as_object()?;
        let time = |key: &str| minutes(fields.get(key)?.as_str()?);
        let (from, to) = (time("from")?, time("to")?);
        let days = match fields.get("days") {
            None => [true; 7],
            Some(days) => weekdays(days.as_str()?)?,
        };
        let has_end = fields.keys().any(|key| key.starts_with("min") || key.starts_with("max"));
        let range = range(fields).filter(|_| has_end && from < DAY_MINUTES)?;
        Some(Self { days, from, to, range })
    }

    /// Does it hold at this moment?
    fn holds(&self, zone: &TimeZone, now: i64) -> bool {
        let today = (now + offset(zone, now)).div_euclid(DAY_S);
        // A window ends on the day after its beginning at the latest, and a clock may skip a day.
        (today - 3..=today).any(|day| {
            // The first of January 1970 was a Thursday.
            let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
            let end = if self.to > self.from { self.to } else { self.to + DAY_MINUTES };
            let moment = |minute: i64| shows(zone, day * DAY_S + minute * 60);
            self.days[weekday] && moment(self.from) <= now && now < moment(end)
        })
    }
}

/// The entry that holds: of several, the first by name.
pub(crate) fn holding<'e>(
    entries: &'e BTreeMap<String, Entry>,
    zone: &TimeZone,
    now: i64,
) -> Option<&'e str> {
    entries.iter().find(|(_, entry)| entry.holds(zone, now)).map(|(name, _)| name.as_str())
}

/// Local time less UTC, in seconds.
fn offset(zone: &TimeZone, at: i64) -> i64 {
    Timestamp::from_second(at).map_or(0, |at| i64::from(zone.to_offset(at).seconds()))
}

/// The first moment at which the local clock shows this, as seconds since 1970 by that clock; where it is skipped, as much
/// later as the clock is put forward.
fn shows(zone: &TimeZone, local: i64) -> i64 {
    // No zone is more than a day from UTC, so its offsets around that time are those of two days.
    let (before, after) = (offset(zone, local - DAY_S), offset(zone, local + DAY_S));
    let candidates = [local - before, local - after];
    let shown = candidates.into_iter().filter(|at| at + offset(zone, *at) == local).min();
    shown.unwrap_or(local - before)
}

fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
}

fn weekdays(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let place = |name: &str| NAMES.iter().position(|known| *known == name);
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (place(first)?, place(last)?);
        days[day] = true;
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
    }
    Some(days)
}
