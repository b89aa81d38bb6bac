use super::*;
use crate::control::climates::Conditions;
use crate::control::schedule::Zone;
use serde_json::Map;

#[path = "alarms_tests.rs"]
mod alarms_that_stand;
#[path = "climates_tests.rs"]
mod climates;
#[path = "model_tests.rs"]
mod models;
#[path = "pace_tests.rs"]
mod pace;
#[path = "pnp_tests.rs"]
mod pnp_style;

use crate::control::alarm_kind::Standing;
use crate::control::climate::Regime;
use crate::control::demand::Situation;
use crate::control::fixtures::{
    at, at_ms, climate_spec, fan, output, path, properties, range, secs, section, thermometer,
};
use crate::control::intent::Meaning;
use crate::control::{ClimateSpec, OutputKind, OutputSpec, Reading, SensorId, SensorSpec};
use crate::twin::Silence;
use crate::units::UnixSeconds;

const SHARE: f64 = 24.0;

fn report_spec() -> ReportSpec {
    ReportSpec {
        heartbeat: secs(300),
        min_interval: secs(10),
        deadband: BTreeMap::from([("temperature".to_owned(), 0.5), ("humidity".to_owned(), 2.0)]),
        style: ReportStyle::Plain,
        firmware_version: "1.2.1".into(),
    }
}

/// A site with its facts, and a reporter.
struct Rig {
    reporter: Reporter,
    sensors: Sensors,
    outputs: Outputs,
    outputs_spec: Vec<OutputSpec>,
    climates: Climates,
    zones: Vec<Zone>,
    climate_specs: Vec<ClimateSpec>,
    properties: PropertyMap,
    acknowledgement: Rc<Acknowledgement>,
    overrides: BTreeMap<OutputId, Override>,
    range_overrides: BTreeMap<ClimateId, Override<ClimateRange>>,
    pin_faults: BTreeMap<OutputId, String>,
    store_fault: Option<String>,
    alarms: Alarms,
    wall: Option<UnixSeconds>,
    /// The last section, which stands until the next.
    standing: Option<Wanted>,
}

impl Rig {
    fn new() -> Self {
        Self::with(vec![fan(OutputKind::OnOff)], vec![thermometer("cabinet")], Some(climate_spec()))
    }

    fn with(
        outputs: Vec<OutputSpec>,
        sensors: Vec<SensorSpec>,
        climate: impl IntoIterator<Item = ClimateSpec>,
    ) -> Self {
        let climate_specs: Vec<ClimateSpec> = climate.into_iter().collect();
        let properties = properties();
        let meaning = Meaning { properties: &properties, outputs: &outputs, climates: &climate_specs };
        let mapped = meaning.mapped();
        Self {
            reporter: Reporter::new(report_spec(), properties.clone(), mapped),
            properties,
            sensors: Sensors::new(at(0), sensors),
            outputs: Outputs::new(outputs.clone()),
            outputs_spec: outputs,
            zones: Vec::new(),
            climates: Climates::new(climate_specs.iter().cloned()),
            climate_specs,
            acknowledgement: Rc::default(),
            overrides: BTreeMap::new(),
            range_overrides: BTreeMap::new(),
            pin_faults: BTreeMap::new(),
            store_fault: None,
            alarms: Alarms::default(),
            wall: None,
            standing: None,
        }
    }

    /// A new reporter with this style.
    fn restyle(&mut self, style: ReportStyle) {
        let spec = ReportSpec { style, ..report_spec() };
        self.reporter = Reporter::new(spec, self.properties.clone(), self.meaning().mapped());
    }

    fn meaning(&self) -> Meaning<'_> {
        Meaning { properties: &self.properties, outputs: &self.outputs_spec, climates: &self.climate_specs }
    }

    /// The back end desires this whole section, and it is durable.
    fn desire(&mut self, desired: Value) {
        let (desired, version) = (section(desired), self.acknowledgement.version.next());
        let meaning = self.meaning();
        let understanding = meaning.read(&desired, version, &self.acknowledgement.understanding);
        self.acknowledgement = Rc::new(Acknowledgement { version, desired, understanding });
    }

    fn sample(&mut self, now: BootTime, sensor: usize, value: Result<f64, Fault>) {
        self.sensors.observe(Reading { sensor: SensorId(sensor), at: now, value });
    }

    fn compose(&mut self, now: BootTime) -> Wanted {
        let intent = &self.acknowledgement.understanding.intent;
        let (sensors, outputs, zones) = (&self.sensors, self.outputs_spec.as_slice(), self.zones.as_slice());
        let (ranges, wall) = (&self.range_overrides, self.wall);
        self.climates.step(now, Conditions { sensors, outputs, intent, overrides: ranges, zones, wall });
        let (climates, overrides, silence) = (&self.climates, &self.overrides, Silence::begun(now));
        let fans = self.meaning().fans();
        let situation =
            Situation { intent, fans: &fans, climates, silence, alarms: &Standing::default(), overrides };
        self.outputs.step(now, situation);
        let facts = |alarms| Facts {
            sensors: &self.sensors,
            outputs: &self.outputs,
            overrides,
            range_overrides: ranges,
            pin_faults: &self.pin_faults,
            climates,
            store_fault: self.store_fault.as_deref(),
            ring_fault: None,
            stored_at: None,
            alarms,
        };
        let standing = self.alarms.clone();
        self.alarms.update(now, self.wall, alarms::present(now, facts(&standing)));
        let fresh = self.reporter.compose(now, &self.acknowledgement, facts(&self.alarms));
        let wanted = fresh.or_else(|| self.standing.take()).expect("the first call says something");
        self.standing = Some(Wanted { again: Vec::new(), ..wanted.clone() });
        wanted
    }

    /// The value at a path of the section now.
    fn says(&mut self, now: BootTime, place: &str) -> Option<Value> {
        self.compose(now).section.get(&path(place)).cloned()
    }
}

#[test]
fn values_in_force_are_reported_in_the_type_and_unit_in_which_they_were_desired() {
    let mut rig = Rig::new();
    rig.desire(json!({
        "patchId": "Init",
        "fanOn": "false",
        "components": {
            "system": {"id": "17", "units": "farenheit"},
            "climate": {"minTemperature": "68", "maxTemperature": "76"},
        },
    }));
    rig.sample(at(0), 0, Ok(20.0));
    let sent = rig.compose(at(0)).section;
    let wanted = section(json!({
        "firmwareVersion": "1.2.1",
        "lastPatchReceivedId": "Init",
        "desiredVersion": 1,
        "fanOn": "false",
        "minTemperature": "68",
        "maxTemperature": "76",
        "components": {
            "system": {"status": "applied"},
            "climate": {"temperature": 68, "unit": "fahrenheit", "regime": "in-range", "sensor": "ok"},
            "fan": {"on": false, "dutyPercent": 0, "cause": "desired version 1"},
        },
    }));
    assert_eq!(sent, wanted);
}

#[test]
fn before_anything_is_desired_the_configured_range_is_reported() {
    let sent = Rig::new().compose(at(0)).section;
    let wanted = section(json!({
        "firmwareVersion": "1.2.1",
        "minTemperature": 20,
        "maxTemperature": 28,
        "components": {
            "climate": {"unit": "celsius", "regime": "starting", "sensor": "ok"},
            "fan": {"on": false, "dutyPercent": 0, "cause": "fail-safe start"},
        },
    }));
    assert_eq!(sent, wanted);
}

#[test]
fn a_configured_end_has_the_type_of_the_desired_one() {
    for (max, min) in [(json!("77"), json!("68")), (json!(77), json!(68)), (json!(77.5), json!(68))] {
        let mut rig = Rig::new();
        let climate = json!({ "maxTemperature": max });
        rig.desire(json!({"components": {"system": {"units": "fahrenheit"}, "climate": climate}}));
        let sent = rig.compose(at(0)).section;
        assert_eq!(sent.get(&path("minTemperature")), Some(&min));
        assert_eq!(sent.get(&path("maxTemperature")), Some(&max));
    }
}

#[test]
fn a_refused_value_is_reported_where_it_was_desired_until_it_is_corrected() {
    let mut rig = Rig::new();
    rig.desire(json!({"components": {"climate": {"minTemperature": 21, "maxTemperature": 25}}}));
    rig.desire(json!({"components": {"climate": {"minTemperature": 30, "maxTemperature": 25}}}));
    let sent = rig.compose(at(0)).section;
    let rejected = json!({
        "value": {"minTemperature": 30, "maxTemperature": 25},
        "code": 400,
        "reason": "minTemperature is not below maxTemperature",
        "version": 2,
    });
    assert_eq!(sent.get(&path("rejected.components.climate")), Some(&rejected));
    assert_eq!(sent.get(&path("minTemperature")), Some(&json!(21)));
    assert_eq!(sent.get(&path("desiredVersion")), Some(&json!(2)));
    rig.desire(json!({"components": {"climate": {"minTemperature": 22, "maxTemperature": 25}}}));
    assert_eq!(rig.says(at(1), "rejected"), None);
}

#[test]
fn what_has_no_meaning_here_is_reported_as_not_mapped() {
    let lamp = OutputSpec { property: Some(path("components.lamp.on")), ..output("lamp", OutputKind::OnOff) };
    let sensors = vec![thermometer("cabinet")];
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff), lamp], sensors, Some(climate_spec()));
    rig.desire(json!({
        "patchId": "x",
        "site": {"name": "here"},
        "answer": 42,
        "components": {
            "__t": "c",
            "wifi": {"channel": "6"},
            "lamp": {"on": true},
            "system": {"units": "celsius"},
            "climate": {"minTemperature": 21},
            "odd": 5,
        },
    }));
    let sent = rig.compose(at(0)).section;
    let status = |name: &str| sent.get(&path(&format!("components.{name}.status"))).cloned();
    assert_eq!(status("wifi"), Some(json!("not mapped")));
    assert_eq!(status("odd"), Some(json!("not mapped")));
    assert_eq!(status("lamp"), Some(json!("applied")));
    assert_eq!(status("system"), Some(json!("applied")));
    assert_eq!((status("climate"), status("__t")), (None, None));
    assert_eq!(sent.get(&path("notMapped")), Some(&json!(["answer", "site"])));
    rig.desire(json!({"components": {"lamp": {"on": "bright"}}}));
    let sent = rig.compose(at(1)).section;
    assert_eq!(sent.get(&path("components.lamp.status")), Some(&json!("rejected")));
    assert_eq!((sent.get(&path("components.wifi")), sent.get(&path("notMapped"))), (None, None));
}

#[test]
fn odd_names_are_listed_as_values_and_never_written_as_keys() {
    let mut rig = Rig::new();
    let long = "n".repeat(5000);
    rig.desire(json!({
        "build#": 1, "a\u{a0}b": 2, "c.d": 3, long: 4, "e\n": 5,
        "components": {"gate#2": {}, "wifi": {"ssid#": 1}},
    }));
    let sent = rig.compose(at(0));
    assert_eq!(sent.left_out, None);
    let cut = format!("{}…", "n".repeat(128));
    let names = json!(["a\u{a0}b", "build#", "c.d", "components.gate#2", "e", cut]);
    assert_eq!(sent.section.get(&path("notMapped")), Some(&names));
    assert_eq!(sent.section.get(&path("components.wifi.status")), Some(&json!("not mapped")));
    let many: Map<String, Value> = (0..2000).map(|n| (format!("key{n}#"), json!(n))).collect();
    rig.desire(Value::Object(many));
    let sent = rig.compose(at(1));
    let size: usize = sent.section.as_object()["notMapped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().len())
        .sum();
    assert!(size > 4000 && size <= 4096, "one value takes 4 KiB at the hub: {size}");
    assert!(sent.left_out.is_some());
}

#[test]
fn a_number_with_more_digits_than_a_double_is_in_force_and_reported_as_the_nearest_one() {
    let mut rig = Rig::new();
    let text = r#"{"minTemperature":20.00000000000000000001,"maxTemperature":1e400}"#;
    let mut climate = json::read(text.as_bytes(), 0).unwrap();
    rig.desire(json!({"components": {"climate": climate}}));
    let refused = rig.says(at(0), "rejected.components.climate").unwrap();
    assert_eq!((&refused["code"], refused.get("value")), (&json!(400), None));
    climate.insert("maxTemperature".into(), json!(30));
    rig.desire(json!({"components": {"climate": climate}}));
    assert_eq!(rig.says(at(1), "minTemperature"), Some(json!(20)));
    assert_eq!((rig.says(at(1), "maxTemperature"), rig.says(at(1), "rejected")), (Some(json!(30)), None));
}

#[test]
fn without_a_climate_a_desired_one_is_not_mapped_either() {
    let mut rig = Rig::with(vec![output("lamp", OutputKind::OnOff)], Vec::new(), None);
    rig.desire(json!({"fanOn": true, "components": {"climate": {"minTemperature": 21}}}));
    let sent = rig.compose(at(0)).section;
    assert_eq!(sent.get(&path("components.climate.status")), Some(&json!("not mapped")));
    assert_eq!(sent.get(&path("notMapped")), Some(&json!(["fanOn"])));
    assert_eq!(sent.get(&path("minTemperature")), None);
}

#[test]
fn a_value_where_components_should_be_is_not_mapped() {
    let mut rig = Rig::new();
    rig.desire(json!({"components": 5}));
    assert_eq!(rig.says(at(0), "notMapped"), Some(json!(["components"])));
}

#[test]
fn without_a_valid_reading_there_is_no_number() {
    let mut rig = Rig::new();
    rig.sample(at(0), 0, Ok(24.0));
    assert_eq!(rig.says(at(0), "components.climate.temperature"), Some(json!(24)));
    let sent = rig.compose(at(30)).section;
    let wanted = json!({"unit": "celsius", "regime": "sensor-fault", "sensor": "stale"});
    assert_eq!(sent.get(&path("components.climate")), Some(&wanted));
}

#[test]
fn faults_of_outputs_and_of_the_disk_are_reported() {
    let mut rig = Rig::new();
    rig.pin_faults.insert(OutputId(0), "x".repeat(5_000));
    rig.store_fault = Some("no space left".into());
    let sent = rig.compose(at(0)).section;
    let fault = sent.get(&path("components.fan.fault")).unwrap().as_str().unwrap();
    assert_eq!(fault.len(), 200);
    assert_eq!(sent.get(&path("storeFault")), Some(&json!("no space left")));
    (rig.pin_faults, rig.store_fault) = (BTreeMap::new(), None);
    let sent = rig.compose(at(10)).section;
    assert_eq!((sent.get(&path("components.fan.fault")), sent.get(&path("storeFault"))), (None, None));
}

#[test]
fn an_echo_too_deep_for_the_hub_is_left_out_and_the_refusal_is_still_reported() {
    let mut rig = Rig::new();
    let nested = (0..8).fold(json!(1), |inner, _| json!({ "o": inner }));
    rig.desire(json!({ "components": { "climate": { "minTemperature": nested } } }));
    let sent = rig.compose(at(0));
    let refusal = sent.section.get(&path("rejected.components.climate")).unwrap();
    assert_eq!((&refusal["code"], refusal.get("version")), (&json!(400), Some(&json!(1))));
    assert!(sent.left_out.unwrap().contains("nested deeper"));
    assert_eq!(sent.section.get(&path("desiredVersion")), Some(&json!(1)));
}

#[test]
fn more_foreign_names_than_there_is_room_for_do_not_crowd_out_the_climate() {
    let mut rig = Rig::new();
    let components: Map<String, Value> =
        (0..30).map(|n| (format!("{n:03}").repeat(340), json!({}))).collect();
    rig.desire(json!({ "components": components, "n".repeat(1000): 1 }));
    rig.sample(at(0), 0, Ok(24.0));
    let sent = rig.compose(at(0));
    assert!(sent.section.size() < 12 * 1024);
    assert_eq!(sent.section.get(&path("components.climate.temperature")), Some(&json!(24)));
    assert!(sent.left_out.is_some());
}

#[test]
fn a_hundred_components_each_have_a_status() {
    let mut rig = Rig::new();
    let components: Map<String, Value> = (0..100).map(|n| (format!("part{n}"), json!({"n": n}))).collect();
    rig.desire(json!({ "components": components }));
    let sent = rig.compose(at(0));
    assert_eq!(sent.left_out, None);
    assert_eq!(sent.section.get(&path("components.part99.status")), Some(&json!("not mapped")));
}

#[test]
fn a_patch_id_that_is_a_document_is_not_echoed() {
    let mut rig = Rig::new();
    rig.desire(json!({"patchId": {"a": 1}}));
    assert_eq!(rig.says(at(0), "lastPatchReceivedId"), None);
    rig.desire(json!({"patchId": 7}));
    assert_eq!(rig.says(at(0), "lastPatchReceivedId"), Some(json!(7)));
}

#[test]
fn regimes_are_reported_by_name() {
    let spec = ClimateSpec { critical: Some(60.0), range: range(20.0, 28.0), ..climate_spec() };
    let mut rig = Rig::with(vec![fan(OutputKind::OnOff)], vec![thermometer("cabinet")], Some(spec));
    rig.sample(at(0), 0, Ok(61.0));
    assert_eq!(rig.says(at(0), "components.climate.regime"), Some(json!("overheat")));
    assert_eq!(rig.climates.get(ClimateId(0)).map(Climate::regime), Some(Regime::Overheat));
}
