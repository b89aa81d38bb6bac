//! Whether the wall clock can be believed enough to date a token by it.
//!
//! A Pi has no clock of its own: it starts in 1970, or at its last shutdown, until the network tells it the time. A
//! token dated so is refused as if the key were wrong (azure-iot-sdks#152), so none is made. Two floors: the day this
//! program was built, below which nothing can be true, and the last time that was known ([`Clock::not_before`]), which
//! may itself have been wrong and is therefore only insisted on for so long.
//! Deliberately absent: reading and keeping the time.
//!
//! [`Clock::not_before`]: super::Clock::not_before

use super::failure::Cause;
use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;

/// 2025-01-01, for builds that do not say when they were made.
const FLOOR: u64 = 1_735_689_600;
/// When this program was built, as far as it knows: `SOURCE_DATE_EPOCH` (reproducible-builds.org), if it was set.
pub const BUILT: UnixSeconds = UnixSeconds(built(option_env!("SOURCE_DATE_EPOCH")));
/// A clock that was corrected backwards by so little was never wrong: it is what the hub forgives.
const TOLERANCE_SECS: u64 = 300;
/// After so long a clock that nobody sets is taken at its word: then the time that was kept is the wrong one.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The later of what the build said and the floor; what is no number is not believed.
const fn built(epoch: Option<&str>) -> u64 {
    let Some(text) = epoch else { return FLOOR };
    let digits = text.as_bytes();
    let (mut value, mut at) = (0_u64, 0);
    // Eleven digits reach the year 5138.
    if digits.is_empty() || digits.len() > 11 {
        return FLOOR;
    }
    while at < digits.len() {
        if !digits[at].is_ascii_digit() {
            return FLOOR;
        }
        value = value * 10 + (digits[at] - b'0') as u64;
        at += 1;
    }
    if value > FLOOR { value } else { FLOOR }
}

/// The judge of one link's clock.
#[derive(Debug, Default)]
pub(super) struct Wall {
    doubted_since: Option<BootTime>,
}

impl Wall {
    /// May this time date a token? `not_before` is the last time that was known.
    pub(super) fn judge(
        &mut self,
        now: BootTime,
        at: UnixSeconds,
        not_before: UnixSeconds,
    ) -> Result<(), Cause> {
        if at < BUILT {
            return Err(Cause::Clock { at, floor: BUILT });
        }
        if at.0.saturating_add(TOLERANCE_SECS) >= not_before.0 {
            self.doubted_since = None;
            return Ok(());
        }
        let since = *self.doubted_since.get_or_insert(now);
        if now.since(since) < PATIENCE { Err(Cause::Clock { at, floor: not_before }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    fn wall(seconds: u64) -> UnixSeconds {
        UnixSeconds(BUILT.0 + seconds)
    }

    #[test]
    fn the_day_of_the_build_is_a_number_or_the_floor() {
        assert_eq!(built(Some("1800000000")), 1_800_000_000);
        for other in [None, Some(""), Some("0"), Some("soon"), Some("-1"), Some("99999999999999999999")] {
            assert_eq!(built(other), FLOOR, "{other:?}");
        }
    }

    #[test]
    fn a_time_before_the_build_is_never_believed() {
        let mut judge = Wall::default();
        for now in [0, 10_000_000] {
            let told = judge.judge(at(now), UnixSeconds(BUILT.0 - 1), UnixSeconds(0));
            assert_eq!(told, Err(Cause::Clock { at: UnixSeconds(BUILT.0 - 1), floor: BUILT }));
        }
        assert_eq!(judge.judge(at(0), BUILT, UnixSeconds(0)), Ok(()));
    }

    #[test]
    fn a_time_before_the_last_known_one_is_doubted_until_nobody_mends_it() {
        let mut judge = Wall::default();
        let known = wall(1_000_000);
        let doubt = Err(Cause::Clock { at: wall(5), floor: known });
        assert_eq!(judge.judge(at(10), wall(5), known), doubt);
        assert_eq!(judge.judge(at(9) + PATIENCE, wall(5), known), doubt);
        assert_eq!(judge.judge(at(10) + PATIENCE, wall(5), known), Ok(()));
    }

    #[test]
    fn a_clock_that_was_mended_begins_anew() {
        let mut judge = Wall::default();
        let known = wall(1_000_000);
        assert!(judge.judge(at(0), wall(5), known).is_err());
        assert_eq!(judge.judge(at(1), UnixSeconds(known.0 - TOLERANCE_SECS), known), Ok(()));
        assert!(judge.judge(at(0) + PATIENCE, wall(5), known).is_err());
    }
}
