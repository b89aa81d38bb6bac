//! What `twind safe` needs when the daemon is gone, whatever has become of the configuration file.
//!
//! A daemon writes a *copy* of what it drives to its runtime directory: board, pins, and each output's last row, with the name
//! of its configuration and its process. The copy is written before the first drive, names at every moment what is or may
//! still be driven, and is removed by an orderly stop. A *lock* beside it shows that a daemon runs. The names of both files
//! contain a hash of the configuration's path, so several daemons can share a directory. The directory is in memory (tmpfs):
//! nothing here waits for a disk.

mod driven;

pub use driven::{Driven, Outcome};

use crate::config::{Environment, Settings};
use crate::files::{self, Unread};
use crate::store::{Claim, Holder, Liveness, Lock, Process, claim, look};
use crate::units::BootTime;
use core::fmt;
use ring::digest;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tracing::{error, info, warn};

/// The copy's format; a later twind may read the copy of an earlier one.
const FORMAT: u64 = 1;
/// More than any site has.
const BYTES_MAX: u64 = 1024 * 1024;
const COPY: &str = ".outputs.";
const LOCK: &str = ".lock.";

/// The copy that a daemon leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OutputsFile {
    format: u64,
    /// The path of its configuration.
    configuration: String,
    /// The daemon that drives while it is alive.
    daemon: Option<Process>,
    boards: Vec<Driven>,
}

/// The files of one configuration in the runtime directory.
#[derive(Clone, Debug)]
struct Place {
    folder: PathBuf,
    key: String,
    configuration: String,
}

impl Place {
    fn new(configuration: &Path, environment: &Environment) -> Self {
        let named = canonical(configuration);
        let hash = digest::digest(&digest::SHA256, named.as_os_str().as_encoded_bytes());
        let key = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { folder: environment.runtime_folder(), key, configuration: named.display().to_string() }
    }

    fn copy(&self) -> PathBuf {
        self.folder.join(format!("{COPY}{}.json", self.key))
    }

    fn lock(&self) -> PathBuf {
        self.folder.join(format!("{LOCK}{}", self.key))
    }

    /// What other daemons drive that are alive or may be.
    fn others(&self) -> Vec<(Process, Liveness, OutputsFile)> {
        let own = self.copy();
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let copies =
            files.filter(|file| *file != own && is_copy(file)).filter_map(|file| read(&file).ok().flatten());
        let known = copies.filter_map(|copy| {
            let process = copy.daemon.clone()?;
            let liveness = process.liveness();
            (liveness != Liveness::Dead).then_some((process, liveness, copy))
        });
        known.collect()
    }

    /// A daemon that drives one of these outputs already. `surely`: only if it is known to be alive.
    fn rival(&self, boards: &[Driven], surely: bool) -> Option<Occupied> {
        let others =
            self.others().into_iter().filter(|(_, liveness, _)| !surely || *liveness == Liveness::Alive);
        others.into_iter().find_map(|(process, _, copy)| {
            let output =
                boards.iter().find_map(|ours| copy.boards.iter().find_map(|theirs| ours.shares(theirs)))?;
            Some(Occupied::Output { process: process.id, configuration: copy.configuration, output })
        })
    }
}

fn is_copy(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(COPY) && name.ends_with(".json")
}

/// The configuration's absolute path, with links of its folders resolved but not of the file: it must be the same when the file
/// is gone.
fn canonical(configuration: &Path) -> PathBuf {
    let absolute = std::path::absolute(configuration).unwrap_or_else(|_| configuration.to_owned());
    let folders = absolute.ancestors().skip(1);
    let found = folders.filter_map(|folder| Some((folder, fs::canonicalize(folder).ok()?))).next();
    match found.and_then(|(folder, real)| Some(real.join(absolute.strip_prefix(folder).ok()?))) {
        Some(named) => named,
        None => absolute,
    }
}

/// Reads a copy; `None` if there is none.
fn read(file: &Path) -> io::Result<Option<OutputsFile>> {
    match files::read(file, BYTES_MAX) {
        Ok((bytes, _)) => match serde_json::from_slice::<OutputsFile>(&bytes).map_err(io::Error::other)? {
            copy if copy.format == FORMAT => Ok(Some(copy)),
            copy => Err(io::Error::other(format!(
                "it was written by a later version of twind (format {})",
                copy.format
            ))),
        },
        Err(Unread::System(reason))
            if matches!(reason.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(reason) => Err(io::Error::other(reason.to_string())),
    }
}

/// Replaces a copy whole. It is readable for all, since every user who may drive the pins must see that a daemon does.
fn write(file: &Path, copy: &OutputsFile) -> io::Result<()> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".tmp");
    let mut written = files::create(Path::new(&aside), 0o644)?;
    written.set_permissions(Permissions::from_mode(0o644))?;
    written.write_all(&serde_json::to_vec(copy)?)?;
    fs::rename(&aside, file)
}

/// Why a daemon may not drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// Another runs with the same configuration.
    Configuration(Option<u32>),
    /// Another drives one of its outputs.
    Output {
        /// The other's process number.
        process: u32,
        /// The other's configuration.
        configuration: String,
        /// What both would drive.
        output: String,
    },
}

impl fmt::Display for Occupied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(process) => {
                f.write_str("another twind")?;
                process.iter().try_for_each(|process| write!(f, " (process {process})"))?;
                f.write_str(" runs with this configuration and drives the outputs itself; stop it first (systemctl stop twind)")
            }
            Self::Output { process, configuration, output } => write!(
                f,
                "another twind (process {process}, configuration {configuration}) drives output {output}; stop it first, or \
                 give each its own outputs"
            ),
        }
    }
}

/// The daemon's side: claims the outputs at the start, writes the copy at each change, removes it at the end.
pub(super) struct LastResort {
    place: Place,
    /// `None`: the runtime directory cannot be used.
    lock: Option<Lock>,
    /// Outputs of earlier configurations that could not be driven to their last row, and may still be on.
    stuck: Vec<Driven>,
}

impl LastResort {
    /// Claims the outputs of a configuration. If the runtime directory cannot be used, a warning is logged and the daemon starts.
    ///
    /// # Errors
    /// Another daemon drives them.
    pub(super) fn claim(
        configuration: &Path,
        environment: &Environment,
        settings: &Settings,
    ) -> Result<Self, Occupied> {
        let place = Place::new(configuration, environment);
        // A directory that exists keeps its mode.
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&place.folder);
        let claimed = made.map_err(|reason| format!("cannot make {}: {reason}", place.folder.display()));
        let lock = match claimed.and_then(|()| claim(&place.lock()).map_err(|fault| fault.to_string())) {
            Ok(Claim::Held(lock)) => Some(lock),
            Ok(Claim::InUse(process)) => return Err(Occupied::Configuration(process)),
            Err(reason) => {
                warn!(
                    "no copy of what is driven can be stored: {reason}; `twind safe` will have to use the configuration file"
                );
                None
            }
        };
        match place.rival(&[Driven::by(settings)], true) {
            Some(rival) => Err(rival),
            None => Ok(Self { place, lock, stuck: Vec::new() }),
        }
    }

    /// Before the first drive: writes the copy, and drives outputs that only the previous daemon had to their last row.
    /// `crashed`: it did not stop in order.
    pub(super) fn take_over(&mut self, settings: &Settings, crashed: bool, now: BootTime) {
        let before = read(&self.place.copy()).ok().flatten().map(|copy| copy.boards).unwrap_or_default();
        let ours = Driven::by(settings);
        let left: Vec<Driven> = before.iter().filter_map(|board| board.without(&ours)).collect();
        self.keep(settings, &left);
        if left.is_empty() {
            return;
        }
        let outcomes = left.iter().flat_map(|board| board.leave(crashed, now));
        let mut stuck = Vec::new();
        for outcome in outcomes {
            let output = outcome.output.as_str();
            match &outcome.result {
                Ok(line) => {
                    info!(output, "output {output} of the previous daemon is no longer configured: {line}");
                }
                Err(fault) => {
                    error!(
                        output,
                        "output {output} of the previous daemon is no longer configured and cannot be driven to its last \
                         row: {}; it may still be on",
                        fault.reason
                    );
                    stuck.push(outcome.output);
                }
            }
        }
        self.stuck = only(&left, &stuck);
        self.keep(settings, &[]);
    }

    /// Writes what is driven now, and what else may still be.
    pub(super) fn keep(&mut self, settings: &Settings, left: &[Driven]) {
        let ours = Driven::by(settings);
        // What is driven again is not stuck any more.
        self.stuck = self.stuck.iter().filter_map(|board| board.without(&ours)).collect();
        if self.lock.is_none() {
            return;
        }
        let left = left.iter().filter_map(|board| board.without(&ours));
        let boards: Vec<Driven> = self.stuck.iter().cloned().chain(left).chain([ours.clone()]).collect();
        let configuration = self.place.configuration.clone();
        let copy = OutputsFile { format: FORMAT, configuration, daemon: Process::own(), boards };
        let file = self.place.copy();
        if let Err(reason) = write(&file, &copy) {
            warn!(
                "the copy of what is driven cannot be written to {}: {reason}; `twind safe` may use an older one",
                file.display()
            );
        }
    }

    /// After a reload that dropped outputs: those that could not be released may still be on.
    pub(super) fn settle(&mut self, before: &Settings, settings: &Settings, stuck: &[String]) {
        let before = Driven::by(before);
        self.stuck = self.stuck.iter().filter_map(|board| board.without(&before)).collect();
        self.stuck.extend(only(&[before], stuck));
        self.keep(settings, &[]);
    }

    /// The outputs are in their stop rows: removes the copy, unless some outputs are stuck, which the next daemon or `twind safe`
    /// must try again.
    pub(super) fn leave(self) {
        if let Some(lock) = self.lock.filter(|_| self.stuck.is_empty()) {
            drop(fs::remove_file(self.place.copy()));
            lock.remove();
        }
    }
}

/// Of each board the outputs of these names.
fn only(boards: &[Driven], names: &[String]) -> Vec<Driven> {
    boards
        .iter()
        .filter_map(|board| board.filtered(|output| names.iter().any(|name| name == output)))
        .collect()
}

/// What `twind safe` finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Is a daemon of this configuration alive?
    pub liveness: Liveness,
    /// Its process number, if it is known.
    pub process: Option<u32>,
    /// What was last driven, `None` if no daemon left a copy, or why it cannot be read.
    pub copy: Result<Option<Vec<Driven>>, String>,
}

/// Finds what the daemon of a configuration left.
pub fn find(configuration: &Path, environment: &Environment) -> Found {
    let place = Place::new(configuration, environment);
    let file = place.copy();
    let copy = read(&file);
    let daemon = copy.as_ref().ok().and_then(Option::as_ref).and_then(|copy| copy.daemon.clone());
    let (liveness, process) = match look(&place.lock()) {
        Holder::Alive(process) => (Liveness::Alive, process),
        Holder::Nobody => (Liveness::Dead, None),
        Holder::Absent if daemon.is_none() => (Liveness::Dead, None),
        Holder::Absent | Holder::Unknown => match daemon {
            Some(daemon) => (daemon.liveness(), Some(daemon.id)),
            None => (Liveness::Unknown, None),
        },
    };
    let copy = match copy {
        Ok(copy) => Ok(copy.map(|copy| copy.boards)),
        Err(reason) => Err(format!("{} cannot be read: {reason}", file.display())),
    };
    Found { liveness, process, copy }
}

/// Does a daemon of another configuration drive one of these outputs, or may it?
pub fn rival(configuration: &Path, environment: &Environment, boards: &[Driven]) -> Option<Occupied> {
    Place::new(configuration, environment).rival(boards, false)
}

/// Leaves what a daemon of this configuration leaves when it is killed, for tests.
#[doc(hidden)]
pub fn leave_as_if_killed(configuration: &Path, environment: &Environment, settings: &Settings) {
    if let Ok(mut daemon) = LastResort::claim(configuration, environment, settings) {
        daemon.take_over(settings, true, BootTime::ZERO);
    }
}

#[cfg(test)]
mod tests;
