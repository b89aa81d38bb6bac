//! What the starting file is to say: which board, what the fan is wired to, which sensors under which names, and which of them the
//! climate goes by. Pure.

use super::machine::Machine;
use crate::board::PwmChip;
use crate::control::quantity::TEMPERATURE;
use crate::gpio::{ChipSeen, LineSeen};
use crate::sensors::{HUMIDITY, Present};
use std::collections::BTreeSet;

/// Pins of a Raspberry Pi's header that are seldom wanted for something else, such as a bus, a serial port or PWM.
const PINS: [u32; 10] = [17, 27, 22, 23, 24, 25, 5, 6, 16, 26];
/// What a site may hold in range, so that its sensors are not left out.
const OF_A_ROOM: [&str; 6] = [TEMPERATURE, HUMIDITY, "pressure", "illuminance", "co2", "voc"];
/// More sensors than these are a choice: each is reported to the hub.
const ACTIVE_MAX: usize = 16;
/// Parts of the names that processors' thermometers have.
const PROCESSORS: [&str; 7] = ["cpu", "soc", "x86_pkg", "coretemp", "k10temp", "zenpower", "bigcore"];
/// Names that something else has.
pub(super) const FAN: &str = "fan";
pub(super) const HEATER: &str = "heater";
const TAKEN: [&str; 4] = [FAN, HEATER, "climate", "system"];
const NAME_CHARS_MAX: usize = 48;

/// See the module.
pub(super) struct Plan<'m> {
    pub(super) board: Board,
    pub(super) fan: Wire,
    /// Free lines for further outputs.
    pub(super) more: Vec<Pin>,
    /// Could the state of the lines be seen?
    pub(super) are_lines_seen: bool,
    /// Those with a reading; the most useful first.
    pub(super) sensors: Vec<Named<'m>>,
    /// Those without one.
    pub(super) silent: Vec<&'m Present>,
    /// The first of them, if it measures a temperature.
    pub(super) climate: Option<usize>,
}

/// What drives the pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Board {
    /// A Raspberry Pi, by its registers.
    Registers,
    /// The lines of a chip.
    Lines,
    /// There is nothing that may be driven.
    Simulated,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) number: u32,
    /// Its chip, where there are several.
    pub(super) chip: Option<String>,
    /// What the board calls it.
    pub(super) name: String,
}

/// What the fan is wired to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Channel 0 of the hardware's PWM, of this chip where there are several, and the pins where it comes out.
    Channel {
        chip: Option<String>,
        at: &'static str,
    },
    Pin(Pin),
    /// A file.
    Simulated,
}

/// A sensor with a name for the file.
pub(super) struct Named<'m> {
    pub(super) name: String,
    pub(super) present: &'m Present,
    pub(super) value: f64,
    /// It is written so that it is read, and not as a choice.
    pub(super) is_active: bool,
}

impl<'m> Plan<'m> {
    /// Chooses for this machine.
    pub(super) fn of(machine: &'m Machine) -> Self {
        let (board, mut pins, are_lines_seen) = board(machine);
        let is_header = |chip: &&PwmChip| !chip.header.is_empty() && chip.channels > 0;
        let channel = machine.pwm.iter().find(is_header).filter(|_| machine.is_raspberry_pi());
        let fan = match (&board, channel) {
            (Board::Simulated, _) => Wire::Simulated,
            (_, Some(chip)) => Wire::Channel {
                chip: (board == Board::Lines).then(|| chip.device.clone()),
                at: chip.header.first().copied().unwrap_or_default(),
            },
            (_, None) if pins.is_empty() => Wire::Simulated,
            (_, None) => Wire::Pin(pins.remove(0)),
        };
        let board = if fan == Wire::Simulated { Board::Simulated } else { board };
        let (sensors, silent) = sensors(&machine.sensors);
        let is_held = |sensor: &Named<'_>| sensor.is_active && measures(sensor.present) == TEMPERATURE;
        let climate = sensors.iter().position(is_held);
        Self { board, fan, more: pins, are_lines_seen, sensors, silent, climate }
    }
}

/// The board, the lines that may be driven, and whether those are known to be free.
fn board(machine: &Machine) -> (Board, Vec<Pin>, bool) {
    if !machine.is_raspberry_pi() {
        let lines = machine.chips.iter().find_map(|(name, seen)| {
            let seen = seen.as_ref().ok()?;
            let pins = header_lines(seen, &chip_name(name, seen, machine));
            (!pins.is_empty()).then_some(pins)
        });
        return lines.map_or((Board::Simulated, Vec::new(), true), |pins| (Board::Lines, pins, true));
    }
    let board = match (machine.has_registers, machine.chips.is_empty()) {
        (true, _) => Board::Registers,
        (false, false) => Board::Lines,
        (false, true) => return (Board::Simulated, Vec::new(), true),
    };
    let header = machine.header();
    let is_free =
        |pin: &u32| header.is_none_or(|chip| chip.lines.iter().any(|line| line.pin == *pin && line.is_free));
    let label = header.map_or(machine.header_label(), |chip| chip.label.as_str());
    let chip = (board == Board::Lines).then(|| label.to_owned());
    let pin = |number| Pin { number, chip: chip.clone(), name: format!("GPIO {number}") };
    (board, PINS.into_iter().filter(is_free).map(pin).collect(), header.is_some())
}

/// The free lines of a chip that the board names like a pin of a connector (`P9_12`, `PIN_7`). Any other may be what holds the board
/// itself together, so it is not proposed.
fn header_lines(chip: &ChipSeen, name: &str) -> Vec<Pin> {
    let is_pin = |line: &&LineSeen| {
        line.is_free && line.name.contains(|c: char| c.is_ascii_digit()) && !line.name.contains('[')
    };
    let pin =
        |line: &LineSeen| Pin { number: line.pin, chip: Some(name.to_owned()), name: line.name.clone() };
    chip.lines.iter().filter(is_pin).map(pin).collect()
}

/// A chip's label, which stays when the numbers change, if it is the only one with it and a file can hold it.
fn chip_name(number: &str, seen: &ChipSeen, machine: &Machine) -> String {
    let label = &seen.label;
    let has_it =
        |(_, other): &&(String, Result<ChipSeen, _>)| other.as_ref().is_ok_and(|other| other.label == *label);
    let is_only = machine.chips.iter().filter(has_it).count() == 1;
    let is_legal = !label.is_empty() && label.chars().all(|c| c.is_ascii_graphic() && c != '/');
    if is_only && is_legal && !label.starts_with("gpiochip") { label.clone() } else { number.to_owned() }
}

fn measures(present: &Present) -> &str {
    &present.candidate.measures
}

/// How likely a sensor is what a site wants to know; the lower, the sooner.
fn rank(present: &Present) -> u8 {
    let candidate = &present.candidate;
    let is_temperature = candidate.measures == TEMPERATURE;
    match (candidate.is_of_the_machine, is_temperature) {
        (false, true) if present.driver.name == "w1" => 0,
        (false, true) if present.driver.name == "iio" => 1,
        (false, true) => 2,
        (false, false) if OF_A_ROOM.contains(&measures(present)) => 3,
        (true, true) if PROCESSORS.iter().any(|part| candidate.id.to_ascii_lowercase().contains(part)) => 4,
        (true, true) => 5,
        _ => 6,
    }
}

/// Those with a reading, named, the most useful first; and those without.
fn sensors(all: &[Present]) -> (Vec<Named<'_>>, Vec<&Present>) {
    let mut with: Vec<(&Present, f64)> = all.iter().filter_map(|one| Some((one, one.value.ok()?))).collect();
    with.sort_by_key(|(one, _)| rank(one));
    let mut taken: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    let mut active = 0;
    let named = with.into_iter().map(|(present, value)| {
        let is_active = active < ACTIVE_MAX && OF_A_ROOM.contains(&measures(present)) && rank(present) < 6;
        active += usize::from(is_active);
        Named { name: name(present, &mut taken), present, value, is_active }
    });
    let named = named.collect();
    (named, all.iter().filter(|one| one.value.is_err()).collect())
}

/// A name that a table and the twin can have, and that nothing else has.
fn name(present: &Present, taken: &mut BTreeSet<String>) -> String {
    let id = &present.candidate.id;
    let words = match present.driver.name {
        // The end of the serial number is what people compare.
        "w1" => format!("w1-{}", id.get(id.len().saturating_sub(4)..).unwrap_or(id)),
        "iio" if !id.contains(':') => format!("{id}-{}", measures(present)),
        _ => id.clone(),
    };
    let mut name = String::new();
    for c in words.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(NAME_CHARS_MAX);
    let name = Some(name.trim_matches(['-', '_'])).filter(|name| !name.is_empty()).unwrap_or("sensor");
    let further = (2..).map(|number: usize| format!("{name}-{number}"));
    let mut names = core::iter::once(name.to_owned()).chain(further);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or_default()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
