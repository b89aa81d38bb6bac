//! Direct methods: the calls of the back end, and their answers.

use super::history::Row;
use super::ranges::{RangeChange, Reason};
use super::{Core, OverrideFault, Setting};
use crate::control::Cause;
use crate::report::status::{
    self, ChangeStatus, HeldStatus, HubStatus, RangeChangeStatus, Status, TelemetryStatus,
};
use crate::telemetry::Telemetry;
use crate::twin::{Author, HubRequest, json};
use crate::units::{BootTime, Permille, TemperatureUnit, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::time::Duration;
use serde_json::{Value, json};

pub(super) const METHODS: [&str; 3] = ["override", "resync", "status"];
const OVERRIDE_WANTED: &str = "wanted: {\"output\": NAME, \"percent\": 0 to 100, \"on\" or \"off\", \"seconds\": 1 to 604800}, \
    {\"climate\": NAME, \"min\": NUMBER, \"max\": NUMBER, \"seconds\": 1 to 604800}, or one of the names and \"clear\": true";

impl Core {
    /// Answers a direct method. The longest answer is the status, whose size depends on the number of outputs and sensors.
    pub(super) fn call(&mut self, now: BootTime, rid: String, name: &str, argument: &Value) {
        let (status, payload) = match name {
            "override" => self.call_override(now, argument),
            "resync" => {
                self.sync.handle_resync(now);
                (200, json!({ "desiredVersion": self.sync.desired_version().0 }))
            }
            "status" => (200, json!(self.status(now, 0))),
            _ => (404, json!({ "error": "no such method", "methods": METHODS })),
        };
        self.answers.push_back(HubRequest::AnswerMethod { rid, status, payload });
    }

    /// What twind is doing now, with this many of the last changes of outputs.
    pub fn status(&self, now: BootTime, changes: usize) -> Status {
        let row = |row: &Row| ChangeStatus {
            seconds_ago: now.since(row.change.at).as_secs(),
            output: (*row.change.output).to_owned(),
            permille: row.change.drive.get(),
            cause: row.cause().to_string(),
            by: row.change.by.map(|by| by.to_string()),
        };
        let silent = self.contact.silence.lasts(now);
        let refusals = &self.understanding.refusals;
        let hub = HubStatus::of(now, &self.sync, refusals, self.copy_age(now), silent);
        let rows = || self.history.latest().take(changes).map(row).collect();
        let range_rows =
            || self.history.ranges.latest().take(changes).map(|one| range_row(now, one)).collect();
        Status {
            telemetry: self.telemetry.is_on().then(|| telemetry(&self.telemetry)),
            changes: (changes > 0).then(rows),
            range_changes: (changes > 0).then(range_rows),
            ..Status::of(now, hub, self.facts())
        }
    }

    /// When a sensor last had a valid value.
    pub fn last_valid_reading(&self) -> Option<BootTime> {
        self.sensors.iter().filter_map(|(.., state)| state.last_good.map(|(_, at)| at)).max()
    }

    /// Why an output does not have the drive of its override, if so.
    pub fn unmet_override(&self, now: BootTime, output: &str) -> Option<HeldStatus> {
        let state = self.outputs.state(self.spec.output_named(output)?)?;
        let unmet = state.unmet.filter(|unmet| unmet.cause == Cause::Override)?;
        Some(status::held_status(now, unmet, &self.climates))
    }

    /// The age of the twin's copy: the time since the hub last spoke of the twin, to this process or by the wall clock before.
    fn copy_age(&self, now: BootTime) -> Option<Duration> {
        match self.contact.heard_at {
            Some(at) => Some(now.since(at)),
            None if self.contact.known_time == UnixSeconds(0) => None,
            None => {
                let wall = self.contact.machine.moment(now).wall?;
                Some(Duration::from_secs(wall.0.saturating_sub(self.contact.known_time.0)))
            }
        }
    }

    fn call_override(&mut self, now: BootTime, argument: &Value) -> (u16, Value) {
        let Some(Asked { kind, name, order }) = parse_override(argument) else {
            return (400, json!({ "error": OVERRIDE_WANTED }));
        };
        // In a call of the hub each name stands under its own kind.
        let is_known = match kind {
            Kind::Output => self.spec.output_named(name).is_some(),
            Kind::Climate => self.spec.climate_named(name).is_some(),
        };
        let ordered = match self.order(name, order, Author::Hub) {
            Ok(_) if !is_known => Err(self.unknown()),
            ordered => ordered,
        };
        match ordered {
            Ok(order) => {
                self.handle_override(now, order);
                (200, self.overridden(now, kind, name))
            }
            Err(fault @ OverrideFault::Unknown { .. }) => (404, json!({ "error": fault.to_string() })),
            Err(fault) => (400, json!({ "error": fault.to_string() })),
        }
    }

    /// The answer to an override that is in force.
    fn overridden(&self, now: BootTime, kind: Kind, name: &str) -> Value {
        match (kind, self.unmet_override(now, name)) {
            (Kind::Climate, _) => json!({ "climate": name, "unit": self.unit_of(name) }),
            (Kind::Output, None) => json!({ "output": name }),
            (Kind::Output, Some(held)) => json!({ "output": name, "held": held }),
        }
    }

    /// The unit in which an override of a climate is asked for; `None` for what has no choice of units.
    pub fn unit_of(&self, climate: &str) -> Option<&'static str> {
        let (_, climate) = self.spec.climate_named(climate)?;
        climate.quantity.unit().map(TemperatureUnit::name)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Output,
    Climate,
}

/// What a call asks for.
struct Asked<'a> {
    kind: Kind,
    name: &'a str,
    /// `None` clears the override.
    order: Option<(Setting, Duration)>,
}

fn parse_override(argument: &Value) -> Option<Asked<'_>> {
    let (kind, name) = match (argument.get("output"), argument.get("climate")) {
        (Some(name), None) => (Kind::Output, name.as_str()?),
        (None, Some(name)) => (Kind::Climate, name.as_str()?),
        _ => return None,
    };
    if argument.get("clear") == Some(&Value::Bool(true)) {
        return Some(Asked { kind, name, order: None });
    }
    let setting = match kind {
        Kind::Output => Setting::Drive(share(argument.get("percent")?)?),
        Kind::Climate => {
            let end = |key| argument.get(key).and_then(json::number);
            Setting::Range { min: end("min")?, max: end("max")? }
        }
    };
    let lasts = Duration::try_from_secs_f64(argument.get("seconds")?.as_f64()?).ok()?;
    Some(Asked { kind, name, order: Some((setting, lasts)) })
}

fn share(value: &Value) -> Option<Permille> {
    match value {
        Value::String(word) if word == "on" => Some(Permille::FULL),
        Value::String(word) if word == "off" => Some(Permille::ZERO),
        number => Permille::from_percent(number.as_f64()?),
    }
}

fn telemetry(telemetry: &Telemetry) -> TelemetryStatus {
    let waiting = telemetry.waiting();
    TelemetryStatus {
        waiting_messages: waiting.in_memory,
        kept_messages: waiting.ring.messages,
        kept_bytes: waiting.ring.bytes,
        lost_records: telemetry.dropped(),
        fault: telemetry.fault().map(ToOwned::to_owned),
    }
}

fn range_row(now: BootTime, change: &RangeChange) -> RangeChangeStatus {
    RangeChangeStatus {
        seconds_ago: now.since(change.at).as_secs(),
        climate: (*change.climate).to_owned(),
        min: status::rounded(change.range.min(), 2),
        max: status::rounded(change.range.max(), 2),
        cause: change.reason.to_string(),
        by: match change.reason {
            Reason::Override(by) => Some(by.to_string()),
            _ => None,
        },
    }
}
