//! What the core drives: pins, a store, an outbox to the hub, and whoever reads its notices.
//!
//! None of them blocks, and none calls back. What becomes of a record or a request comes in later, as an
//! [`Input`](crate::engine::Input); a pin alone says at once whether it was driven.

use crate::control::{Actuation, PinFault};
use crate::report::Notice;
use crate::twin::{HubRequest, TwinRecord};
use alloc::vec::Vec;

/// Whatever can be driven.
pub trait Pins {
    /// Drives one output.
    ///
    /// # Errors
    /// What the board could not do; the output's state is then unknown.
    fn drive(&mut self, actuation: &Actuation) -> Result<(), PinFault>;
}

/// Keeps the latest record. Its outcome is [`Input::Saved`](crate::engine::Input::Saved).
pub trait Store {
    /// Hands over a record to be kept; a newer one replaces one that is still waiting. Returns at once.
    fn offer(&mut self, record: TwinRecord);
}

/// Takes requests for the hub.
pub trait Outbox {
    /// Hands over one request. Returns at once.
    fn push(&mut self, request: HubRequest);
}

/// Takes what an operator may want to know, whoever reads it.
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

/// All of them, for one input.
pub struct Ports<'a> {
    /// The board.
    pub pins: &'a mut dyn Pins,
    /// The disk.
    pub store: &'a mut dyn Store,
    /// The way to the hub.
    pub outbox: &'a mut dyn Outbox,
    /// The log.
    pub notices: &'a mut dyn Notices,
}
