//! The one way into the core, and the order in which its effects leave it.
//!
//! An input is handled, and all of its effects are out, before [`Core::handle`] returns: the pins first, the record second,
//! the hub third, notices last. Nothing slow precedes a pin, and no other input comes between an input and its effects.

use super::journal::Effects;
use super::overrides::Order;
use super::{Core, CoreSpec};
use crate::control::{OutputId, PinFault, Reading};
use crate::ports::Ports;
use crate::telemetry::RingEvent;
use crate::twin::{Dated, HubEvent, Machine, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// An event, or a command of the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The deadline that the last call returned.
    Timeout,
    /// An event of the hub's session.
    Hub(HubEvent),
    /// Sensors were sampled since the last input: each reading, and what was found instead of a value, if that says more than the
    /// fault (foreign text). They are one control step: decided one after the other, the older readings of those to come would
    /// decide first, and may be stale by now.
    Readings(Vec<(Reading, Option<String>)>),
    /// The speed of an output was measured.
    Speed {
        /// The output.
        output: OutputId,
        /// Turns per minute, or why the speed is not known.
        rpm: Result<f64, PinFault>,
    },
    /// What became of a record: the sequence number that is durable now, or why it could not be stored.
    Saved(Result<u64, String>),
    /// What became of a request to the ring of messages.
    Ring(RingEvent),
    /// An accepted connection made this the known time. It is used from the hub's next message on.
    Wall(Dated),
    /// The wall clock was set, or read again; `None` if it cannot be believed.
    Clock(Option<Dated>),
    /// An output is overridden, or its override is cleared.
    Override(Order),
    /// After the start a record was found after all. Its twin is used only if none is in force yet.
    Stored(Box<TwinRecord>),
    /// Another configuration is in force from now on.
    Reload(Box<Reload>),
    /// The process ends: every output goes to its `stop` row, and what is still to be recorded is recorded.
    Stop,
    /// The process ends and another one takes over: no output changes, and what is still to be recorded is recorded.
    HandOver,
}

/// What the core starts from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The configuration.
    pub spec: CoreSpec,
    /// The stored record. The twin in a record of another identity is not used.
    pub record: Option<TwinRecord>,
    /// The machine: which boot, and what is known about the time.
    pub machine: Machine,
    /// The drives that were found, of outputs that are to keep them until something decides.
    pub found: Vec<(OutputId, Permille)>,
    /// The process before this one handed over: what was found is what it decided last.
    pub handed_over: bool,
    /// The longest time between two control steps, which feed a watchdog; above five seconds it has no effect.
    pub step_interval_max: Duration,
}

/// A reload: what a new configuration changes. Outputs on the same wire stay as they are driven, and sensors that read the
/// same keep their last values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reload {
    /// The new configuration.
    pub spec: CoreSpec,
    /// The names of the outputs that are on the same wire as before; the drive of any other is not known.
    pub same_wire: BTreeSet<String>,
    /// The names of the outputs whose speed is measured.
    pub measured: BTreeSet<String>,
    /// As in [`Start`].
    pub found: Vec<(OutputId, Permille)>,
    /// The session with the hub goes on.
    pub same_hub: bool,
}

/// When the core has something to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The moment.
    pub at: BootTime,
    /// What is due then.
    pub why: &'static str,
}

impl Core {
    /// Starts. The outputs are driven by the record before this returns.
    pub fn start(now: BootTime, start: Start, ports: &mut Ports<'_>) -> Self {
        let mut core = Self::at_start(now, start);
        core.begin_journal(now);
        core.handle(now, Input::Timeout, ports);
        // The configuration may be another one than that by which they were announced first.
        core.announce_refusals(&[]);
        while let Some(notice) = core.poll_notice() {
            let _ = ports.notices.push(notice);
        }
        core
    }

    /// Handles an input with all of its effects. Returns when [`Input::Timeout`] is due if no other input arrives before.
    pub fn handle(&mut self, now: BootTime, input: Input, ports: &mut Ports<'_>) -> Deadline {
        self.journal.note(now, &input);
        self.telemetry.note_clock(now, self.wall(now));
        match input {
            Input::Timeout => self.handle_timeout(now),
            Input::Hub(event) => self.handle_hub(now, event),
            Input::Readings(readings) => self.handle_readings(now, readings),
            Input::Speed { output, rpm } => self.handle_speed(now, output, rpm),
            Input::Saved(outcome) => self.handle_saved(now, outcome),
            Input::Ring(event) => self.handle_ring(now, event),
            Input::Wall(dated) => self.handle_dated(dated),
            Input::Clock(dated) => self.handle_clock(now, dated),
            Input::Override(order) => self.handle_override(now, order),
            Input::Stored(record) => self.handle_stored(now, *record),
            Input::Reload(reload) => self.handle_reload(now, *reload),
            Input::Stop => self.handle_stop(now),
            Input::HandOver => self.handle_hand_over(now),
        }
        let effects = self.drain(now, ports);
        let deadline = self.deadline();
        self.end_journal_entry(effects, deadline);
        deadline
    }

    fn drain(&mut self, now: BootTime, ports: &mut Ports<'_>) -> Effects {
        let mut effects = Effects::default();
        loop {
            if let Some(actuation) = self.poll_actuation() {
                let cause = actuation.cause.by_name(&self.climates).to_string();
                let outcome = ports.pins.drive(&actuation, &cause);
                effects.drive(&actuation, &outcome);
                self.handle_driven(actuation, outcome);
            } else if let Some(record) = self.poll_record() {
                effects.offer(&record);
                ports.store.offer(record);
            } else if let Some(request) = self.telemetry.poll_ring(now) {
                effects.ring(&request);
                ports.store.ring(request);
            } else if let Some(request) = self.poll_request().or_else(|| self.telemetry.poll_request(now)) {
                effects.push(&request);
                ports.outbox.push(request);
            } else if let Some(notice) = self.poll_notice() {
                effects.notice();
                // The port counts what it drops.
                let _ = ports.notices.push(notice);
            } else {
                return effects;
            }
        }
    }
}
