//! Wakes the loop at a moment of boot time.
//!
//! It is a kernel timer (timerfd) on the boot-time clock, in which the core gives its deadlines. The runtime's own timers stand
//! still while the machine sleeps, and wake the process several times before a deadline that is seconds ahead.

use crate::units::BootTime;
use core::time::Duration;
use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// A timer that fires once for each moment.
pub(super) struct BootTimer {
    timer: AsyncFd<OwnedFd>,
    /// The moment that it is set to, unless it has fired since.
    set: Option<BootTime>,
}

impl BootTimer {
    /// A timer that is not set. Needs a running tokio runtime.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        // Its replacement is unsafe, for types that do not own their descriptor. This one does.
        #[allow(deprecated)]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { timer, set: None })
    }

    /// Waits until `moment`, which is `left` ahead; not at all if it has passed. May be cancelled at any time.
    pub(super) async fn until(&mut self, moment: BootTime, left: Duration) {
        if self.fire(moment).await.is_err() {
            tokio::time::sleep(left).await;
        }
    }

    async fn fire(&mut self, moment: BootTime) -> io::Result<()> {
        if self.set != Some(moment) {
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once_at(moment))?;
            self.set = Some(moment);
        }
        loop {
            let mut ready = self.timer.readable().await?;
            // The timer was set anew after it fired for an earlier moment, which the runtime has not noticed yet.
            if let Ok(fired) = ready.try_io(|timer| Ok(read(timer, &mut [0; 8])?)) {
                self.set = None;
                return fired.map(|_| ());
            }
        }
    }
}

fn once_at(moment: BootTime) -> Itimerspec {
    let since_boot = moment.since_boot();
    // The moment of boot itself would mean "never" to the kernel.
    let since_boot = since_boot.max(Duration::from_nanos(1));
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let at = Timespec {
        tv_sec: i64::try_from(since_boot.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: since_boot.subsec_nanos().into(),
    };
    Itimerspec { it_interval: never, it_value: at }
}

#[cfg(test)]
mod tests {
    use super::super::SystemClock;
    use super::*;

    const FAR: Duration = Duration::from_secs(3600);

    async fn fires(timer: &mut BootTimer, moment: BootTime) {
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, timer.until(moment, FAR)).await.expect("it does not fire");
    }

    #[tokio::test]
    async fn it_rings_at_its_moment_and_not_before() {
        let clock = SystemClock::default();
        let mut timer = BootTimer::new().unwrap();
        for _ in 0..3 {
            let moment = clock.boot() + Duration::from_millis(30);
            fires(&mut timer, moment).await;
            assert!(clock.boot() >= moment);
        }
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_rings_at_once_even_that_of_boot() {
        let mut timer = BootTimer::new().unwrap();
        fires(&mut timer, BootTime::ZERO).await;
        fires(&mut timer, BootTime::ZERO).await;
        fires(&mut timer, SystemClock::default().boot()).await;
    }

    #[tokio::test]
    async fn a_ring_for_an_earlier_moment_is_not_taken_for_a_later_one() {
        let clock = SystemClock::default();
        let mut timer = BootTimer::new().unwrap();
        // Set, fired unnoticed, and set anew, as when another fact came first.
        let early = clock.boot() + Duration::from_millis(1);
        let unheard = tokio::time::timeout(Duration::ZERO, timer.until(early, FAR)).await;
        assert!(unheard.is_err() || clock.boot() >= early);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let late = clock.boot() + Duration::from_millis(50);
        fires(&mut timer, late).await;
        assert!(clock.boot() >= late);
    }

    #[tokio::test]
    async fn the_end_of_time_can_be_set_and_gives_way_to_a_nearer_moment() {
        let mut timer = BootTimer::new().unwrap();
        let never = BootTime::from_boot(Duration::MAX);
        assert!(tokio::time::timeout(Duration::from_millis(20), timer.until(never, FAR)).await.is_err());
        fires(&mut timer, SystemClock::default().boot()).await;
    }
}
