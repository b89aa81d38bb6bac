//! The configuration file: read, checked whole, and turned into each room's own settings.
//!
//! Every fault of a file is reported at once, with its place ([`ConfigFaults`]). A *table reader* (`reader`) declares each key by
//! reading it; one module per table knows what its keys mean; the daemon gets [`Settings`]. Some commands need less than a whole
//! file: [`load_outputs`] for `twind safe`, [`load_local`] for commands that look at the daemon or its record. [`review`] is for
//! `twind check`, which also examines files and warns.

mod board;
mod clashes;
mod climate;
mod codes;
pub mod connection_string;
mod contact;
mod derived;
mod examine;
mod faults;
mod files;
mod hub;
mod masking;
mod outline;
mod outputs;
mod pitfalls;
mod provisioning;
mod proxy;
mod reader;
mod secrets;
mod sensor;
mod sensors;
mod shapes;
mod sizes;
mod spans;
pub mod support;
mod syntax;
mod telemetry;
mod twin;
mod values;
mod when;
mod words;
mod zones;

pub use codes::Code;
pub use faults::{ConfigFault, ConfigFaults};
pub use files::Examination;
pub(crate) use sizes::Bytes;
pub use telemetry::TelemetryCost;
pub use twin::default_socket;

use crate::board::BoardSettings;
use crate::control::{OutputId, OutputSpec, SensorSpec};
use crate::engine::CoreSpec;
use crate::hub::azure::Source;
use crate::hub::link::HubSettings;
use crate::report::ReportStyle;
use crate::sensors::SensorSettings;
use crate::twin::SyncPolicy;
use core::time::Duration;
use faults::Findings;
use files::Places;
use outputs::ConfiguredOutput;
use reader::{Reader, SECTIONS};
use spans::Span;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use syntax::Slips;
use toml::Spanned;
use toml::de::DeTable;

/// The time-outs of requests to the hub. Nobody has needed to change them, so there is no key.
const SYNC: SyncPolicy = SyncPolicy {
    request_timeout: Duration::from_secs(30),
    refresh_interval: Duration::from_secs(12 * 60 * 60),
};

/// The file in the state directory that stores the provisioning service's last answer.
const ASSIGNMENT: &str = "assignment";

/// Everything the daemon needs, room by room.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// For the core.
    pub engine: CoreSpec,
    /// For the session.
    pub hub: HubSettings,
    /// For the board.
    pub board: BoardSettings,
    /// For the pollers, in the order of [`crate::control::SensorId`].
    pub sensors: Vec<SensorSettings>,
    /// The directory of the record.
    pub state_dir: PathBuf,
    /// The socket for the commands. A file always gives one; `None` is for settings that are made without a file.
    pub socket: Option<PathBuf>,
    /// The socket by which all users of the machine may look, if the file names it.
    pub look_socket: Option<PathBuf>,
    /// The file that the metrics are written to, if the file names one.
    pub metrics_file: Option<PathBuf>,
}

/// The outputs without the hub, the sensors and the climate: enough for `twind safe`.
///
/// The rows `sensor-fault` and `overheat` are as written, without the defaults that follow from the climate.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSettings {
    /// The outputs.
    pub outputs: Vec<OutputSpec>,
    /// The board, with one pin for each.
    pub board: BoardSettings,
}

/// What a command needs to find the daemon, or its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    /// The configuration file.
    pub file: PathBuf,
    /// The directory of the record.
    pub state_dir: PathBuf,
    /// Where the daemon listens.
    pub socket: PathBuf,
    /// The socket for looking, if there is one.
    pub look_socket: Option<PathBuf>,
    /// Whose record it must be ([`HubSettings::identity`]); `None` if this user cannot read `[hub]`.
    pub identity: Option<String>,
}

impl LocalSettings {
    /// The usual places, for a command that goes on without the file.
    pub fn usual(file: &Path, environment: &Environment) -> Self {
        let look_socket = Some(twin::usual_look_socket(environment)).filter(|socket| socket.exists());
        let (file, state_dir) = (file.to_owned(), PathBuf::from(twin::STATE_DIR));
        Self { file, state_dir, socket: default_socket(environment), look_socket, identity: None }
    }
}

/// What the service manager passes through the environment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Environment {
    /// Where systemd puts the credentials.
    pub credentials_directory: Option<PathBuf>,
    /// Where sockets belong.
    pub runtime_directory: Option<PathBuf>,
    /// Where the data of time zones is, if it is not in the usual place.
    pub zone_directory: Option<PathBuf>,
}

impl Environment {
    /// The folder for what exists only while the daemon runs.
    pub fn runtime_folder(&self) -> PathBuf {
        self.runtime_directory.clone().unwrap_or_else(|| PathBuf::from(twin::RUNTIME_DIR))
    }

    /// Reads the process's environment; nothing else in twind reads these variables.
    pub fn from_process() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            credentials_directory: set("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            // systemd joins several directories with colons; the first is the unit's own.
            runtime_directory: set("RUNTIME_DIRECTORY").and_then(|list| std::env::split_paths(&list).next()),
            zone_directory: set("TZDIR").map(PathBuf::from),
        }
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Every fault in it, or that it cannot be read.
pub fn load(path: &Path, environment: &Environment) -> Result<Settings, ConfigFaults> {
    let (text, mode) = files::config_text(path)?;
    let places = Places::new(path, environment.credentials_directory.as_deref()).with_mode(mode);
    read_with(&text, path, &Sections::All, |root| settings(root, &places, environment))
}

/// Reads a configuration from a text; `file` is where it came from, and where its relative paths start.
///
/// # Errors
/// Every fault in it.
pub fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Settings, ConfigFaults> {
    let places = Places::new(file, environment.credentials_directory.as_deref());
    read_with(text, file, &Sections::All, |root| settings(root, &places, environment))
}

/// Reads a configuration file as the daemon would, examines the files that it names, and adds warnings.
///
/// # Errors
/// Every fault, or that it cannot be read.
pub fn review(
    path: &Path,
    environment: &Environment,
    look: Examination,
) -> Result<(Settings, Vec<ConfigFault>), ConfigFaults> {
    let (text, mode) = files::config_text(path)?;
    let places =
        Places::new(path, environment.credentials_directory.as_deref()).with_mode(mode).examined(look);
    read_and_warn(&text, path, &Sections::All, |root| settings(root, &places, environment))
}

/// Reads only what `twind safe` needs: `[board]` and `[outputs]` must be right, whatever else the file says.
///
/// # Errors
/// Every fault in those tables, or that the file cannot be read.
pub fn load_outputs(path: &Path, environment: &Environment) -> Result<OutputSettings, ConfigFaults> {
    parse_outputs(&files::config_text(path)?.0, path, environment)
}

/// [`load_outputs`] from a text.
///
/// # Errors
/// Every fault in those tables.
pub fn parse_outputs(
    text: &str,
    file: &Path,
    environment: &Environment,
) -> Result<OutputSettings, ConfigFaults> {
    let places = Places::new(file, environment.credentials_directory.as_deref());
    read_with(text, file, &Sections::Only(&["board", "outputs"]), |mut root| {
        let board = board::read(root.table("board"), &places);
        let outputs = outputs::read(&mut root, &board);
        clashes::wires(&outputs, &[], &board, root.findings());
        let (outputs, pins) = outputs.into_iter().map(|output| (output.spec, output.pin)).unzip();
        Some(OutputSettings { outputs, board: board.with(pins)? })
    })
}

/// Reads only what is needed to find the daemon or its record: `[twin] state-dir` must be right. A wrong or missing socket becomes
/// the default, and the identity is `None` if this user may not read its secret.
///
/// # Errors
/// That `state-dir` is wrong, or the file cannot be read.
pub fn load_local(path: &Path, environment: &Environment) -> Result<LocalSettings, ConfigFaults> {
    parse_local(&files::config_text(path)?.0, path, environment)
}

/// [`load_local`] from a text.
///
/// # Errors
/// That `state-dir` is wrong.
pub fn parse_local(
    text: &str,
    file: &Path,
    environment: &Environment,
) -> Result<LocalSettings, ConfigFaults> {
    let places = Places::new(file, environment.credentials_directory.as_deref());
    read_with(text, file, &Sections::Only(&["twin"]), |mut root| {
        let state_dir = twin::state_dir(&mut root.table("twin"), &places);
        let elsewhere = Findings::default();
        let mut root = root.again(&elsewhere);
        let local = twin::local(root.table("local"), &places, environment);
        let hub = hub::read(root.table("hub"), &places);
        Some(LocalSettings {
            file: file.to_owned(),
            state_dir,
            socket: local.socket,
            look_socket: local.look_socket,
            identity: hub.map(|hub| hub.identity()),
        })
    })
}

/// [`load_local`] for a command that only looks. A user who may not read the file is directed to the usual socket for looking, if it
/// is there.
///
/// # Errors
/// As [`load_local`].
pub fn load_local_to_look(path: &Path, environment: &Environment) -> Result<LocalSettings, ConfigFaults> {
    load_local(path, environment).or_else(|faults| {
        let usual = LocalSettings::usual(path, environment);
        if faults.is_denied && usual.look_socket.is_some() { Ok(usual) } else { Err(faults) }
    })
}

/// Every key that a file may hold, as `table.key`, with `*` for names that a person chooses.
pub fn known_keys() -> BTreeSet<String> {
    // The keys of named tables are known only where there is one.
    const NAMED: &str = "[outputs.x]\n[sensors.x]\n[climates.x]\n";
    let (table, _) = DeTable::parse_recoverable(NAMED);
    let findings = Findings::with_keys();
    let places = Places::new(Path::new(""), None);
    let _ = settings(Reader::root(table.get_ref(), &findings), &places, &Environment::default());
    findings.into_keys()
}

/// Which parts of a file must be free of faults of the syntax.
enum Sections {
    All,
    Only(&'static [&'static str]),
}

/// Parses a text and has its tables read.
fn read_with<T>(
    text: &str,
    file: &Path,
    sections: &Sections,
    read: impl FnOnce(Reader<'_>) -> Option<T>,
) -> Result<T, ConfigFaults> {
    read_and_warn(text, file, sections, read).map(|(outcome, _)| outcome)
}

/// Parses a text, has its tables read, and adds the warnings.
fn read_and_warn<T>(
    text: &str,
    file: &Path,
    sections: &Sections,
    read: impl FnOnce(Reader<'_>) -> Option<T>,
) -> Result<(T, Vec<ConfigFault>), ConfigFaults> {
    let (text, table, slips) = parsed(text, sections);
    let findings = Findings::default();
    findings.syntax(slips);
    let outcome = read(Reader::root(table.get_ref(), &findings));
    let warnings = findings.take_warnings(text);
    match (outcome, findings.into_faults(text, file)) {
        (Some(outcome), None) => Ok((outcome, warnings)),
        (_, Some(faults)) => Err(faults),
        // Cannot happen, since a reader that gives up reports why.
        (None, None) => Err(ConfigFaults::unreadable(file, "a value is missing")),
    }
}

/// Parses a text. If the beginning of a long text is no configuration only the beginning is parsed, because each error of the
/// parser takes more memory than its line.
fn parsed<'t>(text: &'t str, sections: &Sections) -> (&'t str, Spanned<DeTable<'t>>, Slips) {
    const BEGINNING_BYTES: usize = 32 * 1024;
    let parse = |text: &'t str| {
        let (table, errors) = DeTable::parse_recoverable(text);
        (text, table, syntax::slips(text, &errors, |header| sections.concern(header)))
    };
    if text.len() > BEGINNING_BYTES {
        let beginning = &text[..outline::floor(text, BEGINNING_BYTES)];
        let whole_lines = beginning.rfind('\n').map(|end| &beginning[..end]);
        let parsed = parse(whole_lines.unwrap_or(beginning));
        // A single line of this length is no configuration.
        let is_junk = parsed.2.more > 0 || whole_lines.is_none() && !parsed.2.told.is_empty();
        if is_junk {
            return parsed;
        }
    }
    parse(text)
}

impl Sections {
    /// Does a fault below this header concern one of the sections? A fault below no header, or an unknown one, concerns every reader.
    fn concern(&self, header: Option<&str>) -> bool {
        let Self::Only(names) = self else {
            return true;
        };
        let name = header.and_then(|header| header.trim_start().strip_prefix('[')).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
            &rest[..end]
        });
        name.is_none_or(|name| names.contains(&name) || !SECTIONS.contains(&name))
    }
}

fn settings(mut root: Reader<'_>, places: &Places, environment: &Environment) -> Option<Settings> {
    let hub = hub::read(root.table("hub"), places);
    let mut twin = root.table("twin");
    let state_dir = twin::state_dir(&mut twin, places);
    let state_at = twin.place("state-dir");
    let properties = twin::properties(twin);
    let report = twin::report(root.table("report"));
    let board = board::read(root.table("board"), places);
    let mut outputs = outputs::read(&mut root, &board);
    if outputs.is_empty() && !root.is_misspelt("outputs") {
        root.findings().gap(Span::FILE, outputs::GAP);
    }
    let sensors = sensors::read(&mut root, places, &board);
    let property = properties.as_ref().map(|properties| &properties.climate);
    let site = climate::Site { sensors: &sensors, outputs: &outputs, property };
    let mut zones = zones::Zones::new(environment.zone_directory.as_deref());
    let climates = climate::read(&mut root, site, &mut zones);
    let findings = root.findings();
    if let Some(climates) = &climates {
        climate::fill_rows(climates, &mut outputs);
        check_autos(&root, &outputs, climates);
        clashes::names(&outputs, &sensors, climates, findings);
        if report.style == ReportStyle::PlugAndPlay {
            clashes::plug_and_play(&outputs, &sensors, climates, findings);
        }
        pitfalls::rows(&outputs, climates, findings);
        pitfalls::alarms(&outputs, &sensors, climates, findings);
        pitfalls::readings(&sensors, climates, findings);
    }
    if let (Some(properties), Some(climates)) = (&properties, &climates) {
        clashes::properties(&outputs, climates, &properties.map, findings);
    }
    clashes::wires(&outputs, &sensors, &board, findings);
    pitfalls::wiring(&outputs, &sensors, &board, findings);
    pitfalls::files(&outputs, &sensors, &board, (&state_dir, state_at), findings);
    let telemetry = telemetry::read(root.table("telemetry"));
    let local = twin::local(root.table("local"), places, environment);
    root.finish();

    let mut hub = hub?;
    if let Source::Provisioned(by) = &mut hub.source {
        by.assignment_file = Some(state_dir.join(ASSIGNMENT));
    }
    let (specs, pins): (Vec<OutputSpec>, Vec<_>) =
        outputs.into_iter().map(|output| (output.spec, output.pin)).unzip();
    let are_right = sensors.iter().all(|sensor| sensor.is_right);
    let (sensor_specs, sensors): (Vec<SensorSpec>, Vec<_>) =
        sensors.into_iter().map(|sensor| (sensor.spec, sensor.settings)).unzip();
    let climates: Vec<_> = climates?.into_iter().map(|climate| climate.spec).collect();
    let mut report = report;
    climate::fill_deadbands(&climates, &mut report.deadband);
    if let Some(telemetry) = &telemetry {
        telemetry::pitfalls(telemetry, &specs, &sensor_specs, &climates, findings);
    }
    Some(Settings {
        engine: CoreSpec {
            outputs: specs,
            sensors: sensor_specs,
            climates,
            zones: zones.into_all(),
            properties: properties?.map,
            report,
            sync: SYNC,
            telemetry: telemetry.map(|telemetry| telemetry.spec),
            identity: hub.identity(),
        },
        hub,
        board: board.with(pins)?,
        sensors: are_right.then(|| sensors.into_iter().flatten().collect())?,
        state_dir,
        socket: Some(local.socket),
        look_socket: local.look_socket,
        metrics_file: local.metrics_file,
    })
}

/// `"auto"` means what the climates would do, so it needs one that drives the output.
fn check_autos(root: &Reader<'_>, outputs: &[ConfiguredOutput], climates: &[climate::Climate]) {
    for (id, output) in outputs.iter().enumerate() {
        if climates.iter().any(|climate| climate.spec.drives(OutputId(id))) {
            continue;
        }
        for (row, at) in &output.autos {
            let name = &output.spec.name;
            let say = format!("`{row}` cannot be \"auto\": the climate does not drive [outputs.{name}]");
            root.findings().wrong(*at, Code::Inconsistent.because(say));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_runtime_directory_counts_and_an_empty_variable_does_not() {
        let environment = Environment::from_variables(|name| match name {
            "RUNTIME_DIRECTORY" => Some("/run/twind:/run/other".into()),
            _ => Some(OsString::new()),
        });
        assert_eq!(environment.runtime_directory, Some(PathBuf::from("/run/twind")));
        assert_eq!(environment.credentials_directory, None);
    }
}
