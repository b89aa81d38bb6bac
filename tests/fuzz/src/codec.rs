//! A payload from the hub, read as each kind of message that it could be.

use super::assert_fit_for_a_log;
use serde_json::{Map, Value, json};
use twind::hub::PAYLOAD_BYTES_MAX;
use twind::hub::azure::codec::{self, CodecFault, Twin};
use twind::hub::foreign::shorten;
use twind::twin::json;
use twind::twin::{Section, Version};

/// See the module.
pub fn run(bytes: &[u8]) {
    match codec::read_twin(bytes) {
        Ok(twin) => assert_comes_again(&twin),
        Err(fault) => assert_says_why(&fault),
    }
    for topic in [None, Some(Version(7))] {
        match codec::read_desired(bytes, topic) {
            Ok((version, patch)) => {
                let mut body = patch.as_object().clone();
                body.insert("$version".to_owned(), json!(version.0));
                let body = json::write(&body);
                if body.len() <= PAYLOAD_BYTES_MAX {
                    assert_eq!(
                        codec::read_desired(body.as_bytes(), None),
                        Ok((version, patch.clone())),
                        "{body}"
                    );
                }
                if let Ok(written) = codec::write_patch(&patch) {
                    let read = codec::read_desired(&written, Some(version));
                    assert_eq!(read, Ok((version, patch)), "written and read again");
                }
            }
            Err(fault) => assert_says_why(&fault),
        }
    }
    let argument = codec::read_argument(bytes);
    assert!(argument.is_null() || bytes.len() <= 4096, "a long argument is read");
    let words = codec::read_refusal(bytes);
    assert_fit_for_a_log(&words);
    assert!(words.chars().count() <= 201, "{words:?}");
    assert_eq!(shorten(&words).trim_end_matches('…'), words.trim_end_matches('…'), "shortened twice");
}

fn assert_comes_again(twin: &Twin) {
    for section in [&twin.desired, &twin.reported] {
        let again = Section::from_object(section.as_object().clone());
        assert_eq!(again.as_ref(), Ok(section), "a section that passed is refused");
    }
    let with_version = |section: &Section, version: u64| {
        let mut object: Map<String, Value> = section.as_object().clone();
        object.insert("$version".to_owned(), json!(version));
        object
    };
    let body = json::write(&json!({
        "desired": with_version(&twin.desired, twin.desired_version.0),
        "reported": with_version(&twin.reported, 1),
    }));
    if body.len() <= PAYLOAD_BYTES_MAX {
        assert_eq!(codec::read_twin(body.as_bytes()).as_ref(), Ok(twin), "written and read again: {body}");
    }
}

fn assert_says_why(fault: &CodecFault) {
    let words = fault.to_string();
    assert!(!words.is_empty());
    assert_fit_for_a_log(&words);
}
