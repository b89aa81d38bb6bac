//! Checks of the history: the last row of an output names what decides it now, and rows never change.
//!
//! Deliberately absent: what should decide (`rank`), and the log, which may drop lines where the history may not.

use twind::control::Cause;
use twind::engine::Core;
use twind::report::status::{ChangeStatus, Status};
use twind::units::BootTime;

/// How many rows are read.
const ROWS: usize = 64;

/// Output, permille and cause.
type Row = (String, u16, String);

#[derive(Default)]
pub(crate) struct History {
    /// What decides each output whose drive is known.
    decides: Vec<Option<Cause>>,
    /// The latest first.
    rows: Vec<Row>,
}

impl History {
    /// The history of a process that starts is empty.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn look(&mut self, now: BootTime, engine: &Core) -> Result<(), String> {
        let decides = |state: &twind::control::outputs::OutputState| state.drive.and(Some(state.cause));
        let decides: Vec<_> = engine.outputs().iter().map(|(.., state)| decides(state)).collect();
        if decides == self.decides {
            return Ok(());
        }
        let rows = rows(engine.status(now, ROWS));
        if !continues(&self.rows, &rows) {
            return Err(format!("the history was {:?} and is {rows:?}", self.rows));
        }
        for ((_, spec, _), cause) in engine.outputs().iter().zip(&decides) {
            let last = rows.iter().find(|(output, ..)| *output == spec.name);
            let is_far_back = last.is_none() && rows.len() == ROWS;
            let Some(cause) = cause.filter(|_| !is_far_back) else { continue };
            let cause = cause.by_name(engine.climates()).to_string();
            if last.is_none_or(|(.., told)| *told != cause) {
                return Err(format!(
                    "{} is driven by {cause}, its last row in the history is {last:?}",
                    spec.name
                ));
            }
        }
        (self.decides, self.rows) = (decides, rows);
        Ok(())
    }
}

fn rows(status: Status) -> Vec<Row> {
    let row = |row: ChangeStatus| (row.output, row.permille, row.cause);
    status.changes.into_iter().flatten().map(row).collect()
}

/// Do the earlier rows still stand below the new ones, as far as they are still read?
fn continues(before: &[Row], rows: &[Row]) -> bool {
    let stands_below = |fresh: usize| rows[fresh..].iter().zip(before).all(|(kept, before)| kept == before);
    before.is_empty() || rows.len() == ROWS || (0..rows.len()).any(stands_below)
}
