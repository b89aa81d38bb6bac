//! The one way into the core, and the order in which its effects leave it.
//!
//! An input is handled and everything that follows from it is done before [`Core::handle`] returns: the pins first, the
//! record second, the hub third, then what an operator may want to know. Nothing that is slow stands before a pin, and no
//! second fact can come between a fact and its effects.

use super::journal::Effects;
use super::overrides::Order;
use super::{Core, CoreSpec};
use crate::control::{OutputId, PinFault, Reading};
use crate::ports::Ports;
use crate::twin::{Dated, HubEvent, Machine, TwinRecord};
use crate::units::{BootTime, Permille};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A fact, or a wish of whoever runs this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The deadline of before has come.
    Timeout,
    /// From the hub's session.
    Hub(HubEvent),
    /// A sensor was read. `found` is what was there instead of a value, if that says more than the fault: foreign text.
    Reading {
        /// The reading.
        reading: Reading,
        /// What was found instead of a value.
        found: Option<String>,
    },
    /// How fast an output turns, in turns a minute, or why nobody knows it.
    Speed {
        /// The output.
        output: OutputId,
        /// Turns a minute.
        rpm: Result<f64, PinFault>,
    },
    /// What became of a record: the sequence number that is durable now, or why it is not.
    Saved(Result<u64, String>),
    /// The hub's welcome made this wall time the known one. It counts from the hub's next word on.
    Wall(Dated),
    /// Somebody puts a hand on an output, or takes it away.
    Override(Order),
    /// The disk had a record after all, after the start. It is used only where nothing of the twin is in force yet.
    Stored(Box<TwinRecord>),
    /// Another configuration is in force from now on.
    Reload(Box<Reload>),
    /// The process ends: every output goes to its `stop` row, and what was kept lazily is kept now.
    Stop,
    /// The process ends and another goes on: no output moves, but what was kept lazily is kept now.
    HandOver,
}

/// What a process starts from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The site.
    pub spec: CoreSpec,
    /// What was kept. A record of another identity is not used.
    pub record: Option<TwinRecord>,
    /// The machine: which boot, and what is known of the time.
    pub machine: Machine,
    /// What outputs that are to stay as they are until something decides were found doing.
    pub found: Vec<(OutputId, Permille)>,
    /// The process before this one ended without moving an output: what was found is its last word.
    pub handed_over: bool,
    /// A control step happens at least this often, for a watchdog that is fed by them; never less often than every five
    /// seconds.
    pub step_interval_max: Duration,
}

/// What changes when the configuration was read again. What is not in it goes on as it was: outputs that are on the same
/// wire stay as they are driven, sensors that read the same keep their last values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reload {
    /// The site.
    pub spec: CoreSpec,
    /// The outputs, by name, that are on the same wire as before; what another does is not known.
    pub same_wire: BTreeSet<String>,
    /// The outputs, by name, whose speed is measured.
    pub measured: BTreeSet<String>,
    /// As in [`Start`].
    pub found: Vec<(OutputId, Permille)>,
    /// The session with the hub goes on.
    pub same_hub: bool,
}

/// When the core has something to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When.
    pub at: BootTime,
    /// What.
    pub why: &'static str,
}

impl Core {
    /// Starts: the outputs are driven by what was kept before this returns.
    pub fn start(now: BootTime, start: Start, ports: &mut Ports<'_>) -> Self {
        let mut core = Self::at_start(now, start);
        core.begin_journal(now);
        core.handle(now, Input::Timeout, ports);
        core
    }

    /// Takes an input and does all that follows from it. Returns when [`Input::Timeout`] is due, if nothing comes before.
    pub fn handle(&mut self, now: BootTime, input: Input, ports: &mut Ports<'_>) -> Deadline {
        self.journal.note(now, &input);
        match input {
            Input::Timeout => self.handle_timeout(now),
            Input::Hub(event) => self.handle_hub(now, event),
            Input::Reading { reading, found } => self.handle_reading(now, reading, found),
            Input::Speed { output, rpm } => self.handle_speed(now, output, rpm),
            Input::Saved(outcome) => self.handle_saved(now, outcome),
            Input::Wall(dated) => self.handle_dated(dated),
            Input::Override(order) => self.handle_override(now, order),
            Input::Stored(record) => self.handle_stored(now, *record),
            Input::Reload(reload) => self.handle_reload(now, *reload),
            Input::Stop => self.handle_stop(now),
            Input::HandOver => self.keep_at_the_end(now),
        }
        let effects = self.drain(ports);
        let deadline = self.deadline();
        self.end_journal_entry(effects, deadline);
        deadline
    }

    fn drain(&mut self, ports: &mut Ports<'_>) -> Effects {
        let mut effects = Effects::default();
        loop {
            if let Some(actuation) = self.poll_actuation() {
                let outcome = ports.pins.drive(&actuation);
                effects.drive(&actuation, &outcome);
                self.handle_driven(actuation, outcome);
            } else if let Some(record) = self.poll_record() {
                effects.offer(&record);
                ports.store.offer(record);
            } else if let Some(request) = self.poll_request() {
                effects.push(&request);
                ports.outbox.push(request);
            } else if let Some(notice) = self.poll_notice() {
                effects.notice();
                // Nobody waits for room: whoever drops it counts it.
                let _ = ports.notices.push(notice);
            } else {
                return effects;
            }
        }
    }
}
