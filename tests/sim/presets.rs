//! The world's settings by name, each with the reason for its numbers: networks, disks, sites, paces.
//!
//! A run is one of each. Deliberately absent: what may happen at all (the world's), and what must hold (the
//! oracle's).

use crate::disk::DiskPreset;
use crate::hub::Behaviour;
use crate::plant::{Probe, Room};
use core::time::Duration;
use twind::control::quantity::Quantity;
use twind::control::{
    ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PropertyMap, RowDrive, SensorId,
    SensorSpec, When, ZoneId,
};
use twind::engine::CoreSpec;
use twind::report::{ReportSpec, ReportStyle};
use twind::sensors::Plausibility;
use twind::twin::{PropertyPath, SyncPolicy};
use twind::units::{Permille, TemperatureUnit};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn mins(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// How a network and the hub behind it behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetPreset {
    pub(crate) name: &'static str,
    /// One way.
    pub(crate) latency: (Duration, Duration),
    /// Mean time between two cuts of a connection, and how long there is no other.
    pub(crate) cut_every: Duration,
    pub(crate) outage: (Duration, Duration),
    /// Of a thousand requests, answers, notifications.
    pub(crate) lose_request: u32,
    pub(crate) lose_answer: u32,
    pub(crate) late_answer: u32,
    pub(crate) lose_notification: u32,
    pub(crate) duplicate: u32,
    /// Of a thousand cuts, those that nobody notices before the keep-alive does.
    pub(crate) half_open: u32,
    pub(crate) behaviour: Behaviour,
    pub(crate) policy: SyncPolicy,
}

const POLICY: SyncPolicy = SyncPolicy { request_timeout: secs(30), refresh_interval: mins(12 * 60) };
/// So short that a run sees several, for networks that lose notifications.
const SHORT_REFRESH: SyncPolicy = SyncPolicy { request_timeout: secs(30), refresh_interval: mins(10) };

pub(crate) const NETS: &[NetPreset] = &[
    // An industrial router on LTE: the operator ends its address translation after minutes, a cell change takes some
    // seconds, answers take as long as radio scheduling lets them.
    NetPreset {
        name: "site_lte",
        latency: (ms(40), ms(900)),
        cut_every: mins(9),
        outage: (secs(1), secs(90)),
        lose_request: 4,
        lose_answer: 4,
        late_answer: 2,
        lose_notification: 10,
        duplicate: 10,
        half_open: 300,
        behaviour: Behaviour { throttle_permille: 2, error_permille: 2, slow_permille: 30 },
        policy: SHORT_REFRESH,
    },
    // Wireless on a factory floor: it disconnects every minute or two for a moment, the worst case for reconnection.
    NetPreset {
        name: "flaky_wifi",
        latency: (ms(3), ms(250)),
        cut_every: secs(80),
        outage: (ms(100), secs(20)),
        lose_request: 15,
        lose_answer: 15,
        late_answer: 10,
        lose_notification: 40,
        duplicate: 30,
        half_open: 150,
        behaviour: Behaviour { throttle_permille: 0, error_permille: 0, slow_permille: 30 },
        policy: SHORT_REFRESH,
    },
    // A hub that shares its quota with a fleet: 429 for minutes and now and then, 5xx while it is upgraded.
    NetPreset {
        name: "hub_throttled",
        latency: (ms(20), ms(400)),
        cut_every: mins(20),
        outage: (secs(1), secs(30)),
        lose_request: 0,
        lose_answer: 0,
        late_answer: 0,
        lose_notification: 0,
        duplicate: 5,
        half_open: 0,
        behaviour: Behaviour { throttle_permille: 150, error_permille: 60, slow_permille: 300 },
        policy: POLICY,
    },
    // A wired office: nothing happens for hours, and then nothing must have been forgotten.
    NetPreset {
        name: "quiet_office",
        latency: (ms(8), ms(60)),
        cut_every: mins(120),
        outage: (secs(1), secs(10)),
        lose_request: 0,
        lose_answer: 0,
        late_answer: 0,
        lose_notification: 0,
        duplicate: 0,
        half_open: 0,
        behaviour: Behaviour { throttle_permille: 0, error_permille: 0, slow_permille: 100 },
        policy: POLICY,
    },
    // A geostationary link with a queue in front of it: half a second at best, and answers that now and then take
    // longer than the request may, so that what was given up takes effect all the same.
    NetPreset {
        name: "slow_satellite",
        latency: (ms(550), ms(4_000)),
        cut_every: mins(15),
        outage: (secs(2), secs(180)),
        lose_request: 3,
        lose_answer: 3,
        late_answer: 60,
        lose_notification: 10,
        duplicate: 5,
        half_open: 200,
        behaviour: Behaviour { throttle_permille: 5, error_permille: 5, slow_permille: 20 },
        policy: SyncPolicy { request_timeout: secs(10), refresh_interval: mins(15) },
    },
];

const NEVER: (Duration, Duration) = (Duration::ZERO, Duration::ZERO);

pub(crate) const DISKS: &[DiskPreset] = &[
    // Flash in its best years.
    DiskPreset {
        name: "good_disk",
        latency: (ms(2), ms(40)),
        fail_permille: 0,
        spell_every: Duration::ZERO,
        closed_for: NEVER,
    },
    // A worn card: some writes take seconds, and some fail.
    DiskPreset {
        name: "sd_card_worn",
        latency: (ms(20), ms(9_000)),
        fail_permille: 15,
        spell_every: Duration::ZERO,
        closed_for: NEVER,
    },
    // Something else fills the disk, and somebody clears it again after minutes.
    DiskPreset {
        name: "full_disk_spells",
        latency: (ms(5), ms(400)),
        fail_permille: 0,
        spell_every: mins(25),
        closed_for: NEVER,
    },
    // A file system that came up read-only, after a power cut, until somebody remounts it.
    DiskPreset {
        name: "read_only_at_first",
        latency: (ms(2), ms(40)),
        fail_permille: 0,
        spell_every: Duration::ZERO,
        closed_for: (mins(2), mins(25)),
    },
];

/// How fast things happen, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) name: &'static str,
    pub(crate) trouble: Duration,
    /// Longer than any pause that a fault can cause (a quarter of an hour for a clock that was wrong).
    pub(crate) calm: Duration,
    /// Disconnects, faults and edits are this many times rarer.
    pub(crate) rarer: u32,
}

pub(crate) const PACES: &[Pace] = &[
    // An hour with every kind of fault.
    Pace { name: "busy_hour", trouble: mins(60), calm: mins(22), rarer: 1 },
    // Most of a day, so that what comes once in twelve hours comes, and what builds up has the time to.
    Pace { name: "long_day", trouble: mins(14 * 60), calm: mins(22), rarer: 14 },
    // An ordinary week, in which nothing needless must happen.
    Pace { name: "quiet_week", trouble: mins(7 * 24 * 60), calm: mins(22), rarer: 100 },
];

/// An installation: its configuration, its sensors and its room.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) spec: CoreSpec,
    pub(crate) probes: Vec<Probe>,
    /// The outputs with a tachometer.
    pub(crate) tachs: Vec<usize>,
    pub(crate) room: Room,
}

pub(crate) const SITES: [&str; 6] =
    ["pwm_cabinet", "relay_pair", "two_sensors", "property_outputs", "critical_set", "server_shelf"];

/// A steel cabinet: tens of watts, minutes of time constant.
const CABINET: Room = Room {
    load_watts: (55.0, 35.0),
    outside: (20.0, 6.0),
    capacity: 9_000.0,
    walls: 3.0,
    fan: 9.0,
    heater: 0.0,
};
const ON: RowDrive = RowDrive::Fixed(Permille::FULL);
const OFF: RowDrive = RowDrive::Fixed(Permille::ZERO);

pub(crate) fn site(name: &str, policy: SyncPolicy) -> Site {
    let mut site = pwm_cabinet(policy);
    match name {
        "relay_pair" => relay_pair(&mut site),
        "two_sensors" => two_sensors(&mut site),
        "property_outputs" => property_outputs(&mut site),
        "critical_set" => critical_set(&mut site),
        "server_shelf" => server_shelf(&mut site),
        _ => {}
    }
    site
}

/// One PWM fan with everything that shapes a drive, one 1-Wire sensor.
fn pwm_cabinet(policy: SyncPolicy) -> Site {
    let fan = OutputSpec {
        min_duty: Permille::from_percent(20.0),
        kick: Some(ms(500)),
        slew_permille_per_s: Some(250.0),
        min_on: Some(secs(10)),
        min_off: Some(secs(10)),
        when: When { sensor_fault: Some(ON), overheat: Some(ON), ..When::default() },
        ..output("fan", OutputKind::Pwm)
    };
    let climate = ClimateSpec {
        name: None,
        quantity: Quantity::Temperature(TemperatureUnit::Celsius),
        property: path("components.climate"),
        sensors: vec![SensorId(0)],
        combine: Combine::Max,
        lowering: vec![OutputId(0)],
        raising: Vec::new(),
        lowering_from: 0.0,
        raising_from: 0.0,
        range: range(20.0, 28.0),
        limits: Some(range(5.0, 45.0)),
        critical: Some(60.0),
        hysteresis: 0.5,
        zone: ZoneId(0),
    };
    let report = ReportSpec {
        heartbeat: mins(5),
        min_interval: secs(10),
        deadband: [("temperature".to_owned(), 0.5), ("humidity".to_owned(), 2.0)].into(),
        style: ReportStyle::Plain,
        firmware_version: "1.2.1".into(),
    };
    let spec = CoreSpec {
        outputs: vec![fan],
        sensors: vec![thermometer("cabinet", 60)],
        climates: vec![climate],
        zones: Vec::new(),
        properties: PropertyMap {
            fan_on: path("fanOn"),
            units: path("components.system.units"),
            patch_id: path("patchId"),
        },
        report,
        sync: policy,
        identity: "contoso.azure-devices.net/MyTwinDevice".into(),
    };
    Site { name: "pwm_cabinet", spec, probes: vec![one_wire(10)], tachs: Vec::new(), room: CABINET }
}

/// A relay fan and a relay heater in a hut in winter: both rows of the table, minimum times, hub-silent with `keep`.
fn relay_pair(site: &mut Site) {
    site.name = "relay_pair";
    let fan = OutputSpec {
        min_on: Some(secs(30)),
        min_off: Some(secs(20)),
        when: When {
            sensor_fault: Some(ON),
            overheat: Some(ON),
            hub_silent: Some((mins(10), RowDrive::Keep)),
            ..When::default()
        },
        ..output("fan", OutputKind::OnOff)
    };
    let heater = OutputSpec {
        when: When { sensor_fault: Some(OFF), overheat: Some(OFF), ..When::default() },
        ..output("heater", OutputKind::OnOff)
    };
    site.spec.outputs = vec![fan, heater];
    if let Some(climate) = site.spec.climates.first_mut() {
        climate.raising = vec![OutputId(1)];
        climate.range = range(18.0, 24.0);
    }
    site.room = Room { load_watts: (45.0, 60.0), outside: (4.0, 9.0), heater: 160.0, ..CABINET };
}

/// Two sensors make one temperature; a fan without any shaping, so that every drive is exact.
fn two_sensors(site: &mut Site) {
    site.name = "two_sensors";
    let when = When {
        sensor_fault: Some(RowDrive::Fixed(Permille::saturating_const(600))),
        hub_silent: Some((mins(3), RowDrive::Auto)),
        ..When::default()
    };
    site.spec.outputs = vec![OutputSpec { when, ..output("fan", OutputKind::Pwm) }];
    site.spec.sensors = vec![thermometer("top", 30), thermometer("door", 45)];
    if let Some(climate) = site.spec.climates.first_mut() {
        climate.sensors = vec![SensorId(0), SensorId(1)];
        climate.combine = Combine::Mean;
        climate.critical = None;
        climate.limits = None;
    }
    let mut door = Probe { offset: -1.5, noise: 0.4, ..one_wire(15) };
    // Its noise is a dozen counts, so it shows one number six times running only if it no longer measures.
    door.plausible.frozen_repeats = Some(5);
    site.probes = vec![one_wire(5), door];
}

/// Outputs driven by properties of their own, beside a fan without a climate output's rows, and a humidity sensor.
fn property_outputs(site: &mut Site) {
    site.name = "property_outputs";
    let lamp = OutputSpec {
        property: PropertyPath::parse("components.lamp.on"),
        when: When { hub_silent: Some((mins(5), OFF)), ..When::default() },
        ..output("lamp", OutputKind::Pwm)
    };
    let relay = OutputSpec {
        property: PropertyPath::parse("fanOn"),
        when: When { start: ON, stop: RowDrive::Keep, ..When::default() },
        ..output("blower", OutputKind::OnOff)
    };
    site.spec.outputs.push(lamp);
    site.spec.outputs.push(relay);
    let humidity = SensorSpec { measures: "humidity".into(), ..thermometer("humidity", 120) };
    site.spec.sensors.push(humidity);
    site.probes.push(Probe { offset: 20.0, noise: 3.0, ..one_wire(20) });
}

/// A cabinet whose load is more than its walls carry off, with `critical` near the range: it overheats every day.
fn critical_set(site: &mut Site) {
    site.name = "critical_set";
    if let Some(climate) = site.spec.climates.first_mut() {
        climate.critical = Some(33.0);
        climate.limits = Some(range(10.0, 32.0));
        climate.hysteresis = 1.0;
    }
    if let Some(fan) = site.spec.outputs.first_mut() {
        fan.slew_permille_per_s = Some(20.0);
        fan.kick = None;
    }
    site.room = Room { load_watts: (100.0, 90.0), outside: (22.0, 5.0), ..CABINET };
}

/// A shelf of computers that is above `critical` within the hour without its fans, and never with them. Both have a
/// tachometer: a PWM fan, and one that is on or off. The second sensor is the fallback of the first.
fn server_shelf(site: &mut Site) {
    site.name = "server_shelf";
    let blower = OutputSpec {
        min_on: Some(secs(5)),
        when: When { sensor_fault: Some(ON), overheat: Some(ON), ..When::default() },
        ..output("blower", OutputKind::OnOff)
    };
    site.spec.outputs.push(blower);
    site.spec.sensors = vec![thermometer("front", 40), thermometer("back", 40)];
    if let Some(climate) = site.spec.climates.first_mut() {
        climate.sensors = vec![SensorId(0), SensorId(1)];
        climate.combine = Combine::FirstGood;
        climate.lowering = vec![OutputId(0), OutputId(1)];
        climate.range = range(25.0, 36.0);
        climate.limits = Some(range(20.0, 40.0));
        climate.critical = Some(45.0);
    }
    site.probes = vec![one_wire(5), Probe { offset: 1.0, ..one_wire(6) }];
    site.tachs = vec![0, 1];
    site.room = Room { load_watts: (100.0, 15.0), outside: (20.0, 4.0), ..CABINET };
}

fn output(name: &str, kind: OutputKind) -> OutputSpec {
    OutputSpec {
        name: name.into(),
        kind,
        min_duty: None,
        kick: None,
        slew_permille_per_s: None,
        min_on: None,
        min_off: None,
        property: None,
        when: When::default(),
    }
}

fn thermometer(name: &str, stale_after_secs: u64) -> SensorSpec {
    SensorSpec {
        name: name.into(),
        measures: "temperature".into(),
        unit: TemperatureUnit::Celsius,
        stale_after: secs(stale_after_secs),
        source: format!("/run/{name}"),
        scale_offset: (1.0, 0.0),
        derived: None,
    }
}

fn one_wire(period_secs: u64) -> Probe {
    let plausible = Plausibility {
        valid: (-55.0, 125.0),
        max_step: Some(15.0),
        reject: vec![85.0],
        frozen_repeats: None,
    };
    Probe { period: secs(period_secs), noise: 0.15, offset: 0.0, plausible }
}

fn range(min: f64, max: f64) -> ClimateRange {
    ClimateRange::new(min, max).unwrap()
}

fn path(text: &str) -> PropertyPath {
    PropertyPath::parse(text).unwrap()
}
