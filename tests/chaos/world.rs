//! The world of a round, and what must hold in it.
//!
//! In a *calm* there are no faults. Then both ends must become equal, however long the daemon waits before it connects. Once
//! it is connected it has [`PROMPT`], which is more than all its own time limits together.

use crate::backend;
use crate::disk::{Disk, Trouble};
use crate::model::{Model, Warmth};
use crate::process::{Manager, Process};
use crate::proxy::Proxy;
use crate::random::Random;
use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually, say};
use crate::rival::Rival;
use crate::timeline::Timeline;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// The longest wait between two attempts to connect is 120 s, and a request or a write may have to be repeated.
const CALM: Duration = Duration::from_secs(400);
/// A request may have to time out (30 s), a record may wait for its next attempt (30 s), and a report for its interval.
const PROMPT: Duration = Duration::from_secs(120);

pub(crate) struct World {
    // Dropped before the rig, whose folder they use until they end.
    pub(crate) process: Option<Process>,
    pub(crate) disk: Disk,
    pub(crate) rig: Rig,
    pub(crate) proxy: Proxy,
    pub(crate) model: Model,
    pub(crate) warmth: Warmth,
    pub(crate) timeline: Timeline,
    pub(crate) starts: u32,
    pub(crate) log_lines: usize,
    manager: Manager,
    runtime: Runtime,
    rival: Option<JoinHandle<()>>,
    patches: u64,
    keep_alive_s: u64,
    /// Notifications may have been lost since the last calm.
    pub(crate) notices_lost: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let rig = Rig::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let proxy = Proxy::start(runtime.handle(), rig.hub.mqtt_port());
        let mut world = Self {
            process: None,
            disk: Disk::new(rig.path("state")),
            model: Model::new(1),
            warmth: Warmth::Celsius(22.0),
            timeline: Timeline::default(),
            starts: 0,
            log_lines: 0,
            manager: Manager::listen(&rig),
            rig,
            proxy,
            runtime,
            rival: None,
            patches: 0,
            keep_alive_s: 5,
            notices_lost: false,
        };
        world.write_config();
        world.start_process();
        world
    }

    fn write_config(&self) {
        let hub_port = format!("port = {}", self.rig.hub.mqtt_port());
        let port = format!("port = {}\nkeep-alive = \"{}s\"", self.proxy.port(), self.keep_alive_s);
        let base = self.rig.base().replace(&hub_port, &port);
        self.rig.write_config(&format!("{base}{FAN}{SENSOR}max-step = 15.0\n{CLIMATE}critical = 60.0\n"));
    }

    pub(crate) fn start_process(&mut self) {
        if !self.disk.can_start() {
            self.mend_disk();
        }
        self.starts += 1;
        let disk_failed = self.disk.trouble().is_some();
        self.process = Some(Process::start(&self.rig, &self.manager, self.starts, disk_failed));
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// Reloads the configuration with another keep-alive, so that the daemon reconnects at once.
    pub(crate) fn reload(&mut self, anew: bool) {
        self.timeline.note(if anew { "SIGHUP, another keep-alive" } else { "SIGHUP" });
        if anew {
            self.keep_alive_s = 11 - self.keep_alive_s;
            self.write_config();
        }
        self.process().signal("HUP");
    }

    /// An ordinary change.
    pub(crate) fn step(&mut self, random: &mut Random) {
        std::thread::sleep(random.millis(5, 700));
        match random.below(10) {
            0..=5 => self.patch(random),
            6 => (0..random.between(3, 12)).for_each(|_| self.patch(random)),
            7 | 8 => {
                let reading = backend::reading(random);
                self.set_sensor(reading);
            }
            _ => {}
        }
        self.process().observe();
    }

    fn patch(&mut self, random: &mut Random) {
        self.patches += 1;
        let patch = backend::patch(random, self.patches);
        let body = json!({"properties": {"desired": patch}});
        let twin = self.rig.hub.hub().update_twin(DEVICE, &body).unwrap();
        let version = twin["properties"]["desired"]["$version"].as_u64().unwrap();
        let mut text = patch.to_string();
        text.truncate(160);
        self.timeline.note(&format!("the back end patches to version {version}: {text}"));
        self.model.patch(version, &patch);
        let mut desired = self.rig.hub.hub().desired(DEVICE).unwrap();
        desired.as_object_mut().unwrap().remove("$version");
        assert_eq!(desired, *self.model.latest(), "the model and the hub merge differently");
    }

    pub(crate) fn set_sensor(&mut self, (text, warmth): (Option<&'static str>, Warmth)) {
        self.timeline.note(&format!("the sensor's file: {text:?}"));
        match text {
            Some(text) => self.rig.set_temperature(text),
            None => drop(fs::remove_file(self.rig.path("temperature"))),
        }
        self.warmth = warmth;
    }

    pub(crate) fn break_disk(&mut self, trouble: Trouble) {
        self.process().disk_failed = true;
        self.disk.break_down(trouble);
    }

    pub(crate) fn mend_disk(&mut self) {
        if self.disk.trouble().is_some() {
            self.timeline.note("the disk is mended");
            self.disk.mend();
        }
    }

    pub(crate) fn send_rival(&mut self, random: &mut Random) {
        let keys = self.rig.hub.hub().device_keys(DEVICE).unwrap().unwrap();
        let rival = Rival {
            hub_port: self.rig.hub.mqtt_port(),
            ca_pem: self.rig.hub.ca_pem().to_owned(),
            host: self.rig.hub.hub().host().to_owned(),
            device: DEVICE.to_owned(),
            key: keys.primary,
        };
        let stays: Vec<Duration> = (0..random.between(2, 5)).map(|_| random.millis(50, 900)).collect();
        self.rival = Some(self.runtime.spawn(async move {
            for stay in stays {
                let _ = rival.intrude(stay).await;
                tokio::time::sleep(stay).await;
            }
        }));
    }

    /// Ends every fault.
    pub(crate) fn end_faults(&mut self, random: &mut Random) {
        self.timeline.note("all is healed");
        if let Some(rival) = self.rival.take() {
            rival.abort();
        }
        self.proxy.end_faults();
        self.rig.hub.hub().faults().clear();
        self.rig.hub.resume_listening().unwrap();
        self.mend_disk();
        if !matches!(self.warmth, Warmth::Celsius(_)) || random.one_in(3) {
            let reading = backend::reading(random);
            self.set_sensor(reading);
        }
        // A notification that is lost on an open connection is noticed by the next one (or by the twin's refresh, hours
        // later), so there must be a next one.
        if core::mem::take(&mut self.notices_lost) {
            self.patch(random);
        }
    }

    /// Waits until both ends are equal.
    pub(crate) fn converge(&mut self) {
        let (begun, mut connected_since) = (Instant::now(), None);
        loop {
            self.process().assert_alive();
            let differences = self.differences();
            if differences.is_empty() {
                break;
            }
            if self.rig.hub.hub().is_connected(DEVICE) {
                let since = *connected_since.get_or_insert_with(Instant::now);
                assert!(since.elapsed() < PROMPT, "connected for {PROMPT:?} and not equal: {differences:#?}");
            } else {
                connected_since = None;
            }
            assert!(begun.elapsed() < CALM, "calm for {CALM:?} and not equal: {differences:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.model.settle();
        self.timeline.note(&format!("both ends are equal after {:.1} s", begun.elapsed().as_secs_f32()));
        self.process().observe();
        self.process().judge_log();
    }

    fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let hub = self.rig.hub.hub();
        let (reported, version) = (hub.reported(DEVICE).unwrap(), self.model.latest_version());
        if !hub.is_connected(DEVICE) {
            differences.push("it is not connected".to_owned());
        }
        if reported["desiredVersion"] != version {
            differences
                .push(format!("the hub knows of version {}, not {version}", reported["desiredVersion"]));
        }
        let drive = self.rig.drive("fan");
        let right = self.model.drives_since(version, self.warmth);
        if !drive.is_some_and(|drive| is_near(&right, drive)) {
            differences.push(format!("the pin is at {drive:?}, not at one of {right:?}"));
        }
        let told = reported["components"]["fan"]["dutyPercent"].as_f64();
        if told.map(|percent| (percent * 10.0).round() as u16) != drive {
            differences.push(format!("the hub was told that the fan runs at {told:?}, not {drive:?}"));
        }
        let good = self.model.is_all_good();
        if good != reported.get("rejected").is_none() {
            differences.push(format!("rejected is {}", reported["rejected"]));
        }
        let doc = self.model.latest();
        for (desired, told) in [("fanOn", "fanOn"), ("patchId", "lastPatchReceivedId")] {
            if good && doc.get(desired) != reported.get(told) {
                differences.push(format!("{told} is {:?}, not {:?}", reported.get(told), doc.get(desired)));
            }
        }
        differences
    }

    /// Without a hub the daemon follows a stored version that is not older than the one that it acknowledged.
    pub(crate) fn check_offline_start(&mut self, acknowledged: u64) {
        // The line comes a little after READY.
        let process = &*self.process();
        let tells = |log: &String| log.contains("INFO started ");
        let log = eventually("the word of the start", || Some(process.log()).filter(tells), || process.log());
        let told = log.split("started from the stored twin, desired version ").nth(1);
        let stored = told.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        assert!(
            stored.unwrap_or(0) >= acknowledged,
            "it started from version {stored:?}, but had acknowledged {acknowledged}"
        );
        let right = self.model.drives_since(stored.unwrap_or(0), self.warmth);
        let find = || self.rig.drive("fan").filter(|drive| is_near(&right, *drive));
        eventually("the pin after an offline start", find, || {
            format!("{:?}, not one of {right:?}", self.rig.drive("fan"))
        });
    }

    /// Checks what the hub has, and what is on the daemon's disk.
    pub(crate) fn check_stored(&self) {
        let said = say(&mut self.rig.command(&["twin", "desired"]));
        assert_eq!(said.code, 0, "{}", said.err);
        let stored: Value = serde_json::from_str(&said.out).unwrap();
        let hub = self.rig.hub.hub().desired(DEVICE).unwrap();
        assert_eq!(stored, hub, "the disk and the hub differ at the end");
    }
}

/// A drive that is rounded twice may be off by one permille.
fn is_near(right: &[u16], drive: u16) -> bool {
    right.iter().any(|right| right.abs_diff(drive) <= 1)
}
