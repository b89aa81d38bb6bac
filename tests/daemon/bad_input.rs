//! Bad input of every kind: there is a clear message, and nothing is lost.

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually, line_of, say};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use twinhub::{Certificate, Event};

#[test]
fn a_wrong_key_in_the_file_is_named_with_line_column_and_the_nearest_key() {
    let rig = Rig::new();
    let text = format!("{}{FAN}{SENSOR}{CLIMATE}colling = \"fan\"\n", rig.base());
    rig.write_config(&text);
    let line = line_of(&text, "colling");
    for command in ["check", "run"] {
        let said = say(&mut rig.command(&[command]));
        assert_eq!(said.code, 78);
        let all = said.out + &said.err;
        assert!(all.contains(&format!("twind.toml:{line}:1:")), "{all}");
        assert!(all.contains("`cooling`"), "{all}");
    }
}

#[test]
fn every_fault_of_the_file_is_told_at_once() {
    let rig = Rig::new();
    let text = format!("{}{FAN}{SENSOR}{CLIMATE}", rig.base())
        .replace("min-duty = 20", "min-duty = 200")
        .replace("100ms", "soon")
        .replace("[climate]\nsensor = \"cabinet\"", "[climate]\nsensor = \"cabnet\"");
    rig.write_config(&text);
    let said = say(&mut rig.command(&["check"]));
    assert_eq!((said.code, said.out.as_str()), (78, ""));
    let faults = [
        ("min-duty = ", "200", "100"),
        ("period = ", "\"soon\"", "\"90s\""),
        ("sensor = ", "cabnet", "cabinet"),
    ];
    for (key, found, allowed) in faults {
        let place = format!("twind.toml:{}:{}:", line_of(&text, key), key.len() + 1);
        let told = said.err.lines().find(|line| line.contains(&place));
        let told = told.unwrap_or_else(|| panic!("{place} is missing in:\n{}", said.err));
        for word in [found, allowed] {
            assert!(told.contains(word), "{word} is missing in: {told}");
        }
    }
}

#[test]
fn a_connection_string_that_lacks_a_part_is_refused_without_showing_the_rest() {
    let rig = Rig::new();
    for (string, missing) in [
        ("HostName=contoso.example;DeviceId=cellar", "SharedAccessKey"),
        ("HostName=contoso.example;SharedAccessKey=c2VjcmV0", "DeviceId"),
    ] {
        rig.write_secret("connection-string", string);
        let said = say(&mut rig.command(&["run"]));
        assert_eq!(said.code, 78);
        assert!(said.err.contains(missing), "{}", said.err);
        for value in ["contoso", "cellar", "c2VjcmV0"] {
            assert!(!said.err.contains(value), "{}", said.err);
        }
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let rig = Rig::new();
    let file = rig.path("connection-string");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let said = say(&mut rig.command(&["run"]));
    assert_eq!(said.code, 78);
    let mends = said.err.split('`').find(|quoted| quoted.starts_with("chmod ")).unwrap();
    assert!(Command::new("sh").args(["-c", mends]).status().unwrap().success(), "{mends}");
    assert_eq!(say(&mut rig.command(&["check"])).code, 0, "after {mends}");
}

#[test]
fn a_certificate_for_another_name_is_called_that_and_the_right_one_mends_it() {
    let rig = Rig::new();
    rig.hub.present(&Certificate::ForName("another.example".into())).unwrap();
    let daemon = rig.start();
    let error = daemon.wait_error();
    for word in ["certificate", "localhost", "another.example"] {
        assert!(error.contains(word), "{word} is missing in: {error}");
    }
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);
    rig.hub.present(&Certificate::Own).unwrap();
    rig.wait_reported("contact", |r| r["firmwareVersion"].is_string());
}

#[test]
fn a_refused_token_names_key_device_and_clock() {
    let rig = Rig::new();
    let wrong =
        "HostName=localhost;DeviceId=MyTwinDevice;SharedAccessKey=d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXk=";
    rig.write_secret("connection-string", wrong);
    let daemon = rig.start();
    rig.wait_event(0, |event| matches!(event, Event::Refused { code: 5, .. }));
    let error = daemon.wait_error();
    for words in ["wrong key", "unknown device", "clock"] {
        assert!(error.contains(words), "{words} is missing in: {error}");
    }
    daemon.wait_log("DEBUG still: ");
    assert_eq!(daemon.log().matches("ERROR").count(), 1, "said once: {}", daemon.log());
    // Whoever looks need not read the log.
    let status = rig.wait_status("the remedy", |status| status["link"]["remedy"].is_string());
    assert_eq!(status["alarms"], json!({}));
    let page = say(&mut rig.command(&["status"])).out;
    let act = format!(
        "ACT      no twin was ever fetched, see below; outputs follow the configuration alone until one is\n         → {}\n",
        status["link"]["remedy"].as_str().unwrap()
    );
    assert!(
        page.starts_with("twind    no alarm, but 1 thing needs a person\n") && page.contains(&act),
        "{page}"
    );
    assert!(act.contains("key and device id"), "{act}");
    rig.write_secret("connection-string", &rig.hub.hub().device_connection_string(DEVICE).unwrap());
    daemon.signal("HUP");
    rig.wait_status("contact", |status| {
        status["hub"]["synced"] == true && status["link"]["remedy"] == Value::Null
    });
}

#[test]
fn garbage_and_oversized_payloads_lose_nothing() {
    let rig = Rig::new();
    rig.set_temperature("15.0");
    let daemon = rig.start_synced();
    rig.desire(json!({"fanOn": true}));
    rig.wait_drive("fan", |now| now == 200);
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=99";
    let garbage: [&[u8]; 5] =
        [b"{", b"[]", b"\xff\xfe", b"{\"a\":[null],\"$version\":99}", b"{\"a b\":1,\"$version\":99}"];
    for payload in garbage {
        let after = rig.hub.hub().last_sequence();
        assert!(rig.hub.hub().publish_raw(DEVICE, topic, payload));
        rig.wait_event(after, |event| matches!(event, Event::TwinGet { status: Some(200), .. }));
    }
    assert_eq!(rig.drive("fan"), Some(200));
    let after = rig.hub.hub().last_sequence();
    rig.hub.hub().publish_raw(DEVICE, topic, vec![b'x'; 2 << 20]);
    rig.wait_event(after, |event| matches!(event, Event::Connected { .. }));
    let version = rig.desire(json!({"fanOn": false}));
    rig.wait_drive("fan", |now| now == 0);
    rig.wait_reported("both ends equal", |r| r["desiredVersion"] == version);
    daemon.wait_log("WARN");
    let log = daemon.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_sensor_file_with_text_in_it_is_a_named_fault_and_the_fan_goes_to_its_row() {
    let rig = Rig::new();
    let daemon = rig.start_synced();
    rig.set_temperature("warm");
    rig.wait_drive("fan", |now| now == 1000);
    let told = rig.wait_reported("the fault", |r| r["components"]["climate"]["sensor"] == "not-a-number");
    assert_eq!(told["components"]["climate"].get("temperature"), None);
    assert_eq!(told["components"]["climate"]["regime"], "sensor-fault");
    fs::remove_file(rig.path("temperature")).unwrap();
    rig.wait_reported("the next fault", |r| r["components"]["climate"]["sensor"] == "missing");
    rig.set_temperature("24.0");
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("mended", |r| r["components"]["climate"]["sensor"] == "ok");
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_sensor_that_is_missing_at_the_start_is_a_state_and_not_a_failure() {
    let rig = Rig::new();
    fs::remove_file(rig.path("temperature")).unwrap();
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 1000);
    rig.wait_reported("the fault", |r| r["components"]["climate"]["sensor"] == "missing");
    rig.set_temperature("22.0");
    rig.wait_drive("fan", |now| now == 250);
}

#[test]
fn a_thermometer_on_the_1_wire_bus_is_not_believed_when_its_answer_is_damaged_or_its_power_on_value() {
    let rig = Rig::new();
    let w1 = SENSOR.replace("driver = \"file\"", "driver = \"w1\"");
    rig.write_config(&format!("{}{FAN}{w1}{CLIMATE}critical = 60.0\n", rig.base()));
    let answer = |verdict: &str, thousandths: u32| {
        rig.set_temperature(&format!(
            "72 01 4b 46 7f ff 0e 10 57 : crc=57 {verdict}\n72 01 4b 46 7f ff 0e 10 57 t={thousandths}\n"
        ));
    };
    answer("YES", 24_000);
    let _daemon = rig.start_synced();
    for (fault, verdict, thousandths) in [("bad-checksum", "NO", 24_000), ("power-on-value", "YES", 85_000)] {
        rig.wait_drive("fan", |now| now == 500);
        answer(verdict, thousandths);
        rig.wait_drive("fan", |now| now == 1000);
        let told = rig.wait_reported(fault, |r| r["components"]["climate"]["sensor"] == fault);
        assert_eq!(told["components"]["climate"]["regime"], "sensor-fault");
        answer("YES", 24_000);
    }
    rig.wait_reported("mended", |r| r["components"]["climate"]["sensor"] == "ok");
}

#[test]
fn a_pipe_in_a_sensors_place_is_not_waited_for_by_any_step_reload_or_end() {
    let rig = Rig::new();
    // Nothing ever writes to it.
    let (pipe, mode) = (rig.path("pipe"), Mode::from_raw_mode(0o600));
    mknodat(CWD, &pipe, FileType::Fifo, mode, 0).unwrap();
    let door = SENSOR.replace("cabinet", "door").replace("DIR/temperature", "DIR/pipe");
    let climate = CLIMATE.replace("sensor = \"cabinet\"", "sensors = [\"door\", \"cabinet\"]");
    rig.write_config(&format!("{}{FAN}{SENSOR}{door}{climate}", rig.base()));
    let daemon = rig.start_synced();
    let follows = || {
        for (degrees, drive) in [("24.0", 500), ("26.0", 750)] {
            rig.set_temperature(degrees);
            rig.wait_drive("fan", |now| now == drive);
        }
    };
    follows();
    let status = say(&mut rig.command(&["status"])).out;
    assert!(status.contains("sensor   door: unreadable"), "{status}");
    daemon.signal("HUP");
    daemon.wait_log("the new configuration is in force");
    follows();
    assert!(daemon.stop().success());
}

#[test]
fn a_frozen_sensor_leaves_the_climate_to_the_other_and_counts_again_when_it_moves() {
    let rig = Rig::new();
    let door =
        SENSOR.replace("cabinet", "door").replace("temperature", "door") + "frozen-after = \"300ms\"\n";
    let climate =
        CLIMATE.replace("sensor = \"cabinet\"", "sensors = [\"door\", \"cabinet\"]\ncombine = \"max\"");
    rig.write_config(&format!("{}{FAN}{SENSOR}{door}{climate}", rig.base()));
    let show_at_the_door = |text: &str| {
        fs::write(rig.path("door.new"), text).unwrap();
        fs::rename(rig.path("door.new"), rig.path("door")).unwrap();
    };
    show_at_the_door("26.0");
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("one is enough", |r| r["components"]["climate"]["temperature"] == 24);
    fs::remove_file(rig.path("temperature")).unwrap();
    rig.wait_drive("fan", |now| now == 1000);
    rig.wait_reported("the first one's fault", |r| r["components"]["climate"]["sensor"] == "frozen");
    let mut count = 0;
    let moves = || {
        count += 1;
        show_at_the_door(if count % 2 == 0 { "26.001" } else { "26.0" });
        rig.drive("fan").filter(|drive| *drive == 750)
    };
    eventually("a door that moves", moves, || format!("{:?}", rig.trace()));
}

#[test]
fn a_report_that_the_hub_refuses_is_halved_and_told_when_the_hub_takes_it() {
    let rig = Rig::new();
    let refuse = |times| rig.hub.hub().faults().answer_reported(twinhub::Answer::Status(400), times);
    refuse(twinhub::Times::Next(1));
    let daemon = rig.start();
    let refused = rig.wait_event(0, |event| matches!(event, Event::Reported { status: Some(400), .. }));
    let next = rig.wait_event(refused.sequence, |event| matches!(event, Event::Reported { .. }));
    let (Event::Reported { patch: whole, .. }, Event::Reported { patch: half, .. }) =
        (refused.event, next.event)
    else {
        panic!("two reports")
    };
    assert!(half.to_string().len() < whole.to_string().len(), "{half} of {whole}");
    let told = rig.wait_reported("everything, by halves", |r| {
        r["firmwareVersion"].is_string() && r["components"]["climate"]["sensor"] == "ok"
    });
    assert_eq!(told["maxTemperature"], 28);
    refuse(twinhub::Times::UntilCleared);
    rig.desire(json!({"fanOn": true}));
    daemon.wait_log("the hub rejected every part of the report: status 400");
    rig.hub.hub().faults().clear();
    rig.wait_reported("the value that was refused", |r| r["fanOn"] == true);
}

#[test]
fn a_throttled_hub_is_asked_again_later() {
    let rig = Rig::new();
    rig.hub.hub().faults().answer_twin_get(twinhub::Answer::Status(429), twinhub::Times::Next(1));
    let daemon = rig.start();
    rig.wait_reported("contact", |r| r["firmwareVersion"].is_string());
    daemon.wait_log("status 429");
}

#[test]
fn a_hub_that_names_a_time_is_left_alone_until_then() {
    let rig = Rig::new();
    let throttled = twinhub::Answer::RetryAfter(429, 4);
    rig.hub.hub().faults().answer_twin_get(throttled.clone(), twinhub::Times::Next(1));
    rig.hub.hub().faults().answer_reported(throttled, twinhub::Times::Next(1));
    let daemon = rig.start();
    let pause_ms = |is_refusal: fn(&Event) -> bool, is_next: fn(&Event) -> bool| {
        let refused = rig.wait_event(0, is_refusal);
        rig.wait_event(refused.sequence, is_next).at_ms - refused.at_ms
    };
    let refused = |event: &Event| matches!(event, Event::TwinGet { status: Some(429), .. });
    assert!(pause_ms(refused, |event| matches!(event, Event::TwinGet { .. })) >= 3990);
    let refused = |event: &Event| matches!(event, Event::Reported { status: Some(429), .. });
    assert!(pause_ms(refused, |event| matches!(event, Event::Reported { .. })) >= 3990);
    rig.wait_reported("contact", |r| r["firmwareVersion"].is_string());
    for words in ["requested again in 4 s, as the hub asked", "sent again in 4 s, as the hub asked"] {
        daemon.wait_log(words);
    }
}
