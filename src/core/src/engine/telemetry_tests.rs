//! What telemetry is told, and when.

use super::journal::World;
use super::*;
use crate::control::fixtures::at_ms;
use crate::telemetry::TelemetrySpec;
use crate::units::UnixSeconds;

#[test]
fn a_change_between_two_samples_has_the_second_of_its_own_moment() {
    let (mut world, mut spec) = (World::default(), spec());
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
