//! The deterministic simulation: the real core in a simulated world with virtual time, in which everything that can fail
//! does. An oracle checks it after every single event.
//!
//! `cargo sim` runs a fixed set of seeds and then new ones for two minutes, or what it is told to (`--help`); `cargo
//! test` runs a part of the fixed set. A seed that failed is run again with the command that is printed with it.
//! Deliberately absent: real time, files, sockets; each run has one thread.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that talks to a person; its presets are constants"
)]

mod connect;
mod disk;
mod faults;
mod foreign;
mod hub;
mod log;
mod message;
mod net;
mod oracle;
mod plant;
mod presets;
mod replay;
mod ring;
mod rng;
mod run;
mod sites;
mod tachs;
mod technician;
mod trace;
mod wire;
mod wishes;
mod work;
mod world;

use presets::{DISKS, NETS, NetPreset};
use run::Summary;
use sites::SITES;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use work::{Job, short_first, work};
use world::Setup;

/// Seeds that are always run: by `cargo sim`, and of the first of them by `cargo test`, which is not optimised, those that take no
/// week.
const FIXED: u64 = 600;
const FIXED_IN_TESTS: u64 = 48;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// New seeds in `cargo test`.
const FRESH_IN_TESTS: u64 = 8;
/// `cargo sim` goes on with new seeds until then.
const SUITE: Duration = Duration::from_secs(120);
/// It ends after this many failures.
const FAILURES_MAX: u64 = 20;
const USAGE: &str = "usage: cargo sim [-- [--seed S] [--preset NET+DISK+SITE+PACE] [--runs N] [--hours H] [--minutes-real M] [--fixed] [--weeks] [--fail-fast] [--verbose]]
       cargo sim -- --replay FILE
       cargo sim -- --incidents

Without more than that: the seeds 1 to 600, then new ones for two minutes. With --seed alone, that one run; with --fixed the
seeds 1 to 600 alone; with --weeks a quiet week of each network at each site, with the disks in turn. --runs counts runs, --hours simulated hours, --minutes-real this machine's time; it ends with the
first that is reached. --replay replays a core's journal up to the first input with other consequences than it had;
--incidents makes the stored incidents anew, as a change of the journal's format requires. A violation is printed with what led to it and the command that runs it again; the exit status is 1
then. It ends after twenty of them, with --fail-fast after one.";

/// What the command line asks for.
enum Wish {
    /// What `cargo test` runs.
    Short,
    /// What `cargo sim` runs.
    Suite,
    Job(Job),
    Replay(PathBuf),
    Incidents,
}

fn main() -> ExitCode {
    let Some(wish) = wish(std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::from(64);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let total = match wish {
        Wish::Short => suite(FIXED_IN_TESTS, Some(FRESH_IN_TESTS), Duration::ZERO),
        Wish::Suite => suite(FIXED, None, SUITE),
        Wish::Job(job) => work(&job),
        Wish::Replay(path) => return told(replay::play_file(&path)),
        Wish::Incidents => return told(replay::make_incidents()),
    };
    println!("{}", total.line(begun.elapsed()));
    if total.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(outcome: Result<(), String>) -> ExitCode {
    outcome.map_or_else(
        |reason| {
            println!("VIOLATION: {reason}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn wish(words: impl Iterator<Item = String>) -> Option<Wish> {
    let (mut job, mut seed, mut suite, mut bare) = (fresh(), None, false, true);
    let mut words = words.filter(|word| word != "--");
    while let Some(word) = words.next() {
        bare &= word == "--suite";
        match word.as_str() {
            // Given by the alias `cargo sim`.
            "--suite" => suite = true,
            "--seed" => seed = Some(words.next()?.parse().ok()?),
            "--preset" => job.presets = vec![words.next()?],
            "--runs" => job.runs = Some(words.next()?.parse().ok()?),
            "--hours" => job.hours = Some(words.next()?.parse().ok()?),
            "--minutes-real" => {
                let minutes: f64 = words.next()?.parse().ok()?;
                job.real = Some(Duration::try_from_secs_f64(minutes * 60.0).ok()?);
            }
            "--fixed" => (seed, job.runs, job.seeds) = (Some(1), Some(FIXED), short_first(FIXED)),
            "--weeks" => {
                job.presets = weeks(job.first);
                job.runs = Some(job.presets.len() as u64);
            }
            "--fail-fast" => job.failures_max = 1,
            "--verbose" => job.verbose = true,
            "--replay" => return Some(Wish::Replay(words.next()?.into())),
            "--incidents" => return Some(Wish::Incidents),
            _ => return None,
        }
    }
    job.presets.iter().try_for_each(|preset| Setup::of(0, preset).map(drop)).ok()?;
    if bare {
        return Some(if suite { Wish::Suite } else { Wish::Short });
    }
    if job.runs.is_none() && job.hours.is_none() && job.real.is_none() {
        job.runs = Some(1);
    }
    job.first = seed.unwrap_or(job.first);
    Some(Wish::Job(job))
}

/// The fixed seeds, then new ones: this many, or until this much time has passed.
fn suite(fixed: u64, fresh_runs: Option<u64>, least: Duration) -> Summary {
    let begun = Instant::now();
    let mut seeds = short_first(fixed);
    if fresh_runs.is_some() {
        // A week takes minutes where nothing is optimised.
        seeds.retain(|seed| Setup::of(*seed, "").is_ok_and(|setup| setup.pace.trouble < DAY));
    }
    let mut total = work(&Job { runs: Some(seeds.len() as u64), seeds, ..fresh() });
    total.failures += u64::from(total.failures == 0 && !replays());
    total.failures += u64::from(!replay::incidents_are_as_they_were());
    let rest = least.saturating_sub(begun.elapsed());
    if fresh_runs.is_some() || !rest.is_zero() {
        let presets = fresh_runs.map(|_| "busy_hour".to_owned()).into_iter().collect();
        let job = Job { runs: fresh_runs, real: fresh_runs.is_none().then_some(rest), presets, ..fresh() };
        println!("simulation: seeds 1 to {fixed} are done, now new ones from {}", job.first);
        total.add(&work(&job));
    }
    total
}

/// A quiet week of each network at each site. The disks take turns, from another one on with each new seed, so that a few runs
/// have seen every disk with every network at every site.
fn weeks(first: u64) -> Vec<String> {
    let offset = usize::try_from(first % DISKS.len() as u64).unwrap_or_default();
    let week = |(index, net): (usize, &NetPreset), (turn, site): (usize, &&str)| {
        let disk = &DISKS[(index + turn + offset) % DISKS.len()];
        format!("{}+{}+{site}+quiet_week", net.name, disk.name)
    };
    NETS.iter()
        .enumerate()
        .flat_map(|net| SITES.iter().enumerate().map(move |site| week(net, site)))
        .collect()
}

/// A job with new seeds: from `TWIND_SIM_SEED`, else by the clock.
fn fresh() -> Job {
    let named = std::env::var("TWIND_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let first = named.unwrap_or(since.as_micros() as u64 % 1_000_000_000_000);
    Job {
        first,
        seeds: Vec::new(),
        presets: Vec::new(),
        runs: None,
        hours: None,
        real: None,
        failures_max: FAILURES_MAX,
        verbose: false,
    }
}

/// The same seed gives the same run.
fn replays() -> bool {
    let traced = |seed| run::trace_hash(&Setup::of(seed, "").ok()?);
    let same = [3, 14].into_iter().all(|seed| traced(seed).is_some() && traced(seed) == traced(seed));
    if !same {
        println!("VIOLATION: the same seed gives two traces");
    }
    same
}
