//! The bytes of one generation: a header line that says what follows, then the record's own bytes.
//!
//! ```text
//! twind-record 1 42 317 9f86d081…(64 hex digits)\n<317 bytes>
//!              │ │  │   └ SHA-256 of everything else: the line up to here, and the record's bytes
//!              │ │  └ how many bytes the record has
//!              │ └ the write's number
//!              └ the format's number
//! ```
//!
//! The *write's number* is the store's own count and orders the generations. It is not the record's sequence, which the engine may
//! restart (for a device with another identity) while an old generation with a higher sequence remains. The line is text so that
//! `head -1` shows it.

use crate::twin::RecordFault;
use core::fmt;
use ring::digest;

const MAGIC: &str = "twind-record";
/// The format that is written, and the newest that is read.
const FORMAT: u64 = 1;
/// Longest header line that this format can make, with room for the numbers of a later one.
const HEADER_BYTES_MAX: usize = 256;
/// A record is three sections, each at most 1 MiB; what is larger is no record, and is not read into memory.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most that a generation's file can hold.
pub(super) const FILE_BYTES_MAX: usize = HEADER_BYTES_MAX + RECORD_BYTES_MAX;

/// Why a generation cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The system could not read it; its reason.
    Unreadable(String),
    /// It has no valid header.
    NotARecord,
    /// It ends too early, or goes on too long.
    Length {
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Its content changed since it was written.
    Checksum,
    /// A later twind wrote it.
    NewerFormat {
        /// The format's number.
        format: u64,
    },
    /// It is what was written, but not a record that this twind understands.
    Record(RecordFault),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::NotARecord => f.write_str("does not begin with a record's header"),
            Self::Length { expected, found } => write!(f, "should hold {expected} bytes but holds {found}"),
            Self::Checksum => f.write_str("does not match its checksum"),
            Self::NewerFormat { format } => {
                write!(f, "was written by a later version of twind (format {format})")
            }
            Self::Record(fault) => write!(f, "holds no record that can be used: {fault}"),
        }
    }
}

/// A generation's bytes; `None` for a record that is too large to be read back.
pub fn seal(number: u64, record: &[u8]) -> Option<Vec<u8>> {
    if record.len() > RECORD_BYTES_MAX {
        return None;
    }
    let promise = format!("{MAGIC} {FORMAT} {number} {} ", record.len());
    let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX + record.len());
    bytes.extend_from_slice(promise.as_bytes());
    bytes.extend_from_slice(checksum(promise.as_bytes(), record).as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(record);
    Some(bytes)
}

/// The write's number and the record's bytes.
///
/// # Errors
/// Why the bytes are no generation, or not the one that was written.
pub fn unseal(bytes: &[u8]) -> Result<(u64, &[u8]), Damage> {
    let line_bytes = bytes.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n');
    let (line, record) = bytes.split_at(line_bytes.ok_or(Damage::NotARecord)?);
    let record = record.get(1..).ok_or(Damage::NotARecord)?;
    let line = core::str::from_utf8(line).map_err(|_| Damage::NotARecord)?;

    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(Damage::NotARecord);
    }
    match number(words.next()) {
        Some(FORMAT) => {}
        Some(format) if format > FORMAT => return Err(Damage::NewerFormat { format }),
        _ => return Err(Damage::NotARecord),
    }
    let (Some(write), Some(expected), Some(sum), None) =
        (number(words.next()), number(words.next()), words.next(), words.next())
    else {
        return Err(Damage::NotARecord);
    };
    let found = record.len() as u64;
    if expected != found {
        return Err(Damage::Length { expected, found });
    }
    let promise = line.strip_suffix(sum).ok_or(Damage::NotARecord)?;
    if checksum(promise.as_bytes(), record) != sum {
        return Err(Damage::Checksum);
    }
    Ok((write, record))
}

fn number(word: Option<&str>) -> Option<u64> {
    word?.parse().ok()
}

/// SHA-256, in hexadecimal digits, of what a line says and of what follows it.
pub(super) fn checksum(promise: &[u8], record: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(promise);
    context.update(record);
    let sum = context.finish();
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    sum.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_sealed_comes_back(write: u64, record: Vec<u8>) {
            let bytes = seal(write, &record).unwrap();
            prop_assert_eq!(unseal(&bytes), Ok((write, &record[..])));
        }

        #[test]
        fn foreign_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(unseal(&bytes).is_err());
        }

        #[test]
        fn a_foreign_header_is_refused(tail in "[ 0-9a-f]{0,90}\n.{0,9}") {
            let bytes = format!("twind-record 1 {tail}");
            prop_assert!(unseal(bytes.as_bytes()).is_err());
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = seal(7, b"what was kept").unwrap();
        for length in 0..bytes.len() {
            assert!(unseal(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = seal(7, b"what was kept").unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&flipped).is_err(), "bit {bit} flipped");
        }
    }

    #[test]
    fn the_damage_is_named() {
        let bytes = seal(7, b"what was kept").unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(unseal(cut), Err(Damage::Length { expected: 13, found: 12 }));
        let changed = text.replace("what", "That");
        assert_eq!(unseal(changed.as_bytes()), Err(Damage::Checksum));
        let renumbered = text.replace("record 1 7", "record 1 8");
        assert_eq!(unseal(renumbered.as_bytes()), Err(Damage::Checksum));
        let newer = text.replace("record 1 7", "record 2 7");
        assert_eq!(unseal(newer.as_bytes()), Err(Damage::NewerFormat { format: 2 }));
        assert_eq!(unseal(b""), Err(Damage::NotARecord));
    }

    #[test]
    fn a_record_too_large_to_read_back_is_not_sealed() {
        assert!(seal(1, &vec![0; RECORD_BYTES_MAX]).is_some_and(|bytes| bytes.len() <= FILE_BYTES_MAX));
        assert_eq!(seal(1, &vec![0; RECORD_BYTES_MAX + 1]), None);
    }
}
