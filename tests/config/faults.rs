//! The messages about a wrong file, and the places that they name.

use super::{SITE, SMALL, Site, replaced, with};
use std::fs;
use twind::config;

#[test]
fn each_fault_is_told_with_its_place_and_what_is_allowed() {
    let site = Site::new();
    // The header, the lines below it, and the expected message.
    let cases = [
        (
            "hub",
            "conection-string = \"x\"",
            "3:1: unknown key `conection-string` in [hub]; did you mean `connection-string-file`?",
        ),
        ("hub", "connection-string = \"x\"", "does not belong in the configuration"),
        ("hub", "zzz = 1", "unknown key `zzz` in [hub]; allowed are `connection-string-file`, `host`"),
        ("hub", "port = 70000", "3:8: `port` must be a whole number from 1 to 65535, found the number 70000"),
        ("hub", "port = \"x\"", "found the text \"x\""),
        ("hub", "host = \"h\"", "`host` cannot be combined with `connection-string-file`"),
        ("hub", "keep-alive = 5", "must be a time with its unit, found the number 5: write \"5s\""),
        ("hub", "keep-alive = \"5\"", "write \"5s\""),
        ("hub", "keep-alive = \"20m\"", "must be a time from 1s to 19m 37s, found \"20m\""),
        ("hub", "token-lifetime = \"9s\"", "must be a time from 10s to"),
        (
            "hub",
            "transport = \"mqt\"",
            "must be one of \"mqtt\", \"websocket\", found \"mqt\"; did you mean \"mqtt\"?",
        ),
        ("hub", "proxy = \"http://p:3128\"", "`proxy` is for transport = \"websocket\" only"),
        ("hub", "transport = \"websocket\"\nproxy = \"p:3128\"", "`proxy` must be http://HOST:PORT"),
        ("hub", "model-id = \"x\"", "must be a model's id"),
        ("hub", "ca-file = \"none.pem\"", "none.pem, which cannot be read: No such file"),
        ("hub", "ca-file = \"cs\"", "which holds no certificate"),
        ("board", "folder = 1", "`folder` must be a text in quotes, found the number 1"),
        ("outputs.heater", "min-duty = 20", "`min-duty` is for an output with `pwm`"),
        ("outputs.heater", "kick = \"1s\"", "`kick` is for an output with `pwm`"),
        ("outputs.heater", "pwm = { pin = 4 }", "cannot be combined with `pin`"),
        (
            "outputs.heater",
            "when = { start = \"40%\" }",
            "must be \"on\" or \"off\" (0% or 100%) on an on/off output",
        ),
        ("outputs.heater", "when = { start = \"of\" }", "did you mean \"off\"?"),
        ("outputs.fan", "when = { start = 40 }", "write \"40%\""),
        ("outputs.heater", "when = { start = false }", "write \"off\""),
        (
            "outputs.heater",
            "when = { hub-silent = { after = \"1h\" } }",
            "`drive` is missing in [outputs.heater.when.hub-silent]",
        ),
        ("outputs.heater", "property = \"a..b\"", "keys joined by dots"),
        ("outputs.heater", "active-low = \"no\"", "must be true or false"),
        ("outputs.heater", "min-on = \"2d\"", "must be a time from 0s to 1day"),
        ("outputs.fan", "min-duty = 101", "must be a percentage from 0 to 100, found 101"),
        ("outputs.fan", "slew = 0", "must be more than 0"),
        ("outputs.fan", "active-low = true", "inverted = true"),
        ("outputs.fan", "when = { stop = \"auto\" }", "after the stop nothing follows"),
        ("outputs.fan", "when = { crash = \"auto\" }", "after a crash nothing follows"),
        ("outputs.fan", "when = { sensor-fault = \"auto\" }", "no climate to follow"),
        ("outputs.fan", "when = { overheat = \"auto\" }", "outranks the climate"),
        ("outputs.fan", "when = { start = \"101%\" }", "or a percentage such as"),
        ("outputs.fan", "tach = { pin = 24, pulses-per-turn = 0 }", "must be a whole number from 1 to 64"),
        ("outputs.fan", "tach = { pins = 24 }", "did you mean `pin`?"),
        ("outputs.heater", "chip = \"my chip\"", "`chip` must be a chip's name, path or label"),
        ("outputs.heater", "chip = \"dev/gpiochip0\"", "`chip` must be a chip's name, path or label"),
        ("outputs.fan", "chip = \"gpiochip0\"", "for `pwm` write it inside its braces"),
        ("sensors.cabinet", "id = \"x\"", "`id` is not for driver = \"file\""),
        ("sensors.door", "path = \"x\"", "cannot be combined with `id`"),
        ("sensors.door", "unit = \"kelvin\"", "is for temperatures"),
        ("sensors.cabinet", "unit = \"kelvim\"", "did you mean \"kelvin\"?"),
        ("sensors.cabinet", "stale-after = \"1s\"", "at least `period`, which is 5s"),
        ("sensors.cabinet", "frozen-after = \"1s\"", "`frozen-after` must be at least `period`, which is 5s"),
        (
            "sensors.cabinet",
            "max-age = \"of\"",
            "must be a time, such as \"90s\", \"5m\" or \"1h 30m\", or \"off\", found \"of\"; did you mean \"off\"?",
        ),
        ("sensors.cabinet", "max-age = \"OFF\"", ", or \"off\", found \"OFF\"; did you mean \"off\"?"),
        ("sensors.cabinet", "max-age = false", ", or \"off\", found false; did you mean \"off\"?"),
        ("sensors.cabinet", "max-age = 15", "its unit, or \"off\", found the number 15: write \"15s\""),
        ("sensors.cabinet", "max-age = \"9 weks\"", "or \"off\", found \"9 weks\" (unknown time unit"),
        ("sensors.cabinet", "max-age = 900", "write \"900s\""),
        ("sensors.door", "max-age = \"15m\"", "`max-age` is for driver = \"file\""),
        ("sensors.cabinet", "frozen-after = 60", "must be a time with its unit"),
        ("sensors.cabinet", "valid = [5, 1]", "must have its lower end first"),
        ("sensors.cabinet", "valid = [5]", "must be two numbers"),
        ("sensors.cabinet", "reject = 85.0", "must be a list of numbers"),
        ("sensors.cabinet", "scale = 0", "must be a number other than 0"),
        ("sensors.cabinet", "offset = nan", "must be a finite number"),
        ("sensors.cabinet", "max-step = -1", "must be more than 0"),
        ("sensors.cabinet", "measures = \"a b\"", "without white space"),
        ("climate", "sensor = \"cabinett\"", "there is no [sensors.cabinett]; did you mean \"cabinet\"?"),
        ("climate", "sensor = \"door\"\nholds = \"temperature\"", "[sensors.door] measures humidity"),
        ("climate", "sensors = [\"cabinet\", \"cabinet\"]", "named twice"),
        ("climate", "sensors = []", "must name at least one"),
        ("climate", "sensor = \"cabinet\"\nsensors = [\"cabinet\"]", "cannot be combined with `sensor`"),
        ("climate", "range = { min = 30, max = 20 }", "`min` must be below `max` in [climate.range]"),
        ("climate", "range = { min = 10 }", "`max` is missing in [climate.range]"),
        ("climate", "limits = { min = 21, max = 45 }", "must contain the range, which is 20 to 28"),
        ("climate", "critical = 28", "must lie above the range's max, 28"),
        ("climate", "critical = -300", "above absolute zero"),
        ("climate", "hysteresis = 8", "less than the range's max minus its min"),
        ("climate", "combine = \"min\"", "must be one of \"max\", \"mean\", \"first-good\""),
    ];
    for (header, lines, told) in cases {
        let fault = site.fault(&with(SITE, header, lines));
        assert!(fault.contains(told), "{lines}: told was {fault}");
    }
}

#[test]
fn a_device_that_cannot_be_called_so_is_refused() {
    let site = Site::new();
    let cases = [
        ("w1", "temperature", "28-0316A2797C1F", "`id` must be the sensor's name below /sys/bus/w1/devices"),
        ("w1", "temperature", "../28-0316a2797c1f", "found \"../28-0316a2797c1f\""),
        ("w1", "temperature", "w1_bus_master1", "such as \"28-0316a2797c1f\""),
        ("iio", "temperature", "iio:device0", "`id` is a number, which changes"),
        ("iio", "temperature", "bme280:", "`id` must be the device's name, such as \"bme280\""),
        ("iio", "temperature", ":in_temp_input", "`id` must be the device's name"),
        ("iio", "temperature", "bme280:../name", "`id` must be the device's name"),
        ("iio", "temperature", "bme280@", "`id` must be the device's name"),
        ("iio", "temperature", "iio:device1@1-0076", "`id` is a number, which changes"),
        ("hwmon", "temperature", "hwmon0/temp1_input", "`id` is a number, which changes"),
        ("hwmon", "temperature", "lm75@/temp1", "`id` must be the device, such as \"cpu_thermal\""),
        ("hwmon", "temperature", "lm75/../name", "found \"lm75/../name\""),
        ("thermal-zone", "temperature", "thermal_zone0", "`id` is a number, which changes"),
        ("thermal-zone", "temperature", "../cpu-thermal", "`id` must be the zone's type"),
        ("iio", "pressure", "bme280", "must name the channel, such as \"bme280:in_pressure\""),
    ];
    for (driver, measures, id, told) in cases {
        let sensor =
            format!("[sensors.x]\ndriver = \"{driver}\"\nid = \"{id}\"\nmeasures = \"{measures}\"\n");
        let climate = "[climate]\nsensor = \"cabinet\"";
        let fault = site.fault(&format!("{}{sensor}", replaced(SITE, "[climate]", climate)));
        assert!(fault.contains(told), "{driver}, {id}: told was {fault}");
    }
}

#[test]
fn a_host_that_no_connection_can_be_made_to_is_refused() {
    let site = Site::new();
    let hub = |lines: &str| replaced(SMALL, "connection-string-file = \"cs\"", lines);
    let host = |host: &str| hub(&format!("host = \"{host}\"\ndevice-id = \"d\"\nkey-file = \"key\""));
    let endpoint = |host: &str| {
        let lines = "id-scope = \"0ne\"\nregistration-id = \"r\"\nkey-file = \"key\"";
        hub(&format!("[hub.provisioning]\nendpoint = \"{host}\"\n{lines}"))
    };
    for name in [
        "a..b",
        "localhost-",
        "-a",
        ".a",
        "a.-b",
        "a-.b",
        "a.12345",
        &format!("{}b", "ab-".repeat(21)),
        "a b",
        "::1",
        "10.0.0.256",
    ] {
        for (text, key) in [
            (host(name), "host"),
            (with(SMALL, "hub", &format!("gateway = \"{name}\"")), "gateway"),
            (endpoint(name), "endpoint"),
        ] {
            let faults = site.parse(&text).unwrap_err().to_string();
            assert!(faults.contains(&format!("`{key}` must be a ")), "{name}: {faults}");
        }
        site.write("cs", &format!("HostName={name};DeviceId=d;SharedAccessKey=c2VjcmV0LXNlY3JldA=="), 0o600);
        assert!(site.fault(SMALL).contains("has a HostName that must be a"), "{name}");
    }
    for name in ["localhost", "a.b-c.d1", "10.0.0.1", "a_b.local", "contoso.azure-devices.net"] {
        site.right(&host(name));
        site.right(&endpoint(name));
    }
}

#[test]
fn faults_of_whole_tables_are_told_too() {
    let site = Site::new();
    let cases = [
        (
            replaced(SITE, "cooling = \"fan\"\nheating = \"heater\"", ""),
            "`cooling` is missing in [climate]: which of \"fan\", \"heater\"",
        ),
        (
            replaced(SITE, "heating = \"heater\"", "heating = [\"heater\", \"fan\"]"),
            "cannot both cool and heat",
        ),
        (replaced(SITE, "pin = 17", "pwm = { channel = 0 }"), "PWM channel 0 drives [outputs.fan] already"),
        (replaced(SITE, "{ channel = 0 }", "{ pin = 17 }"), "pin 17 drives [outputs.fan] already"),
        (replaced(SITE, "{ channel = 0 }", "{ pin = 18, frequency-hz = 25000 }"), "at most 1000"),
        (
            replaced(SITE, "{ channel = 0 }", "{ inverted = true }"),
            "`channel` is missing in [outputs.fan.pwm]",
        ),
        (replaced(SITE, "driver = \"file\"\n", ""), "`driver` is missing in [sensors.cabinet]"),
        (
            replaced(SITE, "driver = \"file\"\npath = \"temperature\"", "driver = \"w1\""),
            "`id` is missing in [sensors.cabinet]: the sensor's name below /sys/bus/w1/devices",
        ),
        (
            replaced(SITE, "driver = \"file\"\npath = \"temperature\"", "driver = \"iio\""),
            "`id` is missing in [sensors.cabinet]: the device's name",
        ),
        (replaced(SITE, "path = \"temperature\"", ""), "`path` is missing in [sensors.cabinet]"),
        (replaced(SITE, "id = \"sht3x/humidity1_input\"", ""), "`id` is missing in [sensors.door]"),
        (
            replaced(SITE, "\"simulated\"", "\"gpiochip\""),
            "`chip` is missing in [outputs.heater]: the chip that the line is on",
        ),
        (
            replaced(SITE, "\"simulated\"", "\"gpio\""),
            "must be one of \"rppal\", \"gpiochip\", \"simulated\"",
        ),
        (format!("{SITE}[report]\nmin-interval = \"6m\""), "at most `heartbeat`, which is 5m"),
        (format!("{SITE}[report.deadband]\nspeed = -1"), "the deadband of `speed` must be 0 or more"),
        (format!("{SITE}[twin]\nfan-on = \"patchId\""), "`fan-on` and `patch-id` are both"),
        (
            format!("{SITE}[outputs.lamp]\nwhen = {{ start = \"auto\" }}"),
            "the climate does not drive [outputs.lamp]",
        ),
        (format!("{SITE}[outputs.climate]\n"), "cannot be named \"climate\""),
        (format!("{SITE}[outputs.\"a b\"]\n"), "the name of an output must be"),
        (
            format!("{SITE}[sensors.\"\"]\ndriver = \"file\"\npath = \"x\"\nmeasures = \"x\""),
            "the name of a sensor must be",
        ),
        (format!("{SITE}[locall]\n"), "unknown key `locall` in the file; did you mean `local`?"),
        (format!("local = 1\n{SITE}"), "1:1: `local` must be a table, found the number 1"),
        (format!("outputs.x = 1\n{}", replaced(SITE, "[outputs.fan]", "[board.x]")), "found the number 1"),
    ];
    for (text, told) in cases {
        let faults = site.parse(&text).unwrap_err().to_string();
        assert!(faults.contains(told), "wanted {told}\n{faults}");
    }
}

#[test]
fn every_fault_is_told_at_once_and_in_file_order() {
    let site = Site::new();
    let text = "[hub]\nport = 0\nzzz = 1\n[board]\ndriver = \"simulated\"\n[outputs.fan]\npin = -1\n[climate]\nunit = \"x\"\n";
    let faults = site.parse(text).unwrap_err();
    let places: Vec<(usize, usize)> = faults.faults.iter().map(|fault| (fault.line, fault.column)).collect();
    // The hub's identity, its port and the unknown key, the pin, the climate's sensor and unit.
    assert_eq!(places, [(1, 1), (2, 8), (3, 1), (7, 7), (8, 1), (9, 8)], "{faults}");
    let shown = faults.to_string();
    let file = site.path("twind.toml");
    let pin = format!(
        "{}:7:7: `pin` must be a whole number from 0 to 1023, found the number -1\n    7 | pin = -1\n      |       ^^\n",
        file.display()
    );
    assert!(shown.contains(&pin), "{shown}");
}

#[test]
fn a_fault_of_the_syntax_does_not_drag_guesses_behind_it() {
    let site = Site::new();
    // The identity looks missing, and is not.
    let fault = site.fault(&replaced(SMALL, "\"cs\"", "cs"));
    assert!(fault.contains(":3:26: not valid TOML"), "{fault}");
    let twice = site.fault(&format!("{SITE}[climate]\n"));
    assert!(twice.contains("duplicate key"), "{twice}");
}

#[test]
fn a_fault_of_the_syntax_does_not_hide_the_others() {
    let site = Site::new();
    let text = replaced(&with(SITE, "climate", "unit = \"x\""), "pin = 17", "pin =");
    let faults = site.parse(&text).unwrap_err();
    assert_eq!(faults.faults.len(), 2, "{faults}");
    assert!(
        faults.to_string().contains("not valid TOML") && faults.to_string().contains("`unit` must be one of")
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let site = Site::new();
    let missing = config::load(&site.path("none.toml"), &site.environment).unwrap_err();
    assert!(
        missing.to_string().contains("none.toml:1:1: this configuration file cannot be read: No such file")
    );
    fs::write(site.path("twind.toml"), b"[hub]\nhost = \"\xff\"\n").unwrap();
    let bytes = config::load(&site.path("twind.toml"), &site.environment).unwrap_err();
    assert_eq!((bytes.faults[0].line, bytes.faults[0].column), (2, 9), "{bytes}");
}

#[test]
fn the_metrics_file_is_no_socket() {
    let site = Site::new();
    for (key, lines) in [
        ("socket", "socket = \"/tmp/x\"\nmetrics-file = \"/tmp/x\""),
        ("socket", "metrics-file = \"/run/twind/twind.sock\""),
        ("look-socket", "look-socket = \"/tmp/y\"\nmetrics-file = \"/tmp/y\""),
    ] {
        let fault = site.fault(&format!("{SITE}[local]\n{lines}\n"));
        let told = format!("`metrics-file` must differ from `{key}`: one is a file, the other a socket");
        assert!(fault.contains(&told), "{fault}");
    }
    let fault = site.fault(&format!("{SITE}[local]\nmetric-file = \"/tmp/x\"\n"));
    assert!(fault.contains("unknown key `metric-file` in [local]; did you mean `metrics-file`?"), "{fault}");
}
