//! The state machine that keeps both ends of a twin equal, whatever the connection does.
//!
//! ```text
//!                 Up                        Twin
//!    OFFLINE ───────────► FETCHING ───────────────────────► SYNCED
//!       ▲                  │  ▲ ▲                            │ │
//!       │       Down       │  │ └── gap · garbled · refresh ──┘ │
//!       ├──────────────────┤  └ retry                           │
//!       ├─────────────── RESTING ◄── refused (429, 5xx)         │
//!       └───────────────────────────── Down ────────────────────┘
//! ```
//!
//! Reports are reconciled by difference: the *wanted* reported section is compared with the *acknowledged* one and
//! the difference is sent, one patch in flight, so an outage of any length costs nothing. While a fetch is under
//! way, of the notifications only the highest version is held: an answer below it fetches again. So does a gap, and a
//! notification that says nothing. Deliberately absent: queues of patches, chance, clocks.

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

/// How patient [`TwinSync`] is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncPolicy {
    /// A request not answered within this counts as lost, and the connection with it.
    pub request_timeout: Duration,
    /// The whole twin is fetched at least this often: a notification lost on a live connection heals by it.
    pub refresh_interval: Duration,
}

/// The pause after the first refusal; it doubles with each further one.
const REST_MIN: Duration = Duration::from_secs(2);
/// The longest pause between two tries that were refused, unless the hub wants a longer one …
const REST_MAX: Duration = Duration::from_secs(300);
/// … which may last so long.
const REST_MAX_BY_THE_HUB: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Serialize, Deserialize)]
enum Phase {
    Offline,
    Fetching {
        rid: u64,
        deadline: BootTime,
        /// The highest version notified since it was asked for.
        notified: Version,
    },
    /// The last fetch was refused or unreadable; the next is due at this time.
    Resting {
        until: BootTime,
    },
    Synced,
}

#[derive(Debug, Serialize, Deserialize)]
struct InFlight {
    rid: u64,
    patch: Patch,
    /// Of the patch, what did not change: to be sent again if this one does not arrive.
    touched: Vec<PropertyPath>,
    deadline: BootTime,
}

/// A report that was put off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deferral {
    /// Since when nothing gets through.
    pub since: BootTime,
    /// When it is sent again.
    pub until: BootTime,
    /// The hub's last words on it.
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
    /// Starts from what was kept: offline, at this desired section and version.
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

    /// Counts requests on from here: on a connection that another `TwinSync` used before, no id may come twice.
    #[must_use]
    pub fn after_rid(mut self, last_rid: u64) -> Self {
        self.last_rid = last_rid;
        self
    }

    /// The id of the last request.
    pub fn last_rid(&self) -> u64 {
        self.last_rid
    }

    /// The desired section as last heard.
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

    /// Nothing to fetch, nothing in flight, nothing to tell?
    pub fn is_settled(&self) -> bool {
        let tells = self.outgoing.pending().is_some() || self.outgoing.waits();
        self.is_synced() && self.in_flight.is_none() && !tells
    }

    /// What the hub refused of the reported section, and when it is tried again.
    pub fn set_aside(&self) -> impl Iterator<Item = (&PropertyPath, &SetAside)> {
        self.outgoing.aside()
    }

    /// The hub takes no report for now.
    pub fn deferral(&self) -> Option<&Deferral> {
        self.deferral.as_ref()
    }

    /// Takes one fact from the session.
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
            HubEvent::Method { .. } => {}
        }
    }

    /// Says what the reported section should be. Replaces what was wanted before; never queues. [`Self::report`]
    /// sends it.
    pub fn set_reported(&mut self, wanted: Section) {
        self.outgoing.want(wanted);
    }

    /// Has these values sent with the next report even if the hub has them already.
    pub fn touch(&mut self, paths: Vec<PropertyPath>) {
        self.outgoing.touch(paths);
    }

    /// While held, no report goes out: what it would acknowledge is not durable yet. Released, what is wanted then
    /// goes out with the next [`Self::report`], so that one report says all of it.
    pub fn set_hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// From when on the twin may be asked for on no other account: not while something waits for an answer anyway, or
    /// while the hub wants to be left alone.
    pub fn may_ask_from(&self) -> Option<BootTime> {
        (self.is_synced() && self.in_flight.is_none()).then_some(self.report_not_before)
    }

    /// A person wants the twin fetched now. Without a connection, and during a fetch, there is nothing to do.
    pub fn handle_resync(&mut self, now: BootTime) {
        if matches!(self.phase, Phase::Synced | Phase::Resting { .. }) {
            self.fetch(now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: BootTime) {
        self.outgoing.wake(now);
        match &self.phase {
            Phase::Fetching { deadline, .. } if *deadline <= now => return self.give_up("the twin"),
            Phase::Resting { until } if *until <= now => self.fetch(now),
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
            Phase::Resting { until } => Some((*until, "fetching the twin again")),
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

    /// The next thing an operator may want to know of.
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

    /// An answer that never came leaves open what the hub did; only a new connection makes sure that nothing of
    /// the old one takes effect later.
    fn give_up(&mut self, waited_for: &'static str) {
        self.notices.push_back(SyncNotice::Unanswered(waited_for));
        self.drop_connection();
        self.requests.push_back(HubRequest::Reconnect { reason: waited_for });
    }

    /// The pause after one more refusal, and whether it is the hub's: it may ask for a longer one than ours, and a
    /// shorter one is no leave to ask without end.
    fn pause(&mut self, asked: Option<Duration>) -> (Duration, bool) {
        let own = REST_MIN.saturating_mul(1 << self.refusals.min(8)).min(REST_MAX);
        self.refusals += 1;
        match asked.map(|asked| asked.min(REST_MAX_BY_THE_HUB)) {
            Some(asked) if asked >= own => (asked, true),
            _ => (own, false),
        }
    }

    fn rest(&mut self, now: BootTime, asked: Option<Duration>) -> (Duration, bool) {
        let (pause, by_the_hub) = self.pause(asked);
        self.phase = Phase::Resting { until: now + pause };
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
        // No report yet: what is wanted was wanted before this answer. The next `report` or timeout sends it.
    }

    fn adopt(&mut self, desired: Section, version: Version) {
        if desired == self.desired && version == self.desired_version {
            return;
        }
        let from = self.change.map_or(self.desired_version, |earlier| earlier.from);
        // The same version with another document is that of another identity, too.
        let recreated =
            version <= self.desired_version || self.change.is_some_and(|earlier| earlier.recreated);
        self.desired = desired;
        self.desired_version = version;
        self.change = Some(DesiredChange { from, to: version, recreated });
    }

    fn handle_delta(&mut self, now: BootTime, version: Version, patch: Patch) {
        match &mut self.phase {
            // Whatever it says, the fetch that comes will say it too.
            Phase::Offline | Phase::Resting { .. } => {}
            Phase::Fetching { notified, .. } => *notified = version.max(*notified),
            Phase::Synced => {
                if version <= self.desired_version {
                    return;
                }
                if version != self.desired_version.next() {
                    self.notices.push_back(SyncNotice::Gap { at: self.desired_version, came: version });
                    return self.fetch(now);
                }
                // A version alone: the hub may mean that nothing is left, or that nothing changed. It is asked.
                // And what cannot be merged here, it has merged.
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
            // It may be the answer itself that cannot be read.
            Phase::Fetching { .. } => {
                self.rest(now, None);
            }
            // The fetch that is due says it all; more of the same does not put it off.
            Phase::Resting { .. } => {}
        }
        self.notices.push_back(SyncNotice::Garbled(reason));
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
