//! `twind check --hub`: walks the way to the twin, step by step, and drives nothing.
//!
//! A hub ends the older of two sessions of one device. So while a daemon of this device runs, nothing is dialled, and what the daemon
//! says of its link is shown instead.

use super::ask::{AskFault, ask_status, read_status};
use super::hardware::Found;
use crate::config::{Code, LocalSettings, Settings};
use crate::hub::link::{self, Walked};
use crate::service::{DaemonStatus, SystemClock};
use crate::text::Span;
use std::path::Path;
use std::sync::Arc;

/// Why not, and what to do.
const STOP: &str = "nothing was dialled, since the hub would end the daemon's session; to walk the way step by step, \
                    `systemctl stop twind` first";

/// Walks the way, and passes each row to `each` as soon as it is known.
pub(super) fn walk(file: &Path, settings: &Settings, mut each: impl FnMut(Found)) {
    if let Some(found) = daemon(file, settings) {
        return each(found);
    }
    link::walk(&settings.hub, Arc::new(SystemClock::default()), |walked| {
        let Walked { step, at, is_fault, message } = walked;
        each(Found::of(is_fault.then_some(Code::Hub), step, at, message));
    });
}

/// The row of the daemon, if one of this device may run.
fn daemon(file: &Path, settings: &Settings) -> Option<Found> {
    let identity = settings.hub.identity();
    let local = LocalSettings {
        file: file.to_owned(),
        state_dir: settings.state_dir.clone(),
        socket: settings.socket.clone()?,
        look_socket: settings.look_socket.clone(),
        identity: Some(identity.clone()),
    };
    let row = |code, message| Some(Found::of(code, "daemon", local.socket.display().to_string(), message));
    match ask_status(&local, Some(0)).and_then(|status| read_status(&local, &status)) {
        // One of another device loses nothing. An older one does not say.
        Ok(status) if !status.identity.is_empty() && status.identity != identity => None,
        Ok(status) => {
            let code = (status.link.state != "connected").then_some(Code::Hub);
            row(code, said(&status))
        }
        Err(AskFault::NoDaemon(_)) => None,
        Err(fault) => row(Some(Code::Hub), format!("a daemon may run, so nothing was dialled: {fault}")),
    }
}

/// What a daemon says of its link.
fn said(status: &DaemonStatus) -> String {
    let DaemonStatus { link, pid, identity, .. } = status;
    let since = link.since_seconds.map_or_else(String::new, |since| format!(" for {}", Span(since)));
    let state = match (link.state.as_str(), &link.reason) {
        ("connected", _) => {
            format!("is connected{since}, with the desired version {}", status.core.hub.desired_version)
        }
        (_, Some(reason)) => format!("is not connected{since}: {reason}"),
        (_, None) => {
            let failure = link.last_failure.as_ref();
            let failure = failure.map(|failure| format!("; the last attempt: {}", failure.text));
            format!("is connecting, without a connection{since}{}", failure.unwrap_or_default())
        }
    };
    format!("the daemon (pid {pid}) of {identity} {state}; {STOP}")
}
