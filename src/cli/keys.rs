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

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Ends the program.
    End,
    /// Scrolls by a line.
    Up,
    Down,
    /// Scrolls by a page.
    PageUp,
    PageDown,
}

/// The bytes of a key that sends several, as far as they have come: `ESC [ A`, or `ESC O A` in the terminals' other mode.
#[derive(Debug, Default)]
struct Sequence(Vec<u8>);

impl Sequence {
    fn push(&mut self, byte: u8) -> Option<Key> {
        const ESCAPE: u8 = 0x1b;
        if byte == ESCAPE {
            self.0 = vec![byte];
            return None;
        }
        self.0.push(byte);
        let key = match self.0.as_slice() {
            [ESCAPE, b'[' | b'O'] => return None,
            [ESCAPE, b'[', between @ .., b'0'..=b'9' | b';'] if between.len() < 8 => return None,
            [b'q' | b'Q'] => Some(Key::End),
            [b'k'] | [ESCAPE, b'[' | b'O', b'A'] => Some(Key::Up),
            [b'j'] | [ESCAPE, b'[' | b'O', b'B'] => Some(Key::Down),
            [ESCAPE, b'[', b'5', b'~'] => Some(Key::PageUp),
            [b' '] | [ESCAPE, b'[', b'6', b'~'] => Some(Key::PageDown),
            _ => None,
        };
        self.0.clear();
        key
    }
}

struct Terminal {
    before: Termios,
    keys: Receiver<u8>,
    sequence: Sequence,
    told_to_end: Arc<AtomicBool>,
}

impl Keys {
    /// Begins to read keys, if there is a terminal.
    pub(super) fn read() -> Self {
        Self(Terminal::take())
    }

    /// Waits for this time. Returns early when a key means something, or a signal asks for the end.
    pub(super) fn next_within(&mut self, time: Duration) -> Option<Key> {
        let Some(terminal) = &mut self.0 else {
            thread::sleep(time);
            return None;
        };
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match terminal.keys.recv_timeout(left.min(STEP)) {
                Ok(byte) => {
                    if let Some(key) = terminal.sequence.push(byte) {
                        return Some(key);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Standard input has ended.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(left.min(STEP)),
            }
            if terminal.told_to_end.load(Ordering::Relaxed) {
                return Some(Key::End);
            }
            if left.is_zero() {
                return None;
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
        let terminal = Self { before, keys, sequence: Sequence::default(), told_to_end };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_send_several_bytes_are_one_key_and_unknown_ones_none() {
        let keys = |bytes: &[u8]| {
            let mut sequence = Sequence::default();
            bytes.iter().filter_map(|byte| sequence.push(*byte)).collect::<Vec<_>>()
        };
        use Key::{Down, End, PageDown, PageUp, Up};
        assert_eq!(keys(b"\x1b[A\x1b[B\x1bOA\x1bOB"), [Up, Down, Up, Down]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~ kjq"), [PageUp, PageDown, PageDown, Up, Down, End]);
        assert_eq!(keys(b"x\x1b[1;5Dq"), [End], "what is not known is skipped whole");
        assert_eq!(keys(b"\x1bq"), [], "Alt-q is another key");
        assert_eq!(keys(b"\x1b[\x1b[A"), [Up], "a new key ends one that was not finished");
    }
}
