//! The log and its reader, which hangs from time to time, as with a journal that is stuck or a pipe that nobody reads.
//!
//! Between the two stands twind's own `Backlog`, with less room than in the field, so that it fills. What waits is lost when
//! the process ends. Deliberately absent: checks (the oracle's).

use crate::presets::{ms, secs};
use crate::rng::Rng;
use crate::world::{Event, World};
use core::time::Duration;
use twind::ports::Notices;
use twind::report::Notice;
use twind::service::{Backlog, Next};

/// How many notices may wait for the reader.
pub(crate) const ROOM: usize = 6;

pub(crate) struct Log {
    backlog: Backlog<Notice>,
    /// What was logged since the last check.
    pub(crate) handed: Vec<Notice>,
    pub(crate) hangs: bool,
    rng: Rng,
    every: Duration,
}

impl Notices for Log {
    fn push(&mut self, notice: Notice) -> bool {
        self.handed.push(notice.clone());
        self.backlog.push(1, notice)
    }
}

impl Log {
    pub(crate) fn new(mut rng: Rng, rarer: u32) -> Self {
        let every = rarer * *rng.pick(&[secs(200), secs(900)]);
        Self { backlog: backlog(), handed: Vec::new(), hangs: false, rng, every }
    }

    /// The log of a new process.
    pub(crate) fn restart(&mut self) {
        self.backlog = backlog();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.backlog.len()
    }

    /// What the reader reads now.
    pub(crate) fn read(&mut self) -> Vec<Next<Notice>> {
        if self.hangs { Vec::new() } else { core::iter::from_fn(|| self.backlog.pop()).collect() }
    }
}

fn backlog() -> Backlog<Notice> {
    Backlog::new(ROOM, usize::MAX)
}

impl World {
    /// Plans when the reader hangs next, or reads again.
    pub(crate) fn plan_log(&mut self) {
        let log = &mut self.log;
        let wait = if log.hangs { log.rng.between((ms(100), secs(300))) } else { log.rng.wait(log.every) };
        self.plan(self.now + wait, Event::LogReader);
    }

    pub(crate) fn stop_or_resume_log_reader(&mut self) -> Result<(), String> {
        self.log.hangs = !self.log.hangs && !self.calm;
        let does = if self.log.hangs { "hangs" } else { "reads" };
        self.say(|| format!("the reader of the log {does}"));
        self.plan_log();
        self.read_log()
    }

    /// The reader reads what it can, and the oracle checks it.
    pub(crate) fn read_log(&mut self) -> Result<(), String> {
        for next in self.log.read() {
            self.oracle.handle_read(next)?;
        }
        self.oracle.check_log(self.log.hangs, self.log.len())
    }
}
