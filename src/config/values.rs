//! Single values, converted from TOML's types, or why not. A reason continues the sentence after the key: "must be …, found …".

use super::codes::{Code, Reason};
use super::spans::{At, Span};
use super::words::{hint, quoted, shorten, unknown_word};
use crate::control::quantity::{CELSIUS_MAX, NUMBER_MAX};
use crate::twin::PropertyPath;
use crate::units::{Celsius, TemperatureUnit};
use core::ops::RangeInclusive;
use core::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// The units of temperature by the names that are offered.
pub(super) const UNITS: [(&str, TemperatureUnit); 3] = [
    ("celsius", TemperatureUnit::Celsius),
    ("fahrenheit", TemperatureUnit::Fahrenheit),
    ("kelvin", TemperatureUnit::Kelvin),
];

/// A value as a message names it.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", shorten(text)),
        DeValue::Integer(number) => format!("the number {}", shorten(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", shorten(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `"25%"`, within a range.
pub(super) fn percentage(value: &Spanned<DeValue<'_>>, allowed: &RangeInclusive<f64>) -> Result<f64, Reason> {
    let (low, high) = (allowed.start(), allowed.end());
    let wanted = |code: Code| {
        code.must_be(format_args!("a percentage from \"{low}%\" to \"{high}%\""), found(value.get_ref()))
    };
    let DeValue::String(text) = value.get_ref() else { return Err(wanted(Code::WrongType)) };
    let number = text.trim().strip_suffix('%').and_then(number_in);
    let number = number.ok_or_else(|| wanted(Code::WrongForm))?;
    if allowed.contains(&number) { Ok(number) } else { Err(wanted(Code::OutOfRange)) }
}

/// A temperature for a message, rounded, since the conversion through Celsius leaves digits that nobody wrote.
pub(super) fn degrees_in(unit: TemperatureUnit, temperature: Celsius) -> f64 {
    (unit.from_celsius(temperature) * 1000.0).round() / 1000.0
}

pub(super) fn text<'t>(value: &'t Spanned<DeValue<'t>>) -> Result<&'t str, Reason> {
    match value.get_ref().as_str() {
        None => Err(Code::WrongType.must_be("a text in quotes", found(value.get_ref()))),
        Some(text) if text.trim().is_empty() => Err(Code::WrongForm.because("must not be empty")),
        Some(text) => Ok(text),
    }
}

pub(super) fn boolean(value: &Spanned<DeValue<'_>>) -> Result<bool, Reason> {
    value
        .get_ref()
        .as_bool()
        .ok_or_else(|| Code::WrongType.must_be("true or false (without quotes)", found(value.get_ref())))
}

pub(super) fn integer(value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>) -> Result<u32, Reason> {
    value
        .get_ref()
        .as_integer()
        .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            let code = if value.get_ref().is_integer() { Code::OutOfRange } else { Code::WrongType };
            code.must_be(format_args!("a whole number from {from} to {to}"), found(value.get_ref()))
        })
}

pub(super) fn number(value: &Spanned<DeValue<'_>>) -> Result<f64, Reason> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite()).filter(|number| number.abs() <= NUMBER_MAX).ok_or_else(
        || match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) if number.is_some_and(f64::is_finite) => {
                let allowed = format_args!("a number of at most {NUMBER_MAX:e}");
                Code::OutOfRange.must_be(allowed, found(value.get_ref()))
            }
            DeValue::String(text) => {
                let hint = number_in(text).map(|number| format!(": write {number} without quotes"));
                let hint = hint.unwrap_or_default();
                Code::WrongType.must_be("a finite number", found(value.get_ref())).and(hint)
            }
            DeValue::Integer(_) | DeValue::Float(_) => {
                Code::OutOfRange.must_be("a finite number", found(value.get_ref()))
            }
            _ => Code::WrongType.must_be("a finite number", found(value.get_ref())),
        },
    )
}

/// The number that a text holds, also with a decimal comma.
fn number_in(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
}

pub(super) fn temperature(value: &Spanned<DeValue<'_>>, unit: TemperatureUnit) -> Result<Celsius, Reason> {
    let degrees = number(value)?;
    let named = || format!("{} ({})", found(value.get_ref()), unit.name());
    let temperature = unit
        .to_celsius(degrees)
        .ok_or_else(|| Code::OutOfRange.must_be("a temperature above absolute zero", named()))?;
    if temperature.degrees() <= CELSIUS_MAX {
        return Ok(temperature);
    }
    let max = Celsius::new(CELSIUS_MAX).map_or(CELSIUS_MAX, |max| degrees_in(unit, max));
    Err(Code::OutOfRange.must_be(format_args!("a temperature of at most {max}"), named()))
}

pub(super) fn duration(
    value: &Spanned<DeValue<'_>>,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, Reason> {
    time(value, range, "")
}

/// A span of time, or `None` for the word "off".
pub(super) fn duration_or_off(
    value: &Spanned<DeValue<'_>>,
    range: &RangeInclusive<Duration>,
) -> Result<Option<Duration>, Reason> {
    const OFF: [&str; 1] = ["off"];
    let hint = match value.get_ref() {
        DeValue::String(word) if word == OFF[0] => return Ok(None),
        DeValue::String(word) => hint(word.trim(), &OFF),
        DeValue::Boolean(value) => hint(&value.to_string(), &OFF),
        _ => String::new(),
    };
    time(value, range, ", or \"off\"").map(Some).map_err(|reason| reason.and(hint))
}

/// A span of time; a message says what may stand in its place.
fn time(
    value: &Spanned<DeValue<'_>>,
    range: &RangeInclusive<Duration>,
    or: &str,
) -> Result<Duration, Reason> {
    let examples = "such as \"90s\", \"5m\" or \"1h 30m\"";
    let text = match value.get_ref() {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(_) | DeValue::Float(_) => {
            let said =
                Code::WrongType.must_be(format_args!("a time with its unit{or}"), found(value.get_ref()));
            return Err(said.and(offers(number(value).unwrap_or_default(), range)));
        }
        other => {
            let allowed = format_args!("a time in quotes, {examples}{or}");
            return Err(Code::WrongType.must_be(allowed, found(other)));
        }
    };
    let quoted = || format!("\"{}\"", shorten(text));
    if let Some(number) = number_in(text) {
        let said = Code::WrongForm.must_be(format_args!("a time with its unit{or}"), quoted());
        return Err(said.and(offers(number, range)));
    }
    let time = humantime::parse_duration(text).map_err(|reason| {
        // Of a word it says less than the word.
        let is_word = text.chars().all(char::is_alphabetic);
        let reason = if is_word { String::new() } else { format!(" ({reason})") };
        let hint = respelt(text, range).map(|time| format!(": write \"{time}\"")).unwrap_or_default();
        let said = Code::WrongForm.must_be(format_args!("a time, {examples}{or}"), quoted());
        said.and(reason).and(hint)
    })?;
    if range.contains(&time) {
        Ok(time)
    } else {
        let (from, to) = (time_name(*range.start()), time_name(*range.end()));
        // "M" is a month.
        let hint = respelt(text, range).map(|time| format!("; did you mean \"{time}\"?")).unwrap_or_default();
        Err(Code::OutOfRange.must_be(format_args!("a time from {from} to {to}{or}"), quoted()).and(hint))
    }
}

/// What a number without a unit can mean within a range: `: write "5s" or "5m"`.
fn offers(number: f64, range: &RangeInclusive<Duration>) -> String {
    const UNITS: [(&str, f64); 5] =
        [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("ms", 0.001), ("days", 86_400.0)];
    const SHOWN: usize = 3;
    let written = |(unit, seconds): (&str, f64)| {
        let time = Duration::try_from_secs_f64(number * seconds).ok()?;
        let whole = number.fract() == 0.0;
        let text = if whole { format!("{number}{unit}") } else { time_name(rounded(time)) };
        range.contains(&time).then(|| format!("\"{text}\""))
    };
    let offers: Vec<String> = UNITS.into_iter().filter_map(written).take(SHOWN).collect();
    if offers.is_empty() {
        format!("; it must be from {} to {}", time_name(*range.start()), time_name(*range.end()))
    } else {
        format!(": write {}", offers.join(" or "))
    }
}

/// Rounds, since products of decimal fractions are not exact.
fn rounded(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from((time.as_nanos() + 500) / 1000).unwrap_or(u64::MAX))
}

/// The time that a text with capitals or a decimal comma was to say.
fn respelt(text: &str, range: &RangeInclusive<Duration>) -> Option<String> {
    let respelt = text.to_lowercase().replace(',', ".");
    let time = humantime::parse_duration(&respelt).ok().filter(|time| range.contains(time))?;
    Some(if respelt.contains('.') { time_name(time) } else { respelt })
}

/// A span of time as this file writes it.
pub(crate) fn time_name(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

pub(super) fn word<T: Copy>(value: &Spanned<DeValue<'_>>, words: &[(&'static str, T)]) -> Result<T, Reason> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let word = value.get_ref().as_str().ok_or_else(|| {
        Code::WrongType.must_be(format_args!("one of {}", quoted(&names)), found(value.get_ref()))
    })?;
    words
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| unknown_word(word, &names))
}

pub(super) fn unit(value: &Spanned<DeValue<'_>>) -> Result<TemperatureUnit, Reason> {
    let word = text(value)?;
    TemperatureUnit::parse(word).ok_or_else(|| unknown_word(word, &UNITS.map(|(name, _)| name)))
}

pub(super) fn texts<'t>(value: &'t Spanned<DeValue<'t>>) -> Result<Vec<At<String>>, Reason> {
    let one = |value: &'t Spanned<DeValue<'t>>| -> Result<At<String>, Reason> {
        Ok(At { value: text(value)?.to_owned(), at: Span::from(value.span()) })
    };
    match value.get_ref() {
        DeValue::String(_) => Ok(vec![one(value)?]),
        DeValue::Array(list) if !list.is_empty() => list
            .iter()
            .map(|item| one(item).map_err(|reason| reason.after("is a list in which each item ")))
            .collect(),
        DeValue::Array(_) => Err(Code::WrongForm.because("must name at least one")),
        other => Err(Code::WrongType.must_be("a name in quotes, or a list of them", found(other))),
    }
}

pub(super) fn numbers(value: &Spanned<DeValue<'_>>) -> Result<Vec<f64>, Reason> {
    match value.get_ref() {
        DeValue::Array(list) => list
            .iter()
            .map(|item| number(item).map_err(|reason| reason.after("is a list in which each item ")))
            .collect(),
        other => Err(Code::WrongType.must_be("a list of numbers such as [85.0]", found(other))),
    }
}

/// The lowest and the highest of something.
pub(super) fn interval(value: &Spanned<DeValue<'_>>) -> Result<(f64, f64), Reason> {
    match numbers(value)?.as_slice() {
        [low, high] if low < high => Ok((*low, *high)),
        [low, high] => {
            Err(Code::Inconsistent.because(format!("must have its lower end first, found [{low}, {high}]")))
        }
        other => {
            let comma = if other.len() > 2 { " (a number has a decimal point, not a comma)" } else { "" };
            let found = format_args!("{}{comma}", other.len());
            Err(Code::WrongForm.must_be("two numbers, the lowest and the highest", found))
        }
    }
}

pub(super) fn property(value: &Spanned<DeValue<'_>>) -> Result<PropertyPath, Reason> {
    let path = text(value)?;
    PropertyPath::parse(path).ok_or_else(|| {
        let allowed = "a property's keys joined by dots, such as \"components.lamp.on\", without white space, \"$\" and \"#\"";
        Code::WrongForm.must_be_and(allowed, format_args!("; found \"{}\"", shorten(path)))
    })
}
