//! What the core has to say to an operator, and how it is said. Data until the service logs it.

use crate::control::climate::Regime;
use crate::control::constraint::Span;
use crate::twin::{Author, DesiredChange, SyncNotice, Version};
use crate::units::Permille;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// Something an operator may want to know of.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// About the twin.
    Sync(SyncNotice),
    /// The desired section changed.
    Desired(DesiredChange),
    /// The stored twin came late, and is followed from now on.
    Followed {
        /// Its desired version.
        version: Version,
    },
    /// A desired value was refused.
    Refused {
        /// The property.
        property: String,
        /// Why.
        reason: String,
    },
    /// An output could not be driven.
    PinFault {
        /// The output.
        output: String,
        /// Why.
        reason: String,
    },
    /// An output that could not be driven can be again.
    PinMended {
        /// The output.
        output: String,
    },
    /// An output can be driven, but does not turn, or nobody knows whether it does.
    TachFault {
        /// The output.
        output: String,
        /// What is wrong.
        fault: String,
    },
    /// What was wrong with an output's speed is mended.
    TachMended {
        /// The output.
        output: String,
    },
    /// The record could not be kept.
    StoreFault {
        /// Why.
        reason: String,
    },
    /// The record can be kept again.
    StoreMended,
    /// An output changed, or something else decides it.
    Driven {
        /// The output.
        output: String,
        /// Its drive in permille; where something new decides, what the output is to come to.
        permille: u16,
        /// What decided it.
        cause: String,
        /// Whose hand, if it was one.
        by: Option<Author>,
        /// What holds it back from what is wanted of it, if something does and that is news.
        unmet: Option<String>,
        /// It went from rest to running or back, or something else decides now; not just another share.
        turned: bool,
        /// The output moves by it.
        moved: bool,
    },
    /// A hand was put on an output, or taken away.
    Overridden {
        /// The output.
        output: String,
        /// What was asked for and for how long; `None` if it was taken away.
        order: Option<(Permille, Duration)>,
        /// By whom.
        by: Author,
    },
    /// An override came to its end.
    OverrideEnded {
        /// The output.
        output: String,
    },
    /// The climate is about something else now.
    Regime {
        /// What it was about before.
        before: Regime,
        /// What it is about now.
        regime: Regime,
        /// The sensors that have no valid reading, each with its fault and where it is read, if none has one.
        lost: Vec<String>,
    },
    /// A sensor has no valid reading any more; not told where the regime tells it.
    SensorLost {
        /// The sensor.
        sensor: String,
        /// What its alarm says.
        text: String,
    },
    /// A sensor has a valid reading again.
    SensorBack {
        /// The sensor.
        sensor: String,
    },
    /// A part of the report had to be left out.
    ReportCut(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sync(notice) => notice.fmt(f),
            Self::Desired(DesiredChange { from, to, recreated: false }) => {
                write!(f, "desired section changed, version {from} to {to}")
            }
            Self::Desired(DesiredChange { from, to, recreated: true }) => {
                write!(
                    f,
                    "the hub's desired version {to} is not above our {from}: the device's identity was made anew, its twin is taken over whole"
                )
            }
            Self::Followed { version } => {
                write!(f, "the stored twin is there now: desired version {version} is followed")
            }
            Self::Refused { property, reason } => {
                write!(f, "desired {property} is not applied: {reason}; the last good value stays in force")
            }
            Self::PinFault { output, reason } => {
                write!(
                    f,
                    "output {output} cannot be driven: {reason}; it is tried again at every control step"
                )
            }
            Self::PinMended { output } => write!(f, "output {output} can be driven again"),
            Self::TachFault { output, fault } => {
                write!(f, "output {output}: {fault}; it is driven all the same")
            }
            Self::TachMended { output } => write!(f, "output {output}: its speed is right again"),
            Self::StoreFault { reason } => {
                write!(
                    f,
                    "the twin's copy cannot be kept: {reason}; control goes on, nothing new is acknowledged to the hub until it can"
                )
            }
            Self::StoreMended => f.write_str("the twin's copy can be kept again"),
            Self::Driven { output, permille, cause, by, unmet, moved, .. } => {
                let (verb, now) = if *moved { ("driven to", "") } else { ("stays at", "now ") };
                let comma = if *moved { "" } else { "," };
                write!(f, "output {output} {verb} {permille} permille{comma} {now}by {cause}")?;
                by.iter().try_for_each(|by| write!(f, " of {by}"))?;
                unmet.iter().try_for_each(|unmet| write!(f, "; {unmet}"))
            }
            Self::Overridden { output, order: Some((drive, lasts)), by } => {
                let span = Span(Some(lasts.as_secs()));
                write!(f, "output {output} overridden by {by}: {} %{span}", drive.percent())
            }
            Self::Overridden { output, order: None, by } => {
                write!(f, "the override of output {output} is taken away by {by}")
            }
            Self::OverrideEnded { output } => write!(f, "the override of output {output} has ended"),
            Self::Regime { regime: Regime::Overheat, .. } => f.write_str(
                "climate: overheat: a sensor is above the critical temperature; outputs follow their overheat rows until \
                 all are below it again",
            ),
            Self::Regime { regime, lost, .. } if lost.is_empty() => write!(f, "climate: {}", regime.name()),
            Self::Regime { regime, lost, .. } => {
                write!(f, "climate: {}: sensor {}; outputs", regime.name(), lost.join("; sensor "))?;
                f.write_str(" follow their sensor-fault rows until one has")
            }
            Self::SensorLost { text, .. } => f.write_str(text),
            Self::SensorBack { sensor } => write!(f, "sensor {sensor} has a valid reading again"),
            Self::ReportCut(fault) => {
                write!(f, "left out of the report, since the hub would refuse it: {fault}")
            }
        }
    }
}
