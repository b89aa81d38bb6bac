//! A session that speaks of the twin: the hub's two subscriptions, requests out, events in.
//!
//! Packets of QoS 0 only, which is what the hub sends on twin topics, so nothing is ever repeated. One request waits
//! here while the session is busy; a newer one supersedes it, because who asked for the older will miss its answer and
//! ask again. Deliberately absent: what an event means (`twin`), and connecting again (`driver`).

use super::exchange::{Asked, Exchange, Message};
use super::failure::Cause;
use super::session::{Delivery, Heard, Login, Session};
use super::token::{self, Token};
use super::{Account, Clock, HubSettings, topic};
use crate::twin::{HubEvent, HubRequest};
use core::time::Duration;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

const FILTERS: [&str; 2] = [topic::RESPONSES_FILTER, topic::DESIRED_FILTER];

/// A session that is up. Dropped, it ends at once; [`close`](Self::close) ends it politely.
pub(super) struct TwinSession {
    session: Session,
    exchange: Exchange,
    outbox: Option<Message>,
}

impl TwinSession {
    /// Signs in as the device; returns once both subscriptions are granted.
    pub(super) async fn open<W>(
        settings: &HubSettings,
        account: &Account,
        token: Option<&Token>,
        wire: W,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Cause>
    where
        W: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let login = Login {
            client_id: &account.device_id,
            user_name: token::user_name(account, settings.model_id.as_deref()),
            password: token,
            keep_alive: settings.keep_alive,
            clean: false,
        };
        let session = Session::open(&login, &FILTERS, wire, clock).await?;
        Ok(Self { session, exchange: Exchange::default(), outbox: None })
    }

    /// The next event, or why the session ended. May be cancelled at any time.
    pub(super) async fn next(&mut self) -> Result<HubEvent, Cause> {
        loop {
            match self.session.next().await? {
                Heard::Published { topic, payload } => {
                    if let Some(event) = self.exchange.read(&topic, &payload) {
                        return Ok(event);
                    }
                }
                Heard::Sent => {
                    if let Some(message) = self.outbox.take() {
                        self.publish(message);
                    }
                }
            }
        }
    }

    /// Sends a request, as soon as the one before it has left. Returns the answer at once where the hub need not be
    /// asked.
    pub(super) fn send(&mut self, request: &HubRequest) -> Option<HubEvent> {
        match self.exchange.ask(request) {
            Asked::Send(message) => {
                self.publish(message);
                None
            }
            Asked::Answered(answer) => Some(answer),
            Asked::Nothing => None,
        }
    }

    fn publish(&mut self, message: Message) {
        if !self.session.publish(&message, Delivery::Once) && self.outbox.replace(message).is_some() {
            tracing::debug!("a request was superseded before it could be sent");
        }
    }

    /// Says DISCONNECT and waits for the wire to close, but no longer than `grace`.
    pub(super) async fn close(self, grace: Duration) {
        self.session.close(grace).await;
    }
}
