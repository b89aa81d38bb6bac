//! Replays of a core's journal: at the end of each run, where it must reach the same state, and from a file.
//!
//! Some incidents are stored as such files, which every suite replays. They differ after a change of the core's decisions
//! or of the journal's format; then `cargo sim -- --incidents` makes them anew.

use crate::presets::secs;
use crate::run;
use crate::world::Setup;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use twind::engine::{Core, Replay, Step};

/// The replay of a core's journal reaches the state of that core.
pub(crate) fn check(core: &Core) -> Result<(), String> {
    let fault = |fault| format!("the journal: {fault}");
    let mut replay = Replay::read(&core.journal()).map_err(fault)?;
    while let Some(step) = replay.step().map_err(fault)? {
        if !step.is_same {
            return Err(format!("the replay of the journal differs at {}: {:?}", step.now, step.input));
        }
    }
    if replay.has_reached(core) {
        Ok(())
    } else {
        Err("the replay of the journal ends in another state".into())
    }
}

/// A stored incident: the run, and the moment of it at which the journal was written.
struct Incident {
    name: &'static str,
    seed: u64,
    preset: &'static str,
    at: Duration,
}

const INCIDENTS: [Incident; 1] = [Incident {
    name: "hub-refuses-for-now.journal",
    seed: 11,
    preset: "site_lte+good_disk+property_outputs+busy_hour",
    at: secs(2000),
}];

impl Incident {
    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/incidents").join(self.name)
    }

    fn make(&self) -> Result<(), String> {
        let setup = Setup::of(self.seed, self.preset).map_err(|reason| format!("{}: {reason}", self.name))?;
        let journal = run::journal(&setup, self.at)?;
        fs::write(self.path(), journal).map_err(|reason| format!("{}: {reason}", self.path().display()))
    }
}

/// Makes the stored incidents anew.
pub(crate) fn make_incidents() -> Result<(), String> {
    INCIDENTS.iter().try_for_each(Incident::make)
}

/// Replays the stored incidents.
pub(crate) fn incidents_are_as_they_were() -> bool {
    let differs = |incident: &Incident| {
        let outcome = play(&incident.path(), |_| ());
        outcome.err().inspect(|reason| {
            println!("VIOLATION: {reason}\nanew, if it is to differ: cargo sim -- --incidents");
        })
    };
    INCIDENTS.iter().filter_map(differs).count() == 0
}

/// Replays a file and prints every input; stops at the first difference.
pub(crate) fn play_file(path: &Path) -> Result<(), String> {
    let inputs = play(path, |step| print!("{}", lines(step)))?;
    println!("{}: {inputs} inputs, each with the same consequences", path.display());
    Ok(())
}

/// Replays a file up to the first difference. The state after the last input is not compared, as a journal does not hold
/// it: it leaves out a part that has a checkpoint but no input yet. [`check`] compares that state at the end of each
/// simulated run, where the core is still there.
fn play(path: &Path, mut look: impl FnMut(&Step)) -> Result<u64, String> {
    let bytes = fs::read(path).map_err(|reason| format!("{}: {reason}", path.display()))?;
    let fault = |fault| format!("{}: {fault}", path.display());
    let mut replay = Replay::read(&bytes).map_err(fault)?;
    let mut inputs = 0_u64;
    while let Some(step) = replay.step().map_err(fault)? {
        inputs += 1;
        look(&step);
        if !step.is_same {
            return Err(format!(
                "{}: input {inputs} has other consequences than it had in twind {}",
                path.display(),
                replay.version()
            ));
        }
    }
    Ok(inputs)
}

fn lines(step: &Step) -> String {
    let mut text = format!("{}  {:?}\n", step.now, step.input);
    let mut add = |what: &str, told: String| text.push_str(&format!("    {what} {told}\n"));
    step.actuations.iter().for_each(|actuation| add("drives", format!("{actuation:?}")));
    step.records.iter().for_each(|sequence| add("keeps", format!("record {sequence}")));
    step.requests.iter().for_each(|request| add("asks", format!("{request:?}")));
    step.notices.iter().for_each(|notice| add("tells", notice.to_string()));
    text
}
