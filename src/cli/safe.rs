//! `twind safe`: with no daemon running, drives every output to its `stop` row, or to its `crash` row after a failure. The
//! service manager calls it by `ExecStopPost=`, so it runs whatever ended the daemon.
//!
//! It uses the copy of board, pins and rows that the daemon left in its runtime directory, whatever the file says now. Without
//! such a copy it uses the file. It drives nothing while a daemon runs, or if it cannot find out whether one does.

use crate::config::{self, ConfigFaults, Environment};
use crate::service::handover;
use crate::service::last_resort::{self, Driven, Found};
use crate::store::{self, Holder, Liveness};
use crate::text::{Line, escape_lines};
use crate::units::BootTime;
use std::io::Write;
use std::path::Path;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every output is where it should be.
    Done,
    /// Something that should have been driven could not be, and is named.
    Failed,
    /// A daemon runs, or this user cannot see whether one does.
    Refused,
    /// There is no copy, and the file is wrong.
    Wrong,
}

/// How the daemon ended, by the service manager's word (`$SERVICE_RESULT`); `None` if it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End<'a>(pub Option<&'a str>);

impl End<'_> {
    fn is_crash(self) -> bool {
        self.0.is_some_and(|result| result != "success")
    }
}

/// Drives every output to its last row, and prints what it did. `now` is the time in the trace of a simulated board. A reader
/// that went away stops nothing.
pub fn safe(
    config: &Path,
    environment: &Environment,
    end: End<'_>,
    now: BootTime,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Verdict {
    let found = last_resort::find(config, environment);
    if let Some(reason) = refusal(&found) {
        complain(err, &reason);
        return Verdict::Refused;
    }
    if end.0.is_some() && !end.is_crash() && handover::is_due(environment) {
        drop(writeln!(out, "every output stays as it is: the next daemon takes it over"));
        return Verdict::Done;
    }
    let mut verdict = Verdict::Done;
    let boards = match found.copy {
        Ok(Some(boards)) => boards,
        without => {
            if let Err(reason) = without {
                let file = config.display();
                complain(
                    err,
                    &format!("the copy of what was driven cannot be used: {reason}; using {file} instead"),
                );
                verdict = Verdict::Failed;
            }
            match named_by_the_file(config, environment) {
                Ok(board) => vec![board],
                Err(Unnamed::Refused(reason)) => {
                    complain(err, &reason);
                    return Verdict::Refused;
                }
                Err(Unnamed::Wrong(faults)) => {
                    drop(writeln!(err, "{}", escape_lines(&faults.to_string())));
                    return if faults.is_denied { Verdict::Refused } else { Verdict::Wrong };
                }
            }
        }
    };
    if let Some(rival) = last_resort::rival(config, environment, &boards) {
        complain(err, &rival.to_string());
        return Verdict::Refused;
    }
    // The daemon that was to take the outputs over did not start.
    handover::take(environment);
    if boards.iter().all(|board| board.names().next().is_none()) {
        let file = Line(config.display());
        drop(writeln!(
            out,
            "{file} configures no output, and no copy of driven outputs was found: nothing is driven"
        ));
    }
    for outcome in boards.iter().flat_map(|board| board.leave(end.is_crash(), now)) {
        match outcome.result {
            Ok(line) => drop(writeln!(out, "{}", Line(line))),
            Err(fault) => {
                complain(err, &format!("output {} cannot be driven: {}", outcome.output, fault.reason));
                verdict = Verdict::Failed;
            }
        }
    }
    verdict
}

fn complain(err: &mut dyn Write, text: &str) {
    drop(writeln!(err, "twind: {}", Line(text)));
}

/// Why nothing may be driven now.
fn refusal(found: &Found) -> Option<String> {
    let process = found.process.map(|process| format!(" (process {process})")).unwrap_or_default();
    match found.liveness {
        Liveness::Dead => None,
        Liveness::Alive => Some(format!(
            "the daemon is running{process} and drives the outputs itself; stop it first, as root (systemctl stop twind)"
        )),
        Liveness::Unknown => Some(UNKNOWN.to_owned()),
    }
}

const UNKNOWN: &str = "you cannot see whether the daemon is running, so nothing is driven; run this as root";

/// Why the file does not say what to drive.
enum Unnamed {
    Wrong(ConfigFaults),
    Refused(String),
}

/// The board that the file names. Without a copy only the lock in the state directory shows whether a daemon runs.
fn named_by_the_file(config: &Path, environment: &Environment) -> Result<Driven, Unnamed> {
    let named = config::load_outputs(config, environment).map_err(Unnamed::Wrong)?;
    let board = Driven::named_by(&named);
    if board.names().next().is_none() {
        return Ok(board);
    }
    match config::load_local(config, environment).map(|local| store::holder(&local.state_dir)) {
        Ok(Holder::Alive(process)) => {
            let found = Found { liveness: Liveness::Alive, process, copy: Ok(None) };
            Err(Unnamed::Refused(refusal(&found).unwrap_or_default()))
        }
        Ok(Holder::Unknown) => Err(Unnamed::Refused(UNKNOWN.to_owned())),
        Ok(Holder::Absent | Holder::Nobody) | Err(_) => Ok(board),
    }
}
