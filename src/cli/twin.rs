//! `twind twin`: the local copy of the twin, from the daemon if it runs, else from the disk.

use super::ask::{self, look};
use crate::config::LocalSettings;
use crate::report::status::TwinCopy;
use crate::service::calls::GetTwin;
use crate::store::{self, StoreFault};
use crate::text;
use crate::twin::TwinRecord;
use crate::twin::json::write_pretty;
use clap::ValueEnum;
use std::io;
use std::path::Path;

/// One half of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// What the back end wants.
    Desired,
    /// What the hub has from this device.
    Reported,
}

/// The copy as JSON, and the damage found in its files.
#[derive(Debug)]
pub struct LocalCopy {
    /// Pretty-printed; `{}` where no twin was ever fetched.
    pub json: String,
    /// Damage found in the state directory, one line each.
    pub notes: Vec<String>,
}

/// Why the copy cannot be shown.
#[derive(Debug)]
pub enum TwinFault {
    /// This user may not look into the state directory.
    Denied,
    /// It cannot be read.
    Store(StoreFault),
}

/// Reads the local copy: the daemon's, which may be ahead of the disk, or what is stored if no daemon runs.
///
/// # Errors
/// When the state directory cannot be read.
pub fn read(local: &LocalSettings, half: Option<Half>) -> Result<LocalCopy, TwinFault> {
    match look(local, &GetTwin::default()) {
        Ok(answer) => Ok(LocalCopy { json: show(answer.twin, half), notes: Vec::new() }),
        Err(ask::AskFault::NoDaemon(_)) => read_disk(&local.state_dir, half),
        Err(fault) => {
            // The disk has the copy as well, but the user should know why the daemon did not answer.
            let mut copy = read_disk(&local.state_dir, half)?;
            copy.notes.push(fault.to_string());
            Ok(copy)
        }
    }
}

fn read_disk(state_dir: &Path, half: Option<Half>) -> Result<LocalCopy, TwinFault> {
    if std::fs::read_dir(state_dir).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return Err(TwinFault::Denied);
    }
    let loaded = store::read(state_dir).map_err(TwinFault::Store)?;
    let copy = |record: TwinRecord| TwinCopy::of(&record.desired, record.desired_version, &record.reported);
    let kept = loaded.record.map(copy).unwrap_or_default();
    Ok(LocalCopy { json: show(kept, half), notes: loaded.notes.iter().map(ToString::to_string).collect() })
}

fn show(twin: TwinCopy, half: Option<Half>) -> String {
    let text = match half {
        None => write_pretty(&twin),
        Some(Half::Desired) => write_pretty(&twin.desired.unwrap_or_default()),
        Some(Half::Reported) => write_pretty(&twin.reported.unwrap_or_default()),
    };
    text::escape_json(&text).into_owned()
}
