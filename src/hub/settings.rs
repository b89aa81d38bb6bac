//! What the room must be told: who the device is, or who will say so, and the way there.
//!
//! Deliberately absent: reading files of keys, which is done by whoever makes the settings.

use super::{Identity, Secret};
use core::fmt;
use core::time::Duration;
use std::path::PathBuf;

/// Where the twin lives and how to get there.
#[derive(Clone, Debug, PartialEq)]
pub struct HubSettings {
    /// Which device of which hub.
    pub source: Source,
    /// The TCP port, of the hub and of the provisioning service.
    pub port: u16,
    /// What carries MQTT.
    pub transport: Transport,
    /// Whom to ask for the way; for [`Transport::WebSocket`].
    pub proxy: Option<Proxy>,
    /// Trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// MQTT keep-alive, 1 s to 1177 s.
    pub keep_alive: Duration,
    /// How long a token lives, at least 10 s.
    pub token_lifetime: Duration,
    /// Announced at connect.
    pub model_id: Option<String>,
}

impl HubSettings {
    /// A name for whose twin this is that needs no network: `host/device`, or `id-scope/registration-id` where the
    /// provisioning service names host and device. A device that is assigned to another hub keeps it.
    pub fn identity(&self) -> String {
        match &self.source {
            Source::Assigned(account) => format!("{}/{}", account.host, account.device_id),
            Source::Provisioned(by) => format!("{}/{}", by.id_scope, by.registration_id),
        }
    }

    /// Where an account's hub is dialled.
    pub(super) fn peer_of(&self, account: &Account) -> super::Peer {
        let name = account.gateway.as_ref().unwrap_or(&account.host).clone();
        super::Peer { name, port: self.port }
    }
}

/// Who says which device of which hub this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration.
    Assigned(Account),
    /// The provisioning service.
    Provisioned(Provisioning),
}

/// A device at a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The hub's own name, which tokens and the user name carry.
    pub host: String,
    /// The device's id.
    pub device_id: String,
    /// Connect to this name instead.
    pub gateway: Option<String>,
    /// Who we are.
    pub identity: Identity,
}

/// How to ask the Device Provisioning Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// The service's name, `global.azure-devices-provisioning.net` as a rule.
    pub endpoint: String,
    /// The service instance's scope.
    pub id_scope: String,
    /// Who we are to the service; the device id follows from it.
    pub registration_id: String,
    /// How we prove it, to the service and then to the hub.
    pub identity: Identity,
    /// Where the last assignment is kept; `None` keeps none.
    pub assignment_file: Option<PathBuf>,
}

/// What carries MQTT over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP, as a rule on port 8883.
    #[default]
    Mqtt,
    /// WebSocket, as a rule on port 443, where 8883 is closed.
    WebSocket,
}

impl Transport {
    /// The port that IoT Hub and the provisioning service listen on ("Use MQTT to communicate with IoT Hub").
    pub fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 8883,
            Self::WebSocket => 443,
        }
    }
}

/// An HTTP proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, if it wants them.
    pub credentials: Option<Secret>,
}

impl Proxy {
    /// Where it is dialled.
    pub(super) fn peer(&self) -> super::Peer {
        super::Peer { name: self.host.clone(), port: self.port }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.credentials.is_some() { "…@" } else { "" };
        write!(f, "http://{secret}{}", self.peer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_credentials() {
        let credentials = Some(Secret::new(b"me:hunter2".to_vec()));
        let proxy = Proxy { host: "proxy.local".into(), port: 3128, credentials };
        for shown in [proxy.to_string(), format!("{proxy:?}")] {
            assert_eq!(shown, "http://…@proxy.local:3128");
        }
        let open = Proxy { host: "::1".into(), credentials: None, ..proxy };
        assert_eq!(open.to_string(), "http://[::1]:3128");
    }
}
