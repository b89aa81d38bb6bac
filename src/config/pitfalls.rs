//! Warnings, which `twind check` prints: what a file may say but is hardly ever meant.

use super::board::Board;
use super::climate::Climate;
use super::faults::Findings;
use super::outputs::Output;
use super::sensor::Sensor;
use super::spans::Span;
use crate::board::{Line, Wiring};
use crate::control::OutputId;

/// The pins of a Raspberry Pi's header; a Compute Module has some above.
const HEADER_PIN_MAX: u32 = 27;
/// A Raspberry Pi 5 has four channels, those before it two.
const CHANNEL_MAX: u32 = 3;
/// Which pins a channel comes out at, as the overlay says; the last two on a Raspberry Pi 5 alone.
const CHANNEL_PINS: [(u32, &[u32]); 4] = [(0, &[12, 18]), (1, &[13, 19]), (2, &[18]), (3, &[19])];
/// The pin of the 1-Wire bus by default, by the overlay w1-gpio.
const W1_PIN: u32 = 4;

/// Pins and channels of a Raspberry Pi that are not there, or belong to something else.
pub(super) fn wiring(outputs: &[Output], sensors: &[Sensor], board: &Board, findings: &Findings) {
    if board.wiring != Some(Wiring::Pins) {
        return;
    }
    let contacts = sensors.iter().filter_map(|sensor| Some((sensor, sensor.contact()?)));
    let contacts = contacts.filter(|(_, line)| board.chip_beside_header(line).is_none());
    let read = contacts.map(|(sensor, line)| (sensor.line_at, line.pin));
    let w1 = sensors
        .iter()
        .find(|sensor| sensor.settings.as_ref().is_some_and(|settings| settings.source.driver.name == "w1"));
    for (at, pin) in outputs.iter().flat_map(pins).chain(read) {
        if pin > HEADER_PIN_MAX {
            let say = format!(
                "pin {pin}: a Raspberry Pi's header has the BCM numbers 0 to {HEADER_PIN_MAX} (`pinout` shows them)"
            );
            findings.warn(at, say);
        }
        for (channel, output) in outputs.iter().filter_map(channel) {
            let is_its_pin = CHANNEL_PINS.iter().any(|(its, pins)| *its == channel && pins.contains(&pin));
            if is_its_pin {
                let say = format!(
                    "pin {pin} may be where PWM channel {channel} of [outputs.{output}] comes out: see which pin the \
                     overlay in /boot/firmware/config.txt gives it"
                );
                findings.warn(at, say);
            }
        }
        if let Some(w1) = w1.filter(|_| pin == W1_PIN) {
            let say = format!(
                "pin {W1_PIN} is the 1-Wire bus of [sensors.{}], unless dtoverlay=w1-gpio,gpiopin=… in \
                 /boot/firmware/config.txt names another",
                w1.spec.name
            );
            findings.warn(at, say);
        }
    }
    for output in outputs {
        if let Some((channel, _)) = channel(output).filter(|(channel, _)| *channel > CHANNEL_MAX) {
            let say = format!(
                "PWM channel {channel}: a Raspberry Pi has the channels 0 and 1, a Raspberry Pi 5 0 to {CHANNEL_MAX}"
            );
            findings.warn(output.line_at, say);
        }
    }
}

/// The pins of an output, its tachometer's included.
fn pins(output: &Output) -> impl Iterator<Item = (Span, u32)> {
    let line = match output.pin.line {
        Some(Line::Pin { pin, .. } | Line::SoftPwm { pin, .. }) => Some((output.line_at, pin)),
        Some(Line::PwmChannel { .. }) | None => None,
    };
    let tach = output.pin.tach.as_ref().map(|tach| (output.tach_at, tach.pin));
    line.into_iter().chain(tach)
}

fn channel(output: &Output) -> Option<(u32, &str)> {
    match output.pin.line {
        Some(Line::PwmChannel { channel, .. }) => Some((channel, output.spec.name.as_str())),
        _ => None,
    }
}

/// Rows for what can never be.
pub(super) fn rows(outputs: &[Output], climates: &[Climate], findings: &Findings) {
    let critical = |climate: &&Climate| climate.spec.critical.is_some();
    for (index, output) in outputs.iter().enumerate() {
        let drives = |climate: &&Climate| climate.spec.drives(OutputId(index));
        let driving: Vec<&Climate> = climates.iter().filter(drives).collect();
        // One that no climate drives has rows for all of them.
        let concerning = if driving.is_empty() { climates.iter().collect() } else { driving };
        for (row, at) in &output.climate_rows {
            match concerning.first() {
                None => findings.warn(*at, format!("`{row}` never applies: there is no [climate]")),
                Some(first) if *row == "overheat" && !concerning.iter().any(critical) => {
                    let none =
                        if concerning.len() == 1 { first.table.as_str() } else { "none of its climates" };
                    let sets = if concerning.len() == 1 { "sets no" } else { "sets" };
                    findings.warn(*at, format!("`overheat` never applies: {none} {sets} `critical`"));
                }
                Some(_) => {}
            }
        }
        opposed(index, output, &concerning, findings);
    }
}

/// An output that lowers one climate and raises another has no row that fits both.
fn opposed(index: usize, output: &Output, climates: &[&Climate], findings: &Findings) {
    let id = OutputId(index);
    let lowers = climates.iter().find(|climate| climate.spec.lowering.contains(&id));
    let raises = climates.iter().find(|climate| climate.spec.raising.contains(&id));
    let is_said = |row| output.climate_rows.iter().any(|(said, _)| *said == row);
    if let (Some(lowers), Some(raises), false) = (lowers, raises, is_said("sensor-fault")) {
        let say = format!(
            "[outputs.{}] lowers {} and raises {}: set its row `sensor-fault`; if it is left out, the first of them \
             determines it",
            output.spec.name, lowers.table, raises.table
        );
        findings.warn(output.name_at, say);
    }
}
