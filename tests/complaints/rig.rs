//! A gateway, its hub and its disk in virtual time: the real `Core` against the stand-in's own twin.
//!
//! Nothing here is random: a test says when the connection is cut, how the hub answers a request, and in which order
//! messages arrive. After each step of a test everything that follows happens at once ([`Rig::settle`]), unless the
//! test takes the steps one by one. Deliberately absent: sockets (see the daemon's tests), and seeded schedules (see the
//! simulation).

use crate::message::{read_notification, read_twin};
use core::time::Duration;
use serde_json::{Value, json};
use std::collections::VecDeque;
use twind::control::quantity::Quantity;
use twind::control::{
    Actuation, ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PinFault, PropertyMap,
    Reading, SensorId, SensorSpec, When, ZoneId,
};
use twind::engine::{Core, CoreSpec, Input, Start};
use twind::ports::{Outbox, Pins, Ports, Store};
use twind::report::Notice;
use twind::report::{ReportSpec, ReportStyle};
use twind::telemetry::RingRequest;
use twind::twin::{HubEvent, HubRequest, Machine, PropertyPath, SyncPolicy, TwinRecord};
use twind::units::{BootTime, Permille, TemperatureUnit};
use twinhub::twin::{Rules, Twin};

const NEVER: &str = "0001-01-01T00:00:00Z";
/// How often the sensor is read.
const SAMPLES: Duration = secs(15);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn days(days: u64) -> Duration {
    secs(days * 86_400)
}

/// How the hub treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It serves.
    Serve,
    /// It refuses with this status, and nothing is applied.
    Refuse(u16),
    /// The request is lost on the way.
    Lost,
    /// It serves, and the answer is lost on the way.
    Unheard,
    /// It answers with what cannot be read.
    Garbled,
}

type Judge = Box<dyn FnMut(&HubRequest) -> Answer>;

/// A disk on which a record is durable as soon as it is offered.
#[derive(Default)]
struct Disk {
    bytes: Option<Vec<u8>>,
    outcomes: VecDeque<Result<u64, String>>,
    writes: usize,
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.bytes = Some(record.encode());
        self.writes += 1;
        self.outcomes.push_back(Ok(record.sequence));
    }

    fn ring(&mut self, _: RingRequest) {}
}

/// Every order that the board was given.
#[derive(Default)]
struct Board(Vec<Actuation>);

impl Pins for Board {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
        self.0.push(*actuation);
        Ok(())
    }
}

#[derive(Default)]
struct Line(VecDeque<HubRequest>);

impl Outbox for Line {
    fn push(&mut self, request: HubRequest) {
        self.0.push_back(request);
    }
}

pub(crate) struct Rig {
    pub(crate) now: BootTime,
    pub(crate) core: Core,
    pub(crate) twin: Twin,
    pub(crate) rules: Rules,
    /// Whether the hub can be reached. If so, a connection that was given up is made again at once.
    pub(crate) reachable: bool,
    pub(crate) notices: Vec<Notice>,
    /// The reported patches that reached the hub.
    pub(crate) reports: Vec<Value>,
    /// How often the twin was fetched.
    pub(crate) fetches: usize,
    /// How often the engine asked for a new connection.
    pub(crate) reconnects: usize,
    pub(crate) degrees: fn(u64) -> f64,
    judge: Judge,
    up: bool,
    line: Line,
    board: Board,
    disk: Disk,
}

impl Rig {
    /// Offline, with an empty disk.
    pub(crate) fn new() -> Self {
        let now = BootTime::from_boot(secs(20));
        let (mut line, mut board, mut disk) = (Line::default(), Board::default(), Disk::default());
        let mut notices = Vec::new();
        let ports =
            &mut Ports { pins: &mut board, store: &mut disk, outbox: &mut line, notices: &mut notices };
        let core = Core::start(now, start(None), ports);
        let mut rig = Self {
            now,
            core,
            twin: Twin::new(NEVER),
            rules: Rules::default(),
            reachable: false,
            notices,
            reports: Vec::new(),
            fetches: 0,
            reconnects: 0,
            degrees: |_| 15.0,
            judge: Box::new(|_| Answer::Serve),
            up: false,
            line,
            board,
            disk,
        };
        rig.tick();
        rig
    }

    /// Connected, with both ends in the same state.
    pub(crate) fn online() -> Self {
        let mut rig = Self::new();
        rig.sample();
        rig.come_back();
        rig.pass(secs(60));
        rig.assert_equal();
        rig
    }

    /// From now on the hub treats each request as `judge` says.
    pub(crate) fn hub_does(&mut self, judge: impl FnMut(&HubRequest) -> Answer + 'static) {
        self.judge = Box::new(judge);
    }

    // The back end.

    /// Patches the desired section; a connected device is notified at once. Returns the new version.
    pub(crate) fn desire(&mut self, desired: Value) -> u64 {
        if let Some(notification) = self.write(&desired) {
            self.deliver(notification);
        }
        self.twin.desired().version()
    }

    /// Patches the desired section; the caller delivers the notification.
    pub(crate) fn write(&mut self, desired: &Value) -> Option<HubEvent> {
        self.edit(&json!({ "properties": { "desired": desired } }), false)
    }

    /// Replaces the desired section; the caller delivers the notification.
    pub(crate) fn put(&mut self, desired: &Value) -> Option<HubEvent> {
        self.edit(&json!({ "properties": { "desired": desired } }), true)
    }

    fn edit(&mut self, body: &Value, whole: bool) -> Option<HubEvent> {
        let change = if whole {
            self.twin.replace(body, self.rules, NEVER)
        } else {
            self.twin.update(body, self.rules, NEVER)
        };
        change.unwrap().notification.map(|notification| read_notification(&notification.body))
    }

    // The connection.

    /// A message from the hub arrives, if there is a connection, and everything that follows happens.
    pub(crate) fn deliver(&mut self, event: HubEvent) {
        self.hear(event);
        self.settle();
    }

    /// A message from the hub arrives, and nothing else happens yet.
    pub(crate) fn hear(&mut self, event: HubEvent) {
        if self.up {
            self.handle(Input::Hub(event));
        }
    }

    pub(crate) fn cut(&mut self) {
        self.reachable = false;
        self.end_connection();
    }

    fn end_connection(&mut self) {
        if core::mem::take(&mut self.up) {
            self.line.0.clear();
            self.handle(Input::Hub(HubEvent::Down));
        }
    }

    pub(crate) fn come_back(&mut self) {
        self.connect();
        self.settle();
    }

    /// A connection comes up, and nothing is answered yet.
    pub(crate) fn connect(&mut self) {
        self.reachable = true;
        self.up = true;
        self.handle(Input::Hub(HubEvent::Up));
    }

    /// Whether any request is under way to the hub.
    pub(crate) fn is_sending(&self) -> bool {
        !self.line.0.is_empty()
    }

    /// The hub takes the next request under way. Returns its answer, if one will arrive.
    pub(crate) fn serve_next(&mut self) -> Option<HubEvent> {
        let request = self.line.0.pop_front()?;
        let rid = match &request {
            HubRequest::GetTwin { rid } | HubRequest::PatchReported { rid, .. } => *rid,
            HubRequest::Reconnect { .. } => {
                self.reconnects += 1;
                self.end_connection();
                if self.reachable {
                    self.connect();
                }
                return None;
            }
            HubRequest::AnswerMethod { .. } | HubRequest::SendMessage { .. } => return None,
        };
        let answer = (self.judge)(&request);
        self.fetches += usize::from(matches!(request, HubRequest::GetTwin { .. }));
        match answer {
            Answer::Serve => Some(self.serve(rid, request)),
            Answer::Unheard => {
                self.serve(rid, request);
                None
            }
            Answer::Lost => None,
            Answer::Refuse(status) => {
                Some(HubEvent::Rejected { rid, status, message: "no".into(), retry_after: None })
            }
            Answer::Garbled => Some(HubEvent::Garbled { reason: "half a document".into() }),
        }
    }

    fn serve(&mut self, rid: u64, request: HubRequest) -> HubEvent {
        let HubRequest::PatchReported { patch, .. } = request else {
            return read_twin(rid, &self.twin.device_view());
        };
        let patch = Value::Object(patch.as_object().clone());
        match self.twin.report(&patch, None, self.rules, NEVER) {
            Ok(_) => {
                self.reports.push(patch);
                HubEvent::ReportedAck { rid }
            }
            Err(error) => {
                HubEvent::Rejected { rid, status: 400, message: error.to_string(), retry_after: None }
            }
        }
    }

    /// Exchanges requests and answers until nothing is under way.
    pub(crate) fn settle(&mut self) {
        while !self.line.0.is_empty() {
            if let Some(answer) = self.serve_next() {
                self.hear(answer);
            }
        }
    }

    // Time.

    fn tick(&mut self) {
        self.handle(Input::Timeout);
        self.settle();
    }

    /// Advances time from deadline to deadline, with a reading every fifteen seconds.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut sample_at = self.now + SAMPLES;
        self.tick();
        while self.now < end {
            let due = self.core.deadline().at;
            assert!(due > self.now, "{} lies in the past", self.core.deadline().why);
            self.now = due.min(sample_at).min(end);
            self.tick();
            if self.now == sample_at {
                self.sample();
                sample_at = self.now + SAMPLES;
            }
        }
    }

    /// Advances time in strides, as on a machine that sleeps in between, so that weeks take a second.
    pub(crate) fn pass_in_strides(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + secs(600)).min(end);
            self.tick();
            self.sample();
        }
    }

    /// The sensor is read.
    pub(crate) fn sample(&mut self) {
        let value = Ok((self.degrees)(self.now.since_boot().as_secs()));
        let reading = Reading { sensor: SensorId(0), at: self.now, value };
        self.handle(Input::Readings(vec![(reading, None)]));
        self.settle();
    }

    /// Handles one input, and then the disk's outcomes.
    fn handle(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            let ports = &mut Ports {
                pins: &mut self.board,
                store: &mut self.disk,
                outbox: &mut self.line,
                notices: &mut self.notices,
            };
            self.core.handle(self.now, input, ports);
            next = self.disk.outcomes.pop_front().map(Input::Saved);
        }
    }

    // The process.

    /// The power fails and returns: the process starts offline from what the disk holds, and the machine's boot clock
    /// starts again.
    pub(crate) fn power_cut(&mut self) {
        self.up = false;
        self.reachable = false;
        self.line.0.clear();
        self.disk.outcomes.clear();
        self.board.0.clear();
        self.now = BootTime::from_boot(secs(20));
        let start = start(self.kept());
        let ports = &mut Ports {
            pins: &mut self.board,
            store: &mut self.disk,
            outbox: &mut self.line,
            notices: &mut self.notices,
        };
        self.core = Core::start(self.now, start, ports);
        self.tick();
        self.sample();
    }

    /// The record that a start would read.
    pub(crate) fn kept(&self) -> Option<TwinRecord> {
        self.disk.bytes.as_deref().map(|bytes| TwinRecord::decode(bytes).unwrap())
    }

    // Observations.

    /// The fan's last drive, in permille.
    pub(crate) fn drive(&self) -> Option<u16> {
        self.drives().last().copied()
    }

    /// All the fan's drives so far, in permille.
    pub(crate) fn drives(&self) -> Vec<u16> {
        self.board.0.iter().map(|actuation| actuation.drive.get()).collect()
    }

    pub(crate) fn disk_writes(&self) -> usize {
        self.disk.writes
    }

    /// A value of the hub's reported section.
    pub(crate) fn reported(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.twin.reported().values().get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// The desired section as the device has it.
    pub(crate) fn copy(&self) -> Value {
        Value::Object(self.core.sync().desired().as_object().clone())
    }

    /// The changes of the desired section in the notices after the first `notices`, as (from, to) versions.
    pub(crate) fn changes_after(&self, notices: usize) -> Vec<(u64, u64)> {
        let change = |notice: &Notice| match notice {
            Notice::Desired(change) => Some((change.from.0, change.to.0)),
            _ => None,
        };
        self.notices[notices..].iter().filter_map(change).collect()
    }

    /// Asserts that hub, memory, disk and report agree, and that nothing is left to do.
    pub(crate) fn assert_equal(&self) {
        let (desired, version) = (self.twin.desired(), self.twin.desired().version());
        let sync = self.core.sync();
        assert_eq!(self.copy(), Value::Object(desired.values().clone()), "the copy in memory");
        assert_eq!(sync.desired_version().0, version);
        let kept = self.kept().unwrap();
        assert_eq!(
            (kept.desired.as_object(), kept.desired_version.0),
            (desired.values(), version),
            "on disk"
        );
        assert_eq!(sync.acknowledged().as_object(), self.twin.reported().values(), "the report");
        assert_eq!(self.reported("desiredVersion"), Some(&json!(version)), "what the hub was told");
        assert!(sync.is_settled());
    }
}

/// A start of the process on a machine of which nothing is known.
fn start(record: Option<TwinRecord>) -> Start {
    Start {
        spec: spec(),
        record,
        machine: Machine::default(),
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    }
}

/// A fan that follows the climate from 20 to 28 °C, and one thermometer.
fn spec() -> CoreSpec {
    let path = |text| PropertyPath::parse(text).unwrap();
    CoreSpec {
        outputs: vec![OutputSpec {
            name: "fan".into(),
            kind: OutputKind::Pwm,
            min_duty: Permille::from_percent(20.0),
            kick: None,
            slew_permille_per_s: None,
            min_on: None,
            min_off: None,
            property: None,
            alarms: Vec::new(),
            when: When::default(),
        }],
        sensors: vec![SensorSpec {
            name: "cabinet".into(),
            measures: "temperature".into(),
            unit: TemperatureUnit::Celsius,
            stale_after: secs(90),
            source: "/run/cabinet".into(),
            scale_offset: (1.0, 0.0),
            derived: None,
        }],
        climates: vec![ClimateSpec {
            name: None,
            quantity: Quantity::Temperature(TemperatureUnit::Celsius),
            property: path("components.climate"),
            sensors: vec![SensorId(0)],
            combine: Combine::Max,
            lowering: vec![OutputId(0)],
            raising: Vec::new(),
            lowering_from: 0.0,
            raising_from: 0.0,
            range: ClimateRange::new(20.0, 28.0).unwrap(),
            limits: None,
            critical: None,
            hysteresis: 0.5,
            zone: ZoneId(0),
        }],
        zones: Vec::new(),
        properties: PropertyMap {
            fan_on: path("fanOn"),
            units: path("components.system.units"),
            patch_id: path("patchId"),
        },
        report: ReportSpec {
            heartbeat: secs(300),
            min_interval: secs(10),
            deadband: [("temperature".to_owned(), 0.5)].into(),
            style: ReportStyle::Plain,
            firmware_version: "1.2.1".into(),
        },
        sync: SyncPolicy { request_timeout: secs(30), refresh_interval: secs(12 * 3600) },
        telemetry: None,
        identity: "contoso.azure-devices.net/MyTwinDevice".into(),
    }
}
