//! The technician, who overrides outputs and climates now and then, for seconds or for days, and sometimes clears an override.
//!
//! Deliberately absent: the expected effect (the oracle's).

use crate::oracle::{Wants, What};
use crate::presets::secs;
use crate::rng::Rng;
use crate::world::{Event, World};
use core::time::Duration;
use twind::control::{ClimateSpec, OutputKind};
use twind::engine::{CoreSpec, Input, Setting};
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

/// What is overridden, by what, and for how long; `None` clears the override.
pub(crate) type Act = (What, Option<(Wants, Duration)>);

impl Technician {
    /// In half of the runs there is no technician.
    pub(crate) fn new(mut rng: Rng, rarer: u32) -> Option<Self> {
        let every = rarer * *rng.pick(&[secs(300), secs(900), secs(2700)]);
        rng.chance(500).then_some(Self { rng, every })
    }

    pub(crate) fn wait(&mut self) -> Duration {
        self.rng.wait(self.every)
    }

    pub(crate) fn act(&mut self, spec: &CoreSpec) -> Act {
        let which = self.rng.below((spec.outputs.len() + spec.climates.len()) as u64) as usize;
        let climate = which.checked_sub(spec.outputs.len());
        let what = climate.map_or(What::Output(which), What::Climate);
        if self.rng.chance(200) {
            return (what, None);
        }
        let wants = match climate.map(|climate| &spec.climates[climate]) {
            Some(climate) => self.range(climate),
            None => Wants::Drive(match spec.outputs[which].kind {
                OutputKind::OnOff => *self.rng.pick(&[0, 1000]),
                OutputKind::Pwm => *self.rng.pick(&[0, 0, 50, 400, 733, 1000]),
            }),
        };
        let lasts = *self.rng.pick(LASTS);
        (what, Some((wants, self.rng.between(lasts))))
    }

    /// A range within the limits, or near the site's own.
    fn range(&mut self, climate: &ClimateSpec) -> Wants {
        let bounds = climate.limits.unwrap_or(climate.range);
        let step = (bounds.max() - bounds.min()) / 16.0;
        let first = self.rng.below(15);
        let last = first + 1 + self.rng.below(15 - first);
        Wants::Range(bounds.min() + step * first as f64, bounds.min() + step * last as f64)
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
        let (what, order) = technician.act(&self.site.spec);
        let Some(engine) = &self.engine else { return Ok(()) };
        let name = match what {
            What::Output(output) => self.site.spec.outputs[output].name.clone(),
            What::Climate(climate) => {
                self.site.spec.climates[climate].name.clone().unwrap_or_else(|| "climate".to_owned())
            }
        };
        self.trace.say(self.now, || format!("technician: {name} {order:?}"));
        let setting = |wants| match wants {
            Wants::Drive(share) => Setting::Drive(Permille::saturating_const(share)),
            Wants::Range(min, max) => Setting::Range { min, max },
        };
        let ordered = order.map(|(wants, lasts)| (setting(wants), lasts));
        self.oracle.handle_override(self.now, what, order);
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
