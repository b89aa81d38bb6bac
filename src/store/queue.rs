//! The requests to the ring that wait for the store's thread, and what became of those before.

use super::StoreFault;
use crate::telemetry::{RingEvent, RingFailed, RingRequest};
use std::collections::VecDeque;

/// The most requests without an answer, and answers that were not polled. The core asks for one thing after the other.
const PENDING_MAX: usize = 64;
/// The most messages that wait to be forgotten. One beyond is sent again after a restart, with the same id.
const FORGETTING_MAX: usize = 4096;

/// Both ways between the loop and the store's thread.
#[derive(Default)]
pub(super) struct Queue {
    requests: VecDeque<RingRequest>,
    events: VecDeque<RingEvent>,
    /// What the thread is at.
    at: Option<RingFailed>,
    /// Why the last messages are not kept.
    unkept: Option<StoreFault>,
}

impl Queue {
    /// Takes a request, or answers that there is no room for it.
    pub(super) fn push(&mut self, request: RingRequest) {
        let is_kind =
            |kind: Option<RingFailed>| self.requests.iter().filter(|one| answer(one) == kind).count();
        let forgetting = is_kind(None);
        match answer(&request) {
            None if forgetting < FORGETTING_MAX => self.requests.push_back(request),
            None => {}
            Some(_) if self.requests.len() - forgetting + self.events.len() < PENDING_MAX => {
                self.requests.push_back(request);
            }
            Some(kind) => {
                let reason = format!("the disk is slow: {PENDING_MAX} requests wait");
                self.tell(RingEvent::Failed { request: kind, reason });
            }
        }
    }

    /// The next request. At the end nothing is read any more.
    pub(super) fn take(&mut self, ending: bool) -> Option<RingRequest> {
        if ending {
            self.requests.retain(|request| !matches!(request, RingRequest::Read { .. }));
        }
        let request = self.requests.pop_front();
        self.at = request.as_ref().and_then(answer);
        request
    }

    /// The thread has carried out the request that it took.
    pub(super) fn finish(&mut self) {
        self.at = None;
    }

    /// Hands an event to the loop. One that does not poll them loses the oldest.
    pub(super) fn tell(&mut self, event: RingEvent) {
        match &event {
            RingEvent::Kept { .. } => self.unkept = None,
            RingEvent::Failed { request: RingFailed::Keep, reason } => {
                self.unkept = Some(StoreFault { reason: reason.clone() });
            }
            _ => {}
        }
        if self.events.len() == 2 * PENDING_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn poll(&mut self) -> Option<RingEvent> {
        self.events.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Do messages wait to be kept, or is the thread at it?
    pub(super) fn has_messages(&self) -> bool {
        let keep = Some(RingFailed::Keep);
        self.at == keep || self.requests.iter().any(|request| answer(request) == keep)
    }

    pub(super) fn unkept(&self) -> Option<StoreFault> {
        self.unkept.clone()
    }
}

/// What a request's answer is called if it fails.
fn answer(request: &RingRequest) -> Option<RingFailed> {
    match request {
        RingRequest::Open { .. } => Some(RingFailed::Open),
        RingRequest::Keep(_) => Some(RingFailed::Keep),
        RingRequest::Read { .. } => Some(RingFailed::Read),
        RingRequest::Forget { .. } => None,
    }
}
