//! What IoT Hub means by the code with which it refuses a CONNECT (MQTT 3.1.1, section 3.2.2.3).
//!
//! It sends 5 for a wrong key, an expired token and an unknown device, and 3 for a disabled device and for faults of its own.

use core::fmt;

/// A refused CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Refusal {
    /// It does not speak this version of MQTT.
    Version,
    /// The device id cannot be one.
    DeviceId,
    /// The device is disabled, or the hub is busy.
    Unserved,
    /// The credentials are refused.
    Credentials,
    /// A code without a known meaning.
    Unknown(u8),
}

impl Refusal {
    /// Reads a return code.
    pub(in crate::hub) fn of(code: u8) -> Self {
        match code {
            1 => Self::Version,
            2 => Self::DeviceId,
            3 => Self::Unserved,
            4 | 5 => Self::Credentials,
            other => Self::Unknown(other),
        }
    }

    /// Does it mean that this is no device of the hub's?
    pub(in crate::hub) fn is_of_the_device(self) -> bool {
        matches!(self, Self::DeviceId | Self::Credentials)
    }

    /// Writes the message about a hub. `clock` is this machine's wall clock when the hub refused.
    pub(in crate::hub) fn say(
        self,
        f: &mut fmt::Formatter<'_>,
        hub: &dyn fmt::Display,
        clock: &dyn fmt::Display,
    ) -> fmt::Result {
        match self {
            Self::Version => write!(f, "{hub} does not speak MQTT 3.1.1: check host and port"),
            Self::DeviceId => write!(f, "{hub} refused the device id"),
            Self::Unserved => write!(
                f,
                "{hub} does not serve this device: it is disabled, or the hub is busy or over its quota"
            ),
            Self::Credentials => write!(
                f,
                "{hub} refused the credentials: wrong key or certificate, unknown device, or a clock that is off by more \
                 than 5 minutes (this machine says {clock})"
            ),
            Self::Unknown(code) => write!(f, "{hub} refused the connection with the unknown code {code}"),
        }
    }
}
