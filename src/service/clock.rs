//! The two clocks, and the only place that reads them.

use crate::twin::{ClockSanity, Machine};
use crate::units::{BootId, BootTime, UnixSeconds};
use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};
use std::time::SystemTime;

/// What the wall clock says, for the lines of the log.
pub(super) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock {
    known_time: UnixSeconds,
}

impl SystemClock {
    /// The same clocks, with the wall time that is known.
    pub fn after(known_time: UnixSeconds) -> Self {
        Self { known_time }
    }

    /// Time since boot, suspended time included.
    pub fn boot(self) -> BootTime {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        BootTime::from_boot(Duration::new(seconds, nanos))
    }

    /// This machine in this boot, with the wall clock if it can be believed.
    pub fn machine(self) -> Machine {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let dated = (self.unix(), self.boot());
        let is_believed = ClockSanity::after(self.known_time).judge(dated).is_ok();
        Machine { boot: boot.and_then(|text| BootId::parse(&text)), wall: is_believed.then_some(dated) }
    }

    /// What the wall clock says; it may be wrong.
    pub fn unix(self) -> UnixSeconds {
        let now = clock_gettime(ClockId::Realtime);
        UnixSeconds(u64::try_from(now.tv_sec).unwrap_or_default())
    }
}

impl crate::hub::Clock for SystemClock {
    fn boot(&self) -> BootTime {
        Self::boot(*self)
    }

    fn unix(&self) -> UnixSeconds {
        Self::unix(*self)
    }

    fn not_before(&self) -> UnixSeconds {
        self.known_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_goes_on_and_is_less_than_the_wall_clock() {
        let first = SystemClock::default().boot();
        assert!(SystemClock::default().boot() >= first);
        assert!(first.since_boot().as_secs() < SystemClock::default().unix().0);
    }
}
