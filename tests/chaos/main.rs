//! Chaos: the real binary, a hub that fails, a network that lies, a disk that fills up, sensors that talk nonsense and a
//! back end that never rests; and what must hold all the same.
//!
//! ```text
//! cargo chaos -- --minutes 10 --seed S      rounds for ten minutes
//! cargo chaos -- --seed S --round K         one round alone
//! ```
//!
//! A *round* is: two spells of trouble among everyday changes, sometimes an end of the process, then calm, in which hub,
//! pin, disk and report must become equal again. The seed decides what is done and in which order; real time passes
//! between, so a replay does the same things, though not to the microsecond. Deliberately absent: virtual time and power
//! cuts between two writes, which no process can show.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; its output is its purpose"
)]

mod acts;
mod backend;
mod disk;
mod life;
mod proxy;
mod random;
#[path = "../daemon/rig.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod rig;
mod rival;
mod shadow;
mod spells;
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

/// Of this many rounds the first few end processes; in the others one lives long enough for its memory to be judged.
const BLOCK: u64 = 12;
const WITH_ENDS: u64 = 4;
/// Lines of the daemon's log that a failure shows.
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
                "chaos: {rounds} rounds, {} actions, {} lives, {} lines of log, {} desired versions in {} s: all equal",
                world.timeline.count,
                world.lives,
                world.log_lines,
                world.shadow.latest_version(),
                begun.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        Err(_) => {
            let log = world.life.as_ref().map(life::Life::log).unwrap_or_default();
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
    world.life().judge_rest();
    let life = world.life.take().unwrap();
    world.log_lines += life.stop();
    world.check_stored();
    round - plan.first_round()
}

fn play_round(world: &mut World, seed: u64, round: u64) {
    let mut random = Random::of_round(seed, round);
    let random = &mut random;
    let act = (round % BLOCK < WITH_ENDS).then(|| (Act::pick(random), usize::from(random.one_in(2))));
    world.timeline.note(&format!("round {round}"));
    for (place, spell) in spells::of_round(seed, round).into_iter().enumerate() {
        world.timeline.note(&format!("{spell:?}"));
        spell.begin(world, random);
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
    world.heal(random);
    // Mostly not waiting for the next dial; but sometimes the daemon must come back all by itself.
    if !random.one_in(4) {
        world.reload(true);
    }
    world.converge();
    if round % BLOCK == WITH_ENDS || round % BLOCK == BLOCK - 1 {
        world.life().judge_rest();
    }
}
