//! The provisioning service's topics and bodies ("Communicate with your DPS using MQTT"), and what its answers mean.
//!
//! An *operation* is a registration under way: the service names it, and is asked for its state until it is done. Numbers, names
//! and statuses are those of the service's REST reference; `disabled` and `unassigned` are statuses of its registry that a device
//! may get.

use super::words::{self, Word};
use crate::hub::foreign::shorten;
use crate::hub::{Message, retry_after};
use core::fmt;
use core::time::Duration;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::json;

/// Every answer comes below this.
pub(in crate::hub) const FILTER: &str = "$dps/registrations/res/#";
/// How long to wait where the service does not say (the stock clients' two seconds), and the bounds of what it says.
const RETRY: (Duration, Duration, Duration) =
    (Duration::from_secs(2), Duration::from_secs(1), retry_after::MAX);
const DEVICE_ID_CHARS_MAX: usize = 128;
const OPERATION_BYTES_MAX: usize = 256;

/// Where the service sends a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The hub's name.
    pub host: String,
    /// The device's id there.
    pub device_id: String,
}

impl Assignment {
    /// Checks that these can be a hub and a device. The texts are foreign and end up in topics, tokens and the log.
    pub(super) fn new(host: &str, device_id: &str) -> Option<Self> {
        // A name that TLS does not accept could never be connected to. An IPv6 address is not accepted either.
        let host_fits = !host.contains(':') && ServerName::try_from(host).is_ok();
        // The hub's own alphabet for device ids.
        let id_char = |c: char| c.is_ascii_alphanumeric() || "-:.+%_#*?!(),=@;$'".contains(c);
        let id_fits =
            !device_id.is_empty() && device_id.len() <= DEVICE_ID_CHARS_MAX && device_id.chars().all(id_char);
        (host_fits && id_fits).then(|| Self { host: host.to_owned(), device_id: device_id.to_owned() })
    }
}

/// Why the service names no hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisioningFault {
    /// It refused the MQTT CONNECT with this return code.
    Connect(u8),
    /// It refused the credentials (401).
    Denied,
    /// It does not know the scope or the registration (404).
    Unknown,
    /// The registration failed, for its reason.
    Failed(String),
    /// The enrolment is disabled.
    Disabled,
    /// The enrolment names no hub.
    Unassigned,
    /// It throttles (429), and names when to ask again.
    Throttled(Duration),
    /// A fault of its own, with its status, and when to ask again.
    Trouble(u16, Duration),
    /// Another refusal, with its status and words.
    Refused(u16, String),
    /// It was still assigning when we gave up.
    Endless,
    /// Its answer cannot be understood.
    Garbled(String),
}

impl fmt::Display for ProvisioningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(code) => write!(
                f,
                "it refused the connection (code {code}): check id-scope, registration-id and the key or certificate, \
                 and this machine's clock"
            ),
            Self::Denied => f.write_str(
                "it refused the credentials (401): check that the key or certificate is the enrolment's, that a \
                 group's key stands in group-key-file and a device's own in key-file, and this machine's clock",
            ),
            Self::Unknown => f.write_str(
                "it knows no such registration (404): check id-scope and registration-id, and that there is an \
                 enrolment for it",
            ),
            Self::Failed(reason) if reason.is_empty() => {
                f.write_str("the registration failed; look at the enrolment")
            }
            Self::Failed(reason) => write!(f, "the registration failed: {reason}; look at the enrolment"),
            Self::Disabled => f.write_str("the enrolment is disabled: enable it, unless that was meant"),
            Self::Unassigned => f.write_str(
                "the registration is assigned to no hub: link a hub to the service and name it in the enrolment",
            ),
            Self::Throttled(_) => f.write_str("it throttles, because too many devices ask at once (429)"),
            Self::Trouble(status, _) => write!(f, "it has a fault of its own (status {status})"),
            Self::Refused(status, words) if words.is_empty() => write!(f, "it refused with status {status}"),
            Self::Refused(status, words) => write!(f, "it refused with status {status}: {words}"),
            Self::Endless => f.write_str("it is still assigning one; it is asked again later"),
            Self::Garbled(reason) => write!(f, "its answer cannot be understood: {reason}"),
        }
    }
}

impl ProvisioningFault {
    /// Must a person act?
    pub(in crate::hub) fn is_lasting(&self) -> bool {
        // A CONNECT refused with 3 is a fault of the service.
        !matches!(self, Self::Throttled(_) | Self::Trouble(..) | Self::Endless | Self::Connect(3))
    }

    /// Were the credentials refused? Then a wrong clock may be the cause.
    pub(in crate::hub) fn is_denial(&self) -> bool {
        matches!(self, Self::Denied | Self::Connect(4 | 5))
    }

    /// How long it asks not to be asked again.
    pub(in crate::hub) fn asks_to_wait(&self) -> Duration {
        match self {
            Self::Throttled(wait) | Self::Trouble(_, wait) => *wait,
            _ => Duration::ZERO,
        }
    }
}

/// Asks to be registered. The model is announced as Plug and Play devices do.
pub(in crate::hub) fn register(rid: u64, registration_id: &str, model_id: Option<&str>) -> Message {
    let mut body = json!({ "registrationId": registration_id });
    if let Some(model) = model_id {
        body["payload"] = json!({ "modelId": model });
    }
    let topic = format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}");
    Message { topic, payload: body.to_string().into_bytes() }
}

/// Asks for the state of an operation. The stock clients send one space as payload.
pub(in crate::hub) fn ask_state(rid: u64, operation: &str) -> Message {
    let topic =
        format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation}");
    Message { topic, payload: b" ".to_vec() }
}

/// An answer's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Like HTTP's.
    pub status: u16,
    /// The request's id.
    pub rid: u64,
    /// When to ask again, within bounds.
    pub retry: Duration,
}

/// Reads `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={s}]`; `None` for any other topic.
pub fn parse(topic: &str) -> Option<Answer> {
    let (status, query) = topic.strip_prefix("$dps/registrations/res/")?.split_once("/?")?;
    let parameter =
        |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name);
    let (usual, least, most) = RETRY;
    let retry = parameter("retry-after")
        .and_then(|(_, text)| text.parse().ok())
        .map_or(usual, |seconds| Duration::from_secs(seconds).clamp(least, most));
    Some(Answer { status: status.parse().ok()?, rid: parameter("$rid")?.1.parse().ok()?, retry })
}

/// The state of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is under way: ask for its state.
    Assigning {
        /// The operation's name.
        operation: String,
        /// Ask after so long.
        retry: Duration,
    },
    /// It is done.
    Assigned(Assignment),
}

/// What is read of an answer's body.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    status: Word,
    operation_id: Word,
    message: Word,
    registration_state: Option<State>,
}

/// And of the registration in it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct State {
    status: Word,
    assigned_hub: Word,
    device_id: Word,
    error_code: Word,
    error_message: Word,
}

/// Reads an answer's body by its status.
///
/// # Errors
/// Why the service names no hub.
pub fn read(answer: Answer, payload: &[u8]) -> Result<Progress, ProvisioningFault> {
    let body: Option<Body> = words::read(payload);
    let body = match (answer.status, body) {
        (200..=299, Some(body)) => body,
        (200..=299, None) => {
            return Err(ProvisioningFault::Garbled("its body is no JSON object as it should be".to_owned()));
        }
        (status, body) => return Err(refused(status, answer.retry, &body.unwrap_or_default().message)),
    };
    let state = body.registration_state.unwrap_or_default();
    // While it is under way there is only the operation's status; later the registration's own is more precise.
    let status = Some(state.status.text()).filter(|status| !status.is_empty()).unwrap_or(body.status.text());
    match status.to_ascii_lowercase().as_str() {
        "assigned" => assigned(&state),
        "failed" => Err(ProvisioningFault::Failed(match &state.error_code {
            Word::Number(code) => format!("{code} {}", text(&state.error_message)).trim_end().to_owned(),
            Word::Text(_) | Word::None => text(&state.error_message),
        })),
        "disabled" => Err(ProvisioningFault::Disabled),
        "assigning" | "unassigned" => match body.operation_id.text() {
            operation if is_operation(operation) => {
                Ok(Progress::Assigning { operation: operation.to_owned(), retry: answer.retry })
            }
            _ if status.eq_ignore_ascii_case("unassigned") => Err(ProvisioningFault::Unassigned),
            _ => Err(ProvisioningFault::Garbled("it names no operation to ask for".to_owned())),
        },
        other => Err(ProvisioningFault::Garbled(format!("the status {:?}", shorten(other)))),
    }
}

fn text(word: &Word) -> String {
    shorten(word.text())
}

fn refused(status: u16, retry: Duration, message: &Word) -> ProvisioningFault {
    match status {
        401 => ProvisioningFault::Denied,
        404 => ProvisioningFault::Unknown,
        429 => ProvisioningFault::Throttled(retry),
        500.. => ProvisioningFault::Trouble(status, retry),
        _ => ProvisioningFault::Refused(status, text(message)),
    }
}

fn assigned(state: &State) -> Result<Progress, ProvisioningFault> {
    let (host, device) = (&state.assigned_hub, &state.device_id);
    match Assignment::new(host.text(), device.text()) {
        Some(assignment) => Ok(Progress::Assigned(assignment)),
        None => Err(ProvisioningFault::Garbled(format!(
            "it names the hub {:?} and the device {:?}, which is no host name or no device id",
            text(host),
            text(device)
        ))),
    }
}

/// It goes into a topic, so it must not change that topic's meaning.
fn is_operation(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= OPERATION_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
#[path = "dps_tests.rs"]
mod tests;
