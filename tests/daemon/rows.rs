//! The fail-safe table of the real binary: each row is driven when its case comes, and printed as it is.

use crate::rig::{Rig, SENSOR, eventually, say};
use serde_json::json;
use std::fs;
use std::process::Command;

/// Every row four times: a share of its own in each, on, off, and as it is.
const OUTPUTS: &str = r#"
[outputs.fan]
pwm = { channel = 0 }
[outputs.fan.when]
start = "10%"
stop = "20%"
crash = "90%"
sensor-fault = "40%"
overheat = "60%"
hub-silent = { after = "1s", drive = "auto" }

[outputs.heater]
pin = 4
when = { start = "on", stop = "on", crash = "on", sensor-fault = "on", overheat = "on", hub-silent = { after = "1s", drive = "on" } }

[outputs.valve]
pin = 23
property = "valve"
when = { start = "off", stop = "off", crash = "off", sensor-fault = "off", overheat = "off", hub-silent = { after = "1s", drive = "off" } }

[outputs.lamp]
pin = 22
property = "lamp"
when = { start = "keep", stop = "keep", crash = "keep", sensor-fault = "keep", overheat = "keep", hub-silent = { after = "1s", drive = "keep" } }
"#;

const CLIMATE: &str = r#"
[climate]
sensor = "cabinet"
cooling = "fan"
heating = "heater"
range = { min = 20.0, max = 28.0 }
critical = 60.0
"#;

/// A site with the table, and a lamp that was left on.
fn site() -> Rig {
    let rig = Rig::new();
    let sensor = format!("{SENSOR}reject = [85.0]\n");
    rig.write_config(&format!("{}{OUTPUTS}{sensor}{CLIMATE}", rig.base()));
    fs::create_dir(rig.path("board")).unwrap();
    fs::write(rig.path("board/lamp"), "1000\n").unwrap();
    rig
}

fn drives(rig: &Rig) -> [Option<u16>; 4] {
    ["fan", "heater", "valve", "lamp"].map(|output| rig.drive(output))
}

fn wait(rig: &Rig, what: &str, wanted: [u16; 4]) {
    let wanted = wanted.map(Some);
    let show = || format!("{:?}\n{:#?}", drives(rig), rig.trace());
    eventually(what, || (drives(rig) == wanted).then_some(()), show);
}

/// What decided the last change of an output; the board writes it a moment after the drive.
fn wait_cause(rig: &Rig, output: &str, cause: &str) {
    let last = || rig.trace().iter().rfind(|line| line["output"] == output).map(|line| line["cause"].clone());
    eventually(cause, || last().filter(|last| last == cause), || format!("{:?}", last()));
}

/// Desired values that differ from every row.
const WANTED: [u16; 4] = [300, 0, 1000, 1000];

fn desire(rig: &Rig) {
    rig.desire(json!({"fanOn": true, "valve": true, "lamp": true}));
    wait(rig, "what the back end wants", WANTED);
}

#[test]
fn the_start_row_comes_first_and_the_stop_row_last() {
    let rig = site();
    let daemon = rig.start_synced();
    let first = |output: &str| rig.trace().into_iter().find(|line| line["output"] == output);
    for (output, permille) in [("fan", 100), ("heater", 1000), ("valve", 0)] {
        let line = first(output).unwrap();
        assert_eq!((&line["permille"], &line["cause"]), (&json!(permille), &json!("fail-safe start")));
    }
    assert_eq!(first("lamp"), None, "it was on and stays so");
    wait(&rig, "the climate", [250, 0, 0, 1000]);
    desire(&rig);
    assert!(daemon.stop().success());
    assert_eq!(drives(&rig), [200, 1000, 0, 1000].map(Some));
    wait_cause(&rig, "fan", "fail-safe stop");
    assert_eq!(first("lamp"), None, "{:?}", rig.trace());
}

#[test]
fn each_output_goes_to_its_row_above_critical_and_without_a_sensor_and_comes_back() {
    let rig = site();
    let _daemon = rig.start_synced();
    desire(&rig);
    rig.set_temperature("60.5");
    wait(&rig, "the overheat rows", [600, 1000, 0, 1000]);
    wait_cause(&rig, "fan", "fail-safe overheat");
    rig.wait_reported("the regime", |r| r["components"]["climate"]["regime"] == "overheat");
    rig.set_temperature("22.0");
    wait(&rig, "after the heat", WANTED);

    let faults = [
        ("missing", None),
        ("not-a-number", Some("lukewarm")),
        ("out-of-range", Some("4000")),
        // A temperature far above critical that is not believed.
        ("power-on-value", Some("85.0")),
    ];
    let heats = || rig.trace().iter().filter(|line| line["cause"] == "fail-safe overheat").count();
    let heat = heats();
    for (fault, shown) in faults {
        match shown {
            Some(text) => rig.set_temperature(text),
            None => fs::remove_file(rig.path("temperature")).unwrap(),
        }
        wait(&rig, "the sensor-fault rows", [400, 1000, 0, 1000]);
        wait_cause(&rig, "fan", "fail-safe sensor-fault");
        rig.wait_reported(fault, |r| r["components"]["climate"]["sensor"] == fault);
        rig.set_temperature("22.0");
        wait(&rig, "with the sensor back", WANTED);
    }
    assert_eq!(heats(), heat, "{:?}", rig.trace());
}

#[test]
fn each_output_goes_to_its_row_while_the_hub_is_silent_and_comes_back() {
    let rig = site();
    let daemon = rig.start_synced();
    desire(&rig);
    rig.hub.block_on(rig.hub.stop_listening());
    // By the range alone, without the minimum that `fanOn` sets.
    wait(&rig, "the hub-silent rows", [250, 1000, 0, 1000]);
    wait_cause(&rig, "fan", "fail-safe hub-silent");
    rig.set_temperature("24.0");
    wait(&rig, "the range goes on", [500, 1000, 0, 1000]);
    rig.set_temperature("75.0");
    wait(&rig, "heat stands above", [600, 1000, 0, 1000]);
    rig.set_temperature("22.0");
    wait(&rig, "silence still", [250, 1000, 0, 1000]);
    rig.hub.resume_listening().unwrap();
    wait(&rig, "the first word", WANTED);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn an_output_that_a_row_keeps_stays_as_it_is_until_the_case_is_over() {
    let rig = site();
    let _daemon = rig.start_synced();
    desire(&rig);
    for (case, fan) in [("overheat", 600), ("sensor-fault", 400), ("hub-silent", 250)] {
        match case {
            "overheat" => rig.set_temperature("75.0"),
            "sensor-fault" => rig.set_temperature("warm"),
            _ => rig.hub.block_on(rig.hub.stop_listening()),
        }
        let by_rows = [fan, 1000, 0, 1000];
        wait(&rig, case, by_rows);
        let hand = say(&mut rig.command(&["override", "lamp", "off", "--for", "1h"]));
        assert_eq!(hand.code, 0, "{}", hand.err);
        assert_eq!(rig.status()["outputs"]["lamp"]["override"]["percent"], 0);
        assert_eq!(drives(&rig), by_rows.map(Some), "{case}");
        match case {
            "hub-silent" => rig.hub.resume_listening().unwrap(),
            _ => rig.set_temperature("22.0"),
        }
        wait(&rig, "the hand, when the case is over", [300, 0, 1000, 0]);
        assert_eq!(say(&mut rig.command(&["override", "lamp", "clear"])).code, 0);
        wait(&rig, "what the back end wants", WANTED);
    }
}

/// The command, as the service manager calls it.
fn safe(rig: &Rig, result: Option<&str>) -> Command {
    let mut command = rig.command(&["safe"]);
    result.map(|result| command.env("SERVICE_RESULT", result));
    command
}

const STOP: [u16; 4] = [200, 1000, 0, 1000];
const CRASH: [u16; 4] = [900, 1000, 0, 1000];

#[test]
fn after_kill_9_nothing_moves_until_safe_drives_the_crash_rows_and_the_next_start_answers_for_both() {
    let rig = site();
    let daemon = rig.start_synced();
    desire(&rig);
    daemon.kill();
    assert_eq!(drives(&rig), WANTED.map(Some), "nobody is left to change it");
    let lines = rig.trace().len();
    let said = say(&mut safe(&rig, Some("signal")));
    assert_eq!((said.code, drives(&rig)), (0, CRASH.map(Some)), "{}", said.err);
    assert_eq!(
        said.out,
        "fan: 90 %, fail-safe crash\nheater: 100 %, fail-safe crash\n\
         valve: 0 %, fail-safe crash\nlamp: stays as it is\n"
    );
    assert_eq!(rig.trace().len(), lines + 3);
    assert_eq!(rig.trace()[lines]["cause"], "fail-safe crash");
    let _daemon = rig.start();
    wait(&rig, "the stored twin", WANTED);
}

#[test]
fn safe_takes_the_crash_rows_whatever_failed_and_the_stop_rows_if_nothing_did() {
    let rig = site();
    let failures = [
        "exit-code",
        "signal",
        "core-dump",
        "watchdog",
        "timeout",
        "oom-kill",
        "start-limit-hit",
        "resources",
    ];
    for failure in failures {
        assert_eq!(
            (say(&mut safe(&rig, Some(failure))).code, drives(&rig)),
            (0, CRASH.map(Some)),
            "{failure}"
        );
        assert_eq!((say(&mut safe(&rig, Some("success"))).code, drives(&rig)), (0, STOP.map(Some)));
    }
    say(&mut safe(&rig, Some("exit-code")));
    assert_eq!((say(&mut safe(&rig, None)).code, drives(&rig)), (0, STOP.map(Some)), "by hand");
}

#[test]
fn a_service_that_cannot_start_again_is_made_safe_too() {
    let rig = site();
    let daemon = rig.start_synced();
    desire(&rig);
    daemon.kill();
    // With a fault that does not concern the outputs the start fails.
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace("[report]", "[report]\nhartbeat = \"5m\""));
    assert_eq!(say(&mut rig.command(&["run"])).code, 78);
    assert_eq!(drives(&rig), WANTED.map(Some));
    let said = say(&mut safe(&rig, Some("exit-code")));
    assert_eq!((said.code, drives(&rig)), (0, CRASH.map(Some)), "{}", said.err);
}

/// The table as `twind check --hardware` prints it.
fn printed(rig: &Rig) -> String {
    let said = say(&mut rig.command(&["check", "--hardware"]));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let table = said.out.split_once("what each output does\n").unwrap().1;
    // Warnings and the verdict follow it.
    table.lines().take_while(|line| line.starts_with(' ')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn check_hardware_prints_every_row_as_it_is_set() {
    let rig = site();
    let silent = "hub silent for 1s                 ";
    let rows = [
        (
            "fan",
            ["10%", "20%", "90%", "40%", "60%", "follows the climate range"],
            "fanOn true: runs; false: off; not set: the climate range alone",
            "cools",
        ),
        ("heater", ["on"; 6], "no desired property drives it", "heats"),
        ("valve", ["off"; 6], "valve drives it", "does not drive it"),
        ("lamp", ["stays as it is"; 6], "lamp drives it", "does not drive it"),
    ];
    let wanted: String = rows
        .map(|(name, [start, stop, crash, fault, heat, hub], desired, climate)| {
            format!(
                "  {name}
    start, until something decides    {start}
    stop of the daemon                {stop}
    crash of the daemon               {crash}
    no valid sensor (sensor-fault)    {fault}
    above 60 °C (overheat)            {heat}
    {silent}{hub}
    desired                           {desired}
    climate                           {climate}
"
            )
        })
        .concat();
    assert_eq!(printed(&rig), wanted);
}

#[test]
fn check_hardware_prints_the_defaults_of_every_row_that_is_left_out() {
    let rig = Rig::new();
    let outputs = "[outputs.fan]\npin = 17\n[outputs.heater]\npin = 4\n[outputs.lamp]\npin = 22\n";
    rig.write_config(&format!("{}{outputs}{SENSOR}{CLIMATE}", rig.base()));
    let rows = [
        ("fan", "on", "fanOn true: runs; false: off; not set: the climate range alone", "cools"),
        ("heater", "off", "no desired property drives it", "heats"),
        ("lamp", "no row: goes on as before", "no desired property drives it", "does not drive it"),
    ];
    let wanted: String = rows
        .map(|(name, bad, desired, climate)| {
            format!(
                "  {name}
    start, until something decides    off
    stop of the daemon                off
    crash of the daemon               off
    no valid sensor (sensor-fault)    {bad}
    above 60 °C (overheat)            {bad}
    hub silent                        no row: goes on as before
    desired                           {desired}
    climate                           {climate}
"
            )
        })
        .concat();
    assert_eq!(printed(&rig), wanted);
}

#[test]
fn check_hardware_prints_what_an_output_bears_and_which_cases_never_come() {
    let rig = Rig::new();
    let fan = "[outputs.fan]\npwm = { channel = 0 }\nmin-duty = 30\n\
               when = { start = \"12.5%\", crash = \"40%\", sensor-fault = \"5%\", overheat = \"on\" }\n";
    rig.write_config(&format!(
        "{}{fan}{SENSOR}{}",
        rig.base(),
        CLIMATE.replace("critical = 60.0", "").replace("heating = \"heater\"", "")
    ));
    let table = printed(&rig);
    for told in [
        "start, until something decides    30%",
        "stop of the daemon                off",
        "crash of the daemon               40%",
        "no valid sensor (sensor-fault)    30%",
        "overheat                          never: [climate] sets no `critical`",
    ] {
        assert!(table.contains(told), "{told} is missing in:\n{table}");
    }
    rig.write_config(&format!("{}{fan}property = \"fan\"\n{SENSOR}", rig.base()).replace("when =", "#"));
    let table = printed(&rig);
    for told in [
        "no valid sensor (sensor-fault)    never: there is no [climate]",
        "overheat                          never: there is no [climate]",
    ] {
        assert!(table.contains(told), "{told} is missing in:\n{table}");
    }
}
