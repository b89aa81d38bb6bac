//! Identifies a process uniquely, and finds out whether its main thread is alive.
//!
//! A killed process may stay in the process table: a thread that is stuck in the kernel, on a disk that hangs, keeps its files and
//! locks open. Its main thread, which controls the outputs, is dead all the same, and that is what counts here.

use core::fmt;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// `SIGKILL` in a set of signals as `/proc` shows it.
const KILLED: u64 = 1 << 8;
/// The position of the start time in `/proc/N/stat`, counted from the state, which follows the name.
const STARTED: usize = 19;

/// One process of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, which a later process may have, too.
    pub id: u32,
    /// When it was started, in the kernel's ticks after boot.
    pub started: u64,
    /// Which boot.
    pub boot: String,
    /// The namespace in which its number counts.
    pub namespace: String,
}

/// Whether a process's main thread is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It is.
    Alive,
    /// It will never run again, even if the process is still in the table.
    Dead,
    /// It cannot be known from here.
    Unknown,
}

impl Process {
    /// This process; `None` where `/proc` does not say.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// A process by its number, in our namespace.
    pub fn of(id: u32) -> Option<Self> {
        let (_, started) = stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?;
        Some(Self { id, started, boot: boot()?, namespace: namespace()? })
    }

    /// Is its main thread alive?
    pub fn liveness(&self) -> Liveness {
        let Some(boot) = boot() else { return Liveness::Unknown };
        if boot != self.boot {
            return Liveness::Dead;
        }
        if namespace().as_ref() != Some(&self.namespace) {
            return Liveness::Unknown;
        }
        match fs::read_to_string(format!("/proc/{}/stat", self.id)) {
            Ok(text) => match stat(&text) {
                Some((state, started)) if started != self.started || matches!(state, 'Z' | 'X' | 'x') => {
                    Liveness::Dead
                }
                Some(_) if self.is_killed() => Liveness::Dead,
                Some(_) => Liveness::Alive,
                None => Liveness::Unknown,
            },
            // The process is hidden, or gone.
            Err(_) if self.is_gone() => Liveness::Dead,
            Err(_) => Liveness::Unknown,
        }
    }

    /// Was it killed? A killed main thread that hangs in the kernel never returns to control.
    fn is_killed(&self) -> bool {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.id)) else { return false };
        let pending =
            status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
        pending.filter_map(|set| u64::from_str_radix(set.trim(), 16).ok()).any(|set| set & KILLED != 0)
    }

    fn is_gone(&self) -> bool {
        let number = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let Some(number) = number else { return true };
        test_kill_process(number) == Err(rustix::io::Errno::SRCH)
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        Some(Self {
            id: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
            namespace: words.next()?.to_owned(),
        })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.id, self.started, self.boot, self.namespace)
    }
}

/// State and start time. The name before them, in parentheses, may contain anything.
fn stat(text: &str) -> Option<(char, u64)> {
    let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((words.first()?.chars().next()?, words.get(STARTED)?.parse().ok()?))
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

fn namespace() -> Option<String> {
    let link: io::Result<_> = fs::read_link("/proc/self/ns/pid");
    link.ok().map(|link| link.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_runs_lives_and_who_has_his_number_later_is_another() {
        let own = Process::own().unwrap();
        assert_eq!(own.liveness(), Liveness::Alive);
        assert_eq!(Process::parse(&own.to_string()), Some(own.clone()));
        assert_eq!(Process { started: own.started + 1, ..own.clone() }.liveness(), Liveness::Dead);
        assert_eq!(Process { boot: "another".into(), ..own.clone() }.liveness(), Liveness::Dead);
        assert_eq!(Process { namespace: "pid:[1]".into(), ..own }.liveness(), Liveness::Unknown);
    }

    #[test]
    fn a_process_whose_main_thread_is_dead_does_not_live_though_it_is_still_there() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert_eq!(process.liveness(), Liveness::Alive);
        // Killed and not yet waited for, it stays in the table as one that hangs would.
        child.kill().unwrap();
        while process.liveness() == Liveness::Alive {
            std::thread::yield_now();
        }
        assert_eq!(process.liveness(), Liveness::Dead);
        assert!(Process::of(child.id()).is_some());
        child.wait().unwrap();
        assert_eq!(process.liveness(), Liveness::Dead);
        assert_eq!(Process::of(child.id()), None);
    }

    #[test]
    fn a_name_that_looks_like_more_is_but_a_name() {
        let text = "7 (a) Z 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n";
        assert_eq!(stat(text), Some(('S', 4711)));
        assert_eq!(stat("7 (a"), None);
    }
}
