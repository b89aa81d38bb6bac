//! The small tables `[twin]`, `[report]` and `[local]`.

use super::Environment;
use super::codes::Code;
use super::files::Places;
use super::reader::Reader;
use super::spans::At;
use super::words;
use super::{clashes, examine, values};
use crate::control::PropertyMap;
use crate::control::quantity::Quantity;
use crate::report::{ReportSpec, ReportStyle};
use crate::twin::PropertyPath;
use crate::units::TemperatureUnit;
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) const STATE_DIR: &str = "/var/lib/twind";
pub(super) const RUNTIME_DIR: &str = "/run/twind";
const SOCKET: &str = "twind.sock";
const LOOK_SOCKET: &str = "look.sock";
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);
const HEARTBEAT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MIN_INTERVAL: Duration = Duration::from_secs(10);
const DEADBAND: [(&str, f64); 2] = [("temperature", 0.5), ("humidity", 2.0)];
/// The hub takes no longer text.
const TEXT_BYTES_MAX: usize = 4096;

/// `[twin] state-dir`.
pub(super) fn state_dir(twin: &mut Reader<'_>, places: &Places) -> PathBuf {
    let written = twin.string("state-dir");
    let path = written.map_or_else(|| PathBuf::from(STATE_DIR), |at| places.path(&at.value));
    if places.examination().is_some() {
        examine::state_dir(&path, twin.place("state-dir"), twin.findings());
    }
    path
}

/// What `[local]` says.
pub(super) struct Local {
    /// For orders.
    pub(super) socket: PathBuf,
    /// For looking.
    pub(super) look_socket: Option<PathBuf>,
    pub(super) metrics_file: Option<PathBuf>,
}

/// `[local]`.
pub(super) fn local(mut local: Reader<'_>, places: &Places, environment: &Environment) -> Local {
    let written = local.string("socket");
    let orders = written.map_or_else(|| default_socket(environment), |at| places.path(&at.value));
    let looks = local.string("look-socket").map(|at| places.path(&at.value));
    if looks.as_ref() == Some(&orders) {
        let say = "must differ from `socket`: it allows no changes, and all users may connect";
        local.wrong("look-socket", Code::Clash.because(say));
    }
    let metrics = local.string("metrics-file").map(|at| places.path(&at.value));
    for (key, socket) in [("socket", Some(&orders)), ("look-socket", looks.as_ref())] {
        if metrics.is_some() && metrics.as_ref() == socket {
            let say = format!("must differ from `{key}`: one is a file, the other a socket");
            local.wrong("metrics-file", Code::Clash.because(say));
        }
    }
    if places.examination().is_some() {
        examine::socket(&orders, local.place("socket"), "socket", local.findings());
        if let Some(looks) = &looks {
            examine::socket(looks, local.place("look-socket"), "look-socket", local.findings());
        }
        if let Some(metrics) = &metrics {
            let folder = environment.runtime_folder();
            examine::metrics_file(metrics, &folder, local.place("metrics-file"), local.findings());
        }
    }
    local.finish();
    Local { socket: orders, look_socket: looks, metrics_file: metrics }
}

/// Where the daemon listens if the configuration names no socket.
pub fn default_socket(environment: &Environment) -> PathBuf {
    environment.runtime_folder().join(SOCKET)
}

/// The socket for looking that is tried by users who may not read the configuration.
pub(super) fn usual_look_socket(environment: &Environment) -> PathBuf {
    environment.runtime_folder().join(LOOK_SOCKET)
}

/// What `[twin]` says of the desired section.
pub(super) struct Properties {
    pub(super) map: PropertyMap,
    /// Where the range of the only climate stands.
    pub(super) climate: PropertyPath,
}

/// The rest of `[twin]`: which desired properties mean what. `None` if one of them is wrong.
pub(super) fn properties(mut twin: Reader<'_>) -> Option<Properties> {
    let mut taken: Vec<(&'static str, PropertyPath)> = Vec::new();
    let mut property = |key: &'static str, default: &str| {
        let written = twin.read(key, values::property);
        let wrong = written.is_none() && twin.has(key);
        let path = written.map(|at: At<PropertyPath>| at.value).or_else(|| PropertyPath::parse(default));
        let path = path.filter(|_| !wrong)?;
        if let Some((other, _)) = taken.iter().find(|(_, other)| *other == path) {
            let place = twin.place(if twin.has(key) { key } else { other });
            let say = format!("`{other}` and `{key}` are both \"{path}\": each needs a property of its own");
            twin.findings().wrong(place, Code::Clash.because(say));
        }
        taken.push((key, path.clone()));
        Some(path)
    };
    let fan_on = property("fan-on", "fanOn");
    let climate = property("climate", "components.climate");
    let units = property("units", "components.system.units");
    let patch_id = property("patch-id", "patchId");
    let map = PropertyMap { fan_on: fan_on?, units: units?, patch_id: patch_id? };
    let properties = Properties { map, climate: climate? };
    nested(&twin, &properties);
    twin.finish();
    Some(properties)
}

/// One property cannot lie in another.
fn nested(twin: &Reader<'_>, properties: &Properties) {
    let quantity = Quantity::Temperature(TemperatureUnit::default());
    let ends = [quantity.min_property(), quantity.max_property()];
    let ends = ends.map(|end| ("climate", properties.climate.child(&end)));
    let [fan_on, units, patch_id] = clashes::leaves(&properties.map);
    let leaves: Vec<_> = [fan_on].into_iter().chain(ends).chain([units, patch_id]).collect();
    for (index, (key, leaf)) in leaves.iter().enumerate() {
        let other = leaves[..index].iter().find(|(other, path)| other != key && clashes::overlap(leaf, path));
        // Two keys with the same path were reported already.
        let is_told = |(other, path): &&(&str, _)| path == leaf && *other != "climate" && *key != "climate";
        let Some((other, path)) = other.filter(|found| !is_told(found)) else { continue };
        let place = twin.place(if twin.has(key) { key } else { other });
        let say = format!(
            "\"{path}\", which `{other}` reads, and \"{leaf}\", which `{key}` reads: one contains the other, and a property is a \
             value or holds others, not both"
        );
        twin.findings().wrong(place, Code::Clash.because(say));
        return;
    }
}

/// `[report]`.
pub(super) fn report(mut report: Reader<'_>) -> ReportSpec {
    let second = Duration::from_secs(1);
    let heartbeat = report.duration("heartbeat", second..=HEARTBEAT_MAX).map_or(HEARTBEAT, |at| at.value);
    let min_interval = report.duration("min-interval", Duration::ZERO..=HEARTBEAT_MAX);
    // The default must not be longer than a short heartbeat.
    let min_interval = min_interval.map_or(MIN_INTERVAL.min(heartbeat), |at| at.value);
    if min_interval > heartbeat {
        let say = format!("must be at most `heartbeat`, which is {}", values::time_name(heartbeat));
        report.wrong("min-interval", Code::Inconsistent.because(say));
    }
    let deadband = deadband(report.table("deadband"));
    let styles = [("plain", ReportStyle::Plain), ("pnp", ReportStyle::PlugAndPlay)];
    let style = report.word("style", &styles).map(|at| at.value).unwrap_or_default();
    let firmware_version = report.read("firmware-version", |value| {
        let text = values::text(value)?;
        let fits = text.len() <= TEXT_BYTES_MAX;
        let most = || Code::OutOfRange.must_be_and(format_args!("at most {TEXT_BYTES_MAX} bytes long"), "");
        if fits { Ok(text.to_owned()) } else { Err(most()) }
    });
    report.finish();
    ReportSpec {
        heartbeat,
        min_interval,
        deadband,
        style,
        firmware_version: firmware_version
            .map_or_else(|| env!("CARGO_PKG_VERSION").to_owned(), |at| at.value),
    }
}

/// The written values are added to the defaults.
fn deadband(mut table: Reader<'_>) -> BTreeMap<String, f64> {
    let mut deadband: BTreeMap<String, f64> = DEADBAND.map(|(name, value)| (name.to_owned(), value)).into();
    for (name, value) in table.entries() {
        let of = format!("the deadband of `{}` ", words::shorten(&name.value));
        match values::number(value) {
            Ok(number) if number >= 0.0 => {
                deadband.insert(name.value, number);
            }
            Ok(number) => {
                table.findings().wrong(name.at, Code::OutOfRange.must_be("0 or more", number).after(of));
            }
            Err(reason) => table.findings().wrong(name.at, reason.after(of)),
        }
    }
    deadband
}
