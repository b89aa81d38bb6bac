//! What a quiet day costs at the hub: the engine and the back-off with the defaults of the configuration, a day of
//! virtual time, and every message counted that IoT Hub counts. `cargo test --test quiet_day -- --nocapture` prints
//! the table that `packaging/doc/fleets.md` shows, and holds the two together.
//!
//! A *message* is a request for the twin or a report; the answers to both, and all that makes and keeps a connection,
//! are free. A *piece* is what the free tier counts: half a KiB of payload, begun. Telemetry comes besides: its tables are in
//! `packaging/doc/telemetry.md`, and its pieces are those of the other tiers. Deliberately absent: sockets.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

mod site;

use site::{Board, Hub, LATENCY, Line, SMALLEST, Site, folder, settings};
use std::collections::VecDeque;
use std::time::Duration;
use twind::config::Settings;
use twind::control::{Reading, SensorId};
use twind::engine::{Core, Input, Start};
use twind::hub::link::backoff::{Backoff, renewal};
use twind::ports::{Ports, Store};
use twind::telemetry::RingRequest;
use twind::twin::{HubEvent, Machine, TwinRecord};
use twind::units::BootTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When counting begins: by then everything that a start reports has been reported.
const SETTLED: Duration = Duration::from_secs(60 * 60);
/// DNS, TCP, TLS and MQTT.
const CONNECTING: Duration = Duration::from_millis(600);
/// What a quiet day may cost.
const BUDGET: u32 = 300;
/// What of a message is counted once where the free tier counts eight times.
const PIECE_BYTES: usize = 4096;
/// What a day without a link may write to the disk.
const WRITTEN_MAX: u64 = 2 * 1024 * 1024;

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

    /// What the hub has counted since it had counted this.
    fn since(hub: &Hub, before: Self) -> Self {
        Self {
            fetches: hub.fetches - before.fetches,
            reports: hub.reports - before.reports,
            pieces: hub.pieces - before.pieces,
        }
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

/// A little noise, within every dead-band.
fn shows(_: usize, at: Duration) -> f64 {
    23.0 + (at.as_secs() / 5 * 7 % 5) as f64 * 0.05
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
    let mut next_reading = now;
    let (mut up_at, mut renew_at) = (Some(now + CONNECTING), None);
    let mut before = None;
    loop {
        let mut due = vec![core.deadline().at, next_reading];
        due.extend(answers.front().map(|(at, _)| *at));
        due.extend(up_at);
        due.extend(renew_at);
        now = now.max(due.into_iter().min().unwrap());
        if before.is_none() && now.since(start) >= SETTLED {
            before = Some(Cost::since(&hub, Cost::default()));
        }
        if now.since(start) >= SETTLED + DAY {
            return Cost::since(&hub, before.unwrap());
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
            let reading = Reading { sensor: SensorId(0), at: now, value: Ok(shows(0, now.since_boot())) };
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
        answers
            .extend(line.0.into_iter().map(|request| (now + LATENCY, hub.answer(now.since_boot(), request))));
    }
}

/// Prints rows of a table, which stands in a page of the handbook.
fn tell_in(page: &str, text: &str, rows: &[String]) {
    rows.iter().for_each(|row| println!("{row}"));
    let missing = rows.iter().find(|row| !text.contains(&format!("\n{row}\n")));
    assert_eq!(missing, None, "packaging/doc/{page} has no such row");
}

fn tell(row: &str) {
    tell_in("fleets.md", include_str!("../packaging/doc/fleets.md"), &[row.to_owned()]);
}

#[test]
fn a_quiet_day_costs_its_heartbeats_and_one_fetch_for_each_renewal() {
    let settings = settings(SMALLEST);
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

/// What telemetry costs in a day after the first hour.
struct Sent {
    messages: usize,
    pieces: usize,
    bytes: usize,
    written: u64,
}

fn telemetry_of_a_day(interval: &str, has_link: bool) -> Sent {
    let folder = folder();
    let lines = format!("{SMALLEST}[telemetry]\ninterval = \"{interval}\"\n");
    let mut site = Site::start(settings(&lines), folder.path(), shows);
    site.connect();
    site.run(SETTLED);
    if !has_link {
        site.disconnect();
    }
    let (before, written) = (site.hub.received.len(), site.written);
    site.run(SETTLED + DAY);
    let bytes: Vec<usize> = site.hub.received[before..].iter().map(site::Received::bytes).collect();
    Sent {
        messages: bytes.len(),
        pieces: bytes.iter().map(|bytes| bytes.div_ceil(PIECE_BYTES)).sum(),
        bytes: bytes.iter().sum(),
        written: site.written - written,
    }
}

#[test]
fn telemetry_writes_nothing_with_a_link_and_without_one_at_most_two_mebibytes_a_day() {
    let mut rows = vec![
        "| a quiet day, `interval` | link | messages | pieces of 4 KB | sent | to the disk |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for (interval, what) in [("1m", "1 min, the default"), ("5m", "5 min"), ("24h", "24 h: only changes")] {
        for (has_link, link) in [(true, "yes"), (false, "no")] {
            let Sent { messages, pieces, bytes, written } = telemetry_of_a_day(interval, has_link);
            let kib = |bytes: u64| bytes.div_ceil(1024);
            let (sent, kept) = (kib(bytes as u64), kib(written));
            rows.push(format!("| {what} | {link} | {messages} | {pieces} | {sent} KiB | {kept} KiB |"));
            assert_eq!(pieces, messages, "{interval}, {link}: a message is one piece");
            assert_eq!(messages == 0, !has_link, "{interval}, {link}");
            assert_eq!(written == 0, has_link, "{interval}, {link}: {written} bytes");
            assert!(written <= WRITTEN_MAX, "{interval}: {written} bytes");
            assert!(messages <= 250, "{interval}: {messages} messages");
        }
    }
    tell_in("telemetry.md", include_str!("../packaging/doc/telemetry.md"), &rows);
}
