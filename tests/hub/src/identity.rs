//! Who may do what: device identities with their keys, and the hub's shared access policies.
//!
//! *Thumbprint* is the hexadecimal SHA-1 or SHA-256 digest of a client certificate. Certificate authorities for
//! devices and module identities are deliberately absent.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};

const KEY_BYTES: usize = 32;
const ID_PUNCTUATION: &str = "-:.+%_#*?!(),=@;$'";
const ID_MAX_CHARS: usize = 128;

/// The two keys of a device or of a policy, base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The first key.
    pub primary: String,
    /// The second key, so that one can be replaced while the other is in use.
    pub secondary: String,
}

impl Keys {
    /// A pair of fresh keys.
    pub fn random() -> Self {
        Self { primary: random_key(), secondary: random_key() }
    }

    /// Both keys, in the order in which they are tried.
    pub fn both(&self) -> [&str; 2] {
        [&self.primary, &self.secondary]
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// A token signed with one of two keys.
    Sas(Keys),
    /// A client certificate with one of two thumbprints.
    SelfSigned {
        /// The first thumbprint.
        primary: Option<String>,
        /// The second thumbprint.
        secondary: Option<String>,
    },
}

/// One entry of the device registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name; case matters.
    pub device_id: String,
    /// Distinguishes a device from a deleted one with the same id.
    pub generation_id: String,
    /// Counts changes of this entry.
    pub etag: u64,
    /// Whether the device may connect.
    pub enabled: bool,
    /// Free text that explains `enabled`.
    pub status_reason: Option<String>,
    /// When `enabled` last changed.
    pub status_updated: String,
    /// How it signs in.
    pub authentication: Authentication,
}

impl Identity {
    /// A new, enabled entry.
    pub fn new(device_id: &str, authentication: Authentication, never: &str) -> Self {
        Self {
            device_id: device_id.to_owned(),
            generation_id: random_hex(8),
            etag: 1,
            enabled: true,
            status_reason: None,
            status_updated: never.to_owned(),
            authentication,
        }
    }
}

/// A right that a shared access policy grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// Read the device registry.
    RegistryRead,
    /// Change the device registry.
    RegistryWrite,
    /// Twins, methods and queries.
    ServiceConnect,
    /// Connect as any device.
    DeviceConnect,
}

/// A named pair of keys with rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The name that tokens carry as `skn`.
    pub name: String,
    /// What it grants.
    pub permissions: Vec<Permission>,
    /// The keys that sign for it.
    pub keys: Keys,
}

/// The five policies of every new hub, with fresh keys.
pub fn built_in_policies() -> Vec<Policy> {
    use Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
    [
        ("iothubowner", vec![RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
        ("service", vec![ServiceConnect]),
        ("device", vec![DeviceConnect]),
        ("registryRead", vec![RegistryRead]),
        ("registryReadWrite", vec![RegistryRead, RegistryWrite]),
    ]
    .into_iter()
    .map(|(name, permissions)| Policy { name: name.to_owned(), permissions, keys: Keys::random() })
    .collect()
}

/// Whether this is a valid device id: up to 128 ASCII letters, digits and some punctuation characters.
pub fn is_device_id(id: &str) -> bool {
    is_id(id)
}

/// Whether this is a valid id of a message; the rule is that of device ids.
pub fn is_message_id(id: &str) -> bool {
    is_id(id)
}

fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ID_PUNCTUATION.contains(c);
    !id.is_empty() && id.len() <= ID_MAX_CHARS && id.chars().all(allowed)
}

/// Whether this is base64 of 16 to 64 bytes.
pub fn is_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| (16..=64).contains(&bytes.len()))
}

/// Whether a certificate has this thumbprint, by either digest and in upper or lower case.
pub fn has_thumbprint(certificate_der: &[u8], thumbprint: &str) -> bool {
    [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256].iter().any(|algorithm| {
        hex(digest::digest(algorithm, certificate_der).as_ref()).eq_ignore_ascii_case(thumbprint)
    })
}

fn random_key() -> String {
    STANDARD.encode(random_bytes::<KEY_BYTES>())
}

/// Random hexadecimal text: two characters per byte, for 32 bytes at most.
pub fn random_hex(bytes: usize) -> String {
    hex(&random_bytes::<32>()[..bytes.min(32)])
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // The kernel always has randomness by the time a program runs, and a key of zeros would be worse than none.
        std::process::abort();
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_take_the_documented_characters_and_no_others() {
        for id in ["MyTwinDevice", "a-:.+%_#*?!(),=@;$'9", &"x".repeat(128)] {
            assert!(is_device_id(id), "{id}");
        }
        for id in ["", "a b", "a/b", "a\"", "é", "a&b", &"x".repeat(129)] {
            assert!(!is_device_id(id), "{id}");
        }
    }

    #[test]
    fn fresh_keys_are_keys_and_differ() {
        let keys = Keys::random();
        assert!(is_key(&keys.primary) && is_key(&keys.secondary));
        assert_ne!(keys.primary, keys.secondary);
        assert_eq!(format!("{keys:?}"), "Keys(..)");
        assert!(!is_key("c2hvcnQ=") && !is_key("no base64"));
    }

    #[test]
    fn a_thumbprint_is_sha1_or_sha256_in_any_case() {
        assert!(has_thumbprint(b"abc", "A9993E364706816ABA3E25717850C26C9CD0D89D"));
        assert!(has_thumbprint(b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert!(!has_thumbprint(b"abd", "a9993e364706816aba3e25717850c26c9cd0d89d"));
    }

    #[test]
    fn each_built_in_policy_has_its_documented_rights() {
        let rights: Vec<_> =
            built_in_policies().iter().map(|p| (p.name.clone(), p.permissions.len())).collect();
        let expected = [
            ("iothubowner", 4),
            ("service", 1),
            ("device", 1),
            ("registryRead", 1),
            ("registryReadWrite", 2),
        ];
        assert_eq!(rights, expected.map(|(name, count)| (name.to_owned(), count)));
    }
}
