//! Admission of devices: the checks of a CONNECT, their return codes, and the session of an admitted device.

use crate::{
    behaviour::Behaviour,
    clock,
    events::{CloseReason, Event, RefuseReason},
    identity::{Authentication, Permission, has_thumbprint},
    messages::Sender,
    sas::{SasError, Token, same_host},
    state::{Device, Link, OUTBOX, Outgoing, Session, Shared, State},
    telemetry::{self, BY_CERTIFICATE, BY_DEVICE_KEY, BY_POLICY},
    username::{Username, UsernameError},
};
use rumqttc::{Connect, LastWill, Protocol};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// The longest silence that the hub allows, whatever the keep-alive.
const MAX_SILENCE: Duration = Duration::from_secs(1767);

/// A device that is admitted.
pub(crate) struct Admitted {
    pub(crate) device_id: String,
    pub(crate) link_id: u64,
    pub(crate) session_present: bool,
    pub(crate) max_silence: Duration,
    /// How long the token keeps this connection open; `None` with a certificate, whose expiry does not count here.
    pub(crate) token_life: Option<Duration>,
    pub(crate) will: Option<LastWill>,
    pub(crate) sender: Sender,
    pub(crate) outbox: mpsc::Receiver<Outgoing>,
    pub(crate) close: oneshot::Receiver<CloseReason>,
}

/// A device that is refused.
pub(crate) struct Refused {
    pub(crate) code: u8,
    pub(crate) reason: RefuseReason,
}

impl Shared {
    /// Decides on a CONNECT, and marks an admitted device as connected.
    pub(crate) fn admit(&self, connect: Connect, certificate: Option<&[u8]>) -> Result<Admitted, Refused> {
        let client_id = connect.client_id.clone();
        let decision = self.decide(connect, certificate);
        if let Err(Refused { code, reason }) = &decision {
            self.log.push(&client_id, Event::Refused { code: *code, reason: reason.clone() });
        }
        decision
    }

    fn decide(&self, connect: Connect, certificate: Option<&[u8]>) -> Result<Admitted, Refused> {
        if let Some(code) = self.faults.take_refuse() {
            return Err(Refused { code, reason: RefuseReason::Fault });
        }
        let behaviour = self.behaviour();
        let refuse = |code, reason| Err(Refused { code, reason });
        if connect.protocol != Protocol::V4 {
            return refuse(behaviour.bad_protocol_code, RefuseReason::BadProtocol);
        }
        let (username, password) = connect
            .login
            .as_ref()
            .map_or(("", ""), |login| (login.username.as_str(), login.password.as_str()));
        let name = match Username::parse(username) {
            Ok(name) if same_host(name.host, &self.host) => name,
            Ok(_) | Err(UsernameError::Malformed) => {
                return refuse(behaviour.bad_username_code, RefuseReason::BadUsername);
            }
            Err(UsernameError::NoApiVersion) => {
                return refuse(behaviour.no_api_version_code, RefuseReason::NoApiVersion);
            }
        };
        if connect.client_id != name.device_id {
            return refuse(behaviour.bad_client_id_code, RefuseReason::BadClientId);
        }
        let mut state = self.state();
        let link_id = state.next_number();
        let State { devices, policies, .. } = &mut *state;
        let Some(device) = devices.get_mut(name.device_id) else {
            return refuse(behaviour.unknown_device_code, RefuseReason::UnknownDevice);
        };
        let now = clock::unix_seconds();
        let (expiry, auth_method) = match &device.identity.authentication {
            Authentication::SelfSigned { primary, secondary } => {
                let known =
                    |der| [primary, secondary].into_iter().flatten().any(|known| has_thumbprint(der, known));
                if !certificate.is_some_and(known) {
                    let why = "no client certificate with a registered thumbprint".to_owned();
                    return refuse(5, RefuseReason::BadCredentials(why));
                }
                (None, BY_CERTIFICATE)
            }
            Authentication::Sas(keys) => {
                let resource = ["devices", name.device_id];
                let checked = Token::parse(password).and_then(|token| {
                    match &token.policy {
                        None => token.check(keys.both(), &self.host, &resource, false, now),
                        Some(policy) => {
                            let policy =
                                policies.iter().find(|p| p.name == *policy).ok_or(SasError::UnknownPolicy)?;
                            token.check(policy.keys.both(), &self.host, &resource, true, now)?;
                            let allowed = policy.permissions.contains(&Permission::DeviceConnect);
                            if allowed { Ok(()) } else { Err(SasError::NotPermitted) }
                        }
                    }
                    .map(|()| {
                        let method = if token.policy.is_some() { BY_POLICY } else { BY_DEVICE_KEY };
                        (token.expiry_unix_seconds, method)
                    })
                });
                match checked {
                    Ok((expiry, method)) => (Some(expiry), method),
                    Err(error) => return refuse(5, RefuseReason::BadCredentials(error.to_string())),
                }
            }
        };
        if !device.identity.enabled {
            return refuse(behaviour.disabled_device_code, RefuseReason::Disabled);
        }
        let bad_will = |will: &LastWill| telemetry::read_will(will, name.device_id).is_none();
        if connect.last_will.as_ref().is_some_and(bad_will) {
            return refuse(behaviour.bad_username_code, RefuseReason::BadWill);
        }
        device.model_id = name.model_id.unwrap_or_default();
        let grace = behaviour.token_grace;
        let token_life =
            expiry.map(|expiry| Duration::from_secs(expiry.saturating_sub(now)).saturating_add(grace));
        let sender = Sender { generation_id: device.identity.generation_id.clone(), auth_method };
        let entered = self.enter(device, link_id, connect.clean_session, sender.clone(), &behaviour);
        drop(state);
        self.touch();
        Ok(Admitted {
            device_id: connect.client_id,
            link_id,
            session_present: entered.session_present,
            max_silence: max_silence(connect.keep_alive),
            token_life,
            will: connect.last_will,
            sender,
            outbox: entered.outbox,
            close: entered.close,
        })
    }

    fn enter(
        &self,
        device: &mut Device,
        link_id: u64,
        clean: bool,
        sender: Sender,
        behaviour: &Behaviour,
    ) -> Entered {
        device.close(CloseReason::TakenOver);
        let kept = device.session.take().filter(|session| {
            let too_old =
                |left: Instant| behaviour.session_lifetime.is_some_and(|life| left.elapsed() > life);
            !clean && !session.clean && !session.left.is_some_and(too_old)
        });
        let session_present = self.faults.session_present().unwrap_or(kept.is_some());
        device.session = Some(Session { left: None, clean, ..kept.unwrap_or_default() });
        let (outbox_sender, outbox) = mpsc::channel(OUTBOX);
        let (close_sender, close) = oneshot::channel();
        device.link = Some(Link {
            id: link_id,
            outbox: outbox_sender,
            close: Some(close_sender),
            held: VecDeque::new(),
            sender,
            messages: 0,
            calls: HashMap::new(),
        });
        device.last_activity = clock::now_utc();
        self.log.push(&device.identity.device_id, Event::Connected { clean_session: clean, session_present });
        Entered { session_present, outbox, close }
    }

    /// Removes a connection that has ended, unless another has taken its place.
    pub(crate) fn leave(
        &self,
        device_id: &str,
        link_id: u64,
        reason: CloseReason,
        will: Option<&LastWill>,
        sender: &Sender,
    ) {
        let mut state = self.state();
        if let Some(device) = state.devices.get_mut(device_id)
            && device.link.as_ref().is_some_and(|link| link.id == link_id)
        {
            device.link = None;
            device.last_activity = clock::now_utc();
            match &mut device.session {
                Some(session) if !session.clean => session.left = Some(Instant::now()),
                session => *session = None,
            }
        }
        if let Some(will) = will.filter(|_| reason != CloseReason::Disconnect) {
            self.take_will(device_id, sender, will);
        }
        self.log.push(device_id, Event::Disconnected { reason });
        drop(state);
        self.touch();
    }
}

struct Entered {
    session_present: bool,
    outbox: mpsc::Receiver<Outgoing>,
    close: oneshot::Receiver<CloseReason>,
}

fn max_silence(keep_alive_seconds: u16) -> Duration {
    match keep_alive_seconds {
        0 => MAX_SILENCE,
        seconds => (Duration::from_secs(seconds.into()) * 3 / 2).min(MAX_SILENCE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_waited_out_for_one_and_a_half_keep_alives_and_never_past_the_cap() {
        assert_eq!(max_silence(3), Duration::from_millis(4500));
        assert_eq!(max_silence(1177), Duration::from_millis(1_765_500));
        assert_eq!(max_silence(1200), MAX_SILENCE);
        assert_eq!(max_silence(0), MAX_SILENCE);
    }
}
