//! Clock sanity: whether the wall clock can be believed, and what a hub's welcome says about it. The rule stands here
//! once; the link, a start of the process and the simulation ask it.
//!
//! A Pi has no clock of its own: it starts in 1970, or at its last shutdown, until the network tells it the time. A
//! token dated so is refused as if the key were wrong (azure-iot-sdks#152), so none is made.
//!
//! - What is before the day on which this program was built is never believed.
//! - What is before the *known time* is doubted. That may itself have been wrong, so after [`PATIENCE`] a clock that
//!   nobody sets is taken at its word.
//! - A hub takes a token whose end lies in the hub's future. That proves that the clock which dated it was behind the
//!   truth by no more than the token's life; a clock that is ahead is welcome, too. So it proves the time that was known
//!   before to be wrong if that lies further ahead, and where it lies less far ahead, to go back to the clock's word
//!   costs no more than that: **the clock that dated the last token that was taken is the known time, lower or higher**.
//!   On a connection it goes on by boot time; what the wall clock says meanwhile proves nothing.
//! - For the same reason nothing can be true that lies ahead of that time by more than the token's life: such a clock
//!   does not become the known time either, until nobody has set it for [`PATIENCE`]. It may date tokens, for they are
//!   taken.
//!
//! Deliberately absent: reading and keeping the time.

use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;

/// 2025-01-01, for builds that do not say when they were made.
const FLOOR: u64 = 1_735_689_600;
/// When this program was built, as far as it knows: `SOURCE_DATE_EPOCH` (reproducible-builds.org), if it was set.
pub const BUILT: UnixSeconds = UnixSeconds(built(option_env!("SOURCE_DATE_EPOCH")));
/// A clock that was corrected backwards by so little was never wrong: it is what the hub forgives.
const TOLERANCE_SECS: u64 = 300;
/// After so long a clock that nobody sets is taken at its word: then the time that was known is the wrong one.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// A clock that is set by less than this changes nothing for a token.
const STEP_SECS: u64 = 60;

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

/// A wall time, and when the clock said it.
pub type Dated = (UnixSeconds, BootTime);

/// What is known of one machine's clock.
#[derive(Clone, Debug, Default)]
pub struct ClockSanity {
    /// The time that was known at the start.
    known: UnixSeconds,
    accepted: Option<Accepted>,
    behind_since: Option<BootTime>,
    ahead_since: Option<BootTime>,
}

/// The clock that dated the last token that was taken.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    dated: Dated,
    /// How long the token lives; `None` where a certificate spoke instead, which proves nothing.
    lifetime: Option<Duration>,
}

impl ClockSanity {
    /// With the last time that is known to have been.
    pub fn after(known: UnixSeconds) -> Self {
        Self { known, ..Self::default() }
    }

    /// The time that is known.
    pub fn known(&self) -> UnixSeconds {
        self.accepted.map_or(self.known, |accepted| accepted.dated.0)
    }

    /// May this time date a token?
    ///
    /// # Errors
    /// What it cannot be before.
    pub fn judge(&mut self, (wall, now): Dated) -> Result<(), UnixSeconds> {
        if wall < BUILT {
            return Err(BUILT);
        }
        let known = self.known();
        if wall.0.saturating_add(TOLERANCE_SECS) >= known.0 {
            self.behind_since = None;
            return Ok(());
        }
        let since = *self.behind_since.get_or_insert(now);
        if now.since(since) < PATIENCE { Err(known) } else { Ok(()) }
    }

    /// The hub took what was dated so: a token with this lifetime, or with none of ours a certificate. Is it the known
    /// time from now on?
    pub fn accept(&mut self, dated: Dated, lifetime: Option<Duration>) -> bool {
        if lifetime.is_none() && self.judge(dated).is_err() || !self.may_be(dated) {
            return false;
        }
        (self.behind_since, self.ahead_since) = (None, None);
        self.accepted = Some(Accepted { dated, lifetime });
        true
    }

    /// While connected: was the clock set so that a token dated `before` ends sooner than it seems? Only a clock that
    /// was behind did that, and only one that may be right says so.
    pub fn shortens(&mut self, dated: Dated, before: Dated) -> bool {
        let goes_on = before.0.0.saturating_add(dated.1.since(before.1).as_secs());
        let may_be = self.judge(dated).is_ok() && self.may_be(dated);
        may_be && dated.0.0 >= goes_on.saturating_add(STEP_SECS)
    }

    /// May it be true, or is it too far ahead of what a hub took? Boot time is exact to a thousandth, and better.
    fn may_be(&mut self, (wall, now): Dated) -> bool {
        let Some(Accepted { dated: (then, at), lifetime: Some(lifetime) }) = self.accepted else {
            return true;
        };
        let passed = now.since(at).as_secs();
        let latest = [passed, passed / 1000, lifetime.as_secs(), TOLERANCE_SECS];
        if wall.0 <= latest.into_iter().fold(then.0, u64::saturating_add) {
            self.ahead_since = None;
            return true;
        }
        now.since(*self.ahead_since.get_or_insert(now)) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const YEAR: u64 = 365 * 86_400;

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
        let mut sanity = ClockSanity::default();
        for now in [0, 10_000_000] {
            assert_eq!(sanity.judge((UnixSeconds(BUILT.0 - 1), at(now))), Err(BUILT));
        }
        assert_eq!(sanity.judge((BUILT, at(0))), Ok(()));
    }

    #[test]
    fn a_time_before_the_last_known_one_is_doubted_until_nobody_mends_it() {
        let known = wall(1_000_000);
        let mut sanity = ClockSanity::after(known);
        assert_eq!(sanity.judge((wall(5), at(10))), Err(known));
        assert_eq!(sanity.judge((wall(5), at(9) + PATIENCE)), Err(known));
        assert_eq!(sanity.judge((wall(5), at(10) + PATIENCE)), Ok(()));
    }

    #[test]
    fn a_clock_that_was_mended_begins_anew() {
        let known = wall(1_000_000);
        let mut sanity = ClockSanity::after(known);
        assert!(sanity.judge((wall(5), at(0))).is_err());
        assert_eq!(sanity.judge((UnixSeconds(known.0 - TOLERANCE_SECS), at(1))), Ok(()));
        assert!(sanity.judge((wall(5), at(0) + PATIENCE)).is_err());
    }

    #[test]
    fn a_known_time_in_the_future_is_waited_for_once_and_yields_to_a_token_that_was_taken() {
        let mut sanity = ClockSanity::after(wall(YEAR));
        assert!(sanity.judge((wall(0), at(0))).is_err());
        let later = at(0) + PATIENCE;
        assert!(sanity.judge((wall(900), later)).is_ok());
        assert!(sanity.accept((wall(900), later), Some(HOUR)));
        assert_eq!(sanity.known(), wall(900));
        // The clock jumps and comes back, which would have begun another wait.
        assert!(sanity.judge((wall(2 * YEAR), at(1000))).is_ok());
        assert!(sanity.judge((wall(1001), at(1001))).is_ok());
    }

    #[test]
    fn a_clock_that_jumps_ahead_of_what_a_hub_took_is_not_known_until_nobody_mends_it() {
        let mut sanity = ClockSanity::default();
        assert!(sanity.accept((wall(0), at(0)), Some(HOUR)));
        for ahead in [20 * 86_400, 10 * YEAR] {
            assert!(!sanity.accept((wall(ahead), at(60)), Some(HOUR)));
        }
        assert_eq!(sanity.known(), wall(0));
        assert!(sanity.accept((wall(120), at(120)), Some(HOUR)));
        assert!(!sanity.accept((wall(YEAR), at(200)), Some(HOUR)));
        assert!(sanity.accept((wall(YEAR), at(200) + PATIENCE), Some(HOUR)), "nobody sets it");
    }

    #[test]
    fn a_token_that_was_taken_is_believed_whatever_was_known() {
        let mut sanity = ClockSanity::after(wall(YEAR));
        assert!(sanity.accept((wall(10), at(0)), Some(HOUR)));
        assert_eq!(sanity.known(), wall(10));
    }

    #[test]
    fn with_a_certificate_a_clock_counts_only_if_it_is_believed() {
        let mut sanity = ClockSanity::after(wall(YEAR));
        assert!(!sanity.accept((wall(10), at(0)), None));
        assert!(!sanity.accept((UnixSeconds(5), at(0) + PATIENCE), None));
        assert!(sanity.accept((wall(10), at(0) + PATIENCE), None));
        assert!(sanity.accept((wall(3 * YEAR), at(2000)), None));
    }

    #[test]
    fn only_a_believable_step_ahead_shortens_a_token() {
        let mut sanity = ClockSanity::default();
        let before = (wall(1000), at(0));
        assert!(sanity.accept(before, Some(HOUR)));
        for (then, shortens) in
            [(100, false), (159, false), (160, true), (3900, true), (5000, false), (10 * YEAR, false)]
        {
            assert_eq!(sanity.shortens((wall(1000 + then), at(100)), before), shortens, "{then}");
        }
        for back in [wall(900), wall(0), UnixSeconds(0)] {
            assert!(!sanity.shortens((back, at(100)), before), "{back:?}");
        }
    }

    #[test]
    fn the_ends_of_time_are_borne() {
        for end in [1 << 31, 1 << 32, 568_971_820_800, u64::MAX] {
            let mut sanity = ClockSanity::after(UnixSeconds(end));
            let _ = sanity.judge((UnixSeconds(end), at(0)));
            assert!(sanity.accept((UnixSeconds(end), at(0)), Some(Duration::MAX)));
            let _ = sanity.shortens((UnixSeconds(u64::MAX), at(5)), (UnixSeconds(end), at(0)));
            let _ = sanity.accept((UnixSeconds(u64::MAX), BootTime::from_boot(Duration::MAX)), Some(HOUR));
        }
    }
}
