//! What a quiet day costs at the hub: the engine and the back-off with the defaults of the configuration, a day of
//! virtual time, and every message counted that IoT Hub counts. `cargo test --test quiet_day -- --nocapture` prints
//! the table that `packaging/doc/fleets.md` shows, and holds the two together.
//!
//! A *message* is a request for the twin or a report; the answers to both, and all that makes and keeps a connection,
//! are free. A *piece* is what the free tier counts: half a KiB of payload, begun. Deliberately absent: sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

use serde_json::Value;
use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use twind::config::{self, Environment, Settings};
use twind::control::{Actuation, PinFault, Reading, SensorId};
use twind::engine::{Core, Input, Start};
use twind::hub::link::backoff::{Backoff, renewal};
use twind::ports::{Outbox, Pins, Ports, Store};
use twind::telemetry::RingRequest;
use twind::twin::{HubEvent, HubRequest, Machine, Section, TwinRecord, Version};
use twind::units::BootTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When counting begins: by then everything that a start reports has been reported.
const SETTLED: Duration = Duration::from_secs(60 * 60);
const LATENCY: Duration = Duration::from_millis(50);
/// DNS, TCP, TLS and MQTT.
const CONNECTING: Duration = Duration::from_millis(600);
const PIECE_BYTES: usize = 512;
/// What a quiet day may cost.
const BUDGET: u32 = 300;

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    fetches: u32,
    reports: u32,
    pieces: usize,
}

impl Cost {
    fn messages(self) -> u32 {
        self.fetches + self.reports
    }

    fn count(&mut self, bytes: usize) {
        self.pieces += bytes.div_ceil(PIECE_BYTES).max(1);
    }
}

/// A disk that takes no time.
#[derive(Default)]
struct Disk {
    saved: Option<u64>,
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.saved = Some(record.sequence);
    }

    fn ring(&mut self, _: RingRequest) {}
}

struct Board;

impl Pins for Board {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        Ok(())
    }
}

struct Line(Vec<HubRequest>);

impl Outbox for Line {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

/// The hub's twin, and what it has counted.
struct Hub {
    desired: Section,
    reported: Section,
    cost: Cost,
}

impl Hub {
    fn new() -> Self {
        let desired = serde_json::json!({
            "fanOn": true,
            "components": { "climate": { "minTemperature": 20, "maxTemperature": 28 } },
            "patchId": "Set the range",
        });
        let Value::Object(desired) = desired else { panic!("no object") };
        Self {
            desired: Section::from_object(desired).unwrap(),
            reported: Section::default(),
            cost: Cost::default(),
        }
    }

    fn answer(&mut self, request: HubRequest) -> HubEvent {
        let bytes = |object| serde_json::to_vec(object).unwrap().len();
        match request {
            HubRequest::GetTwin { rid } => {
                self.cost.fetches += 1;
                self.cost.count(bytes(self.desired.as_object()) + bytes(self.reported.as_object()));
                let (desired, reported) = (self.desired.clone(), self.reported.clone());
                HubEvent::Twin { rid, desired, desired_version: Version(7), reported }
            }
            HubRequest::PatchReported { rid, patch } => {
                self.cost.reports += 1;
                self.cost.count(bytes(patch.as_object()));
                self.reported.apply(&patch);
                HubEvent::ReportedAck { rid }
            }
            other => panic!("on a quiet day: {other:?}"),
        }
    }
}

/// A site with the smallest configuration.
fn defaults() -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let string = folder.path().join("cs");
    fs::write(&string, "HostName=h.example.net;DeviceId=d;SharedAccessKey=c2VjcmV0").unwrap();
    fs::set_permissions(&string, fs::Permissions::from_mode(0o600)).unwrap();
    let text = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.fan]
pwm = { channel = 0 }
[sensors.cabinet]
driver = "file"
path = "temperature"
[climate]
sensor = "cabinet"
cooling = "fan"
"#;
    config::parse(text, &folder.path().join("twind.toml"), &Environment::default()).unwrap()
}

/// A day after the first hour; the session is renewed for each token, if there are tokens.
fn day(settings: &Settings, token_lifetime: Option<Duration>) -> Cost {
    let start = BootTime::from_boot(Duration::from_secs(100));
    let mut now = start;
    let begin = Start {
        spec: settings.engine.clone(),
        record: None,
        machine: Machine::default(),
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    };
    let (mut disk, mut hub, mut backoff) = (Disk::default(), Hub::new(), Backoff::new(1));
    let mut line = Line(Vec::new());
    let ports =
        &mut Ports { pins: &mut Board, store: &mut disk, outbox: &mut line, notices: &mut Vec::new() };
    let mut core = Core::start(now, begin, ports);
    let mut answers: VecDeque<(BootTime, HubEvent)> = VecDeque::new();
    let period = settings.sensors[0].period;
    let (mut next_reading, mut readings) = (now, 0u32);
    let (mut up_at, mut renew_at) = (Some(now + CONNECTING), None);
    let mut before = None;
    loop {
        let mut due = vec![core.deadline().at, next_reading];
        due.extend(answers.front().map(|(at, _)| *at));
        due.extend(up_at);
        due.extend(renew_at);
        now = now.max(due.into_iter().min().unwrap());
        if before.is_none() && now.since(start) >= SETTLED {
            before = Some(hub.cost);
        }
        if now.since(start) >= SETTLED + DAY {
            let before = before.unwrap();
            return Cost {
                fetches: hub.cost.fetches - before.fetches,
                reports: hub.cost.reports - before.reports,
                pieces: hub.cost.pieces - before.pieces,
            };
        }
        let input = if up_at.is_some_and(|at| at <= now) {
            // A planned session is not delayed.
            assert_eq!(backoff.handle_connected(now), now);
            up_at = None;
            renew_at = token_lifetime.map(|lifetime| renewal(now, lifetime));
            Input::Hub(HubEvent::Up)
        } else if renew_at.is_some_and(|at| at <= now) {
            renew_at = None;
            answers.clear();
            backoff.handle_planned(now);
            up_at = Some(backoff.next_attempt() + CONNECTING);
            Input::Hub(HubEvent::Down)
        } else if answers.front().is_some_and(|(at, _)| *at <= now) {
            let (_, answer) = answers.pop_front().unwrap();
            Input::Hub(answer)
        } else if next_reading <= now {
            // A little noise, within every dead-band.
            let noise = f64::from(readings * 7 % 5) * 0.05;
            let reading = Reading { sensor: SensorId(0), at: now, value: Ok(23.0 + noise) };
            readings += 1;
            next_reading = next_reading + period;
            Input::Readings(vec![(reading, None)])
        } else {
            Input::Timeout
        };
        let mut line = Line(Vec::new());
        let mut notices = Vec::new();
        let mut next = Some(input);
        while let Some(input) = next {
            let ports =
                &mut Ports { pins: &mut Board, store: &mut disk, outbox: &mut line, notices: &mut notices };
            core.handle(now, input, ports);
            next = disk.saved.take().map(|sequence| Input::Saved(Ok(sequence)));
        }
        answers.extend(line.0.into_iter().map(|request| (now + LATENCY, hub.answer(request))));
    }
}

/// Prints a row of the table, which stands in the handbook.
fn tell(row: &str) {
    println!("{row}");
    let handbook = include_str!("../packaging/doc/fleets.md");
    assert!(handbook.contains(&format!("\n{row}\n")), "packaging/doc/fleets.md has no row {row}");
}

#[test]
fn a_quiet_day_costs_its_heartbeats_and_one_fetch_for_each_renewal() {
    let settings = defaults();
    let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
    assert_eq!(settings.hub.token_lifetime, hours(1));
    let certificate = day(&settings, None);
    tell("| a quiet day, heartbeat 5 min | messages | of them fetches | pieces of 0.5 KB |");
    tell("| --- | --- | --- | --- |");
    let row = |what: &str, cost: Cost| {
        tell(&format!("| {what} | {} | {} | {} |", cost.messages(), cost.fetches, cost.pieces));
    };
    row("certificate", certificate);
    let heartbeats = u32::try_from(DAY.as_secs() / settings.engine.report.heartbeat.as_secs()).unwrap();
    assert!((heartbeats - 1..=heartbeats).contains(&certificate.reports), "{certificate:?}");
    assert!(certificate.messages() <= BUDGET, "{certificate:?}");
    for lifetime in [24, 4, 1] {
        let cost = day(&settings, Some(hours(lifetime)));
        let default = if lifetime == 1 { ", the default" } else { "" };
        row(&format!("token of {lifetime} h{default}"), cost);
        assert_eq!(cost.reports, certificate.reports, "a renewal costs no report");
        // A token is renewed after four fifths of its time. Each new session begins the refresh interval anew.
        let renewals = DAY.as_secs_f64() / hours(lifetime).mul_f64(0.8).as_secs_f64();
        let most = (renewals.ceil() as u32).max(1) + certificate.fetches * u32::from(lifetime > 12);
        assert!(cost.fetches <= most, "{lifetime} h: {cost:?}");
        // With the default of an hour the limit cannot be met: there are at least 288 heartbeats and 24 renewals.
        assert!(lifetime == 1 || cost.messages() <= BUDGET, "{lifetime} h: {cost:?}");
    }
}
