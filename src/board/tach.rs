//! Tachometers: how fast fans turn. A fan pulls a line low a few times in each turn; the kernel counts the edges, and one thread
//! for all fans reads the counts once a second.
//!
//! Both drivers of real pins get edges from the kernel's character devices; a simulated fan's speed is the number in the file
//! `OUTPUT.rpm` of the board's folder. *News* is a speed whose meaning changed: the fan turns now, has stopped, or its speed is
//! unknown. Other speeds are ready when the loop wakes for another reason. A line that failed is tried again without end, since
//! a chip may come back. What to do about a fan that does not turn is the core's.

use super::BoardSettings;
use crate::control::{OutputId, PinFault};
use crate::files;
use crate::units::BootTime;
use core::convert::Infallible;
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

/// How long the end of the thread is waited for.
const END_PATIENCE: Duration = Duration::from_millis(200);
/// More than any speed takes in a file.
const SPEED_BYTES_MAX: u64 = 64;
/// Between two looks.
const WINDOW: Duration = Duration::from_secs(1);

/// How fast an output turned within the last second.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// Whose.
    pub output: OutputId,
    /// When it was counted.
    pub at: BootTime,
    /// Turns a minute, or why they are unknown.
    pub rpm: Result<f64, PinFault>,
    /// Its meaning differs from the last speed's.
    pub is_news: bool,
}

/// The thread that counts. When this is dropped the thread ends and its lines are free; a thread that is stuck in a read is left
/// behind.
pub struct Tachs {
    /// `None` only while dropping.
    stop: Option<Sender<()>>,
    /// Disconnects when the thread has ended.
    ended: Receiver<Infallible>,
}

impl Tachs {
    /// Starts counting for every output that has a tachometer; `None`, and no thread, if none has.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn start(
        settings: &BoardSettings,
        clock: impl Fn() -> BootTime + Send + 'static,
        deliver: impl Fn(Speed) + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let of = |(index, output): (usize, &super::PinSettings)| {
            let turns = (settings.driver.turns)(settings, output, output.tach.as_ref()?);
            Some(Counter { output: OutputId(index), turns, told: None })
        };
        let counters: Vec<Counter> = settings.outputs.iter().enumerate().filter_map(of).collect();
        if counters.is_empty() {
            return Ok(None);
        }
        let ((stop, stopped), (ending, ended)) = (channel(), channel());
        let run = move || {
            run(counters, &clock, &deliver, &stopped);
            drop(ending);
        };
        thread::Builder::new().name("tach".to_owned()).spawn(run)?;
        Ok(Some(Self { stop: Some(stop), ended }))
    }
}

impl Drop for Tachs {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.ended.recv_timeout(END_PATIENCE);
    }
}

/// Tells how fast something turns.
pub(super) trait Turns: Send {
    /// Turns a minute since the last look, `elapsed` ago; `None` at the first look.
    ///
    /// # Errors
    /// Why they are unknown. They may be known the next time.
    fn look(&mut self, elapsed: Option<Duration>) -> Result<Option<f64>, PinFault>;
}

/// A number in a file.
pub(super) struct File(pub(super) PathBuf);

impl Turns for File {
    fn look(&mut self, _elapsed: Option<Duration>) -> Result<Option<f64>, PinFault> {
        let fault = |why: &str| PinFault { reason: format!("{}: {why}", self.0.display()) };
        let (bytes, _) =
            files::read(&self.0, SPEED_BYTES_MAX).map_err(|unread| fault(&unread.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        let number = text.trim().parse().ok().filter(|rpm: &f64| rpm.is_finite() && *rpm >= 0.0);
        number.map(Some).ok_or_else(|| fault("it holds no speed"))
    }
}

/// The speed from a number of edges in a time.
pub(super) fn turns_a_minute(edges: u32, elapsed: Duration, pulses_per_turn: u32) -> f64 {
    let turns = f64::from(edges) / f64::from(pulses_per_turn.max(1));
    turns * 60.0 / elapsed.max(Duration::from_millis(1)).as_secs_f64()
}

struct Counter {
    output: OutputId,
    turns: Box<dyn Turns>,
    /// What the last speed meant.
    told: Option<Meaning>,
}

#[derive(Clone, Debug, PartialEq)]
enum Meaning {
    Turns,
    Stands,
    Unknown(String),
}

impl Counter {
    fn look(&mut self, at: BootTime, elapsed: Option<Duration>) -> Option<Speed> {
        let rpm = self.turns.look(elapsed).transpose()?;
        let meaning = match &rpm {
            Ok(rpm) if *rpm > 0.0 => Meaning::Turns,
            Ok(_) => Meaning::Stands,
            Err(fault) => Meaning::Unknown(fault.reason.clone()),
        };
        let is_news = self.told.as_ref() != Some(&meaning);
        self.told = Some(meaning);
        Some(Speed { output: self.output, at, rpm, is_news })
    }
}

fn run(
    mut counters: Vec<Counter>,
    clock: &dyn Fn() -> BootTime,
    deliver: &dyn Fn(Speed),
    stopped: &Receiver<()>,
) {
    let mut last: Option<BootTime> = None;
    loop {
        let now = clock();
        let elapsed = last.map(|last| now.since(last));
        counters.iter_mut().filter_map(|counter| counter.look(now, elapsed)).for_each(deliver);
        last = Some(now);
        if stopped.recv_timeout(WINDOW) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{PinSettings, TachSettings, gpiochip, simulated};
    use std::fs;
    use std::path::Path;

    const LONG: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    #[test]
    fn edges_in_a_window_are_turns_a_minute() {
        assert_eq!(turns_a_minute(100, WINDOW, 2), 3000.0);
        assert_eq!(turns_a_minute(0, WINDOW, 2), 0.0);
        assert_eq!(turns_a_minute(150, Duration::from_millis(1500), 1), 6000.0);
        assert!(turns_a_minute(u32::MAX, Duration::ZERO, 0).is_finite());
    }

    fn simulated(folder: &Path) -> BoardSettings {
        let tach = TachSettings { chip: None, pin: 0, pulses_per_turn: 2 };
        let pin = |name: &str, tach| PinSettings { name: name.into(), line: None, active_low: false, tach };
        let outputs = vec![pin("lamp", None), pin("fan", Some(tach))];
        BoardSettings { driver: &simulated::DRIVER, folder: folder.to_owned(), outputs }
    }

    fn counter(settings: &BoardSettings, index: usize) -> Counter {
        let output = &settings.outputs[index];
        let turns = (settings.driver.turns)(settings, output, output.tach.as_ref().unwrap());
        Counter { output: OutputId(index), turns, told: None }
    }

    #[test]
    fn a_simulated_fan_turns_as_its_file_says_and_only_another_meaning_is_news() {
        let folder = tempfile::tempdir().unwrap();
        let mut counter = counter(&simulated(folder.path()), 1);
        let file = folder.path().join("fan.rpm");
        let mut look = |text: &str| {
            fs::write(&file, text).unwrap();
            let speed = counter.look(at(1), Some(WINDOW)).unwrap();
            (speed.rpm.ok(), speed.is_news)
        };
        assert_eq!(look("1200\n"), (Some(1200.0), true));
        assert_eq!(look("1300"), (Some(1300.0), false));
        assert_eq!(look("0"), (Some(0.0), true));
        assert_eq!(look("0"), (Some(0.0), false));
        for nonsense in ["", "fast", "NaN", "-1", "inf"] {
            assert_eq!(look(nonsense).0, None, "{nonsense:?}");
        }
        assert_eq!(look("1"), (Some(1.0), true));
        fs::remove_file(&file).unwrap();
        let speed = counter.look(at(1), Some(WINDOW)).unwrap();
        assert!(speed.rpm.unwrap_err().reason.contains("fan.rpm: No such file"));
    }

    #[test]
    fn a_thread_that_is_stuck_in_a_look_is_left_to_itself() {
        let ((stop, stopped), (_stuck, ended)) = (channel(), channel());
        drop(Tachs { stop: Some(stop), ended });
        assert!(stopped.recv().is_err(), "it has been asked to end");
    }

    #[test]
    fn a_line_that_cannot_be_had_is_told_once_and_tried_again() {
        let tach = TachSettings { chip: Some("gpiochip4711".into()), pin: 24, pulses_per_turn: 2 };
        let mut settings = simulated(Path::new(""));
        settings.driver = &gpiochip::DRIVER;
        settings.outputs[1].tach = Some(tach);
        let mut counter = counter(&settings, 1);
        for is_news in [true, false] {
            let speed = counter.look(at(1), Some(WINDOW)).unwrap();
            assert!(speed.rpm.unwrap_err().reason.contains("gpiochip4711"));
            assert_eq!(speed.is_news, is_news);
        }
    }

    #[test]
    fn the_thread_delivers_for_those_that_have_a_tach_and_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("fan.rpm"), "900").unwrap();
        let (sender, speeds) = channel();
        let deliver = move |speed| drop(sender.send(speed));
        let tachs = Tachs::start(&simulated(folder.path()), || at(7), deliver).unwrap().unwrap();
        let first: Speed = speeds.recv_timeout(LONG).unwrap();
        assert_eq!(first, Speed { output: OutputId(1), at: at(7), rpm: Ok(900.0), is_news: true });
        drop(tachs);
        while speeds.recv_timeout(LONG).is_ok() {}
    }

    #[test]
    fn a_board_without_tachs_has_no_thread() {
        let mut settings = simulated(Path::new("/nowhere"));
        settings.outputs.pop();
        assert!(Tachs::start(&settings, || at(0), |_| {}).unwrap().is_none());
    }
}
