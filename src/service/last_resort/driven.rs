//! What one board drives, in the form of the copy: wires and last rows only.

use crate::board::{self, BoardSettings, DRIVERS, Line, PinSettings, Wiring};
use crate::config::{OutputSettings, Settings};
use crate::control::climates::Climates;
use crate::control::outputs::last_row;
use crate::control::{Actuation, Cause, OutputId, OutputSpec, PinFault};
use crate::units::{BootTime, Permille};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One board and what is driven on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Driven {
    driver: String,
    folder: PathBuf,
    outputs: Vec<DrivenOutput>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DrivenOutput {
    name: String,
    line: Option<Line>,
    active_low: bool,
    /// Its drives after an orderly stop and after a crash, in permille; `None` if it stays as it is.
    stop: Option<u16>,
    crash: Option<u16>,
}

/// What happened to one output.
#[derive(Debug)]
pub struct Outcome {
    /// The output.
    pub output: String,
    /// The line to print, or why the output could not be driven.
    pub result: Result<String, PinFault>,
}

impl Driven {
    /// What a daemon with these settings drives.
    pub(in crate::service) fn by(settings: &Settings) -> Self {
        Self::of(&settings.board, &settings.engine.outputs)
    }

    /// What a file names.
    pub fn named_by(settings: &OutputSettings) -> Self {
        Self::of(&settings.board, &settings.outputs)
    }

    fn of(board: &BoardSettings, specs: &[OutputSpec]) -> Self {
        let row = |spec: &OutputSpec, crashed| last_row(spec, crashed).map(|(drive, _)| drive.get());
        let output = |(pin, spec): (&PinSettings, &OutputSpec)| DrivenOutput {
            name: pin.name.clone(),
            line: pin.line.clone(),
            active_low: pin.active_low,
            stop: row(spec, false),
            crash: row(spec, true),
        };
        let outputs = board.outputs.iter().zip(specs).map(output).collect();
        Self { driver: board.driver.name.to_owned(), folder: board.folder.clone(), outputs }
    }

    /// The names of the outputs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|output| output.name.as_str())
    }

    /// An output that uses the same wire as one of `other`.
    pub(super) fn shares(&self, other: &Self) -> Option<String> {
        let shared =
            |ours: &&DrivenOutput| other.outputs.iter().any(|theirs| other.wire(theirs) == self.wire(ours));
        self.outputs.iter().find(shared).map(|output| output.name.clone())
    }

    /// Without outputs that use a wire of `other`; `None` if nothing is left.
    pub(super) fn without(&self, other: &Self) -> Option<Self> {
        let taken: Vec<String> = other.outputs.iter().map(|output| other.wire(output)).collect();
        self.retained(|output| !taken.contains(&self.wire(output)))
    }

    /// Only the outputs whose names `keep` accepts; `None` if there is none.
    pub(super) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Option<Self> {
        self.retained(|output| keep(&output.name))
    }

    fn retained(&self, keep: impl Fn(&DrivenOutput) -> bool) -> Option<Self> {
        let outputs: Vec<DrivenOutput> = self.outputs.iter().filter(|output| keep(output)).cloned().collect();
        (!outputs.is_empty()).then(|| Self { outputs, ..self.clone() })
    }

    fn wire(&self, output: &DrivenOutput) -> String {
        let is_file =
            DRIVERS.iter().any(|driver| driver.name == self.driver && driver.wiring == Wiring::Files);
        match &output.line {
            Some(line) if !is_file => line.wire(),
            _ => format!("file {} in {}", output.name, self.folder.display()),
        }
    }

    /// Drives every output to its last row. `now` is the time in the trace of a simulated board.
    pub fn leave(&self, crashed: bool, now: BootTime) -> Vec<Outcome> {
        if self.outputs.is_empty() {
            return Vec::new();
        }
        let opened = self.board().and_then(|board| board::open(&board));
        let mut pins = match opened {
            Ok(pins) => pins,
            Err(fault) => {
                let reason = format!("the board cannot be opened: {}", fault.reason);
                let failed = |output: &DrivenOutput| Outcome {
                    output: output.name.clone(),
                    result: Err(PinFault { reason: reason.clone() }),
                };
                return self.outputs.iter().map(failed).collect();
            }
        };
        pins.wait();
        let cause = if crashed { Cause::Crash } else { Cause::Stop };
        let cause_name = cause.by_name(&Climates::default()).to_string();
        let drive = |(index, output): (usize, &DrivenOutput)| {
            let row = if crashed { output.crash } else { output.stop };
            let result = match row.map(|permille| Permille::new(permille).unwrap_or_default()) {
                None => Ok(format!("{}: stays as it is", output.name)),
                Some(drive) => {
                    let actuation = Actuation { output: OutputId(index), drive, cause, at: now };
                    let driven = pins.drive(&actuation, &cause_name);
                    driven.map(|()| format!("{}: {} %, {cause_name}", output.name, drive.percent()))
                }
            };
            Outcome { output: output.name.clone(), result }
        };
        self.outputs.iter().enumerate().map(drive).collect()
    }

    fn board(&self) -> Result<BoardSettings, PinFault> {
        let known = DRIVERS.iter().find(|driver| driver.name == self.driver);
        let unknown =
            || PinFault { reason: format!("this version of twind has no driver \"{}\"", self.driver) };
        let outputs = self.outputs.iter().map(|output| PinSettings {
            name: output.name.clone(),
            line: output.line.clone(),
            active_low: output.active_low,
            tach: None,
        });
        Ok(BoardSettings {
            driver: known.copied().ok_or_else(unknown)?,
            folder: self.folder.clone(),
            outputs: outputs.collect(),
        })
    }
}
