//! Whole trees as two Raspberry Pis show them, in two boots with other numbers: what is configured once must be found
//! in all of them.

use super::super::{Channel, Locator, Source, open_under, sample_once_under};
use super::sys::Sys;
use super::{NOW, settings, source};
use crate::control::Fault;

const CPU: &str = "virtual/thermal/thermal_zone0";
const FIRMWARE: &str = "platform/soc/soc:firmware/raspberrypi-hwmon";
const I2C_48: &str = "platform/soc/fe804000.i2c/i2c-1/1-0048";
const I2C_49: &str = "platform/soc/fe804000.i2c/i2c-1/1-0049";
const RP1_ADC: &str = "platform/axi/1000120000.pcie/1f000c8000.adc";
const FAN: &str = "platform/cooling_fan";

const DOOR: &str = "28-0316a2797c1f";
const ROOF: &str = "28-3c01d607a1b2";
const W1_DOOR: &str = "w1_bus_master1/28-0316a2797c1f";
const W1_ROOF: &str = "w1_bus_master1/28-3c01d607a1b2";

const LM75: [(&str, &str); 3] =
    [("temp1_input", "25500\n"), ("temp1_max", "80000\n"), ("temp1_max_hyst", "75000\n")];
const TMP102: [(&str, &str); 3] =
    [("temp1_input", "24187\n"), ("temp1_max", "80000\n"), ("temp1_max_hyst", "75000\n")];
const BME280: [(&str, &str); 5] = [
    ("in_temp_input", "23450\n"),
    ("in_temp_oversampling_ratio", "2\n"),
    ("in_humidityrelative_input", "41015\n"),
    ("in_pressure_input", "101.325000000\n"),
    ("in_pressure_oversampling_ratio", "16\n"),
];
const DHT11: [(&str, &str); 2] = [("in_temp_input", "21000\n"), ("in_humidityrelative_input", "55000\n")];
/// Of the 1-Wire thermometers this kernel makes monitors, too: all of one name.
const GOOD: [(&str, &str); 2] = [
    ("temperature", "21687\n"),
    ("w1_slave", "5b 01 4b 46 7f ff 0c 10 a6 : crc=a6 YES\n5b 01 4b 46 7f ff 0c 10 a6 t=21687\n"),
];
const BAD_CHECKSUM: [(&str, &str); 1] =
    [("w1_slave", "72 01 4b 46 7f ff 0e 10 ff : crc=57 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n")];
const POWER_ON: [(&str, &str); 2] = [
    ("temperature", "85000\n"),
    ("w1_slave", "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"),
];

/// In which order the drivers came up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Boot {
    First,
    Second,
}

/// A Pi 4 with an LM75, a TMP102, a BME280, a DHT11 and two DS18B20.
pub(super) fn pi_4(sys: &Sys, boot: Boot) {
    let (cpu, volt, lm75, tmp102, roof, door) = match boot {
        Boot::First => (0, 1, 2, 3, 4, 5),
        Boot::Second => (2, 3, 4, 0, 5, 1),
    };
    sys.zone(0, None, "cpu-thermal", "48212\n");
    sys.monitor(cpu, CPU, "cpu_thermal", &[("temp1_input", "48212\n"), ("temp1_crit", "110000\n")]);
    sys.monitor(volt, FIRMWARE, "rpi_volt", &[("in0_lcrit_alarm", "0\n")]);
    sys.monitor(lm75, I2C_48, "lm75", &LM75);
    sys.monitor(tmp102, I2C_49, "tmp102", &TMP102);
    sys.w1(DOOR, &GOOD);
    sys.w1(ROOF, &BAD_CHECKSUM);
    sys.monitor(door, W1_DOOR, "w1_slave_temp", &[("temp1_input", "21687\n")]);
    sys.monitor(roof, W1_ROOF, "w1_slave_temp", &[("temp1_input", "23125\n")]);
    let (bme280, dht11) = if boot == Boot::First { (0, 1) } else { (1, 0) };
    sys.iio(bme280, "fe804000.i2c/i2c-1/1-0076", "bme280", &BME280);
    sys.iio(dht11, "dht11@4", "dht11@4", &DHT11);
}

/// A Pi 5 with its own fan.
pub(super) fn pi_5(sys: &Sys, boot: Boot) {
    let (cpu, adc, fan, volt) = if boot == Boot::First { (0, 1, 2, 3) } else { (1, 3, 0, 2) };
    let voltages =
        [("in1_input", "1476\n"), ("in2_input", "2534\n"), ("in3_input", "1404\n"), ("in4_input", "1483\n")];
    sys.zone(0, None, "cpu-thermal", "51900\n");
    sys.monitor(cpu, CPU, "cpu_thermal", &[("temp1_input", "51900\n"), ("temp1_crit", "110000\n")]);
    sys.monitor(adc, RP1_ADC, "rp1_adc", &voltages);
    sys.monitor(adc, RP1_ADC, "rp1_adc", &[("temp1_input", "46874\n")]);
    sys.monitor(fan, FAN, "pwmfan", &[("fan1_input", "3150\n"), ("pwm1", "75\n"), ("pwm1_enable", "1\n")]);
    sys.monitor(volt, FIRMWARE, "rpi_volt", &[("in0_lcrit_alarm", "0\n")]);
}

fn by_id(id: &str) -> Locator {
    Locator::Id(id.to_owned())
}

fn hwmon(id: &str) -> Source {
    source("hwmon", by_id(id), None)
}

fn zone(id: &str) -> Source {
    source("thermal-zone", by_id(id), None)
}

fn w1(id: &str) -> Source {
    source("w1", by_id(id), None)
}

fn iio(id: &str, channel: Channel) -> Source {
    source("iio", by_id(id), Some(channel))
}

#[test]
fn what_a_pi_4_has_is_found_in_either_boot() {
    let wanted = [
        (zone("cpu-thermal"), Ok(48.212)),
        (hwmon("cpu_thermal"), Ok(48.212)),
        (hwmon("cpu_thermal/temp1"), Ok(48.212)),
        (hwmon("rpi_volt"), Err(Fault::Missing)),
        (hwmon("lm75"), Ok(25.5)),
        (hwmon("lm75/temp1_input"), Ok(25.5)),
        (hwmon("tmp102"), Ok(24.187)),
        (hwmon("w1_slave_temp"), Err(Fault::Ambiguous)),
        (hwmon("w1_slave_temp@28-0316a2797c1f"), Ok(21.687)),
        (w1(DOOR), Ok(21.687)),
        (w1(ROOF), Err(Fault::BadChecksum)),
        (iio("bme280", Channel::Temperature), Ok(23.45)),
        (iio("bme280", Channel::Humidity), Ok(41.015)),
        (iio("bme280:in_pressure", Channel::Temperature), Ok(101.325)),
        (iio("dht11@4", Channel::Temperature), Ok(21.0)),
        (iio("dht11@4", Channel::Humidity), Ok(55.0)),
    ];
    for boot in [Boot::First, Boot::Second] {
        let sys = Sys::new();
        pi_4(&sys, boot);
        for (source, value) in &wanted {
            assert_eq!(sys.sample(source.clone()), *value, "{boot:?}: {source:?}");
        }
    }
}

#[test]
fn what_a_pi_5_has_is_found_in_either_boot() {
    let wanted = [
        (zone("cpu-thermal"), Ok(51.9)),
        (hwmon("cpu_thermal"), Ok(51.9)),
        (hwmon("rp1_adc"), Ok(46.874)),
        (hwmon("rp1_adc/in3"), Ok(1.404)),
        (hwmon("pwmfan/fan1"), Ok(3150.0)),
        (hwmon("pwmfan/pwm1"), Ok(75.0)),
        (hwmon("pwmfan"), Err(Fault::Missing)),
    ];
    for boot in [Boot::First, Boot::Second] {
        let sys = Sys::new();
        pi_5(&sys, boot);
        for (source, value) in &wanted {
            assert_eq!(sys.sample(source.clone()), *value, "{boot:?}: {source:?}");
        }
    }
}

#[test]
fn a_sensor_that_was_opened_in_one_boot_reads_on_in_the_other() {
    let sys = Sys::new();
    let sources = [hwmon("lm75"), hwmon("tmp102"), w1(DOOR), iio("bme280", Channel::Temperature)];
    let mut sensors = sources.map(|source| open_under(sys.root(), &source));
    let mut sample = || sensors.each_mut().map(|sensor| sensor.sample().value);
    let values = [Ok(25.5), Ok(24.187), Ok(21.687), Ok(23.45)];
    assert_eq!(sample(), [Err(Fault::Missing); 4]);
    pi_4(&sys, Boot::First);
    assert_eq!(sample(), values);
    sys.clear();
    assert_eq!(sample(), [Err(Fault::Missing); 4]);
    pi_4(&sys, Boot::Second);
    assert_eq!(sample(), values);
}

#[test]
fn a_thermometer_at_power_on_is_no_reading_beside_one_that_is_well() {
    let sys = Sys::new();
    pi_4(&sys, Boot::First);
    sys.w1(ROOF, &POWER_ON);
    let mut roof = settings(w1(ROOF));
    roof.plausible.reject = vec![85.0];
    assert_eq!(sample_once_under(sys.root(), &roof, NOW).value, Err(Fault::PowerOnValue));
    assert_eq!(sys.sample(w1(DOOR)), Ok(21.687));
}

#[test]
fn two_chips_of_a_kind_are_told_apart_by_their_place_whatever_their_numbers() {
    for (first, second) in [(0, 1), (1, 0)] {
        let sys = Sys::new();
        sys.monitor(first, I2C_48, "lm75", &[("temp1_input", "48000\n")]);
        let mut sensor = open_under(sys.root(), &hwmon("lm75"));
        assert_eq!(sensor.sample().value, Ok(48.0), "the only one");
        sys.monitor(second, I2C_49, "lm75", &[("temp1_input", "49000\n")]);
        assert_eq!(sensor.sample().value, Err(Fault::Ambiguous));
        assert_eq!(sys.sample(hwmon("lm75@1-0048")), Ok(48.0));
        assert_eq!(sys.sample(hwmon("lm75@1-0049/temp1")), Ok(49.0));
        assert_eq!(sys.sample(hwmon("lm75@i2c-1")), Err(Fault::Ambiguous));
        for nowhere in ["lm75@1-004a", "lm75@hwmon0", "lm75@", "lm7", "lm75@1-0048/temp2"] {
            assert_eq!(sys.sample(hwmon(nowhere)), Err(Fault::Missing), "{nowhere}");
        }
        sys.write(&format!("devices/{I2C_49}/hwmon/hwmon{second}/in0_input"), "3300\n");
        assert_eq!(sys.sample(hwmon("lm75/in0")), Ok(3.3), "only one has it");
        let told = sys.look(hwmon("lm75")).1;
        for apart in ["lm75@1-0048", "lm75@1-0049"] {
            assert!(
                told.contains(&format!("found as \"{apart}\""))
                    || told.contains(&format!("and as \"{apart}\"")),
                "{told}"
            );
        }
    }
}

#[test]
fn zones_of_one_type_are_told_apart_where_the_driver_tells_their_place() {
    let sys = Sys::new();
    sys.zone(0, Some("LNXSYSTM:00/LNXTHERM:00"), "acpitz", "27800\n");
    sys.zone(1, Some("LNXSYSTM:00/LNXTHERM:01"), "acpitz", "29800\n");
    assert_eq!(sys.sample(zone("acpitz")), Err(Fault::Ambiguous));
    assert_eq!(sys.sample(zone("acpitz@LNXTHERM:01")), Ok(29.8));
}

#[test]
fn zones_of_one_type_that_are_attached_nowhere_are_told_apart_by_their_number() {
    let sys = Sys::new();
    sys.zone(0, None, "acpitz", "27800\n");
    sys.zone(1, None, "acpitz", "29800\n");
    let (sample, told) = sys.look(zone("acpitz"));
    assert_eq!(sample, Err(Fault::Ambiguous));
    let wanted = "found as \"acpitz@thermal_zone0\" at /sys/class/thermal/thermal_zone0 \
                  and as \"acpitz@thermal_zone1\" at /sys/class/thermal/thermal_zone1";
    assert!(told.ends_with(wanted), "{told}");
    assert_eq!(sys.sample(zone("acpitz@thermal_zone1")), Ok(29.8));
    assert_eq!(sys.sample(zone("acpitz@thermal_zone2")), Err(Fault::Missing));
    sys.zone(2, Some("LNXSYSTM:00/LNXTHERM:00"), "acpitz", "1000\n");
    assert_eq!(
        sys.sample(zone("acpitz@thermal_zone2")),
        Err(Fault::Missing),
        "a number is no place where there is one"
    );
}
