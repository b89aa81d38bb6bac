//! Boards, as far as they can be tested on a machine without pins: the state that is found at a start, speeds, and messages
//! about missing hardware.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR, say};
use serde_json::{Value, json};
use std::fs;

#[test]
fn an_output_with_start_keep_does_not_blink_over_a_restart() {
    let rig = Rig::new();
    // Nothing drives the output before there is a reading.
    fs::remove_file(rig.path("temperature")).unwrap();
    let fan = format!(
        "{FAN}kick = \"5s\"\nwhen = {{ start = \"keep\", stop = \"keep\", sensor-fault = \"keep\" }}\n"
    );
    rig.write_config(&format!("{}{fan}{SENSOR}{CLIMATE}", rig.base()));
    fs::create_dir(rig.path("board")).unwrap();
    fs::write(rig.path("board/fan"), "625\n").unwrap();
    let daemon = rig.start_synced();
    rig.wait_reported("what was found", |r| r["components"]["fan"]["dutyPercent"] == 62.5);
    rig.set_temperature("25.0");
    rig.wait_reported("the climate decides", |r| r["components"]["fan"]["cause"] == "climate");
    assert!(daemon.stop().success());
    assert_eq!(rig.drive("fan"), Some(625));
    assert_eq!(rig.trace().len(), 0, "nothing moved: {:?}", rig.trace());
}

#[test]
fn a_fan_tells_its_speed_and_one_that_stalls_is_kicked_driven_to_full_told_and_mended() {
    let rig = Rig::new();
    fs::create_dir(rig.path("board")).unwrap();
    fs::write(rig.path("board/fan.rpm"), "1250\n").unwrap();
    rig.set_temperature("24.0");
    rig.write_config(&format!("{}{FAN}tach = {{}}\n{SENSOR}{CLIMATE}", rig.base()));
    let daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("the speed", |r| r["components"]["fan"]["rpm"] == 1250);
    let before = rig.trace().len();
    fs::write(rig.path("board/fan.rpm"), "0\n").unwrap();
    rig.wait_drive("fan", |now| now == 1000);
    rig.wait_reported("the stall", |r| r["components"]["fan"]["fault"] == "stalled");
    daemon.wait_log("output fan: stalled");
    let status = say(&mut rig.command(&["status"])).out;
    assert!(status.contains("0 rpm") && status.contains("stalled"), "{status}");
    fs::write(rig.path("board/fan.rpm"), "900\n").unwrap();
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("mended", |r| r["components"]["fan"].get("fault").is_none());
    daemon.wait_log("output fan: its speed is normal again");
    let drives: Vec<_> = rig.trace()[before..].iter().map(|line| line["permille"].clone()).collect();
    assert_eq!(drives, [1000, 500, 1000, 500], "kicked, as before, full, mended");
}

/// The changes of an output: milliseconds since boot, and permille.
fn changes(rig: &Rig, output: &str) -> Vec<(u64, u64)> {
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let trace = rig.trace();
    let of_output = trace.iter().filter(|line| line["output"] == output);
    of_output.map(|line| (number(line, "boottime_ns") / 1_000_000, number(line, "permille"))).collect()
}

#[test]
fn a_fan_starts_with_its_kick_and_then_moves_no_faster_than_it_may() {
    let rig = Rig::new();
    rig.set_temperature("19.0");
    rig.write_config(&format!("{}{FAN}kick = \"300ms\"\nslew = 50\n{SENSOR}{CLIMATE}", rig.base()));
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 0);
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    rig.set_temperature("22.0");
    rig.wait_drive("fan", |now| now == 250);
    let changes = changes(&rig, "fan");
    let [_, (kicked_ms, 1000), (ended_ms, level), ..] = changes[..] else { panic!("{changes:?}") };
    assert!(ended_ms - kicked_ms >= 300 && (200..750).contains(&level), "{changes:?}");
    for (before, after) in changes[2..].iter().zip(&changes[3..]) {
        // Half a permille in a millisecond, and two for rounding.
        let may_permille = (after.0 - before.0) / 2 + 2;
        assert!(after.1.abs_diff(before.1) <= may_permille, "{before:?} to {after:?} in {changes:?}");
    }
}

#[test]
fn a_relay_stays_on_and_off_for_its_minimum_times() {
    let rig = Rig::new();
    rig.configure("[outputs.pump]\npin = 5\nmin-on = \"2s\"\nmin-off = \"1s\"\nproperty = \"pump\"\n");
    let _daemon = rig.start_synced();
    rig.desire(json!({"pump": true}));
    rig.wait_drive("pump", |now| now == 1000);
    rig.desire(json!({"pump": false}));
    rig.wait_drive("pump", |now| now == 0);
    rig.desire(json!({"pump": true}));
    rig.wait_drive("pump", |now| now == 1000);
    rig.wait_reported("on again", |r| r["components"]["pump"]["on"] == true);
    let changes = changes(&rig, "pump");
    let [(first_ms, 0), (on_ms, 1000), (off_ms, 0), (again_ms, 1000)] = changes[..] else {
        panic!("{changes:?}")
    };
    assert!(on_ms - first_ms >= 1000 && off_ms - on_ms >= 2000 && again_ms - off_ms >= 1000, "{changes:?}");
}

#[test]
fn a_tach_that_the_new_configuration_drops_drives_a_fan_to_full_no_longer() {
    let rig = Rig::new();
    fs::create_dir(rig.path("board")).unwrap();
    fs::write(rig.path("board/fan.rpm"), "0\n").unwrap();
    rig.set_temperature("24.0");
    let config = |tach: &str| format!("{}{FAN}{tach}{SENSOR}{CLIMATE}", rig.base());
    rig.write_config(&config("tach = {}\n"));
    let daemon = rig.start_synced();
    rig.wait_reported("the stall", |r| r["components"]["fan"]["fault"] == "stalled");
    assert_eq!(rig.drive("fan"), Some(1000));
    rig.write_config(&config(""));
    daemon.signal("HUP");
    rig.wait_drive("fan", |now| now == 500);
    rig.wait_reported("nobody knows its speed", |r| {
        let fan = &r["components"]["fan"];
        fan.get("fault").is_none() && fan.get("rpm").is_none()
    });
}

#[test]
fn an_output_that_cannot_be_driven_is_told_tried_again_and_mended() {
    let rig = Rig::new();
    // The lamp's file cannot be made, whoever asks.
    fs::create_dir_all(rig.path("board/.lamp.tmp")).unwrap();
    rig.configure("[outputs.lamp]\npin = 22\nproperty = \"lamp\"\n");
    let daemon = rig.start_synced();
    daemon.wait_log("output lamp cannot be driven: cannot write");
    rig.desire(json!({"lamp": true}));
    rig.wait_reported("the fault", |r| {
        r["components"]["lamp"]["fault"].as_str().is_some_and(|fault| fault.contains(".lamp.tmp"))
    });
    rig.set_temperature("24.0");
    assert_eq!(rig.wait_drive("fan", |now| now == 500), 500, "the others work");
    fs::remove_dir(rig.path("board/.lamp.tmp")).unwrap();
    rig.wait_drive("lamp", |now| now == 1000);
    rig.wait_reported("mended", |r| r["components"]["lamp"].get("fault").is_none());
    daemon.wait_log("output lamp can be driven again");
    assert_eq!(daemon.log().matches("output lamp cannot be driven").count(), 1, "said once");
}

#[test]
fn a_line_that_is_not_there_is_reported_and_the_daemon_goes_on() {
    let rig = Rig::new();
    let base = rig.base().replace("driver = \"simulated\"\nfolder = \"DIR/board\"", "driver = \"gpiochip\"");
    let fan = "[outputs.fan]\npin = 17\nchip = \"gpiochip4711\"\n";
    rig.write_config(&format!("{base}{fan}{SENSOR}{CLIMATE}"));
    let daemon = rig.start_synced();
    daemon.wait_log("output fan cannot be driven: there is no GPIO chip \"gpiochip4711\"");
    rig.wait_reported("the fault", |r| {
        r["components"]["fan"]["fault"].as_str().is_some_and(|fault| fault.contains("gpiochip4711"))
    });
    let version = rig.desire(json!({"fanOn": true}));
    rig.wait_reported("still in contact", |r| r["desiredVersion"] == version);
    assert!(daemon.stop().success());

    let said = say(&mut rig.command(&["safe"]));
    assert_eq!(said.code, 70, "{}", said.out);
    assert!(said.err.contains("output fan cannot be driven"), "{}", said.err);
}

#[test]
fn check_hardware_says_per_output_what_is_missing_and_what_it_does_in_each_case() {
    let rig = Rig::new();
    let base = rig.base().replace("driver = \"simulated\"\nfolder = \"DIR/board\"", "driver = \"gpiochip\"");
    let outputs = "[outputs.fan]\npin = 17\nchip = \"gpiochip4711\"\nwhen = { start = \"keep\", crash = \"on\" }\n\
                   [outputs.lamp]\npwm = { channel = 0, chip = \"pwmchip4711\" }\nproperty = \"lamp.on\"\n\
                   when = { hub-silent = { after = \"24h\", drive = \"40%\" } }\n";
    rig.write_config(&format!("{base}{outputs}{SENSOR}{CLIMATE}critical = 60.0\n"));
    let said = say(&mut rig.command(&["check", "--hardware"]));
    assert_eq!(said.code, 78, "{}", said.out);
    for told in [
        "output     fan: there is no GPIO chip \"gpiochip4711\"",
        "output     lamp: ",
        "PWM chip",
        "sensor     cabinet: reads 22 (temperature)",
        "start, until something decides    stays as it is",
        "crash of the daemon               on",
        "stop of the daemon                off",
        "no valid sensor (sensor-fault)    on",
        "above 60 °C (overheat)            on",
        "hub silent for 1day               40%",
        "hub silent                        no row",
        "fanOn true: runs; false: off",
        "lamp.on drives it",
        "climate                           cools",
        "climate                           does not drive it",
    ] {
        assert!(said.out.contains(told), "{told} is missing in:\n{}", said.out);
    }
}

#[test]
fn check_hardware_says_that_a_cooling_output_follows_its_own_property_before_fan_on() {
    let rig = Rig::new();
    let fan = "[outputs.fan]\npin = 17\nproperty = \"vent.on\"\n";
    rig.write_config(&format!("{}{fan}{SENSOR}{CLIMATE}", rig.base()));
    let said = say(&mut rig.command(&["check", "--hardware"]));
    assert_eq!(said.code, 0, "{}", said.out);
    let told = "vent.on drives it; while that is not set, fanOn true: runs; false: off; not set: the climate range alone\n";
    assert!(said.out.contains(told), "{}", said.out);
}

#[test]
fn check_hardware_shows_what_follows_from_sensors_and_what_is_without_a_climate() {
    let rig = Rig::new();
    let fan = "[outputs.fan]\npin = 17\nproperty = \"fanOn\"\n";
    let dew = "[sensors.dew]\ndriver = \"dew-point\"\ntemperature = \"cabinet\"\nhumidity = \"moist\"\n";
    let moist = "[sensors.moist]\ndriver = \"file\"\npath = \"DIR/moist\"\nmeasures = \"humidity\"\n";
    let climate = "[climates.room]\nsensor = \"cabinet\"\nheating = \"heater\"\n[outputs.heater]\npin = 4\n";
    rig.write_config(&format!("{}{fan}{dew}{SENSOR}{moist}{climate}", rig.base()));
    let source = "the dew point of cabinet and moist";
    for (moist, code, told) in [
        ("50", 0, format!("  sensor     dew: reads 11.095 (temperature); {source}\n")),
        ("0", 0, format!("  sensor     dew: no value, out-of-range; found cabinet 22, moist 0; {source}\n")),
        ("wet", 78, format!("  sensor     dew: no value, not-a-number; {source}\n")),
    ] {
        fs::write(rig.path("moist"), moist).unwrap();
        let said = say(&mut rig.command(&["check", "--hardware"]));
        assert_eq!(said.code, code, "{}", said.out);
        let table = [
            told.as_str(),
            "    desired                           fanOn true: runs; false: off; not set: as at the start\n",
            "    overheat                          never: [climates.room] sets no `critical`\n",
        ];
        assert!(table.iter().all(|told| said.out.contains(told)), "{table:?}\n{}", said.out);
    }
}

#[test]
fn check_hardware_says_of_a_sensor_what_is_missing() {
    let rig = Rig::new();
    fs::remove_file(rig.path("temperature")).unwrap();
    let said = say(&mut rig.command(&["check", "--hardware"]));
    assert_eq!(said.code, 78, "{}", said.out);
    let told = said.out.lines().find(|line| line.starts_with("! sensor     cabinet: ")).unwrap();
    for words in ["missing", rig.path("temperature").to_str().unwrap()] {
        assert!(told.contains(words), "{words} is missing in: {told}");
    }
    let file = rig.path("twind.toml").display().to_string();
    let verdict = format!("the hardware has 1 fault, marked with ! above; {file} itself is right\n");
    assert!(said.out.ends_with(&verdict), "the verdict stands last: {}", said.out);
    assert_eq!(said.out.lines().filter(|line| line.starts_with('!')).count(), 1, "{}", said.out);
}

#[test]
fn check_hardware_looks_at_a_simulated_board_too_and_makes_nothing() {
    let rig = Rig::new();
    rig.write_config(&format!("{}{FAN}tach = {{}}\n{SENSOR}{CLIMATE}", rig.base()));
    let told = |code: i32, words: &str| {
        let said = say(&mut rig.command(&["check", "--hardware"]));
        assert_eq!(said.code, code, "{}", said.out);
        assert!(said.out.contains(words), "{words} is missing in:\n{}", said.out);
    };
    let fan = rig.path("board/fan").display().to_string();
    told(78, &format!("output     fan: the file {fan}; but its tach: {fan}.rpm: No such file"));
    assert!(!rig.path("board").exists());
    fs::create_dir(rig.path("board")).unwrap();
    fs::write(rig.path("board/fan.rpm"), "900\n").unwrap();
    told(0, &format!("output     fan: the file {fan}; tach: {fan}.rpm\n"));
    assert!(!rig.path("board/fan").exists());
    fs::remove_dir_all(rig.path("board")).unwrap();
    fs::write(rig.path("board"), "").unwrap();
    told(
        78,
        &format!("board      simulated: files in a folder: {} is no folder", rig.path("board").display()),
    );
}

#[test]
fn a_machine_that_is_no_raspberry_pi_is_told_which_driver_to_use() {
    if fs::read_to_string("/proc/device-tree/model").is_ok_and(|model| model.contains("Raspberry Pi")) {
        return;
    }
    let rig = Rig::new();
    let base = rig.base().replace("driver = \"simulated\"\nfolder = \"DIR/board\"", "");
    rig.write_config(&format!("{base}[outputs.fan]\npin = 17\n{SENSOR}{CLIMATE}"));
    assert_eq!(say(&mut rig.command(&["check"])).code, 0, "the file is right");
    for (words, code) in [(["check", "--hardware"].as_slice(), 78), (&["run"], 70), (&["safe"], 70)] {
        let said = say(&mut rig.command(words));
        assert_eq!(said.code, code, "{words:?}: {}", said.err);
        let all = said.out + &said.err;
        assert!(all.contains("driver = \"gpiochip\""), "{words:?}: {all}");
    }
}
