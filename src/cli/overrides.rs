//! `twind override`: a technician overrides an output or a climate for a time.

use super::ask::{AskFault, ask};
use crate::engine::{OVERRIDE_MAX, OVERRIDE_MIN, Setting};
use crate::service::calls::{
    ClearOverride, OverrideReply, Percent, RangeOverrideReply, Refusal, SetOverride, SetRangeOverride,
};
use crate::text::{self, Span};
use crate::units::{Permille, TemperatureUnit};
use core::time::Duration;
use humantime::parse_duration;
use std::path::Path;

/// What may be asked.
pub const SETTINGS: &str = "on, off, clear, a percentage such as 40%, and a range such as 18..21";

/// What is asked of an output or a climate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// This share or range, for this time.
    Set(Setting, Duration),
    /// No override any more.
    Clear,
}

impl Order {
    /// Reads `on`, `off`, a percentage, a range or `clear`, and the time that all but the last need.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub fn parse(setting: &str, lasts: Option<&str>) -> Result<Self, String> {
        let wanted = match (setting, lasts) {
            ("clear", None) => return Ok(Self::Clear),
            ("clear", Some(_)) => return Err("`clear` ends an override now; it takes no --for".to_owned()),
            ("on", _) => Setting::Drive(Permille::FULL),
            ("off", _) => Setting::Drive(Permille::ZERO),
            (other, _) => match other.split_once("..") {
                Some(ends) => range(other, ends)?,
                None => Setting::Drive(
                    percentage(other).ok_or_else(|| format!("\"{other}\" is none of {SETTINGS}"))?,
                ),
            },
        };
        let lasts = lasts.ok_or("an override ends by itself: say when, such as --for 30m")?;
        let time = parse_duration(lasts.trim())
            .map_err(|_| format!("\"{lasts}\" is not a time such as 90s, 5m or \"1h 30m\""))?;
        if !(OVERRIDE_MIN..=OVERRIDE_MAX).contains(&time) {
            let (min, max) = (Span::from(OVERRIDE_MIN), Span::from(OVERRIDE_MAX));
            return Err(format!("an override lasts from {min} to {max}, found \"{lasts}\""));
        }
        // The interface counts in seconds.
        Ok(Self::Set(wanted, Duration::from_secs(time.as_secs())))
    }
}

impl Order {
    /// What will be done. A range is in this unit.
    pub(super) fn describe(self, name: &str, unit: &str) -> String {
        match self {
            Self::Set(Setting::Range { min, max }, lasts) => {
                format!("{name}: {min} to {max}{unit} for {}", Span::from(lasts))
            }
            Self::Set(Setting::Drive(drive), lasts) => {
                format!("{name}: {} % for {}", drive.percent(), Span::from(lasts))
            }
            Self::Clear => format!("{name}: no override any more"),
        }
    }
}

/// Reads what may be set. Returns whether it is a range.
///
/// # Errors
/// What is wrong with the words.
pub(super) fn percentage_or_range(setting: &str) -> Result<bool, String> {
    // Any time that is long enough: it is asked for later.
    let order = Order::parse(setting, Some("1m"))?;
    Ok(matches!(order, Order::Set(Setting::Range { .. }, _)))
}

fn percentage(text: &str) -> Option<Permille> {
    Permille::from_percent(text.strip_suffix('%')?.trim().parse().ok()?)
}

fn range(text: &str, (min, max): (&str, &str)) -> Result<Setting, String> {
    let end = |end: &str| end.trim().parse().ok().filter(|number: &f64| number.is_finite());
    match (end(min), end(max)) {
        (Some(min), Some(max)) if min < max => Ok(Setting::Range { min, max }),
        (Some(_), Some(_)) => Err(format!("\"{text}\": the lower end comes first")),
        _ => Err(format!("\"{text}\" is not a range such as 18..21 or 18.5..21.5, without a unit")),
    }
}

/// Sends the order to the daemon. Returns what to print: what was ordered, and below it what holds the output back.
///
/// # Errors
/// Why the order was not accepted.
pub fn send(socket: &Path, name: &str, order: Order) -> Result<String, AskFault> {
    let output = name.to_owned();
    match order {
        Order::Set(Setting::Range { min, max }, lasts) => {
            let order = SetRangeOverride { climate: output, min, max, seconds: lasts.as_secs() };
            let RangeOverrideReply { unit } = ask(socket, &order)?;
            let unit = unit.as_deref().map(unit_after).unwrap_or_default();
            Ok(format!("{name}: {min} to {max}{unit} for {}", Span::from(lasts)))
        }
        Order::Set(Setting::Drive(drive), lasts) => {
            let order = SetOverride { output, percent: Percent(drive), seconds: lasts.as_secs() };
            let OverrideReply { held } = ask(socket, &order)?;
            let SetOverride { output, .. } = order;
            let held = held.map(|held| format!("\n{output}: {}", text::escape(&held.text)));
            let (percent, lasts) = (drive.percent(), Span::from(lasts));
            Ok(format!("{output}: {percent} % for {lasts}{}", held.unwrap_or_default()))
        }
        Order::Clear => {
            let order = ClearOverride { output };
            ask(socket, &order)?;
            Ok(format!("{}: no override", order.output))
        }
    }
}

/// A unit as it follows a number.
fn unit_after(name: &str) -> String {
    let symbol = TemperatureUnit::parse(name).map(TemperatureUnit::symbol);
    format!(" {}", text::escape(symbol.unwrap_or(name)))
}

/// The message if the arguments were wrong, not the daemon.
pub fn usage(fault: &AskFault) -> Option<String> {
    let AskFault::Refused(error) = fault else { return None };
    match Refusal::of(error)? {
        Refusal::UnknownOutput { output, known } => {
            Some(format!("there is no output or climate {output}; there are: {}", known.join(", ")))
        }
        Refusal::InvalidOverride { reason } => Some(reason),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(permille: u16) -> Permille {
        Permille::new(permille).unwrap()
    }

    #[test]
    fn an_order_is_read_from_its_words() {
        let half_an_hour = Duration::from_secs(1800);
        for (setting, permille) in [("on", 1000), ("off", 0), ("40%", 400), ("12.5 %", 125), ("0%", 0)] {
            let read = Order::parse(setting, Some("30m"));
            assert_eq!(read, Ok(Order::Set(Setting::Drive(share(permille)), half_an_hour)), "{setting}");
        }
        let read = Order::parse("on", Some("1h 30m"));
        assert_eq!(read, Ok(Order::Set(Setting::Drive(Permille::FULL), Duration::from_secs(5400))));
        for (setting, min, max) in
            [("18..21", 18.0, 21.0), ("-5.5 .. 3", -5.5, 3.0), ("400..1000", 400.0, 1000.0)]
        {
            let read = Order::parse(setting, Some("30m"));
            assert_eq!(read, Ok(Order::Set(Setting::Range { min, max }, half_an_hour)), "{setting}");
        }
        assert_eq!(Order::parse("clear", None), Ok(Order::Clear));
    }

    #[test]
    fn words_that_are_wrong_are_told_with_what_is_right() {
        for (setting, lasts, says) in [
            ("on", None, "--for 30m"),
            ("clear", Some("5m"), "takes no --for"),
            ("40", Some("5m"), "40%"),
            ("101%", Some("5m"), "percentage"),
            ("-1%", Some("5m"), "percentage"),
            ("NaN%", Some("5m"), "percentage"),
            ("21..18", Some("5m"), "lower end"),
            ("18..18", Some("5m"), "lower end"),
            ("18..", Some("5m"), "18..21"),
            ("18..21C", Some("5m"), "without a unit"),
            ("18..inf", Some("5m"), "without a unit"),
            ("18..21", None, "--for 30m"),
            ("18", Some("5m"), "18..21"),
            ("on", Some("30"), "90s"),
            ("on", Some("8d"), "7 d"),
            ("on", Some("500ms"), "1 s"),
        ] {
            let fault = Order::parse(setting, lasts).unwrap_err();
            assert!(fault.contains(says), "{setting} {lasts:?}: {fault}");
        }
    }
}
