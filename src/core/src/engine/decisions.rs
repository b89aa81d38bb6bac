//! Announces every decision about an output, to the history and the log, whether or not the drive changes by it; and at most once
//! a minute a drive that has moved meanwhile.
//!
//! A drive that changes is announced after the board has carried it out. If the drive stays, the decision is announced at the
//! control step that made it. Nothing of this is written to the disk.

use super::history::Noted;
use super::{Core, Notice};
use crate::control::constraint::Constraint;
use crate::control::outputs::OutputState;
use crate::control::{Actuation, Cause, OutputId, PinFault};
use crate::twin::Author;
use crate::units::{BootTime, Permille};
use alloc::string::ToString;

/// What a notice says besides the drive and its cause.
#[derive(Clone, Copy)]
struct Change {
    /// It has an entry in the history.
    is_entry: bool,
    /// The drive changes by it, now or at the end of a kick.
    moved: bool,
}

impl Core {
    /// Takes the outcome of an actuation.
    pub(super) fn handle_driven(&mut self, actuation: Actuation, outcome: Result<(), PinFault>) {
        let Some(spec) = self.spec.output(actuation.output) else { return };
        let fault = outcome.as_ref().err().map(|PinFault { reason }| reason.clone());
        self.notices.extend(self.health.handle_driven(actuation.output, &spec.name, fault));
        match outcome {
            Ok(()) => self.announce_driven(&actuation),
            Err(_) => self.outputs.forget(actuation.output),
        }
    }

    fn announce_driven(&mut self, actuation: &Actuation) {
        let Actuation { output, drive, cause, at } = *actuation;
        // If another decision was made before this one was carried out, only this drive and cause are known.
        let state = self.outputs.state(output).filter(|state| state.cause == cause);
        let share = state.and_then(OutputState::decided).unwrap_or(drive);
        let is_entry = self.note(at, output, share, cause).is_some();
        let drive = if is_entry { share } else { drive };
        self.announce(at, output, (drive, cause), Change { is_entry, moved: true });
    }

    /// Announces decisions that change no drive, and drives that have moved since their last entry.
    pub(super) fn announce_decisions(&mut self, now: BootTime) {
        for output in (0..self.spec.outputs.len()).map(OutputId) {
            if self.actuations.iter().any(|order| order.output == output) {
                continue;
            }
            let decided = self
                .outputs
                .state(output)
                .and_then(|state| Some((state.decided()?, state.cause, state.drive)));
            if let Some((share, cause, drive)) = decided
                && let Some(noted) = self.note(now, output, share, cause)
            {
                // During a kick the pin does not change yet, but the output does not stay as it is either.
                let moved = noted == Noted::Move || drive != Some(share);
                self.announce(now, output, (share, cause), Change { is_entry: true, moved });
            }
        }
    }

    /// Adds to the history. Returns why it has an entry, if it has one.
    fn note(&mut self, at: BootTime, output: OutputId, share: Permille, cause: Cause) -> Option<Noted> {
        let by = self.author(output, cause);
        let climate = cause.climate_name(&self.climates);
        let spec = self.spec.output(output)?;
        let noted = self.history.note(at, &spec.name, share, (cause, by), climate)?;
        self.note_output(at, output, share, cause);
        Some(noted)
    }

    fn announce(
        &mut self,
        at: BootTime,
        output: OutputId,
        (drive, cause): (Permille, Cause),
        change: Change,
    ) {
        let Some(spec) = self.spec.output(output) else { return };
        // Slewing is evident from the drive itself.
        let unmet = self
            .outputs
            .state(output)
            .and_then(|state| state.unmet)
            .filter(|unmet| unmet.by != Constraint::Slew);
        self.notices.push_back(Notice::Driven {
            output: spec.name.clone(),
            permille: drive.get(),
            cause: cause.by_name(&self.climates).to_string(),
            by: self.author(output, cause),
            unmet: unmet
                .filter(|_| change.is_entry)
                .map(|unmet| unmet.describe(at, &self.climates).to_string()),
            is_entry: change.is_entry,
            moved: change.moved,
        });
    }

    /// Who ordered the override, if it decides, or the range of the climate that decides.
    fn author(&self, output: OutputId, cause: Cause) -> Option<Author> {
        match cause {
            Cause::Override => self.override_of(output).map(|one| one.by),
            Cause::Climate(climate) => self.range_override_of(climate).map(|one| one.by),
            _ => None,
        }
    }
}
