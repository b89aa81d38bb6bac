//! The whole core at one site, driven by a script: each line is one fact, its first character says which.
//!
//! | line | fact |
//! | --- | --- |
//! | `U`, `X` | the connection comes up, is gone |
//! | `T`, then a body | the answer to the fetch under way |
//! | `D`, then a body | a change of the desired section |
//! | `A`, `R`, then a status | the request under way is taken, is refused |
//! | `M`, then a name and perhaps an argument | a direct method is called |
//! | `S`, then a sensor's digit and text | an attribute is read |
//! | `W`, then milliseconds | time passes |
//! | `.` | time passes up to the next deadline |
//! | `K`, `F` | the disk keeps what it was given, fails |
//! | `P` | the pins cannot be driven from now on, or can be again |
//! | `C` | the configuration is read again |
//! | `Z` | a restart, from the last record that was kept |
//!
//! A first line `pnp` chooses that style. Anything else is passed over.

use super::{assert_fit_for_a_log, first_line, merge, site};
use core::time::Duration;
use serde_json::{Map, Value};
use std::cell::RefCell;
use twind::config::{self, Environment};
use twind::control::{OutputKind, PinFault, Reading, SensorId};
use twind::engine::{Carry, Engine, EngineSpec};
use twind::hub::codec;
use twind::report::ReportStyle;
use twind::sensors::sysfs;
use twind::twin::{HubEvent, HubRequest, Machine, Section, TwinRecord};
use twind::units::{BootId, BootTime};

/// One of everything.
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

/// A script longer than this says nothing new.
const LINES_MAX: usize = 100;

thread_local! {
    /// Read once per thread: the same for every script.
    static SPEC: RefCell<Option<EngineSpec>> = const { RefCell::new(None) };
}

/// See the module.
pub fn run(bytes: &[u8]) {
    let mut world = World::new(bytes.starts_with(b"pnp\n"));
    let mut rest = bytes;
    for _ in 0..LINES_MAX {
        if rest.is_empty() {
            break;
        }
        let (line, after) = first_line(rest);
        rest = after;
        if let Some((what, told)) = line.split_first() {
            world.take(*what, told);
            world.drain();
        }
    }
    world.engine.handle_stop(world.now);
    world.drain();
}

fn spec(pnp: bool) -> EngineSpec {
    let read = || {
        let settings = config::parse(SITE, &site::config_file(), &Environment::default());
        settings.unwrap_or_else(|faults| unreachable!("{faults}")).engine
    };
    let mut spec = SPEC.with_borrow_mut(|spec| spec.get_or_insert_with(read).clone());
    spec.report.style = if pnp { ReportStyle::PlugAndPlay } else { ReportStyle::Plain };
    spec
}

/// An engine, and what is around it.
struct World {
    spec: EngineSpec,
    engine: Engine,
    now: BootTime,
    fetch: Option<u64>,
    report: Option<(u64, Map<String, Value>)>,
    /// What the hub has of the reported section.
    reported: Map<String, Value>,
    last_rid: u64,
    pins_fail: bool,
    kept: Option<TwinRecord>,
}

impl World {
    fn new(pnp: bool) -> Self {
        let (spec, now) = (spec(pnp), BootTime::from_boot(Duration::from_secs(100)));
        Self {
            engine: Engine::new(now, spec.clone(), None, Carry::default()),
            spec,
            now,
            fetch: None,
            report: None,
            reported: Map::new(),
            last_rid: 0,
            pins_fail: false,
            kept: None,
        }
    }

    fn take(&mut self, what: u8, told: &[u8]) {
        let text = String::from_utf8_lossy(told);
        match what {
            b'U' => self.hub(HubEvent::Up),
            b'X' => self.hub(HubEvent::Down),
            b'T' => self.answer_fetch(told),
            b'D' => {
                let next = self.engine.sync().desired_version().next();
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
            b'S' => self.read_sensor(told),
            b'W' => self.wait(text.trim().parse().unwrap_or(1000_u64).min(1 << 32)),
            b'.' => {
                self.now = self.engine.poll_timeout(self.now).0;
                self.engine.handle_timeout(self.now);
                let (due, what) = self.engine.poll_timeout(self.now);
                assert!(due > self.now, "{what} is due at {due} again and again");
            }
            b'K' => {
                let sequence = self.kept.as_ref().map_or(0, |record| record.sequence);
                self.engine.handle_saved(self.now, Ok(sequence));
            }
            b'F' => self.engine.handle_saved(self.now, Err("cannot write: the disk is full".into())),
            b'P' => self.pins_fail = !self.pins_fail,
            b'C' => {
                let record = Some(self.engine.record());
                self.engine = Engine::new(self.now, self.spec.clone(), record, self.engine.carry());
                (self.fetch, self.report) = (None, None);
                self.hub(HubEvent::Up);
            }
            b'Z' => {
                let machine = Machine { boot: Some(BootId(1)), wall: None };
                let carry = Carry::at_start(machine);
                self.engine = Engine::new(self.now, self.spec.clone(), self.kept.clone(), carry);
                (self.fetch, self.report, self.last_rid) = (None, None, 0);
            }
            _ => {}
        }
    }

    fn hub(&mut self, event: HubEvent) {
        if matches!(event, HubEvent::Up | HubEvent::Down) {
            (self.fetch, self.report) = (None, None);
        }
        self.engine.handle_hub(self.now, event);
    }

    /// The reported half is what the hub has, so that this is a hub that keeps to its own rules.
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

    fn read_sensor(&mut self, told: &[u8]) {
        let Some((which, text)) = told.split_first() else { return };
        let sensor = SensorId(usize::from(*which) % self.spec.sensors.len());
        let value = sysfs::text(text.to_vec())
            .and_then(|text| sysfs::number(&text))
            .and_then(|raw| sysfs::value(raw, 1.0, 1.0, 0.0));
        self.engine.handle_reading(self.now, Reading { sensor, at: self.now, value });
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.engine.handle_timeout(self.now);
    }

    /// In the order of the service's pump.
    fn drain(&mut self) {
        // Each round is one effect; a fact has a few.
        for _ in 0..1000 {
            if let Some(actuation) = self.engine.poll_actuation() {
                let spec = &self.spec.outputs[actuation.output.0];
                let share = actuation.drive.get();
                assert!(
                    share <= 1000 && (spec.kind == OutputKind::Pwm || matches!(share, 0 | 1000)),
                    "{actuation:?}"
                );
                let fault = || PinFault { reason: "the pin is gone".into() };
                self.engine.handle_driven(actuation, if self.pins_fail { Err(fault()) } else { Ok(()) });
            } else if let Some(record) = self.engine.poll_record() {
                assert_eq!(TwinRecord::decode(&record.encode()).as_ref(), Ok(&record), "kept and read again");
                let before = self.kept.as_ref().map_or(0, |kept| kept.sequence);
                assert!(record.sequence > before, "record {} after {before}", record.sequence);
                self.kept = Some(record);
            } else if let Some(request) = self.engine.poll_request() {
                self.request(request);
            } else if let Some(notice) = self.engine.poll_notice() {
                assert_fit_for_a_log(&notice.to_string());
            } else {
                return;
            }
        }
        unreachable!("effects without end");
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
