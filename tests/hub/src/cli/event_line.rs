//! One line per event, for the operator of `serve`.

use twinhub::{CloseReason, Entry, Event};

/// The line for one event.
pub(crate) fn line(entry: &Entry) -> String {
    let device = if entry.device.is_empty() { "-" } else { &entry.device };
    let text = match &entry.event {
        Event::TlsFailed { error } => format!("TLS handshake failed: {error}; does the client trust ca.pem?"),
        Event::Connected { clean_session, session_present } => format!(
            "connected ({}, {})",
            if *clean_session { "clean session" } else { "kept session" },
            if *session_present { "known here" } else { "new here" }
        ),
        Event::Refused { code, reason } => format!("refused with return code {code}: {reason:?}"),
        Event::Disconnected { reason: CloseReason::Violation(why) } => format!("cut off: {why}"),
        Event::Disconnected { reason } => format!("gone: {reason:?}"),
        Event::Subscribed { filters } => format!("subscribed to {}", filters.join(", ")),
        Event::Unsubscribed { filters } => format!("unsubscribed from {}", filters.join(", ")),
        Event::TwinGet { status, .. } => format!("asked for its twin: {}", answered(*status)),
        Event::Reported { patch, status, version } => {
            let version = version.map_or_else(String::new, |version| format!(", version {version}"));
            format!("reported {patch}: {}{version}", answered(*status))
        }
        Event::TwinChanged { desired_version, body } => {
            format!("back end wrote {body}: desired version {desired_version}")
        }
        Event::DesiredSent { version } => format!("was told of desired version {version}"),
        Event::DesiredNotSent { version } => {
            format!("was not told of desired version {version}: not connected or not subscribed")
        }
        Event::MethodCalled { name, .. } => format!("was called: method {name}"),
        Event::MethodAnswered { status, .. } => format!("answered its method: {status}"),
        Event::Telemetry { sequence, bag, payload, will } => {
            let kind = if *will { "will" } else { "telemetry" };
            format!("{kind} {sequence}: {} {bag}", String::from_utf8_lossy(payload))
        }
        Event::Unheard => "was not heard".to_owned(),
        Event::Registration { status, state } => format!("asked for a hub: {} {state}", answered(*status)),
        Event::DeviceCreated => "registered".to_owned(),
        Event::DeviceDeleted => "deleted".to_owned(),
    };
    // Control characters in a device's names and messages must not break the line.
    let safe: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{device}  {}", safe.trim_end())
}

fn answered(status: Option<u16>) -> String {
    status.map_or_else(|| "not answered".to_owned(), |status| status.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(event: Event) -> String {
        line(&Entry { sequence: 1, at_ms: 0, device: "d".to_owned(), event })
    }

    #[test]
    fn a_report_shows_its_patch_status_and_version_on_one_line() {
        let event = Event::Reported { patch: json!({ "a": 1 }), status: Some(204), version: Some(3) };
        assert_eq!(shown(event), r#"d  reported {"a":1}: 204, version 3"#);
    }

    #[test]
    fn control_characters_of_a_device_do_not_reach_the_terminal() {
        let payload = b"a\n\x1b[2J".to_vec();
        let event = Event::Telemetry { sequence: 3, bag: String::new(), payload, will: false };
        assert_eq!(shown(event), "d  telemetry 3: a\u{fffd}\u{fffd}[2J");
    }
}
