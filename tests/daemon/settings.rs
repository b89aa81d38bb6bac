//! Keys of the configuration, seen at the pin, at the hub and in the log: each has its effect. Faults and defaults of keys
//! are tested in `tests/config`.

use crate::rig::{CLIMATE, DEVICE, FAN, Rig, SENSOR, eventually, say};
use serde_json::json;
use std::fs;
use twinhub::Event;

/// Sets a temperature and waits until the running daemon has it.
fn show(rig: &Rig, degrees: f64) {
    rig.set_temperature(&degrees.to_string());
    rig.wait_status("the temperature", |status| status["climate"]["temperature"].as_f64() == Some(degrees));
}

#[test]
fn a_small_file_will_do() {
    let rig = Rig::new();
    let small = "[hub]\nconnection-string-file = \"connection-string\"\n[outputs.fan]\npin = 17\n\
                 [sensors.cabinet]\ndriver = \"w1\"\nid = \"28-0316a2797c1f\"\n[climate]\n";
    rig.write_config(small);
    let said = say(&mut rig.command(&["check"]));
    assert_eq!(said.code, 0, "{}", said.err);
    for words in ["fan, on/off", "every 10s, stale after 1m", "by cabinet"] {
        assert!(said.out.contains(words), "{words} is missing in:\n{}", said.out);
    }
}

#[test]
fn on_off_outputs_switch_at_the_ends_of_the_range_and_back_by_the_hysteresis() {
    let rig = Rig::new();
    let outputs = "[outputs.fan]\npin = 17\n[outputs.heater]\npin = 4\n";
    rig.write_config(&format!(
        "{}{outputs}{SENSOR}{CLIMATE}heating = \"heater\"\nhysteresis = 2.0\n",
        rig.base()
    ));
    rig.set_temperature("24");
    let _daemon = rig.start();
    // Degrees, fan, heater; a degree before the hysteresis is over nothing switches back.
    let steps = [
        (27.5, 0, 0),
        (28.5, 1000, 0),
        (26.5, 1000, 0),
        (25.5, 0, 0),
        (20.5, 0, 0),
        (19.5, 0, 1000),
        (21.5, 0, 1000),
        (22.5, 0, 0),
    ];
    for (degrees, fan, heater) in steps {
        show(&rig, degrees);
        assert_eq!((rig.drive("fan"), rig.drive("heater")), (Some(fan), Some(heater)), "at {degrees} °C");
    }
}

#[test]
fn temperatures_of_the_climate_are_in_its_unit() {
    let rig = Rig::new();
    let climate = CLIMATE.replace("{ min = 20.0, max = 28.0 }", "{ min = 68.0, max = 86.0 }");
    rig.write_config(&format!(
        "{}{FAN}{SENSOR}{climate}unit = \"fahrenheit\"\ncritical = 140.0\n",
        rig.base()
    ));
    rig.set_temperature("25");
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 500);
    // Above critical if that were degrees Fahrenheit of something else.
    show(&rig, 59.5);
    assert_eq!(rig.status()["climate"]["regime"], "too-warm");
    show(&rig, 60.5);
    assert_eq!(rig.status()["climate"]["regime"], "overheat");
}

#[test]
fn several_sensors_make_one_temperature_as_combine_says() {
    let rig = Rig::new();
    let door = SENSOR.replace("cabinet", "door").replace("DIR/temperature", "DIR/door");
    fs::write(rig.path("door"), "26.0").unwrap();
    rig.set_temperature("24.0");
    let config = |combine: &str| {
        let both = format!("sensors = [\"cabinet\", \"door\"]\ncombine = \"{combine}\"");
        let climate = CLIMATE.replace("sensor = \"cabinet\"", &both);
        rig.write_config(&format!("{}{FAN}{SENSOR}{door}{climate}", rig.base()));
    };
    config("max");
    let daemon = rig.start();
    rig.wait_drive("fan", |now| now == 750);
    for (combine, permille) in [("mean", 625), ("first-good", 500)] {
        config(combine);
        daemon.signal("HUP");
        rig.wait_drive("fan", |now| now == permille);
    }
    fs::remove_file(rig.path("temperature")).unwrap();
    rig.wait_drive("fan", |now| now == 750);
}

#[test]
fn a_jump_must_repeat_and_a_value_must_be_valid_to_be_believed() {
    let rig = Rig::new();
    let plausible = "valid = [-10.0, 50.0]\nmax-step = 5.0\n";
    rig.write_config(&format!("{}{FAN}{SENSOR}{plausible}{CLIMATE}", rig.base()));
    let _daemon = rig.start();
    rig.wait_drive("fan", |now| now == 250);
    let is_last_sample = |fault: &str| rig.status()["sensors"]["cabinet"]["lastSample"] == fault;
    let mut degrees = 46;
    let jumps = || {
        degrees = 80 - degrees;
        rig.set_temperature(&degrees.to_string());
        is_last_sample("jump").then_some(())
    };
    eventually("a jump", jumps, || format!("{:#}", rig.status()));
    show(&rig, 40.0);
    for wrong in ["50.1", "-10.1"] {
        rig.set_temperature(wrong);
        rig.wait_status("no reading", |status| status["climate"]["regime"] == "sensor-fault");
        assert!(is_last_sample("out-of-range"), "{wrong}: {:#}", rig.status());
        show(&rig, 40.0);
    }
}

#[test]
fn desired_properties_have_the_names_that_the_file_gives_them() {
    let rig = Rig::new();
    let names =
        "[twin]\nfan-on = \"cooler.run\"\nclimate = \"zone\"\nunits = \"zone.unit\"\npatch-id = \"change\"";
    rig.write_config(&format!("{}{FAN}{SENSOR}{CLIMATE}", rig.base()).replace("[twin]", names));
    rig.set_temperature("25.0");
    let _daemon = rig.start_synced();
    rig.wait_drive("fan", |now| now == 625);
    rig.desire(json!({"zone": {"minTemperature": 68, "maxTemperature": 86, "unit": "fahrenheit"}}));
    rig.wait_drive("fan", |now| now == 500);
    rig.desire(json!({"cooler": {"run": false}, "change": "c-7"}));
    rig.wait_drive("fan", |now| now == 0);
    let told = rig.wait_reported("the change", |r| r["lastPatchReceivedId"] == "c-7");
    assert_eq!((&told["fanOn"], &told["maxTemperature"]), (&json!(false), &json!(86)));
    assert_eq!(told.get("notMapped"), None);
}

#[test]
fn the_firmwares_version_is_the_daemons_own_unless_the_file_names_another() {
    let rig = Rig::new();
    let daemon = rig.start();
    rig.wait_reported("the daemon's", |r| r["firmwareVersion"] == env!("CARGO_PKG_VERSION"));
    let text = format!("{}{FAN}{SENSOR}{CLIMATE}", rig.base());
    rig.write_config(&text.replace("[report]", "[report]\nfirmware-version = \"9.75\""));
    daemon.signal("HUP");
    rig.wait_reported("the file's", |r| r["firmwareVersion"] == "9.75");
}

#[test]
fn sensor_values_are_reported_at_each_heartbeat_though_nothing_changes() {
    let rig = Rig::new();
    let text = format!("{}{FAN}{SENSOR}{CLIMATE}", rig.base());
    rig.write_config(&text.replace("[report]", "[report]\nheartbeat = \"1s\""));
    let _daemon = rig.start_synced();
    rig.wait_reported("the temperature", |r| r["components"]["climate"]["temperature"] == 22);
    let mut after = rig.hub.hub().last_sequence();
    for _ in 0..2 {
        after = rig
            .wait_event(after, |event| {
                matches!(event, Event::Reported { patch, .. } if patch["components"]["climate"]["temperature"] == 22)
            })
            .sequence;
    }
}

#[test]
fn the_style_of_plug_and_play_acknowledges_each_value_where_it_was_desired() {
    let rig = Rig::new();
    rig.configure("limits = { min = 5.0, max = 45.0 }\n");
    let text = fs::read_to_string(rig.path("twind.toml")).unwrap();
    rig.write_config(&text.replace("[report]", "[report]\nstyle = \"pnp\""));
    let _daemon = rig.start_synced();
    let version =
        rig.desire(json!({"fanOn": true, "components": {"climate": {"__t": "c", "maxTemperature": 99}}}));
    let told = rig.wait_reported("the version", |r| r["desiredVersion"] == version);
    assert_eq!(told["fanOn"], json!({"value": true, "ac": 200, "av": version}));
    let refused = &told["components"]["climate"]["maxTemperature"];
    assert_eq!(
        (&refused["value"], &refused["ac"], &refused["av"]),
        (&json!(28), &json!(400), &json!(version))
    );
    assert!(refused["ad"].as_str().is_some_and(|why| why.contains("limits")), "{refused}");
    for component in ["climate", "fan"] {
        assert_eq!(told["components"][component]["__t"], "c", "{component}");
    }
    assert_eq!(told.get("rejected"), None);
}

/// The rig's base, with another `[hub]` on the same port.
fn with_hub(rig: &Rig, hub: &str) {
    let base = rig.base().replace("connection-string-file = \"connection-string\"\n", hub);
    rig.write_config(&format!("{base}{FAN}{SENSOR}{CLIMATE}"));
}

#[test]
fn hub_device_and_key_may_be_named_by_parts_and_a_gateway_is_dialled_instead() {
    let rig = Rig::new();
    let key = rig.hub.hub().device_keys(DEVICE).unwrap().unwrap().primary;
    rig.write_secret("key", &key);
    let parts = format!(
        "host = \"localhost\"\ndevice-id = \"{DEVICE}\"\nkey-file = \"key\"\ngateway = \"127.0.0.1\"\n\
         model-id = \"dtmi:twind:Gateway;1\"\nkeep-alive = \"30s\"\ntoken-lifetime = \"10m\"\n"
    );
    with_hub(&rig, &parts);
    let daemon = rig.start_synced();
    daemon.wait_log(&format!("host=localhost device={DEVICE} peer=127.0.0.1:"));
    assert_eq!(rig.hub.hub().twin(DEVICE).unwrap()["modelId"], "dtmi:twind:Gateway;1");
    let renews = rig.status()["link"]["tokenRenewsInSeconds"].as_u64().unwrap();
    assert!(renews <= 600, "{renews}");
    // In the form of a connection string.
    assert!(daemon.stop().success());
    rig.write_secret(
        "connection-string",
        &format!("HostName=localhost;DeviceId={DEVICE};SharedAccessKey={key};GatewayHostName=127.0.0.1"),
    );
    rig.configure("");
    rig.start_synced().wait_log("peer=127.0.0.1:");
}

#[test]
fn a_relative_secret_is_a_credential_of_the_service_managers_first() {
    let rig = Rig::new();
    let right = fs::read_to_string(rig.path("connection-string")).unwrap();
    rig.write_secret("connection-string", "what is not asked for");
    fs::create_dir(rig.path("credentials")).unwrap();
    rig.write_secret("credentials/connection-string", &right);
    let mut command = rig.command(&["run"]);
    command.env("CREDENTIALS_DIRECTORY", rig.path("credentials"));
    let _daemon = rig.spawn_as(command);
    rig.wait_reported("contact", |r| r["firmwareVersion"].is_string());
}

#[test]
fn rust_log_says_how_much_is_logged() {
    let rig = Rig::new();
    // A warning of each start.
    rig.set_temperature("warm");
    let levels = ["DEBUG", "INFO", "WARN"];
    for (filter, logged) in
        [("error", &levels[3..]), ("warn", &levels[2..]), ("info", &levels[1..]), ("debug", &levels)]
    {
        let mut command = rig.command(&["run"]);
        command.env("RUST_LOG", filter);
        let mut daemon = rig.spawn_as(command);
        daemon.wait_notified("hub: connected");
        rig.wait_status("the fault", |status| status["climate"]["regime"] == "sensor-fault");
        logged.iter().for_each(|level| daemon.wait_log(&format!(" {level} ")));
        let log = daemon.log();
        let found: Vec<&str> =
            levels.into_iter().filter(|level| log.contains(&format!(" {level} "))).collect();
        assert_eq!(found, logged, "{filter}:\n{log}");
        assert!(daemon.stop().success());
    }
}
