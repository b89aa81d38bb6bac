//! The state directory as the loop meets it: an alarm when it cannot be used, never a reason not to control.
//!
//! What it holds is waited for at the start, but not for long: a disk that hangs must not keep the outputs waiting. What
//! comes later is followed only where nothing of the twin is in force yet. Deliberately absent: trying again, which
//! the engine does by offering its record.

use super::{Daemon, Fatal};
use crate::engine::Input;
use crate::store::{FileStore, OpenFault, Opening, StoreFault};
use crate::twin::TwinRecord;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::warn;

/// A card that is read for the first time takes a fraction of it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Has the state directory opened, and what could be read of it by now.
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

/// What a start may go by. A record that cannot be renewed may be of any age: what it says of the hub's silence says
/// nothing, since a silence must not count time in which the hub spoke.
pub(super) fn usable(record: Option<TwinRecord>, fault: Option<&OpenFault>) -> Option<TwinRecord> {
    let record = record?;
    Some(if fault.is_some() { TwinRecord { silence: None, ..record } } else { record })
}

impl Daemon {
    /// Takes what the disk has to say.
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
