//! Why an output does not have the drive that is wanted of it: a minimum time, `min-duty`, `slew`, a stall, or a higher rank.
//! The constraints themselves are applied in `outputs`.

use super::Cause;
use super::climates::Climates;
use crate::text::Span;
use crate::units::{BootTime, Permille};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What keeps an output from a drive that is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Constraint {
    /// It was switched on a moment ago and stays on.
    MinOn,
    /// It was switched off a moment ago and stays off.
    MinOff,
    /// Less than its `min-duty` is wanted.
    MinDuty,
    /// Its drive changes gradually.
    Slew,
    /// It does not turn, so it is driven at full.
    Stall,
    /// A higher rank decides.
    Rank(Cause),
}

impl Constraint {
    /// As people read it.
    pub fn by_name(self, climates: &Climates) -> impl fmt::Display {
        NamedConstraint { constraint: self, climates }
    }
}

struct NamedConstraint<'a> {
    constraint: Constraint,
    climates: &'a Climates,
}

impl fmt::Display for NamedConstraint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.constraint {
            Constraint::MinOn => f.write_str("min-on"),
            Constraint::MinOff => f.write_str("min-off"),
            Constraint::MinDuty => f.write_str("min-duty"),
            Constraint::Slew => f.write_str("slew"),
            Constraint::Stall => f.write_str("stall"),
            Constraint::Rank(cause) => cause.by_name(self.climates).fmt(f),
        }
    }
}

/// A drive that something wants of an output and that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unmet {
    /// What prevents it.
    pub by: Constraint,
    /// What wants it.
    pub cause: Cause,
    /// The drive that is wanted.
    pub wants: Permille,
    /// When the constraint ends; `None` if that is not a matter of time.
    pub until: Option<BootTime>,
}

impl Unmet {
    /// Seconds until the constraint ends, rounded up.
    pub fn seconds(&self, now: BootTime) -> Option<u64> {
        self.until.map(|until| Span::from(until.since(now)).0)
    }

    /// As a phrase at this moment.
    pub fn describe(self, now: BootTime, climates: &Climates) -> impl fmt::Display {
        Description { unmet: self, now, climates }
    }
}

struct Description<'a> {
    unmet: Unmet,
    now: BootTime,
    climates: &'a Climates,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmet { by: constraint, cause, wants, .. } = self.unmet;
        let (by, cause) = (constraint.by_name(self.climates), cause.by_name(self.climates));
        let seconds = self.unmet.seconds(self.now);
        write!(f, "{cause} wants {} %, ", wants.percent())?;
        match constraint {
            Constraint::MinOn => write!(f, "held on{} by {by}", For(seconds)),
            Constraint::MinOff => write!(f, "held off{} by {by}", For(seconds)),
            Constraint::MinDuty => write!(f, "raised to {by}"),
            Constraint::Slew => {
                write!(f, "changing gradually ({by})")?;
                seconds.iter().try_for_each(|seconds| write!(f, ", {} to go", Span(*seconds)))
            }
            Constraint::Stall => write!(f, "driven at full until it turns ({by})"),
            Constraint::Rank(_) => write!(f, "outranked by {by}"),
        }
    }
}

/// ` for 4 min`, of a number of seconds; empty if it is not known.
struct For(Option<u64>);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|seconds| write!(f, " for {}", Span(*seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{BY_CLIMATE, at, at_ms, climates, permille};
    use crate::twin::Version;

    #[test]
    fn an_unmet_demand_is_described_with_its_constraint() {
        let unmet = |by, cause, wants, until| Unmet { by, cause, wants: permille(wants), until };
        for (unmet, text) in [
            (
                unmet(Constraint::MinOff, Cause::Override, 1000, Some(at(340))),
                "override wants 100 %, held off for 4 min by min-off",
            ),
            (
                unmet(Constraint::MinOn, Cause::Desired(Version(7)), 0, Some(at_ms(100_001))),
                "desired version 7 wants 0 %, held on for 1 s by min-on",
            ),
            (
                unmet(Constraint::MinDuty, Cause::Override, 105, None),
                "override wants 10.5 %, raised to min-duty",
            ),
            (
                unmet(Constraint::Slew, BY_CLIMATE, 800, Some(at(3_800))),
                "climate wants 80 %, changing gradually (slew), 1 h 1 min to go",
            ),
            (
                unmet(Constraint::Rank(Cause::Overheat), Cause::Override, 600, None),
                "override wants 60 %, outranked by fail-safe overheat",
            ),
            (
                unmet(Constraint::MinOff, BY_CLIMATE, 1000, Some(at(100))),
                "climate wants 100 %, held off for 0 s by min-off",
            ),
        ] {
            assert_eq!(unmet.describe(at(100), &climates()).to_string(), text);
        }
    }
}
