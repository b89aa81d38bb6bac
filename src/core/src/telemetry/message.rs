//! A message to the hub as it is kept and sent, and the times in it.
//!
//! The body is a JSON array of records. A record that was made while the wall clock could not be believed has
//! `secondsSinceBoot` and `boot` in place of its `time`. Once the clock of that boot is believed, such a record gets its time
//! before it is sent. A boot whose clock was never believed cannot be dated, so its records are sent as they are.

use crate::twin::{DeviceMessage, json};
use crate::units::{BootId, BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const TIME: &str = "time";
const SINCE_BOOT: &str = "secondsSinceBoot";
const BOOT: &str = "boot";

/// One message. Its id is never used for another, whatever restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The message's id at the hub.
    pub id: String,
    /// How many records it holds.
    pub records: u32,
    /// The boot in which it was made; `None` if the system does not name it.
    pub boot: Option<BootId>,
    /// When, by boot time.
    pub made: BootTime,
    /// The wall-clock time of boot time zero as it was believed then, if it was.
    pub booted: Option<UnixSeconds>,
    /// At least one record has no time.
    pub is_undated: bool,
    /// The name of the alarm that it is about, if it is about one.
    pub alarm: Option<String>,
    /// The length of the body in bytes.
    pub bytes: u32,
    /// The records, as a JSON array. The journal of inputs does without it: nothing is decided by it.
    #[serde(skip)]
    pub body: String,
}

/// What of a message stands in its first line on the disk. The rest is the body.
#[derive(Serialize, Deserialize)]
struct Head {
    id: String,
    records: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(rename = "madeMillis")]
    made_millis: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    booted: Option<UnixSeconds>,
    #[serde(default, rename = "undated", skip_serializing_if = "is_false")]
    is_undated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alarm: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no message")
    }
}

impl core::error::Error for Unreadable {}

impl Message {
    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        let head = Head {
            id: self.id.clone(),
            records: self.records,
            boot: self.boot.map(|boot| boot.to_string()),
            made_millis: u64::try_from(self.made.since_boot().as_millis()).unwrap_or(u64::MAX),
            booted: self.booted,
            is_undated: self.is_undated,
            alarm: self.alarm.clone(),
        };
        // None of its fields fails to be written.
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(self.body.as_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote. Keys that are not known are of a later version and are ignored.
    ///
    /// # Errors
    /// It is nothing of that kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = core::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        let (head, body) = text.split_once('\n').ok_or(Unreadable)?;
        let head: Head = serde_json::from_str(head).map_err(|_| Unreadable)?;
        Ok(Self {
            id: head.id,
            records: head.records,
            boot: head.boot.as_deref().and_then(BootId::parse),
            made: BootTime::from_boot(Duration::from_millis(head.made_millis)),
            booted: head.booted,
            is_undated: head.is_undated,
            alarm: head.alarm,
            bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body: body.to_owned(),
        })
    }

    /// As it is sent. `booted`: the wall-clock time of boot time zero of its boot, if that is known by now.
    pub(super) fn to_send(&self, booted: Option<UnixSeconds>) -> DeviceMessage {
        let booted = self.booted.or(booted);
        DeviceMessage {
            id: self.id.clone(),
            created: booted.map(|booted| wall_at(booted, self.made)),
            alarm: self.alarm.clone(),
            body: match booted {
                Some(booted) if self.is_undated => {
                    dated(&self.body, booted).unwrap_or_else(|| self.body.clone())
                }
                _ => self.body.clone(),
            },
        }
    }
}

/// The wall-clock time at a boot time.
pub(super) fn wall_at(booted: UnixSeconds, at: BootTime) -> UnixSeconds {
    UnixSeconds(booted.0.saturating_add(at.since_boot().as_secs()))
}

/// The wall-clock time of boot time zero, by what the clock shows now.
pub(super) fn booted(wall: UnixSeconds, now: BootTime) -> UnixSeconds {
    UnixSeconds(wall.0.saturating_sub(now.since_boot().as_secs()))
}

/// Writes a record: its time first.
pub(super) fn record(
    at: BootTime,
    booted: Option<UnixSeconds>,
    boot: Option<BootId>,
    rest: Map<String, Value>,
) -> String {
    let mut record = Map::new();
    match booted {
        Some(booted) => {
            record.insert(TIME.to_owned(), json!(wall_at(booted, at).rfc3339()));
        }
        None => {
            let millis = at.since_boot().as_millis() as f64;
            record.insert(SINCE_BOOT.to_owned(), json::tidy(millis / 1000.0));
            record.extend(boot.map(|boot| (BOOT.to_owned(), json!(boot.to_string()))));
        }
    }
    // What a sensor measures may have any name.
    for (key, value) in rest {
        record.entry(key).or_insert(value);
    }
    // No map of text fails to be written.
    serde_json::to_string(&record).unwrap_or_default()
}

/// A body whose records all have their times.
fn dated(body: &str, booted: UnixSeconds) -> Option<String> {
    let records: Vec<Map<String, Value>> = serde_json::from_str(body).ok()?;
    let one = |record: Map<String, Value>| match record.get(SINCE_BOOT).and_then(Value::as_f64) {
        Some(seconds) if record.get(TIME).is_none() => {
            let at = BootTime::from_boot(Duration::try_from_secs_f64(seconds).unwrap_or_default());
            let mut fresh = Map::from_iter([(TIME.to_owned(), json!(wall_at(booted, at).rfc3339()))]);
            fresh.extend(record.into_iter().filter(|(key, _)| key != SINCE_BOOT && key != BOOT));
            fresh
        }
        _ => record,
    };
    let records: Vec<_> = records.into_iter().map(one).collect();
    serde_json::to_string(&records).ok()
}

/// The start of the ids of one process's messages: different for each start of each boot.
pub(super) fn id_prefix(boot: Option<BootId>, started: BootTime) -> String {
    let boot = boot.map_or(0, |boot| (boot.0 >> 64 ^ boot.0) & 0xffff_ffff_ffff);
    format!("{boot:012x}-{:x}", started.since_boot().as_millis())
}
