//! The line of a contact: `pin`, `chip`, `active-low`, `bias` and `debounce` in `[sensors.NAME]`.

use super::board::Board;
use super::codes::Code;
use super::outputs::{PIN_MAX, chip_name, require_chip};
use super::reader::Reader;
use crate::sensors::{ContactLine, Driver, Pull};
use core::ops::RangeInclusive;
use core::time::Duration;

/// What a contact measures, if it does not say.
pub(super) const CONTACT: &str = "contact";
const KEYS: [&str; 5] = ["pin", "chip", "active-low", "bias", "debounce"];
/// What the contacts of doors and switches need.
const DEBOUNCE: Duration = Duration::from_millis(50);
const DEBOUNCES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10);

/// Reads the keys, or refuses those of another driver. `None`, too, if a fault was found.
pub(super) fn read(
    table: &mut Reader<'_>,
    driver: Option<&'static Driver>,
    board: &Board,
) -> Option<ContactLine> {
    let pin = table.integer("pin", 0..=PIN_MAX);
    let chip = chip_name(table);
    let active_low = table.bool("active-low").is_some_and(|at| at.value);
    let bias = table.word("bias", &[("pull-up", Pull::Up), ("pull-down", Pull::Down), ("none", Pull::Off)]);
    let debounce = table.duration("debounce", DEBOUNCES);
    let driver = driver?;
    if !driver.is_line {
        for key in KEYS.into_iter().filter(|key| table.has(key)) {
            table.wrong(
                key,
                Code::Misplaced
                    .because(format!("is for driver = \"gpio\", not for \"{}\": remove it", driver.name)),
            );
        }
        return None;
    }
    for key in ["id", "path"].into_iter().filter(|key| table.has(key)) {
        table.wrong(
            key,
            Code::Misplaced.because(format!(
                "is not for driver = \"{}\", which reads the line that `pin` names",
                driver.name
            )),
        );
    }
    table.require(
        "pin",
        "the BCM number that the contact is wired to (with `chip` the line's offset on it), such as pin = 23",
    );
    require_chip(table, board);
    Some(ContactLine {
        chip: chip.map(|at| at.value),
        pin: pin?.value,
        active_low,
        bias: bias.map_or(Pull::Up, |at| at.value),
        debounce: debounce.map_or(DEBOUNCE, |at| at.value),
    })
}
