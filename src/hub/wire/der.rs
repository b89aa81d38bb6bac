//! Reads from the DER of a certificate or private key the few facts that messages need.
//!
//! Own code, because the TLS library does not expose what it parsed and refuses certificates of version 1, which IoT Hub accepts,
//! and crates for it bring forty others. What cannot be read is `None`, never a guess.

use crate::units::UnixSeconds;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
/// The tags of the first and second optional field.
const FIELD: [u8; 2] = [0xa0, 0xa1];

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 101, 112];
/// Elliptic curves by the names that are printed for them.
const CURVES: [(&[u8], &str); 4] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "P-256"),
    (&[0x2b, 0x81, 4, 0, 0x22], "P-384"),
    (&[0x2b, 0x81, 4, 0, 0x23], "P-521"),
    (&[0x2b, 0x81, 4, 0, 0x0a], "secp256k1"),
];

/// The rest of a piece of DER.
#[derive(Clone, Copy)]
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next value: its tag, its content, and all its bytes.
    fn any(&mut self) -> Option<(u8, Self, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some((tag, Self(value), whole))
    }

    /// The next value, if it has this tag.
    fn value(&mut self, tag: u8) -> Option<Self> {
        let mut ahead = *self;
        let (found, value, _) = ahead.any()?;
        (found == tag).then(|| {
            *self = ahead;
            value
        })
    }
}

/// The facts of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Certificate<'d> {
    /// Valid from here …
    pub(super) not_before: UnixSeconds,
    /// … to here.
    pub(super) not_after: UnixSeconds,
    /// The bits of its public key.
    pub(super) public_key: &'d [u8],
}

impl<'d> Certificate<'d> {
    /// Reads a certificate of any version.
    pub(super) fn read(der: &'d [u8]) -> Option<Self> {
        let mut signed = Der(der).value(SEQUENCE)?.value(SEQUENCE)?;
        // Version 1 does not say so.
        let _version = signed.value(FIELD[0]);
        signed.value(INTEGER)?;
        let _signature = signed.value(SEQUENCE)?;
        let _issuer = signed.value(SEQUENCE)?;
        let mut validity = signed.value(SEQUENCE)?;
        let _subject = signed.value(SEQUENCE)?;
        let public_key = public_key(signed.any()?.2)?;
        Some(Self { not_before: time(&mut validity)?, not_after: time(&mut validity)?, public_key })
    }
}

/// The bits of the public key in a `SubjectPublicKeyInfo`.
pub(super) fn public_key(info: &[u8]) -> Option<&[u8]> {
    let mut info = Der(info).value(SEQUENCE)?;
    info.value(SEQUENCE)?;
    Some(info.value(BIT_STRING)?.0)
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(der: &mut Der<'_>) -> Option<UnixSeconds> {
    let (tag, value, _) = der.any()?;
    let text = core::str::from_utf8(value.0).ok()?.strip_suffix('Z')?;
    let (year, rest) = text.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
    let year: u64 = year.parse().ok()?;
    let year = match (tag, year) {
        (UTC_TIME, 50..) => 1900 + year,
        (UTC_TIME, _) => 2000 + year,
        _ => year,
    };
    let part = |index: usize| rest.get(2 * index..2 * index + 2)?.parse::<u64>().ok();
    let (month, day) = (part(0)?, part(1)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return (year < 1970).then_some(UnixSeconds(0));
    }
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(UnixSeconds(days * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?))
}

/// The kind of a private key, for the message if it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RSA of so many bits.
    Rsa(usize),
    /// RSA for RSA-PSS signatures only.
    RsaPss,
    /// On this elliptic curve.
    Curve {
        /// The curve, if it is one of those that have a name here.
        name: Option<&'static str>,
        /// Is the public part there, too?
        has_public: bool,
    },
    /// On an elliptic curve with explicit parameters.
    ExplicitCurve,
    /// Ed25519.
    Ed25519,
}

/// The kind of a key in PKCS#8.
pub(super) fn pkcs8(der: &[u8]) -> Option<Kind> {
    let mut key = Der(der).value(SEQUENCE)?;
    key.value(INTEGER)?;
    let mut algorithm = key.value(SEQUENCE)?;
    let name = algorithm.value(OBJECT)?;
    let inner = key.value(OCTET_STRING)?;
    match name.0 {
        RSA => pkcs1(inner.0),
        RSA_PSS => Some(Kind::RsaPss),
        ED25519 => Some(Kind::Ed25519),
        EC => ec(inner, Some(algorithm)),
        _ => None,
    }
}

/// The kind of a key in PKCS#1.
pub(super) fn pkcs1(der: &[u8]) -> Option<Kind> {
    let mut key = Der(der).value(SEQUENCE)?;
    key.value(INTEGER)?;
    let modulus = key.value(INTEGER)?.0;
    let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let leading = modulus.first()?.leading_zeros();
    Some(Kind::Rsa(modulus.len() * 8 - usize::try_from(leading).ok()?))
}

/// The kind of a key in SEC1.
pub(super) fn sec1(der: &[u8]) -> Option<Kind> {
    ec(Der(der), None)
}

/// A key on a curve, which is named in the key or beside it.
fn ec(mut der: Der<'_>, beside: Option<Der<'_>>) -> Option<Kind> {
    let mut key = der.value(SEQUENCE)?;
    key.value(INTEGER)?;
    key.value(OCTET_STRING)?;
    let within = key.value(FIELD[0]);
    let mut curve = beside.or(within)?;
    let Some(name) = curve.value(OBJECT) else {
        return curve.value(SEQUENCE).map(|_| Kind::ExplicitCurve);
    };
    let name = CURVES.iter().find(|(id, _)| *id == name.0).map(|(_, name)| *name);
    Some(Kind::Curve { name, has_public: key.value(FIELD[1]).is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(tag: u8, text: &str) -> Option<u64> {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend(text.bytes());
        time(&mut Der(&der)).map(|time| time.0)
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(at(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(at(UTC_TIME, "000229123456Z"), Some(951_827_696));
        assert_eq!(at(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(at(UTC_TIME, "500101000000Z"), Some(0), "before there was a clock");
        assert_eq!(at(0x18, "20500101000000Z"), Some(2_524_608_000));
        for wrong in ["", "Z", "701301000000Z", "7001010000Z", "70010100000xZ", "700101000000+0100"] {
            assert_eq!(at(UTC_TIME, wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Certificate::read(&bytes), pkcs8(&bytes), pkcs1(&bytes), sec1(&bytes));
        }

        #[test]
        fn damaged_keys_never_panic(at in 0_usize..70, byte in any::<u8>()) {
            let mut key = vec![0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7];
            key.extend(EC);
            key.extend([6, 8]);
            key.extend(CURVES[0].0);
            key.extend([4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20]);
            key.extend([7; 32]);
            prop_assert_eq!(pkcs8(&key), Some(Kind::Curve { name: Some("P-256"), has_public: false }));
            if let Some(found) = key.get_mut(at) {
                *found = byte;
            }
            let _ = pkcs8(&key);
        }
    }
}
