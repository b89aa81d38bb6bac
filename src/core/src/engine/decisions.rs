//! What decides an output is told, whether or not the output moves by it: to the history and to the log.
//!
//! An output that was ordered to move is told when it did, by the outcome of its order; one that stays as it is, at the
//! step at which something else came to decide. Nothing of it is kept on the disk. Deliberately absent: deciding.

use super::{Core, Notice};
use crate::control::constraint::Constraint;
use crate::control::outputs::OutputState;
use crate::control::{Actuation, Cause, OutputId, PinFault};
use crate::twin::Author;
use crate::units::{BootTime, Permille};
use alloc::string::ToString;

/// What a notice says of an output besides its drive.
#[derive(Clone, Copy)]
struct Moment {
    /// It is another decision than the last.
    turned: bool,
    /// The output moves by it, now or at the end of a kick.
    moved: bool,
}

impl Core {
    /// Takes the outcome of an actuation.
    pub(super) fn handle_driven(&mut self, actuation: Actuation, outcome: Result<(), PinFault>) {
        let Some(spec) = self.spec.output(actuation.output) else { return };
        let fault = outcome.as_ref().err().map(|PinFault { reason }| reason.clone());
        self.notices.extend(self.health.handle_driven(actuation.output, &spec.name, fault));
        match outcome {
            Ok(()) => self.tell_driven(&actuation),
            Err(_) => self.outputs.forget(actuation.output),
        }
    }

    fn tell_driven(&mut self, actuation: &Actuation) {
        let Actuation { output, drive, cause, at } = *actuation;
        // One that was overtaken by the next before it was carried out is told as what it was.
        let state = self.outputs.state(output).filter(|state| state.cause == cause);
        let share = state.and_then(OutputState::decided).unwrap_or(drive);
        let turned = self.note(at, output, share, cause);
        self.tell(at, output, (if turned { share } else { drive }, cause), Moment { turned, moved: true });
    }

    /// Tells what came to decide outputs that did not move by it.
    pub(super) fn tell_decisions(&mut self, now: BootTime) {
        for output in (0..self.spec.outputs.len()).map(OutputId) {
            if self.actuations.iter().any(|order| order.output == output) {
                continue;
            }
            let decided = self
                .outputs
                .state(output)
                .and_then(|state| Some((state.decided()?, state.cause, state.drive)));
            if let Some((share, cause, drive)) = decided
                && self.note(now, output, share, cause)
            {
                // During a kick the pin does not move yet, and the output does not stay either.
                let moved = drive != Some(share);
                self.tell(now, output, (share, cause), Moment { turned: true, moved });
            }
        }
    }

    /// Writes the history. Is it another decision than the last?
    fn note(&mut self, at: BootTime, output: OutputId, share: Permille, cause: Cause) -> bool {
        let by = self.author(output, cause);
        self.spec.output(output).is_some_and(|spec| self.history.note(at, &spec.name, share, (cause, by)))
    }

    fn tell(&mut self, at: BootTime, output: OutputId, (drive, cause): (Permille, Cause), moment: Moment) {
        let Some(spec) = self.spec.output(output) else { return };
        // That it is on its way says itself.
        let unmet = self
            .outputs
            .state(output)
            .and_then(|state| state.unmet)
            .filter(|unmet| unmet.by != Constraint::Slew);
        self.notices.push_back(Notice::Driven {
            output: spec.name.clone(),
            permille: drive.get(),
            cause: cause.to_string(),
            by: self.author(output, cause),
            unmet: unmet.filter(|_| moment.turned).map(|unmet| unmet.told(at).to_string()),
            turned: moment.turned,
            moved: moment.moved,
        });
    }

    /// Whose hand is on an output, if it is what drives it.
    fn author(&self, output: OutputId, cause: Cause) -> Option<Author> {
        (cause == Cause::Override).then(|| self.override_of(output))?.map(|one| one.by)
    }
}
