//! Payloads: bytes to twin documents and back.
//!
//! A *refusal* is the body that comes with a status of 400 and above. `$version` and `$metadata` stand at a section's
//! top and belong to the protocol, so they are removed here and nowhere else; the rest belongs to the back end or another firmware
//! and is carried unchanged ([`json`]). The length is checked before parsing.

use super::words::{self, Word};
use crate::hub::PAYLOAD_BYTES_MAX;
use crate::hub::foreign::shorten;
use crate::twin::json::{self, ReadFault};
use crate::twin::{LimitFault, Patch, Section, Version};
use core::fmt;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The bytes of a report at most: the largest message that the hub takes.
const REPORT_BYTES_MAX: usize = 256 * 1024;

/// The bytes of a message's body at most: 256 KB with its properties ("Create and read IoT Hub messages").
pub const BODY_BYTES_MAX: usize = 255 * 1024;

/// The most bytes of an answer to a direct method ("Understand and invoke direct methods": 128 KB).
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// The most bytes of a direct method's argument that are read.
const ARGUMENT_BYTES_MAX: usize = 4 * 1024;

/// The most bytes that are quoted of a body that is no JSON.
const QUOTED_BYTES_MAX: usize = 4 * 1024;

/// The answer to a request for the whole twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// The desired section.
    pub desired: Section,
    /// Its version.
    pub desired_version: Version,
    /// The reported section as the hub has it.
    pub reported: Section,
}

/// Why a payload cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecFault {
    /// Larger than what is read or sent.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What may be.
        limit: usize,
    },
    /// More properties than are kept.
    TooMany(ReadFault),
    /// No JSON, or no JSON object; what the parser says.
    Json(String),
    /// The answer lacks a section.
    MissingSection(&'static str),
    /// Neither payload nor topic has a version. A hub that has no twin says 0.
    MissingVersion,
    /// A section is larger than can be kept.
    Limit(&'static str, LimitFault),
}

impl fmt::Display for CodecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(f, "a payload of {bytes} bytes, more than the limit of {limit}")
            }
            Self::TooMany(fault) => fault.fmt(f),
            Self::Json(reason) => write!(f, "no JSON object: {reason}"),
            Self::MissingSection(name) => write!(f, "a twin without its {name} section"),
            Self::MissingVersion => f.write_str("a desired section without a $version above 0"),
            Self::Limit(name, fault) => write!(f, "the {name} section: {fault}"),
        }
    }
}

impl std::error::Error for CodecFault {}

/// Reads the answer to a request for the whole twin: `{"desired":{…,"$version":n},"reported":{…,"$version":m}}`.
///
/// A missing reported section is taken as empty, so that everything is reported again. A missing desired section is a fault, since
/// an empty one would undo every setting.
///
/// # Errors
/// Why it cannot be read.
pub fn read_twin(payload: &[u8]) -> Result<Twin, CodecFault> {
    let mut body = read_object(payload, 1)?;
    let (desired, version) =
        take_section(&mut body, "desired")?.ok_or(CodecFault::MissingSection("desired"))?;
    let desired_version = version.ok_or(CodecFault::MissingVersion)?;
    let reported = take_section(&mut body, "reported")?.map(|(section, _)| section).unwrap_or_default();
    let limit = |name| move |fault| CodecFault::Limit(name, fault);
    Ok(Twin {
        desired: Section::from_object(desired).map_err(limit("desired"))?,
        desired_version,
        reported: Section::from_object(reported).map_err(limit("reported"))?,
    })
}

/// Reads a change of the desired section: the patch as the back end sent it, plus `$version`. Where the payload says
/// none, the topic's version counts.
///
/// # Errors
/// Why it cannot be read.
pub fn read_desired(payload: &[u8], topic_version: Option<Version>) -> Result<(Version, Patch), CodecFault> {
    let mut body = match read_object(payload, 0) {
        // Only its version is taken: the core then fetches the whole twin.
        Err(CodecFault::TooMany(_)) if topic_version.is_some() => Map::new(),
        body => body?,
    };
    let version = take_protocol_keys(&mut body).or(topic_version).ok_or(CodecFault::MissingVersion)?;
    Ok((version, Patch::from_object(body)))
}

/// The argument of a direct method; null if it is absent, no JSON, or longer than any method of twind takes.
pub fn read_argument(payload: &[u8]) -> Value {
    if payload.len() > ARGUMENT_BYTES_MAX {
        return Value::Null;
    }
    serde_json::from_slice(payload).unwrap_or_default()
}

/// The body of a refusal. The hub writes `message`, its gateways `Message`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RefusalBody {
    #[serde(rename = "errorCode")]
    code: Word,
    message: Word,
    #[serde(rename = "Message")]
    gateways_message: Word,
}

/// The hub's message about a refused request, `{"errorCode":…,"message":…}`, shortened for a log line; empty if there is none. Of a
/// body that is no JSON the beginning is quoted.
pub fn read_refusal(payload: &[u8]) -> String {
    let payload = payload.get(..PAYLOAD_BYTES_MAX).unwrap_or(payload);
    let Some(refusal) = words::read::<RefusalBody>(payload) else {
        return shorten(&String::from_utf8_lossy(payload.get(..QUOTED_BYTES_MAX).unwrap_or(payload)));
    };
    let (hubs, gateways) = (&refusal.message, &refusal.gateways_message);
    let message = if *hubs == Word::None { gateways.text() } else { hubs.text() };
    shorten(&match (refusal.code.code(), message) {
        (code, "") => code.to_owned(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    })
}

/// Writes a change of the reported section.
///
/// # Errors
/// If it is larger than the hub takes in one message.
pub fn write_patch(patch: &Patch) -> Result<Vec<u8>, CodecFault> {
    let bytes = json::write(patch.as_object()).into_bytes();
    check_size(&bytes, REPORT_BYTES_MAX)?;
    Ok(bytes)
}

fn check_size(payload: &[u8], limit: usize) -> Result<(), CodecFault> {
    if payload.len() > limit {
        return Err(CodecFault::TooLarge { bytes: payload.len(), limit });
    }
    Ok(())
}

fn read_object(payload: &[u8], above: usize) -> Result<Map<String, Value>, CodecFault> {
    check_size(payload, PAYLOAD_BYTES_MAX)?;
    json::read(payload, above).map_err(|fault| match fault {
        ReadFault::Json(reason) => CodecFault::Json(shorten(&reason)),
        ReadFault::TooMany => CodecFault::TooMany(fault),
    })
}

type SectionParts = (Map<String, Value>, Option<Version>);

fn take_section(
    body: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<SectionParts>, CodecFault> {
    match body.remove(name) {
        Some(Value::Object(mut section)) => {
            let version = take_protocol_keys(&mut section);
            Ok(Some((section, version)))
        }
        Some(_) => Err(CodecFault::MissingSection(name)),
        None => Ok(None),
    }
}

/// Removes the protocol's keys from a section's top, and returns its version if it has one. The hub counts from 1.
fn take_protocol_keys(section: &mut Map<String, Value>) -> Option<Version> {
    // Not `remove`, which would reorder what follows.
    section.shift_remove("$metadata");
    section
        .shift_remove("$version")
        .as_ref()
        .and_then(Value::as_u64)
        .filter(|version| *version > 0)
        .map(Version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::foreign::CHARS_MAX;
    use proptest::prelude::*;

    fn keys(object: &Map<String, Value>) -> Vec<&str> {
        object.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_twin_is_read_without_what_is_the_protocols_and_in_the_order_sent() {
        let body = br#"{"desired":{"z":1,"$metadata":{"$lastUpdated":"x"},"a":{"m":2},"$version":15,"k":3},
                        "reported":{"temperature":32,"$version":2}}"#;
        let twin = read_twin(body).unwrap();
        assert_eq!(twin.desired_version, Version(15));
        assert_eq!(keys(twin.desired.as_object()), ["z", "a", "k"]);
        assert_eq!(keys(twin.reported.as_object()), ["temperature"]);
    }

    #[test]
    fn a_new_devices_twin_is_empty_at_version_one() {
        let twin = read_twin(br#"{"desired":{"$version":1},"reported":{"$version":1}}"#).unwrap();
        assert_eq!((twin.desired.is_empty(), twin.desired_version), (true, Version(1)));
        assert!(twin.reported.is_empty());
    }

    #[test]
    fn a_twin_without_its_desired_half_is_refused_but_a_missing_reported_one_is_empty() {
        assert_eq!(read_twin(br#"{"reported":{}}"#), Err(CodecFault::MissingSection("desired")));
        assert_eq!(read_twin(br#"{"desired":null}"#), Err(CodecFault::MissingSection("desired")));
        assert_eq!(read_twin(br#"{"desired":{"a":1}}"#), Err(CodecFault::MissingVersion));
        assert_eq!(read_twin(br#"{"desired":{"$version":"3"}}"#), Err(CodecFault::MissingVersion));
        assert!(read_twin(br#"{"desired":{"$version":3}}"#).unwrap().reported.is_empty());
    }

    #[test]
    fn a_null_in_a_whole_section_is_not_there() {
        let twin =
            read_twin(br#"{"desired":{"a":{"b":null},"c":[null],"$version":3},"reported":{}}"#).unwrap();
        assert_eq!(json::write(twin.desired.as_object()), r#"{"a":{},"c":[null]}"#);
    }

    #[test]
    fn a_version_of_zero_is_none_and_no_twin_is_taken_from_it() {
        let empty = br#"{"desired":{"$version":0},"reported":{"$version":0}}"#;
        assert_eq!(read_twin(empty), Err(CodecFault::MissingVersion));
        assert_eq!(read_desired(br#"{"a":1,"$version":0}"#, None), Err(CodecFault::MissingVersion));
        assert_eq!(read_desired(br#"{"a":1,"$version":0}"#, Some(Version(7))).unwrap().0, Version(7));
    }

    #[test]
    fn what_other_writers_put_into_a_twin_is_carried_as_it_is() {
        let odd = "\"build#\":\"x\",\"a\u{a0}b\":{\"c\u{3000}d\":[1,null]},\"n\":1180591620717411303424,\"e\":1e400,\"$x\":1";
        let note = "x".repeat(5000);
        let deep = format!("{}7{}", "{\"k\":".repeat(11), "}".repeat(11));
        let section = format!("{odd},\"note\":\"{note}\",\"deep\":{deep},\"i\":1152921504606846976");
        let body =
            format!("{{\"desired\":{{{section},\"$version\":3}},\"reported\":{{{section},\"$version\":9}}}}");
        let twin = read_twin(body.as_bytes()).unwrap();
        for half in [&twin.desired, &twin.reported] {
            assert_eq!(json::write(half.as_object()), format!("{{{section}}}"));
        }
        let (_, patch) = read_desired(format!("{{{section},\"$version\":4}}").as_bytes(), None).unwrap();
        assert_eq!(patch.as_object(), twin.desired.as_object());
    }

    #[test]
    fn a_twin_full_of_emoji_that_the_hub_escapes_is_read() {
        let texts: Vec<String> =
            (0..32).map(|n| format!("\"{n:02}\":\"{}\"", "\\ud83d\\ude00".repeat(1002))).collect();
        let section = format!("{{{},\"$version\":2}}", texts.join(","));
        let body = format!("{{\"desired\":{section},\"reported\":{section}}}");
        assert!(body.len() > 2 * 384 * 1000);
        let twin = read_twin(body.as_bytes()).unwrap();
        assert!(twin.desired.size() > 32_000 && twin.desired.size() <= 32 * 1024);
    }

    #[test]
    fn of_a_notification_beyond_the_ceiling_its_version_is_taken_so_that_the_twin_is_fetched() {
        let many: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":0")).collect();
        let body = format!("{{{}}}", many.join(","));
        assert_eq!(read_desired(body.as_bytes(), Some(Version(7))), Ok((Version(7), Patch::default())));
        assert!(matches!(read_desired(body.as_bytes(), None), Err(CodecFault::TooMany(_))));
    }

    #[test]
    fn a_change_keeps_its_nulls_and_takes_the_payloads_version() {
        let (version, patch) =
            read_desired(br#"{"route":null,"interval":5,"$version":8}"#, Some(Version(7))).unwrap();
        assert_eq!(version, Version(8));
        assert_eq!(patch.as_object().get("route"), Some(&Value::Null));
        assert_eq!(keys(patch.as_object()), ["route", "interval"]);
    }

    #[test]
    fn a_change_without_a_version_takes_the_topics_and_else_is_refused() {
        assert_eq!(read_desired(br#"{"a":1}"#, Some(Version(7))).unwrap().0, Version(7));
        assert_eq!(read_desired(br#"{"a":1,"$version":null}"#, Some(Version(7))).unwrap().0, Version(7));
        assert_eq!(read_desired(br#"{"a":1}"#, None), Err(CodecFault::MissingVersion));
    }

    #[test]
    fn a_change_may_hold_nothing_but_its_version() {
        assert!(read_desired(br#"{"$version":9}"#, None).unwrap().1.is_empty());
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in
            [&b""[..], b" ", b"null", b"[]", b"{", b"{\"a\":1e999", b"{\"a\":NaN}", b"\xff\xfe", b"{}x"]
        {
            let read = read_desired(body, Some(Version(1)));
            assert!(
                matches!(read, Err(CodecFault::Json(_))),
                "{:?} gave {read:?}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn nesting_without_end_is_refused_before_the_stack_is() {
        let body = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(matches!(read_desired(body.as_bytes(), Some(Version(1))), Err(CodecFault::Json(_))));
    }

    #[test]
    fn a_payload_beyond_the_bound_is_not_even_parsed() {
        let body = vec![b' '; PAYLOAD_BYTES_MAX + 1];
        let (bytes, limit) = (PAYLOAD_BYTES_MAX + 1, PAYLOAD_BYTES_MAX);
        assert_eq!(read_twin(&body), Err(CodecFault::TooLarge { bytes, limit }));
    }

    #[test]
    fn a_refusal_says_its_code_and_message_on_one_short_line() {
        let body = br#"{"errorCode":400004,"trackingId":"t","message":"Value cannot\nbe null.\u0007"}"#;
        assert_eq!(read_refusal(body), "400004: Value cannot be null.");
        assert_eq!(read_refusal(br#"{"errorCode":429001}"#), "429001");
        assert_eq!(read_refusal(b""), "");
        assert_eq!(read_refusal(b"<html>no</html>"), "<html>no</html>");
        assert_eq!(read_refusal(br#"{"errorCode":"Busy","Message":"later","errors":[{}]}"#), "Busy: later");
        assert_eq!(read_refusal(br#"["x"]"#), r#"["x"]"#);
    }

    #[test]
    fn a_patch_is_written_as_it_will_be_read() {
        let (_, patch) = read_desired(br#"{"z":null,"a":{"b":[1,"x"]},"$version":1}"#, None).unwrap();
        assert_eq!(write_patch(&patch).unwrap(), br#"{"z":null,"a":{"b":[1,"x"]}}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_twin(&bytes);
            let _ = read_desired(&bytes, None);
            read_refusal(&bytes);
        }

        #[test]
        fn foreign_words_stay_short_and_free_of_control_characters(text in ".{0,600}") {
            let short = read_refusal(text.as_bytes());
            prop_assert!(short.chars().count() <= CHARS_MAX + 1);
            prop_assert!(!short.chars().any(char::is_control));
        }
    }
}
