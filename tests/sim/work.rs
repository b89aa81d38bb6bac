//! Many runs on all processor cores, and their summary.
//!
//! Seeds are taken in order, each by the next free thread. Runs are independent, so the order in which they end does not
//! matter. Deliberately absent: what a run is (`run`).

use crate::run::{self, Failure, Summary};
use crate::world::Setup;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Which seeds, and how many.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) first: u64,
    /// The first runs take these seeds instead.
    pub(crate) seeds: Vec<u64>,
    /// Named presets, as `Setup::of` takes them. The runs take them in turn.
    pub(crate) presets: Vec<String>,
    /// The job ends when the first of these is reached.
    pub(crate) runs: Option<u64>,
    pub(crate) hours: Option<f64>,
    pub(crate) real: Option<Duration>,
    /// The job ends after this many failures.
    pub(crate) failures_max: u64,
    pub(crate) verbose: bool,
}

/// Seeds from 1 on, those with the short runs first: a failure that any of them would find is found soon.
pub(crate) fn short_first(count: u64) -> Vec<u64> {
    let mut seeds: Vec<u64> = (1..=count).collect();
    seeds.sort_by_key(|seed| Setup::of(*seed, "").map_or(Duration::ZERO, |setup| setup.pace.trouble));
    seeds
}

/// Does the job, and prints each failure at once.
pub(crate) fn work(job: &Job) -> Summary {
    let begun = Instant::now();
    let (mut total, mut told) = (Summary::default(), begun);
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (outcomes, heard) = channel();
        for _ in 0..threads {
            let outcomes = outcomes.clone();
            scope.spawn(|| runs(job, &next, &enough, outcomes));
        }
        drop(outcomes);
        for (setup, outcome) in heard {
            take(job, &setup, outcome, &mut total);
            let over = job.hours.is_some_and(|hours| total.hours() >= hours)
                || job.real.is_some_and(|real| begun.elapsed() >= real)
                || total.failures >= job.failures_max;
            enough.fetch_or(over, Ordering::Relaxed);
            if told.elapsed() >= PROGRESS_EVERY {
                println!("{}", total.line(begun.elapsed()));
                told = Instant::now();
            }
        }
    });
    total
}

fn runs(
    job: &Job,
    next: &AtomicU64,
    enough: &AtomicBool,
    outcomes: Sender<(Setup, Result<Summary, Failure>)>,
) {
    while !enough.load(Ordering::Relaxed) {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if job.runs.is_some_and(|runs| index >= runs) {
            return;
        }
        let preset =
            usize::try_from(index).ok().and_then(|index| job.presets.get(index % job.presets.len().max(1)));
        let preset = preset.map_or("", String::as_str);
        let seed = usize::try_from(index).ok().and_then(|index| job.seeds.get(index).copied());
        let Ok(setup) = Setup::of(seed.unwrap_or(job.first.wrapping_add(index)), preset) else { return };
        let outcome = run::run(&setup);
        if outcomes.send((setup, outcome)).is_err() {
            return;
        }
    }
}

fn take(job: &Job, setup: &Setup, outcome: Result<Summary, Failure>, total: &mut Summary) {
    let (seed, presets) = (setup.seed, setup.presets());
    match outcome {
        Ok(summary) => {
            if job.verbose {
                println!("seed {seed} {presets}: {}", summary.line(Duration::ZERO));
            }
            total.add(&summary);
        }
        Err(Failure { at, violation, trace }) => {
            total.failures += 1;
            total.runs += 1;
            println!("\n{trace}");
            println!("VIOLATION at {:.3} s, seed {seed}, {presets}: {violation}", at.as_secs_f64());
            println!("again: cargo sim -- --seed {seed} --preset {presets}\n");
        }
    }
}
