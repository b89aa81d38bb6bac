//! Clock sanity: whether the wall clock can be believed, and what an accepted connection proves about it. The link, the
//! start of the process and the simulation all use this one rule.
//!
//! A Raspberry Pi has no battery-backed clock: it starts in 1970, or at its last shutdown, until the network sets the time.
//! A hub refuses a token that is dated so as if the key were wrong (azure-iot-sdks#152), so none is made.
//!
//! - A time before this program was built is never believed.
//! - A time before the *known time* is doubted. The known time may itself be wrong, so a clock that nobody sets for
//!   [`PATIENCE`] is believed after all.
//! - A hub accepts a token that expires in the hub's future. So the clock that dated it was behind the true time by no more
//!   than the token's lifetime; it may be ahead. A known time that is further ahead than that lifetime is proved wrong. One
//!   that is less far ahead can be replaced at no greater error. Hence **the time that dated the last accepted token is the
//!   known time, be it lower or higher than before**. During a connection the known time advances by boot time; what the
//!   wall clock shows meanwhile proves nothing.
//! - For the same reason no time can be true that is ahead of it by more than the token's lifetime. Such a clock does not
//!   become the known time until nobody has set it for [`PATIENCE`]. It may date tokens, since a hub accepts them.

use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;

/// 2025-01-01, for builds that do not say when they were made.
const FLOOR: u64 = 1_735_689_600;
/// When this program was built, as far as it knows: `SOURCE_DATE_EPOCH` (reproducible-builds.org), if it was set.
pub const BUILT: UnixSeconds = UnixSeconds(built(option_env!("SOURCE_DATE_EPOCH")));
/// A clock that is set back by this little was never wrong: the hub tolerates as much.
const TOLERANCE_SECS: u64 = 300;
/// A clock that nobody sets for this long is believed: then the known time is the wrong one.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// A clock that is set by less than this changes nothing for a token.
const STEP_SECS: u64 = 60;

/// The later of the build time and the floor. What is no number counts as absent.
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

/// A wall-clock time, and the boot time at which the clock showed it.
pub type Dated = (UnixSeconds, BootTime);

/// What is known about one machine's clock.
#[derive(Clone, Debug, Default)]
pub struct ClockSanity {
    /// The time that was known at the start.
    known: UnixSeconds,
    accepted: Option<Accepted>,
    behind_since: Option<BootTime>,
    ahead_since: Option<BootTime>,
}

/// The time that dated the last accepted token.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    dated: Dated,
    /// The token's lifetime; `None` if a certificate authenticated instead, which proves nothing.
    lifetime: Option<Duration>,
}

impl ClockSanity {
    /// Starts from the known time of a record.
    pub fn after(known: UnixSeconds) -> Self {
        Self { known, ..Self::default() }
    }

    /// The known time.
    pub fn known(&self) -> UnixSeconds {
        self.accepted.map_or(self.known, |accepted| accepted.dated.0)
    }

    /// May this time date a token?
    ///
    /// # Errors
    /// The time before which it is not believed.
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

    /// The hub accepted a connection at this time: by a token with this lifetime, or by a certificate if there is none. Does
    /// it become the known time?
    pub fn accept(&mut self, dated: Dated, lifetime: Option<Duration>) -> bool {
        if lifetime.is_none() && self.judge(dated).is_err() || !self.may_be(dated) {
            return false;
        }
        (self.behind_since, self.ahead_since) = (None, None);
        self.accepted = Some(Accepted { dated, lifetime });
        true
    }

    /// While connected: was the clock set so that a token dated `before` expires sooner than it seems? That needs a clock
    /// that was behind, and a new time that may be true.
    pub fn shortens(&mut self, dated: Dated, before: Dated) -> bool {
        let goes_on = before.0.0.saturating_add(dated.1.since(before.1).as_secs());
        let may_be = self.judge(dated).is_ok() && self.may_be(dated);
        may_be && dated.0.0 >= goes_on.saturating_add(STEP_SECS)
    }

    /// Can it be true, or is it too far ahead of what a hub accepted? Boot time is exact to one part in a thousand or better.
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
    fn the_build_time_is_a_number_or_the_floor() {
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
    fn a_time_before_the_known_time_is_doubted_until_nobody_has_set_it_for_long_enough() {
        let known = wall(1_000_000);
        let mut sanity = ClockSanity::after(known);
        assert_eq!(sanity.judge((wall(5), at(10))), Err(known));
        assert_eq!(sanity.judge((wall(5), at(9) + PATIENCE)), Err(known));
        assert_eq!(sanity.judge((wall(5), at(10) + PATIENCE)), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_right_is_doubted_anew_when_it_goes_wrong_again() {
        let known = wall(1_000_000);
        let mut sanity = ClockSanity::after(known);
        assert!(sanity.judge((wall(5), at(0))).is_err());
        assert_eq!(sanity.judge((UnixSeconds(known.0 - TOLERANCE_SECS), at(1))), Ok(()));
        assert!(sanity.judge((wall(5), at(0) + PATIENCE)).is_err());
    }

    #[test]
    fn a_known_time_in_the_future_is_waited_for_once_and_yields_to_an_accepted_token() {
        let mut sanity = ClockSanity::after(wall(YEAR));
        assert!(sanity.judge((wall(0), at(0))).is_err());
        let later = at(0) + PATIENCE;
        assert!(sanity.judge((wall(900), later)).is_ok());
        assert!(sanity.accept((wall(900), later), Some(HOUR)));
        assert_eq!(sanity.known(), wall(900));
        // The clock jumps ahead and back, which would have begun another wait.
        assert!(sanity.judge((wall(2 * YEAR), at(1000))).is_ok());
        assert!(sanity.judge((wall(1001), at(1001))).is_ok());
    }

    #[test]
    fn a_clock_far_ahead_of_an_accepted_token_is_not_the_known_time_until_nobody_has_set_it_for_long_enough()
    {
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
    fn an_accepted_token_is_believed_whatever_was_known() {
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
    fn only_a_believable_step_forward_shortens_a_token() {
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
    fn the_largest_times_do_not_overflow() {
        for end in [1 << 31, 1 << 32, 568_971_820_800, u64::MAX] {
            let mut sanity = ClockSanity::after(UnixSeconds(end));
            let _ = sanity.judge((UnixSeconds(end), at(0)));
            assert!(sanity.accept((UnixSeconds(end), at(0)), Some(Duration::MAX)));
            let _ = sanity.shortens((UnixSeconds(u64::MAX), at(5)), (UnixSeconds(end), at(0)));
            let _ = sanity.accept((UnixSeconds(u64::MAX), BootTime::from_boot(Duration::MAX)), Some(HOUR));
        }
    }
}
