//! What the core drives: pins, a store, an outbox to the hub, and a sink for its notices.
//!
//! None of them blocks, and none calls back. What became of a record or a request arrives later, as an
//! [`Input`](crate::engine::Input). Only a pin says at once whether it was driven.

use crate::control::{Actuation, PinFault};
use crate::report::Notice;
use crate::telemetry::RingRequest;
use crate::twin::{HubRequest, TwinRecord};
use alloc::vec::Vec;

/// The board.
pub trait Pins {
    /// Drives one output. The cause is as people read it.
    ///
    /// # Errors
    /// What the board could not do. The output's state is then unknown.
    fn drive(&mut self, actuation: &Actuation, cause: &str) -> Result<(), PinFault>;
}

/// Stores the latest record, and keeps messages until the hub has them. The outcomes are
/// [`Input::Saved`](crate::engine::Input::Saved) and [`Input::Ring`](crate::engine::Input::Ring).
pub trait Store {
    /// Hands over a record. It replaces one that still waits to be stored. Returns at once.
    fn offer(&mut self, record: TwinRecord);

    /// Hands over a request to the ring of messages. The requests are carried out in order. Returns at once.
    fn ring(&mut self, request: RingRequest);
}

/// Takes requests for the hub.
pub trait Outbox {
    /// Hands over one request. Returns at once.
    fn push(&mut self, request: HubRequest);
}

/// Takes notices.
pub trait Notices {
    /// Hands over one notice. False: there was no room, so it was dropped and counted.
    fn push(&mut self, notice: Notice) -> bool;
}

/// Collects all of them.
impl Notices for Vec<Notice> {
    fn push(&mut self, notice: Notice) -> bool {
        Self::push(self, notice);
        true
    }
}

/// All ports, for one input.
pub struct Ports<'a> {
    /// The board.
    pub pins: &'a mut dyn Pins,
    /// The disk.
    pub store: &'a mut dyn Store,
    /// The connection to the hub.
    pub outbox: &'a mut dyn Outbox,
    /// The log.
    pub notices: &'a mut dyn Notices,
}
