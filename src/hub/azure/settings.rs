//! Which device of which hub this is, or how to ask the provisioning service. The configuration has read the files of keys.

use crate::hub::Identity;
use std::path::PathBuf;

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
    /// The file that stores the last assignment; `None` stores none.
    pub assignment_file: Option<PathBuf>,
}
