//! Shared access signatures: parses, checks and makes the tokens with which devices and back ends sign in.
//!
//! `SharedAccessSignature sr={resource}&sig={signature}&se={expiry}[&skn={policy}]`, fields in any order. The
//! signature covers the text of `sr` exactly as it was sent, so the case of its escapes does not matter. The host in
//! `sr` is compared without regard to case and may carry a port; a device id is compared exactly.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::hmac;
use std::fmt;

/// How long after its expiry a token is still accepted, in seconds: the clock skew that the hub allows.
pub const CLOCK_SKEW_SECONDS: u64 = 300;

const PREFIX: &str = "SharedAccessSignature";
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SasError {
    /// It does not have the form above.
    Malformed,
    /// It is signed with another key.
    WrongSignature,
    /// It expired more than [`CLOCK_SKEW_SECONDS`] ago.
    Expired,
    /// It is for another host, device or part of the hub.
    WrongResource,
    /// It names a policy that does not exist.
    UnknownPolicy,
    /// Its policy does not allow this.
    NotPermitted,
}

impl fmt::Display for SasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token is malformed",
            Self::WrongSignature => "the token is signed with another key",
            Self::Expired => "the token has expired",
            Self::WrongResource => "the token is for another resource",
            Self::UnknownPolicy => "the token names an unknown policy",
            Self::NotPermitted => "the token's policy does not allow this",
        })
    }
}

impl std::error::Error for SasError {}

/// A token that is parsed, but not yet checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Token<'a> {
    sr: &'a str,
    se: &'a str,
    signature: Vec<u8>,
    /// When it expires.
    pub expiry_unix_seconds: u64,
    /// The shared access policy it is signed for; a device's own key has none.
    pub policy: Option<String>,
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("sr", &self.sr).field("se", &self.se).finish_non_exhaustive()
    }
}

impl<'a> Token<'a> {
    /// Parses a token.
    pub fn parse(text: &'a str) -> Result<Self, SasError> {
        let mut words = text.split(char::is_whitespace);
        let (Some(PREFIX), Some(fields), None) = (words.next(), words.next(), words.next()) else {
            return Err(SasError::Malformed);
        };
        let (mut sr, mut se, mut sig, mut skn) = (None, None, None, None);
        for field in fields.split('&') {
            let (name, value) = field.split_once('=').ok_or(SasError::Malformed)?;
            let slot = match name {
                "sr" => &mut sr,
                "se" => &mut se,
                "sig" => &mut sig,
                "skn" => &mut skn,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(SasError::Malformed);
            }
        }
        let (Some(sr), Some(se), Some(sig)) = (sr, se, sig) else { return Err(SasError::Malformed) };
        let expiry_unix_seconds = se.parse().map_err(|_| SasError::Malformed)?;
        let signature = STANDARD.decode(decoded(sig)?).map_err(|_| SasError::Malformed)?;
        let policy = skn.filter(|name| !name.is_empty()).map(decoded).transpose()?;
        Ok(Self { sr, se, signature, expiry_unix_seconds, policy })
    }

    /// Checks signature (against either key), resource and expiry, in that order.
    ///
    /// `resource` is the requested resource, as segments after the host. With `prefix_allowed`, as for policies, a token for
    /// any prefix of it is accepted; a device's own key signs only for exactly itself.
    pub fn check(
        &self,
        keys_base64: [&str; 2],
        host: &str,
        resource: &[&str],
        prefix_allowed: bool,
        now_unix_seconds: u64,
    ) -> Result<(), SasError> {
        if !keys_base64.iter().any(|key| self.signed_with(key)) {
            return Err(SasError::WrongSignature);
        }
        let audience = decoded(self.sr)?;
        let mut segments = audience.split('/');
        if !segments.next().is_some_and(|named| same_host(named, host)) {
            return Err(SasError::WrongResource);
        }
        let below: Vec<&str> = segments.collect();
        let covered = if prefix_allowed { resource.starts_with(&below) } else { resource == below };
        if !covered {
            return Err(SasError::WrongResource);
        }
        if self.expiry_unix_seconds.saturating_add(CLOCK_SKEW_SECONDS) < now_unix_seconds {
            return Err(SasError::Expired);
        }
        Ok(())
    }

    fn signed_with(&self, key_base64: &str) -> bool {
        let Ok(key) = STANDARD.decode(key_base64) else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        // ring compares in constant time.
        hmac::verify(&key, format!("{}\n{}", self.sr, self.se).as_bytes(), &self.signature).is_ok()
    }
}

/// Makes a token for `resource` (unescaped, beginning with the host), or nothing if the key is not base64.
pub fn sign(
    resource: &str,
    key_base64: &str,
    policy: Option<&str>,
    expiry_unix_seconds: u64,
) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key_base64).ok()?);
    let sr = utf8_percent_encode(resource, ESCAPED);
    let signature = STANDARD.encode(hmac::sign(&key, format!("{sr}\n{expiry_unix_seconds}").as_bytes()));
    let sig = utf8_percent_encode(&signature, ESCAPED);
    let skn = policy.map_or_else(String::new, |name| format!("&skn={}", utf8_percent_encode(name, ESCAPED)));
    Some(format!("{PREFIX} sr={sr}&sig={sig}&se={expiry_unix_seconds}{skn}"))
}

/// Whether `named` is `host`, in any case, with or without a port.
pub fn same_host(named: &str, host: &str) -> bool {
    let bare = match named.rsplit_once(':') {
        Some((before, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => named,
    };
    bare.eq_ignore_ascii_case(host)
}

fn decoded(text: &str) -> Result<String, SasError> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| SasError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "contoso.azure-devices.net";
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const OTHER: &str = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=";
    const SE: u64 = 1_735_689_600;

    /// `sr` as signed, `sig`, `skn`, and the resource below the host.
    const VECTORS: [(&str, &str, &str, &[&str]); 4] = [
        (
            "contoso.azure-devices.net%2Fdevices%2FMyTwinDevice",
            "THWxjBY55MZz7dHyk4WiOm0UEiJanxNkT74jvn85Xig%3D",
            "",
            &["devices", "MyTwinDevice"],
        ),
        (
            "contoso.azure-devices.net%2fdevices%2fMyTwinDevice",
            "ZPb0g4R2Ru8Nt01EP9fVFs7k4tZROMYSfvX4glF9njo%3D",
            "",
            &["devices", "MyTwinDevice"],
        ),
        (
            "contoso.azure-devices.net",
            "CbE%2B%2B0ADSFXNkRVDw3DA%2B6dMEs8pjOFYHMQtXD3MVoU%3D",
            "iothubowner",
            &["twins", "anything"],
        ),
        (
            "contoso.azure-devices.net%2Fdevices%2Fa%3Ab%2Bc%281%29",
            "2zY%2FEaimxpwKtKbPWHZxg8B10V%2FciHGvnS0kreZmixo%3D",
            "",
            &["devices", "a:b+c(1)"],
        ),
    ];

    fn text(sr: &str, sig: &str, skn: &str) -> String {
        let skn = if skn.is_empty() { String::new() } else { format!("&skn={skn}") };
        format!("{PREFIX} sig={sig}&se={SE}{skn}&sr={sr}")
    }

    #[test]
    fn the_four_tokens_of_the_stock_libraries_are_taken_with_either_key() {
        for (sr, sig, skn, resource) in VECTORS {
            let text = text(sr, sig, skn);
            let token = Token::parse(&text).unwrap();
            assert_eq!(token.policy.as_deref(), Some(skn).filter(|name| !name.is_empty()));
            for keys in [[KEY, OTHER], [OTHER, KEY]] {
                assert_eq!(token.check(keys, HOST, resource, !skn.is_empty(), SE), Ok(()), "{sr}");
            }
            assert_eq!(token.check([OTHER, OTHER], HOST, resource, true, SE), Err(SasError::WrongSignature));
        }
    }

    #[test]
    fn our_own_tokens_are_those_of_the_stock_libraries() {
        for (sr, sig, skn, resource) in [VECTORS[0], VECTORS[2], VECTORS[3]] {
            let below = if skn.is_empty() { format!("/{}", resource.join("/")) } else { String::new() };
            let policy = Some(skn).filter(|name| !name.is_empty());
            let made = sign(&format!("{HOST}{below}"), KEY, policy, SE).unwrap();
            let skn = policy.map_or_else(String::new, |name| format!("&skn={name}"));
            assert_eq!(made, format!("{PREFIX} sr={sr}&sig={sig}&se={SE}{skn}"));
        }
    }

    #[test]
    fn a_token_lives_five_minutes_past_its_expiry_and_no_longer() {
        let (sr, sig, skn, resource) = VECTORS[0];
        let text = text(sr, sig, skn);
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.check([KEY, KEY], HOST, resource, false, SE + 300), Ok(()));
        assert_eq!(token.check([KEY, KEY], HOST, resource, false, SE + 301), Err(SasError::Expired));
    }

    #[test]
    fn a_token_is_for_its_own_host_and_device_only() {
        let sr = format!("{HOST}/devices/Dev");
        let made = sign(&sr, KEY, None, SE).unwrap();
        let token = Token::parse(&made).unwrap();
        let check = |host, resource: &[&str]| token.check([KEY, KEY], host, resource, false, SE);
        assert_eq!(check("CONTOSO.azure-devices.net", &["devices", "Dev"]), Ok(()));
        assert_eq!(check("other.azure-devices.net", &["devices", "Dev"]), Err(SasError::WrongResource));
        assert_eq!(check(HOST, &["devices", "dev"]), Err(SasError::WrongResource));
        assert_eq!(check(HOST, &["devices", "Dev2"]), Err(SasError::WrongResource));
        let whole_hub = sign(HOST, KEY, None, SE).unwrap();
        let whole_hub = Token::parse(&whole_hub).unwrap();
        assert_eq!(
            whole_hub.check([KEY, KEY], HOST, &["devices", "Dev"], false, SE),
            Err(SasError::WrongResource)
        );
        assert_eq!(whole_hub.check([KEY, KEY], HOST, &["devices", "Dev"], true, SE), Ok(()));
    }

    #[test]
    fn a_port_on_the_host_is_taken() {
        assert!(same_host("Localhost:8883", "localhost"));
        assert!(!same_host("localhost:x", "localhost"));
        assert!(!same_host("localhost.evil", "localhost"));
    }

    #[test]
    fn malformed_tokens_are_named_so() {
        for bad in [
            "",
            "SharedAccessSignature",
            "SharedAccessSignature  sr=a&sig=YQ%3D%3D&se=1",
            "SharedAccessSignature sr=a&sig=YQ%3D%3D",
            "SharedAccessSignature sr=a&sig=YQ%3D%3D&se=soon",
            "SharedAccessSignature sr=a&sig=!!&se=1",
            "SharedAccessSignature sr=a&sr=b&sig=YQ%3D%3D&se=1",
            "SharedAccessSignature sr=a&sig&se=1",
            "sharedaccesssignature sr=a&sig=YQ%3D%3D&se=1",
        ] {
            assert_eq!(Token::parse(bad).err(), Some(SasError::Malformed), "{bad:?}");
        }
    }
}
