//! The drives that are wanted of an output, by the back end, alarms or an override, and what of them the output can do. Which of them
//! decides is determined in `outputs`.

use super::alarm_kind::Standing;
use super::climate::{Climate, Regime};
use super::climates::Climates;
use super::constraint::{Constraint, Unmet};
use super::intent::{Intent, Setpoint};
use super::{Cause, ClimateId, OutputId, OutputKind, OutputSpec};
use crate::twin::{Override, Silence};
use crate::units::Permille;
use alloc::collections::BTreeMap;

/// With `fanOn` true, a PWM output without a `min-duty` runs at this drive or more.
const FAN_ON_LEAST: Permille = Permille::saturating_const(300);

/// The inputs of the ranks.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What the back end wants.
    pub intent: &'a Intent,
    /// The outputs that the `fanOn` of the site drives.
    pub fans: &'a [OutputId],
    /// The climates.
    pub climates: &'a Climates,
    /// The hub's silence.
    pub silence: Silence,
    /// The alarms that stand.
    pub alarms: &'a Standing,
    /// The overrides in force.
    pub overrides: &'a BTreeMap<OutputId, Override>,
}

/// The drive that is wanted of an output, and by what.
pub(super) type Want = (Permille, Cause);

/// What is wanted of an output below the overrides: by alarms, by its own property, by `fanOn`, or by its climates. The drive at which it was
/// handed over stands for the demand of a climate that has no reading yet.
pub(super) fn wanted(
    output: OutputId,
    spec: &OutputSpec,
    handed_over: Option<Permille>,
    situation: Situation<'_>,
) -> Option<Want> {
    if !spec.alarms.is_empty() {
        return Some(by_alarms(spec, handed_over, situation.alarms));
    }
    if let Some(drive) = situation.intent.drives.get(&output) {
        return Some((drive.value, Cause::Desired(drive.version)));
    }
    let demand = |climate: &Climate| {
        climate.demand(output).or(handed_over.filter(|_| climate.regime() == Regime::Starting))
    };
    let Some(fan_on) = situation.intent.fan_on.filter(|_| situation.fans.contains(&output)) else {
        return by_climates(output, spec, situation, demand);
    };
    let climates = situation.climates.concerning(output);
    Some(switched(spec, fan_on, climates.filter_map(|(_, climate)| demand(climate)).max()))
}

/// Full while an alarm stands that the output follows, else off. An alarm that stood at a hand-over may have to be raised again, so
/// the output stays as it was handed over until that would have happened.
fn by_alarms(spec: &OutputSpec, handed_over: Option<Permille>, alarms: &Standing) -> Want {
    match (alarms.first_of(&spec.alarms), handed_over) {
        (Some(kind), _) => (Permille::FULL, Cause::Alarm(Some(kind))),
        (None, Some(drive)) if !alarms.are_known && !drive.is_zero() => (drive, Cause::Start),
        (None, _) => (Permille::ZERO, Cause::Alarm(None)),
    }
}

/// The greatest of what the climates want of an output; of equal ones, the first. What one without a valid reading wants is the
/// `sensor-fault` row, if there is one.
fn by_climates(
    output: OutputId,
    spec: &OutputSpec,
    situation: Situation<'_>,
    demand: impl Fn(&Climate) -> Option<Permille>,
) -> Option<Want> {
    let wants = |(id, climate): (ClimateId, &Climate)| {
        let is_lost = climate.regime() == Regime::SensorFault && spec.when.sensor_fault.is_some();
        let fan_on = situation.intent.climate(id).and_then(|of| of.fan_on);
        let demand = demand(climate);
        match fan_on.filter(|_| climate.spec().lowering.contains(&output)) {
            _ if is_lost => None,
            Some(fan_on) => Some(switched(spec, fan_on, demand)),
            None => Some((demand?, Cause::Climate(id))),
        }
    };
    let greatest = |a: Want, b: Want| if b.0 > a.0 { b } else { a };
    situation.climates.concerning(output).filter_map(wants).reduce(greatest)
}

/// What a switch wants: off, or at least so much that the output runs.
fn switched(spec: &OutputSpec, fan_on: Setpoint<bool>, demand: Option<Permille>) -> Want {
    let least = match spec.kind {
        OutputKind::OnOff => Permille::FULL,
        OutputKind::Pwm => spec.min_duty.unwrap_or(FAN_ON_LEAST),
    };
    let drive = if fan_on.value { least.max(demand.unwrap_or_default()) } else { Permille::ZERO };
    (drive, Cause::Desired(fan_on.version))
}

/// The nearest drive that an output can have.
pub(super) fn fit(spec: &OutputSpec, share: Permille) -> Permille {
    match (spec.kind, spec.min_duty) {
        _ if share.is_zero() => share,
        (OutputKind::OnOff, _) => Permille::FULL,
        (OutputKind::Pwm, least) => share.max(least.unwrap_or_default()),
    }
}

/// What is wanted of an output while a fail-safe row decides: the override in any case, so that its author learns of it; what
/// the back end or an alarm wants only if that differs.
pub(super) fn overruled(
    output: OutputId,
    spec: &OutputSpec,
    (cause, decided): (Cause, Option<Permille>),
    situation: Situation<'_>,
) -> Option<Unmet> {
    if !matches!(cause, Cause::Overheat | Cause::SensorFault | Cause::HubSilent) {
        return None;
    }
    let by = Constraint::Rank(cause);
    if let Some(overridden) = situation.overrides.get(&output) {
        return Some(Unmet { by, cause: Cause::Override, wants: overridden.value, until: None });
    }
    let (wants, cause) = wanted(output, spec, None, situation)?;
    if !matches!(cause, Cause::Desired(_) | Cause::Alarm(Some(_))) {
        return None;
    }
    let differs = decided != Some(fit(spec, wants));
    differs.then_some(Unmet { by, cause, wants, until: None })
}
