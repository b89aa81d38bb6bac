//! The driving contract: after any `handle_…`, drain the engine until nothing is left, in one fixed order.
//!
//! The pin comes first, then the record, then what the disk finished, then the hub: nothing that is slow stands
//! before a pin. Production and simulation call this same function.

use crate::board::Pins;
use crate::engine::Engine;
use crate::store::Store;
use crate::twin::HubRequest;
use crate::units::BootTime;

/// Takes requests for the hub. Never blocks.
pub trait Outbox {
    /// Hands over one request.
    fn push(&mut self, request: HubRequest);
}

/// Drains the engine. See the module.
pub fn pump(
    engine: &mut Engine,
    now: BootTime,
    store: &mut impl Store,
    pins: &mut (impl Pins + ?Sized),
    outbox: &mut impl Outbox,
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
        } else {
            return;
        }
    }
}
