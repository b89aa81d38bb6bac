//! `twind check --hardware`: is what the configuration names really there? It looks at lines and channels, reads each sensor
//! once, and drives nothing. Below that it prints what each output does in each bad case, for a last look before the cabinet is
//! closed.

use super::climates::{by_alarms, in_words, role};
use crate::board::{self, BoardSettings};
use crate::config::Settings;
use crate::control::intent::Meaning;
use crate::control::sensors::Sensors;
use crate::control::{ClimateSpec, Fault, OutputId, OutputSpec, Reading, RowDrive, SensorSpec};
use crate::engine::CoreSpec;
use crate::sensors::{self, Look};
use crate::service::SystemClock;
use crate::units::{BootTime, TemperatureUnit};
use core::fmt;
use humantime::format_duration;
use std::io::{self, Write};

const NO_CLIMATE: &str = "there is no [climate]";
/// Begins a line that names a fault, and any other line.
const MARKED: &str = "!";
const UNMARKED: &str = " ";

/// Looks at everything that the configuration names, prints what is missing and how to fix it, and returns the number of
/// faults.
pub(super) fn look(settings: &Settings, out: &mut dyn Write) -> usize {
    let mut faults = 0;
    // A reader that went away does not change the count.
    let _ = writeln!(out, "hardware");
    let _ = board_and_outputs(&settings.board, &mut faults, out);
    let _ = sensors_once(settings, &mut faults, out);
    let _ = failsafe_table(settings, out);
    faults
}

fn board_and_outputs(board: &BoardSettings, faults: &mut usize, out: &mut dyn Write) -> io::Result<()> {
    let name = format!("{}: {}", board.driver.name, board.driver.about);
    let found = match board::look(board) {
        Ok(found) => found,
        Err(fault) => {
            *faults += 1;
            return writeln!(out, "{MARKED} board      {name}: {}", fault.reason);
        }
    };
    writeln!(out, "{UNMARKED} board      {name}")?;
    for (output, found) in board.outputs.iter().zip(found) {
        let (mark, found) = match found {
            Ok(found) => (UNMARKED, found),
            Err(fault) => (MARKED, fault.reason),
        };
        *faults += usize::from(mark == MARKED);
        writeln!(out, "{mark} output     {}: {found}", output.name)?;
    }
    Ok(())
}

fn sensors_once(settings: &Settings, faults: &mut usize, out: &mut dyn Write) -> io::Result<()> {
    // All of it happens at one moment.
    let mut read = Sensors::new(BootTime::ZERO, settings.engine.sensors.clone());
    for sensor in &settings.sensors {
        let measures = settings.engine.sensors.get(sensor.id.0).map_or("", |spec| spec.measures.as_str());
        if let Some(whereabouts) = sensors::held(sensor) {
            writeln!(out, "{UNMARKED} sensor     {}: {whereabouts}", sensor.name)?;
            continue;
        }
        let Look { value, found, whereabouts } = sensors::sample_once(sensor, SystemClock::default().both());
        read.observe(Reading { sensor: sensor.id, at: BootTime::ZERO, value });
        let (mark, verdict) = match value {
            Ok(value) => (UNMARKED, format!("reads {value} ({measures})")),
            Err(fault) => {
                let found = found.map(|found| format!("; found {found}")).unwrap_or_default();
                (MARKED, format!("{}: {}{found}", fault.name(), advice(fault)))
            }
        };
        *faults += usize::from(mark == MARKED);
        writeln!(out, "{mark} sensor     {}: {verdict}; {whereabouts}", sensor.name)?;
    }
    let all = settings.engine.sensors.iter().enumerate();
    all.filter(|(_, spec)| spec.derived.is_some())
        .try_for_each(|(index, spec)| derived(index, spec, &read, out))
}

/// A sensor that follows from others, whose faults are told already.
fn derived(index: usize, spec: &SensorSpec, read: &Sensors, out: &mut dyn Write) -> io::Result<()> {
    let verdict = match (read.value(BootTime::ZERO, index), read.fault(BootTime::ZERO, index)) {
        (Ok(value), _) => format!("reads {} ({})", (value * 1000.0).round() / 1000.0, spec.measures),
        (Err(_), Some(fault)) => format!("no value, {}", fault.name()),
        (Err(_), None) => "no value, since one of them was not read".to_owned(),
    };
    let found = read.found(BootTime::ZERO, index).map(|found| format!("; found {found}")).unwrap_or_default();
    writeln!(out, "{UNMARKED} sensor     {}: {verdict}{found}; {}", spec.name, spec.source)
}

/// What each output does, case by case, defaults included.
fn failsafe_table(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "what each output does")?;
    for (index, output) in settings.engine.outputs.iter().enumerate() {
        writeln!(out, "  {}", output.name)?;
        for (case, does) in cases(OutputId(index), output, settings) {
            writeln!(out, "    {case:<34}{does}")?;
        }
    }
    Ok(())
}

fn cases(id: OutputId, output: &OutputSpec, settings: &Settings) -> Vec<(String, String)> {
    let climates = &settings.engine.climates;
    let driving: Vec<&ClimateSpec> = climates.iter().filter(|climate| climate.drives(id)).collect();
    // One that no climate drives has rows for all of them.
    let concerning = if driving.is_empty() { climates.iter().collect() } else { driving };
    let when = &output.when;
    let word = |row: RowDrive| match row {
        RowDrive::Keep => "stays as it is".to_owned(),
        RowDrive::Auto => "follows the climate range".to_owned(),
        // Below its minimum duty it would stall.
        RowDrive::Fixed(share) if !share.is_zero() => {
            Row(RowDrive::Fixed(share.max(output.min_duty.unwrap_or_default()))).to_string()
        }
        off => Row(off).to_string(),
    };
    let optional = |row: Option<RowDrive>| row.map_or_else(|| "no row: goes on as before".to_owned(), word);
    let never = |why: &str| format!("never: {why}");
    let alarms = by_alarms(output);
    let start = if alarms.is_some() { never("alarms decide from the start") } else { word(when.start) };
    let mut cases = vec![
        ("start, until something decides".to_owned(), start),
        ("stop of the daemon".to_owned(), word(when.stop)),
        ("crash of the daemon".to_owned(), word(when.crash)),
    ];
    let has_climate = !concerning.is_empty();
    let fault = if has_climate { optional(when.sensor_fault) } else { never(NO_CLIMATE) };
    cases.push(("no valid sensor (sensor-fault)".to_owned(), fault));
    let critical = |climate: &&ClimateSpec| climate.critical.map(|at| above(climate, at));
    let heats: Vec<String> = concerning.iter().filter_map(critical).collect();
    cases.extend(heats.into_iter().map(|case| (case, optional(when.overheat))));
    if concerning.iter().all(|climate| climate.critical.is_none()) {
        let why = match concerning.as_slice() {
            [] => NO_CLIMATE.to_owned(),
            [only] => format!("{} sets no `critical`", table(only)),
            _ => "no climate of it sets `critical`".to_owned(),
        };
        cases.push(("overheat".to_owned(), never(&why)));
    }
    cases.push(match when.hub_silent {
        Some((after, row)) => (format!("hub silent for {}", format_duration(after)), word(row)),
        None => ("hub silent".to_owned(), optional(None)),
    });
    cases.extend(alarms.map(|on| ("alarms".to_owned(), format!("{on}, else off"))));
    cases.push(("desired".to_owned(), desired(id, output, settings)));
    let roles: Vec<String> = climates.iter().filter_map(|climate| role(id, climate)).collect();
    let roles = if roles.is_empty() { "does not drive it".to_owned() } else { roles.join(", ") };
    cases.push(("climate".to_owned(), roles));
    cases
}

/// The table of a climate, as the file has it.
fn table(climate: &ClimateSpec) -> String {
    climate.name.as_ref().map_or_else(|| "[climate]".to_owned(), |name| format!("[climates.{name}]"))
}

/// The case of a climate above its critical value.
fn above(climate: &ClimateSpec, critical: f64) -> String {
    let number = in_words(climate, critical);
    let unit = climate.quantity.unit().map(TemperatureUnit::symbol).unwrap_or(climate.quantity.measures());
    let name = climate.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
    format!("{name}above {number} {unit} (overheat)")
}

/// What the back end can do with it.
fn desired(id: OutputId, output: &OutputSpec, settings: &Settings) -> String {
    let CoreSpec { outputs, properties, climates, .. } = &settings.engine;
    let fan_on = &properties.fan_on;
    let is_fan = (Meaning { properties, outputs, climates }).fans().contains(&id);
    let is_driven = climates.iter().any(|climate| climate.drives(id));
    let neither = if is_driven { "the climate range alone" } else { "as at the start" };
    match output.property.as_ref().filter(|property| *property != fan_on) {
        Some(property) if is_fan => format!(
            "{property} drives it; while that is not set, {fan_on} true: runs; false: off; not set: {neither}"
        ),
        Some(property) => format!("{property} drives it"),
        None if is_fan => format!("{fan_on} true: runs; false: off; not set: {neither}"),
        None => "no desired property drives it".to_owned(),
    }
}

/// What to look at.
pub(super) fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "nothing is there; check the wiring, the overlay and the name",
        Fault::Ambiguous => "several devices have this name; write which one is meant, as NAME@PLACE",
        Fault::Unreadable => "it is there but cannot be read; check its wiring and its permissions",
        Fault::BadChecksum => "its answer was damaged on the way; check cable, connectors and pull-up",
        Fault::NotANumber => "it holds no number; check that the path is the right attribute",
        Fault::OutOfRange => "its value is impossible; check `scale`, `offset` and `valid`",
        Fault::PowerOnValue => "it shows its power-on value; read it again in a while, then check its supply",
        Fault::Jump | Fault::Frozen => "its value is not accepted yet; run the check again",
        Fault::Stale => "the program that writes it has stopped; look at that program, or set `max-age`",
    }
}

/// A row as the file writes it.
pub(super) struct Row(pub(super) RowDrive);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RowDrive::Keep => f.write_str("keep"),
            RowDrive::Auto => f.write_str("auto"),
            RowDrive::Fixed(share) if share.is_zero() => f.write_str("off"),
            RowDrive::Fixed(share) if share.get() == 1000 => f.write_str("on"),
            RowDrive::Fixed(share) => write!(f, "{}%", share.percent()),
        }
    }
}
