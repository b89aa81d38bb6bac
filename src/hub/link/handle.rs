//! The link: the handle to one session after another, for as long as somebody holds it.
//!
//! What the holder sees is a strict sequence: `Up`, events of that session, exactly one `Down`, and so on. Requests are
//! meant for the session whose `Up` the holder saw last; those for a session that is gone are dropped, because whoever
//! keeps the twin asks anew after `Up`. Both channels are bounded, so a holder who does not keep up is felt by the hub.
//! What the hub says is read one thing at a time: the next one when the holder is done with the last. So a flood of
//! large documents never stands in memory but as bytes that are still on their way.
//! Deliberately absent: the meaning of events, and the doing, which is the `driver`'s.

use super::driver::{Closed, Driver};
use super::events::{LinkEvent, LinkStatus, Room, Told};
use super::outbox::CALLS_MAX;
use super::settings::HubSettings;
use crate::hub::Clock;
use crate::twin::{HubEvent, HubRequest};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Requests on their way to the session: an answer to each call that is under way, and those about the twin.
const REQUESTS_MAX: usize = CALLS_MAX + 16;

/// The handle. Dropping it ends the session too, but nobody waits for that; see [`close`](Self::close).
#[derive(Debug)]
pub struct Link {
    events: mpsc::Receiver<Told>,
    /// Of the event that was handed out last.
    room: Room,
    requests: mpsc::Sender<(u64, HubRequest)>,
    status: watch::Receiver<LinkStatus>,
    /// The number of `Up`s handed out.
    session: u64,
    up: bool,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts to connect. Must be called within a tokio runtime; `seed` decides the jitter of the waits.
    pub fn start(settings: HubSettings, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let (to_holder, events) = mpsc::channel(16);
        let (requests, from_holder) = mpsc::channel(REQUESTS_MAX);
        let (to_status, status) = watch::channel(LinkStatus::default());
        let driver = Driver::new(settings, clock, seed, (to_holder, from_holder), to_status);
        // The driver only ever stops because the handle is gone.
        let task = tokio::spawn(async move {
            let Err(Closed) = driver.run().await;
        });
        Self { events, room: None, requests, status, session: 0, up: false, task }
    }

    /// Waits for the next event. May be cancelled at any time.
    pub async fn next(&mut self) -> LinkEvent {
        self.room = None;
        let Some((event, room)) = self.events.recv().await else {
            // Only a bug can end the task under its handle; to wait is better than to spin.
            return core::future::pending().await;
        };
        self.room = room;
        match event {
            LinkEvent::Hub(HubEvent::Up) => {
                self.session += 1;
                self.up = true;
            }
            LinkEvent::Hub(HubEvent::Down) => self.up = false,
            _ => {}
        }
        event
    }

    /// Hands a request to the session whose `Up` was seen last. Never waits; without a session, or with too many
    /// requests under way, the request is dropped.
    pub fn push(&self, request: HubRequest) {
        if !self.up {
            tracing::debug!("no session: request dropped");
        } else if self.requests.try_send((self.session, request)).is_err() {
            tracing::warn!("too many requests under way: one was dropped");
        }
    }

    /// How the link has fared.
    pub fn status(&self) -> LinkStatus {
        self.status.borrow().clone()
    }

    /// Ends the session with a DISCONNECT and returns once it is closed, at the latest after `deadline`.
    pub async fn close(self, deadline: Duration) {
        let Self { events, requests, mut task, .. } = self;
        drop((events, requests));
        if timeout(deadline, &mut task).await.is_err() {
            task.abort();
        }
    }
}
