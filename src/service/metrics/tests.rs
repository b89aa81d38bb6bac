//! The text: its form, its names, and what becomes of each part of the status.

use super::*;
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn text(status: Value) -> String {
    openmetrics(&DaemonStatus::deserialize(status).unwrap())
}

/// The samples of a text, without the lines about them.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn each_family_has_its_lines_before_its_samples_and_the_end_is_marked() {
    let text = text(json!({"version": "1.2.3", "alarms": {"disk": {}}}));
    let head = "# TYPE twind_build_info gauge\n\
                # HELP twind_build_info Always 1: the version of the running daemon.\n\
                twind_build_info{version=\"1.2.3\"} 1\n";
    assert!(text.starts_with(head) && text.starts_with(BEGINNING), "{text}");
    let unit = "# TYPE twind_hub_silence_seconds gauge\n# UNIT twind_hub_silence_seconds seconds\n# HELP ";
    assert!(text.contains(unit), "{text}");
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    // A family without a sample has no lines.
    assert!(!text.contains("twind_sensor_ok"), "{text}");
}

#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for Family { name, labels, help, .. } in FAMILIES {
        assert!(names.insert(*name), "{name} twice");
        assert!(name.starts_with("twind_") && !name.ends_with("_total"), "{name}: nothing here is a counter");
        let is_plain =
            |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(is_plain(name) && labels.iter().all(|label| is_plain(label)), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\\', '"', '\n', '|']), "{name}: {help}");
    }
    let unit = |name: &str| FAMILIES.iter().find(|family| family.name == name).unwrap().unit();
    assert_eq!(unit("twind_temperature_celsius"), Some("celsius"));
    assert_eq!(unit("twind_output_drive_ratio"), Some("ratio"));
    assert_eq!(unit("twind_climate_value"), None);
}

#[test]
fn each_part_of_the_status_has_its_sample_in_base_units() {
    let text = text(json!({
        "version": "1.2.3", "identity": "hub/pi", "configurationRefused": {"secondsAgo": 9},
        "hub": {
            "synced": true, "desiredVersion": 41, "reportPending": true, "setAsideCount": 2, "refusedCount": 3, "copyAgeSeconds": 305,
            "silentSeconds": 7, "reportPutOff": {"status": 429},
        },
        "link": {"state": "connected", "tokenExpires": 1_800_000_000},
        "storeFault": "the disk is full",
        "telemetry": {"waitingMessages": 2, "keptMessages": 30, "keptBytes": 61_440, "lostRecords": 54},
        "alarms": {"sensor-roof": {}, "disk": {}},
        "climates": {
            "office": {
                "regime": "above-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 20, "max": 28,
                "override": {"secondsLeft": 90},
            },
            "greenhouse": {
                "regime": "in-range", "measures": "humidity", "value": 55.3, "min": 40, "max": 60,
                "schedule": {"waiting": true},
            },
            "hall": {"regime": "in-range", "measures": "co2", "value": 640, "min": 0, "max": 1000},
            "tank": {"regime": "in-range", "measures": "level", "value": 0.25, "min": 0, "max": 1},
        },
        "sensors": {
            "roof": {"measures": "temperature", "value": null, "state": "stale", "ageSeconds": 45},
            "wall": {"measures": "temperature", "value": -3.25, "state": "ok", "ageSeconds": 1},
            "moist": {"measures": "humidity", "value": 55.3, "state": "ok", "ageSeconds": 2},
            "air": {"measures": "co2", "value": 640, "state": "ok", "ageSeconds": 3},
            "door": {"measures": "contact", "value": 1, "state": "ok", "ageSeconds": 4},
        },
        "outputs": {
            "fan": {"permille": 412, "cause": "climate office", "rpm": 900, "held": {"by": "slew"}},
            "heater": {"permille": 0, "cause": "fail-safe sensor-fault", "fault": "gone"},
            "pump": {"permille": 1000, "cause": "override", "speedFault": "stalled", "override": {"secondsLeft": 60}},
        },
    }));
    let wanted = r#"twind_build_info{version="1.2.3"} 1
twind_device_info{identity="hub/pi"} 1
twind_alarms 2
twind_alarm{alarm="sensor-roof",kind="sensor"} 1
twind_alarm{alarm="disk",kind="disk"} 1
twind_configuration_refused 1
twind_hub_connected 1
twind_hub_synced 1
twind_hub_silence_seconds 7
twind_hub_token_expiry_timestamp_seconds 1800000000
twind_desired_version 41
twind_desired_refused_values 3
twind_copy_age_seconds 305
twind_report_pending 1
twind_report_put_off 1
twind_report_refused_properties 2
twind_store_ok 0
twind_telemetry_ok 1
twind_telemetry_waiting_messages 2
twind_telemetry_kept_messages 30
twind_telemetry_kept_bytes 61440
twind_telemetry_lost_records 54
twind_temperature_celsius{climate="office"} 21.5
twind_temperature_min_celsius{climate="office"} 20
twind_temperature_max_celsius{climate="office"} 28
twind_humidity_ratio{climate="greenhouse"} 0.553
twind_humidity_min_ratio{climate="greenhouse"} 0.4
twind_humidity_max_ratio{climate="greenhouse"} 0.6
twind_co2_ppm{climate="hall"} 640
twind_co2_min_ppm{climate="hall"} 0
twind_co2_max_ppm{climate="hall"} 1000
twind_climate_value{climate="tank",measures="level"} 0.25
twind_climate_value_min{climate="tank",measures="level"} 0
twind_climate_value_max{climate="tank",measures="level"} 1
twind_climate_regime{climate="office",regime="above-range"} 1
twind_climate_regime{climate="greenhouse",regime="in-range"} 1
twind_climate_regime{climate="hall",regime="in-range"} 1
twind_climate_regime{climate="tank",regime="in-range"} 1
twind_climate_schedule_waiting{climate="greenhouse"} 1
twind_climate_override_left_seconds{climate="office"} 90
twind_sensor_temperature_celsius{sensor="wall"} -3.25
twind_sensor_humidity_ratio{sensor="moist"} 0.553
twind_sensor_co2_ppm{sensor="air"} 640
twind_sensor_value{sensor="door",measures="contact"} 1
twind_sensor_ok{sensor="roof"} 0
twind_sensor_ok{sensor="wall"} 1
twind_sensor_ok{sensor="moist"} 1
twind_sensor_ok{sensor="air"} 1
twind_sensor_ok{sensor="door"} 1
twind_sensor_fault{sensor="roof",fault="stale"} 1
twind_sensor_age_seconds{sensor="roof"} 45
twind_sensor_age_seconds{sensor="wall"} 1
twind_sensor_age_seconds{sensor="moist"} 2
twind_sensor_age_seconds{sensor="air"} 3
twind_sensor_age_seconds{sensor="door"} 4
twind_output_drive_ratio{output="fan"} 0.412
twind_output_drive_ratio{output="heater"} 0
twind_output_drive_ratio{output="pump"} 1
twind_output_rpm{output="fan"} 900
twind_output_ok{output="fan"} 1
twind_output_ok{output="heater"} 0
twind_output_ok{output="pump"} 0
twind_output_fail_safe{output="fan"} 0
twind_output_fail_safe{output="heater"} 1
twind_output_fail_safe{output="pump"} 0
twind_output_held{output="fan"} 1
twind_output_held{output="heater"} 0
twind_output_held{output="pump"} 0
twind_output_override_left_seconds{output="pump"} 60"#;
    assert_eq!(samples(&text).join("\n"), wanted);
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert_eq!(told, FAMILIES.iter().map(|family| family.name).collect(), "one of each is in this test");
}

#[test]
fn what_is_not_known_has_no_sample() {
    let text = text(json!({
        "hub": {"copyAgeSeconds": null}, "link": {"state": "waiting", "tokenExpires": null},
        "climates": {"office": {"regime": "sensor-fault", "measures": "temperature", "value": null, "min": 20, "max": 28}},
        "sensors": {"roof": {"measures": "temperature", "value": null, "state": "missing", "ageSeconds": null}},
        "outputs": {"fan": {"permille": null, "cause": "climate", "rpm": null}},
    }));
    for name in [
        "copy_age_seconds",
        "hub_token_expiry_timestamp_seconds",
        "device_info",
        "alarm{",
        "temperature_celsius",
        "sensor_temperature_celsius",
        "sensor_age_seconds",
        "output_drive_ratio",
        "output_rpm",
        "output_override_left_seconds",
        "climate_override_left_seconds",
        "climate_schedule_waiting",
    ] {
        let begins = format!("twind_{name}");
        assert!(!samples(&text).iter().any(|line| line.starts_with(&begins)), "{name} in:\n{text}");
    }
    for line in [
        "twind_hub_connected 0",
        "twind_alarms 0",
        "twind_temperature_min_celsius{climate=\"office\"} 20",
        "twind_sensor_ok{sensor=\"roof\"} 0",
        "twind_store_ok 1",
    ] {
        assert!(samples(&text).contains(&line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn the_only_climate_of_an_earlier_daemon_is_told() {
    let text = text(json!({"climate": {"regime": "in-range", "temperature": 21.5, "min": 20, "max": 28}}));
    for line in [
        "twind_temperature_celsius{climate=\"climate\"} 21.5",
        "twind_temperature_max_celsius{climate=\"climate\"} 28",
    ] {
        assert!(samples(&text).contains(&line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn labels_are_escaped_by_the_formats_rules_and_speak_to_no_terminal() {
    let text = text(json!({"version": "a\\b\"c\nd\u{1b}[2J\u{202e}é"}));
    let line = r#"twind_build_info{version="a\\b\"c\nd\\u{1b}[2J\\u{202e}é"} 1"#;
    assert_eq!(samples(&text)[0], line);
    assert_eq!(crate::text::escape_lines(&text), text, "nothing is left to escape when it is printed");
}

proptest! {
    #[test]
    fn a_label_without_control_characters_is_read_as_it_was(value in "[ -~äß\n]*") {
        let mut written = String::new();
        escape(&value, &mut written);
        let (mut read, mut rest) = (String::new(), written.chars());
        while let Some(c) = rest.next() {
            prop_assert!(c != '"' && c != '\n');
            read.push(match c {
                '\\' => match rest.next() {
                    Some('n') => '\n',
                    Some(c @ ('\\' | '"')) => c,
                    other => panic!("no escape of the format: {other:?}"),
                },
                c => c,
            });
        }
        prop_assert_eq!(read, value);
    }
}
