//! What was done and when. The last part of it is shown with a failure.

use std::collections::VecDeque;
use std::time::Instant;

const KEPT: usize = 80;

pub(crate) struct Timeline {
    since: Instant,
    last: VecDeque<String>,
    /// How many entries there ever were.
    pub(crate) count: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { since: Instant::now(), last: VecDeque::new(), count: 0 }
    }
}

impl Timeline {
    pub(crate) fn note(&mut self, what: &str) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{:>9.3} s  {what}", self.since.elapsed().as_secs_f64()));
        self.count += 1;
    }

    pub(crate) fn show(&self) -> String {
        self.last.iter().map(|line| format!("{line}\n")).collect()
    }
}
