//! The state machine that keeps both ends of a twin equal, whatever the connection does.
//!
//! ```text
//!                 Up                        Twin
//!    OFFLINE ───────────► FETCHING ───────────────────────► SYNCED
//!       ▲                  │  ▲ ▲                            │ │
//!       │       Down       │  │ └── gap · garbled · refresh ──┘ │
//!       ├──────────────────┤  └ retry                           │
//!       ├────────────── BACKING OFF ◄── refused, garbled         │
//!       └───────────────────────────── Down ────────────────────┘
//! ```
//!
//! Reports are reconciled by difference: the *wanted* reported section is compared with the *acknowledged* one, and the
//! difference is sent, one patch in flight. So an outage of any length costs no more than a short one. During a fetch only
//! the highest notified version is remembered; an answer with a lower version causes another fetch. So do a gap and an
//! empty notification. Deliberately absent: a queue of patches.

mod reports;

use super::outgoing::Outgoing;
use super::quarantine::{HubReason, SetAside};
use super::{DesiredChange, HubEvent, HubRequest, Patch, PropertyPath, Section, SyncNotice, Version};
use crate::units::BootTime;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The timing of [`TwinSync`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncPolicy {
    /// A request that is not answered within this counts as lost, and the connection with it.
    pub request_timeout: Duration,
    /// The whole twin is fetched at least this often, in case a notification was lost on a connection that goes on.
    pub refresh_interval: Duration,
}

/// The pause after the first refusal; it doubles with each further one …
const BACKOFF_MIN: Duration = Duration::from_secs(2);
/// … up to this, unless the hub asks for a longer one …
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// … which may last up to this.
const BACKOFF_MAX_BY_THE_HUB: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Serialize, Deserialize)]
enum Phase {
    Offline,
    Fetching {
        rid: u64,
        deadline: BootTime,
        /// The highest version notified since the request.
        notified: Version,
    },
    /// The last fetch was refused or could not be read; the next is due at this time.
    BackingOff {
        until: BootTime,
    },
    Synced,
}

#[derive(Debug, Serialize, Deserialize)]
struct InFlight {
    rid: u64,
    patch: Patch,
    /// The part of the patch that was only touched: it is sent again if this patch is not accepted.
    touched: Vec<PropertyPath>,
    deadline: BootTime,
}

/// A report that the hub refused for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deferral {
    /// Since when no report was accepted.
    pub since: BootTime,
    /// When it is sent again.
    pub until: BootTime,
    /// The hub's last reason.
    pub reason: HubReason,
}

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub struct TwinSync {
    policy: SyncPolicy,
    phase: Phase,
    desired: Section,
    desired_version: Version,
    outgoing: Outgoing,
    hold: bool,
    in_flight: Option<InFlight>,
    report_not_before: BootTime,
    deferral: Option<Deferral>,
    refusals: u32,
    refresh_at: BootTime,
    /// This connection has brought no twin yet.
    is_first_fetch: bool,
    last_rid: u64,
    #[serde(skip)]
    requests: VecDeque<HubRequest>,
    #[serde(skip)]
    change: Option<DesiredChange>,
    acknowledged_changed: bool,
    #[serde(skip)]
    notices: VecDeque<SyncNotice>,
}

impl TwinSync {
    /// Starts offline, from what the record holds.
    pub fn new(
        desired: Section,
        desired_version: Version,
        acknowledged: Section,
        policy: SyncPolicy,
    ) -> Self {
        Self {
            policy,
            phase: Phase::Offline,
            desired,
            desired_version,
            outgoing: Outgoing::new(acknowledged),
            hold: false,
            in_flight: None,
            report_not_before: BootTime::ZERO,
            deferral: None,
            refusals: 0,
            refresh_at: BootTime::ZERO,
            is_first_fetch: false,
            last_rid: 0,
            requests: VecDeque::new(),
            change: None,
            acknowledged_changed: false,
            notices: VecDeque::new(),
        }
    }

    /// Continues the request ids from here: on a connection that another `TwinSync` used before, no id may be used twice.
    #[must_use]
    pub fn after_rid(mut self, last_rid: u64) -> Self {
        self.last_rid = last_rid;
        self
    }

    /// The id of the last request.
    pub fn last_rid(&self) -> u64 {
        self.last_rid
    }

    /// The desired section as the hub last sent it.
    pub fn desired(&self) -> &Section {
        &self.desired
    }

    /// Its version; 0 before the first fetch ever.
    pub fn desired_version(&self) -> Version {
        self.desired_version
    }

    /// The reported section as the hub has it.
    pub fn acknowledged(&self) -> &Section {
        self.outgoing.acknowledged()
    }

    /// Connected, and the twin fetched since?
    pub fn is_synced(&self) -> bool {
        matches!(self.phase, Phase::Synced)
    }

    /// Is there a connection?
    pub fn is_online(&self) -> bool {
        !matches!(self.phase, Phase::Offline)
    }

    /// Nothing to fetch, nothing in flight, nothing to report?
    pub fn is_settled(&self) -> bool {
        let has_more = self.outgoing.pending().is_some() || self.outgoing.waits();
        self.is_synced() && self.in_flight.is_none() && !has_more
    }

    /// The reported values that the hub refuses, and when they are tried again.
    pub fn set_aside(&self) -> impl Iterator<Item = (&PropertyPath, &SetAside)> {
        self.outgoing.aside()
    }

    /// The report that the hub refused for now.
    pub fn deferral(&self) -> Option<&Deferral> {
        self.deferral.as_ref()
    }

    /// Takes an event from the session.
    pub fn handle_hub(&mut self, now: BootTime, event: HubEvent) {
        match event {
            HubEvent::Up => {
                self.drop_connection();
                self.is_first_fetch = true;
                self.fetch(now);
            }
            HubEvent::Down => self.drop_connection(),
            HubEvent::Twin { rid, desired, desired_version, reported } => {
                self.handle_twin(now, rid, desired, desired_version, reported);
            }
            HubEvent::DesiredDelta { version, patch } => self.handle_delta(now, version, patch),
            HubEvent::ReportedAck { rid } => self.handle_ack(now, rid),
            HubEvent::Rejected { rid, status, message, retry_after } => {
                self.handle_rejected(now, rid, status, message, retry_after);
            }
            HubEvent::Garbled { reason } => self.handle_garbled(now, reason),
            // Not about the twin.
            HubEvent::Method { .. } | HubEvent::MessageStored { .. } => {}
        }
    }

    /// Sets what the reported section should be, in place of what was wanted before. [`Self::report`] sends it.
    pub fn set_reported(&mut self, wanted: Section) {
        self.outgoing.want(wanted);
    }

    /// Sends these values with the next report even if the hub has them already.
    pub fn touch(&mut self, paths: Vec<PropertyPath>) {
        self.outgoing.touch(paths);
    }

    /// While held, no report is sent, because what it would acknowledge is not durable yet. After the release the next
    /// [`Self::report`] sends all that is wanted then.
    pub fn set_hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// The earliest time at which the twin may be fetched merely to probe the hub; `None` while an answer is awaited anyway. It
    /// respects the pause that the hub asked for.
    pub fn may_probe_from(&self) -> Option<BootTime> {
        (self.is_synced() && self.in_flight.is_none()).then_some(self.report_not_before)
    }

    /// Fetches the twin now. Without a connection, and during a fetch, there is nothing to do.
    pub fn handle_resync(&mut self, now: BootTime) {
        if matches!(self.phase, Phase::Synced | Phase::BackingOff { .. }) {
            self.fetch(now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: BootTime) {
        self.outgoing.wake(now);
        match &self.phase {
            Phase::Fetching { deadline, .. } if *deadline <= now => return self.give_up("the twin"),
            Phase::BackingOff { until } if *until <= now => self.fetch(now),
            Phase::Synced if self.refresh_at <= now && self.in_flight.is_none() => self.fetch(now),
            _ => {}
        }
        if self.in_flight.as_ref().is_some_and(|flight| flight.deadline <= now) {
            return self.give_up("the answer to a report");
        }
        self.report(now);
    }

    /// When [`Self::handle_timeout`] has something to do next, and what.
    pub fn poll_timeout(&self) -> Option<(BootTime, &'static str)> {
        let phase = match &self.phase {
            Phase::Offline => return None,
            Phase::Fetching { deadline, .. } => Some((*deadline, "answer to the twin's fetch")),
            Phase::BackingOff { until } => Some((*until, "fetching the twin again")),
            Phase::Synced if self.in_flight.is_none() => Some((self.refresh_at, "refreshing the twin")),
            Phase::Synced => None,
        };
        let report = match &self.in_flight {
            Some(flight) => Some((flight.deadline, "answer to a report")),
            None if self.is_synced() && !self.hold => {
                let deferred = self.outgoing.pending().map(|_| self.report_not_before);
                let again = deferred.into_iter().chain(self.outgoing.poll_timeout()).min();
                again.map(|at| (at, "sending a report again"))
            }
            None => None,
        };
        [phase, report].into_iter().flatten().min()
    }

    /// The next request for the session.
    pub fn poll_request(&mut self) -> Option<HubRequest> {
        self.requests.pop_front()
    }

    /// The desired section changed since the last call.
    pub fn poll_desired_change(&mut self) -> Option<DesiredChange> {
        self.change.take()
    }

    /// Did the acknowledged reported section change since the last call?
    pub fn poll_acknowledged_change(&mut self) -> bool {
        core::mem::take(&mut self.acknowledged_changed)
    }

    /// The next notice.
    pub fn poll_notice(&mut self) -> Option<SyncNotice> {
        self.notices.pop_front()
    }

    fn drop_connection(&mut self) {
        self.phase = Phase::Offline;
        if let Some(flight) = self.in_flight.take() {
            self.outgoing.touch_again(flight.touched);
        }
        self.outgoing.handle_reconnect();
        self.requests.clear();
        self.refusals = 0;
        self.report_not_before = BootTime::ZERO;
        self.deferral = None;
    }

    fn next_rid(&mut self) -> u64 {
        self.last_rid += 1;
        self.last_rid
    }

    fn fetch(&mut self, now: BootTime) {
        let rid = self.next_rid();
        let deadline = now + self.policy.request_timeout;
        self.phase = Phase::Fetching { rid, deadline, notified: Version(0) };
        self.requests.push_back(HubRequest::GetTwin { rid });
    }

    /// Without an answer it is unknown what the hub did. Only a new connection ensures that nothing of the old one takes effect
    /// later.
    fn give_up(&mut self, waited_for: &'static str) {
        self.notices.push_back(SyncNotice::Unanswered(waited_for));
        self.drop_connection();
        self.requests.push_back(HubRequest::Reconnect { reason: waited_for });
    }

    /// The pause after one more refusal, and whether the hub asked for it. The hub may ask for a longer one than ours; a shorter
    /// one is ignored, so that requests do not follow each other without end.
    fn backoff(&mut self, asked: Option<Duration>) -> (Duration, bool) {
        let own = BACKOFF_MIN.saturating_mul(1 << self.refusals.min(8)).min(BACKOFF_MAX);
        self.refusals += 1;
        match asked.map(|asked| asked.min(BACKOFF_MAX_BY_THE_HUB)) {
            Some(asked) if asked >= own => (asked, true),
            _ => (own, false),
        }
    }

    fn back_off(&mut self, now: BootTime, asked: Option<Duration>) -> (Duration, bool) {
        let (pause, by_the_hub) = self.backoff(asked);
        self.phase = Phase::BackingOff { until: now + pause };
        (pause, by_the_hub)
    }

    fn handle_twin(
        &mut self,
        now: BootTime,
        rid: u64,
        desired: Section,
        version: Version,
        reported: Section,
    ) {
        let Phase::Fetching { rid: asked, notified, .. } = self.phase else { return };
        if asked != rid {
            return;
        }
        self.phase = Phase::Synced;
        self.refusals = 0;
        self.refresh_at = now + self.policy.refresh_interval;
        self.acknowledged_changed |= self.outgoing.handle_reported(reported);
        self.adopt(desired, version);
        if core::mem::take(&mut self.is_first_fetch) {
            self.notices.push_back(SyncNotice::Synced { version });
        }
        if notified > version {
            self.fetch(now);
        }
        // No report yet: what is wanted was composed before this answer. The next `report` or timeout sends it.
    }

    fn adopt(&mut self, desired: Section, version: Version) {
        if desired == self.desired && version == self.desired_version {
            return;
        }
        let from = self.change.map_or(self.desired_version, |earlier| earlier.from);
        // The same version with another document belongs to another identity, too.
        let recreated =
            version <= self.desired_version || self.change.is_some_and(|earlier| earlier.recreated);
        self.desired = desired;
        self.desired_version = version;
        self.change = Some(DesiredChange { from, to: version, recreated });
    }

    fn handle_delta(&mut self, now: BootTime, version: Version, patch: Patch) {
        match &mut self.phase {
            // The next fetch brings it, too.
            Phase::Offline | Phase::BackingOff { .. } => {}
            Phase::Fetching { notified, .. } => *notified = version.max(*notified),
            Phase::Synced => {
                if version <= self.desired_version {
                    return;
                }
                if version != self.desired_version.next() {
                    self.notices.push_back(SyncNotice::Gap { at: self.desired_version, came: version });
                    return self.fetch(now);
                }
                // An empty patch may mean that nothing is left or that nothing changed, so the hub is asked. A patch that
                // cannot be merged here has been merged by the hub.
                if patch.is_empty() || !self.desired.takes(&patch) {
                    return self.fetch(now);
                }
                let mut desired = self.desired.clone();
                desired.apply(&patch);
                match desired.check_ceiling() {
                    Ok(()) => self.adopt(desired, version),
                    Err(fault) => self.handle_garbled(now, fault.to_string()),
                }
            }
        }
    }

    fn handle_garbled(&mut self, now: BootTime, reason: String) {
        match self.phase {
            Phase::Offline => return,
            Phase::Synced => self.fetch(now),
            // It may be the answer that cannot be read.
            Phase::Fetching { .. } => {
                self.back_off(now, None);
            }
            // The next fetch is due anyway, and is not put off.
            Phase::BackingOff { .. } => {}
        }
        self.notices.push_back(SyncNotice::Garbled(reason));
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
