//! A small thermal model of an enclosure: electronics heat it, the walls leak, the fan blows warm air out.
//!
//! One heat capacity, one temperature. A thread steps it, reads the drive that twind wrote for the fan, and writes
//! the temperature where twind's sensor looks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

const HEAT_W: f64 = 55.0;
const OUTSIDE_C: f64 = 12.0;
const START_C: f64 = 21.0;
const LEAK_W_PER_K: f64 = 1.5;
const FAN_W_PER_K: f64 = 9.0;
const CAPACITY_J_PER_K: f64 = 2500.0;
/// One real second is a minute in the model.
const SPEED: f64 = 60.0;
const STEP: Duration = Duration::from_millis(50);

/// The running model; ends when dropped.
pub(crate) struct Plant {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    end: AtomicBool,
    temperature_bits: AtomicU64,
    hottest: std::sync::Mutex<f64>,
}

impl Plant {
    /// Starts the model on a folder: it reads `board/fan` and writes `temperature`.
    pub(crate) fn start(folder: &Path) -> Self {
        let state = Arc::new(State {
            end: AtomicBool::new(false),
            temperature_bits: AtomicU64::new(START_C.to_bits()),
            hottest: std::sync::Mutex::new(START_C),
        });
        write(folder, START_C);
        let (theirs, folder) = (Arc::clone(&state), folder.to_owned());
        let thread = std::thread::spawn(move || run(&theirs, &folder));
        Self { state, thread: Some(thread) }
    }

    /// The present temperature, in degrees Celsius.
    pub(crate) fn temperature(&self) -> f64 {
        f64::from_bits(self.state.temperature_bits.load(Ordering::Relaxed))
    }

    /// The highest temperature since the last call, in degrees Celsius.
    pub(crate) fn take_hottest(&self) -> f64 {
        let mut hottest = self.state.hottest.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *hottest, self.temperature())
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.state.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It returns nothing; a panic in it shows as a temperature that stands still.
            let _ = thread.join();
        }
    }
}

fn run(state: &State, folder: &Path) {
    let mut temperature = START_C;
    while !state.end.load(Ordering::Relaxed) {
        let drive = drive(&folder.join("board/fan"));
        let out_w = (LEAK_W_PER_K + FAN_W_PER_K * drive) * (temperature - OUTSIDE_C);
        temperature += (HEAT_W - out_w) / CAPACITY_J_PER_K * STEP.as_secs_f64() * SPEED;
        state.temperature_bits.store(temperature.to_bits(), Ordering::Relaxed);
        let mut hottest = state.hottest.lock().unwrap_or_else(PoisonError::into_inner);
        *hottest = hottest.max(temperature);
        drop(hottest);
        write(folder, temperature);
        sleep(STEP);
    }
}

fn drive(file: &PathBuf) -> f64 {
    let permille = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<f64>().ok());
    permille.unwrap_or(0.0) / 1000.0
}

/// Replaces the file as a whole, so that the sensor never reads half a number.
fn write(folder: &Path, temperature: f64) {
    let (new, file) = (folder.join(".temperature"), folder.join("temperature"));
    if fs::write(&new, format!("{temperature:.2}\n")).is_ok() {
        let _ = fs::rename(new, file);
    }
}
