//! `twind check --hardware`: is what the configuration names really there? It looks at lines and channels, reads each sensor
//! once, and drives nothing. Below that the page has what each output does in each bad case, for a last look before the cabinet is
//! closed.

use super::climates::{by_alarms, in_words, role};
use crate::board::{self, BoardSettings};
use crate::config::{Code, Settings};
use crate::control::intent::Meaning;
use crate::control::sensors::Sensors;
use crate::control::{ClimateSpec, Fault, OutputId, OutputSpec, Reading, RowDrive, SensorSpec};
use crate::engine::CoreSpec;
use crate::sensors::{self, Look};
use crate::service::SystemClock;
use crate::units::{BootTime, TemperatureUnit};
use core::fmt;
use humantime::format_duration;
use serde::Serialize;
use std::io::{self, Write};

const NO_CLIMATE: &str = "there is no [climate]";

/// What was found at one thing: a row of the page, or an object for programs.
#[derive(Serialize)]
pub(super) struct Found {
    /// The kind of its fault; `None` if it is as it should be.
    pub(super) code: Option<Code>,
    /// `board`, `output` or `sensor`; on the way to the hub the step.
    thing: &'static str,
    name: String,
    /// Of a sensor, the name of its fault.
    fault: Option<&'static str>,
    /// What it is or reads; or what is missing, and how to fix it.
    message: String,
}

impl Found {
    /// A row without the name of a sensor's fault.
    pub(super) fn of(code: Option<Code>, thing: &'static str, name: String, message: String) -> Self {
        Self { code, thing, name, fault: None, message }
    }
}

impl fmt::Display for Found {
    /// A line that begins with a mark if there is a fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.code.is_some() { '!' } else { ' ' };
        write!(f, "{mark} {:<11}{}: {}", self.thing, self.name, self.message)
    }
}

/// Looks at everything that the configuration names, one after another.
pub(super) fn look(settings: &Settings, mut each: impl FnMut(Found)) {
    board_and_outputs(&settings.board, &mut each);
    sensors_once(settings, &mut each);
}

fn board_and_outputs(board: &BoardSettings, each: &mut impl FnMut(Found)) {
    let (thing, about) = ("board", board.driver.about);
    let of_board =
        |code, message| Found { code, thing, name: board.driver.name.to_owned(), fault: None, message };
    let found = match board::look(board) {
        Ok(found) => found,
        Err(fault) => return each(of_board(Some(Code::Board), format!("{about}: {}", fault.reason))),
    };
    each(of_board(None, about.to_owned()));
    for (output, found) in board.outputs.iter().zip(found) {
        let (code, message) = match found {
            Ok(found) => (None, found),
            Err(fault) => (Some(Code::Output), fault.reason),
        };
        each(Found { code, thing: "output", name: output.name.clone(), fault: None, message });
    }
}

fn sensors_once(settings: &Settings, each: &mut impl FnMut(Found)) {
    let mut tell = |name: &str, fault: Option<Fault>, message: String| {
        let code = fault.map(|_| Code::Sensor);
        let (name, fault) = (name.to_owned(), fault.map(Fault::name));
        each(Found { code, thing: "sensor", name, fault, message });
    };
    // All of it happens at one moment.
    let mut read = Sensors::new(BootTime::ZERO, settings.engine.sensors.clone());
    for sensor in &settings.sensors {
        let measures = settings.engine.sensors.get(sensor.id.0).map_or("", |spec| spec.measures.as_str());
        if let Some(whereabouts) = sensors::held(sensor) {
            tell(&sensor.name, None, whereabouts);
            continue;
        }
        let Look { value, found, whereabouts } = sensors::sample_once(sensor, SystemClock::default().both());
        read.observe(Reading { sensor: sensor.id, at: BootTime::ZERO, value });
        let verdict = match value {
            Ok(value) => format!("reads {value} ({measures})"),
            Err(fault) => {
                let found = found.map(|found| format!("; found {found}")).unwrap_or_default();
                format!("{}: {}{found}", fault.name(), fault.advice())
            }
        };
        tell(&sensor.name, value.err(), format!("{verdict}; {whereabouts}"));
    }
    for (index, spec) in settings.engine.sensors.iter().enumerate() {
        if spec.derived.is_some() {
            // The faults of those from which it follows are told already.
            tell(&spec.name, None, derived(index, spec, &read));
        }
    }
}

/// What a sensor that follows from others reads.
fn derived(index: usize, spec: &SensorSpec, read: &Sensors) -> String {
    let verdict = match (read.value(BootTime::ZERO, index), read.fault(BootTime::ZERO, index)) {
        (Ok(value), _) => format!("reads {} ({})", (value * 1000.0).round() / 1000.0, spec.measures),
        (Err(_), Some(fault)) => format!("no value, {}", fault.name()),
        (Err(_), None) => "no value, since one of them was not read".to_owned(),
    };
    let found = read.found(BootTime::ZERO, index).map(|found| format!("; found {found}")).unwrap_or_default();
    format!("{verdict}{found}; {}", spec.source)
}

/// What each output does, case by case, defaults included.
pub(super) fn failsafe_table(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
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
