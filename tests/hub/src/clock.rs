//! The wall clock and its text forms: the only module that reads the time of day.
//!
//! *Unix seconds* are seconds since 1970-01-01T00:00:00Z. Time zones and leap seconds are deliberately absent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The "never" of the service's documents.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

const SECONDS_PER_DAY: u64 = 86_400;

/// Seconds since the epoch; 0 for a clock set before it.
pub fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// Now, as the service writes it: UTC with seven fractional digits.
pub fn now_utc() -> String {
    let now = since_epoch();
    utc_text(now.as_secs(), now.subsec_nanos() / 100)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `2024-02-29T12:34:56.1234567Z`; `ticks` are units of 100 ns.
pub fn utc_text(unix_seconds: u64, ticks: u32) -> String {
    let (year, month, day) = civil_date(unix_seconds);
    let rest = unix_seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z")
}

/// Year, month and day of a moment in the Gregorian calendar.
pub fn civil_date(unix_seconds: u64) -> (i32, u8, u8) {
    let mut days = unix_seconds / SECONDS_PER_DAY;
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length || year == 9999 {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, u8::try_from(days + 1).unwrap_or(31))
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_and_two_leap_days_are_written_right() {
        assert_eq!(utc_text(0, 0), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(utc_text(951_782_400, 5), "2000-02-29T00:00:00.0000005Z");
        assert_eq!(utc_text(1_709_210_096, 1_234_567), "2024-02-29T12:34:56.1234567Z");
        assert_eq!(utc_text(1_735_689_599, 0), "2024-12-31T23:59:59.0000000Z");
        assert_eq!(utc_text(1_735_689_600, 0), "2025-01-01T00:00:00.0000000Z");
    }
}
