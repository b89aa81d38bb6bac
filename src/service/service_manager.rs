//! What the service manager is told: readiness, a line of status, the watchdog's food, the end.
//!
//! Ready means controlling, not connected. Without a service manager all of it does nothing. One that does not listen
//! holds up nothing: what it could not take is offered again at the next turn of the loop. Only the end has no next turn: what
//! is not taken then stays unsaid.

use crate::text::Line;
use core::time::Duration;
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    ready_is_owed: bool,
    status: String,
    fed_steps: u64,
}

impl ServiceManager {
    /// The longest pause between two feedings that the watchdog bears, if there is one.
    pub(super) fn watchdog_interval() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    /// The outputs are in a known state and the climate runs.
    pub(super) fn ready(&mut self) {
        self.ready_is_owed = !send(&[NotifyState::Ready]);
    }

    /// The daemon ends in order, and what its outputs do.
    pub(super) fn stopping(&self, outputs: &str) {
        send(&[NotifyState::Stopping, NotifyState::Status(&format!("stopping: {outputs}"))]);
    }

    /// One line for `systemctl status`; sent when it changed.
    pub(super) fn status(&mut self, status: String) {
        if self.ready_is_owed {
            self.ready();
        }
        if self.status != status && send(&[NotifyState::Status(&status)]) {
            self.status = status;
        }
    }

    /// Feeds the watchdog if there was a control step since it was last fed.
    pub(super) fn feed(&mut self, steps: u64) {
        let hungry = steps != self.fed_steps && Self::watchdog_interval().is_some();
        if hungry && send(&[NotifyState::Watchdog]) {
            self.fed_steps = steps;
        }
    }
}

/// False if it is to be said again: the service manager has too much to read.
fn send(states: &[NotifyState<'_>]) -> bool {
    match try_send(states) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => {
            tracing::debug!(%error, "the service manager could not be told");
            true
        }
    }
}

/// A line for each, whatever words are in it: who names the failure of a connection must not tell the manager that it ends.
fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{}\n", Line(state))).collect()
}

/// The library's own way waits for room in the manager's queue, and the outputs with it.
fn try_send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let message = message(states);
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address(path.as_bytes())?).map(|_| ())
}

/// A path, or with `@` the name of an abstract socket (sd_notify(3)).
fn address(path: &[u8]) -> io::Result<SocketAddr> {
    match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(OsStr::from_bytes(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_is_found_by_path_or_by_abstract_name() {
        let path = address(b"/run/systemd/notify").unwrap();
        assert_eq!(path.as_pathname().and_then(|path| path.to_str()), Some("/run/systemd/notify"));
        assert_eq!(address(b"@twind/notify").unwrap().as_abstract_name(), Some(&b"twind/notify"[..]));
    }

    #[test]
    fn words_from_outside_tell_the_service_manager_nothing_but_words() {
        let told = message(&[NotifyState::Status("hub: x\nSTOPPING=1\u{1b}[2J"), NotifyState::Watchdog]);
        assert_eq!(told, "STATUS=hub: x\\nSTOPPING=1\\u{1b}[2J\nWATCHDOG=1\n");
    }
}
