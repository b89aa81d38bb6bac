//! What both pages of `twind check` say of climates and alarms.

use crate::control::alarm_kind::AlarmKind;
use crate::control::{ClimateSpec, OutputId, OutputSpec};

/// A number of a climate as the file has it; rounded, since the conversion through Celsius leaves digits that nobody wrote.
pub(super) fn in_words(climate: &ClimateSpec, base: f64) -> f64 {
    let unit = climate.quantity.unit().unwrap_or_default();
    (climate.quantity.from_base(unit, base) * 1000.0).round() / 1000.0
}

/// What an output does for a climate, if anything.
pub(super) fn role(id: OutputId, climate: &ClimateSpec) -> Option<String> {
    let (lowers, raises) = match climate.quantity.unit() {
        Some(_) => ("cools", "heats"),
        None => ("lowers", "raises"),
    };
    let does = if climate.lowering.contains(&id) {
        lowers
    } else if climate.raising.contains(&id) {
        raises
    } else {
        return None;
    };
    Some(climate.name.as_ref().map_or_else(|| does.to_owned(), |name| format!("{does} {name}")))
}

/// When an output that follows alarms is on.
pub(super) fn by_alarms(output: &OutputSpec) -> Option<String> {
    let kinds: Vec<&str> = output.alarms.iter().map(|kind| AlarmKind::name(*kind)).collect();
    (!kinds.is_empty()).then(|| format!("on while the alarm {} is raised", kinds.join(" or ")))
}
