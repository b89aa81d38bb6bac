//! One run: a time with faults, then a time without, after which both sides must be equal.
//!
//! A panic counts as a violation. Deliberately absent: choosing seeds.

use crate::presets::{Pace, secs};
use crate::replay;
use crate::world::{Setup, World};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The summary of runs.
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
    held: Duration,
    hash: u64,
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
        self.held += other.held;
    }

    pub(crate) fn hours(&self) -> f64 {
        self.simulated.as_secs_f64() / 3600.0
    }

    pub(crate) fn line(&self, real: Duration) -> String {
        let hours = self.hours();
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
             {} writes, {} desired versions, {:.1} hours in which the range could be held, and was; {} violations",
            self.runs,
            self.events,
            self.connections,
            self.lives,
            self.fetches,
            self.reports,
            self.writes,
            self.versions,
            self.held.as_secs_f64() / 3600.0,
            self.failures
        )
    }
}

/// A run with a violation.
pub(crate) struct Failure {
    pub(crate) at: Duration,
    pub(crate) violation: String,
    pub(crate) trace: String,
}

/// One run. If it fails, it is repeated for its trace.
pub(crate) fn run(setup: &Setup) -> Result<Summary, Failure> {
    run_quietly(setup, false).map_err(|first| match run_quietly(setup, true) {
        Err(again) if (again.at, &again.violation) == (first.at, &first.violation) => again,
        _ => Failure { violation: format!("{} (and repeated it is another run)", first.violation), ..first },
    })
}

/// The hash of a run's trace.
pub(crate) fn trace_hash(setup: &Setup) -> Option<u64> {
    run_quietly(setup, true).ok().map(|summary| summary.hash)
}

/// The journal of the core at a moment of a run.
pub(crate) fn journal(setup: &Setup, at: Duration) -> Result<Vec<u8>, String> {
    let mut world = World::new(setup, false);
    while world.step(at.min(setup.pace.trouble))? {}
    Ok(world.engine.as_ref().ok_or("there is no process at that moment")?.journal())
}

fn run_quietly(setup: &Setup, traced: bool) -> Result<Summary, Failure> {
    let mut world = World::new(setup, traced);
    // After a panic only the world's trace is used.
    let outcome = catch_unwind(AssertUnwindSafe(|| play(&mut world, setup.pace)));
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
            held: world.oracle.held(),
            hash: world.trace.hash(),
        }),
        Err(violation) => Err(Failure { at: world.now, violation, trace: world.trace.tail(100) }),
    }
}

fn play(world: &mut World, pace: Pace) -> Result<(), String> {
    while world.step(pace.trouble)? {}
    world.now = pace.trouble;
    world.calm_down()?;
    // Values that were set aside are sent again within the hour.
    let calm = if world.oracle.is_part_refused() { secs(66 * 60) } else { pace.calm };
    let end = pace.trouble + calm;
    let mut settled = 0;
    while world.step(end)? {
        if world.now < end - secs(60) {
            settled = world.oracle.settled_looks();
        }
    }
    world.now = end;
    let engine = world.engine.as_ref().ok_or("in the end there is no process")?;
    replay::check(engine)?;
    let (ours, theirs) = (engine.sync().desired().as_object(), world.hub.twin.desired());
    if ours != theirs.values() || engine.sync().desired_version().0 != theirs.version() {
        return Err("in the end the desired sections differ".into());
    }
    if world.hub.acknowledged_version() != Some(theirs.version()) {
        let told = world.hub.acknowledged_version();
        return Err(format!(
            "in the end the hub is at version {}, acknowledged is {told:?}",
            theirs.version()
        ));
    }
    if world.oracle.settled_looks() == settled {
        return Err("in the end it does not settle".into());
    }
    world.oracle.check_whole(world.now, &world.hub)?;
    world.oracle.check_telemetry(world.now)?;
    for climate in &world.site.spec.climates {
        let name = climate.label();
        let told = world.hub.reported().get("components").and_then(|components| components.get(name));
        if told.and_then(|told| told.get("sensor")).is_none_or(|sensor| sensor != "ok") {
            return Err(format!("in the end all sensors work, reported of {name} is {told:?}"));
        }
    }
    let alarms = world.hub.reported().get("alarms").and_then(serde_json::Value::as_object);
    // The room may be too hot whatever is done, and a stalled fan may have been at rest since.
    let mut is_excused = |name: &str| {
        let fan = name.strip_prefix("stall-");
        name.starts_with("overheat-")
            || fan.is_some_and(|fan| world.oracle.rests_stalled(fan, end - secs(60)))
    };
    let wrong = alarms.into_iter().flatten().find(|(name, _)| !is_excused(name));
    if let Some((name, alarm)) = wrong {
        return Err(format!("in the end nothing is wrong, reported is the alarm {name}: {alarm}"));
    }
    Ok(())
}
