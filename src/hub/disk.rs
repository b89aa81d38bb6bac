//! Files on a disk that may hang are read and written on threads of their own, with a time-out.
//!
//! A disk that hangs blocks every thread that uses it. So one thread uses it at a time, and further work waits for that thread
//! within the same time-out.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The time-out. A few hundred small files on a slow disk take less.
pub(super) const DISK_TIMEOUT: Duration = Duration::from_secs(10);

/// A disk, used by one thread at a time.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    turn: Arc<Semaphore>,
    reading: CurrentFile,
}

/// Why work at the disk was not done, or is not known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// The disk did not answer in time. The work goes on, and its outcome is ignored.
    Hangs,
    /// The work panicked, or the process ends.
    Broken,
}

impl Default for Disk {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), reading: CurrentFile::default() }
    }
}

impl Disk {
    /// Does work that may block on the disk, and waits for its end.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        // It is never closed.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let working = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.map_err(|_| Undone::Broken)
    }

    /// The same, and waits no longer than [`DISK_TIMEOUT`].
    pub(super) async fn work_within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        timeout(DISK_TIMEOUT, self.work(work)).await.unwrap_or(Err(Undone::Hangs))
    }

    /// The file that is being read now, if the work says so.
    pub(super) fn reading(&self) -> &CurrentFile {
        &self.reading
    }

    /// Makes the disk busy for as long as this is held.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> impl Sized + use<> {
        Arc::clone(&self.turn).acquire_owned().await
    }
}

/// The name of the file that is being read, for the message if it hangs.
#[derive(Clone, Debug, Default)]
pub(super) struct CurrentFile(Arc<Mutex<String>>);

impl CurrentFile {
    /// This is read from now on.
    pub(super) fn begin(&self, what: impl fmt::Display) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what.to_string();
    }

    pub(super) fn what(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_given_up_on_and_keeps_one_thread_at_most() {
        let disk = Disk::default();
        assert_eq!(disk.work_within(|| 7).await, Ok(7));
        let stuck = disk.hang().await;
        let began = Arc::new(Mutex::new(0));
        for _ in 0..3 {
            let began = Arc::clone(&began);
            assert_eq!(disk.work_within(move || *began.lock().unwrap() += 1).await, Err(Undone::Hangs));
        }
        drop(stuck);
        assert_eq!(disk.work_within(|| 8).await, Ok(8));
        assert_eq!(*began.lock().unwrap(), 0, "who gave up goes there no more");
    }
}
