//! `[board]`: which board carries the drives.

use super::files::Places;
use super::reader::Reader;
use super::unsupported::unsupported;
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

/// A board as far as the outputs must know it.
pub(super) struct Board {
    /// Its driver; `None` if a fault was found.
    pub(super) driver: Option<Driver>,
    /// Each output must say what it is wired to.
    pub(super) needs_lines: bool,
    /// A pin may say on which chip it is.
    pub(super) has_chips: bool,
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
        (None, false) => {
            let default = unsupported("the default, \"rppal\",");
            board.findings().gap(board.header(), format!("[board] with driver = \"simulated\" ({default})"));
            Some(Name::Rppal)
        }
    };
    if board.has("folder") && name.is_some_and(|name| name != Name::Simulated) {
        board.wrong("folder", "is for driver = \"simulated\" only");
    }
    let driver = match name {
        Some(Name::Simulated) => Some(Driver::Simulated {
            folder: folder.map_or_else(|| PathBuf::from(FOLDER), |folder| folder.value),
        }),
        Some(Name::Rppal) => refused(&board, "= \"rppal\""),
        Some(Name::GpioChip) => refused(&board, "= \"gpiochip\""),
        None => None,
    };
    board.finish();
    Board {
        driver,
        needs_lines: name.is_some_and(|name| name != Name::Simulated),
        has_chips: name != Some(Name::Rppal),
    }
}

fn refused(board: &Reader<'_>, driver: &str) -> Option<Driver> {
    // The default was told with its own words.
    if board.has("driver") {
        board.wrong("driver", unsupported(driver));
    }
    None
}
