//! `twind reload`: has the running daemon read its configuration again, and ends when that is in force or refused.

use super::ask::{AskFault, ask_at_length};
use crate::config::{Environment, LocalSettings, default_socket};
use crate::service::calls::{Nothing, Refusal, Reload};
use core::time::Duration;
use rustix::fs::fstat;
use std::io;

/// The file may be on a disk that answers late. Shorter than what systemd gives a reload (TimeoutStartSec= of the unit).
const PATIENCE: Duration = Duration::from_secs(45);

/// Has the daemon read its configuration again.
///
/// The file is the new one, and may name another socket than the one that the running daemon made by the old one. So the usual
/// socket is tried where nobody listens at that of the file.
///
/// # Errors
/// Why there is no answer, or why the new configuration was refused (see [`refused`]).
pub fn reload(local: &LocalSettings, environment: &Environment) -> Result<(), AskFault> {
    let usual = default_socket(environment);
    match ask_at_length(&local.socket, &Reload {}, PATIENCE) {
        Err(absent @ AskFault::NoDaemon(_)) if usual != local.socket => {
            match ask_at_length(&usual, &Reload {}, PATIENCE) {
                Err(AskFault::NoDaemon(_)) => Err(absent),
                answer => answer,
            }
        }
        answer => answer,
    }
    .map(|Nothing {}| ())
}

/// Why the daemon refused the new configuration, a line each; `None` if that is not what happened.
pub fn refused(fault: &AskFault) -> Option<Vec<String>> {
    let AskFault::Refused(error) = fault else { return None };
    match Refusal::of(error)? {
        Refusal::ReloadRefused { faults } => Some(faults),
        _ => None,
    }
}

/// Does standard error go to the journal, as systemd runs `ExecReload=`? The daemon writes the outcome there itself.
pub fn is_in_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}
