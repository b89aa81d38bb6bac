//! The messages of the stand-in hub's twin as the session hands them over: decoded from bytes by twind's own codec.
//!
//! Deliberately absent: the wire, and what the device makes of it.

use serde_json::Value;
use twind::hub::azure::codec;
use twind::twin::HubEvent;
use twind::twin::json::write;

/// The answer to a fetch.
pub(crate) fn read_twin(rid: u64, view: &Value) -> HubEvent {
    match codec::read_twin(write(view).as_bytes()) {
        Ok(twin) => HubEvent::Twin {
            rid,
            desired: twin.desired,
            desired_version: twin.desired_version,
            reported: twin.reported,
        },
        Err(fault) => HubEvent::Garbled { reason: fault.to_string() },
    }
}

/// A notification.
pub(crate) fn read_notification(body: &Value) -> HubEvent {
    match codec::read_desired(write(body).as_bytes(), None) {
        Ok((version, patch)) => HubEvent::DesiredDelta { version, patch },
        Err(fault) => HubEvent::Garbled { reason: fault.to_string() },
    }
}
