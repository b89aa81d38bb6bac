//! What the tests of sessions and of provisioning have in common.

use crate::hub::Clock;
use crate::units::{BootTime, UnixSeconds};

/// A clock that stands still.
pub(super) struct Stopped;

impl Clock for Stopped {
    fn boot(&self) -> BootTime {
        BootTime::ZERO
    }

    fn unix(&self) -> UnixSeconds {
        UnixSeconds(1_800_000_000)
    }
}
