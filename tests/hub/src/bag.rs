//! The properties of a device's message, as the *bag* at the end of its topic carries them: how they are read, and what
//! the hub does not take.
//!
//! A bag is `name=value` joined by `&`, each name and value percent-encoded. *System properties* have names that begin
//! with `$.` once decoded, so `%24.mid` is `$.mid`; the hub knows them by another name, as its consumers do. All others
//! are *application properties*, which the hub hands on as they are.
//!
//! The sources do not say what the real hub does with a bag that cannot be read. This one refuses it, and also names that
//! come twice and system properties that it does not know.

use crate::identity;
use percent_encoding::percent_decode_str;
use std::{collections::BTreeMap, fmt};

/// The largest message: its body, the values of its system properties, and the names and values of its application
/// properties.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The size of the pieces in which the hub meters messages.
pub const PIECE_BYTES: usize = 4 * 1024;

/// The name in a bag of each system property that a device may set, and the name that consumers know.
const SYSTEM: [(&str, &str); 14] = [
    ("$.mid", "message-id"),
    ("$.cid", "correlation-id"),
    ("$.uid", "user-id"),
    ("$.to", "to"),
    ("$.ct", "content-type"),
    ("$.ce", "content-encoding"),
    ("$.ctime", "iothub-creation-time-utc"),
    ("$.exp", "absolute-expiry-time"),
    ("$.on", "iothub-outputname"),
    ("$.sub", "dt-subject"),
    ("$.ifid", "iothub-interface-id"),
    ("$.schema", "iothub-message-schema"),
    ("$.diagid", "iothub-diag-id"),
    ("$.diagctx", "diag-correlation-context"),
];

/// Why the hub does not take a message. Over MQTT the device is not told: its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BagError {
    /// This part of the bag is not a name, `=` and a value.
    NoPair(String),
    /// This name or value has a `%` without two hexadecimal digits, or is not UTF-8 once decoded.
    BadEscape(String),
    /// This name comes twice.
    Twice(String),
    /// This begins with `$.` and is no system property that a device may set.
    UnknownSystemProperty(String),
    /// The message id has a character that it may not have, or is not 1 to 128 characters long.
    BadMessageId(String),
    /// The creation time is no date and time of RFC 3339.
    BadCreationTime(String),
    /// The message has this many bytes, which is too many.
    TooLarge(usize),
}

impl fmt::Display for BagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPair(text) => write!(f, "{text:?} in its property bag is no name=value"),
            Self::BadEscape(text) => write!(f, "{text:?} in its property bag cannot be decoded"),
            Self::Twice(name) => write!(f, "its property {name:?} comes twice"),
            Self::UnknownSystemProperty(name) => {
                write!(f, "{name:?} is no system property that a device may set")
            }
            Self::BadMessageId(id) => write!(f, "its message id {id:?} is not of the allowed form"),
            Self::BadCreationTime(text) => {
                write!(f, "its creation time {text:?} is no date and time of RFC 3339")
            }
            Self::TooLarge(bytes) => {
                write!(f, "it has {bytes} bytes with its properties, and 256 KiB are allowed")
            }
        }
    }
}

impl std::error::Error for BagError {}

/// The properties of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bag {
    /// System properties by the name that consumers know: `message-id`, `content-type`…
    pub system: BTreeMap<String, String>,
    /// Application properties.
    pub application: BTreeMap<String, String>,
}

impl Bag {
    /// Reads the text of a bag.
    pub fn parse(text: &str) -> Result<Self, BagError> {
        let mut bag = Self::default();
        for pair in text.split('&').filter(|_| !text.is_empty()) {
            let no_pair = || BagError::NoPair(pair.to_owned());
            let (name, value) = pair.split_once('=').ok_or_else(no_pair)?;
            let (name, value) = (decoded(name)?, decoded(value)?);
            if name.is_empty() {
                return Err(no_pair());
            }
            let (properties, name) = if name.starts_with("$.") {
                let known = SYSTEM.iter().find(|(key, _)| *key == name);
                let (_, known) = known.ok_or_else(|| BagError::UnknownSystemProperty(name.clone()))?;
                (&mut bag.system, (*known).to_owned())
            } else {
                (&mut bag.application, name)
            };
            if properties.insert(name.clone(), value).is_some() {
                return Err(BagError::Twice(name));
            }
        }
        if let Some(id) = bag.system.get("message-id").filter(|id| !identity::is_message_id(id)) {
            return Err(BagError::BadMessageId(id.clone()));
        }
        if let Some(time) = bag.system.get("iothub-creation-time-utc").filter(|time| !is_date_time(time)) {
            return Err(BagError::BadCreationTime(time.clone()));
        }
        Ok(bag)
    }

    /// The size of a message with this bag and so many bytes of body, as the hub counts it: the names of system
    /// properties and the escapes of the topic do not count.
    pub fn message_size(&self, body: usize) -> usize {
        let system = self.system.values().map(String::len);
        let application = self.application.iter().map(|(name, value)| name.len() + value.len());
        body + system.chain(application).sum::<usize>()
    }

    /// As [`Bag::message_size`], unless that is too large.
    pub fn checked_size(&self, body: usize) -> Result<usize, BagError> {
        let size = self.message_size(body);
        if size > MAX_MESSAGE_BYTES { Err(BagError::TooLarge(size)) } else { Ok(size) }
    }
}

/// The 4 KiB pieces that a message of this size counts as; an empty one counts as one.
pub fn pieces(size: usize) -> u64 {
    u64::try_from(size.div_ceil(PIECE_BYTES).max(1)).unwrap_or(u64::MAX)
}

fn decoded(text: &str) -> Result<String, BagError> {
    let bad = || BagError::BadEscape(text.to_owned());
    let is_escape = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_escape) {
        return Err(bad());
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| bad())
}

/// Whether this has the form of a date and time of RFC 3339.
fn is_date_time(text: &str) -> bool {
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let Some(zone) = (if digits == 0 { Some(rest) } else { rest.get(digits + 1..) }) else { return false };
    fits(date_time, "0000-00-00T00:00:00") && (zone == "Z" || fits(zone, "+00:00") || fits(zone, "-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_before_they_are_matched() {
        for text in [
            "$.mid=d-1&$.ct=application%2Fjson&$.ce=utf-8&alarm=overheat%20%C3%A4&empty=",
            "alarm=overheat%20%c3%a4&%24.ce=utf-8&%24%2Emid=d-1&empty=&%24.ct=application%2fjson",
        ] {
            let bag = Bag::parse(text).unwrap();
            let system: Vec<_> = bag.system.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let known =
                [("content-encoding", "utf-8"), ("content-type", "application/json"), ("message-id", "d-1")];
            assert_eq!(system, known, "{text}");
            let application: Vec<_> = bag.application.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(application, [("alarm", "overheat ä"), ("empty", "")], "{text}");
        }
        assert_eq!(Bag::parse(""), Ok(Bag::default()));
    }

    #[test]
    fn a_name_is_taken_as_it_is_written() {
        let bag = Bag::parse("Mid=1&mid=2&$mid=3&iothub-enqueuedtime=never&a=b=c").unwrap();
        let names: Vec<_> = bag.application.keys().map(String::as_str).collect();
        assert_eq!(names, ["$mid", "Mid", "a", "iothub-enqueuedtime", "mid"]);
        assert_eq!((bag.application["a"].as_str(), bag.system.len()), ("b=c", 0));
    }

    #[test]
    fn what_is_no_bag_is_refused_for_its_reason() {
        let some = str::to_owned;
        for (text, error) in [
            ("a", BagError::NoPair(some("a"))),
            ("a=1&", BagError::NoPair(String::new())),
            ("=1", BagError::NoPair(some("=1"))),
            ("a=1&b", BagError::NoPair(some("b"))),
            ("a=%", BagError::BadEscape(some("%"))),
            ("a=%4", BagError::BadEscape(some("%4"))),
            ("a=%4g", BagError::BadEscape(some("%4g"))),
            ("a=%%31", BagError::BadEscape(some("%%31"))),
            ("%ff=1", BagError::BadEscape(some("%ff"))),
            ("a=1&%61=2", BagError::Twice(some("a"))),
            ("$.mid=1&%24.mid=1", BagError::Twice(some("message-id"))),
            ("$.Mid=1", BagError::UnknownSystemProperty(some("$.Mid"))),
            ("$.cdid=other", BagError::UnknownSystemProperty(some("$.cdid"))),
            ("$.mid=", BagError::BadMessageId(String::new())),
            ("$.mid=a%20b", BagError::BadMessageId(some("a b"))),
            ("$.mid=a%2Fb", BagError::BadMessageId(some("a/b"))),
            ("$.ctime=1764252000", BagError::BadCreationTime(some("1764252000"))),
        ] {
            assert_eq!(Bag::parse(text), Err(error), "{text}");
        }
        let long = "m".repeat(129);
        assert_eq!(Bag::parse(&format!("$.mid={long}")), Err(BagError::BadMessageId(long.clone())));
        assert!(Bag::parse(&format!("$.mid={}", &long[1..])).is_ok());
        assert!(Bag::parse("$.mid=aZ09-:.%2B%25_%23*?!(),%3D@;$'").is_ok());
    }

    #[test]
    fn a_creation_time_is_one_of_rfc_3339() {
        for time in ["2026-11-27T14:00:00Z", "2026-11-27T14:00:00.1234567Z", "2026-11-27T14:00:00.5-01:30"] {
            assert!(is_date_time(time), "{time}");
        }
        for time in [
            "",
            "2026-11-27",
            "2026-11-27T14:00:00",
            "2026-11-27 14:00:00Z",
            "2026-11-27T14:00:00.Z",
            "2026-11-27T14:00:00.5",
            "2026-11-27T14:00:00.5ZZ",
            "2026-11-27T14:00:00+0100",
            "ä026-11-27T14:00:0äZ",
        ] {
            assert!(!is_date_time(time), "{time}");
        }
    }

    #[test]
    fn values_and_names_of_application_properties_count_and_names_of_system_properties_do_not() {
        let bag = Bag::parse("$.mid=12345&%61bc=d%20").unwrap();
        assert_eq!(bag.message_size(100), 100 + 5 + 3 + 2);
        assert_eq!(bag.checked_size(MAX_MESSAGE_BYTES - 10), Ok(MAX_MESSAGE_BYTES));
        assert_eq!(bag.checked_size(MAX_MESSAGE_BYTES - 9), Err(BagError::TooLarge(MAX_MESSAGE_BYTES + 1)));
    }

    #[test]
    fn a_message_counts_in_pieces_of_4_kib_begun() {
        assert_eq!([0, 1, 4096, 4097, 8192, 8193].map(pieces), [1, 1, 1, 2, 2, 3]);
    }
}
