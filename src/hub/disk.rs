//! Files on a disk that may hang: read and written on threads of their own, which nobody waits for without an end.
//!
//! A disk that hangs keeps each thread that goes there. So one goes at a time, and who comes while it is gone waits for its
//! return, no longer than for the disk itself. Deliberately absent: what is read or written.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a disk is waited for. Some hundred small files on a slow one take less.
pub(super) const DISK_TIMEOUT: Duration = Duration::from_secs(10);

/// The way to a disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    turn: Arc<Semaphore>,
    reading: CurrentFile,
}

/// Why something was not done at the disk, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// The disk does not answer. What was begun goes on, and nobody hears of it.
    Hangs,
    /// It panicked, or the process ends.
    Broken,
}

impl Default for Disk {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), reading: CurrentFile::default() }
    }
}

impl Disk {
    /// Does something that may wait for the disk, and waits for its end.
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

    /// What is being read by whoever is there, who may say so.
    pub(super) fn reading(&self) -> &CurrentFile {
        &self.reading
    }

    /// A disk at which somebody stands for as long as this is held.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> impl Sized + use<> {
        Arc::clone(&self.turn).acquire_owned().await
    }
}

/// What is being read, for whoever gives up on it, now or later.
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
