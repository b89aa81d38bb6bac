//! Checks of the messages and their times: none is needless, none comes too often, and on a healthy link none is late.
//!
//! *Excused until* is the time at which the last fault that causes delay must have been overcome: a lost notification by
//! the next refresh, a lost request by its time-out, a refusal by the pause after it. Deliberately absent: contents
//! (`copies`).

use super::Scene;
use super::durability::Durability;
use super::silence::first_row;
use crate::disk::Disk;
use crate::hub::Answer;
use crate::net::Net;
use crate::presets::{ms, secs};
use core::time::Duration;
use serde_json::Value;
use std::collections::VecDeque;
use twind::engine::{Core, CoreSpec};
use twind::twin::{HubEvent, HubRequest, Patch};

/// Slewing outputs need fewer wake-ups in a second than this; more of them are a busy loop.
const WAKES_PER_SECOND: usize = 45;
/// A record that could not be saved is saved after this.
const SAVE_RETRY: Duration = secs(31);

/// The search for a refused value takes at most this many exchanges.
const SEARCH_EXCHANGES: u32 = 24;

/// The pause that a refusal asks for.
fn asked(refusal: &HubEvent) -> Duration {
    match refusal {
        HubEvent::Rejected { retry_after: Some(asked), .. } => *asked,
        _ => Duration::ZERO,
    }
}

pub(crate) struct Traffic {
    spec: CoreSpec,
    wakes: VecDeque<Duration>,
    /// Fetches for which there is a reason and that have not been made yet.
    fetches_due: u32,
    reconnects_due: bool,
    fetching: Option<u64>,
    /// The highest version notified during a fetch.
    notified: u64,
    fetched_at: Option<Duration>,
    in_flight: Option<u64>,
    last_rid: u64,
    refusals: u32,
    reports: VecDeque<Duration>,
    /// The last temperature that was reported, and when.
    temperature: Option<(Duration, f64)>,
    undisturbed_since: Duration,
    /// When a report was sent last.
    reported_at: Duration,
    /// When there last was no temperature to report.
    blind_at: Duration,
    /// When the temperature was last reported in another unit than before.
    converted_at: Duration,
    up_since: Option<Duration>,
    edited_at: Duration,
    fetch_excused_until: Duration,
    report_excused_until: Duration,
    /// The hub refused a report of this process with 400, so parts of it may be held back for an hour.
    pub(crate) set_aside: bool,
    /// The last version in a report that was refused with 400.
    refused: Option<u64>,
    /// When the hub may be asked again.
    fetch_not_before: Duration,
    report_not_before: Duration,
    /// Method calls without an answer yet.
    calls: VecDeque<(String, &'static str)>,
    /// The configuration was read again since, and the twin has not been fetched yet.
    reloaded: bool,
    pub(crate) settled_looks: u64,
}

impl Traffic {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        Self {
            spec: spec.clone(),
            wakes: VecDeque::new(),
            fetches_due: 0,
            reconnects_due: false,
            fetching: None,
            notified: 0,
            fetched_at: None,
            in_flight: None,
            last_rid: 0,
            refusals: 0,
            reports: VecDeque::new(),
            temperature: None,
            undisturbed_since: Duration::ZERO,
            reported_at: Duration::ZERO,
            blind_at: Duration::ZERO,
            converted_at: Duration::ZERO,
            up_since: None,
            edited_at: Duration::ZERO,
            fetch_excused_until: Duration::ZERO,
            report_excused_until: Duration::ZERO,
            set_aside: false,
            refused: None,
            fetch_not_before: Duration::ZERO,
            report_not_before: Duration::ZERO,
            calls: VecDeque::new(),
            reloaded: false,
            settled_looks: 0,
        }
    }

    pub(crate) fn handle_wake(&mut self, now: Duration, why: &str) -> Result<(), String> {
        self.wakes.push_back(now);
        if self.wakes.len() > WAKES_PER_SECOND {
            self.wakes.pop_front();
        }
        match self.wakes.front() {
            Some(first) if self.wakes.len() == WAKES_PER_SECOND && now - *first < secs(1) => {
                Err(format!("{WAKES_PER_SECOND} wake-ups in {:?}, the last for: {why}", now - *first))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn handle_start(&mut self, now: Duration) {
        self.last_rid = 0;
        self.temperature = None;
        self.handle_reload(now, &self.spec.clone(), false);
    }

    pub(crate) fn handle_reload(&mut self, now: Duration, spec: &CoreSpec, online: bool) {
        self.spec = spec.clone();
        self.temperature = None;
        self.in_flight = None;
        self.fetching = None;
        self.undisturbed_since = now;
        self.edited_at = now;
        self.refusals = 0;
        self.ask_again();
        // A refusal may still be under way until the fetch after the reload is answered.
        self.set_aside &= online;
        self.reloaded = online;
        if online {
            self.fetches_due = 1;
            self.up_since = Some(now);
        }
    }

    pub(crate) fn handle_up(&mut self, now: Duration) {
        self.up_since = Some(now);
        self.fetches_due = 1;
        self.reconnects_due = false;
        self.in_flight = None;
        self.fetching = None;
        self.refusals = 0;
        self.ask_again();
        self.fetch_excused_until = now;
        self.report_excused_until = now;
        self.undisturbed_since = now;
    }

    pub(crate) fn handle_down(&mut self, now: Duration) {
        self.up_since = None;
        self.in_flight = None;
        self.fetching = None;
        self.undisturbed_since = now;
    }

    /// After a reconnect, a restart or a reload the hub's requested pauses no longer count.
    fn ask_again(&mut self) {
        (self.fetch_not_before, self.report_not_before) = (Duration::ZERO, Duration::ZERO);
        self.calls.clear();
    }

    pub(crate) fn handle_edit(&mut self, now: Duration) {
        self.edited_at = now;
    }

    /// A request or its answer is lost or late: the device gives up after its time-out.
    pub(crate) fn handle_lost_exchange(&mut self, now: Duration, net: &Net) {
        self.reconnects_due = true;
        let patience = self.spec.sync.request_timeout + net.round_trip() * 2 + secs(1);
        self.fetch_excused_until = self.fetch_excused_until.max(now + patience * 3);
        self.report_excused_until = self.report_excused_until.max(self.fetch_excused_until);
        self.undisturbed_since = self.undisturbed_since.max(now + patience * 3);
    }

    /// The next refresh repairs it, or the next notification, which shows a gap.
    pub(crate) fn handle_lost_notification(&mut self, now: Duration, net: &Net) {
        self.fetches_due += 1;
        // A fetch that is under way may have been answered before it.
        let fetched = self.fetched_at.filter(|_| self.fetching.is_none()).unwrap_or(now + net.round_trip());
        let refresh = fetched + self.spec.sync.refresh_interval;
        // The refresh waits for a report in flight.
        let heals = refresh.max(now) + net.round_trip() * 4 + self.spec.sync.request_timeout;
        self.fetch_excused_until = self.fetch_excused_until.max(heals);
    }

    /// The hub sends its answer to a request.
    pub(crate) fn handle_answered(&mut self, now: Duration, answer: &Answer, request: &HubRequest) {
        let status = answer.status;
        if status < 400 {
            return;
        }
        let pause = self.pause(&answer.event);
        self.undisturbed_since = self.undisturbed_since.max(now + pause + secs(20));
        self.report_excused_until = self.report_excused_until.max(now + pause);
        match request {
            HubRequest::GetTwin { .. } => {
                self.fetches_due += 1;
                self.fetch_excused_until = self.fetch_excused_until.max(now + pause);
            }
            HubRequest::PatchReported { patch, .. } if status == 400 => {
                self.set_aside = true;
                self.refused =
                    patch.as_object().get("desiredVersion").and_then(Value::as_u64).or(self.refused);
            }
            _ => {}
        }
    }

    /// The device's pause after one more refusal: its own back-off, or the hub's pause if that is longer.
    fn pause(&self, refusal: &HubEvent) -> Duration {
        let own = secs(2 << self.refusals.min(8)).min(secs(300));
        own.max(asked(refusal))
    }

    pub(crate) fn handle_call(&mut self, rid: &str, name: &'static str) {
        self.calls.push_back((rid.to_owned(), name));
    }

    /// Every method call is answered, in order, as the handbook has it (`packaging/doc/twin.md`, "Direct methods").
    fn check_method(&mut self, rid: &str, status: u16, payload: &Value) -> Result<(), String> {
        let called = self.calls.pop_front();
        match called {
            Some((asked, "resync")) if asked == rid && status == 200 => {
                // The fetch that was asked for may come at once.
                self.fetches_due += u32::from(self.up_since.is_some() && self.fetching.is_none());
                self.fetch_not_before = Duration::ZERO;
                Ok(())
            }
            Some((asked, "status")) if asked == rid && status == 200 && payload.is_object() => Ok(()),
            Some((asked, _)) if asked == rid && status == 404 => Ok(()),
            called => Err(format!("method call {called:?} is answered as {rid} with {status} {payload}")),
        }
    }

    pub(crate) fn handle_delivery(&mut self, now: Duration, event: &HubEvent, engine: &Core) {
        if let HubEvent::Rejected { rid, .. } = event {
            let until = now + asked(event);
            if self.in_flight == Some(*rid) {
                self.report_not_before = until;
            } else if self.fetching == Some(*rid) {
                self.fetch_not_before = until;
            }
            // The refusal may have been under way for long.
            let until = now + self.pause(event);
            self.refusals += 1;
            self.undisturbed_since = self.undisturbed_since.max(until + secs(20));
            self.report_excused_until = self.report_excused_until.max(until);
            if self.fetching == Some(*rid) {
                self.fetch_excused_until = self.fetch_excused_until.max(until);
            }
        }
        match event {
            HubEvent::Twin { rid, desired_version, .. } if self.fetching == Some(*rid) => {
                self.fetching = None;
                self.set_aside &= !core::mem::take(&mut self.reloaded);
                self.fetched_at = Some(now);
                self.refusals = 0;
                // The answer does not hold what was notified meanwhile.
                self.fetches_due += u32::from(self.notified > desired_version.0);
                self.disturb(now);
            }
            HubEvent::ReportedAck { rid } | HubEvent::Rejected { rid, .. }
                if self.in_flight == Some(*rid) =>
            {
                self.in_flight = None;
                if matches!(event, HubEvent::ReportedAck { .. }) {
                    self.refusals = 0;
                }
            }
            HubEvent::Rejected { rid, .. } if self.fetching == Some(*rid) => self.fetching = None,
            HubEvent::DesiredDelta { version, patch } => {
                if self.fetching.is_some() {
                    self.notified = self.notified.max(version.0);
                }
                self.disturb(now);
                if patch.is_empty() && self.fetching.is_none() && *version > engine.sync().desired_version() {
                    self.fetches_due += 1;
                }
            }
            HubEvent::Garbled { .. } => self.fetches_due += 1,
            _ => {}
        }
    }

    pub(crate) fn handle_request(
        &mut self,
        now: Duration,
        request: &HubRequest,
        asks: bool,
        net: &Net,
        disk: &Disk,
    ) -> Result<(), String> {
        match request {
            HubRequest::GetTwin { rid } => {
                self.check_rid(*rid)?;
                if now < self.fetch_not_before {
                    return Err("the twin is fetched before the hub may be asked again".into());
                }
                self.fetching = Some(*rid);
                self.notified = 0;
                let refreshes = self.fetched_at.is_some_and(|at| now >= at + self.spec.sync.refresh_interval);
                if self.fetches_due == 0 && !refreshes && !asks {
                    return Err("the twin is fetched for no reason".into());
                }
                if !refreshes {
                    self.fetches_due = self.fetches_due.saturating_sub(1);
                }
                Ok(())
            }
            HubRequest::PatchReported { rid, patch } => {
                self.check_rid(*rid)?;
                if now < self.report_not_before {
                    return Err("a report is sent before the hub may be asked again".into());
                }
                if let Some(other) = self.in_flight.replace(*rid) {
                    return Err(format!("report {rid} is sent while {other} is in flight"));
                }
                self.reported_at = now;
                self.check_pace(now, patch, net, disk)
            }
            HubRequest::AnswerMethod { rid, status, payload } => self.check_method(rid, *status, payload),
            // Checked by `telemetry`.
            HubRequest::SendMessage { .. } => Ok(()),
            HubRequest::Reconnect { reason } if reason.contains("message") => Ok(()),
            HubRequest::Reconnect { reason } => {
                let owed = core::mem::take(&mut self.reconnects_due);
                if owed || net.half_open {
                    Ok(())
                } else {
                    Err(format!("reconnects for no reason, waiting for {reason}"))
                }
            }
        }
    }

    /// For a while, reports may wait for the disk, or follow each other because some were held back.
    fn disturb(&mut self, now: Duration) {
        self.undisturbed_since = self.undisturbed_since.max(now + secs(30));
    }

    fn check_rid(&mut self, rid: u64) -> Result<(), String> {
        if rid <= self.last_rid {
            return Err(format!("request id {rid} after {}", self.last_rid));
        }
        self.last_rid = rid;
        Ok(())
    }

    fn check_pace(&mut self, now: Duration, patch: &Patch, net: &Net, disk: &Disk) -> Result<(), String> {
        let interval = self.spec.report.min_interval;
        let patch = patch.as_object();
        let acknowledges = patch.keys().any(|key| key != "components" && key != "alarms");
        if !acknowledges && now >= self.undisturbed_since {
            self.reports.push_back(now);
            while self.reports.front().is_some_and(|first| *first + interval * 10 <= now) {
                self.reports.pop_front();
            }
            if self.reports.len() > 33 {
                return Err(format!("{} reports in {:?}", self.reports.len(), interval * 10));
            }
        }
        let told = patch.get("components").and_then(|components| components.get("climate"));
        if told.is_some_and(|climate| climate.get("unit").is_some()) {
            // The same temperature is reported in another unit, by another version or another entry of the schedule.
            self.temperature = None;
            self.converted_at = now;
            return Ok(());
        }
        let told = told.and_then(|climate| climate.get("temperature"));
        if told.is_some_and(Value::is_null) {
            // A temperature is removed at once, and comes back when the pace allows it.
            self.temperature = None;
        }
        let Some(value) = told.and_then(Value::as_f64) else { return Ok(()) };
        let before = self.temperature.replace((now, value));
        // By how much the delays of two reports may differ.
        let slack = net.round_trip() * 2 + disk.patience() + ms(100);
        let (Some((at, held)), true) = (before, now >= self.undisturbed_since + slack && !acknowledges)
        else {
            return Ok(());
        };
        // With several sensors there are other values, and the loss of one sensor is reported at once.
        let calm = at >= self.undisturbed_since && self.spec.sensors.len() == 1;
        if calm && now - at + slack < interval {
            return Err(format!("temperatures are reported {:?} apart, at least {interval:?}", now - at));
        }
        let band = self.spec.report.deadband.get("temperature").copied().unwrap_or(0.0);
        if calm && (held - value).abs() + 1e-9 < band && now - at + slack < self.spec.report.heartbeat {
            return Err(format!("{value} is reported {:?} after {held}, within the dead-band", now - at));
        }
        Ok(())
    }

    /// On a healthy link the device has the hub's desired section in time, and the hub has the acknowledgement.
    pub(crate) fn look(
        &mut self,
        scene: &Scene<'_>,
        has_temperature: bool,
        silence: Duration,
        durability: &Durability,
    ) -> Result<(), String> {
        let Scene { at: now, engine, hub, net, disk, .. } = *scene;
        let waits = self.fetching.is_some() || self.in_flight.is_some() || !engine.sync().is_synced();
        let excused = self.fetch_excused_until.max(self.report_excused_until).max(self.report_not_before);
        let asked_at = first_row(&self.spec).map(|row| row / 4 + secs(1));
        if !waits && now > excused + secs(1) && asked_at.is_some_and(|at| silence > at) {
            return Err(format!("the hub has been silent for {silence:?}, and is not asked"));
        }
        let is_away = net.half_open || net.closing || hub.mute || hub.throttling && !hub.calm;
        let (Some(up), false) = (self.up_since, is_away) else {
            self.undisturbed_since = self.undisturbed_since.max(now);
            return Ok(());
        };
        self.settled_looks += u64::from(engine.sync().is_settled());
        let healthy = up.max(self.edited_at).max(self.fetch_excused_until);
        let bound = net.round_trip() * 4 + secs(1);
        let version = hub.twin.desired().version();
        if now > healthy + bound && engine.sync().desired_version().0 != version {
            let ours = engine.sync().desired_version();
            return Err(format!(
                "healthy since {healthy:?}, the hub is at version {version}, the device at {ours}"
            ));
        }
        let failed = disk.failed_at.map_or(Duration::ZERO, |at| at + SAVE_RETRY);
        let healthy = healthy.max(self.report_excused_until).max(failed);
        let bound = bound * 2 + disk.patience() * 2 + durability.wait(now);
        let searches = self.set_aside || hub.refuses.is_some();
        if searches {
            self.undisturbed_since = self.undisturbed_since.max(now);
        }
        if !has_temperature {
            self.blind_at = now;
        }
        if disk.full || hub.refuses_much() {
            if let Some(told) = durability.alarm_since().filter(|_| !searches && !hub.refuses_much()) {
                self.check_reports_without_a_disk(now, up.max(told), bound)?;
            }
            self.undisturbed_since = self.undisturbed_since.max(now);
            self.edited_at = now;
            return Ok(());
        }
        // A refused value delays the others by no more than the search for it.
        let bound = if searches { bound + net.round_trip() * SEARCH_EXCHANGES } else { bound };
        // A version that was itself refused is not acknowledged before there is another one.
        let is_refused = searches && self.refused == Some(version);
        if now > healthy + bound && !is_refused && hub.acknowledged_version() != Some(version) {
            let told = hub.acknowledged_version();
            return Err(format!(
                "healthy since {healthy:?}, the hub is at version {version}, acknowledged is {told:?}"
            ));
        }
        if searches {
            return Ok(());
        }
        let heartbeat = self.spec.report.heartbeat + self.spec.report.min_interval + bound;
        let since = self.temperature.map_or(Duration::ZERO, |(at, _)| at);
        let since = since.max(self.converted_at).max(self.undisturbed_since).max(self.blind_at);
        if self.spec.sensors.len() == 1 && now > since.max(healthy) + heartbeat {
            return Err(format!("no temperature has been reported since {since:?}"));
        }
        Ok(())
    }

    /// While there is an alarm of the disk, reports go on. Only acknowledgements wait.
    fn check_reports_without_a_disk(
        &self,
        now: Duration,
        since: Duration,
        bound: Duration,
    ) -> Result<(), String> {
        let since = since.max(self.reported_at).max(self.fetch_excused_until).max(self.report_excused_until);
        let since = since.max(self.blind_at);
        let heartbeat = self.spec.report.heartbeat + self.spec.report.min_interval + bound;
        if self.spec.sensors.len() == 1 && now > since + heartbeat {
            return Err(format!("the disk cannot be written, and nothing has been reported since {since:?}"));
        }
        Ok(())
    }
}
