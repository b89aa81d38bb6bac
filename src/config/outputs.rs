//! `[outputs.NAME]`: what can be driven, for the core and for the board at once.
//!
//! Deliberately absent: which output cools and which heats (that is `[climate]`'s).

use super::board::Board;
use super::faults::Span;
use super::reader::{At, Reader};
use super::unsupported::unsupported;
use super::values;
use super::when;
use crate::board::{Line, PinSettings};
use crate::control::{OutputKind, OutputSpec};
use crate::twin::PropertyPath;
use crate::units::Permille;
use core::time::Duration;
use std::collections::BTreeMap;

/// More than any board has.
const PIN_MAX: u32 = 1023;
const FREQUENCY_HZ_MAX: u32 = 10_000_000;
const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const KICK_MAX: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);
const NAME_LENGTH_MAX: usize = 64;

const GAP: &str = "one [outputs.NAME] with what it is wired to, such as pin = 17; and, to hold a temperature, one \
                   [sensors.NAME] and [climate]";

/// One output, with the places that later checks point at.
pub(super) struct Output {
    pub(super) spec: OutputSpec,
    pub(super) pin: PinSettings,
    pub(super) autos: Vec<(&'static str, Span)>,
    line_at: Span,
}

/// Reads every output, in file order.
pub(super) fn read(file: &mut Reader<'_>, board: &Board) -> Vec<Output> {
    let tables = file.tables("outputs");
    if tables.is_empty() {
        file.findings().gap(Span::FILE, GAP);
    }
    let outputs: Vec<Output> = tables.into_iter().map(|(name, table)| output(&name, table, board)).collect();
    shared_lines(file, &outputs);
    outputs
}

/// A name that can stand in a twin, a path and a command.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), String> {
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let legal_key = PropertyPath::parse(name).is_some_and(|path| path.keys().len() == 1);
    if legal && legal_key && name.len() <= NAME_LENGTH_MAX {
        return Ok(());
    }
    let shown = values::shorten(name);
    Err(format!(
        "the name of {what} must be 1 to {NAME_LENGTH_MAX} letters, digits, \"-\" or \"_\", found \"{shown}\""
    ))
}

fn output(name: &At<String>, mut table: Reader<'_>, board: &Board) -> Output {
    if let Err(reason) = check_name(&name.value, "an output") {
        table.findings().wrong(name.at, reason);
    }
    if name.value == "climate" {
        let say = "an output cannot be named \"climate\": the climate is reported under that name";
        table.findings().wrong(name.at, say);
    }
    let line = line(&mut table, board);
    let min_duty = table.number_if("min-duty", "a percentage from 0 to 100", |n| (0.0..=100.0).contains(&n));
    let kick = table.duration("kick", MILLISECOND..=KICK_MAX);
    let slew = table.number_if("slew", "more than 0 percent per second", |n| n > 0.0);
    let min_on = table.duration("min-on", Duration::ZERO..=HOLD_MAX);
    let min_off = table.duration("min-off", Duration::ZERO..=HOLD_MAX);
    tach(table.table("tach"));
    let property = table.read("property", values::property);

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
            table.wrong(key, "is for an output with `pwm`; one with `pin` is on or off only");
        }
    }
    let rows = when::read(table.table("when"), kind);
    let active_low = active_low(&mut table);
    let header = table.header();
    table.finish();
    let (line, line_at) = line.map_or((None, header), |(line, at)| (Some(line), at));
    let spec = OutputSpec {
        name: name.value.clone(),
        kind,
        min_duty: min_duty.and_then(|at| Permille::from_percent(at.value)),
        kick: kick.map(|at| at.value),
        slew_permille_per_s: slew.map(|at| at.value * 10.0),
        min_on: min_on.map(|at| at.value),
        min_off: min_off.map(|at| at.value),
        property: property.map(|at| at.value),
        when: rows.when,
    };
    let pin = PinSettings { name: name.value.clone(), line, active_low };
    Output { spec, pin, autos: rows.autos, line_at }
}

fn active_low(table: &mut Reader<'_>) -> bool {
    let active_low = table.bool("active-low").is_some_and(|at| at.value);
    if active_low && table.has("pwm") {
        table.wrong("active-low", "is for `pin`; with `pwm` write inverted = true in it");
    }
    active_low
}

/// What the output is wired to: a pin or PWM, not both.
fn line(table: &mut Reader<'_>, board: &Board) -> Option<(Line, Span)> {
    let pin = table.integer("pin", 0..=PIN_MAX);
    let chip = chip(table, board);
    let pwm = pwm(table.table("pwm"));
    match (table.has("pin"), table.has("pwm")) {
        (true, true) => {
            table.wrong("pwm", "cannot stand beside `pin`: an output is one or the other, remove one");
            None
        }
        (false, false) => {
            if board.needs_lines {
                table.require(
                    "pin",
                    "the BCM number it is wired to, such as pin = 17, or pwm = { channel = 0 }",
                );
            }
            if table.has("chip") {
                table.wrong("chip", "needs `pin`, the line's offset on that chip");
            }
            None
        }
        (true, false) => pin.map(|pin| (Line::Pin { pin: pin.value, chip }, pin.at)),
        (false, true) => {
            if table.has("chip") {
                table.wrong("chip", "goes with `pin`, not with `pwm`");
            }
            pwm
        }
    }
}

fn chip(table: &mut Reader<'_>, board: &Board) -> Option<String> {
    let chip = table.read("chip", |value| {
        let name = values::text(value)?;
        let number = name.strip_prefix("gpiochip").unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            Ok(name.to_owned())
        } else {
            Err(format!("must be a chip's name such as \"gpiochip0\", found \"{}\"", values::shorten(name)))
        }
    });
    if chip.is_some() && !board.has_chips {
        table.wrong("chip", "is for [board] driver = \"gpiochip\" only: remove it");
    }
    chip.map(|at| at.value)
}

fn pwm(mut table: Reader<'_>) -> Option<(Line, Span)> {
    /// What a four-wire fan expects; a relay or a lamp on a pin wants far less.
    const CHANNEL_HZ: u32 = 25_000;
    const PIN_HZ: u32 = 100;
    const PIN_HZ_MAX: u32 = 1000;
    let channel = table.integer("channel", 0..=15);
    let pin = table.integer("pin", 0..=PIN_MAX);
    let frequency = table.integer("frequency-hz", 1..=FREQUENCY_HZ_MAX);
    let inverted = table.bool("inverted").is_some_and(|at| at.value);
    let line = match (table.has("channel"), table.has("pin")) {
        (true, true) => {
            table.wrong("pin", "cannot stand beside `channel`: PWM comes from the hardware or from software");
            None
        }
        (false, false) => {
            table.require("channel", "the hardware's PWM channel, or `pin` for PWM by software");
            None
        }
        (true, false) => channel.map(|channel| {
            let frequency_hz = frequency.map_or(CHANNEL_HZ, |at| at.value);
            (Line::PwmChannel { channel: channel.value, frequency_hz, inverted }, channel.at)
        }),
        (false, true) => {
            if frequency.as_ref().is_some_and(|at| at.value > PIN_HZ_MAX) {
                table.wrong(
                    "frequency-hz",
                    format!("must be at most {PIN_HZ_MAX} for PWM by software on a pin"),
                );
            }
            pin.map(|pin| {
                let frequency_hz = frequency.map_or(PIN_HZ, |at| at.value);
                (Line::SoftPwm { pin: pin.value, frequency_hz, inverted }, pin.at)
            })
        }
    };
    table.finish();
    line
}

fn tach(mut table: Reader<'_>) {
    table.integer("pin", 0..=PIN_MAX);
    table.integer("pulses-per-turn", 1..=64);
    table.require("pin", "the pin that the fan's tachometer is wired to");
    if table.present() {
        table.findings().wrong(table.header(), unsupported("`tach`"));
    }
    table.finish();
}

/// One wire cannot obey two outputs.
fn shared_lines(file: &Reader<'_>, outputs: &[Output]) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for output in outputs {
        let wire = match &output.pin.line {
            Some(Line::Pin { pin, chip: Some(chip) }) => format!("pin {pin} of {chip}"),
            Some(Line::Pin { pin, chip: None } | Line::SoftPwm { pin, .. }) => format!("pin {pin}"),
            Some(Line::PwmChannel { channel, .. }) => format!("PWM channel {channel}"),
            None => continue,
        };
        let name = output.spec.name.as_str();
        if let Some(other) = taken.get(&wire) {
            file.findings().wrong(output.line_at, format!("{wire} drives [outputs.{other}] already"));
        } else {
            taken.insert(wire, name);
        }
    }
}
