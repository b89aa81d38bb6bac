//! The link's settings: which device of which hub this is, or who will say so, and how to connect.

use crate::hub::azure::{Account, Provisioning, Source};
use crate::hub::wire::{Peer, Proxy, Transport};
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
    /// The proxy to connect through; for [`Transport::WebSocket`].
    pub proxy: Option<Proxy>,
    /// Trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// MQTT keep-alive, 1 s to 1177 s.
    pub keep_alive: Duration,
    /// How long a token is valid, at least 10 s.
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

    /// Where an account's hub is connected to.
    pub(super) fn peer_of(&self, account: &Account) -> Peer {
        let name = account.gateway.as_ref().unwrap_or(&account.host).clone();
        Peer { name, port: self.port }
    }

    /// Where a provisioning service is connected to.
    pub(super) fn service_of(&self, by: &Provisioning) -> Peer {
        Peer { name: by.endpoint.clone(), port: self.port }
    }
}
