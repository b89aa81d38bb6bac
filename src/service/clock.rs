//! The two clocks, and the only place that reads them.

use crate::sensors::Now;
use crate::twin::{ClockSanity, Dated, Machine};
use crate::units::{BootId, BootTime, UnixSeconds};
use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The wall clock, for the lines of the log.
pub(super) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// The machine's clocks. Clones share the known time.
#[derive(Clone, Debug, Default)]
pub struct SystemClock {
    known_time_secs: Arc<AtomicU64>,
}

impl SystemClock {
    /// The clocks, with a known time.
    pub fn after(known_time: UnixSeconds) -> Self {
        Self { known_time_secs: Arc::new(AtomicU64::new(known_time.0)) }
    }

    /// Sets the known time, which the hub confirmed.
    pub(super) fn know(&self, time: UnixSeconds) {
        self.known_time_secs.store(time.0, Ordering::Relaxed);
    }

    fn known_time(&self) -> UnixSeconds {
        UnixSeconds(self.known_time_secs.load(Ordering::Relaxed))
    }

    /// Time since boot, suspended time included.
    pub fn boot(&self) -> BootTime {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        BootTime::from_boot(Duration::new(seconds, nanos))
    }

    /// Both clocks, to judge a time that was written by the wall clock.
    pub fn both(&self) -> Now {
        let wall = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(wall.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(wall.tv_nsec).unwrap_or_default();
        let boot = self.boot();
        let is_believed = self.believes((UnixSeconds(seconds), boot));
        Now { boot, wall: Duration::new(seconds, nanos), is_believed }
    }

    fn believes(&self, dated: (UnixSeconds, BootTime)) -> bool {
        ClockSanity::after(self.known_time()).judge(dated).is_ok()
    }

    /// The wall clock and when it was read, if it can be believed.
    pub(super) fn dated(&self) -> Option<Dated> {
        let dated = (self.unix(), self.boot());
        self.believes(dated).then_some(dated)
    }

    /// This machine in this boot, with the wall clock if it can be believed.
    pub fn machine(&self) -> Machine {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Machine { boot: boot.and_then(|text| BootId::parse(&text)), wall: self.dated() }
    }

    /// The wall clock, which may be wrong.
    pub fn unix(&self) -> UnixSeconds {
        let now = clock_gettime(ClockId::Realtime);
        UnixSeconds(u64::try_from(now.tv_sec).unwrap_or_default())
    }
}

impl crate::hub::Clock for SystemClock {
    fn boot(&self) -> BootTime {
        Self::boot(self)
    }

    fn unix(&self) -> UnixSeconds {
        Self::unix(self)
    }

    fn not_before(&self) -> UnixSeconds {
        self.known_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_clock_knows_the_time_that_the_hub_confirmed_later() {
        let far_ahead = UnixSeconds(SystemClock::default().unix().0 + 1_000_000_000);
        let clock = SystemClock::after(far_ahead);
        let copy = clock.clone();
        assert!(!copy.both().is_believed);
        clock.know(clock.unix());
        assert!(copy.both().is_believed);
    }

    #[test]
    fn boot_time_goes_on_and_is_less_than_the_wall_clock() {
        let first = SystemClock::default().boot();
        assert!(SystemClock::default().boot() >= first);
        assert!(first.since_boot().as_secs() < SystemClock::default().unix().0);
    }
}
