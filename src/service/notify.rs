//! What the service manager is told: readiness, a line of status, the watchdog's food, the end.
//!
//! Ready means controlling, not connected. Without a service manager all of it does nothing.

use core::time::Duration;
use sd_notify::NotifyState;

/// The way to the service manager.
#[derive(Debug, Default)]
pub(super) struct Notify {
    status: String,
    fed_steps: u64,
}

impl Notify {
    /// The longest pause between two feedings that the watchdog bears, if there is one.
    pub(super) fn watchdog_interval() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    /// The outputs are in a known state and the climate runs.
    pub(super) fn ready(&self) {
        send(&[NotifyState::Ready]);
    }

    /// The daemon ends in order.
    pub(super) fn stopping(&self) {
        send(&[NotifyState::Stopping, NotifyState::Status("stopping: outputs go to their stop rows")]);
    }

    /// One line for `systemctl status`; sent when it changed.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Feeds the watchdog if there was a control step since it was last fed.
    pub(super) fn feed(&mut self, steps: u64) {
        if steps != self.fed_steps && Self::watchdog_interval().is_some() {
            self.fed_steps = steps;
            send(&[NotifyState::Watchdog]);
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
