//! `[board]`: which board drives the outputs.

use super::codes::Code;
use super::examine;
use super::files::Places;
use super::reader::Reader;
use super::spans::Span;
use super::values;
use crate::board::{BoardSettings, DRIVERS, Driver, PinSettings, Wiring};
use crate::sensors::{ContactLine, is_header};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/run/twind/board";

/// What the outputs need to know of the board.
pub(super) struct Board {
    /// Its driver; `None` if a fault was found.
    driver: Option<&'static Driver>,
    folder: PathBuf,
    /// Where the file names the folder, if it does.
    folder_at: Option<Span>,
    /// What its outputs are wired to; `None` if that cannot be judged.
    pub(super) wiring: Option<Wiring>,
}

impl Board {
    /// Must each output say what it is wired to?
    pub(super) fn needs_lines(&self) -> bool {
        self.wiring.is_some_and(|wiring| wiring != Wiring::Files)
    }

    /// The chip of a contact's line; `None` for the header's pins, where the board's outputs are known by their number alone.
    pub(super) fn chip_beside_header<'l>(&self, line: &'l ContactLine) -> Option<&'l str> {
        let has_header = self.wiring == Some(Wiring::Pins);
        line.chip.as_deref().filter(|chip| !(has_header && is_header(chip)))
    }

    /// The folder of a board that drives files.
    pub(super) fn folder(&self) -> Option<(&Path, Option<Span>)> {
        (self.wiring == Some(Wiring::Files)).then_some((self.folder.as_path(), self.folder_at))
    }

    /// The settings of the board with its outputs.
    pub(super) fn with(self, outputs: Vec<PinSettings>) -> Option<BoardSettings> {
        Some(BoardSettings { driver: self.driver?, folder: self.folder, outputs })
    }
}

/// Reads the table.
pub(super) fn read(mut board: Reader<'_>, places: &Places) -> Board {
    let words: Vec<_> = DRIVERS.iter().map(|driver| (driver.name, *driver)).collect();
    let named = board.word("driver", &words);
    let folder = board.read("folder", |value| values::text(value).map(|path| places.path(path)));
    let driver = match (named, board.has("driver")) {
        (Some(named), _) => Some(named.value),
        // Told already; what depends on it is not judged.
        (None, true) => None,
        (None, false) => DRIVERS.first().copied(),
    };
    let wiring = driver.map(|driver| driver.wiring);
    if board.has("folder") && wiring.is_some_and(|wiring| wiring != Wiring::Files) {
        board.wrong("folder", Code::Misplaced.because("is for driver = \"simulated\" only"));
    }
    let folder_at = folder.as_ref().map(|folder| folder.at);
    let folder = folder.map_or_else(|| PathBuf::from(FOLDER), |folder| folder.value);
    if places.examination().is_some() && wiring == Some(Wiring::Files) {
        examine::board_folder(&folder, folder_at.unwrap_or(board.header()), board.findings());
    }
    board.finish();
    Board { driver, folder, folder_at, wiring }
}
