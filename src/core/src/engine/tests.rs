use super::*;
use crate::control::climate::{Climate, Regime};
use crate::control::fixtures::{
    ON, at, climate_spec, fan, patch, path, properties, secs, section, thermometer,
};
use crate::control::{Cause, Fault, OutputKind, PinFault, Reading, RowDrive, SensorId, When};
use crate::report::ReportStyle;
use crate::twin::{Author, Machine, Section, Version};
use crate::units::{Permille, TemperatureUnit};
use alloc::collections::BTreeMap;
use core::time::Duration;
use serde_json::{Value, json};

#[path = "alarms_tests.rs"]
mod alarms;
#[path = "decisions_tests.rs"]
mod decisions;
#[path = "durability_tests.rs"]
mod durability;
#[path = "journal_tests.rs"]
mod journal;
#[path = "life_tests.rs"]
mod life;
#[path = "overrides_tests.rs"]
mod overrides;
#[path = "range_overrides_tests.rs"]
mod range_overrides;
#[path = "reload_tests.rs"]
mod reload;
#[path = "restart_tests.rs"]
mod restart;
#[path = "rows_tests.rs"]
mod rows;
#[path = "schedule_tests.rs"]
mod schedule;
#[path = "shared_rows_tests.rs"]
mod shared_rows;
#[path = "silence_tests.rs"]
mod silence;
#[path = "siren_tests.rs"]
mod siren;
#[path = "speeds_tests.rs"]
mod speeds;
#[path = "telemetry_tests.rs"]
mod telemetry;
#[path = "trend_tests.rs"]
mod trend;

const SAMPLES: Duration = Duration::from_secs(15);

fn spec() -> CoreSpec {
    CoreSpec {
        outputs: vec![fan(OutputKind::OnOff)],
        sensors: vec![thermometer("cabinet")],
        climates: vec![climate_spec()],
        zones: Vec::new(),
        properties: properties(),
        report: ReportSpec {
            heartbeat: secs(300),
            min_interval: secs(10),
            deadband: BTreeMap::from([("temperature".to_owned(), 0.5)]),
            style: ReportStyle::Plain,
            firmware_version: "1.2.1".into(),
        },
        sync: SyncPolicy { request_timeout: secs(30), refresh_interval: secs(12 * 3600) },
        telemetry: None,
        identity: "hub/pi".into(),
    }
}

fn record(desired: Value, version: u64) -> TwinRecord {
    TwinRecord {
        sequence: 41,
        identity: "hub/pi".into(),
        desired: section(desired),
        desired_version: Version(version),
        ..TwinRecord::default()
    }
}

/// How the store behaves.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    Quick,
    Slow,
    Full,
}

/// An engine with a board, a disk and a hub around it; the hub takes whatever is reported.
struct Rig {
    engine: Core,
    now: BootTime,
    disk: Disk,
    written: Vec<TwinRecord>,
    drives: Vec<Actuation>,
    board_fails: bool,
    /// The hub takes requests and does not answer.
    mute: bool,
    hub_version: u64,
    desired: Section,
    reported: Section,
    requests: usize,
    reports: usize,
    notices: Vec<Notice>,
}

impl Rig {
    fn new() -> Self {
        Self::from(spec(), None)
    }

    fn from(spec: CoreSpec, record: Option<TwinRecord>) -> Self {
        let desired = record.as_ref().map(|record| record.desired.clone()).unwrap_or_default();
        let hub_version = record.as_ref().map_or(1, |record| record.desired_version.0);
        let now = at(100);
        Self {
            engine: Core::new(now, spec, record, Carry::default()),
            now,
            disk: Disk::Quick,
            written: Vec::new(),
            drives: Vec::new(),
            board_fails: false,
            mute: false,
            hub_version,
            desired,
            reported: Section::default(),
            requests: 0,
            reports: 0,
            notices: Vec::new(),
        }
    }

    /// Connected, with the twin fetched.
    fn online() -> Self {
        let mut rig = Self::new();
        rig.tick();
        rig.hub(HubEvent::Up);
        rig
    }

    /// The only climate's regime.
    fn regime(&self) -> Option<Regime> {
        self.engine.climates.get(ClimateId(0)).map(Climate::regime)
    }

    /// The only climate's temperature.
    fn temperature(&self) -> Option<f64> {
        self.engine.climates.get(ClimateId(0)).and_then(Climate::value)
    }

    /// Does what is due and everything that follows.
    fn tick(&mut self) {
        self.engine.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some(actuation) = self.engine.poll_actuation() {
                let fault = PinFault { reason: "no such line".into() };
                let outcome = if self.board_fails { Err(fault) } else { Ok(()) };
                self.drives.push(actuation);
                self.engine.handle_driven(actuation, outcome);
            } else if let Some(record) = self.engine.poll_record() {
                let sequence = record.sequence;
                self.written.push(record);
                match self.disk {
                    Disk::Quick => self.engine.handle_saved(self.now, Ok(sequence)),
                    Disk::Slow => {}
                    Disk::Full => self.engine.handle_saved(self.now, Err("no space left".into())),
                }
            } else if let Some(request) = self.engine.poll_request() {
                self.requests += 1;
                self.serve(request);
            } else if let Some(notice) = self.engine.poll_notice() {
                self.notices.push(notice);
            } else {
                return;
            }
        }
    }

    fn serve(&mut self, request: HubRequest) {
        if self.mute {
            if matches!(request, HubRequest::Reconnect { .. }) {
                self.engine.handle_hub(self.now, HubEvent::Down);
            }
            return;
        }
        let answer = match request {
            HubRequest::GetTwin { rid } => HubEvent::Twin {
                rid,
                desired: self.desired.clone(),
                desired_version: Version(self.hub_version),
                reported: self.reported.clone(),
            },
            HubRequest::PatchReported { rid, patch } => {
                self.reports += 1;
                self.reported.apply(&patch);
                HubEvent::ReportedAck { rid }
            }
            other => panic!("not expected: {other:?}"),
        };
        self.engine.handle_hub(self.now, answer);
    }

    fn hub(&mut self, event: HubEvent) {
        self.engine.handle_hub(self.now, event);
        self.drain();
    }

    /// The back end patches the desired section, and the hub notifies.
    fn desire(&mut self, change: Value) {
        self.hub_version += 1;
        self.desired.apply(&patch(change.clone()));
        self.hub(HubEvent::DesiredDelta { version: Version(self.hub_version), patch: patch(change) });
    }

    fn sample(&mut self, value: Result<f64, Fault>) {
        self.engine.handle_reading(self.now, Reading { sensor: SensorId(0), at: self.now, value }, None);
        self.drain();
    }

    /// Advances from deadline to deadline, with a valid sample every fifteen seconds.
    fn pass(&mut self, time: Duration, degrees: impl Fn(u64) -> f64) {
        let end = self.now + time;
        let mut sample_at = self.now + SAMPLES;
        self.tick();
        while self.now < end {
            let Deadline { at: due, why: what } = self.engine.deadline();
            assert!(due > self.now, "{what} lies in the past");
            self.now = due.min(sample_at).min(end);
            self.tick();
            if self.now == sample_at {
                self.sample(Ok(degrees(self.now.since_boot().as_secs())));
                sample_at = self.now + SAMPLES;
            }
        }
    }

    /// The status as JSON.
    fn status(&self, changes: usize) -> Value {
        serde_json::to_value(self.engine.status(self.now, changes)).unwrap()
    }

    fn reported_value(&self, place: &str) -> Option<&Value> {
        self.reported.get(&path(place))
    }

    fn drive(&self) -> Option<u16> {
        self.drives.last().map(|actuation| actuation.drive.get())
    }

    /// A reload during which the connection goes on.
    fn reload(&mut self, spec: CoreSpec) {
        self.drives.clear();
        self.engine.handle_reload(self.now, unchanged(spec));
        self.drain();
    }

    fn order(
        &mut self,
        output: &str,
        order: Option<(Setting, Duration)>,
        by: Author,
    ) -> Result<(), OverrideFault> {
        let order = self.engine.order(output, order, by)?;
        self.engine.handle_override(self.now, order);
        Ok(())
    }
}

/// A reload with another configuration, for the same wires and the same hub.
fn unchanged(spec: CoreSpec) -> Reload {
    let names = || spec.outputs.iter().map(|output| output.name.clone()).collect();
    Reload { same_wire: names(), measured: names(), spec: spec.clone(), found: Vec::new(), same_hub: true }
}

/// What a start of the process has besides its record.
fn at_start_on(machine: Machine) -> Carry {
    Carry { contact: KnownContact::Recorded(machine), starts: true, ..Carry::default() }
}

#[test]
fn a_desired_change_drives_the_output_in_the_same_step() {
    let mut rig = Rig::online();
    rig.disk = Disk::Slow;
    let change = HubEvent::DesiredDelta { version: Version(2), patch: patch(json!({"fanOn": true})) };
    rig.engine.handle_hub(rig.now, change);
    let actuation = rig.engine.poll_actuation().unwrap();
    assert_eq!((actuation.drive, actuation.cause), (Permille::FULL, Cause::Desired(Version(2))));
    assert_eq!(actuation.at, rig.now);
}

#[test]
fn a_stored_twin_drives_the_output_before_there_is_a_network() {
    let mut rig = Rig::from(spec(), Some(record(json!({"fanOn": "true"}), 7)));
    assert_eq!(rig.engine.deadline(), Deadline { at: BootTime::ZERO, why: "first control step" });
    rig.tick();
    assert_eq!(rig.drive(), Some(1000));
    assert!(!rig.engine.sync().is_online());
}

#[test]
fn a_change_is_acknowledged_when_the_record_that_holds_it_is_durable_and_not_before() {
    let mut rig = Rig::online();
    rig.disk = Disk::Slow;
    rig.desire(json!({"patchId": "one"}));
    let first = rig.written.last().unwrap().sequence;
    rig.desire(json!({"patchId": "two"}));
    let second = rig.written.last().unwrap().sequence;
    assert_eq!(second, first + 1);
    rig.now = rig.now + secs(20);
    rig.tick();
    assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(1)));
    // The first record does not hold the second change.
    rig.engine.handle_saved(rig.now, Ok(first));
    rig.drain();
    assert_eq!(rig.reported_value("lastPatchReceivedId"), None);
    rig.engine.handle_saved(rig.now, Ok(second));
    rig.drain();
    assert_eq!(rig.reported_value("lastPatchReceivedId"), Some(&json!("two")));
    assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(3)));
    assert_eq!(rig.written.last().unwrap().desired, section(json!({"patchId": "two"})));
}

#[test]
fn a_desired_change_costs_one_report() {
    let mut rig = Rig::online();
    rig.now = rig.now + secs(20);
    rig.tick();
    let before = rig.reports;
    rig.desire(json!({"fanOn": true}));
    assert_eq!(rig.reported_value("components.fan.cause"), Some(&json!("desired version 2")));
    assert_eq!(rig.reported_value("fanOn"), Some(&json!(true)));
    assert_eq!(rig.reports, before + 1);
}

#[test]
fn a_connection_that_finds_the_twin_changed_costs_one_report() {
    let mut rig = Rig::online();
    rig.hub(HubEvent::Down);
    rig.sample(Ok(24.0));
    rig.pass(secs(20), |_| 24.0);
    rig.hub_version += 1;
    rig.desired.apply(&patch(json!({"fanOn": true})));
    let before = rig.reports;
    rig.hub(HubEvent::Up);
    assert_eq!(rig.reported_value("components.climate.temperature"), Some(&json!(24)));
    assert_eq!(rig.reported_value("desiredVersion"), Some(&json!(2)));
    assert_eq!(rig.reports, before + 1);
}

#[test]
fn a_full_disk_withholds_the_acknowledgement_says_so_and_is_tried_again() {
    let mut rig = Rig::online();
    rig.disk = Disk::Full;
    rig.desire(json!({"fanOn": true, "patchId": "one"}));
    assert_eq!(rig.drive(), Some(1000));
    let fault = Notice::StoreFault { reason: "no space left".into() };
    assert!(rig.notices.contains(&fault));
    rig.pass(secs(25), |_| 24.0);
    assert_eq!(
        (rig.reported_value("storeFault"), rig.reported_value("lastPatchReceivedId")),
        (Some(&json!("no space left")), None)
    );
    assert_eq!(rig.written.len(), 2);
    rig.disk = Disk::Quick;
    rig.pass(secs(20), |_| 24.0);
    assert_eq!(
        (rig.reported_value("storeFault"), rig.reported_value("lastPatchReceivedId")),
        (None, Some(&json!("one")))
    );
    assert_eq!(rig.notices.iter().filter(|notice| **notice == fault).count(), 1);
    assert!(rig.notices.contains(&Notice::StoreMended));
}

#[test]
fn a_record_of_another_identity_is_not_used() {
    let other = TwinRecord { identity: "hub/other".into(), ..record(json!({"fanOn": true}), 7) };
    let mut rig = Rig::from(spec(), Some(other));
    rig.tick();
    assert_eq!(rig.drive(), Some(0));
    assert_eq!(rig.engine.sync().desired_version(), Version(0));
    // The sequence goes on: it is the same store.
    assert_eq!(rig.engine.record().sequence, 41);
    assert_eq!(rig.engine.record().identity, "hub/pi");
}

#[test]
fn a_restart_keeps_a_refused_range_from_undoing_the_last_good_one() {
    let mut rig = Rig::online();
    rig.desire(json!({"components": {"climate": {"minTemperature": "10", "maxTemperature": "12"}}}));
    rig.desire(json!({"components": {"climate": {"minTemperature": "50"}}}));
    let stored = rig.written.last().unwrap().clone();
    let mut rig = Rig::from(spec(), Some(TwinRecord::decode(&stored.encode()).unwrap()));
    rig.sample(Ok(13.0));
    assert_eq!(rig.drive(), Some(1000));
    rig.hub(HubEvent::Up);
    assert_eq!(rig.reported_value("maxTemperature"), Some(&json!("12")));
    assert_eq!(rig.reported_value("rejected.components.climate.code"), Some(&json!(400)));
}

fn silent_spec() -> CoreSpec {
    let when = When { hub_silent: Some((secs(3600), ON)), ..When::default() };
    let mut spec = spec();
    spec.outputs[0].when = when;
    spec
}

#[test]
fn a_failing_output_is_retried_at_every_step_and_announced_once() {
    let mut rig = Rig::online();
    rig.board_fails = true;
    rig.desire(json!({"fanOn": true}));
    rig.drives.clear();
    rig.pass(secs(60), |_| 24.0);
    assert!(rig.drives.len() >= 12);
    assert_eq!(rig.reported_value("components.fan.fault"), Some(&json!("no such line")));
    let faults = |rig: &Rig| rig.notices.iter().filter(|n| matches!(n, Notice::PinFault { .. })).count();
    assert_eq!(faults(&rig), 1);
    rig.board_fails = false;
    rig.pass(secs(20), |_| 24.0);
    assert!(rig.notices.contains(&Notice::PinMended { output: "fan".into() }));
    assert_eq!(rig.reported_value("components.fan.fault"), None);
}

#[test]
fn what_is_left_out_of_the_report_is_announced_once() {
    let mut rig = Rig::online();
    let nested = (0..10).fold(json!(1), |inner, _| json!({ "o": inner }));
    rig.desire(json!({ "fanOn": nested }));
    rig.pass(secs(60), |_| 24.0);
    let cuts = rig.notices.iter().filter(|notice| matches!(notice, Notice::ReportCut(_)));
    assert_eq!(cuts.count(), 1);
}

#[test]
fn a_refusal_is_noticed_once() {
    let mut rig = Rig::online();
    rig.desire(json!({"fanOn": "perhaps"}));
    rig.desire(json!({"other": 1}));
    let refused = rig.notices.iter().filter(|notice| matches!(notice, Notice::Refused { .. }));
    assert_eq!(refused.count(), 1);
}

#[test]
fn stopping_drives_the_stop_rows_and_records_what_was_to_be_recorded_later() {
    let mut spec = spec();
    spec.outputs[0].when.stop = RowDrive::Fixed(Permille::FULL);
    let mut rig = Rig::from(spec, None);
    rig.tick();
    rig.hub(HubEvent::Up);
    rig.pass(secs(20), |_| 24.0);
    let before = rig.written.len();
    rig.engine.handle_stop(rig.now);
    rig.drain();
    assert_eq!(rig.drives.last().map(|a| (a.drive, a.cause)), Some((Permille::FULL, Cause::Stop)));
    assert_eq!(rig.written.len(), before + 1);
    let stored = &rig.written.last().unwrap().reported;
    assert_eq!(stored.get(&path("components.climate.temperature")), Some(&json!(24)));
}

#[test]
fn an_override_of_an_output_that_does_not_exist_is_ignored() {
    let mut rig = Rig::new();
    let stray = Actuation {
        output: OutputId(9),
        drive: Permille::FULL,
        cause: Cause::Climate(ClimateId(0)),
        at: rig.now,
    };
    rig.engine.handle_driven(stray, Err(PinFault { reason: "?".into() }));
    assert_eq!(rig.engine.poll_notice(), None);
}
