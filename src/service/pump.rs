//! The driving contract: after any `handle_…`, drain the engine until nothing is left, in one fixed order.
//!
//! The pin comes first, then the record, then what the disk finished, then the hub, then what an operator may want to
//! know: nothing that is slow stands before a pin. Production and simulation call this same function.

use crate::board::Pins;
use crate::engine::{Engine, Notice};
use crate::store::Store;
use crate::twin::HubRequest;
use crate::units::BootTime;

/// Takes requests for the hub. Never blocks.
pub trait Outbox {
    /// Hands over one request.
    fn push(&mut self, request: HubRequest);
}

/// Takes what an operator may want to know. Never blocks, whoever reads it.
pub trait Notices {
    /// Hands over one notice. Where there is no room for it, it is dropped and counted, and this is false.
    fn push(&mut self, notice: Notice) -> bool;
}

/// Keeps them all, for whoever looks at them later.
impl Notices for Vec<Notice> {
    fn push(&mut self, notice: Notice) -> bool {
        Self::push(self, notice);
        true
    }
}

/// Drains the engine. See the module.
pub fn pump(
    engine: &mut Engine,
    now: BootTime,
    store: &mut impl Store,
    pins: &mut (impl Pins + ?Sized),
    outbox: &mut impl Outbox,
    notices: &mut impl Notices,
) {
    loop {
        if let Some(actuation) = engine.poll_actuation() {
            let outcome = pins.drive(&actuation);
            engine.handle_driven(actuation, outcome);
        } else if let Some(record) = engine.poll_record() {
            store.offer(record);
        } else if let Some(outcome) = store.poll_saved() {
            engine.handle_saved(now, outcome.map_err(|fault| fault.reason));
        } else if let Some(request) = engine.poll_request() {
            outbox.push(request);
        } else if let Some(notice) = engine.poll_notice() {
            // Nobody waits for room: whoever drops it counts it.
            let _ = notices.push(notice);
        } else {
            return;
        }
    }
}
