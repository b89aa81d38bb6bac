//! What is reported to the hub: the wanted reported section, composed from the facts, and which of its values to send again.
//!
//! Terms: *acknowledgements* answer the back end (versions, values in force, refusals), as soon as they are durable. *State*
//! (outputs, regimes, faults) and *values* (numbers of sensors) are sampled. Values are sampled when they leave their
//! dead-band, at most once in `min-interval` and at least once in `heartbeat`. State is sampled when it changes, at most
//! once in `min-interval`, and together with everything else. Between two samples the section does not change. A style
//! writes it: `plain` or `pnp`. `twin::TwinSync` sends it.

pub mod alarms;
mod model;
mod names;
mod notice;
mod plain;
mod pnp;
mod recovery;
mod state;
pub mod status;
pub mod trend;
mod write;

pub use model::{Model, TOP_PROPERTIES, model};
pub use names::{is_interface_id, plug_and_play_name};
pub use notice::{Decided, Notice};
pub use state::ENTRY_KEYS;

use crate::control::climate::{Climate, Regime};
use crate::control::climates::Climates;
use crate::control::intent::{OWN_UNIT, SCHEDULE, Understanding, parse_unit};
use crate::control::outputs::{OutputState, Outputs};
use crate::control::scheduled::Scheduled;
use crate::control::sensors::{SensorState, Sensors};
use crate::control::{
    Cause, ClimateId, ClimateRange, ClimateSpec, Fault, OutputId, OutputSpec, PropertyMap, SensorId,
    SensorSpec,
};
use crate::twin::{Override, PropertyPath, Section, Version, json};
use crate::units::{BootTime, TemperatureUnit};
use alarms::Alarms;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use write::{round_to, tidy};

/// The key of desired and reported components.
const COMPONENTS: &str = "components";
/// A duty that changes by less than this many per cent causes no report.
const DUTY_DEADBAND_PERCENT: f64 = 5.0;

/// How the reported section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ReportStyle {
    /// Plain values.
    #[default]
    Plain,
    /// Acknowledgements and components by the conventions of IoT Plug and Play.
    PlugAndPlay,
}

/// What to report, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportSpec {
    /// Sensor values at least this often.
    pub heartbeat: Duration,
    /// Sensor values never more often.
    pub min_interval: Duration,
    /// By what a sensor measures: a smaller change is not reported before the heartbeat.
    pub deadband: BTreeMap<String, f64>,
    /// How the section is written.
    pub style: ReportStyle,
    /// Reported as `firmwareVersion`.
    pub firmware_version: String,
}

/// What the back end may learn about its desired section, once it is durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The desired version; 0 before the first fetch ever.
    pub version: Version,
    /// The desired section at that version.
    pub desired: Section,
    /// How it was read.
    pub understanding: Understanding,
}

impl Acknowledgement {
    /// The version that a reported section acknowledges, in either style; 0 if it acknowledges none.
    pub fn version_in(reported: &Section) -> Version {
        Version(reported.as_object().get(plain::DESIRED_VERSION).and_then(Value::as_u64).unwrap_or_default())
    }
}

/// The present state of everything that reports, alarms and the status draw on.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// All sensors.
    pub sensors: &'a Sensors,
    /// All outputs.
    pub outputs: &'a Outputs,
    /// The overrides of outputs in force.
    pub overrides: &'a BTreeMap<OutputId, Override>,
    /// Those of climates.
    pub range_overrides: &'a BTreeMap<ClimateId, Override<ClimateRange>>,
    /// Why an output could not be driven.
    pub pin_faults: &'a BTreeMap<OutputId, String>,
    /// The climates.
    pub climates: &'a Climates,
    /// Why the record cannot be stored, if it cannot.
    pub store_fault: Option<&'a str>,
    /// Why telemetry cannot be kept on the disk, if it cannot.
    pub ring_fault: Option<&'a str>,
    /// When the record was last stored, in this boot.
    pub stored_at: Option<BootTime>,
    /// The alarms that stand.
    pub alarms: &'a Alarms,
}

/// What is to be reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The whole reported section.
    pub section: Section,
    /// Values that the heartbeat sends though they did not change.
    pub again: Vec<PropertyPath>,
    /// What had to be left out because the hub would refuse it.
    pub left_out: Option<String>,
}

/// One sample of the state, which the section shows until the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sample {
    outputs: Vec<OutputSample>,
    climates: Vec<ClimateSample>,
    sensors: Vec<Result<(), Fault>>,
    store_fault: Option<String>,
    alarms: Alarms,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ClimateSample {
    regime: Regime,
    fault: Option<Fault>,
    scheduled: Option<Scheduled>,
    overridden: Option<ClimateRange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OutputSample {
    on: bool,
    duty_percent: f64,
    cause: Cause,
    override_percent: Option<f64>,
    rpm: Option<f64>,
    fault: Option<String>,
}

/// One sample of the values; `None` where there is no valid reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Values {
    climates: Vec<Option<f64>>,
    sensors: Vec<Option<f64>>,
}

/// Composes the wanted section. See the module.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reporter {
    spec: ReportSpec,
    properties: PropertyMap,
    mapped: Vec<PropertyPath>,
    /// [`Self::resume`] restores it from a checkpoint.
    #[serde(skip)]
    acknowledgement: Rc<Acknowledgement>,
    state: Option<(Sample, BootTime)>,
    values: Option<(Values, BootTime)>,
    values_due: BootTime,
    state_due: Option<BootTime>,
}

impl Reporter {
    /// Nothing reported yet. `mapped` are the desired properties that have a meaning here.
    pub fn new(spec: ReportSpec, properties: PropertyMap, mapped: Vec<PropertyPath>) -> Self {
        Self {
            spec,
            properties,
            mapped,
            acknowledgement: Rc::default(),
            state: None,
            values: None,
            values_due: BootTime::ZERO,
            state_due: None,
        }
    }

    /// Was this very acknowledgement reported already?
    pub(crate) fn has_reported(&self, acknowledgement: &Rc<Acknowledgement>) -> bool {
        Rc::ptr_eq(&self.acknowledgement, acknowledgement)
    }

    /// Continues from a checkpoint, before which this was reported.
    pub(crate) fn resume(&mut self, acknowledgement: Rc<Acknowledgement>) {
        self.acknowledgement = acknowledgement;
    }

    /// When the next report may be due even if nothing happens.
    pub fn poll_timeout(&self) -> BootTime {
        self.state_due.map_or(self.values_due, |due| due.min(self.values_due))
    }

    /// The section that should be reported now; `None` if nothing in it was sampled or acknowledged since the last call.
    pub fn compose(
        &mut self,
        now: BootTime,
        acknowledgement: &Rc<Acknowledgement>,
        facts: Facts<'_>,
    ) -> Option<Wanted> {
        let acknowledges = !self.has_reported(acknowledgement);
        if acknowledges {
            self.acknowledgement = Rc::clone(acknowledgement);
        }
        let due = self.sample_values(now, facts);
        if !self.sample_state(now, acknowledges || due.is_some(), facts) {
            return None;
        }
        let view = View {
            spec: &self.spec,
            properties: &self.properties,
            mapped: &self.mapped,
            acknowledgement: &self.acknowledgement,
            state: self.state.as_ref().map(|(state, _)| state),
            values: self.values.as_ref().map(|(values, _)| values),
            facts,
        };
        let Written { draft, numbers, all_named } = match self.spec.style {
            ReportStyle::Plain => plain::write(&view),
            ReportStyle::PlugAndPlay => pnp::write(&view),
        };
        let (section, refused) = draft.into_section();
        let left_out =
            refused.or_else(|| (!all_named).then(|| "some names of desired properties".to_owned()));
        let again = if due == Some(Due::Heartbeat) { numbers } else { Vec::new() };
        Some(Wanted { section, again, left_out })
    }

    fn sample_values(&mut self, now: BootTime, facts: Facts<'_>) -> Option<Due> {
        let number = |sensor| facts.sensors.value(now, sensor).ok().map(|value| round_to(value, 3));
        let fresh = Values {
            climates: facts.climates.iter().map(|(_, climate)| climate.value()).collect(),
            sensors: facts.sensors.iter().map(|(sensor, ..)| number(sensor)).collect(),
        };
        let due = match &self.values {
            None => Some(Due::Change),
            Some((_, at)) if now >= *at + self.spec.heartbeat => Some(Due::Heartbeat),
            // A number must go as soon as its reading is no longer valid, whatever the interval.
            Some((last, _)) if lost(last, &fresh) => Some(Due::Change),
            Some((last, at)) if self.moved(last, &fresh, facts) => {
                self.values_due = *at + self.spec.min_interval;
                (now >= self.values_due).then_some(Due::Change)
            }
            Some((_, at)) => {
                self.values_due = *at + self.spec.heartbeat;
                None
            }
        };
        if due.is_some() {
            self.values = Some((fresh, now));
            self.values_due = now + self.spec.heartbeat;
        }
        due
    }

    fn moved(&self, last: &Values, fresh: &Values, facts: Facts<'_>) -> bool {
        let differs = |a: Option<f64>, b: Option<f64>, measures: &str| match (a, b) {
            (Some(a), Some(b)) => {
                a != b && (a - b).abs() >= self.spec.deadband.get(measures).map_or(0.0, |d| *d)
            }
            (a, b) => a.is_some() != b.is_some(),
        };
        let climate = |(id, climate): (ClimateId, &Climate)| {
            let value = |values: &Values| values.climates.get(id.0).copied().flatten();
            differs(value(last), value(fresh), climate.spec().quantity.measures())
        };
        let used = facts.climates.sensors();
        let sensor = |(id, spec, _): (SensorId, &SensorSpec, &SensorState)| {
            let value = |values: &Values| values.sensors.get(id.0).copied().flatten();
            !used.contains(&id) && differs(value(last), value(fresh), &spec.measures)
        };
        facts.climates.iter().any(climate) || facts.sensors.iter().any(sensor)
    }

    /// Samples the state if it is due, which it is `along` with anything else. Was it?
    fn sample_state(&mut self, now: BootTime, along: bool, facts: Facts<'_>) -> bool {
        let fresh = sample(now, facts);
        self.state_due = match &self.state {
            Some((last, at)) if !along => has_changed(last, &fresh).then(|| *at + self.spec.min_interval),
            _ => Some(now),
        };
        let is_due = self.state_due.is_some_and(|due| due <= now);
        if is_due {
            self.state = Some((fresh, now));
            self.state_due = None;
        }
        is_due
    }
}

/// What a style writes.
struct View<'a> {
    spec: &'a ReportSpec,
    properties: &'a PropertyMap,
    mapped: &'a [PropertyPath],
    acknowledgement: &'a Acknowledgement,
    state: Option<&'a Sample>,
    values: Option<&'a Values>,
    facts: Facts<'a>,
}

/// What a style wrote.
struct Written {
    draft: write::Draft,
    /// The paths of the numbers, for the heartbeat.
    numbers: Vec<PropertyPath>,
    /// Was there room for every foreign name?
    all_named: bool,
}

impl View<'_> {
    /// The desired value in force.
    fn accepted(&self, path: &PropertyPath) -> Option<&Value> {
        self.acknowledgement.understanding.accepted.get(path)
    }

    /// Temperatures of a climate are reported in the unit of the range that holds as it was desired, or else in the configured one.
    /// An entry of a schedule may have another unit than the range in whose place it stands: one of them was refused since. Plug and
    /// Play acknowledges the climate's own range whatever holds, so there the unit is that of its own.
    fn unit(&self, id: ClimateId, climate: &ClimateSpec) -> TemperatureUnit {
        let entry = self.entry(id, climate).filter(|_| self.spec.style == ReportStyle::Plain);
        let scheduled = entry.and_then(|entry| self.accepted(&entry.child(OWN_UNIT)));
        let own = scheduled.or_else(|| self.accepted(&climate.property.child(OWN_UNIT)));
        let desired = own.or_else(|| self.accepted(&self.properties.units)).and_then(parse_unit);
        desired.or(climate.quantity.unit()).unwrap_or_default()
    }

    /// The entry of a climate's schedule that holds.
    fn entry(&self, id: ClimateId, climate: &ClimateSpec) -> Option<PropertyPath> {
        let sample = self.state.and_then(|state| state.climates.get(id.0))?;
        let entry = sample.scheduled.as_ref()?.entry()?;
        Some(climate.property.child(SCHEDULE).child(entry))
    }

    /// The ends of a climate's range in force, with their names: those of its override, if there is one.
    fn ends_in_force(&self, id: ClimateId, climate: &ClimateSpec) -> [(String, Value); 2] {
        let ends = self.range_ends(id, climate);
        let sample = self.state.and_then(|state| state.climates.get(id.0));
        let Some(range) = sample.and_then(|sample| sample.overridden) else { return ends };
        let [(low, min), (high, max)] = ends;
        let end = |is_text: bool, base| {
            let number = round_to(climate.quantity.from_base(self.unit(id, climate), base), 2);
            if is_text { json!(number.to_string()) } else { tidy(number) }
        };
        [(low, end(min.is_string(), range.min())), (high, end(max.is_string(), range.max()))]
    }

    /// The ends of a climate's range without its override. A desired end is reported as it was desired, that of the entry of its
    /// schedule that holds before that of its own range. A configured one takes the JSON type of the other end.
    fn range_ends(&self, id: ClimateId, climate: &ClimateSpec) -> [(String, Value); 2] {
        let [low, high] = climate.quantity.ends();
        let entry = self.entry(id, climate);
        let raw = |end: &str| {
            let scheduled = entry.as_ref().and_then(|entry| self.accepted(&entry.child(end)));
            scheduled.or_else(|| self.accepted(&climate.property.child(end)))
        };
        let configured = |own: f64, other: &str| {
            let number = round_to(climate.quantity.from_base(self.unit(id, climate), own), 2);
            let is_text = raw(other).is_some_and(Value::is_string);
            if is_text { json!(number.to_string()) } else { tidy(number) }
        };
        let end = |own, name: &str, other| raw(name).map_or_else(|| configured(own, other), number_in_force);
        let (min, max) = (end(climate.range.min(), &low, &high), end(climate.range.max(), &high, &low));
        [(low, min), (high, max)]
    }

    /// Does this property, or one below it, have a meaning here?
    fn is_mapped(&self, path: &PropertyPath, value: &Value) -> bool {
        let holds = |mapped: &PropertyPath| value.is_object() && mapped.starts_with(path);
        self.mapped.iter().any(|mapped| path.starts_with(mapped) || holds(mapped))
    }

    fn climates(&self) -> impl Iterator<Item = (ClimateId, &ClimateSpec)> {
        self.facts.climates.iter().map(|(id, climate)| (id, climate.spec()))
    }
}

/// A value in force, as it is reported. A number with more digits than a double has is in force as the nearest double.
fn number_in_force(value: &Value) -> Value {
    let number = json::number(value).filter(|_| json::is_raw(value));
    number.map_or_else(|| value.clone(), tidy)
}

#[derive(Clone, Copy, PartialEq)]
enum Due {
    Change,
    Heartbeat,
}

fn sample(now: BootTime, facts: Facts<'_>) -> Sample {
    let output = |(output, _, state): (OutputId, &OutputSpec, &OutputState)| {
        // A kick would be over before anybody reads about it.
        let drive = state.steady().unwrap_or_default();
        let fault = facts.pin_faults.get(&output).cloned().or_else(|| facts.outputs.fault(output));
        OutputSample {
            on: !drive.is_zero(),
            duty_percent: drive.percent(),
            cause: state.cause,
            override_percent: facts.overrides.get(&output).map(|one| one.value.percent()),
            rpm: state.tach.rpm(),
            fault: fault.map(|fault| fault.chars().take(200).collect()),
        }
    };
    Sample {
        outputs: facts.outputs.iter().map(output).collect(),
        climates: facts
            .climates
            .iter()
            .map(|(_, climate)| ClimateSample {
                regime: climate.regime(),
                fault: climate.fault(now, facts.sensors),
                scheduled: climate.scheduled().cloned(),
                overridden: climate.overridden(),
            })
            .collect(),
        sensors: facts
            .sensors
            .iter()
            .map(|(sensor, ..)| facts.sensors.value(now, sensor).map(drop))
            .collect(),
        store_fault: facts.store_fault.map(|fault| fault.chars().take(200).collect()),
        alarms: facts.alarms.clone(),
    }
}

/// Does the fresh sample justify a report of its own?
fn has_changed(last: &Sample, fresh: &Sample) -> bool {
    let same_output = |(a, b): (&OutputSample, &OutputSample)| {
        let same_duty = (a.duty_percent - b.duty_percent).abs() < DUTY_DEADBAND_PERCENT;
        let decision = |sample: &OutputSample| (sample.on, sample.cause, sample.override_percent);
        decision(a) == decision(b) && a.fault == b.fault && same_duty
    };
    last.outputs.len() != fresh.outputs.len()
        || !last.outputs.iter().zip(&fresh.outputs).all(same_output)
        || last.alarms.differ(&fresh.alarms)
        || (&last.climates, &last.store_fault, &last.sensors)
            != (&fresh.climates, &fresh.store_fault, &fresh.sensors)
}

fn lost(last: &Values, fresh: &Values) -> bool {
    let lost = |(last, fresh): (&Option<f64>, &Option<f64>)| last.is_some() && fresh.is_none();
    last.climates.iter().zip(&fresh.climates).any(lost) || last.sensors.iter().zip(&fresh.sensors).any(lost)
}

#[cfg(test)]
mod tests;
