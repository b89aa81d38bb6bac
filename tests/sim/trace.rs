//! The trace of a run: the last lines for a reader, and a hash of all lines for a comparison.
//!
//! Most runs succeed and nobody reads them, so lines are written only on request: a run that failed is repeated for its
//! trace. Deliberately absent: any influence on what happens.

use crate::rng::Hash;
use core::time::Duration;
use std::collections::VecDeque;

const LINES_KEPT: usize = 250;

pub(crate) struct Trace {
    is_kept: bool,
    lines: VecDeque<(Duration, String)>,
    hash: Hash,
}

impl Trace {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self { is_kept, lines: VecDeque::new(), hash: Hash::default() }
    }

    pub(crate) fn say(&mut self, now: Duration, line: impl FnOnce() -> String) {
        if !self.is_kept {
            return;
        }
        let line = line();
        self.hash.take(&(now.as_nanos() as u64).to_le_bytes());
        self.hash.take(line.as_bytes());
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((now, line));
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// The last `count` lines.
    pub(crate) fn tail(&self, count: usize) -> String {
        let skipped = self.lines.len().saturating_sub(count);
        let line = |(at, line): &(Duration, String)| {
            let shown: String = line.chars().take(400).collect();
            format!("{:>12.3} s  {shown}\n", at.as_secs_f64())
        };
        self.lines.iter().skip(skipped).map(line).collect()
    }
}
