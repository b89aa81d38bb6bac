//! Checks of the log: its reader gets every notice in order, or a count of those that were dropped.

use crate::log::ROOM;
use std::collections::VecDeque;
use twind::report::Notice;
use twind::service::Next;

/// The notices that were logged and not read yet.
#[derive(Default)]
pub(super) struct LogJudge(VecDeque<Notice>);

impl LogJudge {
    pub(super) fn hear(&mut self, notice: &Notice) {
        self.0.push_back(notice.clone());
    }

    /// The process has ended, and with it what was still to be read.
    pub(super) fn restart(&mut self) {
        self.0.clear();
    }

    pub(super) fn read(&mut self, next: Next<Notice>) -> Result<(), String> {
        match next {
            Next::Kept(notice) => match self.0.pop_front() {
                Some(handed) if handed == notice => Ok(()),
                Some(handed) => Err(format!("the log has \"{notice}\" in place of \"{handed}\"")),
                None => Err(format!("the log has \"{notice}\", which was never logged")),
            },
            Next::Dropped(count) if count > self.0.len() as u64 => {
                Err(format!("the log counts {count} dropped notices, only {} were logged", self.0.len()))
            }
            Next::Dropped(count) => {
                self.0.drain(..count as usize);
                Ok(())
            }
        }
    }

    /// While there is a reader nothing is lost without being counted, and while there is none the backlog is bounded.
    pub(super) fn check(&self, hangs: bool, waiting: usize) -> Result<(), String> {
        if !hangs && !self.0.is_empty() {
            return Err(format!("{} notices are missing in the log and were not counted", self.0.len()));
        }
        if waiting > ROOM {
            return Err(format!("{waiting} notices wait for a reader that hangs"));
        }
        Ok(())
    }
}
