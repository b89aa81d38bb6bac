//! `[board]`: which board carries the drives.

use super::files::Places;
use super::reader::Reader;
use super::values;
use crate::board::Driver;
use std::path::PathBuf;

const FOLDER: &str = "/run/twind/board";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Rppal,
    GpioChip,
    Simulated,
}

/// Does a line say on which chip it is?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Chips {
    /// There is only one.
    None,
    /// It may, but nobody asks.
    Optional,
    /// Without it the line could be any.
    Required,
}

/// A board as far as the outputs must know it.
pub(super) struct Board {
    /// Its driver; `None` if a fault was found.
    pub(super) driver: Option<Driver>,
    /// Each output must say what it is wired to.
    pub(super) needs_lines: bool,
    /// May a line say on which chip it is, or must it?
    pub(super) chips: Chips,
}

/// Reads the table.
pub(super) fn read(mut board: Reader<'_>, places: &Places) -> Board {
    let words = [("rppal", Name::Rppal), ("gpiochip", Name::GpioChip), ("simulated", Name::Simulated)];
    let name = board.word("driver", &words);
    let folder = board.read("folder", |value| values::text(value).map(|path| places.path(path)));
    let name = match (name, board.has("driver")) {
        (Some(name), _) => Some(name.value),
        // Told already; what depends on it is not judged.
        (None, true) => None,
        (None, false) => Some(Name::Rppal),
    };
    if board.has("folder") && name.is_some_and(|name| name != Name::Simulated) {
        board.wrong("folder", "is for driver = \"simulated\" only");
    }
    let driver = match name {
        Some(Name::Simulated) => Some(Driver::Simulated {
            folder: folder.map_or_else(|| PathBuf::from(FOLDER), |folder| folder.value),
        }),
        Some(Name::Rppal) => Some(Driver::Rppal),
        Some(Name::GpioChip) => Some(Driver::GpioChip),
        None => None,
    };
    board.finish();
    let chips = match name {
        Some(Name::Rppal) => Chips::None,
        Some(Name::GpioChip) => Chips::Required,
        Some(Name::Simulated) | None => Chips::Optional,
    };
    Board { driver, needs_lines: name.is_some_and(|name| name != Name::Simulated), chips }
}
