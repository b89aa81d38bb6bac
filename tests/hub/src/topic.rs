//! Topics and filters of the device side: which exist, and what they mean. Any other closes the connection.
//!
//! A *bag* is the text of the message properties at the end of a telemetry topic. Deliberately absent: topics of modules,
//! of file uploads and of device streams.

use percent_encoding::percent_decode_str;

const TWIN: &str = "$iothub/twin/";
const METHOD_ANSWER: &str = "$iothub/methods/res/";

/// The filter of answers to twin requests.
pub const TWIN_ANSWERS: &str = "$iothub/twin/res/#";
/// The filter of desired notifications.
pub const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
/// The filter of direct methods.
pub const METHODS: &str = "$iothub/methods/POST/#";

/// What a device requests or sends by publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asks for its twin.
    TwinGet {
        /// Echoed in the answer.
        rid: String,
    },
    /// Patches its reported properties.
    Reported {
        /// Echoed in the answer; without one there is no answer.
        rid: Option<String>,
        /// Apply the patch only if the reported version is still this.
        base: Option<u64>,
    },
    /// Answers a direct method.
    MethodAnswer {
        /// The request id of the call.
        rid: String,
        /// The device's status for it.
        status: i32,
    },
    /// Sends telemetry.
    Telemetry {
        /// The text of its properties, which [`Bag`](crate::bag::Bag) reads.
        bag: String,
    },
}

/// Reads the topic of a publish by `device_id`; `None` for a topic that does not exist.
pub fn parse(topic: &str, device_id: &str) -> Option<Request> {
    if let Some(rest) = topic.strip_prefix(TWIN) {
        let (path, query) = rest.split_once("/?")?;
        return match path {
            "GET" => Some(Request::TwinGet { rid: parameter(query, "$rid")? }),
            "PATCH/properties/reported" => Some(Request::Reported {
                rid: parameter(query, "$rid"),
                base: parameter(query, "$version").and_then(|text| text.parse().ok()),
            }),
            _ => None,
        };
    }
    if let Some(rest) = topic.strip_prefix(METHOD_ANSWER) {
        let (status, query) = rest.split_once("/?")?;
        return Some(Request::MethodAnswer { rid: parameter(query, "$rid")?, status: status.parse().ok()? });
    }
    let bag = telemetry_bag(topic, device_id)?;
    Some(Request::Telemetry { bag: bag.to_owned() })
}

/// The bag of a telemetry topic of this device.
pub fn telemetry_bag<'a>(topic: &'a str, device_id: &str) -> Option<&'a str> {
    let bag = topic.strip_prefix("devices/")?.strip_prefix(device_id)?.strip_prefix("/messages/events/")?;
    (!bag.contains(['/', '+', '#'])).then(|| bag.strip_prefix('?').unwrap_or(bag))
}

/// Whether a device may subscribe to this.
pub fn is_filter(filter: &str, device_id: &str) -> bool {
    [TWIN_ANSWERS, DESIRED, METHODS].contains(&filter)
        || filter == format!("devices/{device_id}/messages/devicebound/#")
}

fn parameter(query: &str, name: &str) -> Option<String> {
    // A slash would begin another segment, but the query is the last one.
    if query.contains('/') {
        return None;
    }
    let raw = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name)?.1;
    let value = percent_decode_str(raw).decode_utf8().ok()?;
    // The request id is echoed as it came, so its raw text is kept.
    (!value.trim().is_empty()).then(|| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_topics_are_read() {
        let rid = || "7".to_owned();
        for (topic, request) in [
            ("$iothub/twin/GET/?$rid=7", Request::TwinGet { rid: rid() }),
            ("$iothub/twin/GET/?x=1&$rid=7", Request::TwinGet { rid: rid() }),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=7",
                Request::Reported { rid: Some(rid()), base: None },
            ),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=7&$version=12",
                Request::Reported { rid: Some(rid()), base: Some(12) },
            ),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=7&$version=soon",
                Request::Reported { rid: Some(rid()), base: None },
            ),
            ("$iothub/twin/PATCH/properties/reported/?", Request::Reported { rid: None, base: None }),
            ("$iothub/methods/res/-1/?$rid=7", Request::MethodAnswer { rid: rid(), status: -1 }),
            ("devices/a?b#c/messages/events/", Request::Telemetry { bag: String::new() }),
            (
                "devices/a?b#c/messages/events/?x=1&%24.ct=y",
                Request::Telemetry { bag: "x=1&%24.ct=y".into() },
            ),
        ] {
            assert_eq!(parse(topic, "a?b#c"), Some(request), "{topic}");
        }
    }

    #[test]
    fn topics_that_do_not_exist_are_not_read() {
        for topic in [
            "",
            "$iothub/twin/GET",
            "$iothub/twin/GET/",
            "$iothub/twin/GET/?",
            "$iothub/twin/GET/?$rid=",
            "$iothub/twin/GET/?$rid=%20",
            "$iothub/twin/GET/desired/?$rid=1",
            "$iothub/twin/GET/?$rid=1/2",
            "$iothub/Twin/GET/?$rid=1",
            "$iothub/twin/PATCH/properties/desired/?$rid=1",
            "$iothub/twin/res/200/?$rid=1",
            "$iothub/methods/res/ok/?$rid=1",
            "$iothub/methods/res/200/",
            "devices/d/messages/events",
            "devices/D/messages/events/",
            "devices/d/messages/events/a/b",
            "devices/d/messages/devicebound/x",
            "sport/tennis",
        ] {
            assert_eq!(parse(topic, "d"), None, "{topic}");
        }
    }

    #[test]
    fn only_the_documented_filters_may_be_subscribed() {
        for filter in [TWIN_ANSWERS, DESIRED, METHODS, "devices/d/messages/devicebound/#"] {
            assert!(is_filter(filter, "d"), "{filter}");
        }
        for filter in [
            "#",
            "$iothub/#",
            "$iothub/twin/res/+",
            "$iothub/twin/res/200/#",
            "devices/+/messages/devicebound/#",
        ] {
            assert!(!is_filter(filter, "d"), "{filter}");
        }
    }
}
