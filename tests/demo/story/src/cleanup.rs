//! Nothing is left behind. Ctrl-C, or another signal that ends the demonstration, restores the terminal, ends the daemon and deletes
//! the folder, which holds a connection string.

use crate::live::Live;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// The exit status that a shell gives for a program ended by SIGINT.
const INTERRUPTED: i32 = 130;
const STEP: Duration = Duration::from_millis(50);
/// The most steps to wait for the daemon's end, and the most tries at deleting the folder.
const STEPS_MAX: usize = 100;

/// What there is to clean up.
#[derive(Clone)]
pub(crate) struct CleanUp(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    /// By a signal.
    told_to_end: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    daemon: Option<u32>,
    screen: Option<Arc<Live>>,
}

impl CleanUp {
    /// Makes a folder that only this user may read, and waits for a signal in a thread of its own.
    pub(crate) fn watch() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("twind-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let told_to_end = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&told_to_end))?;
        }
        let shared = Arc::new(Shared { folder, told_to_end, state: Mutex::default() });
        let theirs = Arc::clone(&shared);
        spawn(move || {
            while !theirs.told_to_end.load(Ordering::Relaxed) {
                sleep(STEP);
            }
            // Held until the end, so that no daemon is started any more.
            let mut state = theirs.state();
            state.end(&theirs.folder);
            std::process::exit(INTERRUPTED);
        });
        Ok(Self(shared))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Starts the daemon; it is ended with everything else.
    pub(crate) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut state = self.0.state();
        let child = command.spawn()?;
        state.daemon = Some(child.id());
        Ok(child)
    }

    /// The daemon has ended.
    pub(crate) fn daemon_ended(&self) {
        self.0.state().daemon = None;
    }

    /// There is a screen to be left.
    pub(crate) fn show(&self, screen: Arc<Live>) {
        self.0.state().screen = Some(screen);
    }

    /// Leaves the screen, if there is one: what follows is to be read after the end.
    pub(crate) fn leave_screen(&self) {
        self.0.state().screen.take().into_iter().for_each(|screen| screen.leave());
    }

    /// What is told goes nowhere any more: the end, as by a signal.
    pub(crate) fn nobody_reads(&self) {
        self.0.told_to_end.store(true, Ordering::Relaxed);
    }

    /// Whatever fails after a signal fails because of it, and is not told.
    pub(crate) fn wait_if_told_to_end(&self) {
        while self.0.told_to_end.load(Ordering::Relaxed) {
            sleep(STEP);
        }
    }

    /// Ends what still is.
    pub(crate) fn end(&self) {
        self.wait_if_told_to_end();
        self.0.state().end(&self.0.folder);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&mut self, folder: &Path) {
        self.screen.take().into_iter().for_each(|screen| screen.leave());
        if let Some(daemon) = self.daemon.take() {
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
        // The site's thread writes there until the end, so deleting may need more than one try.
        for _ in 0..STEPS_MAX {
            if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
                return;
            }
        }
    }
}
