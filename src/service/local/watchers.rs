//! Who watches: a count of the changes, by which each client that monitors learns that there is something new, and how much
//! it did not see. Nothing waits here for a client, however slow it is: what it gets is the state when it next reads.
//!
//! While nobody watches nothing is counted or kept. Deliberately absent: clients, and what is told to them.

use super::super::daemon_status::DaemonStatus;
use tokio::sync::watch;

/// What is compared with what was before.
#[derive(Debug, PartialEq)]
pub(in crate::service) struct Snapshot {
    /// Without its ages, which change all the time.
    pub(in crate::service) status: DaemonStatus,
    /// The second of boot time in which a sensor last had a valid value: to whoever looks at its age the same value once
    /// more is news. Whole seconds, because an answer wakes the loop, which then finds what a fast sensor read meanwhile.
    pub(in crate::service) read_at_s: Option<u64>,
}

/// See the module.
pub(super) struct Watchers {
    count: watch::Sender<u64>,
    last: Option<Snapshot>,
}

impl Watchers {
    /// Without anybody.
    pub(super) fn new(count: watch::Sender<u64>) -> Self {
        Self { count, last: None }
    }

    /// Is there anybody? If not, what is to be compared with is forgotten.
    pub(super) fn are_there(&mut self) -> bool {
        let are_there = self.count.receiver_count() > 0;
        if !are_there {
            self.last = None;
        }
        are_there
    }

    /// Counts a change, if this is another state than the last.
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
