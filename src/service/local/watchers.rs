//! Counts changes of the state for the clients that monitor: from the count each learns that there is something new, and how many
//! states it missed. Nothing is queued here for a slow client: it gets the state of the moment when it next reads.
//!
//! While nobody monitors nothing is counted or stored.

use super::super::daemon_status::DaemonStatus;
use tokio::sync::watch;

/// A state to compare with the one before.
#[derive(Debug, PartialEq)]
pub(in crate::service) struct Snapshot {
    /// The status with all times at zero.
    pub(in crate::service) status: DaemonStatus,
    /// The second of boot time in which a sensor last had a valid value: its age changes even if its value does not. Whole seconds,
    /// because an answer wakes the loop, which then finds new readings of a fast sensor.
    pub(in crate::service) read_at_s: Option<u64>,
}

/// See the module.
pub(super) struct Watchers {
    count: watch::Sender<u64>,
    last: Option<Snapshot>,
}

impl Watchers {
    /// Without clients.
    pub(super) fn new(count: watch::Sender<u64>) -> Self {
        Self { count, last: None }
    }

    /// Does anybody monitor? If not, the last state is dropped.
    pub(super) fn are_there(&mut self) -> bool {
        let are_there = self.count.receiver_count() > 0;
        if !are_there {
            self.last = None;
        }
        are_there
    }

    /// Counts a change if this state differs from the last.
    pub(super) fn note(&mut self, now: Snapshot) {
        let before = self.last.replace(now);
        if before.is_some() && before != self.last {
            self.count.send_modify(|count| *count += 1);
        }
    }

    /// How many changes there were.
    pub(super) fn count(&self) -> u64 {
        *self.count.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(pid: u32) -> Snapshot {
        Snapshot { status: DaemonStatus { pid, ..DaemonStatus::default() }, read_at_s: None }
    }

    #[test]
    fn changes_are_counted_while_somebody_watches_and_forgotten_afterwards() {
        let (count, watching) = watch::channel(0);
        let mut watchers = Watchers::new(count);
        assert!(watchers.are_there());
        for (pid, changes) in [(1, 0), (1, 0), (2, 1), (1, 2), (1, 2)] {
            watchers.note(snapshot(pid));
            assert_eq!(watchers.count(), changes, "{pid}");
        }
        watchers.note(Snapshot { read_at_s: Some(0), ..snapshot(1) });
        assert_eq!(watchers.count(), 3, "a sensor was read");
        drop(watching);
        assert!(!watchers.are_there());
        assert_eq!(watchers.last, None);
    }
}
