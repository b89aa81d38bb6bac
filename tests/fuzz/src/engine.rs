//! The whole core at one site, driven by a script. Each line is one input, and its first character says which.
//!
//! | line | input |
//! | --- | --- |
//! | `U`, `X` | the connection comes up, is lost |
//! | `T`, then a body | the answer to the fetch under way |
//! | `D`, then a body | a change of the desired section |
//! | `A`, `R`, then a status | the request under way is accepted, is refused |
//! | `M`, then a name and perhaps an argument | a direct method is called |
//! | `S`, then a sensor's digit and text | an attribute is read; several, with `;` between them, at once |
//! | `H`, then seconds since 1970 | the wall clock is read; without a number it cannot be believed |
//! | `W`, then milliseconds | time passes |
//! | `.` | time passes up to the next deadline |
//! | `K`, `F` | the disk confirms the last record, fails |
//! | `P` | the pins stop working, or work again |
//! | `C` | the configuration is read again |
//! | `Z` | a restart from the last stored record |
//!
//! A first line of the words `pnp` and `rooms` chooses the Plug and Play style, and a site of several climates instead of one.
//! Anything else is ignored.

use super::{assert_fit_for_a_log, first_line, merge, site};
use core::time::Duration;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use twind::config::{self, Environment};
use twind::control::{Actuation, OutputKind, PinFault, Reading, SensorId};
use twind::engine::{Core, CoreSpec, Deadline, Input, Reload, Start};
use twind::hub::azure::codec;
use twind::ports::{Notices, Outbox, Pins, Ports, Store};
use twind::report::Notice;
use twind::report::ReportStyle;
use twind::sensors::{scaled, sysfs};
use twind::telemetry::RingRequest;
use twind::twin::{HubEvent, HubRequest, Machine, Section, TwinRecord};
use twind::units::{BootId, BootTime, UnixSeconds};

/// A site with one of everything.
const SITE: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.fan]
pwm = { channel = 0 }
min-duty = 20
kick = "500ms"
slew = 25
[outputs.fan.when]
hub-silent = { after = "1h", drive = "auto" }
[outputs.heater]
pin = 17
min-on = "10s"
min-off = "10s"
[outputs.lamp]
pwm = { channel = 1 }
property = "components.lamp.on"
[outputs.siren]
pin = 18
alarms = ["overheat", "output", "stall", "sensor", "disk"]
[sensors.cabinet]
driver = "file"
path = "temperature"
[sensors.door]
driver = "file"
path = "humidity"
measures = "humidity"
[climate]
cooling = "fan"
heating = "heater"
limits = { min = 5.0, max = 45.0 }
critical = 60.0
"#;

/// Several climates, schedules, sensors that are derived from others, and outputs that climates share.
const ROOMS: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.boiler]
pwm = { channel = 0 }
[outputs.boiler.when]
hub-silent = { after = "1h", drive = "auto" }
[outputs.vent]
pwm = { channel = 1 }
min-duty = 20
[outputs.dryer]
pin = 17
property = "components.dryer.on"
[sensors.office]
driver = "file"
path = "office"
[sensors.air]
driver = "file"
path = "air"
[sensors.moist]
driver = "file"
path = "moist"
measures = "humidity"
[sensors.dew]
driver = "dew-point"
temperature = "air"
humidity = "moist"
[sensors.margin]
driver = "difference"
of = "office"
minus = "dew"
[climates.office]
sensors = ["office", "air"]
cooling = "vent"
heating = "boiler"
limits = { min = 5.0, max = 45.0 }
critical = 60.0
time-zone = "UTC"
[climates.store]
sensor = "air"
unit = "fahrenheit"
heating = "boiler"
property = "rooms.store"
time-zone = "UTC"
[climates.damp]
sensor = "moist"
lowering = ["vent", "dryer"]
range = { min = 40.0, max = 60.0 }
time-zone = "UTC"
[climates.wall]
sensor = "margin"
raising = "boiler"
range = { min = 3.0, max = 6.0 }
time-zone = "UTC"
"#;

/// A longer script would test nothing new.
const LINES_MAX: usize = 100;

thread_local! {
    /// Each is parsed once per thread, because it is the same for every script.
    static SPECS: RefCell<BTreeMap<&'static str, CoreSpec>> = const { RefCell::new(BTreeMap::new()) };
}

/// See the module.
pub fn run(bytes: &[u8]) {
    let words: Vec<&[u8]> = first_line(bytes).0.split(|byte| *byte == b' ').collect();
    let has = |word: &[u8]| words.contains(&word);
    let mut world = World::new(has(b"pnp"), if has(b"rooms") { ROOMS } else { SITE });
    let mut rest = bytes;
    for _ in 0..LINES_MAX {
        if rest.is_empty() {
            break;
        }
        let (line, after) = first_line(rest);
        rest = after;
        if let Some((what, told)) = line.split_first() {
            world.take(*what, told);
        }
    }
    world.handle(Input::Stop);
}

fn spec(pnp: bool, text: &'static str) -> CoreSpec {
    let read = || {
        let settings = config::parse(text, &site::config_file(), &Environment::default());
        settings.unwrap_or_else(|faults| unreachable!("{faults}")).engine
    };
    let mut spec = SPECS.with_borrow_mut(|specs| specs.entry(text).or_insert_with(read).clone());
    spec.report.style = if pnp { ReportStyle::PlugAndPlay } else { ReportStyle::Plain };
    spec
}

fn start(spec: CoreSpec, record: Option<TwinRecord>, machine: Machine) -> Start {
    let (found, step_interval_max) = (Vec::new(), Duration::MAX);
    Start { spec, record, machine, found, handed_over: false, step_interval_max }
}

/// The core and its surroundings.
struct World {
    spec: CoreSpec,
    core: Core,
    now: BootTime,
    fetch: Option<u64>,
    report: Option<(u64, Map<String, Value>)>,
    /// The hub's reported section.
    reported: Map<String, Value>,
    last_rid: u64,
    board: Board,
    disk: Disk,
}

struct Board {
    kinds: Vec<OutputKind>,
    fails: bool,
}

impl Pins for Board {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
        let share = actuation.drive.get();
        let takes_any = self.kinds[actuation.output.0] == OutputKind::Pwm;
        assert!(share <= 1000 && (takes_any || matches!(share, 0 | 1000)), "{actuation:?}");
        if self.fails { Err(PinFault { reason: "the pin is gone".into() }) } else { Ok(()) }
    }
}

/// Stores a record at once, and confirms it when the script says so.
#[derive(Default)]
struct Disk(Option<TwinRecord>);

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        assert_eq!(TwinRecord::decode(&record.encode()).as_ref(), Ok(&record), "kept and read again");
        let before = self.0.as_ref().map_or(0, |kept| kept.sequence);
        assert!(record.sequence > before, "record {} after {before}", record.sequence);
        self.0 = Some(record);
    }

    fn ring(&mut self, _: RingRequest) {}
}

#[derive(Default)]
struct Line(Vec<HubRequest>);

impl Outbox for Line {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
        assert!(self.0.len() < 1000, "requests without end");
    }
}

struct Log;

impl Notices for Log {
    fn push(&mut self, notice: Notice) -> bool {
        assert_fit_for_a_log(&notice.to_string());
        true
    }
}

impl World {
    fn new(pnp: bool, site: &'static str) -> Self {
        let (spec, now) = (spec(pnp, site), BootTime::from_boot(Duration::from_secs(100)));
        let mut board = Board { kinds: spec.outputs.iter().map(|spec| spec.kind).collect(), fails: false };
        let (mut disk, mut line) = (Disk::default(), Line::default());
        let start = start(spec.clone(), None, Machine::default());
        let ports = &mut Ports { pins: &mut board, store: &mut disk, outbox: &mut line, notices: &mut Log };
        Self {
            core: Core::start(now, start, ports),
            spec,
            now,
            fetch: None,
            report: None,
            reported: Map::new(),
            last_rid: 0,
            board,
            disk,
        }
    }

    /// Handles one input, and then the requests that it led to.
    fn handle(&mut self, input: Input) {
        let mut line = Line::default();
        let (pins, store) = (&mut self.board, &mut self.disk);
        self.core.handle(self.now, input, &mut Ports { pins, store, outbox: &mut line, notices: &mut Log });
        line.0.into_iter().for_each(|request| self.request(request));
    }

    fn take(&mut self, what: u8, told: &[u8]) {
        let text = String::from_utf8_lossy(told);
        match what {
            b'U' => self.hub(HubEvent::Up),
            b'X' => self.hub(HubEvent::Down),
            b'T' => self.answer_fetch(told),
            b'D' => {
                let next = self.core.sync().desired_version().next();
                self.hub(match codec::read_desired(told, Some(next)) {
                    Ok((version, patch)) => HubEvent::DesiredDelta { version, patch },
                    Err(fault) => HubEvent::Garbled { reason: fault.to_string() },
                });
            }
            b'A' => {
                if let Some((rid, patch)) = self.report.take() {
                    self.reported = merge::merged(&self.reported, &patch);
                    self.hub(HubEvent::ReportedAck { rid });
                }
            }
            b'R' => {
                let status = text.trim().parse().unwrap_or(400_u16).max(400);
                let message = codec::read_refusal(told);
                if let Some(rid) = self.report.take().map(|(rid, _)| rid).or(self.fetch.take()) {
                    let retry_after =
                        status.is_multiple_of(2).then(|| Duration::from_secs(u64::from(status)));
                    self.hub(HubEvent::Rejected { rid, status, message, retry_after });
                }
            }
            b'M' => {
                let (name, argument) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
                let argument = codec::read_argument(argument.as_bytes());
                self.hub(HubEvent::Method { rid: "1".into(), name: name.into(), argument });
            }
            b'S' => self.read_sensors(told),
            b'H' => {
                // Beyond any calendar that is no clock.
                let seconds = text.trim().parse().ok().map(|seconds: u64| seconds.min(1 << 40));
                self.handle(Input::Clock(seconds.map(|seconds| (UnixSeconds(seconds), self.now))));
            }
            b'W' => self.wait(text.trim().parse().unwrap_or(1000_u64).min(1 << 32)),
            b'.' => {
                self.now = self.now.max(self.core.deadline().at);
                self.handle(Input::Timeout);
                let Deadline { at, why } = self.core.deadline();
                assert!(at > self.now, "{why} is due at {at} again and again");
            }
            b'K' => {
                let sequence = self.disk.0.as_ref().map_or(0, |record| record.sequence);
                self.handle(Input::Saved(Ok(sequence)));
            }
            b'F' => self.handle(Input::Saved(Err("cannot write: the disk is full".into()))),
            b'P' => self.board.fails = !self.board.fails,
            b'C' => {
                (self.fetch, self.report) = (None, None);
                let names = || self.spec.outputs.iter().map(|spec| spec.name.clone()).collect();
                let (same_wire, measured, spec) = (names(), names(), self.spec.clone());
                let reload = Reload { spec, same_wire, measured, found: Vec::new(), same_hub: false };
                self.handle(Input::Reload(Box::new(reload)));
                self.hub(HubEvent::Up);
            }
            b'Z' => {
                let machine = Machine { boot: Some(BootId(1)), wall: None };
                (self.fetch, self.report, self.last_rid) = (None, None, 0);
                let start = start(self.spec.clone(), self.disk.0.clone(), machine);
                let (pins, store) = (&mut self.board, &mut self.disk);
                let ports = &mut Ports { pins, store, outbox: &mut Line::default(), notices: &mut Log };
                self.core = Core::start(self.now, start, ports);
            }
            _ => {}
        }
    }

    fn hub(&mut self, event: HubEvent) {
        if matches!(event, HubEvent::Up | HubEvent::Down) {
            (self.fetch, self.report) = (None, None);
        }
        self.handle(Input::Hub(event));
    }

    /// Answers with the hub's own reported section, so that the hub is consistent with itself.
    fn answer_fetch(&mut self, body: &[u8]) {
        let Some(rid) = self.fetch.take() else { return };
        let reported = Section::from_object(self.reported.clone());
        self.hub(match (codec::read_twin(body), reported) {
            (Ok(twin), Ok(reported)) => {
                HubEvent::Twin { rid, desired: twin.desired, desired_version: twin.desired_version, reported }
            }
            (Err(fault), _) => HubEvent::Garbled { reason: fault.to_string() },
            (_, Err(fault)) => unreachable!("reported beyond the hub's limits: {fault}"),
        });
    }

    fn read_sensors(&mut self, told: &[u8]) {
        let read = told.split(|byte| *byte == b';').filter_map(|one| self.read_sensor(one));
        let readings: Vec<_> = read.map(|reading| (reading, None)).collect();
        if !readings.is_empty() {
            self.handle(Input::Readings(readings));
        }
    }

    fn read_sensor(&self, told: &[u8]) -> Option<Reading> {
        let (which, text) = told.split_first()?;
        let sensor = SensorId(usize::from(*which) % self.spec.sensors.len());
        let value = sysfs::text(text.to_vec())
            .and_then(|text| sysfs::number(&text))
            .and_then(|raw| scaled(raw, 1.0, 0.0));
        Some(Reading { sensor, at: self.now, value })
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.handle(Input::Timeout);
    }

    fn request(&mut self, request: HubRequest) {
        match request {
            HubRequest::GetTwin { rid } => {
                self.assert_new(rid);
                self.fetch = Some(rid);
            }
            HubRequest::PatchReported { rid, patch } => {
                self.assert_new(rid);
                assert!(self.report.is_none(), "two reports under way");
                assert!(codec::write_patch(&patch).is_ok_and(|bytes| !bytes.is_empty()));
                let patch = patch.as_object().clone();
                let reported = Section::within_limits(merge::merged(&self.reported, &patch));
                assert!(reported.is_ok(), "the hub would refuse {patch:?}: {reported:?}");
                self.report = Some((rid, patch));
            }
            HubRequest::AnswerMethod { status, payload, .. } => {
                assert!(matches!(status, 200 | 400 | 404) && payload.is_object());
                assert!(payload.to_string().len() < 8192, "a long answer: {payload}");
            }
            HubRequest::SendMessage { .. } => unreachable!("there is no telemetry"),
            HubRequest::Reconnect { reason } => {
                assert!(!reason.is_empty());
                self.hub(HubEvent::Down);
            }
        }
    }

    fn assert_new(&mut self, rid: u64) {
        assert!(rid > self.last_rid, "request {rid} after {}", self.last_rid);
        self.last_rid = rid;
    }
}
