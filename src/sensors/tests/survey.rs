//! What is found without a configuration, and that its ids mean what was found.

use super::super::{Present, survey};
use super::sys::Sys;
use super::trees::{Boot, pi_4, pi_5};
use crate::control::Fault;

/// Kind, id, what it measures, and the value.
type Told = (&'static str, String, String, Result<f64, Fault>);

fn told(sys: &Sys) -> Vec<Told> {
    let told = |Present { driver, candidate, value }: Present| {
        (driver.name, candidate.id, candidate.measures, value)
    };
    survey(sys.root()).into_iter().map(told).collect()
}

fn row(driver: &'static str, id: &str, measures: &str, value: Result<f64, Fault>) -> Told {
    (driver, id.to_owned(), measures.to_owned(), value)
}

#[test]
fn a_raspberry_pi_shows_each_sensor_once_in_either_boot() {
    for boot in [Boot::First, Boot::Second] {
        let sys = Sys::new();
        pi_4(&sys, boot);
        let mut found = told(&sys);
        found.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        let wanted = [
            row("hwmon", "lm75/temp1", "temperature", Ok(25.5)),
            row("hwmon", "tmp102/temp1", "temperature", Ok(24.187)),
            row("iio", "bme280", "humidity", Ok(41.015)),
            row("iio", "bme280", "temperature", Ok(23.45)),
            row("iio", "bme280:in_pressure", "pressure", Ok(101.325)),
            row("iio", "dht11@4", "humidity", Ok(55.0)),
            row("iio", "dht11@4", "temperature", Ok(21.0)),
            row("thermal-zone", "cpu-thermal", "temperature", Ok(48.212)),
            row("w1", "28-0316a2797c1f", "temperature", Ok(21.687)),
            row("w1", "28-3c01d607a1b2", "temperature", Err(Fault::BadChecksum)),
        ];
        assert_eq!(found, wanted, "{boot:?}");
        let sys = Sys::new();
        pi_5(&sys, boot);
        let mut ids: Vec<String> = told(&sys).into_iter().map(|(_, id, ..)| id).collect();
        ids.sort();
        let wanted =
            ["cpu-thermal", "pwmfan/fan1", "rp1_adc/in1", "rp1_adc/in2", "rp1_adc/in3", "rp1_adc/in4"];
        assert_eq!(ids, [&wanted[..], &["rp1_adc/temp1"]].concat(), "{boot:?}");
    }
}

#[test]
fn what_is_outside_the_machine_is_told_from_the_machine_itself() {
    let sys = Sys::new();
    pi_4(&sys, Boot::First);
    sys.monitor(
        8,
        "platform/coretemp.0",
        "coretemp",
        &[("temp1_input", "43000\n"), ("temp1_label", "Core 0\n")],
    );
    sys.monitor(9, "pci0000:00/i2c-0/0-0018", "jc42", &[("temp1_input", "31000\n")]);
    sys.monitor(10, "platform/soc/spi0/spi0.1", "max31722", &[("temp1_input", "20000\n")]);
    let found = survey(sys.root());
    let of = |id: &str| found.iter().find(|one| one.candidate.id.starts_with(id)).unwrap();
    for id in ["lm75", "tmp102", "bme280", "dht11@4", "28-0316a2797c1f", "max31722"] {
        assert!(!of(id).candidate.is_of_the_machine, "{id}");
    }
    for id in ["cpu-thermal", "coretemp", "jc42"] {
        assert!(of(id).candidate.is_of_the_machine, "{id}");
    }
    assert_eq!(of("coretemp").candidate.label.as_deref(), Some("Core 0"));
}

#[test]
fn devices_of_one_name_are_found_by_their_places() {
    let sys = Sys::new();
    sys.monitor(0, "i2c-1/1-0048", "lm75", &[("temp1_input", "48000\n")]);
    sys.monitor(1, "i2c-1/1-0049", "lm75", &[("temp1_input", "49000\n")]);
    sys.zone(0, None, "acpitz", "27800\n");
    sys.zone(1, None, "acpitz", "29800\n");
    let wanted = [
        row("hwmon", "lm75@1-0048/temp1", "temperature", Ok(48.0)),
        row("hwmon", "lm75@1-0049/temp1", "temperature", Ok(49.0)),
        row("thermal-zone", "acpitz@thermal_zone0", "temperature", Ok(27.8)),
        row("thermal-zone", "acpitz@thermal_zone1", "temperature", Ok(29.8)),
    ];
    assert_eq!(told(&sys), wanted);
}

#[test]
fn no_reading_is_one_that_the_configuration_would_refuse() {
    let sys = Sys::new();
    sys.w1("28-0316a2797c1f", &[("temperature", "85000\n")]);
    // A switch on the bus is no thermometer.
    sys.w1("29-0000001a2b3c", &[("state", "x")]);
    sys.monitor(0, "platform/nct6775", "nct6775", &[("temp1_input", "127500\n"), ("in0_input", "904\n")]);
    sys.monitor(1, "platform/odd", "odd/name", &[("temp1_input", "20000\n")]);
    sys.iio(
        0,
        "i2c-1/1-0029",
        "tsl2561",
        &[("in_illuminance0_input", "312\n"), ("in_illuminance0_raw", "9\n")],
    );
    sys.iio(1, "i2c-1/1-0062", "scd4x", &[("in_concentration_co2_input", "0.0612\n"), ("sampling", "1")]);
    let wanted = [
        row("w1", "28-0316a2797c1f", "temperature", Err(Fault::PowerOnValue)),
        row("hwmon", "nct6775/temp1", "temperature", Err(Fault::OutOfRange)),
        row("hwmon", "nct6775/in0", "voltage", Ok(0.904)),
        // A name with a slash is not what an id can say.
        row("hwmon", "odd/name/temp1", "temperature", Err(Fault::Missing)),
        row("iio", "tsl2561:in_illuminance0", "illuminance", Ok(312.0)),
        row("iio", "scd4x:in_concentration_co2", "co2", Ok(0.0612)),
    ];
    assert_eq!(told(&sys), wanted);
    assert_eq!(survey(&sys.path("nowhere")), []);
}
