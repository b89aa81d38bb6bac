//! How back ends read a device: its twin, its registry entry, and the etags of both.

use crate::{
    identity::{Authentication, Identity},
    state::Device,
    twin::Twin,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The etag of a twin, unquoted.
pub(crate) fn twin_etag(twin: &Twin) -> String {
    STANDARD.encode(twin.etag().to_be_bytes())
}

/// The etag of a registry entry, unquoted.
pub(crate) fn identity_etag(identity: &Identity) -> String {
    STANDARD.encode(format!("{}-{}", identity.generation_id, identity.etag))
}

/// A twin as back ends read it.
pub(crate) fn twin_view(device: &Device) -> Value {
    let Device { identity, twin, .. } = device;
    let (kind, primary, secondary) = match &identity.authentication {
        Authentication::Sas(_) => ("sas", None, None),
        Authentication::SelfSigned { primary, secondary } => {
            ("selfSigned", primary.as_ref(), secondary.as_ref())
        }
    };
    json!({
        "deviceId": identity.device_id,
        "etag": twin_etag(twin),
        "deviceEtag": identity_etag(identity),
        "status": status_text(identity.enabled),
        "statusReason": identity.status_reason,
        "statusUpdateTime": identity.status_updated,
        "connectionState": connection_text(device),
        "lastActivityTime": device.last_activity,
        "cloudToDeviceMessageCount": 0,
        "authenticationType": kind,
        "x509Thumbprint": { "primaryThumbprint": primary, "secondaryThumbprint": secondary },
        "modelId": device.model_id,
        "version": twin.version(),
        "tags": twin.tags(),
        "properties": { "desired": twin.desired().service_view(), "reported": twin.reported().service_view() },
        "capabilities": { "iotEdge": false },
    })
}

/// A registry entry as back ends read it.
pub(crate) fn identity_view(device: &Device) -> Value {
    let identity = &device.identity;
    let authentication = match &identity.authentication {
        Authentication::Sas(keys) => json!({
            "symmetricKey": { "primaryKey": keys.primary, "secondaryKey": keys.secondary },
            "x509Thumbprint": { "primaryThumbprint": null, "secondaryThumbprint": null },
            "type": "sas",
        }),
        Authentication::SelfSigned { primary, secondary } => json!({
            "symmetricKey": { "primaryKey": null, "secondaryKey": null },
            "x509Thumbprint": { "primaryThumbprint": primary, "secondaryThumbprint": secondary },
            "type": "selfSigned",
        }),
    };
    json!({
        "deviceId": identity.device_id,
        "generationId": identity.generation_id,
        "etag": identity_etag(identity),
        "connectionState": connection_text(device),
        "status": status_text(identity.enabled),
        "statusReason": identity.status_reason,
        "connectionStateUpdatedTime": device.last_activity,
        "statusUpdatedTime": identity.status_updated,
        "lastActivityTime": device.last_activity,
        "cloudToDeviceMessageCount": 0,
        "authentication": authentication,
        "capabilities": { "iotEdge": false },
    })
}

fn status_text(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

fn connection_text(device: &Device) -> &'static str {
    if device.link.is_some() { "Connected" } else { "Disconnected" }
}
