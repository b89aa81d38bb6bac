//! The calls of the local socket, as types that both ends share: each method with its parameters and its reply, and each error.
//! A test holds the interfaces' descriptions (`*.varlink`) to these types.
//!
//! Fields that a newer end adds are ignored. Fields that an older end may leave out are optional, and say why.

use super::super::daemon_status::DaemonStatus;
use super::varlink::CallError;
use crate::report::status::{HeldStatus, TwinCopy};
use crate::report::trend::Trend;
use crate::units::Permille;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The daemon's own interface.
pub const INTERFACE: &str = "io.twind.Daemon";
/// What systemd's services offer beside their own.
pub(super) const SYSTEMD: &str = "io.systemd.service";
/// What every Varlink service has.
pub(super) const SERVICE: &str = "org.varlink.service";

/// The parameters of a method.
pub trait Method: Serialize + DeserializeOwned {
    /// Its interface and its name, joined by a dot.
    const NAME: &'static str;
    /// What it answers; where it is called for more, each time.
    type Reply: DeserializeOwned;
}

/// What the daemon is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetStatus {
    /// How many of the last changes of outputs; the daemon's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
}

/// The daemon writes its [`DaemonStatus`]. It is read as a value, because `status --json` shows what a daemon of any version sent.
impl Method for GetStatus {
    const NAME: &'static str = "io.twind.Daemon.GetStatus";
    type Reply = StatusReply<serde_json::Value>;
}

/// The answer to [`GetStatus`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReply<S = DaemonStatus> {
    /// What the daemon is doing.
    pub status: S,
}

/// What the daemon is doing, now and after each change; needs `more`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// As in [`GetStatus`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
}

impl Method for Monitor {
    const NAME: &'static str = "io.twind.Daemon.Monitor";
    type Reply = MonitorReply;
}

/// Each answer to [`Monitor`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorReply {
    /// What the daemon is doing.
    pub status: DaemonStatus,
    /// How many states came and went since the previous answer without being sent.
    pub skipped: u64,
}

/// The last hour of every climate and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetTrend {}

impl Method for GetTrend {
    const NAME: &'static str = "io.twind.Daemon.GetTrend";
    type Reply = TrendReply;
}

/// The answer to [`GetTrend`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrendReply {
    /// The last hour.
    pub trend: Trend,
}

/// The local copy of the twin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetTwin {
    /// Only this half of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<TwinHalf>,
}

/// The whole copy, as it is answered where no half is named.
impl Method for GetTwin {
    const NAME: &'static str = "io.twind.Daemon.GetTwin";
    type Reply = TwinReply<TwinCopy>;
}

/// Half of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TwinHalf {
    /// What the back end wants.
    Desired,
    /// What the hub has from this device.
    Reported,
}

/// The answer to [`GetTwin`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinReply<T = serde_json::Value> {
    /// The twin, or the half of it that was asked for; an empty object if no twin was ever fetched.
    pub twin: T,
}

/// The journal of the last inputs, for a developer to play again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetJournal {}

impl Method for GetJournal {
    const NAME: &'static str = "io.twind.Daemon.GetJournal";
    type Reply = JournalReply;
}

/// The answer to [`GetJournal`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalReply {
    /// The file, in base64.
    pub journal: String,
}

/// An override, in place of any before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetOverride {
    /// The output's name.
    pub output: String,
    /// What it is to be driven by.
    pub percent: Percent,
    /// For how long.
    pub seconds: u64,
}

impl Method for SetOverride {
    const NAME: &'static str = "io.twind.Daemon.SetOverride";
    type Reply = OverrideReply;
}

/// The answer to [`SetOverride`] and [`ClearOverride`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverrideReply {
    /// What holds the output back; absent if nothing does, and from an older daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldStatus>,
}

/// An override of a climate, in place of any before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetRangeOverride {
    /// The climate's name; `climate` is the one without a name.
    pub climate: String,
    /// The lower end of the range that it is to hold: a temperature in the unit of its configuration.
    pub min: f64,
    /// The upper end.
    pub max: f64,
    /// For how long.
    pub seconds: u64,
}

impl Method for SetRangeOverride {
    const NAME: &'static str = "io.twind.Daemon.SetRangeOverride";
    type Reply = RangeOverrideReply;
}

/// The answer to [`SetRangeOverride`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeOverrideReply {
    /// The unit in which the range was taken; absent for what has no choice of units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The end of an override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearOverride {
    /// The name of the output or of the climate.
    pub output: String,
}

impl Method for ClearOverride {
    const NAME: &'static str = "io.twind.Daemon.ClearOverride";
    type Reply = OverrideReply;
}

/// A share in per cent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(pub Permille);

impl TryFrom<f64> for Percent {
    type Error = &'static str;

    fn try_from(percent: f64) -> Result<Self, Self::Error> {
        Permille::from_percent(percent).map(Self).ok_or("no share from 0 to 100")
    }
}

impl From<Percent> for f64 {
    fn from(Percent(share): Percent) -> Self {
        share.percent()
    }
}

/// Does the loop of the daemon run?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {}

impl Method for Ping {
    const NAME: &'static str = "io.systemd.service.Ping";
    type Reply = Nothing;
}

/// Reads the configuration again. Answered when the new one is in force or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {}

impl Method for Reload {
    const NAME: &'static str = "io.systemd.service.Reload";
    type Reply = Nothing;
}

/// The reply of a method that returns nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// Asks what the service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetInfo {}

impl Method for GetInfo {
    const NAME: &'static str = "org.varlink.service.GetInfo";
    type Reply = ServiceInfo;
}

/// The answer to [`GetInfo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// Who makes it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Where there is more about it.
    pub url: String,
    /// The names of its interfaces.
    pub interfaces: Vec<String>,
}

/// Asks for the description of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetInterfaceDescription {
    /// Its name.
    pub interface: String,
}

impl Method for GetInterfaceDescription {
    const NAME: &'static str = "org.varlink.service.GetInterfaceDescription";
    type Reply = Description;
}

/// The answer to [`GetInterfaceDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The interface in Varlink's own language.
    pub description: String,
}

/// Why a call is refused, in Varlink's form of errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "error", content = "parameters")]
pub enum Refusal {
    /// There is no such output or climate.
    #[serde(rename = "io.twind.Daemon.UnknownOutput")]
    UnknownOutput {
        /// What was asked for.
        output: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The output or the climate cannot be overridden so.
    #[serde(rename = "io.twind.Daemon.InvalidOverride")]
    InvalidOverride {
        /// Why.
        reason: String,
    },
    /// The new configuration is refused; the running one stays.
    #[serde(rename = "io.twind.Daemon.ReloadRefused")]
    ReloadRefused {
        /// Why, a line each.
        faults: Vec<String>,
    },
    /// There are as many clients as the daemon takes.
    #[serde(rename = "io.twind.Daemon.TooManyClients")]
    TooManyClients {},
    /// There is no such interface.
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// What was asked for.
        interface: String,
    },
    /// The interface has no such method.
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// What was asked for, with its interface.
        method: String,
    },
    /// A parameter is missing or is not of its type.
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Its name.
        parameter: String,
    },
    /// At this socket nothing can be changed.
    #[serde(rename = "org.varlink.service.PermissionDenied")]
    PermissionDenied {},
    /// The method answers as a stream, and must be called with `more`.
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
}

impl Refusal {
    /// Reads an error; `None` if it is none of these, such as one of a newer daemon.
    pub fn of(CallError { name, parameters }: &CallError) -> Option<Self> {
        // By hand: what the derived reader of a tagged enum costs is 20 KiB of the binary.
        let text = |name| parameters.get(name)?.as_str().map(str::to_owned);
        let texts = |name| Vec::deserialize(parameters.get(name)?).ok();
        Some(match name.as_str() {
            "io.twind.Daemon.UnknownOutput" => {
                Self::UnknownOutput { output: text("output")?, known: texts("known")? }
            }
            "io.twind.Daemon.InvalidOverride" => Self::InvalidOverride { reason: text("reason")? },
            "io.twind.Daemon.ReloadRefused" => Self::ReloadRefused { faults: texts("faults")? },
            "io.twind.Daemon.TooManyClients" => Self::TooManyClients {},
            "org.varlink.service.InterfaceNotFound" => {
                Self::InterfaceNotFound { interface: text("interface")? }
            }
            "org.varlink.service.MethodNotFound" => Self::MethodNotFound { method: text("method")? },
            "org.varlink.service.InvalidParameter" => {
                Self::InvalidParameter { parameter: text("parameter")? }
            }
            "org.varlink.service.PermissionDenied" => Self::PermissionDenied {},
            "org.varlink.service.ExpectedMore" => Self::ExpectedMore {},
            _ => return None,
        })
    }
}
