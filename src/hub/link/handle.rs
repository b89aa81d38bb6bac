//! The handle of the link: one session after another, for as long as it is held.
//!
//! The holder sees a strict sequence: `Up`, events of that session, exactly one `Down`, and so on. Requests belong to the session
//! whose `Up` the holder saw last; those for a session that is gone are dropped, because the core asks again after `Up`. Both
//! channels are bounded, so a slow holder slows the hub down. Messages of the hub are read one at a time, the next when the holder
//! is done with the last, so a flood of large documents waits as bytes in the socket and not in memory.

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

/// Requests on their way to the session: an answer to each call that is under way, those about the twin, and telemetry.
const REQUESTS_MAX: usize = CALLS_MAX + 16;

/// The handle. Dropping it ends the session too, but nobody waits for that; see [`close`](Self::close).
#[derive(Debug)]
pub struct Link {
    events: mpsc::Receiver<Told>,
    /// The permit of the last event.
    room: Room,
    requests: mpsc::Sender<(u64, HubRequest)>,
    status: watch::Receiver<LinkStatus>,
    /// The number of `Up`s returned.
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
            // Only a bug can end the task before its handle; waiting is better than spinning.
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

    /// Sends a request to the session whose `Up` was seen last. Never waits; without a session, or with too many requests under way,
    /// the request is dropped.
    pub fn push(&self, request: HubRequest) {
        if !self.up {
            tracing::debug!("no session: request dropped");
        } else if self.requests.try_send((self.session, request)).is_err() {
            tracing::warn!("too many requests under way: one was dropped");
        }
    }

    /// The link's status.
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
