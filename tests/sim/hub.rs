//! The hub's side of the world: the stand-in hub's twin, all its earlier versions, and the answers.
//!
//! When the identity is deleted and made anew, a new *generation* begins, and versions start again. The hub keeps each
//! desired version of each generation, so that any copy can be compared with it. Deliberately absent: the wire.

use crate::foreign;
use crate::message::read_twin;
use crate::rng::Rng;
use crate::wishes::Wishes;
use core::time::Duration;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use twind::twin::{HubEvent, HubRequest};
use twinhub::twin::{Notification, ResetNotice, Rules, Twin};

const NEVER: &str = "0001-01-01T00:00:00Z";

/// How many of a thousand requests the hub treats badly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behaviour {
    /// Refuses with 429, always.
    pub(crate) throttle_permille: u32,
    /// Refuses with 500 or 503.
    pub(crate) error_permille: u32,
    /// Takes up to three seconds to answer.
    pub(crate) slow_permille: u32,
}

pub(crate) struct Hub {
    pub(crate) twin: Twin,
    /// The desired section at each version, by generation.
    pub(crate) history: Vec<BTreeMap<u64, Map<String, Value>>>,
    pub(crate) rules: Rules,
    behaviour: Behaviour,
    rng: Rng,
    message_rng: Rng,
    /// While throttling, most requests are refused.
    pub(crate) throttling: bool,
    /// Refused with 400 for now: any report that holds this top-level key.
    pub(crate) refuses: Option<String>,
    /// Every report is answered so for now.
    pub(crate) refuses_all: Option<u16>,
    /// It takes connections and requests, and says nothing.
    pub(crate) mute: bool,
    /// It takes connections and ends them.
    pub(crate) cuts: bool,
    /// Connections are refused until then.
    pub(crate) closed_until: Duration,
    pub(crate) calm: bool,
    pub(crate) gets: u64,
    pub(crate) reports: u64,
}

/// The hub's answer to a request.
pub(crate) struct Answer {
    pub(crate) event: HubEvent,
    /// Its status, as the wire would show it.
    pub(crate) status: u16,
}

impl Hub {
    pub(crate) fn new(behaviour: Behaviour, mut rng: Rng, message_rng: Rng) -> Self {
        let reset_notice = *rng.pick(&[
            ResetNotice::NullsForKeys,
            ResetNotice::NullsForKeys,
            ResetNotice::VersionOnly,
            ResetNotice::Silent,
        ]);
        // Others may write beyond the documented limits; what twind writes keeps to them.
        let rules =
            Rules { reset_notice, tags_notify: rng.chance(500), raised_limits: true, ..Rules::default() };
        let mut hub = Self {
            twin: Twin::new(NEVER),
            history: Vec::new(),
            rules,
            behaviour,
            rng,
            message_rng,
            throttling: false,
            refuses: None,
            refuses_all: None,
            mute: false,
            cuts: false,
            closed_until: Duration::ZERO,
            calm: false,
            gets: 0,
            reports: 0,
        };
        hub.recreate();
        hub
    }

    /// The identity is deleted and made again.
    pub(crate) fn recreate(&mut self) {
        self.twin = Twin::new(NEVER);
        self.history.push(BTreeMap::new());
        self.remember();
    }

    pub(crate) fn generation(&self) -> usize {
        self.history.len() - 1
    }

    fn remember(&mut self) {
        let (version, values) = (self.twin.desired().version(), self.twin.desired().values().clone());
        if let Some(history) = self.history.last_mut() {
            history.entry(version).or_insert(values);
        }
    }

    /// A write by the back end: the notification, and whether there should have been one.
    pub(crate) fn update(&mut self, body: &Value, whole: bool) -> (Option<Notification>, bool) {
        let before = self.twin.desired().version();
        let change = if whole {
            self.twin.replace(body, self.rules, NEVER)
        } else {
            self.twin.update(body, self.rules, NEVER)
        };
        self.remember();
        let notification = change.ok().and_then(|change| change.notification);
        let unsaid = notification.is_none() && self.twin.desired().version() != before;
        (notification, unsaid)
    }

    pub(crate) fn answer(&mut self, request: &HubRequest) -> Option<Answer> {
        let rid = match request {
            HubRequest::GetTwin { rid } | HubRequest::PatchReported { rid, .. } => *rid,
            HubRequest::Reconnect { .. }
            | HubRequest::AnswerMethod { .. }
            | HubRequest::SendMessage { .. } => return None,
        };
        if let Some(status) = self.refusal(request) {
            let message = "the simulated hub says no".to_owned();
            // With 429 a hub may say when it may be asked again.
            let retry_after =
                (self.rng.chance(300) && status == 429).then(|| Duration::from_secs(self.rng.below(100)));
            return Some(Answer { event: HubEvent::Rejected { rid, status, message, retry_after }, status });
        }
        match request {
            HubRequest::GetTwin { .. } => {
                self.gets += 1;
                Some(Answer { event: read_twin(rid, &self.twin.device_view()), status: 200 })
            }
            HubRequest::PatchReported { patch, .. } => {
                self.reports += 1;
                let patch = Value::Object(patch.as_object().clone());
                let documented =
                    Twin::new(NEVER).report(&without_removals(&patch), None, Rules::default(), NEVER);
                match documented.and_then(|_| self.twin.report(&patch, None, self.rules, NEVER)) {
                    Ok(_) => Some(Answer { event: HubEvent::ReportedAck { rid }, status: 204 }),
                    Err(error) => {
                        let message = error.to_string();
                        Some(Answer {
                            event: HubEvent::Rejected { rid, status: 400, message, retry_after: None },
                            status: 400,
                        })
                    }
                }
            }
            HubRequest::Reconnect { .. }
            | HubRequest::AnswerMethod { .. }
            | HubRequest::SendMessage { .. } => None,
        }
    }

    fn refusal(&mut self, request: &HubRequest) -> Option<u16> {
        // Drawn even if unused, so that the end of faults does not change later draws.
        let (throttled, error) = (
            self.rng.chance(if self.throttling { 900 } else { self.behaviour.throttle_permille }),
            self.rng.below(1000),
        );
        if self.calm {
            return None;
        }
        if throttled {
            return Some(429);
        }
        if error < u64::from(self.behaviour.error_permille) {
            return Some(if error.is_multiple_of(2) { 500 } else { 503 });
        }
        if let (HubRequest::PatchReported { .. }, Some(status)) = (request, self.refuses_all) {
            return Some(status);
        }
        match (request, &self.refuses) {
            (HubRequest::PatchReported { patch, .. }, Some(key)) if patch.as_object().contains_key(key) => {
                Some(400)
            }
            _ => None,
        }
    }

    /// Is so much refused that a search for the refused values would take longer than the refusal lasts?
    pub(crate) fn refuses_much(&self) -> bool {
        self.refuses_all.is_some() || self.refuses.as_deref() == Some("components")
    }

    /// Other firmware of this device wrote its own properties.
    pub(crate) fn report_as_another(&mut self, properties: &Value) {
        // A removal of what is not there is no change.
        let _ = self.twin.report(properties, None, self.rules, NEVER);
    }

    /// How long the hub takes to answer. Notifications of that time arrive before the answer.
    pub(crate) fn time_to_answer(&mut self) -> Duration {
        let (slow, time) = (self.rng.chance(self.behaviour.slow_permille), self.rng.below(3_000));
        if slow && !self.calm { Duration::from_millis(time) } else { Duration::ZERO }
    }

    /// How long the hub takes to store a message. A hub that throttles shows it by nothing else.
    pub(crate) fn time_to_acknowledge(&mut self) -> Duration {
        let time = self.message_rng.below(30_000);
        if self.throttling && !self.calm { Duration::from_millis(time) } else { Duration::ZERO }
    }

    pub(crate) fn reported(&self) -> &Map<String, Value> {
        self.twin.reported().values()
    }

    /// The desired version that the device has acknowledged.
    pub(crate) fn acknowledged_version(&self) -> Option<u64> {
        self.reported().get("desiredVersion").and_then(Value::as_u64)
    }
}

/// Only what a patch sets.
fn without_removals(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_removals(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The back end, which writes valid and invalid values into the desired section.
pub(crate) struct BackEnd {
    rng: Rng,
    /// For what others write into the twin.
    foreign: Rng,
    /// How many of a thousand writes come with that.
    foreign_permille: u32,
    weights: [u32; 12],
    counter: u64,
    wishes: Wishes,
}

/// One write.
pub(crate) struct Edit {
    pub(crate) body: Value,
    /// PUT, not PATCH.
    pub(crate) whole: bool,
}

impl BackEnd {
    /// What the back end does often differs by seed.
    pub(crate) fn new(mut rng: Rng, mut foreign: Rng, wishes: Wishes) -> Self {
        let weights = core::array::from_fn(|_| 1 + (rng.below(4) * rng.below(4)) as u32);
        let foreign_permille = *foreign.pick(&[0, 50, 300]);
        Self { rng, foreign, foreign_permille, weights, counter: 0, wishes }
    }

    /// The next writes, one after the other, at this wall-clock time; another writer's may be among them.
    pub(crate) fn edits(&mut self, wall: u64) -> Vec<Edit> {
        let mut edits = self.own_edits();
        if let Some(desired) = self.wishes.some(wall) {
            edits.push(Edit { body: json!({ "properties": { "desired": desired } }), whole: false });
        }
        if self.foreign.chance(self.foreign_permille) {
            let desired = foreign::some(&mut self.foreign);
            edits.push(Edit { body: json!({ "properties": { "desired": desired } }), whole: false });
        }
        edits
    }

    fn own_edits(&mut self) -> Vec<Edit> {
        if self.rng.chance(25) {
            return self.burst();
        }
        let total: u64 = self.weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut drawn = self.rng.below(total);
        let mut kind = 0;
        while drawn >= u64::from(self.weights[kind]) {
            drawn -= u64::from(self.weights[kind]);
            kind += 1;
        }
        vec![self.edit(kind)]
    }

    /// More writes than can arrive during a fetch.
    pub(crate) fn burst(&mut self) -> Vec<Edit> {
        let count = 66 + self.rng.below(40);
        (0..count).map(|_| self.edit(2)).collect()
    }

    /// One of many that follow each other at once.
    pub(crate) fn stormy(&mut self) -> Edit {
        self.edit(2)
    }

    /// Does it write a burst while the hub prepares an answer, which is the worst moment?
    pub(crate) fn is_in_a_hurry(&mut self) -> bool {
        self.rng.chance(10)
    }

    fn edit(&mut self, kind: usize) -> Edit {
        self.counter += 1;
        let desired = match kind {
            0 => json!({ "fanOn": self.boolean() }),
            1 | 2 => json!({ "components": { "climate": self.range() }, "patchId": self.counter }),
            3 => json!({ "components": { "system": { "units": self.unit() } } }),
            4 => json!({ "patchId": format!("p{}", self.counter), "fanOn": self.boolean() }),
            5 => {
                json!({ "components": { (self.name()): { "k": self.counter, "list": [1, { "a": true }] } } })
            }
            6 => json!({ "components": { (self.name()): null } }),
            7 => json!({ "components": { "lamp": { "on": self.share() } } }),
            8 => match self.rng.below(4) {
                0 => Value::Null,
                1 => json!({ "components": null }),
                2 => json!({ "components": { "climate": null } }),
                _ => json!({ "components": 7 }),
            },
            9 => return Edit { body: json!({ "tags": { "place": self.counter } }), whole: false },
            10 => {
                let body = json!({ "properties": { "desired": {
                    "fanOn": self.boolean(),
                    "components": { "climate": self.range(), (self.name()): { "k": 1 } },
                    "note": "x".repeat(self.rng.below(600) as usize),
                } } });
                return Edit { body, whole: true };
            }
            _ => json!({ (self.name()): self.counter, "note": "y".repeat(self.rng.below(3000) as usize) }),
        };
        Edit { body: json!({ "properties": { "desired": desired } }), whole: false }
    }

    /// The last edits of a run, which are valid, so that their arrival can be checked.
    pub(crate) fn last(&mut self) -> [Edit; 2] {
        let desired = json!({
            "fanOn": true, "patchId": "last",
            "components": { "climate": { "minTemperature": 21, "maxTemperature": 27 }, "system": { "units": "celsius" } },
        });
        [desired, self.wishes.last()]
            .map(|desired| Edit { body: json!({ "properties": { "desired": desired } }), whole: false })
    }

    fn name(&mut self) -> &'static str {
        self.rng.pick::<&'static str>(&["wifi", "camera", "door", "fan", "heater"])
    }

    fn boolean(&mut self) -> Value {
        match self.rng.below(9) {
            0 | 1 => json!(true),
            2 | 3 => json!(false),
            4 => json!("true"),
            5 => json!(" False"),
            6 => Value::Null,
            7 => json!("perhaps"),
            _ => json!(1),
        }
    }

    fn share(&mut self) -> Value {
        match self.rng.below(7) {
            0 => json!(true),
            1 => json!("40%"),
            2 => json!(self.rng.below(101)),
            3 => json!(250),
            4 => Value::Null,
            5 => json!([1]),
            _ => json!(false),
        }
    }

    fn unit(&mut self) -> Value {
        match self.rng.below(6) {
            0 | 1 => json!("farenheit"),
            2 | 3 => json!("celsius"),
            4 => json!("rankine"),
            _ => Value::Null,
        }
    }

    fn range(&mut self) -> Value {
        let min = 10.0 + self.rng.below(25) as f64;
        let max = min + self.rng.below(20) as f64 - 3.0;
        let max = if self.rng.chance(40) { 400.0 } else { max };
        match self.rng.below(6) {
            0 => json!({ "minTemperature": min }),
            1 => json!({ "maxTemperature": max }),
            2 => json!({ "minTemperature": min.to_string(), "maxTemperature": max.to_string() }),
            3 => json!({ "minTemperature": "warm", "maxTemperature": max }),
            4 => json!({ "minTemperature": null, "maxTemperature": max }),
            _ => json!({ "minTemperature": min, "maxTemperature": max }),
        }
    }
}
