//! The next report's content: the difference between the *wanted* reported section and the one that the hub has
//! *acknowledged*, less what it refused, plus what is *touched* (sent again though it did not change).
//!
//! The difference is needed several times between two changes, so it is computed once and cached. When a report is sent is
//! decided in `sync`.

use super::quarantine::{HubReason, News, Quarantine, SetAside, Sifted};
use super::{Patch, PropertyPath, Section};
use crate::ordered::set_of;
use crate::units::BootTime;
use alloc::vec::Vec;
use core::cell::OnceCell;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outgoing {
    acknowledged: Section,
    wanted: Option<Section>,
    touched: Vec<PropertyPath>,
    quarantine: Quarantine,
    /// The cache. Whatever changes one of the four fields above must empty it.
    #[serde(skip)]
    pending: OnceCell<Sifted>,
}

impl Outgoing {
    /// The hub has this section; nothing is wanted yet.
    pub(super) fn new(acknowledged: Section) -> Self {
        Self {
            acknowledged,
            wanted: None,
            touched: Vec::new(),
            quarantine: Quarantine::default(),
            pending: OnceCell::new(),
        }
    }

    /// The reported section as the hub has it.
    pub(super) fn acknowledged(&self) -> &Section {
        &self.acknowledged
    }

    /// What a report would send now; `None` if nothing.
    pub(super) fn pending(&self) -> Option<&Patch> {
        self.sifted().map(|sifted| &sifted.patch).filter(|patch| !patch.is_empty())
    }

    /// Does something wait until the hub is no longer in doubt?
    pub(super) fn waits(&self) -> bool {
        self.sifted().is_some_and(|sifted| sifted.waits)
    }

    fn sifted(&self) -> Option<&Sifted> {
        let wanted = self.wanted.as_ref()?;
        Some(self.pending.get_or_init(|| {
            let mut patch = self.acknowledged.diff_to(wanted);
            patch.touch(wanted, &self.touched);
            self.quarantine.sift(&patch)
        }))
    }

    /// Replaces what is wanted.
    pub(super) fn want(&mut self, wanted: Section) {
        if self.wanted.as_ref() != Some(&wanted) {
            self.quarantine.handle_wanted(&wanted);
            self.wanted = Some(wanted);
            self.pending.take();
        }
    }

    /// Replaces what is to be sent again.
    pub(super) fn touch(&mut self, paths: Vec<PropertyPath>) {
        self.touched = paths;
        self.pending.take();
    }

    /// Restores what was to be sent again, unless that was replaced since.
    pub(super) fn touch_again(&mut self, paths: Vec<PropertyPath>) {
        if self.touched.is_empty() {
            self.touch(paths);
        }
    }

    /// Takes what is pending in order to send it, with the paths in it that were only touched.
    pub(super) fn take(&mut self) -> Option<(Patch, Vec<PropertyPath>)> {
        let patch = self.pending()?.clone();
        // During a search a part of the touched paths may have to wait.
        let leaves = set_of(patch.leaves().into_iter().map(|(path, _)| path));
        let sent = |path: &PropertyPath| leaves.contains(path);
        let (sent, waiting) = core::mem::take(&mut self.touched).into_iter().partition(sent);
        self.touch(waiting);
        Some((patch, sent))
    }

    /// The hub sent the reported section that it has. Did it change?
    pub(super) fn handle_reported(&mut self, reported: Section) -> bool {
        let has_changed = self.acknowledged != reported;
        self.quarantine.handle_reported(&reported);
        self.acknowledged = reported;
        self.pending.take();
        has_changed
    }

    /// The hub accepted a patch. Did that change what it has?
    pub(super) fn handle_taken(&mut self, now: BootTime, patch: &Patch) -> bool {
        self.quarantine.handle_taken(now, patch);
        let mut reported = self.acknowledged.clone();
        reported.apply(patch);
        self.handle_reported(reported)
    }

    /// The hub refused a patch for its content. Is it set aside now?
    pub(super) fn handle_refused(&mut self, now: BootTime, patch: &Patch, reason: HubReason) -> bool {
        self.pending.take();
        self.quarantine.handle_refused(now, patch, reason)
    }

    /// What was set aside is tried again on another connection.
    pub(super) fn handle_reconnect(&mut self) {
        self.quarantine.handle_reconnect();
        self.pending.take();
    }

    /// Releases for another try what is due.
    pub(super) fn wake(&mut self, now: BootTime) {
        if self.quarantine.wake(now) {
            self.pending.take();
        }
    }

    /// When [`Self::wake`] has something to do next.
    pub(super) fn poll_timeout(&self) -> Option<BootTime> {
        self.quarantine.poll_timeout()
    }

    /// What is set aside.
    pub(super) fn aside(&self) -> impl Iterator<Item = (&PropertyPath, &SetAside)> {
        self.quarantine.aside()
    }

    /// The next notice about refused values.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.quarantine.poll_news()
    }
}
