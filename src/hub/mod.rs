//! The hub.
use core::time::Duration;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A secret: never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A device key, already decoded from base64.
    Key(Secret),
    /// A certificate chain and its private key, PEM files.
    Certificate {
        /// PEM, leaf first.
        certificate_file: PathBuf,
        /// PEM.
        private_key_file: PathBuf,
    },
}

/// Where the twin lives and how to get there.
#[derive(Clone, Debug, PartialEq)]
pub struct HubSettings {
    /// The hub's own name, which tokens and the user name carry.
    pub host: String,
    /// The device's id.
    pub device_id: String,
    /// Connect to this name instead.
    pub gateway: Option<String>,
    /// The TCP port.
    pub port: u16,
    /// Who we are.
    pub identity: Identity,
    /// Trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// MQTT keep-alive, 1 s to 1177 s.
    pub keep_alive: Duration,
    /// How long a token lives, at least 10 s.
    pub token_lifetime: Duration,
    /// Announced at connect.
    pub model_id: Option<String>,
}
