//! The simulated board's files and a file as a sensor, byte by byte: what scripts and other programs rely on.

use crate::rig::{CLIMATE, FAN, Rig, SENSOR};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;

#[test]
fn an_outputs_file_holds_the_permille_and_a_newline_and_is_replaced_whole() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 500);
    let file = rig.path("board/fan");
    assert_eq!(fs::read_to_string(&file).unwrap(), "500\n");
    let mut before = File::open(&file).unwrap();
    rig.set_temperature("26.0");
    rig.wait_drive("fan", |now| now == 750);
    assert_eq!(fs::read_to_string(&file).unwrap(), "750\n");
    // A program that had opened the old file still reads that.
    let mut text = String::new();
    before.read_to_string(&mut text).unwrap();
    assert_eq!(text, "500\n");
}

fn since_boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}

#[test]
fn the_trace_has_a_line_for_each_change_with_the_time_since_boot() {
    let rig = Rig::new();
    rig.configure("[outputs.lamp]\npin = 22\n");
    let begin = since_boot_ns();
    let daemon = rig.start();
    for (degrees, drive) in [("24.0", 500), ("26.0", 750), ("19.0", 0)] {
        rig.set_temperature(degrees);
        rig.wait_drive("fan", |now| now == drive);
    }
    assert!(daemon.stop().success());
    let end = since_boot_ns();
    let trace = rig.trace();
    let mut last = BTreeMap::new();
    let mut before = begin;
    for line in &trace {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["boottime_ns", "output", "permille", "cause"], "{line}");
        let at = line["boottime_ns"].as_u64().unwrap();
        assert!((before..=end).contains(&at), "{line} after {before} and before {end}");
        before = at;
        let was = last.insert(line["output"].to_string(), line["permille"].clone());
        assert_ne!(was.as_ref(), Some(&line["permille"]), "no change: {line}");
    }
    for (output, at_least) in [("fan", 4), ("lamp", 1)] {
        let lines = trace.iter().filter(|line| line["output"] == output).count();
        assert!(lines >= at_least, "{lines} of {output}: {trace:?}");
    }
}

#[test]
fn a_file_says_a_number_that_scale_and_offset_make_the_temperature() {
    let rig = Rig::new();
    let sensor = format!("{SENSOR}scale = 0.001\noffset = -1.5\n");
    rig.write_config(&format!("{}{FAN}{sensor}{CLIMATE}", rig.base()));
    rig.set_temperature("25500\n");
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 500);
    assert_eq!(rig.status()["sensors"]["cabinet"]["value"], 24);
}
