//! A session that speaks of the twin: the hub's subscriptions, requests out, events in.
//!
//! Packets of QoS 0 only, which is what the hub sends on twin topics, so nothing is ever repeated. A few messages wait
//! here while the session is busy; beyond that the oldest is dropped, because who sent it will miss the answer and ask
//! again. Deliberately absent: what an event means (`twin`), and connecting again (`driver`).

use super::exchange::{Asked, Exchange, Message};
use super::failure::Cause;
use super::session::{Delivery, Heard, Login, Session};
use super::token::{self, Token};
use super::{Account, Clock, HubSettings, topic};
use crate::twin::{HubEvent, HubRequest};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

const FILTERS: [&str; 3] = [topic::RESPONSES_FILTER, topic::DESIRED_FILTER, topic::METHODS_FILTER];
/// Messages that wait for the session to take them, at most: one request, and answers to calls that came at once.
const WAITING_MAX: usize = 8;

/// A session that is up. Dropped, it ends at once; [`close`](Self::close) ends it politely.
pub(super) struct TwinSession {
    session: Session,
    exchange: Exchange,
    outbox: VecDeque<Message>,
}

impl TwinSession {
    /// Signs in as the device; returns once every subscription is granted.
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
        Ok(Self { session, exchange: Exchange::default(), outbox: VecDeque::new() })
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
                    if let Some(message) = self.outbox.pop_front()
                        && !self.session.publish(&message, Delivery::Once)
                    {
                        self.outbox.push_front(message);
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
        // In order: nothing overtakes what waits.
        if self.outbox.is_empty() && self.session.publish(&message, Delivery::Once) {
            return;
        }
        if self.outbox.len() == WAITING_MAX {
            self.outbox.pop_front();
            tracing::debug!("a message was dropped before it could be sent");
        }
        self.outbox.push_back(message);
    }

    /// Says DISCONNECT and waits for the wire to close, but no longer than `grace`.
    pub(super) async fn close(self, grace: Duration) {
        self.session.close(grace).await;
    }
}
