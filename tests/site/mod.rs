//! A site in virtual time for tests: the real core with the real state directory, a link that is up or down, and a hub that
//! counts all that it is given.
//!
//! The disk takes no virtual time: every request to it is carried out before the next input. Deliberately absent: sockets, and
//! faults of the disk, which `store` and the simulation look after.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses its part")]

use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use tempfile::TempDir;
use twind::config::{self, Environment, Settings};
use twind::control::{Actuation, PinFault, Reading, SensorId};
use twind::engine::{Core, Input, Start};
use twind::ports::{Outbox, Pins, Ports, Store};
use twind::report::Notice;
use twind::store::FileStore;
use twind::telemetry::RingRequest;
use twind::twin::{Dated, DeviceMessage, HubEvent, HubRequest, Machine, Section, TwinRecord, Version};
use twind::units::{BootId, BootTime, UnixSeconds};

/// The true time at which each test begins.
pub(crate) const BEGIN: u64 = 1_800_000_000;
pub(crate) const LATENCY: Duration = Duration::from_millis(50);
/// A disk that takes so long is broken.
const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// The settings of a site that is written in these lines, which go behind the hub and the board.
pub(crate) fn settings(lines: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let string = folder.path().join("cs");
    fs::write(&string, "HostName=h.example.net;DeviceId=d;SharedAccessKey=c2VjcmV0").unwrap();
    fs::set_permissions(&string, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("[hub]\nconnection-string-file = \"cs\"\n[board]\ndriver = \"simulated\"\n{lines}");
    config::parse(&text, &folder.path().join("twind.toml"), &Environment::default()).unwrap()
}

/// The smallest site.
pub(crate) const SMALLEST: &str = r#"
[outputs.fan]
pwm = { channel = 0 }
[sensors.cabinet]
driver = "file"
path = "temperature"
[climate]
sensor = "cabinet"
cooling = "fan"
"#;

/// A folder for the state, in memory if the system has a place for that: a day has hundreds of writes, and each waits for the disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) struct Board;

impl Pins for Board {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        Ok(())
    }
}

pub(crate) struct Line(pub(crate) Vec<HubRequest>);

impl Outbox for Line {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

/// The state directory, and how much was asked of it that it has not done.
struct Disk {
    store: FileStore,
    asked: usize,
    done: Receiver<()>,
}

impl Disk {
    fn open(dir: &Path) -> (Self, Option<TwinRecord>) {
        let (sender, done) = mpsc::channel();
        let store = FileStore::start(dir, Box::new(move || sender.send(()).unwrap_or_default())).unwrap();
        let opening = store.wait_opened(DISK_PATIENCE).unwrap();
        assert_eq!(opening.fault, None);
        let mut disk = Self { store, asked: 1, done };
        disk.settle();
        (disk, opening.loaded.record)
    }

    fn settle(&mut self) {
        for _ in 0..std::mem::take(&mut self.asked) {
            self.done.recv_timeout(DISK_PATIENCE).unwrap();
        }
    }
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.asked += 1;
        self.store.offer(record);
    }

    fn ring(&mut self, request: RingRequest) {
        self.asked += 1;
        self.store.ring(request);
    }
}

/// A message, and when the hub stored it.
pub(crate) struct Received {
    pub(crate) at: Duration,
    pub(crate) message: DeviceMessage,
}

impl Received {
    pub(crate) fn records(&self) -> Vec<Value> {
        serde_json::from_str(&self.message.body).unwrap()
    }

    /// What the hub counts: the body and the properties.
    pub(crate) fn bytes(&self) -> usize {
        let DeviceMessage { id, alarm, body, created } = &self.message;
        let named = "$.mid$.ct$.ce".len() + id.len() + "application/json".len() + "utf-8".len();
        let created = created.map_or(0, |at| "$.ctime".len() + at.rfc3339().len());
        let alarm = alarm.as_ref().map_or(0, |alarm| "alarm".len() + alarm.len());
        named + created + alarm + body.len()
    }
}

/// The hub's twin, and what it has counted.
pub(crate) struct Hub {
    desired: Section,
    reported: Section,
    pub(crate) fetches: u32,
    pub(crate) reports: u32,
    /// Of twin messages, each piece of half a KiB that was begun.
    pub(crate) pieces: usize,
    pub(crate) received: Vec<Received>,
}

const PIECE_BYTES: usize = 512;

impl Hub {
    pub(crate) fn new() -> Self {
        let desired = serde_json::json!({
            "fanOn": true,
            "components": { "climate": { "minTemperature": 20, "maxTemperature": 28 } },
            "patchId": "Set the range",
        });
        let Value::Object(desired) = desired else { panic!("no object") };
        Self {
            desired: Section::from_object(desired).unwrap(),
            reported: Section::default(),
            fetches: 0,
            reports: 0,
            pieces: 0,
            received: Vec::new(),
        }
    }

    fn count(&mut self, bytes: usize) {
        self.pieces += bytes.div_ceil(PIECE_BYTES).max(1);
    }

    pub(crate) fn answer(&mut self, at: Duration, request: HubRequest) -> HubEvent {
        let bytes = |object| serde_json::to_vec(object).unwrap().len();
        match request {
            HubRequest::GetTwin { rid } => {
                self.fetches += 1;
                self.count(bytes(self.desired.as_object()) + bytes(self.reported.as_object()));
                let (desired, reported) = (self.desired.clone(), self.reported.clone());
                HubEvent::Twin { rid, desired, desired_version: Version(7), reported }
            }
            HubRequest::PatchReported { rid, patch } => {
                self.reports += 1;
                self.count(bytes(patch.as_object()));
                self.reported.apply(&patch);
                HubEvent::ReportedAck { rid }
            }
            HubRequest::SendMessage { number, message } => {
                self.received.push(Received { at, message });
                HubEvent::MessageStored { number }
            }
            other => panic!("on a quiet day: {other:?}"),
        }
    }
}

/// What every sensor showed when a sample was taken.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) values: Vec<f64>,
}

/// What is known of a file: which it is, how long, and when it was written.
type Found = (u64, u64, i64);

/// The values of the sensors at a moment.
pub(crate) type Shows = fn(sensor: usize, at: Duration) -> f64;

pub(crate) struct Site {
    settings: Settings,
    shows: Shows,
    dir: PathBuf,
    core: Core,
    disk: Disk,
    pub(crate) hub: Hub,
    /// The test's time, and the machine's last boot in it.
    pub(crate) now: Duration,
    booted: Duration,
    boots: u128,
    is_dated: bool,
    is_up: bool,
    answers: VecDeque<(Duration, HubEvent)>,
    reads_at: Duration,
    last: Vec<f64>,
    /// The samples of the present process.
    taken: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) notices: Vec<Notice>,
    files: BTreeMap<PathBuf, Found>,
    /// The bytes of telemetry that were written to the disk.
    pub(crate) written: u64,
}

impl Site {
    /// Starts with a clock that can be believed, and no link.
    pub(crate) fn start(settings: Settings, dir: &Path, shows: Shows) -> Self {
        let (now, booted) = (Duration::from_secs(100), Duration::ZERO);
        let (core, disk) = start(&settings, dir, now, 1, Some(wall(now)));
        let mut site = Self {
            last: vec![0.0; settings.engine.sensors.len()],
            settings,
            shows,
            dir: dir.to_owned(),
            core,
            disk,
            hub: Hub::new(),
            now,
            booted,
            boots: 1,
            is_dated: true,
            is_up: false,
            answers: VecDeque::new(),
            reads_at: now,
            taken: 0,
            samples: Vec::new(),
            notices: Vec::new(),
            files: BTreeMap::new(),
            written: 0,
        };
        site.follow_up(Vec::new());
        site
    }

    /// The machine's time.
    fn boot_time(&self) -> BootTime {
        BootTime::from_boot(self.now - self.booted)
    }

    fn dated(&self) -> Dated {
        (wall(self.now), self.boot_time())
    }

    pub(crate) fn waiting(&self) -> twind::telemetry::Waiting {
        self.core.telemetry().waiting()
    }

    pub(crate) fn connect(&mut self) {
        self.is_up = true;
        self.input(Input::Hub(HubEvent::Up));
    }

    pub(crate) fn disconnect(&mut self) {
        self.is_up = false;
        self.answers.clear();
        self.input(Input::Hub(HubEvent::Down));
    }

    /// The clock is set.
    pub(crate) fn set_clock(&mut self) {
        self.is_dated = true;
        let dated = self.dated();
        self.input(Input::Clock(Some(dated)));
    }

    /// The daemon is replaced by another process.
    pub(crate) fn upgrade(&mut self) {
        self.input(Input::Stop);
        self.restart(|| ());
    }

    /// The power goes in the middle of the next write of messages, and with it all that is in memory. It is back after a while, and
    /// the clock is not set then.
    pub(crate) fn cut_power(&mut self, lasts: Duration) {
        let (before, written) = (self.files.clone(), self.written);
        while self.written == written {
            self.step(Duration::MAX);
        }
        let is_grown = |(path, found): &(&PathBuf, &Found)| before.get(*path) != Some(*found);
        let (path, (_, length, _)) = self.files.iter().find(is_grown).unwrap();
        let begins = before.get(path).map_or(0, |(_, length, _)| *length);
        let (path, torn) = (path.clone(), (begins + length) / 2);
        (self.is_up, self.is_dated) = (false, false);
        self.answers.clear();
        self.now += lasts;
        self.booted = self.now - Duration::from_secs(20);
        self.boots += 1;
        self.restart(|| fs::File::options().write(true).open(path).unwrap().set_len(torn).unwrap());
    }

    fn restart(&mut self, meanwhile: impl FnOnce()) {
        let (other, _) = Disk::open(tempfile::tempdir().unwrap().path());
        drop(std::mem::replace(&mut self.disk, other));
        meanwhile();
        let shown = self.is_dated.then(|| wall(self.now));
        (self.core, self.disk) = start(&self.settings, &self.dir, self.now - self.booted, self.boots, shown);
        (self.taken, self.reads_at) = (0, self.now);
        self.follow_up(Vec::new());
    }

    /// Lets everything happen until then.
    pub(crate) fn run(&mut self, until: Duration) {
        while self.step(until) {}
        self.now = until;
    }

    /// Lets the next thing happen, if it is to happen before.
    pub(crate) fn step(&mut self, until: Duration) -> bool {
        let deadline = self.booted + self.core.deadline().at.since_boot();
        let answer = self.answers.front().map_or(Duration::MAX, |(at, _)| *at);
        let due = deadline.min(self.reads_at).min(answer);
        if due >= until {
            return false;
        }
        self.now = self.now.max(due);
        let input = if answer <= self.now {
            Input::Hub(self.answers.pop_front().unwrap().1)
        } else if self.reads_at <= self.now {
            self.read()
        } else {
            Input::Timeout
        };
        self.input(input);
        true
    }

    fn read(&mut self) -> Input {
        let (now, at) = (self.now, self.boot_time());
        self.reads_at = now + self.settings.sensors[0].period;
        self.last = (0..self.last.len()).map(|sensor| (self.shows)(sensor, now)).collect();
        let reading = |(sensor, value): (usize, &f64)| {
            (Reading { sensor: SensorId(sensor), at, value: Ok(*value) }, None)
        };
        Input::Readings(self.last.iter().enumerate().map(reading).collect())
    }

    fn input(&mut self, input: Input) {
        let now = self.boot_time();
        let mut line = Line(Vec::new());
        let mut ports =
            Ports { pins: &mut Board, store: &mut self.disk, outbox: &mut line, notices: &mut self.notices };
        self.core.handle(now, input, &mut ports);
        self.follow_up(line.0);
    }

    fn follow_up(&mut self, requests: Vec<HubRequest>) {
        let taken = self.core.telemetry().samples();
        if std::mem::replace(&mut self.taken, taken) < taken {
            self.samples.push(Sample { at: self.now, values: self.last.clone() });
        }
        for request in requests.into_iter().filter(|_| self.is_up) {
            let answer = self.hub.answer(self.now, request);
            self.answers.push_back((self.now + LATENCY, answer));
        }
        if self.disk.asked == 0 {
            return;
        }
        self.disk.settle();
        self.weigh();
        while let Some(outcome) = self.disk.store.poll_saved() {
            self.input(Input::Saved(outcome.map_err(|fault| fault.reason)));
        }
        while let Some(event) = self.disk.store.poll_ring() {
            self.input(Input::Ring(event));
        }
    }

    /// Adds what was written to the files of messages since the last time: what is longer now, or whole if it was replaced.
    fn weigh(&mut self) {
        for entry in fs::read_dir(&self.dir).unwrap() {
            let path = entry.unwrap().path();
            if path.file_stem() != Some("messages".as_ref()) {
                continue;
            }
            let found = fs::metadata(&path).unwrap();
            let (inode, length, written_at) = (found.ino(), found.len(), found.mtime_nsec());
            let before = self.files.insert(path, (inode, length, written_at));
            self.written += match before {
                Some((same, shorter, _)) if same == inode && shorter < length => length - shorter,
                Some(before) if before == (inode, length, written_at) => 0,
                _ => length,
            };
        }
    }
}

/// The true time.
pub(crate) fn wall(now: Duration) -> UnixSeconds {
    UnixSeconds(BEGIN + now.as_secs())
}

fn start(
    settings: &Settings,
    dir: &Path,
    since_boot: Duration,
    boot: u128,
    shown: Option<UnixSeconds>,
) -> (Core, Disk) {
    let now = BootTime::from_boot(since_boot);
    let (mut disk, record) = Disk::open(dir);
    let begin = Start {
        spec: settings.engine.clone(),
        record,
        machine: Machine { boot: Some(BootId(boot)), wall: shown.map(|shown| (shown, now)) },
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    };
    let (line, notices) = (&mut Line(Vec::new()), &mut Vec::new());
    let core =
        Core::start(now, begin, &mut Ports { pins: &mut Board, store: &mut disk, outbox: line, notices });
    (core, disk)
}
