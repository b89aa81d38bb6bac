//! Helpers of the core's tests for documents and times.

use super::{Patch, PropertyPath, Section};
use crate::units::BootTime;
use core::time::Duration;
use serde_json::{Map, Value};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A number of milliseconds after boot.
pub(crate) fn at_ms(millis: u64) -> BootTime {
    BootTime::from_boot(ms(millis))
}

/// A number of seconds after boot.
pub(crate) fn at(seconds: u64) -> BootTime {
    BootTime::from_boot(secs(seconds))
}

pub(crate) fn path(text: &str) -> PropertyPath {
    PropertyPath::parse(text).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn section(value: Value) -> Section {
    Section::from_object(object(value)).unwrap()
}

pub(crate) fn patch(value: Value) -> Patch {
    Patch::from_object(object(value))
}
