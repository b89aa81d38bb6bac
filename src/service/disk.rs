//! The state directory as the loop meets it: an alarm when it cannot be used, never a reason not to control.
//!
//! What it holds is waited for at the start, but not for long: a disk that hangs must not keep the outputs waiting. What
//! comes later is followed only where nothing of the twin is in force yet. Deliberately absent: trying again, which
//! the engine does by offering its record.

use super::{Daemon, Fatal, step_interval_max};
use crate::engine::Engine;
use crate::store::{FileStore, OpenFault, Opening, StoreFault};
use crate::twin::{HubEvent, TwinRecord, Version};
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::{info, warn};

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

impl Daemon {
    /// Takes what the disk has to say besides the outcomes of writes.
    pub(super) fn take_openings(&mut self) {
        while let Some(Opening { loaded, fault }) = self.store.poll_opening() {
            loaded.notes.iter().for_each(|note| warn!("{note}"));
            if let Some(fault) = fault {
                self.engine.handle_saved(self.clock.boot(), Err(fault.to_string()));
            }
            if let Some(record) = loaded.record.filter(|record| self.is_news(record)) {
                self.follow(record);
            }
        }
    }

    /// Is it our twin, and nothing of it in force yet?
    fn is_news(&self, record: &TwinRecord) -> bool {
        let is_ours = record.identity == self.settings.engine.identity;
        is_ours && record.desired_version > Version(0) && self.engine.sync().desired_version() == Version(0)
    }

    /// Goes on from a stored twin that came late, as after a reload.
    fn follow(&mut self, record: TwinRecord) {
        let version = record.desired_version.0;
        info!(
            desired_version = version,
            "the stored twin is there now: desired version {version} is followed"
        );
        let now = self.clock.boot();
        let was_online = self.engine.sync().is_online();
        let carry = self.engine.carry();
        self.engine = Engine::new(now, self.settings.engine.clone(), Some(record), carry);
        self.engine.set_step_interval_max(step_interval_max());
        self.engine.handle_timeout(now);
        if was_online {
            self.engine.handle_hub(now, HubEvent::Up);
        }
    }
}
