//! A simulated site: a thread steps its model, reads the drives that twind wrote for the outputs, and writes the readings where
//! twind's sensors look.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// One real second is a minute in the model.
pub(crate) const SPEED: u32 = 60;
const STEP: Duration = Duration::from_millis(50);

/// What happens at a site: first-order differential equations, stepped by Euler's method.
pub(crate) trait Model: Send + 'static {
    /// Goes on by `seconds`, in which each output is driven at `drive(OUTPUT)`, a share from 0 to 1.
    fn step(&mut self, seconds: f64, drive: &dyn Fn(&str) -> f64);

    /// Each sensor's file and its reading; a sensor that is lost has none, and no file.
    fn readings(&self) -> Vec<(&'static str, Option<f64>)>;
}

/// A running model; ends when dropped.
pub(crate) struct Plant<M> {
    shared: Arc<Shared<M>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<M> {
    end: AtomicBool,
    model: Mutex<M>,
}

impl<M> Shared<M> {
    fn model(&self) -> MutexGuard<'_, M> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Model> Plant<M> {
    /// Starts a model: it reads the files of the outputs in `board`, and writes those of the sensors in `folder`, which is there.
    pub(crate) fn start(board: PathBuf, folder: PathBuf, model: M) -> Self {
        write(&folder, &model.readings());
        let shared = Arc::new(Shared { end: AtomicBool::new(false), model: Mutex::new(model) });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(&theirs, &board, &folder));
        Self { shared, thread: Some(thread) }
    }

    /// What looks at the model, for another thread.
    pub(crate) fn looks<T, F>(&self, look: F) -> impl Fn() -> T + Send + use<M, T, F>
    where
        F: Fn(&M) -> T + Send,
    {
        let shared = Arc::clone(&self.shared);
        move || look(&shared.model())
    }

    /// Looks at the model, or changes it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut M) -> T) -> T {
        act(&mut self.shared.model())
    }
}

impl<M> Drop for Plant<M> {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It returns nothing; a panic in it shows as readings that stand still.
            let _ = thread.join();
        }
    }
}

fn run<M: Model>(shared: &Shared<M>, board: &Path, folder: &Path) {
    while !shared.end.load(Ordering::Relaxed) {
        let seconds = STEP.as_secs_f64() * f64::from(SPEED);
        let readings = {
            let mut model = shared.model();
            model.step(seconds, &|output| drive(&board.join(output)).unwrap_or(0.0));
            model.readings()
        };
        write(folder, &readings);
        sleep(STEP);
    }
}

/// What an output's file on the simulated board says, as a share from 0 to 1.
pub(crate) fn drive(file: &Path) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().parse::<f64>().ok()? / 1000.0)
}

/// Replaces each file as a whole, so that a sensor never reads half a number.
fn write(folder: &Path, readings: &[(&str, Option<f64>)]) {
    for (name, reading) in readings {
        let (new, file) = (folder.join(format!(".{name}")), folder.join(name));
        let Some(reading) = reading else {
            let _ = fs::remove_file(file);
            continue;
        };
        if fs::write(&new, format!("{reading:.2}\n")).is_ok() {
            let _ = fs::rename(new, file);
        }
    }
}
