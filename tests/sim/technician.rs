//! The technician, who overrides outputs now and then, for seconds or for days, and sometimes clears an override.
//!
//! Deliberately absent: the expected effect (the oracle's).

use crate::presets::secs;
use crate::rng::Rng;
use crate::world::{Event, World};
use core::time::Duration;
use twind::control::{OutputKind, OutputSpec};
use twind::engine::{Input, Setting};
use twind::twin::{Author, ClockSanity, Machine, TwinRecord};
use twind::units::{BootId, Permille, UnixSeconds};

/// How long overrides last: a test, a repair, a night, and the longest that is allowed.
const LASTS: &[(Duration, Duration)] = &[
    (secs(1), secs(30)),
    (secs(60), secs(900)),
    (secs(60), secs(900)),
    (secs(3600), secs(4 * 3600)),
    (secs(7 * 24 * 3600), secs(7 * 24 * 3600)),
];

pub(crate) struct Technician {
    rng: Rng,
    every: Duration,
}

/// An output, the share and the duration; `None` clears the override.
pub(crate) type Act = (usize, Option<(u16, Duration)>);

impl Technician {
    /// In half of the runs there is no technician.
    pub(crate) fn new(mut rng: Rng, rarer: u32) -> Option<Self> {
        let every = rarer * *rng.pick(&[secs(300), secs(900), secs(2700)]);
        rng.chance(500).then_some(Self { rng, every })
    }

    pub(crate) fn wait(&mut self) -> Duration {
        self.rng.wait(self.every)
    }

    pub(crate) fn act(&mut self, outputs: &[OutputSpec]) -> Act {
        let output = self.rng.below(outputs.len() as u64) as usize;
        if self.rng.chance(200) {
            return (output, None);
        }
        let share = match outputs[output].kind {
            OutputKind::OnOff => *self.rng.pick(&[0, 1000]),
            OutputKind::Pwm => *self.rng.pick(&[0, 0, 50, 400, 733, 1000]),
        };
        let lasts = *self.rng.pick(LASTS);
        (output, Some((share, self.rng.between(lasts))))
    }
}

impl World {
    pub(crate) fn plan_technician(&mut self) {
        if let Some(wait) = self.technician.as_mut().map(Technician::wait) {
            self.plan(self.now + wait, Event::Technician);
        }
    }

    pub(crate) fn technician_acts(&mut self) -> Result<(), String> {
        self.plan_technician();
        let Some(technician) = self.technician.as_mut().filter(|_| !self.calm) else { return Ok(()) };
        let (output, order) = technician.act(&self.site.spec.outputs);
        let Some(engine) = &self.engine else { return Ok(()) };
        let name = self.site.spec.outputs[output].name.clone();
        self.trace.say(self.now, || format!("technician: {name} {order:?}"));
        let ordered = order.map(|(share, lasts)| (Setting::Drive(Permille::saturating_const(share)), lasts));
        self.oracle.handle_override(self.now, output, order);
        match engine.order(&name, ordered, Author::User(1000)) {
            Ok(order) => self.input(Input::Override(order)),
            Err(fault) => Err(format!("an override is refused: {fault}")),
        }
    }

    /// What a process that starts knows of its machine, as it has it from `service::SystemClock`.
    pub(crate) fn machine(&self, record: Option<&TwinRecord>) -> Machine {
        self.machine_at(record.map_or(UnixSeconds(0), |record| record.known_time))
    }

    /// What a process with this known time knows of its machine.
    pub(crate) fn machine_at(&self, known: UnixSeconds) -> Machine {
        let is_believed = ClockSanity::after(known).judge(self.dated()).is_ok();
        Machine { boot: Some(BootId(self.boots)), wall: is_believed.then_some(self.dated()) }
    }
}
