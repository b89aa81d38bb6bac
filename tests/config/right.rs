//! What a right file becomes.

use super::{OFF, ON, SITE, SMALL, Site, account, replaced, seconds, with};
use std::path::Path;
use std::time::Duration;
use twind::board::Line;
use twind::control::quantity::Quantity;
use twind::control::{Combine, OutputId, OutputKind, RowDrive, SensorId};
use twind::hub::Identity;
use twind::sensors::{Channel, DRIVERS, Locator, Source};
use twind::units::{Permille, TemperatureUnit};

fn source(driver: &str, at: Locator, channel: Option<Channel>) -> Source {
    let driver = DRIVERS.iter().find(|known| known.name == driver).unwrap();
    Source { driver, at, line: None, channel }
}

#[test]
fn a_small_file_does_and_takes_every_default() {
    let site = Site::new();
    let settings = site.right(SMALL);
    assert_eq!(settings.engine.identity, "hub.example.net/cabinet-7");
    assert_eq!(settings.hub.port, 8883);
    assert_eq!(settings.hub.keep_alive, seconds(240));
    assert_eq!(settings.hub.token_lifetime, seconds(3600));
    let Identity::Key(key) = &account(&settings).identity else { panic!("{:?}", settings.hub) };
    assert_eq!(key.expose(), b"secret-secret");
    assert_eq!(
        (settings.board.driver.name, settings.board.folder.as_path()),
        ("simulated", Path::new("/run/twind/board"))
    );
    assert_eq!(settings.state_dir, Path::new("/var/lib/twind"));
    assert_eq!(settings.socket.as_deref(), Some(Path::new("/run/twind/twind.sock")));
    assert_eq!((settings.look_socket, settings.metrics_file), (None, None));

    let fan = &settings.engine.outputs[0];
    assert_eq!(
        (fan.kind, fan.min_duty, fan.kick, fan.property.as_ref()),
        (OutputKind::OnOff, None, None, None)
    );
    assert_eq!((fan.when.start, fan.when.stop, fan.when.crash), (OFF, OFF, OFF));
    assert_eq!((fan.when.sensor_fault, fan.when.overheat, fan.when.hub_silent), (Some(ON), Some(ON), None));

    let sensor = &settings.sensors[0];
    assert_eq!(sensor.source, source("file", Locator::Path("/run/t".into()), Some(Channel::Temperature)));
    assert_eq!((sensor.scale, sensor.offset, sensor.period), (1.0, 0.0, seconds(5)));
    assert_eq!((sensor.plausible.valid, sensor.plausible.frozen_repeats), ((-55.0, 125.0), None));
    assert_eq!(sensor.max_age, Some(seconds(900)));
    let spec = &settings.engine.sensors[0];
    assert_eq!((spec.stale_after, spec.source.as_str()), (seconds(30), "/run/t"));

    let climate = settings.engine.climates[0].clone();
    assert_eq!(
        (climate.sensors, climate.lowering, climate.raising),
        (vec![SensorId(0)], vec![OutputId(0)], vec![])
    );
    assert_eq!((climate.range.min(), climate.range.max()), (20.0, 28.0));
    assert_eq!((climate.hysteresis, climate.limits, climate.critical), (0.5, None, None));

    let report = settings.engine.report;
    assert_eq!((report.heartbeat, report.min_interval), (seconds(300), seconds(10)));
    assert_eq!(
        report.deadband.into_iter().collect::<Vec<_>>(),
        [("humidity".into(), 2.0), ("temperature".into(), 0.5)]
    );
    assert_eq!(report.firmware_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(settings.engine.properties.units.to_string(), "components.system.units");
}

#[test]
fn every_key_reaches_its_setting() {
    let site = Site::new();
    let text = r#"
[hub]
host = "hub.example.net"
device-id = "d"
gateway = "edge.local"
key-file = "key"
port = 8884
transport = "mqtt"
ca-file = "cert.pem"
keep-alive = "1177s"
model-id = "dtmi:com:example:Cabinet;1"
token-lifetime = "10s"
[twin]
state-dir = "state"
fan-on = "a.b"
[report]
deadband = { pressure = 3, humidity = 1 }
heartbeat = "5s"
[board]
driver = "simulated"
folder = "board"
[outputs.pump]
pwm = { channel = 3, frequency-hz = 50, inverted = true }
min-duty = 2_0
kick = "500ms"
slew = 2.5
min-on = "1m 30s"
min-off = "0s"
property = "components.pump.on"
[outputs.pump.when]
start = "auto"
stop = "keep"
crash = "12.5%"
sensor-fault = "on"
hub-silent = { after = "24h", drive = "auto" }
[outputs.heat]
pin = 4
chip = "gpiochip1"
active-low = true
[sensors.a]
driver = "thermal-zone"
id = "cpu-thermal"
unit = "fahrenheit"
stale-after = "1m"
max-step = 3
reject = [0, 185.0]
frozen-after = "61s"
[sensors.b]
driver = "hwmon"
path = "/sys/x"
valid = [-1, 1_000.5]
scale = 1e-3
offset = -0.5
period = "1s"
[climate]
sensors = ["b", "a"]
combine = "first-good"
cooling = ["pump"]
heating = "heat"
unit = "fahrenheit"
range = { min = 50, max = 68 }
limits = { min = 41, max = 95.0 }
critical = 104
hysteresis = 1.8
[telemetry]
interval = "30s"
send-every = "2m 30s"
keep = "512KiB"
alarms = false
[local]
socket = "/tmp/s"
metrics-file = "metrics/twind.prom"
"#;
    let settings = site.right(text);
    let hub = &settings.hub;
    assert_eq!((hub.port, hub.keep_alive, hub.token_lifetime), (8884, seconds(1177), seconds(10)));
    assert_eq!(
        (account(&settings).gateway.as_deref(), hub.model_id.as_deref()),
        (Some("edge.local"), Some("dtmi:com:example:Cabinet;1"))
    );
    assert_eq!(hub.ca_file, Some(site.path("cert.pem")));
    assert_eq!(settings.state_dir, site.path("state"));
    assert_eq!(settings.metrics_file, Some(site.path("metrics/twind.prom")));
    assert_eq!(
        (settings.board.driver.name, settings.board.folder.clone()),
        ("simulated", site.path("board"))
    );
    assert_eq!(settings.socket.as_deref(), Some(Path::new("/tmp/s")));
    let report = &settings.engine.report;
    assert_eq!(
        (report.deadband["pressure"], report.deadband["humidity"], report.deadband["temperature"]),
        (3.0, 1.0, 0.5)
    );
    assert_eq!((report.heartbeat, report.min_interval), (seconds(5), seconds(5)));
    let telemetry = settings.engine.telemetry.as_ref().unwrap();
    assert_eq!((telemetry.interval, telemetry.send_every), (seconds(30), seconds(150)));
    assert_eq!((telemetry.keep_bytes, telemetry.alarms), (512 << 10, false));

    let [pump, heat] = settings.engine.outputs.as_slice() else { panic!("two outputs") };
    assert_eq!(
        (pump.name.as_str(), pump.kind, heat.name.as_str(), heat.kind),
        ("pump", OutputKind::Pwm, "heat", OutputKind::OnOff)
    );
    assert_eq!(pump.min_duty, Permille::new(200));
    assert_eq!((pump.kick, pump.slew_permille_per_s), (Some(Duration::from_millis(500)), Some(25.0)));
    assert_eq!((pump.min_on, pump.min_off), (Some(seconds(90)), Some(Duration::ZERO)));
    assert_eq!(pump.property.as_ref().unwrap().to_string(), "components.pump.on");
    let share = RowDrive::Fixed(Permille::new(125).unwrap());
    assert_eq!((pump.when.start, pump.when.stop, pump.when.crash), (RowDrive::Auto, RowDrive::Keep, share));
    assert_eq!(pump.when.hub_silent, Some((seconds(86_400), RowDrive::Auto)));
    assert_eq!(
        (pump.when.overheat, heat.when.overheat, heat.when.sensor_fault),
        (Some(ON), Some(OFF), Some(OFF))
    );
    assert_eq!(
        settings.board.outputs[0].line,
        Some(Line::PwmChannel { channel: 3, chip: None, frequency_hz: 50, inverted: true })
    );
    assert_eq!(settings.board.outputs[1].line, Some(Line::Pin { pin: 4, chip: Some("gpiochip1".into()) }));
    assert_eq!((settings.board.outputs[0].active_low, settings.board.outputs[1].active_low), (false, true));

    let [a, b] = settings.sensors.as_slice() else { panic!("two sensors") };
    assert_eq!(
        a.source,
        source("thermal-zone", Locator::Id("cpu-thermal".into()), Some(Channel::Temperature))
    );
    assert_eq!((a.plausible.valid, a.plausible.max_step), ((-67.0, 257.0), Some(3.0)));
    assert_eq!((a.period, a.plausible.frozen_repeats), (seconds(5), Some(13)), "no sooner than after 61 s");
    assert_eq!(a.plausible.reject, [0.0, 185.0]);
    assert_eq!(b.source, source("hwmon", Locator::Path("/sys/x".into()), Some(Channel::Temperature)));
    assert_eq!((b.plausible.valid, b.scale, b.offset), ((-1.0, 1000.5), 0.001, -0.5));
    let specs = &settings.engine.sensors;
    assert_eq!((specs[0].unit, specs[0].stale_after), (TemperatureUnit::Fahrenheit, seconds(60)));
    assert_eq!((specs[1].unit, specs[1].stale_after), (TemperatureUnit::Celsius, seconds(6)));

    let climate = &settings.engine.climates[0];
    assert_eq!(climate.combine, Combine::FirstGood);
    assert_eq!(climate.quantity, Quantity::Temperature(TemperatureUnit::Fahrenheit));
    assert_eq!(climate.sensors, [SensorId(1), SensorId(0)]);
    assert_eq!(
        (climate.lowering.as_slice(), climate.raising.as_slice()),
        ([OutputId(0)].as_slice(), [OutputId(1)].as_slice())
    );
    let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    close(climate.range.min(), 10.0);
    close(climate.range.max(), 20.0);
    close(climate.limits.unwrap().max(), 35.0);
    close(climate.critical.unwrap(), 40.0);
    close(climate.hysteresis, 1.0);
}

#[test]
fn a_certificate_may_be_the_identity_with_and_without_a_connection_string() {
    let site = Site::new();
    let files = "certificate-file = \"cert.pem\"\nprivate-key-file = \"cert.key\"\n";
    for named in
        ["connection-string-file = \"x509\"", "host = \"hub.example.net\"\ndevice-id = \"cabinet-7\""]
    {
        let text = replaced(SMALL, "connection-string-file = \"cs\"", &format!("{named}\n{files}"));
        let settings = site.right(&text);
        assert_eq!(settings.engine.identity, "hub.example.net/cabinet-7");
        let (certificate_file, private_key_file) = (site.path("cert.pem"), site.path("cert.key"));
        assert_eq!(account(&settings).identity, Identity::Certificate { certificate_file, private_key_file });
    }
    let alone = replaced(SMALL, "\"cs\"", "\"x509\"");
    assert!(site.fault(&alone).contains("add `certificate-file`"));
    let half = replaced(SMALL, "\"cs\"", "\"x509\"\ncertificate-file = \"cert.pem\"");
    assert!(site.fault(&half).contains("`private-key-file` is missing in [hub]"));
    let both = replaced(SMALL, "\"cs\"", &format!("\"cs\"\n{files}"));
    assert!(site.fault(&both).contains("one identity"));
}

#[test]
fn a_simulated_output_is_what_is_asked_of_it() {
    let site = Site::new();
    assert_eq!(site.right(SMALL).engine.outputs[0].kind, OutputKind::OnOff);
    let shaped = with(SMALL, "outputs.fan", "min-duty = 20");
    assert_eq!(site.right(&shaped).engine.outputs[0].kind, OutputKind::Pwm);
}

#[test]
fn a_least_duty_of_nothing_is_none_so_a_fan_that_is_to_run_does() {
    let site = Site::new();
    for (percent, least) in
        [("0", None), ("0.01", None), ("0.1", Permille::new(1)), ("100", Permille::new(1000))]
    {
        let settings = site.right(&with(SMALL, "outputs.fan", &format!("min-duty = {percent}")));
        let fan = &settings.engine.outputs[0];
        assert_eq!((fan.kind, fan.min_duty), (OutputKind::Pwm, least), "{percent}");
    }
}

#[test]
fn the_socket_stands_in_the_runtime_directory_unless_it_is_named() {
    let mut site = Site::new();
    site.environment.runtime_directory = Some("/run/other".into());
    assert_eq!(site.right(SMALL).socket.as_deref(), Some(Path::new("/run/other/twind.sock")));
}

#[test]
fn a_thermometer_on_the_1_wire_bus_is_slow_and_its_power_on_value_no_reading() {
    let site = Site::new();
    let id = "28-0316a2797c1f";
    let w1 = |lines: &str| {
        let sensor = format!("driver = \"w1\"\nid = \"{id}\"\n{lines}");
        site.right(&replaced(SITE, "driver = \"file\"\npath = \"temperature\"", &sensor))
    };
    let settings = w1("");
    let sensor = &settings.sensors[0];
    assert_eq!(sensor.source, source("w1", Locator::Id(id.into()), Some(Channel::Temperature)));
    assert_eq!((sensor.period, settings.engine.sensors[0].stale_after), (seconds(10), seconds(60)));
    assert_eq!(
        (sensor.plausible.valid, sensor.plausible.reject.as_slice()),
        ((-55.0, 125.0), [85.0].as_slice())
    );
    let corrected =
        w1("scale = 1.8\noffset = 31.0\nunit = \"fahrenheit\"").sensors[0].plausible.reject.clone();
    assert_eq!(corrected, [184.0], "as a corrected sensor shows it");
    assert_eq!(w1("reject = []").sensors[0].plausible.reject, Vec::<f64>::new());
    let path = "/sys/bus/w1/devices/28-0316a2797c1f/w1_slave";
    let by_path = replaced(
        SITE,
        "driver = \"file\"\npath = \"temperature\"",
        &format!("driver = \"w1\"\npath = \"{path}\""),
    );
    let wanted = source("w1", Locator::Path(path.into()), Some(Channel::Temperature));
    assert_eq!(site.right(&by_path).sensors[0].source, wanted);
}

#[test]
fn what_an_iio_sensor_measures_says_which_channel_it_is() {
    let site = Site::new();
    let climate = replaced(SITE, "[climate]", "[climate]\nsensor = \"cabinet\"");
    let cases = [
        ("temperature", "bme280", Some(Channel::Temperature)),
        ("humidity", "bme280", Some(Channel::Humidity)),
        ("humidity", "dht11@4", Some(Channel::Humidity)),
        ("pressure", "bme280:in_pressure_input", None),
    ];
    for (measures, id, channel) in cases {
        let sensor = format!("[sensors.x]\ndriver = \"iio\"\nid = \"{id}\"\nmeasures = \"{measures}\"\n");
        let settings = site.right(&format!("{climate}{sensor}"));
        assert_eq!(settings.sensors[2].source, source("iio", Locator::Id(id.into()), channel));
        assert_eq!((settings.sensors[2].period, settings.sensors[2].plausible.reject.len()), (seconds(5), 0));
    }
}

#[test]
fn a_device_of_a_name_that_several_bear_is_named_with_its_place() {
    let site = Site::new();
    let climate = replaced(SITE, "[climate]", "[climate]\nsensor = \"cabinet\"");
    let ids = [
        ("hwmon", "lm75@1-0048"),
        ("hwmon", "lm75@1-0048/temp1"),
        ("hwmon", "nct6775/AUX 1/2"),
        ("hwmon", "hwmonitor"),
        ("iio", "bme280@1-0076"),
        ("iio", "bme280@spi0.0:in_pressure"),
        ("thermal-zone", "acpitz@LNXTHERM:00"),
    ];
    for (driver, id) in ids {
        let sensor = format!("[sensors.x]\ndriver = \"{driver}\"\nid = \"{id}\"\n");
        let source = site.right(&format!("{climate}{sensor}")).sensors[2].source.clone();
        assert_eq!((source.driver.name, source.at), (driver, Locator::Id(id.into())));
    }
}

#[test]
fn a_file_may_be_as_old_as_the_site_says_and_what_the_kernel_shows_has_no_age() {
    let site = Site::new();
    let max_age = |line: &str| site.right(&with(SITE, "sensors.cabinet", line)).sensors[0].max_age;
    assert_eq!(max_age("max-age = \"2h\""), Some(seconds(7200)));
    assert_eq!(max_age("max-age = \"off\""), None);
    let settings = site.right(SITE);
    assert_eq!((settings.sensors[0].max_age, settings.sensors[1].max_age), (Some(seconds(900)), None));
    assert_eq!(settings.engine.sensors[1].source, "hwmon \"sht3x/humidity1_input\"");
}

#[test]
fn limits_and_critical_of_another_unit_may_meet_the_range() {
    let site = Site::new();
    // 20 to 28 degrees Celsius, the default.
    let settings =
        site.right(&with(SITE, "climate", "unit = \"fahrenheit\"\nlimits = { min = 68.0, max = 82.4 }"));
    assert!(settings.engine.climates[0].limits.is_some());
    let fault = site.fault(&with(SITE, "climate", "unit = \"fahrenheit\"\ncritical = 82.4"));
    assert!(fault.contains("`critical` must lie above the range's max, 82.4"), "{fault}");
}
