//! The drives that are wanted of an output, by the back end or an override, and what of them the output can do. Which of them
//! decides is determined in `outputs`.

use super::climate::Climate;
use super::constraint::{Constraint, Unmet};
use super::intent::Intent;
use super::{Cause, OutputId, OutputKind, OutputSpec};
use crate::twin::{Override, Silence, Version};
use crate::units::Permille;
use alloc::collections::BTreeMap;

/// With `fanOn` true, a PWM output without a `min-duty` runs at this drive or more.
const FAN_ON_LEAST: Permille = Permille::saturating_const(300);

/// The inputs of the ranks.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What the back end wants.
    pub intent: &'a Intent,
    /// The outputs that `fanOn` drives.
    pub fans: &'a [OutputId],
    /// The climate, if the site has one.
    pub climate: Option<&'a Climate>,
    /// The hub's silence.
    pub silence: Silence,
    /// The overrides in force.
    pub overrides: &'a BTreeMap<OutputId, Override>,
}

/// The drive that the back end wants of an output, and the version that last changed it.
pub(super) fn desired(
    output: OutputId,
    spec: &OutputSpec,
    demand: Option<Permille>,
    situation: Situation<'_>,
) -> Option<(Permille, Version)> {
    if let Some(drive) = situation.intent.drives.get(&output) {
        return Some((drive.value, drive.version));
    }
    let fan_on = situation.intent.fan_on.filter(|_| situation.fans.contains(&output))?;
    let least = match spec.kind {
        OutputKind::OnOff => Permille::FULL,
        OutputKind::Pwm => spec.min_duty.unwrap_or(FAN_ON_LEAST),
    };
    let drive = if fan_on.value { least.max(demand.unwrap_or_default()) } else { Permille::ZERO };
    Some((drive, fan_on.version))
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
/// the back end wants only if that differs.
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
        return Some(Unmet { by, cause: Cause::Override, wants: overridden.drive, until: None });
    }
    let demand = situation.climate.and_then(|climate| climate.demand(output));
    let (wants, version) = desired(output, spec, demand, situation)?;
    let differs = decided != Some(fit(spec, wants));
    differs.then_some(Unmet { by, cause: Cause::Desired(version), wants, until: None })
}
