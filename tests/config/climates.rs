//! Several climates, each with a name, and any quantity.

use super::*;
use twind::control::derived::Derived;
use twind::control::quantity::Quantity;
use twind::control::{ClimateSpec, OutputId, SensorId};
use twind::units::TemperatureUnit;

/// Three rooms with one boiler, and a greenhouse.
pub(crate) const ROOMS: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"

[outputs.boiler]
[outputs.fan]
pwm = { channel = 0 }
[outputs.mister]

[sensors.office]
driver = "file"
path = "office"
[sensors.bench]
driver = "file"
path = "lab"
[sensors.moist]
driver = "file"
path = "moist"
measures = "humidity"

[climates.office]
sensor = "office"
cooling = "fan"
heating = "boiler"
range = { min = 68.0, max = 77.0 }
unit = "fahrenheit"

[climates.lab]
sensor = "bench"
raising = "boiler"
raising-from = "25%"
property = "rooms.lab"

[climates.greenhouse]
holds = "humidity"
raising = "mister"
lowering = "fan"
lowering-from = "50%"
range = { min = 40.0, max = 60.0 }
critical = 95.0
"#;

fn climates(text: &str) -> Vec<ClimateSpec> {
    Site::new().right(text).engine.climates
}

#[test]
fn each_climate_is_what_its_table_says() {
    let [office, lab, greenhouse] = climates(ROOMS).try_into().unwrap();
    assert_eq!((office.label(), lab.label(), greenhouse.label()), ("office", "lab", "greenhouse"));
    assert_eq!(office.quantity, Quantity::Temperature(TemperatureUnit::Fahrenheit));
    assert!((office.range.min() - 20.0).abs() < 1e-9 && (office.range.max() - 25.0).abs() < 1e-9);
    assert_eq!((office.lowering, office.raising), (vec![OutputId(1)], vec![OutputId(0)]));
    assert_eq!((lab.sensors, lab.raising), (vec![SensorId(1)], vec![OutputId(0)]));
    assert_eq!(
        (office.property.to_string(), lab.property.to_string()),
        ("components.office".into(), "rooms.lab".into())
    );
    assert_eq!((lab.lowering_from, lab.raising_from), (0.0, 0.25));
    assert_eq!(greenhouse.quantity, Quantity::Other("humidity".into()));
    assert_eq!(
        (greenhouse.sensors, greenhouse.critical),
        (vec![SensorId(2)], Some(95.0)),
        "the only one that measures it"
    );
    assert!((greenhouse.hysteresis - 0.4).abs() < 1e-9, "2 % of the range");
    assert_eq!(greenhouse.lowering_from, 0.5);
}

#[test]
fn an_output_that_lowers_has_its_rows_on_and_one_that_raises_off() {
    let outputs = Site::new().right(ROOMS).engine.outputs;
    let rows: Vec<_> =
        outputs.iter().map(|output| (output.when.sensor_fault, output.when.overheat)).collect();
    assert_eq!(rows, [(Some(OFF), Some(OFF)), (Some(ON), Some(ON)), (Some(OFF), Some(OFF))]);
}

#[test]
fn a_climate_holds_what_its_sensors_measure_if_it_does_not_say() {
    let text = ROOMS.replace("holds = \"humidity\"", "sensor = \"moist\"");
    assert_eq!(climates(&text)[2].quantity, Quantity::Other("humidity".into()));
}

#[test]
fn what_cannot_be_is_said_with_its_place() {
    let site = Site::new();
    for (from, to, told) in [
        (
            "[climates.lab]",
            "[climate]",
            "[climate], line 30, is the only climate of a site: beside [climates.office]",
        ),
        (
            "[climates.lab]",
            "[climates.fan]",
            "[outputs.fan] and [climates.fan] have one name, the first in line 8",
        ),
        ("[climates.lab]", "[climates.system]", "a climate cannot be named \"system\""),
        ("[climates.lab]", "[climates.\"a b\"]", "the name of a climate must be"),
        (
            "sensor = \"bench\"",
            "sensor = \"moist\"\nholds = \"temperature\"",
            "[sensors.moist] measures humidity, and `holds` says temperature",
        ),
        (
            "sensor = \"bench\"",
            "sensors = [\"bench\", \"moist\"]",
            "[sensors.moist] measures humidity, and [sensors.bench] temperature",
        ),
        (
            "range = { min = 40.0, max = 60.0 }",
            "",
            "`range` is missing in [climates.greenhouse]: what humidity to hold",
        ),
        (
            "critical = 95.0",
            "unit = \"kelvin\"",
            "`unit` is for temperatures, and this climate holds humidity",
        ),
        (
            "raising = \"mister\"",
            "heating = \"mister\"",
            "`heating` is for a temperature; for humidity write `raising`",
        ),
        (
            "raising = \"boiler\"",
            "raising = \"boiler\"\nheating = \"boiler\"",
            "`heating` and `raising` are two names for the same thing",
        ),
        (
            "lowering-from = \"50%\"",
            "lowering-from = \"100%\"",
            "must be a percentage from \"-100%\" to \"95%\", found the text \"100%\"",
        ),
        ("lowering-from = \"50%\"", "lowering-from = 50", "must be a percentage from \"-100%\" to \"95%\""),
        ("raising = \"mister\"", "raising = \"fan\"", "[outputs.fan] cannot both lower and raise"),
        (
            "property = \"rooms.lab\"",
            "property = \"components.office\"",
            "[climates.lab] and [climates.office], line 23, read one property",
        ),
        ("property = \"rooms.lab\"", "property = \"patchId\"", "which `patch-id` of [twin] reads, overlap"),
        ("property = \"rooms.lab\"", "time-zone = \"Europe/Nowhere\"", "must be a time zone of this system"),
        ("property = \"rooms.lab\"", "time-zone = \"../../etc/passwd\"", "must be the name of a time zone"),
        (
            "range = { min = 40.0, max = 60.0 }",
            "range = { min = 60.0, max = 40.0 }",
            "`min` must be below `max` in [climates.greenhouse.range]",
        ),
    ] {
        let fault = site.fault(&replaced(ROOMS, from, to));
        assert!(fault.contains(told), "wanted {told}\n{fault}");
    }
}

#[test]
fn an_output_that_lowers_one_climate_and_raises_another_is_warned_of_unless_its_row_is_said() {
    let site = Site::new();
    let both = ROOMS
        .replace("lowering = \"fan\"\nlowering-from = \"50%\"", "lowering = \"boiler\"")
        .replace("raising-from = \"25%\"\n", "");
    let (_, warned) = site.check(&both);
    assert!(
        warned.contains("[outputs.boiler] lowers [climates.greenhouse] and raises [climates.office]"),
        "{warned}"
    );
    let said = both.replace("[outputs.boiler]", "[outputs.boiler]\nwhen = { sensor-fault = \"off\" }");
    let (_, warned) = site.check(&said);
    assert!(!warned.contains("warning"), "{warned}");
}

/// A cabinet that is heated when its wall nears the dew point of the air.
const CABINET: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.heater]
[sensors.air]
driver = "file"
path = "air"
[sensors.moist]
driver = "file"
path = "moist"
measures = "humidity"
[sensors.wall]
driver = "file"
path = "wall"
unit = "fahrenheit"
[sensors.dew]
driver = "dew-point"
temperature = "air"
humidity = "moist"
[sensors.margin]
driver = "difference"
of = "wall"
minus = "dew"
[climates.cabinet]
sensor = "margin"
raising = "heater"
range = { min = 3.0, max = 6.0 }
"#;

#[test]
fn a_sensor_may_follow_from_others() {
    let engine = Site::new().right(CABINET).engine;
    let derived: Vec<_> = engine.sensors.iter().filter_map(|sensor| sensor.derived).collect();
    assert_eq!(
        derived,
        [
            Derived::DewPoint { temperature: SensorId(0), humidity: SensorId(1) },
            Derived::Difference { of: SensorId(2), minus: SensorId(3) },
        ]
    );
    let of = |id: usize| (engine.sensors[id].measures.as_str(), engine.sensors[id].source.as_str());
    assert_eq!(
        (of(3), of(4)),
        (("temperature", "the dew point of air and moist"), ("difference", "wall less dew"))
    );
    assert_eq!(engine.climates[0].quantity, Quantity::Other("difference".into()));
    let (_, said) = Site::new().check(CABINET);
    assert!(said.contains("sensor   margin, difference, wall less dew"), "{said}");
    assert!(said.contains("climate  cabinet: 3 to 6 difference, by margin"), "{said}");
}

#[test]
fn what_a_sensor_follows_from_must_be_there_and_fit() {
    let site = Site::new();
    for (from, to, told) in [
        (
            "humidity = \"moist\"",
            "humidity = \"moits\"",
            "there is no [sensors.moits]; did you mean \"moist\"?",
        ),
        (
            "humidity = \"moist\"",
            "humidity = \"x\"",
            "there is no [sensors.x]; there are \"air\", \"moist\", \"wall\"",
        ),
        (
            "humidity = \"moist\"",
            "humidity = \"margin\"",
            ":18:10: [sensors.dew] and [sensors.margin] follow from each other, which gives no value",
        ),
        (
            "humidity = \"moist\"",
            "humidity = \"air\"",
            "`humidity` must name a sensor that measures humidity, found one that measures temperature",
        ),
        (
            "humidity = \"moist\"",
            "",
            "`humidity` is missing in [sensors.dew]: the sensor that measures a humidity",
        ),
        (
            "humidity = \"moist\"",
            "humidity = \"moist\"\nof = \"air\"",
            "`of` is not for this driver, which needs `temperature` and `humidity`",
        ),
        ("minus = \"dew\"", "minus = \"moist\"", "`minus` must name a sensor that measures temperature"),
        ("minus = \"dew\"", "minus = \"margin\"", "[sensors.margin] follows from itself"),
        (
            "minus = \"dew\"",
            "minus = \"dew\"\nmeasures = \"temperature\"",
            "`measures` cannot be \"temperature\"",
        ),
        ("minus = \"dew\"", "minus = \"dew\"\nperiod = \"5s\"", "unknown key `period` in [sensors.margin]"),
        (
            "path = \"air\"",
            "path = \"air\"\nminus = \"dew\"",
            "`minus` is for a sensor that is derived from others, not for driver = \"file\"",
        ),
    ] {
        let faults = site.parse(&replaced(CABINET, from, to)).unwrap_err().to_string();
        assert!(faults.contains(told), "wanted {told}\n{faults}");
    }
}

#[test]
fn a_sensor_may_stand_above_those_from_which_it_follows() {
    let site = Site::new();
    let (head, rest) = CABINET.split_once("[sensors.air]").unwrap();
    let (sensors, climate) = rest.split_once("[climates.cabinet]").unwrap();
    let sensors = format!("[sensors.air]{sensors}");
    let mut tables: Vec<String> =
        sensors.split("[sensors.").skip(1).map(|table| format!("[sensors.{table}")).collect();
    tables.reverse();
    let engine = site.right(&format!("{head}{}[climates.cabinet]{climate}", tables.concat())).engine;
    let names: Vec<&str> = engine.sensors.iter().map(|sensor| sensor.name.as_str()).collect();
    assert_eq!(names, ["wall", "moist", "air", "dew", "margin"]);
    let derived: Vec<_> = engine.sensors.iter().filter_map(|sensor| sensor.derived).collect();
    assert_eq!(
        derived,
        [
            Derived::DewPoint { temperature: SensorId(2), humidity: SensorId(1) },
            Derived::Difference { of: SensorId(0), minus: SensorId(3) },
        ]
    );
    assert_eq!(engine.climates[0].sensors, [SensorId(4)]);
}

#[test]
fn sensors_that_follow_from_each_other_are_told_once_each_circle_and_nothing_else_is() {
    let difference = |name: &str, of: &str, minus: &str| {
        format!("[sensors.{name}]\ndriver = \"difference\"\nof = \"{of}\"\nminus = \"{minus}\"\n")
    };
    let circles = [
        difference("x", "a", "margin"),
        difference("c", "b", "margin"),
        difference("b", "a", "margin"),
        difference("a", "c", "margin"),
        difference("self", "margin", "self"),
    ];
    let faults = Site::new().parse(&format!("{CABINET}{}", circles.concat())).unwrap_err().faults;
    let told: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "[sensors.a], [sensors.c] and [sensors.b] follow from each other, which gives no value: name sensors \
             that are read",
            "[sensors.self] follows from itself, which gives no value: name sensors that are read",
        ]
    );
}

#[test]
fn a_quantity_that_the_file_gives_no_deadband_has_the_least_hysteresis_of_its_climates() {
    let site = Site::new();
    let deadband = |text: &str| site.right(text).engine.report.deadband;
    assert_eq!(deadband(ROOMS), [("humidity".to_owned(), 2.0), ("temperature".to_owned(), 0.5)].into());
    let level = ROOMS.replace("measures = \"humidity\"", "measures = \"level\"");
    let level = level.replace("holds = \"humidity\"", "holds = \"level\"");
    assert_eq!(deadband(&level)["level"], 0.4);
    let said = format!("{level}\n[report]\ndeadband = {{ level = 3.0 }}\n");
    assert_eq!(deadband(&said)["level"], 3.0);
}

#[test]
fn a_sensor_that_follows_from_others_too_often_is_refused_before_its_value_costs_a_control_step() {
    let site = Site::new();
    let chain = |length: usize| {
        let mut text = CABINET.replace("minus = \"dew\"", "minus = \"air\"").replace("fahrenheit", "celsius");
        text.push_str("[sensors.gap]\ndriver = \"difference\"\nof = \"air\"\nminus = \"wall\"\n");
        let (mut before, mut last) = ("gap".to_owned(), "margin".to_owned());
        for number in 0..length {
            let next = format!("d{number}");
            text.push_str(&format!(
                "[sensors.{next}]\ndriver = \"difference\"\nof = \"{last}\"\nminus = \"{before}\"\n"
            ));
            (before, last) = (last, next);
        }
        text
    };
    assert_eq!(site.right(&chain(3)).engine.sensors.len(), 9);
    let faults = site.parse(&chain(100)).unwrap_err().to_string();
    assert!(faults.contains("[sensors.d3] is derived over more than 4 levels"), "{faults}");
    assert!(!faults.contains("[sensors.d2]"), "{faults}");
}
