//! A session about the twin: subscriptions, requests out, events in.
//!
//! All packets about the twin are QoS 0, as the hub sends them on twin topics, so nothing is repeated. Telemetry is QoS 1: each
//! message is acknowledged by its number, or not in this session; then the core sends it again in another. Calls of direct methods count from the
//! start of the session: a hub that kept the subscriptions sends waiting calls before it grants them again. Of the twin only later
//! messages count, because the twin is fetched then.

use super::outbox::{Kind, Outbox};
use super::settings::HubSettings;
use crate::hub::Clock;
use crate::hub::azure::{self, Account, Asked, Exchange, Token};
use crate::hub::wire::{Heard, Login, Session, WireFault};
use crate::twin::{HubEvent, HubRequest};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A session that is up. Dropped, it ends at once; [`close`](Self::close) ends it politely.
pub(super) struct TwinSession {
    session: Session,
    exchange: Exchange,
    outbox: Outbox,
    /// Calls that came before the subscriptions were granted.
    early: VecDeque<HubEvent>,
}

impl TwinSession {
    /// Signs in as the device; returns once every subscription is granted.
    pub(super) async fn open<W>(
        settings: &HubSettings,
        account: &Account,
        token: Option<&Token>,
        wire: W,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WireFault>
    where
        W: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let login = Login {
            client_id: &account.device_id,
            user_name: azure::user_name(account, settings.model_id.as_deref()),
            password: token.map(Token::expose),
            keep_alive: settings.keep_alive,
            clean: false,
        };
        let (mut outbox, mut early) = (Outbox::default(), VecDeque::new());
        let session = Session::open(&login, &azure::FILTERS, wire, clock, |topic, payload| {
            let call = Exchange::read_call(topic, payload);
            early.extend(call.and_then(|call| outbox.admit(call)));
        })
        .await?;
        Ok(Self { session, exchange: Exchange::of(&account.device_id), outbox, early })
    }

    /// The next event, or why the session ended. May be cancelled at any time.
    pub(super) async fn next(&mut self) -> Result<HubEvent, WireFault> {
        if let Some(call) = self.early.pop_front() {
            return Ok(call);
        }
        loop {
            self.flush();
            let event = match self.session.next().await? {
                Heard::Published { topic, payload } => self.exchange.read(&topic, &payload),
                Heard::Acknowledged(number) => Some(HubEvent::MessageStored { number }),
                Heard::Sent => None,
            };
            if let Some(event) = event.and_then(|event| self.outbox.admit(event)) {
                return Ok(event);
            }
        }
    }

    /// Sends a request as soon as the previous one has left, and telemetry once nothing else waits. Returns the answer at once if the hub need not be asked.
    pub(super) fn send(&mut self, request: &HubRequest) -> Option<HubEvent> {
        match self.exchange.ask(request) {
            Asked::Send(message) => {
                match request {
                    HubRequest::AnswerMethod { .. } => self.outbox.push(Kind::Answer, message),
                    HubRequest::SendMessage { number, .. } => self.outbox.push_telemetry(*number, message),
                    _ => self.outbox.push(Kind::Request, message),
                }
                self.flush();
                None
            }
            Asked::Answered(answer) => Some(answer),
            Asked::Nothing => None,
        }
    }

    fn flush(&mut self) {
        self.outbox.flush(|message, delivery| self.session.publish(message, delivery));
    }

    /// Says DISCONNECT and waits for the wire to close, but no longer than `grace`.
    pub(super) async fn close(self, grace: Duration) {
        self.session.close(grace).await;
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
