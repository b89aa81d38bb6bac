//! The core, composed: one [`Input`] in, every effect out to the [ports](crate::ports) before [`Core::handle`] returns.
//! The only type that the shell drives, and the same one in production, simulation and fuzzing.
//!
//! What it holds together is the order of a desired change: the pin first, the disk second, the hub third. A change
//! moves the outputs in the same step; its acknowledgement goes out when the record that holds it is durable.
//! Deliberately absent: clocks, chance, I/O, logs (notices are data; the service logs them).

mod alarms;
mod carry;
mod checkpoint;
mod decisions;
mod durability;
mod health;
mod history;
mod input;
mod journal;
mod methods;
mod overrides;
mod replay;
mod silence;
mod speeds;

pub use history::CHANGES_MAX;
pub use input::{Deadline, Input, Reload, Start};
pub use journal::ReplayFault;
pub use overrides::{OVERRIDE_MAX, OVERRIDE_MIN, Order, OverrideFault};
pub use replay::{Replay, Step};

use crate::control::climate::{Climate, Sensors};
use crate::control::demand::Situation;
use crate::control::intent::{Meaning, Understanding};
use crate::control::outputs::Outputs;
use crate::control::{Actuation, ClimateSpec, OutputId, OutputSpec, PropertyMap, SensorSpec};
use crate::report::{Acknowledgement, Notice, ReportSpec, Reporter};
use crate::twin::{DesiredChange, HubEvent, HubRequest, SyncPolicy, TwinRecord, TwinSync};
use crate::units::{BootTime, UnixSeconds};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use carry::{Carry, KnownContact, adopt_outputs, is_start_news, outputs_at_start, place_found};
use core::time::Duration;
use durability::Durability;
use health::Health;
use history::History;
use journal::Journal;
use overrides::Overrides;
use serde::{Deserialize, Serialize};
use silence::Contact;

/// Everything the core must know of its site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreSpec {
    /// The outputs; [`crate::control::OutputId`] counts them.
    pub outputs: Vec<OutputSpec>,
    /// The sensors; [`crate::control::SensorId`] counts them.
    pub sensors: Vec<SensorSpec>,
    /// The climate, if the site has one.
    pub climate: Option<ClimateSpec>,
    /// Which desired properties mean what.
    pub properties: PropertyMap,
    /// What to report.
    pub report: ReportSpec,
    /// How patient to be with the hub.
    pub sync: SyncPolicy,
    /// Whose twin this is (`host/device`): a record of another is not used.
    pub identity: String,
}

impl CoreSpec {
    /// One of the outputs.
    pub fn output(&self, output: OutputId) -> Option<&OutputSpec> {
        self.outputs.get(output.0)
    }

    /// The output of this name.
    pub fn output_named(&self, name: &str) -> Option<OutputId> {
        self.outputs.iter().position(|spec| spec.name == name).map(OutputId)
    }
}

/// A control step happens at least this often, so that a watchdog that it feeds means something.
const STEP_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// What only the reported section changed is kept after this; the hub has it anyway.
const LAZY_SAVE: Duration = Duration::from_secs(15 * 60);

/// See the module.
#[derive(Debug)]
pub struct Core {
    spec: CoreSpec,
    sync: TwinSync,
    sensors: Sensors,
    climate: Option<Climate>,
    outputs: Outputs,
    overrides: Overrides,
    understanding: Understanding,
    reporter: Reporter,
    durability: Durability,
    contact: Contact,
    health: Health,
    history: History,
    stepped_at: Option<BootTime>,
    steps: u64,
    actuations: VecDeque<Actuation>,
    step_interval_max: Duration,
    notices: VecDeque<Notice>,
    answers: VecDeque<HubRequest>,
    journal: Journal,
}

impl Core {
    /// Starts from what was kept. A record of another identity is not used.
    fn new(now: BootTime, spec: CoreSpec, record: Option<TwinRecord>, carry: Carry) -> Self {
        let machine = carry.contact.machine();
        let sequence = record.as_ref().map_or(0, |record| record.sequence);
        let known_time = record.as_ref().map_or(UnixSeconds(0), |record| record.known_time);
        let resumed = |record| Overrides::resume(now, &spec.outputs, record, &machine);
        let mut overrides = record.as_ref().map(resumed).unwrap_or_default();
        let mut outputs = outputs_at_start(now, &spec.outputs, record.as_ref(), &carry);
        let of_this_boot = record.as_ref().filter(|record| machine.is_of(&record.moment));
        let recorded_at = of_this_boot.map_or(now, |record| record.moment.at);
        let is_news = is_start_news(&spec.outputs, &overrides, record.as_ref(), &carry);
        let record = record.filter(|record| record.identity == spec.identity).unwrap_or_default();
        let is_news = is_news || carry.starts && silence::is_start_news(&spec.outputs, &record);
        let mut contact = match carry.contact {
            KnownContact::Recorded(machine) => Contact::at_start(now, &spec, &record, known_time, machine),
            KnownContact::Carried(contact) => contact,
        };
        contact.offline_since = contact.offline_since.or(Some(now));
        let meaning =
            Meaning { properties: &spec.properties, outputs: &spec.outputs, climate: spec.climate.as_ref() };
        let before = meaning.recall(&record.accepted, record.desired_version);
        let understanding = meaning.read(&record.desired, record.desired_version, &before);
        let reporter = Reporter::new(spec.report.clone(), spec.properties.clone(), meaning.mapped());
        let told = Rc::new(Acknowledgement {
            version: record.desired_version,
            desired: record.desired.clone(),
            understanding: understanding.clone(),
        });
        let durability = match carry.durability {
            None => Durability::at_start(told, sequence, recorded_at, is_news),
            Some(before) => before.succeed(told, sequence),
        };
        let mut sensors = Sensors::new(now, spec.sensors.clone());
        carry.sensors.into_iter().for_each(|(before, state)| sensors.adopt(&before, state));
        adopt_outputs(&spec, &mut outputs, &mut overrides, carry.outputs);
        place_found(now, &mut outputs, &carry.found, carry.handed_over);
        let mut climate = spec.climate.clone().map(Climate::new);
        if let Some(climate) = &mut climate {
            outputs.iter().for_each(|(output, _, state)| climate.adopt(output, state.drive));
            carry.regime.into_iter().for_each(|regime| climate.adopt_regime(regime));
        }
        let sync = TwinSync::new(record.desired, record.desired_version, record.reported, spec.sync);
        Self {
            sync: sync.after_rid(carry.last_rid),
            sensors,
            climate,
            outputs,
            overrides,
            understanding,
            reporter,
            durability,
            contact,
            health: carry.health,
            history: carry.history.of(&spec.outputs),
            stepped_at: None,
            steps: 0,
            actuations: VecDeque::new(),
            step_interval_max: carry
                .step_interval_max
                .map_or(STEP_INTERVAL_MAX, |interval| interval.min(STEP_INTERVAL_MAX)),
            notices: VecDeque::new(),
            answers: VecDeque::new(),
            journal: Journal::default(),
            spec,
        }
    }

    /// Takes a fact from the hub's session.
    fn handle_hub(&mut self, now: BootTime, event: HubEvent) {
        match event {
            HubEvent::Up => self.contact.offline_since = None,
            HubEvent::Down => self.contact.offline_since = self.contact.offline_since.or(Some(now)),
            _ => {}
        }
        let turned = silence::is_word(&event) && self.hear(now);
        let fetched = matches!(event, HubEvent::Twin { .. });
        match event {
            HubEvent::Method { rid, name, argument } => self.call(now, rid, &name, &argument),
            event => self.sync.handle_hub(now, event),
        }
        if let Some(change) = self.sync.poll_desired_change() {
            self.take(now, change, fetched);
        }
        if turned {
            self.step(now);
        }
        self.absorb(now);
    }

    /// Does what is due.
    fn handle_timeout(&mut self, now: BootTime) {
        self.sync.handle_timeout(now);
        self.break_silence(now);
        if self.step_due().0 <= now {
            self.step(now);
        }
        self.absorb(now);
    }

    /// From now on every output follows its `stop` row, and what was kept lazily is kept now.
    fn handle_stop(&mut self, now: BootTime) {
        self.outputs.stop();
        self.keep_at_the_end(now);
        self.step(now);
        self.absorb(now);
    }

    /// The next record to keep.
    fn poll_record(&mut self) -> Option<TwinRecord> {
        if !self.durability.draw(self.recorded_or_stepped_at()) {
            return None;
        }
        let record = self.record();
        self.contact.kept = record.silence;
        Some(record)
    }

    /// The next order to the board.
    fn poll_actuation(&mut self) -> Option<Actuation> {
        self.actuations.pop_front()
    }

    /// The next request for the hub.
    fn poll_request(&mut self) -> Option<HubRequest> {
        self.answers.pop_front().or_else(|| self.sync.poll_request())
    }

    /// The next thing an operator may want to know of.
    fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When [`Input::Timeout`] is due, if nothing comes before, and why. There is always a next control step.
    pub fn deadline(&self) -> Deadline {
        // Offline it may wait for the next control step, and one that waits for the hub has its deadline with the sync.
        let report = self.sync.is_synced().then(|| (self.reporter.poll_timeout(), "report"));
        let others = [self.sync.poll_timeout(), self.silence_due(), self.durability.poll_timeout(), report]
            .into_iter()
            .flatten();
        let (at, why) = others.fold(self.step_due(), Ord::min);
        Deadline { at, why }
    }

    /// How many control steps there were: what feeds the watchdog.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The twin's state machine.
    pub fn sync(&self) -> &TwinSync {
        &self.sync
    }

    /// Since when there is no connection to the hub; `None` while there is one.
    pub fn offline_since(&self) -> Option<BootTime> {
        self.contact.offline_since
    }

    /// Are there outputs that could not be driven as they should be?
    pub fn has_pin_faults(&self) -> bool {
        self.health.has_pin_faults()
    }

    /// The outputs.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The climate, if the site has one.
    pub fn climate(&self) -> Option<&Climate> {
        self.climate.as_ref()
    }

    /// The moment of what a record tells.
    fn recorded_or_stepped_at(&self) -> BootTime {
        self.stepped_at.unwrap_or(self.durability.recorded_at())
    }

    /// The record as it would be stored now.
    pub fn record(&self) -> TwinRecord {
        let at = self.recorded_or_stepped_at();
        TwinRecord {
            sequence: self.durability.sequence(),
            identity: self.spec.identity.clone(),
            desired: self.sync.desired().clone(),
            desired_version: self.sync.desired_version(),
            accepted: self.understanding.accepted.clone(),
            reported: self.sync.acknowledged().clone(),
            known_time: self.contact.known_time,
            silence: self.silence_at(at),
            moment: self.contact.machine.moment(at),
            overrides: self.overrides.recorded(&self.spec),
        }
    }

    fn meaning(&self) -> Meaning<'_> {
        Meaning {
            properties: &self.spec.properties,
            outputs: &self.spec.outputs,
            climate: self.spec.climate.as_ref(),
        }
    }

    fn step_due(&self) -> (BootTime, &'static str) {
        let Some(stepped_at) = self.stepped_at else { return (BootTime::ZERO, "first control step") };
        let regular = stepped_at + self.step_interval_max;
        let earlier = [
            self.sensors.poll_timeout(stepped_at).map(|at| (at, "a sensor falls silent")),
            self.outputs.poll_timeout(stepped_at, self.contact.silence).map(|at| (at, "an output moves on")),
            self.overrides.poll_timeout(stepped_at).map(|at| (at, "an output moves on")),
        ];
        earlier.into_iter().flatten().fold((regular, "control step"), Ord::min)
    }

    fn step(&mut self, now: BootTime) {
        self.stepped_at = Some(now);
        self.steps += 1;
        self.end_overrides(now);
        let fans = self.meaning().fans();
        if let Some(climate) = &mut self.climate {
            let before = climate.regime();
            let range = self.understanding.intent.range.map(|range| range.value);
            climate.step(now, &self.sensors, self.outputs.specs(), range);
            let regime = climate.regime();
            if regime != before {
                let lost = self.lost_sensors(now, regime);
                self.notices.push_back(Notice::Regime { before, regime, lost });
            }
        }
        let situation = Situation {
            intent: &self.understanding.intent,
            fans: &fans,
            climate: self.climate.as_ref(),
            silence: self.contact.silence,
            overrides: self.overrides.in_force(),
        };
        self.actuations.extend(self.outputs.step(now, situation));
        self.tell_decisions(now);
        self.tell_speeds();
    }

    /// Draws the consequences of whatever was handled.
    fn absorb(&mut self, now: BootTime) {
        if self.sync.poll_acknowledged_change() {
            self.durability.want_by_if_clean(now, now + LAZY_SAVE);
        }
        self.renew_overrides(now);
        self.raise_alarms(now);
        self.sync.set_hold(self.durability.holds_reports());
        let Self { sensors, outputs, overrides, climate, health, durability, .. } = self;
        let facts = alarms::facts(sensors, outputs, overrides, climate.as_ref(), health, durability);
        if let Some(wanted) = self.reporter.compose(now, durability.told(), facts) {
            self.notices.extend(self.health.handle_left_out(wanted.left_out));
            if !wanted.again.is_empty() {
                self.sync.touch(wanted.again);
            }
            self.sync.set_reported(wanted.section);
        }
        self.sync.report(now);
        while let Some(notice) = self.sync.poll_notice() {
            self.notices.push_back(Notice::Sync(notice));
        }
        self.durability.grant(now);
    }

    /// A new desired section: the outputs follow at once, the disk is next, the hub hears of it when it is durable.
    fn take(&mut self, now: BootTime, change: DesiredChange, fetched: bool) {
        // A fetched twin that acknowledges another version than we told is perhaps that of an identity made anew, which
        // overtook the old one's version. What was told to one that is gone says nothing to this one, whatever the disk
        // does; if only our last word was lost, the next one comes when the disk has this change.
        let acknowledged = Acknowledgement::version_in(self.sync.acknowledged());
        if change.recreated || fetched && acknowledged != self.durability.told_version() {
            self.durability.forget_told();
        }
        self.notices.push_back(Notice::Desired(change));
        self.understand(now);
    }

    fn understand(&mut self, now: BootTime) {
        let (desired, version) = (self.sync.desired().clone(), self.sync.desired_version());
        let understanding = self.meaning().read(&desired, version, &self.understanding);
        for refusal in understanding.refusals.iter().filter(|new| !self.understanding.refusals.contains(new))
        {
            let (property, reason) = (refusal.property.to_string(), refusal.reason.clone());
            self.notices.push_back(Notice::Refused { property, reason });
        }
        self.understanding = understanding.clone();
        self.durability.acknowledge(Rc::new(Acknowledgement { version, desired, understanding }));
        self.step(now);
    }
}

#[cfg(test)]
mod tests;
