//! `twind safe`: with no daemon running, every output to its `stop` row, or to its `crash` row after a failure.
//! Made for `ExecStopPost=`: whatever ended the daemon, this runs.

use crate::board::{self, BoardSettings};
use crate::control::outputs::last_row;
use crate::control::{Actuation, OutputId, OutputSpec, PinFault};
use crate::units::BootTime;

/// What happened to one output.
#[derive(Debug)]
pub struct Outcome {
    /// The output.
    pub output: String,
    /// The line to print, or why the output could not be driven.
    pub result: Result<String, PinFault>,
}

/// Drives every output to its last row. `now` is only written down.
///
/// # Errors
/// When the board cannot be opened at all.
pub fn drive(
    board: &BoardSettings,
    outputs: &[OutputSpec],
    crashed: bool,
    now: BootTime,
) -> Result<Vec<Outcome>, PinFault> {
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let mut pins = board::open(board)?;
    let drive = |(index, spec): (usize, &OutputSpec)| {
        let result = match last_row(spec, crashed) {
            None => Ok(format!("{}: stays as it is", spec.name)),
            Some((drive, cause)) => {
                let actuation = Actuation { output: OutputId(index), drive, cause, at: now };
                pins.drive(&actuation).map(|()| format!("{}: {} permille, {cause}", spec.name, drive.get()))
            }
        };
        Outcome { output: spec.name.clone(), result }
    };
    Ok(outputs.iter().enumerate().map(drive).collect())
}
