//! Single values: from TOML's types to ours, or why not. A reason reads on after the key: "must be …, found …".
//!
//! Deliberately absent: where a value stands and what it is for.

use super::faults::Span;
use super::reader::At;
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

/// The start of a foreign text, fit for one line of a message. It may be a secret that was written into the wrong place.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = super::secrets::masked(text);
    let mut short: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// The candidate that was probably meant.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // The measure is quadratic, and no name of ours is long.
    if name.len() > 64 {
        return None;
    }
    // The first measure likes a common start (`host-nam` for `host-name`), the second sees one slip in a short word.
    let near = |score: f64, candidate: &str| {
        score >= 0.8 || (candidate.len() >= 3 && strsim::osa_distance(name, candidate) == 1)
    };
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, candidate)| near(*score, candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// A temperature as a message writes it: the way through Celsius leaves crumbs.
pub(super) fn degrees(unit: TemperatureUnit, temperature: Celsius) -> f64 {
    (unit.from_celsius(temperature) * 1000.0).round() / 1000.0
}

/// What to say of a word that is none of those allowed.
pub(super) fn unknown_word(word: &str, allowed: &[&str]) -> String {
    let list: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
    let hint = nearest(word, allowed.iter().copied())
        .map(|near| format!("; did you mean \"{near}\"?"))
        .unwrap_or_default();
    format!("must be one of {}, found \"{}\"{hint}", list.join(", "), shorten(word))
}

pub(super) fn text<'t>(value: &'t Spanned<DeValue<'t>>) -> Result<&'t str, String> {
    match value.get_ref().as_str() {
        None => Err(format!("must be a text in quotes, found {}", found(value.get_ref()))),
        Some(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        Some(text) => Ok(text),
    }
}

pub(super) fn boolean(value: &Spanned<DeValue<'_>>) -> Result<bool, String> {
    value
        .get_ref()
        .as_bool()
        .ok_or_else(|| format!("must be true or false (without quotes), found {}", found(value.get_ref())))
}

pub(super) fn integer(value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>) -> Result<u32, String> {
    value
        .get_ref()
        .as_integer()
        .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            format!("must be a whole number from {from} to {to}, found {}", found(value.get_ref()))
        })
}

pub(super) fn number(value: &Spanned<DeValue<'_>>) -> Result<f64, String> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok(),
        _ => None,
    };
    number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| format!("must be a finite number, found {}", found(value.get_ref())))
}

pub(super) fn temperature(value: &Spanned<DeValue<'_>>, unit: TemperatureUnit) -> Result<Celsius, String> {
    let degrees = number(value)?;
    unit.to_celsius(degrees).ok_or_else(|| {
        format!("must be a temperature above absolute zero, found {degrees} ({})", unit.name())
    })
}

pub(super) fn duration(
    value: &Spanned<DeValue<'_>>,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, String> {
    let examples = "such as \"90s\", \"5m\" or \"1h 30m\"";
    let text = match value.get_ref() {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(number) => {
            return Err(format!(
                "must be a time with its unit, found the number {number}: write \"{number}s\""
            ));
        }
        other => return Err(format!("must be a time in quotes, {examples}, found {}", found(other))),
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let shown = shorten(text);
        return Err(format!("must be a time with its unit, found \"{shown}\": write \"{shown}s\""));
    }
    let time = humantime::parse_duration(text)
        .map_err(|reason| format!("must be a time, {examples}, found \"{}\" ({reason})", shorten(text)))?;
    if range.contains(&time) {
        Ok(time)
    } else {
        let (from, to) = (time_name(*range.start()), time_name(*range.end()));
        Err(format!("must be a time from {from} to {to}, found \"{}\"", shorten(text)))
    }
}

/// A span of time as this file writes it.
pub(crate) fn time_name(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

pub(super) fn word<T: Copy>(value: &Spanned<DeValue<'_>>, words: &[(&'static str, T)]) -> Result<T, String> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let word = value.get_ref().as_str().ok_or_else(|| {
        let list: Vec<String> = names.iter().map(|word| format!("\"{word}\"")).collect();
        format!("must be one of {}, found {}", list.join(", "), found(value.get_ref()))
    })?;
    words
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| unknown_word(word, &names))
}

pub(super) fn unit(value: &Spanned<DeValue<'_>>) -> Result<TemperatureUnit, String> {
    let word = text(value)?;
    TemperatureUnit::parse(word).ok_or_else(|| unknown_word(word, &UNITS.map(|(name, _)| name)))
}

pub(super) fn texts<'t>(value: &'t Spanned<DeValue<'t>>) -> Result<Vec<At<String>>, String> {
    let one = |value: &'t Spanned<DeValue<'t>>| -> Result<At<String>, String> {
        Ok(At { value: text(value)?.to_owned(), at: Span::from(value.span()) })
    };
    match value.get_ref() {
        DeValue::String(_) => Ok(vec![one(value)?]),
        DeValue::Array(list) if !list.is_empty() => list
            .iter()
            .map(|item| one(item).map_err(|reason| format!("is a list in which each item {reason}")))
            .collect(),
        DeValue::Array(_) => Err("must name at least one".to_owned()),
        other => Err(format!("must be a name in quotes, or a list of them, found {}", found(other))),
    }
}

pub(super) fn numbers(value: &Spanned<DeValue<'_>>) -> Result<Vec<f64>, String> {
    match value.get_ref() {
        DeValue::Array(list) => list
            .iter()
            .map(|item| number(item).map_err(|reason| format!("is a list in which each item {reason}")))
            .collect(),
        other => Err(format!("must be a list of numbers such as [85.0], found {}", found(other))),
    }
}

/// The lowest and the highest of something.
pub(super) fn interval(value: &Spanned<DeValue<'_>>) -> Result<(f64, f64), String> {
    match numbers(value)?.as_slice() {
        [low, high] if low < high => Ok((*low, *high)),
        [low, high] => Err(format!("must have its lower end first, found [{low}, {high}]")),
        other => Err(format!("must be two numbers, the lowest and the highest, found {}", other.len())),
    }
}

pub(super) fn property(value: &Spanned<DeValue<'_>>) -> Result<PropertyPath, String> {
    let path = text(value)?;
    PropertyPath::parse(path).ok_or_else(|| {
        format!(
            "must be a property's keys joined by dots, such as \"components.lamp.on\", without white space, \
             \"$\" and \"#\"; found \"{}\"",
            shorten(path)
        )
    })
}
