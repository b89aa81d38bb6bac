//! Which device of which hub this is, or how to ask the provisioning service. The configuration has read the files of keys.

use crate::hub::Identity;
use std::path::PathBuf;

/// Where hub and device are named.
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
    /// The device's key or certificate.
    pub identity: Identity,
}

/// How to ask the Device Provisioning Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// The service's name, `global.azure-devices-provisioning.net` as a rule.
    pub endpoint: String,
    /// The service instance's scope.
    pub id_scope: String,
    /// The device's name at the service; the device id follows from it.
    pub registration_id: String,
    /// The device's key or certificate, for the service and then the hub.
    pub identity: Identity,
    /// The file that stores the last assignment; `None` stores none.
    pub assignment_file: Option<PathBuf>,
}
