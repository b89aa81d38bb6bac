//! The records that wait to be sent in one message.
//!
//! IoT Hub counts a message in pieces of 4 KB ("Azure IoT Hub quotas and throttling"), its properties included, so a batch is
//! closed before it would begin a second piece.

use super::Message;
use super::message;
use super::records::Rest;
use crate::units::{BootId, BootTime, UnixSeconds};
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The bytes of a body at most. The properties of a message take less than the rest of 4 KB.
pub(super) const BODY_BYTES_MAX: usize = 3_800;

/// When something happened: by boot time, and the wall-clock time of boot time zero if the clock can be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: BootTime,
    pub(super) booted: Option<UnixSeconds>,
    pub(super) boot: Option<BootId>,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Batch {
    /// The records, with commas between them.
    text: String,
    records: u32,
    is_undated: bool,
    /// When the first of them was made.
    since: Option<BootTime>,
}

impl Batch {
    /// Adds a record. Returns the batch before it, closed, if there was no room for one more.
    pub(super) fn add(&mut self, at: Moment, rest: Rest) -> Option<Self> {
        let record = message::record(at.now, at.booted, at.boot, rest);
        let is_full = self.records > 0 && self.text.len() + record.len() + 3 > BODY_BYTES_MAX;
        let full = is_full.then(|| core::mem::take(self));
        if self.records > 0 {
            self.text.push(',');
        }
        self.text.push_str(&record);
        self.count(at);
        full
    }

    /// Puts a short record before the only one.
    pub(super) fn add_first(&mut self, at: Moment, rest: Rest) {
        let record = message::record(at.now, at.booted, at.boot, rest);
        self.text = alloc::format!("{record},{}", self.text);
        self.count(at);
    }

    fn count(&mut self, at: Moment) {
        self.records += 1;
        self.is_undated |= at.booted.is_none();
        self.since.get_or_insert(at.now);
    }

    /// Was its first record the last one that was added?
    pub(super) fn has_just_begun(&self) -> bool {
        self.records == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// When it is to be sent.
    pub(super) fn due(&self, send_every: Duration) -> Option<BootTime> {
        self.since.map(|since| since + send_every)
    }

    /// The message, without an id.
    pub(super) fn close(self, at: Moment, alarm: Option<String>) -> Message {
        let body = alloc::format!("[{}]", self.text);
        Message {
            id: String::new(),
            records: self.records,
            boot: at.boot,
            made: at.now,
            booted: at.booted,
            is_undated: self.is_undated,
            alarm,
            bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body,
        }
    }
}
