//! The deterministic simulation: the real core and the real pump in a world of virtual time, where everything that can
//! fail does, and an oracle looks after every single event.
//!
//! `cargo sim` runs a fixed set of seeds and some that were never run before, or for as long as it is told to. A seed
//! that failed is run again with the command that is printed with it. Deliberately absent: real time, threads, files,
//! sockets.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that talks to a person; its presets are constants"
)]

mod disk;
mod faults;
mod hub;
mod net;
mod oracle;
mod plant;
mod presets;
mod rng;
mod run;
mod trace;
mod world;

use run::{Failure, Length, Summary};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use world::Setup;

/// Seeds that `cargo test` always runs.
const FIXED: u64 = 48;
/// Seeds that it draws anew.
const FRESH: u64 = 8;
const USAGE: &str = "usage: cargo sim [-- [--seed S] [--preset NET+DISK+SITE] [--runs N | --hours H | --minutes-real M] [--verbose]]";

struct Wish {
    seed: Option<u64>,
    preset: String,
    runs: Option<u64>,
    hours: Option<f64>,
    minutes_real: Option<f64>,
    verbose: bool,
}

fn main() -> ExitCode {
    let Some(wish) = wish(std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::from(64);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let failures = match wish {
        Wish { runs: None, hours: None, minutes_real: None, seed: None, .. } if wish.preset.is_empty() => {
            suite()
        }
        _ => long(&wish),
    };
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wish(words: impl Iterator<Item = String>) -> Option<Wish> {
    let mut wish = Wish {
        seed: None,
        preset: String::new(),
        runs: None,
        hours: None,
        minutes_real: None,
        verbose: false,
    };
    let mut words = words.filter(|word| word != "--");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => wish.seed = Some(words.next()?.parse().ok()?),
            "--preset" => wish.preset = words.next()?,
            "--runs" => wish.runs = Some(words.next()?.parse().ok()?),
            "--hours" => wish.hours = Some(words.next()?.parse().ok()?),
            "--minutes-real" => wish.minutes_real = Some(words.next()?.parse().ok()?),
            "--verbose" => wish.verbose = true,
            // What the test runner passes to every test target.
            _ => {}
        }
    }
    Setup::of(0, &wish.preset).ok()?;
    Some(wish)
}

/// What `cargo test` runs.
fn suite() -> u64 {
    let (begun, mut total) = (Instant::now(), Summary::default());
    let first_fresh = fresh_seed();
    println!("simulation: seeds 1 to {FIXED}, and {FRESH} fresh ones from {first_fresh}");
    for seed in (1..=FIXED).chain((0..FRESH).map(|i| first_fresh.wrapping_add(i))) {
        run_one(seed, "", Length::SHORT, &mut total, false);
    }
    if total.failures == 0 && !replays() {
        total.failures += 1;
    }
    println!("{}", total.line(begun.elapsed()));
    total.failures
}

/// The same seed twice is the same run.
fn replays() -> bool {
    let traced = |seed| run::run(&Setup::of(seed, "").ok()?, Length::SHORT).ok().map(|summary| summary.hash);
    let same = [3, 14].into_iter().all(|seed| traced(seed).is_some() && traced(seed) == traced(seed));
    if !same {
        println!("VIOLATION: the same seed gives two traces");
    }
    same
}

fn long(wish: &Wish) -> u64 {
    let (begun, mut total, mut told) = (Instant::now(), Summary::default(), Instant::now());
    let single =
        wish.seed.is_some() && wish.runs.is_none() && wish.hours.is_none() && wish.minutes_real.is_none();
    let mut seed = wish.seed.unwrap_or_else(fresh_seed);
    let length = Length::SHORT;
    loop {
        run_one(seed, &wish.preset, length, &mut total, wish.verbose);
        seed = seed.wrapping_add(1);
        let hours = total.simulated.as_secs_f64() / 3600.0;
        let real = begun.elapsed();
        let over = single
            || wish.runs.is_some_and(|runs| total.runs >= runs)
            || wish.hours.is_some_and(|wanted| hours >= wanted)
            || wish.minutes_real.is_some_and(|wanted| real.as_secs_f64() >= wanted * 60.0)
            || wish.runs.is_none() && wish.hours.is_none() && wish.minutes_real.is_none();
        if over || told.elapsed() > Duration::from_secs(10) {
            println!("{}", total.line(real));
            told = Instant::now();
        }
        if over || total.failures >= 20 {
            return total.failures;
        }
    }
}

fn run_one(seed: u64, preset: &str, length: Length, total: &mut Summary, verbose: bool) {
    let Ok(setup) = Setup::of(seed, preset) else { return };
    match run::run(&setup, length) {
        Ok(summary) => {
            if verbose {
                println!("seed {seed} {}: {}", setup.presets(), summary.line(Duration::ZERO));
            }
            total.add(&summary);
        }
        Err(Failure { at, violation, trace }) => {
            total.failures += 1;
            total.runs += 1;
            println!("\n{trace}");
            println!("VIOLATION at {:.3} s, seed {seed}, {}: {violation}", at.as_secs_f64(), setup.presets());
            println!("again: cargo sim -- --seed {seed} --preset {}\n", setup.presets());
        }
    }
}

/// `TWIND_SIM_SEED`, else by the clock.
fn fresh_seed() -> u64 {
    let named = std::env::var("TWIND_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    named.unwrap_or(since.as_micros() as u64 % 1_000_000_000_000)
}
