//! `[outputs.NAME.when]`: the fail-safe table of one output.
//!
//! `"auto"` follows the climate, so it is refused in rows that apply without one. The defaults of `sensor-fault` and `overheat`
//! depend on the climate, which fills them in.

use super::codes::{Code, Reason};
use super::faults::Findings;
use super::reader::Reader;
use super::spans::{At, Span};
use super::{values, words};
use crate::control::{OutputKind, RowDrive, When};
use crate::units::Permille;
use core::fmt::Display;
use core::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

const SILENT_MIN: Duration = Duration::from_secs(1);
/// Below this twind asks a hub with nothing to say more often than it reports.
const SILENT_USUAL: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SILENT_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The table, and where it says `"auto"`.
pub(super) struct Rows {
    pub(super) when: When,
    pub(super) autos: Vec<(&'static str, Span)>,
    /// The rows that only a climate can put into force.
    pub(super) climate_rows: Vec<(&'static str, Span)>,
    /// Where it says what happens until something decides.
    start_at: Option<Span>,
    /// The rows that are shares.
    shares: Vec<(&'static str, Permille, Span)>,
}

impl Rows {
    /// Warns of shares below the output's minimum duty.
    pub(super) fn warn_below(&self, least: Option<Permille>, findings: &Findings) {
        let Some(least) = least else { return };
        for (row, share, at) in self.shares.iter().filter(|(_, share, _)| !share.is_zero() && *share < least)
        {
            let (share, least) = (share.percent(), least.percent());
            let say = format!("`{row}` is {share}%, below `min-duty`: the output is driven to {least}% then");
            findings.warn(*at, Code::NoEffect.because(say));
        }
    }

    /// Warns of a `start` row where something decides from the first step on.
    pub(super) fn warn_of_start(&self, findings: &Findings) {
        if let Some(at) = self.start_at {
            let say = "`start` never applies: with `alarms` the output is off until one is raised";
            findings.warn(at, Code::NoEffect.because(say));
        }
    }
}

/// The values that a row may have.
#[derive(Clone, Copy)]
struct Allowed {
    kind: OutputKind,
    /// Why `"auto"` is not allowed.
    no_auto: Option<&'static str>,
    /// Only on and off: no process pulses the pin then.
    must_rest: bool,
}

impl Allowed {
    fn has_shares(self) -> bool {
        self.kind == OutputKind::Pwm && !self.must_rest
    }

    fn words(self) -> &'static [&'static str] {
        match (self.must_rest, self.no_auto) {
            (true, _) => &["on", "off"],
            (false, Some(_)) => &["on", "off", "keep"],
            (false, None) => &["on", "off", "keep", "auto"],
        }
    }

    /// What the row must be, and what was found.
    fn but_found(self, code: Code, found: impl Display) -> Reason {
        let words = match self.has_shares() {
            true => format!("{} or a percentage such as \"40%\"", words::quoted(self.words())),
            false => words::either(self.words()),
        };
        code.must_be(words, found)
    }

    /// What to write in place of a number.
    fn hint(self, number: f64) -> String {
        let write = match (self.has_shares(), number) {
            (true, 0.0..=100.0) => format!("{number}%"),
            (false, 0.0) => "off".to_owned(),
            (false, 1.0 | 100.0) => "on".to_owned(),
            _ => return String::new(),
        };
        format!(": write \"{write}\"")
    }
}

/// Reads the table of an output of this kind. `needs_us`: a share is only possible while the daemon pulses the pin.
pub(super) fn read(mut table: Reader<'_>, kind: OutputKind, needs_us: bool) -> Rows {
    let default = When::default();
    let mut autos = Vec::new();
    let any = Allowed { kind, no_auto: None, must_rest: false };
    let start = table.read("start", |value| drive(value, any));
    let mut fixed = |row, must_rest, no_auto| {
        let allowed = Allowed { no_auto: Some(no_auto), must_rest, ..any };
        table.read(row, |value| drive(value, allowed)).map(|at| at.value)
    };
    let stop = fixed("stop", needs_us, "after the stop nothing follows the climate");
    let crash = fixed("crash", needs_us, "after a crash nothing follows the climate");
    let sensor_fault = fixed("sensor-fault", false, "without a valid reading there is no climate to follow");
    let overheat = fixed("overheat", false, "the row outranks the climate");
    let hub_silent = hub_silent(table.table("hub-silent"), any);
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
    let start_at = table.has("start").then(|| table.place("start"));
    table.finish();
    let when = When {
        start: start.map_or(default.start, |at| at.value),
        stop: stop.unwrap_or(default.stop),
        crash: crash.unwrap_or(default.crash),
        sensor_fault,
        overheat,
        hub_silent: hub_silent.0.zip(hub_silent.1.map(|at| at.value)),
    };
    Rows { when, autos, climate_rows, start_at, shares }
}

fn hub_silent(mut table: Reader<'_>, allowed: Allowed) -> (Option<Duration>, Option<At<RowDrive>>) {
    let after = table.duration("after", SILENT_MIN..=SILENT_MAX);
    let drive = table.read("drive", |value| drive(value, allowed));
    if let Some(after) = after.as_ref().filter(|after| after.value < SILENT_USUAL) {
        let quarter = after.value / 4;
        let requests = DAY.as_nanos() / quarter.as_nanos().max(1);
        let (after_s, quarter) = (values::time_name(after.value), values::time_name(quarter));
        let say = format!(
            "`after` of `hub-silent` is {after_s}: twind asks for the twin each time the hub has said nothing for a quarter \
             of it, {quarter}, which is up to {requests} requests a day; write at least \"{}\" unless that is meant",
            values::time_name(SILENT_USUAL)
        );
        table.findings().warn(after.at, Code::Unlikely.because(say));
    }
    table.require("after", "how long without hearing from the hub, such as \"24h\"");
    table.require("drive", "what the output does then, such as \"auto\"");
    table.finish();
    (after.map(|at| at.value), drive)
}

/// The share that a word without `%`, or with a decimal comma, probably means.
fn number(word: &str) -> Option<f64> {
    word.strip_suffix('%').unwrap_or(word).trim().replace(',', ".").parse().ok()
}

/// `"on"`, `"off"`, `"keep"`, `"auto"` or a percentage.
fn drive(value: &Spanned<DeValue<'_>>, allowed: Allowed) -> Result<RowDrive, Reason> {
    let found = |hint: String| {
        allowed.but_found(Code::WrongType, format_args!("{}{hint}", values::found(value.get_ref())))
    };
    let word = match value.get_ref() {
        DeValue::String(word) => word.trim(),
        DeValue::Integer(_) | DeValue::Float(_) => {
            return Err(found(values::number(value).map(|number| allowed.hint(number)).unwrap_or_default()));
        }
        DeValue::Boolean(on) => {
            return Err(found(format!(": write \"{}\"", if *on { "on" } else { "off" })));
        }
        _ => return Err(found(String::new())),
    };
    let drive = match word {
        "on" => RowDrive::Fixed(Permille::FULL),
        "off" => RowDrive::Fixed(Permille::ZERO),
        "keep" => RowDrive::Keep,
        "auto" => RowDrive::Auto,
        _ => {
            let share = word.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
            RowDrive::Fixed(share.and_then(Permille::from_percent).ok_or_else(|| {
                let hint = match number(word) {
                    Some(number) => allowed.hint(number),
                    None => words::hint(word, allowed.words()),
                };
                allowed.but_found(Code::UnknownWord, format_args!("\"{}\"{hint}", words::shorten(word)))
            })?)
        }
    };
    check(drive, word, allowed).map(|()| drive)
}

/// May this drive stand in the row?
fn check(drive: RowDrive, word: &str, allowed: Allowed) -> Result<(), Reason> {
    let is_share = !matches!(drive, RowDrive::Fixed(Permille::ZERO | Permille::FULL));
    match (drive, allowed.no_auto) {
        (RowDrive::Auto, Some(why)) => {
            Err(allowed.but_found(Code::UnknownWord, format_args!("\"auto\": {why}")))
        }
        (RowDrive::Fixed(_), _) if allowed.kind == OutputKind::OnOff && is_share => {
            let words = "\"on\" or \"off\" (0% or 100%)";
            let rest = format_args!(" on an on/off output, found \"{word}\"");
            Err(Code::UnknownWord.must_be_and(words, rest))
        }
        _ if allowed.must_rest && is_share => {
            let rest = " with software PWM: nothing pulses the pin when the daemon is gone";
            Err(Code::UnknownWord.must_be_and("\"on\" or \"off\"", rest))
        }
        _ => Ok(()),
    }
}
