//! Checks of telemetry: nothing that was measured is lost without a word, nothing is sent as new twice, and every time is right.
//!
//! A *sample* is due in each interval, and each must have a record of every sensor, climate and output. A message is *made* when
//! it is first handed to the disk or sent. In the end the hub has each message that was made, or it gave way in the ring and its
//! records were counted, or a crash took it: then it was made no longer before that than the last batch. Deliberately absent:
//! what the numbers in a record should be (`meaning`, `shape`), and when the ring gives way (`ring`).

use crate::disk::Disk;
use crate::presets::{ms, secs};
use core::time::Duration;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use twind::engine::{Core, CoreSpec};
use twind::telemetry::{Message, TelemetrySpec};
use twind::twin::{DeviceMessage, HubEvent, HubRequest};
use twind::units::{BootTime, UnixSeconds};

/// The most messages under way at once.
const WINDOW: usize = 4;
/// A connection that acknowledges nothing for so long may be given up.
const UNACKNOWLEDGED: Duration = secs(60);
/// The bytes of a body at most: with its properties a message is one piece of 4 KB.
const BODY_MAX: usize = 3_800;
/// A clock in seconds may differ by this much.
const CLOCK_OFF_S: u64 = 2;

/// Why a message need not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The hub is to have it.
    Owed,
    /// It gave way in the ring, which was counted.
    GaveWay,
    /// A crash took it.
    Taken,
}

#[derive(Debug)]
struct Made {
    life: u64,
    at: Duration,
    records: u64,
    fate: Fate,
    arrived: u32,
    /// In this life the device was told that the hub has it.
    acknowledged_in: Option<u64>,
    /// The connection on which it was sent last.
    sent_on: u64,
}

/// One sample, as it was taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    now: BootTime,
    wall: Option<UnixSeconds>,
}

/// What one process has measured.
#[derive(Default)]
struct Life {
    samples: Vec<Taken>,
    /// How many records of each thing were seen, by kind and name.
    seen: BTreeMap<(String, String), usize>,
}

#[derive(Default)]
pub(crate) struct Telemetry {
    spec: Option<TelemetrySpec>,
    things: BTreeSet<(String, String)>,
    life: u64,
    started_at: Duration,
    current: Life,
    made: BTreeMap<String, Made>,
    connection: u64,
    under_way: BTreeMap<u64, (String, Duration)>,
    /// The records that a full memory cost, of all processes.
    shed: u64,
    dropped_by_ring: u64,
    dropped: u64,
    /// When the disk last gave trouble.
    trouble_at: Option<Duration>,
    /// When the wall clock was last set, or believed again.
    wall: Option<UnixSeconds>,
}

impl Telemetry {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        let named = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        let sensors = spec.sensors.iter().map(|one| named("sensor", &one.name));
        let climates = spec.climates.iter().map(|one| named("climate", one.label()));
        let outputs = spec.outputs.iter().map(|one| named("output", &one.name));
        Self {
            spec: spec.telemetry.clone(),
            things: sensors.chain(climates).chain(outputs).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn handle_start(&mut self, at: Duration) {
        self.life += 1;
        (self.started_at, self.current) = (at, Life::default());
        (self.dropped, self.dropped_by_ring) = (0, 0);
        self.under_way.clear();
    }

    pub(crate) fn handle_up(&mut self) {
        self.connection += 1;
        self.under_way.clear();
    }

    pub(crate) fn handle_down(&mut self) {
        self.under_way.clear();
    }

    /// A message is handed to the disk or sent, perhaps not for the first time.
    pub(crate) fn handle_made(
        &mut self,
        at: Duration,
        id: &str,
        alarm: Option<&str>,
        body: &str,
    ) -> Result<(), String> {
        if id.is_empty() || id.len() > 128 {
            return Err(format!("the id {id:?} is none for a message"));
        }
        if body.len() > BODY_MAX {
            return Err(format!("the message {id} has {} bytes", body.len()));
        }
        let records: Vec<Map<String, Value>> =
            serde_json::from_str(body).map_err(|error| format!("the message {id}: {error}: {body}"))?;
        let count = records.len() as u64;
        if let Some(before) = self.made.get(id) {
            return match before.records == count {
                true => Ok(()),
                false => Err(format!("the id {id} stands for two messages")),
            };
        }
        if alarm.is_some() != (records.len() == 1 && records[0].contains_key("alarm")) {
            return Err(format!("an alarm is a message of its own, {id} is {body}"));
        }
        records.iter().try_for_each(|record| self.see(at, record))?;
        let (life, fate) = (self.life, Fate::Owed);
        let made = Made { life, at, records: count, fate, arrived: 0, acknowledged_in: None, sent_on: 0 };
        self.made.insert(id.to_owned(), made);
        Ok(())
    }

    /// A record is seen for the first time.
    fn see(&mut self, at: Duration, record: &Map<String, Value>) -> Result<(), String> {
        if record.contains_key("dropped") || record.contains_key("alarm") {
            return Ok(());
        }
        let kind = ["sensor", "climate", "output"].into_iter().find(|kind| record.contains_key(*kind));
        let name = kind.and_then(|kind| record.get(kind)).and_then(Value::as_str);
        let Some((kind, name)) = kind.zip(name) else {
            return Err(format!("a record of nothing: {record:?}"));
        };
        let thing = (kind.to_owned(), name.to_owned());
        if !self.things.contains(&thing) {
            return Err(format!("a record of what there is not: {record:?}"));
        }
        // Outputs and climates have records of their changes, too.
        if kind != "sensor" {
            *self.current.seen.entry(thing).or_default() += 1;
            return Ok(());
        }
        let seen = self.current.seen.entry(thing).or_default();
        let Some(sample) = self.current.samples.get(*seen) else {
            return Err(format!("more records of sensor {name} than samples, at {at:?}: {record:?}"));
        };
        *seen += 1;
        check_time(*sample, record)
    }

    pub(crate) fn handle_request(&mut self, at: Duration, request: &HubRequest) -> Result<(), String> {
        let (number, message) = match request {
            HubRequest::SendMessage { number, message } => (*number, message),
            HubRequest::Reconnect { reason } if reason.contains("message") => {
                let oldest = self.under_way.values().map(|(_, since)| *since).min();
                return match oldest.is_some_and(|since| since + UNACKNOWLEDGED <= at) {
                    true => Ok(()),
                    false => Err("the connection is given up for a message that is not late".into()),
                };
            }
            _ => return Ok(()),
        };
        if self.spec.is_none() {
            return Err("a message is sent though telemetry is off".into());
        }
        let DeviceMessage { id, alarm, body, .. } = message;
        self.handle_made(at, id, alarm.as_deref(), body)?;
        if self.under_way.values().any(|(other, _)| other == id) {
            return Err(format!("the message {id} is sent while it is under way"));
        }
        self.under_way.insert(number, (id.clone(), at));
        if self.under_way.len() > WINDOW {
            return Err(format!("{} messages are under way", self.under_way.len()));
        }
        if self.wall.is_some()
            && body.contains("secondsSinceBoot")
            && self.made.get(id).is_some_and(|made| made.life == self.life)
        {
            return Err(format!("the clock is believed, and the message {id} is sent without times"));
        }
        let (life, connection) = (self.life, self.connection);
        let Some(made) = self.made.get_mut(id) else { return Ok(()) };
        if made.acknowledged_in == Some(life) {
            return Err(format!("the message {id} is sent again though it was acknowledged"));
        }
        made.sent_on = connection;
        Ok(())
    }

    /// The hub stores a message.
    pub(crate) fn handle_message(&mut self, message: &DeviceMessage) -> Result<(), String> {
        let Some(made) = self.made.get_mut(&message.id) else {
            return Err(format!("the hub is given the message {}, which nobody made", message.id));
        };
        made.arrived += 1;
        Ok(())
    }

    pub(crate) fn handle_delivery(&mut self, event: &HubEvent) {
        if let HubEvent::MessageStored { number } = event
            && let Some((id, _)) = self.under_way.remove(number)
            && let Some(made) = self.made.get_mut(&id)
        {
            made.acknowledged_in = Some(self.life);
        }
    }

    /// These messages gave way in the ring.
    pub(crate) fn handle_gone(&mut self, messages: &[Message]) {
        for message in messages {
            self.dropped_by_ring += u64::from(message.records);
            if let Some(made) = self.made.get_mut(&message.id) {
                made.fate = Fate::GaveWay;
            }
        }
    }

    /// The process ended: in order, or by a crash.
    pub(crate) fn handle_end(&mut self, at: Duration, disk: &Disk, in_order: bool) -> Result<(), String> {
        let Some(spec) = self.spec.clone() else { return Ok(()) };
        let durable: BTreeSet<String> = disk.ring.ids().collect();
        let had_trouble = disk.full || self.trouble_at.is_some_and(|trouble| trouble >= self.started_at);
        // While there is a connection a message waits that long before it is kept.
        let last_batch = spec.send_every.max(secs(10)) + disk.patience() * 4 + secs(5);
        for (id, made) in
            self.made.iter_mut().filter(|(_, made)| made.fate == Fate::Owed && made.arrived == 0)
        {
            if durable.contains(id) {
                continue;
            }
            made.fate = Fate::Taken;
            if made.life != self.life && made.acknowledged_in.is_none() && !had_trouble {
                return Err(format!("the message {id} of an earlier process is lost"));
            }
            if (in_order || made.at + last_batch < at) && !had_trouble {
                return Err(format!(
                    "the message {id}, made at {:?}, is lost at the end of the process",
                    made.at
                ));
            }
        }
        self.check_seen(&spec, in_order && !had_trouble)?;
        self.shed += self.dropped.saturating_sub(self.dropped_by_ring);
        Ok(())
    }

    /// Every sample has its records, but for those of the last batch.
    fn check_seen(&self, spec: &TelemetrySpec, in_order: bool) -> Result<(), String> {
        let samples = self.current.samples.len();
        let in_batch = spec.send_every.as_secs().div_ceil(spec.interval.as_secs()) as usize + 1;
        let least = if in_order { samples } else { samples.saturating_sub(in_batch) };
        for thing in &self.things {
            let seen = self.current.seen.get(thing).copied().unwrap_or_default();
            if seen < least && self.dropped <= self.dropped_by_ring {
                return Err(format!("of {thing:?} there are {seen} records, {samples} samples were taken"));
            }
        }
        Ok(())
    }

    /// After every event.
    pub(crate) fn look(
        &mut self,
        at: Duration,
        now: BootTime,
        engine: &Core,
        disk: &Disk,
    ) -> Result<(), String> {
        self.wall = engine.wall(now);
        if disk.full || disk.failed_at == Some(at) || engine.telemetry().fault().is_some() {
            self.trouble_at = Some(at);
        }
        let Some(spec) = &self.spec else {
            return match engine.telemetry().is_on() {
                true => Err("telemetry is on though nobody asked for it".into()),
                false => Ok(()),
            };
        };
        self.dropped = engine.telemetry().dropped();
        let due = self.current.samples.last().map(|last| last.now + spec.interval);
        match due {
            Some(due) if due + ms(1) < now => Err(format!("a sample was due at {due}")),
            _ => Ok(()),
        }
    }

    /// Before anything of an input's effects is seen: was a sample taken?
    pub(crate) fn count_samples(&mut self, now: BootTime, engine: &Core) -> Result<(), String> {
        let Some(spec) = &self.spec else { return Ok(()) };
        let taken = engine.telemetry().samples();
        let due = self.current.samples.last().map(|last| last.now + spec.interval);
        match (taken - self.current.samples.len() as u64, due) {
            (0, _) => Ok(()),
            (1, Some(due)) if now < due => Err(format!("a sample is taken before {due}")),
            (1, _) => {
                self.current.samples.push(Taken { now, wall: engine.wall(now) });
                Ok(())
            }
            (more, _) => Err(format!("{more} samples are taken at once")),
        }
    }

    /// In the end the hub has all of it.
    pub(crate) fn check_end(&self, at: Duration) -> Result<(), String> {
        let Some(spec) = &self.spec else { return Ok(()) };
        let recent = at.saturating_sub(secs(30));
        let missing = |made: &Made| made.fate == Fate::Owed && made.arrived == 0 && made.at < recent;
        let lost: Vec<_> = self.made.iter().filter(|(_, made)| missing(made)).collect();
        let records: u64 = lost.iter().map(|(_, made)| made.records).sum();
        let shed = self.shed + self.dropped.saturating_sub(self.dropped_by_ring);
        if records > shed {
            let (id, made) = lost[0];
            return Err(format!(
                "in the end the hub lacks {} messages, first {id}, made at {:?}",
                lost.len(),
                made.at
            ));
        }
        if self.made.values().all(|made| made.arrived == 0) {
            return Err("in the end no message has arrived".into());
        }
        self.check_seen(spec, false)
    }
}

impl super::Oracle {
    /// Before the effects of an input: was a sample taken?
    pub(crate) fn count_samples(&mut self, now: BootTime, engine: &Core) -> Result<(), String> {
        self.telemetry.count_samples(now, engine)
    }

    /// A message is handed to the disk.
    pub(crate) fn handle_made(
        &mut self,
        at: Duration,
        id: &str,
        alarm: Option<&str>,
        body: &str,
    ) -> Result<(), String> {
        self.telemetry.handle_made(at, id, alarm, body)
    }

    /// The hub stores a message.
    pub(crate) fn handle_message(&mut self, message: &DeviceMessage) -> Result<(), String> {
        self.telemetry.handle_message(message)
    }

    /// These messages gave way in the ring.
    pub(crate) fn handle_gone(&mut self, messages: &[Message]) {
        self.telemetry.handle_gone(messages);
    }

    /// The process has ended, and the disk is as it left it.
    pub(crate) fn check_ended(&mut self, at: Duration, disk: &Disk, in_order: bool) -> Result<(), String> {
        self.telemetry.handle_end(at, disk, in_order)
    }

    /// In the end the hub has all telemetry.
    pub(crate) fn check_telemetry(&self, at: Duration) -> Result<(), String> {
        self.telemetry.check_end(at)
    }
}

/// The time in a record is that of its sample.
fn check_time(sample: Taken, record: &Map<String, Value>) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}, the sample was taken at {sample:?}: {record:?}"));
    let told = record.get("time").and_then(Value::as_str).map(unix);
    match (told, sample.wall) {
        (Some(Some(told)), Some(wall)) if told.abs_diff(wall.0) > CLOCK_OFF_S => wrong("another time"),
        // The clock was believed later in that boot.
        (Some(Some(_)), _) => Ok(()),
        (Some(None), _) => wrong("no time"),
        (None, Some(_)) => wrong("the clock is believed and there is no time"),
        (None, None) => {
            let since = record.get("secondsSinceBoot").and_then(Value::as_f64).unwrap_or(-1.0);
            let is_right = (since - sample.now.since_boot().as_secs_f64()).abs() < 0.01;
            if is_right && record.contains_key("boot") { Ok(()) } else { wrong("another time since boot") }
        }
    }
}

/// RFC 3339 in UTC, in seconds.
fn unix(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
