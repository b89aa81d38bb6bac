//! Checks of telemetry: nothing that was measured or decided is lost without a word, nothing is sent as new twice, and every time
//! is right (handbook, `packaging/doc/telemetry.md`).
//!
//! A message is *made* when it is first handed to the disk or sent: then each of its records must be the next one of its thing
//! (`records`), and whenever it is sent again it must say the same. In the end the hub has each message that was made, or it gave
//! way in the ring and its records were counted, or a crash took it: then it was made no longer before that than the last batch.
//! What is sent from the ring is the *backlog*. Deliberately absent: when the ring gives way (`ring`).

mod loss;

use super::rank::Judge;
use super::records::{Boots, Moment, Record, Records, Seen, Thing};
use crate::disk::Disk;
use crate::presets::secs;
use core::time::Duration;
use loss::Tally;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use twind::engine::{Core, CoreSpec};
use twind::report::Notice;
use twind::telemetry::{Message, TelemetrySpec};
use twind::twin::{DeviceMessage, HubEvent, HubRequest};
use twind::units::BootTime;

/// The most messages under way at once.
const WINDOW: usize = 4;
/// A connection that acknowledges nothing for so long may be given up.
const UNACKNOWLEDGED: Duration = secs(60);
/// The bytes of a body at most: with its properties a message is one piece of 4 KB.
const BODY_MAX: usize = 3_800;
/// With a connection a message is kept no earlier than this after it was made.
const PATIENCE: Duration = secs(10);
/// After connections that ended while messages were under way they may wait for so long, and are kept.
const HOLD_MAX: Duration = secs(900);
/// Between two messages of the backlog.
const BACKLOG_EVERY: Duration = secs(1);
/// The log tells of losses at least this often.
const LOSS_TOLD_WITHIN: Duration = secs(3600 + 10);

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
    boot: u128,
    at: Duration,
    /// Messages are counted in the order in which they were made.
    place: usize,
    is_alarm: bool,
    /// `None` for one that tells of a loss.
    records: Vec<Option<Seen>>,
    /// When the message itself was seen first.
    seen: Option<Moment>,
    fate: Fate,
    arrived: u32,
    arrived_on: Option<u64>,
    /// In this life the device was told that the hub has it.
    acknowledged_in: Option<u64>,
}

impl Made {
    /// When its last record was made.
    fn newest(&self) -> Option<&Moment> {
        self.records.iter().flatten().map(|seen| &seen.moment).max_by_key(|moment| moment.at)
    }
}

/// A message under way.
struct Flight {
    id: String,
    since: Duration,
    is_backlog: bool,
}

/// A connection, from one to the next.
#[derive(Default)]
struct Connection {
    number: u64,
    up_since: Option<Duration>,
    under_way: BTreeMap<u64, Flight>,
    /// The last place of those that are not of the backlog, of alarms and of others; and the last number of the backlog.
    last_places: [Option<usize>; 2],
    last_number: u64,
}

#[derive(Default)]
pub(crate) struct Telemetry {
    spec: Option<TelemetrySpec>,
    /// Sensors have the time for their first reading.
    starts_within: Duration,
    things: BTreeSet<Thing>,
    life: u64,
    boot: u128,
    started_at: Duration,
    ends: bool,
    records: Records,
    boots: Boots,
    samples: Vec<BootTime>,
    made: BTreeMap<String, Made>,
    connection: Connection,
    /// When a connection last ended with messages under way.
    lost_at: Option<Duration>,
    backlog_from: Duration,
    /// Messages that the device knows to have arrived, which are to leave the ring.
    acknowledged: VecDeque<(Duration, String)>,
    /// Earlier boots whose clock was believed, as the ring tells this process.
    dated_boots: BTreeSet<u128>,
    /// The records that a full memory cost, of all processes.
    shed: u64,
    /// Of this process.
    dropped_by_ring: u64,
    dropped: u64,
    told_hub: Tally,
    told_log: Tally,
    /// When the disk last gave trouble.
    trouble_at: Option<Duration>,
    /// The wall clock is believed.
    is_dated: bool,
}

impl Telemetry {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        let sensors = spec.sensors.iter().map(|one| ("sensor", one.name.clone()));
        let climates = spec.climates.iter().map(|one| ("climate", one.label().to_owned()));
        let outputs = spec.outputs.iter().map(|one| ("output", one.name.clone()));
        Self {
            spec: spec.telemetry.clone(),
            starts_within: spec.sensors.iter().map(|one| one.stale_after).max().unwrap_or_default()
                + secs(10),
            things: sensors.chain(climates).chain(outputs).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn handle_start(&mut self, at: Duration, boot: u128, disk: &Disk) {
        self.life += 1;
        (self.started_at, self.boot, self.ends) = (at, boot, false);
        self.records = Records::start(&self.things, boot);
        self.samples.clear();
        (self.dropped, self.dropped_by_ring) = (0, 0);
        (self.told_hub, self.told_log) = (Tally::default(), Tally::default());
        self.acknowledged.clear();
        self.dated_boots = disk.ring.dated_boots().collect();
        (self.lost_at, self.backlog_from) = (None, Duration::ZERO);
        self.handle_down(at);
    }

    /// The process is asked to end.
    pub(crate) fn handle_ending(&mut self) {
        self.ends = true;
    }

    pub(crate) fn handle_up(&mut self, at: Duration) {
        let number = self.connection.number + 1;
        self.connection = Connection { number, up_since: Some(at), ..Connection::default() };
    }

    pub(crate) fn handle_down(&mut self, at: Duration) {
        if !self.connection.under_way.is_empty() {
            self.lost_at = Some(at);
        }
        let number = self.connection.number;
        self.connection = Connection { number, ..Connection::default() };
    }

    /// After an input, before its effects are seen.
    pub(crate) fn begin(
        &mut self,
        at: Duration,
        now: BootTime,
        engine: &Core,
        judge: &Judge,
    ) -> Result<(), String> {
        let Some(spec) = &self.spec else { return Ok(()) };
        self.records.begin(at, now, engine, &mut self.boots);
        self.dropped = engine.telemetry().dropped();
        self.told_hub.lose(at, self.dropped);
        self.told_log.lose(at, self.dropped);
        self.records.has_shed = self.dropped > self.dropped_by_ring;
        if spec.alarms {
            self.records.follow_alarms(engine);
        }
        let due = self.samples.last().map(|last| *last + spec.interval);
        match (engine.telemetry().samples() - self.samples.len() as u64, due) {
            (0, _) => return Ok(()),
            (1, Some(due)) if now < due => return Err(format!("a sample is taken before {due}")),
            (1, _) => self.samples.push(now),
            (more, _) => return Err(format!("{more} samples are taken at once")),
        }
        self.records.sample(now, engine, judge);
        Ok(())
    }

    pub(crate) fn handle_notice(&mut self, notice: &Notice) -> Result<(), String> {
        if self.spec.is_some() {
            self.records.handle_notice(notice);
        }
        match notice {
            Notice::RecordsDropped { count, .. } => self.told_log.tell(*count),
            _ => Ok(()),
        }
    }

    /// A message is handed to the disk, perhaps not for the first time.
    pub(crate) fn handle_kept(&mut self, at: Duration, message: &Message, disk: &Disk) -> Result<(), String> {
        let Message { id, alarm, body, .. } = message;
        self.make(at, id, alarm.as_deref(), body)?;
        if disk.ring.kept().any(|(_, kept)| kept == id) {
            return Err(format!("the message {id} is handed to the disk, which has it"));
        }
        let (Some(spec), Some(made)) = (&self.spec, self.made.get(id)) else { return Ok(()) };
        let is_up = self.connection.up_since.is_some_and(|since| since < at);
        let is_given_up =
            self.connection.under_way.values().any(|flight| flight.since + UNACKNOWLEDGED <= at);
        let may_wait = self.ends || is_given_up || self.lost_at.is_some_and(|lost| at <= lost + HOLD_MAX);
        let patience = if made.is_alarm { PATIENCE } else { spec.send_every.max(PATIENCE) };
        match made.newest() {
            Some(newest) if is_up && !may_wait && at < newest.at + patience => {
                Err(format!("the message {id} is handed to the disk before the hub had the time to store it"))
            }
            _ => Ok(()),
        }
    }

    /// A message is handed to the disk or sent. If that is the first time, its records are new; else they are as they were.
    fn make(&mut self, at: Duration, id: &str, alarm: Option<&str>, body: &str) -> Result<(), String> {
        if id.is_empty() || id.len() > 128 {
            return Err(format!("the id {id:?} is none for a message"));
        }
        if body.len() > BODY_MAX {
            return Err(format!("the message {id} has {} bytes", body.len()));
        }
        let records: Vec<Record> =
            serde_json::from_str(body).map_err(|error| format!("the message {id}: {error}: {body}"))?;
        if let Some(before) = self.made.get(id) {
            if before.records.len() != records.len() {
                return Err(format!("the id {id} stands for two messages"));
            }
            let both = before.records.iter().zip(&records);
            let mut both = both.filter_map(|(seen, record)| Some((seen.as_ref()?, record)));
            let checked = both.try_for_each(|(seen, record)| seen.check(record, &self.boots));
            return checked.map_err(|wrong| format!("the message {id}: {wrong}"));
        }
        let told = match records.as_slice() {
            [] => return Err(format!("the message {id} is empty")),
            [record] => record.get("alarm").and_then(|name| name.as_str()),
            _ => None,
        };
        if alarm != told {
            return Err(format!("an alarm is a message of its own, {id} is of {alarm:?}: {body}"));
        }
        let mut seen = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let one = self.records.see(record, &self.boots).map_err(|wrong| format!("{id}: {wrong}"))?;
            if one.is_none() {
                let count = record.get("dropped").and_then(|count| count.as_u64()).unwrap_or_default();
                if count == 0 || index > 0 {
                    return Err(format!("a loss is told first, and {id} is {body}"));
                }
                self.told_hub.tell(count)?;
            }
            seen.push(one);
        }
        let made = Made {
            life: self.life,
            boot: self.boot,
            at,
            place: self.made.len(),
            is_alarm: alarm.is_some(),
            records: seen,
            seen: self.records.moment().cloned(),
            fate: Fate::Owed,
            arrived: 0,
            arrived_on: None,
            acknowledged_in: None,
        };
        self.made.insert(id.to_owned(), made);
        Ok(())
    }

    pub(crate) fn handle_request(
        &mut self,
        at: Duration,
        request: &HubRequest,
        disk: &Disk,
    ) -> Result<(), String> {
        let (number, message) = match request {
            HubRequest::SendMessage { number, message } => (*number, message),
            HubRequest::Reconnect { reason } if reason.contains("message") => {
                let oldest = self.connection.under_way.values().map(|flight| flight.since).min();
                self.handle_down(at);
                return match oldest.is_some_and(|since| since + UNACKNOWLEDGED <= at) {
                    true => Ok(()),
                    false => Err("the connection is given up for a message that is not late".into()),
                };
            }
            HubRequest::Reconnect { .. } => {
                self.connection.up_since = None;
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.spec.is_none() {
            return Err("a message is sent though telemetry is off".into());
        }
        let DeviceMessage { id, alarm, body, .. } = message;
        self.make(at, id, alarm.as_deref(), body)?;
        self.check_dates(message)?;
        let in_ring = disk.ring.kept().find(|(_, kept)| kept == id).map(|(number, _)| number);
        self.check_turn(at, id, in_ring, disk)?;
        let flight = Flight { id: id.clone(), since: at, is_backlog: in_ring.is_some() };
        self.connection.under_way.insert(number, flight);
        if self.connection.under_way.len() > WINDOW {
            return Err(format!("{} messages are under way", self.connection.under_way.len()));
        }
        Ok(())
    }

    /// Once the clock of a boot is believed, what was made in it is sent with times.
    fn check_dates(&self, message: &DeviceMessage) -> Result<(), String> {
        let DeviceMessage { id, created, body, .. } = message;
        let Some(made) = self.made.get(id) else { return Ok(()) };
        let is_dated = created.is_some() && !body.contains("secondsSinceBoot");
        let can_be = match made.boot == self.boot {
            true => self.is_dated,
            false => self.dated_boots.contains(&made.boot),
        };
        if can_be && !is_dated {
            return Err(format!(
                "the clock of its boot is known, and the message {id} is sent without times"
            ));
        }
        match (created, made.newest(), &made.seen) {
            (Some(created), Some(newest), Some(seen))
                if !self.boots.allow_between(newest, seen, created.0) =>
            {
                Err(format!("the message {id} was made between {newest:?} and {seen:?}, not at {created:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Is it this message's turn? `in_ring`: its number there, if it is of the backlog.
    fn check_turn(
        &mut self,
        at: Duration,
        id: &str,
        in_ring: Option<u64>,
        disk: &Disk,
    ) -> Result<(), String> {
        let Some(made) = self.made.get(id) else { return Ok(()) };
        let connection = &mut self.connection;
        if connection.under_way.values().any(|flight| flight.id == id) {
            return Err(format!("the message {id} is sent while it is under way"));
        }
        if made.acknowledged_in == Some(self.life) {
            return Err(format!("the message {id} is sent again though it was acknowledged"));
        }
        if let Some((alarm, since)) = self.records.waiting_alarm(at).filter(|_| !made.is_alarm) {
            return Err(format!("the message {id} precedes the alarm {alarm} of {since:?}"));
        }
        let Some(number) = in_ring else {
            let last = &mut connection.last_places[usize::from(made.is_alarm)];
            let is_later = last.is_none_or(|last| last < made.place);
            *last = Some(made.place);
            return if is_later {
                Ok(())
            } else {
                Err(format!("the message {id} is sent after a later one"))
            };
        };
        if connection.under_way.values().any(|flight| flight.is_backlog) || at < self.backlog_from {
            return Err(format!("the message {id} of the backlog is sent without a pause"));
        }
        let is_next = number > core::mem::replace(&mut connection.last_number, number);
        let is_done = |kept: &str| {
            connection.under_way.values().any(|flight| flight.id == kept)
                || self.made.get(kept).is_some_and(|made| made.acknowledged_in == Some(self.life))
        };
        match disk.ring.kept().take_while(|(other, _)| *other < number).find(|(_, kept)| !is_done(kept)) {
            Some((_, older)) => {
                Err(format!("the message {id} of the backlog precedes {older}, which is older"))
            }
            None if is_next => Ok(()),
            None => Err(format!("the message {id} of the backlog is sent after a later one")),
        }
    }

    /// The hub stores a message.
    pub(crate) fn handle_message(&mut self, message: &DeviceMessage) -> Result<(), String> {
        let Some(made) = self.made.get_mut(&message.id) else {
            return Err(format!("the hub is given the message {}, which nobody made", message.id));
        };
        made.arrived += 1;
        match made.arrived_on.replace(self.connection.number) {
            Some(last) if last == self.connection.number => {
                Err(format!("the message {} arrives twice on one connection", message.id))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn handle_delivery(&mut self, at: Duration, event: &HubEvent) {
        if let HubEvent::MessageStored { number } = event
            && let Some(flight) = self.connection.under_way.remove(number)
            && let Some(made) = self.made.get_mut(&flight.id)
        {
            made.acknowledged_in = Some(self.life);
            if flight.is_backlog {
                self.backlog_from = at + BACKLOG_EVERY;
            }
            self.acknowledged.push_back((at, flight.id));
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
}

impl super::Oracle {
    /// Before the effects of an input are seen: what was measured?
    pub(crate) fn handle_input(&mut self, at: Duration, now: BootTime, engine: &Core) -> Result<(), String> {
        self.telemetry.begin(at, now, engine, &self.judge)
    }

    /// The process is asked to end.
    pub(crate) fn handle_ending(&mut self) {
        self.telemetry.handle_ending();
    }

    /// A message is handed to the disk.
    pub(crate) fn handle_kept(&mut self, at: Duration, message: &Message, disk: &Disk) -> Result<(), String> {
        self.telemetry.handle_kept(at, message, disk)
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
