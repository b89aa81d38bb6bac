//! Chaos: the real binary with faults of the hub, the network, the disk and the sensors, and a back end that writes all the
//! time; and what must hold nevertheless.
//!
//! ```text
//! cargo chaos -- --minutes 10 --seed S      rounds for ten minutes
//! cargo chaos -- --seed S --round K         one round alone
//! ```
//!
//! A *round* consists of two faults among ordinary changes, sometimes an end of the process, and then a *calm* without
//! faults, in which hub, pin, disk and report must agree again. The seed decides what is done and in which order. Real time
//! passes in between, so a repeated round does the same things, but not at the same microsecond. Deliberately absent:
//! virtual time, and power cuts between two writes, which no process can show.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; its output is its purpose"
)]

mod acts;
mod backend;
mod disk;
mod faults;
mod model;
mod process;
mod proxy;
mod random;
#[path = "../daemon/rig.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod rig;
mod rival;
mod timeline;
mod words;
mod world;

use acts::Act;
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;
use words::{Asked, Plan};
use world::World;

/// Of this many rounds the first few end processes; in the others one runs long enough for its memory to be judged.
const BLOCK: u64 = 12;
const WITH_ENDS: u64 = 4;
/// How many lines of the daemon's log a failure shows.
const LOG_TAIL: usize = 60;

fn main() -> ExitCode {
    let plan = match words::read(std::env::args().skip(1)) {
        Asked::Play(plan) => plan,
        Asked::Nothing => return ExitCode::SUCCESS,
        Asked::Wrong => {
            println!("usage: cargo chaos [-- [--minutes M] [--seed S] [--round K]]");
            return ExitCode::from(64);
        }
    };
    disk::enter_namespace();
    println!("chaos: seed {}, {}", plan.seed, plan.describe());
    let mut world = World::new();
    if !world.disk.is_mounted() {
        println!("skipped: cannot mount; a directory that gives way to a file stands in for disks that fail");
    }
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| play(&mut world, &plan, begun)));
    match outcome {
        Ok(rounds) => {
            println!(
                "chaos: {rounds} rounds, {} actions, {} starts, {} lines of log, {} desired versions in {} s: all equal",
                world.timeline.count,
                world.starts,
                world.log_lines,
                world.model.latest_version(),
                begun.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        Err(_) => {
            let log = world.process.as_ref().map(process::Process::log).unwrap_or_default();
            let tail = log.lines().count().saturating_sub(LOG_TAIL);
            println!("\n== what was done last\n{}", world.timeline.show());
            println!("== the daemon's log, its end");
            log.lines().skip(tail).for_each(|line| println!("{line}"));
            println!("\nchaos failed with seed {}; again: {}", plan.seed, plan.command());
            ExitCode::FAILURE
        }
    }
}

fn play(world: &mut World, plan: &Plan, begun: Instant) -> u64 {
    world.converge();
    let mut round = plan.first_round();
    while plan.goes_on(round, begun.elapsed()) {
        play_round(world, plan.seed, round);
        round += 1;
    }
    world.process().judge_rest();
    let process = world.process.take().unwrap();
    world.log_lines += process.stop();
    world.check_stored();
    round - plan.first_round()
}

fn play_round(world: &mut World, seed: u64, round: u64) {
    let mut random = Random::of_round(seed, round);
    let random = &mut random;
    let act = (round % BLOCK < WITH_ENDS).then(|| (Act::pick(random), usize::from(random.one_in(2))));
    world.timeline.note(&format!("round {round}"));
    for (place, fault) in faults::of_round(seed, round).into_iter().enumerate() {
        world.timeline.note(&format!("{fault:?}"));
        fault.begin(world, random);
        for _ in 0..random.between(2, 5) {
            world.step(random);
        }
        if let Some((act, at)) = act
            && at == place
        {
            act.perform(world, random);
        }
        if random.one_in(5) {
            world.reload(false);
        }
    }
    world.end_faults(random);
    // Most rounds do not wait for the daemon's next attempt to connect, but in some it must come back by itself.
    if !random.one_in(4) {
        world.reload(true);
    }
    world.converge();
    if round % BLOCK == WITH_ENDS || round % BLOCK == BLOCK - 1 {
        world.process().judge_rest();
    }
}
