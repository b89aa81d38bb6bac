//! `[telemetry]`: what it becomes, and that `twind check` tells about what it costs.

use super::{SITE, SMALL, Site, replaced, seconds, with_dirs};
use serde_json::{Value, json};
use twind::cli::check::{Outcome, Scope, check_json};
use twind::config::{Examination, Settings, TelemetryCost};
use twind::control::{Actuation, PinFault, Reading, SensorId};
use twind::engine::{Core, Input, Start};
use twind::ports::{Outbox, Pins, Ports, Store};
use twind::telemetry::{Holds, Message, RingEvent, RingFailed, RingRequest, TelemetrySpec};
use twind::twin::{HubRequest, Machine, TwinRecord};
use twind::units::{BootId, BootTime, UnixSeconds};

const DAY: u64 = 24 * 60 * 60;
/// The line of a message in the ring's files.
const FRAME_BYTES: usize = 88;
/// The records that are found to be lost when the ring is opened.
const LOST: u64 = 7;

fn spec(settings: &Settings) -> TelemetrySpec {
    settings.engine.telemetry.clone().unwrap()
}

fn site_with(lines: &str) -> String {
    format!("{SITE}[telemetry]\n{lines}\n")
}

#[test]
fn it_is_off_until_its_table_stands_there_and_an_empty_one_takes_every_default() {
    let site = Site::new();
    assert_eq!(site.right(SITE).engine.telemetry, None);
    let defaults =
        TelemetrySpec { interval: seconds(60), send_every: seconds(300), keep_bytes: 4 << 20, alarms: true };
    assert_eq!(spec(&site.right(&site_with(""))), defaults);
    let text = site_with("interval = \"24h\"\nsend-every = \"1s\"\nkeep = \"64 KiB\"\nalarms = false");
    let other =
        TelemetrySpec { interval: seconds(DAY), send_every: seconds(1), keep_bytes: 64 << 10, alarms: false };
    assert_eq!(spec(&site.right(&text)), other);
}

#[test]
fn its_faults_are_told_as_those_of_other_tables() {
    let site = Site::new();
    for (lines, told) in [
        ("interval = \"500ms\"", "`interval` must be a time from 1s to 1day, found \"500ms\""),
        ("interval = 60", "`interval` must be a time with its unit, found the number 60: write \"60s\" or"),
        ("send-every = \"2days\"", "`send-every` must be a time from 1s to 1day, found \"2days\""),
        ("keep = \"4 MB\"", "`keep` must be a size in \"KiB\", \"MiB\" or \"GiB\", such as"),
        ("keep = \"4 MB\"", "found \"4 MB\": write \"4 MiB\""),
        ("keep = \"1 KiB\"", "`keep` must be a size from 64 KiB to 1 GiB, found \"1 KiB\""),
        ("keep = 4", "`keep` must be a size with its unit, found the number 4: write \"4 MiB\""),
        ("alarms = \"yes\"", "`alarms` must be true or false (without quotes)"),
        ("sendevery = \"5m\"", "unknown key `sendevery` in [telemetry]; did you mean `send-every`?"),
        (
            "batch = 7",
            "unknown key `batch` in [telemetry]; allowed are `interval`, `send-every`, `keep`, `alarms`",
        ),
        ("enabled = false", "`enabled` is not needed: telemetry is on while [telemetry] stands in the file"),
    ] {
        let fault = site.fault(&site_with(lines));
        assert!(fault.contains(told), "wanted {told}\n{fault}");
    }
    let misspelt = site.parse(&format!("{SITE}[telemetri]\ninterval = \"0s\"\n")).unwrap_err().to_string();
    assert!(
        misspelt.contains("unknown key `telemetri` in the file; did you mean `telemetry`?"),
        "{misspelt}"
    );
    // What is in it is read all the same.
    assert!(misspelt.contains("`interval` must be a time from 1s"), "{misspelt}");
    let fault = site.fault(&format!("telemetry = true\n{SITE}"));
    assert!(fault.contains("write [telemetry] in a line of its own, and its keys below it"), "{fault}");
}

/// The object of `check --json`.
fn told(site: &Site, text: &str) -> (Outcome, Value) {
    site.write("twind.toml", text, 0o640);
    let scope = Scope { examination: Examination { now: None }, hardware: false, hub: false, excerpts: true };
    let (outcome, text) = check_json(&site.path("twind.toml"), &site.environment, scope);
    (outcome, serde_json::from_str(&text).unwrap())
}

#[test]
fn check_says_about_what_is_sent_and_kept() {
    let site = Site::new();
    let (outcome, said) = site.check(&with_dirs(&site, &site_with("")));
    let lines: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("messages ")).take(3).collect();
    let wanted = [
        "messages telemetry: a sample of 5 records every 1m, sent every 5m at the latest, and each alarm at once",
        "         about 240 messages of at most 4 KB on a quiet day (the free tier counts 1440 of its 8000)",
        "         without a connection about 691 KiB a day go to the disk; 4 MiB last for 5 d 22 h",
    ];
    assert_eq!((outcome, lines), (Outcome::Right, wanted.to_vec()), "{said}");
    let (_, said) = site.check(&with_dirs(&site, &site_with("alarms = false")));
    assert!(said.contains("sent every 5m at the latest\n"), "{said}");
    let (_, said) = site.check(&with_dirs(&site, SITE));
    assert!(!said.contains("messages "), "{said}");

    let (outcome, object) = told(&site, &with_dirs(&site, &site_with("")));
    let cost = json!({
        "recordsPerSample": 5, "messagesPerDay": 240, "freeTierMessagesPerDay": 1440, "diskBytesPerDay": 707_520, "keepSeconds": 512194,
    });
    assert_eq!((outcome, &object["telemetry"]), (Outcome::Right, &cost), "{object:#}");
    assert_eq!(told(&site, SITE).1["telemetry"], Value::Null);
    assert_eq!(told(&site, &site_with("keep = 1")).1["telemetry"], Value::Null, "of a wrong file");
}

#[test]
fn what_costs_too_much_or_is_soon_lost_is_warned_of_at_its_key() {
    let site = Site::new();
    let warning = |lines: &str| site.warning(&with_dirs(&site, &site_with(lines)));
    let told = warning("interval = \"1s\"\nsend-every = \"9s\"\nkeep = \"1 GiB\"");
    assert!(told.contains("[telemetry] makes about 10438 messages a day here"), "{told}");
    assert!(told.ends_with("write a longer `interval`"), "it is the number of records: {told}");
    let told = warning("interval = \"2s\"\nsend-every = \"5s\"\nkeep = \"1 GiB\"");
    assert!(
        told.contains("about 14400 messages a day") && told.ends_with("write a longer `send-every`"),
        "{told}"
    );
    let told = warning("interval = \"10s\"\nsend-every = \"1s\"\nkeep = \"1 GiB\"");
    assert!(told.contains("about 8640 messages a day") && told.ends_with("a longer `interval`"), "{told}");
    let told = warning("keep = \"64 KiB\"");
    let wanted = "[telemetry] makes about 691 KiB a day here, so `keep` (64 KiB) is full after 2 h 13 min without a connection, \
                  and then the oldest is lost: write a larger one, or a longer `interval` (now 1m)";
    assert!(told.contains(wanted), "{told}");
    // At the key.
    let line = site_with("").lines().count();
    assert!(told.contains(&format!("twind.toml:{line}:1: ")), "{told}");
    let (_, said) = site.check(&with_dirs(&site, &site_with("interval = \"15s\"\nsend-every = \"1m\"")));
    assert!(!said.contains("[telemetry] makes"), "{said}");
}

/// Takes everything, and notes what goes to the ring.
#[derive(Default)]
struct Disk {
    sequence: Option<u64>,
    events: Vec<RingEvent>,
    kept: Vec<Message>,
    is_full: bool,
}

impl Store for Disk {
    fn offer(&mut self, record: TwinRecord) {
        self.sequence = Some(record.sequence);
    }

    fn ring(&mut self, request: RingRequest) {
        match request {
            RingRequest::Open { .. } => {
                self.events.push(RingEvent::Opened {
                    holds: Holds::default(),
                    boots: Vec::new(),
                    lost: LOST,
                });
            }
            RingRequest::Keep(messages) => {
                if let Some(reason) = self.is_full.then(|| "no space".to_owned()) {
                    return self.events.push(RingEvent::Failed { request: RingFailed::Keep, reason });
                }
                let first = self.kept.len() as u64 + 1;
                self.kept.extend(messages);
                let messages = self.kept.len() as u64;
                let holds = Holds { messages, bytes: messages * 1000 };
                self.events.push(RingEvent::Kept { first, holds, dropped: 0 });
            }
            RingRequest::Read { .. } | RingRequest::Forget { .. } => {}
        }
    }
}

struct Nothing;

impl Pins for Nothing {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        Ok(())
    }
}

impl Outbox for Nothing {
    fn push(&mut self, _: HubRequest) {}
}

fn at(second: u64) -> BootTime {
    BootTime::from_boot(seconds(second))
}

fn readings(now: BootTime, sensors: usize) -> Vec<(Reading, Option<String>)> {
    let value = |index: usize| if index == 0 { 23.04 } else { 47.25 };
    let reading = |index| Reading { sensor: SensorId(index), at: now, value: Ok(value(index)) };
    (0..sensors).map(|index| (reading(index), None)).collect()
}

/// A core that runs, and its disk.
struct Rig {
    core: Core,
    disk: Disk,
}

impl Rig {
    fn new(settings: &Settings) -> Self {
        let boot = BootId::parse("01234567-89ab-cdef-0123-456789abcdef");
        let begin = Start {
            spec: settings.engine.clone(),
            record: None,
            machine: Machine { boot, ..Machine::default() },
            found: Vec::new(),
            handed_over: false,
            step_interval_max: seconds(3600),
        };
        let mut disk = Disk::default();
        let ports = &mut Ports {
            pins: &mut Nothing,
            store: &mut disk,
            outbox: &mut Nothing,
            notices: &mut Vec::new(),
        };
        let core = Core::start(at(100), begin, ports);
        Self { core, disk }
    }

    /// Hands over an input, and what the disk answers to what follows.
    fn take(&mut self, now: BootTime, input: Input) {
        let mut next = vec![input];
        while !next.is_empty() {
            for input in core::mem::take(&mut next) {
                let ports = &mut Ports {
                    pins: &mut Nothing,
                    store: &mut self.disk,
                    outbox: &mut Nothing,
                    notices: &mut Vec::new(),
                };
                self.core.handle(now, input, ports);
            }
            next.extend(self.disk.sequence.take().map(|sequence| Input::Saved(Ok(sequence))));
            next.extend(self.disk.events.drain(..).map(Input::Ring));
        }
    }

    /// Passes so much time from the start on.
    fn pass(&mut self, settings: &Settings, time: u64) {
        self.run(settings.engine.sensors.len(), true, time);
    }

    /// The same with readings of these first sensors alone, and with a clock or none.
    fn run(&mut self, sensors: usize, is_dated: bool, time: u64) {
        let clock = is_dated.then_some((UnixSeconds(1_795_000_000), at(100)));
        self.take(at(100), Input::Clock(clock));
        let (mut now, mut reading_at) = (at(100), at(100));
        while now <= at(100 + time) {
            let input = if reading_at <= now {
                reading_at = reading_at + seconds(15);
                Input::Readings(readings(now, sensors))
            } else {
                Input::Timeout
            };
            self.take(now, input);
            now = now.max(self.core.deadline().at.min(reading_at));
        }
    }
}

#[test]
fn what_check_says_is_what_the_core_makes() {
    let site = Site::new();
    for text in [
        format!("{SMALL}[telemetry]\n"),
        site_with(""),
        site_with("interval = \"5m\""),
        site_with("interval = \"20s\"\nsend-every = \"2m 10s\""),
        // Full before their time.
        site_with("interval = \"10s\"\nsend-every = \"1h\""),
        replaced(
            &site_with("interval = \"1h\"\nsend-every = \"1m\""),
            "[sensors.door]",
            "[sensors.a-door-with-a-long-name]",
        ),
    ] {
        let settings = site.right(&text);
        let cost = TelemetryCost::of(&settings.engine).unwrap();
        let mut rig = Rig::new(&settings);
        rig.pass(&settings, DAY / 4);
        let kept = rig.disk.kept;
        // The quarter begins with a message more: what the start decided, and the first sample.
        let slack = kept.first().map_or(0, |message| message.encode().len() + FRAME_BYTES);
        let near = |told: u64, is: usize, percent: f64, slack: usize, what: &str| {
            let (told, is) = (told as f64, (4 * is) as f64);
            let far = is * percent / 100.0 + (4 * slack) as f64;
            assert!((told - is).abs() <= far, "{what}: told {told}, is {is} of{text}");
        };
        near(cost.messages_per_day, kept.len(), 6.0, 1, "messages");
        let bytes = kept.iter().map(|message| message.encode().len() + FRAME_BYTES).sum();
        near(cost.disk_bytes_per_day, bytes, 7.0, slack, "bytes");
        let pieces = kept.iter().map(|message| (message.body.len() + 80).div_ceil(512)).sum();
        near(cost.free_tier_messages_per_day, pieces, 20.0, 1, "pieces of 0.5 KB");
        assert!(kept.iter().all(|message| message.body.len() <= 3_800));
    }
}

#[test]
fn the_status_says_what_the_hub_does_not_have() {
    let site = Site::new();
    let settings = site.right(&site_with(""));
    let told = |rig: &Rig| serde_json::to_value(rig.core.status(at(5000), 0)).unwrap()["telemetry"].clone();
    let mut rig = Rig::new(&settings);
    rig.pass(&settings, 3600);
    let kept = rig.disk.kept.len();
    assert!((9..=10).contains(&kept), "{kept}");
    let wanted = json!({
        "waitingMessages": 0, "keptMessages": kept, "keptBytes": kept * 1000, "lostRecords": LOST, "fault": null,
    });
    assert_eq!(told(&rig), wanted);

    let mut rig = Rig::new(&settings);
    rig.disk.is_full = true;
    rig.pass(&settings, 3600);
    // One more: the alarm of the disk.
    let wanted = json!({
        "waitingMessages": kept + 1, "keptMessages": 0, "keptBytes": 0, "lostRecords": LOST, "fault": "no space",
    });
    assert_eq!(told(&rig), wanted);

    let settings = site.right(SITE);
    let status = serde_json::to_value(Rig::new(&settings).core.status(at(5000), 0)).unwrap();
    assert!(status.get("telemetry").is_none(), "{status:#}");
}

/// The records in the JSON blocks of the handbook's page, and the keys of each.
fn records_of_the_page() -> Vec<Value> {
    let page = include_str!("../../packaging/doc/telemetry.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut records = Vec::new();
    for block in blocks {
        // One message, or several.
        for message in serde_json::Deserializer::from_str(block).into_iter::<Vec<Value>>() {
            records.extend(message.unwrap());
        }
    }
    records
}

fn keys(record: &Value) -> Vec<&str> {
    record.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_handbook_shows_each_record_as_the_core_writes_it() {
    let site = Site::new();
    let settings = site.right(&site_with("interval = \"5m\""));
    let made = |is_dated: bool, sensors: usize| {
        let mut rig = Rig::new(&settings);
        rig.run(sensors, is_dated, 1200);
        // What had no reading has one again, for long enough to end its alarm.
        for now in (1390..1440).step_by(5).map(at) {
            rig.take(now, Input::Readings(readings(now, 2)));
        }
        rig.take(at(1440), Input::Stop);
        let bodies = rig.disk.kept.iter().map(|message| serde_json::from_str::<Vec<Value>>(&message.body));
        bodies.flat_map(Result::unwrap).collect::<Vec<_>>()
    };
    let (all, one, undated) = (made(true, 2), made(true, 1), made(false, 2));
    let known: Vec<&Value> = all.iter().chain(&one).chain(&undated).collect();
    let shown = records_of_the_page();
    assert!(shown.len() >= 9, "{shown:#?}");
    for record in &shown {
        // No output of the rig fails to be driven.
        let is_faulty_output = keys(record) == ["time", "output", "fault"];
        let is_known = known.iter().any(|one| keys(one) == keys(record));
        assert!(is_known || is_faulty_output, "nobody makes {record}, but {known:#?}");
    }
    for kind in ["sensor", "climate", "output", "alarm", "dropped", "fault", "secondsSinceBoot"] {
        let is_shown = shown.iter().any(|record| record.get(kind).is_some());
        let is_made = known.iter().any(|record| record.get(kind).is_some());
        assert!(is_shown && is_made, "no {kind}");
    }
}

#[test]
fn the_handbook_shows_what_check_says_of_a_small_site() {
    let site = Site::new();
    let (_, said) = site.check(&with_dirs(&site, &format!("{SMALL}[telemetry]\n")));
    let (_, told) = said.split_once("messages ").unwrap();
    let lines: String = told.lines().take(3).flat_map(|line| [line, "\n"]).collect();
    let page = include_str!("../../packaging/doc/telemetry.md");
    assert!(page.contains(&format!("messages {lines}")), "messages {lines}");
}
