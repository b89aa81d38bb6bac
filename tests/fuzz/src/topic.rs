//! A topic that the hub published to. The bytes are the topic. They are also what a message carries in its own.

use super::assert_fit_for_a_topic;
use twind::hub::azure::topic::{self, Incoming};
use twind::twin::DeviceMessage;
use twind::units::UnixSeconds;

/// See the module.
pub fn run(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let message = DeviceMessage {
        id: text.to_owned(),
        created: Some(UnixSeconds(bytes.len() as u64)),
        alarm: Some(text.to_owned()),
        body: String::new(),
    };
    // The fuzzer's texts are short, as ids and names are.
    let own = topic::send_message(text, &message);
    assert_fit_for_a_topic(&own);
    assert_eq!(own.rsplit('/').next().map(|bag| bag.matches(['&', '=']).count()), Some(9), "{own}");
    assert_eq!(topic::parse(&own), Incoming::Foreign, "{own}");

    let read = topic::parse(text);
    let tail =
        |version: Option<twind::twin::Version>| version.map(|v| format!("$version={v}")).unwrap_or_default();
    match read {
        Incoming::Response { status, rid, version, retry_after } => {
            assert!(status <= 999, "{status}");
            let pause =
                retry_after.map(|pause| format!("&retry-after={}", pause.as_secs())).unwrap_or_default();
            let again = format!("$iothub/twin/res/{status:03}/?$rid={rid}&{}{pause}", tail(version));
            assert_eq!(topic::parse(&again), read, "{text:?} and {again:?}");
        }
        Incoming::Desired { version } => {
            let again = format!("$iothub/twin/PATCH/properties/desired/?{}", tail(version));
            assert_eq!(topic::parse(&again), read, "{text:?} and {again:?}");
        }
        Incoming::Method { name, rid } => {
            assert!(!name.is_empty() && !name.contains('/'), "{name:?}");
            // A long name is replaced by an ellipsis.
            assert!((name == "…" || text.contains(name)) && text.contains(rid));
            // A broker would not have let these characters through either.
            if !text.contains(['+', '#', '\0']) {
                assert_fit_for_a_topic(&topic::answer_method(rid, 200));
            }
        }
        Incoming::Unreadable => assert!(text.starts_with("$iothub/twin/"), "{text:?} is not about the twin"),
        Incoming::Foreign => assert!(!text.starts_with("$iothub/twin/"), "{text:?} is about the twin"),
    }
}
