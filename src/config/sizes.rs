//! Sizes in bytes: `"512 KiB"`, `"4 MiB"`, `"1 GiB"`.
//!
//! Units of 1000 are offered and not accepted: to one half of the readers `MB` means something else.

use super::codes::{Code, Reason};
use super::values::found;
use super::words::shorten;
use core::fmt;
use core::ops::RangeInclusive;
use toml::Spanned;
use toml::de::DeValue;

/// The units as they are written, and their bytes.
const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A size within a range.
pub(super) fn size(value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u64>) -> Result<u64, Reason> {
    const WITH_UNIT: &str = "a size with its unit";
    let text = match value.get_ref() {
        DeValue::String(text) => text.trim(),
        number @ (DeValue::Integer(_) | DeValue::Float(_)) => {
            let written = number.as_integer().map(|number| number.as_str()).unwrap_or_default();
            let said = Code::WrongType.must_be(WITH_UNIT, found(number));
            return Err(said.and(offers(written, range)));
        }
        other => {
            let allowed = "a size in quotes, such as \"512 KiB\" or \"4 MiB\"";
            return Err(Code::WrongType.must_be(allowed, found(other)));
        }
    };
    let quoted = format!("\"{}\"", shorten(text));
    if text.parse::<f64>().is_ok() {
        return Err(Code::WrongForm.must_be(WITH_UNIT, quoted).and(offers(text, range)));
    }
    let (number, unit) = parted(text);
    let bytes = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let size = number.parse::<u64>().ok().zip(bytes).map(|(number, bytes)| number.checked_mul(bytes));
    match size {
        Some(Some(size)) if range.contains(&size) => Ok(size),
        Some(_) => {
            let allowed = format!("a size from {} to {}", name(*range.start()), name(*range.end()));
            Err(Code::OutOfRange.must_be(allowed, quoted))
        }
        None => {
            let allowed = "a size in \"KiB\", \"MiB\" or \"GiB\", such as \"512 KiB\" or \"4 MiB\"";
            let hint = respelt(text, range).map(|size| format!(": write \"{size}\"")).unwrap_or_default();
            Err(Code::WrongForm.must_be(allowed, quoted).and(hint))
        }
    }
}

/// The number of a text, and its unit.
fn parted(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && !".,_".contains(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// What a number without a unit can mean within a range: `: write "4 MiB" or "4 GiB"`.
fn offers(number: &str, range: &RangeInclusive<u64>) -> String {
    let offers: Vec<String> = UNITS
        .into_iter()
        .filter_map(|(unit, bytes)| {
            let size = number.parse::<u64>().ok()?.checked_mul(bytes)?;
            range.contains(&size).then(|| format!("\"{number} {unit}\""))
        })
        .collect();
    if offers.is_empty() {
        let (from, to) = (name(*range.start()), name(*range.end()));
        format!("; it must be from \"{from}\" to \"{to}\"")
    } else {
        format!(": write {}", offers.join(" or "))
    }
}

/// The size that a text with another unit, or with a fraction, was to say.
fn respelt(text: &str, range: &RangeInclusive<u64>) -> Option<String> {
    let (number, unit) = parted(text);
    let unit = unit.to_ascii_lowercase();
    let (_, bytes) = UNITS.into_iter().find(|(ours, _)| {
        let ours = ours.to_ascii_lowercase();
        let first = ours.get(..1).unwrap_or_default();
        [first, &ours].contains(&unit.as_str()) || unit == format!("{first}b")
    })?;
    let number: f64 = number.replace(',', ".").parse().ok()?;
    let size = (number * bytes as f64 / 1024.0).round() * 1024.0;
    let size = size as u64;
    range.contains(&size).then(|| name(size))
}

/// A size of whole KiB as this file writes it.
fn name(size: u64) -> String {
    let unit = UNITS.into_iter().rev().find(|(_, bytes)| size.is_multiple_of(*bytes));
    unit.map_or_else(|| format!("{size} bytes"), |(unit, bytes)| format!("{} {unit}", size / bytes))
}

/// Displays a number of bytes, rounded, for people: `12 KiB`, `4 MiB`, `1.2 MiB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0 => f.write_str("0 KiB"),
            1..=1024 => f.write_str("1 KiB"),
            // Above it the rounded number would be 1024.
            1025..1_048_064 => write!(f, "{:.0} KiB", bytes / 1024.0),
            _ => write!(f, "{} MiB", (bytes / 104_857.6).round() / 10.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    const RANGE: RangeInclusive<u64> = 64 << 10..=1 << 30;

    fn read(written: &str) -> Result<u64, String> {
        let text = format!("keep = {written}");
        let table = DeTable::parse(&text).unwrap();
        size(table.get_ref().get("keep").unwrap(), &RANGE).map_err(|reason| reason.text)
    }

    #[test]
    fn a_size_is_a_whole_number_with_a_unit_of_1024() {
        for (written, bytes) in [
            ("\"64 KiB\"", 65_536),
            ("\"4 MiB\"", 4_194_304),
            ("\"4MiB\"", 4_194_304),
            ("\" 1 GiB \"", 1_073_741_824),
        ] {
            assert_eq!(read(written), Ok(bytes), "{written}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_what_was_meant() {
        let form = "must be a size in \"KiB\", \"MiB\" or \"GiB\", such as \"512 KiB\" or \"4 MiB\", found ";
        for (written, told) in [
            ("4", "must be a size with its unit, found the number 4: write \"4 MiB\""),
            ("100", "must be a size with its unit, found the number 100: write \"100 KiB\" or \"100 MiB\""),
            (
                "4194304",
                "must be a size with its unit, found the number 4194304; it must be from \"64 KiB\" to \"1 GiB\"",
            ),
            ("\"4\"", "must be a size with its unit, found \"4\": write \"4 MiB\""),
            ("true", "must be a size in quotes, such as \"512 KiB\" or \"4 MiB\", found true"),
            ("\"4 MB\"", &format!("{form}\"4 MB\": write \"4 MiB\"")),
            ("\"4m\"", &format!("{form}\"4m\": write \"4 MiB\"")),
            ("\"4mib\"", &format!("{form}\"4mib\": write \"4 MiB\"")),
            ("\"1.5 MiB\"", &format!("{form}\"1.5 MiB\": write \"1536 KiB\"")),
            ("\"0,5 GB\"", &format!("{form}\"0,5 GB\": write \"512 MiB\"")),
            ("\"-4 MiB\"", &format!("{form}\"-4 MiB\"")),
            ("\"4 TB\"", &format!("{form}\"4 TB\"")),
            ("\"much\"", &format!("{form}\"much\"")),
            ("\"\"", &format!("{form}\"\"")),
            ("\"63 KiB\"", "must be a size from 64 KiB to 1 GiB, found \"63 KiB\""),
            ("\"2 GiB\"", "must be a size from 64 KiB to 1 GiB, found \"2 GiB\""),
            (
                "\"99999999999999999 GiB\"",
                "must be a size from 64 KiB to 1 GiB, found \"99999999999999999 GiB\"",
            ),
        ] {
            assert_eq!(read(written), Err(told.to_owned()), "{written}");
        }
    }

    #[test]
    fn bytes_are_shown_in_a_unit_that_suits_them() {
        for (bytes, shown) in [
            (0, "0 KiB"),
            (1, "1 KiB"),
            (12_000, "12 KiB"),
            (1_048_063, "1023 KiB"),
            (1_048_064, "1 MiB"),
            (1_258_291, "1.2 MiB"),
            (4 << 20, "4 MiB"),
            (1 << 30, "1024 MiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }
}
