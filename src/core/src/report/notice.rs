//! Events for an operator, and their messages. They are data until the service logs them.

use super::write::round_to;
use crate::control::ClimateRange;
use crate::control::climate::Regime;
use crate::control::quantity::Quantity;
use crate::control::scheduled::Scheduled;
use crate::text::{Span, escape};
use crate::twin::{Author, DesiredChange, SyncNotice, Version};
use crate::units::Permille;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// An event for an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// About the twin.
    Sync(SyncNotice),
    /// The desired section changed.
    Desired(DesiredChange),
    /// The stored twin was found late, and is followed from now on.
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
    /// An output can be driven, but does not turn, or its speed is not known.
    TachFault {
        /// The output.
        output: String,
        /// What is wrong.
        fault: String,
        /// It does not turn, which is an alarm.
        is_stalled: bool,
    },
    /// The speed of an output is as it should be again.
    TachMended {
        /// The output.
        output: String,
    },
    /// The record could not be stored.
    StoreFault {
        /// Why.
        reason: String,
    },
    /// The record can be stored again.
    StoreMended,
    /// Messages cannot be kept on the disk.
    RingFault {
        /// Why.
        reason: String,
    },
    /// They can be kept again.
    RingMended,
    /// Telemetry records were lost.
    RecordsDropped {
        /// How many since the last notice.
        count: u64,
        /// How many since the process started.
        all: u64,
    },
    /// Messages that were kept are being sent.
    Backlog {
        /// How many.
        messages: u64,
    },
    /// All of them have been.
    BacklogSent,
    /// The drive of an output changed, or what decides it.
    Driven {
        /// The output.
        output: String,
        /// Its drive in permille; after another decision, the drive that the output comes to.
        permille: u16,
        /// What decided it.
        cause: String,
        /// Who ordered it, if it is an override, or a climate that is overridden.
        by: Option<Author>,
        /// Why it does not have the drive that is wanted of it, if that is so since this decision.
        unmet: Option<String>,
        /// It has an entry in the history: it was switched on or off, something else decides now, or its drive has moved since the
        /// last entry; otherwise merely its drive changed.
        is_entry: bool,
        /// The drive changes by it.
        moved: bool,
    },
    /// An output was overridden, or its override was cleared.
    Overridden {
        /// The output.
        output: String,
        /// The drive and for how long; `None` if the override was cleared.
        order: Option<(Permille, Duration)>,
        /// By whom.
        by: Author,
    },
    /// An override ended.
    OverrideEnded {
        /// The output.
        output: String,
    },
    /// A climate was overridden, or its override was cleared.
    RangeOverridden {
        /// The climate's name, if it has one.
        climate: Option<String>,
        /// What it holds in range.
        quantity: Quantity,
        /// The range and for how long; `None` if the override was cleared.
        order: Option<(ClimateRange, Duration)>,
        /// By whom.
        by: Author,
    },
    /// The override of a climate ended.
    RangeOverrideEnded {
        /// The climate's name, if it has one.
        climate: Option<String>,
    },
    /// The regime of a climate changed.
    Regime {
        /// The climate's name, if it has one.
        climate: Option<String>,
        /// What it holds in range.
        quantity: Quantity,
        /// The regime before.
        before: Regime,
        /// The regime now.
        regime: Regime,
    },
    /// The schedule of a climate says something else.
    Scheduled {
        /// The climate's name, if it has one.
        climate: Option<String>,
        /// What it says; `None` if there is none any more.
        scheduled: Option<Scheduled>,
        /// The time zone of its times.
        zone: String,
    },
    /// A sensor has no valid reading any more.
    SensorLost {
        /// The sensor.
        sensor: String,
        /// The text of its alarm.
        text: String,
    },
    /// A sensor has been read well for its `stale-after`.
    SensorBack {
        /// The sensor.
        sensor: String,
    },
    /// A part of the report had to be left out.
    ReportCut(String),
}

/// What decided, as people read it: a cause, and the author of the override if there is one. The cause is the override itself,
/// or the climate that is overridden.
pub struct Decided<'a, By> {
    /// The cause.
    pub cause: &'a str,
    /// The author.
    pub by: Option<By>,
}

impl<By: fmt::Display> fmt::Display for Decided<'_, By> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause)?;
        self.by.iter().try_for_each(|by| match self.cause {
            "override" => write!(f, " ({by})"),
            _ => write!(f, ", overridden by {by}"),
        })
    }
}

/// `climate`, and its name if it has one.
struct Named<'a>(&'a Option<String>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("climate")?;
        self.0.iter().try_for_each(|name| write!(f, " {name}"))
    }
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
                    "the hub's desired version {to} is not higher than ours, {from}: the device was deleted and created again at the hub; its whole twin is adopted"
                )
            }
            Self::Followed { version } => {
                write!(
                    f,
                    "the stored twin has been found after all; outputs follow its desired version {version}"
                )
            }
            Self::Refused { property, reason } => {
                write!(f, "desired {property} is not applied: {reason}; what was in force stays in force")
            }
            Self::PinFault { output, reason } => {
                write!(f, "output {output} cannot be driven: {reason}; retrying at every control step")
            }
            Self::PinMended { output } => write!(f, "output {output} can be driven again"),
            Self::TachFault { output, fault, is_stalled: true } => {
                write!(f, "output {output}: {fault}; it is driven at full")
            }
            Self::TachFault { output, fault, .. } => {
                write!(f, "output {output}: {fault}; it is driven all the same")
            }
            Self::TachMended { output } => write!(f, "output {output}: its speed is normal again"),
            Self::StoreFault { reason } => {
                write!(
                    f,
                    "the local copy of the twin cannot be stored: {reason}; control continues, but nothing new is acknowledged to the hub until it can be stored"
                )
            }
            Self::StoreMended => f.write_str("the local copy of the twin can be stored again"),
            Self::RingFault { reason } => write!(
                f,
                "telemetry cannot be kept on the disk: {reason}; it waits in memory for the hub, and the oldest is lost if that goes on"
            ),
            Self::RingMended => f.write_str("telemetry can be kept on the disk again"),
            Self::RecordsDropped { count, all } => write!(
                f,
                "{count} telemetry records are lost, {all} since the start: there was no room to keep them until the hub takes them ([telemetry] keep), or they could not be read"
            ),
            Self::Backlog { messages } => {
                write!(f, "{messages} telemetry messages that were kept are being sent, the oldest first")
            }
            Self::BacklogSent => f.write_str("all telemetry that was kept has been sent"),
            Self::Driven { output, permille, cause, by, unmet, moved, .. } => {
                let (verb, decided) = if *moved { ("set to", "") } else { ("stays at", ", now decided") };
                let percent = f64::from(*permille) / 10.0;
                write!(
                    f,
                    "output {output} {verb} {percent} %{decided} by {}",
                    Decided { cause, by: by.as_ref() }
                )?;
                unmet.iter().try_for_each(|unmet| write!(f, "; {unmet}"))
            }
            Self::Overridden { output, order: Some((drive, lasts)), by } => {
                let (percent, span) = (drive.percent(), Span(lasts.as_secs()));
                write!(f, "output {output} overridden by {by}: {percent} % for {span}")
            }
            Self::Overridden { output, order: None, by } => {
                write!(f, "the override of output {output} was cleared by {by}")
            }
            Self::OverrideEnded { output } => write!(f, "the override of output {output} has ended"),
            Self::RangeOverridden { climate, quantity, order: Some((range, lasts)), by } => {
                let unit = quantity.unit().unwrap_or_default();
                let end = |base| round_to(quantity.from_base(unit, base), 2);
                let (min, max, span) = (end(range.min()), end(range.max()), Span(lasts.as_secs()));
                write!(f, "{} overridden by {by}: {min} to {max}", Named(climate))?;
                quantity.unit().iter().try_for_each(|unit| write!(f, " {}", unit.symbol()))?;
                write!(f, " for {span}")
            }
            Self::RangeOverridden { climate, order: None, by, .. } => {
                write!(f, "the override of {} was cleared by {by}", Named(climate))
            }
            Self::RangeOverrideEnded { climate } => {
                write!(f, "the override of {} has ended", Named(climate))
            }
            Self::Regime { climate, quantity, regime, .. } => {
                write!(f, "{}: {}", Named(climate), regime.name(quantity))?;
                if *regime == Regime::Overheat {
                    let measures = quantity.measures();
                    write!(
                        f,
                        ": a sensor is above the critical {measures}; outputs follow their overheat rows until "
                    )?;
                    f.write_str("all are below it by at least the hysteresis")
                } else if *regime == Regime::SensorFault {
                    f.write_str(": none of its sensors has a valid reading; outputs follow their")?;
                    f.write_str(" sensor-fault rows until one has")
                } else {
                    Ok(())
                }
            }
            Self::Scheduled { climate, scheduled, zone } => {
                Named(climate).fmt(f)?;
                match scheduled {
                    None => f.write_str(": it no longer has a schedule"),
                    Some(Scheduled::Waiting) => f.write_str(
                        ": its schedule is suspended until the clock can be trusted; its own range applies",
                    ),
                    Some(scheduled) => {
                        match scheduled.entry() {
                            Some(entry) => write!(f, ": schedule entry {} applies", escape(entry))?,
                            None => f.write_str(": no schedule entry applies; its own range does")?,
                        }
                        scheduled
                            .until()
                            .iter()
                            .try_for_each(|until| write!(f, " until {}", until.rfc3339()))?;
                        write!(f, "; its times are in {zone}")
                    }
                }
            }
            Self::SensorLost { text, .. } => f.write_str(text),
            Self::SensorBack { sensor } => {
                write!(f, "sensor {sensor} has valid readings again: its alarm has ended")
            }
            Self::ReportCut(fault) => {
                write!(f, "left out of the report, since the hub would refuse it: {fault}")
            }
        }
    }
}
