//! Ctrl-C, or another signal that ends the demonstration, ends the daemon and deletes the folder, which holds a connection
//! string.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// The exit status that a shell gives for a program ended by SIGINT.
const INTERRUPTED: i32 = 130;
const STEP: Duration = Duration::from_millis(50);
/// The most steps to wait for the daemon's end, and the most tries at deleting the folder.
const STEPS_MAX: usize = 100;

/// Waits for a signal in a thread of its own.
pub(crate) struct CleanUp {
    daemon: Arc<AtomicU32>,
}

impl CleanUp {
    /// Starts waiting.
    pub(crate) fn watch(folder: &Path) -> io::Result<Self> {
        let told = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&told))?;
        }
        let daemon = Arc::new(AtomicU32::new(0));
        let (theirs, folder) = (Arc::clone(&daemon), folder.to_owned());
        spawn(move || {
            while !told.load(Ordering::Relaxed) {
                sleep(STEP);
            }
            end(theirs.load(Ordering::Relaxed), &folder);
            std::process::exit(INTERRUPTED);
        });
        Ok(Self { daemon })
    }

    /// Names the daemon's process, so that it is ended too.
    pub(crate) fn also_end(&self, daemon: u32) {
        self.daemon.store(daemon, Ordering::Relaxed);
    }
}

fn end(daemon: u32, folder: &PathBuf) {
    if daemon != 0 {
        // The same Ctrl-C may have ended the daemon.
        let _ = Command::new("kill").arg(daemon.to_string()).output();
        for _ in 0..STEPS_MAX {
            // Nobody reaps it, so it stays a zombie.
            let stat = fs::read_to_string(format!("/proc/{daemon}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            sleep(STEP);
        }
    }
    // The enclosure's thread writes there until the end, so deleting may need more than one try.
    for _ in 0..STEPS_MAX {
        if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
    }
}
