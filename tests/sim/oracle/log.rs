//! What the reader of the log must get: every notice in its turn, or a count in its place.

use crate::log::ROOM;
use std::collections::VecDeque;
use twind::report::Notice;
use twind::service::Next;

/// The notices that were handed over and not read yet.
#[derive(Default)]
pub(super) struct LogJudge(VecDeque<Notice>);

impl LogJudge {
    pub(super) fn hear(&mut self, notice: &Notice) {
        self.0.push_back(notice.clone());
    }

    /// The process is gone, and what it had to say with it.
    pub(super) fn restart(&mut self) {
        self.0.clear();
    }

    pub(super) fn read(&mut self, next: Next<Notice>) -> Result<(), String> {
        match next {
            Next::Kept(notice) => match self.0.pop_front() {
                Some(handed) if handed == notice => Ok(()),
                Some(handed) => Err(format!("the log tells \"{notice}\" where \"{handed}\" was said")),
                None => Err(format!("the log tells \"{notice}\", which nobody said")),
            },
            Next::Dropped(count) if count > self.0.len() as u64 => {
                Err(format!("the log counts {count} as dropped, {} were said", self.0.len()))
            }
            Next::Dropped(count) => {
                self.0.drain(..count as usize);
                Ok(())
            }
        }
    }

    /// Nothing is lost without a word while somebody reads, and nothing is heaped up while nobody does.
    pub(super) fn check(&self, hangs: bool, waiting: usize) -> Result<(), String> {
        if !hangs && !self.0.is_empty() {
            return Err(format!("{} notices never came to the log, uncounted", self.0.len()));
        }
        if waiting > ROOM {
            return Err(format!("{waiting} notices wait for a reader who hangs"));
        }
        Ok(())
    }
}
