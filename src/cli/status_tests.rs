//! The page, and what it is read from.

use super::*;
use serde::Deserialize as _;
use serde_json::{Value, json};

fn read(status: &Value) -> DaemonStatus {
    DaemonStatus::deserialize(status).unwrap()
}

/// The page on a Friday at noon.
fn page_of(status: &Value) -> String {
    page(&read(status), &LocalTime::utc("2026-11-27T12:00:00Z")).text(Layout::plain(200))
}

#[test]
fn the_page_tells_everything_that_is_not_well() {
    let status = json!({
        "identity": "hub/pi",
        "link": {
            "state": "waiting", "sinceSeconds": 300, "reason": "TLS: the certificate has expired",
            "nextAttemptInSeconds": 12, "tokenRenewsInSeconds": null,
        },
        "hub": {"synced": false, "desiredVersion": 41, "reportPending": true, "copyAgeSeconds": 305},
        "climate": {"regime": "sensor-fault", "temperature": null, "min": 20, "max": 28},
        "sensors": {"cabinet": {"measures": "temperature", "value": null, "state": "stale", "ageSeconds": 45}},
        "outputs": {"fan": {
            "permille": 1000, "cause": "fail-safe sensor-fault", "fault": "no\nsuch \u{1b}[2Jline\u{202e}",
            "held": {"text": "override wants 40 %, outranked by fail-safe sensor-fault"},
            "override": {"percent": 40, "secondsLeft": 3600, "by": "uid 4000000000"},
        }},
        "storeFault": "the disk is full", "storedSecondsAgo": 7200,
        "alarms": {"sensor-roof": {"since": null, "secondsAgo": 90, "text": "sensor roof has no valid reading"}},
        "version": "1.2.3", "pid": 7, "configuration": "/etc/twind.toml",
        "changes": [{"secondsAgo": 7, "output": "fan", "permille": 1000, "cause": "override", "by": "hub"}],
        "rangeChanges": [{"secondsAgo": 5, "climate": "office", "min": 18, "max": 21, "cause": "override", "by": "hub"}],
    });
    let page = page_of(&status);
    for line in [
        "hub      hub/pi, not connected for 5 min: TLS: the certificate has expired",
        "         next attempt in 12 s",
        "twin     desired version 41, 5 min 5 s old",
        "         a report waits to be sent or accepted",
        "ALARM    sensor-roof for 1 min 30 s: sensor roof has no valid reading",
        "climate  no temperature, sensor-fault, target 20 to 28 °C",
        "sensor   cabinet: stale; the last valid value: 45 s ago",
        "output   fan: 100 % by fail-safe sensor-fault",
        "         overridden to 40 % by uid 4000000000, for another 1 h",
        "         override wants 40 %, outranked by fail-safe sensor-fault",
        "         cannot be driven: no\\nsuch \\u{1b}[2Jline\\u{202e}",
        "store    the local copy of the twin cannot be stored: the disk is full; it was last stored 2 h ago",
        "change   7 s ago: fan set to 100 % by override (hub)",
        "daemon   twind 1.2.3, pid 7, configuration /etc/twind.toml",
    ] {
        assert!(page.lines().any(|told| told == line), "{line:?} is missing in:\n{page}");
    }
}

#[test]
fn each_climate_has_its_line_by_its_name_and_what_its_schedule_says() {
    let schedule = |waiting: bool, entry: Option<&str>| json!({"waiting": waiting, "entry": entry, "until": (!waiting).then_some("2026-11-27T21:00:00Z")});
    let status = json!({"climates": {
        "office": {
            "regime": "in-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 18, "max": 24,
            "schedule": schedule(false, Some("night")),
        },
        "lab": {
            "regime": "in-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 18, "max": 24.5,
            "schedule": schedule(false, Some("night")),
            "override": {"min": 18, "max": 24.5, "secondsLeft": 5400, "by": "hub"},
        },
        "greenhouse": {
            "regime": "too-low", "measures": "humidity", "value": 38, "min": 40, "max": 60,
            "schedule": schedule(false, None),
        },
        "store": {
            "regime": "sensor-fault", "measures": "co2", "value": null, "min": 0, "max": 1000,
            "schedule": schedule(true, None),
        },
    }});
    let page = page_of(&status);
    for lines in [
        "climate  office: 21.5 °C, in-range, target 18 to 24 °C\n         by its schedule's entry night until 21:00\n",
        "climate  lab: 21.5 °C, in-range, target 18 to 24.5 °C\n         overridden to 18 to 24.5 °C by hub, for another 1 h 30 min\n         in place of its schedule's entry night until 21:00\n",
        "climate  greenhouse: 38 % humidity, too-low, target 40 to 60 %\n         no entry of its schedule applies until 21:00\n",
        "climate  store: no co2, sensor-fault, target 0 to 1000\n         its schedule is suspended until the clock can be trusted\n",
    ] {
        assert!(page.contains(lines), "{lines:?} is missing in:\n{page}");
    }
}

#[test]
fn a_twin_is_not_as_the_hub_has_it_while_a_value_is_refused() {
    let mut hub = json!({"synced": true, "desiredVersion": 41, "reportPending": false, "setAsideCount": 0});
    let told = |hub: &Value| page_of(&json!({ "link": {"state": "connected"}, "hub": hub }));
    assert!(told(&hub).contains("desired version 41, same as at the hub\n"));
    hub["setAside"] = json!([{
        "property": "minTemperature", "sinceSeconds": 300, "retryInSeconds": 120, "status": 400, "reason": "no",
    }]);
    hub["setAsideCount"] = json!(3);
    let page = told(&hub);
    assert!(!page.contains("same as at the hub\n"), "{page}");
    for line in [
        "reported minTemperature has been refused for 5 min (status 400 no), next try in 2 min",
        "and 2 more reported properties have been refused",
    ] {
        assert!(page.contains(line), "{line:?} is missing in:\n{page}");
    }
    let put_off = json!({"sinceSeconds": 60, "retryInSeconds": 8, "status": 403, "reason": ""});
    let hub = json!({"synced": true, "desiredVersion": 41, "reportPending": true, "reportPutOff": put_off});
    let page = told(&hub);
    assert!(!page.contains("same as at the hub\n"), "{page}");
    assert!(page.contains("reports have been refused for 1 min (status 403), next try in 8 s"), "{page}");
}

#[test]
fn what_another_version_does_not_tell_is_left_out_of_the_page() {
    let page = page_of(&json!({"hub": {"desiredVersion": 0, "new": [1]}, "later": true}));
    assert!(page.contains("none was ever fetched") && !page.contains("stored"), "{page}");
    assert!(DaemonStatus::deserialize(&json!({"hub": 7})).is_err());
}

#[test]
fn the_daemons_status_is_read_as_it_is_written() {
    let told = json!({
        "hub": {
            "online": true, "synced": true, "desiredVersion": 3, "reportPending": false,
            "reportPutOff": {"sinceSeconds": 1, "retryInSeconds": 2, "status": 429, "reason": "slow"},
            "setAside": [{
                "property": "a.b", "sinceSeconds": 1, "retryInSeconds": 2, "status": 400, "reason": "no",
            }],
            "setAsideCount": 1,
            "refused": [{"property": "a", "value": "9", "code": 400, "reason": "no", "version": 3}], "refusedCount": 1,
            "copyAgeSeconds": null, "silentSeconds": 7, "notMapped": ["foo"], "notMappedCount": 1,
        },
        "climate": {
            "regime": "in-range", "temperature": 21.5, "measures": "temperature", "value": 21.5, "min": 20, "max": 28,
            "schedule": null, "override": null, "unit": "celsius", "property": "components.climate",
        },
        "climates": {"office": {
            "regime": "too-low", "temperature": null, "measures": "humidity", "value": 38, "min": 40, "max": 60,
            "schedule": {"waiting": false, "entry": "night", "until": "2026-11-27T21:00:00Z"},
            "override": {"min": 18, "max": 21.5, "secondsLeft": 9, "by": "hub"},
            "unit": null, "property": "components.office",
        }},
        "sensors": {"roof": {
            "measures": "temperature", "value": 21, "state": "ok", "lastSample": "missing",
            "found": null, "source": "/run/roof", "ageSeconds": 4,
        }},
        "outputs": {"fan": {
            "permille": 412, "kicked": false, "cause": "override",
            "held": {"by": "min-off", "cause": "override", "wants": 40, "seconds": null, "text": "held"},
            "override": {"percent": 41.2, "secondsLeft": 9, "by": "hub"},
            "rpm": 900, "fault": null, "speedFault": "stalled",
        }},
        "storeFault": null,
        "storedSecondsAgo": 60,
        "telemetry": {"waitingMessages": 1, "keptMessages": 2, "keptBytes": 900, "lostRecords": 3, "fault": null},
        "alarms": {"stall-fan": {"since": null, "secondsAgo": 3, "text": "it does not turn", "remedy": "look"}},
        "changes": [{"secondsAgo": 3, "output": "fan", "permille": 412, "cause": "override", "by": "hub"}],
        "identity": "hub/pi",
        "link": {
            "state": "waiting", "sinceSeconds": 8, "reason": "no route", "nextAttemptInSeconds": 2,
            "tokenRenewsInSeconds": null, "tokenExpires": null,
            "lastFailure": {"text": "no route", "secondsAgo": 8}, "remedy": null,
        },
        "version": "0.1.0", "pid": 7, "configuration": "/etc/twind.toml",
        "configurationRefused": {
            "secondsAgo": 9, "fault": "/etc/twind.toml:3:1: no", "faultCount": 2, "startWouldFail": true, "remedy": "mend it",
        },
    });
    let written = serde_json::to_value(read(&told)).unwrap();
    assert_eq!(written.to_string(), told.to_string(), "in this order, too");
}

#[test]
fn telemetry_that_the_hub_does_not_have_is_told_and_its_loss() {
    let telemetry = |waiting: u64, kept: u64, lost: u64| json!({"telemetry": {"waitingMessages": waiting, "keptMessages": kept, "keptBytes": kept * 2000, "lostRecords": lost}});
    for (status, line) in [
        (telemetry(0, 0, 0), "messages the hub has every message of the telemetry"),
        (telemetry(1, 0, 0), "messages telemetry waits to be sent: 1 message in memory"),
        (
            telemetry(0, 900, 1),
            "messages telemetry waits to be sent: 900 messages on the disk (1.7 MiB); 1 record was lost since the start",
        ),
        (
            telemetry(2, 30, 54),
            "messages telemetry waits to be sent: 30 messages on the disk (59 KiB), 2 in memory; 54 records were lost since the start",
        ),
    ] {
        let page = page_of(&status);
        assert!(page.lines().any(|told| told == line), "{line:?} is missing in:\n{page}");
    }
    let mut status = telemetry(2, 0, 0);
    status["telemetry"]["fault"] = json!("messages.1: no\nspace");
    let page = page_of(&status);
    let lines = "messages telemetry waits to be sent: 2 messages in memory\n         telemetry cannot be kept on the disk: messages.1: no\\nspace\n";
    assert!(page.contains(lines), "{page}");
    assert!(!page_of(&json!({})).contains("telemetry"), "it is off");
}

#[test]
fn temperatures_are_in_the_unit_of_the_site_and_the_json_is_not_changed() {
    let status = json!({
        "climate": {"unit": "fahrenheit"},
        "climates": {"climate": {
            "regime": "in-range", "measures": "temperature", "value": 20, "temperature": 20, "min": 15.56, "max": 21.11,
            "override": {"min": 15.56, "max": 21.11, "secondsLeft": 60, "by": "hub"}, "unit": "fahrenheit",
        }},
        "sensors": {
            "desk": {"measures": "temperature", "value": 20, "ageSeconds": 3},
            "wall": {"measures": "humidity", "value": 45, "ageSeconds": 3},
        },
        "rangeChanges": [{"secondsAgo": 5, "climate": "climate", "min": 15.56, "max": 21.11, "cause": "override", "by": "hub"}],
    });
    let page = page_of(&status);
    for line in [
        "climate  68 °F, in-range, target 60 to 70 °F",
        "         overridden to 60 to 70 °F by hub, for another 1 min",
        "sensor   desk: 68 °F, 3 s ago",
        "sensor   wall: 45 % humidity, 3 s ago",
        "change   5 s ago: climate: range set to 60 to 70 °F by override (hub)",
    ] {
        assert!(page.lines().any(|told| told == line), "{line:?} is missing in:\n{page}");
    }
}

#[test]
fn what_is_desired_in_vain_stands_beside_what_is_in_force() {
    let refused = |property: &str, value: Value| json!({"property": property, "value": value, "reason": "no", "version": 7});
    let status = json!({
        "hub": {
            "desiredVersion": 7, "synced": true, "notMapped": ["components.lamp", "foo\u{1b}"], "notMappedCount": 5,
            "refused": [
                refused("components.office", json!("{\"maxTemperature\":\"90\",\"minTemperature\":18}")),
                refused("components.lab", json!("{\"minTemperature\":18}")), refused("components.hall", Value::Null),
            ],
        },
        "climates": {
            "office": {"min": 18, "max": 24, "property": "components.office"},
            "lab": {"min": 18, "max": 24, "property": "components.lab"},
            "hall": {"min": 18, "max": 24, "property": "components.hall"},
            "attic": {"min": 18, "max": 24, "property": "components.attic"},
        },
    });
    let page = page_of(&status);
    for lines in [
        "target 18 to 24 °C\n         desired 18 to 90 is refused\nclimate  lab",
        "target 18 to 24 °C\n         desired {\"minTemperature\":18} is refused\nclimate  hall",
        "target 18 to 24 °C\n         desired range is refused\nclimate  attic",
        "         desired, but without a meaning here: components.lamp, foo\\u{1b}, and 3 more\n",
    ] {
        assert!(page.contains(lines), "{lines:?} is missing in:\n{page}");
    }
    assert_eq!(page.matches("is refused\n").count(), 3, "{page}");
}

#[test]
fn a_sensor_that_never_had_a_value_says_so_once() {
    let page = page_of(&json!({"sensors": {"store": {"measures": "temperature", "state": "not-a-number"}}}));
    assert!(page.contains("sensor   store: not-a-number; never a valid value\n"), "{page}");
}

#[test]
fn a_page_that_is_longer_than_the_terminal_ends_with_the_verdict() {
    let status = read(&json!({"link": {"state": "connected"}, "hub": {"desiredVersion": 1, "synced": true}}));
    let page = page(&status, &LocalTime::utc("2026-11-27T12:00:00Z"));
    let told = |rows| text(&page, &status, Layout { rows, ..Layout::plain(80) });
    let lines = told(None).lines().count();
    let ends = |told: &str| told.lines().last() == Some("twind    all is well");
    for (rows, again) in [(None, false), (Some(lines + 1), false), (Some(lines), true), (Some(1), true)] {
        let told = told(rows);
        assert_eq!((ends(&told), told.lines().count()), (again, lines + usize::from(again)), "{rows:?}");
    }
}
