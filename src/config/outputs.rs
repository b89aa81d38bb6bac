//! `[outputs.NAME]`: what can be driven, for the core and for the board, and which outputs follow alarms. `[climate]` says which
//! output cools and which heats.

use super::board::Board;
use super::codes::{Code, Reason};
use super::faults::LINE;
use super::reader::Reader;
use super::spans::{At, Span};
use super::words;
use super::words::nearest;
use super::{values, when};
use crate::board::{Line, PinSettings, TachSettings, Wiring};
use crate::control::alarm_kind::AlarmKind;
use crate::control::{OutputKind, OutputSpec};
use crate::twin::PropertyPath;
use crate::units::Permille;
use core::time::Duration;

/// As many as climates, so that each of them can have its own.
const OUTPUTS_MAX: usize = 64;
/// More than any board has.
pub(super) const PIN_MAX: u32 = 1023;
const FREQUENCY_HZ_MAX: u32 = 10_000_000;
const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const KICK_MAX: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);
const NAME_LENGTH_MAX: usize = 64;

/// What Plug and Play writes into each component.
const MARKER: &str = "__t";

/// Names that the report has for itself.
const RESERVED: [(&str, &str); 2] = [
    ("climate", "the climate is reported under that name"),
    ("system", "the unit of temperature is reported under that name"),
];

pub(super) const GAP: &str = "one [outputs.NAME] with what it is wired to, such as pin = 17; and, to hold a temperature, one \
                   [sensors.NAME] and [climate]";

/// One output, with the places that later checks point at.
pub(super) struct ConfiguredOutput {
    pub(super) spec: OutputSpec,
    pub(super) pin: PinSettings,
    pub(super) autos: Vec<(&'static str, Span)>,
    /// Its rows that only a climate can call for.
    pub(super) climate_rows: Vec<(&'static str, Span)>,
    pub(super) name_at: Span,
    pub(super) property_at: Span,
    /// The kinds of alarms that it follows.
    pub(super) alarms: Vec<At<AlarmKind>>,
    /// Where it says so, right or wrong.
    pub(super) alarms_at: Option<Span>,
    pub(super) line_at: Span,
    pub(super) tach_at: Span,
}

/// Reads every output, in file order.
pub(super) fn read(file: &mut Reader<'_>, board: &Board) -> Vec<ConfiguredOutput> {
    let mut tables = file.tables("outputs");
    if let Some((name, _)) = tables.get(OUTPUTS_MAX) {
        file.findings()
            .wrong(name.at, Code::TooMany.because(format!("there are more than {OUTPUTS_MAX} outputs")));
        tables.truncate(OUTPUTS_MAX);
    }
    let (slips, whole): (Vec<_>, Vec<_>) = tables.iter().partition(|(_, table)| is_alone(table));
    let whole: Vec<String> = whole.into_iter().map(|(name, _)| name.value.clone()).collect();
    let slips: Vec<At<String>> = slips.into_iter().map(|(name, _)| name.clone()).collect();
    let misspelt: Vec<Span> =
        slips.iter().filter(|name| is_slip(file, name, &whole, board)).map(|name| name.at).collect();
    let meant = tables.into_iter().filter(|(name, _)| !misspelt.contains(&name.at));
    let outputs: Vec<ConfiguredOutput> = meant.map(|(name, table)| output(&name, table, board)).collect();
    outputs
}

/// Does it consist of nothing but a table below it?
fn is_alone(table: &Reader<'_>) -> bool {
    table.is_implied() && ["when", "tach"].iter().any(|key| table.has(key))
}

/// Such an output is more often a misspelt name than an output. If it is reported as misspelt, there is no such output.
fn is_slip(file: &Reader<'_>, name: &At<String>, whole: &[String], board: &Board) -> bool {
    let At { value: name, at } = name;
    let near = nearest(name, whole.iter().map(String::as_str));
    if let Some(near) = near {
        let say = format!("nothing else is configured for [outputs.{name}]; did you mean [outputs.{near}]?");
        file.findings().wrong(*at, Code::UnknownName.because(say));
    } else if !board.needs_lines() {
        // On other boards the missing wire is reported.
        let say = format!(
            "nothing else is configured for [outputs.{name}], which makes it an output of its own: write [outputs.{name}] \
             above it if that is meant"
        );
        file.findings().warn(*at, Code::Unlikely.because(say));
    }
    near.is_some()
}

/// A name that can stand in a twin, a path and a command.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), Reason> {
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let legal_key = PropertyPath::parse(name).is_some_and(|path| path.keys().len() == 1);
    let shown = words::shorten(name);
    if !legal || !legal_key || name.len() > NAME_LENGTH_MAX {
        let allowed = format_args!("1 to {NAME_LENGTH_MAX} letters, digits, \"-\" or \"_\"");
        let reason = Code::WrongName.must_be(allowed, format_args!("\"{shown}\""));
        return Err(reason.after(format_args!("the name of {what} ")));
    }
    if name.starts_with('-') {
        return Err(Code::WrongName.because(format!(
            "the name of {what} cannot begin with \"-\", which commands take for an option: begin it with a letter or \
             digit, found \"{shown}\""
        )));
    }
    if name == MARKER {
        return Err(Code::WrongName.because(format!(
            "the name of {what} cannot be \"{MARKER}\", which marks components of Plug and Play"
        )));
    }
    Ok(())
}

/// Why an output, or a sensor that is reported to the hub, cannot have this name.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(reserved, _)| *reserved == name).map(|(_, why)| *why)
}

fn output(name: &At<String>, mut table: Reader<'_>, board: &Board) -> ConfiguredOutput {
    if let Err(reason) = check_name(&name.value, "an output") {
        table.findings().wrong(name.at, reason);
    }
    if let Some(why) = reserved(&name.value) {
        let say = format!("an output cannot be named \"{}\": {why}", name.value);
        table.findings().wrong(name.at, Code::WrongName.because(say));
    }
    let line = line(&mut table, board);
    let min_duty = table.number_if("min-duty", "a percentage from 0 to 100", |n| (0.0..=100.0).contains(&n));
    let kick = table.duration("kick", MILLISECOND..=KICK_MAX);
    let slew = table.number_if("slew", "more than 0 percent per second", |n| n > 0.0);
    let min_on = table.duration("min-on", Duration::ZERO..=HOLD_MAX);
    let min_off = table.duration("min-off", Duration::ZERO..=HOLD_MAX);
    let tach_at = table.place("tach");
    let (tach, tach_at) = tach(table.table("tach"), board, line.as_ref().map(|(line, _)| line))
        .map_or((None, tach_at), |(tach, at)| (Some(tach), at));
    let property = table.read("property", values::property);
    let alarms = alarms(&mut table);
    let alarms_at = table.has("alarms").then(|| table.place("alarms"));
    if alarms_at.is_some() && table.has("property") {
        table.wrong(
            "alarms",
            Code::Conflict.because(
                "cannot be combined with `property`: an output follows alarms or the twin, remove one",
            ),
        );
    }

    let shaped: Vec<&str> = ["min-duty", "kick", "slew"].into_iter().filter(|key| table.has(key)).collect();
    let kind = match &line {
        Some((Line::Pin { .. }, _)) => OutputKind::OnOff,
        Some(_) => OutputKind::Pwm,
        // Nothing is wired to a simulated board: what is asked of the output says what it is.
        None if shaped.is_empty() && !table.has("pwm") => OutputKind::OnOff,
        None => OutputKind::Pwm,
    };
    if kind == OutputKind::OnOff {
        for key in &shaped {
            table.wrong(
                key,
                Code::Misplaced.because("is for an output with `pwm`; one with `pin` is on or off only"),
            );
        }
    } else if line.is_none() && !table.has("pwm") {
        for key in &shaped {
            let say = "is for an output with `pwm`; on the simulated board it makes this output one: write \
                       pwm = { channel = 0 }";
            table.warn(key, Code::Unlikely.because(say));
        }
    }
    // A simulated board's file stays as it was written.
    let needs_us = board.needs_lines() && matches!(line, Some((Line::SoftPwm { .. }, _)));
    let rows = when::read(table.table("when"), kind, needs_us);
    let least = min_duty.and_then(|at| Permille::from_percent(at.value)).filter(|least| !least.is_zero());
    rows.warn_below(least, table.findings());
    if alarms_at.is_some() {
        rows.warn_of_start(table.findings());
    }
    let property_at = table.place("property");
    let active_low = active_low(&mut table);
    let header = table.header();
    table.finish();
    let (line, line_at) = line.map_or((None, header), |(line, at)| (Some(line), at));
    let spec = OutputSpec {
        name: name.value.clone(),
        kind,
        min_duty: least,
        kick: kick.map(|at| at.value),
        slew_permille_per_s: slew.map(|at| at.value * 10.0),
        min_on: min_on.map(|at| at.value),
        min_off: min_off.map(|at| at.value),
        property: property.map(|at| at.value),
        alarms: alarms.iter().map(|kind| kind.value).collect(),
        when: rows.when,
    };
    let pin = PinSettings { name: name.value.clone(), line, active_low, tach };
    let (autos, climate_rows) = (rows.autos, rows.climate_rows);
    let name_at = name.at;
    ConfiguredOutput {
        spec,
        pin,
        autos,
        climate_rows,
        name_at,
        property_at,
        alarms,
        alarms_at,
        line_at,
        tach_at,
    }
}

/// The kinds of alarms that an output follows. One that is unknown, or given twice, is a fault.
fn alarms(table: &mut Reader<'_>) -> Vec<At<AlarmKind>> {
    let mut kinds: Vec<At<AlarmKind>> = Vec::new();
    for At { value: word, at } in table.strings("alarms").map(|list| list.value).unwrap_or_default() {
        let Some(kind) = AlarmKind::ALL.into_iter().find(|kind| kind.name() == word) else {
            let say = words::unknown_word(&word, &AlarmKind::ALL.map(AlarmKind::name));
            table.findings().wrong(at, say.after("`alarms` "));
            continue;
        };
        if let Some(first) = kinds.iter().find(|other| other.value == kind) {
            let say = format!("\"{word}\" is named twice, first in line {LINE}: remove one");
            table.findings().clash(at, first.at, Code::Duplicate.because(say));
        } else {
            kinds.push(At { value: kind, at });
        }
    }
    kinds
}

fn active_low(table: &mut Reader<'_>) -> bool {
    let active_low = table.bool("active-low").is_some_and(|at| at.value);
    if active_low && table.has("pwm") {
        table.wrong(
            "active-low",
            Code::Misplaced.because("is for `pin`; with `pwm` write inverted = true in it"),
        );
    }
    active_low
}

/// What the output is wired to: a pin or PWM, not both.
fn line(table: &mut Reader<'_>, board: &Board) -> Option<(Line, Span)> {
    let pin = table.integer("pin", 0..=PIN_MAX);
    let chip = chip(table, board);
    let pwm = pwm(table.table("pwm"), board);
    match (table.has("pin"), table.has("pwm")) {
        (true, true) => {
            table.wrong(
                "pwm",
                Code::Conflict
                    .because("cannot be combined with `pin`: an output is one or the other, remove one"),
            );
            None
        }
        (false, false) => {
            if board.needs_lines() {
                table.require(
                    "pin",
                    "the BCM number it is wired to (with driver = \"gpiochip\" the line's offset), such as pin = 17, \
                     or pwm = { channel = 0 }",
                );
            }
            if table.has("chip") {
                table.wrong("chip", Code::MissingKey.because("needs `pin`, the line's offset on that chip"));
            }
            None
        }
        (true, false) => {
            require_chip(table, board);
            pin.map(|pin| (Line::Pin { pin: pin.value, chip }, pin.at))
        }
        (false, true) => {
            if table.has("chip") {
                table.wrong(
                    "chip",
                    Code::Misplaced.because("goes with `pin`; for `pwm` write it inside its braces"),
                );
            }
            pwm
        }
    }
}

/// A chip's name, path or label.
pub(super) fn chip_name(table: &mut Reader<'_>) -> Option<At<String>> {
    table.read("chip", |value| {
        let name = values::text(value)?;
        // A label is the driver's, so it may be much; but not white space, and no path that depends on where we are.
        let is_path = name.starts_with('/');
        let legal = |c: char| c.is_ascii_graphic() && (is_path || c != '/');
        if name.chars().all(legal) {
            Ok(name.to_owned())
        } else {
            let shown = words::shorten(name);
            let allowed = "a chip's name, path or label such as \"gpiochip0\"";
            Err(Code::WrongForm.must_be(allowed, format_args!("\"{shown}\"")))
        }
    })
}

/// The chip of an output's line; what it is for is another table's.
fn chip(table: &mut Reader<'_>, board: &Board) -> Option<String> {
    let chip = chip_name(table);
    if chip.is_some() && board.wiring == Some(Wiring::Pins) {
        table.wrong("chip", Code::Misplaced.because("is for [board] driver = \"gpiochip\" only: remove it"));
    }
    chip.map(|at| at.value)
}

pub(super) fn require_chip(table: &Reader<'_>, board: &Board) {
    if board.wiring == Some(Wiring::Lines) {
        let why = "the chip that the line is on, by name, path or label, such as chip = \"gpiochip0\" (gpiodetect \
                   shows them)";
        table.require("chip", why);
    }
}

fn pwm(mut table: Reader<'_>, board: &Board) -> Option<(Line, Span)> {
    /// What a four-wire fan expects; a relay or a lamp on a pin wants far less.
    const CHANNEL_HZ: u32 = 25_000;
    const PIN_HZ: u32 = 100;
    const PIN_HZ_MAX: u32 = 1000;
    /// More than any chip has.
    const CHANNEL_MAX: u32 = 15;
    /// One for each output.
    const SIMULATED_CHANNEL_MAX: u32 = OUTPUTS_MAX as u32 - 1;
    let is_simulated = board.wiring == Some(Wiring::Files);
    let channel =
        table.integer("channel", 0..=if is_simulated { SIMULATED_CHANNEL_MAX } else { CHANNEL_MAX });
    let chip = chip(&mut table, board);
    let pin = table.integer("pin", 0..=PIN_MAX);
    let frequency = table.integer("frequency-hz", 1..=FREQUENCY_HZ_MAX);
    let inverted = table.bool("inverted").is_some_and(|at| at.value);
    let line = match (table.has("channel"), table.has("pin")) {
        (true, true) => {
            table.wrong(
                "pin",
                Code::Conflict.because(
                    "cannot be combined with `channel`: PWM comes from the hardware or from software",
                ),
            );
            None
        }
        (false, false) => {
            table.require("channel", "the hardware's PWM channel, or `pin` for software PWM");
            None
        }
        (true, false) => channel.map(|channel| {
            let frequency_hz = frequency.map_or(CHANNEL_HZ, |at| at.value);
            (Line::PwmChannel { channel: channel.value, chip, frequency_hz, inverted }, channel.at)
        }),
        (false, true) => {
            require_chip(&table, board);
            if frequency.as_ref().is_some_and(|at| at.value > PIN_HZ_MAX) {
                table.wrong(
                    "frequency-hz",
                    Code::OutOfRange
                        .must_be_and(format_args!("at most {PIN_HZ_MAX}"), " for software PWM on a pin"),
                );
            }
            pin.map(|pin| {
                let frequency_hz = frequency.map_or(PIN_HZ, |at| at.value);
                (Line::SoftPwm { pin: pin.value, chip, frequency_hz, inverted }, pin.at)
            })
        }
    };
    table.finish();
    line
}

/// The tachometer's line; its chip is the output's own if it does not say.
fn tach(mut table: Reader<'_>, board: &Board, line: Option<&Line>) -> Option<(TachSettings, Span)> {
    /// What nearly every fan gives.
    const PULSES_PER_TURN: u32 = 2;
    let present = table.present();
    let pin = table.integer("pin", 0..=PIN_MAX);
    let pulses = table.integer("pulses-per-turn", 1..=64);
    let own = match line {
        Some(Line::Pin { chip, .. } | Line::SoftPwm { chip, .. }) => chip.clone(),
        Some(Line::PwmChannel { .. }) | None => None,
    };
    let chip = chip(&mut table, board);
    if board.needs_lines() {
        table.require("pin", "the pin that the fan's tachometer is wired to");
    }
    if own.is_none() {
        require_chip(&table, board);
    }
    let at = pin.as_ref().map_or(table.header(), |pin| pin.at);
    table.finish();
    let tach = TachSettings {
        chip: chip.or(own),
        // A simulated fan has none.
        pin: pin.map_or(0, |at| at.value),
        pulses_per_turn: pulses.map_or(PULSES_PER_TURN, |at| at.value),
    };
    present.then_some((tach, at))
}
