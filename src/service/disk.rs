//! The state directory as the loop sees it: if it cannot be used an alarm is raised, and control goes on.
//!
//! The start waits for the stored record, but not for long, so that a disk that hangs does not delay the outputs. A record that
//! arrives later is followed only if nothing of the twin is in force yet. Retries are the engine's: it offers its record again.

use super::{Daemon, Fatal};
use crate::engine::Input;
use crate::store::{FileStore, OpenFault, Opening, StoreFault};
use crate::twin::TwinRecord;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::warn;

/// How long the start waits. A card takes a fraction of this for its first read.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Opens the state directory, and returns what could be read of it in time.
///
/// # Errors
/// Another daemon uses it, or there is no thread for it.
pub(super) fn open(dir: &Path, waker: Arc<Notify>) -> Result<(FileStore, Opening), Fatal> {
    let store = FileStore::start(dir, Box::new(move || waker.notify_one())).map_err(Fatal::System)?;
    let opening = store.wait_opened(ANSWERS_WITHIN).unwrap_or_else(|| {
        let reason = format!("the state directory {} does not answer", dir.display());
        Opening { fault: Some(OpenFault::Failed(StoreFault { reason })), ..Opening::default() }
    });
    match opening.fault {
        Some(fault @ OpenFault::InUse { .. }) => Err(Fatal::Store(fault)),
        _ => Ok((store, opening)),
    }
}

/// What a start may use of a record. If the directory cannot be written the record may be of any age. Then its silence of the
/// hub is dropped, since the hub may have spoken in that time.
pub(super) fn usable(record: Option<TwinRecord>, fault: Option<&OpenFault>) -> Option<TwinRecord> {
    let record = record?;
    Some(if fault.is_some() { TwinRecord { silence: None, ..record } } else { record })
}

impl Daemon {
    /// Gives the disk's outcomes to the core.
    pub(super) fn take_outcomes(&mut self) {
        while let Some(outcome) = self.store.poll_saved() {
            self.handle(Input::Saved(outcome.map_err(|fault| fault.reason)));
        }
        while let Some(Opening { loaded, fault }) = self.store.poll_opening() {
            loaded.notes.iter().for_each(|note| warn!("{note}"));
            if let Some(fault) = fault {
                self.handle(Input::Saved(Err(fault.to_string())));
            }
            if let Some(record) = loaded.record {
                self.handle(Input::Stored(Box::new(record)));
            }
        }
        while let Some(event) = self.store.poll_ring() {
            self.handle(Input::Ring(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::PersistedSilence;

    #[test]
    fn a_record_that_cannot_be_renewed_says_nothing_of_the_hubs_silence() {
        let (lasts, sure) = (Duration::from_secs(3600), Duration::ZERO);
        let silence = Some(PersistedSilence { lasts, sure, open: false });
        let record = TwinRecord { sequence: 7, silence, ..TwinRecord::default() };
        assert_eq!(usable(Some(record.clone()), None).unwrap(), record);
        let fault = OpenFault::Failed(StoreFault { reason: "read-only".into() });
        let left = usable(Some(record), Some(&fault)).unwrap();
        assert_eq!((left.sequence, left.silence), (7, None));
    }
}
