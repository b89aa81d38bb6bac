//! The core, composed: one [`Input`] in, every effect out to the [ports](crate::ports) before [`Core::handle`] returns.
//! The only type that the shell drives, and the same one in production, simulation and fuzzing.
//!
//! What it holds together is the order of a desired change: the pin first, the disk second, the hub third. A change
//! moves the outputs in the same step; its acknowledgement goes out when the record that holds it is durable.
//! Deliberately absent: clocks, chance, I/O, logs (notices are data; the service logs them).

mod alarms;
mod carry;
mod decisions;
mod durability;
mod hands;
mod input;
mod methods;
mod silence;
mod speeds;
mod trail;

pub use hands::{OVERRIDE_MAX, OVERRIDE_MIN, Order, OverrideFault};
pub use input::{Deadline, Input, Reload, Start};
pub use trail::CHANGES_MAX;

use crate::control::climate::{Climate, Sensors};
use crate::control::intent::{Meaning, Understanding};
use crate::control::outputs::{Outputs, Situation};
use crate::control::{Actuation, ClimateSpec, OutputId, OutputSpec, PropertyMap, SensorSpec};
use crate::report::alarms::Alarms;
use crate::report::{Acknowledgement, Facts, Notice, ReportSpec, Reporter};
use crate::twin::{DesiredChange, HubEvent, HubRequest, Machine, Sync, SyncPolicy, TwinRecord};
use crate::units::{BootTime, UnixSeconds};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use carry::{Carry, is_start_news, outputs_at_start, place_found, placed};
use core::time::Duration;
use durability::{Ration, Save};
use silence::Hearing;
use trail::Trail;

/// Everything the core must know of its site.
#[derive(Clone, Debug, PartialEq)]
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

/// A control step happens at least this often, so that a watchdog that it feeds means something.
const STEP_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// What only the reported section changed is kept after this; the hub has it anyway.
const LAZY_SAVE: Duration = Duration::from_secs(15 * 60);

/// See the module.
#[derive(Debug)]
pub struct Core {
    spec: CoreSpec,
    sync: Sync,
    sensors: Sensors,
    climate: Option<Climate>,
    outputs: Outputs,
    understanding: Understanding,
    /// What may be told to the hub, and what waits for the disk to be told.
    told: Rc<Acknowledgement>,
    untold: Option<(u64, Rc<Acknowledgement>)>,
    reporter: Reporter,
    sequence: u64,
    known_time: UnixSeconds,
    /// The hub's last word, if there was one.
    heard_at: Option<BootTime>,
    hearing: Hearing,
    save: Save,
    ration: Ration,
    /// Since when there is no connection.
    offline_since: Option<BootTime>,
    stepped_at: Option<BootTime>,
    steps: u64,
    actuations: VecDeque<Actuation>,
    pin_faults: BTreeMap<usize, String>,
    /// What an operator heard of outputs that can be driven.
    told_faults: BTreeMap<usize, String>,
    step_interval_max: Duration,
    store_fault: Option<String>,
    alarms: Alarms,
    /// What the last report had to leave out.
    left_out: Option<String>,
    notices: VecDeque<Notice>,
    answers: VecDeque<HubRequest>,
    machine: Machine,
    /// When the last record was made, in this boot.
    recorded_at: BootTime,
    trail: Trail,
}

impl Core {
    /// Starts from what was kept. A record of another identity is not used.
    fn new(now: BootTime, spec: CoreSpec, record: Option<TwinRecord>, carry: Carry) -> Self {
        let sequence = record.as_ref().map_or(0, |record| record.sequence);
        let known_time = record.as_ref().map_or(UnixSeconds(0), |record| record.known_time);
        let mut outputs = outputs_at_start(now, &spec.outputs, record.as_ref(), &carry);
        let of_this_boot = record.as_ref().filter(|record| carry.machine.is_of(&record.moment));
        let recorded_at = of_this_boot.map_or(now, |record| record.moment.at);
        let is_news = is_start_news(&outputs, record.as_ref(), &carry);
        let record = record.filter(|record| record.identity == spec.identity).unwrap_or_default();
        let is_news = is_news || carry.starts && silence::is_start_news(&spec.outputs, &record);
        let hearing = carry.hearing.unwrap_or_else(|| Hearing::at_start(now, &spec, &record, &carry.machine));
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
        let mut sensors = Sensors::new(now, spec.sensors.clone());
        carry.sensors.into_iter().for_each(|(before, state)| sensors.adopt(&before, state));
        carry.outputs.into_iter().for_each(|(name, state)| outputs.adopt(&name, state));
        place_found(now, &mut outputs, &carry.found, carry.handed_over);
        let mut climate = spec.climate.clone().map(Climate::new);
        if let Some(climate) = &mut climate {
            let drives = outputs.iter().enumerate();
            drives.for_each(|(index, (_, state))| climate.adopt(OutputId(index), state.drive));
            carry.regime.into_iter().for_each(|regime| climate.adopt_regime(regime));
        }
        let sync = Sync::new(record.desired, record.desired_version, record.reported, spec.sync);
        Self {
            sync: sync.after_rid(carry.last_rid),
            sensors,
            climate,
            outputs,
            understanding,
            // What is not durable yet is not told yet either.
            untold: carry.told.is_some().then(|| (u64::MAX, told.clone())),
            save: if carry.told.is_some() || is_news { Save::Now } else { Save::Clean },
            told: carry.told.unwrap_or(told),
            ration: carry.ration,
            reporter,
            sequence,
            known_time,
            heard_at: carry.heard_at,
            hearing,
            offline_since: Some(carry.offline_since.unwrap_or(now)),
            stepped_at: None,
            steps: 0,
            actuations: VecDeque::new(),
            pin_faults: placed(&spec.outputs, carry.pin_faults),
            told_faults: placed(&spec.outputs, carry.told_faults),
            step_interval_max: carry
                .step_interval_max
                .map_or(STEP_INTERVAL_MAX, |interval| interval.min(STEP_INTERVAL_MAX)),
            alarms: carry.alarms,
            store_fault: carry.store_fault,
            left_out: None,
            notices: VecDeque::new(),
            answers: VecDeque::new(),
            machine: carry.machine,
            recorded_at,
            trail: carry.trail.of(&spec.outputs),
            spec,
        }
    }

    /// Takes a fact from the hub's session.
    fn handle_hub(&mut self, now: BootTime, event: HubEvent) {
        match event {
            HubEvent::Up => self.offline_since = None,
            HubEvent::Down => self.offline_since = Some(self.offline_since.unwrap_or(now)),
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
        if self.save != Save::Granted {
            return None;
        }
        self.save = Save::Clean;
        self.sequence += 1;
        if let Some((sequence, _)) = &mut self.untold {
            *sequence = self.sequence;
        }
        self.recorded_at = self.stepped_at.unwrap_or(self.recorded_at);
        let record = self.record();
        self.hearing.kept = record.silence;
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
        let others =
            [self.sync.poll_timeout(), self.silence_due(), self.save_due(), report].into_iter().flatten();
        let (at, why) = others.fold(self.step_due(), Ord::min);
        Deadline { at, why }
    }

    /// How many control steps there were: what feeds the watchdog.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The twin's state machine.
    pub fn sync(&self) -> &Sync {
        &self.sync
    }

    /// Since when there is no connection to the hub; `None` while there is one.
    pub fn offline_since(&self) -> Option<BootTime> {
        self.offline_since
    }

    /// Are there outputs that could not be driven as they should be?
    pub fn has_pin_faults(&self) -> bool {
        !self.pin_faults.is_empty()
    }

    /// The outputs.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The climate, if the site has one.
    pub fn climate(&self) -> Option<&Climate> {
        self.climate.as_ref()
    }

    /// The record as it would be kept now.
    pub fn record(&self) -> TwinRecord {
        self.keep_beside(TwinRecord {
            sequence: self.sequence,
            identity: self.spec.identity.clone(),
            desired: self.sync.desired().clone(),
            desired_version: self.sync.desired_version(),
            accepted: self.understanding.accepted.clone(),
            reported: self.sync.acknowledged().clone(),
            known_time: self.known_time,
            ..TwinRecord::default()
        })
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
            self.outputs.poll_timeout(stepped_at, self.hearing.silence).map(|at| (at, "an output moves on")),
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
            silence: self.hearing.silence,
        };
        self.actuations.extend(self.outputs.step(now, situation));
        self.tell_decisions(now);
        self.tell_speeds();
    }

    /// Draws the consequences of whatever was handled.
    fn absorb(&mut self, now: BootTime) {
        if self.sync.poll_acknowledged_change() && self.save == Save::Clean {
            self.save = Save::At(now + LAZY_SAVE);
        }
        self.keep_overrides(now);
        self.raise_alarms(now);
        self.sync.set_hold(self.untold.is_some() && self.store_fault.is_none());
        let facts = Facts {
            sensors: &self.sensors,
            outputs: &self.outputs,
            pin_faults: &self.pin_faults,
            climate: self.climate.as_ref(),
            store_fault: self.store_fault.as_deref(),
            alarms: &self.alarms,
        };
        if let Some(wanted) = self.reporter.compose(now, &self.told, facts) {
            if self.left_out != wanted.left_out {
                self.notices.extend(wanted.left_out.clone().map(Notice::ReportCut));
                self.left_out = wanted.left_out;
            }
            if !wanted.again.is_empty() {
                self.sync.touch(wanted.again);
            }
            self.sync.set_reported(wanted.section);
        }
        self.sync.report(now);
        while let Some(notice) = self.sync.poll_notice() {
            self.notices.push_back(Notice::Sync(notice));
        }
        self.grant(now);
    }

    /// A new desired section: the outputs follow at once, the disk is next, the hub hears of it when it is durable.
    fn take(&mut self, now: BootTime, change: DesiredChange, fetched: bool) {
        // A fetched twin that acknowledges another version than we told is perhaps that of an identity made anew, which
        // overtook the old one's version. What was told to one that is gone says nothing to this one, whatever the disk
        // does; if only our last word was lost, the next one comes when the disk has this change.
        let acknowledged = Acknowledgement::version_in(self.sync.acknowledged());
        if change.recreated || fetched && acknowledged != self.told.version {
            self.told = Rc::default();
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
        self.save.want();
        let told = Rc::new(Acknowledgement { version, desired, understanding });
        // Its sequence number is given when the record is drawn.
        self.untold = Some((u64::MAX, told));
        self.step(now);
    }
}

#[cfg(test)]
mod tests;
