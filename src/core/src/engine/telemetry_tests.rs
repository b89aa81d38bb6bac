//! Telemetry from outside: what a core asks of the disk and sends, by what happens to it.

use super::*;
use crate::control::fixtures::at_ms;
use crate::ports::{Outbox, Pins, Ports, Store};
use crate::telemetry::{Holds, Message, RingEvent, RingRequest, TelemetrySpec};
use crate::units::BootId;

/// A disk and a hub that only note what they are given.
#[derive(Default)]
struct Outside {
    kept: Vec<Message>,
    requests: Vec<HubRequest>,
}

impl Store for Outside {
    fn offer(&mut self, _: TwinRecord) {}

    fn ring(&mut self, request: RingRequest) {
        if let RingRequest::Keep(messages) = request {
            self.kept.extend(messages);
        }
    }
}

impl Outbox for Outside {
    fn push(&mut self, request: HubRequest) {
        self.requests.push(request);
    }
}

struct Board;

impl Pins for Board {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        Ok(())
    }
}

struct Site {
    core: Core,
    now: BootTime,
    kept: Vec<Message>,
}

impl Site {
    fn start(change: impl FnOnce(&mut CoreSpec)) -> Self {
        let telemetry =
            TelemetrySpec { interval: secs(60), send_every: secs(300), keep_bytes: 65536, alarms: true };
        let mut spec = CoreSpec { telemetry: Some(telemetry), ..spec() };
        change(&mut spec);
        let now = at(100);
        let begin = Start {
            spec,
            record: None,
            machine: Machine { boot: Some(BootId(7)), wall: Some((UnixSeconds(1_800_000_000), now)) },
            found: Vec::new(),
            handed_over: false,
            step_interval_max: Duration::MAX,
        };
        let (mut store, mut outbox, mut notices) = (Outside::default(), Outside::default(), Vec::new());
        let mut ports =
            Ports { pins: &mut Board, store: &mut store, outbox: &mut outbox, notices: &mut notices };
        Self { core: Core::start(now, begin, &mut ports), now, kept: store.kept }
    }

    fn input(&mut self, input: Input) {
        let (mut store, mut outbox, mut notices) = (Outside::default(), Outside::default(), Vec::new());
        let mut ports =
            Ports { pins: &mut Board, store: &mut store, outbox: &mut outbox, notices: &mut notices };
        let due = self.core.handle(self.now, input, &mut ports);
        assert!(due.at > self.now, "{} lies in the past", due.why);
        self.kept.extend(store.kept);
    }

    fn read(&mut self, value: f64) {
        let reading = Reading { sensor: SensorId(0), at: self.now, value: Ok(value) };
        self.input(Input::Readings(vec![(reading, None)]));
    }

    /// The climate goes from one regime to another so many times, and all that is asked of the ring is done.
    fn swing(&mut self, times: u64) {
        for time in 0..times {
            self.now = self.now + secs(20);
            self.read(if time % 2 == 0 { 10.0 } else { 30.0 });
            self.answer(0);
        }
    }

    /// The ring has what it was asked to keep; so many records gave way.
    fn answer(&mut self, dropped: u64) {
        self.input(Input::Ring(RingEvent::Kept { first: 1, holds: Holds::default(), dropped }));
    }

    /// The records that were kept of one thing.
    fn records(&self, kind: &str) -> Vec<Value> {
        let bodies =
            self.kept.iter().map(|message| serde_json::from_str::<Vec<Value>>(&message.body).unwrap());
        bodies.flatten().filter(|record| record.get(kind).is_some()).collect()
    }
}

#[test]
fn what_outputs_do_at_an_orderly_stop_is_kept_too() {
    let mut site = Site::start(|_| {});
    site.read(30.0);
    site.input(Input::Stop);
    let records = site.records("output");
    let (first, last) = (records.first().unwrap(), records.last().unwrap());
    assert_eq!(first["cause"], "fail-safe start");
    assert_eq!((&last["cause"], &last["dutyPercent"]), (&json!("fail-safe stop"), &json!(0)));
}

#[test]
fn a_temperature_is_in_degrees_celsius_whatever_the_unit_of_its_sensor() {
    let mut site = Site::start(|spec| spec.sensors[0].unit = TemperatureUnit::Fahrenheit);
    site.read(77.0);
    site.input(Input::Stop);
    assert_eq!(site.records("sensor")[0]["temperature"], 25);
    assert_eq!(site.records("climate")[1]["temperature"], 25);
}

#[test]
fn a_loss_is_told_in_the_next_message_also_where_each_message_is_full_before_it_is_due() {
    let mut site = Site::start(|spec| spec.telemetry.as_mut().unwrap().send_every = secs(86_400));
    site.read(30.0);
    site.swing(200);
    let messages = site.kept.len();
    assert!(messages > 0, "nothing was full");
    site.answer(18);
    assert_eq!(site.records("dropped"), [Value::Null; 0]);
    site.swing(200);
    let told = site.kept[messages..].iter().find(|message| message.body.contains("dropped")).unwrap();
    let told: Vec<Value> = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told[0]["dropped"], 18);
    assert_eq!(site.records("dropped").len(), 1);
}

#[test]
fn a_loss_that_no_message_has_told_of_is_told_at_an_orderly_stop() {
    let mut site = Site::start(|_| {});
    site.read(30.0);
    site.answer(5);
    site.input(Input::Stop);
    assert_eq!(site.records("dropped")[0]["dropped"], 5);
}

#[test]
fn a_message_that_a_driven_output_fills_is_kept_at_once() {
    let mut site = Site::start(|spec| spec.telemetry.as_mut().unwrap().send_every = secs(86_400));
    site.read(30.0);
    // Each input asserts that nothing is due that is over.
    site.swing(600);
    assert!(site.kept.len() > 3, "{} messages", site.kept.len());
}

#[test]
fn a_change_between_two_samples_has_the_second_of_its_own_moment() {
    let (mut world, mut spec) = (journal::World::default(), spec());
    spec.telemetry =
        Some(TelemetrySpec { interval: secs(3600), send_every: secs(1), keep_bytes: 1 << 20, alarms: true });
    let start = Start {
        spec,
        record: None,
        machine: Machine::default(),
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    };
    let mut core = world.with(|ports| Core::start(at(100), start, ports));
    // The wall clock turns to its next second 0.9 s later than the time since boot.
    let clock = (UnixSeconds(1_800_000_000), at_ms(100_900));
    let warm = Reading { sensor: SensorId(0), at: at_ms(101_100), value: Ok(35.0) };
    for (at, input) in [
        (100_200, Input::Hub(HubEvent::Up)),
        (100_950, Input::Clock(Some(clock))),
        (101_100, Input::Readings(vec![(warm, None)])),
        (102_100, Input::Timeout),
        (103_200, Input::Timeout),
    ] {
        world.with(|ports| core.handle(at_ms(at), input, ports));
    }
    let bodies = world.requests.iter().filter_map(|request| match request {
        HubRequest::SendMessage { message, .. } => Some(message.body.as_str()),
        _ => None,
    });
    let records: Vec<Value> =
        bodies.flat_map(|body| serde_json::from_str::<Vec<Value>>(body).unwrap()).collect();
    let change = records.iter().find(|record| record["regime"] == "too-warm").unwrap();
    assert_eq!(change["time"], clock.0.rfc3339(), "{records:?}");
    // The sample of that moment follows it.
    let times: Vec<_> = records.iter().filter_map(|record| record["time"].as_str()).collect();
    assert!(times.len() > 3 && times.is_sorted(), "{records:?}");
}
