//! The rank table: what decides each output, and how its drive gets there.
//!
//! ```text
//!   critical > fail-safe (sensor-fault > hub-silent) > override > desired (fanOn, property) > climate > start
//! ```
//!
//! An output that follows alarms does so in the rank of desired values, whether or not one stands, so its `start` row never applies.
//!
//! [`Outputs::step`] evaluates the ranks from the top, and the first one that applies decides. Its drive is then *shaped* by
//! the output's constraints: `min-duty`, `kick`, `slew`, `min-on` and `min-off`. The fail-safe rows for overheat and sensor
//! faults act at once, regardless of `slew` and minimum times. So does the last drive before the daemon ends, and without a
//! kick, since nothing would end it.

use super::climates::Loss;
use super::constraint::{Constraint, Unmet};
use super::demand::{Situation, Want, fit, overruled, wanted};
use super::tach::Tach;
use super::{Actuation, Cause, OutputId, OutputKind, OutputSpec, PinFault, RowDrive};
use crate::twin::Silence;
use crate::units::{BootTime, Permille};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The interval between steps of a slewing output, unless a permille takes longer.
const SLEW_TICK: Duration = Duration::from_millis(100);
/// The least drive that is not off.
const BARELY: Permille = Permille::saturating_const(1);

/// One output as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputState {
    /// Its drive; `None` while unknown.
    pub drive: Option<Permille>,
    /// What decides it.
    pub cause: Cause,
    /// When it was last switched on or off.
    pub turned_at: Option<BootTime>,
    /// While `drive` is unknown: what minimum times assume it to be.
    assumed: Option<Permille>,
    /// Its drive at the hand-over from the process before: it stands for the climate's demand until there is a reading, and for
    /// alarms until those that stand have been raised.
    handed_over: Option<Permille>,
    /// Its drive when one of several climates lost its readings, while that lasts.
    at_loss: Option<Permille>,
    /// The drive that it comes to when kick and slew are over.
    goal: Option<Permille>,
    /// What is wanted of it and why it does not have it.
    pub unmet: Option<Unmet>,
    /// Until then it is at full drive, to start.
    kick_until: Option<BootTime>,
    /// The slewed drive in permille, and since when it has been moving, if it is; `None` when off. A fraction, so that a slow
    /// slew moves.
    level: Option<(f64, Option<BootTime>)>,
    /// Its speed, if it is measured.
    pub tach: Tach,
    /// When shaping changes the drive next.
    next_at: Option<BootTime>,
}

impl OutputState {
    const UNKNOWN: Self = Self {
        drive: None,
        cause: Cause::Start,
        turned_at: None,
        assumed: None,
        handed_over: None,
        at_loss: None,
        goal: None,
        unmet: None,
        kick_until: None,
        level: None,
        tach: Tach::UNKNOWN,
        next_at: None,
    };

    /// Its drive, or during a kick the drive that follows.
    pub fn steady(&self) -> Option<Permille> {
        if self.is_kicked() { self.without_kick() } else { self.drive }
    }

    /// Is it at full drive for a moment, to start?
    pub fn is_kicked(&self) -> bool {
        self.kick_until.is_some() || self.tach.otherwise().is_some() && !self.tach.is_full()
    }

    /// The drive that was decided for it; `None` before the first decision and while its drive is unknown.
    pub fn decided(&self) -> Option<Permille> {
        self.drive.and(if self.tach.is_full() { self.drive } else { self.goal })
    }
}

/// What a rank decides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Order {
    row: RowDrive,
    cause: Cause,
    pace: Pace,
}

/// A constraint, and until when it lasts.
type Hold = (Constraint, Option<BootTime>);

/// How fast a decision takes effect.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// Within slew and minimum times.
    Limited,
    /// Regardless of them.
    AtOnce,
    /// Regardless of them and without a kick, since nothing would end it.
    Last,
}

/// All outputs. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outputs {
    specs: Vec<OutputSpec>,
    states: Vec<OutputState>,
    /// Why a speed cannot be known.
    tach_faults: BTreeMap<OutputId, String>,
    stopping: bool,
}

impl Outputs {
    /// No output is driven yet.
    pub fn new(specs: Vec<OutputSpec>) -> Self {
        let states = vec![OutputState::UNKNOWN; specs.len()];
        Self { specs, states, tach_faults: BTreeMap::new(), stopping: false }
    }

    /// Each output.
    pub fn iter(&self) -> impl Iterator<Item = (OutputId, &OutputSpec, &OutputState)> {
        let outputs = self.specs.iter().zip(&self.states).enumerate();
        outputs.map(|(index, (spec, state))| (OutputId(index), spec, state))
    }

    /// One output's state.
    pub fn state(&self, output: OutputId) -> Option<&OutputState> {
        self.states.get(output.0)
    }

    /// As configured.
    pub fn specs(&self) -> &[OutputSpec] {
        &self.specs
    }

    /// Carries an output's state over a reload, and why its speed is not known. It stays driven as it is.
    pub fn adopt(&mut self, output: OutputId, state: OutputState, tach_fault: Option<String>) {
        if let Some(own) = self.states.get_mut(output.0) {
            *own = state;
            self.tach_faults.extend(tach_fault.map(|fault| (output, fault)));
        }
    }

    /// Why an output's speed is not known.
    pub fn tach_fault(&self, output: OutputId) -> Option<&str> {
        self.tach_faults.get(&output).map(String::as_str)
    }

    /// An output was found with this drive, and keeps it until something decides.
    pub fn set_found(&mut self, output: OutputId, drive: Permille) {
        self.set_drive(output, drive);
    }

    fn set_drive(&mut self, output: OutputId, drive: Permille) -> Option<&mut OutputState> {
        let state = self.states.get_mut(output.0)?;
        state.drive = Some(drive);
        state.level = (!drive.is_zero()).then_some((f64::from(drive.get()), None));
        Some(state)
    }

    /// The process before this one handed an output over with this drive. It keeps it until something new is known, and its
    /// minimum time begins now.
    pub fn hand_over(&mut self, now: BootTime, output: OutputId, drive: Permille) {
        if let Some(state) = self.set_drive(output, drive) {
            (state.handed_over, state.turned_at) = (Some(drive), Some(now));
        }
    }

    /// A process before this one left an output with this drive, perhaps a moment ago. It is driven anew all the same, but is
    /// switched only after its minimum time.
    pub fn assume(&mut self, now: BootTime, output: OutputId, drive: Permille) {
        if let Some(state) = self.states.get_mut(output.0) {
            (state.assumed, state.turned_at) = (Some(drive), Some(now));
        }
    }

    /// Takes an output's speed in turns per minute, or why it is not known. Returns whether anything follows from it.
    pub fn measure(&mut self, output: OutputId, rpm: Result<f64, PinFault>) -> bool {
        let Some(state) = self.states.get_mut(output.0) else { return false };
        let has_changed = state.tach.measure(rpm.as_ref().ok().copied());
        match rpm {
            Ok(_) => self.tach_faults.remove(&output).is_some() || has_changed,
            Err(PinFault { reason }) => self.tach_faults.insert(output, reason.clone()) != Some(reason),
        }
    }

    /// What is wrong with the speed of an output.
    pub fn fault(&self, output: OutputId) -> Option<String> {
        if self.states.get(output.0).is_some_and(|state| state.tach.is_stalled()) {
            return Some("stalled".to_owned());
        }
        self.tach_faults.get(&output).map(|reason| format!("its speed is not known: {reason}"))
    }

    /// The output could not be driven: its drive is unknown, and it is driven again at the next step.
    pub fn forget(&mut self, output: OutputId) {
        if let Some(state) = self.states.get_mut(output.0) {
            *state = OutputState {
                drive: None,
                assumed: None,
                level: None,
                kick_until: None,
                unmet: None,
                ..*state
            };
            // A fan without drive stands still without a fault of its own.
            state.tach.trust();
        }
    }

    /// One control step. Returns the drives that change.
    pub fn step(&mut self, now: BootTime, situation: Situation<'_>) -> Vec<Actuation> {
        let mut changes = Vec::new();
        for (index, (spec, state)) in self.specs.iter().zip(&mut self.states).enumerate() {
            let output = OutputId(index);
            let loss = situation.climates.loss(output);
            state.note_loss(loss);
            if !spec.alarms.is_empty() && situation.alarms.are_known {
                state.handed_over = None;
            }
            let order = if self.stopping {
                stop_order(spec)
            } else {
                decide(now, output, (spec, state), loss, situation)
            };
            let auto = || situation.climates.demand(output);
            (state.cause, state.unmet) = (order.cause, None);
            let Some(target) = resolve(order.row, state.without_kick(), auto) else { continue };
            let drive = state.shape(now, spec, (target, order.cause), order.pace);
            let drive = if order.pace == Pace::Last { drive } else { state.assist(now, spec, drive) };
            if state.drive != Some(drive) {
                state.settle(now, drive);
                changes.push(Actuation { output, drive, cause: order.cause, at: now });
            }
            state.unmet = state.stall(order.cause).or(state.unmet);
            state.unmet =
                state.unmet.or_else(|| overruled(output, spec, (state.cause, state.decided()), situation));
        }
        changes
    }

    /// From now on every output follows its `stop` row.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// When the next step changes something even if no input arrives.
    pub fn poll_timeout(&self, now: BootTime, silence: Silence) -> Option<BootTime> {
        let shapes = self.states.iter().filter_map(|state| state.next_at);
        let rows = self.specs.iter().filter_map(|spec| Some(silence.reaches(spec.when.hub_silent?.0)));
        shapes.chain(rows).filter(|at| *at > now).min()
    }
}

fn stop_order(spec: &OutputSpec) -> Order {
    Order { row: spec.when.stop, cause: Cause::Stop, pace: Pace::Last }
}

/// The rank table: the first rank that applies.
fn decide(
    now: BootTime,
    output: OutputId,
    (spec, state): (&OutputSpec, &OutputState),
    loss: Loss,
    situation: Situation<'_>,
) -> Order {
    let row = |row, cause, pace| Order { row, cause, pace };
    let climates = situation.climates;
    if let Some(drive) = spec.when.overheat.filter(|_| climates.is_overheated(output)) {
        return row(drive, Cause::Overheat, Pace::AtOnce);
    }
    let wanted = wanted(output, spec, state.handed_over, situation);
    if let Some(drive) = spec.when.sensor_fault.and_then(|drive| state.at_loss(drive, loss, wanted)) {
        return row(drive, Cause::SensorFault, Pace::AtOnce);
    }
    if let Some((after, drive)) = spec.when.hub_silent
        && situation.silence.lasts(now) >= after
    {
        return row(drive, Cause::HubSilent, Pace::Limited);
    }
    if let Some(overridden) = situation.overrides.get(&output) {
        return row(RowDrive::Fixed(overridden.value), Cause::Override, Pace::Limited);
    }
    match wanted {
        Some((drive, cause)) => row(RowDrive::Fixed(drive), cause, Pace::Limited),
        None => row(spec.when.start, Cause::Start, Pace::Limited),
    }
}

/// The drive of a row; `None` leaves the output as it is.
fn resolve(
    row: RowDrive,
    present: Option<Permille>,
    auto: impl FnOnce() -> Option<Permille>,
) -> Option<Permille> {
    match row {
        RowDrive::Fixed(drive) => Some(drive),
        RowDrive::Keep => present,
        // Without a demand it stays as it is, or off if it was never driven.
        RowDrive::Auto => auto().or(present).or(Some(Permille::ZERO)),
    }
}

impl OutputState {
    /// Remembers the drive at which one of several climates lost its readings, for a row that keeps it.
    fn note_loss(&mut self, loss: Loss) {
        self.at_loss = if loss == Loss::Partial { self.at_loss.or(self.without_kick()) } else { None };
    }

    /// What the `sensor-fault` row decides: all, if no climate of the output has a reading; else only more than is wanted.
    fn at_loss(&self, row: RowDrive, loss: Loss, wanted: Option<Want>) -> Option<RowDrive> {
        let asks = match (loss, row) {
            (Loss::None, _) => return None,
            (Loss::Total, row) => return Some(row),
            (Loss::Partial, RowDrive::Fixed(drive)) => drive,
            (Loss::Partial, RowDrive::Keep | RowDrive::Auto) => self.at_loss?,
        };
        wanted.is_none_or(|(drive, _)| asks > drive).then_some(RowDrive::Fixed(asks))
    }

    /// Shapes a wanted drive by the constraints. Notes which of them keeps the output from it, and when the drive changes next.
    fn shape(
        &mut self,
        now: BootTime,
        spec: &OutputSpec,
        (wants, cause): (Permille, Cause),
        pace: Pace,
    ) -> Permille {
        self.next_at = None;
        let possible = fit(spec, wants);
        let (target, waits_for) =
            if pace == Pace::Limited { self.hold(now, spec, possible) } else { (possible, None) };
        self.goal = Some(target);
        let unmet = |(by, until)| Unmet { by, cause, wants, until };
        if spec.kind == OutputKind::OnOff {
            self.unmet = waits_for.map(unmet);
            return target;
        }
        if self.level.is_none() && self.drive.unwrap_or_default().is_zero() && !target.is_zero() {
            self.kick_until = spec.kick.map(|kick| now + kick);
            self.level = Some((f64::from(spec.min_duty.unwrap_or_default().get()), None));
        }
        let level = self.slew(now, spec, target, pace);
        let raised = (possible != wants).then_some((Constraint::MinDuty, None));
        self.unmet = waits_for.or_else(|| self.slewing(now, spec, target)).or(raised).map(unmet);
        match self.kick_until {
            Some(until) if until > now && !target.is_zero() && pace != Pace::Last => {
                self.wake_at(until);
                Permille::FULL
            }
            _ => {
                self.kick_until = None;
                level
            }
        }
    }

    /// What is wanted of it while it is driven at full because it does not turn.
    fn stall(&self, cause: Cause) -> Option<Unmet> {
        let wants = self.tach.otherwise().filter(|wants| self.tach.is_full() && *wants != Permille::FULL)?;
        Some(Unmet { by: Constraint::Stall, cause, wants, until: None })
    }

    /// The drive that minimum times allow instead of a target, and the one that applies: while it must run, it keeps its drive.
    fn hold(&mut self, now: BootTime, spec: &OutputSpec, target: Permille) -> (Permille, Option<Hold>) {
        let present = self.drive.or(self.assumed);
        let (Some(present), Some(turned_at)) = (present, self.turned_at) else { return (target, None) };
        let (least, held, by) = match (present.is_zero(), target.is_zero()) {
            (false, true) => (spec.min_on, self.without_kick().unwrap_or(present), Constraint::MinOn),
            (true, false) => (spec.min_off, Permille::ZERO, Constraint::MinOff),
            _ => return (target, None),
        };
        match least.map(|least| turned_at + least) {
            Some(until) if until > now => {
                self.wake_at(until);
                (held, Some((by, Some(until))))
            }
            _ => (target, None),
        }
    }

    /// Is it slewing to a target, and until when?
    fn slewing(&self, now: BootTime, spec: &OutputSpec, target: Permille) -> Option<Hold> {
        let (level, _) = self.level.filter(|(_, moves_since)| moves_since.is_some())?;
        let rest = (f64::from(target.get()) - level).abs() / spec.slew_permille_per_s?;
        let until = Duration::try_from_secs_f64(rest).ok().map(|rest| now + rest);
        Some((Constraint::Slew, until))
    }

    /// The drive, or one that may start a fan that stands still.
    fn assist(&mut self, now: BootTime, spec: &OutputSpec, drive: Permille) -> Permille {
        let (drive, next_at) = self.tach.assist(now, drive, spec.kick);
        if let Some(at) = next_at {
            self.wake_at(at);
        }
        drive
    }

    /// The present drive, or the one that follows its kick or its assistance.
    fn without_kick(&self) -> Option<Permille> {
        match (self.kick_until, self.level) {
            (Some(_), Some((level, _))) => Some(Permille::saturating(level).max(BARELY)),
            _ => self.tach.otherwise().or(self.drive),
        }
    }

    fn slew(&mut self, now: BootTime, spec: &OutputSpec, target: Permille, pace: Pace) -> Permille {
        let goal = f64::from(target.get());
        let next = match (spec.slew_permille_per_s, self.level) {
            (Some(rate), Some((level, at))) if pace == Pace::Limited => {
                // The time that it stood at its goal does not count: all of it at once would be a jump.
                let reach = rate * now.since(at.unwrap_or(now)).as_secs_f64();
                if goal > level { (level + reach).min(goal) } else { (level - reach).max(goal) }
            }
            _ => goal,
        };
        // Between off and `min-duty` it would stall. One that runs is not switched off on its way to another drive.
        let is_on = self.drive.is_some_and(|drive| !drive.is_zero());
        let least = spec.min_duty.unwrap_or_default().max(if is_on { BARELY } else { Permille::ZERO });
        let drive = match Permille::saturating(next) {
            low if low < least => {
                if target.is_zero() {
                    Permille::ZERO
                } else {
                    least
                }
            }
            drive => drive,
        };
        let rests = drive.is_zero() && target.is_zero();
        self.level = (!rests).then_some((next, (drive != target).then_some(now)));
        if drive != target {
            let permille = spec.slew_permille_per_s.map(|rate| Duration::try_from_secs_f64(1.0 / rate));
            let permille = permille.and_then(Result::ok).unwrap_or_default();
            self.wake_at(now + permille.max(SLEW_TICK));
        }
        drive
    }

    fn wake_at(&mut self, at: BootTime) {
        self.next_at = Some(self.next_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn settle(&mut self, now: BootTime, drive: Permille) {
        if self.drive.or(self.assumed.take()).map(Permille::is_zero) != Some(drive.is_zero()) {
            self.turned_at = Some(now);
        }
        self.drive = Some(drive);
    }
}

/// The drive that `twind safe` gives an output, with no daemon running: its `stop` row, or its `crash` row.
pub fn last_row(spec: &OutputSpec, crashed: bool) -> Option<(Permille, Cause)> {
    let (row, cause) = if crashed { (spec.when.crash, Cause::Crash) } else { (spec.when.stop, Cause::Stop) };
    match row {
        RowDrive::Fixed(drive) => {
            let mut state = OutputState::UNKNOWN;
            Some((state.shape(BootTime::ZERO, spec, (drive, cause), Pace::Last), cause))
        }
        // Without a daemon there is no demand to follow, so the output stays as it is.
        RowDrive::Keep | RowDrive::Auto => None,
    }
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
