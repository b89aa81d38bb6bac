//! The hub's topics: how requests and messages are addressed and what an incoming topic says.
//!
//! The grammar is IoT Hub's ("Use MQTT to communicate with IoT Hub"). A twin topic carries no device id: the hub takes it from the
//! session. `$rid` always comes first in a query, because some hubs' parsers need it there. Direct methods are called and answered
//! on topics of the same kind. The topic of a message carries the device id and the message's properties. Payloads are in `codec`.

use super::token::ENCODED;
use crate::twin::{DeviceMessage, Version};
use crate::units::UnixSeconds;
use core::time::Duration;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a device subscribes to: answers to requests, changes of the desired section, calls of direct methods.
pub const FILTERS: [&str; 3] =
    ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#"];

const METHODS: &str = "$iothub/methods/POST/";
/// A call with a longer id is not answered, since the hub's ids are short. A longer name is not stored, since twind's are short.
pub(in crate::hub) const METHOD_BYTES_MAX: usize = 256;
const TWIN: &str = "$iothub/twin/";
const RESPONSES: &str = "$iothub/twin/res/";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";

/// Where the whole twin is asked for.
pub fn get_twin(rid: u64) -> String {
    format!("{TWIN}GET/?$rid={rid}")
}

/// Where a change of the reported section goes.
pub fn patch_reported(rid: u64) -> String {
    format!("{TWIN}PATCH/properties/reported/?$rid={rid}")
}

/// Where a direct method's answer goes.
pub fn answer_method(rid: &str, status: u16) -> String {
    format!("$iothub/methods/res/{status}/?$rid={rid}")
}

/// What MQTT does not allow in the topic of a message. The stock clients write a device id as it is (azure-iot-sdk-python,
/// `mqtt_topic_iothub.py`). `+` and `#` are not supported in ids any more ("Understand the identity registry"); an old id with one
/// of them cannot stand in a topic as it is.
const NOT_IN_A_TOPIC: &AsciiSet = &CONTROLS.add(b'+').add(b'#');

/// Where a message goes: the device's topic, and the message's properties, each name and value percent-encoded as in a query. The
/// `$` of a system property is encoded too, as the stock C and Node clients do it; the hub decodes names before it compares them.
pub fn send_message(device_id: &str, message: &DeviceMessage) -> String {
    let device_id = utf8_percent_encode(device_id, NOT_IN_A_TOPIC);
    let created = message.created.map(UnixSeconds::rfc3339);
    // Content type and encoding let the hub's routes look into the body.
    let properties = [
        ("$.mid", Some(message.id.as_str())),
        ("$.ct", Some("application/json")),
        ("$.ce", Some("utf-8")),
        ("$.ctime", created.as_deref()),
        ("alarm", message.alarm.as_deref()),
    ];
    let bag: Vec<_> = properties
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .map(|(name, value)| {
            format!("{}={}", utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED))
        })
        .collect();
    format!("devices/{device_id}/messages/events/{}", bag.join("&"))
}

/// What an incoming topic says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The answer to a request.
    Response {
        /// An HTTP-like status of three digits.
        status: u16,
        /// The request's id.
        rid: u64,
        /// The section's new version; the hub sends it with a 204.
        version: Option<Version>,
        /// How long to wait before the next request. It is undocumented where a hub puts it; this is where the provisioning
        /// service does.
        retry_after: Option<Duration>,
    },
    /// A change of the desired section.
    Desired {
        /// The version after it. The payload says it too.
        version: Option<Version>,
    },
    /// The back end calls a direct method.
    Method {
        /// The method.
        name: &'a str,
        /// The call's id, which the answer must carry.
        rid: &'a str,
    },
    /// A topic below the twin's that cannot be read.
    Unreadable,
    /// No topic of the twin. A hub that remembers the subscriptions of another client of this device may send such.
    Foreign,
}

/// Reads a topic.
///
/// The path is compared byte by byte; `?` must start the last segment; of a repeated parameter the first counts;
/// unknown parameters are ignored; a version or time that is no number is ignored, a request id that is none is unreadable,
/// because ours are numbers.
pub fn parse(topic: &str) -> Incoming<'_> {
    if let Some(rest) = topic.strip_prefix(RESPONSES) {
        return parse_response(rest).unwrap_or(Incoming::Unreadable);
    }
    if let Some(rest) = topic.strip_prefix(DESIRED) {
        return match query(rest) {
            Some(query) => Incoming::Desired { version: version(query) },
            None => Incoming::Unreadable,
        };
    }
    if let Some(rest) = topic.strip_prefix(METHODS) {
        return parse_method(rest).unwrap_or(Incoming::Foreign);
    }
    if topic.starts_with(TWIN) { Incoming::Unreadable } else { Incoming::Foreign }
}

fn parse_method(rest: &str) -> Option<Incoming<'_>> {
    let (name, rest) = rest.split_once('/')?;
    let rid = parameter(query(rest)?, "$rid")?;
    let name = if name.len() <= METHOD_BYTES_MAX { name } else { "…" };
    let fits = !name.is_empty() && !rid.is_empty() && rid.len() <= METHOD_BYTES_MAX;
    // The id must be valid in the topic of the answer.
    let answerable = !rid.contains(['+', '#', '\0']);
    (fits && answerable).then_some(Incoming::Method { name, rid })
}

fn parse_response(rest: &str) -> Option<Incoming<'_>> {
    let (status, rest) = rest.split_once('/')?;
    if status.len() != 3 {
        return None;
    }
    let status = number(status)?.try_into().ok()?;
    let query = query(rest)?;
    let rid = number(parameter(query, "$rid")?)?;
    let retry_after = parameter(query, "retry-after").and_then(number).map(Duration::from_secs);
    Some(Incoming::Response { status, rid, version: version(query), retry_after })
}

/// The query of a last segment; an absent one is empty, a further path segment is a fault.
fn query(segment: &str) -> Option<&str> {
    if segment.is_empty() {
        return Some("");
    }
    segment.strip_prefix('?').filter(|query| !query.contains('/'))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn version(query: &str) -> Option<Version> {
    parameter(query, "$version").and_then(number).map(Version)
}

/// Decimal digits and nothing else: the standard parser would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_addressed_with_the_request_id_first() {
        assert_eq!(get_twin(7), "$iothub/twin/GET/?$rid=7");
        assert_eq!(
            patch_reported(u64::MAX),
            format!("$iothub/twin/PATCH/properties/reported/?$rid={}", u64::MAX)
        );
    }

    fn message() -> DeviceMessage {
        DeviceMessage { id: "0a1b-7f-3".into(), body: "[]".into(), ..DeviceMessage::default() }
    }

    #[test]
    fn a_message_is_addressed_by_device_and_carries_its_id_and_what_its_body_is() {
        assert_eq!(
            send_message("MyTwinDevice", &message()),
            "devices/MyTwinDevice/messages/events/%24.mid=0a1b-7f-3&%24.ct=application%2Fjson&%24.ce=utf-8"
        );
    }

    #[test]
    fn a_message_carries_its_time_and_its_alarm_if_it_has_them() {
        let created = Some(UnixSeconds(1_795_788_000));
        let topic =
            send_message("d", &DeviceMessage { created, alarm: Some("overheat-öfen".into()), ..message() });
        let bag = topic.rsplit_once("%24.ce=utf-8&").map(|(_, rest)| rest);
        assert_eq!(bag, Some("%24.ctime=2026-11-27T14%3A00%3A00Z&alarm=overheat-%C3%B6fen"), "{topic}");
    }

    #[test]
    fn a_device_id_stands_in_a_topic_as_it_is_but_for_what_mqtt_does_not_allow_there() {
        let allowed = "a-.%_*?!(),:=@$'Z9";
        assert!(
            send_message(allowed, &message())
                .starts_with(&format!("devices/{allowed}/messages/events/%24.mid="))
        );
        assert!(send_message("a+b#c", &message()).starts_with("devices/a%2Bb%23c/messages/events/%24.mid="));
    }

    #[test]
    fn a_method_is_called_by_name_and_answered_by_the_id_of_the_call() {
        let call = "$iothub/methods/POST/status/?$rid=a1b2";
        assert_eq!(parse(call), Incoming::Method { name: "status", rid: "a1b2" });
        assert_eq!(answer_method("a1b2", 404), "$iothub/methods/res/404/?$rid=a1b2");
        for odd in
            ["$iothub/methods/POST/status/", "$iothub/methods/POST/?$rid=1", "$iothub/methods/POST/x/?$rid="]
        {
            assert_eq!(parse(odd), Incoming::Foreign, "{odd}");
        }
        // No topic of an answer could carry these, and whatever waits behind it would wait for ever.
        for rid in ["a+b", "#", "a\0"] {
            assert_eq!(
                parse(&format!("$iothub/methods/POST/status/?$rid={rid}")),
                Incoming::Foreign,
                "{rid}"
            );
        }
    }

    #[test]
    fn an_answer_carries_status_request_id_and_sometimes_a_version() {
        assert_eq!(
            parse("$iothub/twin/res/200/?$rid=12"),
            Incoming::Response { status: 200, rid: 12, version: None, retry_after: None }
        );
        let acknowledged =
            Incoming::Response { status: 204, rid: 12, version: Some(Version(88)), retry_after: None };
        assert_eq!(parse("$iothub/twin/res/204/?$rid=12&$version=88"), acknowledged);
        assert_eq!(parse("$iothub/twin/res/204/?$version=88&x&$rid=12&$rid=13"), acknowledged);
    }

    #[test]
    fn a_version_that_is_no_number_is_ignored() {
        for topic in ["$iothub/twin/res/204/?$rid=1&$version=", "$iothub/twin/res/204/?$rid=1&$version=+3"] {
            let read = Incoming::Response { status: 204, rid: 1, version: None, retry_after: None };
            assert_eq!(parse(topic), read, "{topic}");
        }
    }

    #[test]
    fn a_refusal_may_name_a_time_in_whole_seconds() {
        let named = |text: &str| match parse(&format!("$iothub/twin/res/429/?$rid=1&retry-after={text}")) {
            Incoming::Response { status: 429, rid: 1, retry_after, .. } => retry_after.map(|t| t.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [named("0"), named("30"), named("18446744073709551615")],
            [Some(0), Some(30), Some(u64::MAX)]
        );
        for odd in ["", "soon", "-1", "1.5", "+3", "18446744073709551616", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(named(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_change_carries_its_version() {
        assert_eq!(
            parse("$iothub/twin/PATCH/properties/desired/?$version=15"),
            Incoming::Desired { version: Some(Version(15)) }
        );
        for topic in
            ["$iothub/twin/PATCH/properties/desired/", "$iothub/twin/PATCH/properties/desired/?$version=x"]
        {
            assert_eq!(parse(topic), Incoming::Desired { version: None }, "{topic}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_unreadable() {
        for topic in [
            "$iothub/twin/",
            "$iothub/twin/res/",
            "$iothub/twin/res/200",
            "$iothub/twin/res/200/",
            "$iothub/twin/res/200/$rid=1",
            "$iothub/twin/res/20/?$rid=1",
            "$iothub/twin/res/+20/?$rid=1",
            "$iothub/twin/res/200/more/?$rid=1",
            "$iothub/twin/res/200/?$rid=1/more",
            "$iothub/twin/res/200/?$rid=",
            "$iothub/twin/res/200/?$rid=-1",
            "$iothub/twin/res/200/?$rid=18446744073709551616",
            "$iothub/twin/res/200/?$rid=3f2a",
            "$iothub/twin/PATCH/properties/desired/fanOn/?$version=3",
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
        ] {
            assert_eq!(parse(topic), Incoming::Unreadable, "{topic}");
        }
    }

    #[test]
    fn what_does_not_speak_of_the_twin_is_foreign() {
        for topic in
            ["", "devices/d/messages/devicebound/", "$IOTHUB/twin/res/200/?$rid=1", "$iothub/methods/POST/m/"]
        {
            assert_eq!(parse(topic), Incoming::Foreign, "{topic}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(prefix in "(\\$iothub/twin/(res/|PATCH/properties/desired/)?)?", rest in ".*") {
            parse(&format!("{prefix}{rest}"));
        }

        #[test]
        fn whatever_a_message_carries_its_topic_is_one_of_mqtt_and_its_properties_can_be_read(
            device_id in ".*", id in ".*", seconds in prop::option::of(0u64..100_000_000_000), alarm in prop::option::of(".*"),
        ) {
            let created = seconds.map(UnixSeconds);
            let message = DeviceMessage { id: id.clone(), created, alarm: alarm.clone(), body: String::new() };
            let topic = send_message(&device_id, &message);
            prop_assert!(!topic.contains(['+', '#', '\0']), "{}", topic);
            let (_, bag) = topic.rsplit_once('/').unwrap();
            let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
            let read: Vec<_> =
                bag.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (decoded(n), decoded(v))).collect();
            let own = |name: &str, value: String| (name.to_owned(), value);
            let mut carried = vec![own("$.mid", id), own("$.ct", "application/json".into()), own("$.ce", "utf-8".into())];
            carried.extend(created.map(|at| own("$.ctime", at.rfc3339())));
            carried.extend(alarm.map(|alarm| own("alarm", alarm)));
            prop_assert_eq!(read, carried);
        }

        #[test]
        fn every_request_id_comes_back(
            status in 100u16..1000, rid: u64, version: Option<u64>, seconds: Option<u64>,
        ) {
            let tail = version.map(|v| format!("&$version={v}")).unwrap_or_default();
            let wait = seconds.map(|s| format!("&retry-after={s}")).unwrap_or_default();
            let topic = format!("$iothub/twin/res/{status}/?$rid={rid}{tail}{wait}");
            let (version, retry_after) = (version.map(Version), seconds.map(Duration::from_secs));
            prop_assert_eq!(parse(&topic), Incoming::Response { status, rid, version, retry_after });
        }
    }
}
