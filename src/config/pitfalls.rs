//! Warnings, which `twind check` prints: what a file may say but is hardly ever meant.

use super::board::Board;
use super::climate::Climate;
use super::codes::Code;
use super::faults::Findings;
use super::outputs::ConfiguredOutput;
use super::sensor::Sensor;
use super::spans::{At, Span};
use super::values;
use crate::board::{Line, Wiring};
use crate::control::OutputId;
use crate::control::alarm_kind::AlarmKind;
use crate::control::quantity::ROUNDING;
use crate::sensors::Locator;
use crate::units::{Celsius, TemperatureUnit};
use std::path::Path;

/// The pins of a Raspberry Pi's header; a Compute Module has some above.
const HEADER_PIN_MAX: u32 = 27;
/// A Raspberry Pi 5 has four channels, those before it two.
const CHANNEL_MAX: u32 = 3;
/// Which pins a channel comes out at, as the overlay says; the last two on a Raspberry Pi 5 alone.
const CHANNEL_PINS: [(u32, &[u32]); 4] = [(0, &[12, 18]), (1, &[13, 19]), (2, &[18]), (3, &[19])];
/// The pin of the 1-Wire bus by default, by the overlay w1-gpio.
const W1_PIN: u32 = 4;

/// Pins and channels of a Raspberry Pi that are not there, or belong to something else.
pub(super) fn wiring(outputs: &[ConfiguredOutput], sensors: &[Sensor], board: &Board, findings: &Findings) {
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
            findings.warn(at, Code::Wiring.because(say));
        }
        for (channel, output) in outputs.iter().filter_map(channel) {
            let is_its_pin = CHANNEL_PINS.iter().any(|(its, pins)| *its == channel && pins.contains(&pin));
            if is_its_pin {
                let say = format!(
                    "pin {pin} may be where PWM channel {channel} of [outputs.{output}] comes out: see which pin the \
                     overlay in /boot/firmware/config.txt gives it"
                );
                findings.warn(at, Code::Wiring.because(say));
            }
        }
        if let Some(w1) = w1.filter(|_| pin == W1_PIN) {
            let say = format!(
                "pin {W1_PIN} is the 1-Wire bus of [sensors.{}], unless dtoverlay=w1-gpio,gpiopin=… in \
                 /boot/firmware/config.txt names another",
                w1.spec.name
            );
            findings.warn(at, Code::Wiring.because(say));
        }
    }
    for output in outputs {
        if let Some((channel, _)) = channel(output).filter(|(channel, _)| *channel > CHANNEL_MAX) {
            let say = format!(
                "PWM channel {channel}: a Raspberry Pi has the channels 0 and 1, a Raspberry Pi 5 0 to {CHANNEL_MAX}"
            );
            findings.warn(output.line_at, Code::Wiring.because(say));
        }
    }
}

/// The pins of an output, its tachometer's included.
fn pins(output: &ConfiguredOutput) -> impl Iterator<Item = (Span, u32)> {
    let line = match output.pin.line {
        Some(Line::Pin { pin, .. } | Line::SoftPwm { pin, .. }) => Some((output.line_at, pin)),
        Some(Line::PwmChannel { .. }) | None => None,
    };
    let tach = output.pin.tach.as_ref().map(|tach| (output.tach_at, tach.pin));
    line.into_iter().chain(tach)
}

fn channel(output: &ConfiguredOutput) -> Option<(u32, &str)> {
    match output.pin.line {
        Some(Line::PwmChannel { channel, .. }) => Some((channel, output.spec.name.as_str())),
        _ => None,
    }
}

/// Rows for what can never be.
pub(super) fn rows(outputs: &[ConfiguredOutput], climates: &[Climate], findings: &Findings) {
    let critical = |climate: &&Climate| climate.spec.critical.is_some();
    for (index, output) in outputs.iter().enumerate() {
        let drives = |climate: &&Climate| climate.spec.drives(OutputId(index));
        let driving: Vec<&Climate> = climates.iter().filter(drives).collect();
        // One that no climate drives has rows for all of them.
        let concerning = if driving.is_empty() { climates.iter().collect() } else { driving };
        for (row, at) in &output.climate_rows {
            match concerning.first() {
                None => findings.warn(
                    *at,
                    Code::NoEffect.because(format!("`{row}` never applies: there is no [climate]")),
                ),
                Some(first) if *row == "overheat" && !concerning.iter().any(critical) => {
                    let none =
                        if concerning.len() == 1 { first.table.as_str() } else { "none of its climates" };
                    let sets = if concerning.len() == 1 { "sets no" } else { "sets" };
                    findings.warn(
                        *at,
                        Code::NoEffect.because(format!("`overheat` never applies: {none} {sets} `critical`")),
                    );
                }
                Some(_) => {}
            }
        }
        opposed(index, output, &concerning, findings);
    }
}

/// Alarms that an output follows and that are never raised.
pub(super) fn alarms(
    outputs: &[ConfiguredOutput],
    sensors: &[Sensor],
    climates: &[Climate],
    findings: &Findings,
) {
    let has_critical = climates.iter().any(|climate| climate.spec.critical.is_some());
    let has_tach = outputs.iter().any(|output| output.pin.tach.is_some());
    for At { value: kind, at } in outputs.iter().flat_map(|output| &output.alarms) {
        let why = match kind {
            AlarmKind::Overheat if climates.is_empty() => "there is no [climate]",
            AlarmKind::Overheat if !has_critical => "no climate sets `critical`",
            AlarmKind::Stall if !has_tach => "no output has a `tach`",
            AlarmKind::Sensor if sensors.is_empty() => "there is no [sensors.NAME]",
            _ => continue,
        };
        let say = format!("\"{}\" of `alarms` is never raised: {why}", kind.name());
        findings.warn(*at, Code::NoEffect.because(say));
    }
}

/// An output that lowers one climate and raises another has no row that fits both.
fn opposed(index: usize, output: &ConfiguredOutput, climates: &[&Climate], findings: &Findings) {
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
        findings.warn(output.name_at, Code::Unlikely.because(say));
    }
}

/// Readings that are needed and never believed.
pub(super) fn readings(sensors: &[Sensor], climates: &[Climate], findings: &Findings) {
    for climate in climates {
        let range = climate.spec.range;
        let measuring: Vec<&Sensor> =
            climate.spec.sensors.iter().filter_map(|id| sensors.get(id.0)).collect();
        for sensor in &measuring {
            let Some((lowest, highest)) = valid(sensor, climate) else { continue };
            if lowest <= range.min() + ROUNDING && range.max() <= highest + ROUNDING {
                continue;
            }
            let shown = |base| shown(sensor, climate, base);
            let say = format!(
                "`valid` of [sensors.{}] is {} to {}, and the range of {} is {} to {}: a reading outside `valid` is a \
                 sensor fault, so write one that contains the range",
                sensor.spec.name,
                shown(lowest),
                shown(highest),
                climate.table,
                shown(range.min()),
                shown(range.max())
            );
            findings.warn(sensor.valid_at, Code::Unlikely.because(say));
        }
        let ends: Option<Vec<f64>> =
            measuring.iter().map(|sensor| valid(sensor, climate).map(|(_, highest)| highest)).collect();
        let highest = ends.unwrap_or_default().into_iter().reduce(f64::max);
        if let (Some(critical), Some(highest)) = (climate.spec.critical, highest)
            && (range.max() - ROUNDING..=critical + ROUNDING).contains(&highest)
        {
            let say = format!(
                "`critical` of {}, {}, is never exceeded: a reading above {}, where `valid` ends, is a sensor fault; write a \
                 lower `critical`, or a higher end of `valid`",
                climate.table,
                climate.shown(critical),
                climate.shown(highest)
            );
            findings.warn(climate.critical_at, Code::Unlikely.because(say));
        }
    }
}

/// The readings of a sensor that are believed, as its climate counts; `None` if it follows from others, or is wrong.
fn valid(sensor: &Sensor, climate: &Climate) -> Option<(f64, f64)> {
    let (lowest, highest) = sensor.settings.as_ref()?.plausible.valid;
    Some(match climate.spec.quantity.unit() {
        Some(_) => (celsius(sensor.spec.unit, lowest), celsius(sensor.spec.unit, highest)),
        None => (lowest, highest),
    })
}

/// What lies below absolute zero is as good as no limit.
fn celsius(unit: TemperatureUnit, degrees: f64) -> f64 {
    unit.to_celsius(degrees).map_or(f64::NEG_INFINITY, Celsius::degrees)
}

/// A number of the climate as the sensor's table writes it.
fn shown(sensor: &Sensor, climate: &Climate, base: f64) -> f64 {
    match (climate.spec.quantity.unit(), Celsius::new(base)) {
        (Some(_), Some(celsius)) => values::degrees_in(sensor.spec.unit, celsius),
        _ => base,
    }
}

/// Files of a simulated board that are something else, too.
pub(super) fn files(
    outputs: &[ConfiguredOutput],
    sensors: &[Sensor],
    board: &Board,
    (state_dir, state_at): (&Path, Span),
    findings: &Findings,
) {
    let Some((folder, folder_at)) = board.folder() else { return };
    if folder == state_dir {
        let say = format!(
            "[board] folder and [twin] state-dir are both {}, where a file of an output can replace one of the twin's: \
             name another folder for one of them",
            folder.display()
        );
        findings.warn(folder_at.unwrap_or(state_at), Code::Clash.because(say));
    }
    for sensor in sensors {
        let Some(Locator::Path(path)) = sensor.settings.as_ref().map(|settings| &settings.source.at) else {
            continue;
        };
        let is_its = |output: &&ConfiguredOutput| folder.join(&output.spec.name) == *path;
        if let Some(output) = outputs.iter().find(is_its) {
            let say = format!(
                "`path` of [sensors.{}] is {}, the file of [outputs.{}] on the simulated board, which holds its drive: name \
                 the file that holds the measurement",
                sensor.spec.name,
                path.display(),
                output.spec.name
            );
            findings.warn(sensor.path_at, Code::Clash.because(say));
        }
    }
}
