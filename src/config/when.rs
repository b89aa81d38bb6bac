//! `[outputs.NAME.when]`: the fail-safe table of one output.
//!
//! `"auto"` asks the climate, so it is refused in the rows for which there is none to ask. What `sensor-fault` and
//! `overheat` do when they are left out depends on the climate, so it is filled in there.

use super::faults::Span;
use super::reader::{At, Reader};
use super::values;
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
    Rows { when, autos }
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

/// `"on"`, `"off"`, `"keep"`, `"auto"` or a percentage.
fn drive(value: &Spanned<DeValue<'_>>, kind: OutputKind) -> Result<RowDrive, String> {
    const ALLOWED: &str = "must be \"on\", \"off\", \"keep\", \"auto\" or a percentage such as \"40%\"";
    let word = match value.get_ref() {
        DeValue::String(word) => word.trim(),
        DeValue::Integer(number) => return Err(format!("{ALLOWED}, found {number}: write \"{number}%\"")),
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
                    let hint = values::nearest(word, ["on", "off", "keep", "auto"].into_iter())
                        .map(|near| format!("; did you mean \"{near}\"?"))
                        .unwrap_or_default();
                    Err(format!("{ALLOWED}, found \"{}\"{hint}", values::shorten(word)))
                }
            }
        }
    }
}
