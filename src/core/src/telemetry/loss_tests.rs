//! What is lost is told.

use super::*;
use crate::control::OutputKind;
use crate::control::fixtures::{at, output, permille};
use serde_json::Value;

const SPEC: TelemetrySpec = TelemetrySpec {
    interval: Duration::from_secs(60),
    send_every: Duration::from_secs(86_400),
    keep_bytes: 1 << 20,
    alarms: true,
};

fn connected() -> Telemetry {
    let mut telemetry = Telemetry::new(at(0), Some(BootId(7)), "hub/pi", Some(SPEC));
    telemetry.note_clock(at(0), Some(UnixSeconds(1_800_000_000)));
    telemetry.handle_up();
    telemetry
}

fn lose(telemetry: &mut Telemetry, records: u64) {
    let event = RingEvent::Opened { holds: Holds::default(), boots: Vec::new(), lost: records };
    telemetry.handle_ring(at(0), event);
}

fn note(telemetry: &mut Telemetry) {
    telemetry.note_output(at(1), &output("fan", OutputKind::OnOff), permille(1000), &"override");
}

/// Notes changes until a message is full, and returns its records.
fn next_message(telemetry: &mut Telemetry) -> Vec<Value> {
    loop {
        note(telemetry);
        if let Some(HubRequest::SendMessage { number, message }) = telemetry.poll_request(at(1)) {
            telemetry.handle_stored(at(1), number);
            assert!(message.body.len() <= batch::BODY_BYTES_MAX);
            return serde_json::from_str(&message.body).unwrap();
        }
    }
}

fn told(records: &[Value]) -> Vec<u64> {
    records.iter().filter_map(|record| record["dropped"].as_u64()).collect()
}

#[test]
fn a_loss_is_told_first_in_the_next_message_though_each_is_closed_because_it_is_full() {
    let mut telemetry = connected();
    note(&mut telemetry);
    lose(&mut telemetry, 5);
    lose(&mut telemetry, 2);
    assert_eq!(told(&next_message(&mut telemetry)), [0; 0], "it was begun before");
    let next = next_message(&mut telemetry);
    assert_eq!((told(&next), &next[0]["dropped"]), (vec![7], &7.into()));
    assert_eq!(told(&next_message(&mut telemetry)), [0; 0]);
    assert_eq!(telemetry.dropped(), 7);
}

#[test]
fn a_loss_that_no_message_has_told_of_is_told_at_the_end_of_the_process() {
    for is_begun in [false, true] {
        let mut telemetry = connected();
        lose(&mut telemetry, 5);
        while telemetry.poll_ring().is_some() {}
        if is_begun {
            note(&mut telemetry);
            lose(&mut telemetry, 3);
        }
        telemetry.handle_stop(at(2));
        let Some(RingRequest::Keep(messages)) = telemetry.poll_ring() else { panic!("nothing is kept") };
        let records: Vec<Value> =
            messages.iter().flat_map(|one| serde_json::from_str::<Vec<Value>>(&one.body).unwrap()).collect();
        assert_eq!(told(&records), if is_begun { vec![5, 3] } else { vec![5] }, "{records:?}");
        let count: u32 = messages.iter().map(|one| one.records).sum();
        assert_eq!(count as usize, records.len());
    }
}
