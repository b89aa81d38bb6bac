//! The command line. `cargo test` calls every test target with its own arguments, so those are accepted, too.

use std::time::Duration;

/// The short round of `cargo test`.
const SHORT: Duration = Duration::from_secs(40);
/// A seed whose first rounds include a kill, a restart of the hub and a failing disk.
const SHORT_SEED: u64 = 1;

pub(crate) struct Plan {
    pub(crate) seed: u64,
    length: Duration,
    only: Option<u64>,
}

pub(crate) enum Asked {
    Play(Plan),
    /// A filter for other tests.
    Nothing,
    Wrong,
}

pub(crate) fn read(words: impl Iterator<Item = String>) -> Asked {
    let mut plan = Plan { seed: SHORT_SEED, length: SHORT, only: None };
    let mut words = words.filter(|word| word != "--");
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let known = match word.as_str() {
            "--minutes" => number().map(|minutes| plan.length = Duration::from_secs(minutes * 60)),
            "--seed" => number().map(|seed| plan.seed = seed),
            "--round" => number().map(|round| plan.only = Some(round)),
            "--test-threads" | "--skip" | "--format" | "--color" => words.next().map(drop),
            "--list" | "--ignored" => return Asked::Nothing,
            "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" | "--show-output"
            | "--include-ignored" => Some(()),
            filter if !filter.starts_with('-') && "chaos".contains(filter) => Some(()),
            filter if !filter.starts_with('-') => return Asked::Nothing,
            _ => None,
        };
        if known.is_none() {
            return Asked::Wrong;
        }
    }
    Asked::Play(plan)
}

impl Plan {
    pub(crate) fn first_round(&self) -> u64 {
        self.only.unwrap_or(0)
    }

    pub(crate) fn goes_on(&self, round: u64, passed: Duration) -> bool {
        match self.only {
            Some(only) => round == only,
            None => passed < self.length,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self.only {
            Some(round) => format!("round {round} alone"),
            None => format!("{} s", self.length.as_secs()),
        }
    }

    /// The command that repeats it.
    pub(crate) fn command(&self) -> String {
        match self.only {
            Some(round) => format!("cargo chaos -- --seed {} --round {round}", self.seed),
            None => {
                let minutes = self.length.as_secs().div_ceil(60);
                format!("cargo chaos -- --minutes {minutes} --seed {}", self.seed)
            }
        }
    }
}
