//! Waiting for a moment of boot time, and for the wall clock to be set.
//!
//! The runtime's timers stand still while the machine sleeps, so the clock decides. The *offset* of the wall clock from boot time
//! changes only when somebody sets the clock.

use crate::hub::Clock;
use crate::units::BootTime;
use core::time::Duration;
use tokio::time::sleep;

/// A clock that is set by less than this changes nothing: the hub accepts five minutes.
const STEP_SECS: u64 = 60;

/// Waits for a moment.
pub(super) async fn until(clock: &dyn Clock, moment: BootTime) {
    loop {
        let left = moment.since(clock.boot());
        if left.is_zero() {
            return;
        }
        sleep(left).await;
    }
}

/// Waits for a moment, or for ever.
pub(super) async fn until_some(clock: &dyn Clock, moment: Option<BootTime>) {
    match moment {
        Some(moment) => until(clock, moment).await,
        None => core::future::pending().await,
    }
}

/// Waits until the wall clock has been set since `before`, looking every so often.
pub(super) async fn until_set(clock: &dyn Clock, before: ClockOffset, look: Duration) {
    while !before.was_set(ClockOffset::of(clock)) {
        sleep(look).await;
    }
}

/// By how many seconds the wall clock is ahead of boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOffset(i64);

impl ClockOffset {
    /// The present one.
    pub(super) fn of(clock: &dyn Clock) -> Self {
        let boot = i64::try_from(clock.boot().since_boot().as_secs()).unwrap_or(i64::MAX);
        Self(i64::try_from(clock.unix().0).unwrap_or(i64::MAX).saturating_sub(boot))
    }

    fn was_set(self, now: Self) -> bool {
        now.0.abs_diff(self.0) >= STEP_SECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_of_a_minute_counts() {
        let before = ClockOffset(1_000);
        assert!(!before.was_set(ClockOffset(1_059)) && !before.was_set(ClockOffset(941)));
        assert!(before.was_set(ClockOffset(1_060)) && before.was_set(ClockOffset(940)));
        assert!(ClockOffset(i64::MAX).was_set(ClockOffset(i64::MIN)));
    }
}
