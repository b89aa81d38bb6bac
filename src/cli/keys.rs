//! Keys for `twind watch`: puts the terminal into a mode that delivers each key at once, and restores it at the end.
//!
//! It does so only where standard input is a terminal and this process is in its foreground. Signals that would end the program
//! set a flag instead, so that the terminal is restored first. SIGKILL leaves it as it is (`stty sane` restores it).

use core::time::Duration;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{Read as _, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// A signal is acted on within this.
const STEP: Duration = Duration::from_millis(100);

/// If nothing follows for so long, Escape was the key; over a slow line the rest of a longer key may come late.
const ALONE: Duration = Duration::from_millis(150);

/// The terminal, while its keys are read.
pub(super) struct Keys {
    terminal: Option<Terminal>,
    told_to_end: Option<Arc<AtomicBool>>,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A signal asks for the end, such as Ctrl-C.
    End,
    /// A character of ASCII that can be seen, or a space.
    Char(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    /// Shift and Tab.
    BackTab,
    Up,
    Down,
    PageUp,
    PageDown,
}

/// The bytes of a key that sends several, as far as they have come: `ESC [ A`, or `ESC O A` in the terminals' other mode.
#[derive(Debug, Default)]
struct Sequence(Vec<u8>);

const ESCAPE: u8 = 0x1b;

impl Sequence {
    fn push(&mut self, byte: u8) -> Option<Key> {
        if byte == ESCAPE {
            let before = core::mem::replace(&mut self.0, vec![byte]);
            return (before == [ESCAPE]).then_some(Key::Escape);
        }
        self.0.push(byte);
        let key = match self.0.as_slice() {
            [ESCAPE, b'[' | b'O'] => return None,
            [ESCAPE, b'[', between @ .., b'0'..=b'9' | b';'] if between.len() < 8 => return None,
            [b'\r' | b'\n'] => Some(Key::Enter),
            [b'\t'] => Some(Key::Tab),
            [0x08 | 0x7f] => Some(Key::Backspace),
            [seen @ b' '..=b'~'] => Some(Key::Char(char::from(*seen))),
            [ESCAPE, b'[' | b'O', b'A'] => Some(Key::Up),
            [ESCAPE, b'[' | b'O', b'B'] => Some(Key::Down),
            [ESCAPE, b'[', b'Z'] => Some(Key::BackTab),
            [ESCAPE, b'[', b'5', b'~'] => Some(Key::PageUp),
            [ESCAPE, b'[', b'6', b'~'] => Some(Key::PageDown),
            _ => None,
        };
        self.0.clear();
        key
    }

    /// Nothing followed for a while: what begins as every longer key was the key of that name.
    fn end(&mut self) -> Option<Key> {
        let is_alone = self.0 == [ESCAPE];
        if is_alone {
            self.0.clear();
        }
        is_alone.then_some(Key::Escape)
    }
}

struct Terminal {
    keys: Receiver<u8>,
    sequence: Sequence,
    /// When the last byte came.
    heard: Instant,
}

impl Keys {
    /// Begins to read keys, if there is a terminal. Without one a signal ends the program as any other.
    pub(super) fn read() -> Self {
        let may_take = is_ours();
        let told_to_end = if may_take { end_by_flag() } else { None };
        Self { terminal: told_to_end.is_some().then(Terminal::take).flatten(), told_to_end }
    }

    /// The same for a program that has something to restore, whether or not there are keys.
    pub(super) fn of_screen() -> Self {
        Self { told_to_end: end_by_flag(), terminal: is_ours().then(Terminal::take).flatten() }
    }

    /// Waits for this time. Returns early when there is a key, or a signal asks for the end.
    pub(super) fn next_within(&mut self, time: Duration) -> Option<Key> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match &mut self.terminal {
                None => thread::sleep(left.min(STEP)),
                Some(terminal) => {
                    if let Some(key) = terminal.next_within(left.min(STEP)) {
                        return Some(key);
                    }
                }
            }
            if self.told_to_end.as_ref().is_some_and(|told| told.load(Ordering::Relaxed)) {
                return Some(Key::End);
            }
            if left.is_zero() {
                return None;
            }
        }
    }
}

/// Is standard input a terminal, and in the foreground? In the background it belongs to another process.
fn is_ours() -> bool {
    tcgetattr(stdin()).is_ok() && !tcgetpgrp(stdin()).is_ok_and(|group| group != getpgrp())
}

fn end_by_flag() -> Option<Arc<AtomicBool>> {
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&told_to_end)).ok()?;
    }
    Some(told_to_end)
}

/// How the terminal was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Restores the terminal, if it was changed. Fails if it is gone, which needs no restoring.
pub(super) fn restore() {
    let before = BEFORE.lock().ok().and_then(|mut before| before.take());
    let Some(before) = before else { return };
    let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
}

impl Terminal {
    fn take() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut by_key = before.clone();
        *BEFORE.lock().ok()? = Some(before);
        by_key.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        // A shell would write over the screen.
        by_key.special_codes[SpecialCodeIndex::VSUSP] = 0;
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
        let terminal = Self { keys, sequence: Sequence::default(), heard: Instant::now() };
        thread::Builder::new().name("keys".to_owned()).spawn(reads).ok()?;
        Some(terminal)
    }

    fn next_within(&mut self, time: Duration) -> Option<Key> {
        match self.keys.recv_timeout(time) {
            Ok(byte) => {
                self.heard = Instant::now();
                return self.sequence.push(byte);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Standard input has ended.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(time),
        }
        if self.heard.elapsed() >= ALONE { self.sequence.end() } else { None }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
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
        use Key::{BackTab, Backspace, Char, Down, Enter, Escape, PageDown, PageUp, Tab, Up};
        assert_eq!(keys(b"\x1b[A\x1b[B\x1bOA\x1bOB"), [Up, Down, Up, Down]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~ q"), [PageUp, PageDown, Char(' '), Char('q')]);
        assert_eq!(keys(b"\t\x1b[Z\r\n\x7f\x08"), [Tab, BackTab, Enter, Enter, Backspace, Backspace]);
        assert_eq!(keys(b"\x01\x1b[1;5D\xc3\xa4q"), [Char('q')], "what is not known is skipped whole");
        assert_eq!(keys(b"\x1bq"), [], "Alt-q is another key");
        assert_eq!(keys(b"\x1b[\x1b[A"), [Up], "a new key ends one that was not finished");
        assert_eq!(keys(b"\x1b\x1b[A"), [Escape, Up]);
    }

    #[test]
    fn escape_alone_is_a_key_when_nothing_follows() {
        let mut sequence = Sequence::default();
        assert_eq!((sequence.push(0x1b), sequence.end(), sequence.end()), (None, Some(Key::Escape), None));
        assert_eq!(sequence.push(b'['), Some(Key::Char('[')));
        assert_eq!((sequence.push(0x1b), sequence.push(b'['), sequence.end()), (None, None, None));
    }
}
