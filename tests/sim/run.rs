//! One run: a world of trouble for a while, then calm, and in the end both sides are equal.
//!
//! A panic counts as a violation. Deliberately absent: choosing seeds.

use crate::presets::secs;
use crate::world::{Setup, World};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How long a run lasts.
#[derive(Clone, Copy)]
pub(crate) struct Length {
    pub(crate) trouble: Duration,
    pub(crate) calm: Duration,
}

impl Length {
    /// The calm is longer than any pause that trouble can leave behind (five minutes after refusals).
    pub(crate) const SHORT: Self = Self { trouble: secs(60 * 60), calm: secs(11 * 60) };
}

/// What came of runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) runs: u64,
    pub(crate) failures: u64,
    pub(crate) simulated: Duration,
    pub(crate) events: u64,
    connections: u64,
    lives: u64,
    fetches: u64,
    reports: u64,
    writes: u64,
    versions: u64,
    pub(crate) hash: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.simulated += other.simulated;
        self.events += other.events;
        self.connections += other.connections;
        self.lives += other.lives;
        self.fetches += other.fetches;
        self.reports += other.reports;
        self.writes += other.writes;
        self.versions += other.versions;
    }

    pub(crate) fn line(&self, real: Duration) -> String {
        let hours = self.simulated.as_secs_f64() / 3600.0;
        let speed = if real.is_zero() {
            String::new()
        } else {
            format!(
                " in {:.1} s ({:.1} device-hours per second)",
                real.as_secs_f64(),
                hours / real.as_secs_f64()
            )
        };
        format!(
            "{} runs, {hours:.1} device-hours{speed}: {} events, {} connections, {} starts, {} fetches, {} reports, \
             {} writes, {} desired versions; {} violations",
            self.runs,
            self.events,
            self.connections,
            self.lives,
            self.fetches,
            self.reports,
            self.writes,
            self.versions,
            self.failures
        )
    }
}

/// A run that went wrong.
pub(crate) struct Failure {
    pub(crate) at: Duration,
    pub(crate) violation: String,
    pub(crate) trace: String,
}

pub(crate) fn run(setup: &Setup, length: Length) -> Result<Summary, Failure> {
    let mut world = World::new(setup);
    // The world is not used after a panic but for its trace.
    let outcome = catch_unwind(AssertUnwindSafe(|| play(&mut world, length)));
    let outcome = outcome.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    });
    match outcome {
        Ok(()) => Ok(Summary {
            runs: 1,
            failures: 0,
            simulated: world.now,
            events: world.steps,
            connections: world.net.connection,
            lives: world.life,
            fetches: world.hub.gets,
            reports: world.hub.reports,
            writes: world.disk.written,
            versions: world.hub.history.iter().map(|history| history.len() as u64).sum(),
            hash: world.trace.hash(),
        }),
        Err(violation) => Err(Failure { at: world.now, violation, trace: world.trace.tail(60) }),
    }
}

fn play(world: &mut World, length: Length) -> Result<(), String> {
    while world.step(length.trouble)? {}
    world.now = length.trouble;
    world.calm_down()?;
    let end = length.trouble + length.calm;
    let mut settled = 0;
    while world.step(end)? {
        if world.now < end - secs(60) {
            settled = world.oracle.settled_looks();
        }
    }
    world.now = end;
    let engine = world.engine.as_ref().ok_or("in the end the process is not there")?;
    let (ours, theirs) = (engine.sync().desired().as_object(), world.hub.twin.desired());
    if ours != theirs.values() || engine.sync().desired_version().0 != theirs.version() {
        return Err("in the end the desired sections differ".into());
    }
    if world.hub.acknowledged_version() != Some(theirs.version()) {
        let told = world.hub.acknowledged_version();
        return Err(format!("in the end version {} is not acknowledged but {told:?}", theirs.version()));
    }
    if world.oracle.settled_looks() == settled {
        return Err("in the end it does not settle".into());
    }
    if world.oracle.is_part_refused() {
        return Ok(());
    }
    let climate = world.hub.reported().get("components").and_then(|components| components.get("climate"));
    if climate.and_then(|climate| climate.get("sensor")).is_none_or(|sensor| sensor != "ok") {
        return Err(format!("in the end the sensors are well, told is {climate:?}"));
    }
    Ok(())
}
