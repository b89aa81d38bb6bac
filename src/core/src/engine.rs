//! The core: one [`Input`] in, every effect out to the [ports](crate::ports) before [`Core::handle`] returns. It composes the
//! other modules, and is the only type that the daemon, the simulation and the fuzzer drive.
//!
//! It ensures the order of a desired change: the pin first, the disk second, the hub third. The outputs follow a change in
//! the same step; its acknowledgement is reported when the record that holds it is durable.

mod alarms;
mod carry;
mod decisions;
mod durability;
mod health;
mod history;
mod input;
mod journal;
mod methods;
mod overrides;
mod ranges;
mod replay;
mod silence;
mod speeds;
mod telemetry;
mod trend;

pub use history::CHANGES_MAX;
pub use input::{Deadline, Input, Reload, Start};
pub use journal::ReplayFault;
pub use overrides::{OVERRIDE_MAX, OVERRIDE_MIN, Order, OverrideFault, Setting};
pub use replay::{Replay, Step};

use crate::control::climate::Regime;
use crate::control::climates::{Climates, Conditions};
use crate::control::demand::Situation;
use crate::control::intent::{Meaning, Refusal, Understanding};
use crate::control::outputs::Outputs;
use crate::control::schedule::Zone;
use crate::control::sensors::Sensors;
use crate::control::{Actuation, ClimateId, ClimateSpec, OutputId, OutputSpec, PropertyMap, SensorSpec};
use crate::report::{Acknowledgement, Notice, ReportSpec, Reporter};
use crate::telemetry::{Telemetry, TelemetrySpec};
use crate::twin::{DesiredChange, HubEvent, HubRequest, SyncPolicy, TwinRecord, TwinSync};
use crate::units::{BootTime, UnixSeconds};
use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use carry::{Carry, KnownContact, adopt_outputs, must_record_start, outputs_at_start, set_found};
use core::time::Duration;
use durability::Durability;
use health::Health;
use history::History;
use journal::Journal;
use overrides::Overrides;
use serde::{Deserialize, Serialize};
use silence::Contact;
use trend::Samples;

/// The configuration of the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreSpec {
    /// The outputs; an [`OutputId`] is an index into them.
    pub outputs: Vec<OutputSpec>,
    /// The sensors; a [`SensorId`](crate::control::SensorId) is an index into them.
    pub sensors: Vec<SensorSpec>,
    /// The climates; a [`ClimateId`] is an index into them.
    pub climates: Vec<ClimateSpec>,
    /// The time zones of their schedules; a [`ZoneId`](crate::control::ZoneId) is an index into them.
    pub zones: Vec<Zone>,
    /// Which desired properties mean what.
    pub properties: PropertyMap,
    /// What to report, and how often.
    pub report: ReportSpec,
    /// What is measured and decided, as messages; `None` if nothing of it is sent.
    pub telemetry: Option<TelemetrySpec>,
    /// The timing of requests to the hub.
    pub sync: SyncPolicy,
    /// Whose twin this is (`host/device`). The twin in a record of another identity is not used.
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

    /// The climate of this name; `climate` is the one without a name.
    pub fn climate_named(&self, name: &str) -> Option<(ClimateId, &ClimateSpec)> {
        let mut climates = self.climates.iter().enumerate();
        let (index, spec) = climates.find(|(_, spec)| spec.label() == name)?;
        Some((ClimateId(index), spec))
    }
}

/// A control step happens at least this often, so that the watchdog that it feeds proves that control goes on.
const STEP_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// A change of the acknowledged reported section alone is recorded after this; the hub has it anyway.
const LAZY_SAVE: Duration = Duration::from_secs(15 * 60);

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub struct Core {
    spec: CoreSpec,
    sync: TwinSync,
    sensors: Sensors,
    climates: Climates,
    outputs: Outputs,
    overrides: Overrides,
    understanding: Understanding,
    reporter: Reporter,
    durability: Durability,
    contact: Contact,
    health: Health,
    history: History,
    telemetry: Telemetry,
    stepped_at: Option<BootTime>,
    steps: u64,
    #[serde(skip)]
    actuations: VecDeque<Actuation>,
    step_interval_max: Duration,
    #[serde(skip)]
    notices: VecDeque<Notice>,
    #[serde(skip)]
    answers: VecDeque<HubRequest>,
    #[serde(skip)]
    journal: Journal,
    #[serde(skip)]
    trend: Samples,
}

impl Core {
    /// Starts from a record and from what is carried over. The twin in a record of another identity is not used.
    fn new(now: BootTime, spec: CoreSpec, record: Option<TwinRecord>, carry: Carry) -> Self {
        let machine = carry.contact.machine();
        let sequence = record.as_ref().map_or(0, |record| record.sequence);
        let known_time = record.as_ref().map_or(UnixSeconds(0), |record| record.known_time);
        let resumed = |record| Overrides::resume(now, &spec, record, &machine);
        let mut overrides = record.as_ref().map(resumed).unwrap_or_default();
        let mut outputs = outputs_at_start(now, &spec.outputs, record.as_ref(), &carry);
        let of_this_boot = record.as_ref().filter(|record| machine.is_of(&record.moment));
        let stored_at = of_this_boot.map(|record| record.moment.at);
        let recorded_at = stored_at.unwrap_or(now);
        let must_record = must_record_start(&spec.outputs, &overrides, record.as_ref(), &carry);
        let record = record.filter(|record| record.identity == spec.identity).unwrap_or_default();
        let must_record = must_record || carry.starts && silence::must_record_start(&spec.outputs, &record);
        let mut contact = match carry.contact {
            KnownContact::Recorded(machine) => Contact::at_start(now, &spec, &record, known_time, machine),
            KnownContact::Carried(contact) => contact,
        };
        contact.offline_since = contact.offline_since.or(Some(now));
        let meaning =
            Meaning { properties: &spec.properties, outputs: &spec.outputs, climates: &spec.climates };
        let before = meaning.recall(&record.accepted, record.desired_version);
        let understanding = meaning.read(&record.desired, record.desired_version, &before);
        let reporter = Reporter::new(spec.report.clone(), spec.properties.clone(), meaning.mapped());
        let acknowledgement = Rc::new(Acknowledgement {
            version: record.desired_version,
            desired: record.desired.clone(),
            understanding: understanding.clone(),
        });
        let durability = match carry.durability {
            None => Durability::at_start(acknowledgement, sequence, recorded_at, stored_at, must_record),
            Some(before) => before.succeed(acknowledgement, sequence),
        };
        let mut sensors = Sensors::new(now, spec.sensors.clone());
        carry.sensors.into_iter().for_each(|(before, state)| sensors.adopt(&before, state));
        adopt_outputs(&spec, &mut outputs, &mut overrides, carry.outputs);
        carry.ranges.into_iter().for_each(|(name, one)| overrides.put_range(&spec, &name, one));
        set_found(now, &mut outputs, &carry.found, carry.handed_over);
        let mut climates = Climates::new(spec.climates.iter().cloned());
        for climate in climates.iter_mut() {
            outputs.iter().for_each(|(output, _, state)| climate.adopt(output, state.drive));
            let regime = carry.regimes.iter().find(|(name, _)| *name == climate.spec().name);
            regime.into_iter().for_each(|(_, regime)| climate.adopt_regime(*regime));
            let scheduled = carry.schedules.iter().find(|(name, _)| *name == climate.spec().name);
            scheduled.into_iter().for_each(|(_, scheduled)| climate.adopt_schedule(scheduled.clone()));
        }
        let telemetry = match carry.telemetry {
            None => Telemetry::new(now, machine.boot, &spec.identity, spec.telemetry.clone()),
            Some(before) => before.succeed(now, &spec.identity, spec.telemetry.clone()),
        };
        let sync = TwinSync::new(record.desired, record.desired_version, record.reported, spec.sync);
        Self {
            sync: sync.after_rid(carry.last_rid),
            sensors,
            climates,
            outputs,
            overrides,
            understanding,
            reporter,
            durability,
            contact,
            health: carry.health,
            history: carry.history.of(&spec.outputs),
            telemetry,
            stepped_at: None,
            steps: 0,
            actuations: VecDeque::new(),
            step_interval_max: carry
                .step_interval_max
                .map_or(STEP_INTERVAL_MAX, |interval| interval.min(STEP_INTERVAL_MAX)),
            notices: VecDeque::new(),
            answers: VecDeque::new(),
            journal: Journal::default(),
            trend: Samples::default(),
            spec,
        }
    }

    /// Takes an event from the hub's session.
    fn handle_hub(&mut self, now: BootTime, event: HubEvent) {
        match event {
            HubEvent::Up => {
                self.contact.offline_since = None;
                self.telemetry.handle_up();
            }
            HubEvent::Down => {
                self.contact.offline_since = self.contact.offline_since.or(Some(now));
                self.telemetry.handle_down(now);
            }
            HubEvent::MessageStored { number } => self.telemetry.handle_stored(now, number),
            _ => {}
        }
        let ends_a_row = silence::ends_silence(&event) && self.handle_contact(now);
        let fetched = matches!(event, HubEvent::Twin { .. });
        match event {
            HubEvent::Method { rid, name, argument } => self.call(now, rid, &name, &argument),
            event => self.sync.handle_hub(now, event),
        }
        if let Some(change) = self.sync.poll_desired_change() {
            self.take(now, change, fetched);
        }
        if ends_a_row {
            self.step(now);
        }
        self.absorb(now);
    }

    /// Does what is due.
    fn handle_timeout(&mut self, now: BootTime) {
        self.sync.handle_timeout(now);
        self.handle_silence(now);
        if self.step_due().0 <= now {
            self.step(now);
        }
        self.absorb(now);
    }

    /// From now on every output follows its `stop` row. What is still to be recorded is recorded now.
    fn handle_stop(&mut self, now: BootTime) {
        self.outputs.stop();
        self.record_at_the_end(now);
        self.step(now);
        self.absorb(now);
        self.telemetry.handle_stop();
    }

    /// What is still to be recorded, or is not sent yet, goes to the disk. No output changes.
    fn handle_hand_over(&mut self, now: BootTime) {
        self.record_at_the_end(now);
        self.telemetry.handle_stop();
    }

    /// The next record to store.
    fn poll_record(&mut self) -> Option<TwinRecord> {
        if !self.durability.draw(self.recorded_or_stepped_at()) {
            return None;
        }
        let record = self.record();
        self.contact.recorded = record.silence;
        Some(record)
    }

    /// The next command to the board.
    fn poll_actuation(&mut self) -> Option<Actuation> {
        self.actuations.pop_front()
    }

    /// The next request for the hub that is about the twin.
    fn poll_request(&mut self) -> Option<HubRequest> {
        self.answers.pop_front().or_else(|| self.sync.poll_request())
    }

    /// The next notice.
    fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When [`Input::Timeout`] is due if no other input arrives before, and why. There is always a next control step.
    pub fn deadline(&self) -> Deadline {
        // Offline a report can wait for the next control step, and one in flight has its deadline in `sync`.
        let report = self.sync.is_synced().then(|| (self.reporter.poll_timeout(), "report"));
        let alarm = self.health.alarms.poll_timeout().map(|at| (at, "an alarm ends"));
        let (saving, telemetry) = (self.durability.poll_timeout(), self.telemetry.poll_timeout());
        let others = [self.sync.poll_timeout(), self.silence_due(), saving, report, alarm, telemetry];
        let (at, why) = others.into_iter().flatten().fold(self.step_due(), Ord::min);
        Deadline { at, why }
    }

    /// The number of control steps so far, which feed the watchdog.
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

    /// Are there outputs that cannot be driven?
    pub fn has_pin_faults(&self) -> bool {
        self.health.has_pin_faults()
    }

    /// The wall-clock time, by the last input that had it; `None` if it cannot be believed.
    pub fn wall(&self, now: BootTime) -> Option<UnixSeconds> {
        let (shown, at) = self.contact.clock?;
        Some(UnixSeconds(shown.0.saturating_add(now.since(at).as_secs())))
    }

    /// The outputs.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The climates.
    pub fn climates(&self) -> &Climates {
        &self.climates
    }

    /// The moment that a record describes.
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
            range_overrides: self.overrides.recorded_ranges(&self.spec),
        }
    }

    fn meaning(&self) -> Meaning<'_> {
        Meaning {
            properties: &self.spec.properties,
            outputs: &self.spec.outputs,
            climates: &self.spec.climates,
        }
    }

    fn step_due(&self) -> (BootTime, &'static str) {
        let Some(stepped_at) = self.stepped_at else { return (BootTime::ZERO, "first control step") };
        let regular = stepped_at + self.step_interval_max;
        let wall = self.wall(stepped_at);
        let earlier = [
            self.sensors.poll_timeout(stepped_at).map(|at| (at, "a sensor becomes stale")),
            self.outputs.poll_timeout(stepped_at, self.contact.silence).map(|at| (at, "an output changes")),
            self.climates.poll_timeout(stepped_at, wall).map(|at| (at, "a schedule changes")),
            self.overrides.poll_timeout(stepped_at).map(|at| (at, "an override ends")),
        ];
        earlier.into_iter().flatten().fold((regular, "control step"), Ord::min)
    }

    fn step(&mut self, now: BootTime) {
        self.stepped_at = Some(now);
        self.steps += 1;
        self.end_overrides(now);
        let fans = self.meaning().fans();
        let conditions = Conditions {
            sensors: &self.sensors,
            outputs: self.outputs.specs(),
            intent: &self.understanding.intent,
            overrides: self.overrides.ranges_in_force(),
            zones: &self.spec.zones,
            wall: self.wall(now),
        };
        let changes = self.climates.step(now, conditions);
        changes.schedules.into_iter().for_each(|id| self.announce_schedule(id));
        changes.regimes.into_iter().for_each(|(id, before)| self.announce_regime(now, id, before));
        let Self { history, climates, understanding, overrides, .. } = self;
        let overridden_by = |id: ClimateId| overrides.ranges_in_force().get(&id).map(|one| one.by);
        history.ranges.note(now, climates, &understanding.intent, overridden_by);
        let situation = Situation {
            intent: &self.understanding.intent,
            fans: &fans,
            climates: &self.climates,
            silence: self.contact.silence,
            alarms: &self.health.standing,
            overrides: self.overrides.in_force(),
        };
        self.actuations.extend(self.outputs.step(now, situation));
        self.trend.note(now, &self.climates, &self.outputs);
        self.announce_decisions(now);
        self.announce_speeds();
    }

    fn announce_schedule(&mut self, id: ClimateId) {
        let Some(climate) = self.climates.get(id) else { return };
        let ClimateSpec { name, zone, .. } = climate.spec();
        let zone = self.spec.zones.get(zone.0).map_or("", Zone::name).to_owned();
        let (climate, scheduled) = (name.clone(), climate.scheduled().cloned());
        self.notices.push_back(Notice::Scheduled { climate, scheduled, zone });
    }

    fn announce_regime(&mut self, now: BootTime, id: ClimateId, before: Regime) {
        let Some(climate) = self.climates.get(id) else { return };
        self.telemetry.note_climate(now, climate);
        let (regime, ClimateSpec { name, quantity, .. }) = (climate.regime(), climate.spec().clone());
        self.notices.push_back(Notice::Regime { climate: name, quantity, before, regime });
    }

    /// Updates what depends on everything else: the next record, the alarms and the report.
    fn absorb(&mut self, now: BootTime) {
        if self.sync.poll_acknowledged_change() {
            self.durability.want_by_if_clean(now, now + LAZY_SAVE);
        }
        self.renew_overrides(now);
        if self.raise_alarms(now) {
            // A siren does not wait for the next regular step.
            self.step(now);
        }
        self.sync.set_hold(self.durability.holds_reports());
        let Self { sensors, outputs, overrides, climates, health, durability, telemetry, .. } = self;
        let facts =
            alarms::facts(sensors, outputs, overrides, climates, health, (durability, telemetry.fault()));
        if let Some(wanted) = self.reporter.compose(now, durability.acknowledgement(), facts) {
            self.notices.extend(self.health.handle_left_out(wanted.left_out));
            if !wanted.again.is_empty() {
                self.sync.touch(wanted.again);
            }
            self.sync.set_reported(wanted.section);
        }
        self.send_telemetry(now);
        self.sync.report(now);
        while let Some(notice) = self.sync.poll_notice() {
            self.notices.push_back(Notice::Sync(notice));
        }
        self.durability.grant(now);
    }

    /// Follows a new desired section: the outputs at once, then the disk, and the hub when the record is durable.
    fn take(&mut self, now: BootTime, change: DesiredChange, fetched: bool) {
        // A fetched twin that acknowledges another version than we reported may belong to an identity that was created
        // again and has passed the old one's version. It must not get the acknowledgement of the old one, whatever the disk
        // does. If merely our last report was lost, the next one follows when the disk has this change.
        let acknowledged = Acknowledgement::version_in(self.sync.acknowledged());
        if change.recreated || fetched && acknowledged != self.durability.acknowledged_version() {
            self.durability.forget_acknowledgement();
        }
        self.notices.push_back(Notice::Desired(change));
        self.understand(now);
    }

    fn understand(&mut self, now: BootTime) {
        let (desired, version) = (self.sync.desired().clone(), self.sync.desired_version());
        let understanding = self.meaning().read(&desired, version, &self.understanding);
        self.climates.forget_schedules();
        let before = core::mem::replace(&mut self.understanding, understanding.clone());
        self.announce_refusals(&before.refusals);
        self.durability.acknowledge(Rc::new(Acknowledgement { version, desired, understanding }));
        self.step(now);
    }

    /// Announces the refusals that are none of these. After a start or a reload each has the version of the copy.
    fn announce_refusals(&mut self, before: &[Refusal]) {
        let is_same = |a: &Refusal, b: &Refusal| {
            (&a.property, &a.value, &a.reason) == (&b.property, &b.value, &b.reason)
        };
        for refusal in &self.understanding.refusals {
            if !before.iter().any(|other| is_same(other, refusal)) {
                let (property, reason) = (refusal.property.to_string(), refusal.reason.clone());
                self.notices.push_back(Notice::Refused { property, reason });
            }
        }
    }
}

#[cfg(test)]
mod tests;
