//! Notifications to the service manager (sd_notify(3)): ready, a line of status, the watchdog, stopping.
//!
//! Ready means controlling, not connected. Without a service manager all of it does nothing. A manager that does not read
//! delays nothing: what it did not take is sent again at the next turn of the loop, and lost only at the end.

use crate::text::Line;
use core::time::Duration;
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What the service manager was last sent.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    is_ready_unsent: bool,
    status: String,
    fed_steps: u64,
}

impl ServiceManager {
    /// The watchdog's time-out, if there is one.
    pub(super) fn watchdog_interval() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    /// The outputs are in a known state and the climate runs.
    pub(super) fn ready(&mut self) {
        self.is_ready_unsent = !send(&[NotifyState::Ready]);
    }

    /// The daemon stops in order; `outputs` says what becomes of them.
    pub(super) fn stopping(&self, outputs: &str) {
        send(&[NotifyState::Stopping, NotifyState::Status(&format!("stopping: {outputs}"))]);
    }

    /// A line for `systemctl status`, sent when it changed.
    pub(super) fn status(&mut self, status: String) {
        if self.is_ready_unsent {
            self.ready();
        }
        if self.status != status && send(&[NotifyState::Status(&status)]) {
            self.status = status;
        }
    }

    /// Feeds the watchdog if there was a control step since it was last fed.
    pub(super) fn feed(&mut self, steps: u64) {
        let is_due = steps != self.fed_steps && Self::watchdog_interval().is_some();
        if is_due && send(&[NotifyState::Watchdog]) {
            self.fed_steps = steps;
        }
    }
}

/// False if the manager's queue is full, and it is to be sent again.
fn send(states: &[NotifyState<'_>]) -> bool {
    match try_send(states) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => {
            tracing::debug!(%error, "the service manager could not be notified");
            true
        }
    }
}

/// One line for each state. Foreign text in a status line is escaped, so that it cannot add a state such as STOPPING=1.
fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{}\n", Line(state))).collect()
}

/// The library's function blocks while the manager's queue is full, and would block the outputs.
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
