//! The reported half of [`TwinSync`]: what is sent, and what the hub makes of it.

use super::super::quarantine::{HubReason, News};
use super::super::{HubRequest, SyncNotice};
use super::{Deferral, InFlight, Phase, TwinSync};
use crate::units::BootTime;
use alloc::string::String;
use core::time::Duration;

impl TwinSync {
    /// Sends the difference, if there is one and nothing prevents it.
    pub fn report(&mut self, now: BootTime) {
        self.outgoing.wake(now);
        if self.hold || !self.is_synced() || self.in_flight.is_some() || now < self.report_not_before {
            return;
        }
        let Some((patch, touched)) = self.outgoing.take() else { return };
        let rid = self.next_rid();
        let deadline = now + self.policy.request_timeout;
        self.in_flight = Some(InFlight { rid, patch: patch.clone(), touched, deadline });
        self.requests.push_back(HubRequest::PatchReported { rid, patch });
    }

    pub(super) fn handle_ack(&mut self, now: BootTime, rid: u64) {
        if let Some(flight) = self.in_flight.take_if(|flight| flight.rid == rid) {
            self.acknowledged_changed |= self.outgoing.handle_taken(now, &flight.patch);
            self.refusals = 0;
            self.deferral = None;
            self.announce(now);
            self.report(now);
        }
    }

    pub(super) fn handle_rejected(
        &mut self,
        now: BootTime,
        rid: u64,
        status: u16,
        message: String,
        asked: Option<Duration>,
    ) {
        if matches!(self.phase, Phase::Fetching { rid: asked, .. } if asked == rid) {
            let (retry_after, by_the_hub) = self.back_off(now, asked);
            let refused = SyncNotice::FetchRefused { status, message, retry_after, by_the_hub };
            return self.notices.push_back(refused);
        }
        let Some(flight) = self.in_flight.take_if(|flight| flight.rid == rid) else { return };
        if is_about_the_content(status) {
            if !self.outgoing.handle_refused(now, &flight.patch, HubReason { status, message }) {
                self.outgoing.touch_again(flight.touched);
            }
            self.announce(now);
            return self.report(now);
        }
        self.outgoing.touch_again(flight.touched);
        let (retry_after, by_the_hub) = self.backoff(asked);
        self.report_not_before = now + retry_after;
        self.defer(now, retry_after, HubReason { status, message: message.clone() });
        self.notices.push_back(SyncNotice::ReportDeferred { status, message, retry_after, by_the_hub });
    }

    fn defer(&mut self, now: BootTime, pause: Duration, reason: HubReason) {
        let since = self.deferral.take().map_or(now, |before| before.since);
        self.deferral = Some(Deferral { since, until: now + pause, reason });
    }

    /// Announces what became of refused values.
    fn announce(&mut self, now: BootTime) {
        while let Some(news) = self.outgoing.poll_news() {
            let notice = match news {
                News::SetAside(property, retry_after, HubReason { status, message }) => {
                    SyncNotice::ReportRefused { property: property.shown(), status, message, retry_after }
                }
                News::Taken(property) => SyncNotice::ReportTaken { property: property.shown() },
                News::Doubt(retry_after, reason) => {
                    self.defer(now, retry_after, reason.clone());
                    let HubReason { status, message } = reason;
                    SyncNotice::ReportDoubted { status, message, retry_after }
                }
            };
            self.notices.push_back(notice);
        }
    }
}

/// Is a refusal about what was reported? Others are about the device, a quota or the hub, and pass.
fn is_about_the_content(status: u16) -> bool {
    matches!(status, 400 | 413)
}
