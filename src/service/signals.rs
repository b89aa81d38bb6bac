//! Signals as facts for the loop.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::{Signals, SignalsInfo};
use std::io;
use tokio_stream::StreamExt;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, SIGINT: end in order.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals that twind listens to.
pub(super) struct SignalQueue(SignalsInfo);

impl SignalQueue {
    /// Listens from now on. Needs a running tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub(super) fn listen() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Self)
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        match self.0.next().await {
            Some(SIGHUP) => Signal::Reload,
            // If the stream ended, no later signal would be heard: stop in order now.
            _ => Signal::Stop,
        }
    }
}
