//! What a control step costs by the number of climates, in instructions, which a busy machine cannot change.
//!
//! ```text
//! cargo bench --package twind-core --bench steps                    counts them with valgrind
//! cargo bench --package twind-core --bench steps -- ROOMS ROUNDS 0  one run, for a profiler; with 1 the readings come together
//! ```
//!
//! A *room* is a climate with a sensor and an output of its own, and a desired range. In a *round*, every five seconds, each
//! room's sensor is read once: one after the other, each of which is a control step, or all together, which are one. The readings
//! vary by less than the dead-band, and the hub takes what is reported. The difference of a longer and a shorter run leaves out what
//! the start costs. With eight times the climates a step must cost less than ten times as much.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on fails; its output is its purpose"
)]

use core::time::Duration;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::process::{Command, ExitCode};
use twind_core::control::quantity::Quantity;
use twind_core::control::{
    Actuation, ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PinFault, PropertyMap,
    Reading, RowDrive, SensorId, SensorSpec, When, ZoneId,
};
use twind_core::engine::{Core, CoreSpec, Input, Start};
use twind_core::ports::{Notices, Outbox, Pins, Ports, Store};
use twind_core::report::{Notice, ReportSpec, ReportStyle};
use twind_core::telemetry::RingRequest;
use twind_core::twin::{
    HubEvent, HubRequest, Machine, PropertyPath, Section, SyncPolicy, TwinRecord, Version,
};
use twind_core::units::{BootTime, Permille, TemperatureUnit};

const ROOMS: [usize; 5] = [1, 8, 16, 32, 64];
/// The shorter run and the longer one; between them is one heartbeat of the report.
const ROUNDS: [u64; 2] = [60, 120];
const PERIOD: Duration = Duration::from_secs(5);
/// Of the cost of a step with 64 climates to that with eight.
const RATIO_MAX: f64 = 10.0;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let numbers: Vec<u64> = env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [rooms, rounds, together] => {
            let steps = run(usize::try_from(*rooms).unwrap(), *rounds, *together != 0);
            println!("{steps} control steps");
            ExitCode::SUCCESS
        }
        _ => compare(),
    }
}

/// Prints the cost of a step for each number of rooms. Fails if it grows faster than the rooms.
fn compare() -> ExitCode {
    println!("climates   instructions a step   a round of readings one by one   together");
    let mut costs = BTreeMap::new();
    for rooms in ROOMS {
        let a_round = |together| {
            let [short, long] = ROUNDS.map(|rounds| instructions(rooms, rounds, together));
            (long - short) / (ROUNDS[1] - ROUNDS[0])
        };
        let (apart, together) = (a_round(false), a_round(true));
        let a_step = apart / rooms as u64;
        println!("{rooms:>8}   {a_step:>19}   {apart:>29}   {together:>8}");
        costs.insert(rooms, a_step as f64);
    }
    let (fixed, each) = line(&costs);
    println!("a step costs about {fixed:.0} instructions, and {each:.0} for each climate");
    let ratio = costs[&64] / costs[&8];
    println!("with 64 climates a step costs {ratio:.1} times what it does with 8 (budget {RATIO_MAX})");
    if ratio < RATIO_MAX {
        return ExitCode::SUCCESS;
    }
    println!("FAILED: the cost of a control step grows faster than the number of climates");
    ExitCode::FAILURE
}

/// The line through the points with the least squares of errors: its value at 0, and its slope.
fn line(points: &BTreeMap<usize, f64>) -> (f64, f64) {
    let count = points.len() as f64;
    let mean_x = points.keys().map(|x| *x as f64).sum::<f64>() / count;
    let mean_y = points.values().sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in points {
        let x = *x as f64 - mean_x;
        (over, under) = (over + x * (y - mean_y), under + x * x);
    }
    (mean_y - over / under * mean_x, over / under)
}

/// The instructions of a run, as callgrind counts them.
fn instructions(rooms: usize, rounds: u64, together: bool) -> u64 {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args([rooms.to_string(), rounds.to_string(), u8::from(together).to_string()])
        .output()
        .unwrap_or_else(|reason| panic!("valgrind cannot be run ({reason}): apt-get install valgrind"));
    let said = String::from_utf8_lossy(&out.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count);
    collected.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count in:\n{said}"))
}

/// Runs a site for some rounds. Returns the number of control steps.
fn run(rooms: usize, rounds: u64, together: bool) -> u64 {
    let mut now = BootTime::from_boot(Duration::from_secs(100));
    let mut surroundings =
        Surroundings { rooms, board: Board, disk: Disk(None), line: Line::default(), log: Nobody };
    let start = Start {
        spec: site(rooms),
        record: None,
        machine: Machine::default(),
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    };
    let mut core = Core::start(now, start, &mut surroundings.ports());
    surroundings.handle(&mut core, now, Input::Hub(HubEvent::Up));
    let at_once = if together { rooms } else { 1 };
    for round in 0..rounds {
        for first in (0..rooms).step_by(at_once) {
            let next = now + PERIOD * u32::try_from(at_once).unwrap() / u32::try_from(rooms).unwrap();
            while core.deadline().at < next {
                now = core.deadline().at.max(now);
                surroundings.handle(&mut core, now, Input::Timeout);
            }
            now = next;
            let readings = (first..first + at_once).map(|room| reading(now, room, round)).collect();
            surroundings.handle(&mut core, now, Input::Readings(readings));
        }
    }
    core.steps()
}

fn reading(at: BootTime, room: usize, round: u64) -> (Reading, Option<String>) {
    let noise = ((round * 7 + room as u64 * 3) % 20) as f64 / 100.0;
    (Reading { sensor: SensorId(room), at, value: Ok(18.0 + (room % 8) as f64 + noise) }, None)
}

/// What answers the core.
struct Surroundings {
    rooms: usize,
    board: Board,
    disk: Disk,
    line: Line,
    log: Nobody,
}

impl Surroundings {
    fn ports(&mut self) -> Ports<'_> {
        Ports { pins: &mut self.board, store: &mut self.disk, outbox: &mut self.line, notices: &mut self.log }
    }

    /// Handles an input, and then what the disk and the hub answer.
    fn handle(&mut self, core: &mut Core, now: BootTime, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            core.handle(now, input, &mut self.ports());
            inputs.extend(self.disk.0.take().map(|sequence| Input::Saved(Ok(sequence))));
            let requests = core::mem::take(&mut self.line.0);
            inputs.extend(requests.into_iter().filter_map(|request| Some(Input::Hub(self.answer(request)?))));
        }
    }

    fn answer(&self, request: HubRequest) -> Option<HubEvent> {
        match request {
            HubRequest::GetTwin { rid } => {
                let rooms = (0..self.rooms)
                    .map(|room| (name(room), json!({"minTemperature": 18, "maxTemperature": 26})));
                let desired = json!({"components": rooms.collect::<serde_json::Map<_, _>>()});
                let desired = Section::from_object(desired.as_object().unwrap().clone()).unwrap();
                Some(HubEvent::Twin {
                    rid,
                    desired,
                    desired_version: Version(1),
                    reported: Section::default(),
                })
            }
            HubRequest::PatchReported { rid, .. } => Some(HubEvent::ReportedAck { rid }),
            _ => None,
        }
    }
}

struct Board;

impl Pins for Board {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        Ok(())
    }
}

/// Holds the sequence number of the record that it was offered last.
struct Disk(Option<u64>);

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.0 = Some(record.sequence);
    }

    fn ring(&mut self, _: RingRequest) {}
}

#[derive(Default)]
struct Line(Vec<HubRequest>);

impl Outbox for Line {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

struct Nobody;

impl Notices for Nobody {
    fn push(&mut self, _: Notice) -> bool {
        true
    }
}

fn name(room: usize) -> String {
    format!("room-{room}")
}

fn path(text: &str) -> PropertyPath {
    PropertyPath::parse(text).unwrap()
}

fn site(rooms: usize) -> CoreSpec {
    CoreSpec {
        outputs: (0..rooms).map(output).collect(),
        sensors: (0..rooms).map(sensor).collect(),
        climates: (0..rooms).map(climate).collect(),
        zones: Vec::new(),
        properties: PropertyMap {
            fan_on: path("fanOn"),
            units: path("components.system.units"),
            patch_id: path("patchId"),
        },
        report: ReportSpec {
            heartbeat: Duration::from_secs(300),
            min_interval: Duration::from_secs(10),
            deadband: BTreeMap::from([("temperature".to_owned(), 0.5)]),
            style: ReportStyle::Plain,
            firmware_version: "1.0.0".into(),
        },
        sync: SyncPolicy {
            request_timeout: Duration::from_secs(30),
            refresh_interval: Duration::from_secs(12 * 3600),
        },
        telemetry: None,
        identity: "hub/rooms".into(),
    }
}

/// Every second one is switched, every second one dimmed.
fn output(room: usize) -> OutputSpec {
    let fault = Some(RowDrive::Fixed(Permille::FULL));
    OutputSpec {
        name: format!("fan-{room}"),
        kind: if room.is_multiple_of(2) { OutputKind::OnOff } else { OutputKind::Pwm },
        min_duty: None,
        kick: None,
        slew_permille_per_s: None,
        min_on: None,
        min_off: None,
        property: None,
        alarms: Vec::new(),
        when: When { sensor_fault: fault, overheat: fault, ..When::default() },
    }
}

fn sensor(room: usize) -> SensorSpec {
    SensorSpec {
        name: format!("sensor-{room}"),
        measures: "temperature".into(),
        unit: TemperatureUnit::Celsius,
        stale_after: 6 * PERIOD,
        source: format!("/run/sensor-{room}"),
        scale_offset: (1.0, 0.0),
        derived: None,
    }
}

fn climate(room: usize) -> ClimateSpec {
    ClimateSpec {
        name: Some(name(room)),
        quantity: Quantity::Temperature(TemperatureUnit::Celsius),
        property: path(&format!("components.{}", name(room))),
        sensors: vec![SensorId(room)],
        combine: Combine::Max,
        lowering: vec![OutputId(room)],
        raising: Vec::new(),
        lowering_from: 0.0,
        raising_from: 0.0,
        range: ClimateRange::new(20.0, 28.0).unwrap(),
        limits: None,
        critical: Some(60.0),
        hysteresis: 0.5,
        zone: ZoneId(0),
    }
}
