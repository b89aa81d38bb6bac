//! `twind report`: one archive for support, with what can be had and, of the rest, why it is missing.
//!
//! Each part is gathered by a thread of its own, so that nothing that hangs (a daemon, a disk, a bus) keeps the others from the
//! archive. Every text passes the masking of `config::support`: a key, a password or a connection string is nowhere in it.

use super::archive::pack;
use super::ask::{self, AskFault};
use super::excerpt::{self, Excerpt};
use super::page::Layout;
use super::printed::Printed;
use super::{check, status, twin};
use crate::config::{self, Environment, Examination, LocalSettings, support};
use crate::files;
use crate::service::SystemClock;
use crate::service::calls::GetJournal;
use crate::text::{self, Line, Span};
use crate::units::UnixSeconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// What is not there by then is left out. Many 1-Wire thermometers take as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// To find out where the daemon listens.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(10);
/// For the system's journal.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(20);
const JOURNAL_LINES: &str = "5000";
const JOURNAL_BYTES_MAX: usize = 1024 * 1024;
/// As many changes as the daemon has.
const CHANGES: usize = 1000;
/// A host's name may be longer, and the names in the archive may not.
const HOST_CHARS_MAX: usize = 32;
/// What the kernel says of the machine is shorter.
const FACT_BYTES_MAX: u64 = 4096;

/// The first of them, which lists what is in the archive.
const ABOUT: &str = "about.txt";
const HARDWARE: &str = "hardware.txt";
const CHECK: &str = "check.txt";

/// The parts after it, and what each is.
const PARTS: [(&str, &str); 9] = [
    ("status.json", "what the daemon is doing"),
    ("status.txt", "the same as a page"),
    ("twin.json", "the local copy of the twin"),
    ("twind.toml", "the configuration, without comments and secrets"),
    (CHECK, "twind check"),
    ("check.json", "twind check --json"),
    (HARDWARE, "twind check --hardware"),
    ("journal.txt", "the end of the service's log"),
    ("inputs.journal", "the daemon's last inputs, for a developer to replay"),
];

/// The archive was written.
#[derive(Debug)]
pub struct Report {
    /// Where, what is in it, and what is missing.
    pub text: String,
}

/// Why there is no archive.
#[derive(Debug)]
pub enum ReportFault {
    /// There is a file of this name.
    Exists(PathBuf),
    /// It cannot be written there.
    Unwritten(PathBuf, io::Error),
}

impl fmt::Display for ReportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "{} is there already, and nothing is overwritten: name another file with --output",
                path.display()
            ),
            Self::Unwritten(path, reason) => {
                write!(
                    f,
                    "the report cannot be written to {}: {reason}; name another file with --output",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for ReportFault {}

/// A part, or why it is missing.
type Part = Result<Vec<u8>, String>;

/// Gathers what can be had and writes it to a file, which must not be there yet.
///
/// # Errors
/// The file is there, or cannot be written.
pub fn report(
    config: &Path,
    environment: &Environment,
    output: Option<&Path>,
) -> Result<Report, ReportFault> {
    let now = SystemClock::default().unix();
    let folder = format!("twind-report-{}-{}", host(), now.rfc3339().replace(['-', ':'], ""));
    let path = output.map_or_else(|| PathBuf::from(format!("{folder}.tar.gz")), Path::to_owned);
    // Whoever has to choose another name does not wait for that.
    if fs::symlink_metadata(&path).is_ok() {
        return Err(ReportFault::Exists(path));
    }
    let parts = gather(config, environment);
    let list = list(&parts);
    let about = format!("{}\n{list}\n{NO_SECRET}\n", about(config, now));
    let mut contents: Vec<(&str, &[u8])> = vec![(ABOUT, about.as_bytes())];
    contents.extend(parts.iter().filter_map(|(name, _, part)| Some((*name, part.as_deref().ok()?))));
    let unwritten = |reason| ReportFault::Unwritten(path.clone(), reason);
    let packed = pack(&folder, &contents, now).map_err(unwritten)?;
    write(&path, &packed).map_err(|reason| match reason.kind() {
        io::ErrorKind::AlreadyExists => ReportFault::Exists(path.clone()),
        _ => unwritten(reason),
    })?;
    let size = packed.len().div_ceil(1024);
    let text = format!(
        "{} ({size} KiB) has the folder {folder} with\n  {ABOUT:<16}the machine, its system, and this list\n{list}\n{NO_SECRET}",
        path.display()
    );
    Ok(Report { text })
}

const NO_SECRET: &str = "No key, password or connection string is in it. The twin, readings, the lines of the log and the names of hub, \
                         device, host and files are: give it to those only who may know them.";

/// Written whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// The parts by name, what they are, and their content.
fn list(parts: &[(&str, &str, Part)]) -> String {
    let rows = parts.iter().map(|(name, what, part)| match part {
        Ok(_) => format!("  {name:<16}{what}\n"),
        Err(reason) => format!("  {name:<16}missing: {}\n", Line(support::text(reason))),
    });
    rows.collect()
}

fn gather(config: &Path, environment: &Environment) -> Vec<(&'static str, &'static str, Part)> {
    let local = local(config, environment);
    let ended = Pages::default();
    let (to_here, gathered) = channel();
    for (name, _) in PARTS {
        let (to_here, local) = (to_here.clone(), local.clone());
        let (config, environment, pages) = (config.to_owned(), environment.clone(), ended.clone());
        let gather = move || {
            let part = part(name, &local, &config, &environment, &pages);
            // Nobody waits for what comes too late.
            let _ = to_here.send((name, part));
        };
        // Without a thread the part is missing.
        let _ = thread::Builder::new().spawn(gather);
    }
    drop(to_here);
    let end = Instant::now() + PATIENCE;
    let mut parts = BTreeMap::new();
    while let Ok((name, part)) = gathered.recv_timeout(end.saturating_duration_since(Instant::now())) {
        parts.insert(name, part);
    }
    let late = |name| {
        let so_far = ended.take(name).filter(|page| !page.is_empty());
        let say = format!("it was not there after {}", Span::from(PATIENCE));
        so_far.map(|page| [&page[..], format!("\n{say}\n").as_bytes()].concat()).ok_or(say)
    };
    PARTS.map(|(name, what)| (name, what, parts.remove(name).unwrap_or_else(|| late(name)))).into()
}

/// Where the daemon listens, by the file if it can be read in time.
fn local(config: &Path, environment: &Environment) -> LocalSettings {
    let (file, given) = (config.to_owned(), environment.clone());
    let (to_here, found) = channel();
    let read = move || {
        let _ = to_here.send(config::load_local_to_look(&file, &given));
    };
    let _ = thread::Builder::new().spawn(read);
    let found = found.recv_timeout(PATIENCE_AT_FIRST).ok().and_then(Result::ok);
    found.unwrap_or_else(|| LocalSettings::usual(config, environment))
}

/// One of [`PARTS`].
fn part(
    name: &'static str,
    local: &LocalSettings,
    config: &Path,
    environment: &Environment,
    pages: &Pages,
) -> Part {
    match name {
        "status.json" => Ok(json(&ask_for_status(local, true)?)),
        "status.txt" => Ok(plain(&ask_for_status(local, false)?)),
        "twin.json" => Ok(json(&copy_of_twin(local)?)),
        "twind.toml" => {
            let shown = support::configuration(config).map_err(|faults| format!("{faults:#}"))?;
            Ok(text::escape_lines(&shown).into_owned().into_bytes())
        }
        CHECK | HARDWARE => {
            let scope = scope(name == HARDWARE);
            let mut page = Printed(pages.of(name));
            let mut errors = Printed(pages.of(name));
            let outcome = check::check(config, environment, scope, &mut page, &mut errors);
            let _ = writeln!(page, "\nexit status {}", outcome.status());
            Ok(pages.take(name).unwrap_or_default())
        }
        "check.json" => Ok(json(&check::check_json(config, environment, scope(false)).1)),
        "journal.txt" => journal(),
        _ => inputs(local),
    }
}

fn scope(hardware: bool) -> check::Scope {
    let now = SystemClock::default().machine().wall.map(|(wall, _)| wall);
    check::Scope { examination: Examination { now }, hardware, hub: false, excerpts: false }
}

/// A text for people, without secrets.
fn plain(text: &str) -> Vec<u8> {
    let text = support::text(text.trim_end());
    format!("{}\n", text::escape_lines(&text)).into_bytes()
}

fn json(json: &str) -> Vec<u8> {
    format!("{}\n", support::json(json.trim_end())).into_bytes()
}

fn ask_for_status(local: &LocalSettings, json: bool) -> Result<String, String> {
    let answer = match json {
        true => status::status_json(local, Some(CHANGES)),
        false => status::status(local, None, Layout::unlimited()),
    };
    let status = answer.map_err(|fault| fault.to_string())?;
    let warned = status.mismatch.filter(|_| !json).map(|warning| format!("{warning}\n\n"));
    Ok(warned.unwrap_or_default() + &status.text)
}

fn copy_of_twin(local: &LocalSettings) -> Result<String, String> {
    match twin::read(local, None) {
        Ok(copy) => Ok(copy.json),
        Err(twin::TwinFault::Denied) => Err(format!("you may not read {}", local.state_dir.display())),
        Err(twin::TwinFault::Store(fault)) => Err(fault.to_string()),
    }
}

/// The end of the log of the service, as the system's journal has it.
fn journal() -> Part {
    let mut command = Command::new("journalctl");
    command.args(["--unit", "twind", "--lines", JOURNAL_LINES, "--output", "short-iso", "--no-pager"]);
    command.env("SYSTEMD_COLORS", "0").env("LC_ALL", "C");
    match excerpt::take(&mut command, JOURNAL_PATIENCE, JOURNAL_BYTES_MAX) {
        Ok(Excerpt { text, odd }) => {
            let odd = odd.map(|odd| format!("journalctl: {odd}\n")).unwrap_or_default();
            Ok(plain(&(odd + &text)))
        }
        Err(reason) => Err(format!("journalctl cannot be run here: {reason}")),
    }
}

/// The daemon's last inputs. They begin with its whole state and cannot be masked, so they are left out if a secret may be in them.
fn inputs(local: &LocalSettings) -> Part {
    let answer = ask::ask(&local.socket, &GetJournal {}).map_err(|fault: AskFault| fault.to_string())?;
    let inputs = BASE64.decode(answer.journal).map_err(|_| "the daemon's answer is damaged".to_owned())?;
    let twin = copy_of_twin(local).unwrap_or_default();
    if support::holds_key(&inputs) || support::json(&twin) != twin {
        return Err("something in the twin looks like a secret; whoever may know it gets the inputs by \
                    io.twind.Daemon.GetJournal (see on-site.md)"
            .to_owned());
    }
    Ok(inputs)
}

/// The machine and its system.
fn about(config: &Path, now: UnixSeconds) -> String {
    let fact = |path: &str| {
        let (bytes, _) = files::read(Path::new(path), FACT_BYTES_MAX).ok()?;
        let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']).to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let system = fact("/etc/os-release").and_then(|text| {
        let named = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(named.trim_matches('"').to_owned())
    });
    let kernel = fact("/proc/sys/kernel/osrelease").map(|release| format!("Linux {release}"));
    let model = fact("/proc/device-tree/model").or_else(|| fact("/sys/class/dmi/id/product_name"));
    let clock = SystemClock::default();
    let believed = if clock.both().is_believed { "" } else { ", which cannot be believed" };
    let unknown = || "unknown".to_owned();
    let rows = [
        ("twind", format!("{} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)),
        ("machine", model.unwrap_or_else(unknown)),
        ("system", system.unwrap_or_else(unknown)),
        ("kernel", kernel.unwrap_or_else(unknown)),
        ("clock", format!("{}{believed}", now.rfc3339())),
        ("booted", format!("{} ago", Span(clock.boot().since_boot().as_secs()))),
        ("user", format!("uid {}", rustix::process::geteuid().as_raw())),
        ("configuration", config.display().to_string()),
    ];
    rows.iter().map(|(name, fact)| format!("{name:<16}{}\n", Line(fact))).collect()
}

/// The host's name, as far as it can stand in a file's.
fn host() -> String {
    let name = files::read(Path::new("/proc/sys/kernel/hostname"), FACT_BYTES_MAX);
    let name = name.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let is_fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.trim().chars().filter(is_fit).take(HOST_CHARS_MAX).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// Pages that are being written, by the name of their part: what there is of one that takes too long is better than nothing.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<BTreeMap<&'static str, Vec<u8>>>>);

impl Pages {
    fn of(&self, name: &'static str) -> Page {
        Page { pages: self.clone(), name }
    }

    fn take(&self, name: &str) -> Option<Vec<u8>> {
        let page = self.0.lock().ok()?.remove(name)?;
        Some(plain(&String::from_utf8_lossy(&page)))
    }
}

struct Page {
    pages: Pages,
    name: &'static str,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(mut pages) = self.pages.0.lock() {
            pages.entry(self.name).or_default().extend(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
