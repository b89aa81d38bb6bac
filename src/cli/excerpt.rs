//! The end of what another program prints, in bounded time and memory.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// What is read at once, and how many such pieces may wait.
const CHUNK: usize = 16 * 1024;
const PIECES: usize = 4;

/// What a program printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The end of its output; a part of what it complained of comes last.
    pub(super) text: String,
    /// What is not as usual.
    pub(super) odd: Option<Odd>,
}

/// What is not as usual with an excerpt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// The beginning is left out.
    Shortened,
    /// The program was stopped, because it took too long.
    Stopped(Duration),
    /// It failed.
    Failed(String),
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shortened => f.write_str("the beginning is left out, since it is long"),
            Self::Stopped(patience) => write!(f, "it was stopped after {} s", patience.as_secs()),
            Self::Failed(status) => write!(f, "it failed: {status}"),
        }
    }
}

/// Runs a program and takes the end of its output.
///
/// # Errors
/// It cannot be run.
pub(super) fn take(command: &mut Command, patience: Duration, bytes_max: usize) -> io::Result<Excerpt> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let taken = take_from(&mut child, patience, bytes_max);
    // It may not have ended, and is no child of anybody else.
    let _ = child.kill();
    let status = child.wait()?;
    let (text, odd) = taken?;
    let failed = || (!status.success()).then(|| Odd::Failed(status.to_string()));
    Ok(Excerpt { text, odd: odd.or_else(failed) })
}

fn take_from(child: &mut Child, patience: Duration, bytes_max: usize) -> io::Result<(String, Option<Odd>)> {
    let end = Instant::now() + patience;
    let (to_here, pieces) = sync_channel(PIECES);
    for pipe in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
        let to_here = to_here.clone();
        // It ends with the program, whose end of the pipe is closed then.
        thread::Builder::new().spawn(move || forward(pipe, &to_here))?;
    }
    drop(to_here);
    let (mut last, mut odd) = (VecDeque::new(), None);
    loop {
        match pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(piece) => last.extend(piece),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                odd = Some(Odd::Stopped(patience));
                break;
            }
        }
        let surplus = last.len().saturating_sub(bytes_max);
        if surplus > 0 {
            last.drain(..surplus);
            odd = Some(Odd::Shortened);
        }
        if Instant::now() >= end {
            odd = Some(Odd::Stopped(patience));
            break;
        }
    }
    let bytes: Vec<u8> = last.into();
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if odd == Some(Odd::Shortened) {
        // It begins with a whole line.
        text = text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    }
    Ok((text, odd))
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

fn forward(mut pipe: Box<dyn Read + Send>, to: &SyncSender<Vec<u8>>) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(length @ 1..) = pipe.read(&mut bytes) {
        if to.send(bytes[..length].to_vec()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(script: &str, patience: Duration, bytes_max: usize) -> Excerpt {
        take(Command::new("sh").args(["-c", script]), patience, bytes_max).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_program_prints_is_taken_whole_if_it_is_short() {
        let excerpt = of("echo one; echo two", LONG, 100);
        assert_eq!(excerpt, Excerpt { text: "one\ntwo\n".into(), odd: None });
        let excerpt = of("echo told; echo why >&2; exit 3", LONG, 100);
        assert!(excerpt.text.contains("told\n") && excerpt.text.contains("why\n"), "{excerpt:?}");
        assert_eq!(excerpt.odd.unwrap().to_string(), "it failed: exit status: 3");
        assert!(take(&mut Command::new("/nowhere/program"), LONG, 100).is_err());
    }

    #[test]
    fn of_a_long_output_the_end_is_taken() {
        let excerpt = of("seq 100000; echo last", LONG, 20);
        assert!(excerpt.text.ends_with("100000\nlast\n") && excerpt.text.len() <= 20, "{excerpt:?}");
        assert_eq!(excerpt.odd, Some(Odd::Shortened));
    }

    #[test]
    fn a_program_that_hangs_or_never_stops_is_stopped() {
        let short = Duration::from_millis(300);
        for script in ["echo begun; exec sleep 1000", "echo begun; exec yes"] {
            let excerpt = of(script, short, 1000);
            assert_eq!(excerpt.odd, Some(Odd::Stopped(short)), "{script}");
        }
    }
}
