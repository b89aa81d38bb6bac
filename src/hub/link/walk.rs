//! The way to the twin, walked once and reported step by step, for `twind check --hub`.
//!
//! It makes the attempt of the driver (`connect`), reads the twin and disconnects. It reports nothing to the hub, and does not store
//! what the provisioning service says. A hub ends the older of two sessions of one device, so no daemon of the device may run.

use super::connect::Connector;
use super::failure::{Cause, Failure, WallTime};
use super::session::TwinSession;
use super::settings::HubSettings;
use crate::hub::azure::{Account, Accounts, Provisioning, Refusal};
use crate::hub::disk::Disk;
use crate::hub::wire::{Passed, Peer, Proxy, ProxyFault, SetupFault, Stage, TlsFault, Transport, WireFault};
use crate::hub::{Clock, Identity};
use crate::twin::{ClockSanity, HubEvent, HubRequest};
use crate::units::UnixSeconds;
use core::fmt::Display;
use core::time::Duration;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use tokio::time::{Instant, timeout};

/// Each step has its time-out; this is that of all of them.
const PATIENCE: Duration = Duration::from_secs(28);
/// How long a DISCONNECT may take.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// The most addresses that are named.
const ADDRESSES_MAX: usize = 8;
/// The number of the only request.
const RID: u64 = 1;

/// What one step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// `way`, `assignment`, `dns`, `tcp`, `proxy`, `tls`, `websocket`, `mqtt`, `identity` or `twin`.
    pub step: &'static str,
    /// Where: a peer or its name, or the device.
    pub at: String,
    /// The way ends here.
    pub is_fault: bool,
    /// What was found; or what went wrong, and what to do.
    pub message: String,
}

/// Walks the way, and passes each step to `each`. It ends with the first fault, and within half a minute.
pub fn walk(settings: &HubSettings, clock: Arc<dyn Clock>, mut each: impl FnMut(Walked)) {
    let (tell, told) = channel();
    let settings = settings.clone();
    // A name server or a disk that hangs keeps this thread, and nobody waits for it.
    let walking = thread::Builder::new().spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(walk_within(PATIENCE, &settings, &clock, tell));
            runtime.shutdown_background();
        }
    });
    let mut count = 0;
    for walked in told {
        count += 1;
        each(walked);
    }
    if count == 0 {
        let reason = walking.err().map_or_else(|| "no event loop".to_owned(), |error| error.to_string());
        let message = format!("this machine has no room for the walk: {reason}");
        each(Walked { step: Step::Way.name(), at: "twind".to_owned(), is_fault: true, message });
    }
}

async fn walk_within(
    patience: Duration,
    settings: &HubSettings,
    clock: &Arc<dyn Clock>,
    tell: Sender<Walked>,
) {
    let disk = Disk::default();
    let sanity = &mut ClockSanity::after(clock.not_before());
    let mut connector = Connector { settings, disk: &disk, clock, sanity };
    let peer = Peer { name: String::new(), port: settings.port };
    let proxy = settings.proxy.as_ref().map(Proxy::peer);
    let (transport, since) = (settings.transport, Instant::now());
    let mut way = Way { tell, peer, proxy, transport, device: String::new(), under_way: Step::Way, since };
    let walked = timeout(patience, to_the_end(&mut connector, &mut way)).await;
    match walked {
        Ok(Ok(())) => {}
        Ok(Err(End::Cause(cause))) => way.fail(cause),
        Ok(Err(End::Twin(message))) => way.tell(Step::Twin, true, message),
        Err(_) => way.fail_by_time(),
    }
}

/// Where the walk ends.
enum End {
    Cause(Cause),
    /// The hub does not give the twin.
    Twin(String),
}

impl From<Cause> for End {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

async fn to_the_end(connector: &mut Connector<'_>, way: &mut Way) -> Result<(), End> {
    let settings = connector.settings;
    let mut accounts = Accounts::new(&settings.source);
    if let Some(by) = accounts.provisioning().cloned() {
        way.peer = settings.service_of(&by);
        way.device.clone_from(&by.registration_id);
        accounts.recall().await;
        if let Some(Account { host, device_id, .. }) = accounts.current() {
            let file = by.assignment_file.as_deref().unwrap_or("".as_ref()).display();
            way.tell(
                Step::Assignment,
                false,
                format!(
                    "hub {host}, device {device_id}, as stored in {file}; the service is asked again when the hub does not know \
                     the device, or cannot be reached"
                ),
            );
        } else {
            let account = assigned(connector, way, &accounts, &by).await?;
            return hub(connector, way, &account).await;
        }
    }
    match accounts.current() {
        Some(account) => hub(connector, way, account).await,
        None => Err(Cause::Asked("the hub is not known").into()),
    }
}

/// Asks the provisioning service, and stores nothing.
async fn assigned(
    connector: &mut Connector<'_>,
    way: &mut Way,
    accounts: &Accounts,
    by: &Provisioning,
) -> Result<Account, End> {
    let (id, scope) = (&by.registration_id, &by.id_scope);
    let about = format!("the provisioning service, where {id} in scope {scope} is registered");
    way.begin(connector.settings, &about);
    let assignment = connector.ask(by, &mut |passed| way.pass(passed, Step::Assignment)).await?;
    way.pass_with(Step::Assignment, format!("hub {}, device {}", assignment.host, assignment.device_id));
    accounts.account(assignment).ok_or(End::Cause(Cause::Asked("the hub is not known")))
}

/// From the hub's name to its twin.
async fn hub(connector: &mut Connector<'_>, way: &mut Way, account: &Account) -> Result<(), End> {
    way.peer = connector.settings.peer_of(account);
    way.device.clone_from(&account.device_id);
    let by =
        if account.gateway.is_some() { format!(", the gateway to {}", account.host) } else { String::new() };
    way.begin(connector.settings, &format!("the hub{by}"));
    let (mut session, times) = connector.log_in(account, &mut |passed| way.pass(passed, Step::Mqtt)).await?;
    way.pass_with(Step::Mqtt, "it speaks MQTT 3.1.1, and grants the subscriptions");
    let proof = match (&account.identity, times) {
        (Identity::Certificate { certificate_file, .. }, _) => {
            format!("accepted, with the certificate {}", certificate_file.display())
        }
        (Identity::Key(_), Some(times)) => {
            let (now, until) = (WallTime(times.dated.0), WallTime(times.expires));
            format!("accepted, with a token by the device key from {now} to {until}")
        }
        (Identity::Key(_), None) => "accepted, with the device key".to_owned(),
    };
    way.tell(Step::Identity, false, proof);
    way.under_way = Step::Twin;
    let read = twin(&mut session).await;
    if let Ok(found) = &read {
        way.pass_with(Step::Twin, found);
    }
    session.close(CLOSE_GRACE).await;
    read.map(drop)
}

/// Reads the twin.
async fn twin(session: &mut TwinSession) -> Result<String, End> {
    session.send(&HubRequest::GetTwin { rid: RID });
    loop {
        let event = session.next().await.map_err(|fault| End::Cause(fault.into()))?;
        match event {
            HubEvent::Twin { rid: RID, desired, desired_version, reported } => {
                let (version, desired, reported) = (desired_version.0, desired.size(), reported.size());
                return Ok(format!(
                    "desired version {version} with {desired} bytes, reported {reported} bytes, by the hub's measure"
                ));
            }
            HubEvent::Rejected { status, message, .. } => {
                let said = if message.is_empty() { String::new() } else { format!(", {message}") };
                return Err(End::Twin(format!(
                    "the hub does not give the twin (status {status}{said}): see whether its tier has device twins, and its quota"
                )));
            }
            HubEvent::Garbled { reason } => {
                return Err(End::Twin(format!("what the hub gives as the twin cannot be read: {reason}")));
            }
            // Its caller would otherwise wait in vain.
            HubEvent::Method { rid, .. } => {
                let payload =
                    json!({ "error": "the daemon does not run, somebody checks the way to the hub" });
                session.send(&HubRequest::AnswerMethod { rid, status: 503, payload });
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Way,
    Assignment,
    Dns,
    Tcp,
    Proxy,
    Tls,
    WebSocket,
    Mqtt,
    Identity,
    Twin,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Way => "way",
            Self::Assignment => "assignment",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::Mqtt => "mqtt",
            Self::Identity => "identity",
            Self::Twin => "twin",
        }
    }

    /// The step to which a cause belongs, if another one was under way.
    fn of(cause: &Cause) -> Option<Self> {
        match cause {
            Cause::Clock { .. } | Cause::Wire(WireFault::Tls(TlsFault::ClientCertificate(_))) => {
                Some(Self::Identity)
            }
            Cause::Wire(WireFault::Setup(SetupFault::ServerName(_))) => Some(Self::Dns),
            Cause::Wire(WireFault::Setup(_)) => Some(Self::Tls),
            Cause::Wire(WireFault::Refused { code, .. }) => match Refusal::of(*code) {
                Refusal::Version | Refusal::Unknown(_) => Some(Self::Mqtt),
                Refusal::DeviceId | Refusal::Unserved | Refusal::Credentials => Some(Self::Identity),
            },
            _ => None,
        }
    }
}

/// How far the walk is.
struct Way {
    tell: Sender<Walked>,
    peer: Peer,
    proxy: Option<Peer>,
    transport: Transport,
    device: String,
    under_way: Step,
    since: Instant,
}

impl Way {
    /// What it connects to now, and how.
    fn begin(&mut self, settings: &HubSettings, about: &str) {
        let over = match settings.transport {
            Transport::Mqtt => "MQTT over TLS",
            Transport::WebSocket => "MQTT over a WebSocket over TLS",
        };
        let through = settings.proxy.as_ref().map(|proxy| format!(", through the proxy {proxy}"));
        let through = through.unwrap_or_default();
        self.tell(Step::Way, false, format!("{about}; as {}, by {over}{through}", self.device));
        self.enter(Step::Dns);
    }

    /// A step of the wire was passed; after the last of them follows `then`.
    fn pass(&mut self, passed: Passed, then: Step) {
        match passed {
            Passed::Found(addresses) => {
                let named: Vec<_> = addresses.iter().take(ADDRESSES_MAX).map(ToString::to_string).collect();
                let more = match addresses.len().saturating_sub(ADDRESSES_MAX) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                self.pass_with(Step::Dns, format!("{}{more}", named.join(", ")));
                self.enter(Step::Tcp);
            }
            Passed::Reached(address) => {
                self.pass_with(Step::Tcp, format!("{address} takes the connection"));
                self.enter(if self.proxy.is_some() { Step::Proxy } else { Step::Tls });
            }
            Passed::Proxied => {
                self.pass_with(Step::Proxy, format!("it connects to {}", self.peer));
                self.enter(Step::Tls);
            }
            Passed::Secured { version, not_after } => {
                // `TLSv1_3`
                let version =
                    version.map(|version| format!("{version:?}").replace('v', " ").replace('_', "."));
                let version = version.as_deref().unwrap_or("TLS");
                let until = |at: UnixSeconds| format!(" and valid until {}", WallTime(at));
                let until = not_after.map(until).unwrap_or_default();
                self.pass_with(Step::Tls, format!("{version}, its certificate is trusted{until}"));
                self.enter(if self.transport == Transport::WebSocket { Step::WebSocket } else { then });
            }
            Passed::Opened => {
                self.pass_with(Step::WebSocket, "open");
                self.enter(then);
            }
        }
    }

    fn enter(&mut self, step: Step) {
        (self.under_way, self.since) = (step, Instant::now());
    }

    /// The same with how long it took.
    fn pass_with(&mut self, step: Step, found: impl Display) {
        let took = self.since.elapsed().as_millis().max(1);
        self.tell(step, false, format!("{found}, in {took} ms"));
        self.since = Instant::now();
    }

    fn tell(&self, step: Step, is_fault: bool, message: String) {
        let at = match (step, &self.proxy) {
            (Step::Dns, Some(proxy)) => proxy.name.clone(),
            (Step::Dns, None) => self.peer.name.clone(),
            (Step::Tcp | Step::Proxy, Some(proxy)) => proxy.to_string(),
            (Step::Identity | Step::Twin, _) => self.device.clone(),
            _ => self.peer.to_string(),
        };
        // Fails if nobody listens any more.
        let _ = self.tell.send(Walked { step: step.name(), at, is_fault, message });
    }

    fn fail(&self, cause: Cause) {
        let step = Step::of(&cause).unwrap_or(self.under_way);
        if step == Step::Identity
            && self.under_way == Step::Mqtt
            && matches!(cause, Cause::Wire(WireFault::Refused { .. }))
        {
            self.tell(Step::Mqtt, false, "it speaks MQTT 3.1.1".to_owned());
        }
        let failure = Failure { peer: self.peer.clone(), via: self.proxy.clone(), cause };
        self.tell(step, true, failure.to_string());
    }

    /// The whole walk took too long, before the time-out of the step that is under way.
    fn fail_by_time(&self) {
        let no_answer = || "no answer in time".to_owned();
        let of_proxy = |fault| self.proxy.clone().map(|proxy| WireFault::Proxy { proxy, fault });
        let fault = match self.under_way {
            Step::Assignment => return self.fail(Cause::RegistrationTimeout),
            Step::Way | Step::Identity | Step::Twin => {
                let message = format!("{} did not answer the request for the twin in time", self.peer);
                return self.tell(self.under_way, true, message);
            }
            Step::Dns => of_proxy(ProxyFault::Timeout(Stage::Dns)).unwrap_or(WireFault::Timeout(Stage::Dns)),
            Step::Tcp => of_proxy(ProxyFault::Tcp(no_answer())).unwrap_or(WireFault::Tcp(no_answer())),
            Step::Proxy => {
                of_proxy(ProxyFault::Timeout(Stage::Proxy)).unwrap_or(WireFault::Timeout(Stage::Proxy))
            }
            Step::Tls => WireFault::Timeout(Stage::Tls),
            Step::WebSocket => WireFault::Timeout(Stage::WebSocket),
            Step::Mqtt => WireFault::Timeout(Stage::Connect),
        };
        self.fail(fault.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of a walk that takes too long at this step.
    fn too_long(step: Step, proxy: Option<&Peer>) -> Walked {
        let (tell, told) = channel();
        let peer = Peer { name: "hub.example".into(), port: 443 };
        let (transport, device, since) = (Transport::WebSocket, "d".to_owned(), Instant::now());
        Way { tell, peer, proxy: proxy.cloned(), transport, device, under_way: step, since }.fail_by_time();
        told.recv().unwrap()
    }

    #[test]
    fn a_walk_that_takes_too_long_says_at_which_step_and_whose_fault_it_is() {
        let proxy = Peer { name: "proxy.local".into(), port: 3128 };
        for (step, at, says) in [
            (Step::Dns, "hub.example", "the name server did not answer in time"),
            (Step::Tcp, "hub.example:443", "no answer in time; check network and firewall"),
            (Step::Tls, "hub.example:443", "but not the TLS handshake in time"),
            (Step::WebSocket, "hub.example:443", "did not open a WebSocket in time"),
            (Step::Mqtt, "hub.example:443", "did not answer the MQTT CONNECT in time"),
            (Step::Assignment, "hub.example:443", "did not answer the registration in time"),
            (Step::Twin, "d", "did not answer the request for the twin in time"),
        ] {
            let row = too_long(step, None);
            assert_eq!((row.step, row.at.as_str(), row.is_fault), (step.name(), at, true));
            assert!(row.message.contains(says), "{}", row.message);
        }
        for (step, at, says) in [
            (Step::Dns, "proxy.local", "the name server did not answer in time"),
            (Step::Tcp, "proxy.local:3128", "it accepts no connection"),
            (Step::Proxy, "proxy.local:3128", "it did not answer CONNECT in time"),
            (Step::Tls, "hub.example:443", "but not the TLS handshake in time"),
        ] {
            let row = too_long(step, Some(&proxy));
            assert_eq!((row.step, row.at.as_str(), row.is_fault), (step.name(), at, true));
            assert!(
                row.message.contains(says) && row.message.contains("proxy proxy.local:3128"),
                "{}",
                row.message
            );
        }
    }

    #[test]
    fn a_fault_stands_at_the_step_that_it_speaks_of() {
        let refused = |code| Cause::Wire(WireFault::Refused { code, at: UnixSeconds(0) });
        let certificate = WireFault::Tls(TlsFault::ClientCertificate("unknown CA".into()));
        for (cause, step) in [
            (refused(1), Some(Step::Mqtt)),
            (refused(3), Some(Step::Identity)),
            (refused(5), Some(Step::Identity)),
            (certificate.into(), Some(Step::Identity)),
            (Cause::Clock { at: UnixSeconds(1), floor: UnixSeconds(2) }, Some(Step::Identity)),
            (WireFault::Setup(SetupFault::NoRoots).into(), Some(Step::Tls)),
            (WireFault::Tls(TlsFault::Expired).into(), None),
        ] {
            assert_eq!(Step::of(&cause), step, "{cause:?}");
        }
    }
}
