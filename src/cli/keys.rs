//! Keys for `twind watch`: puts the terminal into a mode that delivers each key at once, and restores it at the end.
//!
//! It does so only where standard input is a terminal and this process is in its foreground. Signals that would end the program
//! set a flag instead, so that the terminal is restored first. SIGKILL leaves it as it is (`stty sane` restores it).

use core::time::Duration;
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{Read as _, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

/// A signal is acted on within this.
const STEP: Duration = Duration::from_millis(100);

/// The terminal, while its keys are read.
pub(super) struct Keys(Option<Terminal>);

struct Terminal {
    before: Termios,
    keys: Receiver<u8>,
    told_to_end: Arc<AtomicBool>,
}

impl Keys {
    /// Begins to read keys, if there is a terminal.
    pub(super) fn read() -> Self {
        Self(Terminal::take())
    }

    /// Waits for this time. Returns early, and true, when a key or a signal asks for the end.
    pub(super) fn asked_to_end_within(&self, time: Duration) -> bool {
        let Some(terminal) = &self.0 else {
            thread::sleep(time);
            return false;
        };
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match terminal.keys.recv_timeout(left.min(STEP)) {
                Ok(b'q' | b'Q') => return true,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                // Standard input has ended.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(left.min(STEP)),
            }
            if terminal.told_to_end.load(Ordering::Relaxed) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }
}

impl Terminal {
    fn take() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        // In the background the terminal belongs to another process.
        if tcgetpgrp(stdin()).is_ok_and(|group| group != getpgrp()) {
            return None;
        }
        let told_to_end = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&told_to_end)).ok()?;
        }
        let mut by_key = before.clone();
        by_key.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &by_key).ok()?;
        let (to_us, keys) = channel();
        let reads = move || {
            for key in stdin().lock().bytes() {
                let Ok(key) = key else { return };
                if to_us.send(key).is_err() {
                    return;
                }
            }
        };
        let terminal = Self { before, keys, told_to_end };
        thread::Builder::new().name("keys".to_owned()).spawn(reads).ok()?;
        Some(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if the terminal is gone, which needs no restoring.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
