//! `twind check`: reads the configuration as the daemon would, examines the files that it names, and prints every fault, or a
//! summary and the warnings. The verdict comes last and agrees with the exit status.
//!
//! Pins and sensors are opened by `hardware` alone, and the hub is reached by `walk` alone. `check_json` prints the same for programs.

use super::climates::{by_alarms, in_words, role};
use super::exit;
use super::hardware::{self, Found, Row};
use super::walk;
use crate::config::{
    self, Bytes, Code, ConfigFault, ConfigFaults, Environment, Examination, Settings, TelemetryCost,
};
use crate::control::quantity::Quantity;
use crate::control::{ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, SensorId};
use crate::engine::CoreSpec;
use crate::hub::Identity;
use crate::hub::azure::Source;
use crate::hub::link::HubSettings;
use crate::hub::wire::Transport;
use crate::service::{metrics, socket_remark};
use crate::text::{self, Span};
use crate::twin::json::write_pretty;
use core::fmt;
use humantime::format_duration;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// How the check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The file is right.
    Right,
    /// The file, the hardware or the way to the hub has faults, which were printed.
    Wrong,
    /// This user may not read the file, which was printed.
    Denied,
}

impl Outcome {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Self::Right => exit::DONE,
            Self::Wrong => exit::CONFIG,
            Self::Denied => exit::NOT_PERMITTED,
        }
    }
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// How the files that the configuration names are examined.
    pub examination: Examination,
    /// Also look at board and sensors.
    pub hardware: bool,
    /// Also walk the way to the hub.
    pub hub: bool,
    /// Show the line of each fault below it.
    pub excerpts: bool,
}

/// Checks a configuration file: a summary goes to `out`, or every fault to `err`.
pub fn check(
    path: &Path,
    environment: &Environment,
    scope: Scope,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Outcome {
    // A reader that went away (`twind check | head -1`) does not change the verdict.
    match config::review(path, environment, scope.examination) {
        Ok((settings, warnings)) => {
            let _ = summary(&settings, out);
            let (mut faults, mut hub_faults) = (0, 0);
            if scope.hardware {
                let _ = writeln!(out, "hardware");
                hardware::look(&settings, |found| {
                    faults += usize::from(found.code.is_some());
                    let _ = writeln!(out, "{found}");
                });
                let _ = hardware::failsafe_table(&settings, out);
            }
            if scope.hub {
                let _ = writeln!(out, "the way to the hub");
                walk::walk(path, &settings, |found| {
                    hub_faults += usize::from(found.code.is_some());
                    let _ = writeln!(out, "{found}");
                });
            }
            for warning in &warnings {
                let _ = match scope.excerpts {
                    true => writeln!(out, "warning: {}:{warning}", path.display()),
                    false => writeln!(out, "warning: {}:{warning:#}", path.display()),
                };
            }
            let remarks = remarks(&settings);
            for (_, remark) in &remarks {
                let _ = writeln!(out, "warning: {remark}");
            }
            let _ = writeln!(out, "{}", verdict(path, (faults, hub_faults), warnings.len() + remarks.len()));
            if faults + hub_faults == 0 { Outcome::Right } else { Outcome::Wrong }
        }
        Err(faults) => {
            let _ = if scope.excerpts { writeln!(err, "{faults}") } else { writeln!(err, "{faults:#}") };
            if faults.is_denied {
                return Outcome::Denied;
            }
            let _ = writeln!(err, "{}", wrong(&faults));
            Outcome::Wrong
        }
    }
}

/// The same for programs: one object, whatever the outcome.
pub fn check_json(path: &Path, environment: &Environment, scope: Scope) -> (Outcome, String) {
    let file = path.display().to_string();
    let told = |faults: Vec<ConfigFault>| faults.into_iter().map(|fault| Told::of(&file, fault)).collect();
    let (outcome, told) = match config::review(path, environment, scope.examination) {
        Ok((settings, warnings)) => {
            let mut hardware = scope.hardware.then(Vec::new);
            if let Some(rows) = &mut hardware {
                hardware::look(&settings, |found| rows.push(found));
            }
            let mut hub = scope.hub.then(Vec::new);
            if let Some(rows) = &mut hub {
                walk::walk(path, &settings, |found| rows.push(found));
            }
            let is_faulty =
                |rows: &Option<Vec<Found>>| rows.iter().flatten().any(|found| found.code.is_some());
            let mut warnings: Vec<Told<'_>> = told(warnings);
            warnings.extend(remarks(&settings).into_iter().map(|remark| Told::without_place(&file, remark)));
            let (outcome, word) = match (is_faulty(&hardware), is_faulty(&hub)) {
                (true, _) => (Outcome::Wrong, "hardware"),
                (false, true) => (Outcome::Wrong, "hub"),
                (false, false) => (Outcome::Right, "right"),
            };
            let telemetry = TelemetryCost::of(&settings.engine);
            (
                outcome,
                Whole { verdict: word, warnings, telemetry, hardware, hub, ..Whole::of(&file, outcome) },
            )
        }
        Err(faults) => {
            let (outcome, word) = match faults.is_denied {
                true => (Outcome::Denied, "denied"),
                false => (Outcome::Wrong, "wrong"),
            };
            let more_faults = faults.more;
            let faults = told(faults.faults);
            (outcome, Whole { verdict: word, faults, more_faults, ..Whole::of(&file, outcome) })
        }
    };
    (outcome, text::escape_json(&write_pretty(&told)).into_owned())
}

/// What `check --json` prints. The handbook describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'f> {
    file: &'f str,
    verdict: &'static str,
    exit_status: u8,
    faults: Vec<Told<'f>>,
    more_faults: usize,
    warnings: Vec<Told<'f>>,
    telemetry: Option<TelemetryCost>,
    hardware: Option<Vec<Found>>,
    hub: Option<Vec<Found>>,
}

impl<'f> Whole<'f> {
    fn of(file: &'f str, outcome: Outcome) -> Self {
        Self {
            file,
            verdict: "",
            exit_status: outcome.status(),
            faults: Vec::new(),
            more_faults: 0,
            warnings: Vec::new(),
            telemetry: None,
            hardware: None,
            hub: None,
        }
    }
}

/// One fault or warning.
#[derive(Serialize)]
struct Told<'f> {
    code: Code,
    file: &'f str,
    line: Option<usize>,
    column: Option<usize>,
    found: Option<String>,
    allowed: Option<String>,
    message: String,
}

impl<'f> Told<'f> {
    fn of(file: &'f str, fault: ConfigFault) -> Self {
        let ConfigFault { line, column, code, message, found, allowed, .. } = fault;
        Self { code, file, line: Some(line), column: Some(column), found, allowed, message }
    }

    /// About a socket, which may be where it is by default, or the metrics file.
    fn without_place(file: &'f str, (code, message): (Code, String)) -> Self {
        Self { code, file, line: None, column: None, found: None, allowed: None, message }
    }
}

/// Warnings about the places of the sockets and of the metrics file.
fn remarks(settings: &Settings) -> Vec<(Code, String)> {
    let sockets = [("socket", &settings.socket, true), ("look-socket", &settings.look_socket, false)];
    let sockets = sockets.into_iter().filter_map(|(key, socket, is_for_orders)| {
        let remark = socket_remark(socket.as_deref()?, is_for_orders)?;
        Some((Code::OpenSocket, format!("[local] {key}: {remark}")))
    });
    let metrics = settings.metrics_file.iter().filter_map(|file| metrics::remark(file));
    sockets.chain(metrics.map(|remark| (Code::Place, format!("[local] metrics-file: {remark}")))).collect()
}

fn verdict(path: &Path, (hardware, hub): (usize, usize), warnings: usize) -> String {
    let path = path.display();
    let warned = match warnings {
        0 => String::new(),
        1 => ", with 1 warning".to_owned(),
        many => format!(", with {many} warnings"),
    };
    let of_hardware = match hardware {
        0 => None,
        1 => Some("the hardware has 1 fault".to_owned()),
        many => Some(format!("the hardware has {many} faults")),
    };
    let of_hub = (hub > 0).then(|| "the way to the hub has a fault".to_owned());
    let faults: Vec<String> = of_hardware.into_iter().chain(of_hub).collect();
    if faults.is_empty() {
        return format!("{path} is right{warned}");
    }
    format!("{}, marked with ! above; {path} itself is right{warned}", faults.join(" and "))
}

fn wrong(faults: &ConfigFaults) -> String {
    let path = faults.file.display();
    match (faults.faults.len(), faults.more) {
        (1, 0) => format!("{path} is wrong: 1 fault"),
        (many, 0) => format!("{path} is wrong: {many} faults"),
        (first, more) => format!("{path} is wrong: at least {} faults", first + more),
    }
}

fn summary(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let Settings { engine, hub, .. } = settings;
    where_to(hub, out)?;
    for (id, output) in engine.outputs.iter().enumerate() {
        let kind = match output.kind {
            OutputKind::OnOff => "on/off",
            OutputKind::Pwm => "PWM",
        };
        let driven = driven_by(OutputId(id), output, &engine.climates);
        writeln!(out, "output   {}, {kind}, {driven}", output.name)?;
        writeln!(out, "         {}", Rows(output))?;
    }
    for (id, sensor) in engine.sensors.iter().enumerate() {
        let Some(settings) = settings.sensors.iter().find(|settings| settings.id.0 == id) else {
            writeln!(out, "sensor   {}, {}, {}", sensor.name, sensor.measures, sensor.source)?;
            continue;
        };
        let (period, stale) = (format_duration(settings.period), format_duration(sensor.stale_after));
        writeln!(out, "sensor   {}, {}, every {period}, stale after {stale}", sensor.name, sensor.measures)?;
    }
    if engine.climates.is_empty() {
        writeln!(out, "climate  none")?;
    }
    for climate in &engine.climates {
        writeln!(out, "climate  {}", by_range(climate, engine))?;
    }
    telemetry(engine, out)
}

/// What is sent besides reports, and about what that costs.
fn telemetry(engine: &CoreSpec, out: &mut dyn Write) -> io::Result<()> {
    let (Some(spec), Some(cost)) = (&engine.telemetry, TelemetryCost::of(engine)) else { return Ok(()) };
    let (records, interval) = (cost.records_per_sample, format_duration(spec.interval));
    let records = format!("{records} record{}", if records == 1 { "" } else { "s" });
    let alarms = if spec.alarms { ", and each alarm at once" } else { "" };
    let sent = format_duration(spec.send_every);
    writeln!(
        out,
        "messages telemetry: a sample of {records} every {interval}, sent every {sent} at the latest{alarms}"
    )?;
    let TelemetryCost { messages_per_day, free_tier_messages_per_day: pieces, .. } = cost;
    writeln!(
        out,
        "         about {messages_per_day} messages of at most 4 KB on a quiet day (the free tier counts {pieces} of its 8000)"
    )?;
    let (disk, keep, lasts) =
        (Bytes(cost.disk_bytes_per_day), Bytes(spec.keep_bytes), Span(cost.keep_seconds));
    writeln!(out, "         without a connection about {disk} a day go to the disk; {keep} last for {lasts}")
}

/// What a climate holds, and by which sensors.
fn by_range(climate: &ClimateSpec, engine: &CoreSpec) -> String {
    let (min, max) = (in_words(climate, climate.range.min()), in_words(climate, climate.range.max()));
    let unit = match &climate.quantity {
        Quantity::Temperature(unit) => unit.symbol(),
        Quantity::Other(measures) => measures,
    };
    let name = |id: &SensorId| engine.sensors.get(id.0).map_or("", |sensor| sensor.name.as_str());
    let sensors: Vec<&str> = climate.sensors.iter().map(name).collect();
    let combine = match (sensors.len(), climate.combine) {
        (0 | 1, _) => "",
        (_, Combine::Max) if climate.quantity.unit().is_some() => "the warmest of ",
        (_, Combine::Max) => "the greatest of ",
        (_, Combine::Mean) => "the mean of ",
        (_, Combine::FirstGood) => "the first good of ",
    };
    let title = climate.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    format!("{title}{min} to {max} {unit}, by {combine}{}", sensors.join(", "))
}

/// The hub, the device, and the way there.
fn where_to(hub: &HubSettings, out: &mut dyn Write) -> io::Result<()> {
    let proof = |identity: &Identity| match identity {
        Identity::Key(_) => "a device key",
        Identity::Certificate { .. } => "a certificate",
    };
    let websocket = match hub.transport {
        Transport::Mqtt => "",
        Transport::WebSocket => " by WebSocket",
    };
    match &hub.source {
        Source::Assigned(account) => {
            writeln!(out, "hub      {}, port {}{websocket}", account.host, hub.port)?;
            if let Some(gateway) = &account.gateway {
                writeln!(out, "         by the gateway {gateway}")?;
            }
        }
        Source::Provisioned(by) => {
            writeln!(out, "hub      assigned by {}, port {}{websocket}", by.endpoint, hub.port)?;
        }
    }
    if let Some(proxy) = &hub.proxy {
        writeln!(out, "         through the proxy {proxy}")?;
    }
    match &hub.source {
        Source::Assigned(account) => {
            writeln!(out, "device   {}, with {}", account.device_id, proof(&account.identity))
        }
        Source::Provisioned(by) => {
            let (id, scope) = (&by.registration_id, &by.id_scope);
            writeln!(out, "device   registered as {id} in scope {scope}, with {}", proof(&by.identity))
        }
    }
}

/// What drives an output, in the words of the file.
fn driven_by(id: OutputId, output: &OutputSpec, climates: &[ClimateSpec]) -> String {
    let mut by: Vec<String> = by_alarms(output).into_iter().collect();
    if let Some(property) = &output.property {
        by.push(format!("follows {property}"));
    }
    by.extend(climates.iter().filter_map(|climate| role(id, climate)));
    if by.is_empty() {
        let none = if climates.len() > 1 { "no climate names it" } else { "the climate does not name it" };
        format!("driven by `twind override` alone: it has no `property` and {none}")
    } else {
        by.join(", ")
    }
}

/// The fail-safe table in one line.
struct Rows<'a>(&'a OutputSpec);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = &self.0.when;
        write!(f, "start {}, stop {}, crash {}", Row(when.start), Row(when.stop), Row(when.crash))?;
        for (name, row) in [("sensor-fault", when.sensor_fault), ("overheat", when.overheat)] {
            if let Some(row) = row {
                write!(f, ", {name} {}", Row(row))?;
            }
        }
        if let Some((after, row)) = when.hub_silent {
            write!(f, ", hub silent for {} {}", format_duration(after), Row(row))?;
        }
        Ok(())
    }
}
