//! The record: what survives a restart, as bytes. Anything that the hub or the configuration says again is left out.

use super::persisted::{self, Moment, Override, PersistedRange};
use super::{PersistedSilence, Section, Version, json};
use crate::units::UnixSeconds;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The format that this version writes. New fields do not change it; it grows when an older reader would misread a record.
const FORMAT: u64 = 1;

/// The local copy of one device's twin, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct TwinRecord {
    /// The number of the record: each is one higher than the last.
    pub sequence: u64,
    /// Whose twin this is: `host/device`.
    pub identity: String,
    /// The desired section as the hub last sent it.
    pub desired: Section,
    /// Its version; 0 when no twin was ever fetched.
    pub desired_version: Version,
    /// The desired values in force, in the places where they were desired. They differ from `desired` where a value was
    /// refused and the last good one stays.
    pub accepted: Section,
    /// The reported section as the hub last had it.
    pub reported: Section,
    /// The wall-clock time when the hub was last heard, by the clock that dated the token which it accepted
    /// (`clock_sanity`). A clock that shows less has not been set yet. 0 before the first.
    pub known_time: UnixSeconds,
    /// The hub's silence, where an output has a row for it.
    pub silence: Option<PersistedSilence>,
    /// When the record was made.
    pub moment: Moment,
    /// The overrides in force, by output.
    pub overrides: Vec<(String, Override)>,
    /// Those of climates, by climate.
    pub range_overrides: Vec<(String, Override<PersistedRange>)>,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// Not what [`TwinRecord::encode`] writes.
    Malformed(String),
    /// Written by a later twind.
    Newer {
        /// The record's format.
        format: u64,
    },
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The parser quotes what it found, which may be long.
            Self::Malformed(what) => write!(f, "not a twin record: {what:.200}"),
            Self::Newer { format } => {
                write!(
                    f,
                    "written by a later version of twind (format {format}, this one reads up to {FORMAT})"
                )
            }
        }
    }
}

impl core::error::Error for RecordFault {}

impl TwinRecord {
    /// Encodes the record, as JSON, so that a person can read it.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = json!({
            "format": FORMAT,
            "sequence": self.sequence,
            "identity": self.identity,
            "desiredVersion": self.desired_version.0,
            "desired": self.desired.as_object(),
            "accepted": self.accepted.as_object(),
            "reported": self.reported.as_object(),
            "knownTime": self.known_time.0,
        });
        if let Some(fields) = fields.as_object_mut() {
            self.silence
                .into_iter()
                .for_each(|silence| drop(fields.insert("silence".into(), silence.encode())));
            persisted::encode(fields, &self.moment, &self.overrides);
            persisted::encode_ranges(fields, &self.range_overrides);
        }
        json::write(&fields).into_bytes()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// When the bytes are no record, or one that only a later version can read.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordFault> {
        let malformed = |what: &str| RecordFault::Malformed(what.to_owned());
        let mut fields = json::read(bytes, 1).map_err(|fault| RecordFault::Malformed(fault.to_string()))?;
        let number = |name: &str| fields.get(name).and_then(Value::as_u64).ok_or_else(|| malformed(name));
        let format = number("format")?;
        if format > FORMAT {
            return Err(RecordFault::Newer { format });
        }
        let known_time = UnixSeconds(fields.get("knownTime").and_then(Value::as_u64).unwrap_or_default());
        let (moment, overrides) = persisted::decode(&fields);
        let range_overrides = persisted::decode_ranges(&fields);
        let silence = fields.get("silence").and_then(PersistedSilence::decode);
        let (sequence, desired_version) = (number("sequence")?, Version(number("desiredVersion")?));
        let identity = fields.get("identity").and_then(Value::as_str).ok_or_else(|| malformed("identity"))?;
        let identity = identity.to_owned();
        let mut section = |name: &str| match fields.shift_remove(name) {
            Some(Value::Object(object)) => Section::from_object(object)
                .map_err(|fault| RecordFault::Malformed(format!("{name}: {fault}"))),
            _ => Err(malformed(name)),
        };
        Ok(Self {
            sequence,
            identity,
            desired_version,
            desired: section("desired")?,
            accepted: section("accepted")?,
            reported: section("reported")?,
            known_time,
            silence,
            moment,
            overrides,
            range_overrides,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::persisted::Author;
    use super::*;
    use crate::units::{BootId, BootTime, Permille};
    use core::time::Duration;
    use proptest::prelude::*;

    fn record() -> TwinRecord {
        let section = |value: Value| Section::from_object(value.as_object().unwrap().clone()).unwrap();
        TwinRecord {
            sequence: 7,
            identity: "contoso.azure-devices.net/pi".into(),
            desired: section(json!({"fanOn": false, "components": {"climate": {"maxTemperature": "92"}}})),
            desired_version: Version(41),
            accepted: section(json!({"fanOn": false})),
            reported: section(json!({"firmwareVersion": "1.2.1"})),
            known_time: UnixSeconds(1_800_000_000),
            silence: Some(PersistedSilence {
                lasts: Duration::from_secs(60),
                sure: Duration::from_secs(50),
                open: true,
            }),
            moment: Moment { boot: Some(BootId(7)), at: at(1000), wall: Some(UnixSeconds(1_800_000_900)) },
            overrides: vec![("fan".into(), by(Author::User(1000))), ("lamp".into(), by(Author::Hub))],
            range_overrides: vec![("office".into(), range_by(Author::Hub))],
        }
    }

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    fn by(by: Author) -> Override {
        Override { value: Permille::saturating_const(400), until: at(4600), by }
    }

    fn range_by(by: Author) -> Override<PersistedRange> {
        let value = PersistedRange { measures: "temperature".into(), min: 17.5, max: 21.0 };
        Override { value, until: at(4600), by }
    }

    #[test]
    fn a_record_is_decoded_from_its_own_bytes() {
        assert_eq!(TwinRecord::decode(&record().encode()), Ok(record()));
    }

    #[test]
    fn a_record_from_before_overrides_is_read_and_one_without_any_has_the_same_bytes() {
        let (moment, overrides, range_overrides) = (Moment::default(), Vec::new(), Vec::new());
        let old = TwinRecord { moment, overrides, range_overrides, silence: None, ..record() };
        let bytes = old.encode();
        for key in ["moment", "overrides", "rangeOverrides", "silence"] {
            assert!(!String::from_utf8_lossy(&bytes).contains(key), "{key}");
        }
        assert_eq!(TwinRecord::decode(&bytes), Ok(old));
    }

    #[test]
    fn an_override_that_cannot_be_read_costs_nothing_else() {
        let text = String::from_utf8(record().encode()).unwrap();
        let odd = text.replace("\"by\":\"hub\"", "\"by\":7");
        let read = TwinRecord::decode(odd.as_bytes()).unwrap();
        assert_eq!((&read.overrides[..], &read.range_overrides[..]), (&record().overrides[..1], &[][..]));
        let TwinRecord { overrides, range_overrides, .. } = record();
        assert_eq!(TwinRecord { overrides, range_overrides, ..read }, record());
    }

    #[test]
    fn a_record_cut_short_anywhere_is_no_record() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert!(TwinRecord::decode(&bytes[..length]).is_err(), "at {length}");
        }
    }

    #[test]
    fn a_later_format_is_refused_by_name() {
        let bytes = String::from_utf8(record().encode()).unwrap().replace("\"format\":1", "\"format\":2");
        assert_eq!(TwinRecord::decode(bytes.as_bytes()), Err(RecordFault::Newer { format: 2 }));
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number in any::<f64>().prop_filter("JSON has no other", |n| n.is_finite())) {
            let mut record = record();
            record.reported = Section::from_object(json!({"n": number}).as_object().unwrap().clone()).unwrap();
            prop_assert_eq!(TwinRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(TwinRecord::decode(&bytes).is_err());
        }
    }
}
