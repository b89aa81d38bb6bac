//! `twind twin`: the local copy, as it lies on the disk.

use crate::store::{self, StoreFault};
use crate::twin::{Section, TwinRecord, Version};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;

/// One half of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// What the back end wants.
    Desired,
    /// What the hub has from us.
    Reported,
}

/// The copy as JSON, and what is to be said about the files it came from.
#[derive(Debug)]
pub struct Copy {
    /// Pretty-printed; `{}` where no twin was ever fetched.
    pub json: String,
    /// Damage found in the state directory, one line each.
    pub notes: Vec<String>,
}

/// Why the copy cannot be shown.
#[derive(Debug)]
pub enum Fault {
    /// This user may not look into the state directory.
    Denied,
    /// It cannot be read.
    Store(StoreFault),
}

/// Reads the local copy.
///
/// # Errors
/// When the state directory cannot be read.
pub fn read(state_dir: &Path, half: Option<Half>) -> Result<Copy, Fault> {
    if std::fs::read_dir(state_dir).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return Err(Fault::Denied);
    }
    let loaded = store::read(state_dir).map_err(Fault::Store)?;
    let value = loaded.record.map_or_else(|| json!({}), |record| show(&record, half));
    let json = serde_json::to_string_pretty(&value).unwrap_or_else(|_| value.to_string());
    Ok(Copy { json, notes: loaded.notes.iter().map(ToString::to_string).collect() })
}

fn show(record: &TwinRecord, half: Option<Half>) -> Value {
    let desired = || versioned(&record.desired, record.desired_version);
    let reported = || record.reported.as_object().clone();
    match half {
        None => json!({ "desired": desired(), "reported": reported() }),
        Some(Half::Desired) => Value::Object(desired()),
        Some(Half::Reported) => Value::Object(reported()),
    }
}

fn versioned(section: &Section, version: Version) -> Map<String, Value> {
    let mut object = section.as_object().clone();
    object.insert("$version".into(), json!(version.0));
    object
}
