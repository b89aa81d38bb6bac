//! `twind::twin::TwinSync` under a hub that may say anything at any time, compared with a small model.
//!
//! The bytes are a sequence of steps. A step takes one byte for its kind and a few for its details, so any bytes are a
//! schedule. Documents are small: three keys, a few values, one level of nesting.

use super::{assert_fit_for_a_log, merge};
use core::time::Duration;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use twind::twin::{
    DesiredChange, HubEvent, HubRequest, Patch, PropertyPath, Section, SyncPolicy, TwinSync, Version,
};
use twind::units::BootTime;

const POLICY: SyncPolicy =
    SyncPolicy { request_timeout: Duration::from_secs(10), refresh_interval: Duration::from_secs(600) };
/// A longer schedule would test nothing new.
const STEPS_MAX: usize = 150;

type Object = Map<String, Value>;

/// See the module.
pub fn run(bytes: &[u8]) {
    let mut tape = Tape(bytes);
    let start = section(tape.document(false));
    let version = Version(tape.next().into());
    let mut world = World {
        sync: TwinSync::new(start.clone(), version, Section::default(), POLICY),
        model: Model::new(start, version),
        now: BootTime::from_boot(Duration::from_secs(1000)),
        wanted: None,
        held: false,
        touched: Vec::new(),
    };
    for _ in 0..STEPS_MAX {
        if tape.0.is_empty() {
            break;
        }
        world.step(&mut tape);
        world.settle();
    }
}

/// The remaining bytes. Zeros follow their end.
struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// Takes one byte per key.
    fn document(&mut self, is_patch: bool) -> Object {
        let mut object = Object::new();
        for key in ["a", "b", "c"] {
            let byte = self.next();
            let (kind, n) = (byte % 8, byte / 8 % 4);
            let value = match kind {
                0..=2 => continue,
                3 => json!({}),
                4 => json!({ "inner": n }),
                5 if is_patch => json!({ "inner": null, "other": n }),
                6 if is_patch => Value::Null,
                7 => json!([n]),
                _ => json!(n),
            };
            object.insert(key.to_owned(), value);
        }
        object
    }
}

fn section(object: Object) -> Section {
    Section::from_object(object).unwrap_or_else(|fault| unreachable!("{fault}"))
}

fn patch(object: Object) -> Patch {
    Patch::from_object(object)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Offline,
    Fetching(u64),
    Resting,
    Synced,
}

/// Whether a fetch goes out before anything else happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fetch {
    No,
    /// A deadline may have passed, so a fetch is allowed.
    May,
    Must,
}

/// What must hold, without how the product does it.
struct Model {
    phase: Phase,
    desired: Object,
    version: Version,
    acknowledged: Object,
    /// The highest version notified during a fetch.
    notified: Version,
    in_flight: Option<(u64, Object)>,
    change: Option<DesiredChange>,
    last_rid: u64,
    fetch: Fetch,
}

impl Model {
    fn new(desired: Section, version: Version) -> Self {
        Self {
            phase: Phase::Offline,
            desired: desired.as_object().clone(),
            version,
            acknowledged: Object::new(),
            notified: Version(0),
            in_flight: None,
            change: None,
            last_rid: 0,
            fetch: Fetch::No,
        }
    }

    fn adopt(&mut self, desired: Object, version: Version) {
        if (&desired, version) == (&self.desired, self.version) {
            return;
        }
        let recreated = version <= self.version || self.change.is_some_and(|change| change.recreated);
        let from = self.change.map_or(self.version, |change| change.from);
        self.change = Some(DesiredChange { from, to: version, recreated });
        (self.desired, self.version) = (desired, version);
    }

    fn drop_connection(&mut self) {
        (self.phase, self.in_flight, self.fetch) = (Phase::Offline, None, Fetch::No);
    }

    fn delta(&mut self, version: Version, change: Object) {
        match self.phase {
            Phase::Offline | Phase::Resting => {}
            Phase::Fetching(_) => self.notified = self.notified.max(version),
            Phase::Synced if version <= self.version => {}
            Phase::Synced if version == self.version.next() && !change.is_empty() => {
                let merged = merge::merged(&self.desired, &change);
                self.adopt(merged, version);
            }
            Phase::Synced => self.expect_fetch(),
        }
    }

    /// The request id becomes known when the fetch goes out.
    fn expect_fetch(&mut self) {
        (self.phase, self.fetch) = (Phase::Fetching(0), Fetch::Must);
        self.notified = Version(0);
    }

    fn twin(&mut self, rid: u64, desired: Object, version: Version, reported: Object) {
        if self.phase != Phase::Fetching(rid) {
            return;
        }
        self.phase = Phase::Synced;
        self.acknowledged = reported;
        self.adopt(desired, version);
        if self.notified > version {
            self.expect_fetch();
        }
    }

    fn ack(&mut self, rid: u64) {
        if let Some((_, patch)) = self.in_flight.take_if(|(flying, _)| *flying == rid) {
            self.acknowledged = merge::merged(&self.acknowledged, &patch);
        }
    }

    fn rejected(&mut self, rid: u64) {
        if self.phase == Phase::Fetching(rid) {
            self.phase = Phase::Resting;
        } else {
            self.in_flight.take_if(|(flying, _)| *flying == rid);
        }
    }

    fn garbled(&mut self) {
        match self.phase {
            Phase::Offline | Phase::Resting => {}
            Phase::Synced => self.expect_fetch(),
            Phase::Fetching(_) => self.phase = Phase::Resting,
        }
    }
}

struct World {
    sync: TwinSync,
    model: Model,
    now: BootTime,
    wanted: Option<Section>,
    held: bool,
    touched: Vec<PropertyPath>,
}

impl World {
    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.next() % 16 {
            0 => self.hub(HubEvent::Up),
            1 => self.hub(HubEvent::Down),
            2 | 3 => {
                let rid = self.rid(tape, true);
                let (desired, reported) = (section(tape.document(false)), section(tape.document(false)));
                let desired_version = self.version(tape);
                self.hub(HubEvent::Twin { rid, desired, desired_version, reported });
            }
            4 | 5 => {
                let (version, patch) = (self.version(tape), patch(tape.document(true)));
                self.hub(HubEvent::DesiredDelta { version, patch });
            }
            6 | 7 => {
                let rid = self.rid(tape, false);
                self.hub(HubEvent::ReportedAck { rid });
            }
            8 => {
                let what = tape.next();
                let rid = self.rid(tape, what.is_multiple_of(2));
                let status = [400, 401, 404, 413, 429, 500, 503, 412][usize::from(what / 2 % 8)];
                let retry_after = (what >= 128).then(|| Duration::from_secs(u64::from(what)));
                self.hub(HubEvent::Rejected { rid, status, message: "no".into(), retry_after });
            }
            9 => self.hub(HubEvent::Garbled { reason: "?".into() }),
            10 => {
                let wanted = section(tape.document(false));
                self.sync.set_reported(wanted.clone());
                self.sync.report(self.now);
                self.wanted = Some(wanted);
            }
            11 => {
                let keys = ["a", "b", "c", "a.inner"].into_iter().filter_map(PropertyPath::parse);
                let mask = tape.next();
                self.touched =
                    (0..).zip(keys).filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, key)| key).collect();
                self.sync.touch(self.touched.clone());
            }
            12 => {
                self.held = !self.held;
                self.sync.set_hold(self.held);
            }
            13 => {
                self.sync.handle_resync(self.now);
                if matches!(self.model.phase, Phase::Synced | Phase::Resting) {
                    self.model.expect_fetch();
                }
            }
            14 => {
                let seconds = Duration::from_secs(u64::from(tape.next()) * 4);
                self.pass(self.now + seconds);
            }
            _ => {
                if let Some((due, _)) = self.sync.poll_timeout() {
                    self.pass(due.max(self.now));
                }
            }
        }
    }

    /// A request id: usually that of the request under way.
    fn rid(&self, tape: &mut Tape<'_>, fetch: bool) -> u64 {
        let byte = tape.next();
        match (&self.model, fetch) {
            _ if byte % 8 == 7 => u64::from(byte / 8),
            (Model { phase: Phase::Fetching(rid), .. }, true) => *rid,
            (Model { in_flight: Some((rid, _)), .. }, false) => *rid,
            (model, _) => model.last_rid,
        }
    }

    /// A version: usually the next one.
    fn version(&self, tape: &mut Tape<'_>) -> Version {
        let byte = tape.next();
        let at = self.model.version.0;
        Version(match byte % 8 {
            0..=3 => at.saturating_add(1),
            4 => at,
            5 => at.saturating_sub(u64::from(byte / 8)),
            6 => at.saturating_add(u64::from(byte / 8)),
            _ => [0, 1, u64::MAX - 1, u64::MAX][usize::from(byte / 8 % 4)],
        })
    }

    fn hub(&mut self, event: HubEvent) {
        self.sync.handle_hub(self.now, event.clone());
        let object = |section: Section| section.as_object().clone();
        match event {
            HubEvent::Up => {
                self.model.drop_connection();
                self.model.expect_fetch();
            }
            HubEvent::Down => self.model.drop_connection(),
            HubEvent::Twin { rid, desired, desired_version, reported } => {
                self.model.twin(rid, object(desired), desired_version, object(reported));
            }
            HubEvent::DesiredDelta { version, patch } => self.model.delta(version, patch.as_object().clone()),
            HubEvent::ReportedAck { rid } => self.model.ack(rid),
            HubEvent::Rejected { rid, .. } => self.model.rejected(rid),
            HubEvent::Garbled { .. } => self.model.garbled(),
            HubEvent::Method { .. } | HubEvent::MessageStored { .. } => {}
        }
    }

    /// The model does not predict a deadline's effect; the requests that follow are checked as always.
    fn pass(&mut self, now: BootTime) {
        self.now = now;
        self.sync.handle_timeout(now);
        if let Some((due, what)) = self.sync.poll_timeout() {
            assert!(due > now, "{what} is due at {due} again and again");
        }
        if !self.sync.is_online() {
            self.model.drop_connection();
        } else if matches!(self.model.phase, Phase::Synced | Phase::Resting) {
            self.model.fetch = Fetch::May;
        }
    }

    /// Takes the product's output and compares it with the model.
    fn settle(&mut self) {
        let mut requests: VecDeque<HubRequest> = core::iter::from_fn(|| self.sync.poll_request()).collect();
        while let Some(request) = requests.pop_front() {
            match request {
                HubRequest::GetTwin { rid } => {
                    assert!(self.model.fetch != Fetch::No, "a fetch that nothing asked for");
                    self.assert_new(rid);
                    // A fetch that was already expected keeps the versions notified since then.
                    if self.model.fetch == Fetch::May {
                        self.model.expect_fetch();
                    }
                    (self.model.phase, self.model.fetch) = (Phase::Fetching(rid), Fetch::No);
                }
                HubRequest::PatchReported { rid, patch } => {
                    self.assert_new(rid);
                    self.assert_reportable(&patch);
                    self.model.in_flight = Some((rid, patch.as_object().clone()));
                }
                HubRequest::Reconnect { .. } => assert!(!self.sync.is_online(), "still online"),
                HubRequest::AnswerMethod { .. } | HubRequest::SendMessage { .. } => {
                    unreachable!("nobody asked for it")
                }
            }
        }
        while let Some(notice) = self.sync.poll_notice() {
            assert_fit_for_a_log(&notice.to_string());
        }
        let Model { phase, desired, version, acknowledged, fetch, .. } = &self.model;
        assert!(*fetch != Fetch::Must, "no fetch went out");
        assert_eq!(self.sync.is_online(), *phase != Phase::Offline, "{phase:?}");
        assert_eq!(self.sync.is_synced(), *phase == Phase::Synced, "{phase:?}");
        assert_eq!((self.sync.desired_version(), self.sync.desired().as_object()), (*version, desired));
        assert_eq!(self.sync.acknowledged().as_object(), acknowledged);
        assert_eq!(self.sync.poll_desired_change(), self.model.change.take());
        self.model.fetch = Fetch::No;
        if self.sync.is_settled() {
            assert!(self.model.in_flight.is_none(), "settled with a report under way");
        }
    }

    fn assert_new(&mut self, rid: u64) {
        assert!(rid > self.model.last_rid, "request {rid} after {}", self.model.last_rid);
        self.model.last_rid = rid;
    }

    /// Reports go out one at a time, only when the twin is known and reports are not held, and only with wanted values.
    fn assert_reportable(&self, patch: &Patch) {
        assert!(self.model.in_flight.is_none(), "two reports under way");
        assert!(!self.held, "a report while held");
        assert!(!patch.is_empty(), "an empty report");
        let Some(wanted) = &self.wanted else { unreachable!("a report before anything was wanted") };
        for (path, value) in patch.leaves() {
            match wanted.get(&path) {
                Some(present) => assert_eq!(*present, value, "{path}"),
                None => assert!(value.is_null(), "{path} is not wanted"),
            }
        }
        assert!(matches!(self.model.phase, Phase::Synced | Phase::Fetching(_)), "{:?}", self.model.phase);
    }
}
