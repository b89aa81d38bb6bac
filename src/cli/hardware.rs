//! `twind check --hardware`: is what the configuration names really there? Sensors are read once; nothing is driven.

use super::check::Outcome;
use crate::board::Driver;
use crate::config::{self, Environment};
use crate::control::Fault;
use crate::sensors;
use std::io::Write;
use std::path::Path;

/// Looks at everything that a right configuration names, and says what is missing and how to mend it.
pub fn check(path: &Path, environment: &Environment, out: &mut dyn Write) -> Outcome {
    let Ok(settings) = config::load(path, environment) else { return Outcome::Wrong };
    let mut outcome = Outcome::Right;
    // A reader that went away does not change the verdict.
    let mut say = |line: String| drop(writeln!(out, "{line}"));
    say("hardware".to_owned());
    match &settings.board.driver {
        Driver::Simulated { folder } => say(format!("  board      simulated: files in {}", folder.display())),
    }
    for (sensor, spec) in settings.sensors.iter().zip(&settings.engine.sensors) {
        let (value, whereabouts) = sensors::sample_once(sensor);
        let verdict = match value {
            Ok(value) => format!("reads {value} ({})", spec.measures),
            Err(fault) => {
                outcome = Outcome::Wrong;
                format!("{}: {}", fault.name(), advice(fault))
            }
        };
        say(format!("  sensor     {}: {verdict}; {whereabouts}", sensor.name));
    }
    outcome
}

fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "nothing is there; check the wiring, the overlay and the name",
        Fault::Ambiguous => "several devices bear this name; write which is meant, as NAME@PLACE",
        Fault::Unreadable => "it is there but cannot be read; check its wiring and its permissions",
        Fault::BadChecksum => "its answer was damaged on the way; check cable, connectors and pull-up",
        Fault::NotANumber => "what it says is not a number; check that the path is the right attribute",
        Fault::OutOfRange => "its value cannot be; check `scale`, `offset` and `valid`",
        Fault::PowerOnValue => "it shows its power-on value; read it again in a while, then check its supply",
        Fault::Jump | Fault::Frozen | Fault::Stale => "its value is not believed yet; look again",
    }
}
