//! Outputs from one board or configuration to the next: taken over as they are found, or released.

use super::Daemon;
use crate::board::Board;
use crate::config::Settings;
use crate::control::outputs::last_row;
use crate::control::{Actuation, OutputId, OutputSpec, RowDrive};
use crate::units::{BootTime, Permille};
use tracing::{error, warn};

impl Daemon {
    /// Drives outputs that the new configuration no longer has to their stop rows. Returns those that could not be driven.
    pub(super) fn release_outputs(&mut self, now: BootTime, fresh: &Settings) -> Vec<String> {
        let mut stuck = Vec::new();
        for (index, spec) in self.settings.engine.outputs.iter().enumerate() {
            if same_pin(&spec.name, &self.settings, fresh) {
                continue;
            }
            if let Some((drive, cause)) = last_row(spec, false) {
                let actuation = Actuation { output: OutputId(index), drive, cause, at: now };
                let cause_name = cause.by_name(self.core.climates()).to_string();
                if let Err(fault) = self.board.drive(&actuation, &cause_name) {
                    error!(
                        output = spec.name.as_str(),
                        "output {} is no longer in the configuration and cannot be driven to its stop row: {}; it may still be on",
                        spec.name,
                        fault.reason
                    );
                    stuck.push(spec.name.clone());
                }
            }
        }
        stuck
    }
}

/// Is the output to stay as it is until something decides (`start = "keep"`)?
pub(super) fn keeps(spec: &OutputSpec) -> bool {
    spec.when.start == RowDrive::Keep
}

/// Takes over the wanted outputs as they are found, without a change on the wire. Returns the drive of each.
pub(super) fn take_over(
    board: &mut dyn Board,
    settings: &Settings,
    is_wanted: impl Fn(&OutputSpec) -> bool,
) -> Vec<(OutputId, Permille)> {
    let mut found = Vec::new();
    for (index, spec) in settings.engine.outputs.iter().enumerate() {
        if !is_wanted(spec) {
            continue;
        }
        let output = OutputId(index);
        match board.take_over(output) {
            Ok(drive) => found.extend(drive.map(|drive| (output, drive))),
            Err(fault) => warn!(
                output = spec.name.as_str(),
                "output {} cannot be taken over as it is: {}", spec.name, fault.reason
            ),
        }
    }
    found
}

/// Is the output on the same wire of the same board in both?
pub(super) fn same_pin(name: &str, old: &Settings, new: &Settings) -> bool {
    let pin = |settings: &Settings| settings.board.outputs.iter().find(|pin| pin.name == name).cloned();
    let same_wire = pin(old).zip(pin(new)).is_some_and(|(old, new)| old.same_wire(&new));
    (old.board.driver, &old.board.folder) == (new.board.driver, &new.board.folder) && same_wire
}
