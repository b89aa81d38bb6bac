//! `[outputs.NAME.when]`: the fail-safe table of one output.
//!
//! `"auto"` asks the climate, so it is refused in the rows for which there is none to ask. What `sensor-fault` and
//! `overheat` do when they are left out depends on the climate, so it is filled in there.

use super::faults::Span;
use super::reader::{At, Reader};
use super::{values, words};
use crate::control::{OutputKind, RowDrive, When};
use crate::units::Permille;
use core::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

const SILENT_MIN: Duration = Duration::from_secs(1);
const SILENT_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The table, and where it says `"auto"`.
pub(super) struct Rows {
    pub(super) when: When,
    pub(super) autos: Vec<(&'static str, Span)>,
    /// Where it says what only a climate can call for.
    pub(super) climate_rows: Vec<(&'static str, Span)>,
    /// Its shares of full.
    pub(super) shares: Vec<(&'static str, Permille, Span)>,
}

/// Reads the table of an output of this kind. `needs_us`: a share of full lasts only while the daemon pulses the pin.
pub(super) fn read(mut table: Reader<'_>, kind: OutputKind, needs_us: bool) -> Rows {
    let default = When::default();
    let mut autos = Vec::new();
    let start = table.read("start", |value| drive(value, kind));
    let stop = fixed(&mut table, "stop", kind, "after the stop nobody follows the climate");
    let crash = fixed(&mut table, "crash", kind, "after a crash nobody follows the climate");
    let sensor_fault =
        fixed(&mut table, "sensor-fault", kind, "without a valid reading there is no climate to follow");
    let overheat = fixed(&mut table, "overheat", kind, "the row stands above the climate");
    if needs_us {
        for (row, drive) in [("stop", stop), ("crash", crash)] {
            if drive.is_some_and(|drive| !rests(drive)) {
                let say = "must be \"on\" or \"off\" with PWM by software: nobody pulses the pin when the daemon is gone";
                table.wrong(row, say);
            }
        }
    }
    let hub_silent = hub_silent(table.table("hub-silent"), kind);
    let climate_rows = ["sensor-fault", "overheat"].into_iter().filter(|row| table.has(row));
    let climate_rows = climate_rows.map(|row| (row, table.place(row))).collect();
    let written = [
        ("start", start.as_ref().map(|at| at.value)),
        ("stop", stop),
        ("crash", crash),
        ("sensor-fault", sensor_fault),
        ("overheat", overheat),
        ("hub-silent", hub_silent.1.as_ref().map(|at| at.value)),
    ];
    let shares = written.into_iter().filter_map(|(row, drive)| match drive? {
        RowDrive::Fixed(share) => Some((row, share, table.place(row))),
        RowDrive::Keep | RowDrive::Auto => None,
    });
    let shares = shares.collect();
    for (row, drive) in [("start", &start), ("hub-silent", &hub_silent.1)] {
        if let Some(At { value: RowDrive::Auto, at }) = drive {
            autos.push((row, *at));
        }
    }
    table.finish();
    let when = When {
        start: start.map_or(default.start, |at| at.value),
        stop: stop.unwrap_or(default.stop),
        crash: crash.unwrap_or(default.crash),
        sensor_fault,
        overheat,
        hub_silent: hub_silent.0.zip(hub_silent.1.map(|at| at.value)),
    };
    Rows { when, autos, climate_rows, shares }
}

fn rests(drive: RowDrive) -> bool {
    matches!(drive, RowDrive::Fixed(share) if share == Permille::ZERO || share == Permille::FULL)
}

/// A row that must not say `"auto"`, and why.
fn fixed(table: &mut Reader<'_>, row: &'static str, kind: OutputKind, why: &str) -> Option<RowDrive> {
    let read = table.read(row, |value| match drive(value, kind)? {
        RowDrive::Auto => {
            Err(format!("must be \"on\", \"off\", \"keep\" or a percentage, found \"auto\": {why}"))
        }
        other => Ok(other),
    });
    read.map(|at| at.value)
}

fn hub_silent(mut table: Reader<'_>, kind: OutputKind) -> (Option<Duration>, Option<At<RowDrive>>) {
    let after = table.duration("after", SILENT_MIN..=SILENT_MAX);
    let drive = table.read("drive", |value| drive(value, kind));
    table.require("after", "how long without a word from the hub, such as \"24h\"");
    table.require("drive", "what the output does then, such as \"auto\"");
    table.finish();
    (after.map(|at| at.value), drive)
}

/// The share that a word without `%`, or with a decimal comma, was to say.
fn number(word: &str) -> Option<f64> {
    let digits = word.strip_suffix('%').unwrap_or(word).trim().replace(',', ".");
    digits.parse().ok().filter(|number| (0.0..=100.0).contains(number))
}

/// `"on"`, `"off"`, `"keep"`, `"auto"` or a percentage.
fn drive(value: &Spanned<DeValue<'_>>, kind: OutputKind) -> Result<RowDrive, String> {
    const ALLOWED: &str = "must be \"on\", \"off\", \"keep\", \"auto\" or a percentage such as \"40%\"";
    let word = match value.get_ref() {
        DeValue::String(word) => word.trim(),
        DeValue::Integer(_) | DeValue::Float(_) => {
            let found = values::found(value.get_ref());
            let percent = values::number(value).ok().filter(|n| (0.0..=100.0).contains(n));
            let hint = percent.map(|n| format!(": write \"{n}%\"")).unwrap_or_default();
            return Err(format!("{ALLOWED}, {found}{hint}", found = format_args!("found {found}")));
        }
        DeValue::Boolean(on) => {
            let word = if *on { "on" } else { "off" };
            return Err(format!("{ALLOWED}, found {on}: write \"{word}\""));
        }
        other => return Err(format!("{ALLOWED}, found {}", values::found(other))),
    };
    match word {
        "on" => Ok(RowDrive::Fixed(Permille::FULL)),
        "off" => Ok(RowDrive::Fixed(Permille::ZERO)),
        "keep" => Ok(RowDrive::Keep),
        "auto" => Ok(RowDrive::Auto),
        _ => {
            let share = word.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
            match share.and_then(Permille::from_percent) {
                Some(share)
                    if kind == OutputKind::OnOff && share != Permille::ZERO && share != Permille::FULL =>
                {
                    Err(format!(
                        "must be \"on\" or \"off\" (0% or 100%) on an on/off output, found \"{word}\""
                    ))
                }
                Some(share) => Ok(RowDrive::Fixed(share)),
                None => {
                    let hint = match number(word) {
                        Some(percent) => format!(": write \"{percent}%\""),
                        None => words::hint(word, &["on", "off", "keep", "auto"]),
                    };
                    Err(format!("{ALLOWED}, found \"{}\"{hint}", values::shorten(word)))
                }
            }
        }
    }
}
