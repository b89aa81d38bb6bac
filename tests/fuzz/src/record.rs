//! The stored files: a record's bytes, and a sealed generation around them. The first eight bytes also serve as the number
//! of a generation that seals the rest.

use super::assert_fit_for_a_log;
use twind::store::format::{seal, unseal};
use twind::twin::TwinRecord;

/// See the module.
pub fn run(bytes: &[u8]) {
    match unseal(bytes) {
        Ok((number, record)) => {
            assert!(record.len() < bytes.len());
            assert_decodes_or_says_why(record);
            let again = seal(number, record).unwrap_or_default();
            assert_eq!(unseal(&again), Ok((number, record)));
        }
        Err(damage) => assert_fit_for_a_log(&damage.to_string()),
    }
    assert_decodes_or_says_why(bytes);

    let Some((number, rest)) = bytes.split_first_chunk::<8>() else { return };
    let number = u64::from_le_bytes(*number);
    let Some(mut sealed) = seal(number, rest) else { return };
    assert_eq!(unseal(&sealed), Ok((number, rest)), "sealed and opened again");
    // The number selects the bit to flip.
    let at = usize::try_from(number).unwrap_or(usize::MAX) % sealed.len();
    sealed[at] ^= 1 << (number % 8);
    assert!(unseal(&sealed).is_err(), "a flipped bit in byte {at} is not noticed");
}

fn assert_decodes_or_says_why(bytes: &[u8]) {
    match TwinRecord::decode(bytes) {
        Ok(record) => {
            let written = record.encode();
            assert_eq!(TwinRecord::decode(&written).as_ref(), Ok(&record), "written and read again");
            assert_eq!(record.encode(), written, "written twice");
            assert!(seal(1, &written).is_some(), "too large to be kept: {} bytes", written.len());
        }
        Err(fault) => assert_fit_for_a_log(&fault.to_string()),
    }
}
