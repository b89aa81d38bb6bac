//! Checks that both copies of the twin agree: the device's desired section is the hub's own at that version, what the hub
//! was told is durable and true, and a version decreases only if the identity was made anew.
//!
//! Deliberately absent: by when they must agree (`traffic`).

use super::meaning::Meaning;
use super::{Kind, Scene};
use crate::disk::Disk;
use crate::foreign::NAMES;
use crate::hub::Hub;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use twind::engine::{Core, CoreSpec};
use twind::twin::{Section, TwinRecord, Version};

pub(crate) struct Copies {
    spec: CoreSpec,
    desired: Section,
    version: Version,
    /// The connection on which the version was last seen.
    connection: u64,
    /// The generation of the hub's twin on this connection.
    generation: usize,
    pub(crate) meaning: Meaning,
    /// By generation and version: what the version meant when the device took it. After a restart there may be another
    /// meaning, because other values are the last good ones.
    meanings: BTreeMap<(usize, u64), Vec<Meaning>>,
    /// By the records' sequence numbers: what was in force.
    kept: BTreeMap<u64, Meaning>,
    looks: u64,
}

impl Copies {
    pub(crate) fn new(spec: &CoreSpec) -> Self {
        Self {
            spec: spec.clone(),
            desired: Section::default(),
            version: Version(0),
            connection: 0,
            generation: 0,
            meaning: Meaning::default(),
            meanings: BTreeMap::new(),
            kept: BTreeMap::new(),
            looks: 0,
        }
    }

    pub(crate) fn handle_up(&mut self, generation: usize) {
        self.generation = generation;
    }

    /// A process starts from a record, which must not be older than what the hub was told.
    pub(crate) fn handle_start(&mut self, record: Option<&TwinRecord>, hub: &Hub) -> Result<(), String> {
        check_durable(record, hub)?;
        let empty = TwinRecord::default();
        let record = record.unwrap_or(&empty);
        self.desired = record.desired.clone();
        self.version = record.desired_version;
        self.meaning = self.kept.get(&record.sequence).cloned().unwrap_or_default();
        // Newer records of the previous process were never durable.
        self.kept.retain(|sequence, _| *sequence <= record.sequence);
        let known = |history: &BTreeMap<u64, Map<String, Value>>| {
            history.get(&self.version.0).is_some_and(|desired| desired == self.desired.as_object())
        };
        if self.version.0 > 0 && !hub.history.iter().any(known) {
            return Err(format!("started with version {}, which the hub never had", self.version));
        }
        Ok(())
    }

    /// Checks both sections after every event. After one that cannot change the twin (a sample, a control step) whole
    /// documents are compared only now and then, because that is most of a check's cost.
    pub(crate) fn look(&mut self, scene: &Scene<'_>) -> Result<(), String> {
        let Scene { kind, engine, hub, net, disk, .. } = *scene;
        let sync = engine.sync();
        let version = sync.desired_version();
        self.looks += 1;
        let compares = kind == Kind::Fact || self.looks.is_multiple_of(16);
        if version != self.version || compares && *sync.desired() != self.desired {
            self.take(engine, hub)?;
            if version < self.version && self.connection == net.connection {
                return Err(format!("version went back from {} to {version} within a session", self.version));
            }
            self.connection = net.connection;
            self.version = version;
            self.desired = sync.desired().clone();
        }
        self.keep(disk);
        let empty = net.up && !net.closing && net.under_way == (0, 0) && !net.half_open;
        if compares && sync.is_settled() && empty && sync.acknowledged().as_object() != hub.reported() {
            let (ours, theirs) = (Value::Object(sync.acknowledged().as_object().clone()), hub.reported());
            return Err(format!(
                "settled, but acknowledged is {ours} and the hub has {}",
                Value::Object(theirs.clone())
            ));
        }
        Ok(())
    }

    /// Notes the present meaning with the last record that was offered.
    pub(crate) fn keep(&mut self, disk: &Disk) {
        if self.kept.keys().next_back() != Some(&disk.offered) {
            self.kept.insert(disk.offered, self.meaning.clone());
        }
    }

    fn take(&mut self, engine: &Core, hub: &Hub) -> Result<(), String> {
        let (version, desired) = (engine.sync().desired_version(), engine.sync().desired());
        let own = hub.history[self.generation].get(&version.0);
        if own != Some(desired.as_object()) {
            let shown = |section: &Map<String, Value>| Value::Object(section.clone()).to_string();
            return Err(format!(
                "the device's desired section at version {version} is {}, the hub's is {}",
                shown(desired.as_object()),
                own.map_or("never made".into(), shown)
            ));
        }
        self.meaning = Meaning::read(&self.spec, desired.as_object(), &self.meaning);
        let meanings = self.meanings.entry((self.generation, version.0)).or_default();
        if !meanings.contains(&self.meaning) {
            meanings.push(self.meaning.clone());
        }
        Ok(())
    }

    /// Everything is reported, and nothing of other firmware is left.
    pub(crate) fn check_whole(&self, hub: &Hub, by_hand: &BTreeSet<usize>) -> Result<(), String> {
        let (reported, desired) = (hub.reported(), hub.twin.desired().values());
        self.meaning
            .is_told_by(&self.spec, reported, by_hand)
            .map_err(|fault| format!("in the end {fault}"))?;
        if reported.get("firmwareVersion") != Some(&Value::from("1.2.1"))
            || reported.get("lastPatchReceivedId") != desired.get("patchId")
        {
            return Err("in the end firmware version and patch id are not told".into());
        }
        let named = reported.get("notMapped").and_then(Value::as_array);
        for name in NAMES {
            if reported.contains_key(name) {
                return Err(format!("in the end {name:?} of other firmware is still reported"));
            }
            let is_named = named.is_some_and(|names| names.iter().any(|named| named == name));
            if desired.contains_key(name) != is_named {
                return Err(format!(
                    "in the end {name:?} is desired, or not, and told as not mapped: {is_named}"
                ));
            }
        }
        Ok(())
    }

    /// The hub accepted a report: the version that it acknowledges is durable, and what it says of it is true.
    pub(crate) fn check_told(&self, hub: &Hub, disk: &Disk, by_hand: &BTreeSet<usize>) -> Result<(), String> {
        let Some(told) = hub.acknowledged_version() else { return Ok(()) };
        let durable = disk.durable();
        check_durable(durable, hub)?;
        let desired = hub.history[hub.generation()].get(&told);
        let id =
            desired.and_then(|desired| desired.get("patchId")).filter(|id| !id.is_object() && !id.is_array());
        if hub.reported().get("lastPatchReceivedId") != id {
            let said = hub.reported().get("lastPatchReceivedId");
            return Err(format!("told desired version {told}, its patch id is {id:?}, told is {said:?}"));
        }
        let Some(meanings) = self.meanings.get(&(hub.generation(), told)) else { return Ok(()) };
        let mut faults =
            meanings.iter().map(|meaning| meaning.is_told_by(&self.spec, hub.reported(), by_hand));
        if faults.clone().any(|fault| fault.is_ok()) {
            return Ok(());
        }
        faults.next().unwrap_or(Ok(())).map_err(|fault| format!("told desired version {told}, but {fault}"))
    }
}

/// Would a process that starts from this record know everything that the hub was told?
pub(crate) fn check_durable(durable: Option<&TwinRecord>, hub: &Hub) -> Result<(), String> {
    let Some(told) = hub.acknowledged_version() else { return Ok(()) };
    let kept = durable.map_or(0, |record| record.desired_version.0);
    let history = &hub.history[hub.generation()];
    if told > hub.twin.desired().version() {
        return Err(format!("the hub was told desired version {told}, which this identity never had"));
    }
    // A record of the identity before it was made anew knows nothing of this one.
    let of_this_life = durable.is_some_and(|record| history.get(&kept) == Some(record.desired.as_object()));
    if !of_this_life || kept < told {
        return Err(format!(
            "the hub was told desired version {told}, durable is {kept} (its own: {of_this_life})"
        ));
    }
    Ok(())
}
