//! Longer scenarios: the tutorial, a quiet day, and random events.

use super::*;
use proptest::prelude::*;

#[test]
fn the_tutorials_back_end_prints_what_it_expects() {
    // A twin from an earlier run, which the back end clears first.
    let stored = record(json!({"fanOn": "true", "old": 1, "components": {"wifi": {"channel": "6"}}}), 9);
    let mut rig = Rig::from(spec(), Some(stored));
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.desire(json!({"fanOn": null, "old": null, "components": null}));
    assert!(rig.engine.sync().desired().is_empty());
    assert_eq!((rig.reported_value("fanOn"), rig.reported_value("lastPatchReceivedId")), (None, None));
    let patches = [
        json!({"patchId": "Init", "fanOn": "false", "components": {
            "system": {"id": "17", "units": "farenheit", "firmwareVersion": "9.75"},
            "climate": {"minTemperature": "68", "maxTemperature": "76"},
        }}),
        json!({"patchId": "Switch fan on", "fanOn": "false"}),
        json!({"patchId": "Set maximum temperature", "components": {"climate": {"maxTemperature": "92"}}}),
        json!({"patchId": "Add WiFi component", "components": {"wifi": {"channel": "6", "ssid": "my_network"}}}),
        json!({"patchId": "Update WiFi component", "components": {"wifi": {"channel": "13", "ssid": "my_other_network"}}}),
        json!({"patchId": "Delete WiFi component", "components": {"wifi": null}}),
    ];
    for patch in patches {
        rig.now = rig.now + secs(5);
        let id = patch["patchId"].clone();
        rig.desire(patch);
        rig.sample(Ok(24.0));
        assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&id));
        let wifi = rig.desired.get(&path("components.wifi")).map(|_| json!("not mapped"));
        assert_eq!(rig.reported_value("components.wifi.status").cloned(), wifi);
    }
    for (place, wanted) in [
        ("lastPatchReceivedId", "Delete WiFi component"),
        ("firmwareVersion", "1.2.1"),
        ("fanOn", "false"),
        ("minTemperature", "68"),
        ("maxTemperature", "92"),
    ] {
        assert_eq!(rig.reported_value(place), Some(&json!(wanted)), "{place}");
    }
    assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(16)));
    assert_eq!(rig.drive(), Some(0));
}

#[test]
fn clearing_the_desired_section_brings_back_the_configured_values() {
    let mut rig = Rig::online();
    rig.desire(
        json!({"fanOn": true, "components": {"climate": {"minTemperature": 10, "maxTemperature": 12}}}),
    );
    rig.sample(Ok(24.0));
    assert_eq!(rig.drive(), Some(1000));
    rig.desire(json!({"fanOn": null, "components": null}));
    assert_eq!(rig.drive(), Some(0));
    assert_eq!(rig.engine.record().accepted, Section::default());
    assert_eq!(
        (rig.reported_value("minTemperature"), rig.reported_value("maxTemperature")),
        (Some(&json!(20)), Some(&json!(28)))
    );
}

/// Between 23.8 and 24.2 degrees, without a pattern.
fn quiet(second: u64) -> f64 {
    24.0 + f64::from(u32::try_from(second * 7919 % 401).unwrap()) / 1000.0 - 0.2
}

#[test]
fn a_quiet_day_fits_the_budgets_of_messages_and_of_the_disk() {
    let mut rig = Rig::online();
    rig.pass(secs(60), quiet);
    let (requests, written) = (rig.requests, rig.written.len());
    rig.pass(secs(86_400), quiet);
    assert!((288..=300).contains(&(rig.requests - requests)), "{}", rig.requests - requests);
    let records = &rig.written[written..];
    let bytes: usize = records.iter().map(|record| record.encode().len()).sum();
    assert!(bytes <= 256 * 1024, "{bytes}");
}

#[test]
fn a_change_of_the_reported_section_alone_is_recorded_later_and_once() {
    let mut rig = Rig::online();
    rig.pass(secs(60), |_| 24.0);
    let before = rig.written.len();
    let synced_at = rig.now;
    rig.pass(secs(899), |now| 20.0 + (now % 60) as f64 / 10.0);
    assert!(rig.written.len() <= before + 1);
    rig.pass(secs(60), |_| 24.0);
    assert_eq!(rig.written.len(), before + 1);
    assert!(rig.now.since(synced_at) < 2 * LAZY_SAVE);
    assert_eq!(rig.written.last().unwrap().desired_version, Version(1));
}

#[test]
fn a_report_that_waits_is_sent_when_it_is_due_and_not_at_the_next_step() {
    let mut rig = Rig::online();
    rig.sample(Ok(24.0));
    rig.now = rig.now + secs(10);
    rig.sample(Ok(24.0));
    let told_at = rig.now;
    rig.now = rig.now + secs(7);
    rig.sample(Ok(26.0));
    assert_eq!(rig.reported_value("components.climate.temperature"), Some(&json!(24)));
    // The next step would be at 12 seconds.
    let Deadline { at: due, why: what } = rig.engine.deadline();
    assert_eq!((due, what), (told_at + secs(10), "report"));
    rig.now = due;
    assert!(rig.engine.deadline().at <= rig.now, "what is due must not be forgotten");
    rig.tick();
    assert_eq!(rig.reported_value("components.climate.temperature"), Some(&json!(26)));
}

/// What may happen to a core.
#[derive(Clone, Debug)]
enum Event {
    Up,
    Down,
    Desire(Value),
    Sample(Result<f64, Fault>),
    Disk(bool),
    Board(bool),
    Reload,
    Garbled,
}

fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let change = prop_oneof![
        any::<bool>().prop_map(|on| json!({ "fanOn": on })),
        Just(json!({"fanOn": null, "components": null})),
        (0.0f64..50.0, 0.0f64..50.0).prop_map(
            |(a, b)| json!({"components": {"climate": {"minTemperature": a, "maxTemperature": b.to_string()}}})
        ),
        Just(json!({"components": {"system": {"units": "kelvin"}, "x": [1, {"y": 2}]}})),
    ];
    let event = prop_oneof![
        Just(Event::Up),
        Just(Event::Down),
        change.prop_map(Event::Desire),
        (10.0f64..70.0).prop_map(|degrees| Event::Sample(Ok(degrees))),
        Just(Event::Sample(Err(Fault::Unreadable))),
        any::<bool>().prop_map(Event::Disk),
        any::<bool>().prop_map(Event::Board),
        Just(Event::Reload),
        Just(Event::Garbled),
    ];
    prop::collection::vec((event, 0u64..40_000), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, there is always a next deadline, it lies ahead once its work is done, and control steps go on. When
    /// the disk works and the hub is there, the hub gets the acknowledgement of the desired version.
    #[test]
    fn there_is_always_a_next_deadline_and_work_gets_done(events in events(), kind in any::<bool>()) {
        let mut spec = spec();
        spec.climates[0].critical = Some(60.0);
        spec.outputs[0] = OutputSpec {
            slew_permille_per_s: Some(100.0),
            min_on: Some(secs(7)),
            kick: Some(secs(1)),
            ..fan(if kind { OutputKind::Pwm } else { OutputKind::OnOff })
        };
        spec.outputs[0].when.hub_silent = Some((secs(120), RowDrive::Auto));
        let mut rig = Rig::from(spec.clone(), None);
        rig.tick();
        for (event, pause) in events {
            match event {
                Event::Up => rig.hub(HubEvent::Up),
                Event::Down => rig.hub(HubEvent::Down),
                Event::Garbled => rig.hub(HubEvent::Garbled { reason: "?".into() }),
                Event::Desire(change) => rig.desire(change),
                Event::Sample(value) => rig.sample(value),
                Event::Disk(works) => rig.disk = if works { Disk::Quick } else { Disk::Full },
                Event::Board(works) => rig.board_fails = !works,
                Event::Reload => rig.reload(spec.clone()),
            }
            let end = rig.now + Duration::from_millis(pause);
            let steps = rig.engine.steps();
            let began = rig.now;
            loop {
                let Deadline { at: due, why: what } = rig.engine.deadline();
                prop_assert!(due > rig.now, "{what} lies in the past");
                if due > end {
                    break;
                }
                rig.now = due;
                rig.tick();
            }
            prop_assert!(rig.engine.steps() - steps >= rig.now.since(began).as_secs() / 5);
            rig.now = end;
            rig.tick();
        }
        rig.disk = Disk::Quick;
        rig.hub(HubEvent::Up);
        rig.pass(secs(60), |_| 24.0);
        prop_assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(rig.hub_version)));
        prop_assert!(rig.engine.sync().is_settled());
        prop_assert_eq!(&rig.engine.record().reported, &rig.reported);
    }
}

#[test]
fn methods_are_answered_at_once_and_an_unknown_one_with_404() {
    let mut rig = Rig::new();
    let mut call = |name: &str| {
        let method = HubEvent::Method { rid: "7".into(), name: name.into(), argument: Value::Null };
        rig.engine.handle_hub(at(1), method);
        match rig.engine.poll_request() {
            Some(HubRequest::AnswerMethod { rid, status, payload }) if rid == "7" => (status, payload),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(call("reboot").0, 404);
    assert_eq!(call("resync"), (200, json!({"desiredVersion": 0})));
    let (status, payload) = call("status");
    assert_eq!((status, &payload["hub"]["online"]), (200, &json!(false)));
    assert_eq!(payload["outputs"]["fan"]["cause"], "fail-safe start");
    assert!(payload.to_string().len() < 4096);
}

#[test]
fn a_recreated_identity_gets_no_acknowledgement_of_the_one_before_it() {
    let mut rig = Rig::online();
    for _ in 0..3 {
        rig.desire(json!({"fanOn": true}));
    }
    assert_eq!(rig.reported.as_object()["desiredVersion"], json!(rig.hub_version));
    rig.disk = Disk::Full;
    rig.hub(HubEvent::Down);
    (rig.hub_version, rig.desired, rig.reported) = (1, Section::default(), Section::default());
    rig.hub(HubEvent::Up);
    let reported = rig.reported.as_object();
    assert_eq!((reported.get("desiredVersion"), reported.get("fanOn")), (None, None), "{reported:?}");
}

#[test]
fn a_lost_acknowledgement_is_repeated_though_the_hub_has_an_older_version() {
    let mut rig = Rig::from(spec(), Some(record(json!({"fanOn": true}), 6)));
    rig.reported = section(json!({"desiredVersion": 5}));
    rig.hub(HubEvent::Up);
    assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(6)));
}

#[test]
fn a_recreated_identity_that_only_the_hub_knows_gets_no_acknowledgement_of_the_old_one() {
    // It already had a report of ours; then the disk was full, and the power was cut.
    let mut rig = Rig::from(spec(), Some(record(json!({"fanOn": true}), 6)));
    rig.disk = Disk::Full;
    (rig.hub_version, rig.desired) = (8, Section::default());
    rig.reported = section(json!({"firmwareVersion": "1.2.1", "components": {"fan": {"on": true}}}));
    rig.hub(HubEvent::Up);
    assert_eq!((rig.reported_value("desiredVersion"), rig.reported_value("fanOn")), (None, None));
}

#[test]
fn a_recreated_identity_that_passed_the_old_version_gets_no_acknowledgement_of_it_either() {
    let mut rig = Rig::online();
    rig.desire(json!({"fanOn": true}));
    rig.disk = Disk::Full;
    rig.hub(HubEvent::Down);
    (rig.hub_version, rig.desired, rig.reported) = (40, Section::default(), Section::default());
    rig.hub(HubEvent::Up);
    let reported = rig.reported.as_object();
    assert_eq!((reported.get("desiredVersion"), reported.get("fanOn")), (None, None), "{reported:?}");
}

#[test]
fn the_age_of_the_copy_counts_from_the_last_contact_and_after_a_restart_by_the_wall_clock() {
    let age = |engine: &Core, now: u64| engine.status(at(now), 0).hub.copy_age_seconds;
    let mut rig = Rig::online();
    assert_eq!(age(&Rig::new().engine, 100), None);
    rig.engine.handle_dated((UnixSeconds(5000), at(100)));
    rig.hub(HubEvent::ReportedAck { rid: 999 });
    assert_eq!(age(&rig.engine, 130), Some(30));
    rig.reload(spec());
    assert_eq!(age(&rig.engine, 130), Some(30));
    let stored = rig.engine.record();
    let started = |wall: Option<u64>| {
        let machine = Machine { boot: None, wall: wall.map(|wall| (UnixSeconds(wall), at(10))) };
        Core::new(at(10), spec(), Some(stored.clone()), at_start_on(machine))
    };
    assert_eq!(age(&started(Some(5600)), 15), Some(605));
    assert_eq!(age(&started(None), 15), None);
}
