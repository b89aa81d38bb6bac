//! Outputs as a checkpoint has them: each with its override, see `engine::checkpoint`.

use super::{OutputState, Outputs};
use crate::control::constraint::Unmet;
use crate::control::tach::Tach;
use crate::control::{Cause, OutputId, OutputSpec};
use crate::twin::Override;
use crate::units::{BootTime, Permille};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

type Shape = (Option<BootTime>, Option<(f64, Option<BootTime>)>, Tach, Option<BootTime>);
type Decided = (Option<Permille>, Option<Permille>, Option<Permille>, Option<Unmet>);
type State = (Option<Permille>, Cause, Option<BootTime>, Option<Override>, Decided, Shape);

/// Specs, states, why speeds cannot be known, and whether all of it stops.
pub(crate) type Joined = (Vec<OutputSpec>, Vec<State>, BTreeMap<OutputId, String>, bool);

pub(crate) fn join(outputs: &Outputs, overrides: &BTreeMap<OutputId, Override>) -> Joined {
    let Outputs { specs, states, tach_faults, stopping } = outputs;
    let state = |(index, state): (usize, &OutputState)| {
        let OutputState { drive, cause, turned_at, assumed, handed_over, goal, unmet, .. } = *state;
        let OutputState { kick_until, level, tach, next_at, .. } = *state;
        let overridden = overrides.get(&OutputId(index)).copied();
        let decided = (assumed, handed_over, goal, unmet);
        (drive, cause, turned_at, overridden, decided, (kick_until, level, tach, next_at))
    };
    (specs.clone(), states.iter().enumerate().map(state).collect(), tach_faults.clone(), *stopping)
}

pub(crate) fn split(
    (specs, joined, tach_faults, stopping): Joined,
) -> (Outputs, BTreeMap<OutputId, Override>) {
    let overridden = |(index, state): (usize, &State)| Some((OutputId(index), state.3?));
    let overrides = joined.iter().enumerate().filter_map(overridden).collect();
    let state = |(drive, cause, turned_at, _, decided, shape): State| {
        let (assumed, handed_over, goal, unmet) = decided;
        let (kick_until, level, tach, next_at) = shape;
        OutputState {
            drive,
            cause,
            turned_at,
            assumed,
            handed_over,
            goal,
            unmet,
            kick_until,
            level,
            tach,
            next_at,
        }
    };
    let states = joined.into_iter().map(state).collect();
    (Outputs { specs, states, tach_faults, stopping }, overrides)
}
